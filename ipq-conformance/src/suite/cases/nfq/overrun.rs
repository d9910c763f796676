//! The cases of topic `nfq-overrun`: how much of the receive buffer a datagram takes up, and what
//! happens when the buffer is full.

use super::{QUEUE, arrive, ids, kernel, must, udp_at, value};
use crate::suite::{Case, CaseResult, Packet, QueueRequest, Socket, Stopped, Subject};
use crate::world::topology::{LO, TAP0};
use crate::world::{Capability, Received};
use ipq_core::{Errno, Hook};
use std::time::Duration;

const WEIGHTS: &[Capability] = &[Capability::QueuesWeights];

pub(super) fn cases() -> Vec<Case> {
    vec![
        kernel(
            "nfq-overrun/256-in-mode-meta",
            "A receive buffer that nobody has set holds 256 messages of mode META",
            &["NFQ-100", "NFQ-101"],
            two_hundred_and_fifty_six_in_mode_meta,
        )
        .needs(WEIGHTS),
        kernel(
            "nfq-overrun/weights",
            "A message of mode PACKET weighs what the kernel allocates for it",
            &["NFQ-101"],
            weights,
        )
        .needs(WEIGHTS)
        .setup(|| udp_at(Hook::Output)),
        kernel(
            "nfq-overrun/weights-without-small-heads",
            "Up to Linux 6.1 a short message weighs by its length, too",
            &["NFQ-101"],
            weights_without_small_heads,
        )
        .needs(WEIGHTS)
        .setup(|| udp_at(Hook::Output)),
        kernel(
            "nfq-overrun/one-always-fits",
            "An empty receive buffer takes a datagram of any weight",
            &["NFQ-100"],
            one_always_fits,
        )
        .needs(WEIGHTS),
        must(
            "nfq-overrun/answers-overrun",
            "An answer that finds no room is lost, and what it answers is done",
            &["NFQ-102"],
            answers_overrun,
        ),
        must(
            "nfq-overrun/told-once",
            "An overrun is told once, ahead of what waits",
            &["NFQ-103"],
            told_once,
        ),
        kernel(
            "nfq-overrun/congested-until-empty",
            "After an overrun nothing is taken until everything was read",
            &["NFQ-103"],
            congested_until_empty,
        ),
        must(
            "nfq-overrun/no-enobufs",
            "With NETLINK_NO_ENOBUFS an overrun is not told",
            &["NFQ-103"],
            no_enobufs,
        ),
        kernel(
            "nfq-overrun/no-enobufs-ends-it",
            "Setting NETLINK_NO_ENOBUFS ends the congestion after an overrun",
            &["NFQ-103"],
            no_enobufs_ends_it,
        ),
        kernel(
            "nfq-overrun/larger-buffer-does-not-end-it",
            "A larger receive buffer does not end an overrun",
            &["NFQ-103"],
            larger_buffer_does_not_end_it,
        ),
        must(
            "nfq-overrun/so-error-takes-the-error",
            "SO_ERROR takes the error of an overrun",
            &["NFQ-103"],
            so_error_takes_the_error,
        )
        .needs(&[Capability::SocketError]),
    ]
}

fn two_hundred_and_fifty_six_in_mode_meta(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).mode(1, 0))?;
    subject.inject_many(&Packet::udp4(), 256)?;
    subject.equal("datagrams", &256, &socket.drain()?.frames)?;
    subject.inject_many(&Packet::udp4(), 257)?;
    let drained = socket.drain()?;
    subject.equal(
        "datagrams",
        &(256, Some(0)),
        &(drained.frames, drained.enobufs_before_frame),
    )
}

/// Pairs: the length of an IP packet in bytes, and the number of messages about packets of that
/// length that a receive buffer of 33,280 bytes holds.
type Held = [(usize, i64); 8];

fn weights(subject: &Subject) -> CaseResult {
    const HELD: Held = [
        (36, 40),
        (112, 40),
        (113, 26),
        (560, 26),
        (561, 14),
        (1400, 14),
        (1500, 14),
        (28, 40),
    ];
    expect_held(subject, HELD)
}

fn weights_without_small_heads(subject: &Subject) -> CaseResult {
    const HELD: Held = [
        (36, 43),
        (56, 43),
        (57, 26),
        (568, 26),
        (569, 14),
        (1592, 14),
        (1593, 7),
        (28, 43),
    ];
    expect_held(subject, HELD)
}

/// For each pair of `held`, makes this host send 50 packets of that length to itself, and expects
/// that a receive buffer of 33,280 bytes takes that number of messages. A packet that the host
/// itself sends is in one piece of memory in every kernel. Packets in page fragments take up other
/// amounts (NFQ-101).
fn expect_held(subject: &Subject, held: Held) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    subject.equal("the buffer", &33_280, &socket.set_receive_buffer(16_640)?)?;
    for (length, held) in held {
        let own = Packet::udp4().source(TAP0.ipv4).to_host().length(length);
        for _ in 0..50 {
            subject.output_by(LO, &own.ip())?;
        }
        let drained = socket.drain()?;
        subject.equal("length, and datagrams", &(length, held), &(length, drained.frames))?;
        // A queued packet counts against its sender's send buffer, so all are dropped before the
        // next row.
        socket.done(&QueueRequest::verdict_up_to(QUEUE, value::DROP, u32::MAX >> 1))?;
    }
    Ok(())
}

fn one_always_fits(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    subject.equal("the buffer", &2304, &socket.set_receive_buffer(0)?)?;
    subject.inject_many(&Packet::udp4().length(1500), 3)?;
    subject.equal("datagrams", &1, &socket.drain()?.frames)?;
    subject.inject_many(&Packet::udp4().length(36), 5)?;
    subject.equal("datagrams", &2, &socket.drain()?.frames)
}

fn answers_overrun(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.set_receive_buffer(0)?;
    for number in 0..20 {
        socket.ask(&QueueRequest::bind(number).ack())?;
    }
    socket.expect_overrun()?;
    let answers = socket.drain()?.frames;
    subject.check("some answers came, and some were lost", 0 < answers && answers < 20)?;
    for number in 0..20 {
        socket.refused(Errno::EBUSY, &QueueRequest::bind(number))?;
    }
    Ok(())
}

/// Listens to [`QUEUE`] with the smallest receive buffer, which holds two messages, or three on
/// Linux 6.1. Makes 20 packets arrive, and returns the socket, from which none of their messages
/// has been read.
#[track_caller]
fn overfill(subject: &Subject) -> Result<Socket<'_>, Stopped> {
    let socket = subject.listen(QUEUE)?;
    socket.set_receive_buffer(0)?;
    arrive(subject, 20)?;
    Ok(socket)
}

fn told_once(subject: &Subject) -> CaseResult {
    let socket = overfill(subject)?;
    socket.expect_overrun()?;
    subject.equal("the first id", &vec![1], &ids(&socket, 1)?)?;
    while let Received::Frame { .. } = socket.receive()? {}
    socket.expect_nothing()
}

fn congested_until_empty(subject: &Subject) -> CaseResult {
    let socket = overfill(subject)?;
    socket.expect_overrun()?;
    ids(&socket, 1)?;
    arrive(subject, 1)?;
    ids(&socket, 1)?;
    socket.expect_nothing()?;
    arrive(subject, 1)?;
    subject.equal("the id", &vec![22], &ids(&socket, 1)?)
}

fn no_enobufs(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.set_no_enobufs()?;
    socket.set_receive_buffer(0)?;
    arrive(subject, 20)?;
    subject.equal("ENOBUFS", &None, &socket.drain()?.enobufs_before_frame)
}

fn no_enobufs_ends_it(subject: &Subject) -> CaseResult {
    let socket = overfill(subject)?;
    socket.set_no_enobufs()?;
    socket.expect_overrun()?;
    ids(&socket, 1)?;
    arrive(subject, 1)?;
    subject.equal("the ids", &vec![2, 21], &ids(&socket, 2)?)?;
    socket.expect_nothing()
}

fn larger_buffer_does_not_end_it(subject: &Subject) -> CaseResult {
    let socket = overfill(subject)?;
    socket.set_receive_buffer(100_000)?;
    arrive(subject, 1)?;
    socket.expect_overrun()?;
    ids(&socket, 2)?;
    socket.expect_nothing()?;
    arrive(subject, 5)?;
    subject.equal("the ids", &vec![22, 23, 24, 25, 26], &ids(&socket, 5)?)
}

fn so_error_takes_the_error(subject: &Subject) -> CaseResult {
    let socket = overfill(subject)?;
    let (_, pending) = socket.poll(Duration::ZERO)?;
    subject.check("poll shows an error", pending)?;
    subject.equal("the error", &Some(Errno::ENOBUFS), &socket.take_error()?)?;
    subject.equal("the error after that", &None, &socket.take_error()?)?;
    subject.equal("the first id", &vec![1], &ids(&socket, 1)?)
}
