//! Packets and calls that several tests need.

// Each test target uses a part of this.
#![allow(dead_code)]

pub(crate) mod listener;

use etherparse::PacketBuilder;
use ipq_core::wire::Message;
use ipq_core::{Error, Handle, Hook, PacketId, Transport, Wait};
use ipq_sim::EntryPoint;

/// Returns a UDP packet with `payload` bytes of payload, from the neighbour at `tap0` to the one at
/// `tap1`. The packet has 28 bytes more than the payload.
pub(crate) fn udp(payload: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 2], 64)
        .udp(4000, 5000)
        .write(&mut packet, &vec![0x55; payload])
        .unwrap();
    packet
}

/// Returns the packet of [`udp`] in an Ethernet frame, as it arrives on `tap0`.
pub(crate) fn frame(payload: usize) -> Vec<u8> {
    let header = [2, 0, 0, 0, 0x10, 1, 2, 0, 0, 0, 0x20, 1, 8, 0];
    [&header[..], &udp(payload)].concat()
}

/// Returns the point at INPUT where packets enter a kernel of `ipq_sim::programs::run`.
pub(crate) fn at_input() -> EntryPoint<'static> {
    EntryPoint {
        hook: Hook::Input,
        incoming: "eth0",
        outgoing: "eth1",
        link_header: None,
    }
}

/// Reads the next packet, and returns its id. Fails as [`Handle::read`] does; panics at a message
/// that is no packet.
pub(crate) fn next<T: Transport>(handle: &Handle<T>, wait: Wait) -> Result<PacketId, Error> {
    let mut buffer = vec![0; handle.buffer_for(0)];
    match handle.read(&mut buffer, wait)? {
        Message::Packet(packet) => Ok(packet.packet_id()),
        other => panic!("{other:?} is no packet"),
    }
}
