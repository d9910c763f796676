//! The cases of topic `nfq-rules`: which queue the targets QUEUE and NFQUEUE choose, and what
//! happens to a packet for a queue that is not bound to a socket.

use super::{QUEUE, arrive, ids, kernel, must, udp_to, value};
use crate::suite::{Case, CaseResult, Packet, QueueRequest, Socket, Stopped, Subject};
use crate::world::{NumberedQueue, Protocol, Received, Rule, Setup, Spread, Table};
use ipq_core::{Errno, Family, Hook};
use std::net::Ipv4Addr;

/// The number of the first of the four queues that packets are spread over.
const FIRST: u16 = 10;
/// The number of the last of the four queues that packets are spread over.
const LAST: u16 = 13;

pub(super) fn cases() -> Vec<Case> {
    vec![
        must(
            "nfq-rules/without-a-listener",
            "A packet for a queue that nobody has bound is dropped",
            &["NFQ-11"],
            without_a_listener,
        ),
        must(
            "nfq-rules/bypass",
            "If the rule bypasses, a packet for a queue that nobody has bound goes on",
            &["NFQ-11"],
            bypass,
        )
        .setup(|| forwarded(NumberedQueue::one(QUEUE).bypass())),
        kernel(
            "nfq-rules/bypass-passes-over-later-rules",
            "A packet that bypasses is not seen by later rules of the chain",
            &["NFQ-11"],
            bypass_passes_over_later_rules,
        )
        .setup(two_rules),
        kernel(
            "nfq-rules/bypass-goes-on-with-the-hook",
            "A packet that bypasses is seen by the next table",
            &["NFQ-11"],
            bypass_goes_on_with_the_hook,
        )
        .setup(two_tables),
        must(
            "nfq-rules/bypass-with-a-listener",
            "A rule that bypasses queues packets while somebody listens",
            &["NFQ-11"],
            bypass_with_a_listener,
        )
        .setup(|| forwarded(NumberedQueue::one(QUEUE).bypass())),
        must(
            "nfq-rules/target-queue",
            "The target QUEUE sends packets of both families to queue 0",
            &["NFQ-15"],
            target_queue,
        )
        .setup(plain),
        must(
            "nfq-rules/balance-keeps-a-flow-together",
            "Packets between two hosts go to one queue, in both directions and whatever their ports",
            &["NFQ-16"],
            balance_keeps_a_flow_together,
        )
        .setup(|| forwarded(NumberedQueue::among(FIRST, LAST))),
        must(
            "nfq-rules/balance-spreads",
            "Packets of many hosts are spread over the queues",
            &["NFQ-16"],
            balance_spreads,
        )
        .setup(|| forwarded(NumberedQueue::among(FIRST, LAST))),
        kernel(
            "nfq-rules/fan-out",
            "With CPU fan-out all packets of a processor go to one queue",
            &["NFQ-17"],
            fan_out,
        )
        .setup(|| forwarded(fanned_out())),
        must(
            "nfq-rules/other-protocol-passes",
            "What a rule does not match passes",
            &["NFQ-11"],
            other_protocol_passes,
        ),
    ]
}

const fn fanned_out() -> NumberedQueue {
    NumberedQueue {
        spread: Spread::Processors,
        ..NumberedQueue::among(FIRST, LAST)
    }
}

fn forwarded(queue: NumberedQueue) -> Setup {
    Setup::with_numbered_queues([udp_to(Family::Ipv4, Hook::Forward, queue)])
}

fn two_rules() -> Setup {
    let rules = [NumberedQueue::one(300).bypass(), NumberedQueue::one(QUEUE)];
    Setup::with_numbered_queues(rules.map(|queue| udp_to(Family::Ipv4, Hook::Forward, queue)))
}

fn two_tables() -> Setup {
    let mut setup = two_rules();
    setup.rules[0].table = Table::Mangle;
    setup
}

fn plain() -> Setup {
    let rule = |family| Rule::queue(family, Table::Filter, Hook::Forward, Some(Protocol::UDP));
    Setup::with_numbered_queues(Family::ALL.map(rule))
}

fn without_a_listener(subject: &Subject) -> CaseResult {
    arrive(subject, 1)?;
    subject.expect_not_forwarded()?;
    let _other = subject.listen(QUEUE + 100)?;
    arrive(subject, 1)?;
    subject.expect_not_forwarded()
}

fn bypass(subject: &Subject) -> CaseResult {
    let sent = arrive(subject, 1)?;
    subject.expect_forwarded(&sent[0])
}

fn bypass_passes_over_later_rules(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    let sent = arrive(subject, 1)?;
    subject.expect_forwarded(&sent[0])?;
    socket.expect_nothing()
}

fn bypass_goes_on_with_the_hook(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    let sent = arrive(subject, 1)?;
    ids(&socket, 1)?;
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&sent[0])
}

fn bypass_with_a_listener(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    arrive(subject, 1)?;
    subject.equal("the id", &vec![1], &ids(&socket, 1)?)?;
    socket.done(&QueueRequest::verdict(QUEUE, value::DROP, 1))?;
    subject.expect_not_forwarded()
}

fn target_queue(subject: &Subject) -> CaseResult {
    let socket = subject.listen(0)?;
    subject.inject(&Packet::udp4())?;
    subject.inject(&Packet::udp6())?;
    for (id, family) in [(1, 2), (2, 10)] {
        let message = socket.expect_queued(0)?;
        subject.equal("id and family", &(id, family), &(message.id(), message.family()))?;
    }
    Ok(())
}

/// Binds all queues from [`FIRST`] to [`LAST`] to one socket, in copy mode META, and returns the
/// socket.
#[track_caller]
fn listen_to_all(subject: &Subject) -> Result<Socket<'_>, Stopped> {
    let socket = subject.open_queues()?;
    for number in FIRST..=LAST {
        socket.done(&QueueRequest::bind(number).mode(1, 0))?;
    }
    Ok(socket)
}

/// Reads messages until none is left, and returns the numbers of the queues that they come from, in
/// order. Takes each datagram of more than 20 bytes for a packet message. Fails if anything else
/// comes.
#[track_caller]
fn queues(subject: &Subject, socket: &Socket<'_>) -> Result<Vec<u16>, Stopped> {
    let mut queues = Vec::new();
    loop {
        match socket.receive()? {
            Received::Nothing => return Ok(queues),
            Received::Frame { bytes, .. } if bytes.len() > 20 => {
                queues.push(u16::from_be_bytes([bytes[18], bytes[19]]));
            }
            other => return Err(subject.fail(&format!("this is no packet message: {other:?}"))),
        }
    }
}

fn balance_keeps_a_flow_together(subject: &Subject) -> CaseResult {
    let socket = listen_to_all(subject)?;
    for host in 0..8 {
        let there = Packet::udp4().source(Ipv4Addr::new(10, 1, 0, 100 + host));
        let back = Packet::udp4().back().destination(Ipv4Addr::new(10, 1, 0, 100 + host));
        for packet in [there.clone(), there.ports(1, 2), back.clone(), back.ports(9, 4000)] {
            subject.inject(&packet)?;
        }
        let queues = queues(subject, &socket)?;
        subject.equal("packets", &4, &queues.len())?;
        subject.check("they are in one queue", queues.iter().all(|queue| *queue == queues[0]))?;
        subject.check("it is of the range", (FIRST..=LAST).contains(&queues[0]))?;
    }
    Ok(())
}

fn balance_spreads(subject: &Subject) -> CaseResult {
    let socket = listen_to_all(subject)?;
    for host in 0..64 {
        subject.inject(&Packet::udp4().source(Ipv4Addr::new(10, 1, 0, 100 + host)))?;
    }
    let mut queues = queues(subject, &socket)?;
    subject.equal("packets", &64, &queues.len())?;
    queues.sort_unstable();
    queues.dedup();
    // With one seed in 25 million, one of the four queues gets none of the 64 packets.
    subject.equal("queues", &(FIRST..=LAST).collect(), &queues)
}

fn fan_out(subject: &Subject) -> CaseResult {
    let socket = listen_to_all(subject)?;
    for host in 0..16 {
        subject.inject(&Packet::udp4().source(Ipv4Addr::new(10, 1, 0, 100 + host)))?;
    }
    let queues = queues(subject, &socket)?;
    subject.equal("packets", &16, &queues.len())?;
    subject.check("they are in one queue", queues.iter().all(|queue| *queue == queues[0]))
}

fn other_protocol_passes(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    subject.expect_not_forwarded()?;
    socket.refused(Errno::ENOENT, &QueueRequest::verdict(QUEUE, value::DROP, 1))
}
