//! The common part of all listeners written in Rust. A listener is a process of its own that is
//! told how many packets to take, and says what they cost.

use crate::task::Task;
use crate::{crate_nfq, floor, ipq};
use rustix::time::{ClockId, clock_gettime};
use std::io::{BufRead, Write, stdin, stdout};

pub(crate) type Failed = Box<dyn std::error::Error>;

/// The number of the queue that rules send packets to.
pub(crate) const QUEUE: u16 = 0;
/// The most packets that the queue holds: the kernel's default.
pub(crate) const MAX_LENGTH: u32 = 1024;
/// The receive buffer that each listener asks for, in bytes. The kernel gives twice as much, but
/// most listeners get no more than twice `net.core.rmem_max`. If the kernel gives all, the packets
/// of a round fit with room to spare.
pub(crate) const RECEIVE_BUFFER: usize = 4 << 20;

/// The copy range of listeners that read a packet's bytes. No packet is longer.
pub(crate) const RANGE: u16 = 1500;

/// A listener of the queue, which takes packets and gives a verdict on each.
pub(crate) trait Listener {
    /// Waits for at least `packets` packets, and gives their verdicts. Returns how many it took.
    fn take(&mut self, packets: u64) -> Result<u64, Failed>;
}

/// A kind of listener, with its name and the function that opens it.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// `true` if the listener can give packets back changed.
    pub(crate) replaces: bool,
    pub(crate) open: fn(Task) -> Result<Box<dyn Listener>, Failed>,
}

/// Returns all kinds of listeners that are written in Rust.
pub(crate) fn ways() -> impl Iterator<Item = &'static Way> {
    [floor::WAYS, crate_nfq::WAYS, ipq::WAYS].into_iter().flatten()
}

/// Runs the listener `name` until standard input ends. Prints `ready`; then for each number on
/// standard input takes at least this many packets, and prints the CPU time that this thread took
/// for them, in nanoseconds, and how many they were. `listener.c` does the same.
pub(crate) fn serve(name: &str, task: Task) -> Result<(), Failed> {
    let way = ways().find(|way| way.name == name).ok_or("no listener has this name")?;
    let mut listener = (way.open)(task)?;
    say("ready")?;
    for line in stdin().lock().lines() {
        let packets = line?.parse()?;
        let begun = thread_time();
        let taken = listener.take(packets)?;
        say(&format!("{} {taken}", thread_time() - begun))?;
    }
    Ok(())
}

/// Returns the CPU time that this thread has used, in nanoseconds.
pub(crate) fn thread_time() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn say(line: &str) -> Result<(), Failed> {
    let mut output = stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}
