//! Carries out a run: feeds packets, and serves the program, until the run is over. Then ends the
//! program and makes the report.

use super::capture::Capture;
use super::conclusion::{self, Over, ProgramEnd, Queues};
use super::feeding::{Feeding, Hold, LastTurn, Turn};
use super::program::Program;
use super::summary::{ChosenKernel, KernelReason, Report};
use super::watch::{Progress, Watch};
use super::{DEVICES, Rate, Run, RunError};
use crate::kernel::Kernel;
use crate::netlink::SocketId;
use crate::programs::server::Server;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The longest wait of a turn, so that the run soon finds out that the program has ended.
const TICK: Duration = Duration::from_millis(20);

/// The first pause before the run checks again whether the program has read everything and waits.
/// Each further pause is twice as long as the one before, up to 128 times this one.
const SOON: Duration = Duration::from_micros(50);

/// The time after which a program that still runs is treated as one that waits: the time since it
/// has read everything, or since every packet has a fate.
const BUSY: Duration = Duration::from_millis(500);

/// A run that is under way: the emulated kernel, the program, its server, and the packets.
pub(super) struct Running<'a> {
    run: &'a Run,
    kernel: Kernel,
    server: Server,
    /// The program that the run started. `None` if programs are started elsewhere.
    program: Option<Program>,
    feeding: Feeding<'a>,
    over: Over,
    /// The series of checks that found that the program has read everything but does not wait yet,
    /// or that every packet has a fate. `None` if the last check found neither.
    unsettled: Option<Looks>,
    /// The series of checks that found so little unread that reading it will not wake the server.
    /// `None` if there was none since a check found everything read.
    unread: Option<Looks>,
}

/// A series of checks of the program, during which nothing happened to any packet: the number of
/// checks, and the time of the first.
#[derive(Clone, Copy, Debug)]
struct Looks {
    times: u32,
    since: Instant,
}

impl Looks {
    /// Counts a check, and returns the time until the next one. Begins a new series if there is
    /// none, or if anything has happened to a packet since the first check, by the time
    /// `last_event`.
    fn again(looks: &mut Option<Self>, last_event: Instant) -> Duration {
        *looks = looks.filter(|looks| looks.since >= last_event);
        let looks = looks.get_or_insert_with(|| Self {
            times: 0,
            since: Instant::now(),
        });
        let wait = SOON * (1 << looks.times.min(7));
        looks.times += 1;
        wait
    }
}

impl<'a> Running<'a> {
    pub(super) fn new(
        run: &'a Run,
        kernel: Kernel,
        server: Server,
        program: Option<Program>,
        capture: Capture,
    ) -> Self {
        Self {
            run,
            kernel,
            server,
            program,
            feeding: Feeding::new(run, capture),
            over: Over::Done,
            unsettled: None,
            unread: None,
        }
    }

    /// Feeds packets and serves the program until the run is over, and notes why it is over.
    pub(super) fn turns(&mut self, watch: &mut dyn Watch) -> Result<(), RunError> {
        loop {
            let wait = self.feed(watch)?;
            self.turn(wait, watch)?;
            let progress = Progress {
                done: self.feeding.done(),
                bytes_read: self.feeding.capture.bytes_read(),
            };
            watch.progress(progress).map_err(RunError::Watch)?;
            // If nothing was fed, the program is still served until it ends, the run is stopped, or
            // the patience ends.
            if self.feeding.is_done() && self.feeding.has_fed() && self.is_at_rest() {
                // One more turn takes the answer to the last verdict to the program.
                return self.turn(Duration::ZERO, watch);
            }
            // An interrupt at a terminal ends the program, too, so this is checked before the
            // program's end.
            if self.run.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                self.over = Over::Stopped;
                return Ok(());
            }
            if self
                .program
                .as_mut()
                .is_some_and(|program| program.has_ended(&self.server))
            {
                return Ok(());
            }
            // If programs are started elsewhere, the first one may connect late: until a packet is
            // fed, patience has no end, unless there is nothing to feed.
            let patient = self.program.is_none() && !self.feeding.has_fed() && !self.feeding.is_done();
            if !patient && self.feeding.last_event.elapsed() > self.run.patience {
                self.over = Over::Patience(self.run.patience);
                return Ok(());
            }
        }
    }

    /// Moves messages between the program and the kernel, and notes their effects on packets. If
    /// there is nothing to move, waits at most for `wait`.
    fn turn(&mut self, wait: Duration, watch: &mut dyn Watch) -> Result<(), RunError> {
        let mut turn = Turn {
            feeding: &mut self.feeding,
            watch,
            result: Ok(()),
        };
        self.server.observed_turn(&mut self.kernel, Some(wait), &mut turn)?;
        turn.result.map_err(RunError::Watch)?;
        // A packet's fate holds what was sent, so the copies at the devices are discarded.
        for device in DEVICES {
            while let Ok(Some(_)) = self.kernel.sniff(device) {}
        }
        self.feeding.conduct.has_opened |= self.server.has_programs();
        let queues = &mut self.feeding.conduct.queues;
        if *queues == Queues::ByFamily && self.kernel.has_numbered_queues() {
            *queues = Queues::Unbound;
        }
        self.feeding
            .note_events(&mut self.kernel, watch)
            .map_err(RunError::Watch)
    }

    /// Feeds the packets that may be fed now. Returns the longest time to wait for messages before
    /// the next try. If the capture's next record is still to come, and nothing else holds feeding
    /// up, waits for the record itself, at most for [`TICK`], and returns 0.
    fn feed(&mut self, watch: &mut dyn Watch) -> Result<Duration, RunError> {
        if self.run.rate != Rate::AsRead {
            // At a rate, a packet is lost if the program has not read enough, so the receive
            // buffers are brought up to date.
            self.server.look(&mut self.kernel);
        }
        loop {
            let hold = self.feeding.feed(&mut self.kernel, watch).map_err(RunError::Watch)?;
            if let Some(Hold::Unsettled(socket)) = hold {
                match self.settle(socket) {
                    None => continue,
                    Some(wait) => return Ok(wait),
                }
            }
            self.unsettled = self.unsettled.filter(|_| self.feeding.is_done());
            return Ok(match hold {
                None => Duration::ZERO,
                Some(Hold::NotDue) => self.feeding.until_next_is_due().min(TICK),
                Some(Hold::NoRecord) if !self.feeding.is_fed_all() => {
                    self.await_record()?;
                    self.feeding.last_event = Instant::now();
                    Duration::ZERO
                }
                Some(_) if self.feeding.is_done() => Looks::again(&mut self.unsettled, self.feeding.last_event),
                Some(_) => TICK,
            });
        }
    }

    /// Checks whether all programs have read everything, and whether this socket's program then
    /// waits or has run on for more than [`BUSY`]. If both are so, notes that the socket's packets
    /// were read, so that more may be fed, and returns `None`. Otherwise returns the time after
    /// which to check again.
    fn settle(&mut self, socket: SocketId) -> Option<Duration> {
        self.server.look(&mut self.kernel);
        if !self.server.all_read(&self.kernel) {
            self.unsettled = None;
            // While much is unread, reading makes space, which wakes the server. Reading the last
            // part wakes nobody.
            return Some(if self.server.has_enough_to_read() {
                TICK
            } else {
                Looks::again(&mut self.unread, self.feeding.last_event)
            });
        }
        self.unread = None;
        let waits = self.server.waits(socket);
        if waits || self.has_been_busy() {
            self.unsettled = None;
            self.feeding.settle(socket);
            return None;
        }
        Some(Looks::again(&mut self.unsettled, self.feeding.last_event))
    }

    /// Returns `true` if the series of checks in `unsettled` began more than [`BUSY`] ago.
    fn has_been_busy(&self) -> bool {
        self.unsettled.is_some_and(|looks| looks.since.elapsed() > BUSY)
    }

    /// Returns `true` if nothing more is to be expected of the program, now that every packet has a
    /// fate. That is so if it has read everything and waits, if it has run on for more than
    /// [`BUSY`] since then, if it has closed its sockets, or if it was started elsewhere.
    fn is_at_rest(&mut self) -> bool {
        self.server.look(&mut self.kernel);
        if self.program.is_none() || !self.server.has_programs() {
            return true;
        }
        let has_read = self.server.all_read(&self.kernel);
        let mut queues = self.kernel.listened_queues();
        let waits = queues.any(|queue| {
            let listener = self.kernel.listener(queue);
            listener.is_none_or(|socket| self.server.waits(socket))
        });
        has_read && waits || self.has_been_busy()
    }

    /// Waits until the capture has another record or its end, the server has something to do, or
    /// [`TICK`] has passed.
    fn await_record(&self) -> Result<(), RunError> {
        let both = [self.server.as_fd(), self.feeding.capture.as_fd()];
        let mut both = both.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match poll(&mut both, Timespec::try_from(TICK).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(RunError::Socket(error.into())),
        }
    }

    /// Ends the program and the feeding, and returns the report on the run. Before, reports to
    /// `watch` the records that were not reported yet.
    pub(super) fn end(mut self, watch: &mut dyn Watch) -> Result<Report, RunError> {
        self.server.look(&mut self.kernel);
        let conduct = &mut self.feeding.conduct;
        conduct.has_unread = !self.server.all_read(&self.kernel);
        conduct.ip_queue_alone = !conduct.has_opened && self.run.serves_ip_queue_alone();
        // A program that has closed its sockets is about to end, and gets the time to end by
        // itself.
        let ending = conduct.has_opened && !self.server.has_programs() && self.over == Over::Done;
        let ending = ending.then_some(self.run.patience);
        let mut turn = LastTurn(Turn {
            feeding: &mut self.feeding,
            watch: &mut *watch,
            result: Ok(()),
        });
        let program = match &mut self.program {
            Some(program) => program.end(&mut self.server, &mut self.kernel, ending, &mut turn),
            None => ProgramEnd::Elsewhere,
        };
        turn.0.result.map_err(RunError::Watch)?;
        self.feeding.end(watch).map_err(RunError::Watch)?;
        let kernel = ChosenKernel {
            profile: self.kernel.profile().name,
            reason: match self.run.kernel_reason {
                None if self.feeding.is_chosen() => KernelReason::Nfnetlink,
                None => KernelReason::NoNfnetlink,
                Some(reason) => reason,
            },
            used: self.feeding.conduct.used.clone(),
            queues: self.feeding.followed(),
        };
        let capture_end = self.feeding.capture.end().cloned();
        let mut summary = self.feeding.outcomes.summary;
        summary.is_read_in_part = capture_end.is_none();
        let conduct = &self.feeding.conduct;
        Ok(Report {
            kernel,
            findings: conclusion::findings(&summary, conduct, self.over, program, capture_end.as_ref()),
            summary,
            program,
            remarks: self.server.remarks(),
        })
    }
}
