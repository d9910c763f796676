//! Tests of an nfnetlink queue over a socket that these tests implement, and that states wrong
//! lengths of datagrams.

#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "these tests need one message of many")]
#[path = "support/nfnetlink_messages.rs"]
mod messages;
mod support;

use ipq_core::transport::nfqueue::{Arrivals, Device, DeviceTable, NfQueue, Options, ParseError, QueueSocket};
use ipq_core::transport::{Datagram, Transport};
use ipq_core::{Family, PortId, TransportError, Wait};
use messages::{body, message, packet_header};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use std::io::{self, IoSliceMut};
use std::time::Duration;
use support::{Incoming, Pipe};

/// A table without devices.
#[derive(Debug)]
struct NoDevices;

impl DeviceTable for NoDevices {
    fn queue_ran_empty(&self) {}

    fn datagrams_came(&self, _: u32) {}

    fn generation(&self) -> u32 {
        0
    }

    fn get(&self, _: [u32; 2]) -> [Device; 2] {
        [Device::default(); 2]
    }
}

impl QueueSocket for Pipe {
    type Devices = NoDevices;

    fn receive_parts(&self, parts: &mut [IoSliceMut<'_>], wait: Wait) -> Result<Datagram, TransportError> {
        // Nothing in these tests is longer than the first part.
        self.receive(&mut parts[0], wait)
    }

    fn receive_places<const PARTS: usize>(
        &self,
        _: &mut [[IoSliceMut<'_>; PARTS]],
        _: &mut Arrivals,
        _: Wait,
    ) -> Result<(), TransportError> {
        Err(TransportError::TimedOut)
    }

    fn until_readable(&self, _: Wait) -> Result<(), TransportError> {
        Ok(())
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn proc_text(&self) -> io::Result<String> {
        Ok(String::new())
    }
}

/// Receives a packet's datagram of 32 bytes, from a socket that states these lengths, into a buffer
/// of `room` bytes.
fn received(copied: usize, length: usize, room: usize) -> Result<Datagram, TransportError> {
    let packet = message(0x0300, 0, 0, &body(2, &[packet_header(9, 0x0800, 0)]));
    let socket = Pipe::new();
    let sender = PortId::KERNEL;
    socket.put(Incoming::Claim(packet.into(), Datagram { copied, length, sender }));
    let options = Options {
        queue_number: 7,
        ..Options::new(Family::Ipv4)
    };
    let queue = NfQueue::over(socket, Pipe::new(), NoDevices, options).expect("a queue");
    queue.receive(&mut vec![0; room], Wait::Never)
}

#[test]
fn a_packet_of_which_too_many_bytes_are_stated_comes_as_a_whole_frame() {
    let right = received(32, 32, 2048);
    assert!(matches!(right, Ok(Datagram { copied, length, .. }) if copied == length && length > 32));
    assert_eq!(received(33, 32, 2048), right);
    assert_eq!(received(usize::MAX, 32, 2048), right);
}

proptest! {
    #[test]
    fn no_stated_length_is_more_than_the_buffer_has(
        copied in prop_oneof![0_usize..80, any::<usize>()],
        length in prop_oneof![0_usize..80, any::<usize>()],
        room in prop_oneof![0_usize..200, Just(2048)],
    ) {
        if let Ok(datagram) = received(copied, length, room) {
            prop_assert!(datagram.copied <= room.min(datagram.length));
        }
    }
}
