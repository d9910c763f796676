//! PACKET: the kernel hands over a packet.

use super::abi::Abi;
use super::error::WireError;
use super::fields::Fields;
use super::hardware_address::{HardwareAddress, HardwareAddressTooLong};
use super::head::{Head, HeadWriter};
use super::header::{Envelope, Header, MessageType};
use super::interface_name::InterfaceName;
use super::padding;
use super::values::{EtherType, Hook, Mark, PacketId, Timestamp};
use std::borrow::BorrowMut;

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
    #[inline(always)]
    pub fn head(&self, abi: Abi, payload_length: usize) -> Head {
        match abi {
            // A layout that the compiler knows is written in place.
            Abi::LP64_LITTLE => self.head_in(Abi::LP64_LITTLE, payload_length),
            abi => self.head_in(abi, payload_length),
        }
    }

    #[inline(always)]
    fn head_in(&self, abi: Abi, payload_length: usize) -> Head {
        let mut writer = HeadWriter::new(abi);
        self.write(&mut writer, payload_length);
        writer.finish()
    }

    /// The length of the [head](Self::head) as this machine lays it out: 112 or 88 bytes.
    pub(crate) const HEAD_BYTES: usize = Header::BYTES + Abi::NATIVE.packet_message_bytes();

    /// Writes the [head](Self::head) to where it stays, as this machine lays it out.
    #[inline(always)]
    pub(crate) fn write_head(&self, room: &mut [u8; Self::HEAD_BYTES], payload_length: usize) {
        *room = [0; Self::HEAD_BYTES];
        self.write(&mut HeadWriter::over(room, Abi::NATIVE), payload_length);
    }

    #[inline(always)]
    fn write<B: BorrowMut<[u8]>>(&self, writer: &mut HeadWriter<B>, payload_length: usize) {
        let abi = writer.abi();
        let padded_length = payload_length.saturating_add(padding(payload_length));
        let (address_length, address) = self.hw_address.to_wire();
        // The length, the address and the padding as one number: of fields that lie across the borders of words a compiler makes
        // stores and loads that wait for each other.
        let address = (u128::from(u64::from_le_bytes(address)) << 8) + u128::from(address_length);
        let address_bytes = (1 + HardwareAddress::WIRE_BYTES).next_multiple_of(abi.word_bytes());
        Envelope::default()
            .header(MessageType::Packet, abi.packet_message_bytes(), padded_length)
            .begin_with(writer)
            .word(self.packet_id.0)
            .word(self.mark.0)
            .word(self.timestamp.seconds.cast_unsigned())
            .word(self.timestamp.microseconds.cast_unsigned())
            .u32(self.hook.to_wire())
            .bytes(&self.indev_name.to_wire())
            .bytes(&self.outdev_name.to_wire())
            .u16_big_endian(self.hw_protocol.0)
            .u16(self.hw_type)
            .bytes(&address.to_le_bytes()[..address_bytes])
            .word(payload_length as u64);
    }
}

/// A PACKET message, checked, whose packet can be changed in the buffer that it was read into.
pub struct PacketMut<'a> {
    fixed: Fields<'a>,
    payload: &'a mut [u8],
}

impl<'a> PacketMut<'a> {
    /// A message of which `fixed` is all but the packet's bytes, and which is known to be sound.
    #[inline(always)]
    pub(super) const fn new(fixed: &'a [u8], abi: Abi, payload: &'a mut [u8]) -> Self {
        let fixed = Fields::new(fixed, abi);
        Self { fixed, payload }
    }

    /// The message, to be read.
    #[must_use]
    #[inline(always)]
    pub fn message(&self) -> PacketMessage<'_> {
        PacketMessage {
            fields: self.fixed,
            payload: self.payload,
        }
    }

    /// Names the packet in its verdict.
    #[must_use]
    #[inline(always)]
    pub fn packet_id(&self) -> PacketId {
        self.message().packet_id()
    }

    /// The packet's bytes, as many as were handed over, to be changed and given back as a replacement. A packet that is longer than
    /// the copy range would be cut to them (PKT-4, VER-7), and no checksum is made right (VER-8).
    #[must_use]
    #[inline(always)]
    pub fn into_payload(self) -> &'a mut [u8] {
        self.payload
    }
}

/// A PACKET message, checked, over the bytes that it came in.
#[doc(alias("ipq_packet_msg_t", "ipq_get_packet"))]
#[derive(Clone, Copy)]
pub struct PacketMessage<'a> {
    fields: Fields<'a>,
    payload: &'a [u8],
}

impl<'a> PacketMessage<'a> {
    /// Reads the message in `body`, which is what follows the header, up to the header's length.
    #[inline(always)]
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
        let packet = Self { fields, payload };
        match packet.read_hw_address() {
            Ok(_) => Ok(packet),
            Err(HardwareAddressTooLong { stated }) => Err(WireError::HardwareAddress { stated }),
        }
    }

    /// Everything but the packet's bytes, decoded.
    #[must_use]
    #[inline(always)]
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
    #[inline(always)]
    pub fn packet_id(&self) -> PacketId {
        PacketId(self.fields.word(0))
    }

    /// The netfilter mark.
    #[must_use]
    #[inline(always)]
    pub fn mark(&self) -> Mark {
        Mark(self.fields.word(self.fields.abi().word_bytes()))
    }

    /// When it arrived.
    #[must_use]
    #[inline(always)]
    pub fn timestamp(&self) -> Timestamp {
        let word = self.fields.abi().word_bytes();
        Timestamp {
            seconds: self.fields.signed_word(2 * word),
            microseconds: self.fields.signed_word(3 * word),
        }
    }

    /// Where it was queued.
    #[must_use]
    #[inline(always)]
    pub fn hook(&self) -> Hook {
        Hook::from_wire(self.fields.u32(self.at(0)))
    }

    /// The device that it came in by; empty at OUTPUT and POSTROUTING.
    #[must_use]
    #[inline(always)]
    pub fn indev_name(&self) -> InterfaceName {
        InterfaceName::from_wire(self.fields.array(self.at(4)))
    }

    /// The device that it will leave by; empty at PREROUTING and INPUT.
    #[must_use]
    #[inline(always)]
    pub fn outdev_name(&self) -> InterfaceName {
        InterfaceName::from_wire(self.fields.array(self.at(20)))
    }

    /// The protocol of its link-layer frame.
    #[must_use]
    #[inline(always)]
    pub fn hw_protocol(&self) -> EtherType {
        EtherType(self.fields.u16_big_endian(self.at(36)))
    }

    /// The kind of the incoming device: 1 for Ethernet, 772 for loopback, 0 where there is none.
    #[must_use]
    #[inline(always)]
    pub fn hw_type(&self) -> u16 {
        self.fields.u16(self.at(38))
    }

    /// The link-layer source address.
    #[must_use]
    #[inline(always)]
    pub fn hw_address(&self) -> HardwareAddress {
        // Its length was checked when the message was parsed.
        self.read_hw_address().unwrap_or(HardwareAddress::NONE)
    }

    /// The packet from its network header on, up to the copy range; empty in mode META (PKT-4, PKT-5). Its length is the
    /// frame's `data_len`, so padding is not in it (WIRE-4).
    #[must_use]
    #[inline(always)]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    #[inline(always)]
    fn read_hw_address(&self) -> Result<HardwareAddress, HardwareAddressTooLong> {
        HardwareAddress::from_wire(self.fields.u8(self.at(40)), self.fields.array(self.at(41)))
    }

    /// From here on fields have a fixed size: an offset counted from `hook`, in any ABI.
    #[inline(always)]
    fn at(&self, offset: usize) -> usize {
        Self::after_timestamp(self.fields.abi()) + offset
    }

    #[inline(always)]
    const fn after_timestamp(abi: Abi) -> usize {
        4 * abi.word_bytes()
    }
}

impl std::fmt::Debug for PacketMut<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.message().fmt(f)
    }
}

impl std::fmt::Debug for PacketMessage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacketMessage")
            .field("metadata", &self.metadata())
            .field("payload", &format_args!("{:02x?}", self.payload))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::HeadWriter;
    use super::super::message::Message;
    use super::super::recorded::{self, bytes};
    use super::*;
    use crate::wire::{ByteOrder, Header};
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    /// The packet in a recorded datagram.
    fn packet(datagram: &[u8], abi: Abi) -> PacketMessage<'_> {
        match Message::parse(datagram, abi).unwrap() {
            Message::Packet(packet) => packet,
            other => panic!("not a packet: {other:?}"),
        }
    }

    #[test]
    fn recorded_packets_are_decoded() {
        let [lp64, ilp32, meta] = [recorded::PACKET_LP64, recorded::PACKET_ILP32, recorded::META_LP64].map(bytes);
        insta::assert_debug_snapshot!("packet_lp64", packet(&lp64, Abi::LP64_LITTLE));
        insta::assert_debug_snapshot!("packet_ilp32", packet(&ilp32, Abi::ILP32_LITTLE));
        insta::assert_debug_snapshot!("meta_lp64", packet(&meta, Abi::LP64_LITTLE));
    }

    #[rstest]
    #[case(recorded::PACKET_LP64, Abi::LP64_LITTLE)]
    #[case(recorded::META_LP64, Abi::LP64_LITTLE)]
    #[case(recorded::PACKET_ILP32, Abi::ILP32_LITTLE)]
    fn what_was_read_is_written_byte_for_byte(#[case] hex: &str, #[case] abi: Abi) {
        let datagram = bytes(hex);
        let packet = packet(&datagram, abi);
        let head = packet.metadata().head(abi, packet.payload().len());
        let padding = padding(packet.payload().len());
        let (unpadded, pad) = datagram.split_at(datagram.len() - padding);
        assert_eq!([&head, packet.payload()].concat(), unpadded);
        assert_eq!(pad.len(), padding);
    }

    /// Offsets of the fields after `packet_id`, in the order of the C structure, and its size.
    const LP64: [usize; 12] = [8, 16, 24, 32, 36, 52, 68, 70, 72, 73, 88, 96];
    const ILP32: [usize; 12] = [4, 8, 12, 16, 20, 36, 52, 54, 56, 57, 68, 72];

    #[rstest]
    #[case(Abi::LP64_LITTLE, LP64)]
    #[case(Abi::LP64_BIG, LP64)]
    #[case(Abi::ILP32_LITTLE, ILP32)]
    #[case(Abi::ILP32_BIG, ILP32)]
    fn every_field_is_at_its_offset(#[case] abi: Abi, #[case] offsets: [usize; 12]) {
        let [
            mark,
            seconds,
            micros,
            hook,
            indev,
            outdev,
            protocol,
            hw_type,
            addrlen,
            address,
            data_len,
            size,
        ] = offsets;
        let word = abi.word_bytes();
        let mut body: Vec<u8> = (1..=size as u8).collect();
        body[addrlen] = 8;
        body[address + 8..].fill(0);
        let number = |at: usize, size: usize| {
            let bytes = body[at..at + size].iter();
            let shifted = |sum, byte: &u8| sum << 8 | u64::from(*byte);
            match abi.order {
                ByteOrder::Little => bytes.rev().fold(0, shifted),
                ByteOrder::Big => bytes.fold(0, shifted),
            }
        };

        let packet = PacketMessage::parse(&body, abi).unwrap();
        assert_eq!(packet.packet_id(), PacketId(number(0, word)));
        assert_eq!(packet.mark(), Mark(number(mark, word)));
        assert_eq!(packet.timestamp().seconds.cast_unsigned(), number(seconds, word));
        assert_eq!(packet.timestamp().microseconds.cast_unsigned(), number(micros, word));
        assert_eq!(u64::from(packet.hook().to_wire()), number(hook, 4));
        assert_eq!(packet.indev_name().as_bytes(), &body[indev..indev + 16]);
        assert_eq!(packet.outdev_name().as_bytes(), &body[outdev..outdev + 16]);
        assert_eq!(packet.hw_protocol().0.to_be_bytes(), body[protocol..protocol + 2]);
        assert_eq!(u64::from(packet.hw_type()), number(hw_type, 2));
        assert_eq!(packet.hw_address().as_bytes(), &body[address..address + 8]);
        assert_eq!(packet.payload(), []);
        assert_eq!(packet.metadata().head(abi, 0)[Header::BYTES..], body);

        let one = packet.metadata().head(abi, 1);
        let low_byte = if abi.order == ByteOrder::Little {
            data_len
        } else {
            size - 1
        };
        assert_eq!(one[Header::BYTES + low_byte], 1);
    }

    #[test]
    fn a_head_is_the_same_where_it_stays() {
        let datagram = bytes(recorded::PACKET_LP64);
        let metadata = packet(&datagram, Abi::LP64_LITTLE).metadata();
        let mut room = [0xee; PacketMetadata::HEAD_BYTES];
        metadata.write_head(&mut room, 1400);
        assert_eq!(room[..], metadata.head(Abi::NATIVE, 1400)[..]);
    }

    #[rstest]
    fn a_body_shorter_than_the_structure_is_refused(#[values(0, 1, 71)] length: usize) {
        for abi in Abi::ALL {
            assert_eq!(
                PacketMessage::parse(&vec![0; length], abi).unwrap_err(),
                WireError::BodyTooShort {
                    message_type: MessageType::Packet,
                    needed: abi.packet_message_bytes(),
                    found: length
                }
            );
        }
    }

    /// The body of a message that states `data_len` and has `found` bytes after the structure.
    fn stating(data_len: u64, found: usize, abi: Abi) -> Vec<u8> {
        let mut body = vec![0; abi.packet_message_bytes() - abi.word_bytes()];
        body.extend(&HeadWriter::new(abi).word(data_len).finish()[..]);
        body.resize(body.len() + found, 0xaa);
        body
    }

    #[rstest]
    #[case(0, 0, Some(0))]
    #[case(0, 3, Some(0))]
    #[case(5, 8, Some(5))]
    #[case(8, 8, Some(8))]
    #[case(9, 8, None)]
    #[case(0xffff_ffff, 8, None)]
    fn data_len_decides_and_never_what_is_left(
        #[case] stated: u64,
        #[case] found: usize,
        #[case] expected: Option<usize>,
    ) {
        for abi in Abi::ALL {
            let body = stating(stated, found, abi);
            let payload = PacketMessage::parse(&body, abi).map(|packet| packet.payload().len());
            assert_eq!(
                payload,
                expected.ok_or(WireError::PayloadCut { stated, found }),
                "{abi:?}"
            );
        }
    }

    #[test]
    fn a_data_len_of_all_ones_overflows_nothing() {
        let body = stating(u64::MAX, 100, Abi::LP64_BIG);
        assert_eq!(
            PacketMessage::parse(&body, Abi::LP64_BIG).unwrap_err(),
            WireError::PayloadCut {
                stated: u64::MAX,
                found: 100
            }
        );
    }

    #[rstest]
    fn an_address_longer_than_its_field_is_refused(#[values(9, 20, 255)] stated: u8) {
        for (abi, at) in [(Abi::LP64_LITTLE, LP64[8]), (Abi::ILP32_BIG, ILP32[8])] {
            let mut body = vec![0; abi.packet_message_bytes()];
            body[at] = stated;
            let stated = usize::from(stated);
            assert_eq!(
                PacketMessage::parse(&body, abi).unwrap_err(),
                WireError::HardwareAddress { stated }
            );
        }
    }

    #[rstest]
    #[case(0, 112)]
    #[case(1, 116)]
    #[case(4, 116)]
    #[case(65_535, 65_648)]
    #[case(usize::MAX, u32::MAX)]
    fn the_headers_length_counts_the_padding(#[case] payload_length: usize, #[case] expected: u32) {
        let datagram = bytes(recorded::META_LP64);
        let abi = Abi::LP64_LITTLE;
        let head = packet(&datagram, abi).metadata().head(abi, payload_length);
        assert_eq!(Header::parse(&head, abi).unwrap().length, expected);
    }
}
