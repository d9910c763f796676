//! The cases of topic `nfq-limits`: how many packets a numbered queue holds, and what happens to
//! packets that it does not take.

use super::{QUEUE, arrive, ids, kernel, must, queued, udp_to, value};
use crate::suite::{Case, CaseResult, Packet, QueueRequest, Socket, Stopped, Subject};
use crate::world::{Capability, NumberedQueue, Received, Setup};
use ipq_core::{Family, Hook};
use std::time::Duration;

const PROC: &[Capability] = &[Capability::QueuesProc];

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        must(
            "nfq-limits/maximum-length",
            "A packet that finds the queue at its maximum length is dropped and counted",
            &["NFQ-4", "NFQ-12"],
            maximum_length,
        )
        .needs(PROC),
        must(
            "nfq-limits/default-length",
            "A queue holds 1024 packets if nobody says otherwise",
            &["NFQ-4"],
            default_length,
        )
        .needs(PROC),
        kernel(
            "nfq-limits/length-0",
            "A queue with maximum length 0 is always full",
            &["NFQ-4"],
            length_0,
        ),
        must(
            "nfq-limits/room-after-a-verdict",
            "A verdict makes room in a full queue",
            &["NFQ-4"],
            room_after_a_verdict,
        ),
        kernel(
            "nfq-limits/lowering-drops-nothing",
            "Lowering the maximum length drops nothing",
            &["NFQ-4"],
            lowering_drops_nothing,
        ),
        kernel(
            "nfq-limits/full-queue-uses-no-id",
            "A packet that finds the queue full uses up no id",
            &["NFQ-3"],
            full_queue_uses_no_id,
        ),
        kernel(
            "nfq-limits/no-mode-uses-no-id",
            "A packet that finds mode NONE uses up no id",
            &["NFQ-3"],
            no_mode_uses_no_id,
        ),
        kernel(
            "nfq-limits/undelivered-uses-an-id",
            "A packet that the socket had no room for uses up an id",
            &["NFQ-3"],
            undelivered_uses_an_id,
        )
        .needs(PROC),
        must(
            "nfq-limits/undelivered-is-counted",
            "A packet that the socket has no room for is dropped and counted by the second counter",
            &["NFQ-12"],
            undelivered_is_counted,
        )
        .needs(PROC),
        must(
            "nfq-limits/fail-open-when-full",
            "A queue that fails open lets packets pass when it is full, and counts nothing",
            &["NFQ-12"],
            fail_open_when_full,
        ),
        kernel(
            "nfq-limits/fail-open-when-undeliverable",
            "A queue that fails open lets packets pass that the socket has no room for",
            &["NFQ-12"],
            fail_open_when_undeliverable,
        ),
        must(
            "nfq-limits/bind-alone-drops",
            "After BIND alone packets are dropped, and nothing counts them",
            &["NFQ-10"],
            bind_alone_drops,
        )
        .needs(PROC),
        must(
            "nfq-limits/mode-none-drops",
            "In mode NONE packets are dropped",
            &["NFQ-10"],
            mode_none_drops,
        ),
        kernel(
            "nfq-limits/bypass-does-not-help-mode-none",
            "In mode NONE packets are dropped though the rule bypasses",
            &["NFQ-10"],
            bypass_does_not_help_mode_none,
        )
        .setup(bypassing),
        kernel(
            "nfq-limits/bypass-does-not-help-a-full-queue",
            "What finds a queue full is dropped though the rule bypasses",
            &["NFQ-12"],
            bypass_does_not_help_a_full_queue,
        )
        .setup(bypassing),
        kernel(
            "nfq-limits/most-packets",
            "A queue holds 65,536 packets, whatever its maximum length says",
            &["NFQ-5"],
            most_packets,
        )
        .needs(PROC),
        kernel(
            "nfq-limits/more-than-65536-packets",
            "Up to Linux 6.1 a queue holds more than 65,536 packets, if its maximum length says so",
            &["NFQ-5"],
            more_than_65536_packets,
        )
        .needs(PROC),
        kernel(
            "nfq-limits/packets-wait",
            "A packet waits for ever",
            &["NFQ-18"],
            packets_wait,
        )
        .needs(&[Capability::VirtualClock]),
    ]
    .into_iter()
    .map(|case| match case.id {
        "nfq-limits/most-packets" | "nfq-limits/more-than-65536-packets" => Case {
            time_limit: Duration::from_mins(2),
            ..case
        },
        _ => case,
    })
    .collect()
}

fn bypassing() -> Setup {
    Setup::with_numbered_queues([udp_to(Family::Ipv4, Hook::Forward, NumberedQueue::one(QUEUE).bypass())])
}

/// Listens to [`QUEUE`] with a maximum length of `length` packets, and returns the socket.
#[track_caller]
fn listen_to(subject: &Subject, length: u32) -> Result<Socket<'_>, Stopped> {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).maximum_length(length))?;
    Ok(socket)
}

fn maximum_length(subject: &Subject) -> CaseResult {
    let socket = listen_to(subject, 2)?;
    let sent = arrive(subject, 4)?;
    subject.equal("the ids", &vec![1, 2], &ids(&socket, 2)?)?;
    socket.expect_nothing()?;
    let line = subject.queue_line(QUEUE)?;
    subject.equal("packets, and both counters", &[2, 2, 0], &[line[2], line[5], line[6]])?;
    socket.done(&QueueRequest::verdict_up_to(QUEUE, value::ACCEPT, 2))?;
    subject.expect_forwarded(&sent[0])?;
    subject.expect_forwarded(&sent[1])?;
    subject.expect_not_forwarded()
}

fn default_length(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).mode(1, 0))?;
    for _ in 0..8 {
        subject.inject_many(&Packet::udp4(), 128)?;
        ids(&socket, 128)?;
    }
    arrive(subject, 1)?;
    socket.expect_nothing()?;
    let line = subject.queue_line(QUEUE)?;
    subject.equal("packets, and those dropped", &[1024, 1], &[line[2], line[5]])
}

fn length_0(subject: &Subject) -> CaseResult {
    let socket = listen_to(subject, 0)?;
    arrive(subject, 1)?;
    socket.expect_nothing()?;
    subject.expect_not_forwarded()
}

fn room_after_a_verdict(subject: &Subject) -> CaseResult {
    let socket = listen_to(subject, 1)?;
    arrive(subject, 2)?;
    ids(&socket, 1)?;
    socket.expect_nothing()?;
    socket.done(&QueueRequest::verdict(QUEUE, value::DROP, 1))?;
    arrive(subject, 1)?;
    subject.equal("the id", &vec![2], &ids(&socket, 1)?)
}

fn lowering_drops_nothing(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    let sent = arrive(subject, 3)?;
    ids(&socket, 3)?;
    socket.done(&QueueRequest::config(QUEUE).maximum_length(1))?;
    arrive(subject, 1)?;
    socket.expect_nothing()?;
    socket.done(&QueueRequest::verdict_up_to(QUEUE, value::ACCEPT, 3))?;
    for packet in &sent {
        subject.expect_forwarded(packet)?;
    }
    subject.expect_not_forwarded()
}

fn full_queue_uses_no_id(subject: &Subject) -> CaseResult {
    let socket = listen_to(subject, 1)?;
    arrive(subject, 3)?;
    ids(&socket, 1)?;
    socket.done(&QueueRequest::config(QUEUE).maximum_length(9))?;
    arrive(subject, 1)?;
    subject.equal("the id", &vec![2], &ids(&socket, 1)?)
}

fn no_mode_uses_no_id(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::config(QUEUE).mode(0, 0))?;
    arrive(subject, 2)?;
    socket.done(&QueueRequest::config(QUEUE).mode(2, 0))?;
    arrive(subject, 1)?;
    subject.equal("the id", &vec![2], &ids(&socket, 1)?)
}

/// Listens to [`QUEUE`] with a receive buffer of 4608 bytes, and makes `sent` packets arrive, more
/// than the buffer holds. With `fail_open`, the queue lets packets pass that it can't hand to the
/// socket. Reads ENOBUFS, and then all messages. Returns the socket and the number of messages.
#[track_caller]
fn overfilled(subject: &Subject, sent: u32, fail_open: bool) -> Result<(Socket<'_>, u32), Stopped> {
    let socket = subject.listen(QUEUE)?;
    if fail_open {
        socket.done(&QueueRequest::config(QUEUE).queue_flags(1, 1))?;
    }
    socket.set_receive_buffer(2304)?;
    subject.inject_many(&Packet::udp4(), sent)?;
    socket.expect_overrun()?;
    let mut taken = 0;
    while let Received::Frame { .. } = socket.receive()? {
        taken += 1;
    }
    subject.check("some were taken, and some not", 0 < taken && taken < sent)?;
    Ok((socket, taken))
}

fn undelivered_uses_an_id(subject: &Subject) -> CaseResult {
    let (socket, _) = overfilled(subject, 20, false)?;
    subject.equal("the last id", &20, &subject.queue_line(QUEUE)?[7])?;
    arrive(subject, 1)?;
    subject.equal("the next id", &vec![21], &ids(&socket, 1)?)
}

fn undelivered_is_counted(subject: &Subject) -> CaseResult {
    let (_socket, taken) = overfilled(subject, 20, false)?;
    let taken = u64::from(taken);
    let line = subject.queue_line(QUEUE)?;
    subject.equal(
        "packets, and both counters",
        &[taken, 0, 20 - taken],
        &[line[2], line[5], line[6]],
    )?;
    subject.expect_not_forwarded()
}

fn fail_open_when_full(subject: &Subject) -> CaseResult {
    let socket = listen_to(subject, 1)?;
    socket.done(&QueueRequest::config(QUEUE).queue_flags(1, 1))?;
    let sent = arrive(subject, 3)?;
    subject.expect_forwarded(&sent[1])?;
    subject.expect_forwarded(&sent[2])?;
    subject.equal("the ids", &vec![1], &ids(&socket, 1)?)?;
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&sent[0])
}

fn fail_open_when_undeliverable(subject: &Subject) -> CaseResult {
    let (_socket, taken) = overfilled(subject, 20, true)?;
    for _ in taken..20 {
        subject.expect_forwarded(&Packet::udp4())?;
    }
    subject.expect_not_forwarded()
}

fn bind_alone_drops(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.done(&QueueRequest::bind(QUEUE))?;
    arrive(subject, 2)?;
    socket.expect_nothing()?;
    subject.expect_not_forwarded()?;
    let line = subject.queue_line(QUEUE)?;
    subject.equal(
        "packets, mode, counters and last id",
        &[0; 5],
        &[line[2], line[3], line[5], line[6], line[7]],
    )
}

fn mode_none_drops(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).mode(0, 0))?;
    arrive(subject, 1)?;
    socket.expect_nothing()?;
    subject.expect_not_forwarded()
}

fn bypass_does_not_help_mode_none(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.done(&QueueRequest::bind(QUEUE))?;
    arrive(subject, 1)?;
    subject.expect_not_forwarded()
}

fn bypass_does_not_help_a_full_queue(subject: &Subject) -> CaseResult {
    let _socket = listen_to(subject, 0)?;
    arrive(subject, 1)?;
    subject.expect_not_forwarded()
}

/// The most packets that a queue holds, in kernels with such a limit.
const MOST: u64 = 65_536;

/// Listens to [`QUEUE`], and makes [`MOST`] packets arrive and then 3 more. Returns the socket,
/// from which the messages about the first [`MOST`] have been read.
#[track_caller]
fn fill(subject: &Subject) -> Result<Socket<'_>, Stopped> {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).mode(1, 0).maximum_length(u32::MAX))?;
    for _ in 0..MOST / 128 {
        subject.inject_many(&Packet::udp4(), 128)?;
        socket.drain()?;
    }
    subject.inject_many(&Packet::udp4(), 3)?;
    Ok(socket)
}

fn more_than_65536_packets(subject: &Subject) -> CaseResult {
    let socket = fill(subject)?;
    subject.equal("ids", &vec![65_537, 65_538, 65_539], &ids(&socket, 3)?)?;
    let line = subject.queue_line(QUEUE)?;
    subject.equal(
        "packets, those dropped, last id",
        &[MOST + 3, 0, MOST + 3],
        &[line[2], line[5], line[7]],
    )
}

fn most_packets(subject: &Subject) -> CaseResult {
    let socket = fill(subject)?;
    socket.expect_nothing()?;
    let line = subject.queue_line(QUEUE)?;
    subject.equal(
        "packets, those dropped, last id",
        &[MOST, 3, MOST + 3],
        &[line[2], line[5], line[7]],
    )?;
    socket.done(&QueueRequest::verdict(QUEUE, value::DROP, 5))?;
    arrive(subject, 1)?;
    subject.equal("the next id", &vec![65_540], &ids(&socket, 1)?)
}

fn packets_wait(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    subject.advance(Duration::from_hours(365 * 24))?;
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}
