//! Tests of reading and deciding many packets in one call, through a handle.

use super::host::Host;
use super::program::{Program, arrived, sockets};
use ipq_conformance::world::topology::TAP1;
use ipq_core::handle::{Buffers, Decision};
use ipq_core::transport::nfqueue::Options;
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Errno, Error, Family, Hook, PacketId, Verdict, Wait};
use pretty_assertions::assert_eq;
use std::net::UdpSocket;
use std::sync::Barrier;

tests![
    what_is_not_for_the_program_takes_no_room,
    refused_verdicts_are_each_answered,
    replacements_of_any_length_go_together,
    a_batch_takes_along_no_packet_that_is_held,
    a_batch_takes_along_no_packet_that_is_held_and_of_a_known_kind,
    a_packet_whose_verdict_could_not_be_sent_is_not_taken_along,
    a_batch_is_for_what_was_read_by_one_or_by_many,
    threads_that_attach_and_send_many_at_once_do_not_wait_for_each_other,
];

/// Sends datagrams of one byte each, the numbers `numbers`, reads them as packets, and returns the
/// packet ids.
fn packets(program: &Program, sender: &UdpSocket, numbers: std::ops::Range<u8>) -> Vec<PacketId> {
    for number in numbers.clone() {
        sender.send(&[number]).expect("sent");
    }
    let mut buffers = Buffers::new(numbers.len(), program.handle.buffer_for(0));
    let messages = program.handle.read_many(&mut buffers, Wait::Forever).expect("messages");
    let ids: Vec<_> = messages
        .zip(numbers.clone())
        .map(|(message, number)| id(&message, number))
        .collect();
    assert_eq!(ids.len(), numbers.len());
    ids
}

fn id(message: &Result<Message<'_>, Error>, number: u8) -> PacketId {
    match message {
        Ok(Message::Packet(packet)) => {
            assert_eq!(packet.payload()[28..], [number]);
            packet.packet_id()
        }
        other => panic!("no packet: {other:?}"),
    }
}

fn decide<'d>(program: &Program, decisions: impl IntoIterator<Item = Decision<'d>>) -> usize {
    program
        .handle
        .set_verdicts(decisions, |decision, error| panic!("{decision:?}: {error}"))
}

fn what_is_not_for_the_program_takes_no_room(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    host.queue_all(Family::Ipv6, Hook::Output);
    let [[sender, _receiver], [six, _six_receiver]] = ["127.0.0.1", "::1"].map(sockets);
    for (room, first) in [(256, 0), (program.handle.buffer_for(0), 5)] {
        for number in first..first + 5 {
            sender.send(&[number]).expect("sent");
            six.send(b"of the other family").expect("sent");
        }
        for (packets, first) in [(4, first), (1, first + 4)] {
            let mut buffers = Buffers::new(packets, room);
            let messages = program.handle.read_many(&mut buffers, Wait::Never).expect("messages");
            let ids: Vec<_> = messages
                .zip(first..)
                .map(|(message, number)| id(&message, number))
                .collect();
            assert_eq!(ids.len(), packets);
        }
    }
}

fn refused_verdicts_are_each_answered(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    let [sender, receiver] = sockets("127.0.0.1");
    let ids = packets(&program, &sender, 0..80);
    let unknown = (0..3).map(|number| PacketId(1000 + number));
    let all = ids.iter().copied().chain(unknown).chain([PacketId(u64::MAX)]);
    let mut decisions: Vec<_> = all.map(|id| Decision::new(id, Verdict::Accept)).collect();
    decisions.swap(5, 81);
    decisions[7].verdict = Verdict::Stolen;
    assert_eq!(decide(&program, decisions), 84);
    let answers: Vec<_> = (0..5).map(|_| program.answer().0).collect();
    assert_eq!(
        answers,
        [
            Errno::ENOENT,
            Errno::EINVAL,
            Errno::ENOENT,
            Errno::ENOENT,
            Errno::ENOENT
        ]
    );
    program.nothing();
    let others = [0, 1, 2, 3, 4, 6].into_iter().chain(8..80).chain([5]);
    for number in others {
        assert_eq!(arrived(&receiver), [number]);
    }
    program.decide(ids[7], Verdict::Accept);
    assert_eq!(arrived(&receiver), [7]);
}

fn replacements_of_any_length_go_together(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    let [sender, receiver] = sockets("127.0.0.1");
    let mut buffers = Buffers::new(80, 256);
    for number in 0..80 {
        sender.send(&[number]).expect("sent");
    }
    // One replacement is so long that no other one fits beside it.
    let length = |number: usize| if number == 9 { 65_000 } else { 1 + number * 9 };
    let messages = program.handle.read_many(&mut buffers, Wait::Forever).expect("messages");
    let replaced: Vec<(PacketId, Vec<u8>)> = messages
        .enumerate()
        .map(|(number, message)| match message {
            Ok(Message::Packet(packet)) => {
                let bytes = super::verdicts::rewritten(packet.payload(), &vec![number as u8; length(number)]);
                (packet.packet_id(), bytes)
            }
            other => panic!("no packet: {other:?}"),
        })
        .collect();
    let decisions = replaced.iter().map(|(id, bytes)| Decision {
        replacement: Some(bytes),
        ..Decision::new(*id, Verdict::Accept)
    });
    assert_eq!(decide(&program, decisions), 80);
    for number in 0..80 {
        assert_eq!(arrived(&receiver), vec![number as u8; length(number)]);
    }
    program.nothing();
}

fn batching(host: &mut Host) -> Program {
    host.queue_all(Family::Ipv4, Hook::Output);
    let program = detached_batching();
    program.handle.set_mode(CopyMode::Packet, 0).expect("mode PACKET");
    program
}

fn detached_batching() -> Program {
    Program::with(Options {
        batch_verdicts: true,
        ..Options::new(Family::Ipv4)
    })
}

fn a_batch_takes_along_no_packet_that_is_held(host: &mut Host) {
    let program = batching(host);
    let [sender, receiver] = sockets("127.0.0.1");
    let ids = packets(&program, &sender, 0..30);
    let (held, dropped) = (ids[10], ids[20]);
    let decisions = ids.iter().filter(|id| **id != held).map(|id| {
        let verdict = if *id == dropped { Verdict::Drop } else { Verdict::Accept };
        Decision::new(*id, verdict)
    });
    assert_eq!(decide(&program, decisions), 29);
    let statistics = program.handle.transport().statistics();
    if let Ok(statistics) = statistics {
        assert_eq!(statistics.expect("the queue is bound").queue_length, 1, "one is held");
    }
    for number in (0..10).chain(11..20).chain(21..30) {
        assert_eq!(arrived(&receiver), [number]);
    }
    let later = packets(&program, &sender, 30..40);
    assert_eq!(
        decide(&program, later.iter().map(|id| Decision::new(*id, Verdict::Drop))),
        10
    );
    program.decide(held, Verdict::Accept);
    assert_eq!(arrived(&receiver), [10]);
    program.nothing();
}

/// Checks that verdicts on the first and the last of three packets, given in one call, leave the
/// second undecided. The second packet is like the first, so the transport translates it by a
/// template. The third goes out by another device, so it is translated without one.
fn a_batch_takes_along_no_packet_that_is_held_and_of_a_known_kind(host: &mut Host) {
    let program = batching(host);
    let [sender, receiver] = sockets("127.0.0.1");
    let other = UdpSocket::bind((TAP1.ipv4, 0)).expect("a socket");
    other.connect((TAP1.neighbour_ipv4, 9)).expect("connected");
    let first = packets(&program, &sender, 0..1);
    sender.send(&[1]).expect("sent");
    other.send(&[2]).expect("sent");
    let mut buffers = Buffers::new(2, program.handle.buffer_for(0));
    let messages = program.handle.read_many(&mut buffers, Wait::Forever).expect("messages");
    let later: Vec<_> = messages
        .zip(1..)
        .map(|(message, number)| id(&message, number))
        .collect();
    let (held, last) = (later[0], later[1]);
    let decisions = [first[0], last].map(|id| Decision::new(id, Verdict::Accept));
    assert_eq!(decide(&program, decisions), 2);
    assert_eq!(arrived(&receiver), [0]);
    program.decide(held, Verdict::Drop);
    program.nothing();
    sender.send(&[3]).expect("sent");
    let (metadata, _) = program.packet();
    program.decide(metadata.packet_id, Verdict::Accept);
    assert_eq!(arrived(&receiver), [3], "the one that was held was dropped");
}

fn a_packet_whose_verdict_could_not_be_sent_is_not_taken_along(host: &mut Host) {
    let program = batching(host);
    let [sender, receiver] = sockets("127.0.0.1");
    let ids = packets(&program, &sender, 0..4);
    let transport = program.handle.transport();
    rustix::net::sockopt::set_socket_send_buffer_size(transport, 1).expect("the smallest send buffer");
    let bytes = vec![0x45; 60_000];
    let too_long = Decision {
        replacement: Some(&bytes),
        ..Decision::new(ids[0], Verdict::Accept)
    };
    let decisions = [too_long, Decision::new(ids[1], Verdict::Accept)];
    let mut failed = Vec::new();
    let sent = program
        .handle
        .set_verdicts(decisions, |decision, _| failed.push(decision.packet_id));
    assert_eq!((sent, failed), (1, vec![ids[0]]));
    let decisions = ids[2..].iter().map(|id| Decision::new(*id, Verdict::Accept));
    assert_eq!(decide(&program, decisions), 2);
    for number in 1..4 {
        assert_eq!(arrived(&receiver), [number]);
    }
    program.decide(ids[0], Verdict::Accept);
    assert_eq!(arrived(&receiver), [0]);
    program.nothing();
}

fn a_batch_is_for_what_was_read_by_one_or_by_many(host: &mut Host) {
    let program = batching(host);
    let [sender, receiver] = sockets("127.0.0.1");
    sender.send(&[0]).expect("sent");
    let (first, _) = program.packet();
    let mut ids = vec![first.packet_id];
    ids.extend(packets(&program, &sender, 1..8));
    assert_eq!(
        decide(&program, ids.iter().map(|id| Decision::new(*id, Verdict::Accept))),
        8
    );
    for number in 0..8 {
        assert_eq!(arrived(&receiver), [number]);
    }
    // The list of undecided packets has none of these any more. So each gets a verdict of its own,
    // which has no effect.
    assert_eq!(
        decide(&program, ids.iter().map(|id| Decision::new(*id, Verdict::Accept))),
        8
    );
    for _ in 0..8 {
        assert_eq!(program.answer().0, Errno::ENOENT);
    }
    program.nothing();
}

fn threads_that_attach_and_send_many_at_once_do_not_wait_for_each_other(host: &mut Host) {
    host.use_all_processors();
    for _ in 0..500 {
        let program = detached_batching();
        let together = Barrier::new(3);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                together.wait();
                program.handle.set_mode(CopyMode::Meta, 0).expect("mode META");
            });
            for id in [7, 8] {
                let (together, program) = (&together, &program);
                scope.spawn(move || {
                    together.wait();
                    assert_eq!(decide(program, [Decision::new(PacketId(id), Verdict::Drop)]), 1);
                });
            }
        });
    }
}
