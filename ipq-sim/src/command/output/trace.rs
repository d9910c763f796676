//! Writes a trace of the netlink datagrams between programs and the kernel: a pcap file of the link
//! type NETLINK, which Wireshark and tshark open. They read at most 262,144 bytes of a record. A
//! longer record is cut to that, and states its whole length.

use super::Destination;
use super::pcap::{SNAPSHOT, write_file_header, write_words};
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
        let [first, second, third] = message.parts;
        let parts = [&cooked, first, second, third];
        let length = parts.iter().map(|part| part.len()).sum::<usize>() as u32;
        let written = length.min(SNAPSHOT);
        self.0.write(file_header, |file| {
            write_words(file, &[time.as_secs() as u32, time.subsec_nanos(), written, length])?;
            let mut left = written as usize;
            for part in parts {
                let part = &part[..part.len().min(left)];
                left -= part.len();
                file.write_all(part)?;
            }
            Ok(())
        })
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush(file_header)
    }
}

fn file_header(file: &mut impl Write) -> io::Result<()> {
    write_file_header(file, link::NETLINK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::output::Failure;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_message_that_is_longer_than_readers_take_is_cut_to_what_the_header_states() -> Result<(), Failure> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut trace = Trace::new(Destination::open_for_bytes(file.path())?);
        let verdict = vec![7; 300_000];
        for parts in [[&[1; 40][..], &verdict, &[]], [&[2; 20], &[], &[]]] {
            let message = TracedMessage {
                protocol: 3,
                to_kernel: true,
                parts,
            };
            trace.message(&message).expect("it is written");
        }
        trace.flush().expect("it is written");

        let written = std::fs::read(file.path()).expect("the trace");
        let word = |at: usize| u32::from_ne_bytes(written[at..at + 4].try_into().expect("four bytes"));
        let snapshot = word(16);
        assert_eq!([word(32), word(36)], [snapshot, 16 + 40 + 300_000]);
        let next = 24 + 16 + snapshot as usize;
        assert_eq!([word(next + 8), word(next + 12)], [36, 36]);
        assert_eq!(written.len(), next + 16 + 36);
        Ok(())
    }
}
