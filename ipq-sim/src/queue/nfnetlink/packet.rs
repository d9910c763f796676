//! Packet messages: what an owner is told of a packet, in the kernel's order (NFQ-80 to NFQ-90).

use super::Datagram;
use super::attributes::{Attributes, Note};
use super::messages::Request;
use arrayvec::ArrayVec;
use bytes::Bytes;
use ipq_core::Errno;
use ipq_core::wire::nfnetlink::{attribute, message_type};

/// The error of a message of the type that only the kernel sends.
pub(super) const ENOTSUPP: Errno = Errno(524);
/// The number of bytes that the kernel allocates for a packet message, apart from those for the
/// packet and for its sender's ids. It includes a time of arrival, which the kernel counts for
/// every packet while some socket asks for such times, and here one always does (NFQ-101).
const RECKONED: usize = 124 + 20;
/// The number of bytes that the kernel allocates for the ids of a packet's sender.
const RECKONED_FOR_OWNER: usize = 16;

/// A packet, and what the kernel knows of it when it is queued. Numbers of devices are 0 if there
/// is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedPacket<'p> {
    /// The address family: 2 for IPv4, 10 for IPv6.
    pub family: u8,
    /// The hook, 0 (PREROUTING) to 4 (POSTROUTING).
    pub hook: u8,
    /// The packet's protocol, by its Ethernet number.
    pub hw_protocol: u16,
    /// The number of the device that the packet came in by.
    pub incoming: u32,
    /// The number of the bridge's port that the packet came in by.
    pub physical_incoming: u32,
    /// The number of the device that the packet will leave by.
    pub outgoing: u32,
    /// The number of the bridge's port that the packet will leave by.
    pub physical_outgoing: u32,
    /// The netfilter mark.
    pub mark: u32,
    /// The priority, which a router derives from the type of service.
    pub priority: u32,
    /// The link-layer source address: its length, and eight bytes. `None` if the link layer has
    /// none.
    pub hardware_address: Option<(u16, [u8; 8])>,
    /// The time at which the packet arrived, in seconds and microseconds since 1970; `None` if it
    /// was not noted.
    pub arrived: Option<(u64, u64)>,
    /// The user id and group id of the local socket that sent the packet; `None` if none did.
    pub owner: Option<(u32, u32)>,
    /// The state of the checksum: see `NFQA_SKB_INFO`. 1: it is yet to be filled in. 2: the packet
    /// is yet to be cut into segments. 4: nobody has verified it.
    pub checksum_state: u32,
    /// The packet, from its network header on.
    pub bytes: &'p Bytes,
}

impl QueuedPacket<'_> {
    /// Returns the message about the packet. It has at most `range` bytes of the packet; none in
    /// mode META, where `range` is `None`.
    pub(super) fn datagram(&self, number: u16, id: u32, range: Option<u32>, with_owner: bool) -> Datagram {
        let copied = range.map_or(0, |range| self.bytes.len().min(range as usize));
        let mut message = Message(ArrayVec::new());
        let [high, low] = number.to_be_bytes();
        message
            .add(&[0; 4])
            .add(&message_type::PACKET.to_ne_bytes())
            .add(&[0; 10]);
        message.add(&[self.family, 0, high, low]);
        self.describe(&mut message, id);
        if let Some((user, group)) = self.owner.filter(|_| with_owner) {
            message
                .number(attribute::USER_ID, user)
                .number(attribute::GROUP_ID, group);
        }
        if range.is_some() {
            message.number_unless(
                self.bytes.len() <= copied,
                attribute::FULL_LENGTH,
                self.bytes.len() as u32,
            );
        }
        message.number_unless(self.checksum_state == 0, attribute::CHECKSUM_STATE, self.checksum_state);
        if copied > 0 {
            message.begin(attribute::PAYLOAD, copied);
        }
        let Message(mut head) = message;
        let length = (head.len() + copied) as u32;
        if let Some(field) = head.first_chunk_mut() {
            *field = length.to_ne_bytes();
        }
        Datagram {
            head,
            payload: self.bytes.slice(..copied),
            allocated: allocated(copied, with_owner),
        }
    }

    /// Adds the attributes that say what is known of the packet, apart from its owner and its
    /// bytes.
    fn describe(&self, message: &mut Message, id: u32) {
        let [i0, i1, i2, i3] = id.to_be_bytes();
        let [p0, p1] = self.hw_protocol.to_be_bytes();
        message.attribute(attribute::PACKET_HEADER, &[i0, i1, i2, i3, p0, p1, self.hook]);
        for (kind, number) in [
            (attribute::INCOMING_DEVICE, self.incoming),
            (attribute::INCOMING_PORT, self.physical_incoming),
            (attribute::OUTGOING_DEVICE, self.outgoing),
            (attribute::OUTGOING_PORT, self.physical_outgoing),
            (attribute::MARK, self.mark),
            (attribute::PRIORITY, self.priority),
        ] {
            message.number_unless(number == 0, kind, number);
        }
        if let Some((length, address)) = self.hardware_address {
            message.begin(attribute::HARDWARE_ADDRESS, 12);
            message.add(&length.to_be_bytes()).add(&[0; 2]).add(&address);
        }
        if let Some((seconds, microseconds)) = self.arrived {
            message.begin(attribute::TIMESTAMP, 16);
            message.add(&seconds.to_be_bytes()).add(&microseconds.to_be_bytes());
        }
    }
}

/// Returns the number of bytes that the kernel allocates for a message with `copied` bytes of its
/// packet (NFQ-101).
pub(super) fn allocated(copied: usize, with_owner: bool) -> usize {
    RECKONED + copied + RECKONED_FOR_OWNER * usize::from(with_owner)
}

/// A message that is being written.
struct Message(ArrayVec<u8, { Datagram::HEAD_BYTES }>);

impl Message {
    fn add(&mut self, bytes: &[u8]) -> &mut Self {
        let added = self.0.try_extend_from_slice(bytes);
        debug_assert!(added.is_ok(), "all that is ever said of a packet has room");
        self
    }

    /// Begins an attribute whose `length` bytes follow.
    fn begin(&mut self, kind: u16, length: usize) -> &mut Self {
        self.add(&(length as u16 + 4).to_ne_bytes()).add(&kind.to_ne_bytes())
    }

    fn attribute(&mut self, kind: u16, content: &[u8]) -> &mut Self {
        let padding = content.len().wrapping_neg() % 4;
        self.begin(kind, content.len()).add(content).add(&[0; 3][..padding])
    }

    fn number(&mut self, kind: u16, number: u32) -> &mut Self {
        self.attribute(kind, &number.to_be_bytes())
    }

    fn number_unless(&mut self, left_out: bool, kind: u16, number: u32) -> &mut Self {
        if left_out { self } else { self.number(kind, number) }
    }
}

/// Refuses a message of the type that only the kernel sends, after its attributes were read.
pub(super) fn refuse(request: &Request<'_>) -> (Result<(), Errno>, Note) {
    match Attributes::<1>::read(request.bytes, &[]) {
        Ok(attributes) => (Err(ENOTSUPP), attributes.note),
        Err((errno, note)) => (Err(errno), note),
    }
}
