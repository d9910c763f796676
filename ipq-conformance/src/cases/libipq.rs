//! The library's logic (LIB): libipq's own, over a socket of the world.

use crate::case::Case;
use crate::packet::Packet;
use crate::subject::{CaseResult, Subject};
use ipq_core::Errno;
use ipq_core::handle::ErrorNumber;
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Error, Family, Verdict, Wait};
use std::time::Duration;

#[expect(clippy::too_many_lines, reason = "a table of cases")]
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
        Case::must(
            "libipq/families",
            "Each family's handle reaches its own queue",
            &["LIB-1"],
            |subject| {
                let handle = subject.handle(Family::Ipv6)?;
                subject.no_error("set_mode", handle.set_mode(CopyMode::Packet, 0))?;
                subject.inject(&Packet::udp6())?;
                let mut buffer = [0; 2048];
                let message = subject.no_error("read", handle.read(&mut buffer, Wait::Never))?;
                subject.check("it is a packet", matches!(message, Message::Packet(_)))
            },
        ),
        Case::must(
            "libipq/error-number-is-positive",
            "The error of a refusal is a positive errno",
            &["ERR-4"],
            |subject| {
                let handle = subject.handle(Family::Ipv4)?;
                subject.no_error("set_mode", handle.set_mode(CopyMode::Unknown(9), 0))?;
                let mut buffer = [0; 2048];
                let message = subject.no_error("read", handle.read(&mut buffer, Wait::Never))?;
                let Message::Error(error) = message else {
                    return Err(subject.fail("no error came"));
                };
                subject.equal("the errno", &Errno::EINVAL, &error.errno())
            },
        ),
        Case::must(
            "libipq/lengths-are-checked",
            "A packet's stated length is that of its bytes",
            &["LIB-4"],
            |subject| {
                let handle = subject.handle(Family::Ipv4)?;
                subject.no_error("set_mode", handle.set_mode(CopyMode::Packet, 0))?;
                subject.inject(&Packet::udp4())?;
                let mut buffer = [0; 2048];
                let message = subject.no_error("read", handle.read(&mut buffer, Wait::Never))?;
                let Message::Packet(packet) = message else {
                    return Err(subject.fail("no packet came"));
                };
                subject.equal("the length", &36, &packet.payload().len())
            },
        ),
        Case::must(
            "libipq/success-keeps-the-error-number",
            "Success does not clear the error number, and another handle's is its own",
            &["LIB-12", "LIB-7"],
            |subject| {
                let handle = subject.handle(Family::Ipv4)?;
                let other = subject.handle(Family::Ipv6)?;
                let mut buffer = [0; 2048];
                let timed_out = handle.read(&mut buffer, Wait::Never).err();
                subject.equal("the error", &Some(Error::TimedOut), &timed_out)?;
                subject.no_error("set_mode", handle.set_mode(CopyMode::Meta, 0))?;
                subject.equal("the error number", &ErrorNumber::Timeout, &handle.last_error())?;
                subject.equal("the other's", &ErrorNumber::Unknown, &other.last_error())
            },
        ),
        Case::must(
            "libipq/small-buffer",
            "A buffer of 19 bytes is refused with error number 14",
            &["LIB-3"],
            |subject| {
                let handle = subject.handle(Family::Ipv4)?;
                let refused = handle.read(&mut [0; 19], Wait::Never).err();
                subject.equal("the error", &Some(Error::BufferTooSmall { length: 19 }), &refused)?;
                subject.equal("the error number", &14, &handle.last_error().number())
            },
        ),
        Case::must(
            "libipq/poll",
            "A read that is not to wait and finds nothing is a time-out",
            &["LIB-3"],
            poll,
        ),
        Case::must(
            "libipq/request-header",
            "What is asked through the handle arrives with flags 1, sequence 0 and the handle's port id",
            &["LIB-11"],
            request_header,
        ),
    ]
}

fn poll(subject: &Subject) -> CaseResult {
    let handle = subject.handle(Family::Ipv4)?;
    let mut buffer = [0; 2048];
    let nothing = handle.read(&mut buffer, Wait::Never).err();
    subject.equal("the error", &Some(Error::TimedOut), &nothing)
}

fn request_header(subject: &Subject) -> CaseResult {
    let handle = subject.handle(Family::Ipv4)?;
    subject.no_error("set_mode", handle.set_mode(CopyMode::Unknown(9), 0))?;
    let mut buffer = [0; 2048];
    let message = subject.no_error("read", handle.read(&mut buffer, Wait::Never))?;
    let Message::Error(error) = message else {
        return Err(subject.fail("no error came"));
    };
    let header = error
        .quoted_header(subject.abi())
        .ok_or_else(|| subject.fail("no header was quoted"))?;
    subject.equal("flags", &1, &header.flags.0)?;
    subject.equal("sequence", &0, &header.sequence)?;
    subject.equal("port id", &handle.port_id(), &header.port_id)
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
