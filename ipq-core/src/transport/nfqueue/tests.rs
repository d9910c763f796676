//! Tests of the translation without a socket, with datagrams made by hand and with a simulated
//! kernel.

mod malformed;
#[path = "../../../tests/support/nfnetlink_messages.rs"]
mod messages;
mod outward;
mod packets;
mod round_trip;
mod templates;

use super::fuzzing::datagram;
use super::options::Options;
use super::socket::Device;
use super::translate::datagram::{Received, Translated};
use super::translate::headroom::{self, BOUNCE_BYTES, FRAME_HEAD, Origin};
use crate::family::Family;
use crate::wire::PortId;
use crate::wire::nfnetlink::ParseError;
use messages::{attribute, attribute_of, body, message, packet_header};

/// The program's port id in these tests. The program has attached to the queue with it.
const PEER: PortId = PortId(4242);

fn options() -> Options {
    Options {
        port_id: PEER,
        queue_number: 7,
        ..Options::new(Family::Ipv4)
    }
}

/// Translates `datagram` to a frame in a buffer of `room` bytes, and returns the result and the
/// buffer. The datagram is received by way of a bounce buffer. If it fits, it is also received in
/// the buffer itself, from byte 0, 1, 24 and [`FRAME_HEAD`] on: panics unless these give the same
/// result and frame. `permitted` is `true` if the program has the capability.
fn translated(datagram: &[u8], room: usize, permitted: bool) -> (Result<Translated, ParseError>, Vec<u8>) {
    let translate = |origin: Origin<'_>, copied: usize, mut buffer: Vec<u8>| {
        let received = Received {
            origin,
            copied,
            length: datagram.len(),
            options: &options(),
            peer: PEER,
        };
        let result = received.translate(&mut buffer, devices, || permitted);
        (result, buffer)
    };
    let mut bounce = [0xee; BOUNCE_BYTES];
    let mut buffer = vec![0xee; room];
    let copied = headroom::fill(&mut bounce, &mut buffer, datagram);
    let bounced = translate(Origin::Bounced(&bounce), copied, buffer);
    for at in [0, 1, 24, FRAME_HEAD] {
        let mut buffer = vec![0xee; room];
        let Some(place) = buffer.get_mut(at..at + datagram.len()) else {
            break;
        };
        place.copy_from_slice(datagram);
        let whole = translate(Origin::InBuffer(at), datagram.len(), buffer);
        assert_eq!(whole.0, bounced.0, "received with headroom, and with a bounce buffer");
        let length = frame_length(&whole.0).min(room);
        assert_eq!(whole.1[..length], bounced.1[..length]);
    }
    bounced
}

/// Returns the length of the frame that a datagram became; 0 if it became none.
fn frame_length(translated: &Result<Translated, ParseError>) -> usize {
    match *translated {
        Ok(Translated::Packet { frame, .. }) => frame,
        Ok(Translated::Answer { frame, .. }) => frame.unwrap_or_default(),
        _ => 0,
    }
}

/// Returns the devices with these indices: device 1 is lo, device 2 is eth0, and others have no
/// name.
fn devices(indices: [u32; 2]) -> [Device; 2] {
    indices.map(device)
}

fn device(index: u32) -> Device {
    let named = |name: &str, hw_type| Device {
        name: name.parse().expect("a name"),
        hw_type,
    };
    match index {
        1 => named("lo", 772),
        2 => named("eth0", 1),
        _ => Device::default(),
    }
}
