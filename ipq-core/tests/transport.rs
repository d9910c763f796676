//! Tests of those default methods of [`Transport`] that handle many datagrams, and of pointers to a
//! transport.

mod support;

use ipq_core::transport::{Datagram, PollTransport, Slot};
use ipq_core::wire::Abi;
use ipq_core::{PortId, Transport, TransportError, Wait};
use pretty_assertions::assert_eq;
use std::cell::RefCell;
use std::io::IoSlice;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use support::{Incoming, PROGRAM, Pipe};

/// The result in one slot: the bytes that came, and the datagram's whole length.
type Received = Result<(Vec<u8>, usize), TransportError>;

/// Receives into `count` buffers of 4 bytes, and returns the result in each slot that was filled.
fn receive_many(pipe: &Pipe, count: usize, wait: Wait) -> Result<Vec<Received>, TransportError> {
    let mut buffers = vec![[0; 4]; count];
    let mut slots: Vec<Slot<'_>> = buffers.iter_mut().map(|buffer| Slot::new(buffer)).collect();
    let filled = pipe.receive_many(&mut slots, wait)?;
    let seen = slots.into_iter().take(filled).map(|slot| {
        let datagram = slot.result?;
        Ok((slot.buffer[..datagram.copied].to_vec(), datagram.length))
    });
    Ok(seen.collect())
}

#[test]
fn many_are_received_and_only_the_first_is_waited_for() {
    let pipe = Pipe::new();
    for bytes in [&b"one"[..], b"two", b"three"] {
        pipe.put_datagram(bytes);
    }
    let expected = [
        Ok((b"one".to_vec(), 3)),
        Ok((b"two".to_vec(), 3)),
        Ok((b"thre".to_vec(), 5)),
    ];
    assert_eq!(receive_many(&pipe, 5, Wait::Forever), Ok(expected.to_vec()));
    assert_eq!(pipe.waits(), [Wait::Forever, Wait::Never, Wait::Never, Wait::Never]);
}

#[test]
fn many_are_no_more_than_there_is_room_for() {
    let pipe = Pipe::new();
    pipe.put_datagram(&b"one"[..]);
    pipe.put_datagram(&b"two"[..]);
    assert_eq!(receive_many(&pipe, 0, Wait::Forever), Ok(vec![]));
    assert_eq!(
        receive_many(&pipe, 1, Wait::Forever),
        Ok(vec![Ok((b"one".to_vec(), 3))])
    );
    assert_eq!(pipe.left(), 1);
}

#[test]
fn an_error_after_a_datagram_has_the_last_slot_and_one_before_it_is_the_calls() {
    let pipe = Pipe::new();
    pipe.put_datagram(&b"one"[..]);
    pipe.put(Incoming::Failure(TransportError::Overrun));
    pipe.put_datagram(&b"two"[..]);
    pipe.put(Incoming::Failure(TransportError::Closed));
    let one = Ok((b"one".to_vec(), 3));
    assert_eq!(
        receive_many(&pipe, 4, Wait::Never),
        Ok(vec![one, Err(TransportError::Overrun)])
    );
    let two = Ok((b"two".to_vec(), 3));
    assert_eq!(receive_many(&pipe, 1, Wait::Never), Ok(vec![two]));
    assert_eq!(receive_many(&pipe, 4, Wait::Never), Err(TransportError::Closed));
    assert_eq!(receive_many(&pipe, 4, Wait::Never), Err(TransportError::TimedOut));
}

#[test]
fn many_are_sent_in_order_each_with_a_result_of_its_own() {
    let pipe = Pipe::new();
    pipe.answer_send(Ok(3));
    pipe.answer_send(Err(TransportError::Interrupted));
    let [one, two, three] = [&b"one"[..], b"two", b"three"].map(IoSlice::new);
    let messages: [&[IoSlice<'_>]; 3] = [&[one], &[two], &[three, two]];
    let mut results = [Ok(0); 3];
    pipe.send_many(&messages, &mut results);
    assert_eq!(results, [Ok(3), Err(TransportError::Interrupted), Ok(8)]);
    assert_eq!(pipe.sent(), [&b"one"[..], b"two", b"threetwo"]);

    let mut fewer = [Ok(0); 1];
    pipe.send_many(&messages, &mut fewer);
    assert_eq!(pipe.sent().len(), 4);
}

/// A transport that notes the name of each method that is called, but for `explain`.
struct Noted(RefCell<Vec<&'static str>>);

impl Noted {
    fn note<T>(&self, method: &'static str, result: T) -> T {
        self.0.borrow_mut().push(method);
        result
    }
}

impl Transport for Noted {
    fn abi(&self) -> Abi {
        self.note("abi", Abi::ILP32_BIG)
    }
    fn port_id(&self) -> PortId {
        self.note("port_id", PROGRAM)
    }
    fn send(&self, _: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        self.note("send", Ok(1))
    }
    fn receive(&self, _: &mut [u8], _: Wait) -> Result<Datagram, TransportError> {
        self.note("receive", Err(TransportError::Closed))
    }
    fn send_many(&self, _: &[&[IoSlice<'_>]], _: &mut [Result<usize, TransportError>]) {
        self.note("send_many", ());
    }
    fn receive_many(&self, _: &mut [Slot<'_>], _: Wait) -> Result<usize, TransportError> {
        self.note("receive_many", Ok(2))
    }
    fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError> {
        self.note("set_receive_buffer", Ok(bytes))
    }
    fn set_no_enobufs(&self, _: bool) -> Result<(), TransportError> {
        self.note("set_no_enobufs", Ok(()))
    }
}

impl PollTransport for Noted {
    fn poll_receive(&self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<Datagram, TransportError>> {
        self.note("poll_receive", Poll::Pending)
    }
}

fn call_everything(transport: impl PollTransport) {
    assert_eq!(transport.abi(), Abi::ILP32_BIG);
    assert_eq!(transport.port_id(), PROGRAM);
    assert_eq!(transport.send(&[]), Ok(1));
    assert_eq!(transport.receive(&mut [], Wait::Never), Err(TransportError::Closed));
    transport.send_many(&[], &mut []);
    assert_eq!(transport.receive_many(&mut [], Wait::Never), Ok(2));
    assert_eq!(transport.set_receive_buffer(3), Ok(3));
    assert_eq!(transport.set_no_enobufs(true), Ok(()));
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(transport.poll_receive(&mut context, &mut []), Poll::Pending);
}

#[test]
fn a_pointer_to_a_transport_passes_every_call_on() {
    let noted = Rc::new(Noted(RefCell::default()));
    call_everything(&*noted);
    call_everything(Rc::clone(&noted));
    call_everything(Box::new(Rc::clone(&noted)));
    #[expect(clippy::arc_with_non_send_sync, reason = "an Arc is a pointer here")]
    call_everything(Arc::new(Rc::clone(&noted)));
    call_everything(Box::new(Rc::clone(&noted)) as Box<dyn PollTransport>);
    let once = [
        "abi",
        "port_id",
        "send",
        "receive",
        "send_many",
        "receive_many",
        "set_receive_buffer",
        "set_no_enobufs",
        "poll_receive",
    ];
    assert_eq!(*noted.0.borrow(), once.repeat(5));
}
