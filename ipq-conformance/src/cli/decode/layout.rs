//! The layout of a file's frames: their word size and byte order. A frame does not state its
//! layout, but it fits some layouts better than others.

use super::Frame;
use crate::decode::nfnetlink::{self, Attribute};
use ipq_core::wire::{Abi, Envelope, Frame as Parsed, Header, Message, padding};

/// Returns the layout among `candidates` that the frames fit best. Where several fit equally well,
/// this machine's is preferred.
pub(super) fn layout(frames: &[Frame], candidates: &[Abi]) -> Abi {
    let fit = |abi: &Abi| {
        frames
            .iter()
            .map(|frame| u64::from(fit(&frame.bytes, *abi, true)))
            .sum::<u64>()
    };
    let best = candidates.iter().max_by_key(|abi| (fit(abi), **abi == Abi::NATIVE));
    best.copied().unwrap_or(Abi::NATIVE)
}

/// Returns a score for how well a datagram fits a layout: 0 if its header can't be parsed, 1 if the
/// header can but not the message or its type is unknown, 2 if the message can but its lengths
/// disagree, and 8 if all lengths agree. For an 8, a packet message also needs flags, sequence
/// number and port id 0.
///
/// An error message scores 2 and the score of the message that it quotes. It scores 1 if its error
/// is positive, or if `may_quote` is `false`, as for a quoted message.
fn fit(datagram: &[u8], abi: Abi, may_quote: bool) -> u32 {
    let Ok(Parsed { header, body }) = Parsed::parse(datagram, abi) else {
        return 0;
    };
    let request = abi.request_bytes();
    let exactly = |good: bool| if good { 8 } else { 2 };
    match Message::parse(datagram, abi) {
        Ok(Message::Packet(packet)) => {
            let payload = packet.payload().len();
            let whole = abi.packet_message_bytes() + payload + padding(payload);
            exactly(body.len() == whole && envelope(&header) == Envelope::default())
        }
        // The mode messages of libipq have 16 bytes too many (WIRE-7).
        Ok(Message::Mode(_)) => exactly(body.len() == request || body.len() == request + 16),
        Ok(Message::Verdict(verdict, following)) => exactly(verdict.data_len == following.len() as u64),
        Ok(Message::Error(error)) if may_quote && error.error <= 0 => 2 + fit(error.quoted, abi, false),
        Ok(Message::Unknown(kind, body)) if nfnetlink::is_type(kind) => {
            let attributes = body.get(4..).unwrap_or_default();
            exactly(Attribute::all(attributes, abi.order).1 == 0)
        }
        // The header makes sense, but no more.
        Err(_) | Ok(Message::Error(_) | Message::Unknown(..)) => 1,
    }
}

const fn envelope(header: &Header) -> Envelope {
    Envelope {
        flags: header.flags,
        sequence: header.sequence,
        port_id: header.port_id,
    }
}
