//! Writes the packets that got through, and those that the program sent by raw sockets, to a pcap
//! file, with the capture's times in nanoseconds. Of a packet that left in fragments, the fragments
//! are written.

use super::Destination;
use ipq_sim::pcapng::link;
use ipq_sim::programs::run::{CaptureTime, OwnPacket, PacketReport};
use std::io::{self, Write};

/// The magic number of a pcap file with times in nanoseconds.
const MAGIC: u32 = 0xa1b2_3c4d;

/// The snapshot length in the file's header, in bytes: the most bytes of a record, and the most
/// that Wireshark and libpcap read of one. No packet is longer, but a netlink message may be.
pub(super) const SNAPSHOT: u32 = 1 << 18;

pub(super) struct PcapWriter(Destination);

impl PcapWriter {
    pub(super) fn new(destination: Destination) -> Self {
        Self(destination)
    }

    pub(super) fn packet(&mut self, packet: &PacketReport) -> io::Result<()> {
        let mut delivered = packet.delivered();
        delivered.try_for_each(|bytes| self.record(packet.record.time, bytes))
    }

    pub(super) fn own_packet(&mut self, packet: &OwnPacket) -> io::Result<()> {
        match &packet.packet {
            Ok(bytes) => self.record(packet.time, bytes),
            Err(_) => Ok(()),
        }
    }

    fn record(&mut self, time: CaptureTime, bytes: &[u8]) -> io::Result<()> {
        let time = time.since_epoch();
        let length = bytes.len() as u32;
        let header = [time.as_secs() as u32, time.subsec_nanos(), length, length];
        self.0.write(file_header, |file| {
            write_words(file, &header)?;
            file.write_all(bytes)
        })
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush(file_header)
    }
}

fn file_header(file: &mut impl Write) -> io::Result<()> {
    write_file_header(file, link::RAW_IP)
}

/// Writes the header of a pcap file with times in nanoseconds, whose frames have that link type.
pub(super) fn write_file_header(file: &mut impl Write, link: u16) -> io::Result<()> {
    write_words(file, &[MAGIC])?;
    // Version 2.4.
    file.write_all(&2_u16.to_ne_bytes())?;
    file.write_all(&4_u16.to_ne_bytes())?;
    write_words(file, &[0, 0, SNAPSHOT, link.into()])
}

/// Writes numbers in this machine's byte order, which pcap and pcapng both allow.
pub(super) fn write_words(file: &mut impl Write, words: &[u32]) -> io::Result<()> {
    words.iter().try_for_each(|word| file.write_all(&word.to_ne_bytes()))
}
