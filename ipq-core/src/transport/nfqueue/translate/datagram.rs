//! From a datagram of nfnetlink to a frame of `ip_queue`, in the caller's buffer.

use super::answer::{Answer, Quoted, Reason, Reply};
use super::headroom::{self, FRAME_HEAD, Origin};
use super::packet;
use super::request::HEAD_BYTES;
use crate::errno::Errno;
use crate::transport::TransportError;
use crate::transport::nfqueue::Device;
use crate::transport::nfqueue::options::Options;
use crate::wire::nfnetlink::{ParseError, QueuedPacket, Span, message_type, parse_header};
use crate::wire::{Abi, Envelope, ErrorMessage, Header, PortId, padding};

/// The offset in an answer of the message that the answer quotes.
const QUOTE: usize = ErrorMessage::QUOTE_OFFSET;

/// A datagram that came from the kernel, and the queue that it came from.
pub(crate) struct Received<'a> {
    /// The place where the datagram was received.
    pub(crate) origin: Origin<'a>,
    /// The number of the datagram's bytes that were received.
    pub(crate) copied: usize,
    /// The number of bytes that the datagram had.
    pub(crate) length: usize,
    /// The options of the queue that the datagram came from.
    pub(crate) options: &'a Options,
    /// The port id that has attached to the queue; 0 if none has.
    pub(crate) peer: PortId,
}

/// The result of translating a datagram. A frame is in the buffer as far as the buffer has room for
/// it; the frame's length is given in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Translated {
    /// A PACKET frame of `frame` bytes, for the packet with the id `id`.
    Packet {
        frame: usize,
        id: u32,
        /// The number of the datagram's bytes before the packet's bytes; `None` if the datagram has
        /// no bytes of the packet.
        before: Option<usize>,
    },
    /// A packet with this id that makes no frame: it is not of the queue's family, so `ip_queue`
    /// had it in another queue or in none. The packet still waits for a verdict.
    OtherFamily(u32),
    /// An answer of the kernel to a message.
    Answer {
        /// The length of an `NLMSG_ERROR` frame; `None` if the answer is to a message of the
        /// transport's own.
        frame: Option<usize>,
        /// `true` if the answer means that this socket has not bound the queue.
        attach_failed: bool,
    },
}

impl Received<'_> {
    /// Translates the datagram to a frame in `buffer`. A packet that is not of the queue's family,
    /// and an answer to a message of the transport's own, make no frame. `devices` looks up two
    /// devices by their indices, the incoming one first. `permitted` returns `true` if the program
    /// has the capability now. Returns an error, among others, for a datagram that is damaged, that
    /// is neither a packet nor an answer, or that is a packet of another queue.
    pub(crate) fn translate(
        &self,
        buffer: &mut [u8],
        devices: impl FnOnce([u32; 2]) -> [Device; 2],
        permitted: impl FnOnce() -> bool,
    ) -> Result<Translated, ParseError> {
        let header = parse_header(self.front(buffer), self.length)?;
        match header.message_type.to_wire() {
            message_type::PACKET => self.packet(buffer, devices),
            message_type::ERROR => self.answer(buffer, permitted),
            message_type => Err(ParseError::UnknownMessage { message_type }),
        }
    }

    fn front<'b>(&'b self, buffer: &'b [u8]) -> &'b [u8] {
        headroom::front(self.origin, buffer, self.copied)
    }

    fn packet(
        &self,
        buffer: &mut [u8],
        devices: impl FnOnce([u32; 2]) -> [Device; 2],
    ) -> Result<Translated, ParseError> {
        let packet = QueuedPacket::parse(self.front(buffer), self.length)?;
        if packet.queue != self.options.queue_number {
            return Err(ParseError::WrongQueue {
                stated: packet.queue,
                bound: self.options.queue_number,
            });
        }
        if packet::family_of(&packet) != Some(self.options.family) {
            return Ok(Translated::OtherFamily(packet.id));
        }
        let Span { start, length } = packet.payload;
        let at_hand = self.front(buffer).get(start..).unwrap_or_default();
        let payload = at_hand.get(..length).unwrap_or(at_hand);
        let metadata = packet::metadata(&packet, payload, devices);
        if length > 0 {
            headroom::place(self.origin, buffer, packet.payload, FRAME_HEAD);
        }
        match buffer.first_chunk_mut() {
            // The head is written in its place, since bytes that were just written field by field
            // are slow to move.
            Some(room) => metadata.write_head(room, length),
            None => headroom::write(buffer, &metadata.head(Abi::NATIVE, length), 0),
        }
        Ok(Translated::Packet {
            frame: pad(buffer, FRAME_HEAD + length),
            id: packet.id,
            before: (length > 0).then_some(start),
        })
    }

    fn answer(&self, buffer: &mut [u8], permitted: impl FnOnce() -> bool) -> Result<Translated, ParseError> {
        let Answer {
            reply,
            attach_failed,
            sequence,
        } = Answer::parse(self.front(buffer), self.length, self.peer)?;
        let (Errno(number), quoted) = match reply {
            Reply::None => {
                return Ok(Translated::Answer {
                    frame: None,
                    attach_failed,
                });
            }
            Reply::Acknowledgement(header) => {
                headroom::write(buffer, &header.write(Abi::NATIVE), QUOTE);
                (Errno(0), Header::BYTES)
            }
            Reply::Refusal { reason, quoted } => {
                let length = self.place_quote(buffer, quoted);
                (errno_of(reason, permitted), length)
            }
        };
        // The request's sequence, and the sending socket's port id (ERR-2).
        let envelope = Envelope {
            sequence,
            port_id: self.options.port_id,
            ..Envelope::default()
        };
        let head = ErrorMessage::head(-number, Abi::NATIVE, envelope, quoted);
        headroom::write(buffer, &head, 0);
        Ok(Translated::Answer {
            frame: Some(pad(buffer, QUOTE + quoted)),
            attach_failed,
        })
    }

    /// Puts the program's `ip_queue` message that was refused, which the kernel's answer brings
    /// back, to its place in the frame, as far as `buffer` has room. Returns the whole length of
    /// that message in bytes.
    fn place_quote(&self, buffer: &mut [u8], quoted: Quoted) -> usize {
        match quoted {
            Quoted::Embedded([head, tail]) => {
                let mut moves = [(head, QUOTE), (tail, QUOTE + head.length)];
                // Neither part may be written over before it has moved: the head comes last if it
                // is in a bounce buffer.
                if let Origin::Bounced(_) = self.origin {
                    moves.reverse();
                }
                for (from, to) in moves {
                    headroom::place(self.origin, buffer, from, to);
                }
                head.length + tail.length
            }
            Quoted::Rebuilt(head, tail) => {
                headroom::place(self.origin, buffer, tail, QUOTE + HEAD_BYTES);
                headroom::write(buffer, &head, QUOTE);
                HEAD_BYTES + tail.length
            }
        }
    }
}

/// Returns the error number that `ip_queue` gave for `reason`. If nfnetlink's EPERM can have two
/// reasons, asks `permitted`: EBUSY if the sender has the capability, since another socket has then
/// bound the queue, and EPERM if it has not.
fn errno_of(reason: Reason, permitted: impl FnOnce() -> bool) -> Errno {
    match reason {
        Reason::Number(errno) => errno,
        Reason::NotPermittedOrTaken if permitted() => Errno::EBUSY,
        Reason::NotPermittedOrTaken => Errno::EPERM,
    }
}

/// Pads the frame of `length` bytes at the start of `buffer` with zeros to a multiple of 4, as far
/// as the buffer has room. Returns the padded length.
pub(crate) fn pad(buffer: &mut [u8], length: usize) -> usize {
    let padding = padding(length);
    if padding > 0 {
        headroom::write(buffer, &[0; 3][..padding], length);
    }
    length + padding
}

impl From<ParseError> for TransportError {
    fn from(error: ParseError) -> Self {
        Self::Untranslatable(error)
    }
}
