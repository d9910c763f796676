//! The library's logic (LIB): libipq's own, over a socket of the world.

use crate::case::Case;
use crate::packet::Packet;
use crate::subject::{CaseResult, Subject};
use ipq_core::handle::ErrorNumber;
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Error, Family, Verdict, Wait};
use std::time::Duration;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::must(
            "libipq/set-mode-bytes",
            "Setting the mode sends one request of the exact size, and returns how many bytes it has",
            &["LIB-2", "LIB-11", "WIRE-7"],
            set_mode_bytes,
        ),
        Case::must(
            "libipq/timeout",
            "A read that nothing comes to within its time ends with the error number 15",
            &["LIB-3", "LIB-5"],
            timeout,
        ),
        Case::must(
            "libipq/read-and-accept",
            "A packet is read through the handle and let through by its verdict",
            &["LIB-2"],
            read_and_accept,
        ),
    ]
}

fn set_mode_bytes(subject: &Subject) -> CaseResult {
    let handle = subject.handle(Family::Ipv4)?;
    let sent = subject.no_error("set_mode", handle.set_mode(CopyMode::Packet, 1500))?;
    let expected = crate::Request::mode(CopyMode::Packet, 1500).bytes(subject.abi(), handle.port_id());
    subject.equal("bytes sent", &expected.len(), &sent)?;
    subject.equal("the request", &Some(expected), &subject.last_sent())
}

fn timeout(subject: &Subject) -> CaseResult {
    let handle = subject.handle(Family::Ipv4)?;
    let mut buffer = [0; 2048];
    let read = handle.read(&mut buffer, Wait::For(Duration::from_millis(10)));
    subject.equal("the error", &Some(Error::TimedOut), &read.err())?;
    subject.equal("the error number", &ErrorNumber::Timeout, &handle.last_error())?;
    subject.equal("its text", &"Timeout", &handle.last_error().text())
}

fn read_and_accept(subject: &Subject) -> CaseResult {
    let handle = subject.handle(Family::Ipv4)?;
    subject.no_error("set_mode", handle.set_mode(CopyMode::Packet, 0))?;
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    let mut buffer = [0; 2048];
    let message = subject.no_error("read", handle.read(&mut buffer, Wait::Forever))?;
    let Message::Packet(packet) = message else {
        return Err(subject.fail("the message that was read is no packet"));
    };
    subject.equal_packets("the packet", &sent.forwarded().ip(), packet.payload())?;
    subject.no_error(
        "set_verdict",
        handle.set_verdict(packet.packet_id(), Verdict::Accept, None),
    )?;
    subject.expect_forwarded(&sent)
}
