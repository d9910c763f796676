//! Captures: the packets of a pcap or pcapng file, and why some are none.

#[cfg(test)]
mod tests;

use crate::kernel::{InjectError, family_of};
use bytes::Bytes;
use ipq_core::Family;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One record of a capture.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it was captured, since 1970-01-01 00:00 UTC.
    pub time: Duration,
    /// The packet in it, or why there is none to be fed.
    pub packet: Result<Packet, NotFed>,
}

/// An IP packet of a capture.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Whose.
    pub family: Family,
    /// From the network header on; link-layer padding may follow.
    pub data: Bytes,
    /// The Ethernet header before it, if there was one.
    pub link_header: Option<[u8; 14]>,
}

/// Why a record of a capture was not fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotFed {
    /// Less of the packet was captured than there was.
    Cut,
    /// It holds no IP packet.
    NotIp,
    /// The IP header is wrong, or states more bytes than there are.
    Malformed,
    /// The capture's link layer is none of raw IP, Ethernet and Linux cooked.
    LinkLayer,
    /// The run ended before it was its turn.
    RunEnded,
}

impl fmt::Display for NotFed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "cut by the capture",
            Self::NotIp => "not IP",
            Self::Malformed => "malformed",
            Self::LinkLayer => "of a link layer other than raw IP, Ethernet and Linux cooked",
            Self::RunEnded => "the run had ended",
        })
    }
}

impl From<&InjectError> for NotFed {
    fn from(error: &InjectError) -> Self {
        match error {
            InjectError::NotIp { .. } => Self::NotIp,
            _ => Self::Malformed,
        }
    }
}

/// A capture that can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The file can't be opened.
    #[error("{} can't be opened: {source}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no capture, or damaged.
    #[error("{} is no pcap or pcapng file, or is damaged after {records} packets: {reason}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// How many packets had been read.
        records: usize,
        /// What is wrong.
        reason: String,
    },
}

/// Reads a whole capture. It takes as much memory as the file has bytes, and a little for each packet.
pub(super) fn read(path: &Path) -> Result<Vec<Record>, CaptureError> {
    let file = File::open(path).map_err(|source| CaptureError::Open {
        path: path.to_owned(),
        source,
    })?;
    let mut records = Vec::new();
    let failed = |records: &Vec<Record>, reason: String| CaptureError::Format {
        path: path.to_owned(),
        records: records.len(),
        reason,
    };
    let mut reader = create_reader(1 << 20, file).map_err(|error| failed(&records, error.to_string()))?;
    let mut interfaces = Interfaces::default();
    let next_generation = reader.data().starts_with(&SECTION_HEADER);
    loop {
        if next_generation && states_too_little(reader.data()) {
            return Err(failed(
                &records,
                "a block states fewer bytes than every block has".to_owned(),
            ));
        }
        match reader.next() {
            Ok((length, block)) => {
                records.extend(interfaces.record(&block));
                reader.consume(length);
            }
            Err(PcapError::Eof) => return Ok(records),
            Err(PcapError::Incomplete(_)) => {
                let had = reader.data().len();
                reader.refill().map_err(|error| failed(&records, error.to_string()))?;
                if reader.data().len() == had {
                    if had == 0 {
                        return Ok(records);
                    }
                    return Err(failed(&records, "the last block is cut".to_owned()));
                }
            }
            Err(error) => return Err(failed(&records, error.to_string())),
        }
    }
}

/// The type of the block that begins a pcapng file, the same in both byte orders.
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// Whether a block of a pcapng file states fewer bytes than its type and its two lengths have: the parser subtracts those before
/// it has checked. In whichever order the length's bytes are: turned round, so small a number is more than any block has.
fn states_too_little(block: &[u8]) -> bool {
    const LEAST: u32 = 12;
    let stated = block.get(4..).and_then(<[u8]>::first_chunk).copied();
    stated.is_some_and(|bytes| u32::from_le_bytes(bytes).min(u32::from_be_bytes(bytes)) < LEAST)
}

/// What blocks so far have said of those to come.
#[derive(Default)]
struct Interfaces {
    /// Link layer, time offset in seconds, and units in a second.
    known: Vec<(Linktype, u64, u64)>,
}

impl Interfaces {
    fn record(&mut self, block: &PcapBlockOwned<'_>) -> Option<Record> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let units = if header.is_nanosecond_precision() {
                    1_000_000_000
                } else {
                    1_000_000
                };
                self.known = vec![(header.network, 0, units)];
                None
            }
            PcapBlockOwned::Legacy(block) => {
                let (link, _, units) = *self.known.first()?;
                let nanoseconds = u64::from(block.ts_usec).saturating_mul(1_000_000_000 / units);
                let time = Duration::from_secs(block.ts_sec.into()).saturating_add(Duration::from_nanos(nanoseconds));
                Some(record(time, link, block.data, block.origlen))
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                self.known.clear();
                None
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                let offset = interface.if_tsoffset.cast_unsigned();
                let units = interface.ts_resolution().unwrap_or(1_000_000);
                self.known.push((interface.linktype, offset, units));
                None
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
                let known = self.known.get(block.if_id as usize).copied();
                let (link, offset, units) = known.unwrap_or((Linktype(-1), 0, 1_000_000));
                let stamp = u64::from(block.ts_high) << 32 | u64::from(block.ts_low);
                let fraction = u128::from(stamp % units.max(1)) * 1_000_000_000 / u128::from(units.max(1));
                let time = Duration::from_secs((stamp / units.max(1)).saturating_add(offset))
                    .saturating_add(Duration::from_nanos(fraction as u64));
                let data = block.data.get(..block.caplen as usize).unwrap_or(block.data);
                Some(record(time, link, data, block.origlen))
            }
            PcapBlockOwned::NG(Block::SimplePacket(block)) => {
                let (link, ..) = self.known.first().copied().unwrap_or((Linktype(-1), 0, 1));
                let data = block.data.get(..block.origlen as usize).unwrap_or(block.data);
                Some(record(Duration::ZERO, link, data, block.origlen))
            }
            PcapBlockOwned::NG(_) => None,
        }
    }
}

fn record(time: Duration, link: Linktype, data: &[u8], original_length: u32) -> Record {
    let packet = if (data.len() as u64) < u64::from(original_length) {
        Err(NotFed::Cut)
    } else {
        packet(link, data)
    };
    Record { time, packet }
}

/// The IP packet in a frame.
fn packet(link: Linktype, frame: &[u8]) -> Result<Packet, NotFed> {
    let (data, link_header) = match link {
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | Linktype(12) => (Some(frame), None),
        Linktype::ETHERNET => (after(frame, 14, 12), frame.first_chunk().copied()),
        Linktype::LINUX_SLL => (after(frame, 16, 14), None),
        Linktype(276) => (after(frame, 20, 0), None),
        _ => return Err(NotFed::LinkLayer),
    };
    let data = data.ok_or(NotFed::NotIp)?;
    let family = family_of(data).map_err(|error| NotFed::from(&error))?;
    Ok(Packet {
        family,
        data: Bytes::copy_from_slice(data),
        link_header,
    })
}

/// What follows a link-layer header of `length` bytes, if its protocol, at offset `protocol`, is IP.
fn after(frame: &[u8], length: usize, protocol: usize) -> Option<&[u8]> {
    let number: &[u8; 2] = frame.get(protocol..)?.first_chunk()?;
    matches!(*number, [0x08, 0x00] | [0x86, 0xdd]).then(|| frame.get(length..))?
}
