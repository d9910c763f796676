//! `record`: does the steps of recordings, and writes down the answers.

use super::{End, Failure, RecordArguments, find_world, unless_possible};
use crate::partition::Partition;
use crate::recording::{Embedded, Reader, Recording, RecordingError, write_all};
use crate::replay::{ReplayError, record as record_on};
use crate::world::{Setup, WorldFactory};
use std::io::{self, BufRead};
use std::sync::Arc;

pub(super) fn record(worlds: &[Arc<dyn WorldFactory>], arguments: &RecordArguments) -> Result<End, Failure> {
    let factory = find_world(worlds, &arguments.world)?;
    if let Some(end) = unless_possible(factory.as_ref(), &Setup::default()) {
        return Ok(end);
    }
    let mut recorder = Recorder {
        factory,
        partition: arguments.partition,
        recorded: 0,
        failed: 0,
    };
    if arguments.files.is_empty() {
        for file in Embedded::ALL {
            recorder.file(file.reader())?;
        }
    }
    for path in &arguments.files {
        match Reader::open(path) {
            Ok(reader) => recorder.file(reader)?,
            Err(error) => recorder.error(&error),
        }
    }
    eprintln!(
        "ipq-conformance: {} scenarios recorded, {} not",
        recorder.recorded, recorder.failed
    );
    Ok(match recorder {
        Recorder {
            recorded: 0, failed: 0, ..
        } => End::Nothing,
        Recorder { failed: 0, .. } => End::Good,
        _ => End::Unable,
    })
}

struct Recorder {
    factory: Arc<dyn WorldFactory>,
    /// The part of the scenarios to record; `None` records all.
    partition: Option<Partition>,
    recorded: usize,
    failed: usize,
}

impl Recorder {
    /// Does the scenarios of one file that are in this part, each in a world of its own, up to the
    /// first line that can't be read. Writes each to standard output as soon as it is recorded.
    /// Reports those that can't be recorded, and leaves them out.
    fn file<R: BufRead>(&mut self, mut reader: Reader<R>) -> io::Result<()> {
        while let Some(read) = reader.next() {
            let elsewhere = |recording: &Recording| self.partition.is_some_and(|part| !part.has(&recording.name));
            if read.as_ref().is_ok_and(elsewhere) {
                continue;
            }
            let recorded = read.and_then(|recording| {
                let unable = |error| ReplayError::World { step: None, error };
                let recorded = self.factory.create().map_err(unable);
                let recorded = recorded.and_then(|mut world| record_on(&recording, world.as_mut()));
                recorded.map_err(|error| reader.error(error.into()))
            });
            match recorded {
                Ok(recorded) => {
                    write_all(&mut io::stdout().lock(), [&recorded])?;
                    self.recorded += 1;
                }
                Err(error) => self.error(&error),
            }
        }
        Ok(())
    }

    fn error(&mut self, error: &RecordingError) {
        self.failed += 1;
        eprintln!("ipq-conformance: {error}");
    }
}
