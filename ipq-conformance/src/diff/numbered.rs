//! Generated steps for numbered queues. Each such queue counts packet ids up from 1, so a message
//! can name a packet that has not come yet.

use super::plan::{Action, Chance, Plan};
use crate::suite::{PORT_IDS, Packet, QueueRequest};
use crate::world::topology::{TAP0, TAP1};
use crate::world::{NumberedQueue, Protocol, Rule, Setup, Step, Table};
use bytes::Bytes;
use ipq_core::wire::nfnetlink::{PROTOCOL, attribute, message_type};
use ipq_core::{Family, Hook};

/// The names of the sockets. Each is bound to the port id in the same place of [`PORT_IDS`].
const SOCKETS: [&str; 3] = ["a", "b", "c"];
/// The queues that most messages are for.
const QUEUES: [u16; 2] = [1, 2];

impl Plan {
    /// Returns the plan that `seed` generates for numbered queues (`nfnetlink_queue`).
    #[must_use]
    pub fn generate_numbered(seed: u64) -> Self {
        let mut chance = Chance::of_seed(seed);
        let mut steps: Vec<Step> = SOCKETS
            .iter()
            .zip(PORT_IDS)
            .map(|(name, id)| open(name, id.0))
            .collect();
        steps.push(Step::CapAck { socket: "b".into() });
        steps.push(Step::ExtAck { socket: "c".into() });
        if !chance.one_in(10) {
            let binds = QUEUES.map(|queue| QueueRequest::bind(queue).mode(2, 0).bytes());
            steps.push(send("a", binds.concat().into()));
        }
        let length = chance.below(50) + 10;
        steps.extend((0..length).map(|_| chance.step()));
        Self {
            setup: Setup::with_numbered_queues(chance.numbered_rules()),
            actions: steps.into_iter().map(Action::Step).collect(),
        }
    }
}

fn open(name: &str, port_id: u32) -> Step {
    Step::Open {
        socket: name.into(),
        protocol: PROTOCOL.into(),
        bind: Some(port_id),
    }
}

fn send(socket: &str, bytes: Bytes) -> Step {
    let socket = socket.into();
    Step::Send {
        socket,
        to: None,
        bytes,
    }
}

impl Chance {
    /// Returns random rules for both families: some set marks, and the others each send packets to
    /// one queue. Packets are not spread over queues, since each machine spreads them with a seed
    /// of its own.
    fn numbered_rules(&mut self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (family, queue) in Family::ALL.into_iter().zip(QUEUES) {
            if self.one_in(4) {
                let mark = self.below(9) as u32;
                rules.push(Rule::mark(
                    family,
                    Table::Mangle,
                    Hook::Prerouting,
                    Some(Protocol::UDP),
                    mark,
                ));
            }
            let (table, hook) = self.of(&[
                (Table::Filter, Hook::Forward),
                (Table::Filter, Hook::Forward),
                (Table::Mangle, Hook::Prerouting),
                (Table::Mangle, Hook::Forward),
                (Table::Mangle, Hook::Postrouting),
                (Table::Filter, Hook::Input),
            ]);
            let mut queue = NumberedQueue::one(self.of(&[queue, queue, queue, 2, 9]));
            queue.bypass = self.one_in(4);
            rules.push(Rule::numbered_queue(family, table, hook, queue).protocol(Protocol::UDP));
            if self.one_in(3) {
                let again = NumberedQueue::one(self.of(&QUEUES));
                let rule = Rule::numbered_queue(family, Table::Filter, Hook::Forward, again);
                rules.push(rule.protocol(Protocol::UDP));
            }
            if self.one_in(8) {
                rules.push(Rule::queue(family, Table::Filter, Hook::Forward, None));
            }
        }
        rules
    }

    fn step(&mut self) -> Step {
        let socket = self.of(&["a", "a", "a", "a", "b", "c"]);
        match self.below(100) {
            0..2 => Step::Close { socket: socket.into() },
            2..5 => {
                let place = self.below(SOCKETS.len());
                open(SOCKETS[place], PORT_IDS[place].0)
            }
            5..45 => {
                let bytes = self.datagram();
                send(socket, bytes)
            }
            45..60 => Step::Receive {
                socket: socket.into(),
                size: self.of(&[1 << 17, 1 << 17, 1 << 17, 100, 20, 1]),
            },
            60..86 => {
                let (device, frame) = self.packet();
                let count = self.of(&[1, 1, 1, 2, 5]);
                Step::Inject { device, frame, count }
            }
            86..94 => Step::Sniff {
                device: self.of(&[TAP0.name, TAP1.name]).into(),
            },
            94..97 => Step::Link {
                device: self.of(&[TAP0.name, TAP1.name]).into(),
                up: !self.one_in(3),
            },
            97..99 => Step::NetAdmin { held: !self.one_in(3) },
            _ => Step::NoEnobufs { socket: socket.into() },
        }
    }

    /// Returns a datagram with one to three messages. Now and then bytes follow them, or the
    /// datagram is cut.
    fn datagram(&mut self) -> Bytes {
        let messages = self.of(&[1, 1, 1, 1, 2, 3]);
        let mut datagram: Vec<u8> = Vec::new();
        for _ in 0..messages {
            datagram.extend(self.message().bytes());
            datagram.resize(datagram.len().next_multiple_of(4), 0);
        }
        if self.one_in(12) {
            datagram.extend(vec![self.of(&[0, 1, 0xff]); self.below(24)]);
        }
        if self.one_in(20) {
            datagram.truncate(self.below(datagram.len()) + 1);
        }
        datagram.into()
    }

    fn message(&mut self) -> QueueRequest {
        let queue = self.of(&[1, 1, 1, 2, 2, 0, 9, 256, 65_535]);
        let request = match self.below(20) {
            0..6 => self.setting(queue),
            6..16 => self.decision(QueueRequest::new(message_type::VERDICT, queue)),
            16..18 => self.decision(QueueRequest::new(message_type::VERDICT_BATCH, queue)),
            18 => QueueRequest::batch_begin(self.of(&[10, 10, 3, 0, 77])),
            _ => {
                let kind = self.of(&[0, 1, 2, 3, 15, 0x11, 0x12, 0x0300, 0x0304, 0x03ff, 0x7f01]);
                self.decision(QueueRequest::new(kind, queue))
            }
        };
        let flags = self.of(&[1, 1, 1, 1, 5, 5, 5, 5, 4, 0, 0x0305]);
        let request = request.flags(flags).sequence(self.below(1000) as u32);
        if self.one_in(25) {
            return request.stated_length(self.of(&[0, 15, 16, 19, 20, 24, 33, 500]));
        }
        request
    }

    fn setting(&mut self, queue: u16) -> QueueRequest {
        let mut request = QueueRequest::config(queue);
        for _ in 0..self.of(&[1, 1, 2, 3]) {
            request = match self.below(10) {
                0..3 => request.command(self.of(&[1, 1, 1, 2, 0, 3, 4, 5, 255])),
                3..6 => request.mode(
                    self.of(&[2, 2, 2, 1, 1, 0, 3, 255]),
                    self.of(&[0, 0, 1, 20, 61, 4096, 65_531, 65_532, u32::MAX]),
                ),
                6 => request.maximum_length(self.of(&[0, 1, 2, 3, 16, u32::MAX])),
                7 => request.queue_flags(
                    self.of(&[0, 1, 4, 5, 16, 2, 32, u32::MAX]),
                    self.of(&[0, 1, 5, 31, u32::MAX]),
                ),
                8 => request.number(self.of(&[attribute::CONFIG_FLAGS, attribute::CONFIG_MASK]), 1),
                _ => self.odd_attribute(request, 8),
            };
        }
        request
    }

    fn decision(&mut self, request: QueueRequest) -> QueueRequest {
        let value = self.of(&[
            1,
            1,
            1,
            1,
            0,
            0,
            5,
            4,
            4,
            2,
            3,
            6,
            0xff01,
            0x0001_0001,
            0x0001_0003,
            0x0002_0003,
            0x0009_0003,
            0x0009_8003,
            0x0007_0004,
        ]);
        let id = self.of(&[1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 12, 20, 0, u32::MAX, 1 << 31]);
        let mut request = if self.one_in(15) {
            request
        } else {
            request.verdict_header(value, id)
        };
        if self.one_in(6) {
            request = request.mark(self.of(&[0, 1, 0x8000_0001]));
        }
        if self.one_in(10) {
            request = request.priority(self.of(&[0, 7]));
        }
        if self.one_in(5) {
            request = request.payload(&self.replacement_bytes());
        }
        if self.one_in(12) {
            request = self.odd_attribute(request, 24);
        }
        request
    }

    /// Returns the bytes of a packet of either family: whole, cut or grown.
    fn replacement_bytes(&mut self) -> Vec<u8> {
        let family = self.of(&Family::ALL);
        let mut bytes = Packet::udp(family).payload(*b"replaced").ttl(63).ip().to_vec();
        match self.below(4) {
            0 => bytes.truncate(self.of(&[0, 1, 19, 20, 27, 28, 39, 40, 41])),
            1 => bytes.resize(bytes.len() + self.of(&[1, 4, 100]), 0x77),
            _ => {}
        }
        bytes
    }

    fn odd_attribute(&mut self, request: QueueRequest, kinds: usize) -> QueueRequest {
        let kind = self.below(kinds) as u16 | self.of(&[0, 0, 0x8000, 0x4000]);
        if self.one_in(4) {
            let stated = self.below(12) as u16;
            return request.following(&[stated.to_ne_bytes(), kind.to_ne_bytes()].concat());
        }
        request.attribute(kind, &vec![self.of(&[0, 1, 2]); self.below(14)])
    }

    /// Returns a random frame, and the name of the device that it arrives on.
    fn packet(&mut self) -> (String, Bytes) {
        let family = self.of(&Family::ALL);
        // The kernel copies short packets. A longer one from a TAP device shares its bytes with its
        // message, and a payload changes what is yet to be read.
        let length = family.header_length() + 8 + self.of(&[0, 1, 2, 3, 8, 60]);
        let mut packet = Packet::udp(family)
            .length(length)
            .identification(self.below(60_000) as u16);
        if self.one_in(5) {
            packet = packet.back();
        }
        if self.one_in(6) {
            packet = packet.to_host();
        }
        if self.one_in(4) {
            packet = packet.tos(self.of(&[0x08, 0x10, 0x18, 0x02, 0xff]));
        }
        if self.one_in(8) {
            packet = packet.protocol(253);
        }
        if self.one_in(10) {
            packet = packet.ttl(self.of(&[1, 2]));
        }
        (packet.device().name.into(), packet.frame())
    }
}
