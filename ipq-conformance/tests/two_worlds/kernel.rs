//! The world of this machine's kernel, in a laboratory: a network namespace with devices and rules.

use super::programs::World;
use ipq_conformance::laboratory::{Laboratory, LaboratoryError, Place, Queues};
use ipq_conformance::suite::Packet;
use ipq_conformance::world::topology::{TAP0, TAP1};
use ipq_conformance::world::{NumberedQueue, Protocol, Rule, Table};
use ipq_core::transport::netlink::Netlink;
use ipq_core::transport::nfqueue::{NfQueue, OpenError, Options};
use ipq_core::{Family, Hook};
use std::ops::RangeInclusive;

pub(super) struct Kernel(Laboratory);

impl Kernel {
    pub(super) fn set_up() -> Result<Self, LaboratoryError> {
        let laboratory = Laboratory::set_up(Place::Private)?;
        laboratory.set_rules(&[], Queues::Plain)?;
        Ok(Self(laboratory))
    }
}

impl World for Kernel {
    type Socket = Netlink;

    fn queue_udp(&mut self, numbers: RangeInclusive<u16>) {
        let queues = NumberedQueue::among(*numbers.start(), *numbers.end());
        let rule = Rule::numbered_queue(Family::Ipv4, Table::Filter, Hook::Forward, queues);
        let set = self.0.set_rules(&[rule.protocol(Protocol::UDP)], Queues::Plain);
        set.expect("the kernel takes the rule");
    }

    fn open(&self, options: Options) -> Result<NfQueue, OpenError> {
        NfQueue::open_with(options)
    }

    fn arrive(&mut self, packet: &Packet) {
        let taken = self.0.inject(TAP0.name, &packet.frame(), 1);
        taken.expect("a frame arrives").expect("the device takes it");
    }

    fn leaving(&mut self) -> Option<Vec<u8>> {
        self.0.settle().expect("the laboratory settles");
        self.0.sniff(TAP1.name).expect("a frame can be taken")
    }
}
