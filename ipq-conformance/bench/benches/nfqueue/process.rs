//! A listener's process, as the bench uses it.

use crate::listener::Failed;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The longest time that [`Process::start`] and [`Process::done`] wait for a listener.
const PATIENCE: Duration = Duration::from_secs(10);

/// A listener's process. Dropping this kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// The work that a listener has done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    /// The CPU time of the listener's thread, in nanoseconds.
    pub(crate) nanoseconds: u64,
    /// The number of packets that the listener took.
    pub(crate) packets: u64,
}

impl Process {
    /// Starts a listener on the processor `processor`, and waits until it is ready.
    pub(crate) fn start(command: &mut Command, processor: usize) -> Result<Self, Failed> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a listener has no pipes".into());
        };
        let mut process = Self {
            child,
            requests,
            answers: BufReader::new(answers),
        };
        stay_on(processor, Pid::from_raw(i32::try_from(process.child.id())?))?;
        match process.line(PATIENCE)? {
            Some(line) if line == "ready" => Ok(process),
            other => Err(format!("a listener that should be ready says {other:?}").into()),
        }
    }

    /// Tells the listener to take this many packets, and does not wait.
    pub(crate) fn begin(&mut self, packets: u64) -> Result<(), Failed> {
        Ok(writeln!(self.requests, "{packets}")?)
    }

    /// Waits until the listener has taken the packets, and returns what they cost. Fails after 10
    /// seconds.
    pub(crate) fn done(&mut self) -> Result<Done, Failed> {
        self.done_within(PATIENCE)?
            .ok_or_else(|| format!("a listener was not done in {PATIENCE:?}: packets were lost").into())
    }

    /// Returns what the packets have cost if the listener has taken them; `None` if it is still at
    /// work.
    pub(crate) fn done_by_now(&mut self) -> Result<Option<Done>, Failed> {
        self.done_within(Duration::ZERO)
    }

    fn done_within(&mut self, patience: Duration) -> Result<Option<Done>, Failed> {
        let Some(line) = self.line(patience)? else {
            return Ok(None);
        };
        let (nanoseconds, packets) = line
            .split_once(' ')
            .ok_or_else(|| format!("a listener says {line:?}"))?;
        Ok(Some(Done {
            nanoseconds: nanoseconds.parse()?,
            packets: packets.parse()?,
        }))
    }

    /// Returns the next line from the listener; `None` if none comes within `patience`. An error if
    /// the listener has ended.
    fn line(&mut self, patience: Duration) -> Result<Option<String>, Failed> {
        let mut pipes = [PollFd::new(self.answers.get_ref(), PollFlags::IN)];
        if poll(&mut pipes, Some(&Timespec::try_from(patience)?))? == 0 {
            return Ok(None);
        }
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("a listener ended".into());
        }
        Ok(Some(line.trim_end().to_owned()))
    }
}

/// Makes a process run on one processor alone; `None` stands for the thread that calls this.
pub(crate) fn stay_on(processor: usize, process: Option<Pid>) -> Result<(), Failed> {
    let mut processors = CpuSet::new();
    processors.set(processor);
    Ok(sched_setaffinity(process, &processors)?)
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process is over already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
