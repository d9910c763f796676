//! Tests sizes, counts and times at their limits, and that memory keeps to the bounds that the
//! library's documentation states.

mod support;

use bytes::Bytes;
use etherparse::PacketBuilder;
use ipq_core::transport::TransportError;
use ipq_core::transport::faulty::{Arrival, Departure, Faulty};
use ipq_core::wire::{Abi, Message, Timestamp};
use ipq_core::{CopyMode, Error, Family, Handle, Hook, PortId, Verdict, Wait};
use ipq_sim::{ClientId, Device, DropReason, Kernel, Rule, Sim};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::Duration;
use support::listener::{Listener, PORT_ID, mode_message};
use support::{frame, next, udp};

/// Returns a program that is attached in that mode to a queue with the greatest maximum length, on
/// a kernel that keeps no fates.
fn roomy(mode: CopyMode) -> Listener {
    let mut kernel = Kernel::builder().keep_fates(0).build().unwrap();
    for hook in [Hook::Input, Hook::Forward] {
        kernel.add_rule(Rule::queue(Family::Ipv4, hook)).unwrap();
    }
    kernel.set_maximum_length(Family::Ipv4, u32::MAX);
    Listener::attached(kernel, mode)
}

/// Returns the number of bytes that `action` allocates and does not free.
fn held(action: impl FnOnce()) -> usize {
    usize::try_from(allocation_counter::measure(action).bytes_current).unwrap()
}

#[test]
fn a_million_packets_have_ids_of_their_own_and_take_at_most_256_bytes_each() {
    const PACKETS: usize = 1_000_000;
    let mut listener = roomy(CopyMode::Meta);
    let frame = Bytes::from(frame(8));
    let mut ids = Vec::with_capacity(PACKETS);
    let held = held(|| {
        for _ in 0..PACKETS {
            listener.kernel.inject("tap0", frame.clone()).unwrap();
            ids.push(listener.read());
        }
    });
    assert!(held / PACKETS <= 256, "{} bytes for each", held / PACKETS);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), PACKETS);
    assert_eq!(listener.kernel.queue_length(Family::Ipv4), Some(PACKETS));

    // Wherever a packet is in the queue, its id finds it. The next packet gets the id that was
    // answered last.
    for index in [0, PACKETS - 1, PACKETS / 2] {
        listener.decide(ids[index], Verdict::Drop, &[]);
        listener.kernel.inject("tap0", frame.clone()).unwrap();
        assert_eq!(listener.read(), ids[index], "PKT-9");
    }
    listener.kernel.close(listener.socket);
    let accounting = listener.kernel.accounting();
    assert!(accounting.balances());
    assert_eq!(
        [DropReason::Verdict, DropReason::PeerClosed].map(|reason| accounting.dropped_for(reason)),
        [3, PACKETS as u64]
    );
}

#[test]
fn the_longest_packets_take_their_bytes_and_at_most_256_more_each() {
    const PACKETS: usize = 1024;
    let mut longest = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0x20, 1], [2, 0, 0, 0, 0x10, 1])
        .ipv4([10, 1, 0, 2], [10, 1, 0, 1], 64)
        .udp(4000, 5000)
        .write(&mut longest, &vec![0; 65_535 - 28])
        .unwrap();
    let mut listener = roomy(CopyMode::Packet);
    let mut buffer = vec![0; 1 << 17];
    let held = held(|| {
        for _ in 0..PACKETS {
            listener
                .kernel
                .inject("tap0", Bytes::copy_from_slice(&longest))
                .unwrap();
            listener.kernel.receive(listener.socket, &mut buffer).unwrap();
        }
    });
    assert!(
        held / PACKETS <= longest.len() + 256,
        "{} bytes for each",
        held / PACKETS
    );
}

/// Whatever size was asked for, what the socket holds takes at most the bytes that were granted,
/// and those of one more datagram.
#[rstest]
#[case::smallest(0)]
#[case::largest(u32::MAX)]
fn a_socket_that_nobody_reads_takes_at_most_its_receive_buffer_and_one_datagram(#[case] asked: u32) {
    let Listener { mut kernel, socket } = roomy(CopyMode::Packet);
    kernel.set_maximum_length(Family::Ipv4, 0);
    let granted = kernel.set_receive_buffer(socket, asked).unwrap() as usize;
    let refused = mode_message(PORT_ID, CopyMode::Unknown(9));
    let held = held(|| {
        for _ in 0..10_000 {
            kernel.send(socket, &refused).unwrap();
        }
    });
    assert!(held <= granted + 4096, "{held} bytes, and {granted} are granted");
}

#[test]
fn port_ids_that_collide_are_passed_over_and_an_open_socket_takes_at_most_256_bytes() {
    const SOCKETS: usize = 10_000;
    let mut kernel = Kernel::builder().build().unwrap();
    // Some port ids that the kernel would choose are taken.
    for taken in [4242, -4097, -4099, -4100_i32] {
        let socket = kernel.open(ClientId::FIRST, 3).unwrap();
        kernel.bind(socket, PortId(taken.cast_unsigned())).unwrap();
    }
    let mut sockets = Vec::with_capacity(SOCKETS);
    let mut chosen = HashSet::with_capacity(SOCKETS);
    let held = held(|| {
        for _ in 0..SOCKETS {
            let socket = kernel.open(ClientId::FIRST, 3).unwrap();
            let port_id = kernel.bind(socket, PortId::KERNEL).unwrap();
            assert!(chosen.insert(port_id), "{port_id} is taken");
            sockets.push(socket);
        }
    });
    assert!(held / SOCKETS <= 256, "{} bytes for each", held / SOCKETS);
    assert_eq!(chosen.iter().map(|port_id| port_id.0.cast_signed()).max(), Some(-4098));
    for socket in sockets {
        kernel.close(socket);
    }
    let other_family = kernel.open(ClientId::FIRST, 13).unwrap();
    assert_eq!(kernel.bind(other_family, PortId::KERNEL), Ok(PORT_ID));
}

#[rstest]
#[case::at_the_beginning(Duration::ZERO, 0)]
#[case::before_2038(Duration::from_secs(0x7fff_ffff), 0x7fff_ffff)]
#[case::after_2038(Duration::from_secs(0x8000_0000), 0x8000_0000)]
#[case::after_2106(Duration::from_secs(0x1_0000_0000), 0x1_0000_0000)]
#[case::at_the_end(Duration::MAX, 18_446_744_073_709)]
fn at_any_time_packets_come_and_waits_end(#[case] start: Duration, #[case] seconds: i64) {
    let sim = Kernel::builder().starting_at(start).simulate().unwrap();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    sim.inject("tap0", frame(8)).unwrap();
    let mut buffer = [0; 256];
    match handle.read(&mut buffer, Wait::Never).unwrap() {
        Message::Packet(packet) => assert_eq!(packet.timestamp().seconds, seconds),
        other => panic!("{other:?} is no packet"),
    }
    for wait in [Duration::ZERO, Duration::from_secs(5), Duration::MAX] {
        assert_eq!(next(&handle, Wait::For(wait)), Err(Error::TimedOut));
        assert_eq!(sim.now(), start.saturating_add(wait).max(sim.now()));
    }
    sim.with(|kernel| kernel.inject_later(Duration::MAX, "tap0", frame(8)))
        .unwrap();
    assert!(next(&handle, Wait::Forever).is_ok());
}

#[test]
fn a_packet_at_time_0_can_not_be_told_from_one_without_a_time() {
    let sim = Kernel::builder().starting_at(Duration::ZERO).simulate().unwrap();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Meta, 0).unwrap();
    sim.inject("tap0", frame(8)).unwrap();
    let mut buffer = [0; 256];
    let Message::Packet(packet) = handle.read(&mut buffer, Wait::Never).unwrap() else {
        panic!("a packet is queued");
    };
    assert_eq!(packet.timestamp(), Timestamp::default());
    assert!(packet.timestamp().is_unset());
}

#[test]
fn a_device_name_of_15_bytes_fills_its_field_but_for_the_nul() {
    let name = "fifteen-bytes-0";
    let device = |name, number| {
        Device::ethernet(name, [2, 0, 0, 0, 0x10, number])
            .address(Ipv4Addr::new(10, number, 0, 1), 24)
            .neighbour(Ipv4Addr::new(10, number, 0, 2), [2, 0, 0, 0, 0x20, number])
    };
    let sim = Kernel::builder()
        .devices([device(name, 1), device("fifteen-bytes-1", 2)])
        .simulate()
        .unwrap();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Meta, 0).unwrap();
    sim.inject_packet(name, &udp(8)).unwrap();
    let mut buffer = [0; 256];
    let read = handle.read_datagram(&mut buffer, Wait::Never).unwrap();
    let names = &buffer[16 + 2 * 16 + 4..][..32];
    assert_eq!(names, b"fifteen-bytes-0\0fifteen-bytes-1\0");
    // If a kernel filled the sixteenth byte, too, the names would still be read right.
    let sixteenth = 16 + 2 * 16 + 4 + 15;
    buffer[sixteenth] = b'6';
    let Message::Packet(packet) = Message::parse(&buffer[..read], Abi::LP64_LITTLE).unwrap() else {
        panic!("it is still a packet");
    };
    assert_eq!(packet.indev_name(), "fifteen-bytes-06");
    assert_eq!(packet.outdev_name(), "fifteen-bytes-1");
}

/// Signals come before every datagram, in both directions. A program that calls again loses
/// nothing, and does nothing twice.
#[test]
fn a_storm_of_signals_loses_nothing() {
    const PACKETS: u64 = 500;
    let sim = Sim::default();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let signals = 3 * PACKETS as usize;
    let arrivals = [Arrival::Fail(TransportError::Interrupted); 3];
    let departures = [Departure::Fail(TransportError::Interrupted), Departure::Pass];
    let faulty = Faulty::new(sim.open(Family::Ipv4).unwrap().into_transport())
        .with_arrivals(arrivals.into_iter().chain([Arrival::Pass]).cycle())
        .with_departures(departures.into_iter().cycle());
    let handle = Handle::new(faulty);
    let mut interrupted = 0;
    again(&mut interrupted, || handle.set_mode(CopyMode::Packet, 0));
    assert_eq!(interrupted, 1);
    for _ in 0..PACKETS {
        sim.inject("tap0", frame(8)).unwrap();
        let id = again(&mut interrupted, || next(&handle, Wait::Forever));
        again(&mut interrupted, || handle.set_verdict(id, Verdict::Accept, None));
    }
    assert_eq!(interrupted, 1 + signals + PACKETS as usize);
    assert_eq!(sim.accounting().delivered, PACKETS);
    assert_eq!(sim.accounting().queued, 0);
}

/// Calls again as long as a signal interrupts the call, and counts the signals. Returns the value.
fn again<T>(interrupted: &mut usize, call: impl Fn() -> Result<T, Error>) -> T {
    loop {
        match call() {
            Ok(value) => return value,
            Err(Error::Interrupted { .. } | Error::Send(TransportError::Interrupted)) => *interrupted += 1,
            Err(error) => panic!("{error}"),
        }
    }
}
