//! A transport in memory for tests, and frames to send through it.

// Each test target uses only a part of this module.
#![allow(dead_code)]

mod pipe;

pub(crate) use pipe::{Incoming, Pipe};

use ipq_core::wire::{
    Abi, Envelope, ErrorMessage, EtherType, Flags, HardwareAddress, Hook, InterfaceName, Mark, PacketMetadata,
    Timestamp, padding,
};
use ipq_core::{Errno, PacketId, PortId};

/// The port id of the program in these tests.
pub(crate) const PROGRAM: PortId = PortId(4242);

/// Returns a PACKET frame as the kernel sends it, with the padding.
pub(crate) fn packet_frame(abi: Abi, packet_id: u64, payload: &[u8]) -> Vec<u8> {
    let metadata = PacketMetadata {
        packet_id: PacketId(packet_id),
        mark: Mark(0),
        timestamp: Timestamp::default(),
        hook: Hook::Forward,
        indev_name: InterfaceName::NONE,
        outdev_name: InterfaceName::NONE,
        hw_protocol: EtherType::IPV4,
        hw_type: 1,
        hw_address: HardwareAddress::NONE,
    };
    let pad = padding(payload.len());
    [&metadata.head(abi, payload.len()), payload, &[0; 3][..pad]].concat()
}

/// Returns a frame in which the kernel answers a request: with an error, or with an acknowledgement
/// if `errno` is 0. It quotes all of `quoted`, and its sequence is 0.
pub(crate) fn error_frame(abi: Abi, errno: Errno, quoted: &[u8]) -> Vec<u8> {
    let envelope = Envelope {
        flags: Flags::NONE,
        sequence: 0,
        port_id: PROGRAM,
    };
    let head = ErrorMessage::head(-errno.0, abi, envelope, quoted.len());
    [&head, quoted, &[0; 3][..padding(quoted.len())]].concat()
}
