//! Runs the contenders, one after the other, and notes what they cost.

use crate::capture;
use crate::clocks::Times;
use crate::command::Simulator;
use crate::kernel::Kernel;
use crate::programs::Programs;
use ipq_bench::{Contender, Machine, Report, Workload, save, table};
use std::path::PathBuf;

pub(crate) type Failed = Box<dyn std::error::Error>;

/// The name of the contender that is this `ipq-sim run`.
const RUN: &str = "ipq-sim run";
const WITH_OUTPUTS: &str = "ipq-sim run --out --log";
const BEFORE: &str = "an older ipq-sim run";
const KERNEL: &str = "this kernel's queue";
const NUMBERED_RUN: &str = "ipq-sim run, libnetfilter_queue";
const NUMBERED_KERNEL: &str = "this kernel's queue, libnetfilter_queue";
const ALL: [&str; 6] = [RUN, WITH_OUTPUTS, BEFORE, KERNEL, NUMBERED_RUN, NUMBERED_KERNEL];

/// Measures what a packet costs under `ipq-sim run`.
#[derive(Clone, Debug, clap::Parser)]
pub(crate) struct Arguments {
    /// How often each contender runs.
    #[arg(long, default_value_t = 5)]
    passes: usize,
    /// How many packets of 64 bytes there are; those of 1400 are a fifth.
    #[arg(long, default_value_t = 1_000_000)]
    packets: u64,
    /// An older `ipq-sim` to compare with.
    #[arg(long, requires = "before_library")]
    before: Option<PathBuf>,
    /// Where its libipq.so.0 is.
    #[arg(long)]
    before_library: Option<PathBuf>,
    /// Keeps the results in BENCHMARKS.md and results.
    #[arg(long)]
    save: bool,
    /// What `cargo bench` says.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The packets that each contender handles, and the capture that has them.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) packets: u64,
    /// The length of each packet in bytes, from its network header on.
    pub(crate) length: usize,
    pub(crate) capture: PathBuf,
}

/// The result of one run of a contender.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) times: Times,
    pub(crate) lost: u64,
}

pub(crate) fn main(arguments: &Arguments) -> Result<(), Failed> {
    let machine = Machine::here();
    let programs = match Programs::build() {
        Ok(programs) => programs,
        Err(error) => {
            println!("skipped: {error}");
            return Ok(());
        }
    };
    let bench = Bench {
        arguments,
        kernel: Kernel::set_up(),
        programs,
    };
    let mut workloads = Vec::new();
    for (length, packets) in [(64, arguments.packets), (1400, arguments.packets / 5)] {
        workloads.extend(bench.measure(length, packets)?);
    }
    let report = Report {
        machine,
        command: "cargo bench -p ipq-bench --bench run".to_owned(),
        method: format!(
            "{} passes, in each of which every contender runs once.\nMedians, and the middle half of the passes; ratios within a \
             pass. CPU: of the program and of whoever carries the packets.",
            arguments.passes
        ),
        workloads,
    };
    print!("{}", table(&report));
    if arguments.save {
        save(&report, "run", |contender| contender.name.starts_with(RUN))?;
    }
    Ok(())
}

struct Bench<'a> {
    arguments: &'a Arguments,
    programs: Programs,
    /// The kernel's namespace, or the reason why there is none.
    kernel: Result<Kernel, String>,
}

impl Bench<'_> {
    /// Runs all contenders in turn, once in each pass, on packets of one length. Returns two
    /// workloads: their wall times and their processor times.
    fn measure(&self, length: usize, packets: u64) -> Result<[Workload; 2], Failed> {
        let task = Task {
            packets,
            length,
            capture: self.programs.scratch(&format!("{length}.pcap")),
        };
        capture::write(&task.capture, packets, length)?;
        let mut wall: Vec<_> = ALL.map(Contender::named).into();
        let mut cpu = wall.clone();
        for _ in 0..self.arguments.passes {
            for (wall, cpu) in wall.iter_mut().zip(&mut cpu) {
                if wall.skipped.is_some() {
                    continue;
                }
                match self.run(&wall.name, &task) {
                    Ok(Measured { times, lost }) => {
                        for (contender, time) in [(wall, times.wall), (cpu, times.cpu)] {
                            contender.passes.push(time.as_nanos() as f64 / packets as f64);
                            contender.packets += packets;
                            contender.lost += lost;
                        }
                    }
                    Err(error) => {
                        wall.skipped = Some(error.to_string());
                        cpu.skipped = Some(error.to_string());
                    }
                }
            }
        }
        std::fs::remove_file(&task.capture)?;
        let workload = |name: &str, unit: &str, contenders| Workload {
            name: format!("{packets} packets of {length} bytes, {name}"),
            unit: format!("{unit} per packet"),
            references: [RUN, BEFORE, KERNEL, NUMBERED_KERNEL].map(str::to_owned).into(),
            contenders,
        };
        Ok([workload("wall time", "ns", wall), workload("CPU time", "CPU ns", cpu)])
    }

    /// Runs the contender `name` once. The error is the reason why it can't run.
    fn run(&self, name: &str, task: &Task) -> Result<Measured, Failed> {
        let Programs {
            listener,
            numbered,
            library,
            ..
        } = &self.programs;
        let numbered = || numbered.as_deref().map_err(Clone::clone);
        let this = Simulator {
            command: &self.programs.simulator,
            library,
        };
        let scratch = |name: &str| self.programs.scratch(name).display().to_string();
        match name {
            RUN => this.run(listener, task, &[]),
            WITH_OUTPUTS => {
                let [out, log] = [scratch("out.pcap"), scratch("log.jsonl")];
                let measured = this.run(listener, task, &["--out", &out, "--log", &log])?;
                // Each run writes new files: to empty a long one takes time of its own.
                for file in [out, log] {
                    std::fs::remove_file(file)?;
                }
                Ok(measured)
            }
            BEFORE => match (&self.arguments.before, &self.arguments.before_library) {
                (Some(command), Some(library)) => Simulator { command, library }.run(listener, task, &[]),
                _ => Err("say which with --before and --before-library".into()),
            },
            NUMBERED_RUN => this.run(numbered()?, task, &[]),
            name => {
                let program = if name == KERNEL { listener } else { numbered()? };
                let kernel = self.kernel.as_ref().map_err(Clone::clone)?;
                kernel.run(program, library, task)
            }
        }
    }
}
