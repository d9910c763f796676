//! Tests of what a [`Traced`] transport tells its listener.

mod support;

use ipq_core::transport::traced::{Event, Traced};
use ipq_core::transport::{PollTransport, Slot};
use ipq_core::{PortId, Transport, TransportError, Wait};
use pretty_assertions::assert_eq;
use std::cell::RefCell;
use std::io::IoSlice;
use std::task::{Context, Waker};
use support::{Incoming, Pipe};

/// Runs `calls` on a traced pipe, and returns a line of text for each event that the listener was
/// told.
fn told(pipe: &Pipe, calls: impl FnOnce(&Traced<&Pipe, &dyn Fn(Event<'_>)>)) -> Vec<String> {
    let lines = RefCell::new(vec![]);
    let listener = |event: Event<'_>| {
        lines.borrow_mut().push(match event {
            Event::Sent { parts, result } => {
                let parts: Vec<_> = parts.iter().map(|part| part.escape_ascii().to_string()).collect();
                format!("> {} {result:?}", parts.join("|"))
            }
            Event::Received { bytes, result } => {
                let result = result.map(|datagram| (datagram.length, datagram.sender.0));
                format!("< {} {result:?}", bytes.escape_ascii())
            }
        });
    };
    calls(&Traced::new(pipe, &listener));
    lines.into_inner()
}

#[test]
fn every_datagram_is_told_with_its_result() {
    let pipe = Pipe::new();
    pipe.put_datagram("one");
    pipe.put(Incoming::Datagram("longer than four".into(), PortId(99)));
    pipe.put(Incoming::Failure(TransportError::Overrun));
    pipe.answer_send(Err(TransportError::Interrupted));
    let lines = told(&pipe, |traced| {
        let parts = [IoSlice::new(b"head"), IoSlice::new(b"payload")];
        assert_eq!(traced.send(&parts), Err(TransportError::Interrupted));
        assert_eq!(traced.send(&parts), Ok(11));
        let mut buffer = [0; 4];
        assert_eq!(
            traced.receive(&mut buffer, Wait::Never).map(|datagram| datagram.length),
            Ok(3)
        );
        assert_eq!(
            traced.receive(&mut buffer, Wait::Never).map(|datagram| datagram.length),
            Ok(16)
        );
        assert_eq!(traced.receive(&mut buffer, Wait::Never), Err(TransportError::Overrun));
        assert_eq!(traced.receive(&mut buffer, Wait::Never), Err(TransportError::TimedOut));
    });
    insta::assert_snapshot!(lines.join("\n"), @r"
    > head|payload Err(Interrupted)
    > head|payload Ok(11)
    < one Ok((3, 0))
    < long Ok((16, 99))
    <  Err(Overrun)
    <  Err(TimedOut)
    ");
    assert_eq!(pipe.sent().len(), 2);
}

#[test]
fn many_are_told_one_by_one() {
    let pipe = Pipe::new();
    pipe.put_datagram("one");
    pipe.put_datagram("two");
    let lines = told(&pipe, |traced| {
        let [one, two] = [&b"one"[..], b"two"].map(IoSlice::new);
        traced.send_many(&[&[one], &[two, one]], &mut [Ok(0); 2]);
        let mut buffers = [[0; 4]; 3];
        let mut slots = buffers.each_mut().map(|buffer| Slot::new(buffer));
        assert_eq!(traced.receive_many(&mut slots, Wait::Never), Ok(2));
        assert_eq!(
            traced.receive_many(&mut slots, Wait::Never),
            Err(TransportError::TimedOut)
        );
    });
    let expected = [
        "> one Ok(3)",
        "> two|one Ok(6)",
        "< one Ok((3, 0))",
        "< two Ok((3, 0))",
        "<  Err(TimedOut)",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_task_that_has_to_wait_is_nothing_to_tell() {
    let pipe = Pipe::new();
    let lines = told(&pipe, |traced| {
        let mut context = Context::from_waker(Waker::noop());
        let mut buffer = [0; 4];
        assert!(traced.poll_receive(&mut context, &mut buffer).is_pending());
        pipe.put_datagram("one");
        assert!(traced.poll_receive(&mut context, &mut buffer).is_ready());
    });
    assert_eq!(lines, ["< one Ok((3, 0))"]);
}
