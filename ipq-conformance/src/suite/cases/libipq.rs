//! The cases of topic `libipq`: the library's logic (LIB). A case calls the world's own libipq if
//! the world has one, and otherwise `ipq-core`'s handle over a socket of the world.

use crate::suite::{Case, CaseResult, Packet, Request, Subject};
use crate::world::{Call, Capability, Function};
use bytes::Bytes;
use ipq_core::handle::ErrorNumber;
use ipq_core::wire::{Message, MessageType};
use ipq_core::{CopyMode, Errno, Family, PacketId, Verdict};

/// The time-out of a read to which nothing comes: 10 milliseconds, in microseconds.
const WAIT: i32 = 10_000;

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
            families,
        ),
        Case::must(
            "libipq/invalid-protocol",
            "A handle for neither family is refused with error number 16",
            &["LIB-1", "LIB-5"],
            invalid_protocol,
        ),
        Case::must(
            "libipq/error-number-is-positive",
            "The error of a refusal is a positive errno",
            &["ERR-4"],
            error_number_is_positive,
        ),
        Case::must(
            "libipq/lengths-are-checked",
            "A packet's stated length is that of its bytes",
            &["LIB-4"],
            lengths_are_checked,
        ),
        Case::must(
            "libipq/packet-in-a-buffer",
            "What was read is a message of type PACKET, and the packet begins after its header",
            &["LIB-4"],
            packet_in_a_buffer,
        ),
        Case::must(
            "libipq/success-keeps-the-error-number",
            "Success does not clear the error number, and another handle's or thread's is its own",
            &["LIB-12", "LIB-7"],
            success_keeps_the_error_number,
        ),
        Case::must(
            "libipq/small-buffer",
            "A buffer of 19 bytes is refused with error number 14",
            &["LIB-3"],
            small_buffer,
        ),
        Case::must(
            "libipq/truncated",
            "A packet that is longer than the buffer is refused with error number 10, and the next is read",
            &["LIB-3"],
            truncated,
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
        Case::must(
            "libipq/verdict-bytes",
            "A verdict is one request of the exact size, and its call returns how many bytes it has",
            &["LIB-2", "LIB-11"],
            verdict_bytes,
        ),
        Case::must(
            "libipq/replacement-bytes",
            "A replacement follows its verdict unchanged, whatever its length, and is what leaves",
            &["LIB-2", "LIB-11"],
            replacement_bytes,
        ),
        Case::must(
            "libipq/refused-verdict",
            "A verdict for a packet that is not there is sent, and its refusal read",
            &["LIB-2", "ERR-4"],
            refused_verdict,
        ),
        Case::must(
            "libipq/send-that-fails",
            "A message that can't be sent is error number 12, and the next is sent",
            &["LIB-12", "LIB-2"],
            send_that_fails,
        ),
        Case::kernel(
            "libipq/foreign-datagram",
            "Another program's datagram is error number 6, and what follows still goes to the kernel",
            &["LIB-3", "SOCK-6"],
            foreign_datagram,
        )
        .needs(&[Capability::UserDatagrams]),
        Case::must(
            "libipq/overrun",
            "A receive buffer that overran is error number 6 once, ahead of what is in it",
            &["LIB-3", "SOCK-4"],
            overrun,
        )
        .needs(&[Capability::DatagramWeights]),
    ]
}

fn set_mode_bytes(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    let sent = program.set_mode(handle, CopyMode::Packet, 1500)?;
    program.sends(&Request::mode(CopyMode::Packet, 1500), &sent)
}

fn timeout(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    let read = program.read(handle, WAIT)?;
    program.returns(0, ErrorNumber::Timeout, &read)
}

fn families(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv6)?;
    subject.inject(&Packet::udp6())?;
    program.expect_packet(handle).map(drop)
}

fn invalid_protocol(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let refused = program.try_create(1)?;
    program.returns(0, ErrorNumber::InvalidProtocol, &refused)
}

fn error_number_is_positive(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    program.succeeds(&program.set_mode(handle, CopyMode::Unknown(9), 0)?)?;
    program.succeeds(&program.read(handle, -1)?)?;
    let kind = program.run(Function::MessageType)?;
    subject.equal("the type", &MessageType::Error.to_wire().into(), &kind.value)?;
    let error = program.run(Function::MessageError)?;
    subject.equal("the errno", &Errno::EINVAL.0.into(), &error.value)
}

fn lengths_are_checked(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv4)?;
    subject.inject(&Packet::udp4())?;
    let (_, payload) = program.expect_packet(handle)?;
    subject.equal("the length", &36, &payload.len())
}

fn packet_in_a_buffer(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv4)?;
    subject.inject(&Packet::udp4())?;
    program.expect_packet(handle)?;
    let kind = program.run(Function::MessageType)?;
    subject.equal("the type", &MessageType::Packet.to_wire().into(), &kind.value)?;
    let packet = program.run(Function::Packet)?;
    subject.equal("the packet's offset", &16, &packet.value)
}

fn small_buffer(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    let refused = program.read_into(handle, 19, -1)?;
    program.returns(-1, ErrorNumber::ReceiveBufferSize, &refused)?;
    let nothing = program.read_into(handle, 20, -1)?;
    program.returns(0, ErrorNumber::Timeout, &nothing)
}

fn truncated(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv4)?;
    subject.inject_many(&Packet::udp4(), 2)?;
    let cut = program.read_into(handle, 64, -1)?;
    program.returns(-1, ErrorNumber::ReceivedTruncated, &cut)?;
    program.expect_packet(handle).map(drop)
}

fn poll(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    program.returns(0, ErrorNumber::Timeout, &program.read(handle, -1)?)
}

fn verdict_bytes(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv4)?;
    let id = PacketId(0x1234);
    let sent = program.set_verdict(handle, id, Verdict::Drop, None)?;
    program.sends(&Request::verdict(id, Verdict::Drop), &sent)
}

fn refused_verdict(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv4)?;
    program.succeeds(&program.set_verdict(handle, PacketId(7), Verdict::Accept, None)?)?;
    program.succeeds(&program.read(handle, -1)?)?;
    let error = program.run(Function::MessageError)?;
    subject.equal("the errno", &Errno::ENOENT.0.into(), &error.value)
}

fn send_that_fails(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv4)?;
    let too_long = vec![0; 300_000];
    let failed = program.set_verdict(handle, PacketId(7), Verdict::Accept, Some(&too_long))?;
    program.returns(-1, ErrorNumber::Send, &failed)?;
    subject.equal("the datagrams", &Vec::<Bytes>::new(), &failed.sent)?;
    program.succeeds(&program.set_mode(handle, CopyMode::Meta, 0)?)
}

fn overrun(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv4)?;
    subject.inject_many(&Packet::udp4(), 600)?;
    let overran = program.read(handle, -1)?;
    program.returns(-1, ErrorNumber::Receive, &overran)?;
    program.leaves_errno(Errno::ENOBUFS.0, &overran)?;
    program.expect_packet(handle).map(drop)
}

fn read_and_accept(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv4)?;
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    let read = program.read(handle, 0)?;
    let Ok(Message::Packet(packet)) = Message::parse(&read.bytes, subject.abi()) else {
        return Err(subject.fail("the message that was read is no packet"));
    };
    subject.equal_packets("the packet", &sent.forwarded().ip(), packet.payload())?;
    let verdict = program.set_verdict(handle, packet.packet_id(), Verdict::Accept, None)?;
    program.sends(&Request::verdict(packet.packet_id(), Verdict::Accept), &verdict)?;
    subject.expect_forwarded(&sent)
}

fn replacement_bytes(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv4)?;
    let packet = Packet::udp4();
    // A payload of odd length must be sent without padding.
    for length in [1, 33] {
        let replaced = packet.clone().payload(vec![0x5a; length]);
        subject.inject(&packet)?;
        let (id, _) = program.expect_packet(handle)?;
        let ip = replaced.forwarded().ip();
        let sent = program.set_verdict(handle, id, Verdict::Accept, Some(&ip))?;
        program.sends(&Request::verdict(id, Verdict::Accept).replacement(&ip), &sent)?;
        subject.expect_forwarded(&replaced)?;
    }
    Ok(())
}

fn success_keeps_the_error_number(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    let timed_out = program.read(handle, -1)?;
    program.returns(0, ErrorNumber::Timeout, &timed_out)?;
    let sent = program.set_mode(handle, CopyMode::Meta, 0)?;
    program.returns(sent.value.max(1), ErrorNumber::Timeout, &sent)?;
    // An error number belongs to a thread in C, and to a handle in Rust. In a program in another
    // language it may belong to either, so nothing more is expected of that.
    if subject.has_libipq() && !subject.has(Capability::CLibrary) {
        return Ok(());
    }
    let elsewhere = if subject.has(Capability::CLibrary) {
        program.call(&Call {
            thread: 1,
            errno: 0,
            signals: false,
            function: Function::ErrorText,
        })?
    } else {
        let other = program.create(Family::Ipv6)?;
        program.set_mode(other, CopyMode::Meta, 0)?
    };
    subject.equal(
        "the text of the other",
        &ErrorNumber::Unknown.text(),
        &elsewhere.text.as_str(),
    )
}

fn foreign_datagram(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    let sent = program.set_mode(handle, CopyMode::Packet, 0)?;
    let port_id = program.port_id(&sent)?;
    let other = subject.open(Family::Ipv4)?;
    let forged = Request::mode(CopyMode::None, 0).bytes(subject.abi(), other.port_id());
    let delivered = other.try_send(Some(port_id), &forged)?;
    subject.equal("what the other's send call returned", &Ok(forged.len()), &delivered)?;
    let read = program.read(handle, -1)?;
    program.returns(-1, ErrorNumber::Receive, &read)?;
    let id = PacketId(7);
    let verdict = program.set_verdict(handle, id, Verdict::Drop, None)?;
    program.sends(&Request::verdict(id, Verdict::Drop), &verdict)?;
    other.expect_nothing()
}

fn request_header(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    let sent = program.set_mode(handle, CopyMode::Unknown(9), 0)?;
    let port_id = program.port_id(&sent)?;
    let read = program.read(handle, -1)?;
    let Ok(Message::Error(error)) = Message::parse(&read.bytes, subject.abi()) else {
        return Err(subject.fail("no error came"));
    };
    let header = error
        .quoted_header(subject.abi())
        .ok_or_else(|| subject.fail("no header was quoted"))?;
    subject.equal("flags", &1, &header.flags.0)?;
    subject.equal("sequence", &0, &header.sequence)?;
    subject.equal("port id", &port_id, &header.port_id)
}
