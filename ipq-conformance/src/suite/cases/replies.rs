//! The cases of topic `replies`: errors and acknowledgements, and who gets them (ERR).

use crate::suite::{Case, CaseResult, Packet, Request, Subject};
use crate::world::Capability;
use ipq_core::wire::{ErrorMessage, Header};
use ipq_core::{CopyMode, Errno, Family, PacketId, PortId, Verdict};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::kernel(
            "replies/error-goes-to-sender",
            "An error goes to the socket that sent the message, not to the port id in its header",
            &["ERR-1"],
            error_goes_to_sender,
        )
        .needs(&[Capability::ForeignPortId]),
        Case::kernel(
            "replies/acknowledgement-goes-to-sender",
            "An acknowledgement goes to the socket that sent the message, not to the peer that it attached",
            &["ERR-1"],
            acknowledgement_goes_to_sender,
        )
        .needs(&[Capability::ForeignPortId]),
        Case::must(
            "replies/error-sequence",
            "An error carries the sequence of the message that it answers",
            &["ERR-2"],
            error_sequence,
        ),
        Case::must(
            "replies/acknowledgement-sequence",
            "An acknowledgement carries the sequence of the message that it answers",
            &["ERR-2"],
            acknowledgement_sequence,
        ),
        Case::must(
            "replies/error-quotes-all",
            "An error quotes all of the message that it answers",
            &["WIRE-6", "ERA-1"],
            error_quotes_all,
        ),
        Case::kernel(
            "replies/odd-quote",
            "A reply that quotes an odd length states it, and its datagram is padded to 4 bytes",
            &["ERR-3"],
            odd_quote,
        ),
        Case::kernel(
            "replies/quote-ends-at-stated-length",
            "The quoted message ends where its own header says",
            &["ERR-3"],
            quote_ends_at_stated_length,
        ),
        Case::kernel(
            "replies/error-quotes-replacement",
            "The error for a verdict quotes its replacement too",
            &["ERR-3"],
            error_quotes_replacement,
        ),
    ]
}

fn error_goes_to_sender(subject: &Subject) -> CaseResult {
    let peer = subject.attach(Family::Ipv4)?;
    let sender = subject.open(Family::Ipv4)?;
    let verdict = Request::verdict(PacketId(7), Verdict::Accept).port_id(peer.port_id());
    let request = sender.request(&verdict.sequence(4))?;
    sender.expect_error(Errno::ENOENT, &request)?;
    // The error goes to the sender even if no socket has the port id in the header.
    let request = sender.request(&Request::mode(CopyMode::Meta, 0).port_id(PortId(77)))?;
    sender.expect_error(Errno::EBUSY, &request)?;
    sender.expect_nothing()?;
    peer.expect_nothing()
}

fn acknowledgement_goes_to_sender(subject: &Subject) -> CaseResult {
    let peer = subject.open(Family::Ipv6)?;
    let sender = subject.open(Family::Ipv6)?;
    let mode = Request::mode(CopyMode::Packet, 0).port_id(peer.port_id()).ack();
    let request = sender.request(&mode)?;
    sender.expect_ack(&request)?;
    peer.expect_nothing()?;
    subject.inject(&Packet::udp6())?;
    peer.expect_packet()?;
    sender.expect_nothing()
}

fn error_sequence(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    for sequence in [1, 0x0102_0304, u32::MAX] {
        let request = Request::verdict(PacketId(7), Verdict::Drop).sequence(sequence);
        let request = socket.request(&request)?;
        socket.expect_error(Errno::ENOENT, &request)?;
    }
    socket.expect_nothing()
}

fn acknowledgement_sequence(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    for sequence in [u32::MAX, 7, 7] {
        let request = socket.request(&Request::mode(CopyMode::Meta, 0).sequence(sequence).ack())?;
        socket.expect_ack(&request)?;
    }
    socket.expect_nothing()
}

fn error_quotes_all(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let request = socket.request(&Request::verdict(PacketId(7), Verdict::Accept))?;
    let reply = socket.expect_frame()?;
    let quoted = reply.get(Header::BYTES + 4..).unwrap_or_default();
    subject.equal("the quoted message", &&request[..], &quoted)
}

fn odd_quote(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    for length in 1..8 {
        let request = socket.request(&Request::raw(0x11, vec![0xa5; length]))?;
        let reply = socket.expect_frame()?;
        let exact = Header::BYTES + ErrorMessage::BYTES + length;
        let stated = Header::parse(&reply, subject.abi()).map(|header| header.length as usize);
        subject.equal("the length in the header", &Some(exact), &stated)?;
        let padded = exact.next_multiple_of(4);
        subject.equal("the length of the datagram", &padded, &reply.len())?;
        let quoted = reply.slice(Header::BYTES + 4..exact);
        subject.equal("the quoted message", &request, &quoted)?;
    }
    socket.expect_nothing()
}

fn quote_ends_at_stated_length(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    for length in [16, 17, 24, 30] {
        let request = socket.request(
            &Request::mode(CopyMode::Unknown(9), 0)
                .following(&[0xa5; 16])
                .stated_length(length),
        )?;
        socket.expect_error(Errno::EINVAL, &request)?;
    }
    socket.expect_nothing()
}

fn error_quotes_replacement(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    for length in [1, 21, 1_499] {
        let verdict = Request::verdict(PacketId(7), Verdict::Accept).replacement(&vec![0xa5; length]);
        let request = socket.request(&verdict)?;
        socket.expect_error(Errno::ENOENT, &request)?;
    }
    socket.expect_nothing()
}
