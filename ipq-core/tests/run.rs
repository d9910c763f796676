//! Tests of [`Handle::run`], [`Handle::run_once`] and [`Handle::run_until`], which ask a program
//! about each packet, over a transport in memory.

mod support;

use ipq_core::handle::{QueuedPacket, RunError};
use ipq_core::transport::faulty::{Arrival, Departure, Faulty};
use ipq_core::wire::{Abi, Message, MessageType, ModeRequest};
use ipq_core::{CopyMode, Errno, Error, Handle, PacketId, PortId, Transport, TransportError, Verdict, Wait};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{Incoming, Pipe, error_frame, packet_frame};

const ABI: Abi = Abi::LP64_LITTLE;

/// Returns a transport that brings these messages, and then is closed.
fn queue(messages: impl IntoIterator<Item = Vec<u8>>) -> Pipe {
    let pipe = Pipe::with_abi(ABI);
    messages.into_iter().for_each(|message| pipe.put_datagram(message));
    pipe.close();
    pipe
}

fn packets(count: u8) -> impl Iterator<Item = Vec<u8>> {
    (1..=count).map(|number| packet_frame(ABI, number.into(), &[number; 20]))
}

/// Returns the packet id, the verdict and the payload of each verdict that was sent.
fn verdicts(pipe: &Pipe) -> Vec<(u64, Verdict, Vec<u8>)> {
    let sent = pipe.sent();
    let verdicts = sent.iter().map(|sent| match Message::parse(sent, ABI) {
        Ok(Message::Verdict(request, payload)) => (request.packet_id.0, request.verdict, payload.to_vec()),
        other => panic!("not a verdict: {other:?}"),
    });
    verdicts.collect()
}

fn accept(_: &mut QueuedPacket<'_>) -> Verdict {
    Verdict::Accept
}

#[test]
fn each_packet_gets_its_verdict_and_the_loop_ends_with_the_queue() {
    let handle = Handle::new(queue(packets(3)));
    let ended = handle.run(|packet| match packet.payload()[0] {
        2 => Verdict::Drop,
        _ => Verdict::Accept,
    });
    assert_eq!(ended, Ok(()));
    let expected = [(1, Verdict::Accept), (2, Verdict::Drop), (3, Verdict::Accept)];
    let expected = expected.map(|(id, verdict)| (id, verdict, vec![]));
    assert_eq!(verdicts(handle.transport()), expected);
}

#[test]
fn signals_overruns_and_forged_datagrams_do_not_end_it() {
    let arrivals = [
        Arrival::Fail(TransportError::Interrupted),
        Arrival::Pass,
        Arrival::Fail(TransportError::Overrun),
        Arrival::Forge(PortId(77)),
        Arrival::Pass,
    ];
    let departures = [Departure::Fail(TransportError::Interrupted), Departure::Pass];
    let faulty = Faulty::new(queue(packets(3)))
        .with_arrivals(arrivals)
        .with_departures(departures);
    let handle = Handle::new(faulty);
    let mut seen = Vec::new();
    let ended = handle.run(|packet| {
        seen.push(packet.packet_id().0);
        Verdict::Accept
    });
    assert_eq!((ended, handle.overruns()), (Ok(()), 1));
    assert_eq!(seen, [1, 2, 3]);
    assert_eq!(verdicts(handle.transport().transport()).len(), 3);
}

#[rstest]
#[case::permission(
    Errno::EPERM,
    "Operation not permitted (EPERM): a queue needs the capability CAP_NET_ADMIN; run as root"
)]
#[case::taken(
    Errno::EBUSY,
    "Device or resource busy (EBUSY): another program listens to this queue; end it first"
)]
#[case::unknown_number(Errno(4095), "error number 4095")]
fn a_refusal_ends_it_and_says_what_to_do(#[case] errno: Errno, #[case] expected: &str) {
    let handle = Handle::new(queue([]));
    handle.set_mode(CopyMode::Packet, 1500).unwrap();
    let mode = handle.transport().sent()[0].clone();
    handle.transport().put_datagram(error_frame(ABI, errno, &mode));
    let error = handle.run(accept).unwrap_err();
    assert_eq!(error, RunError::Refused(handle.explain(errno)));
    assert_eq!(
        (error.to_string(), format!("{error:?}")),
        (expected.to_owned(), expected.to_owned())
    );
    assert_eq!(format!("{:?}", handle.explain(errno)), expected);
}

#[test]
fn acknowledgements_and_packets_that_are_gone_do_not_end_it() {
    let quoted = vec![0; 16];
    let answers = [Errno(0), Errno::ENOENT].map(|errno| error_frame(ABI, errno, &quoted));
    let handle = Handle::new(queue(answers.into_iter().chain(packets(1))));
    assert_eq!(handle.run(accept), Ok(()));
    assert_eq!(verdicts(handle.transport()).len(), 1);
}

#[test]
fn what_only_programs_send_ends_it() {
    let handle = Handle::new(queue([]));
    let mode = ModeRequest {
        mode: CopyMode::Meta,
        range: 0,
    };
    let envelope = ipq_core::wire::Envelope::request(PortId::KERNEL);
    handle.transport().put_datagram(mode.head(ABI, envelope).to_vec());
    assert_eq!(handle.run(accept), Err(RunError::Unexpected(MessageType::Mode)));
}

#[test]
fn a_failure_of_the_system_ends_it() {
    let handle = Handle::new(queue([]));
    let failure = TransportError::System(Errno::ENOMEM);
    handle.transport().put(Incoming::Failure(failure));
    assert_eq!(handle.run(accept), Err(RunError::Handle(Error::Receive(failure))));
}

#[test]
fn a_changed_packet_is_sent_with_its_verdict() {
    let handle = Handle::new(queue(packets(3)));
    let ended = handle.run(|packet| {
        match packet.packet_id().0 {
            1 => packet.payload_mut()[19] = 9,
            2 => packet.set_payload([8; 24]),
            _ => {}
        }
        Verdict::Accept
    });
    assert_eq!(ended, Ok(()));
    let changed = [vec![1; 19], vec![9]].concat();
    let payloads: Vec<_> = verdicts(handle.transport())
        .into_iter()
        .map(|(.., payload)| payload)
        .collect();
    assert_eq!(payloads, [changed, vec![8; 24], vec![]]);
}

#[test]
fn a_change_to_a_replacement_is_sent_too() {
    let handle = Handle::new(queue(packets(1)));
    let ended = handle.run(|packet| {
        packet.set_payload([8; 21]);
        packet.payload_mut()[20] = 7;
        assert_eq!(packet.payload().len(), 21);
        Verdict::Accept
    });
    assert_eq!(ended, Ok(()));
    let expected = [vec![8; 20], vec![7]].concat();
    assert_eq!(verdicts(handle.transport()), [(1, Verdict::Accept, expected)]);
}

/// Checks that the checksums of a packet with fewer bytes than its header states can't be repaired,
/// and that its verdict has no replacement. The second packet is whole, and its verdict has one.
#[cfg(feature = "etherparse")]
#[test]
fn a_packet_whose_checksums_can_not_be_repaired_is_not_replaced() {
    let header = |total: u8| [&[0x45, 0, 0, total, 0, 0, 0, 0, 64, 17, 0, 0], &[1; 8][..]].concat();
    let packets = [(1, header(100)), (2, header(20))];
    let packets = packets.map(|(id, packet)| packet_frame(ABI, id, &packet));
    let handle = Handle::new(queue(packets));
    let mut repaired = Vec::new();
    let ended = handle.run(|packet| {
        repaired.push(packet.repair_checksums().is_ok());
        Verdict::Accept
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(repaired, [false, true]);
    let sent = verdicts(handle.transport());
    let lengths: Vec<_> = sent.iter().map(|(.., payload)| payload.len()).collect();
    assert_eq!(lengths, [0, 20]);
}

#[test]
fn a_held_packet_gets_its_verdict_later() {
    let handle = Handle::new(queue(packets(2)));
    let mut held = Vec::new();
    let mut buffer = vec![0; handle.buffer_for(1500)];
    let turn = handle.run_once(&mut buffer, Wait::Never, |packet| {
        held.push(packet.packet_id());
        None
    });
    assert_eq!(turn, Err(RunError::Handle(Error::Receive(TransportError::Closed))));
    assert_eq!(
        (held, verdicts(handle.transport())),
        (vec![PacketId(1), PacketId(2)], vec![])
    );
}

#[test]
fn a_turn_decides_about_at_most_64_packets_and_a_signal_ends_it() {
    let pipe = Pipe::with_abi(ABI);
    packets(70).for_each(|packet| pipe.put_datagram(packet));
    pipe.put(Incoming::Failure(TransportError::Interrupted));
    packets(1).for_each(|packet| pipe.put_datagram(packet));
    let handle = Handle::new(pipe);
    let mut buffer = vec![0; handle.buffer_for(1500)];
    let mut turn = || handle.run_once(&mut buffer, Wait::Never, accept);
    assert_eq!([turn(), turn(), turn(), turn()], [Ok(64), Ok(6), Ok(1), Ok(0)]);
}

#[test]
fn a_flag_ends_it_with_the_packets_that_are_there() {
    let handle = Handle::new(Pipe::with_abi(ABI));
    packets(70).for_each(|packet| handle.transport().put_datagram(packet));
    let stop = AtomicBool::new(false);
    let ended = handle.run_until(&stop, |_| {
        stop.store(true, Ordering::Release);
        Verdict::Accept
    });
    assert_eq!((ended, handle.transport().left()), (Ok(()), 6));
}

#[test]
fn a_flag_that_another_thread_sets_ends_a_wait() {
    let handle = Handle::new(Pipe::with_abi(ABI));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| handle.run_until(&stop, accept));
        stop.store(true, Ordering::Release);
        assert_eq!(ended.join().unwrap(), Ok(()));
    });
}

#[test]
fn whatever_is_below_a_wrapper_explains() {
    struct Told(Pipe);
    impl Transport for Told {
        fn port_id(&self) -> PortId {
            self.0.port_id()
        }
        fn send(&self, parts: &[std::io::IoSlice<'_>]) -> Result<usize, TransportError> {
            self.0.send(parts)
        }
        fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<ipq_core::transport::Datagram, TransportError> {
            self.0.receive(buffer, wait)
        }
        fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError> {
            self.0.set_receive_buffer(bytes)
        }
        fn set_no_enobufs(&self, on: bool) -> Result<(), TransportError> {
            self.0.set_no_enobufs(on)
        }
        fn explain(&self, _: Errno) -> Option<std::borrow::Cow<'static, str>> {
            Some("of its own".into())
        }
    }
    let traced = ipq_core::transport::traced::Traced::new(Told(Pipe::new()), |_| {});
    let handle = Handle::new(Box::new(Faulty::new(traced)));
    assert_eq!(handle.explain(Errno::EPERM).advice.as_deref(), Some("of its own"));
}
