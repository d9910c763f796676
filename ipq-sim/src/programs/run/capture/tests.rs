mod damage;
mod formats;
mod link;

use super::*;
use std::io::Cursor;

/// Returns a UDP packet of that family, with 5 bytes of content.
fn ip(family: Family) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = match family {
        Family::Ipv4 => etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64),
        Family::Ipv6 => etherparse::PacketBuilder::ipv6([1; 16], [2; 16], 64),
    };
    builder.udp(1, 2).write(&mut bytes, b"hello").unwrap();
    bytes
}

/// Returns the records of a file, and how the file ends. Panics if the file is no capture.
fn read(bytes: &[u8]) -> (Vec<Record>, CaptureEnd) {
    read_all(Box::new(Cursor::new(bytes.to_vec()))).unwrap()
}

/// Returns for each record of a file the bytes of its packet, or the reason why it has none to
/// feed.
fn packets(bytes: &[u8]) -> Vec<Result<Vec<u8>, NotFed>> {
    let packet = |record: Record| record.packet.map(|packet| packet.data.to_vec());
    read(bytes).0.into_iter().map(packet).collect()
}

/// A writer of captures in one byte order.
#[derive(Clone, Copy)]
struct Writer {
    is_big: bool,
}

const LITTLE: Writer = Writer { is_big: false };
const BIG: Writer = Writer { is_big: true };

impl Writer {
    fn words(self, words: &[u32]) -> Vec<u8> {
        let bytes = |word: &u32| {
            if self.is_big {
                word.to_be_bytes()
            } else {
                word.to_le_bytes()
            }
        };
        words.iter().flat_map(bytes).collect()
    }

    fn halves(self, halves: &[u16]) -> Vec<u8> {
        let bytes = |half: &u16| {
            if self.is_big {
                half.to_be_bytes()
            } else {
                half.to_le_bytes()
            }
        };
        halves.iter().flat_map(bytes).collect()
    }

    /// Returns a pcap file with that magic number and link type. Each of `frames` is the captured
    /// bytes of a frame and the frame's length on the wire. Each frame's time is 1000 s and 7
    /// units.
    fn pcap(self, magic: u32, link: u32, frames: &[(&[u8], u32)]) -> Vec<u8> {
        let mut bytes = self.words(&[magic]);
        bytes.extend(self.halves(&[2, 4]));
        bytes.extend(self.words(&[0, 0, 1 << 18, link]));
        for (frame, length) in frames {
            bytes.extend(self.words(&[1000, 7, frame.len() as u32, *length]));
            bytes.extend(*frame);
        }
        bytes
    }

    /// Returns a pcapng block of type `kind`. Its body is padded to a multiple of 4 bytes, and the
    /// padding counts in its length.
    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padding = body.len().next_multiple_of(4) - body.len();
        let length = self.words(&[(body.len() + padding) as u32 + 12]);
        [&self.words(&[kind])[..], &length, body, &[0; 3][..padding], &length].concat()
    }

    fn section(self) -> Vec<u8> {
        let body = [self.words(&[0x1a2b_3c4d]), self.halves(&[1, 0]), vec![0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    fn interface(self, link: u16, snapshot: u32, options: &[u8]) -> Vec<u8> {
        let body = [&self.halves(&[link, 0])[..], &self.words(&[snapshot]), options].concat();
        self.block(1, &body)
    }

    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let padding = value.len().next_multiple_of(4) - value.len();
        [&self.halves(&[code, value.len() as u16])[..], value, &[0; 3][..padding]].concat()
    }

    fn enhanced(self, interface: u32, units: u64, frame: &[u8], length: usize) -> Vec<u8> {
        let head = [
            interface,
            (units >> 32) as u32,
            units as u32,
            frame.len() as u32,
            length as u32,
        ];
        self.block(6, &[&self.words(&head)[..], frame].concat())
    }
}

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// Returns a pcap file with one whole frame of that link type.
fn one_frame(link: u32, frame: &[u8]) -> Vec<u8> {
    LITTLE.pcap(MICROSECONDS, link, &[(frame, frame.len() as u32)])
}
