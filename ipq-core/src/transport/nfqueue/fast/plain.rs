//! Plain verdicts: what nearly every message of a program is.
//!
//! A plain verdict comes from the peer and asks for no acknowledgement. There is nothing in it but
//! the verdict and, if any bytes follow, a replacement packet.

use crate::transport::nfqueue::options::Options;
use crate::transport::nfqueue::translate::request::{Action, HEAD_BYTES, Request};
use crate::wire::{Abi, Flags, Header, MessageType, PortId, VerdictRequest};

/// Recognises a plain verdict by its head and the number of bytes that follow the head. It is a
/// valid verdict of the peer's, with the flag REQUEST alone and sequence 0. After it come no bytes,
/// or a replacement that is applied (VER-5, VER-6). Returns the request and its action, or `None`
/// for anything else.
///
/// The slow twin is [`Request::screen`] with [`Request::action`].
#[inline]
pub(crate) fn plain(
    head: &[u8; HEAD_BYTES],
    following: usize,
    peer: PortId,
    options: &Options,
) -> Option<(Request, Action)> {
    const VALUE_END: usize = Header::BYTES + 4;
    const WORD_END: usize = Header::BYTES + Abi::NATIVE.word_bytes();
    let request = Request {
        header: Header {
            length: u32::try_from(HEAD_BYTES + following).ok()?,
            message_type: MessageType::Verdict,
            flags: Flags::REQUEST,
            sequence: 0,
            port_id: peer,
        },
        embedded: false,
    };
    if peer == PortId::KERNEL || Header::parse(head, Abi::NATIVE)? != request.header {
        return None;
    }
    let (verdict, _) = VerdictRequest::parse(&head[Header::BYTES..], Abi::NATIVE).ok()?;
    let padded = head[VALUE_END..WORD_END].iter().all(|byte| *byte == 0);
    if !padded || verdict.data_len != following as u64 {
        return None;
    }
    match request.verdict(verdict, options) {
        action @ Action::Verdict { replaces, .. } if replaces || following == 0 => Some((request, action)),
        _ => None,
    }
}

/// Returns the packet id in the verdict with this `head`, if the head equals the `previous` one in
/// everything but that id. Returns `None` if it does not, or if the id needs more than 32 bits. If
/// the previous verdict was [`plain`] and nothing followed its head, so is this one.
#[inline]
pub(crate) fn repeats(head: &[u8; HEAD_BYTES], previous: &[u8; HEAD_BYTES]) -> Option<u32> {
    const ID: usize = Header::BYTES + Abi::NATIVE.word_bytes();
    const ID_END: usize = ID + Abi::NATIVE.word_bytes();
    if head[..ID] != previous[..ID] || head[ID_END..] != previous[ID_END..] {
        return None;
    }
    let (request, _) = VerdictRequest::parse(&head[Header::BYTES..], Abi::NATIVE).ok()?;
    u32::try_from(request.packet_id.0).ok()
}
