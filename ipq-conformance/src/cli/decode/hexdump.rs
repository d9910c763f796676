//! Frames of a text: lines with bytes as xxd, hexdump, od -tx1, tcpdump -x and strace -xx print
//! them, or plain pairs of hexadecimal digits.
//!
//! A frame ends at an empty line, and in a dump with offsets also where the offset is 0 again. Each
//! line of strace is a frame of its own. Lines that begin with `#` are passed over.

use super::{Contents, Frame, MOST_BYTES};

/// The most bytes of one frame. No message of a queue comes near it.
const MOST_FRAME_BYTES: usize = 1 << 20;

/// Returns the frames in a text. An error, with the line's number, if a line is no dump or its
/// offset does not fit, or if a frame or all frames together have too many bytes.
pub(super) fn frames(text: &[u8]) -> Result<Contents, String> {
    let mut dump = Dump::default();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = String::from_utf8_lossy(line);
        dump.line(line.trim_end())
            .map_err(|problem| format!("line {}: {problem}", number + 1))?;
    }
    dump.end_frame();
    Ok(Contents {
        frames: dump.frames,
        ..Contents::default()
    })
}

/// The frames of the lines that were read, and the frame that is not yet complete.
#[derive(Default)]
struct Dump {
    frames: Vec<Frame>,
    /// The number of bytes in all frames so far, the incomplete one included.
    total: usize,
    bytes: Vec<u8>,
    /// The bytes of the last line of the incomplete frame.
    last: Vec<u8>,
    /// `true` after a line `*`. The last line is then repeated up to the next offset.
    repeats: bool,
    /// The bases (8, 10 or 16) in which each offset of this frame so far is the number of bytes
    /// before it, the likeliest first. Empty in a frame without offsets.
    bases: Vec<u32>,
}

impl Dump {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.trim().is_empty() {
            self.end_frame();
            return Ok(());
        }
        if line.trim_start().starts_with('#') {
            return Ok(());
        }
        if line.contains("\\x") {
            return self.call(line);
        }
        if line.trim() == "*" {
            self.repeats = true;
            return Ok(());
        }
        let row = Row::of(line, self.has_offsets())?;
        if let Some(offset) = row.offset {
            self.reach(offset, &row)?;
        }
        self.add(&row.bytes)?;
        self.last = row.bytes;
        Ok(())
    }

    /// Returns whether the lines of this frame have offsets; `None` before its first line.
    fn has_offsets(&self) -> Option<bool> {
        let is_begun = !(self.bytes.is_empty() && self.bases.is_empty());
        is_begun.then_some(!self.bases.is_empty())
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.total += bytes.len();
        if self.bytes.len() + bytes.len() > MOST_FRAME_BYTES || self.total > MOST_BYTES {
            return Err(format!(
                "a frame has more than {MOST_FRAME_BYTES} bytes, or all of them more than {MOST_BYTES}: separate the frames by \
                 empty lines, and give fewer"
            ));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes the offset of a line. Offset 0 begins a new frame. After a line `*`, the last line is
    /// first repeated up to the offset. An error if the frame then does not have as many bytes as
    /// the offset says, or has too many.
    fn reach(&mut self, offset: &str, row: &Row<'_>) -> Result<(), String> {
        let number = |base: u32| usize::from_str_radix(offset, base).ok();
        if number(10) == Some(0) {
            self.end_frame();
            // od's offsets are octal, and it alone has 7 digits before single bytes.
            let is_octal = offset.len() == 7 && row.is_of_bytes;
            self.bases = if is_octal { vec![8, 10, 16] } else { vec![16, 8, 10] };
        }
        if std::mem::take(&mut self.repeats) && !self.last.is_empty() {
            let last = std::mem::take(&mut self.last);
            let end = self.bases.first().and_then(|base| number(*base));
            while end.is_some_and(|end| end > self.bytes.len()) {
                self.add(&last)?;
            }
        }
        let found = self.bytes.len();
        self.bases.retain(|base| number(*base) == Some(found));
        if self.bases.is_empty() {
            return Err(format!(
                "the offset is {offset}, and {found} bytes came before: lines are missing, or two dumps are mixed up"
            ));
        }
        Ok(())
    }

    /// Takes a line of strace. Its first string that begins with `\x` becomes a frame: to the
    /// kernel for a send or write call, from the kernel for a receive or read call, and without a
    /// direction for another. An error if there is no such string, if one of its `\x` is not
    /// followed by the hexadecimal digits of a byte alone, or if it has too many bytes.
    fn call(&mut self, line: &str) -> Result<(), String> {
        self.end_frame();
        let string = line.split('"').find(|part| part.starts_with("\\x"));
        let string = string.ok_or("there is \\x outside quotation marks: leave the line as `strace -xx` prints it")?;
        let numbers = string.split("\\x").skip(1);
        let bytes: Result<Vec<u8>, _> = numbers.map(|digits| u8::from_str_radix(digits, 16)).collect();
        let bytes = bytes.map_err(|_| "the string has more than \\x and two digits each: trace with `strace -xx`")?;
        self.add(&bytes)?;
        let name = line.split('(').next().unwrap_or_default();
        let to_kernel = if name.contains("send") || name.contains("write") {
            Some(true)
        } else if name.contains("recv") || name.contains("read") {
            Some(false)
        } else {
            None
        };
        self.end_frame();
        if let Some(frame) = self.frames.last_mut() {
            frame.to_kernel = to_kernel;
            frame.cut = line
                .contains("\"...")
                .then(|| "strace left out the rest: trace with `-s 100000`".to_owned());
        }
        Ok(())
    }

    fn end_frame(&mut self) {
        self.repeats = false;
        self.last.clear();
        self.bases.clear();
        if self.bytes.is_empty() {
            return;
        }
        self.frames.push(Frame {
            number: self.frames.len() + 1,
            bytes: std::mem::take(&mut self.bytes),
            ..Frame::default()
        });
    }
}

/// A line of a hex dump, as its offset and its bytes.
struct Row<'l> {
    offset: Option<&'l str>,
    bytes: Vec<u8>,
    /// `true` if each word of the line is a single byte.
    is_of_bytes: bool,
}

impl<'l> Row<'l> {
    /// Parses a line. `has_offsets` says whether the lines of its frame so far have offsets; `None`
    /// if it is the first. An error if a word is not pairs of hexadecimal digits.
    fn of(line: &'l str, has_offsets: Option<bool>) -> Result<Self, String> {
        // The text column of hexdump -C and of od -z.
        let line = line.split(['|', '>']).next().unwrap_or_default();
        let (offset, rest, in_order) = if let Some((offset, rest)) = line.split_once(':') {
            // The text column of xxd and tcpdump is set apart by two spaces.
            let digits = rest.trim_start().split("  ").next().unwrap_or_default();
            (Some(offset.trim().trim_start_matches("0x")), digits, true)
        } else {
            let line = line.trim_start();
            let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            if is_offset(first) && has_offsets.unwrap_or_else(|| begins_offsets(first, rest)) {
                (Some(first), rest, false)
            } else {
                (None, line, true)
            }
        };
        let mut bytes = Vec::new();
        let mut is_of_bytes = true;
        for word in rest.split_whitespace() {
            let word = word.trim_start_matches("0x").trim_end_matches(',');
            let mut number = hex::decode(word).map_err(|_| {
                format!("{word:?} is no pairs of hexadecimal digits: give a capture, or a dump of xxd, hexdump -C, od -tx1 or strace -xx")
            })?;
            // After an offset without a colon, words of several bytes are numbers of a
            // little-endian machine.
            if !in_order {
                number.reverse();
            }
            is_of_bytes &= number.len() == 1;
            bytes.extend(number);
        }
        Ok(Self {
            offset,
            bytes,
            is_of_bytes,
        })
    }
}

/// Returns whether a word without a colon looks like an offset, as hexdump and od print it: 6 to 8
/// hexadecimal digits, the first two of them 0.
fn is_offset(word: &str) -> bool {
    (6..=8).contains(&word.len()) && word.starts_with("00") && word.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Returns whether the first word of a frame, which looks like an offset, is one. It is none if it
/// has 8 digits that are not all 0, and no word of two digits comes next in `rest`: then it is the
/// length that begins the frame of a big-endian machine.
fn begins_offsets(word: &str, rest: &str) -> bool {
    let next = rest.split_whitespace().next();
    word.bytes().all(|digit| digit == b'0') || word.len() != 8 || next.is_some_and(|next| next.len() == 2)
}
