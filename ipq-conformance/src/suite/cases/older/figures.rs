//! The cases of topic `older` about how much of the receive buffer a datagram takes up, and about
//! the greatest size of a receive buffer, before Linux 2.6.29. The figures were measured on i386.

use crate::suite::{Case, CaseResult, Packet, Subject};
use crate::world::Capability;
use ipq_core::Family;
use ipq_core::wire::WordSize;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::kernel(
            "older/weight-152",
            "A datagram weighs its length rounded up to 16, and 152 bytes more",
            &["SOCK-5", "ERA-14"],
            weight_152,
        )
        .needs(&[Capability::DatagramWeights]),
        Case::kernel(
            "older/weight-156",
            "A datagram weighs its length rounded up to 32, and 156 bytes more",
            &["SOCK-5", "ERA-14"],
            weight_156,
        )
        .needs(&[Capability::DatagramWeights]),
        Case::kernel(
            "older/weight-160",
            "A datagram weighs its length rounded up to 32, and 160 bytes more",
            &["SOCK-5", "ERA-14"],
            weight_160,
        )
        .needs(&[Capability::DatagramWeights]),
        Case::kernel(
            "older/receive-buffer-131070",
            "A receive buffer has 131,070 bytes at most",
            &["SOCK-5", "ERA-14"],
            receive_buffer_131070,
        )
        .needs(&[Capability::DatagramWeights]),
        Case::kernel(
            "older/receive-buffer-210944",
            "A receive buffer has 210,944 bytes at most",
            &["SOCK-5", "ERA-14"],
            receive_buffer_210944,
        )
        .needs(&[Capability::DatagramWeights]),
        Case::kernel(
            "older/receive-buffer-212992",
            "A receive buffer has 212,992 bytes at most",
            &["SOCK-5", "ERA-14"],
            receive_buffer_212992,
        )
        .needs(&[Capability::DatagramWeights]),
    ]
}

fn weight_152(subject: &Subject) -> CaseResult {
    weighs(subject, 16, 152)
}

fn weight_156(subject: &Subject) -> CaseResult {
    weighs(subject, 32, 156)
}

fn weight_160(subject: &Subject) -> CaseResult {
    weighs(subject, 32, 160)
}

fn receive_buffer_131070(subject: &Subject) -> CaseResult {
    largest_receive_buffer(subject, 131_070)
}

fn receive_buffer_210944(subject: &Subject) -> CaseResult {
    largest_receive_buffer(subject, 210_944)
}

fn receive_buffer_212992(subject: &Subject) -> CaseResult {
    largest_receive_buffer(subject, 212_992)
}

/// Expects that each datagram takes up `base` bytes of the receive buffer, plus the length of its
/// message rounded up to a multiple of `multiple`. For this, fills a buffer of 20,480 bytes and
/// counts the packets in it. A datagram is taken unless the ones before it weigh more than the
/// buffer (SOCK-4), so the last may exceed the buffer.
fn weighs(subject: &Subject, multiple: usize, base: usize) -> CaseResult {
    const MESSAGE_BYTES: usize = 16 + 72;
    const BUFFER_BYTES: i32 = 20_480;
    subject.needs_words_of(WordSize::Four)?;
    // For a packet of 48 bytes the multiples 16 and 32 give different weights.
    for length in [36_usize, 48, 100] {
        let socket = subject.attach(Family::Ipv4)?;
        let granted = socket.set_receive_buffer(BUFFER_BYTES / 2)?;
        subject.equal("the buffer", &i64::from(BUFFER_BYTES), &granted)?;
        let weight = (MESSAGE_BYTES + length).next_multiple_of(multiple) + base;
        let room = BUFFER_BYTES as usize / weight + 1;
        subject.inject_many(&Packet::udp4().length(length), 100)?;
        socket.expect_overrun()?;
        subject.equal(
            "packets taken",
            &i64::try_from(room).unwrap_or(i64::MAX),
            &socket.drain()?.packets,
        )?;
        socket.close()?;
        // Kernels up to 2.4.17 notice only at this packet that the peer has closed (ERA-3).
        subject.inject(&Packet::udp4())?;
    }
    Ok(())
}

fn largest_receive_buffer(subject: &Subject, bytes: i64) -> CaseResult {
    subject.needs_words_of(WordSize::Four)?;
    let socket = subject.open(Family::Ipv4)?;
    let granted = socket.set_receive_buffer(1 << 24)?;
    subject.equal("the buffer", &bytes, &granted)
}
