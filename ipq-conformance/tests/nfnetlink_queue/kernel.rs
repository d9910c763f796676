//! The kernel's side of the comparison, in a laboratory.

use super::step::{Datagram, SOCKETS, Seen, Side, Step};
use ipq_conformance::laboratory::{Laboratory, LaboratoryError, Place, Queues, set_netlink_option};
use ipq_conformance::world::topology::{TAP0, TAP1};
use ipq_conformance::world::{Protocol, Rule, Table};
use ipq_core::{Family, Hook, PortId};
use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use std::os::fd::OwnedFd;

/// The numbers of the queues that the rules send UDP to: that of IPv4 and that of IPv6.
pub(super) const QUEUES: [u16; 2] = [0, 1];

/// The socket option `NETLINK_CAP_ACK`.
const CAP_ACK: i32 = 10;
const EXT_ACK: i32 = 11;

/// The kernel that this runs on, and a program's sockets on it.
pub(super) struct Kernel {
    laboratory: Laboratory,
    sockets: [Option<OwnedFd>; SOCKETS],
    /// The error number of the last send, until [`Side::look`] takes it; `None` if it succeeded.
    refused: Option<i32>,
    net_admin: bool,
    buffer: Vec<u8>,
}

impl Kernel {
    /// Sets up a laboratory that forwards, with rules that queue forwarded UDP.
    pub(super) fn set_up() -> Result<Self, LaboratoryError> {
        let laboratory = Laboratory::set_up(Place::Private)?;
        let rule = |family| Rule::queue(family, Table::Filter, Hook::Forward, Some(Protocol::UDP));
        let [ipv4, ipv6] = QUEUES;
        laboratory.set_rules(&Family::ALL.map(rule), Queues::Numbered { ipv4, ipv6 })?;
        Ok(Self {
            laboratory,
            sockets: [const { None }; SOCKETS],
            refused: None,
            net_admin: true,
            buffer: vec![0; 1 << 17],
        })
    }

    fn open(&mut self, socket: usize, caps_answers: bool, extends_answers: bool) -> Result<PortId, Errno> {
        // The socket that was in this place is closed first, as on the emulator's side.
        self.sockets[socket] = None;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let opened = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER))?;
        net::bind(&opened, &SocketAddrNetlink::new(0, 0))?;
        for (option, on) in [(CAP_ACK, caps_answers), (EXT_ACK, extends_answers)] {
            set_netlink_option(&opened, option, on).expect("the option is known");
        }
        let address = SocketAddrNetlink::try_from(net::getsockname(&opened)?)?;
        self.sockets[socket] = Some(opened);
        Ok(PortId(address.pid()))
    }

    fn set_net_admin(&mut self, held: bool) {
        let mut sets = capabilities(None).expect("a process knows its capabilities");
        sets.effective.set(CapabilitySet::NET_ADMIN, held);
        set_capabilities(None, sets).expect("a capability can be dropped and regained");
        self.net_admin = held;
    }

    fn received(&mut self, socket: usize) -> Vec<Datagram> {
        let mut received = Vec::new();
        let Some(descriptor) = &self.sockets[socket] else {
            return received;
        };
        loop {
            match net::recv(descriptor, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((_, length)) => received.push(Datagram::without_time(&self.buffer[..length])),
                Err(Errno::AGAIN) => return received,
                Err(error) => received.push(Datagram::error(error.raw_os_error())),
            }
        }
    }
}

impl Side for Kernel {
    fn perform(&mut self, step: &Step, _: Option<PortId>) -> Option<PortId> {
        match step {
            Step::Open {
                socket,
                caps_answers,
                extends_answers,
            } => {
                return Some(
                    self.open(*socket, *caps_answers, *extends_answers)
                        .expect("a socket opens"),
                );
            }
            Step::Close { socket } => self.sockets[*socket] = None,
            Step::Send { socket, datagram } => {
                if let Some(socket) = &self.sockets[*socket] {
                    let sent = net::send(socket, &datagram.0, SendFlags::empty());
                    self.refused = sent.err().map(Errno::raw_os_error);
                }
                self.laboratory.settle().expect("the laboratory settles");
            }
            Step::Arrive { frame, count } => {
                let taken = self.laboratory.inject(TAP0.name, &frame.0, *count);
                taken.expect("a frame arrives").expect("the device takes it");
            }
            Step::Capability { held } => self.set_net_admin(*held),
            Step::Down => {
                // Setting a device down needs the capability, which the program may have lost.
                let held = self.net_admin;
                self.set_net_admin(true);
                for up in [false, true] {
                    self.laboratory
                        .set_link(TAP1.name, up)
                        .expect("the device goes down and up");
                }
                self.set_net_admin(held);
            }
        }
        None
    }

    fn look(&mut self, sockets: bool) -> Seen {
        let left = std::iter::from_fn(|| self.laboratory.sniff(TAP1.name).expect("a frame can be taken"));
        let left = left.map(Datagram).collect();
        let proc_text = std::fs::read_to_string("/proc/net/netfilter/nfnetlink_queue").ok();
        Seen {
            refused: self.refused.take(),
            received: std::array::from_fn(|socket| if sockets { self.received(socket) } else { Vec::new() }),
            left,
            proc_text: proc_text.map(|text| text.lines().map(str::to_owned).collect()),
        }
    }
}
