//! Packets that the program sent by a raw socket of its own.

use super::capture::{CaptureTime, NotFed, in_ethernet};
use crate::programs::server::{RawLayer, RawPacket};
use bytes::Bytes;

/// A packet that the program sent by a raw socket of its own.
#[derive(Clone, Debug)]
pub struct OwnPacket {
    /// The number of the packet among those that the program sent in this way, counted from 0.
    pub number: u64,
    /// The time of the send, by the capture's clock: the time of the first record whose outcome the
    /// reports were waiting for. If there was none, the time of the record that was reported last;
    /// before any was, the time of the capture's first record, or 0 if that had not been read yet.
    pub time: CaptureTime,
    /// The bytes of the IP packet, without a link header; or the reason why the program sent no IP
    /// packet.
    pub packet: Result<Bytes, NotFed>,
    /// The mark that the socket gives its packets (`SO_MARK`); `None` if it gives none.
    pub mark: Option<u32>,
}

/// Returns the IP packet that a program sent by a raw socket, without its link header. Fails if the
/// program sent another protocol than IP, or nothing after the link header. The bytes of the IP
/// packet are not checked.
pub(super) fn ip_packet(sent: &RawPacket) -> Result<Bytes, NotFed> {
    let packet = match sent.layer {
        RawLayer::Ethernet => sent.bytes.slice_ref(in_ethernet(&sent.bytes)?),
        RawLayer::Network(0x0800 | 0x86dd) => sent.bytes.clone(),
        RawLayer::Network(protocol) => return Err(NotFed::not_ip(protocol)),
    };
    if packet.is_empty() {
        return Err(NotFed::Short);
    }
    Ok(packet)
}
