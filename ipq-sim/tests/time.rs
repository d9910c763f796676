//! Tests time in the emulated kernel. In virtual time no call really waits, and everything comes
//! when it is due. In real time a packet wakes a reader on another thread.

use ipq_core::wire::Message;
use ipq_core::{CopyMode, Error, Family, Hook, TransportError, Wait};
use ipq_sim::{Kernel, Rule, Sim};
use pretty_assertions::assert_eq;
use std::thread;
use std::time::{Duration, Instant};

const UDP: &[u8] = &[
    0x45, 0, 0, 36, 0, 9, 0, 0, 64, 17, 0x66, 0xba, 10, 1, 0, 2, 10, 2, 0, 2, 0x0f, 0xa0, 0x13, 0x88, 0, 16, 0x43,
    0x1a, 97, 97, 97, 97, 97, 97, 97, 97,
];

#[test]
fn a_read_on_an_idle_queue_returns_at_once_with_the_clock_set_forward() {
    let sim = Sim::default();
    let handle = sim.open(Family::Ipv4).unwrap();
    let (began, before) = (Instant::now(), sim.now());
    let nothing = handle.read(&mut [0; 2048], Wait::For(Duration::from_secs(2))).err();
    assert_eq!(nothing, Some(Error::TimedOut));
    assert_eq!(sim.now(), before + Duration::from_secs(2));
    assert!(began.elapsed() < Duration::from_secs(2), "the wait was real");
}

#[test]
fn a_wait_ends_when_a_packet_comes_and_not_later() {
    let sim = Sim::default();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    let frame = [&[2, 0, 0, 0, 0x10, 1, 2, 0, 0, 0, 0x20, 1, 8, 0], UDP].concat();
    let before = sim.now();
    sim.with(|kernel| kernel.inject_later(Duration::from_millis(300), "tap0", frame))
        .unwrap();
    let mut buffer = [0; 2048];
    assert!(matches!(
        handle.read(&mut buffer, Wait::For(Duration::from_secs(2))),
        Ok(Message::Packet(_))
    ));
    assert_eq!(sim.now(), before + Duration::from_millis(300));
}

#[test]
fn what_was_put_off_comes_in_the_order_of_its_time_and_then_of_its_asking() {
    let sim = Sim::default();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    let began = sim.now();
    for (seconds, number) in [(3, 30), (1, 10), (3, 31), (2, 20)] {
        // The last byte of the payload distinguishes the packets.
        let mut frame = [&[2, 0, 0, 0, 0x10, 1, 2, 0, 0, 0, 0x20, 1, 8, 0], UDP].concat();
        *frame.last_mut().unwrap() = number;
        sim.with(|kernel| kernel.inject_later(Duration::from_secs(seconds), "tap0", frame))
            .unwrap();
    }
    let mut buffer = [0; 2048];
    let mut seen = Vec::new();
    loop {
        match handle.read(&mut buffer, Wait::Forever) {
            Ok(Message::Packet(packet)) => {
                let stamp = packet.timestamp().seconds - i64::try_from(began.as_secs()).unwrap();
                seen.push((stamp, *packet.payload().last().unwrap()));
            }
            other => {
                // No packet is left to come, so the wait would never end.
                assert_eq!(other.err(), Some(Error::Receive(TransportError::Deadlock)));
                break;
            }
        }
    }
    assert_eq!(seen, [(1, 10), (2, 20), (3, 30), (3, 31)]);
    assert_eq!(sim.now(), began + Duration::from_secs(3));
}

#[test]
fn a_read_that_does_not_wait_finds_what_is_due() {
    let sim = Sim::default();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    let frame = [&[2, 0, 0, 0, 0x10, 1, 2, 0, 0, 0, 0x20, 1, 8, 0], UDP].concat();
    for delay in [0, 1] {
        sim.with(|kernel| kernel.inject_later(Duration::from_nanos(delay), "tap0", frame.clone()))
            .unwrap();
    }
    let mut buffer = [0; 2048];
    let mut read = || handle.read(&mut buffer, Wait::Never).map(|_| ());
    assert_eq!((read(), read()), (Ok(()), Err(Error::TimedOut)));
}

#[test]
fn a_wait_beyond_the_end_of_time_ends_there() {
    let sim = Sim::default();
    let handle = sim.open(Family::Ipv4).unwrap();
    let nothing = handle.read(&mut [0; 2048], Wait::For(Duration::MAX)).err();
    assert_eq!((nothing, sim.now()), (Some(Error::TimedOut), Duration::MAX));
    sim.advance(Duration::MAX);
    assert_eq!(sim.now(), Duration::MAX);
}

#[test]
fn a_shared_kernel_wakes_a_reader_on_another_thread() {
    let sim = Kernel::builder().share().unwrap();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut buffer = [0; 2048];
            matches!(handle.read(&mut buffer, Wait::Forever), Ok(Message::Packet(_)))
        });
        sim.inject_packet("tap0", UDP).unwrap();
        assert!(reader.join().unwrap());
    });
}
