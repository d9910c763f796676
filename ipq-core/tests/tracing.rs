//! Tests of the events that a handle sends to the crate `tracing`.

mod support;

use ipq_core::wire::Abi;
use ipq_core::{CopyMode, Errno, Handle, TransportError, Verdict};
use pretty_assertions::assert_eq;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use support::{Incoming, Pipe, error_frame, packet_frame};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const ABI: Abi = Abi::LP64_LITTLE;

/// A subscriber that keeps a line of text for each event of a handle.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => write!(self.0, " {value:?}"),
            "port_id" => Ok(()),
            name => write!(self.0, " {name}={value:?}"),
        }
        .expect("a String takes everything");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "ipq_core::handle"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().expect("nobody panicked").push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn what_is_sent_read_and_lost_is_told() {
    let pipe = Pipe::with_abi(ABI);
    pipe.put_datagram(packet_frame(ABI, 1, &[1; 20]));
    pipe.put(Incoming::Failure(TransportError::Overrun));
    pipe.put_datagram(error_frame(ABI, Errno::EPERM, &[0; 16]));
    pipe.close();
    let handle = Handle::new(pipe);
    let lines = Lines::default();
    let refused = tracing::subscriber::with_default(lines.clone(), || {
        handle.set_mode(CopyMode::Packet, 1500).expect("the pipe takes it");
        handle.run(|_| Verdict::Drop)
    });
    assert!(refused.is_err());
    assert_eq!(
        lines.0.lock().expect("nobody panicked")[..],
        [
            "DEBUG set the copy mode mode=Packet range=1500",
            "TRACE read a packet packet_id=1 bytes=20",
            "TRACE gave a verdict packet_id=1 verdict=Drop replaced_by=0",
            "WARN packets were lost: the receive buffer overran",
            "DEBUG a message was refused errno=Operation not permitted (EPERM, 1)",
        ]
    );
}
