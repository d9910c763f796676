//! A run that is under way: packets go in as the program takes them, and what became of each is noted.

use super::capture::{Capture, NotFed};
use super::outcome::Outcomes;
use super::program::Program;
use super::refusal::{Refusal, Request};
use super::summary::Report;
use super::watch::{Progress, Watch};
use super::{DEVICES, Rate, Run, RunError};
use crate::books::PacketEvent;
use crate::kernel::{EntryPoint, Kernel};
use crate::programs::server::{Passed, Server};
use ipq_core::Family;
use ipq_core::wire::{Abi, Message};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The longest that a turn waits: so often the program is looked after.
const TICK: Duration = Duration::from_millis(20);

/// How many packets are fed in a row at [`Rate::Max`], before the program's connection is looked after.
const BURST: usize = 32;

/// A run that is under way.
pub(super) struct Running<'a> {
    run: &'a Run,
    kernel: Kernel,
    server: Server,
    /// None if it was started elsewhere.
    program: Option<Program>,
    capture: Capture,
    outcomes: Outcomes,
    gave_up: bool,
    stopped: bool,
    /// By family: whether packets were fed though nobody listened.
    deaf: [bool; 2],
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
            outcomes: Outcomes::default(),
            gave_up: false,
            stopped: false,
            deaf: [false; 2],
            began: None,
            last_event: Instant::now(),
            waiting_since: None,
            had_sockets: false,
        }
    }

    /// Goes on until there is nothing more to do.
    pub(super) fn turns(&mut self, watch: &mut dyn Watch) -> Result<(), RunError> {
        loop {
            self.feed();
            self.outcomes.tell_all(watch).map_err(RunError::Watch)?;
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
            self.turn(Some(wait), watch)?;
            let progress = Progress {
                done: self.outcomes.records() - self.outcomes.undecided(),
                bytes_read: self.capture.bytes_read(),
            };
            watch.progress(progress).map_err(RunError::Watch)?;
            if is_fed_all && self.outcomes.undecided() == 0 {
                // What the last verdict was answered is still to be read.
                return self.turn(Some(Duration::ZERO), watch);
            }
            // A terminal interrupts the program too: it comes first.
            if self.run.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                self.stopped = true;
                return Ok(());
            }
            // Its sockets close with it, unless it has left them to a child.
            if self.program.as_mut().is_some_and(Program::has_ended) && !self.server.has_programs() {
                return Ok(());
            }
            let patient = self.program.is_none() && self.outcomes.records() == 0;
            if !patient && self.last_event.elapsed() > self.run.patience {
                self.gave_up = true;
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
            let packet = record.packet.clone();
            let index = self.outcomes.add(record);
            let Ok(packet) = packet else { continue };
            self.began.get_or_insert_with(Instant::now);
            let entrance = EntryPoint {
                hook: self.run.hook,
                incoming: DEVICES[0],
                outgoing: DEVICES[1],
                link_header: packet.link_header,
            };
            match self.kernel.enter_at(entrance, packet.data) {
                Ok(serial) => {
                    self.outcomes.entered(index, serial);
                    self.last_event = Instant::now();
                }
                Err(error) => self.outcomes.not_fed(index, NotFed::from(&error)),
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
            let over = listens && (since.elapsed() > Duration::from_secs(1) || self.deaf[family as usize]);
            self.deaf[family as usize] |= over;
            return over;
        }
        let room = self.kernel.queue_length(family).unwrap_or(0) < self.run.profile.queue_length as usize;
        self.run.rate != Rate::AsRead || (room && self.server.all_read(&self.kernel))
    }

    fn until_next_is_due(&self) -> Duration {
        let (Rate::PerSecond(rate), Some(began)) = (self.run.rate, self.began) else {
            return Duration::ZERO;
        };
        let due = f64::from(u32::try_from(self.outcomes.records()).unwrap_or(u32::MAX)) / rate;
        let due = Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX);
        due.saturating_sub(began.elapsed())
    }

    fn turn(&mut self, wait: Option<Duration>, watch: &mut dyn Watch) -> Result<(), RunError> {
        let Self {
            server,
            kernel,
            outcomes,
            ..
        } = self;
        let mut refusals = Vec::new();
        server.turn(kernel, wait, &mut |passed| match passed {
            Passed::Overrun => outcomes.summary.overruns += 1,
            Passed::ToProgram(frame) => refusals.extend(refusal(frame)),
            Passed::FromProgram(_) => {}
        })?;
        for refusal in refusals {
            let packet = match refusal.request {
                Request::Verdict(_, packet_id) => kernel.queued(packet_id).map(|serial| (serial, packet_id)),
                _ => None,
            };
            outcomes.refused(refusal, packet);
        }
        self.had_sockets |= self.server.has_programs();
        for event in self.kernel.take_events() {
            self.last_event = Instant::now();
            match event {
                PacketEvent::Verdict {
                    packet,
                    packet_id,
                    verdict,
                    replaced,
                } => self.outcomes.verdict(packet, packet_id, verdict, replaced),
                PacketEvent::Left { packet, fate } => {
                    self.outcomes.left(packet, fate, watch).map_err(RunError::Watch)?;
                }
            }
        }
        Ok(())
    }

    /// Ends the program, and sums up.
    pub(super) fn end(mut self, watch: &mut dyn Watch) -> Result<Report, RunError> {
        // One that has closed its sockets has nothing left to do here.
        let ending = self.had_sockets && !self.server.has_programs() && !self.gave_up && !self.stopped;
        let exit = self.program.as_mut().and_then(|program| program.end(ending));
        while let Some(mut record) = self.capture.next_unfed() {
            record.packet = record.packet.and(Err(NotFed::RunEnded));
            self.outcomes.add(record);
            self.outcomes.tell_all(watch).map_err(RunError::Watch)?;
        }
        self.outcomes.end(watch).map_err(RunError::Watch)?;
        let capture_end = self.capture.end().cloned();
        let mut summary = self.outcomes.summary;
        summary.is_read_in_part = capture_end.is_none();
        Ok(Report {
            summary,
            exit,
            gave_up: self.gave_up,
            stopped: self.stopped,
            capture_end,
        })
    }
}

/// What a frame to the program refuses, if it does.
fn refusal(frame: &[u8]) -> Option<Refusal> {
    match Message::parse(frame, Abi::NATIVE) {
        Ok(Message::Error(error)) => Refusal::of(&error, Abi::NATIVE),
        _ => None,
    }
}
