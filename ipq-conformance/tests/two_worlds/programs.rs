//! Tests of programs that decide about packets, for any [`World`].

use etherparse::TransportSlice;
use ipq_conformance::suite::Packet;
use ipq_core::handle::{Buffers, Decision, QueuedPacket};
use ipq_core::transport::nfqueue::{NfQueue, OpenError, Options, QueueSocket};
use ipq_core::wire::{Message, MessageMut, PacketMessage};
use ipq_core::{CopyMode, Errno, Family, Handle, PacketId, Verdict, Wait};
use pretty_assertions::assert_eq;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};

#[path = "../../../ipq-core/examples/several_queues.rs"]
#[expect(dead_code, reason = "its main function is that of the example")]
mod several_queues;

/// A host that forwards packets between neighbour A and neighbour B, emulated or real.
pub(super) trait World {
    /// The type of the netlink sockets of programs in this world.
    type Socket: QueueSocket;

    /// Makes the rule that spreads forwarded UDP packets of IPv4 over these queues. A test calls
    /// this at most once.
    fn queue_udp(&mut self, numbers: RangeInclusive<u16>);

    /// Opens a queue as `options` say.
    fn open(&self, options: Options) -> Result<NfQueue<Self::Socket>, OpenError>;

    /// Makes a packet arrive from neighbour A.
    fn arrive(&mut self, packet: &Packet);

    /// Takes the next frame that left towards neighbour B; `None` if there is none.
    fn leaving(&mut self) -> Option<Vec<u8>>;

    /// Takes all frames that have left towards neighbour B.
    fn left(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.leaving()).collect()
    }
}

/// A test in a world: its name and its function.
pub(super) type Test<W> = (&'static str, fn(&mut W));

pub(super) fn tests<W: World>() -> [Test<W>; 6] {
    [
        ("the-readmes-filter-drops-queries", the_readmes_filter_drops_queries),
        (
            "a-flow-keeps-its-queue-and-its-order",
            a_flow_keeps_its_queue_and_its_order,
        ),
        (
            "one-message-decides-about-many-packets",
            one_message_decides_about_many_packets,
        ),
        (
            "a-batch-takes-along-no-packet-that-is-held",
            a_batch_takes_along_no_packet_that_is_held,
        ),
        ("a-full-queue-fails-open-or-drops", a_full_queue_fails_open_or_drops),
        ("a-second-listener-is-told-why", a_second_listener_is_told_why),
    ]
}

/// Drops DNS queries, and lets everything else through.
fn decide(packet: &mut QueuedPacket<'_>) -> Verdict {
    match packet.headers().map(|headers| headers.transport) {
        Ok(Some(TransportSlice::Udp(udp))) if udp.destination_port() == 53 => Verdict::Drop,
        _ => Verdict::Accept,
    }
}

fn the_readmes_filter_drops_queries<W: World>(world: &mut W) {
    let of_readme = include_str!("../../../README.md").split("/// Drops DNS queries").nth(1);
    let of_readme = of_readme
        .and_then(|text| text.split("\n}\n").next())
        .expect("the README has a filter");
    assert!(include_str!("programs.rs").contains(of_readme), "{of_readme}");
    world.queue_udp(0..=0);
    let handle = listening(world, Options::new(Family::Ipv4));
    let sent = [53, 5353, 53, 54].map(|port| Packet::udp4().ports(4000, port));
    for packet in &sent {
        world.arrive(packet);
    }
    run_for(&handle, sent.len(), decide);
    assert_eq!(world.left(), frames(&[&sent[1], &sent[3]]));
    assert_eq!(waiting(&handle), 0);
}

fn a_flow_keeps_its_queue_and_its_order<W: World>(world: &mut W) {
    const FLOWS: u8 = 16;
    const EACH: u8 = 5;
    world.queue_udp(10..=13);
    let handles = several_queues::queues::attach(10..=13, |options| world.open(options)).expect("the queues");
    for number in 0..EACH {
        for flow in 0..FLOWS {
            let source = Ipv4Addr::new(10, 1, 0, 100 + flow);
            world.arrive(&Packet::udp4().source(source).payload([flow, number]));
        }
    }
    let mut queues = BTreeMap::<u8, BTreeSet<u16>>::new();
    let mut numbers = BTreeMap::<u8, Vec<u8>>::new();
    for handle in &handles {
        let mut left = waiting(handle);
        let stop = AtomicBool::new(left == 0);
        let listened = several_queues::queues::listen(handle, &stop, |packet: PacketMessage<'_>| {
            let [flow, number] = packet.payload()[28..] else {
                panic!("two bytes were sent");
            };
            let queue = handle.transport().options().queue_number;
            queues.entry(flow).or_default().insert(queue);
            numbers.entry(flow).or_default().push(number);
            left -= 1;
            stop.store(left == 0, Ordering::Release);
            Verdict::Accept
        });
        listened.expect("the queue is there");
    }
    assert!(queues.values().all(|queues| queues.len() == 1), "{queues:?}");
    assert!(
        queues.values().flatten().collect::<BTreeSet<_>>().len() > 1,
        "{queues:?}"
    );
    let in_order: Vec<u8> = (0..EACH).collect();
    assert_eq!(numbers.len(), usize::from(FLOWS));
    assert!(numbers.values().all(|numbers| *numbers == in_order), "{numbers:?}");
    assert_eq!(world.left().len(), usize::from(FLOWS * EACH));
}

fn one_message_decides_about_many_packets<W: World>(world: &mut W) {
    world.queue_udp(0..=0);
    let handle = listening(world, batching());
    let sent: Vec<_> = (0..40).map(|number| Packet::udp4().identification(number)).collect();
    for packet in &sent {
        world.arrive(packet);
    }
    let decisions = packets(&handle, 64).into_iter().map(accepted);
    assert_eq!(handle.set_verdicts(decisions, |_, error| panic!("{error}")), sent.len());
    assert_eq!(world.left(), frames(&sent.iter().collect::<Vec<_>>()));
    assert_eq!(waiting(&handle), 0);
}

fn a_batch_takes_along_no_packet_that_is_held<W: World>(world: &mut W) {
    world.queue_udp(0..=0);
    let handle = listening(world, batching());
    let sent: Vec<_> = (0..10).map(|number| Packet::udp4().identification(number)).collect();
    for packet in &sent {
        world.arrive(packet);
    }
    let mut ids = packets(&handle, 64);
    let held = ids.remove(4);
    let given = handle.set_verdicts(ids.into_iter().map(accepted), |_, error| panic!("{error}"));
    assert_eq!((given, waiting(&handle)), (9, 1));
    let others: Vec<_> = sent.iter().enumerate().filter(|(number, _)| *number != 4).collect();
    let others: Vec<_> = others.into_iter().map(|(_, packet)| packet).collect();
    assert_eq!(world.left(), frames(&others));
    handle.set_verdict(held, Verdict::Accept, None).expect("it is sent");
    assert_eq!(world.left(), frames(&[&sent[4]]));
}

fn a_full_queue_fails_open_or_drops<W: World>(world: &mut W) {
    world.queue_udp(0..=0);
    for fail_open in [true, false] {
        let options = Options {
            max_length: Some(2),
            fail_open,
            ..Options::new(Family::Ipv4)
        };
        let handle = listening(world, options);
        let sent = [1, 2, 3].map(|number| Packet::udp4().identification(number));
        for packet in &sent {
            world.arrive(packet);
        }
        let passed = if fail_open { frames(&[&sent[2]]) } else { Vec::new() };
        assert_eq!(world.left(), passed);
        assert_eq!(packets(&handle, 8), [PacketId(1), PacketId(2)]);
        let statistics = handle.transport().statistics().expect("a text");
        let statistics = statistics.expect("the queue is bound");
        assert_eq!(
            (statistics.queue_length, statistics.queue_dropped),
            (2, u64::from(!fail_open))
        );
    }
    assert_eq!(world.left(), frames(&[]), "what was queued went with its listener");
}

fn a_second_listener_is_told_why<W: World>(world: &mut W) {
    let _first = listening(world, Options::new(Family::Ipv4));
    let second = listening(world, Options::new(Family::Ipv4));
    let mut buffer = [0; 256];
    let Ok(Message::Error(answer)) = second.read(&mut buffer, Wait::Never) else {
        panic!("the queue refuses the second");
    };
    assert_eq!(answer.errno(), Errno::EBUSY);
    let words = second.explain(answer.errno()).to_string();
    assert!(words.contains("nfnetlink queue 0 has another listener"), "{words}");
}

fn batching() -> Options {
    Options {
        batch_verdicts: true,
        ..Options::new(Family::Ipv4)
    }
}

fn listening<W: World>(world: &W, options: Options) -> Handle<NfQueue<W::Socket>> {
    let handle = Handle::new(world.open(options).expect("the kernel has numbered queues"));
    handle.set_mode(CopyMode::Packet, 1500).expect("a message is sent");
    handle
}

/// Runs the handle's loop with `decide` until it was asked about `count` packets. Panics if the
/// loop asks about fewer or more.
fn run_for<S: QueueSocket>(
    handle: &Handle<NfQueue<S>>,
    count: usize,
    mut decide: impl FnMut(&mut QueuedPacket<'_>) -> Verdict,
) {
    let stop = AtomicBool::new(false);
    let mut decided = 0;
    let run = handle.run_until(&stop, |packet| {
        decided += 1;
        stop.store(decided == count, Ordering::Release);
        decide(packet)
    });
    run.expect("the queue is there");
    assert_eq!(decided, count);
}

/// Returns the number of packets that the kernel has in the queue.
fn waiting<S: QueueSocket>(handle: &Handle<NfQueue<S>>) -> u64 {
    let statistics = handle.transport().statistics().expect("the kernel shows its counters");
    statistics.expect("the queue is bound").queue_length
}

/// Reads the packets that are there, `most` at most, and returns their ids in order. Panics if
/// there is none.
fn packets<S: QueueSocket>(handle: &Handle<NfQueue<S>>, most: usize) -> Vec<PacketId> {
    let mut buffers = Buffers::new(most, handle.buffer_for(1500));
    let mut messages = handle.read_many(&mut buffers, Wait::Never).expect("there are packets");
    let mut ids = Vec::new();
    while let Some(message) = messages.next_mut() {
        match message {
            Ok(MessageMut::Packet(packet)) => ids.push(packet.packet_id()),
            other => panic!("no packet: {other:?}"),
        }
    }
    ids
}

fn accepted(packet_id: PacketId) -> Decision<'static> {
    Decision::new(packet_id, Verdict::Accept)
}

/// Returns the frames in which the host forwards these packets.
fn frames(packets: &[&Packet]) -> Vec<Vec<u8>> {
    packets
        .iter()
        .map(|packet| packet.forwarded().frame().to_vec())
        .collect()
}
