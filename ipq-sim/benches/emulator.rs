//! Benchmarks of a packet's way through the emulator.
//!
//! `cargo bench -p ipq-sim`. The goal: the way of a packet of 1400 bytes costs no more in mode
//! PACKET than in mode META plus two copies of the payload. What a verdict costs in short and in
//! long queues: `cargo bench -p ipq-bench --bench verdicts`.

use bytes::Bytes;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use etherparse::PacketBuilder;
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Family, Handle, Hook, PacketId, Verdict, Wait};
use ipq_sim::{Kernel, Rule, Sim, SimTransport};

fn main() {
    divan::main();
}

/// Returns an Ethernet frame that arrives on `tap0`, with an IPv4 packet of `length` bytes for
/// `destination`.
fn frame(destination: [u8; 4], length: usize) -> Bytes {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0x20, 1], [2, 0, 0, 0, 0x10, 1])
        .ipv4([10, 1, 0, 2], destination, 64)
        .udp(4000, 5000);
    let payload = vec![0x55; length - 28];
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut frame, &payload).expect("a Vec takes everything");
    frame.into()
}

/// Returns an emulator that queues the packets at `hook`, and a handle that has set `mode`.
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

/// Measures the way of one packet: its frame arrives on `tap0`, the handle reads the packet and
/// accepts it, and what left by `tap1` is taken. The frame is made before the measurement.
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

/// Measures one copy of `length` bytes, for comparison.
#[divan::bench(args = [64, 1400, 65_535])]
fn copy(bencher: Bencher<'_, '_>, length: usize) {
    let payload = vec![0x55_u8; length];
    let mut buffer = vec![0_u8; length];
    bencher.bench_local(|| {
        buffer.copy_from_slice(black_box(&payload));
        black_box(&buffer);
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
