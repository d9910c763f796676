//! The PACKET message of `ip_queue`, in which the kernel hands over a packet: writing, reading, and
//! changing its packet.

use super::abi::Abi;
use super::error::WireError;
use super::fields::{Fields, FieldsMut};
use super::hardware_address::{HardwareAddress, HardwareAddressTooLong};
use super::head::Head;
use super::header::{Envelope, Header, MessageType};
use super::interface_name::InterfaceName;
use super::padding;
use super::values::{EtherType, Hook, Mark, PacketId, Timestamp};

/// All that the kernel says about a packet, but for its bytes (WIRE-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketMetadata {
    /// The packet's id, which the packet's verdict repeats.
    pub packet_id: PacketId,
    /// The netfilter mark.
    pub mark: Mark,
    /// The time of the packet's arrival.
    pub timestamp: Timestamp,
    /// The hook at which the packet was queued.
    pub hook: Hook,
    /// The device that the packet came in by; empty at OUTPUT and POSTROUTING.
    pub indev_name: InterfaceName,
    /// The device that the packet will leave by; empty at PREROUTING and INPUT.
    pub outdev_name: InterfaceName,
    /// The protocol of the link-layer frame.
    pub hw_protocol: EtherType,
    /// The kind of the incoming device: 1 for Ethernet, 772 for loopback. It is 0 if there is no
    /// incoming device, or the packet has no link-layer header (PKT-7).
    pub hw_type: u16,
    /// The link-layer source address; empty if there is no incoming device, or the packet has no
    /// link-layer header (PKT-7).
    pub hw_address: HardwareAddress,
}

impl PacketMetadata {
    /// Writes the head of a PACKET frame: the netlink header and the message's fixed part. The
    /// sender appends `payload_length` bytes of packet, and then [`padding`]`(payload_length)`
    /// bytes. The header's length counts both (WIRE-4).
    #[must_use]
    #[inline(always)]
    pub fn head(&self, abi: Abi, payload_length: usize) -> Head {
        abi.folded(|abi| {
            Head::written(Header::BYTES + abi.packet_message_bytes(), |frame| {
                self.write(frame, abi, payload_length);
            })
        })
    }

    /// The length in bytes of the [head](Self::head) in this machine's layout: 112 with 64-bit
    /// words, 88 with 32-bit words.
    pub(crate) const HEAD_BYTES: usize = Header::BYTES + Abi::NATIVE.packet_message_bytes();

    /// Writes the [head](Self::head), as this machine lays it out, to `room`, over whatever is
    /// there.
    #[inline(always)]
    pub(crate) fn write_head(&self, room: &mut [u8; Self::HEAD_BYTES], payload_length: usize) {
        self.write(room, Abi::NATIVE, payload_length);
    }

    #[inline(always)]
    fn write(&self, frame: &mut [u8], abi: Abi, payload_length: usize) {
        let at = Layout::of(abi);
        let padded_length = payload_length.saturating_add(padding(payload_length));
        Envelope::default()
            .header(MessageType::Packet, at.end, padded_length)
            .write_to(frame, abi);
        let (address_length, address) = self.hw_address.to_wire();
        // Length, address and padding are written as one u128: separate stores that are not aligned
        // cause store-forwarding stalls.
        let address = (u128::from(u64::from_le_bytes(address)) << 8) + u128::from(address_length);
        FieldsMut::new(frame.get_mut(Header::BYTES..).unwrap_or_default(), abi)
            .word(at.packet_id, self.packet_id.0)
            .word(at.mark, self.mark.0)
            .word(at.timestamp_sec, self.timestamp.seconds.cast_unsigned())
            .word(at.timestamp_usec, self.timestamp.microseconds.cast_unsigned())
            .u32(at.hook, self.hook.to_wire())
            .bytes(at.indev_name, &self.indev_name.to_wire())
            .bytes(at.outdev_name, &self.outdev_name.to_wire())
            .u16_big_endian(at.hw_protocol, self.hw_protocol.0)
            .u16(at.hw_type, self.hw_type)
            .bytes(at.hw_addrlen, &address.to_le_bytes()[..at.data_len - at.hw_addrlen])
            .word(at.data_len, payload_length as u64);
    }
}

/// Offsets of the fields of a packet message from its start, in bytes (WIRE-2).
struct Layout {
    packet_id: usize,
    mark: usize,
    timestamp_sec: usize,
    timestamp_usec: usize,
    hook: usize,
    indev_name: usize,
    outdev_name: usize,
    hw_protocol: usize,
    hw_type: usize,
    hw_addrlen: usize,
    hw_addr: usize,
    data_len: usize,
    end: usize,
}

impl Layout {
    #[inline(always)]
    const fn of(abi: Abi) -> Self {
        let word = abi.word_bytes();
        // The fields after `hook` have the same size everywhere, up to the padding before data_len.
        let hook = 4 * word;
        Self {
            packet_id: 0,
            mark: word,
            timestamp_sec: 2 * word,
            timestamp_usec: 3 * word,
            hook,
            indev_name: hook + 4,
            outdev_name: hook + 20,
            hw_protocol: hook + 36,
            hw_type: hook + 38,
            hw_addrlen: hook + 40,
            hw_addr: hook + 41,
            data_len: abi.packet_message_bytes() - word,
            end: abi.packet_message_bytes(),
        }
    }
}

/// A checked PACKET message, whose packet can be changed in the buffer that it was read into.
pub struct PacketMut<'a> {
    fixed: Fields<'a>,
    payload: &'a mut [u8],
}

impl<'a> PacketMut<'a> {
    /// Makes a message of bytes that were checked. `fixed` is the message's fixed part, after the
    /// netlink header, and `payload` the packet's bytes.
    #[inline(always)]
    pub(super) const fn new(fixed: &'a [u8], abi: Abi, payload: &'a mut [u8]) -> Self {
        let fixed = Fields::new(fixed, abi);
        Self { fixed, payload }
    }

    /// Returns the message, for reading.
    #[must_use]
    #[inline(always)]
    pub fn message(&self) -> PacketMessage<'_> {
        PacketMessage {
            fields: self.fixed,
            payload: self.payload,
        }
    }

    /// Returns the packet's id, which the packet's verdict repeats.
    #[must_use]
    #[inline(always)]
    pub fn packet_id(&self) -> PacketId {
        self.message().packet_id()
    }

    /// Returns the packet's bytes, as many as were handed over, for reading.
    #[must_use]
    pub const fn payload(&self) -> &[u8] {
        self.payload
    }

    /// Returns the packet's bytes, for the program to change in place.
    #[must_use]
    pub const fn payload_mut(&mut self) -> &mut [u8] {
        self.payload
    }

    /// Returns the packet's bytes, for the program to change and to give back as a replacement.
    /// They are only the bytes that the kernel handed over: if the packet is longer than the copy
    /// range, replacing it by them cuts it to the range (PKT-4, VER-7). Checksums are not updated
    /// (VER-8).
    #[must_use]
    #[inline(always)]
    pub fn into_payload(self) -> &'a mut [u8] {
        self.payload
    }
}

/// Declares methods of [`PacketMessage`] that read one field each. They are always inlined: where
/// the compiler knows the ABI, it then knows the field's offset, too.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $type:ty = |$fields:ident, $at:ident| $value:expr;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            #[inline(always)]
            pub fn $name(&self) -> $type {
                let $fields = self.fields;
                let $at = &Layout::of($fields.abi());
                $value
            }
        )*
    };
}

/// A checked PACKET message, which borrows the bytes that it was read from.
#[doc(alias("ipq_packet_msg_t", "ipq_get_packet"))]
#[derive(Clone, Copy)]
pub struct PacketMessage<'a> {
    fields: Fields<'a>,
    payload: &'a [u8],
}

impl<'a> PacketMessage<'a> {
    /// Reads the message in `body`, which begins after the header and ends where the header says.
    /// The packet's bytes are the `data_len` bytes after the fixed part; padding after them is left
    /// out. Fails if the body is shorter than the fixed part, if `data_len` is more than what
    /// follows, or if the address has over 8 bytes.
    #[inline(always)]
    pub fn parse(body: &'a [u8], abi: Abi) -> Result<Self, WireError> {
        let at = &Layout::of(abi);
        if body.len() < at.end {
            return Err(WireError::BodyTooShort {
                message_type: MessageType::Packet,
                needed: at.end,
                found: body.len(),
            });
        }
        let fields = Fields::new(body, abi);
        let (payload, stated) = (fields.rest(at.end), fields.word(at.data_len));
        let payload = usize::try_from(stated)
            .ok()
            .and_then(|stated| payload.get(..stated))
            .ok_or(WireError::PayloadCut {
                stated,
                found: payload.len(),
            })?;
        match hw_address(fields, at) {
            Ok(_) => Ok(Self { fields, payload }),
            Err(HardwareAddressTooLong { stated }) => Err(WireError::HardwareAddress { stated }),
        }
    }

    /// Decodes all that the message says about the packet: everything but the packet's bytes.
    #[must_use]
    #[inline(always)]
    pub fn metadata(&self) -> PacketMetadata {
        self.fields.abi().folded(|abi| {
            let message = Self {
                fields: self.fields.of(abi),
                ..*self
            };
            PacketMetadata {
                packet_id: message.packet_id(),
                mark: message.mark(),
                timestamp: message.timestamp(),
                hook: message.hook(),
                indev_name: message.indev_name(),
                outdev_name: message.outdev_name(),
                hw_protocol: message.hw_protocol(),
                hw_type: message.hw_type(),
                hw_address: message.hw_address(),
            }
        })
    }

    getters! {
        /// Returns the packet's id, which the packet's verdict repeats.
        packet_id: PacketId = |fields, at| PacketId(fields.word(at.packet_id));

        /// Returns the netfilter mark.
        mark: Mark = |fields, at| Mark(fields.word(at.mark));

        /// Returns the time of the packet's arrival.
        timestamp: Timestamp = |fields, at| Timestamp {
            seconds: fields.signed_word(at.timestamp_sec),
            microseconds: fields.signed_word(at.timestamp_usec),
        };

        /// Returns the hook at which the packet was queued.
        hook: Hook = |fields, at| Hook::from_wire(fields.u32(at.hook));

        /// Returns the device that the packet came in by; empty at OUTPUT and POSTROUTING.
        indev_name: InterfaceName = |fields, at| InterfaceName::from_wire(fields.array(at.indev_name));

        /// Returns the device that the packet will leave by; empty at PREROUTING and INPUT.
        outdev_name: InterfaceName = |fields, at| InterfaceName::from_wire(fields.array(at.outdev_name));

        /// Returns the protocol of the link-layer frame.
        hw_protocol: EtherType = |fields, at| EtherType(fields.u16_big_endian(at.hw_protocol));

        /// Returns the kind of the incoming device: 1 for Ethernet, 772 for loopback. It is 0 if
        /// there is no incoming device, or the packet has no link-layer header (PKT-7).
        hw_type: u16 = |fields, at| fields.u16(at.hw_type);

        /// Returns the link-layer source address; empty if there is no incoming device, or the
        /// packet has no link-layer header (PKT-7).
        // Its length was checked when the message was parsed.
        hw_address: HardwareAddress = |fields, at| hw_address(fields, at).unwrap_or(HardwareAddress::NONE);
    }

    /// Returns the packet from its network header on, up to the copy range; empty in mode META
    /// (PKT-4, PKT-5). Its length is the frame's `data_len`, so padding is no part of it (WIRE-4).
    #[must_use]
    #[inline(always)]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

#[inline(always)]
fn hw_address(fields: Fields<'_>, at: &Layout) -> Result<HardwareAddress, HardwareAddressTooLong> {
    HardwareAddress::from_wire(fields.u8(at.hw_addrlen), fields.array(at.hw_addr))
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
    use super::super::message::Message;
    use super::super::recorded::{self, bytes};
    use super::*;
    use crate::wire::{ByteOrder, Header};
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    /// Returns the packet in a recorded datagram.
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

    /// Offsets of the fields after `packet_id` for 64-bit words, in the order of the C structure;
    /// the last number is the structure's size.
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

    /// Returns the body of a message that states `data_len` and has `found` bytes after the
    /// structure.
    fn stating(data_len: u64, found: usize, abi: Abi) -> Vec<u8> {
        let mut body = vec![0; abi.packet_message_bytes()];
        FieldsMut::new(&mut body, abi).word(Layout::of(abi).data_len, data_len);
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
