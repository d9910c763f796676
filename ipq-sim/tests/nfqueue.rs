//! Tests the transport for nfnetlink queues on an emulated kernel: among others several queues,
//! queues that fail open, statistics, many verdicts in one message, and refusals in words.

use etherparse::PacketBuilder;
use ipq_core::handle::{Buffers, Decision};
use ipq_core::transport::nfqueue::{NfQueue, Options};
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Errno, Family, Handle, Hook, PacketId, Verdict, Wait};
use ipq_sim::{DropReason, Fate, Kernel, PacketSerial, Profile, Rule, Sim, SimTransport};
use pretty_assertions::assert_eq;

type Queue = Handle<NfQueue<SimTransport>>;

fn today() -> Sim {
    let sim = Kernel::builder().profile(Profile::LINUX_6_18_X86_64).simulate();
    sim.expect("the laboratory's devices have different names")
}

fn listening(sim: &Sim, options: Options) -> Queue {
    let handle = sim.open_nfqueue(options).expect("the kernel has numbered queues");
    handle.set_mode(CopyMode::Packet, 1500).expect("a message is sent");
    handle
}

fn queue(number: u16) -> Options {
    Options {
        queue_number: number,
        ..Options::new(Family::Ipv4)
    }
}

fn arrive(sim: &Sim, protocol: u8) -> PacketSerial {
    let mut packet = Vec::new();
    let ip = PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 2], 64);
    ip.write(&mut packet, etherparse::IpNumber(protocol), b"a packet")
        .expect("a vector has room");
    sim.inject_packet("tap0", &packet).expect("a packet arrives")
}

fn packets(handle: &Queue) -> Vec<PacketId> {
    let mut buffers = Buffers::new(64, handle.buffer_for(1500));
    let Ok(mut messages) = handle.read_many(&mut buffers, Wait::Never) else {
        return Vec::new();
    };
    let mut ids = Vec::new();
    while let Some(message) = messages.next_mut() {
        if let Ok(ipq_core::wire::MessageMut::Packet(packet)) = message {
            ids.push(packet.packet_id());
        }
    }
    ids
}

fn has_left(sim: &Sim, packet: PacketSerial) -> bool {
    matches!(sim.fate(packet), Some(Fate::Sent { .. }))
}

#[test]
fn each_queue_has_the_packets_of_its_rule_and_ids_of_its_own() {
    let sim = today();
    for (number, protocol) in [(3, 17), (65_535, 253)] {
        let rule = Rule::numbered_queue(Family::Ipv4, Hook::Forward, number).protocol(protocol);
        sim.add_rule(rule).expect("the kernel has numbered queues");
    }
    let [first, last] = [3, 65_535].map(|number| listening(&sim, queue(number)));
    let [udp, other, more] = [17, 253, 253].map(|protocol| arrive(&sim, protocol));
    assert_eq!(
        (packets(&first), packets(&last)),
        (vec![PacketId(1)], vec![PacketId(1), PacketId(2)])
    );
    last.set_verdict(PacketId(2), Verdict::Accept, None)
        .expect("a message is sent");
    first
        .set_verdict(PacketId(1), Verdict::Drop, None)
        .expect("a message is sent");
    assert!(has_left(&sim, more));
    assert_eq!(sim.fate(udp), Some(Fate::Dropped(DropReason::Verdict)));
    drop(last);
    assert_eq!(sim.fate(other), Some(Fate::Dropped(DropReason::PeerClosed)));
    assert!(sim.accounting().balances());
}

#[test]
fn what_a_full_queue_has_no_room_for_passes_if_it_fails_open_and_is_counted_if_not() {
    for fail_open in [true, false] {
        let sim = today();
        sim.add_rule(Rule::numbered_queue(Family::Ipv4, Hook::Forward, 0))
            .expect("there are such queues");
        let options = Options {
            max_length: Some(2),
            fail_open,
            ..queue(0)
        };
        let handle = listening(&sim, options);
        let sent = [(); 3].map(|()| arrive(&sim, 17));
        assert_eq!(packets(&handle).len(), 2);
        assert_eq!(has_left(&sim, sent[2]), fail_open);
        let statistics = handle
            .transport()
            .statistics()
            .expect("a text")
            .expect("the queue is bound");
        assert_eq!(
            (statistics.queue_length, statistics.queue_dropped),
            (2, u64::from(!fail_open))
        );
    }
}

#[test]
fn one_message_decides_about_many_packets() {
    let sim = today();
    sim.add_rule(Rule::numbered_queue(Family::Ipv4, Hook::Forward, 0))
        .expect("there are such queues");
    let options = Options {
        batch_verdicts: true,
        ..queue(0)
    };
    let handle = listening(&sim, options);
    let sent: Vec<_> = (0..40).map(|_| arrive(&sim, 17)).collect();
    let ids = packets(&handle);
    assert_eq!(ids.len(), sent.len());
    let decisions = ids.iter().map(|id| Decision {
        packet_id: *id,
        verdict: Verdict::Accept,
        replacement: None,
    });
    assert_eq!(handle.set_verdicts(decisions, |_, error| panic!("{error}")), sent.len());
    assert!(sent.iter().all(|packet| has_left(&sim, *packet)));
}

#[test]
fn a_rule_that_bypasses_lets_packets_go_on_that_nobody_listens_for() {
    let sim = today();
    let rule = Rule::numbered_queue(Family::Ipv4, Hook::Forward, 9);
    sim.add_rule(rule.protocol(17).bypass()).expect("there are such queues");
    sim.add_rule(rule.protocol(253)).expect("there are such queues");
    let [bypassing, other] = [17, 253].map(|protocol| arrive(&sim, protocol));
    assert!(has_left(&sim, bypassing));
    assert_eq!(sim.fate(other), Some(Fate::Dropped(DropReason::NoListener)));
}

#[test]
fn a_second_listener_is_told_why_it_is_refused() {
    let sim = today();
    let _first = listening(&sim, queue(0));
    let second = listening(&sim, queue(0));
    let mut buffer = [0; 256];
    let Ok(Message::Error(answer)) = second.read(&mut buffer, Wait::Never) else {
        panic!("the queue refuses the second");
    };
    assert_eq!(answer.errno(), Errno::EBUSY);
    let words = second.explain(answer.errno()).to_string();
    assert!(words.contains("nfnetlink queue 0 has another listener"), "{words}");
}

#[test]
fn a_kernel_has_queues_of_one_protocol() {
    let old = Sim::default();
    let rule = Rule::numbered_queue(Family::Ipv4, Hook::Forward, 0);
    assert!(old.add_rule(rule).is_err());
    assert!(old.open_nfqueue(queue(0)).is_err());
    assert!(today().open(Family::Ipv4).is_err());
}

#[test]
fn a_failed_assertion_tells_the_verdict_of_a_numbered_queue() {
    let sim = today();
    sim.add_rule(Rule::numbered_queue(Family::Ipv4, Hook::Forward, 5))
        .unwrap();
    let handle = listening(&sim, queue(5));
    let packet = arrive(&sim, 17);
    handle.run(|_| Verdict::Accept).unwrap();
    let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        sim.assert_dropped(packet, DropReason::Verdict);
    }));
    let message = *held.expect_err("it was delivered").downcast::<String>().unwrap();
    let way = "its way: PREROUTING, FORWARD, queued, verdict ACCEPT, POSTROUTING";
    assert_eq!(message.lines().nth(1), Some(way));
}
