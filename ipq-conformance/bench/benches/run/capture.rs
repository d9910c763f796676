//! Writes the captures that `ipq-sim run` reads.

use crate::measure::Failed;
use ipq_conformance::suite::Packet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The link type of raw IP.
const RAW: u32 = 101;

/// Writes a capture of `packets` UDP packets, each of `length` bytes and without an Ethernet
/// header.
pub(crate) fn write(path: &Path, packets: u64, length: usize) -> Result<(), Failed> {
    let frame = Packet::udp4().length(length).to_host().frame();
    // The packet has no Ethernet header.
    let packet = &frame[14..];
    let size = u32::try_from(packet.len())?;
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for word in [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 65_535, RAW] {
        file.write_all(&u32::to_ne_bytes(word))?;
    }
    for number in 0..packets {
        let microseconds = u32::try_from(number % 1_000_000)?;
        for word in [1_700_000_000, microseconds, size, size] {
            file.write_all(&u32::to_ne_bytes(word))?;
        }
        file.write_all(packet)?;
    }
    Ok(file.flush()?)
}
