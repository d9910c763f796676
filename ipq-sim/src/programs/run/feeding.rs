//! Feeds packets at the right time, and follows them to their fates.
//!
//! Unless a rate is given, as many packets are fed as the queue and the receive buffer have room
//! for, so that none is lost. Which packets have entered when a message of the program's is carried
//! out depends on its messages alone: the next enters right after a verdict that makes room for it,
//! before the next message is looked at. A packet that was fed but never read when its listener
//! closed has not been fed after all, and goes to the next listener: how far ahead the feeding was
//! is nobody's fate.

use super::capture::{Capture, NotFed};
use super::conclusion::Conduct;
use super::outcome::Outcomes;
use super::refusal::{Refusal, Request};
use super::watch::{TracedMessage, Watch};
use super::window::{Place, Window};
use super::{DEVICES, NetAdmin, Rate, Run};
use crate::books::{DropReason, Fate, PacketEvent, PacketSerial};
use crate::kernel::{EntryPoint, Kernel};
use crate::per_family::PerFamily;
use crate::programs::server::{Observer, Passed, Unread};
use foldhash::fast::FixedState;
use ipq_core::Family;
use ipq_core::wire::{Abi, Message, MessageType};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::time::{Duration, Instant};

/// The number of packets that are fed in a row at a rate, before the program's connection is
/// served.
const BURST: usize = 32;

/// The time for which a packet waits for a listener of its family while there is one of the other
/// family.
const OTHER_FAMILY: Duration = Duration::from_secs(1);

/// The packets that are fed, and those that were.
pub(super) struct Feeding<'a> {
    run: &'a Run,
    pub(super) capture: Capture,
    pub(super) outcomes: Outcomes,
    pub(super) conduct: Conduct,
    /// The packets that have no fate yet, with their places in their queue.
    fed: HashMap<PacketSerial, Fed, FixedState>,
    windows: PerFamily<Window>,
    /// `true` if the family's listener has waited for the first packet.
    has_begun: PerFamily<bool>,
    /// The records that were fed and not read. They are fed again, before the capture's next.
    again: BTreeSet<u64>,
    /// `true` if packets of the family were fed though nobody listened.
    deaf: PerFamily<bool>,
    /// The time when the first packet entered.
    began: Option<Instant>,
    /// The time of the last event of any packet.
    pub(super) last_event: Instant,
    /// The time since which nobody has listened for the next packet.
    waiting_since: Option<Instant>,
    /// The events that are being noted: empty, but for its room, at any other time.
    events: Vec<PacketEvent>,
    /// The time at which the step that is under way began.
    now: Instant,
    /// The packets that got a verdict just now, and may have been queued again.
    judged: Vec<PacketSerial>,
    /// The refusals of the program's messages by the kernel, since this was last looked after.
    refusals: Vec<Refusal>,
}

/// A packet that was fed.
#[derive(Clone, Copy, Debug)]
struct Fed {
    family: Family,
    /// Its place in its window's order; `None` if it was not queued.
    place: Option<Place>,
    /// The weight of its frame.
    weight: usize,
    /// `true` if its listener closed without having read it.
    unread: bool,
}

/// The reason why nothing is fed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// There is no next record yet.
    NoRecord,
    /// Nobody listens.
    NoListener,
    /// It is not known whether the listener of that family has read all its packets and waits.
    Unsettled(Family),
    /// Its queue is full of packets that wait for verdicts.
    Full,
    /// The next packet is not due yet.
    NotDue,
}

impl<'a> Feeding<'a> {
    pub(super) fn new(run: &'a Run, capture: Capture) -> Self {
        Self {
            run,
            capture,
            outcomes: Outcomes::default(),
            conduct: Conduct::default(),
            fed: HashMap::default(),
            events: Vec::new(),
            now: Instant::now(),
            windows: PerFamily::default(),
            has_begun: PerFamily::of(|_| run.at_once),
            again: BTreeSet::new(),
            deaf: PerFamily::default(),
            began: None,
            last_event: Instant::now(),
            waiting_since: None,
            judged: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// Returns whether the capture is through, and every packet has a fate.
    pub(super) fn is_done(&self) -> bool {
        self.is_fed_all() && self.fed.is_empty()
    }

    pub(super) fn is_fed_all(&self) -> bool {
        self.again.is_empty() && self.capture.end().is_some()
    }

    /// Returns whether any packet has entered.
    pub(super) fn has_fed(&self) -> bool {
        self.began.is_some()
    }

    /// Returns the number of records that have been dealt with.
    pub(super) fn done(&self) -> u64 {
        self.outcomes.records() - self.outcomes.undecided() - self.again.len() as u64
    }

    /// Notes that the listener of that family waits and has read everything.
    pub(super) fn settle(&mut self, family: Family) {
        self.has_begun[family] = true;
        self.windows[family].settle_all();
    }

    /// Feeds the packets that may enter now. Returns the reason why no more may.
    pub(super) fn feed(&mut self, kernel: &mut Kernel, watch: &mut dyn Watch) -> io::Result<Option<Hold>> {
        let most = match self.run.rate {
            Rate::AsRead => usize::MAX,
            Rate::PerSecond(_) | Rate::Max => BURST,
        };
        self.now = Instant::now();
        for _ in 0..most {
            if let Some(hold) = self.hold(kernel) {
                return Ok(Some(hold));
            }
            self.feed_next(kernel, watch)?;
        }
        Ok(None)
    }

    fn feed_next(&mut self, kernel: &mut Kernel, watch: &mut dyn Watch) -> io::Result<()> {
        self.waiting_since = None;
        let index = match self.again.pop_first() {
            Some(index) => index,
            None => match self.capture.next() {
                Some(record) => self.outcomes.add(record),
                None => return Ok(()),
            },
        };
        let Some(packet) = self.outcomes.fed_packet(index) else {
            return self.outcomes.tell_all(watch);
        };
        let family = packet.family;
        let entry = EntryPoint {
            hook: self.run.hook,
            incoming: DEVICES[0],
            outgoing: DEVICES[1],
            link_header: packet.link_header,
        };
        self.began.get_or_insert(self.now);
        let used = |kernel: &Kernel| kernel.listeners_buffer(family).map_or(0, |buffer| buffer.used);
        let before = used(kernel);
        match kernel.enter_at(entry, packet.data) {
            Ok(serial) => {
                let weight = used(kernel).saturating_sub(before);
                let place = (weight > 0).then(|| self.windows[family].push(serial, weight));
                let fed = Fed {
                    family,
                    place,
                    weight,
                    unread: false,
                };
                self.fed.insert(serial, fed);
                self.outcomes.entered(index, serial, self.now);
            }
            Err(error) => self.outcomes.not_fed(index, NotFed::from(&error)),
        }
        self.note_events(kernel, watch)
    }

    /// Returns the reason why the next record may not be fed now; `None` if it may.
    fn hold(&mut self, kernel: &Kernel) -> Option<Hold> {
        // A record without a packet is only counted.
        let family = match self.again.first() {
            Some(index) => self.outcomes.fed_packet(*index)?.family,
            None => match self.capture.peek() {
                Some(record) => record.packet.as_ref().ok()?.family,
                None => return Some(Hold::NoRecord),
            },
        };
        if !kernel.has_listener(family) {
            return (!self.is_deaf(kernel, family)).then_some(Hold::NoListener);
        }
        if !self.has_begun[family] {
            return Some(Hold::Unsettled(family));
        }
        if self.run.rate != Rate::AsRead {
            return (self.until_next_is_due() > Duration::ZERO).then_some(Hold::NotDue);
        }
        if kernel.queue_length(family).unwrap_or(0) >= self.run.profile.queue_length as usize {
            return Some(Hold::Full);
        }
        let window = &self.windows[family];
        let in_flight: usize = self.windows.iter().map(|(_, window)| window.len()).sum();
        let buffer = kernel.listeners_buffer(family)?;
        let has_room = buffer.takes_one_more()
            && window.weight() <= buffer.size
            && self.run.in_flight.is_none_or(|most| in_flight < most.get());
        (!has_room).then_some(Hold::Unsettled(family))
    }

    /// Returns whether nobody listens to this family. A program that listens only to the other
    /// family gets a second to listen to this one.
    fn is_deaf(&mut self, kernel: &Kernel, family: Family) -> bool {
        let listens = Family::ALL.iter().any(|family| kernel.has_listener(*family));
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let deaf = &mut self.deaf[family];
        let is_deaf = listens && (*deaf || since.elapsed() > OTHER_FAMILY);
        *deaf |= is_deaf;
        is_deaf
    }

    /// Returns the time until the next packet enters at the rate that was asked for.
    pub(super) fn until_next_is_due(&self) -> Duration {
        let (Rate::PerSecond(rate), Some(began)) = (self.run.rate, self.began) else {
            return Duration::ZERO;
        };
        let due = f64::from(u32::try_from(self.outcomes.records()).unwrap_or(u32::MAX)) / rate;
        let due = Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX);
        due.saturating_sub(began.elapsed())
    }

    /// Notes the events of packets.
    pub(super) fn note_events(&mut self, kernel: &mut Kernel, watch: &mut dyn Watch) -> io::Result<()> {
        for refusal in std::mem::take(&mut self.refusals) {
            let packet = match refusal.request {
                Request::Verdict(_, packet_id) => kernel.queued(packet_id).map(|serial| (serial, packet_id)),
                _ => None,
            };
            self.outcomes.refused(refusal, packet);
        }
        kernel.take_events_into(&mut self.events);
        if self.events.is_empty() {
            return Ok(());
        }
        self.last_event = self.now;
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match event {
                PacketEvent::Verdict {
                    packet,
                    packet_id,
                    verdict,
                    replaced,
                } => {
                    self.outcomes.verdict(packet, packet_id, verdict, replaced, self.now);
                    let Some(fed) = self.fed.get_mut(&packet) else { continue };
                    if let Some(place) = fed.place.take() {
                        self.windows[fed.family].settle(place);
                    }
                    self.judged.push(packet);
                }
                PacketEvent::Left { packet, fate } => self.leave(packet, fate, watch)?,
            }
        }
        self.events = events;
        // A packet that has a verdict and is still there was queued again.
        for packet in self.judged.drain(..) {
            if let Some(fed) = self.fed.get_mut(&packet) {
                fed.place = Some(self.windows[fed.family].push(packet, fed.weight));
            }
        }
        Ok(())
    }

    fn leave(&mut self, packet: PacketSerial, fate: Fate, watch: &mut dyn Watch) -> io::Result<()> {
        let Some(fed) = self.fed.remove(&packet) else {
            return Ok(());
        };
        if let Some(place) = fed.place {
            self.windows[fed.family].remove(place);
        }
        if fed.unread && fate == Fate::Dropped(DropReason::PeerClosed) {
            self.again.extend(self.outcomes.withdraw(packet));
            return Ok(());
        }
        self.outcomes.left(packet, fate, watch)
    }

    /// Ends the feeding: queued packets stay queued, and the rest was not fed.
    pub(super) fn end(&mut self, watch: &mut dyn Watch) -> io::Result<()> {
        for index in std::mem::take(&mut self.again) {
            self.outcomes.never_fed(index, NotFed::RunEnded, watch)?;
        }
        while let Some(mut record) = self.capture.next_unfed() {
            record.packet = record.packet.and(Err(NotFed::RunEnded));
            self.outcomes.add(record);
            self.outcomes.tell_all(watch)?;
        }
        self.outcomes.end(watch)
    }
}

/// A turn of the server. Packets are fed during it, as the program's messages make room for them.
pub(super) struct Turn<'t, 'r> {
    pub(super) feeding: &'t mut Feeding<'r>,
    pub(super) watch: &'t mut dyn Watch,
    /// The first error that the watch returned.
    pub(super) result: io::Result<()>,
}

impl Observer for Turn<'_, '_> {
    fn passed(&mut self, passed: Passed<'_>) {
        if let Passed::Overrun = passed {
            self.feeding.outcomes.summary.overruns += 1;
        }
    }

    fn handed(&mut self, protocol: i32, parts: [&[u8]; 3]) {
        self.trace(protocol, false, parts);
        // Most messages are packets, and they tell nothing more.
        if message_type(parts[0]) == Some(MessageType::Packet) {
            self.feeding.conduct.handed += 1;
        } else if let Some(refusal) = refusal(&parts.concat(), self.feeding.run.profile.abi) {
            self.feeding.conduct.refused(refusal.request);
            self.feeding.refusals.push(refusal);
        }
    }

    fn sent(&mut self, protocol: i32, datagram: &[u8]) {
        self.trace(protocol, true, [datagram, &[], &[]]);
        self.feeding.conduct.modes += u64::from(message_type(datagram) == Some(MessageType::Mode));
    }

    fn carried_out(&mut self, kernel: &mut Kernel) {
        let Self { feeding, watch, result } = self;
        feeding.now = Instant::now();
        let noted = feeding.note_events(kernel, *watch);
        for family in Family::ALL {
            if kernel.has_listener(family) {
                feeding.conduct.has_listened[family] = true;
                if feeding.run.net_admin == NetAdmin::UntilOpened {
                    kernel.drop_net_admin();
                }
            } else {
                feeding.has_begun[family] = feeding.run.at_once;
            }
        }
        let fed = if feeding.run.rate == Rate::AsRead {
            feeding.feed(kernel, *watch).map(|_| ())
        } else {
            Ok(())
        };
        if result.is_ok() {
            *result = noted.and(fed);
        }
    }

    fn unread(&mut self, unread: Unread) {
        let feeding = &mut *self.feeding;
        let packets = match unread {
            Unread::Packets(packets) => packets,
            // A program that ended abruptly did so while it worked on the packets that it had read.
            Unread::Unknown { family, ended_at_once } => feeding.windows[family]
                .packets()
                .skip(usize::from(ended_at_once))
                .collect(),
        };
        for packet in packets {
            if let Some(fed) = feeding.fed.get_mut(&packet) {
                fed.unread = feeding.outcomes.is_unjudged(packet);
            }
        }
    }
}

impl Turn<'_, '_> {
    fn trace(&mut self, protocol: i32, to_kernel: bool, parts: [&[u8]; 3]) {
        if self.result.is_ok() && self.watch.traces() {
            self.result = self.watch.message(TracedMessage {
                protocol,
                to_kernel,
                parts,
            });
        }
    }
}

fn message_type(start: &[u8]) -> Option<MessageType> {
    let kind = start.get(4..)?.first_chunk()?;
    Some(MessageType::from_wire(u16::from_ne_bytes(*kind)))
}

/// Returns the refusal that a frame to the program tells of, if it does.
fn refusal(frame: &[u8], abi: Abi) -> Option<Refusal> {
    match Message::parse(frame, abi) {
        Ok(Message::Error(error)) => Refusal::of(&error, abi),
        _ => None,
    }
}
