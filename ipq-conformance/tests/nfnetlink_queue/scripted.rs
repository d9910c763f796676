//! Scripted sequences, for what generated ones seldom reach.

use super::emulator::Emulator;
use super::in_a_laboratory::Test;
use super::kernel::Kernel;
use super::message::{CONFIG, VERDICT, VERDICT_BATCH, command, number, packets, parameters, request, verdict};
use super::step::{Datagram, Step, Tally, compare};
use ipq_conformance::suite::Packet;
use ipq_sim::Profile;

pub(super) const TESTS: &[Test<Kernel>] = &[
    ("a-queue-holds-65536-packets", a_queue_holds_65536_packets),
    ("every-queue-number-can-be-bound", every_queue_number_can_be_bound),
    (
        "flags-are-checked-before-anything-else",
        flags_are_checked_before_anything_else,
    ),
];

fn same(kernel: &mut Kernel, steps: &[Step]) {
    let mut emulator = Emulator::new(&Profile::LINUX_6_18_X86_64);
    if let Err(difference) = compare(kernel, &mut emulator, steps, &mut Tally::default()) {
        panic!("{difference}");
    }
}

fn send(datagram: Vec<u8>) -> Step {
    Step::Send {
        socket: 0,
        datagram: Datagram(datagram),
    }
}

fn every_queue_number_can_be_bound(kernel: &mut Kernel) {
    let numbers = (0..=u16::MAX).step_by(331).chain([u16::MAX]);
    let steps: Vec<Step> = numbers.map(|queue| send(request(CONFIG, queue, &command(1)))).collect();
    same(kernel, &steps);
}

fn flags_are_checked_before_anything_else(kernel: &mut Kernel) {
    let flags = |flags, mask| [number(5, flags), number(4, mask)].concat();
    let mut steps = Vec::new();
    for bit in 0..32 {
        for mask in [0, 1 << bit, u32::MAX] {
            steps.push(send(request(CONFIG, 3, &[command(1), flags(1 << bit, mask)].concat())));
            steps.push(send(request(CONFIG, 3, &command(2))));
        }
    }
    steps.push(send(request(
        CONFIG,
        0,
        &[command(1), parameters(0, 2), flags(8, 8)].concat(),
    )));
    steps.extend(packets().iter().map(|packet| Step::Arrive {
        frame: Datagram(packet.frame().to_vec()),
        count: 1,
    }));
    same(kernel, &steps);
}

fn a_queue_holds_65536_packets(kernel: &mut Kernel) {
    let meta = [command(1), parameters(0, 1), number(3, 200_000)].concat();
    let arrive = || Step::Arrive {
        frame: Datagram(Packet::udp4().frame().to_vec()),
        count: 192,
    };
    let mut steps = vec![send(request(CONFIG, 0, &meta))];
    // These are 65,664 packets. Each handful is read before the receive buffer is full.
    steps.extend((0..342).map(|_| arrive()));
    let fail_open = [number(5, 1), number(4, 1)].concat();
    steps.push(send(request(CONFIG, 0, &fail_open)));
    steps.push(arrive());
    steps.push(send(request(VERDICT_BATCH, 0, &verdict(0, 65_000))));
    steps.push(arrive());
    steps.push(send(request(VERDICT, 0, &verdict(0, 65_001))));
    same(kernel, &steps);
}
