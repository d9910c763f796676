//! Runs the listeners, one after the other, and notes what they cost.

use crate::library::{self, Library};
use crate::listener::{Failed, QUEUE, ways};
use crate::process::{Process, stay_on};
use crate::task::{Arrival, FELL_BEHIND, LOADS, Load};
use crate::{crate_nfq, emulator, ipq};
use ipq_bench::{Contender, Machine, Report, Spread, Workload, save, table};
use ipq_conformance::laboratory::{Laboratory, Place, Queues};
use ipq_conformance::world::topology::{TAP0, TAP1};
use ipq_conformance::world::{Protocol, Rule, Table};
use ipq_core::{Family, Hook};
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu};
use std::fs;
use std::process::Command;

/// The argument that makes this program a listener; its name and task follow.
pub(crate) const LISTEN: &str = "--listen";

/// The number of frames that are sent at a time while a listener is at work.
const AT_A_TIME: u32 = 32;
/// The number of packets that a listener has to take when they arrive while it is at work.
const MEANWHILE: u64 = 20_000;

/// Measures what a packet costs the thread that listens to an nfnetlink queue.
#[derive(Clone, Debug, clap::Parser)]
pub(crate) struct Arguments {
    /// How often each listener runs.
    #[arg(long, default_value_t = 9)]
    passes: usize,
    /// How many rounds a run has where many packets wait; where fewer do it has more.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Only the loads whose names have this in them.
    #[arg(long, default_value = "")]
    load: String,
    /// Only the listeners whose names have this in them.
    #[arg(long, default_value = "")]
    listener: String,
    /// Keeps the results in BENCHMARKS.md and results.
    #[arg(long)]
    save: bool,
    /// What `cargo bench` says.
    #[arg(long, hide = true)]
    bench: bool,
}

pub(crate) fn main(arguments: &Arguments) -> Result<(), Failed> {
    // This is read before the process leaves the processors that it may use.
    let processors = sched_getaffinity(None)?;
    let machine = Machine::here();
    let laboratory = match Laboratory::set_up(Place::Private) {
        Err(error) if error.is_of_the_system() && std::env::var_os("IPQ_REQUIRE_REAL").is_none() => {
            println!("skipped: {error}");
            return Ok(());
        }
        laboratory => laboratory?,
    };
    let rule = Rule::queue(Family::Ipv4, Table::Filter, Hook::Forward, Some(Protocol::UDP));
    let queues = Queues::Numbered {
        ipv4: QUEUE,
        ipv6: QUEUE,
    };
    laboratory.set_rules(&[rule], queues)?;
    let here = sched_getcpu();
    let elsewhere = (0..CpuSet::MAX_CPU).find(|&cpu| cpu != here && processors.is_set(cpu));
    let mut bench = Bench {
        laboratory,
        library: Library::compile().map_err(|error| error.to_string()),
        here,
        elsewhere,
        rounds: arguments.rounds,
    };
    let loads = LOADS.iter().filter(|load| load.name.contains(&arguments.load));
    let mut workloads = Vec::new();
    for load in loads.filter(|load| elsewhere.is_some() || load.arrival != Arrival::Meanwhile) {
        workloads.push(bench.measure(load, arguments)?);
    }
    for load in LOADS
        .iter()
        .filter(|load| load.arrival == Arrival::Before(FELL_BEHIND) && !load.task.replace)
    {
        if "round trip".contains(&arguments.load) {
            let Arguments { passes, rounds, .. } = *arguments;
            let measured = emulator::measure(&mut bench.laboratory, passes, rounds, load.task, load.length)?;
            workloads.push(measured);
        }
    }
    let report = Report {
        machine,
        command: "cargo bench -p ipq-bench --bench nfqueue".to_owned(),
        method: method(arguments),
        workloads,
    };
    print!("{}", table(&report));
    if arguments.save {
        save(&report, "nfqueue", |contender| contender.name.starts_with(ipq::NAME))?;
    }
    Ok(())
}

fn method(Arguments { passes, rounds, .. }: &Arguments) -> String {
    format!(
        "{passes} passes, in each of which every listener runs once: {rounds} rounds of {FELL_BEHIND} packets that wait when \
         it begins, or more rounds of fewer.\nMedians, and the middle half of the passes; ratios within a pass."
    )
}

struct Bench {
    laboratory: Laboratory,
    library: Result<Library, String>,
    /// The processor of the listeners, and of the sender of packets that come before a listener
    /// begins. So the data of these packets does not come from another processor's cache. On a
    /// virtual machine the cost of that would depend on where the host runs each processor.
    here: usize,
    /// The processor that sends packets while a listener is at work; `None` if this process may use
    /// no other.
    elsewhere: Option<usize>,
    rounds: usize,
}

/// The result of one run of a listener.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    /// The CPU time of the listener's thread per packet, in nanoseconds; if the run has rounds,
    /// their median.
    cost: f64,
    packets: u64,
    lost: u64,
}

impl Bench {
    fn measure(&mut self, load: &Load, arguments: &Arguments) -> Result<Workload, Failed> {
        let ours = ways().map(|way| way.name);
        let names: Vec<_> = library::WAYS.iter().map(|(name, _)| *name).chain(ours).collect();
        let mut contenders: Vec<_> = names
            .into_iter()
            .filter(|name| name.contains(&arguments.listener))
            .map(Contender::named)
            .collect();
        for _ in 0..arguments.passes {
            for contender in contenders.iter_mut().filter(|contender| contender.skipped.is_none()) {
                match self.command(&contender.name, load) {
                    Ok(mut command) => {
                        let run = self.run(&mut command, load)?;
                        contender.passes.push(run.cost);
                        contender.packets += run.packets;
                        contender.lost += run.lost;
                    }
                    Err(reason) => contender.skipped = Some(reason),
                }
            }
        }
        Ok(Workload {
            name: load.name.to_owned(),
            unit: "CPU ns per packet".to_owned(),
            references: vec![library::NAME.to_owned(), crate_nfq::NAME.to_owned()],
            contenders,
        })
    }

    fn command(&self, name: &str, load: &Load) -> Result<Command, String> {
        if let Some((_, way)) = library::WAYS.iter().find(|(known, _)| *known == name) {
            return Ok(self.library.as_ref().map_err(Clone::clone)?.command(way, load.task));
        }
        if load.task.replace && ways().any(|way| way.name == name && !way.replaces) {
            return Err("it can give no packet back changed".to_owned());
        }
        let mut command = Command::new("/proc/self/exe");
        command.args([LISTEN, name]).args(load.task.words());
        Ok(command)
    }

    fn run(&mut self, command: &mut Command, load: &Load) -> Result<Run, Failed> {
        let sender = match load.arrival {
            Arrival::Before(_) => self.here,
            Arrival::Meanwhile => self.elsewhere.unwrap_or(self.here),
        };
        stay_on(sender, None)?;
        let mut process = Process::start(command, self.here)?;
        match load.arrival {
            Arrival::Before(waiting) => self.run_in_rounds(&mut process, load, waiting),
            Arrival::Meanwhile => self.run_meanwhile(&mut process, load),
        }
    }

    fn run_in_rounds(&mut self, process: &mut Process, load: &Load, waiting: u32) -> Result<Run, Failed> {
        let (packet, expected) = load.packet();
        let frame = packet.frame();
        let mut run = Run::default();
        let mut costs = Vec::new();
        // The first round is for warming up.
        let rounds = self.rounds * (FELL_BEHIND / waiting) as usize;
        for round in 0..=rounds {
            self.laboratory.inject(TAP0.name, &frame, waiting)??;
            process.begin(waiting.into())?;
            let done = process.done()?;
            if round > 0 {
                costs.push(done.nanoseconds as f64 / done.packets as f64);
            }
            run.packets += u64::from(waiting);
            run.lost += u64::from(waiting) - self.left(&expected)?;
        }
        run.cost = Spread::of(&costs).map_or(f64::NAN, |costs| costs.median);
        Ok(run)
    }

    /// Sends packets until the listener has taken [`MEANWHILE`] of them. Packets that have then
    /// neither left as expected nor are still in the queue count as lost.
    fn run_meanwhile(&mut self, process: &mut Process, load: &Load) -> Result<Run, Failed> {
        let (packet, expected) = load.packet();
        let frame = packet.frame();
        let mut run = Run::default();
        let mut left = 0;
        process.begin(MEANWHILE)?;
        loop {
            self.laboratory.inject(TAP0.name, &frame, AT_A_TIME)??;
            run.packets += u64::from(AT_A_TIME);
            left += self.left(&expected)?;
            if let Some(done) = process.done_by_now()? {
                left += self.left(&expected)?;
                run.cost = done.nanoseconds as f64 / done.packets as f64;
                // A packet that is still queued waits, and is not lost.
                run.lost = run.packets - left - queued()?.unwrap_or_default();
                return Ok(run);
            }
        }
    }

    /// Takes all frames that have left, and returns the number of those that are as expected.
    fn left(&mut self, expected: &[u8]) -> Result<u64, Failed> {
        let mut count = 0;
        while let Some(frame) = self.laboratory.sniff(TAP1.name)? {
            count += u64::from(frame == expected);
        }
        Ok(count)
    }
}

/// Returns the number of packets that are in the queue now; `None` if the kernel does not tell it.
fn queued() -> Result<Option<u64>, Failed> {
    let Ok(table) = fs::read_to_string("/proc/self/net/netfilter/nfnetlink_queue") else {
        return Ok(None);
    };
    let length = table.lines().next().and_then(|line| line.split_whitespace().nth(2));
    Ok(length.map(str::parse).transpose()?)
}
