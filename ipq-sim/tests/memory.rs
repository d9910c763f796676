//! Tests that a queued packet takes no more memory than the library's documentation states, and
//! that the memory does not grow if the same is done again and again.

mod support;

use bytes::Bytes;
use etherparse::PacketBuilder;
use ipq_core::wire::{Abi, Envelope, Flags, ModeRequest};
use ipq_core::{CopyMode, Family, Hook, PortId, Wait};
use ipq_sim::{ClientId, Kernel, Rule};
use support::listener::{Listener, PORT_ID};

/// Returns an Ethernet frame with a UDP packet of `length` bytes for this host.
fn frame(length: usize) -> Bytes {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0x20, 1], [2, 0, 0, 0, 0x10, 1])
        .ipv4([10, 1, 0, 2], [10, 1, 0, 1], 64)
        .udp(4000, 5000);
    let mut frame = Vec::new();
    builder.write(&mut frame, &vec![0; length - 28]).unwrap();
    frame.into()
}

#[test]
fn a_queued_packet_takes_its_bytes_and_no_more_beside_than_is_said() {
    // A few more than a power of two, when a table that doubles its size has the most room to
    // spare.
    const PACKETS: usize = 16_400;
    let sim = Kernel::builder().keep_fates(0).simulate().unwrap();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Input)).unwrap();
    sim.with(|kernel| kernel.set_maximum_length(Family::Ipv4, u32::MAX));
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    let mut buffer = vec![0; 4096];
    let frame = frame(1000);
    let held = allocation_counter::measure(|| {
        for _ in 0..PACKETS {
            sim.inject("tap0", Bytes::copy_from_slice(&frame)).unwrap();
            handle.read(&mut buffer, Wait::Never).unwrap();
        }
    });
    let each = usize::try_from(held.bytes_current).unwrap() / PACKETS;
    assert!(each < frame.len() + 288, "{each}");
}

/// No more memory is held after many rounds than after some.
#[test]
fn programs_that_ask_and_never_read_make_nothing_grow() {
    let mut kernel = Kernel::builder().keep_fates(16).build().unwrap();
    kernel.add_rule(Rule::queue(Family::Ipv4, Hook::Input)).unwrap();
    let Listener { mut kernel, socket } = Listener::bound(kernel);
    let envelope = Envelope {
        flags: Flags::REQUEST | Flags::ACK,
        sequence: 0,
        port_id: PORT_ID,
    };
    let mode = ModeRequest {
        mode: CopyMode::Packet,
        range: 1,
    };
    let (message, frame) = (mode.head(Abi::LP64_LITTLE, envelope), frame(1000));
    let mut rounds = |count: usize| {
        let held = allocation_counter::measure(|| {
            for _ in 0..count {
                kernel.send(socket, &message).unwrap();
                kernel.inject("tap0", Bytes::copy_from_slice(&frame)).unwrap();
                let other = kernel.open(ClientId::FIRST, 3).unwrap();
                kernel.bind(other, PortId::KERNEL).unwrap();
                let _full = kernel.send_to(other, PORT_ID, &[0; 100]);
                kernel.close(other);
            }
        });
        held.bytes_current
    };
    rounds(5000);
    assert_eq!(rounds(50_000), 0);
    assert!(kernel.accounting().balances());
}

#[test]
fn a_queue_that_is_emptied_and_filled_again_needs_no_more_room() {
    let mut kernel = Kernel::builder().keep_fates(0).build().unwrap();
    kernel.add_rule(Rule::queue(Family::Ipv4, Hook::Input)).unwrap();
    let mut kernel = Some(kernel);
    let frame = frame(100);
    let mut fill = || {
        let held = allocation_counter::measure(|| {
            let mut listener = Listener::attached(kernel.take().unwrap(), CopyMode::Meta);
            for _ in 0..100 {
                listener.kernel.inject("tap0", frame.clone()).unwrap();
            }
            assert_eq!(listener.kernel.queue_length(Family::Ipv4), Some(100));
            listener.kernel.close(listener.socket);
            kernel = Some(listener.kernel);
        });
        held.bytes_current
    };
    fill();
    for _ in 0..10 {
        assert_eq!(fill(), 0);
    }
}
