//! The cost of a verdict on the emulator, by the number of queued packets and by the order of the
//! verdicts.
//!
//! `cargo bench -p ipq-bench --bench verdicts`. The goals for 1,000,000 queued packets: in the
//! order of arrival, a verdict costs at most 2 times what it costs with 64 queued. In any order it
//! costs at most 12 times as much, since it then waits for memory that no cache holds. The cost of
//! such a wait is measured beside it. The goal for a numbered queue, under the transport for real
//! kernels: in any order, at most 4 times as much with 65,536 queued.

#![allow(
    clippy::cast_precision_loss,
    reason = "numbers of packets and nanoseconds are far below where an f64 rounds"
)]

use clap::Parser;
use fastrand::Rng;
use ipq_bench::{Contender, Machine, Report, Spread, Workload, save, table};
use ipq_conformance::suite::Packet;
use ipq_conformance::world::topology::TAP0;
use ipq_core::handle::Decision;
use ipq_core::transport::nfqueue::{NfQueue, Options};
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Error, Family, Handle, Hook, PacketId, Transport, Verdict, Wait};
use ipq_sim::{Kernel, Profile, Rule, Sim, SimTransport};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

type Failed = Box<dyn std::error::Error>;

/// The numbers of packets that are in the queue when a batch of verdicts is done; before the batch,
/// [`BATCH`] more are.
const LENGTHS: [usize; 4] = [64, 1024, 65_536, 1_000_000];
/// The same for a numbered queue, which holds at most 65,536 packets (NFQ-5).
const NUMBERED_LENGTHS: [usize; 3] = [64, 1024, 65_536 - BATCH];
/// The number of verdicts, or reads of memory, that are timed together.
const BATCH: usize = 32;
/// The number of batches that a contender does in each pass.
const BATCHES: usize = 400;

/// Measures what a verdict costs on the emulator, by how many packets are queued.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// How often each length has its turn.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..))]
    passes: u16,
    /// Keeps the results in BENCHMARKS.md and results.
    #[arg(long)]
    save: bool,
    /// What `cargo bench` says.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Failed> {
    let Arguments { passes, save: keep, .. } = Arguments::parse();
    let report = Report {
        machine: Machine::here(),
        command: "cargo bench -p ipq-bench --bench verdicts".to_owned(),
        method: format!(
            "{passes} passes, in each of which each has its turn: {BATCHES} times {BATCH} verdicts, or reads, of which the median counts.\n\
             Medians, and the middle half of the passes; ratios within a pass."
        ),
        workloads: vec![
            verdicts(
                "verdicts one by one, in the order of arrival",
                passes,
                &LENGTHS,
                one_by_one,
                oldest,
                Queue::new,
            )?,
            verdicts(
                "verdicts 32 in a call, in the order of arrival",
                passes,
                &LENGTHS,
                in_one_call,
                oldest,
                Queue::new,
            )?,
            verdicts(
                "verdicts one by one, in any order",
                passes,
                &LENGTHS,
                one_by_one,
                any(),
                Queue::new,
            )?,
            verdicts(
                "verdicts 32 in a call, in any order",
                passes,
                &LENGTHS,
                in_one_call,
                any(),
                Queue::new,
            )?,
            verdicts(
                "nfnetlink_queue: verdicts one by one, in the order of arrival",
                passes,
                &NUMBERED_LENGTHS,
                one_by_one,
                oldest,
                Queue::numbered,
            )?,
            verdicts(
                "nfnetlink_queue: verdicts one by one, in any order",
                passes,
                &NUMBERED_LENGTHS,
                one_by_one,
                any(),
                Queue::numbered,
            )?,
            reads(
                "reads of memory, one after the other, in any order",
                passes,
                |next| [next; 32],
                |place| place[0],
            )?,
            reads(
                "reads of memory, and of the bytes of a packet that it leads to",
                passes,
                Entry::leading_to,
                |entry| entry.packet[0],
            )?,
        ],
    };
    print!("{}", table(&report));
    if keep {
        save(&report, "verdicts", |contender| contender.name.ends_with(QUEUED))?;
    }
    Ok(())
}

/// The end of the names of contenders that give verdicts.
const QUEUED: &str = " queued";

/// A function that gives the verdict ACCEPT on the packets with these ids. It is what is timed.
type Verdicts<T> = fn(&Handle<T>, [PacketId; BATCH]) -> Result<(), Error>;

fn one_by_one<T: Transport>(handle: &Handle<T>, ids: [PacketId; BATCH]) -> Result<(), Error> {
    for id in ids {
        handle.set_verdict(id, Verdict::Accept, None)?;
    }
    Ok(())
}

fn in_one_call<T: Transport>(handle: &Handle<T>, ids: [PacketId; BATCH]) -> Result<(), Error> {
    let mut result = Ok(());
    let decisions = ids.into_iter().map(|id| Decision::new(id, Verdict::Accept));
    handle.set_verdicts(decisions, |_, error| result = Err(error));
    result
}

fn oldest(ids: &mut VecDeque<PacketId>) -> Option<PacketId> {
    ids.pop_front()
}

fn any() -> impl FnMut(&mut VecDeque<PacketId>) -> Option<PacketId> + Clone {
    let mut chance = Rng::with_seed(1);
    move |ids| ids.swap_remove_back(chance.usize(..ids.len()))
}

/// Measures verdicts on queues made by `queue`, one for each of `lengths`, the number of packets
/// that are queued. `choose` removes the id of the next packet to decide about from the queued
/// packets' ids. `give`, which is timed, gives the verdicts on [`BATCH`] such packets.
fn verdicts<T: Transport>(
    name: &str,
    passes: u16,
    lengths: &[usize],
    give: Verdicts<T>,
    choose: impl FnMut(&mut VecDeque<PacketId>) -> Option<PacketId> + Clone,
    queue: fn() -> Result<Queue<T>, Failed>,
) -> Result<Workload, Failed> {
    let mut turns = Vec::new();
    for &length in lengths {
        let (mut queue, mut choose) = (queue()?, choose.clone());
        let turn = move || {
            queue.fill(length + BATCH)?;
            let ids = std::array::from_fn(|_| choose(&mut queue.ids).unwrap_or_default());
            let begun = Instant::now();
            give(&queue.handle, ids)?;
            Ok(begun.elapsed())
        };
        turns.push((format!("{length}{QUEUED}"), turn));
    }
    let to_the_shortest = vec![format!("{}{QUEUED}", LENGTHS[0])];
    measure(name, passes, turns, to_the_shortest)
}

/// An entry of a queue, as far as memory goes: two cache lines, and the packet's bytes elsewhere.
#[repr(align(128))]
struct Entry {
    /// Memory for the bytes of a packet of 64, with its link-layer header.
    packet: Box<[u32; 20]>,
}

impl Entry {
    fn leading_to(next: u32) -> Self {
        Self {
            packet: Box::new([next; 20]),
        }
    }
}

/// Measures reads of memory where each place read tells the next place to read. One contender for
/// each of [`LENGTHS`] has this many places. `place` makes a place that tells this number, and
/// `next` reads the number.
fn reads<P>(
    name: &str,
    passes: u16,
    place: impl Fn(u32) -> P,
    next: impl Fn(&P) -> u32 + Copy,
) -> Result<Workload, Failed> {
    let turns = LENGTHS.map(|places| {
        // Each place names the next, and all make one circle.
        let mut circle: Vec<P> = (0..).map(&place).take(places).collect();
        let mut chance = Rng::with_seed(1);
        for place in (1..places).rev() {
            circle.swap(place, chance.usize(..place));
        }
        let mut place = 0;
        let turn = move || {
            let begun = Instant::now();
            for _ in 0..BATCH {
                place = next(&circle[place as usize]);
            }
            black_box(place);
            Ok(begun.elapsed())
        };
        (format!("{places} places"), turn)
    });
    measure(name, passes, turns.into(), Vec::new())
}

/// Runs [`BATCHES`] batches of each contender in each pass, one contender after the other. A pass
/// counts with the median of its batches, in nanoseconds for each verdict or read. `references` are
/// the names of the contenders that the others are compared with.
fn measure(
    name: &str,
    passes: u16,
    turns: Vec<(String, impl FnMut() -> Result<Duration, Failed>)>,
    references: Vec<String>,
) -> Result<Workload, Failed> {
    let (names, mut turns): (Vec<_>, Vec<_>) = turns.into_iter().unzip();
    let mut contenders: Vec<_> = names.into_iter().map(Contender::named).collect();
    for _ in 0..passes {
        for (contender, batch) in contenders.iter_mut().zip(&mut turns) {
            let nanoseconds = |_| batch().map(|time| time.as_nanos() as f64);
            let batches = (0..BATCHES).map(nanoseconds).collect::<Result<Vec<_>, _>>()?;
            let cost = Spread::of(&batches).map_or(f64::NAN, |batches| batches.median);
            contender.passes.push(cost / BATCH as f64);
        }
    }
    Ok(Workload {
        name: name.to_owned(),
        unit: "ns each".to_owned(),
        references,
        contenders,
    })
}

/// A program that listens to an emulated queue in copy mode META, and the ids of the packets that
/// wait in the queue.
struct Queue<T> {
    sim: Sim,
    handle: Handle<T>,
    ids: VecDeque<PacketId>,
    frame: Vec<u8>,
    buffer: Vec<u8>,
}

impl Queue<SimTransport> {
    /// Returns a queue of `ip_queue` without a limit to its length.
    fn new() -> Result<Self, Failed> {
        let sim = Kernel::builder().keep_fates(0).simulate()?;
        sim.add_rule(Rule::queue(Family::Ipv4, Hook::Input))?;
        sim.with(|kernel| kernel.set_maximum_length(Family::Ipv4, u32::MAX));
        let handle = sim.open(Family::Ipv4)?;
        Self::of(sim, handle)
    }
}

impl Queue<NfQueue<SimTransport>> {
    /// Returns a numbered queue with the greatest maximum length that the kernel takes.
    fn numbered() -> Result<Self, Failed> {
        let kernel = Kernel::builder().profile(Profile::LINUX_6_18_X86_64);
        let sim = kernel.keep_fates(0).simulate()?;
        sim.add_rule(Rule::numbered_queue(Family::Ipv4, Hook::Input, 0))?;
        let handle = sim.open_nfqueue(Options {
            max_length: Some(u32::MAX),
            ..Options::new(Family::Ipv4)
        })?;
        Self::of(sim, handle)
    }
}

impl<T: Transport> Queue<T> {
    fn of(sim: Sim, handle: Handle<T>) -> Result<Self, Failed> {
        handle.set_mode(CopyMode::Meta, 0)?;
        Ok(Self {
            sim,
            handle,
            ids: VecDeque::new(),
            frame: Packet::udp4().length(64).to_host().frame().to_vec(),
            buffer: vec![0; 256],
        })
    }

    /// Makes packets arrive until `length` wait in the queue, and reads their ids.
    fn fill(&mut self, length: usize) -> Result<(), Failed> {
        while self.ids.len() < length {
            self.sim.inject(TAP0.name, self.frame.clone())?;
            let Message::Packet(packet) = self.handle.read(&mut self.buffer, Wait::Never)? else {
                return Err("the queue sent what is no packet".into());
            };
            self.ids.push_back(packet.packet_id());
        }
        Ok(())
    }
}
