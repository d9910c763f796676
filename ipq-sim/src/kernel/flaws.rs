//! The code that spoils messages for most [flaws](Flaw) of seeded faults: PACKET frames, or what
//! they are made from; the senders of frames and replies; and requests before they are judged.

use crate::behaviour::Flaw;
use crate::host::packet::Link;
use crate::netlink::{Datagram, FirstPart};
use crate::queue::PacketDetails;
use bytes::Bytes;
use ipq_core::PortId;
use ipq_core::wire::{Abi, ByteOrder, EtherType, Header, MessageType};
use std::borrow::Cow;

/// Returns the offset in bytes of a request's second word, which follows the header and the word of
/// the mode or verdict value.
const fn second_word(abi: Abi) -> usize {
    Header::BYTES + abi.word_bytes()
}

/// Changes the details of a packet if `flaw` is one of its device names, protocol, hardware type or
/// address; otherwise leaves them. `link` is the packet's link-layer header. `by_loopback` is
/// `true` if the packet came in by `lo`.
pub(super) fn spoil_details(flaw: Flaw, details: &mut PacketDetails, link: Option<&Link>, by_loopback: bool) {
    match flaw {
        Flaw::DeviceNamesSwapped => std::mem::swap(&mut details.indev, &mut details.outdev),
        Flaw::NoDeviceNames => (details.indev, details.outdev) = Default::default(),
        Flaw::ProtocolSwapped => details.protocol = EtherType(details.protocol.0.swap_bytes()),
        Flaw::LoopbackIsEthernet if by_loopback => details.hw_type = 1,
        Flaw::AddressOfReceiver => {
            if let Some(link) = link {
                details.hw_address = link.destination();
            }
        }
        _ => {}
    }
}

/// Returns the packet with its link-layer header in front, if the flaw is `LinkHeader` and there is
/// a link-layer header. Returns `None` otherwise: the packet's own bytes are copied.
pub(super) fn spoiled_payload(flaw: Flaw, packet: &Bytes, link: Option<&Link>) -> Option<Bytes> {
    let link = link.filter(|_| flaw == Flaw::LinkHeader)?;
    Some([&link.header[..], packet].concat().into())
}

/// Changes the bytes of a PACKET frame if the flaw is one of its type, sequence, packet id, data
/// length or padding; otherwise leaves them.
pub(super) fn spoil_packet_frame(flaw: Flaw, frame: &mut Datagram, abi: Abi) {
    match flaw {
        Flaw::PacketType => rewrite(frame, |bytes| put(bytes, 4, 0x14, 2, abi)),
        Flaw::PacketSequence => rewrite(frame, |bytes| put(bytes, 8, 1, 4, abi)),
        Flaw::OneIdForAll => rewrite(frame, |bytes| put(bytes, Header::BYTES, 1, abi.word_bytes(), abi)),
        Flaw::DataLength => {
            let length_at = Header::BYTES + abi.packet_message_bytes() - abi.word_bytes();
            rewrite(frame, |bytes| put(bytes, length_at, 0x1_0000, abi.word_bytes(), abi));
        }
        Flaw::Unpadded => {
            frame.padding = 0;
            let length = frame.len() as u64;
            rewrite(frame, |bytes| put(bytes, 0, length, 4, abi));
        }
        _ => {}
    }
}

/// Sets a datagram's sender to port id 1 if the flaw is `SenderIsPort1`.
pub(super) fn spoil_datagram(flaw: Flaw, datagram: &mut Datagram) {
    if flaw == Flaw::SenderIsPort1 {
        datagram.sender = PortId(1);
    }
}

/// Returns the request's bytes, changed if `flaw` is one of three. `RequestSequence` sets the
/// sequence to 1. `RangeInThirdWord`, in a mode message, and `VerdictIdInThirdWord`, in a verdict,
/// copy the third word over the second, unless the request ends before the third word's end. A
/// request without a whole header stays as it is.
pub(super) fn spoiled_request(flaw: Flaw, request: &[u8], abi: Abi) -> Cow<'_, [u8]> {
    let Some(header) = Header::parse(request, abi) else {
        return request.into();
    };
    let wanted = match flaw {
        Flaw::RequestSequence => {
            let mut bytes = request.to_vec();
            put(&mut bytes, 8, 1, 4, abi);
            return bytes.into();
        }
        Flaw::RangeInThirdWord => MessageType::Mode,
        Flaw::VerdictIdInThirdWord => MessageType::Verdict,
        _ => return request.into(),
    };
    let second = second_word(abi);
    let third = second + abi.word_bytes();
    let end = third + abi.word_bytes();
    if header.message_type != wanted || request.len() < end {
        return request.into();
    }
    let mut bytes = request.to_vec();
    bytes.copy_within(third..end, second);
    bytes.into()
}

fn rewrite(datagram: &mut Datagram, change: impl FnOnce(&mut [u8])) {
    let mut bytes = [&datagram.head[..], &datagram.payload].concat();
    change(&mut bytes);
    datagram.head = FirstPart::none();
    datagram.payload = bytes.into();
}

/// Writes the low `width` bytes of `value` at offset `at`, in the byte order of `abi`.
fn put(bytes: &mut [u8], at: usize, value: u64, width: usize, abi: Abi) {
    let at = at..at + width;
    match abi.order {
        ByteOrder::Little => bytes[at].copy_from_slice(&value.to_le_bytes()[..width]),
        ByteOrder::Big => bytes[at].copy_from_slice(&value.to_be_bytes()[8 - width..]),
    }
}
