//! Tests of each fault of a [`Faulty`] transport, and of a handle over all of them.

mod support;

use ipq_core::transport::faulty::{Arrival, Departure, Faulty, HELD, Record, Seeded};
use ipq_core::transport::{Datagram, PollTransport};
use ipq_core::wire::{Abi, Message};
use ipq_core::{Errno, Error, Handle, PacketId, PortId, Transport, TransportError, Verdict, Wait};
use pretty_assertions::assert_eq;
use proptest::collection::vec;
use proptest::prelude::*;
use rstest::rstest;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use support::{Incoming, Pipe, packet_frame};

const FORGER: PortId = PortId(99);

/// The result of one receive into 8 bytes: the bytes, the datagram's true length, and its sender.
type Seen = Result<(String, usize, PortId), TransportError>;

fn receive(transport: &impl Transport, wait: Wait) -> Seen {
    let mut buffer = [b'?'; 8];
    let datagram = transport.receive(&mut buffer, wait)?;
    let text = String::from_utf8(buffer[..datagram.copied].to_vec()).unwrap();
    Ok((text, datagram.length, datagram.sender))
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what a receive gave")]
fn seen(text: &str) -> Seen {
    Ok((text.to_owned(), text.len(), PortId::KERNEL))
}

/// Returns a transport with this plan of faults, which has "a", "b" and "c" to receive.
fn with_arrivals(plan: &[Arrival]) -> Faulty<Pipe> {
    let pipe = Pipe::new();
    for text in ["a", "b", "c"] {
        pipe.put_datagram(text);
    }
    Faulty::new(pipe).with_arrivals(plan.to_vec())
}

/// Sends each of `texts` in two parts, and returns the result of each send.
fn send(transport: &impl Transport, texts: &[&str]) -> Vec<Result<usize, TransportError>> {
    let send = |text: &&str| {
        let (head, payload) = text.split_at(1);
        transport.send(&[IoSlice::new(head.as_bytes()), IoSlice::new(payload.as_bytes())])
    };
    texts.iter().map(send).collect()
}

fn hits<F: Copy>(record: &Record<F>) -> Vec<(u64, F)> {
    record.hits.iter().copied().collect()
}

/// Receives until nothing comes, and checks the order in which "a", "b" and "c" came.
#[rstest]
#[case::nothing_planned(&[], "abc")]
#[case::pass(&[Arrival::Pass, Arrival::Pass], "abc")]
#[case::lose(&[Arrival::Pass, Arrival::Lose], "ac")]
#[case::lose_all(&[Arrival::Lose; 3], "")]
#[case::repeat(&[Arrival::Repeat, Arrival::Pass, Arrival::Repeat], "aabcc")]
#[case::not_delayed(&[Arrival::Delay(0)], "abc")]
#[case::reordered(&[Arrival::Delay(1)], "bac")]
#[case::delayed(&[Arrival::Delay(2)], "bca")]
#[case::delayed_beyond_the_last(&[Arrival::Delay(9)], "bca")]
#[case::all_delayed(&[Arrival::Delay(3), Arrival::Delay(1), Arrival::Delay(7)], "bac")]
#[case::the_lost_count_too(&[Arrival::Delay(1), Arrival::Lose], "ac")]
#[case::long_enough(&[Arrival::Cut(1)], "abc")]
fn datagrams_arrive_as_planned(
    #[case] plan: &[Arrival],
    #[case] expected: &str,
    #[values(Wait::Never, Wait::For(Duration::from_secs(2)))] wait: Wait,
) {
    let faulty = with_arrivals(plan);
    let came: String = std::iter::from_fn(|| receive(&faulty, wait).ok())
        .map(|(text, ..)| text)
        .collect();
    assert_eq!(came, expected);
    assert_eq!(receive(&faulty, wait), Err(TransportError::TimedOut));
    assert_eq!(faulty.arrivals().datagrams, 3);
    let faults = plan.iter().filter(|arrival| **arrival != Arrival::Pass).count();
    assert_eq!(faulty.arrivals().faults, faults as u64);
}

#[test]
fn a_cut_datagram_has_its_true_length_and_leaves_no_trace_of_its_end() {
    let pipe = Pipe::new();
    pipe.put_datagram("abcdef");
    let faulty = Faulty::new(pipe).with_arrivals([Arrival::Cut(2)]);
    let mut buffer = [b'?'; 8];
    let datagram = faulty.receive(&mut buffer, Wait::Never).unwrap();
    assert_eq!((datagram.copied, datagram.length), (2, 6));
    assert_eq!(buffer, *b"ab\0\0\0\0??");
}

#[test]
fn a_forged_copy_comes_first_and_the_datagram_itself_after_it() {
    let faulty = with_arrivals(&[Arrival::Pass, Arrival::Forge(FORGER)]);
    let came: Vec<Seen> = (0..4).map(|_| receive(&faulty, Wait::Never)).collect();
    let forged = Ok(("b".to_owned(), 1, FORGER));
    assert_eq!(came, [seen("a"), forged, seen("b"), seen("c")]);
    assert_eq!(hits(&faulty.arrivals()), [(1, Arrival::Forge(FORGER))]);
}

#[test]
fn failures_come_ahead_of_the_datagram_and_lose_nothing() {
    let plan = [
        Arrival::Fail(TransportError::Interrupted),
        Arrival::Fail(TransportError::TimedOut),
        Arrival::Pass,
        Arrival::Fail(TransportError::Overrun),
        Arrival::Lose,
    ];
    let faulty = with_arrivals(&plan);
    let came: Vec<Seen> = (0..5).map(|_| receive(&faulty, Wait::Forever)).collect();
    let [interrupted, timed_out, overrun] = [
        TransportError::Interrupted,
        TransportError::TimedOut,
        TransportError::Overrun,
    ]
    .map(Err);
    assert_eq!(came, [interrupted, timed_out, seen("a"), overrun, seen("c")]);
    let expected = [(0, plan[0]), (0, plan[1]), (1, plan[3]), (1, plan[4])];
    assert_eq!(hits(&faulty.arrivals()), expected);
}

#[test]
fn a_signal_needs_no_datagram() {
    let faulty = Faulty::new(Pipe::new()).with_arrivals([Arrival::Fail(TransportError::Interrupted)]);
    assert_eq!(receive(&faulty, Wait::Forever), Err(TransportError::Interrupted));
    assert_eq!(receive(&faulty, Wait::Never), Err(TransportError::TimedOut));
}

#[test]
fn a_poll_that_finds_nothing_leaves_the_plan_alone() {
    let faulty = Faulty::new(Pipe::new()).with_arrivals([Arrival::Lose]);
    assert_eq!(receive(&faulty, Wait::Never), Err(TransportError::TimedOut));
    assert_eq!(faulty.arrivals(), Record::default());
    faulty.transport().put_datagram("a");
    faulty.transport().put_datagram("b");
    assert_eq!(receive(&faulty, Wait::Never), seen("b"));
}

#[test]
fn what_is_held_keeps_a_wait_for_ever_from_hanging() {
    let pipe = Pipe::new();
    pipe.put_datagram("a");
    let faulty = Faulty::new(pipe).with_arrivals([Arrival::Delay(5)]);
    assert_eq!(receive(&faulty, Wait::Forever), seen("a"));
}

#[test]
fn what_is_held_comes_before_the_end() {
    let faulty = with_arrivals(&[Arrival::Delay(5)]);
    faulty.transport().close();
    let came: Vec<Seen> = (0..4).map(|_| receive(&faulty, Wait::Forever)).collect();
    assert_eq!(came, [seen("b"), seen("c"), seen("a"), Err(TransportError::Closed)]);
}

#[test]
fn a_copy_fits_a_shorter_buffer_than_the_first_time() {
    let pipe = Pipe::new();
    pipe.put_datagram("abcdef");
    let faulty = Faulty::new(pipe).with_arrivals([Arrival::Repeat]);
    assert_eq!(receive(&faulty, Wait::Never), seen("abcdef"));
    let datagram = Datagram {
        copied: 2,
        length: 6,
        sender: PortId::KERNEL,
    };
    assert_eq!(faulty.receive(&mut [0; 2], Wait::Never), Ok(datagram));
}

#[test]
fn no_more_than_so_many_are_held() {
    let pipe = Pipe::new();
    for _ in 0..2 * HELD {
        pipe.put_datagram("a");
    }
    let faulty = Faulty::new(pipe).with_arrivals(std::iter::repeat(Arrival::Delay(1000)));
    assert_eq!(receive(&faulty, Wait::Never), seen("a"));
    let record = faulty.arrivals();
    assert_eq!((record.datagrams, record.faults), (HELD as u64 + 1, HELD as u64));
    assert_eq!(faulty.transport().left(), HELD - 1);
}

/// Sends "ab", "cd" and "ef", and then receives once, which finds nothing. Checks the datagrams
/// that went out, and the result of each send.
#[rstest]
#[case::nothing_planned(&[], &["ab", "cd", "ef"], [Ok(2), Ok(2), Ok(2)])]
#[case::lose(&[Departure::Pass, Departure::Lose], &["ab", "ef"], [Ok(2), Ok(2), Ok(2)])]
#[case::cut_to_the_first_part(&[Departure::Cut(1)], &["a", "cd", "ef"], [Ok(1), Ok(2), Ok(2)])]
#[case::cut_to_nothing(&[Departure::Cut(0)], &["", "cd", "ef"], [Ok(0), Ok(2), Ok(2)])]
#[case::not_cut(&[Departure::Cut(9)], &["ab", "cd", "ef"], [Ok(2), Ok(2), Ok(2)])]
#[case::repeat(&[Departure::Repeat], &["ab", "ab", "cd", "ef"], [Ok(2), Ok(2), Ok(2)])]
#[case::not_delayed(&[Departure::Delay(0)], &["ab", "cd", "ef"], [Ok(2), Ok(2), Ok(2)])]
#[case::reordered(&[Departure::Delay(1)], &["cd", "ab", "ef"], [Ok(2), Ok(2), Ok(2)])]
#[case::until_nothing_moves(&[Departure::Delay(9)], &["cd", "ef", "ab"], [Ok(2), Ok(2), Ok(2)])]
#[case::fail(
    &[Departure::Fail(TransportError::System(Errno::ENOBUFS))],
    &["cd", "ef"],
    [Err(TransportError::System(Errno::ENOBUFS)), Ok(2), Ok(2)]
)]
fn datagrams_depart_as_planned(
    #[case] plan: &[Departure],
    #[case] expected: &[&str],
    #[case] said: [Result<usize, TransportError>; 3],
) {
    let faulty = Faulty::new(Pipe::new()).with_departures(plan.to_vec());
    assert_eq!(send(&faulty, &["ab", "cd", "ef"]), said);
    assert_eq!(receive(&faulty, Wait::Never), Err(TransportError::TimedOut));
    assert_eq!(faulty.transport().sent(), expected);
    assert_eq!(faulty.departures().datagrams, 3);
    let faults = plan.iter().filter(|departure| **departure != Departure::Pass).count();
    assert_eq!(hits(&faulty.departures()).len(), faults);
}

#[test]
fn a_delayed_verdict_does_not_wait_for_a_program_that_waits_for_it() {
    let faulty = Faulty::new(Pipe::new()).with_departures([Departure::Delay(9)]);
    send(&faulty, &["ab"]);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| receive(&faulty, Wait::Forever));
        faulty.transport().until_somebody_waits();
        assert_eq!(faulty.transport().sent(), ["ab"]);
        faulty.transport().put_datagram("answer");
        assert_eq!(reader.join().unwrap(), seen("answer"));
    });
}

#[test]
fn no_lock_is_held_across_a_wait() {
    let faulty = Faulty::new(Pipe::new())
        .with_arrivals(Seeded::new(1, [(1, Arrival::Repeat)]))
        .with_departures(Seeded::new(1, [(1, Departure::Repeat)]));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| receive(&faulty, Wait::Forever));
        faulty.transport().until_somebody_waits();
        assert_eq!(send(&faulty, &["ab"]), [Ok(2)]);
        assert_eq!(receive(&faulty, Wait::Never), Err(TransportError::TimedOut));
        assert_eq!((faulty.arrivals().datagrams, faulty.departures().datagrams), (0, 1));
        faulty.transport().put_datagram("a");
        assert_eq!(reader.join().unwrap(), seen("a"));
    });
    assert_eq!(receive(&faulty, Wait::Never), seen("a"));
}

#[test]
fn options_are_the_transports_inside() {
    let faulty = Faulty::new(Pipe::with_abi(Abi::ILP32_BIG));
    assert_eq!(faulty.abi(), Abi::ILP32_BIG);
    assert_eq!(faulty.port_id(), support::PROGRAM);
    assert_eq!(faulty.set_receive_buffer(100), Ok(200));
    assert_eq!(faulty.set_no_enobufs(true), Ok(()));
}

/// A waker that counts how often it is called.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_task_sees_the_same_faults_and_is_woken_for_nothing_instead_of_a_time_out() {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut buffer = [0; 8];
    let faulty = with_arrivals(&[
        Arrival::Fail(TransportError::TimedOut),
        Arrival::Lose,
        Arrival::Delay(9),
        Arrival::Forge(FORGER),
        Arrival::Fail(TransportError::Overrun),
    ]);
    let mut poll = || match faulty.poll_receive(&mut context, &mut buffer) {
        Poll::Ready(Ok(datagram)) => Some(Ok((buffer[0], datagram.sender))),
        Poll::Ready(Err(error)) => Some(Err(error)),
        Poll::Pending => None,
    };
    assert_eq!(poll(), None);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll(), Some(Ok((b'c', FORGER))));
    assert_eq!(poll(), Some(Ok((b'c', PortId::KERNEL))));
    assert_eq!(poll(), Some(Err(TransportError::Overrun)));
    assert_eq!(poll(), Some(Ok((b'b', PortId::KERNEL))));
    assert_eq!(poll(), None);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    faulty.transport().put_datagram("d");
    assert_eq!(woken.0.load(Ordering::Relaxed), 3);
    assert_eq!(poll(), Some(Ok((b'd', PortId::KERNEL))));
}

/// Checks the error that a handle's first read returns for this fault, and that the next read
/// succeeds.
#[rstest]
#[case(Arrival::Cut(50), Error::Truncated { read: 50, whole: 112 })]
#[case(Arrival::Cut(0), Error::Truncated { read: 0, whole: 112 })]
#[case(Arrival::Forge(FORGER), Error::ForeignSender { sender: FORGER })]
#[case(Arrival::Fail(TransportError::Overrun), Error::Overrun)]
#[case(Arrival::Fail(TransportError::TimedOut), Error::TimedOut)]
#[case(Arrival::Fail(TransportError::Interrupted), Error::Interrupted { forever: true })]
#[case(Arrival::Fail(TransportError::Closed), Error::Receive(TransportError::Closed))]
fn a_handle_says_what_happened(#[case] arrival: Arrival, #[case] expected: Error) {
    let pipe = Pipe::with_abi(Abi::LP64_LITTLE);
    for packet_id in [1, 2] {
        pipe.put_datagram(packet_frame(Abi::LP64_LITTLE, packet_id, &[]));
    }
    let handle = Handle::new(Faulty::new(pipe).with_arrivals([arrival]));
    let mut buffer = [0; 2048];
    assert_eq!(handle.read(&mut buffer, Wait::Forever).unwrap_err(), expected);
    assert!(handle.read(&mut buffer, Wait::Forever).is_ok());
}

fn failure() -> impl Strategy<Value = TransportError> {
    prop_oneof![
        Just(TransportError::TimedOut),
        Just(TransportError::Interrupted),
        Just(TransportError::Overrun),
        Just(TransportError::Closed),
        Just(TransportError::System(Errno::EAGAIN)),
    ]
}

fn arrival() -> impl Strategy<Value = Arrival> {
    prop_oneof![
        Just(Arrival::Pass),
        Just(Arrival::Lose),
        prop_oneof![0..200_usize, Just(usize::MAX)].prop_map(Arrival::Cut),
        Just(Arrival::Repeat),
        prop_oneof![0..10_usize, Just(usize::MAX)].prop_map(Arrival::Delay),
        any::<u32>().prop_map(|sender| Arrival::Forge(PortId(sender))),
        failure().prop_map(Arrival::Fail),
    ]
}

fn departure() -> impl Strategy<Value = Departure> {
    prop_oneof![
        Just(Departure::Pass),
        Just(Departure::Lose),
        prop_oneof![0..200_usize, Just(usize::MAX)].prop_map(Departure::Cut),
        Just(Departure::Repeat),
        prop_oneof![0..10_usize, Just(usize::MAX)].prop_map(Departure::Delay),
        failure().prop_map(Departure::Fail),
    ]
}

/// A step of a program or of the kernel's side: queue a packet with these bytes, read into a buffer
/// of this length, or give a verdict with this replacement.
#[derive(Clone, Debug)]
enum Step {
    Queue(Vec<u8>),
    Read(usize),
    Verdict(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        vec(any::<u8>(), 0..50).prop_map(Step::Queue),
        (0..300_usize).prop_map(Step::Read),
        vec(any::<u8>(), 0..50).prop_map(Step::Verdict),
    ]
}

proptest! {
    /// Checks that a handle bears any plan of faults. It never panics; as many datagrams are
    /// received as the record of faults implies; and once the plans are at their end, reads and
    /// verdicts succeed again.
    #[test]
    fn a_handle_bears_any_plan(
        arrivals in vec(arrival(), 0..40),
        departures in vec(departure(), 0..40),
        steps in vec(step(), 0..120),
    ) {
        let faulty = Faulty::new(Pipe::new()).with_arrivals(arrivals.clone()).with_departures(departures.clone());
        let handle = Handle::new(faulty);
        let (faulty, pipe) = (handle.transport(), handle.transport().transport());
        let mut buffer = [0; 300];
        let mut given = 0;
        let mut queued = 0;
        for step in steps {
            match step {
                Step::Queue(payload) => {
                    pipe.put_datagram(packet_frame(Abi::NATIVE, 1, &payload));
                    queued += 1;
                }
                Step::Read(length) => {
                    let before = faulty.arrivals();
                    let read = handle.read(&mut buffer[..length], Wait::Never);
                    let gave_one = match read {
                        Err(Error::TimedOut | Error::Interrupted { .. } | Error::Overrun | Error::Receive(_)) => false,
                        Err(Error::BufferTooSmall { .. }) => {
                            prop_assert_eq!(faulty.arrivals(), before);
                            false
                        }
                        _ => true,
                    };
                    given += usize::from(gave_one);
                }
                Step::Verdict(payload) => {
                    let _ = handle.set_verdict(PacketId(1), Verdict::Accept, Some(&payload));
                }
            }
        }

        // Enough packets and verdicts to come to the end of both plans, and enough reads to take
        // all packets.
        for _ in 0..40 {
            pipe.put_datagram(packet_frame(Abi::NATIVE, 1, &[]));
            let _ = handle.set_verdict(PacketId(1), Verdict::Accept, None);
        }
        queued += 40;
        let reads = 2 * queued + arrivals.len() + 1;
        given += (0..reads).filter(|_| faulty.receive(&mut buffer, Wait::Never).is_ok()).count();

        let record = faulty.arrivals();
        let count = |kind: fn(&Arrival) -> bool| record.hits.iter().filter(|(_, fault)| kind(fault)).count();
        let more = count(|fault| matches!(fault, Arrival::Repeat | Arrival::Forge(_)));
        let less = count(|fault| matches!(fault, Arrival::Lose));
        prop_assert_eq!(record.datagrams, queued as u64);
        prop_assert_eq!(given, queued + more - less);

        let sent_before = pipe.sent().len();
        for packet_id in 100..103 {
            pipe.put_datagram(packet_frame(Abi::NATIVE, packet_id, &[]));
            prop_assert!(handle.set_verdict(PacketId(packet_id), Verdict::Accept, None).is_ok());
        }
        for packet_id in 100..103 {
            match handle.read(&mut buffer, Wait::Forever) {
                Ok(Message::Packet(packet)) => prop_assert_eq!(packet.packet_id(), PacketId(packet_id)),
                other => return Err(TestCaseError::fail(format!("not a packet: {other:?}"))),
            }
        }
        prop_assert_eq!(handle.read(&mut buffer, Wait::Never).unwrap_err(), Error::TimedOut);
        prop_assert_eq!(pipe.sent().len(), sent_before + 3);
    }

    /// Checks that one seed gives the same results and the same record of faults each time.
    #[test]
    fn a_seed_replays(seed in any::<u64>(), choices in vec((0..5_u32, arrival()), 0..6)) {
        let came = || {
            let pipe = Pipe::new();
            for number in 0..40_u8 {
                pipe.put(Incoming::Datagram(vec![number].into(), PortId::KERNEL));
            }
            let faulty = Faulty::new(pipe).with_arrivals(Seeded::new(seed, choices.clone()).take(40));
            let mut buffer = [0; 1];
            let came: Vec<_> = (0..121).map(|_| faulty.receive(&mut buffer, Wait::Never).map(|_| buffer[0])).collect();
            (came, faulty.arrivals())
        };
        prop_assert_eq!(came(), came());
    }
}
