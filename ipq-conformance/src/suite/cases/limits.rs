//! The cases of topic `limits`: the maximum length of a queue, and extreme sizes, counts and times.

mod sizes;
mod times;

use crate::suite::{Case, CaseResult, Packet, Subject};
use crate::world::Capability;
use ipq_core::{CopyMode, Family, Verdict};

pub(super) fn cases() -> Vec<Case> {
    [lengths(), sizes::cases(), times::cases()].concat()
}

fn lengths() -> Vec<Case> {
    vec![
        Case::kernel(
            "limits/maximum-length-0",
            "With a maximum length of 0 the queue takes no packets, and counts the others",
            &["PKT-2"],
            maximum_length_0,
        )
        .needs(&[Capability::Sysctl, Capability::ProcText]),
        Case::kernel(
            "limits/maximum-length-1",
            "With a maximum length of 1 the queue takes one packet, and counts the others",
            &["PKT-2", "ERA-5"],
            maximum_length_1,
        )
        .needs(&[Capability::Sysctl, Capability::ProcText]),
        Case::kernel(
            "limits/maximum-length-3",
            "With a maximum length of 3 the queue takes 3 packets, and counts the others",
            &["PKT-2"],
            maximum_length_3,
        )
        .needs(&[Capability::Sysctl, Capability::ProcText]),
        Case::kernel(
            "limits/maximum-length-below-0",
            "A maximum length of -1 is the largest that there is, since it has no sign",
            &["PKT-2", "ERA-6"],
            maximum_length_below_0,
        )
        .needs(&[Capability::Sysctl]),
        Case::kernel(
            "limits/default-length",
            "A queue takes 1024 packets unless told otherwise",
            &["PKT-2"],
            default_length,
        )
        .needs(&[Capability::ProcText]),
        Case::must(
            "limits/room-after-a-verdict",
            "A verdict makes room for another packet",
            &["PKT-2"],
            room_after_a_verdict,
        )
        .needs(&[Capability::Sysctl]),
    ]
}

fn maximum_length_0(subject: &Subject) -> CaseResult {
    takes(subject, 0)
}

fn maximum_length_1(subject: &Subject) -> CaseResult {
    takes(subject, 1)
}

fn maximum_length_3(subject: &Subject) -> CaseResult {
    takes(subject, 3)
}

fn maximum_length_below_0(subject: &Subject) -> CaseResult {
    let socket = subject.attach_with(Family::Ipv4, CopyMode::Meta, 0)?;
    subject.set_maximum_length(Family::Ipv4, "-1")?;
    subject.inject(&Packet::udp4())?;
    socket.expect_packet().map(drop)
}

fn default_length(subject: &Subject) -> CaseResult {
    let socket = subject.attach_with(Family::Ipv4, CopyMode::Meta, 0)?;
    socket.set_receive_buffer(1 << 22)?;
    subject.inject_many(&Packet::udp4(), 1030)?;
    let text = subject.proc(Family::Ipv4)?;
    subject.equal("length", &1024, &text.queue_length)?;
    subject.equal("dropped by the queue", &6, &text.queue_dropped)
}

fn room_after_a_verdict(subject: &Subject) -> CaseResult {
    let socket = subject.attach_with(Family::Ipv4, CopyMode::Meta, 0)?;
    subject.set_maximum_length(Family::Ipv4, "1")?;
    subject.inject_many(&Packet::udp4(), 2)?;
    let packet = socket.expect_packet()?;
    socket.expect_nothing()?;
    socket.verdict(packet.id(), Verdict::Drop)?;
    subject.inject(&Packet::udp4())?;
    socket.expect_packet().map(drop)
}

/// Sets the queue's maximum length to `length`, 5 at most, and makes five packets arrive. Expects
/// that the queue hands over `length` of them, and that the /proc text counts the rest as dropped
/// by the queue, and none as dropped on the way to the peer.
fn takes(subject: &Subject, length: u8) -> CaseResult {
    let socket = subject.attach_with(Family::Ipv4, CopyMode::Meta, 0)?;
    subject.set_maximum_length(Family::Ipv4, &length.to_string())?;
    subject.inject_many(&Packet::udp4(), 5)?;
    subject.equal("packets", &i64::from(length), &socket.drain()?.packets)?;
    let text = subject.proc(Family::Ipv4)?;
    subject.equal("length", &u64::from(length), &text.queue_length)?;
    subject.equal("dropped by the queue", &(5 - u64::from(length)), &text.queue_dropped)?;
    subject.equal("dropped undelivered", &0, &text.peer_dropped)
}
