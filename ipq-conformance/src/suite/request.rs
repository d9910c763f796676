//! Messages from a program to the queue of `ip_queue`, for tests.

use bytes::Bytes;
use ipq_core::wire::{Abi, Envelope, Flags, Header, MessageType, ModeRequest, VerdictRequest};
use ipq_core::{CopyMode, PacketId, PortId, Verdict};

/// A message to the queue of `ip_queue`. Unless a method changes it, it has the flag REQUEST alone
/// and sequence 0, as the messages of libipq have.
///
/// The header has the port id of the socket that sends the message, unless
/// [`port_id`](Request::port_id) sets another.
#[derive(Clone, Debug)]
pub struct Request {
    body: Body,
    flags: Flags,
    sequence: u32,
    port_id: Option<PortId>,
    message_type: Option<u16>,
    stated_length: Option<u32>,
    following: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Body {
    Mode(ModeRequest),
    Verdict(VerdictRequest),
    Other(u16, Vec<u8>),
}

impl Request {
    /// Returns a MODE message with this copy mode and range.
    #[must_use]
    pub fn mode(mode: CopyMode, range: u64) -> Self {
        Self::new(Body::Mode(ModeRequest { mode, range }))
    }

    /// Returns a VERDICT message for the packet with this id, without a replacement.
    #[must_use]
    pub fn verdict(packet_id: PacketId, verdict: Verdict) -> Self {
        Self::new(Body::Verdict(VerdictRequest {
            verdict,
            packet_id,
            data_len: 0,
        }))
    }

    /// Returns a message with this type and body, neither of which is checked.
    #[must_use]
    pub fn raw(message_type: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(Body::Other(message_type, body.into()))
    }

    fn new(body: Body) -> Self {
        Self {
            body,
            flags: Flags::REQUEST,
            sequence: 0,
            port_id: None,
            message_type: None,
            stated_length: None,
            following: Vec::new(),
        }
    }

    /// Sets the bytes after the message's structure to a packet that replaces the queued one, and
    /// `data_len` of a VERDICT message to its length.
    #[must_use]
    pub fn replacement(mut self, packet: &[u8]) -> Self {
        self.following = packet.to_vec();
        self.data_len(packet.len() as u64)
    }

    /// Sets the field `data_len` of a VERDICT message, which may differ from the number of bytes
    /// that follow. Changes nothing in other messages.
    #[must_use]
    pub fn data_len(mut self, data_len: u64) -> Self {
        if let Body::Verdict(request) = &mut self.body {
            request.data_len = data_len;
        }
        self
    }

    /// Sets the bytes after the message's structure, in place of any replacement. The length in the
    /// header counts them, and `data_len` does not.
    #[must_use]
    pub fn following(mut self, bytes: &[u8]) -> Self {
        self.following = bytes.to_vec();
        self
    }

    /// Sets all flags in the header.
    #[must_use]
    pub const fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// Adds the flag ACK, so that the queue answers a success, too.
    #[must_use]
    pub fn ack(mut self) -> Self {
        self.flags = self.flags | Flags::ACK;
        self
    }

    /// Sets the sequence number in the header.
    #[must_use]
    pub const fn sequence(mut self, sequence: u32) -> Self {
        self.sequence = sequence;
        self
    }

    /// Sets the port id in the header.
    #[must_use]
    pub const fn port_id(mut self, port_id: PortId) -> Self {
        self.port_id = Some(port_id);
        self
    }

    /// Sets the message type in the header. The body stays as it is.
    #[must_use]
    pub const fn message_type(mut self, message_type: u16) -> Self {
        self.message_type = Some(message_type);
        self
    }

    /// Sets the length in the header, which may differ from the number of bytes. Without this call
    /// the header has the number of bytes.
    #[must_use]
    pub const fn stated_length(mut self, length: u32) -> Self {
        self.stated_length = Some(length);
        self
    }

    /// Returns the bytes of the datagram, in the word size and byte order of `abi`. The port id in
    /// the header is `sender` unless [`port_id`](Request::port_id) set one.
    #[must_use]
    pub fn bytes(&self, abi: Abi, sender: PortId) -> Bytes {
        let envelope = Envelope {
            flags: self.flags,
            sequence: self.sequence,
            port_id: self.port_id.unwrap_or(sender),
        };
        let mut bytes = match &self.body {
            Body::Mode(request) => request.head(abi, envelope).to_vec(),
            Body::Verdict(request) => request.head(abi, envelope, self.following.len()).to_vec(),
            Body::Other(kind, body) => {
                let mut bytes = self
                    .header(envelope, MessageType::from_wire(*kind), 0)
                    .write(abi)
                    .to_vec();
                bytes.extend_from_slice(body);
                bytes
            }
        };
        bytes.extend_from_slice(&self.following);
        let kind = match (&self.body, self.message_type) {
            (_, Some(kind)) => MessageType::from_wire(kind),
            (Body::Mode(_), None) => MessageType::Mode,
            (Body::Verdict(_), None) => MessageType::Verdict,
            (Body::Other(kind, _), None) => MessageType::from_wire(*kind),
        };
        let header = self.header(envelope, kind, bytes.len()).write(abi);
        bytes[..Header::BYTES].copy_from_slice(&header);
        bytes.into()
    }

    fn header(&self, envelope: Envelope, message_type: MessageType, length: usize) -> Header {
        Header {
            length: self.stated_length.unwrap_or(length as u32),
            message_type,
            flags: envelope.flags,
            sequence: envelope.sequence,
            port_id: envelope.port_id,
        }
    }
}
