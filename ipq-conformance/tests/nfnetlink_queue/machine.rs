//! The emulator's side: the state machine, and as much of a host as the steps need.

use super::kernel::QUEUES;
use super::step::{Datagram, SOCKETS, Seen, Side, Step};
use bytes::Bytes;
use ipq_conformance::suite::frame_to_neighbour;
use ipq_conformance::world::topology::TAP1;
use ipq_core::PortId;
use ipq_sim::nfnetlink::{Decision, Messages, Offer, QueuedPacket, Queues, Refusal, Released, Rules, Sender};

/// What a netlink socket says of a datagram without bytes.
const ENODATA: i32 = 61;

/// The emulated kernel.
pub(super) struct Machine {
    queues: Queues<Packet>,
    sockets: [Option<Socket>; SOCKETS],
    left: Vec<Datagram>,
    refused: Option<i32>,
    net_admin: bool,
    /// The numbers of the two devices.
    devices: [u32; 2],
}

struct Socket {
    sender: Sender,
    received: Vec<Datagram>,
}

/// A packet at FORWARD.
struct Packet {
    family: u8,
    source: [u8; 6],
    bytes: Bytes,
    mark: u32,
    priority: u32,
}

impl Machine {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            queues: Queues::new(rules),
            sockets: [const { None }; SOCKETS],
            left: Vec::new(),
            refused: None,
            net_admin: true,
            devices: ["tap0", "tap1"].map(index_of),
        }
    }

    fn send(&mut self, socket: usize, datagram: &[u8]) {
        let Some(sender) = self.sockets[socket].as_ref().map(|socket| socket.sender) else {
            return;
        };
        let sender = Sender {
            net_admin: sender.net_admin && self.net_admin,
            ..sender
        };
        if datagram.is_empty() {
            self.refused = Some(ENODATA);
            return;
        }
        let rules = *self.queues.rules();
        let mut taken = Vec::new();
        for step in Messages::of(datagram, sender, &rules) {
            let answer = match step {
                ipq_sim::nfnetlink::Step::Answer(answer) => Some(answer),
                ipq_sim::nfnetlink::Step::Perform(request) => {
                    let outcome = self.queues.request(&request, sender, &mut taken);
                    for (_, packet) in taken.drain(..) {
                        if let Some(released) = outcome.released {
                            self.go_on(packet, released);
                        }
                    }
                    outcome.answer
                }
            };
            if let Some(answer) = answer {
                let datagram = answer.datagram(sender, &rules).to_vec();
                self.deliver(sender.port_id, datagram);
            }
        }
    }

    fn deliver(&mut self, to: PortId, datagram: Vec<u8>) {
        let socket = self
            .sockets
            .iter_mut()
            .flatten()
            .find(|socket| socket.sender.port_id == to);
        socket.expect("the socket is open").received.push(Datagram(datagram));
    }

    fn arrive(&mut self, frame: &[u8]) {
        let (source, ip) = (frame[6..12].try_into().expect("six bytes"), frame[14..].to_vec());
        let family = if ip[0] >> 4 == 4 { 2 } else { 10 };
        let mut packet = Packet {
            family,
            source,
            priority: 0,
            bytes: Bytes::new(),
            mark: 0,
        };
        packet.bytes = forwarded(ip).into();
        if family == 2 {
            packet.priority = [0, 2, 6, 4][usize::from(packet.bytes[1] >> 3 & 3)];
        }
        self.forward(packet);
    }

    /// The function of the table at FORWARD: its rule queues UDP.
    fn forward(&mut self, packet: Packet) {
        let (protocol, queue) = match packet.family {
            2 => (packet.bytes[9], QUEUES[0]),
            _ => (packet.bytes[6], QUEUES[1]),
        };
        if protocol == 17 {
            self.queue(packet, queue, false);
        } else {
            self.leave(&packet);
        }
    }

    fn queue(&mut self, packet: Packet, number: u16, bypass: bool) {
        let described = QueuedPacket {
            family: packet.family,
            hook: 2,
            hw_protocol: if packet.family == 2 { 0x0800 } else { 0x86dd },
            incoming: self.devices[0],
            physical_incoming: 0,
            outgoing: self.devices[1],
            physical_outgoing: 0,
            mark: packet.mark,
            priority: packet.priority,
            hardware_address: Some((
                6,
                std::array::from_fn(|byte| packet.source.get(byte).copied().unwrap_or(0)),
            )),
            arrived: Some((0, 0)),
            owner: None,
            checksum_state: 4,
            bytes: &packet.bytes,
        };
        let mut told = None;
        let offer = self.queues.offer(number, &described, |port_id, datagram| {
            told = Some((port_id, datagram.to_vec()));
            true
        });
        if let Some((port_id, datagram)) = told {
            self.deliver(port_id, datagram);
        }
        match offer {
            Offer::Queued { id } => self.queues.keep(number, id, packet),
            Offer::Passed(_) => self.leave(&packet),
            Offer::Refused(Refusal::NoListener) if bypass => self.leave(&packet),
            Offer::Refused(_) => {}
        }
    }

    fn go_on(&mut self, mut packet: Packet, released: Released<'_>) {
        let Released {
            decision,
            mark,
            priority,
            payload,
        } = released;
        packet.mark = mark.unwrap_or(packet.mark);
        packet.priority = priority.unwrap_or(packet.priority);
        if let Some(payload) = payload {
            if payload.len() < packet.bytes.len().min(header_length(&packet)) {
                return;
            }
            packet.bytes = Bytes::copy_from_slice(payload);
        }
        match decision {
            Decision::Drop => {}
            Decision::Accept | Decision::Stop => self.leave(&packet),
            Decision::Repeat => self.forward(packet),
            Decision::Queue { number, bypass } => self.queue(packet, number, bypass),
        }
    }

    fn leave(&mut self, packet: &Packet) {
        self.left
            .push(Datagram(frame_to_neighbour(&TAP1, &packet.bytes).to_vec()));
    }
}

impl Side for Machine {
    fn perform(&mut self, step: &Step, port_id: Option<PortId>) -> Option<PortId> {
        match step {
            Step::Open {
                socket,
                caps_answers,
                extends_answers,
            } => {
                self.perform(&Step::Close { socket: *socket }, None);
                self.sockets[*socket] = Some(Socket {
                    sender: Sender {
                        port_id: port_id?,
                        net_admin: self.net_admin,
                        caps_answers: *caps_answers,
                        extends_answers: *extends_answers,
                    },
                    received: Vec::new(),
                });
            }
            Step::Close { socket } => {
                if let Some(socket) = self.sockets[*socket].take() {
                    self.queues.socket_closed(socket.sender.port_id);
                }
            }
            Step::Send { socket, datagram } => self.send(*socket, &datagram.0),
            Step::Arrive { frame, count } => (0..*count).for_each(|_| self.arrive(&frame.0)),
            Step::Capability { held } => self.net_admin = *held,
            Step::Down => {
                // Each packet was to leave by the second device.
                self.queues.take_if(|_| true);
            }
        }
        port_id
    }

    fn look(&mut self) -> Seen {
        let taken = |socket: &mut Option<Socket>| {
            let socket = socket.as_mut();
            socket.map_or_else(Vec::new, |socket| std::mem::take(&mut socket.received))
        };
        Seen {
            refused: self.refused.take(),
            received: std::array::from_fn(|socket| taken(&mut self.sockets[socket])),
            left: std::mem::take(&mut self.left),
            proc_text: Some(self.queues.proc_text().lines().map(str::to_owned).collect()),
        }
    }
}

/// How long a packet must stay: its header, with IPv4's options.
fn header_length(packet: &Packet) -> usize {
    match packet.family {
        2 => usize::from(packet.bytes[0] & 15) * 4,
        _ => 40,
    }
}

/// A packet as a router passes it on.
fn forwarded(mut ip: Vec<u8>) -> Vec<u8> {
    if ip[0] >> 4 == 6 {
        ip[7] -= 1;
        return ip;
    }
    ip[8] -= 1;
    let sum = u16::from_be_bytes([ip[10], ip[11]]);
    let (sum, carry) = sum.overflowing_add(0x100);
    let sum = sum + u16::from(carry || sum == u16::MAX);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    ip
}

/// The number of a device, which a table of addresses has.
fn index_of(device: &str) -> u32 {
    let table = std::fs::read_to_string("/proc/net/if_inet6").expect("the kernel has IPv6");
    let line = table
        .lines()
        .find(|line| line.split_whitespace().last() == Some(device));
    let index = line
        .and_then(|line| line.split_whitespace().nth(1))
        .expect("the device has an address");
    u32::from_str_radix(index, 16).expect("a number")
}
