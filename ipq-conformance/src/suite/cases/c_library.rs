//! The cases of topic `c-library`: what only a program in C can see of libipq, such as errno, NULL,
//! threads, signals, descriptors, the handle's structure, and printed text. They run with
//! `--client` only.

use crate::suite::{Case, CaseResult, Packet, Request, Stopped, Subject};
use crate::world::{Call, Capability, Function, HandleNumber, Returned};
use bytes::Bytes;
use ipq_core::handle::ErrorNumber;
use ipq_core::wire::{Flags, MessageType};
use ipq_core::{CopyMode, Errno, Family, PacketId, PortId, Verdict};

/// The time-out of a read to which nothing comes: 10 milliseconds, in microseconds.
const WAIT: i32 = 10_000;
/// The time-out of a read that a signal or a packet ends earlier: 4 seconds, in microseconds.
const LONG_WAIT: i32 = 4_000_000;
/// The errno before a call that must leave errno alone: E2BIG, which no function of libipq sets.
const OTHER_ERRNO: i32 = 7;
/// The address family `AF_NETLINK`.
const NETLINK: u16 = 16;

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::must(
            "c-library/destroy-null",
            "Destroying NULL returns 0",
            &["LIB-9"],
            destroy_null,
        ),
        Case::must(
            "c-library/ctl",
            "Whatever is asked of ipq_ctl, it returns 1",
            &["LIB-9"],
            ctl,
        ),
        Case::quirk(
            "c-library/null-handle",
            "A call with NULL for a handle returns -1 and has an error",
            &["LIB-2", "LIB-3"],
            null_handle,
        ),
        Case::must(
            "c-library/timeout-leaves-errno",
            "A time-out leaves errno as it was, be it 0",
            &["LIB-3"],
            timeout_leaves_errno,
        ),
        Case::must(
            "c-library/signal-ends-a-timed-wait",
            "A signal ends a wait that has a limit with 0 and errno EINTR, and is no error",
            &["LIB-3"],
            signal_ends_a_timed_wait,
        ),
        Case::must(
            "c-library/signal-ends-an-endless-wait",
            "A signal ends a wait without a limit with -1, error number 6 and errno EINTR",
            &["LIB-3"],
            signal_ends_an_endless_wait,
        ),
        Case::must(
            "c-library/send-that-fails-sets-errno",
            "A message that can't be sent has the system's errno",
            &["LIB-12"],
            send_that_fails_sets_errno,
        ),
        Case::must(
            "c-library/threads-have-errors-of-their-own",
            "What fails in one thread is no error of another",
            &["LIB-7"],
            threads,
        ),
        Case::must(
            "c-library/perror",
            "What ipq_perror prints is its argument, the library's text if there is an error, and the system's if errno is not 0",
            &["LIB-6"],
            perror,
        ),
        Case::must(
            "c-library/handle-structure",
            "The handle shows its descriptor, its port id, which is the process's id, and the kernel's",
            &["LIB-8", "LIB-1"],
            handle_structure,
        ),
        Case::must(
            "c-library/descriptor-shows-packets",
            "The handle's descriptor is readable when there is a message, and only then",
            &["LIB-8"],
            descriptor_shows_packets,
        ),
        Case::must(
            "c-library/high-descriptor",
            "A read waits, times out and gives a packet on a descriptor of 1024 or more, too",
            &["LIB-3", "LIB-8"],
            high_descriptor,
        ),
        Case::must(
            "c-library/second-handle",
            "A second handle of the same family is error number 4 with EADDRINUSE; the other family's is none, nor one after the first",
            &["LIB-1"],
            second_handle,
        ),
        Case::must(
            "c-library/header-flag",
            "A message whose header has flag 0x20 is no truncated one",
            &["LIB-3"],
            header_flag,
        ),
        Case::must(
            "c-library/stated-length-over-datagram",
            "A message whose header states more than came is error number 10",
            &["LIB-3"],
            stated_length_over_datagram,
        ),
        Case::must(
            "c-library/empty-datagram",
            "A datagram of no bytes is error number 7",
            &["LIB-3"],
            empty_datagram,
        ),
        Case::must(
            "c-library/length-without-payload",
            "A length with NULL for a payload is announced, and no payload follows",
            &["LIB-11"],
            length_without_payload,
        ),
        Case::must(
            "c-library/payload-without-length",
            "A payload of length 0 does not follow",
            &["LIB-11"],
            payload_without_length,
        ),
    ];
    cases
        .into_iter()
        .map(|case| case.needs(&[Capability::CLibrary]))
        .collect()
}

fn destroy_null(subject: &Subject) -> CaseResult {
    let destroyed = subject.program().run(Function::DestroyHandle {
        handle: HandleNumber::NULL,
    })?;
    subject.equal("the return value", &0, &destroyed.value)
}

fn ctl(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    let answer = program.run(Function::Control { handle, request: 42 })?;
    subject.equal("the return value", &1, &answer.value)
}

fn timeout_leaves_errno(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    for timeout in [WAIT, -1] {
        for errno in [0, OTHER_ERRNO] {
            let read = Function::Read {
                handle,
                length: 2048,
                timeout,
            };
            let read = program.run_with(errno, read)?;
            program.returns(0, ErrorNumber::Timeout, &read)?;
            program.leaves_errno(errno, &read)?;
        }
    }
    Ok(())
}

fn signal_ends_a_timed_wait(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    let interrupted = program.call(&interrupted(handle, LONG_WAIT))?;
    program.returns(0, ErrorNumber::Unknown, &interrupted)?;
    program.leaves_errno(Errno::EINTR.0, &interrupted)
}

fn signal_ends_an_endless_wait(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    let interrupted = program.call(&interrupted(handle, 0))?;
    program.returns(-1, ErrorNumber::Receive, &interrupted)?;
    program.leaves_errno(Errno::EINTR.0, &interrupted)
}

fn send_that_fails_sets_errno(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv4)?;
    let too_long = vec![0; 300_000];
    let failed = program.set_verdict(handle, PacketId(7), Verdict::Accept, Some(&too_long))?;
    program.leaves_errno(Errno::EMSGSIZE.0, &failed)
}

fn descriptor_shows_packets(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv4)?;
    subject.equal("readable before", &false, &program.inspect(handle)?.readable)?;
    subject.inject(&Packet::udp4())?;
    subject.equal("readable with a packet", &true, &program.inspect(handle)?.readable)?;
    program.expect_packet(handle)?;
    subject.equal("readable after it was read", &false, &program.inspect(handle)?.readable)
}

fn header_flag(subject: &Subject) -> CaseResult {
    let frame = forged(subject, |message| message.flags(Flags::TRUNCATED));
    let read = read_forged(subject, frame.clone())?;
    subject.equal(
        "what ipq_read returns",
        &(frame.len().cast_signed() as i64),
        &read.value,
    )
}

fn stated_length_over_datagram(subject: &Subject) -> CaseResult {
    let length = forged(subject, |message| message).len() as u32;
    let frame = forged(subject, |message| message.stated_length(length + 1));
    let read = read_forged(subject, frame)?;
    subject.program().returns(-1, ErrorNumber::ReceivedTruncated, &read)
}

fn empty_datagram(subject: &Subject) -> CaseResult {
    let read = read_forged(subject, Bytes::new())?;
    subject.program().returns(-1, ErrorNumber::EndOfFile, &read)
}

fn length_without_payload(subject: &Subject) -> CaseResult {
    let request = Request::verdict(PacketId(7), Verdict::Accept).data_len(36);
    verdict_with(subject, 36, None, &request)
}

fn payload_without_length(subject: &Subject) -> CaseResult {
    let request = Request::verdict(PacketId(7), Verdict::Accept);
    verdict_with(subject, 0, Some(Bytes::from_static(&[0; 36])), &request)
}

fn null_handle(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = HandleNumber::NULL;
    let calls = [
        Function::SetMode {
            handle,
            mode: 2,
            range: 0,
        },
        Function::SetVerdict {
            handle,
            packet_id: 7,
            verdict: 1,
            data_length: 0,
            payload: None,
        },
        Function::Read {
            handle,
            length: 2048,
            timeout: -1,
        },
    ];
    for function in calls {
        let name = function.name();
        let returned = program.run(function)?;
        subject.equal(&format!("what {name} returns"), &-1, &returned.value)?;
        subject.check(
            "ipq_errstr() names an error",
            returned.text != ErrorNumber::Unknown.text(),
        )?;
    }
    Ok(())
}

fn interrupted(handle: HandleNumber, timeout: i32) -> Call {
    Call {
        thread: 0,
        errno: 0,
        signals: true,
        function: Function::Read {
            handle,
            length: 2048,
            timeout,
        },
    }
}

fn threads(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    let on = |thread, function| {
        program.call(&Call {
            thread,
            errno: 0,
            signals: false,
            function,
        })
    };
    let read = |length| Function::Read {
        handle,
        length,
        timeout: -1,
    };
    program.returns(-1, ErrorNumber::ReceiveBufferSize, &on(1, read(19))?)?;
    program.returns(0, ErrorNumber::Timeout, &on(2, read(2048))?)?;
    program.returns(0, ErrorNumber::Unknown, &on(0, Function::ErrorText)?)?;
    program.returns(0, ErrorNumber::ReceiveBufferSize, &on(1, Function::ErrorText)?)
}

fn perror(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let print = |errno, prefix: Option<&str>| {
        let prefix = prefix.map(str::to_owned);
        program.run_with(errno, Function::PrintError { prefix })
    };
    let prints = |expected: &str, errno, prefix| {
        let printed = print(errno, prefix)?.printed;
        subject.equal("what was printed", &expected, &printed.as_str())
    };
    prints("name\n", 0, Some("name"))?;
    prints("ERROR\n", 0, None)?;
    prints("name: Operation not permitted\n", 1, Some("name"))?;
    let handle = program.create(Family::Ipv4)?;
    program.returns(0, ErrorNumber::Timeout, &program.read(handle, -1)?)?;
    prints("name: Timeout\n", 0, Some("name"))?;
    prints("ERROR: Timeout: Operation not permitted\n", 1, None)
}

fn handle_structure(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    let public = program.inspect(handle)?;
    subject.check("the descriptor is one", public.descriptor > 2)?;
    subject.equal("the kernel's address", &(NETLINK, 0), &public.peer)?;
    let sent = program.set_mode(handle, CopyMode::Meta, 0)?;
    let port_id = program.port_id(&sent)?;
    subject.equal("its own address", &(NETLINK, port_id.0), &public.local)
}

fn high_descriptor(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let last = program.run(Function::Occupy { below: 1024 })?;
    if last.value < 0 {
        return Err(subject.fail("the system lets no process have more than 1024 files: raise `ulimit -Hn`"));
    }
    let handle = program.attach(Family::Ipv4)?;
    let descriptor = program.inspect(handle)?.descriptor;
    subject.check("the descriptor is 1024 or more", descriptor >= 1024)?;
    program.returns(0, ErrorNumber::Timeout, &program.read(handle, WAIT)?)?;
    subject.inject(&Packet::udp4())?;
    program.succeeds(&program.read(handle, LONG_WAIT)?)
}

fn second_handle(subject: &Subject) -> CaseResult {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    let second = program.try_create(2)?;
    program.returns(0, ErrorNumber::BindSocket, &second)?;
    program.leaves_errno(Errno::EADDRINUSE.0, &second)?;
    program.create(Family::Ipv6)?;
    let destroyed = program.run(Function::DestroyHandle { handle })?;
    subject.equal("what ipq_destroy_handle returns", &0, &destroyed.value)?;
    program.create(Family::Ipv4).map(drop)
}

/// Returns a PACKET message as the kernel sends it, with zeros in all fields after the header and
/// no payload, changed by `change`.
fn forged(subject: &Subject, change: impl FnOnce(Request) -> Request) -> Bytes {
    let body = vec![0; subject.abi().packet_message_bytes()];
    let message = Request::raw(MessageType::Packet.to_wire(), body).flags(Flags::NONE);
    change(message).bytes(subject.abi(), PortId::KERNEL)
}

fn read_forged(subject: &Subject, datagram: Bytes) -> Result<Returned, Stopped> {
    let program = subject.program();
    let handle = program.create(Family::Ipv4)?;
    program.run(Function::ReadForged {
        handle,
        length: 2048,
        datagram,
    })
}

fn verdict_with(subject: &Subject, data_length: u64, payload: Option<Bytes>, expected: &Request) -> CaseResult {
    let program = subject.program();
    let handle = program.attach(Family::Ipv4)?;
    let sent = program.run(Function::SetVerdict {
        handle,
        packet_id: 7,
        verdict: Verdict::Accept.to_wire(),
        data_length,
        payload,
    })?;
    program.sends(expected, &sent)
}
