use super::*;
use crate::kernel::Kernel;
use crate::programs::run::capture::{CaptureTime, Packet};
use crate::programs::run::{NotFed, kernel};
use bytes::Bytes;
use ipq_core::{Family, Hook};
use pretty_assertions::assert_eq;

fn record(packet: Result<usize, NotFed>) -> Record {
    Record {
        time: CaptureTime::default(),
        packet: packet.map(|length| Packet {
            family: Family::Ipv4,
            data: vec![0; length].into(),
            link_header: None,
        }),
    }
}

/// The outcomes under test. A packet's serial comes from an emulated kernel, but its verdict and
/// fate come from the test: what the kernel does with the packet is ignored.
struct Lab {
    outcomes: Outcomes,
    kernel: Kernel,
    told: Vec<PacketReport>,
}

impl Lab {
    fn new() -> Self {
        Self {
            outcomes: Outcomes::default(),
            kernel: kernel(crate::Profile::default(), Hook::Input).unwrap(),
            told: Vec::new(),
        }
    }

    fn feed(&mut self, length: usize) -> PacketSerial {
        let mut packet = vec![0; 20];
        packet[..4].copy_from_slice(&[0x45, 0, 0, 20]);
        let sum = crate::host::ipv4::checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        let entrance = crate::EntryPoint {
            hook: Hook::Input,
            incoming: "eth0",
            outgoing: "eth1",
            link_header: None,
        };
        let serial = self.kernel.enter_at(entrance, packet).unwrap();
        let index = self.outcomes.add(record(Ok(length)));
        self.outcomes.entered(index, serial, Instant::now(), Unqueued::NoRule);
        serial
    }

    /// Tells the outcomes that the packet got an ACCEPT and was then delivered here.
    fn leave(&mut self, serial: PacketSerial) {
        let decided = Decided {
            verdict: Verdict::Accept,
            replaced: false,
            mark: None,
        };
        self.outcomes.verdict(serial, PacketId(1), decided, Instant::now());
        let fate = Fate::DeliveredHere(Bytes::new());
        self.outcomes.left(serial, fate, &mut self.told).unwrap();
    }

    fn told(&self) -> Vec<u64> {
        self.told.iter().map(|packet| packet.index).collect()
    }
}

#[test]
fn packets_are_told_of_in_the_captures_order_whenever_they_leave() {
    let mut lab = Lab::new();
    let [first, second] = [0; 2].map(|_| lab.feed(20));
    lab.outcomes.add(record(Err(NotFed::Cut)));
    let fourth = lab.feed(20);
    lab.leave(second);
    assert_eq!(lab.told(), [0_u64; 0]);
    lab.leave(first);
    assert_eq!(lab.told(), [0, 1, 2]);
    lab.leave(fourth);
    assert_eq!(lab.told(), [0, 1, 2, 3]);
    assert_eq!((lab.outcomes.records(), lab.outcomes.undecided()), (4, 0));
}

#[test]
fn a_packet_that_gets_through_without_a_verdict_is_not_accepted() {
    let mut lab = Lab::new();
    let [judged, passed] = [0; 2].map(|_| lab.feed(20));
    lab.leave(judged);
    let fate = Fate::DeliveredHere(Bytes::new());
    lab.outcomes.left(passed, fate, &mut lab.told).unwrap();
    let unqueued: Vec<_> = lab.told.iter().map(|packet| packet.unqueued).collect();
    assert_eq!(unqueued, [None, Some(Unqueued::NoRule)]);
    let summary = &lab.outcomes.summary;
    assert_eq!((summary.accepted, summary.passed[&Unqueued::NoRule]), (1, 1));
    assert_eq!((summary.fed(), summary.records), (2, 2));
}

#[test]
fn a_packet_without_a_verdict_is_still_queued_at_the_end() {
    let mut lab = Lab::new();
    let [_, second] = [0; 2].map(|_| lab.feed(20));
    lab.leave(second);
    lab.outcomes.end(&mut lab.told).unwrap();
    assert_eq!(lab.told(), [0, 1]);
    assert_eq!(lab.told[0].fate, Some(Fate::Queued));
    assert_eq!(
        (lab.outcomes.summary.still_queued, lab.outcomes.summary.accepted),
        (1, 1)
    );
}

#[test]
fn an_overdue_packet_lets_others_pass_and_is_told_of_when_it_leaves() {
    for (length, packets) in [(20, MOST_HELD), (1 << 16, MOST_BYTES >> 16)] {
        let mut lab = Lab::new();
        let overdue = lab.feed(20);
        for _ in 0..packets {
            let serial = lab.feed(length);
            lab.leave(serial);
        }
        assert_eq!(lab.told(), [0_u64; 0]);
        let serial = lab.feed(length);
        lab.leave(serial);
        assert_eq!(lab.told(), (1..=packets as u64 + 1).collect::<Vec<_>>());
        lab.leave(overdue);
        assert_eq!(lab.told.last().map(|packet| packet.index), Some(0));
        assert_eq!(lab.outcomes.summary.accepted, packets as u64 + 2);
    }
}
