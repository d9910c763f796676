//! Measures the time that passes, and the time that processes run.

use crate::measure::Failed;
use std::time::{Duration, Instant};

/// The moment from which wall time and processor time are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    begun: Instant,
    ran: Duration,
}

/// The wall time and the processor time since [`Clocks::start`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// The time that passed.
    pub(crate) wall: Duration,
    /// The processor time of this process and its ended children.
    pub(crate) cpu: Duration,
}

impl Clocks {
    pub(crate) fn start() -> Result<Self, Failed> {
        let ran = ran()?;
        Ok(Self {
            begun: Instant::now(),
            ran,
        })
    }

    pub(crate) fn times(&self) -> Result<Times, Failed> {
        Ok(Times {
            wall: self.begun.elapsed(),
            cpu: ran()?.saturating_sub(self.ran),
        })
    }
}

/// Returns the processor time so far of this process and its ended children. The system counts it
/// in ticks of mostly 10 ms.
fn ran() -> Result<Duration, Failed> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The fields after the name, which may hold any character: utime, stime, cutime and cstime are
    // the 14th to 17th of all fields.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat has no name in it")?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<_, _>>()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}
