//! Pcapng, the newer capture format. A file is a series of blocks. A block can begin a section,
//! describe an interface or hold a packet. Each interface has a link layer and a clock of its own.

use super::classic::LONGEST_FRAME;
use super::input::{Input, LONGEST_PART, Short};
use super::link::{ByteOrder, Layer};
use super::reader::{FrameHeader, Stop};
use super::{CaptureClock, CaptureTime};
use crate::pcapng::{BYTE_ORDER, MOST_INTERFACES, block, option};

/// The number of bytes around a block's body: its type, and its length before and after the body.
const AROUND: u32 = 12;

/// What the packets of a pcapng file depend on: the byte order and the interfaces of the section
/// that is being read.
pub(super) struct PcapNg {
    order: ByteOrder,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy)]
struct Interface {
    layer: Layer,
    clock: CaptureClock,
    /// The greatest number of bytes that are captured of a frame; 0 for no limit.
    snapshot: u32,
}

/// The first 8 bytes of a block: its type, and the length of the whole block in bytes.
struct BlockHeader {
    kind: u32,
    length: u32,
}

impl PcapNg {
    /// Returns `true` if `first` is the 4 bytes with which every pcapng file begins.
    pub(super) fn begins(first: &[u8]) -> bool {
        first == block::SECTION_HEADER.to_le_bytes()
    }

    /// Reads the block that begins the first section, and moves the input behind it. Fails if the
    /// block is damaged, states a version other than 1, is cut, or can't be read.
    pub(super) fn new(input: &mut Input) -> Result<Self, Stop> {
        let mut file = Self {
            order: ByteOrder::Little,
            interfaces: Vec::new(),
        };
        let header = file.block(input)?;
        file.pass(input, &header)?;
        Ok(file)
    }

    /// Returns `true` if `held` begins with a whole block of any kind, by the length that the block
    /// states in the present section's byte order.
    pub(super) fn holds_block(&self, held: &[u8]) -> bool {
        held.len() >= 8 && held.len() as u64 >= u64::from(self.order.u32(held, 4))
    }

    /// Reads on to the next block with a packet, and moves the input behind it. Calls `record` with
    /// the frame's header and its captured bytes, and returns what it returns. If the block is
    /// longer than [`LONGEST_PART`], `record` gets only the first of the captured bytes. Fails at
    /// the end of the input, also within a block, if the input can't be read, and at a block that
    /// the format or this reader does not allow.
    pub(super) fn next<R>(
        &mut self,
        input: &mut Input,
        record: impl FnOnce(&FrameHeader, &[u8]) -> R,
    ) -> Result<R, Stop> {
        loop {
            let block = self.block(input)?;
            let fixed = match block.kind {
                block::ENHANCED_PACKET | block::PACKET => 28,
                block::SIMPLE_PACKET => 12,
                block::INTERFACE => {
                    self.add_interface(input, &block)?;
                    self.pass(input, &block)?;
                    continue;
                }
                _ => {
                    self.pass(input, &block)?;
                    continue;
                }
            };
            if block.length < fixed + 4 {
                return Err(Stop::Damaged(format!("a packet's block states {} bytes", block.length)));
            }
            let start = input.part(fixed as usize)?;
            let header = self.frame_header(&block, start);
            if header.captured > LONGEST_FRAME || header.captured > block.length - fixed - 4 {
                return Err(Stop::Damaged(format!(
                    "a block of {} bytes states a packet of {} bytes",
                    block.length, header.captured
                )));
            }
            let whole = (fixed as usize + header.captured as usize).min(LONGEST_PART);
            let part = input.part(whole)?;
            let record = record(&header, &part[fixed as usize..]);
            self.pass(input, &block)?;
            return Ok(record);
        }
    }

    /// Returns the type and the length of the next block, and leaves the block in the input. A
    /// block that begins a section sets the byte order of the section and removes all known
    /// interfaces. Fails, among others, if such a block has no known byte order or a version other
    /// than 1, and if a block states fewer than 12 bytes.
    fn block(&mut self, input: &mut Input) -> Result<BlockHeader, Stop> {
        let first = input.part(8)?;
        if first.starts_with(&block::SECTION_HEADER.to_le_bytes()) {
            let first = input.part(16)?;
            let orders = [
                (BYTE_ORDER.to_le_bytes(), ByteOrder::Little),
                (BYTE_ORDER.to_be_bytes(), ByteOrder::Big),
            ];
            let order = orders.into_iter().find(|(number, _)| *number == first[8..12]);
            let Some((_, order)) = order else {
                return Err(Stop::Damaged(
                    "a section begins without the magic number of its byte order".to_owned(),
                ));
            };
            self.order = order;
            let major = self.order.u16(first, 12);
            if major != 1 {
                return Err(Stop::Damaged(format!("a section has version {major}, not 1")));
            }
            self.interfaces.clear();
        }
        let first = input.part(8)?;
        let header = BlockHeader {
            kind: self.order.u32(first, 0),
            length: self.order.u32(first, 4),
        };
        if header.length < AROUND {
            return Err(Stop::Damaged(format!(
                "a block states {} bytes, fewer than every block has",
                header.length
            )));
        }
        Ok(header)
    }

    /// Skips the whole block that comes next in the input, its header included. Fails if the input
    /// ends before the block does or can't be read, or if the block states another length at its
    /// end than at its beginning.
    fn pass(&self, input: &mut Input, block: &BlockHeader) -> Result<(), Stop> {
        // Bodies are padded to 4 bytes. Some writers do not count the padding in the length.
        let whole = u64::from(block.length).next_multiple_of(4);
        input.skip(whole - 4).map_err(Short::within)?;
        let after = self.order.u32(input.part(4).map_err(Short::within)?, 0);
        input.skip(4)?;
        if after == block.length {
            return Ok(());
        }
        Err(Stop::Damaged(format!(
            "a block states {} bytes at its beginning and {after} at its end",
            block.length
        )))
    }

    /// Adds the interface that the next block describes, and leaves the block in the input. Fails,
    /// among others, if the section has [`MOST_INTERFACES`] already, or if the block is too short.
    fn add_interface(&mut self, input: &mut Input, block: &BlockHeader) -> Result<(), Stop> {
        if self.interfaces.len() == MOST_INTERFACES {
            return Err(Stop::Damaged(format!(
                "a section has more than {MOST_INTERFACES} interfaces"
            )));
        }
        if block.length < 8 + AROUND {
            return Err(Stop::Damaged(format!(
                "an interface's block states {} bytes",
                block.length
            )));
        }
        let part = input.part((block.length as usize - 4).min(LONGEST_PART))?;
        let mut interface = Interface {
            layer: Layer {
                link: self.order.u16(part, 8),
                check_bytes: 0,
            },
            clock: CaptureClock::default(),
            snapshot: self.order.u32(part, 12),
        };
        let mut options = &part[16..];
        while let Some((header, rest)) = options.split_first_chunk::<4>() {
            let [code, length] = [0, 2].map(|at| self.order.u16(header, at));
            let Some(value) = rest.get(..length.into()) else { break };
            match (code, value) {
                (option::END, _) => break,
                (option::TIME_RESOLUTION, [resolution]) => interface.clock.resolution = *resolution,
                (option::FRAME_CHECK, [bytes]) => interface.layer.check_bytes = *bytes,
                (option::TIME_OFFSET, [_, _, _, _, _, _, _, _]) => {
                    interface.clock.offset = self.order.u64(value, 0).cast_signed();
                }
                _ => {}
            }
            options = rest.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// Returns what a block with a packet, and its interface, state about the frame. `start` is the
    /// block's beginning, up to the frame. If the section has not described the frame's interface,
    /// `layer` is `None`.
    fn frame_header(&self, block: &BlockHeader, start: &[u8]) -> FrameHeader {
        let order = self.order;
        let word = |at| order.u32(start, at);
        let number = match block.kind {
            block::ENHANCED_PACKET => word(8) as usize,
            block::PACKET => order.u16(start, 8).into(),
            _ => 0,
        };
        let interface = self.interfaces.get(number).copied();
        let clock = interface.map_or(CaptureClock::default(), |interface| interface.clock);
        let (units, captured, length) = if block.kind == block::SIMPLE_PACKET {
            let length = word(8);
            let limit = interface.map_or(0, |interface| interface.snapshot);
            let limit = if limit == 0 { u32::MAX } else { limit };
            (0, length.min(limit).min(block.length - 16), length)
        } else {
            (u64::from(word(12)) << 32 | u64::from(word(16)), word(20), word(24))
        };
        FrameHeader {
            time: CaptureTime { units, clock },
            is_timed: block.kind != block::SIMPLE_PACKET,
            captured,
            length,
            layer: interface.map(|interface| interface.layer),
            order,
        }
    }
}
