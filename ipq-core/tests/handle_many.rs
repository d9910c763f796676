//! Tests of reading and answering many messages in one call, and of reading in a task.

mod support;

use ipq_core::handle::{Buffers, Decision};
use ipq_core::transport::Datagram;
use ipq_core::wire::{Abi, Message, MessageMut};
use ipq_core::{Errno, Error, ErrorNumber, Handle, PacketId, PortId, Transport, TransportError, Verdict, Wait};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use support::{Incoming, Pipe, error_frame, packet_frame};

const ABI: Abi = Abi::LP64_LITTLE;

/// Returns a handle that has the packets 1 to `count` to read.
fn with_packets(count: u64) -> Handle<Pipe> {
    let handle = Handle::new(Pipe::with_abi(ABI));
    for id in 1..=count {
        handle.transport().put_datagram(packet_frame(ABI, id, &[id as u8; 20]));
    }
    handle
}

/// Returns the short form of a message that was read: a packet's id, the kernel's error number with
/// a minus sign, or the handle's error.
fn told(message: &Result<Message<'_>, Error>) -> Result<i64, Error> {
    match message {
        Ok(Message::Packet(packet)) => {
            assert_eq!(packet.payload(), [packet.packet_id().0 as u8; 20]);
            Ok(packet.packet_id().0.cast_signed())
        }
        Ok(Message::Error(answer)) => Ok(i64::from(-answer.errno().0)),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(*error),
    }
}

fn read(handle: &Handle<Pipe>, buffers: &mut Buffers) -> Vec<Result<i64, Error>> {
    let mut messages = handle.read_many(buffers, Wait::Forever).expect("messages");
    let length = messages.len();
    let mut read = Vec::new();
    while let Some(message) = messages.next() {
        read.push(told(&message));
        assert_eq!(messages.len(), length - read.len());
    }
    assert_eq!(length, read.len());
    read
}

#[rstest]
#[case::fewer_than_there_is_room_for(5, 8, &[5])]
#[case::as_many(8, 8, &[8])]
#[case::more(20, 8, &[8, 8, 4])]
#[case::more_than_one_call_takes(100, 70, &[70, 30])]
#[case::as_many_as_one_call_takes_and_room_for_more(64, 70, &[64])]
#[case::room_for_none_is_room_for_one(2, 0, &[1, 1])]
fn messages_are_read_in_order_as_many_as_there_is_room_for(
    #[case] packets: u64,
    #[case] room: usize,
    #[case] reads: &[usize],
) {
    let handle = with_packets(packets);
    let mut buffers = Buffers::new(room, 256);
    let mut expected = 1..;
    for count in reads {
        let ids: Vec<_> = expected.by_ref().take(*count).map(Ok).collect();
        assert_eq!(read(&handle, &mut buffers), ids);
    }
    assert_eq!(handle.read_many(&mut buffers, Wait::Never).err(), Some(Error::TimedOut));
}

#[rstest]
fn only_the_first_message_is_waited_for_and_nothing_is_asked_after_the_last(#[values(5, 70)] room: usize) {
    let handle = with_packets(2);
    let mut buffers = Buffers::new(room, 256);
    read(&handle, &mut buffers);
    assert_eq!(handle.transport().waits(), [Wait::Forever, Wait::Never, Wait::Never]);
}

#[test]
fn each_error_is_in_its_place_and_in_the_books() {
    let handle = with_packets(1);
    let sender = PortId(77);
    let foreign = Incoming::Datagram(packet_frame(ABI, 2, &[2; 20]).into(), sender);
    let cut = Datagram {
        copied: 100,
        length: 400,
        sender: PortId::KERNEL,
    };
    let pipe = handle.transport();
    pipe.put(foreign);
    pipe.put_datagram(error_frame(ABI, Errno::ENOENT, &[0; 40]));
    pipe.put_datagram(vec![0; 20]);
    pipe.put(Incoming::Claim(packet_frame(ABI, 3, &[3; 20]).into(), cut));
    pipe.put_datagram(packet_frame(ABI, 4, &[4; 20]));
    pipe.put(Incoming::Failure(TransportError::Overrun));
    pipe.put_datagram(packet_frame(ABI, 5, &[5; 20]));

    let mut buffers = Buffers::new(20, 256);
    let told = read(&handle, &mut buffers);
    assert_eq!(told[..3], [Ok(1), Err(Error::ForeignSender { sender }), Ok(-2)]);
    assert!(
        matches!(told[3], Err(Error::Truncated { .. } | Error::Malformed(_))),
        "{:?}",
        told[3]
    );
    assert!(matches!(told[4], Err(Error::Truncated { .. })), "{:?}", told[4]);
    assert_eq!(
        told[5..],
        [Ok(4), Err(Error::Overrun)],
        "an error of the transport ends the call"
    );
    assert_eq!((handle.overruns(), handle.last_error()), (1, ErrorNumber::Receive));
    assert_eq!(read(&handle, &mut buffers), [Ok(5)], "and nothing is lost");
}

#[test]
fn packets_are_changed_where_they_are() {
    let handle = with_packets(2);
    handle
        .transport()
        .put_datagram(error_frame(ABI, Errno::ENOENT, &[0; 40]));
    handle.transport().put_datagram(packet_frame(ABI, 3, &[3; 20]));
    let mut buffers = Buffers::new(9, 256);
    let mut messages = handle.read_many(&mut buffers, Wait::Never).unwrap();
    assert_eq!(told(&messages.next().unwrap()), Ok(1), "one that is only read");
    assert_eq!(messages.len(), 3);
    let mut others = 0;
    let decisions = std::iter::from_fn(|| messages.next_mut()).filter_map(|message| match message.unwrap() {
        MessageMut::Packet(packet) => {
            let (id, bytes) = (packet.packet_id(), packet.into_payload());
            bytes[19] = 0x66;
            Some(Decision {
                replacement: Some(bytes),
                ..Decision::new(id, Verdict::Accept)
            })
        }
        MessageMut::Other(message) => {
            others += told(&Ok(message)).unwrap();
            None
        }
    });
    assert_eq!(handle.set_verdicts(decisions, |decision, _| panic!("{decision:?}")), 2);
    assert_eq!(others, -2);
    let sent = handle.transport().sent();
    for (sent, id) in sent.iter().zip([2_u8, 3]) {
        let replacement = [&[id; 19][..], &[0x66]].concat();
        assert_eq!(sent[40..], replacement);
    }
    assert_eq!(sent.len(), 2);
}

#[test]
fn an_error_that_comes_first_is_the_calls() {
    let handle = Handle::new(Pipe::with_abi(ABI));
    handle.transport().put(Incoming::Failure(TransportError::Overrun));
    let mut buffers = Buffers::new(4, 256);
    assert_eq!(handle.read_many(&mut buffers, Wait::Never).err(), Some(Error::Overrun));
    assert_eq!(handle.overruns(), 1);
    let too_small = handle.read_many(&mut Buffers::new(4, 19), Wait::Never).err();
    assert_eq!(too_small, Some(Error::BufferTooSmall { length: 19 }));
}

#[rstest]
fn decisions_go_out_in_order_each_as_it_would_alone(#[values(0, 1, 63, 64, 65, 128, 200)] count: u64) {
    let replacement = [0x45; 21];
    let decisions = (1..=count).map(|id| Decision {
        packet_id: PacketId(id),
        verdict: if id % 3 == 0 { Verdict::Drop } else { Verdict::Accept },
        replacement: (id % 4 == 0).then_some(&replacement[..]),
    });
    let [together, alone] = [(); 2].map(|()| Handle::new(Pipe::with_abi(ABI)));
    let sent = together.set_verdicts(decisions.clone(), |decision, error| panic!("{decision:?}: {error}"));
    assert_eq!(sent as u64, count);
    for decision in decisions {
        let Decision {
            packet_id,
            verdict,
            replacement,
        } = decision;
        alone.set_verdict(packet_id, verdict, replacement).expect("sent");
    }
    assert_eq!(together.transport().sent(), alone.transport().sent());
}

#[test]
fn a_decision_that_can_not_be_sent_comes_back_and_keeps_none_of_the_others() {
    let handle = Handle::new(Pipe::with_abi(ABI));
    let refused = TransportError::System(Errno::EMSGSIZE);
    for result in [Ok(40), Err(refused), Ok(40), Ok(39)] {
        handle.transport().answer_send(result);
    }
    handle.transport().answer_send(Ok(60));
    let replaced = Decision {
        replacement: Some(&[0x45; 21]),
        ..Decision::new(PacketId(5), Verdict::Accept)
    };
    let mut failed = Vec::new();
    let decisions = (1..=6).map(|id| match id {
        5 => replaced,
        id => Decision::new(PacketId(id), Verdict::Accept),
    });
    let sent = handle.set_verdicts(decisions, |decision, error| failed.push((decision.packet_id.0, error)));
    let short = |sent, stated| Error::SentShort { sent, stated };
    assert_eq!(
        (sent, failed),
        (
            3,
            vec![(2, Error::Send(refused)), (4, short(39, 40)), (5, short(60, 61))]
        )
    );
    assert_eq!(handle.transport().sent().len(), 6);
    assert_eq!(handle.last_error(), ErrorNumber::SentTruncated);
}

/// A waker that counts how often a task is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_is_woken_when_there_is_a_message() {
    let handle = with_packets(0);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut buffer = [0; 256];
    {
        let mut reading = pin!(handle.read_async(&mut buffer));
        assert!(reading.as_mut().poll(&mut context).is_pending());
        assert!(reading.as_mut().poll(&mut context).is_pending());
        handle.transport().put_datagram(packet_frame(ABI, 7, &[7; 20]));
        assert!(woken.0.load(Ordering::SeqCst) > 0);
        let Poll::Ready(message) = reading.as_mut().poll(&mut context) else {
            panic!("it is there");
        };
        assert_eq!(told(&message), Ok(7));
    }
    handle.transport().put(Incoming::Failure(TransportError::Overrun));
    let overrun = pin!(handle.read_async(&mut buffer))
        .poll(&mut context)
        .map(|message| told(&message));
    assert_eq!(overrun, Poll::Ready(Err(Error::Overrun)));
    assert_eq!(handle.overruns(), 1);
    let too_small = pin!(handle.read_async(&mut buffer[..19]))
        .poll(&mut context)
        .map(|message| told(&message));
    assert_eq!(too_small, Poll::Ready(Err(Error::BufferTooSmall { length: 19 })));
}

#[test]
fn a_task_that_gives_up_loses_nothing() {
    let handle = with_packets(0);
    let mut context = Context::from_waker(Waker::noop());
    let mut buffer = [0; 256];
    assert!(pin!(handle.read_async(&mut buffer)).poll(&mut context).is_pending());
    handle.transport().put_datagram(packet_frame(ABI, 7, &[7; 20]));
    let message = handle.read(&mut buffer, Wait::Never);
    assert_eq!(told(&message), Ok(7));
    assert_eq!(handle.port_id(), handle.transport().port_id());
}
