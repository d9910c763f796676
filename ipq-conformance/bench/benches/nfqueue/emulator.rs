//! The cost of a packet's whole round trip with `ipq-core`, on this kernel's queue and on emulated
//! kernels. One thread does all: packets arrive, are read, are let through and leave.

use crate::ipq;
use crate::listener::{Failed, QUEUE, RANGE};
use crate::task::Task;
use ipq_bench::{Contender, Spread, Workload};
use ipq_conformance::laboratory::Laboratory;
use ipq_conformance::suite::Packet;
use ipq_conformance::world::topology::{TAP0, TAP1};
use ipq_core::transport::nfqueue::Options;
use ipq_core::wire::Message;
use ipq_core::{Family, Handle, Hook, Transport, Verdict, Wait};
use ipq_sim::{Kernel, Profile, Rule};
use std::time::Instant;

pub(crate) const KERNEL: &str = "this kernel's nfqueue";
pub(crate) const EMULATOR: &str = "ipq-sim";
/// The name of the contender that is an emulated nfnetlink queue, read through the same transport
/// as a real one.
pub(crate) const NUMBERED: &str = "ipq-sim, nfnetlink_queue";

/// The number of packets that arrive one after the other before the first of them is read.
const AT_A_TIME: u32 = 64;
/// The number of packets in a round.
const PACKETS: u32 = 10 * AT_A_TIME;

/// The machine that has the queue, real or emulated: packets arrive at it, and leave it once they
/// are accepted.
trait Around {
    /// Makes `count` packets arrive.
    fn inject(&mut self, count: u32) -> Result<(), Failed>;

    /// Takes one packet that has left. Returns `false` if none has.
    fn take(&mut self) -> Result<bool, Failed>;
}

/// Measures round trips of packets of `length` bytes on three queues: this kernel's, an emulated
/// `ip_queue`, and an emulated nfnetlink queue. Each has `passes` passes, in each of which `rounds`
/// rounds count.
pub(crate) fn measure(
    laboratory: &mut Laboratory,
    passes: usize,
    rounds: usize,
    task: Task,
    length: usize,
) -> Result<Workload, Failed> {
    let packet = Packet::udp4().length(length);
    let mut contenders = [KERNEL, EMULATOR, NUMBERED].map(Contender::named);
    let sim = Kernel::builder().keep_fates(0).simulate()?;
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward).protocol(17))?;
    let emulated = sim.open(Family::Ipv4)?;
    emulated.set_mode(task.mode(), RANGE.into())?;
    let mut sim = Emulated {
        sim: &sim,
        frame: packet.frame().to_vec(),
    };
    let kernel = Kernel::builder().profile(Profile::LINUX_6_18_X86_64);
    let with_numbers = kernel.keep_fates(0).simulate()?;
    with_numbers.add_rule(Rule::numbered_queue(Family::Ipv4, Hook::Forward, QUEUE).protocol(17))?;
    let numbered = with_numbers.open_nfqueue(Options {
        queue_number: QUEUE,
        ..Options::new(Family::Ipv4)
    })?;
    numbered.set_mode(task.mode(), RANGE.into())?;
    let mut with_numbers = Emulated {
        sim: &with_numbers,
        frame: packet.frame().to_vec(),
    };
    let real = ipq::open(task, false)?;
    for _ in 0..passes {
        let mut kernel = Real {
            laboratory,
            frame: &packet.frame(),
        };
        let [of_kernel, of_emulator, of_numbered] = &mut contenders;
        of_kernel.passes.push(pass(&mut kernel, &real, rounds)?);
        of_emulator.passes.push(pass(&mut sim, &emulated, rounds)?);
        of_numbered.passes.push(pass(&mut with_numbers, &numbered, rounds)?);
        for contender in &mut contenders {
            contender.packets += u64::from(PACKETS) * (rounds as u64 + 1);
        }
    }
    let [mode, _] = task.words();
    Ok(Workload {
        name: format!("the whole round trip on one thread, {mode}, {length} bytes"),
        unit: "ns per packet".to_owned(),
        references: [EMULATOR, NUMBERED].map(str::to_owned).into(),
        contenders: contenders.into(),
    })
}

/// Returns the nanoseconds of a packet's round trip: the median of `rounds` rounds, after one for
/// warming up. Fails, among others, if a packet does not come out.
fn pass(around: &mut impl Around, handle: &Handle<impl Transport>, rounds: usize) -> Result<f64, Failed> {
    let mut buffer = vec![0; handle.buffer_for(RANGE.into())];
    let costs: Vec<_> = (0..=rounds)
        .map(|_| round(around, handle, &mut buffer))
        .collect::<Result<_, _>>()?;
    Ok(Spread::of(&costs[1..]).map_or(f64::NAN, |costs| costs.median))
}

fn round(around: &mut impl Around, handle: &Handle<impl Transport>, buffer: &mut [u8]) -> Result<f64, Failed> {
    // The time that passes is measured, not that of this thread. A kernel's workers do a part of a
    // queue's work on this processor, and that counts.
    let begun = Instant::now();
    for _ in 0..PACKETS / AT_A_TIME {
        around.inject(AT_A_TIME)?;
        for _ in 0..AT_A_TIME {
            let Message::Packet(packet) = handle.read(buffer, Wait::Never)? else {
                return Err("the queue sent what is no packet".into());
            };
            handle.set_verdict(packet.packet_id(), Verdict::Accept, None)?;
        }
        for _ in 0..AT_A_TIME {
            if !around.take()? {
                return Err("a packet has not left".into());
            }
        }
    }
    Ok(begun.elapsed().as_nanos() as f64 / f64::from(PACKETS))
}

struct Real<'a> {
    laboratory: &'a mut Laboratory,
    frame: &'a [u8],
}

impl Around for Real<'_> {
    fn inject(&mut self, count: u32) -> Result<(), Failed> {
        Ok(self.laboratory.inject(TAP0.name, self.frame, count)??)
    }

    fn take(&mut self) -> Result<bool, Failed> {
        Ok(self.laboratory.sniff(TAP1.name)?.is_some())
    }
}

struct Emulated<'a> {
    sim: &'a ipq_sim::Sim,
    frame: Vec<u8>,
}

impl Around for Emulated<'_> {
    fn inject(&mut self, count: u32) -> Result<(), Failed> {
        for _ in 0..count {
            self.sim.inject(TAP0.name, self.frame.clone())?;
        }
        Ok(())
    }

    fn take(&mut self) -> Result<bool, Failed> {
        Ok(self.sim.sniff(TAP1.name)?.is_some())
    }
}
