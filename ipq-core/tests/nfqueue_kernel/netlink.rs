//! Rules, devices and addresses for the tests. All of it is netlink messages.
//!
//! Rules go through `nf_tables`: a base chain whose one rule has the expression `queue`, or the
//! xtables target NFQUEUE where the kernel has no such expression.

use ipq_core::Family;
use rustix::net::{self, AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::io::Error;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;
const EXCLUSIVE: u16 = 0x200;
const APPEND: u16 = 0x800;

/// Which hook a rule is at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hook {
    Prerouting = 0,
    Input = 1,
    Output = 3,
}

/// Queues every packet of `family` at `hook` to queue 0, as `-j QUEUE` does.
pub(crate) fn queue_all(family: Family, hook: Hook) {
    queue_all_to(family, hook, 0);
}

/// Queues every packet of `family` at `hook` to queue `number`.
pub(crate) fn queue_all_to(family: Family, hook: Hook, number: u16) {
    queue_all_among(family, hook, number, 1);
}

/// Spreads the packets of `family` at `hook` over `count` queues, of which `first` is the first, as
/// `-j NFQUEUE --queue-balance` does.
pub(crate) fn queue_all_among(family: Family, hook: Hook, first: u16, count: u16) {
    install(family, Some(hook), [first, count]).expect("a rule with the expression queue or the target NFQUEUE");
}

/// Whether such rules can be made here, in a chain that no packet meets.
pub(crate) fn probe() -> Result<(), String> {
    install(Family::Ipv4, None, [0, 1])
        .map_err(|error| format!("no nf_tables rule with the expression queue or the target NFQUEUE: {error}"))
}

/// Takes the expression if it can, and else the target.
fn install(family: Family, hook: Option<Hook>, queues: [u16; 2]) -> Result<(), Error> {
    install_rule(family, hook, &queue_expression(queues))
        .or_else(|_| install_rule(family, hook, &target_expression(queues)))
}

fn queue_expression([first, count]: [u16; 2]) -> Vec<u8> {
    let numbers = [(1, first), (2, count)].map(|(kind, number)| attribute(kind, &number.to_be_bytes()));
    [text(1, "queue"), nested(2, &numbers.concat())].concat()
}

fn target_expression(queues: [u16; 2]) -> Vec<u8> {
    let revision = 1_u32;
    let numbers = [queues.map(u16::to_ne_bytes).concat(), vec![0; 4]].concat();
    let target = [
        text(1, "NFQUEUE"),
        attribute(2, &revision.to_be_bytes()),
        attribute(3, &numbers),
    ];
    [text(1, "target"), nested(2, &target.concat())].concat()
}

/// A table, a chain at the hook, and a rule of one expression in it: all of it, or nothing.
fn install_rule(family: Family, hook: Option<Hook>, expression: &[u8]) -> Result<(), Error> {
    let (table, chain) = (format!("ipq_{hook:?}"), "queue");
    let base = hook.map(|hook| {
        let [number, priority] = [(1, hook as u32), (2, 0)].map(|(kind, value)| attribute(kind, &value.to_be_bytes()));
        [nested(4, &[number, priority].concat()), text(7, "filter")].concat()
    });
    let chained = [text(1, &table), text(3, chain), base.unwrap_or_default()].concat();
    let rule = [text(1, &table), text(2, chain), nested(4, &nested(1, expression))].concat();
    let messages = [
        (0x0a00, CREATE, text(1, &table)),
        (0x0a03, CREATE, chained),
        (0x0a06, CREATE | APPEND, rule),
    ];
    let socket = open(12);
    let (begin, end) = (0x10, 0x11);
    let edge = |kind| message(kind, REQUEST, &[0, 0, 0, 10]);
    let mut batch = edge(begin);
    let wanted = messages.len();
    let number = if family == Family::Ipv4 { 2 } else { 10 };
    for (kind, flags, attributes) in messages {
        batch.extend(message(
            kind,
            REQUEST | ACK | flags,
            &[&[number, 0, 0, 0], &attributes[..]].concat(),
        ));
    }
    batch.extend(edge(end));
    exchange(&socket, &batch, wanted)
}

/// Makes a pair of Ethernet devices, both up: each receives what the other sends. The first has
/// `address`, in a network of 24 bits, and knows `neighbour` to be at the second.
pub(crate) fn pair(names: [&str; 2], address: IpAddr, neighbour: IpAddr) {
    const NO_DUPLICATE_DETECTION: u8 = 2;
    const PERMANENT: u8 = 0x80;
    let peer = [&[0; 16][..], &text(3, names[1]), &attribute(1, SECOND_ADDRESS)].concat();
    let information = [text(1, "veth"), nested(2, &nested(1, &peer))].concat();
    let first = [text(3, names[0]), attribute(1, FIRST_ADDRESS), nested(18, &information)].concat();
    route(16, CREATE | EXCLUSIVE, &[&[0; 16][..], &first].concat());
    for name in names {
        set_up(name, true);
    }
    let index = index_of(names[0]);
    let [address, neighbour] = [address, neighbour].map(|address| match address {
        IpAddr::V4(address) => (2_u8, address.octets().to_vec()),
        IpAddr::V6(address) => (10, address.octets().to_vec()),
    });
    let prefix = if address.0 == 2 { 24 } else { 64 };
    let head = [
        &[address.0, prefix, NO_DUPLICATE_DETECTION, 0][..],
        &index.to_ne_bytes(),
    ]
    .concat();
    route(
        20,
        CREATE,
        &[&head[..], &attribute(1, &address.1), &attribute(2, &address.1)].concat(),
    );
    let head = [&[neighbour.0, 0, 0, 0][..], &index.to_ne_bytes(), &[PERMANENT, 0, 0, 0]].concat();
    route(
        28,
        CREATE,
        &[&head[..], &attribute(1, &neighbour.1), &attribute(2, SECOND_ADDRESS)].concat(),
    );
}

/// The link-layer addresses of a pair's devices.
pub(crate) const FIRST_ADDRESS: &[u8] = &[2, 0, 0, 0, 0x10, 1];
pub(crate) const SECOND_ADDRESS: &[u8] = &[2, 0, 0, 0, 0x10, 2];

/// Sets a device up or down.
pub(crate) fn set_up(name: &str, up: bool) {
    change(name, u32::from(up), 1, &[]);
}

/// Gives a device that is down another name.
pub(crate) fn rename(name: &str, new: &str) {
    change(name, 0, 0, &text(3, new));
}

fn change(name: &str, flags: u32, changed: u32, attributes: &[u8]) {
    let head = [
        &[0; 4][..],
        &index_of(name).to_ne_bytes(),
        &flags.to_ne_bytes(),
        &changed.to_ne_bytes(),
    ]
    .concat();
    route(16, 0, &[&head[..], attributes].concat());
}

fn index_of(name: &str) -> u32 {
    let any = net::socket(AddressFamily::UNIX, SocketType::DGRAM, None).expect("a socket");
    net::netdevice::name_to_index(any, name).expect("a device of this name")
}

fn route(kind: u16, flags: u16, body: &[u8]) {
    exchange(&open(0), &message(kind, REQUEST | ACK | flags, body), 1).expect("the kernel takes it");
}

fn open(protocol: u32) -> OwnedFd {
    let protocol = std::num::NonZeroU32::new(protocol).map(Protocol::from_raw);
    let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol);
    let socket = socket.expect("a netlink socket");
    net::bind(&socket, &netlink::SocketAddrNetlink::new(0, 0)).expect("a port id");
    socket
}

/// Sends `datagram` and waits for as many acknowledgements, or the first refusal.
fn exchange(socket: &OwnedFd, datagram: &[u8], acknowledgements: usize) -> Result<(), Error> {
    net::send(socket, datagram, SendFlags::empty())?;
    for _ in 0..acknowledgements {
        let mut answer = [0; 4096];
        net::recv(socket, &mut answer, RecvFlags::empty())?;
        let error = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
        if error != 0 {
            return Err(Error::from_raw_os_error(-error));
        }
    }
    Ok(())
}

fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = (16 + body.len()) as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = (4 + content.len()) as u16;
    let mut attribute = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    attribute.extend(content);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

fn nested(kind: u16, content: &[u8]) -> Vec<u8> {
    attribute(kind | 0x8000, content)
}

fn text(kind: u16, content: &str) -> Vec<u8> {
    attribute(kind, &[content.as_bytes(), &[0]].concat())
}
