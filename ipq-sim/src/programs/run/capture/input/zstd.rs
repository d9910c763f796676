//! The decompressed content of a zstd file: that of all its frames, one after another.

use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use std::io::{self, BufRead, BufReader, Read};

/// Decompresses all frames of a source, one after another. A frame states the size of its window,
/// the decompressed bytes that must be kept in memory. A frame with a window of more than 128 MiB
/// is an error. The program `zstd` makes windows of 2 MiB unless asked for more, and of 8 MiB at
/// its level 19.
pub(super) struct Frames<R> {
    source: Noticing<R>,
    decoder: FrameDecoder,
    /// `true` if the decoder is within a frame.
    within: bool,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source: Noticing {
                source: BufReader::with_capacity(1 << 16, source),
                ended: false,
            },
            decoder: FrameDecoder::new(),
            within: false,
        }
    }

    /// Begins the next frame that holds data, and passes over skippable frames. Returns `false` at
    /// the end of the source. Fails, among others, if the source ends within a frame's header or a
    /// skippable frame, or if the bytes are no frame.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => {
                    self.within = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                    if skipped < length.into() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(false)
    }

    fn failed(&self, error: FrameDecoderError) -> io::Error {
        if self.source.ended {
            io::ErrorKind::UnexpectedEof.into()
        } else {
            io::Error::other(error)
        }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.within && !self.begin()? {
                return Ok(0);
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.decoder.is_finished() {
                self.within = false;
                continue;
            }
            let decoded = self
                .decoder
                .decode_blocks(&mut self.source, ruzstd::decoding::BlockDecodingStrategy::UptoBlocks(1));
            decoded.map_err(|error| self.failed(error))?;
        }
    }
}

/// A source that notes in `ended` whether a read found its end. The decoder's errors do not tell a
/// cut file from a damaged one.
struct Noticing<R> {
    source: BufReader<R>,
    ended: bool,
}

impl<R: Read> Read for Noticing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.ended |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_skippable_frame_is_passed_over_and_a_cut_one_is_an_error() {
        // Its magic number, its length, and two bytes.
        let frame = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7];
        let content = |source: &[u8]| {
            let mut content = Vec::new();
            let read = Frames::new(source).read_to_end(&mut content);
            read.map(|_| content).map_err(|error| error.kind())
        };
        assert_eq!(content(&frame), Ok(Vec::new()));
        assert_eq!(content(&frame[..9]), Err(io::ErrorKind::UnexpectedEof));
    }
}
