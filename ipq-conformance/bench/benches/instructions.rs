//! The number of instructions that a message and a packet cost, counted by callgrind. The number is
//! the same on a busy machine as on a quiet one, so that a small change shows. It does not show
//! time: a wait for memory costs no instruction.
//!
//! `cargo bench -p ipq-bench --features instructions --bench instructions`, where `valgrind` and
//! `gungraun-runner` are found. The runner must have the library's version, 0.20.0: `cargo install
//! gungraun-runner --version 0.20.0`. Without one of them the bench is skipped, and says so.

#[cfg(target_os = "linux")]
fn main() {
    // The runner starts this program again under valgrind, with an environment that has no PATH.
    let is_run = std::env::args().any(|argument| argument == "--gungraun-run");
    let missing = || ["valgrind", "gungraun-runner"].into_iter().find(|name| !is_found(name));
    match missing().filter(|_| !is_run) {
        Some(name) => println!("skipped: {name} is not found in PATH: {}", remedy(name)),
        None => counted::run(),
    }
}

#[cfg(target_os = "linux")]
fn remedy(program: &str) -> &'static str {
    match program {
        "valgrind" => "install your distribution's package of that name",
        _ => "cargo install gungraun-runner --version 0.20.0",
    }
}

#[cfg(target_os = "linux")]
fn is_found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("skipped: instructions are counted on Linux");
}

#[cfg(target_os = "linux")]
#[allow(
    unused_qualifications,
    missing_docs,
    unreachable_pub,
    reason = "what gungraun's macros write"
)]
mod counted {
    use bytes::Bytes;
    use gungraun::{library_benchmark, library_benchmark_group, main};
    use ipq_conformance::suite::Packet;
    use ipq_conformance::world::topology::{TAP0, TAP1};
    use ipq_core::handle::Decision;
    use ipq_core::wire::{Abi, Envelope, Head, Message, PacketMetadata, VerdictRequest};
    use ipq_core::{CopyMode, Family, Handle, Hook, PacketId, PortId, Verdict, Wait};
    use ipq_sim::{Kernel, Rule, Sim, SimTransport};
    use std::hint::black_box;

    pub(super) fn run() {
        main();
    }

    const ABI: Abi = Abi::NATIVE;

    /// Returns the netlink message with which the emulated kernel hands a packet of 1400 bytes to a
    /// program.
    fn packet_frame() -> Vec<u8> {
        let mut listening = listening(Hook::Forward, CopyMode::Packet, 1400);
        listening.inject();
        let read = listening.handle.read_datagram(&mut listening.buffer, Wait::Never);
        listening.buffer.truncate(read.expect("a packet"));
        listening.buffer
    }

    fn packet_metadata() -> PacketMetadata {
        match Message::parse(&packet_frame(), ABI) {
            Ok(Message::Packet(packet)) => packet.metadata(),
            other => panic!("{other:?} is no packet"),
        }
    }

    #[library_benchmark]
    #[bench::of_1400_bytes(packet_frame())]
    fn packet_is_read(frame: Vec<u8>) -> Vec<u8> {
        let Ok(Message::Packet(packet)) = Message::parse(black_box(&frame), ABI) else {
            panic!("this is no packet");
        };
        black_box((&packet.metadata(), packet.payload()));
        frame
    }

    #[library_benchmark]
    #[bench::of_1400_bytes(packet_metadata())]
    fn packet_is_written(metadata: PacketMetadata) -> Head {
        black_box(&metadata).head(ABI, black_box(1400))
    }

    #[library_benchmark]
    #[bench::accept(VerdictRequest { packet_id: PacketId(7), verdict: Verdict::Accept, data_len: 0 })]
    fn verdict_is_written(request: VerdictRequest) -> Head {
        black_box(&request).head(ABI, Envelope::request(PortId(7)), 0)
    }

    /// An emulated kernel, and a handle that listens to its queue. At least 64 packets have been
    /// queued and accepted before. `frame` is the Ethernet frame of each packet that is made to
    /// arrive.
    struct Listening {
        sim: Sim,
        handle: Handle<SimTransport>,
        buffer: Vec<u8>,
        frame: Bytes,
    }

    fn listening(hook: Hook, mode: CopyMode, length: usize) -> Listening {
        let sim = Kernel::builder().keep_fates(0).simulate().expect("the laboratory");
        sim.add_rule(Rule::queue(Family::Ipv4, hook)).expect("a rule");
        let handle = sim.open(Family::Ipv4).expect("a handle");
        handle.set_mode(mode, 0).expect("a mode");
        let packet = Packet::udp4().length(length);
        let packet = if hook == Hook::Input { packet.to_host() } else { packet };
        let listening = Listening {
            sim,
            buffer: vec![0; handle.buffer_for(u16::MAX.into())],
            handle,
            frame: packet.frame(),
        };
        (0..64).fold(listening, |listening, _| round_trip(listening))
    }

    impl Listening {
        fn inject(&self) {
            self.sim.inject(TAP0.name, self.frame.to_vec()).expect("a frame");
        }

        fn read(&mut self) -> PacketId {
            self.inject();
            match self.handle.read(&mut self.buffer, Wait::Never) {
                Ok(Message::Packet(packet)) => packet.packet_id(),
                other => panic!("{other:?} is no packet"),
            }
        }
    }

    fn round_trip(mut listening: Listening) -> Listening {
        let id = listening.read();
        listening
            .handle
            .set_verdict(id, Verdict::Accept, None)
            .expect("a verdict");
        black_box(listening.sim.sniff(TAP1.name).expect("a device"));
        listening
    }

    #[library_benchmark]
    #[bench::meta_at_input(listening(Hook::Input, CopyMode::Meta, 64))]
    #[bench::meta_at_forward(listening(Hook::Forward, CopyMode::Meta, 64))]
    #[bench::packet_of_1400_bytes_at_forward(listening(Hook::Forward, CopyMode::Packet, 1400))]
    fn packets_come_and_go(listening: Listening) -> Listening {
        // A round trip costs a 32nd of this.
        (0..32).fold(listening, |listening, _| round_trip(listening))
    }

    /// Returns a listener that has read `COUNT` packets and not yet given their verdicts, and the
    /// ids of these packets.
    fn queued<const COUNT: usize>() -> (Listening, [PacketId; COUNT]) {
        let mut listening = listening(Hook::Input, CopyMode::Meta, 64);
        // The queue's entries were used before, as they are in a program that runs.
        let earlier: [PacketId; COUNT] = std::array::from_fn(|_| listening.read());
        for id in earlier {
            let given = listening.handle.set_verdict(id, Verdict::Accept, None);
            given.expect("a verdict");
        }
        let ids = std::array::from_fn(|_| listening.read());
        (listening, ids)
    }

    #[library_benchmark]
    #[bench::one(queued())]
    fn verdict_is_given((listening, [id]): (Listening, [PacketId; 1])) -> Listening {
        let given = listening.handle.set_verdict(id, Verdict::Accept, None);
        given.expect("a verdict");
        listening
    }

    #[library_benchmark]
    #[bench::in_one_call(queued())]
    fn verdicts_are_given((listening, ids): (Listening, [PacketId; 32])) -> Listening {
        let decisions = ids.into_iter().map(|id| Decision::new(id, Verdict::Accept));
        black_box(listening.handle.set_verdicts(decisions, |_, error| panic!("{error}")));
        listening
    }

    library_benchmark_group!(
        name = wire,
        benchmarks = [packet_is_read, packet_is_written, verdict_is_written]
    );
    library_benchmark_group!(
        name = emulator,
        benchmarks = [packets_come_and_go, verdict_is_given, verdicts_are_given]
    );

    main!(library_benchmark_groups = [wire, emulator]);
}
