//! The cases of topic `overrun`: receive buffers that are full (SOCK-4, SOCK-5).

use crate::suite::{Case, CaseResult, Packet, Request, Socket, Subject};
use crate::world::{Capability, Machine, Received, Setup};
use ipq_core::wire::{Message, WordSize};
use ipq_core::{CopyMode, Errno, Family};
use std::time::Duration;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::kernel(
            "overrun/forty-packets-on-x86-64",
            "Of 40 small packets into 8192 bytes 12 are taken, after ENOBUFS, and none until they are read",
            &["SOCK-4", "SOCK-5", "ERA-14"],
            forty_packets_on_x86_64,
        )
        .needs(&[Capability::DatagramWeights]),
        Case::kernel(
            "overrun/forty-packets-on-i386",
            "Of 40 small packets into 8192 bytes 13 are taken, after ENOBUFS, and none until they are read",
            &["SOCK-4", "SOCK-5"],
            forty_packets_on_i386,
        )
        .needs(&[Capability::DatagramWeights, Capability::OtherMachines])
        .setup(|| Setup {
            machine: Some(Machine::linux_3_4_i386()),
            ..Setup::default()
        }),
        Case::kernel(
            "overrun/told-once-and-latched",
            "An overrun is told once, ahead of what was taken, and nothing more is taken until that is read",
            &["SOCK-4"],
            told_once_and_latched,
        ),
        Case::kernel(
            "overrun/no-enobufs",
            "With NETLINK_NO_ENOBUFS there is neither error nor latch",
            &["SOCK-4", "ERA-13"],
            no_enobufs,
        ),
        Case::kernel(
            "overrun/no-enobufs-sets-no-latch",
            "With NETLINK_NO_ENOBUFS a datagram is taken again as soon as there is room",
            &["SOCK-4"],
            no_enobufs_sets_no_latch,
        )
        .needs(&[Capability::DatagramWeights]),
        Case::kernel(
            "overrun/no-enobufs-ends-the-latch",
            "Setting NETLINK_NO_ENOBUFS has datagrams taken again, and leaves the error that is pending",
            &["SOCK-4"],
            no_enobufs_ends_the_latch,
        )
        .needs(&[Capability::DatagramWeights]),
        Case::kernel(
            "overrun/so-error-takes-the-error",
            "A pending ENOBUFS is shown by poll and taken by SO_ERROR, so that no receive call tells it any more",
            &["SOCK-4"],
            so_error_takes_the_error,
        )
        .needs(&[Capability::SocketError]),
        Case::kernel(
            "overrun/replies-share-the-buffer",
            "Replies fill the receive buffer too, and one that does not fit is lost",
            &["SOCK-4"],
            replies_share_the_buffer,
        ),
    ]
}

fn forty_packets_on_x86_64(subject: &Subject) -> CaseResult {
    subject.needs_words_of(WordSize::Eight)?;
    takes_of_forty(subject, 12)
}

fn forty_packets_on_i386(subject: &Subject) -> CaseResult {
    takes_of_forty(subject, 13)
}

fn told_once_and_latched(subject: &Subject) -> CaseResult {
    const MARKED: u16 = 99;
    let socket = subject.attach(Family::Ipv4)?;
    socket.set_receive_buffer(4096)?;
    subject.inject_many(&Packet::udp4(), 60)?;
    socket.expect_overrun()?;
    socket.expect_packet()?;
    // The buffer has room again, but this packet is refused all the same.
    let late = Packet::udp4().identification(MARKED);
    subject.inject(&late)?;
    while let Received::Frame { bytes, .. } = socket.receive()? {
        let Ok(Message::Packet(packet)) = Message::parse(&bytes, subject.abi()) else {
            return Err(subject.fail("a message is no packet"));
        };
        let marked = packet.payload().get(4..6) == Some(&MARKED.to_be_bytes()[..]);
        subject.check("what came too late is not among what was taken", !marked)?;
    }
    subject.inject(&late)?;
    let packet = socket.expect_packet()?;
    subject.equal_packets("the packet", &late.forwarded().ip(), &packet.payload)
}

fn no_enobufs(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    socket.set_no_enobufs()?;
    socket.set_receive_buffer(4096)?;
    subject.inject_many(&Packet::udp4(), 40)?;
    subject.equal("ENOBUFS", &None, &socket.drain()?.enobufs_before_frame)
}

fn no_enobufs_sets_no_latch(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    socket.set_no_enobufs()?;
    overfill(subject, &socket)?;
    takes_one_more(subject, &socket)
}

fn no_enobufs_ends_the_latch(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    overfill(subject, &socket)?;
    socket.set_no_enobufs()?;
    socket.expect_overrun()?;
    takes_one_more(subject, &socket)
}

fn so_error_takes_the_error(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    overfill(subject, &socket)?;
    let (_, pending) = socket.poll(Duration::ZERO)?;
    subject.check("poll shows an error", pending)?;
    subject.equal("the error", &Some(Errno::ENOBUFS), &socket.take_error()?)?;
    subject.equal("the error after that", &None, &socket.take_error()?)?;
    socket.expect_packet().map(drop)
}

fn replies_share_the_buffer(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    socket.set_receive_buffer(2048)?;
    for sequence in 0..40 {
        socket.request(&Request::mode(CopyMode::Unknown(9), 0).sequence(sequence))?;
    }
    socket.expect_overrun()?;
    let drained = socket.drain()?;
    subject.check("some replies were lost", drained.frames < 40)?;
    subject.equal("packets", &0, &drained.packets)
}

/// Sets a receive buffer of 8192 bytes, and makes 40 packets arrive, more than the buffer holds.
fn overfill(subject: &Subject, socket: &Socket<'_>) -> CaseResult {
    socket.set_receive_buffer(4096)?;
    subject.inject_many(&Packet::udp4(), 40)
}

/// Reads one packet, makes a new one arrive, and reads the rest. Expects that the new packet is the
/// last that is read: the socket took it.
fn takes_one_more(subject: &Subject, socket: &Socket<'_>) -> CaseResult {
    const MARKED: u16 = 99;
    socket.expect_packet()?;
    subject.inject(&Packet::udp4().identification(MARKED))?;
    let mut last = Vec::new();
    while let Received::Frame { bytes, .. } = socket.receive()? {
        last = bytes.to_vec();
    }
    let Ok(Message::Packet(packet)) = Message::parse(&last, subject.abi()) else {
        return Err(subject.fail("the last message is no packet"));
    };
    let identification = packet.payload().get(4..6);
    subject.equal(
        "the identification of the last",
        &Some(&MARKED.to_be_bytes()[..]),
        &identification,
    )
}

/// Makes 40 packets of 36 bytes arrive for a receive buffer of 8192 bytes. Expects ENOBUFS first,
/// then `taken` packets. Before the last of these is read, another packet arrives: expects that it
/// is lost. After the last is read, one more arrives: expects that it comes.
fn takes_of_forty(subject: &Subject, taken: usize) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.equal("the buffer", &8192, &socket.set_receive_buffer(4096)?)?;
    subject.inject_many(&Packet::udp4(), 40)?;
    socket.expect_overrun()?;
    for _ in 1..taken {
        socket.expect_packet()?;
    }
    subject.inject(&Packet::udp4().identification(99))?;
    socket.expect_packet()?;
    socket.expect_nothing()?;
    subject.inject(&Packet::udp4())?;
    socket.expect_packet().map(drop)
}
