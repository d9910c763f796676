//! Tests of libipq's logic in [`Handle`] (LIB-2, LIB-3, LIB-5, LIB-7, LIB-11 and LIB-12), over a
//! transport in memory.

mod support;

use ipq_core::transport::Datagram;
use ipq_core::wire::{Abi, CopyMode, Hook, Message, MessageMut, MessageType, WireError};
use ipq_core::{Errno, Error, ErrorNumber, Handle, PacketId, PortId, Transport, TransportError, Verdict, Wait};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::sync::Arc;
use std::time::Duration;
use support::{Incoming, PROGRAM, Pipe, error_frame, packet_frame};

const ABI: Abi = Abi::LP64_LITTLE;

fn handle() -> Handle<Pipe> {
    Handle::new(Pipe::with_abi(ABI))
}

/// Returns a handle whose reads bring `incoming`, one after the other.
fn handle_with(incoming: impl IntoIterator<Item = Incoming>) -> Handle<Pipe> {
    let handle = handle();
    incoming
        .into_iter()
        .for_each(|incoming| handle.transport().put(incoming));
    handle
}

fn from_kernel(bytes: impl Into<bytes::Bytes>) -> Incoming {
    Incoming::Datagram(bytes.into(), PortId::KERNEL)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

mod sending {
    use super::*;
    use pretty_assertions::assert_eq;

    #[rstest]
    #[case(
        Abi::LP64_LITTLE,
        "28000000 1100 0100 00000000 92100000 02 00000000000000 ffff000000000000 0000000000000000"
    )]
    #[case(
        Abi::ILP32_LITTLE,
        "1c000000 1100 0100 00000000 92100000 02 000000 ffff0000 00000000"
    )]
    #[case(
        Abi::LP64_BIG,
        "00000028 0011 0001 00000000 00001092 02 00000000000000 000000000000ffff 0000000000000000"
    )]
    #[case(Abi::ILP32_BIG, "0000001c 0011 0001 00000000 00001092 02 000000 0000ffff 00000000")]
    fn a_mode_goes_out_with_flags_1_sequence_0_and_its_exact_size(#[case] abi: Abi, #[case] expected: &str) {
        let handle = Handle::new(Pipe::with_abi(abi));
        let expected = hex(expected);
        assert_eq!(handle.set_mode(CopyMode::Packet, 65_535), Ok(expected.len()));
        assert_eq!(handle.transport().sent(), [expected]);
    }

    #[rstest]
    fn a_verdict_goes_out_with_its_number(
        #[values(
            Verdict::Drop,
            Verdict::Accept,
            Verdict::Stolen,
            Verdict::Queue,
            Verdict::Repeat,
            Verdict::Stop
        )]
        verdict: Verdict,
    ) {
        let handle = handle();
        assert_eq!(
            handle.set_verdict(PacketId(0xffff_8800_0e73_0b40), verdict, None),
            Ok(40)
        );
        let mut expected =
            hex("28000000 1200 0100 00000000 92100000 00000000 00000000 400b730e0088ffff 0000000000000000");
        expected[16] = verdict.to_wire() as u8;
        assert_eq!(handle.transport().sent(), [expected]);
    }

    #[test]
    fn a_replacement_goes_out_as_a_part_of_its_own() {
        let handle = handle();
        let replacement = [0x45; 1400];
        assert_eq!(
            handle.set_verdict(PacketId(7), Verdict::Accept, Some(&replacement)),
            Ok(1440)
        );

        let parts = &handle.transport().sent_parts()[0];
        assert_eq!(parts[0].1, 40);
        assert_eq!(parts[1], (replacement.as_ptr().addr(), replacement.len()));
        assert_eq!(parts.len(), 2);

        let sent = &handle.transport().sent()[0];
        let Message::Verdict(request, following) = Message::parse(sent, ABI).unwrap() else {
            panic!("not a verdict");
        };
        assert_eq!(request.data_len, 1400);
        assert_eq!(request.replacement(following), Some(&replacement[..]));
    }

    #[test]
    fn an_empty_replacement_is_none() {
        let handle = handle();
        handle.set_verdict(PacketId(7), Verdict::Accept, None).unwrap();
        handle.set_verdict(PacketId(7), Verdict::Accept, Some(&[])).unwrap();
        let sent = handle.transport().sent();
        assert_eq!(sent[0], sent[1]);
    }

    #[rstest]
    #[case(TransportError::System(Errno::ECONNREFUSED))]
    #[case(TransportError::Interrupted)]
    #[case(TransportError::Closed)]
    fn a_failed_send_is_error_12(#[case] cause: TransportError) {
        let handle = handle();
        handle.transport().answer_send(Err(cause));
        assert_eq!(handle.set_mode(CopyMode::Meta, 0), Err(Error::Send(cause)));
        assert_eq!(handle.last_error(), ErrorNumber::Send);
    }

    #[test]
    fn a_message_that_went_in_part_is_error_9() {
        let handle = handle();
        handle.transport().answer_send(Ok(39));
        let result = handle.set_verdict(PacketId(7), Verdict::Accept, None);
        assert_eq!(result, Err(Error::SentShort { sent: 39, stated: 40 }));
        assert_eq!(handle.last_error(), ErrorNumber::SentTruncated);
    }
}

mod reading {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_packet_an_error_and_an_acknowledgement_are_told_apart() {
        let handle = handle_with([
            from_kernel(packet_frame(ABI, 7, &[0x45; 33])),
            from_kernel(error_frame(ABI, Errno::ENOENT, &[1; 40])),
            from_kernel(error_frame(ABI, Errno(0), &[2; 16])),
        ]);
        let mut buffer = [0; 2048];
        match handle.read(&mut buffer, Wait::Never) {
            Ok(Message::Packet(packet)) => {
                assert_eq!((packet.packet_id(), packet.payload()), (PacketId(7), &[0x45; 33][..]));
            }
            other => panic!("not a packet: {other:?}"),
        }
        match handle.read(&mut buffer, Wait::Never) {
            Ok(Message::Error(error)) => assert_eq!((error.errno(), error.quoted), (Errno::ENOENT, &[1; 40][..])),
            other => panic!("not an error: {other:?}"),
        }
        match handle.read(&mut buffer, Wait::Never) {
            Ok(Message::Error(error)) => assert!(error.is_acknowledgement()),
            other => panic!("not an acknowledgement: {other:?}"),
        }
        assert_eq!(handle.last_error(), ErrorNumber::Unknown);
    }

    #[test]
    fn a_packet_is_changed_where_it_is_and_given_back() {
        let handle = handle_with([
            from_kernel(packet_frame(ABI, 7, &[0x45; 33])),
            from_kernel(error_frame(ABI, Errno::ENOENT, &[1; 40])),
            from_kernel(packet_frame(ABI, 8, &[0x45; 33])[..100].to_vec()),
        ]);
        let mut buffer = [0; 2048];
        match handle.read_mut(&mut buffer, Wait::Never) {
            Ok(MessageMut::Packet(packet)) => {
                assert_eq!(packet.message().hook(), Hook::Forward);
                let (id, bytes) = (packet.packet_id(), packet.into_payload());
                bytes[1] = 0x66;
                handle.set_verdict(id, Verdict::Accept, Some(bytes)).unwrap();
            }
            other => panic!("not a packet: {other:?}"),
        }
        let changed = [&[0x45, 0x66][..], &[0x45; 31]].concat();
        assert_eq!(handle.transport().sent()[0][40..], changed);
        assert_eq!(buffer[112..145], changed);
        match handle.read_mut(&mut buffer, Wait::Never) {
            Ok(MessageMut::Other(Message::Error(error))) => assert_eq!(error.errno(), Errno::ENOENT),
            other => panic!("not an error: {other:?}"),
        }
        let cut = handle.read_mut(&mut buffer, Wait::Never).err();
        assert!(matches!(cut, Some(Error::Truncated { .. })), "{cut:?}");
    }

    #[rstest]
    fn frames_of_any_machine_are_read_as_the_transport_says(
        #[values(Abi::LP64_LITTLE, Abi::LP64_BIG, Abi::ILP32_LITTLE, Abi::ILP32_BIG)] abi: Abi,
    ) {
        let handle = Handle::new(Pipe::with_abi(abi));
        handle
            .transport()
            .put_datagram(packet_frame(abi, 0x1234_5678, b"payload"));
        let mut buffer = vec![0; handle.buffer_for(7)];
        let Ok(Message::Packet(packet)) = handle.read(&mut buffer, Wait::Never) else {
            panic!("not a packet");
        };
        assert_eq!(
            (packet.packet_id(), packet.payload()),
            (PacketId(0x1234_5678), &b"payload"[..])
        );
    }

    #[test]
    fn the_wait_is_the_transports() {
        let handle = handle_with([]);
        let mut buffer = [0; 64];
        let waits = [
            Wait::Never,
            Wait::For(Duration::from_secs(2)),
            Wait::For(Duration::ZERO),
        ];
        for wait in waits {
            assert_eq!(handle.read_datagram(&mut buffer, wait), Err(Error::TimedOut));
        }
        assert_eq!(handle.transport().waits(), waits);
        assert_eq!(handle.last_error(), ErrorNumber::Timeout);
    }

    #[test]
    fn read_datagram_gives_the_length_and_leaves_the_message_alone() {
        let mut unknown = vec![0xee; 21];
        unknown[..4].copy_from_slice(&21_u32.to_le_bytes());
        let handle = handle_with([from_kernel(unknown)]);
        assert_eq!(handle.read_datagram(&mut [0; 64], Wait::Never), Ok(21));
    }

    #[test]
    fn the_header_flag_0x20_is_not_the_receive_calls() {
        let mut frame = packet_frame(ABI, 7, &[]);
        frame[6] = 0x20;
        let handle = handle_with([from_kernel(frame)]);
        let mut buffer = [0; 2048];
        let message = handle.read(&mut buffer, Wait::Never).unwrap();
        assert_eq!(message.message_type(), MessageType::Packet);
    }

    #[rstest]
    #[case(0, 66_088)]
    #[case(1, 516)]
    #[case(20, 532)]
    #[case(65_535, 66_048)]
    #[case(65_536, 66_048)]
    #[case(usize::MAX, 66_048)]
    fn a_buffer_for_a_range_holds_its_longest_packet_and_400_bytes(#[case] range: usize, #[case] expected: usize) {
        assert_eq!(handle().buffer_for(range), expected);
        assert_eq!(
            Handle::new(Pipe::with_abi(Abi::ILP32_BIG)).buffer_for(range),
            expected - 24
        );
        if (1..=65_535).contains(&range) {
            assert_eq!(packet_frame(ABI, 7, &vec![0; range]).len() + 400, expected);
        }
    }
}

/// Tests of the checks of a datagram, and of their order (LIB-3).
mod checks {
    use super::*;
    use pretty_assertions::assert_eq;

    #[rstest]
    fn a_buffer_under_20_bytes_is_refused_before_anything_is_received(#[values(0, 16, 19)] length: usize) {
        let handle = handle_with([from_kernel(vec![0; 16])]);
        let result = handle.read_datagram(&mut [0; 20][..length], Wait::Forever);
        assert_eq!(result, Err(Error::BufferTooSmall { length }));
        assert_eq!(handle.last_error(), ErrorNumber::ReceiveBufferSize);
        assert_eq!(handle.transport().left(), 1);
    }

    #[test]
    fn twenty_bytes_are_enough() {
        let handle = handle_with([from_kernel(hex("14000000 0200 0000 00000000 00000000 00000000"))]);
        assert_eq!(handle.read_datagram(&mut [0; 20], Wait::Never), Ok(20));
    }

    /// Reads datagrams with one or several faults, and checks that the error names the fault that
    /// is checked first.
    #[rstest]
    #[case::sender_before_end(&[], 99, Error::ForeignSender { sender: PortId(99) }, ErrorNumber::Receive)]
    #[case::sender_before_length(&[0xff; 30], 99, Error::ForeignSender { sender: PortId(99) }, ErrorNumber::Receive)]
    #[case::end(&[], 0, Error::EndOfFile, ErrorNumber::EndOfFile)]
    #[case::no_header(&[0; 15], 0, Error::Truncated { read: 15, whole: 16 }, ErrorNumber::ReceivedTruncated)]
    #[case::length(
        &[0xff; 30],
        0,
        Error::Truncated { read: 30, whole: u32::MAX as usize },
        ErrorNumber::ReceivedTruncated
    )]
    fn the_first_fault_counts(
        #[case] bytes: &'static [u8],
        #[case] sender: u32,
        #[case] expected: Error,
        #[case] number: ErrorNumber,
    ) {
        let handle = handle_with([Incoming::Datagram(bytes.into(), PortId(sender))]);
        assert_eq!(handle.read_datagram(&mut [0; 64], Wait::Never), Err(expected));
        assert_eq!(handle.last_error(), number);
    }

    #[test]
    fn truncation_says_how_much_is_missing() {
        let frame = packet_frame(ABI, 7, &[0x45; 300]);
        let handle = handle_with([from_kernel(frame.clone()), from_kernel(frame[..100].to_vec())]);
        let by_the_datagrams_length = handle.read(&mut [0; 100], Wait::Never).unwrap_err();
        let by_the_headers = handle.read(&mut [0; 2048], Wait::Never).unwrap_err();
        assert_eq!(by_the_datagrams_length, Error::Truncated { read: 100, whole: 412 });
        assert_eq!(by_the_headers, by_the_datagrams_length);
        insta::assert_snapshot!(
            by_the_headers,
            @"a message of 412 bytes was cut to 100: 312 are lost, use a buffer that has room for it"
        );
    }

    #[test]
    fn a_datagram_that_is_cut_after_its_message_is_still_cut() {
        let mut datagram = error_frame(ABI, Errno(0), &[0; 16]);
        datagram.resize(100, 0);
        let handle = handle_with([from_kernel(datagram)]);
        let result = handle.read_datagram(&mut [0; 64], Wait::Never);
        assert_eq!(result, Err(Error::Truncated { read: 64, whole: 100 }));
    }

    #[test]
    fn what_is_no_message_is_malformed_and_number_10() {
        let handle = handle_with([
            from_kernel(vec![0; 20]),
            from_kernel(packet_frame(Abi::ILP32_LITTLE, 7, &[])),
        ]);
        let mut buffer = [0; 2048];
        let stated_too_little = WireError::HeaderLength { stated: 0, found: 20 };
        let of_another_abi = WireError::BodyTooShort {
            message_type: MessageType::Packet,
            needed: 96,
            found: 72,
        };
        for expected in [stated_too_little, of_another_abi] {
            let error = handle.read(&mut buffer, Wait::Never).unwrap_err();
            assert_eq!(error, Error::Malformed(expected));
            assert_eq!(handle.last_error(), ErrorNumber::ReceivedTruncated);
        }
    }

    /// Reads from a transport that states false lengths. Checks that the read fails without a
    /// panic, and that an [`Error::Truncated`] does not say that more was read than the buffer has.
    #[rstest]
    #[case(usize::MAX, usize::MAX)]
    #[case(usize::MAX, 0)]
    #[case(0, usize::MAX)]
    #[case(65, 65)]
    #[case(65, 64)]
    #[case(64, 15)]
    #[case(64, 63)]
    fn a_transport_that_lies_panics_nothing(#[case] copied: usize, #[case] length: usize) {
        let frame = hex("40000000 1300 0000 00000000 00000000");
        let claim = Datagram {
            copied,
            length,
            sender: PortId::KERNEL,
        };
        let handle = handle_with([Incoming::Claim(frame.into(), claim)]);
        let error = handle.read(&mut [0; 64], Wait::Never).unwrap_err();
        match error {
            Error::Truncated { read, whole } => assert!(read <= 64 && whole > read),
            Error::EndOfFile => assert_eq!(length, 0),
            other => assert_eq!(
                (other.number(), copied, length),
                (Some(ErrorNumber::ReceivedTruncated), 65, 64)
            ),
        }
        let _ = error.to_string();
    }
}

/// Checks that a datagram whose sender is not the kernel does not change the handle's port id, its
/// count of overruns, or the verdicts that it sends. See "Defects of the original" in
/// `ipq_core::protocol`.
#[test]
fn a_forged_datagram_diverts_nothing() {
    let handle = handle_with([
        Incoming::Datagram(packet_frame(ABI, 666, &[]).into(), PortId(99)),
        from_kernel(packet_frame(ABI, 7, &[])),
    ]);
    handle.set_verdict(PacketId(1), Verdict::Accept, None).unwrap();
    let mut buffer = [0; 2048];
    let error = handle.read(&mut buffer, Wait::Never).unwrap_err();
    assert_eq!(error, Error::ForeignSender { sender: PortId(99) });
    handle.set_verdict(PacketId(1), Verdict::Accept, None).unwrap();
    let sent = handle.transport().sent();
    assert_eq!(sent[0], sent[1]);
    assert_eq!((handle.port_id(), handle.overruns()), (PROGRAM, 0));
    assert!(matches!(
        handle.read(&mut buffer, Wait::Never),
        Ok(Message::Packet(packet)) if packet.packet_id() == PacketId(7)
    ));
}

#[test]
fn overruns_are_counted_and_lose_nothing_that_is_there() {
    let overrun = || Incoming::Failure(TransportError::Overrun);
    let handle = handle_with([overrun(), from_kernel(packet_frame(ABI, 7, &[])), overrun()]);
    let mut buffer = [0; 2048];
    assert_eq!(handle.read(&mut buffer, Wait::Never).unwrap_err(), Error::Overrun);
    assert_eq!((handle.overruns(), handle.last_error()), (1, ErrorNumber::Receive));
    assert!(handle.read(&mut buffer, Wait::Never).is_ok());
    assert_eq!(handle.overruns(), 1);
    assert_eq!(handle.read_datagram(&mut buffer, Wait::Never), Err(Error::Overrun));
    assert_eq!(handle.overruns(), 2);
}

/// Checks the error of a read that a signal interrupts, and libipq's last error after it (LIB-3): a
/// wait for ever sets it to Receive, and any other wait leaves it as it was.
#[rstest]
#[case(Wait::Forever, true, ErrorNumber::Receive)]
#[case(Wait::Never, false, ErrorNumber::Timeout)]
#[case(Wait::For(Duration::from_micros(1)), false, ErrorNumber::Timeout)]
fn a_signal_is_an_error_by_the_wait(#[case] wait: Wait, #[case] forever: bool, #[case] last: ErrorNumber) {
    let handle = handle_with([]);
    let mut buffer = [0; 64];
    assert_eq!(handle.read_datagram(&mut buffer, Wait::Never), Err(Error::TimedOut));
    handle.transport().put(Incoming::Failure(TransportError::Interrupted));
    assert_eq!(
        handle.read_datagram(&mut buffer, wait),
        Err(Error::Interrupted { forever })
    );
    assert_eq!(handle.last_error(), last);
}

/// Checks that each handle has a last error of its own (LIB-7), which a success does not clear
/// (LIB-12).
#[test]
fn the_last_error_is_the_handles_own_and_success_does_not_clear_it() {
    let [one, other] = [handle(), handle()];
    assert_eq!(one.last_error().text(), "Unknown error");
    one.read_datagram(&mut [0; 64], Wait::Never).unwrap_err();
    one.set_mode(CopyMode::Meta, 0).unwrap();
    one.transport().put_datagram(packet_frame(ABI, 7, &[]));
    assert!(one.read(&mut [0; 2048], Wait::Never).is_ok());
    assert_eq!(one.last_error(), ErrorNumber::Timeout);
    assert_eq!(other.last_error(), ErrorNumber::Unknown);
    one.read_datagram(&mut [0; 19], Wait::Never).unwrap_err();
    assert_eq!(one.last_error(), ErrorNumber::ReceiveBufferSize);
}

/// Checks libipq's text for each error number, and that a number out of range becomes number 1
/// (LIB-5).
#[rstest]
#[case(0, "Unknown error")]
#[case(1, "Implementation error")]
#[case(2, "Unable to create netlink handle")]
#[case(3, "Unable to create netlink socket")]
#[case(4, "Unable to bind netlink socket")]
#[case(5, "Unable to allocate buffer")]
#[case(6, "Failed to receive netlink message")]
#[case(7, "Received EOF on netlink socket")]
#[case(8, "Invalid peer address length")]
#[case(9, "Sent message truncated")]
#[case(10, "Received message truncated")]
#[case(11, "Received error from netlink")]
#[case(12, "Failed to send netlink message")]
#[case(13, "Operation not supported")]
#[case(14, "Receive buffer size invalid")]
#[case(15, "Timeout")]
#[case(16, "Invalid protocol specified")]
#[case(17, "Implementation error")]
#[case(-1, "Implementation error")]
#[case(i32::MAX, "Implementation error")]
#[case(i32::MIN, "Implementation error")]
fn error_numbers_have_libipqs_texts(#[case] number: i32, #[case] text: &str) {
    let error = ErrorNumber::from_number(number);
    assert_eq!(error.to_string(), text);
    assert_eq!(error.text(), text);
    let in_range = (0..=16).contains(&number);
    assert_eq!(error.number(), if in_range { number } else { 1 });
    assert_eq!(ErrorNumber::ALL.len(), 17);
}

#[test]
fn every_error_has_its_number_and_says_what_failed() {
    let cause = TransportError::System(Errno::EBADF);
    let errors = [
        Error::TimedOut,
        Error::Interrupted { forever: false },
        Error::Interrupted { forever: true },
        Error::Overrun,
        Error::BufferTooSmall { length: 19 },
        Error::ForeignSender { sender: PortId(99) },
        Error::EndOfFile,
        Error::Truncated { read: 100, whole: 144 },
        Error::Truncated { read: 144, whole: 100 },
        Error::Malformed(WireError::NoHeader { found: 3 }),
        Error::Receive(cause),
        Error::Send(cause),
        Error::SentShort { sent: 39, stated: 40 },
    ];
    let lines = errors.map(|error| {
        let number = error
            .number()
            .map_or("-".to_owned(), |number| number.number().to_string());
        format!("{number:>2}: {error}")
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_handle_fits_any_side_that_is_chosen_at_run_time() {
    let pipe = Arc::new(Pipe::with_abi(ABI));
    let boxed: Box<dyn Transport> = Box::new(Arc::clone(&pipe));
    let handle = Handle::new(boxed);
    assert_eq!(handle.set_mode(CopyMode::Meta, 0), Ok(40));
    assert_eq!(handle.transport().set_receive_buffer(4096), Ok(8192));
    pipe.put_datagram(packet_frame(ABI, 7, &[]));
    assert!(handle.read(&mut [0; 2048], Wait::Never).is_ok());
}

#[test]
fn dropping_the_handle_drops_the_transport_and_into_transport_keeps_it() {
    let pipe = Arc::new(Pipe::new());
    let handle = Handle::new(Arc::clone(&pipe));
    drop(handle);
    assert_eq!(Arc::strong_count(&pipe), 1);
    let transport = Handle::new(Arc::clone(&pipe)).into_transport();
    assert_eq!(Arc::strong_count(&pipe), 2);
    drop(transport);
}

#[test]
fn one_thread_reads_while_another_gives_verdicts() {
    let handle = handle();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut buffer = [0; 2048];
            handle
                .read(&mut buffer, Wait::Forever)
                .map(|message| message.message_type())
        });
        handle.transport().until_somebody_waits();
        handle.set_verdict(PacketId(7), Verdict::Accept, None).unwrap();
        handle.transport().put_datagram(packet_frame(ABI, 8, &[]));
        assert_eq!(reader.join().unwrap(), Ok(MessageType::Packet));
    });
}

#[test]
fn a_side_that_goes_ends_the_wait() {
    let handle = handle();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| handle.read_datagram(&mut [0; 64], Wait::Forever));
        handle.transport().until_somebody_waits();
        handle.transport().close();
        assert_eq!(reader.join().unwrap(), Err(Error::Receive(TransportError::Closed)));
    });
    assert_eq!(handle.last_error(), ErrorNumber::Receive);
}
