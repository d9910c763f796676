//! Tests of full queues, full receive buffers, many packets at once, allocations, and signals.

use super::host::Host;
use super::program::{Program, arrived, sockets};
use allocation_counter::measure;
use ipq_core::handle::{Buffers, Decision};
use ipq_core::transport::nfqueue::Options;
use ipq_core::transport::{Slot, TransportError};
use ipq_core::wire::{Abi, Message, VerdictRequest};
use ipq_core::{CopyMode, Error, Family, Hook, PacketId, Transport, Verdict, Wait};
use pretty_assertions::assert_eq;
use std::io::IoSlice;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

tests![
    a_full_queue_drops_or_lets_through,
    an_overrun_is_told_and_counted,
    many_packets_and_verdicts_in_few_calls,
    reading_and_deciding_allocates_nothing,
    reading_and_deciding_many_allocates_nothing,
    a_signal_interrupts_a_wait,
    a_storm_of_signals_loses_nothing,
];

fn a_full_queue_drops_or_lets_through(host: &mut Host) {
    host.queue_all(Family::Ipv4, Hook::Output);
    let [sender, receiver] = sockets("127.0.0.1");
    for fail_open in [false, true] {
        let program = Program::with(Options {
            max_length: Some(2),
            fail_open,
            ..Options::new(Family::Ipv4)
        });
        program.handle.set_mode(CopyMode::Packet, 0).expect("mode PACKET");
        for number in 0..3 {
            let _ = sender.send(&[number]);
        }
        if fail_open {
            assert_eq!(arrived(&receiver), [2]);
        }
        for number in 0..2 {
            let (metadata, packet) = program.packet();
            assert_eq!(packet[28..], [number]);
            program.decide(metadata.packet_id, Verdict::Accept);
            assert_eq!(arrived(&receiver), [number]);
        }
        program.nothing();
        if let Ok(statistics) = program.handle.transport().statistics() {
            let dropped = statistics.expect("the queue is bound").queue_dropped;
            assert_eq!(dropped, u64::from(!fail_open), "PKT-2");
        }
    }
}

fn an_overrun_is_told_and_counted(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    let transport = program.handle.transport();
    assert!(transport.set_receive_buffer(1).is_ok());
    let [sender, _receiver] = sockets("127.0.0.1");
    for _ in 0..100 {
        let _ = sender.send(b"too many");
    }
    let mut buffer = [0; 2048];
    assert_eq!(
        program.handle.read(&mut buffer, Wait::Never).err(),
        Some(Error::Overrun)
    );
    assert_eq!(program.handle.overruns(), 1);
    let mut read = 0;
    while let Ok(Message::Packet(packet)) = program.handle.read(&mut buffer, Wait::Never) {
        assert_eq!(
            packet.packet_id(),
            PacketId(read + 1),
            "those that fitted come in order"
        );
        read += 1;
    }
    assert!((1..100).contains(&read), "{read} of 100 fitted");
    if let Ok(statistics) = transport.statistics() {
        let statistics = statistics.expect("the queue is bound");
        assert_eq!(
            (statistics.queue_length, statistics.user_dropped),
            (read, 100 - read),
            "PKT-3"
        );
    }
    assert_eq!(transport.set_no_enobufs(true), Ok(()));
}

fn many_packets_and_verdicts_in_few_calls(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    host.queue_all(Family::Ipv6, Hook::Output);
    let [[sender, receiver], [six, _six_receiver]] = ["127.0.0.1", "::1"].map(sockets);
    for room in [600, program.handle.buffer_for(0)] {
        many_packets_and_verdicts(&program, [&sender, &receiver, &six], room);
    }
}

/// Checks that 100 packets are read in one call, with buffers of `room` bytes, and that their
/// verdicts are sent in one call. IPv6 packets that arrive between them are left out.
fn many_packets_and_verdicts(program: &Program, [sender, receiver, six]: [&UdpSocket; 3], room: usize) {
    let transport = program.handle.transport();
    let count = 100;
    for number in 0..count {
        sender.send(&[number; 3]).expect("sent");
        if number % 7 == 3 {
            six.send(b"of the other family").expect("sent");
        }
    }
    let mut buffers = vec![vec![0; room]; 100];
    let mut slots: Vec<Slot<'_>> = buffers.iter_mut().map(|buffer| Slot::new(buffer)).collect();
    let filled = transport.receive_many(&mut slots, Wait::Forever).expect("packets");
    assert_eq!(filled, usize::from(count));
    let heads: Vec<_> = slots[..filled]
        .iter()
        .enumerate()
        .map(|(index, slot)| {
            let datagram = slot.result.expect("a packet");
            let Ok(Message::Packet(packet)) = Message::parse(&slot.buffer[..datagram.copied], Abi::NATIVE) else {
                panic!("no packet");
            };
            assert_eq!(
                packet.payload()[28..],
                [index as u8; 3],
                "in order, without the other family's"
            );
            let request = VerdictRequest {
                verdict: if index % 2 == 0 { Verdict::Accept } else { Verdict::Drop },
                packet_id: packet.packet_id(),
                data_len: 0,
            };
            request.head(Abi::NATIVE, program.envelope(), 0)
        })
        .collect();
    let parts: Vec<_> = heads.iter().map(|head| [IoSlice::new(head)]).collect();
    let messages: Vec<&[IoSlice<'_>]> = parts.iter().map(|parts| &parts[..]).collect();
    let mut results = vec![Err(TransportError::Closed); messages.len()];
    transport.send_many(&messages, &mut results);
    assert!(results.iter().all(|result| *result == Ok(40)));
    for number in (0..count).step_by(2) {
        assert_eq!(arrived(receiver), [number; 3]);
    }
    program.nothing();
}

fn reading_and_deciding_allocates_nothing(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    let [sender, receiver] = sockets("127.0.0.1");
    let mut buffer = [0; 2048];
    let mut exchange = || {
        sender.send(&[7; 900]).expect("sent");
        let Ok(Message::Packet(packet)) = program.handle.read(&mut buffer, Wait::Forever) else {
            panic!("no packet");
        };
        let (id, replacement) = (packet.packet_id(), packet.payload());
        program
            .handle
            .set_verdict(id, Verdict::Accept, Some(replacement))
            .expect("a verdict");
        receiver.recv(&mut [0; 1000]).expect("a datagram");
        program
            .handle
            .set_verdict(id, Verdict::Accept, None)
            .expect("a verdict");
        assert!(matches!(
            program.handle.read(&mut buffer, Wait::Never),
            Ok(Message::Error(_))
        ));
    };
    exchange();
    assert_eq!(measure(|| (0..200).for_each(|_| exchange())).count_total, 0);
}

fn reading_and_deciding_many_allocates_nothing(host: &mut Host) {
    for batch_verdicts in [false, true] {
        host.queue_all(Family::Ipv4, Hook::Output);
        let program = Program::with(Options {
            batch_verdicts,
            ..Options::new(Family::Ipv4)
        });
        program.handle.set_mode(CopyMode::Packet, 0).expect("mode PACKET");
        let [sender, receiver] = sockets("127.0.0.1");
        let mut buffers = Buffers::new(40, 2048);
        let mut exchange = || {
            (0..40).for_each(|_| assert_eq!(sender.send(&[7; 900]).expect("sent"), 900));
            let messages = program.handle.read_many(&mut buffers, Wait::Forever).expect("messages");
            let decisions = messages.map(|message| match message {
                Ok(Message::Packet(packet)) => Decision::new(packet.packet_id(), Verdict::Accept),
                other => panic!("no packet: {other:?}"),
            });
            let sent = program.handle.set_verdicts(decisions, |_, error| panic!("{error}"));
            (0..sent).for_each(|_| assert_eq!(receiver.recv(&mut [0; 1000]).expect("a datagram"), 900));
        };
        (0..5).for_each(|_| exchange());
        assert_eq!(measure(|| (0..50).for_each(|_| exchange())).count_total, 0);
    }
}

fn a_signal_interrupts_a_wait(_: &mut Host) {
    let program = Program::new(Family::Ipv4);
    let read = in_a_storm(|| {
        program
            .handle
            .read(&mut [0; 100], Wait::For(Duration::from_mins(10)))
            .err()
    });
    assert_eq!(read, Some(Error::Interrupted { forever: false }), "LIB-3");
}

/// Lets signals interrupt a program's calls, which it repeats. Checks that it reads every packet
/// once, and that every packet that it accepts arrives once.
fn a_storm_of_signals_loses_nothing(host: &mut Host) {
    const PACKETS: u8 = 200;
    let program = Program::reading_output(host, Family::Ipv4);
    let [sender, receiver] = sockets("127.0.0.1");
    let (decided, interrupted, mut seen) = (AtomicU8::new(0), AtomicU32::new(0), Vec::new());
    std::thread::scope(|scope| {
        // Each packet is sent only after the one before has been decided, and after more waits have
        // been interrupted than packets sent.
        scope.spawn(|| {
            for number in 0..PACKETS {
                while decided.load(Ordering::Acquire) < number || interrupted.load(Ordering::Acquire) <= number.into() {
                    std::thread::yield_now();
                }
                sender.send(&[number]).expect("sent");
            }
        });
        in_a_storm(|| {
            let mut buffer = [0; 2048];
            while seen.len() < usize::from(PACKETS) {
                // After the handler, a wait without a time limit goes on, as a receive call does.
                // One with a time limit ends, as poll does.
                let id = match program.handle.read(&mut buffer, Wait::For(Duration::from_mins(10))) {
                    Ok(Message::Packet(packet)) => {
                        seen.push(packet.payload()[28]);
                        packet.packet_id()
                    }
                    Err(Error::Interrupted { forever: false }) => {
                        interrupted.fetch_add(1, Ordering::Release);
                        continue;
                    }
                    other => panic!("no packet: {other:?}"),
                };
                while let Err(error) = program.handle.set_verdict(id, Verdict::Accept, None) {
                    assert_eq!(error, Error::Send(TransportError::Interrupted));
                }
                decided.fetch_add(1, Ordering::Release);
            }
        });
    });
    assert!(
        interrupted.into_inner() >= PACKETS.into(),
        "as many waits were interrupted"
    );
    assert!(seen.into_iter().eq(0..PACKETS), "each once, in order");
    for number in 0..PACKETS {
        assert_eq!(arrived(&receiver), [number]);
    }
    program.nothing();
}

/// Does `action` while another thread keeps sending signals to this process, and returns its
/// result.
fn in_a_storm<T>(action: impl FnOnce() -> T) -> T {
    use rustix::process::{Signal, getpid, kill_process};
    let (came, done) = (Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
    signal_hook::flag::register(Signal::USR1.as_raw(), Arc::clone(&came)).expect("a handler");
    let result = std::thread::scope(|scope| {
        // This is the main thread, which is the first choice for a signal to the process.
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                kill_process(getpid(), Signal::USR1).expect("a signal");
                std::thread::yield_now();
            }
        });
        let result = action();
        done.store(true, Ordering::Release);
        result
    });
    assert!(came.load(Ordering::Acquire));
    result
}
