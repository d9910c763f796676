//! From a datagram of nfnetlink's to a frame of `ip_queue`'s, in the caller's buffer.

use super::answer::{Answer, Quoted, Reason, Reply};
use super::message::{ParseError, Span, header, kind};
use super::options::Options;
use super::packet::{Device, QueuedPacket};
use super::request::START;
use super::scattered::{self, FIXED, Origin};
use crate::errno::Errno;
use crate::transport::TransportError;
use crate::wire::{Abi, Envelope, ErrorMessage, Header, PortId, padding};

/// A datagram from the kernel.
pub(super) struct Received<'a> {
    /// Where it was received.
    pub(super) origin: Origin<'a>,
    /// How many of its bytes were received.
    pub(super) copied: usize,
    /// How many it had.
    pub(super) length: usize,
    /// Those of the queue that it came from.
    pub(super) options: &'a Options,
    /// Who has attached to it, or 0.
    pub(super) peer: PortId,
}

/// What became of a datagram. A frame is in the buffer as far as that has room, and its whole length is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Translated {
    /// A PACKET frame, for the packet with this id.
    Packet {
        frame: usize,
        id: u32,
        /// How many bytes of the datagram come before the packet's; none if there are none of the packet's.
        before: Option<usize>,
    },
    /// A packet for which `ip_queue` had another queue or none, by its id. It is still queued.
    OtherFamily(u32),
    /// An answer.
    Answer {
        /// An `NLMSG_ERROR` frame, unless the answer was not to a message of the program's.
        frame: Option<usize>,
        /// Whether the queue is not bound after all.
        attach_failed: bool,
    },
}

impl Received<'_> {
    /// Makes a frame in `buffer`. `devices` knows two devices, as for [`QueuedPacket::metadata`]; `permitted` whether the capability
    /// is there now.
    pub(super) fn translate(
        &self,
        buffer: &mut [u8],
        devices: impl FnOnce([u32; 2]) -> [Device; 2],
        permitted: impl FnOnce() -> bool,
    ) -> Result<Translated, ParseError> {
        match header(self.start(buffer), self.length)?.message_type.to_wire() {
            kind::PACKET => self.packet(buffer, devices),
            kind::ANSWER => self.answer(buffer, permitted),
            message_type => Err(ParseError::UnknownMessage { message_type }),
        }
    }

    fn start<'b>(&'b self, buffer: &'b [u8]) -> &'b [u8] {
        scattered::start(self.origin, buffer, self.copied)
    }

    fn packet(
        &self,
        buffer: &mut [u8],
        devices: impl FnOnce([u32; 2]) -> [Device; 2],
    ) -> Result<Translated, ParseError> {
        let packet = QueuedPacket::parse(self.start(buffer), self.length)?;
        if packet.queue != self.options.queue_number {
            return Err(ParseError::WrongQueue {
                stated: packet.queue,
                bound: self.options.queue_number,
            });
        }
        if packet.ip_family() != Some(self.options.family) {
            return Ok(Translated::OtherFamily(packet.id));
        }
        let Span { start, length } = packet.payload;
        let known = self.start(buffer).get(start..).unwrap_or_default();
        let metadata = packet.metadata(known.get(..length).unwrap_or(known), devices);
        scattered::place(self.origin, buffer, packet.payload, FIXED);
        match buffer.first_chunk_mut() {
            // Written where it stays: what was just written field by field is slow to be moved.
            Some(room) => metadata.write_head(room, length),
            None => scattered::write(buffer, &metadata.head(Abi::NATIVE, length), 0),
        }
        Ok(Translated::Packet {
            frame: padded(buffer, FIXED + length),
            id: packet.id,
            before: (length > 0).then_some(start),
        })
    }

    fn answer(&self, buffer: &mut [u8], permitted: impl FnOnce() -> bool) -> Result<Translated, ParseError> {
        /// Where the quoted message begins.
        const QUOTED: usize = Header::BYTES + 4;
        let Answer {
            reply,
            attach_failed,
            sequence,
        } = Answer::parse(self.start(buffer), self.length, self.peer)?;
        let (Errno(number), quoted) = match reply {
            Reply::None => {
                return Ok(Translated::Answer {
                    frame: None,
                    attach_failed,
                });
            }
            Reply::Acknowledgement(header) => {
                scattered::write(buffer, &header.write(Abi::NATIVE), QUOTED);
                (Errno(0), Header::BYTES)
            }
            Reply::Refusal { reason, quoted } => {
                let length = match quoted {
                    Quoted::Carried([first, rest]) => {
                        let mut moves = [(first, QUOTED), (rest, QUOTED + first.length)];
                        // Neither may be written over before it has moved: what begins beside the buffer comes from there last.
                        if let Origin::Beside(_) = self.origin {
                            moves.reverse();
                        }
                        for (from, to) in moves {
                            scattered::place(self.origin, buffer, from, to);
                        }
                        first.length + rest.length
                    }
                    Quoted::Retold(start, following) => {
                        scattered::place(self.origin, buffer, following, QUOTED + START);
                        scattered::write(buffer, &start, QUOTED);
                        START + following.length
                    }
                };
                let errno = match reason {
                    Reason::Number(errno) => errno,
                    Reason::NotPermittedOrTaken if permitted() => Errno::EBUSY,
                    Reason::NotPermittedOrTaken => Errno::EPERM,
                };
                (errno, length)
            }
        };
        // The request's sequence, and the sending socket's port id (ERR-2).
        let envelope = Envelope {
            sequence,
            port_id: self.options.port_id,
            ..Envelope::default()
        };
        let head = ErrorMessage::head(-number, Abi::NATIVE, envelope, quoted);
        scattered::write(buffer, &head, 0);
        Ok(Translated::Answer {
            frame: Some(padded(buffer, QUOTED + quoted)),
            attach_failed,
        })
    }
}

/// Pads a frame of `length` bytes to a multiple of 4 with zeros, and returns its length then.
pub(super) fn padded(buffer: &mut [u8], length: usize) -> usize {
    let padding = padding(length);
    if padding > 0 {
        scattered::write(buffer, &[0; 3][..padding], length);
    }
    length + padding
}

impl From<ParseError> for TransportError {
    fn from(error: ParseError) -> Self {
        Self::Untranslatable(error)
    }
}
