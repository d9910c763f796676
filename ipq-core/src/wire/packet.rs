//! PACKET: the kernel hands over a packet.

use super::abi::Abi;
use super::fields::{Fields, Head};
use super::hardware_address::HardwareAddress;
use super::header::{Envelope, MessageType};
use super::interface_name::InterfaceName;
use super::message::WireError;
use super::padding;
use super::values::{EtherType, Hook, Mark, PacketId, Timestamp};

/// What the kernel says about a packet, beside its bytes (WIRE-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketMetadata {
    /// Names the packet in its verdict.
    pub packet_id: PacketId,
    /// The netfilter mark.
    pub mark: Mark,
    /// When it arrived.
    pub timestamp: Timestamp,
    /// Where it was queued.
    pub hook: Hook,
    /// The device that it came in by; empty at OUTPUT and POSTROUTING.
    pub indev_name: InterfaceName,
    /// The device that it will leave by; empty at PREROUTING and INPUT.
    pub outdev_name: InterfaceName,
    /// The protocol of its link-layer frame.
    pub hw_protocol: EtherType,
    /// The kind of the incoming device: 1 for Ethernet, 772 for loopback, 0 where there is none (PKT-7).
    pub hw_type: u16,
    /// The link-layer source address.
    pub hw_address: HardwareAddress,
}

impl PacketMetadata {
    /// The head of a PACKET frame with `payload_length` bytes of packet. After them the sender adds
    /// [`padding`]`(payload_length)` bytes, which the header's length counts (WIRE-4).
    #[must_use]
    pub fn head(&self, abi: Abi, payload_length: usize) -> Head {
        let padded_length = payload_length.saturating_add(padding(payload_length));
        let (address_length, address) = self.hw_address.to_wire();
        Envelope::default()
            .header(MessageType::Packet, abi.packet_message_bytes(), padded_length)
            .begin(abi)
            .word(self.packet_id.0)
            .word(self.mark.0)
            .word(self.timestamp.seconds.cast_unsigned())
            .word(self.timestamp.microseconds.cast_unsigned())
            .u32(self.hook.to_wire())
            .bytes(&self.indev_name.to_wire())
            .bytes(&self.outdev_name.to_wire())
            .u16_big_endian(self.hw_protocol.0)
            .u16(self.hw_type)
            .bytes(&[address_length])
            .bytes(&address)
            .pad_to_word()
            .word(payload_length as u64)
            .finish()
    }
}

/// A PACKET message, checked, over the bytes that it came in.
#[doc(alias("ipq_packet_msg_t", "ipq_get_packet"))]
#[derive(Clone, Copy)]
pub struct PacketMessage<'a> {
    fields: Fields<'a>,
    address: HardwareAddress,
    payload: &'a [u8],
}

impl<'a> PacketMessage<'a> {
    /// Reads the message in `body`, which is what follows the header, up to the header's length.
    #[inline]
    pub fn parse(body: &'a [u8], abi: Abi) -> Result<Self, WireError> {
        let fixed = abi.packet_message_bytes();
        if body.len() < fixed {
            return Err(WireError::BodyTooShort {
                message_type: MessageType::Packet,
                needed: fixed,
                found: body.len(),
            });
        }
        let fields = Fields::new(body, abi);
        let (payload, stated) = (fields.rest(fixed), fields.word(fixed - abi.word_bytes()));
        let payload = usize::try_from(stated)
            .ok()
            .and_then(|stated| payload.get(..stated))
            .ok_or(WireError::PayloadCut {
                stated,
                found: payload.len(),
            })?;
        let at = Self::after_timestamp(abi);
        let address = HardwareAddress::from_wire(fields.u8(at + 40), fields.array(at + 41)).map_err(|too_long| {
            WireError::HardwareAddress {
                stated: too_long.stated,
            }
        })?;
        Ok(Self {
            fields,
            address,
            payload,
        })
    }

    /// Everything but the packet's bytes, decoded.
    #[must_use]
    pub fn metadata(&self) -> PacketMetadata {
        PacketMetadata {
            packet_id: self.packet_id(),
            mark: self.mark(),
            timestamp: self.timestamp(),
            hook: self.hook(),
            indev_name: self.indev_name(),
            outdev_name: self.outdev_name(),
            hw_protocol: self.hw_protocol(),
            hw_type: self.hw_type(),
            hw_address: self.hw_address(),
        }
    }

    /// Names the packet in its verdict.
    #[must_use]
    #[inline]
    pub fn packet_id(&self) -> PacketId {
        PacketId(self.fields.word(0))
    }

    /// The netfilter mark.
    #[must_use]
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark(self.fields.word(self.fields.abi().word_bytes()))
    }

    /// When it arrived.
    #[must_use]
    #[inline]
    pub fn timestamp(&self) -> Timestamp {
        let word = self.fields.abi().word_bytes();
        Timestamp {
            seconds: self.fields.signed_word(2 * word),
            microseconds: self.fields.signed_word(3 * word),
        }
    }

    /// Where it was queued.
    #[must_use]
    #[inline]
    pub fn hook(&self) -> Hook {
        Hook::from_wire(self.fields.u32(self.at(0)))
    }

    /// The device that it came in by; empty at OUTPUT and POSTROUTING.
    #[must_use]
    #[inline]
    pub fn indev_name(&self) -> InterfaceName {
        InterfaceName::from_wire(self.fields.array(self.at(4)))
    }

    /// The device that it will leave by; empty at PREROUTING and INPUT.
    #[must_use]
    #[inline]
    pub fn outdev_name(&self) -> InterfaceName {
        InterfaceName::from_wire(self.fields.array(self.at(20)))
    }

    /// The protocol of its link-layer frame.
    #[must_use]
    #[inline]
    pub fn hw_protocol(&self) -> EtherType {
        EtherType(self.fields.u16_big_endian(self.at(36)))
    }

    /// The kind of the incoming device: 1 for Ethernet, 772 for loopback, 0 where there is none.
    #[must_use]
    #[inline]
    pub fn hw_type(&self) -> u16 {
        self.fields.u16(self.at(38))
    }

    /// The link-layer source address.
    #[must_use]
    #[inline]
    pub fn hw_address(&self) -> HardwareAddress {
        self.address
    }

    /// The packet from its network header on, up to the copy range; empty in mode META (PKT-4, PKT-5). Its length is the
    /// frame's `data_len`, so padding is not in it (WIRE-4).
    #[must_use]
    #[inline]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// From here on fields have a fixed size: an offset counted from `hook`, in any ABI.
    #[inline]
    fn at(&self, offset: usize) -> usize {
        Self::after_timestamp(self.fields.abi()) + offset
    }

    #[inline]
    const fn after_timestamp(abi: Abi) -> usize {
        4 * abi.word_bytes()
    }
}

impl std::fmt::Debug for PacketMessage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacketMessage")
            .field("metadata", &self.metadata())
            .field("payload", &self.payload)
            .finish()
    }
}
