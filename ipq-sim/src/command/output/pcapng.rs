//! Writes the packets of a run to a pcapng file.
//!
//! A packet that was fed has a verdict, let through or dropped, but none if it was still queued
//! when the run ended. It has a comment if a verdict replaced or marked it, if it was dropped or
//! still queued, or if a verdict on it was refused.
//!
//! A packet that the program sent by a raw socket has a comment that says so, and no verdict.

use super::Destination;
use ipq_sim::Fate;
use ipq_sim::pcapng::{Block, MOST_INTERFACES, link, option};
use ipq_sim::programs::run::{CaptureClock, OwnPacket, PacketReport};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The first byte of a verdict option's value. It says that the number after it is a verdict of
/// Linux's traffic control. The format has no such byte for netfilter's verdicts.
const TRAFFIC_CONTROL: u8 = 1;
const OK: u64 = 0;
const SHOT: u64 = 2;

pub(super) struct PcapNgWriter {
    destination: Destination,
    interfaces: HashMap<CaptureClock, u32>,
    /// The block that is being put together, kept for its memory.
    block: Block,
}

impl PcapNgWriter {
    pub(super) fn new(destination: Destination) -> Self {
        Self {
            destination,
            interfaces: HashMap::new(),
            block: Block::default(),
        }
    }

    pub(super) fn packet(&mut self, packet: &PacketReport) -> io::Result<()> {
        let (Some(fate), Ok(fed)) = (&packet.fate, &packet.record.packet) else {
            return Ok(());
        };
        let interface = self.interface(packet.record.time.clock)?;
        let comment = comment(packet, fate);
        let verdict = match fate {
            Fate::Queued => None,
            Fate::Dropped(_) => Some(SHOT),
            Fate::DeliveredHere(_) | Fate::Sent { .. } => Some(OK),
        };
        let units = packet.record.time.units;
        let mut delivered = packet.delivered().peekable();
        // A packet that did not get through is written with the bytes that were fed.
        let fed = delivered.peek().is_none().then_some(&fed.data[..]);
        for bytes in delivered.chain(fed) {
            let block = &mut self.block;
            block.packet(interface, units, &[bytes]);
            if let Some(comment) = &comment {
                block.option(option::COMMENT, comment.as_bytes());
            }
            if let Some(verdict) = verdict {
                let mut value = [TRAFFIC_CONTROL, 0, 0, 0, 0, 0, 0, 0, 0];
                value[1..].copy_from_slice(&verdict.to_ne_bytes());
                block.option(option::VERDICT, &value);
            }
            let bytes = block.end();
            self.destination.write(section, |file| file.write_all(bytes))?;
        }
        Ok(())
    }

    pub(super) fn own_packet(&mut self, packet: &OwnPacket) -> io::Result<()> {
        let Ok(bytes) = &packet.packet else {
            return Ok(());
        };
        let interface = self.interface(packet.time.clock)?;
        let mut comment = "sent by the program itself, by a raw socket".to_owned();
        if let Some(mark) = packet.mark {
            // Writing to a string can't fail.
            let _ = write!(comment, " with the mark {mark:#x}");
        }
        let block = &mut self.block;
        block.packet(interface, packet.time.units, &[bytes]);
        block.option(option::COMMENT, comment.as_bytes());
        let bytes = block.end();
        self.destination.write(section, |file| file.write_all(bytes))
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.destination.flush(section)
    }

    /// Returns the number of the section's interface that stands for this clock: the resolution and
    /// offset of a packet's time. For a clock that has no interface yet, writes the description of
    /// one. If the section's numbers are used up, begins a new section before that.
    fn interface(&mut self, clock: CaptureClock) -> io::Result<u32> {
        if let Some(number) = self.interfaces.get(&clock) {
            return Ok(*number);
        }
        if self.interfaces.len() == MOST_INTERFACES {
            self.interfaces.clear();
            self.destination.write(section, section)?;
        }
        let number = self.interfaces.len() as u32;
        let block = &mut self.block;
        block.begin_interface(link::RAW_IP);
        block.option(option::NAME, b"ipq-sim");
        block.option(option::TIME_RESOLUTION, &[clock.resolution]);
        if clock.offset != 0 {
            block.option(option::TIME_OFFSET, &clock.offset.to_ne_bytes());
        }
        let bytes = block.end();
        self.destination.write(section, |file| file.write_all(bytes))?;
        self.interfaces.insert(clock, number);
        Ok(number)
    }
}

fn section(file: &mut impl Write) -> io::Result<()> {
    file.write_all(Block::default().section(concat!("ipq-sim ", env!("CARGO_PKG_VERSION"))))
}

/// Returns the comment on a packet: its number in the capture, the errors of refused verdicts on
/// it, from which byte on a verdict changed it, its mark, and why it did not get through. Returns
/// `None` if there is nothing to say beside the number.
fn comment(packet: &PacketReport, fate: &Fate) -> Option<String> {
    let mut comment = String::new();
    let mut add = |text: std::fmt::Arguments<'_>| {
        let separator = if comment.is_empty() { "" } else { "; " };
        // Writing to a string can't fail.
        let _ = write!(comment, "{separator}{text}");
    };
    for refusal in &packet.refusals {
        let requirement = refusal.requirement.map_or("no rule", |requirement| requirement.id);
        add(format_args!(
            "a verdict on it was refused: {} ({requirement})",
            refusal.errno
        ));
    }
    if packet.verdicts.iter().any(|verdict| verdict.replaced) {
        match (&packet.record.packet, packet.delivered().next()) {
            (Ok(fed), Some(now)) => match first_difference(&fed.data, now) {
                Some(at) => add(format_args!(
                    "changed by its verdict: {} bytes before, {} now, different from byte {at} on",
                    fed.data.len(),
                    now.len()
                )),
                None => add(format_args!("its verdict brought the same bytes")),
            },
            _ => add(format_args!("changed by its verdict, and not let through")),
        }
    }
    if let Some(mark) = packet.verdicts.iter().rev().find_map(|verdict| verdict.mark) {
        add(format_args!("marked {mark:#x} by its verdict"));
    }
    match fate {
        Fate::Queued => add(format_args!("had no verdict when the run ended")),
        Fate::Dropped(reason) => add(format_args!("dropped: {reason}")),
        Fate::DeliveredHere(_) | Fate::Sent { .. } => {}
    }
    (!comment.is_empty()).then(|| format!("frame {} of the capture: {comment}", packet.index + 1))
}

/// Returns the offset of the first byte in which two packets differ, or the length of the shorter
/// one if it is the other's beginning. Returns `None` if they are equal.
fn first_difference(before: &[u8], now: &[u8]) -> Option<usize> {
    let common = before.iter().zip(now).take_while(|(before, now)| before == now).count();
    (common < before.len().max(now.len())).then_some(common)
}
