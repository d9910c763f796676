//! The world of the emulated kernel.

use super::programs::World;
use ipq_conformance::suite::Packet;
use ipq_conformance::world::topology::{TAP0, TAP1};
use ipq_core::transport::nfqueue::{NfQueue, OpenError, Options};
use ipq_core::{Family, Handle, Hook};
use ipq_sim::{Kernel, NumberedQueue, Profile, Rule, Sim, SimTransport, Spread, Target};
use std::ops::RangeInclusive;

/// The number of the protocol UDP.
const UDP: u8 = 17;

pub(super) struct Emulator(Sim);

impl Default for Emulator {
    fn default() -> Self {
        let sim = Kernel::builder().profile(Profile::LINUX_6_18_X86_64).simulate();
        Self(sim.expect("the laboratory's devices have different names"))
    }
}

impl World for Emulator {
    type Socket = SimTransport;

    fn queue_udp(&mut self, numbers: RangeInclusive<u16>) {
        let queues = NumberedQueue {
            first: *numbers.start(),
            last: *numbers.end(),
            spread: Spread::Balance,
            bypass: false,
        };
        let rule = Rule::queue(Family::Ipv4, Hook::Forward).protocol(UDP);
        let rule = Rule {
            target: Target::NumberedQueue(queues),
            ..rule
        };
        self.0.add_rule(rule).expect("the kernel has numbered queues");
    }

    fn open(&self, options: Options) -> Result<NfQueue<SimTransport>, OpenError> {
        self.0.open_nfqueue(options).map(Handle::into_transport)
    }

    fn arrive(&mut self, packet: &Packet) {
        self.0.inject(TAP0.name, packet.frame()).expect("a frame arrives");
    }

    fn leaving(&mut self) -> Option<Vec<u8>> {
        let frame = self.0.sniff(TAP1.name).expect("the device is there");
        frame.map(|frame| frame.to_bytes().to_vec())
    }
}
