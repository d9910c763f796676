//! Reads the records of a capture of either format, one by one.

use super::classic::Classic;
use super::input::{Input, Short};
use super::link::{self, ByteOrder, Layer};
use super::pcapng::PcapNg;
use super::{CaptureEnd, CaptureTime, NotFed, Record};

/// Yields the records of a pcap or pcapng file, one by one, and then how the capture ended.
pub(super) struct Reader {
    input: Input,
    format: Format,
}

enum Format {
    Classic(Classic),
    PcapNg(PcapNg),
}

/// The reason why no further record can be read.
#[derive(Debug)]
pub(super) enum Stop {
    /// The input is at its end, or can't be read. The inner reason says which.
    Short(Short),
    /// The bytes are not what the format allows. The text says why.
    Damaged(String),
}

impl From<Short> for Stop {
    fn from(short: Short) -> Self {
        Self::Short(short)
    }
}

/// What a capture states about a frame, in the header of its record or block and about its
/// interface.
pub(super) struct FrameHeader {
    pub(super) time: CaptureTime,
    /// `false` for a frame whose kind of block states no time. The units of `time` are then 0.
    pub(super) is_timed: bool,
    /// The number of the frame's bytes that the capture holds.
    pub(super) captured: u32,
    /// The number of bytes that the frame had on the wire.
    pub(super) length: u32,
    /// The frame's link layer. `None` if the frame is of an interface that the capture does not
    /// describe.
    pub(super) layer: Option<Layer>,
    pub(super) order: ByteOrder,
}

impl Reader {
    /// Reads the header of a capture. The error says why the input is no capture, or why it can't
    /// be read.
    pub(super) fn new(mut input: Input) -> Result<Self, String> {
        let first = match input.part(4) {
            Ok(first) => first,
            Err(Short::Failed(error)) => return Err(error.to_string()),
            Err(Short::Ended(0)) => return Err("it is empty".to_owned()),
            Err(Short::Ended(_)) => return Err("it is too short".to_owned()),
        };
        if let Some(program) = other_compression(first) {
            return Err(format!(
                "it is compressed by {program}; decompress it first: `{program} -dc FILE | ipq-sim run --pcap - …`"
            ));
        }
        let format = if PcapNg::begins(first) {
            PcapNg::new(&mut input).map(Format::PcapNg)
        } else {
            Classic::new(&mut input).map(Format::Classic)
        };
        let format = format.map_err(|stop| match stop {
            Stop::Damaged(reason) => reason,
            Stop::Short(Short::Ended(_)) => "it ends within its header".to_owned(),
            Stop::Short(Short::Failed(error)) => error.to_string(),
        })?;
        Ok(Self { input, format })
    }

    /// Returns `true` if the bytes that are held begin with a whole record, or with a whole block
    /// of any kind. Otherwise, and if the block holds no packet, the next read may wait for the
    /// source.
    pub(super) fn has_whole_record(&self) -> bool {
        let held = self.input.held();
        match &self.format {
            Format::Classic(classic) => classic.holds_record(held),
            Format::PcapNg(pcapng) => pcapng.holds_block(held),
        }
    }

    /// Returns the next record. If there is none, fails with the way in which the capture ended.
    pub(super) fn next(&mut self) -> Result<Record, CaptureEnd> {
        self.next_as(record)
    }

    /// Reads the next frame, calls `record` with its header and its captured bytes, and returns
    /// what `record` returns. Of a frame longer than about 256 KiB, `record` gets only the first
    /// bytes. If there is no further frame, fails with the way in which the capture ended.
    pub(super) fn next_as<R>(&mut self, record: impl FnOnce(&FrameHeader, &[u8]) -> R) -> Result<R, CaptureEnd> {
        let input = &mut self.input;
        let next = match &mut self.format {
            Format::Classic(classic) => classic.next(input, record),
            Format::PcapNg(pcapng) => pcapng.next(input, record),
        };
        next.map_err(|stop| match stop {
            Stop::Short(Short::Ended(0)) => CaptureEnd::Whole,
            Stop::Short(Short::Ended(_)) => CaptureEnd::WithinRecord,
            Stop::Short(Short::Failed(error)) => CaptureEnd::Damaged(error.to_string()),
            Stop::Damaged(reason) => CaptureEnd::Damaged(reason),
        })
    }
}

/// Returns the record of a frame: its time, and its packet or why there is none. `held` is the
/// frame's beginning: all of it, or at least as much as any packet needs.
fn record(header: &FrameHeader, held: &[u8]) -> Record {
    let packet = match header.layer {
        Some(layer) => link::packet(layer, header, held),
        None => Err(NotFed::NoInterface),
    };
    Record {
        time: header.time,
        packet,
    }
}

/// Returns the name of the program that decompresses a file that begins with `first`: xz, bzip2 or
/// lz4, whose formats are not read here. Returns `None` if the file begins otherwise.
fn other_compression(first: &[u8]) -> Option<&'static str> {
    match first {
        [0xfd, b'7', b'z', b'X', ..] => Some("xz"),
        [b'B', b'Z', b'h', _, ..] => Some("bzip2"),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some("lz4"),
        _ => None,
    }
}
