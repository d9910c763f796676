//! The steps and observations of a case, in order.

mod capture;

use crate::decode::{self, Kind};
use crate::world::{Called, Observation, Received, Step};
use bytes::Bytes;
use ipq_core::wire::Abi;
use std::fmt::Write as _;

/// The most steps that a transcript keeps: the last ones. Earlier steps are forgotten.
const MOST_EVENTS: usize = 10_000;

/// The most lines that are shown below a step: of its decoded datagrams and packets, or of the text
/// of the file that it read. What the implementation printed is shown whole.
const MOST_LINES: usize = 64;

/// The last 10,000 steps of a case with their observations, in order. A step that the world could
/// not do is left out.
#[derive(Clone, Debug)]
pub struct Transcript {
    abi: Abi,
    events: Vec<Event>,
    forgotten: usize,
}

/// A step that was done, its observation, and the text that was printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The step that was done.
    pub step: Step,
    /// The observation after the step.
    pub seen: Observation,
    /// The text that the implementation printed since the step before, most often during this step.
    pub printed: String,
}

impl Transcript {
    pub(crate) const fn new(abi: Abi) -> Self {
        Self {
            abi,
            events: Vec::new(),
            forgotten: 0,
        }
    }

    pub(crate) fn push(&mut self, step: Step, seen: Observation, printed: String) {
        if self.events.len() == MOST_EVENTS {
            self.events.remove(0);
            self.forgotten += 1;
        }
        self.events.push(Event { step, seen, printed });
    }

    /// Returns the steps that the transcript keeps, in order, with their observations: the last
    /// 10,000.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Returns the number of the case's steps so far, with those that are forgotten.
    pub(crate) const fn steps(&self) -> usize {
        self.forgotten + self.events.len()
    }

    /// Returns the steps that came after the first `steps` of the case, as far as the transcript
    /// keeps them.
    pub(crate) fn events_after(&self, steps: usize) -> &[Event] {
        let first = steps.saturating_sub(self.forgotten);
        self.events.get(first..).unwrap_or_default()
    }

    /// Returns whether the transcript keeps every step of its case.
    pub(crate) const fn is_whole(&self) -> bool {
        self.forgotten == 0
    }

    pub(crate) fn last_sent(&self) -> Option<Bytes> {
        self.events.iter().rev().find_map(|event| match &event.step {
            Step::Send { bytes, .. } => Some(bytes.clone()),
            _ => None,
        })
    }

    /// Returns the transcript for people: a numbered line for each step with its observation. Below
    /// it stand what was printed, and up to 64 lines of decoded datagrams and packets or of a
    /// file's text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        if self.forgotten > 0 {
            let _ = writeln!(text, "      ({} earlier steps)", self.forgotten);
        }
        for (number, event) in (self.forgotten + 1..).zip(&self.events) {
            let _ = writeln!(text, "{number:4}  {}", describe(&event.step, &event.seen, self.abi));
            for line in event.printed.lines() {
                let _ = writeln!(text, "      printed: {line}");
            }
            let bytes = self.bytes(event);
            for line in bytes.lines().take(MOST_LINES) {
                let _ = writeln!(text, "      {line}");
            }
            if let Some(more) = bytes.lines().count().checked_sub(MOST_LINES + 1) {
                let _ = writeln!(text, "      ({} more lines)", more + 1);
            }
        }
        text
    }

    /// Returns the messages and packets as a capture (pcapng) for Wireshark and other tools. The
    /// time of each is the number of its step, in seconds. A frame that arrived several times in
    /// one step stands there once, and messages that a drain only counted are left out.
    #[must_use]
    pub fn pcapng(&self) -> Vec<u8> {
        capture::of((self.forgotten + 1..).zip(&self.events), self.abi)
    }

    fn bytes(&self, event: &Event) -> String {
        match (&event.step, &event.seen) {
            (Step::Send { bytes, .. }, _) | (_, Observation::Receive(Received::Frame { bytes, .. })) => {
                decode::dump(bytes, Kind::Netlink(self.abi))
            }
            (
                Step::Inject { frame, .. } | Step::InjectBridged { frame, .. } | Step::InjectOffloaded { frame, .. },
                _,
            )
            | (_, Observation::Sniff { frame: Some(frame) }) => decode::dump(frame, Kind::Ethernet),
            (Step::Output { packet, .. }, _) => decode::dump(packet, Kind::Ip),
            (_, Observation::Text(text)) => text.clone(),
            (_, Observation::Called(Called::Returned(returned))) => {
                let datagrams = returned.sent.iter().chain([&returned.bytes]);
                datagrams
                    .map(|bytes| decode::dump(bytes, Kind::Netlink(self.abi)))
                    .collect()
            }
            _ => String::new(),
        }
    }
}

/// Describes a step and its observation in one line.
pub(crate) fn describe(step: &Step, seen: &Observation, abi: Abi) -> String {
    let done = match step {
        Step::Open { socket, protocol, bind } => {
            let bind = bind.map_or_else(|| "not bound".to_owned(), |port_id| format!("bound to {port_id}"));
            format!("open {socket}: protocol {protocol}, {bind}")
        }
        Step::Close { socket } => format!("close {socket}"),
        Step::Send { socket, to, bytes } => {
            let to = to.map_or_else(String::new, |port_id| format!(" to port id {port_id}"));
            format!("send by {socket}{to}: {}", decode::summary(bytes, abi))
        }
        Step::Receive { socket, size } => format!("receive from {socket} into {size} bytes"),
        Step::Drain { socket } => format!("drain {socket}"),
        Step::Inject { device, frame, count } => format!("{count} × {} bytes arrive on {device}", frame.len()),
        Step::Output { device, packet } => format!("this host sends {} bytes by {device}", packet.len()),
        Step::Sniff { device } => format!("what left by {device}"),
        Step::Call(call) => call.to_string(),
        other => format!("{other:?}"),
    };
    let seen = match seen {
        Observation::Done => return done,
        Observation::Receive(Received::Nothing) | Observation::Sniff { frame: None } => "nothing".to_owned(),
        Observation::Receive(Received::Frame { bytes, sender: 0 }) => decode::summary(bytes, abi),
        Observation::Receive(Received::Frame { bytes, sender }) => {
            format!("from port id {sender}: {}", decode::summary(bytes, abi))
        }
        Observation::Sniff { frame: Some(frame) } => format!("{} bytes", frame.len()),
        Observation::Text(_) => "this text".to_owned(),
        Observation::Called(Called::Returned(returned)) => returned.to_string(),
        other => format!("{other:?}"),
    };
    format!("{done} → {seen}")
}
