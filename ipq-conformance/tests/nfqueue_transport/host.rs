//! The host of the tests' programs: a laboratory, and the rules that a test has added.

use ipq_conformance::laboratory::{Laboratory, LaboratoryError, Place, Queues};
use ipq_conformance::suite::Packet;
use ipq_conformance::world::topology::TAP0;
use ipq_conformance::world::{NumberedQueue, Rule, Table};
use ipq_core::{Family, Hook};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

pub(crate) struct Host {
    laboratory: Laboratory,
    rules: Vec<Rule>,
    /// The processors that this process could run on before the laboratory chose one.
    processors: CpuSet,
}

impl Host {
    pub(crate) fn set_up() -> Result<Self, LaboratoryError> {
        let processors = sched_getaffinity(None).expect("the processors");
        let laboratory = Laboratory::set_up(Place::Private)?;
        laboratory.set_rules(&[], Queues::Plain)?;
        Ok(Self {
            laboratory,
            rules: Vec::new(),
            processors,
        })
    }

    /// Adds a rule that sends every packet of `family` at `hook` to queue 0, as `-j QUEUE` does.
    pub(crate) fn queue_all(&mut self, family: Family, hook: Hook) {
        self.queue_all_among(family, hook, NumberedQueue::one(0));
    }

    /// Adds a rule that sends every packet of `family` at `hook` to these queues. Earlier rules
    /// stay.
    pub(crate) fn queue_all_among(&mut self, family: Family, hook: Hook, queues: NumberedQueue) {
        let table = if hook == Hook::Prerouting {
            Table::Mangle
        } else {
            Table::Filter
        };
        self.rules.push(Rule::numbered_queue(family, table, hook, queues));
        let set = self.laboratory.set_rules(&self.rules, Queues::Plain);
        set.expect("the kernel takes the rules");
    }

    /// Makes a packet for this host with that payload arrive at the first device.
    pub(crate) fn arrive(&self, payload: &[u8]) {
        let frame = Packet::udp4().to_host().payload(payload).frame();
        let taken = self.laboratory.inject(TAP0.name, &frame, 1);
        taken.expect("a frame arrives").expect("the device takes it");
    }

    /// Sets the first device down.
    pub(crate) fn set_down(&mut self) {
        self.laboratory
            .set_link(TAP0.name, false)
            .expect("the device goes down");
    }

    /// Sets the first device down, renames it to `name`, and sets it up again.
    pub(crate) fn rename(&mut self, name: &str) {
        self.set_down();
        self.laboratory.rename(TAP0.name, name).expect("the device is renamed");
        self.laboratory.set_link(TAP0.name, true).expect("the device comes up");
    }

    /// Lets this thread and new ones run on all processors again.
    pub(crate) fn use_all_processors(&self) {
        sched_setaffinity(None, &self.processors).expect("the processors");
    }
}
