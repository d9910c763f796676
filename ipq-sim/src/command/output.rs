//! Files that a run leaves: the packets that got through, and what became of each.

use ipq_sim::Fate;
use ipq_sim::run::{PacketReport, Report};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

/// A pcap file's magic number for times in nanoseconds.
const MAGIC: u32 = 0xa1b2_3c4d;

/// The link layer "raw IP".
const RAW_IP: u32 = 101;

/// Writes the packets that got through, in the order that they left.
pub(super) fn write_capture(path: &Path, report: &Report) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let version = 2_u32 | 4 << 16;
    for word in [MAGIC, version, 0, 0, 1 << 18, RAW_IP] {
        file.write_all(&word.to_le_bytes())?;
    }
    for (index, packet) in report.delivered() {
        let time = report.packets[index].record.time;
        let length = packet.len() as u32;
        for word in [time.as_secs() as u32, time.subsec_nanos(), length, length] {
            file.write_all(&word.to_le_bytes())?;
        }
        file.write_all(packet)?;
    }
    file.flush()
}

/// Writes what became of each packet, in the capture's order.
pub(super) fn write_log(path: &Path, report: &Report) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for (index, packet) in report.packets.iter().enumerate() {
        serde_json::to_writer(&mut file, &line(index, packet))?;
        writeln!(file)?;
    }
    file.flush()
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
