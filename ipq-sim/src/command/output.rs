//! Files that a run leaves: the packets that got through, and what became of each.

use super::Failure;
use ipq_sim::Fate;
use ipq_sim::programs::run::{PacketReport, Report};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A pcap file's magic number for times in nanoseconds.
const MAGIC: u32 = 0xa1b2_3c4d;

/// The link layer "raw IP".
const RAW_IP: u32 = 101;

/// A file that is to be written after a run. What was in it before stays until then.
pub(super) struct Destination<'p> {
    path: &'p Path,
    file: File,
}

impl<'p> Destination<'p> {
    /// Opens it before the run, so that one that can't be written is known in time.
    pub(super) fn open(path: &'p Path) -> Result<Self, Failure> {
        let opened = File::options().write(true).create(true).truncate(false).open(path);
        match opened {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(failed(path, source)),
        }
    }

    /// Puts what `write` writes in the place of what was there.
    pub(super) fn write(self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), Failure> {
        let Self { path, file } = self;
        let written = || {
            // Not everything that can be written to can be cut: a pipe, a terminal.
            if file.metadata()?.is_file() {
                file.set_len(0)?;
            }
            let mut file = BufWriter::new(file);
            write(&mut file)?;
            file.flush()
        };
        written().map_err(|source| failed(path, source))
    }
}

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::Output {
        path: path.to_owned(),
        source,
    }
}

/// Writes the packets that got through, in the order that they left.
pub(super) fn write_capture(file: &mut impl Write, report: &Report) -> io::Result<()> {
    let version = 2_u32 | 4 << 16;
    for word in [MAGIC, version, 0, 0, 1 << 18, RAW_IP] {
        file.write_all(&word.to_le_bytes())?;
    }
    for (index, packet) in report.delivered() {
        let time = report.packets[index].record.time.since_epoch();
        let length = packet.len() as u32;
        for word in [time.as_secs() as u32, time.subsec_nanos(), length, length] {
            file.write_all(&word.to_le_bytes())?;
        }
        file.write_all(packet)?;
    }
    Ok(())
}

/// Writes what became of each packet, in the capture's order.
pub(super) fn write_log(file: &mut impl Write, report: &Report) -> io::Result<()> {
    for (index, packet) in report.packets.iter().enumerate() {
        serde_json::to_writer(&mut *file, &line(index, packet))?;
        writeln!(file)?;
    }
    Ok(())
}

fn line(index: usize, packet: &PacketReport) -> Value {
    let fate = match (&packet.fate, &packet.record.packet) {
        (Some(Fate::Queued), _) => "still queued".to_owned(),
        (Some(Fate::Dropped(reason)), _) => format!("dropped: {reason}"),
        (Some(Fate::DeliveredHere(_) | Fate::Sent { .. }), _) => "accepted".to_owned(),
        (None, Err(reason)) => format!("not fed: {reason}"),
        (None, Ok(_)) => "not fed".to_owned(),
    };
    let verdicts: Vec<Value> = packet
        .verdicts
        .iter()
        .map(|verdict| {
            json!({
                "verdict": verdict.verdict.to_string(),
                "replaced": verdict.replaced,
                "after_microseconds": verdict.after.as_micros() as u64,
            })
        })
        .collect();
    json!({ "packet": index, "fate": fate, "verdicts": verdicts })
}
