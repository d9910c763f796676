//! The emulated kernel, which is fed raw datagrams, raw packets and other events.
//!
//! The first two bytes of the input choose the kernel and its rules. Then comes a list of actions,
//! as [`Action`] describes them. After each action the accounting must balance, no packet may have
//! left twice, and the queues' lengths together must be right. The memory that is held must be
//! bounded by what came in.

use crate::input::{Input, Output};
use ipq_core::wire::{Envelope, Flags, Message, ModeRequest, VerdictRequest};
use ipq_core::{CopyMode, Family, Hook, PacketId, PortId, Verdict};
use ipq_sim::{ClientId, EntryPoint, Fate, IdReuse, Kernel, PacketEvent, PacketSerial, Profile, Rule, SocketId};
use std::collections::HashSet;
use std::time::Duration;

/// The most sockets that are open at a time.
const SOCKETS: usize = 8;

/// The most packet ids that are remembered for verdicts.
const IDS: usize = 32;

/// An action. Its number is in the input first, and then its values. A value is a byte unless a
/// size is given; byte strings come after their length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Action {
    /// Sends a datagram to the kernel as it is. Values: the socket, the bytes.
    Send,
    /// Gives a verdict on a packet that was read; if there is none, on packet 0. Values: the
    /// socket, which packet, the verdict (u32), the replacement.
    Verdict,
    /// Sets a copy mode. Values: the socket, the mode, the range (u32).
    Mode,
    /// Makes a frame arrive. Values: the device, the bytes.
    Inject,
    /// Makes an IP packet arrive. Values: the device, the bytes.
    InjectPacket,
    /// Makes a UDP packet arrive on tap0 for the neighbour behind tap1. Values: whether it is IPv6,
    /// its time to live, the length of its payload (u16).
    Forwarded,
    /// Makes this host send a packet. Value: the bytes.
    Output,
    /// Makes a packet enter at a hook. Values: the hook, the incoming and the outgoing device, the
    /// bytes.
    EnterAt,
    /// Reads a datagram. Values: the socket, the size of the buffer (u16).
    Receive,
    /// Opens a socket in place of another. Values: the socket, whose highest bit chooses between
    /// two programs; whether it is for IPv6; the port id, as an index in [`PORT_IDS`].
    Open,
    /// Closes a socket. Value: the socket.
    Close,
    /// Sends a datagram to a port id. Values: the socket, the port id as an index in [`PORT_IDS`],
    /// the bytes.
    SendTo,
    /// Sets a device up or down. Values: the device, whether it is up.
    Link,
    /// Sets the maximum length of a queue. Values: whether it is IPv6's, the number of packets
    /// (u16).
    MaximumLength,
    /// Unloads or loads the module of a family's queue. Values: whether it is IPv6's, whether it is
    /// loaded.
    Module,
    /// Gives `CAP_NET_ADMIN` to the first of the two programs, or takes it away. Value: whether the
    /// program has it.
    Capability,
    /// Sets a socket's receive buffer or send buffer, or switches `NETLINK_NO_ENOBUFS`. Values: the
    /// socket, which of these, the bytes (u16).
    Buffer,
    /// Lets time pass. Value: the milliseconds (u16).
    Advance,
    /// Makes a frame arrive later. Values: the device, the milliseconds (u16), the bytes.
    Later,
    /// Takes a frame that has left by a device, reads the queues' texts in `/proc`, peeks at a
    /// socket and takes its error. Values: the device, the socket.
    Look,
}

impl Action {
    const ALL: [Self; 20] = [
        Self::Send,
        Self::Verdict,
        Self::Mode,
        Self::Inject,
        Self::InjectPacket,
        Self::Forwarded,
        Self::Output,
        Self::EnterAt,
        Self::Receive,
        Self::Open,
        Self::Close,
        Self::SendTo,
        Self::Link,
        Self::MaximumLength,
        Self::Module,
        Self::Capability,
        Self::Buffer,
        Self::Advance,
        Self::Later,
        Self::Look,
    ];

    pub(crate) fn begin(self, output: &mut Output) -> &mut Output {
        output.u8(self as u8)
    }
}

pub(crate) const DEVICES: [&str; 4] = ["tap0", "tap1", "lo", "none"];

/// The port ids that sockets are bound to or that datagrams are sent to.
pub(crate) const PORT_IDS: [u32; 8] = [0, 4242, 4243, 7, 1, u32::MAX, 0x8000_0000, 0x7fff_ffff];

/// Checks the emulated kernel while the actions in `bytes` are carried out, 4096 at most.
pub fn check(bytes: &[u8]) {
    let mut actions = 0;
    let held = allocation_counter::measure(|| {
        let mut input = Input::new(bytes);
        let mut run = Run::new(&mut input);
        while !input.is_empty() && actions < 4096 {
            run.act(&mut input);
            run.balance();
            actions += 1;
        }
        run.end();
    });
    // The bound is the room of a machine; several times what came in; and for each action the most
    // that it can leave behind.
    let most = (1 << 18) + 32 * bytes.len() as u64 + 2048 * actions;
    assert!(
        held.bytes_max <= most,
        "{} bytes held after {actions} actions and {} bytes",
        held.bytes_max,
        bytes.len()
    );
    assert_eq!(held.bytes_current, 0);
}

/// The kernels that a run may have. Both have `ip_queue`.
const PROFILES: [Profile; 2] = [Profile::LINUX_3_4_10_X86_64, Profile::LINUX_3_4_10_I386];

struct Run {
    kernel: Kernel,
    sockets: [Option<SocketId>; SOCKETS],
    ids: Vec<PacketId>,
    left: HashSet<PacketSerial>,
    others: ClientId,
}

impl Run {
    fn new(input: &mut Input<'_>) -> Self {
        let [machine, rules] = input.array();
        let profile = PROFILES[usize::from(machine & 1)];
        let reuse = if machine & 2 == 0 {
            IdReuse::LastFreedFirst
        } else {
            IdReuse::Never
        };
        let mut kernel = Kernel::builder()
            .profile(profile)
            .id_reuse(reuse)
            .keep_fates(16)
            .build()
            .expect("the laboratory's devices");
        kernel.keep_journal();
        for (bit, hook) in Hook::ALL.iter().enumerate() {
            for family in Family::ALL {
                if rules & (1 << bit) != 0 {
                    kernel
                        .add_rule(Rule::queue(family, *hook))
                        .expect("a rule of mangle or filter");
                }
            }
        }
        let others = kernel.add_client(77, machine & 4 == 0);
        Self {
            kernel,
            sockets: [None; SOCKETS],
            ids: Vec::new(),
            left: HashSet::new(),
            others,
        }
    }

    fn act(&mut self, input: &mut Input<'_>) {
        match Action::ALL[usize::from(input.u8()) % Action::ALL.len()] {
            Action::Send => {
                let socket = self.socket(input);
                self.send(socket, input.bytes());
            }
            Action::Verdict => {
                let (socket, which, verdict) = (self.socket(input), input.u8(), input.u32());
                self.verdict(socket, which, verdict, input.bytes());
            }
            Action::Mode => {
                let (socket, mode, range) = (self.socket(input), input.u8(), input.u32());
                let request = ModeRequest {
                    mode: CopyMode::from_wire(mode),
                    range: range.into(),
                };
                if let Some(envelope) = self.envelope(socket) {
                    self.send(socket, &request.head(self.kernel.profile().abi, envelope));
                }
            }
            Action::Inject => {
                let (device, frame) = (device(input), input.bytes());
                let _ = self.kernel.inject(device, frame.to_vec());
            }
            Action::InjectPacket => {
                let (device, packet) = (device(input), input.bytes());
                let _ = self.kernel.inject_packet(device, packet);
            }
            Action::Forwarded => {
                let (ipv6, ttl, length) = (input.u8() & 1 != 0, input.u8(), input.u16() % 2000);
                let packet = forwarded(ipv6, ttl, length);
                self.kernel.inject_packet("tap0", &packet).expect("an IP packet");
            }
            Action::Output => drop(self.kernel.output(input.bytes().to_vec())),
            Action::EnterAt => {
                let hook = Hook::from_wire(u32::from(input.u8() % 6));
                let (incoming, outgoing) = (device(input), device(input));
                let entrance = EntryPoint {
                    hook,
                    incoming,
                    outgoing,
                    link_header: None,
                };
                let _ = self.kernel.enter_at(entrance, input.bytes().to_vec());
            }
            Action::Receive => {
                let (socket, room) = (self.socket(input), input.u16());
                self.receive(socket, room.into());
            }
            Action::Open => self.open(input),
            Action::Close => {
                let place = usize::from(input.u8()) % SOCKETS;
                if let Some(socket) = self.sockets[place].take() {
                    self.kernel.close(socket);
                    assert!(!self.kernel.is_open(socket));
                }
            }
            Action::SendTo => {
                let (socket, to) = (self.socket(input), port_id(input));
                if let Some(socket) = socket {
                    let _ = self.kernel.send_to(socket, to, input.bytes());
                }
            }
            Action::Link => {
                let (device, up) = (device(input), input.u8() & 1 != 0);
                let _ = self.kernel.set_link(device, up);
            }
            Action::MaximumLength => {
                let (family, length) = (family(input), input.u16());
                self.kernel.set_maximum_length(family, length.into());
            }
            Action::Module => match (family(input), input.u8() & 1) {
                (family, 0) => self.kernel.unload(family),
                (family, _) => self.kernel.load(family),
            },
            Action::Capability => self.kernel.set_net_admin(ClientId::FIRST, input.u8() & 1 != 0),
            Action::Buffer => {
                let (socket, which, bytes) = (self.socket(input), input.u8() % 4, input.u16());
                if let Some(socket) = socket {
                    let _ = match which {
                        0 => self.kernel.set_receive_buffer(socket, bytes.into()),
                        1 => self.kernel.set_send_buffer(socket, bytes.into()),
                        on => self.kernel.set_no_enobufs(socket, on == 2).map(|()| 0),
                    };
                }
            }
            Action::Advance => self.kernel.advance(Duration::from_millis(input.u16().into())),
            Action::Later => {
                let (device, delay) = (device(input), Duration::from_millis(input.u16().into()));
                let _ = self.kernel.inject_later(delay, device, input.bytes().to_vec());
            }
            Action::Look => {
                let (device, socket) = (device(input), self.socket(input));
                self.look(device, socket);
            }
        }
    }

    fn open(&mut self, input: &mut Input<'_>) {
        let (place, family, port_id) = (usize::from(input.u8()), family(input), port_id(input));
        let client = if place & 0x80 == 0 {
            ClientId::FIRST
        } else {
            self.others
        };
        let place = place % SOCKETS;
        if let Some(socket) = self.sockets[place].take() {
            self.kernel.close(socket);
        }
        if let Ok(socket) = self.kernel.open(client, family.netlink_protocol().into()) {
            match self.kernel.bind(socket, port_id) {
                Ok(bound) => assert!(self.kernel.port_id(socket) == Some(bound) && bound != PortId::KERNEL),
                Err(_) => assert_eq!(self.kernel.port_id(socket), None),
            }
            self.sockets[place] = Some(socket);
        }
    }

    fn send(&mut self, socket: Option<SocketId>, datagram: &[u8]) {
        if let Some(socket) = socket
            && let Ok(sent) = self.kernel.send(socket, datagram)
        {
            assert_eq!(sent, datagram.len());
        }
    }

    fn verdict(&mut self, socket: Option<SocketId>, which: u8, verdict: u32, replacement: &[u8]) {
        let packet_id = self.ids.get(usize::from(which) % IDS).copied().unwrap_or_default();
        let request = VerdictRequest {
            verdict: Verdict::from_wire(verdict),
            packet_id,
            data_len: replacement.len() as u64,
        };
        if let Some(envelope) = self.envelope(socket) {
            let head = request.head(self.kernel.profile().abi, envelope, replacement.len());
            self.send(socket, &[&head, replacement].concat());
        }
    }

    /// Returns the envelope of a message with the socket's own port id; `None` if there is no such
    /// socket or it has no port id.
    fn envelope(&self, socket: Option<SocketId>) -> Option<Envelope> {
        Some(Envelope {
            flags: Flags::REQUEST | Flags::ACK,
            sequence: 9,
            port_id: self.kernel.port_id(socket?)?,
        })
    }

    fn receive(&mut self, socket: Option<SocketId>, room: usize) {
        let Some(socket) = socket else {
            return;
        };
        let mut buffer = vec![0; room];
        let readable = self.kernel.is_readable(socket);
        let received = self.kernel.receive(socket, &mut buffer);
        assert_eq!(received != Err(ipq_core::Errno::EAGAIN), readable);
        let Ok(received) = received else {
            return;
        };
        assert_eq!(received.copied, received.length.min(room));
        if received.sender != PortId::KERNEL || received.copied < received.length {
            return;
        }
        match Message::parse(&buffer[..received.copied], self.kernel.profile().abi) {
            Ok(Message::Packet(packet)) => {
                self.ids.insert(0, packet.packet_id());
                self.ids.truncate(IDS);
            }
            Ok(Message::Error(_)) => {}
            other => panic!("the kernel sends no {other:?}"),
        }
    }

    fn look(&mut self, device: &str, socket: Option<SocketId>) {
        let _ = self.kernel.sniff(device);
        for family in Family::ALL {
            let text = self.kernel.proc_text(family);
            assert!(text.is_none_or(|text| text.lines().count() == 7));
        }
        if let Some(socket) = socket {
            let mut room = [0; 64];
            let _ = self.kernel.peek(socket, &mut room);
            let _ = self.kernel.take_error(socket);
        }
    }

    fn socket(&self, input: &mut Input<'_>) -> Option<SocketId> {
        self.sockets[usize::from(input.u8()) % SOCKETS]
    }

    /// Checks that entered = delivered + dropped + queued, that the queues' lengths add up to
    /// queued, and that no packet has left twice.
    fn balance(&mut self) {
        let accounting = self.kernel.accounting();
        assert!(accounting.balances(), "{accounting:?}");
        let lengths = Family::ALL.map(|family| self.kernel.queue_length(family).unwrap_or_default());
        assert_eq!(accounting.queued, lengths.iter().sum::<usize>() as u64);
        let gone = accounting.delivered + accounting.dropped();
        for event in self.kernel.take_events() {
            if let PacketEvent::Left { packet, fate } = event {
                assert!(self.left.insert(packet), "{packet:?} left twice");
                assert_ne!(fate, Fate::Queued);
            }
        }
        assert_eq!(self.left.len() as u64, gone);
    }

    /// Closes all sockets, and checks that nothing is queued then, since nobody listens.
    fn end(mut self) {
        for socket in self.sockets.into_iter().flatten() {
            self.kernel.close(socket);
        }
        self.balance();
        assert_eq!(self.kernel.accounting().queued, 0);
    }
}

fn family(input: &mut Input<'_>) -> Family {
    Family::ALL[usize::from(input.u8() & 1)]
}

fn device(input: &mut Input<'_>) -> &'static str {
    DEVICES[usize::from(input.u8()) % DEVICES.len()]
}

fn port_id(input: &mut Input<'_>) -> PortId {
    PortId(PORT_IDS[usize::from(input.u8()) % PORT_IDS.len()])
}

/// Returns a UDP packet from the neighbour behind tap0 to the one behind tap1, with `length` bytes
/// of payload.
fn forwarded(ipv6: bool, ttl: u8, length: u16) -> Vec<u8> {
    let udp = 8 + length;
    let mut packet = if ipv6 {
        let [high, low] = udp.to_be_bytes();
        let address = |net| [0xfd, 0, 0, net, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        [&[0x60, 0, 0, 0, high, low, 17, ttl][..], &address(1), &address(2)].concat()
    } else {
        let [high, low] = (20 + udp).to_be_bytes();
        let mut header = [0x45, 0, high, low, 0, 1, 0, 0, ttl, 17, 0, 0, 10, 1, 0, 2, 10, 2, 0, 2];
        let words = header
            .chunks_exact(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let sum: u32 = words.sum();
        let folded = !((sum & 0xffff) + (sum >> 16)) as u16;
        header[10..12].copy_from_slice(&folded.to_be_bytes());
        header.to_vec()
    };
    packet.resize(packet.len() + usize::from(udp), 0);
    packet
}
