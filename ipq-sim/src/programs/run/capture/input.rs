//! The bytes of a capture as they come from a file, a pipe or standard input. They are
//! decompressed, and read in parts of bounded length.

mod zstd;

use super::CaptureError;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest part that [`Input::part`] returns, in bytes. An IP packet and the headers before it
/// take fewer.
pub(super) const LONGEST_PART: usize = 256 << 10;

/// The size of an [`Input`]'s buffer, in bytes.
const BUFFER: usize = 2 * LONGEST_PART;

/// The path that stands for standard input.
pub(in super::super) const STANDARD_INPUT: &str = "-";

/// The bytes of a capture, decompressed. They are read from the source in order. Bytes that were
/// read and not skipped yet are held, at most [`BUFFER`] of them.
pub(super) struct Input {
    source: Box<dyn Read + Send>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// The reason why fewer bytes came than were asked for.
#[derive(Debug)]
pub(super) enum Short {
    /// The input ended after this number of the bytes that were asked for. 0 stands for an end
    /// between two records; within a record the number is at least 1.
    Ended(usize),
    /// The input can't be read any further.
    Failed(io::Error),
}

impl Input {
    /// Opens the capture at `path`, where `-` stands for standard input. From then on adds the
    /// number of bytes that are read from the file, before decompression, to `count`. Fails if the
    /// file can't be opened or its first bytes can't be read.
    pub(super) fn open(path: &Path, count: Arc<AtomicU64>) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::Open {
            path: path.to_owned(),
            source,
        };
        let file: Box<dyn Read + Send> = if path.as_os_str() == STANDARD_INPUT {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(failed)?)
        };
        Self::new(Box::new(Counted { source: file, count })).map_err(failed)
    }

    /// Returns an input with the bytes of `source`, decompressed if they begin with the magic
    /// number of gzip or zstd. Fails if the first bytes can't be read; an empty source is no error.
    pub(super) fn new(source: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut input = Self {
            source,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
        };
        let first = match input.part(4) {
            Ok(first) => first,
            Err(Short::Ended(_)) => &input.buffer[..input.end],
            Err(Short::Failed(error)) => return Err(error),
        };
        let compressed = match first {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
            _ => return Ok(input),
        };
        let begun = io::Cursor::new(input.buffer[..input.end].to_vec());
        let whole = begun.chain(std::mem::replace(&mut input.source, Box::new(io::empty())));
        input.source = match compressed {
            // A file may be several gzip files put together.
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(whole)),
            Compression::Zstd => Box::new(zstd::Frames::new(whole)),
        };
        (input.start, input.end) = (0, 0);
        Ok(input)
    }

    /// Returns the bytes that were read from the source and not skipped yet.
    pub(super) fn held(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Returns the next `length` bytes, and leaves them in the input. `length` is at most
    /// [`LONGEST_PART`]. Fails if the input ends before, or can't be read.
    pub(super) fn part(&mut self, length: usize) -> Result<&[u8], Short> {
        debug_assert!(length <= LONGEST_PART);
        while self.end - self.start < length {
            if BUFFER - self.start < LONGEST_PART {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Err(Short::Ended(self.end - self.start)),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The compressed file was cut. That never counts as an end between two records.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(Short::Ended(self.end - self.start).within());
                }
                Err(error) => return Err(Short::Failed(error)),
            }
        }
        Ok(&self.buffer[self.start..self.start + length])
    }

    /// Skips the next `length` bytes, which may be more than the buffer holds. Fails if the input
    /// ends before, or can't be read.
    pub(super) fn skip(&mut self, length: u64) -> Result<(), Short> {
        let mut left = length;
        loop {
            let held = (self.end - self.start) as u64;
            let step = left.min(held);
            self.start += step as usize;
            left -= step;
            if left == 0 {
                return Ok(());
            }
            let next = left.min(LONGEST_PART as u64) as usize;
            self.part(next)?;
        }
    }
}

#[derive(Clone, Copy)]
enum Compression {
    Gzip,
    Zstd,
}

/// A source that adds to `count` the number of bytes of each read.
struct Counted {
    source: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Short {
    /// Returns an end after 0 bytes as an end after 1 byte, and any other reason as it is. It is
    /// for bytes within a record, since an end after 0 bytes stands for one between two records.
    pub(super) fn within(self) -> Self {
        match self {
            Self::Ended(length) => Self::Ended(length.max(1)),
            Self::Failed(error) => Self::Failed(error),
        }
    }
}
