//! Netlink messages of a capture: pcap or pcapng, of the link type NETLINK.

use super::{Contents, Frame};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use std::time::Duration;

/// The link type of netlink messages, each after a header of 16 bytes.
const NETLINK: Linktype = Linktype(253);
const HEADER_BYTES: usize = 16;

/// The packet type, in that header, of what the captured program sent.
const SENT: u8 = 4;

/// The units in a second, unless an interface says otherwise.
const MICROSECONDS: u64 = 1_000_000;

/// The longest block, in bytes. The longest netlink message that a kernel sends is much shorter.
const MOST_BLOCK_BYTES: usize = 1 << 20;

/// The most interfaces that are remembered.
const MOST_INTERFACES: usize = 1 << 16;

/// Returns whether a file begins as a capture does.
pub(super) fn begins(file: &[u8]) -> bool {
    let Some(first) = file.first_chunk::<4>() else {
        return false;
    };
    let classic = [0xa1b2_c3d4, 0xa1b2_3c4d_u32];
    *first == [0x0a, 0x0d, 0x0d, 0x0a]
        || classic.contains(&u32::from_be_bytes(*first))
        || classic.contains(&u32::from_le_bytes(*first))
}

/// Returns the messages of a capture. Those before damage are returned with it.
pub(super) fn frames(file: &[u8]) -> Result<Contents, String> {
    let mut reader = create_reader(MOST_BLOCK_BYTES.min(file.len()), file)
        .map_err(|_| "its header is damaged: capture again, or `editcap` may be able to mend it".to_owned())?;
    let mut records = Records::default();
    loop {
        let ended = reader.reader_exhausted();
        match reader.next() {
            Ok((offset, block)) => {
                records.block(&block);
                reader.consume(offset);
            }
            Err(PcapError::Eof) => break,
            Err(PcapError::Incomplete(_)) if !ended => {
                if reader.refill().is_err() {
                    break;
                }
            }
            Err(error) => {
                records.read.damage = Some(damage(&error, records.number));
                break;
            }
        }
    }
    Ok(records.read)
}

fn damage<I>(error: &PcapError<I>, number: usize) -> String {
    let what = match error {
        PcapError::Incomplete(_) | PcapError::UnexpectedEof => "the capture ends within the record".to_owned(),
        PcapError::BufferTooSmall => format!("the record has more than {MOST_BLOCK_BYTES} bytes"),
        _ => "the record is damaged".to_owned(),
    };
    format!("{what} after number {number}: what comes before is shown; capture again for the rest")
}

/// The records that were read so far.
#[derive(Default)]
struct Records {
    number: usize,
    interfaces: Vec<Interface>,
    read: Contents,
}

/// The link type and the clock of an interface.
#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    /// The number of units of time in a second: 1 or more.
    units: u64,
    /// The number of seconds that is added to each time.
    offset: u64,
}

impl Interface {
    /// Returns the time of a record that states `seconds` and `units`.
    fn time(self, seconds: u64, units: u64) -> Duration {
        let whole = self.offset.saturating_add(seconds).saturating_add(units / self.units);
        let nanoseconds = u128::from(units % self.units) * 1_000_000_000 / u128::from(self.units);
        Duration::new(whole, nanoseconds as u32)
    }
}

impl Records {
    fn block(&mut self, block: &PcapBlockOwned<'_>) {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.interfaces = vec![Interface {
                    link: header.network,
                    units: if header.is_nanosecond_precision() {
                        1_000_000_000
                    } else {
                        MICROSECONDS
                    },
                    offset: 0,
                }];
            }
            PcapBlockOwned::Legacy(record) => {
                let interface = self.interfaces.first().copied();
                let time = interface.map(|interface| interface.time(record.ts_sec.into(), record.ts_usec.into()));
                self.record(interface, time, record.data, (record.caplen, record.origlen));
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => self.interfaces.clear(),
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) if self.interfaces.len() < MOST_INTERFACES => {
                self.interfaces.push(Interface {
                    link: interface.linktype,
                    units: interface.ts_resolution().unwrap_or(MICROSECONDS).max(1),
                    offset: u64::try_from(interface.ts_offset()).unwrap_or(0),
                });
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let interface = self.interfaces.get(packet.if_id as usize).copied();
                let units = (u64::from(packet.ts_high) << 32) | u64::from(packet.ts_low);
                let time = interface.map(|interface| interface.time(0, units));
                self.record(interface, time, packet.data, (packet.caplen, packet.origlen));
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                let interface = self.interfaces.first().copied();
                self.record(interface, None, packet.data, (packet.origlen, packet.origlen));
            }
            PcapBlockOwned::NG(_) => {}
        }
    }

    fn record(&mut self, interface: Option<Interface>, time: Option<Duration>, data: &[u8], lengths: (u32, u32)) {
        self.number += 1;
        let (captured, original) = lengths;
        let data = &data[..data.len().min(captured as usize)];
        let message = interface.is_some_and(|interface| interface.link == NETLINK);
        let Some((header, bytes)) = data.split_first_chunk::<HEADER_BYTES>().filter(|_| message) else {
            self.read.others += 1;
            return;
        };
        let missing = (original as usize).saturating_sub(data.len());
        self.read.frames.push(Frame {
            number: self.number,
            time,
            to_kernel: Some(header[1] == SENT),
            protocol: Some(u16::from_be_bytes([header[14], header[15]])),
            bytes: bytes.to_vec(),
            cut: (missing > 0).then(|| {
                format!(
                    "the capture kept {} of its {original} bytes: capture with -s 0",
                    data.len()
                )
            }),
        });
    }
}
