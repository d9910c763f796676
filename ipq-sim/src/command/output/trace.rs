//! A trace of every netlink message of a run: a capture of the link type NETLINK, which Wireshark
//! and tshark open.

use super::Destination;
use super::pcap::{write_file_header, write_words};
use ipq_sim::programs::run::TracedMessage;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// The link type of netlink messages, each after the header of Linux's cooked link layer.
const NETLINK: u16 = 253;

/// The packet types of the cooked header: sent by the program that is traced, and received by it.
const SENT: u16 = 4;
const RECEIVED: u16 = 0;

/// The hardware type of netlink.
const HARDWARE: u16 = 824;

pub(super) struct Trace(Destination);

impl Trace {
    pub(super) fn new(destination: Destination) -> Self {
        Self(destination)
    }

    pub(super) fn message(&mut self, message: &TracedMessage<'_>) -> io::Result<()> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut cooked = [0; 16];
        let kind = if message.to_kernel { SENT } else { RECEIVED };
        cooked[..2].copy_from_slice(&kind.to_be_bytes());
        cooked[2..4].copy_from_slice(&HARDWARE.to_be_bytes());
        // The header has no address here, and the netlink protocol stands in the place of the
        // EtherType.
        cooked[14..].copy_from_slice(&u16::try_from(message.protocol).unwrap_or(0).to_be_bytes());
        let length = (cooked.len() + message.parts.iter().map(|part| part.len()).sum::<usize>()) as u32;
        self.0.write(file_header, |file| {
            write_words(file, &[time.as_secs() as u32, time.subsec_nanos(), length, length])?;
            file.write_all(&cooked)?;
            message.parts.iter().try_for_each(|part| file.write_all(part))
        })
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush(file_header)
    }
}

fn file_header(file: &mut impl Write) -> io::Result<()> {
    write_file_header(file, NETLINK)
}
