//! Pcap, the classic capture format: a header, and records.

use super::input::{Input, LONGEST_PART, Short};
use super::link::{ByteOrder, Layer};
use super::reader::{FrameHeader, Stop};
use super::{CaptureClock, CaptureTime};

/// The length of the file's header in bytes.
const HEADER: usize = 24;

/// The greatest number of captured bytes that a record may state. A record that states more counts
/// as damaged.
pub(super) const LONGEST_FRAME: u32 = 256 << 20;

/// What the header of a pcap file says about its records: byte order, clock, link layer, and the
/// length of their headers.
pub(super) struct Classic {
    order: ByteOrder,
    clock: CaptureClock,
    layer: Layer,
    /// The length of a record's header in bytes: 16, or 24 where a patched libpcap of around 1999
    /// wrote the file.
    record_header: usize,
}

impl Classic {
    /// Reads the file's header, and moves the input behind it. Fails if the file does not begin
    /// with a magic number of pcap, has another major version than 2, ends within the header, or
    /// can't be read.
    pub(super) fn new(input: &mut Input) -> Result<Self, Stop> {
        let (order, clock, record_header) = match *input.part(4)? {
            [0xd4, 0xc3, 0xb2, 0xa1] => (ByteOrder::Little, CaptureClock::MICROSECONDS, 16),
            [0xa1, 0xb2, 0xc3, 0xd4] => (ByteOrder::Big, CaptureClock::MICROSECONDS, 16),
            [0x4d, 0x3c, 0xb2, 0xa1] => (ByteOrder::Little, CaptureClock::NANOSECONDS, 16),
            [0xa1, 0xb2, 0x3c, 0x4d] => (ByteOrder::Big, CaptureClock::NANOSECONDS, 16),
            [0x34, 0xcd, 0xb2, 0xa1] => (ByteOrder::Little, CaptureClock::MICROSECONDS, 24),
            [0xa1, 0xb2, 0xcd, 0x34] => (ByteOrder::Big, CaptureClock::MICROSECONDS, 24),
            _ => return Err(Stop::Damaged("it begins as neither does".to_owned())),
        };
        let header = input.part(HEADER)?;
        let major = order.u16(header, 4);
        if major != 2 {
            return Err(Stop::Damaged(format!("its version is {major}, not 2")));
        }
        // Above the link type's 16 bits, bit 26 says whether the length of the frame check sequence
        // is known. The 4 highest bits state the length, in units of 2 bytes.
        let link = order.u32(header, 20);
        let has_check = link & 1 << 26 != 0;
        let layer = Layer {
            link: link as u16,
            check_bytes: if has_check { (link >> 28) as u8 * 2 } else { 0 },
        };
        input.skip(HEADER as u64)?;
        Ok(Self {
            order,
            clock,
            layer,
            record_header,
        })
    }

    /// Returns `true` if `held` begins with a whole record: its header, and as many bytes as the
    /// header says.
    pub(super) fn holds_record(&self, held: &[u8]) -> bool {
        held.len() >= self.record_header
            && (held.len() - self.record_header) as u64 >= u64::from(self.order.u32(held, 8))
    }

    /// Reads the next record, and moves the input behind it. Calls `record` with the record's
    /// header and the frame's captured bytes, and returns what it returns. If the record is longer
    /// than [`LONGEST_PART`], `record` gets only the first of the captured bytes. Fails at the end
    /// of the input, also within the record, if the input can't be read, and if the record states
    /// more than [`LONGEST_FRAME`] captured bytes.
    pub(super) fn next<R>(
        &mut self,
        input: &mut Input,
        record: impl FnOnce(&FrameHeader, &[u8]) -> R,
    ) -> Result<R, Stop> {
        let header = input.part(self.record_header)?;
        let [seconds, fraction, captured, length] = [0, 4, 8, 12].map(|at| self.order.u32(header, at));
        if captured > LONGEST_FRAME {
            return Err(Stop::Damaged(format!("a record states {captured} bytes")));
        }
        let in_a_second = if self.clock == CaptureClock::NANOSECONDS {
            1_000_000_000
        } else {
            1_000_000
        };
        let header = FrameHeader {
            time: CaptureTime {
                units: u64::from(seconds) * in_a_second + u64::from(fraction),
                clock: self.clock,
            },
            is_timed: true,
            captured,
            length,
            layer: Some(self.layer),
            order: self.order,
        };
        let whole = self.record_header + captured as usize;
        let part = input.part(whole.min(LONGEST_PART))?;
        let record = record(&header, &part[self.record_header..]);
        input.skip(whole as u64).map_err(Short::within)?;
        Ok(record)
    }
}
