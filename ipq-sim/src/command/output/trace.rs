//! Writes a trace of every netlink message of a run: a pcap file of the link type NETLINK, which
//! Wireshark and tshark open.

use super::Destination;
use super::pcap::{write_file_header, write_words};
use ipq_sim::pcapng::{link, netlink_header};
use ipq_sim::programs::run::TracedMessage;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) struct Trace(Destination);

impl Trace {
    pub(super) fn new(destination: Destination) -> Self {
        Self(destination)
    }

    pub(super) fn message(&mut self, message: &TracedMessage<'_>) -> io::Result<()> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let cooked = netlink_header(message.to_kernel, u16::try_from(message.protocol).unwrap_or(0));
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
    write_file_header(file, link::NETLINK)
}
