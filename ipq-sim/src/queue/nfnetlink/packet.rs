//! Packet messages: the attributes that tell a queue's owner of a packet, in the kernel's order
//! (NFQ-80 to NFQ-90).

use super::attributes::{Attributes, Note};
use super::messages::Request;
use super::{Datagram, Head, Rules};
use bytes::Bytes;
use ipq_core::Errno;
use ipq_core::wire::nfnetlink::{attribute, message_type};

/// The error of a message from a program with the type PACKET, which only the kernel sends.
const ENOTSUPP: Errno = Errno(524);
/// The number of bytes that the kernel allocates for a packet's time of arrival. It counts them for
/// every packet while some socket asks for such times, and here one always does (NFQ-101).
const TIME_BYTES: usize = 20;
/// The number of bytes that the kernel allocates for the user id and group id of a packet's sender.
const OWNER_BYTES: usize = 16;

/// A packet that is offered to a queue, and what the kernel knows of it. The number of a device is
/// 0 if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedPacket<'p> {
    /// The packet's address family: 2 for IPv4, 10 for IPv6.
    pub family: u8,
    /// The number of the hook, from 0 (PREROUTING) to 4 (POSTROUTING).
    pub hook: u8,
    /// The packet's protocol as an `EtherType`, such as 0x0800 for IPv4.
    pub hw_protocol: u16,
    /// The number of the device that the packet came in by.
    pub incoming: u32,
    /// The number of the bridge port that the packet came in by.
    pub physical_incoming: u32,
    /// The number of the device that the packet will leave by.
    pub outgoing: u32,
    /// The number of the bridge port that the packet will leave by.
    pub physical_outgoing: u32,
    /// The netfilter mark.
    pub mark: u32,
    /// The packet's priority for sending, `skb->priority` in the kernel. 0 is left out of the
    /// message.
    pub priority: u32,
    /// The link-layer source address: its length, and the whole field of eight bytes, whose first
    /// bytes are the address. `None` if the packet came with no link-layer header.
    pub hardware_address: Option<(u16, [u8; 8])>,
    /// The time at which the packet arrived, in seconds and microseconds since 1970; `None` if it
    /// has no time stamp.
    pub arrived: Option<(u64, u64)>,
    /// The user id and group id of the local socket that sent the packet; `None` for a packet from
    /// outside.
    pub owner: Option<(u32, u32)>,
    /// The state of the checksum, as in `NFQA_SKB_INFO`, a sum of bits: 1 if it is still to be
    /// filled in, 2 if the packet is still to be cut into segments, 4 if nobody has verified it.
    pub checksum_state: u32,
    /// The packet, from its network header on.
    pub bytes: &'p Bytes,
}

impl QueuedPacket<'_> {
    /// Returns the message about the packet, for queue `number` and under packet id `id`. It has at
    /// most `range` of the packet's bytes, and none if `range` is `None` (mode META). The user id
    /// and group id of the packet's sender are in it only if `with_owner` is `true`.
    pub(super) fn datagram(
        &self,
        number: u16,
        id: u32,
        range: Option<u32>,
        with_owner: bool,
        rules: &Rules,
    ) -> Datagram {
        let copied = range.map_or(0, |range| self.bytes.len().min(range as usize));
        let mut datagram = Datagram {
            head: Head::new(),
            payload: self.bytes.slice(..copied),
            allocated: allocated(copied, with_owner, rules),
        };
        let mut message = Message(&mut datagram.head);
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
        let length = datagram.len() as u32;
        if let Some(field) = datagram.head.first_chunk_mut() {
            *field = length.to_ne_bytes();
        }
        datagram
    }

    /// Adds attributes about the packet to a message: one with the packet's id, protocol and hook,
    /// and then those for devices and bridge ports, mark, priority, link-layer address and time of
    /// arrival. Leaves out a number that is 0 (device, port, mark, priority), and an address or
    /// time that the packet does not have.
    fn describe(&self, message: &mut Message<'_>, id: u32) {
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

/// Returns the number of bytes that the kernel allocates for a packet message with `copied` bytes
/// of the packet (NFQ-101). `with_owner` adds those for the user id and group id of the packet's
/// sender.
pub(super) fn allocated(copied: usize, with_owner: bool, rules: &Rules) -> usize {
    rules.message_bytes + TIME_BYTES + copied + OWNER_BYTES * usize::from(with_owner)
}

/// A packet message that is being written, up to the packet's bytes.
struct Message<'a>(&'a mut Head);

impl Message<'_> {
    fn add(&mut self, bytes: &[u8]) -> &mut Self {
        let added = self.0.try_extend_from_slice(bytes);
        debug_assert!(added.is_ok(), "all that is ever said of a packet has room");
        self
    }

    /// Begins an attribute of type `kind`, whose `length` bytes of content follow.
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

/// Refuses a message of type PACKET, which only the kernel sends. Returns the error 524, and the
/// note for the answer.
pub(super) fn refuse(request: &Request<'_>) -> (Result<(), Errno>, Note) {
    match Attributes::<1>::read(request.bytes, &[]) {
        Ok(attributes) => (Err(ENOTSUPP), attributes.note),
        Err((errno, note)) => (Err(errno), note),
    }
}
