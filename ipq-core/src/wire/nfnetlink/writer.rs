//! Writing messages.

use crate::wire::{Abi, Envelope, Header, MessageType, padding};
use arrayvec::ArrayVec;

/// A buffer of `N` bytes, which a [`Writer`] fills with messages. It holds the bytes itself,
/// without an allocation.
#[derive(Clone, Debug, Default)]
pub struct Room<const N: usize>(ArrayVec<u8, N>);

impl<const N: usize> Room<N> {
    /// Makes an empty buffer.
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self(ArrayVec::new())
    }
}

/// A writer that puts messages one after the other into a [`Room`]. [`attribute`](Self::attribute)
/// pads what it adds, so that another message can follow; after [`content`](Self::content) the
/// caller does so with [`pad`](Self::pad).
///
/// ```
/// use ipq_core::wire::nfnetlink::{Room, Writer, attribute, command, message_type};
/// use ipq_core::wire::{Envelope, Flags};
///
/// let mut room = Room::<64>::new();
/// let mut writer = Writer::new(&mut room);
/// let envelope = Envelope { flags: Flags::REQUEST, ..Envelope::default() };
/// let bind = [command::BIND, 0, 0, 0];
/// writer.message(message_type::CONFIG, envelope, 0, 7).attribute(attribute::CONFIG_COMMAND, &bind).end(0);
/// assert_eq!(writer.written().map(<[u8]>::len), Some(28));
/// ```
#[derive(Debug)]
pub struct Writer<'r, const N: usize> {
    room: &'r mut ArrayVec<u8, N>,
    /// The offset in the room of the message that was begun last.
    message: usize,
    /// `false` once something that was to be written had no room.
    fits: bool,
}

impl<'r, const N: usize> Writer<'r, N> {
    /// Makes a writer that writes into `room`, after what is there.
    #[must_use]
    #[inline]
    pub const fn new(room: &'r mut Room<N>) -> Self {
        Self {
            room: &mut room.0,
            message: 0,
            fits: true,
        }
    }

    /// Returns the number of bytes in the room: those written so far, and those that were there
    /// before.
    #[must_use]
    #[inline]
    pub const fn length(&self) -> usize {
        self.room.len()
    }

    /// Begins a message with its two headers: netlink's, and nfnetlink's with this protocol family
    /// and queue number. [`end`](Self::end) fills in the message's length.
    #[inline]
    pub fn message(&mut self, message_type: u16, envelope: Envelope, family: u8, queue: u16) -> &mut Self {
        self.message = self.length();
        let Envelope {
            flags,
            sequence,
            port_id,
        } = envelope;
        let header = Header {
            length: 0,
            message_type: MessageType::from_wire(message_type),
            flags,
            sequence,
            port_id,
        };
        let [high, low] = queue.to_be_bytes();
        self.raw(&header.write(Abi::NATIVE)).raw(&[family, 0, high, low])
    }

    /// Adds an attribute: its header, its content, and padding to a multiple of 4. The content
    /// should have at most [`LONGEST_CONTENT`](super::LONGEST_CONTENT) bytes: of a longer one only
    /// the low 16 bits of the length are stated.
    #[inline]
    pub fn attribute(&mut self, kind: u16, content: &[u8]) -> &mut Self {
        let length = content.len();
        self.attribute_header(kind, length).raw(content).pad(length)
    }

    /// Adds the header of an attribute with `length` bytes of content, which the caller adds, or
    /// sends behind what is written.
    #[inline]
    pub fn attribute_header(&mut self, kind: u16, length: usize) -> &mut Self {
        let stated = (length.wrapping_add(4)) as u16;
        self.raw(&stated.to_ne_bytes()).raw(&kind.to_ne_bytes())
    }

    /// Adds content of the attribute whose header was added last, without padding.
    #[inline]
    pub fn content(&mut self, bytes: &[u8]) -> &mut Self {
        self.raw(bytes)
    }

    /// Adds the zeros that pad content of `length` bytes to a multiple of 4.
    #[inline]
    pub fn pad(&mut self, length: usize) -> &mut Self {
        self.raw(&[0; 3][..padding(length)])
    }

    /// Ends the message that was begun last: writes its length into its header. The length counts
    /// what was written of the message, and `following` more bytes, which the caller sends behind
    /// it.
    #[inline]
    pub fn end(&mut self, following: usize) -> &mut Self {
        let length = (self.length() - self.message).saturating_add(following);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if let Some(field) = self.room.get_mut(self.message..self.message + 4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
        self
    }

    /// Returns all bytes in the room, or `None` if something that was to be written did not fit.
    #[must_use]
    #[inline]
    pub fn written(&self) -> Option<&[u8]> {
        self.fits.then_some(self.room)
    }

    #[inline(always)]
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.fits &= self.room.try_extend_from_slice(bytes).is_ok();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Attributes, HEADER_BYTES, attribute, message_type, parse_header};
    use super::*;
    use crate::wire::{Flags, PortId};
    use pretty_assertions::assert_eq;

    const ENVELOPE: Envelope = Envelope {
        flags: Flags::REQUEST,
        sequence: 5,
        port_id: PortId(6),
    };

    #[test]
    fn what_is_written_is_read_again() {
        let mut room = Room::<256>::new();
        let mut writer = Writer::new(&mut room);
        writer
            .message(message_type::VERDICT, ENVELOPE, 2, 0x0107)
            .attribute(attribute::MARK, &[1, 2, 3, 4])
            .attribute_header(attribute::PAYLOAD, 3)
            .end(3);
        let datagram = [writer.written().expect("it fits"), &[7, 8, 9]].concat();
        let header = parse_header(&datagram, datagram.len()).expect("a header");
        assert_eq!(header.length as usize, datagram.len());
        assert_eq!((header.sequence, header.port_id), (5, PortId(6)));
        assert_eq!(datagram[Header::BYTES..HEADER_BYTES], [2, 0, 1, 7]);
        let contents: Vec<_> = Attributes::new(&datagram, HEADER_BYTES, datagram.len())
            .map(|found| found.expect("an attribute"))
            .map(|found| (found.kind, &datagram[found.content.start..][..found.content.length]))
            .collect();
        let expected: [(u16, &[u8]); 2] = [(attribute::MARK, &[1, 2, 3, 4]), (attribute::PAYLOAD, &[7, 8, 9])];
        assert_eq!(contents, expected);
    }

    #[test]
    fn what_does_not_fit_is_not_taken_for_whole() {
        let mut room = Room::<24>::new();
        let mut writer = Writer::new(&mut room);
        writer.message(message_type::CONFIG, ENVELOPE, 0, 0).end(0);
        assert_eq!(writer.written().map(<[u8]>::len), Some(20));
        writer.attribute(attribute::MARK, &[0; 4]).end(0);
        assert_eq!(writer.written(), None);
    }

    #[test]
    fn a_message_follows_the_one_before_it() {
        let mut room = Room::<64>::new();
        let mut writer = Writer::new(&mut room);
        writer
            .message(message_type::CONFIG, ENVELOPE, 0, 0)
            .attribute(attribute::CONFIG_FLAGS, &[1, 2, 3, 4, 5])
            .end(0);
        let first = writer.length();
        writer.message(message_type::CONFIG, ENVELOPE, 0, 0).end(0);
        let datagram = writer.written().expect("it fits");
        assert_eq!(first, 32);
        let lengths = [0, first].map(|at| Header::parse(&datagram[at..], Abi::NATIVE).map(|header| header.length));
        assert_eq!(lengths, [Some(32), Some(20)]);
    }
}
