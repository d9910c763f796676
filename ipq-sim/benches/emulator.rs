//! What a packet's way through the emulator costs, and what a verdict costs in short and in long queues.
//!
//! `cargo bench -p ipq-sim`. The goals: the round trip of 1400 bytes costs no more than that of META and twice a copy of
//! the payload; a verdict at 1,000,000 queued packets costs at most 1.5 times what it does at 64 in the order of arrival,
//! and at most 6 times in any order: no more than the one read from memory that it can't do without.

use bytes::Bytes;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use etherparse::PacketBuilder;
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Family, Handle, Hook, PacketId, Verdict, Wait};
use ipq_sim::{Kernel, Rule, Sim, SimTransport};
use std::collections::VecDeque;

fn main() {
    divan::main();
}

/// An Ethernet frame with an IPv4 packet of that length for `destination`, as it arrives on `tap0`.
fn frame(destination: [u8; 4], length: usize) -> Bytes {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0x20, 1], [2, 0, 0, 0, 0x10, 1])
        .ipv4([10, 1, 0, 2], destination, 64)
        .udp(4000, 5000);
    let payload = vec![0x55; length - 28];
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut frame, &payload).expect("a Vec takes everything");
    frame.into()
}

/// A kernel that queues what arrives for itself, or what it forwards, and a handle that has set a mode.
fn listening(hook: Hook, mode: CopyMode) -> (Sim, Handle<SimTransport>) {
    let sim = Kernel::builder()
        .keep_fates(0)
        .simulate()
        .expect("the laboratory's devices");
    sim.add_rule(Rule::queue(Family::Ipv4, hook)).expect("a rule");
    let handle = sim.open(Family::Ipv4).expect("a handle");
    handle.set_mode(mode, 0).expect("a mode");
    (sim, handle)
}

fn read_id(handle: &Handle<SimTransport>, buffer: &mut [u8]) -> PacketId {
    match handle.read(buffer, Wait::Never) {
        Ok(Message::Packet(packet)) => {
            black_box(packet.payload());
            packet.packet_id()
        }
        other => panic!("a packet is queued: {other:?}"),
    }
}

/// A packet arrives, is read, is let through, and taken if it leaves. The frame is given away, as by a test that makes its own.
fn round_trip(bencher: Bencher<'_, '_>, hook: Hook, mode: CopyMode, length: usize) {
    let destination = if hook == Hook::Input {
        [10, 1, 0, 1]
    } else {
        [10, 2, 0, 2]
    };
    let (sim, handle) = listening(hook, mode);
    let frame = frame(destination, length);
    let mut buffer = vec![0; 1 << 17];
    let bencher = bencher.counter(ItemsCount::new(1_u32)).with_inputs(|| frame.to_vec());
    bencher.bench_local_values(|frame| {
        sim.inject("tap0", frame).expect("a frame");
        let id = read_id(&handle, &mut buffer);
        handle.set_verdict(id, Verdict::Accept, None).expect("a verdict");
        black_box(sim.sniff("tap1").expect("the device is there"))
    });
}

/// How many verdicts, or reads, make one measurement.
const BATCH: usize = 64;

/// Numbers that look like chance: the same ones in each run.
fn numbers() -> impl Iterator<Item = usize> {
    let step = |state: &u64| {
        let next = state.wrapping_mul(6_364_136_223_846_793_005);
        Some(next.wrapping_add(1_442_695_040_888_963_407))
    };
    std::iter::successors(Some(1), step).map(|state: u64| (state >> 33) as usize)
}

/// For comparison: one copy of a payload.
#[divan::bench(args = [64, 1400, 65_535])]
fn copy(bencher: Bencher<'_, '_>, length: usize) {
    let payload = vec![0x55_u8; length];
    let mut buffer = vec![0_u8; length];
    bencher.bench_local(|| {
        buffer.copy_from_slice(black_box(&payload));
        black_box(&buffer);
    });
}

/// For comparison: one read of a place that was not read for long, among so many of the size of a queued packet.
#[divan::bench(args = [64, 1024, 65_536, 1_000_000], sample_count = 1000, sample_size = 1)]
fn reads(bencher: Bencher<'_, '_>, places: usize) {
    // Each place names another, in one circle through all of them: a read has to wait for the one before.
    let mut circle: Vec<[u32; 32]> = (0..).map(|place| [place; 32]).take(places).collect();
    let mut numbers = numbers();
    for place in (1..places).rev() {
        let other = numbers.next().expect("endless") % place;
        circle.swap(place, other);
    }
    let mut place = 0;
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            place = circle[place as usize][0];
        }
        black_box(place)
    });
}

mod input {
    use super::{Bencher, CopyMode, Hook, round_trip};

    #[divan::bench(args = [64, 1400, 65_535])]
    fn meta(bencher: Bencher<'_, '_>, length: usize) {
        round_trip(bencher, Hook::Input, CopyMode::Meta, length);
    }

    #[divan::bench(args = [64, 1400, 65_535])]
    fn packet(bencher: Bencher<'_, '_>, length: usize) {
        round_trip(bencher, Hook::Input, CopyMode::Packet, length);
    }
}

mod forward {
    use super::{Bencher, CopyMode, Hook, round_trip};

    #[divan::bench(args = [64, 1400])]
    fn meta(bencher: Bencher<'_, '_>, length: usize) {
        round_trip(bencher, Hook::Forward, CopyMode::Meta, length);
    }

    #[divan::bench(args = [64, 1400])]
    fn packet(bencher: Bencher<'_, '_>, length: usize) {
        round_trip(bencher, Hook::Forward, CopyMode::Packet, length);
    }
}

mod verdict {
    use super::{
        BATCH, Bencher, CopyMode, Family, Hook, ItemsCount, PacketId, VecDeque, Verdict, frame, listening, numbers,
        read_id,
    };
    use std::cell::RefCell;

    /// Gives verdicts while `queued` packets and more are in the queue, on those that `choose` picks.
    fn verdicts(
        bencher: Bencher<'_, '_>,
        queued: usize,
        mut choose: impl FnMut(&mut VecDeque<PacketId>) -> Option<PacketId>,
    ) {
        let (sim, handle) = listening(Hook::Input, CopyMode::Meta);
        sim.with(|kernel| kernel.set_maximum_length(Family::Ipv4, u32::MAX));
        let frame = frame([10, 1, 0, 1], 64);
        let ids = RefCell::new(VecDeque::new());
        let mut buffer = [0; 256];
        let fill = || {
            let mut ids = ids.borrow_mut();
            while ids.len() < queued + BATCH {
                sim.inject("tap0", frame.clone()).expect("a frame");
                ids.push_back(read_id(&handle, &mut buffer));
            }
            std::array::from_fn(|_| choose(&mut ids).expect("there are enough"))
        };
        bencher
            .counter(ItemsCount::new(BATCH))
            .with_inputs(fill)
            .bench_local_values(|chosen: [PacketId; BATCH]| {
                for id in chosen {
                    handle.set_verdict(id, Verdict::Accept, None).expect("a verdict");
                }
            });
    }

    #[divan::bench(args = [64, 1024, 65_536, 1_000_000], sample_count = 1000, sample_size = 1)]
    fn in_order_of_arrival(bencher: Bencher<'_, '_>, queued: usize) {
        verdicts(bencher, queued, VecDeque::pop_front);
    }

    #[divan::bench(args = [64, 1024, 65_536, 1_000_000], sample_count = 1000, sample_size = 1)]
    fn in_any_order(bencher: Bencher<'_, '_>, queued: usize) {
        let mut numbers = numbers();
        verdicts(bencher, queued, |ids| {
            let place = numbers.next()? % ids.len();
            ids.swap_remove_back(place)
        });
    }
}
