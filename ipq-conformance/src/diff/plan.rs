//! The actions that are done in two worlds. They hold nothing that only one world can know, such as
//! packet ids of `ip_queue`.

use crate::suite::{Packet, Request};
use crate::world::topology::{Device, TAP0, TAP1};
use crate::world::{Protocol, Rule, Setup, Step, Table};
use bytes::Bytes;
use ipq_core::wire::Flags;
use ipq_core::{CopyMode, Family, Hook, PortId, Verdict};
use std::ops::Range;

/// A sequence of actions, and the setup with the rules in force.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) setup: Setup,
    pub(super) actions: Vec<Action>,
}

/// One action. It is skipped if its socket is not open, if it is a verdict on a packet that was not
/// read, or if it opens a socket that is open. Without `CAP_NET_ADMIN`, opening a socket of a
/// [`Slot`], setting a device up or down, and sending a packet from this host are skipped, too; the
/// last also while tap0 is down.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// A step that is done unchanged. Only plans for numbered queues have such actions.
    Step(Step),
    Open(Slot),
    Close(Slot),
    Send {
        slot: Slot,
        request: Request,
    },
    /// A verdict on a packet that a socket of the slot's family has read since one of them was last
    /// closed: the last packet if `age` is 0, the one before it if `age` is 1, and so on.
    Verdict {
        slot: Slot,
        age: usize,
        verdict: Verdict,
        replacement: Replacement,
        envelope: Envelope,
    },
    Receive {
        slot: Slot,
        size: usize,
    },
    Inject {
        device: Device,
        frame: Bytes,
        count: u32,
    },
    Output(Packet),
    Sniff(Device),
    Link {
        device: Device,
        up: bool,
    },
    NetAdmin {
        held: bool,
    },
}

/// The flags and the sequence number of a message's header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope {
    pub(super) flags: Flags,
    pub(super) sequence: u32,
}

/// The bytes that a verdict carries to replace its packet. In what follows, the packet is as much
/// of it as was read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Replacement {
    None,
    /// The packet with its last byte changed.
    Changed,
    /// The packet with another time to live, or hop limit, and its old checksum.
    OtherHops,
    /// The packet with another type of service, or traffic class, and its old checksum.
    OtherService,
    /// The packet with this many bytes appended.
    Longer(usize),
    /// The packet without this many bytes at its end.
    Shorter(usize),
    /// This many bytes of the value 0x45, but at most 19: too few for an IPv4 or IPv6 header.
    Stub(usize),
    /// The packet with its last byte changed. The verdict announces one byte more than follows.
    Cut,
}

/// One of three sockets: two for the queue of IPv4, and one for that of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Ipv4,
    Ipv6,
    SecondIpv4,
}

impl Slot {
    pub(super) const ALL: [Self; 3] = [Self::Ipv4, Self::Ipv6, Self::SecondIpv4];

    pub(super) const fn family(self) -> Family {
        match self {
            Self::Ipv4 | Self::SecondIpv4 => Family::Ipv4,
            Self::Ipv6 => Family::Ipv6,
        }
    }
}

impl Plan {
    /// Returns the plan that `seed` generates for `ip_queue`.
    #[must_use]
    pub fn generate(seed: u64) -> Self {
        let mut chance = Chance::of_seed(seed);
        let setup = Setup::with_rules(chance.rules());
        let mut actions = vec![Action::Open(Slot::Ipv4)];
        if chance.one_in(2) {
            actions.push(Action::Open(Slot::Ipv6));
        }
        // Now and then a socket's first message is no mode message.
        for slot in [Slot::Ipv4, Slot::Ipv6] {
            if !chance.one_in(8) {
                actions.push(chance.attach(slot));
            }
        }
        let length = chance.0.usize(8..40);
        actions.extend((0..length).map(|_| chance.action()));
        Self { setup, actions }
    }

    /// Returns the number of parts that can be left out: actions and rules.
    pub(super) const fn length(&self) -> usize {
        self.actions.len() + self.setup.rules.len()
    }

    /// Returns the plan without the parts whose numbers are in `left_out`. Actions are numbered
    /// first, from 0, and then rules. Numbers beyond the last are ignored.
    pub(super) fn without(&self, left_out: Range<usize>) -> Self {
        let mut shorter = self.clone();
        let mut number = 0;
        let mut stays = || {
            number += 1;
            !left_out.contains(&(number - 1))
        };
        shorter.actions.retain(|_| stays());
        shorter.setup.rules.retain(|_| stays());
        shorter
    }
}

pub(super) struct Chance(fastrand::Rng);

impl Chance {
    pub(super) fn of_seed(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0.usize(..n)
    }

    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.0.u32(..n) == 0
    }

    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.usize(..choices.len())]
    }

    fn rules(&mut self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for family in Family::ALL {
            let udp = Some(Protocol::UDP);
            if self.one_in(4) {
                let mark = self.0.u32(1..100);
                rules.push(Rule::mark(family, Table::Mangle, Hook::Prerouting, udp, mark));
            }
            let (table, hook) = self.of(&[
                (Table::Filter, Hook::Forward),
                (Table::Filter, Hook::Forward),
                (Table::Mangle, Hook::Prerouting),
                (Table::Mangle, Hook::Forward),
                (Table::Mangle, Hook::Postrouting),
                (Table::Filter, Hook::Input),
                (Table::Filter, Hook::Output),
            ]);
            rules.push(Rule::queue(family, table, hook, udp));
            if self.one_in(3) {
                rules.push(Rule::queue(family, Table::Filter, Hook::Forward, udp));
            }
        }
        rules
    }

    fn attach(&mut self, slot: Slot) -> Action {
        let request = Request::mode(CopyMode::Packet, self.of(&[0, 0, 0, 20, 64, 65_535]));
        Action::Send { slot, request }
    }

    fn action(&mut self) -> Action {
        let slot = self.of(&[Slot::Ipv4, Slot::Ipv4, Slot::Ipv6, Slot::Ipv6, Slot::SecondIpv4]);
        match self.0.u32(..100) {
            0..3 => Action::Open(slot),
            3..5 => Action::Close(slot),
            5..12 => {
                let request = self.mode();
                Action::Send { slot, request }
            }
            12..36 => Action::Verdict {
                slot,
                age: self.of(&[0, 0, 0, 1, 2, 5]),
                verdict: self.verdict(),
                replacement: self.replacement(),
                envelope: self.envelope(),
            },
            36..40 => {
                let request = self.strange();
                Action::Send { slot, request }
            }
            40..60 => Action::Receive {
                slot,
                size: self.of(&[65_536, 65_536, 65_536, 100, 16, 1]),
            },
            60..82 => {
                let (device, frame) = self.arriving();
                let count = self.of(&[1, 1, 1, 2, 3]);
                Action::Inject { device, frame, count }
            }
            82..85 => {
                let family = self.of(&Family::ALL);
                let length = self.0.usize(..64);
                Action::Output(Packet::udp(family).length(packet_bytes(family) + length))
            }
            85..94 => Action::Sniff(self.device()),
            94..98 => Action::Link {
                device: self.device(),
                up: self.one_in(2),
            },
            _ => Action::NetAdmin { held: !self.one_in(3) },
        }
    }

    fn mode(&mut self) -> Request {
        let mode = self.of(&[
            CopyMode::Packet,
            CopyMode::Packet,
            CopyMode::Meta,
            CopyMode::None,
            CopyMode::Unknown(3),
        ]);
        let range = self.of(&[0, 1, 20, 40, 100, 2000, 65_535, 65_536, 1 << 32, (1 << 32) + 20]);
        let envelope = self.envelope();
        Request::mode(mode, range)
            .flags(envelope.flags)
            .sequence(envelope.sequence)
    }

    /// Generates a message of a known or an unknown type, with a body of zeros. Now and then its
    /// header has a length of its own, which is wrong in most cases, or a wrong port id.
    fn strange(&mut self) -> Request {
        let message_type = self.of(&[0, 1, 2, 0x10, 0x11, 0x12, 0x13, 0x14, 0x100]);
        let body = vec![0; self.of(&[0, 1, 8, 23, 24, 24, 40, 100])];
        let envelope = self.envelope();
        let mut request = Request::raw(message_type, body)
            .flags(envelope.flags)
            .sequence(envelope.sequence);
        if self.one_in(4) {
            request = request.stated_length(self.of(&[0, 15, 16, 17, 39, 40, 1000]));
        }
        if self.one_in(6) {
            request = request.port_id(self.of(&[PortId(0), PortId(0x8000_0000), PortId(u32::MAX)]));
        }
        request
    }

    fn device(&mut self) -> Device {
        if self.one_in(2) { TAP0 } else { TAP1 }
    }

    fn envelope(&mut self) -> Envelope {
        Envelope {
            flags: self.of(&[
                Flags::REQUEST,
                Flags::REQUEST,
                Flags::REQUEST,
                Flags::REQUEST | Flags::ACK,
                Flags::REQUEST | Flags::ACK,
                Flags::REQUEST | Flags::MULTI,
                Flags::REQUEST | Flags::TRUNCATED,
                Flags::ACK,
            ]),
            sequence: self.of(&[0, 0, 1, 77, u32::MAX]),
        }
    }

    fn verdict(&mut self) -> Verdict {
        self.of(&[
            Verdict::Accept,
            Verdict::Accept,
            Verdict::Accept,
            Verdict::Drop,
            Verdict::Stop,
            Verdict::Queue,
            Verdict::Repeat,
            Verdict::Stolen,
            Verdict::Unknown(6),
            Verdict::Unknown(0x0001_0001),
        ])
    }

    fn replacement(&mut self) -> Replacement {
        let bytes = self.of(&[1, 2, 3, 4, 8, 100, 1500, 1500]);
        self.of(&[
            Replacement::None,
            Replacement::None,
            Replacement::None,
            Replacement::Changed,
            Replacement::OtherHops,
            Replacement::OtherService,
            Replacement::Longer(bytes),
            Replacement::Shorter(bytes),
            Replacement::Stub(bytes),
            Replacement::Cut,
        ])
    }

    /// Generates a frame and the device that it arrives on.
    fn arriving(&mut self) -> (Device, Bytes) {
        let family = self.of(&Family::ALL);
        let length = packet_bytes(family) + self.of(&[0, 1, 2, 3, 8, 100, 1000]);
        let mut packet = Packet::udp(family).length(length).identification(self.0.u16(..));
        if self.one_in(5) {
            packet = packet.back();
        }
        if self.one_in(6) {
            packet = packet.to_host();
        } else if self.one_in(10) {
            // No fragment is for this host, which reassembles fragments before it queues them at
            // INPUT.
            packet = packet.fragment(self.of(&[0, 8, 800]), self.one_in(2));
        }
        if self.one_in(8) {
            packet = packet.protocol(253);
        }
        if self.one_in(10) {
            packet = packet.ttl(self.of(&[1, 2]));
        }
        if self.one_in(6) {
            packet = packet.dont_fragment();
        }
        let device = *packet.device();
        if self.one_in(12) {
            packet = packet.destination_mac([0x02, 0, 0, 0, 0x30, 1]);
        }
        let mut frame = packet.frame().to_vec();
        if self.one_in(8) {
            // Padding, as short frames have on a wire.
            frame.resize(frame.len() + self.of(&[1, 4, 20]), 0x99);
        }
        if self.one_in(10) && family == Family::Ipv4 {
            // One byte of the IPv4 header is wrong, if only because the checksum no longer fits.
            frame[ETHERNET_HEADER_BYTES + self.0.usize(..family.header_length())] ^= self.0.u8(1..);
        }
        (device, frame.into())
    }
}

const ETHERNET_HEADER_BYTES: usize = 14;

/// Returns the length of the shortest packet that is generated, in bytes: the network header and a
/// UDP header.
fn packet_bytes(family: Family) -> usize {
    family.header_length() + 8
}
