//! A run that is under way: packets go in as the program takes them, and what became of each is noted.

use super::capture::{Capture, NotFed};
use super::program::Program;
use super::summary::{Report, Summary, VerdictReport};
use super::{DEVICES, Rate, Run, RunError};
use crate::entrance::Entrance;
use crate::journal::PacketEvent;
use crate::kernel::Kernel;
use crate::ledger::{Fate, PacketSerial};
use crate::programs::server::{Passed, Server};
use ipq_core::Family;
use ipq_core::wire::{Abi, Message};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The longest that a turn waits: so often the program is looked after.
const TICK: Duration = Duration::from_millis(20);

/// How many packets are fed in a row at [`Rate::Max`], before the program's connection is looked after.
const BURST: usize = 32;

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// How many records of the capture have been dealt with.
    pub done: u64,
    /// How many bytes of the capture's file have been read.
    pub bytes_read: u64,
}

/// A run that is under way.
pub(super) struct Running<'a> {
    run: &'a Run,
    kernel: Kernel,
    server: Server,
    /// None if it was started elsewhere.
    program: Option<Program>,
    capture: Capture,
    report: Report,
    /// Of the packets that have no fate yet: which record each is, and when it entered.
    fed: HashMap<PacketSerial, (usize, Instant)>,
    /// When the first packet entered.
    began: Option<Instant>,
    last_event: Instant,
    /// Since when the next packet has had nobody to listen for it.
    waiting_since: Option<Instant>,
    /// Whether the program has ever had a socket.
    had_sockets: bool,
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
            capture,
            report: Report::new(),
            fed: HashMap::new(),
            began: None,
            last_event: Instant::now(),
            waiting_since: None,
            had_sockets: false,
        }
    }

    /// Goes on until there is nothing more to do.
    pub(super) fn turns(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), RunError> {
        loop {
            self.feed();
            let is_fed_all = self.capture.end().is_some();
            let is_waiting = !is_fed_all && self.capture.peek().is_none();
            if is_waiting {
                self.await_record()?;
                self.last_event = Instant::now();
            }
            let wait = if is_waiting {
                Duration::ZERO
            } else if is_fed_all || !self.may_feed() {
                TICK
            } else {
                self.until_next_is_due()
            };
            self.turn(Some(wait))?;
            progress(Progress {
                done: (self.report.packets.len() - self.fed.len()) as u64,
                bytes_read: self.capture.bytes_read(),
            });
            if is_fed_all && self.fed.is_empty() {
                // What the last verdict was answered is still to be read.
                return self.turn(Some(Duration::ZERO));
            }
            // A terminal interrupts the program too: it comes first.
            if self.run.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                self.report.stopped = true;
                return Ok(());
            }
            // Its sockets close with it, unless it has left them to a child.
            if self.program.as_mut().is_some_and(Program::has_ended) && !self.server.has_programs() {
                return Ok(());
            }
            let patient = self.program.is_none() && self.report.packets.is_empty();
            if !patient && self.last_event.elapsed() > self.run.patience {
                self.report.gave_up = true;
                return Ok(());
            }
        }
    }

    /// Waits until the capture has another record, or the server has something to do.
    fn await_record(&self) -> Result<(), RunError> {
        let mut both =
            [self.server.as_fd(), self.capture.as_fd()].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match poll(&mut both, Timespec::try_from(TICK).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(RunError::Socket(error.into())),
        }
    }

    /// Lets enter what may.
    fn feed(&mut self) {
        let mut burst = 0;
        while burst < BURST && self.may_feed() && self.until_next_is_due() == Duration::ZERO {
            let Some(record) = self.capture.next() else { return };
            burst += 1;
            self.waiting_since = None;
            let index = self.report.packets.len();
            let packet = self.report.add(record);
            let Ok(record) = &packet.record.packet else { continue };
            self.began.get_or_insert_with(Instant::now);
            let entrance = Entrance {
                hook: self.run.hook,
                incoming: DEVICES[0],
                outgoing: DEVICES[1],
                link_header: record.link_header,
            };
            match self.kernel.enter_at(entrance, record.data.clone()) {
                Ok(serial) => {
                    self.fed.insert(serial, (index, Instant::now()));
                    self.last_event = Instant::now();
                }
                Err(error) => packet.record.packet = Err(NotFed::from(&error)),
            }
            if self.run.rate == Rate::AsRead {
                break;
            }
        }
    }

    /// Whether the next packet may enter now, as far as the program is concerned.
    fn may_feed(&mut self) -> bool {
        let Some(record) = self.capture.peek() else {
            return false;
        };
        let Ok(record) = &record.packet else {
            return true;
        };
        let family = record.family;
        if !self.kernel.has_listener(family) {
            // A program that listens for the other family only gets a second to think of this one.
            let listens = Family::ALL.iter().any(|family| self.kernel.has_listener(*family));
            let since = *self.waiting_since.get_or_insert_with(Instant::now);
            let over = listens && (since.elapsed() > Duration::from_secs(1) || self.report.deaf[family as usize]);
            self.report.deaf[family as usize] |= over;
            return over;
        }
        let room = self.kernel.queue_length(family).unwrap_or(0) < self.run.profile.queue_length as usize;
        self.run.rate != Rate::AsRead || (room && self.server.all_read(&self.kernel))
    }

    fn until_next_is_due(&self) -> Duration {
        let (Rate::PerSecond(rate), Some(began)) = (self.run.rate, self.began) else {
            return Duration::ZERO;
        };
        let due = f64::from(u32::try_from(self.report.packets.len()).unwrap_or(u32::MAX)) / rate;
        let due = Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX);
        due.saturating_sub(began.elapsed())
    }

    fn turn(&mut self, wait: Option<Duration>) -> Result<(), RunError> {
        let Self {
            server, kernel, report, ..
        } = self;
        server.turn(kernel, wait, &mut |passed| report.summary.note(passed))?;
        self.had_sockets |= self.server.has_programs();
        for event in self.kernel.take_events() {
            self.last_event = Instant::now();
            match event {
                PacketEvent::Verdict {
                    packet,
                    verdict,
                    replaced,
                    ..
                } => {
                    if let Some((index, entered)) = self.fed.get(&packet) {
                        self.report.packets[*index].verdicts.push(VerdictReport {
                            verdict,
                            replaced,
                            after: entered.elapsed(),
                        });
                    }
                }
                PacketEvent::Left { packet, fate } => {
                    if let Some((index, _)) = self.fed.remove(&packet) {
                        self.report.leave(index, fate);
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the program, and sums up.
    pub(super) fn end(mut self) -> Report {
        for (index, _) in self.fed.values() {
            self.report.packets[*index].fate = Some(Fate::Queued);
        }
        // One that has closed its sockets has nothing left to do here.
        let ending = self.had_sockets && !self.server.has_programs() && !self.report.gave_up && !self.report.stopped;
        self.report.exit = self.program.as_mut().and_then(|program| program.end(ending));
        while let Some(mut record) = self.capture.next() {
            record.packet = record.packet.and(Err(NotFed::RunEnded));
            self.report.add(record);
        }
        self.report.capture_end = self.capture.end().cloned();
        self.report.sum_up();
        self.report
    }
}

impl Summary {
    /// Counts what passed between the program and the kernel.
    fn note(&mut self, passed: Passed<'_>) {
        match passed {
            Passed::Overrun => self.overruns += 1,
            Passed::ToProgram(frame) => {
                if let Ok(Message::Error(error)) = Message::parse(frame, Abi::NATIVE) {
                    self.refused += u64::from(!error.is_acknowledgement());
                }
            }
            Passed::FromProgram(_) => {}
        }
    }
}
