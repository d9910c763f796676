//! Going through the attributes of a message.

use super::ParseError;

/// An attribute: its type, and the place of its content in the datagram. The content may lie beyond
/// the datagram's bytes that are at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The type, without the two highest bits, which say if the content is nested and if it is in
    /// network byte order.
    pub kind: u16,
    /// The span of the content, without padding.
    pub content: Span,
}

/// The place of some bytes in a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The offset of the first byte from the datagram's start.
    pub start: usize,
    /// The number of bytes.
    pub length: usize,
}

impl Attribute {
    /// Returns the content of an attribute that always has `N` bytes. `message` is what the
    /// [`Attributes`] were made with. Fails if the attribute has another length, or if `message`
    /// ends before the content does.
    pub fn fixed<const N: usize>(self, message: &[u8]) -> Result<&[u8; N], ParseError> {
        if self.content.length != N {
            return Err(ParseError::AttributeSize {
                attribute: self.kind,
                expected: N,
                found: self.content.length,
            });
        }
        let content = message.get(self.content.start..).and_then(<[u8]>::first_chunk);
        content.ok_or(ParseError::MetadataTooLong {
            at: self.content.start,
            limit: message.len(),
        })
    }
}

/// An iterator over the attributes of a message. It ends after the first error, which it returns:
/// fewer bytes left than a header has, a wrong length, a header beyond the bytes that are at hand,
/// or a second attribute of a type under 64.
///
/// Each step moves on by at least the four bytes of an attribute's header, so the iteration ends
/// whatever the bytes are. The last attribute need not be padded: the kernel does not pad a
/// packet's bytes.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    message: &'a [u8],
    at: usize,
    end: usize,
    seen: u64,
}

impl<'a> Attributes<'a> {
    /// Makes an iterator over the attributes from byte `at` to byte `end` of a datagram. `message`
    /// holds the datagram's first bytes: it must reach as far as the attributes' headers, and need
    /// not hold their content.
    #[must_use]
    pub const fn new(message: &'a [u8], at: usize, end: usize) -> Self {
        Self {
            message,
            at,
            end,
            seen: 0,
        }
    }

    fn step(&mut self) -> Result<Attribute, ParseError> {
        let (at, left) = (self.at, self.end - self.at);
        self.at = self.end;
        if left < 4 {
            return Err(ParseError::NoAttributeHeader { at, left });
        }
        let header: [u8; 4] =
            self.message
                .get(at..)
                .and_then(<[u8]>::first_chunk)
                .copied()
                .ok_or(ParseError::MetadataTooLong {
                    at,
                    limit: self.message.len(),
                })?;
        let stated = u16::from_ne_bytes([header[0], header[1]]);
        // The two highest bits say if the content is nested and if it is in network byte order.
        // They are no part of the type.
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        let length = usize::from(stated);
        if length < 4 || length > left {
            return Err(ParseError::AttributeLength {
                attribute: kind,
                stated,
                left,
            });
        }
        if kind < 64 {
            if self.seen & (1 << kind) != 0 {
                return Err(ParseError::DuplicateAttribute { attribute: kind });
            }
            self.seen |= 1 << kind;
        }
        self.at = at + length.next_multiple_of(4).min(left);
        Ok(Attribute {
            kind,
            content: Span {
                start: at + 4,
                length: length - 4,
            },
        })
    }
}

impl Iterator for Attributes<'_> {
    type Item = Result<Attribute, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.at < self.end).then(|| self.step())
    }
}
