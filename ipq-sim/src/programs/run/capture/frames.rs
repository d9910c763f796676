//! The frames of a capture as they were captured, whatever their link layer and their content.

use super::input::Input;
use super::reader::Reader;
use super::{CaptureEnd, CaptureTime};
use std::io::Read;

/// The frames of a pcap or pcapng file, one by one. No file makes the reader panic, or take
/// unbounded memory.
pub struct Frames(Reader);

/// A frame of a capture, as it was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The time at which the frame was captured; `None` if its record states none.
    pub time: Option<CaptureTime>,
    /// The number of the link layer (LINKTYPE). `None` if the frame is of an interface that the
    /// capture does not describe.
    pub link: Option<u16>,
    /// The bytes of the frame that the capture holds. Of more than about 256 KiB, only the first
    /// ones.
    pub bytes: Vec<u8>,
    /// The number of bytes that the frame had on the wire, as its record states it.
    pub length: u32,
}

impl Frames {
    /// Reads the header of a capture, which may be compressed by gzip or zstd. The error says why
    /// the bytes are no capture, or why they can't be read.
    pub fn new(source: impl Read + Send + 'static) -> Result<Self, String> {
        let input = Input::new(Box::new(source)).map_err(|error| error.to_string())?;
        Reader::new(input).map(Self)
    }

    /// Returns the next frame. If there is none, fails with the way in which the capture ended.
    pub fn read(&mut self) -> Result<Frame, CaptureEnd> {
        self.0.next_as(|header, held| {
            let captured = held.len().min(header.captured as usize);
            Frame {
                time: header.is_timed.then_some(header.time),
                link: header.layer.map(|layer| layer.link),
                bytes: held[..captured].to_vec(),
                length: header.length,
            }
        })
    }
}
