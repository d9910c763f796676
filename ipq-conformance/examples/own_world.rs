//! Tries an implementation of one's own with the suite: by its command line, and in a test.
//!
//! ```text
//! cargo run -p ipq-conformance --example own_world -- run --world careless verdicts
//! ```
//!
//! The implementation here is the emulator with a fault: it accepts a packet of `ip_queue` for
//! which the program's verdict is DROP. Put your own in its place.

use bytes::Bytes;
use ipq_conformance::world::{Capabilities, Description, Observation, Setup, Step, World, WorldError, WorldFactory};
use ipq_conformance::worlds::SimFactory;
use ipq_conformance::{cli, worlds};
use ipq_core::Verdict;
use ipq_core::wire::{Abi, Envelope, Header, Message, VerdictRequest};
use std::process::ExitCode;
use std::sync::Arc;

/// An implementation that accepts packets that its program wants to drop: the emulator with changed
/// verdicts.
struct Careless {
    emulator: Box<dyn World>,
}

impl World for Careless {
    fn describe(&self) -> Description {
        Description {
            implementation: "careless 0.1".into(),
            ..self.emulator.describe()
        }
    }

    /// Returns the emulator's capabilities. The suite skips the cases that need others, and says
    /// so.
    fn capabilities(&self) -> Capabilities {
        self.emulator.capabilities()
    }

    fn begin(&mut self, setup: &Setup) -> Result<(), WorldError> {
        self.emulator.begin(setup)
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        let mut step = step.clone();
        if let Step::Send { bytes, .. } = &mut step {
            *bytes = accepting(bytes).unwrap_or_else(|| bytes.clone());
        }
        self.emulator.step(&step)
    }
}

/// Returns a DROP verdict of `ip_queue` as an ACCEPT verdict; `None` for any other datagram.
fn accepting(datagram: &Bytes) -> Option<Bytes> {
    let abi = Abi::LP64_LITTLE;
    let Ok(Message::Verdict(request, payload)) = Message::parse(datagram, abi) else {
        return None;
    };
    let header = Header::parse(datagram, abi).filter(|_| request.verdict == Verdict::Drop)?;
    let envelope = Envelope {
        flags: header.flags,
        sequence: header.sequence,
        port_id: header.port_id,
    };
    let accepted = VerdictRequest {
        verdict: Verdict::Accept,
        ..request
    };
    let head = accepted.head(abi, envelope, payload.len());
    Some([&head, payload].concat().into())
}

struct Factory;

impl WorldFactory for Factory {
    fn name(&self) -> &'static str {
        "careless"
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        let emulator = SimFactory::default().create()?;
        Ok(Box::new(Careless { emulator }))
    }
}

fn main() -> ExitCode {
    // For the worlds of a real kernel this program is started once more.
    #[cfg(target_os = "linux")]
    worlds::serve_if_asked();
    let mut worlds = worlds::all();
    worlds.push(Arc::new(Factory));
    cli::main(&worlds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipq_conformance::suite::runner::Runner;
    use ipq_conformance::suite::{Filter, KnownDifferences, Outcome, cases};

    #[test]
    fn the_suite_finds_the_fault() {
        let filter = Filter::new(&["verdicts".to_owned()], &[], true);
        let chosen: Vec<_> = cases::all().into_iter().filter(|case| filter.chooses(case)).collect();
        let runner = Runner::new(Arc::new(Factory), KnownDifferences::default(), 0);
        let mut failed = Vec::new();
        runner.run(&chosen, &mut |report| {
            if report.outcome == Outcome::Failed {
                failed.push(report.case.id);
            }
        });
        assert!(failed.contains(&"verdicts/drop"), "{failed:?}");
        assert!(failed.len() < chosen.len(), "{failed:?}");
    }
}
