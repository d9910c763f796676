//! The fast path of reading a packet message: it expects the attributes in the one order in which
//! kernels write them.

use super::{QueuedPacket, attribute, hardware_address, timestamp};
use crate::wire::nfnetlink::{HEADER_BYTES, Span};
use crate::wire::{EtherType, Hook, Mark, Timestamp};

/// Reads the attributes of a message that ends at byte `end`. Returns `None`, among others, if they
/// are in another order than the kernel's, if there are some that it does not know, or if any is
/// wrong.
///
/// [`in_any_order`](super::in_any_order) does the same for any order, more slowly.
#[inline(always)]
pub(super) fn in_order(front: &[u8], end: usize, family: u8, queue: u16) -> Option<QueuedPacket> {
    let front = front.get(..end).unwrap_or(front);
    let mut rest = Rest(front.get(HEADER_BYTES..)?);
    let [_, _, _, _, i0, i1, i2, i3, p0, p1, hook, _] = *rest.next(attribute::PACKET_HEADER, 7)?;
    let incoming = rest.number(attribute::INCOMING_DEVICE);
    rest.number(attribute::INCOMING_PORT);
    let outgoing = rest.number(attribute::OUTGOING_DEVICE);
    rest.number(attribute::OUTGOING_PORT);
    let mark = rest.number(attribute::MARK);
    rest.number(attribute::PRIORITY);
    let hw_address = match rest.next::<16>(attribute::HARDWARE_ADDRESS, 12) {
        Some([_, _, _, _, content @ ..]) => Some(hardware_address(content).ok()?),
        None => None,
    };
    let timestamp = match rest.next::<20>(attribute::TIMESTAMP, 16) {
        Some([_, _, _, _, content @ ..]) => timestamp(content),
        None => Timestamp::default(),
    };
    rest.number(attribute::USER_ID);
    rest.number(attribute::GROUP_ID);
    rest.number(attribute::FULL_LENGTH);
    rest.number(attribute::CHECKSUM_STATE);
    let Rest(rest) = rest;
    Some(QueuedPacket {
        family,
        queue,
        id: u32::from_be_bytes([i0, i1, i2, i3]),
        payload: payload(rest, front.len() - rest.len(), end)?,
        incoming,
        outgoing,
        hook: Hook::from_wire(hook.into()),
        hw_protocol: EtherType(u16::from_be_bytes([p0, p1])),
        hw_address,
        mark: Mark(mark.into()),
        timestamp,
    })
}

/// The part of a message that was not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Takes the next attribute, which has `N` bytes with header and padding. If its type or its
    /// content's length is another, or if fewer bytes are left, takes nothing and returns `None`.
    #[inline(always)]
    fn next<const N: usize>(&mut self, kind: u16, length: u16) -> Option<&'a [u8; N]> {
        let (attribute, rest) = self.0.split_first_chunk::<N>()?;
        let [a, b] = (length + 4).to_ne_bytes();
        let [c, d] = kind.to_ne_bytes();
        if !attribute.starts_with(&[a, b, c, d]) {
            return None;
        }
        self.0 = rest;
        Some(attribute)
    }

    /// Takes the next attribute and returns the number in it. If its type is another, or if it
    /// holds no 32-bit number, takes nothing and returns 0.
    #[inline(always)]
    fn number(&mut self, kind: u16) -> u32 {
        match self.next::<8>(kind, 4) {
            Some([_, _, _, _, content @ ..]) => u32::from_be_bytes(*content),
            None => 0,
        }
    }
}

/// Returns the span of the packet's bytes. `rest` begins at byte `at` of a message that ends at
/// byte `end`, with the attribute that holds the packet's bytes. If nothing is left, the packet has
/// no bytes, and the span is empty. Returns `None` if `rest` begins with anything else, or if the
/// attribute does not end the message, but for padding.
#[inline(always)]
fn payload(rest: &[u8], at: usize, end: usize) -> Option<Span> {
    if at == end {
        return Some(Span::default());
    }
    let [low, high, kind @ ..] = *rest.first_chunk::<4>()?;
    let payload = Span {
        start: at + 4,
        length: usize::from(u16::from_ne_bytes([low, high])).checked_sub(4)?,
    };
    let padding = end.checked_sub(payload.start + payload.length)?;
    (u16::from_ne_bytes(kind) == attribute::PAYLOAD && padding <= 3).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::super::in_any_order;
    use super::*;
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    /// Those attributes which kernels write before the packet's bytes, and which [`in_order`]
    /// knows, in their order: of each the type, and the length of its content.
    const WRITTEN: [(u16, u16); 13] = [
        (attribute::PACKET_HEADER, 7),
        (attribute::INCOMING_DEVICE, 4),
        (attribute::INCOMING_PORT, 4),
        (attribute::OUTGOING_DEVICE, 4),
        (attribute::OUTGOING_PORT, 4),
        (attribute::MARK, 4),
        (attribute::PRIORITY, 4),
        (attribute::HARDWARE_ADDRESS, 12),
        (attribute::TIMESTAMP, 16),
        (attribute::USER_ID, 4),
        (attribute::GROUP_ID, 4),
        (attribute::FULL_LENGTH, 4),
        (attribute::CHECKSUM_STATE, 4),
    ];

    /// Returns a message with zeros as headers and these attributes, each a type and a content
    /// length. If `payload` is `Some`, the attribute for the packet's bytes follows, with that
    /// content length. The bytes of each content count up from 0.
    fn message(attributes: &[(u16, u16)], payload: Option<u16>) -> Vec<u8> {
        let mut message = vec![0; HEADER_BYTES];
        for (kind, length) in attributes
            .iter()
            .copied()
            .chain(payload.map(|length| (attribute::PAYLOAD, length)))
        {
            let begin = message.len().next_multiple_of(4);
            message.resize(begin, 0);
            message.extend((length + 4).to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend((0..length).map(|byte| byte as u8));
        }
        message
    }

    #[test]
    fn every_packet_of_a_kernel_is_read_in_order() {
        for choice in 0..1 << (WRITTEN.len() - 1) {
            let chosen = WRITTEN.iter().enumerate();
            let chosen = chosen.filter(|(index, _)| *index == 0 || choice & 1 << (index - 1) != 0);
            let chosen: Vec<_> = chosen.map(|(_, attribute)| *attribute).collect();
            for payload in [None, Some(0), Some(21)] {
                let mut message = message(&chosen, payload);
                if payload.is_none() {
                    message.resize(message.len().next_multiple_of(4), 0);
                }
                let read = in_order(&message, message.len(), 2, 7);
                assert!(read.is_some(), "{chosen:?}, payload {payload:?}");
                assert_eq!(read, in_any_order(&message, message.len(), 2, 7).ok());
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_in_order_is_read_so_in_any_order(
            chosen in prop::collection::vec((0..WRITTEN.len(), 0_u16..2), 0..8),
            payload in prop::option::of(0_u16..9),
            change in prop::option::of((HEADER_BYTES..80, any::<u8>())),
            (cut, front) in (0_usize..6, 0_usize..120),
        ) {
            let chosen: Vec<_> = chosen.into_iter().map(|(index, longer)| (WRITTEN[index].0, WRITTEN[index].1 + longer)).collect();
            let mut message = message(&[&WRITTEN[..1], &chosen].concat(), payload);
            if let Some((at, value)) = change
                && let Some(byte) = message.get_mut(at)
            {
                *byte = value;
            }
            let end = message.len().saturating_sub(cut).max(HEADER_BYTES);
            let front = &message[..front.min(message.len())];
            if let Some(packet) = in_order(front, end, 10, 1) {
                prop_assert_eq!(in_any_order(front, end, 10, 1), Ok(packet));
            }
        }
    }
}
