//! Feeds the packets of a capture to the kernel, each at its time, and follows them to their fates.
//!
//! At [`Rate::AsRead`], a packet is fed once its queue and the receive buffer have room for it, so
//! that it is not lost for want of room when it enters. A packet for which a verdict makes room
//! enters right after the verdict, before the program's next message is carried out. So it depends
//! on the program's messages, and as a rule not on time, which packets have entered when a message
//! is carried out. If a listener closes its socket with packets unread, these packets count as not
//! fed, and are fed again to the next listener. That keeps the packets' fates from depending on how
//! many packets were fed ahead.

use super::capture::{Capture, NotFed, Packet};
use super::conclusion::{Conduct, Queues};
use super::outcome::{Decided, Outcomes, Unqueued};
use super::refusal::{Refusal, Request};
use super::watch::{TracedMessage, Watch};
use super::window::{Place, Window};
use super::{Client, NetAdmin, Rate, Run};
use crate::books::{DropReason, Fate, PacketEvent, PacketSerial};
use crate::kernel::{EntryPoint, Kernel};
use crate::netlink::SocketId;
use crate::programs::server::{Observer, Passed, RawPacket, Unread};
use crate::queue::{NFNETLINK, QueueId};
use foldhash::fast::FixedState;
use ipq_core::wire::nfnetlink::message_type;
use ipq_core::wire::{Abi, Message, MessageType};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::time::{Duration, Instant};

/// The greatest number of records that are fed at a time with a rate other than [`Rate::AsRead`].
/// After these, messages are moved between the program and the kernel.
const BURST: usize = 32;

/// The time for which a packet waits for a listener of its queue. After it the packet is fed all
/// the same if another queue has a listener.
const OTHER_QUEUE: Duration = Duration::from_secs(1);

/// The state of feeding a capture's packets to the kernel.
pub(super) struct Feeding<'a> {
    run: &'a Run,
    pub(super) capture: Capture,
    pub(super) outcomes: Outcomes,
    pub(super) conduct: Conduct,
    /// The packets that were fed and have no fate yet, by their serials.
    fed: HashMap<PacketSerial, Fed, FixedState>,
    /// For each socket that listens or once did, the packets whose messages went to the socket and
    /// that its program may not have read.
    lanes: HashMap<SocketId, Lane, FixedState>,
    /// The numbers of the records whose packets were fed, and were unread when their listener
    /// closed. They are fed again, before the capture's next record.
    again: BTreeSet<u64>,
    /// The queues to which packets were fed although they had no listener, while another queue had
    /// one.
    deaf: BTreeSet<QueueId>,
    /// The time at which the first packet was fed. `None` before.
    began: Option<Instant>,
    /// The time at which any packet last got a verdict or its fate, was queued again or was sent by
    /// the program itself, or at which the next record of the capture was last awaited. At first,
    /// the time at which the run began; in a run that starts no program, also the time at which the
    /// first packet was fed.
    pub(super) last_event: Instant,
    /// The time at which the next packet was first held back because its queue has no listener.
    /// `None` if it was never held back for that.
    waiting_since: Option<Instant>,
    /// The room for the kernel's events while they are noted. Empty at any other time, and kept for
    /// its memory.
    events: Vec<PacketEvent>,
    /// The time at which the present step of feeding or noting began.
    now: Instant,
    /// The refusals of the program's messages that were handed to the program and are not noted
    /// yet.
    refusals: Vec<Refusal>,
    /// `true` while the run is at the kernel for a program with a socket of nfnetlink. `false`
    /// while it is at the kernel with which it began.
    is_numbered: bool,
    /// The numbers of the first and the last queue that the rules send packets to, if the rules
    /// were made from what the program listens to; otherwise `None`.
    followed: Option<(u16, u16)>,
    /// `true` if a message or a closed socket may have changed which queues have listeners, and the
    /// listeners have not been noted since.
    has_configured: bool,
}

/// The packets whose messages went to one listening socket and that its program may not have read.
/// All queues of the socket share its receive buffer, so their packets are read in one order.
#[derive(Debug, Default)]
struct Lane {
    window: Window,
    /// `true` if packets may be fed to the socket: its program has waited for its first packet, or
    /// the run does not wait for that.
    has_begun: bool,
}

/// A packet that was fed and has no fate yet.
#[derive(Clone, Copy, Debug)]
struct Fed {
    /// The listening socket that the packet's message went to, and the packet's place in the window
    /// of that socket. `None` if the message went to no socket, or if the packet got a verdict and
    /// was not queued again.
    place: Option<(SocketId, Place)>,
    /// The number of bytes that the packet's message takes up in the receive buffer.
    weight: usize,
    /// `true` if the listener closes without having read the packet, and without an accepted
    /// verdict on it.
    unread: bool,
}

/// Where the next record's packet goes if it is fed now.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    /// The queue to which the rules send the packet. `None` if no rule queues it, or if the record
    /// has no packet.
    queue: Option<QueueId>,
    /// The socket that gets the packet's message. `None` if no socket does.
    listener: Option<SocketId>,
}

impl Way {
    /// Returns the reason why the packet gets through, if it does so without a verdict.
    const fn unqueued(self) -> Unqueued {
        match (self.queue, self.listener) {
            (None, _) => Unqueued::NoRule,
            (Some(_), None) => Unqueued::Bypass,
            (Some(_), Some(_)) => Unqueued::FailOpen,
        }
    }
}

/// The reason why no packet is fed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// The capture's next record has not been read yet, or the capture has ended.
    NoRecord,
    /// The next packet's queue has no listener. For a packet that no rule queues: no queue has a
    /// listener.
    NoListener,
    /// The program of this socket may not have read all its packets, and there may be no room for
    /// another. Or the program has not yet waited for its first packet.
    Unsettled(SocketId),
    /// The next packet's queue is full.
    Full,
    /// By the rate, the next packet's time has not come yet.
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
            lanes: HashMap::default(),
            again: BTreeSet::new(),
            deaf: BTreeSet::new(),
            began: None,
            last_event: Instant::now(),
            waiting_since: None,
            refusals: Vec::new(),
            is_numbered: false,
            followed: None,
            has_configured: false,
        }
    }

    /// Returns `true` if the capture has ended, no record is left to feed, and every packet that
    /// was fed has a fate.
    pub(super) fn is_done(&self) -> bool {
        self.is_fed_all() && self.fed.is_empty()
    }

    pub(super) fn is_fed_all(&self) -> bool {
        self.again.is_empty() && self.capture.end().is_some()
    }

    /// Returns `true` if a packet of the capture has been fed.
    pub(super) fn has_fed(&self) -> bool {
        self.began.is_some()
    }

    /// Returns `true` if the program opened a socket of nfnetlink, and the run switched to the
    /// kernel for it.
    pub(super) const fn is_chosen(&self) -> bool {
        self.is_numbered
    }

    /// Returns the numbers of the first and the last queue that packets are sent to, if the rules
    /// were made from what the program listens to. Returns `None` otherwise.
    pub(super) const fn followed(&self) -> Option<(u16, u16)> {
        self.followed
    }

    /// Returns the number of records that are done with: the packet was delivered or dropped, or
    /// can't be fed.
    pub(super) fn done(&self) -> u64 {
        self.outcomes.records() - self.outcomes.undecided() - self.again.len() as u64
    }

    /// Notes that the program of this socket has read all its packets: empties the socket's window,
    /// and allows that the socket's first packet is fed.
    pub(super) fn settle(&mut self, socket: SocketId) {
        if let Some(lane) = self.lanes.get_mut(&socket) {
            lane.has_begun = true;
            lane.window.settle_all();
        }
    }

    /// Feeds the packets that may be fed now, and returns the reason why no more may. With a rate
    /// other than [`Rate::AsRead`], feeds at most [`BURST`] records, and returns `None` after so
    /// many.
    pub(super) fn feed(&mut self, kernel: &mut Kernel, watch: &mut dyn Watch) -> io::Result<Option<Hold>> {
        let most = match self.run.rate {
            Rate::AsRead => usize::MAX,
            Rate::PerSecond(_) | Rate::Max => BURST,
        };
        self.now = Instant::now();
        for _ in 0..most {
            match self.next_way(kernel) {
                Ok(way) => self.feed_next(kernel, way, watch)?,
                Err(hold) => return Ok(Some(hold)),
            }
        }
        Ok(None)
    }

    /// Feeds the packet of the next record, and notes the events that follow. First come the
    /// records that are to be fed again, then those of the capture. A record without a packet is
    /// only counted.
    fn feed_next(&mut self, kernel: &mut Kernel, way: Way, watch: &mut dyn Watch) -> io::Result<()> {
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
        let entry = EntryPoint {
            link_header: packet.link_header,
            ..self.run.entry()
        };
        if self.began.is_none() && matches!(self.run.client, Client::Anybody(_)) {
            self.last_event = self.now;
        }
        self.began.get_or_insert(self.now);
        let used = |kernel: &Kernel| {
            let buffer = way.listener.and_then(|socket| kernel.receive_buffer(socket));
            buffer.map_or(0, |buffer| buffer.used)
        };
        let before = used(kernel);
        match kernel.enter_at(entry, packet.data) {
            Ok(serial) => {
                let weight = used(kernel).saturating_sub(before);
                let place = way.listener.filter(|_| weight > 0).map(|socket| {
                    let window = &mut self.lanes.entry(socket).or_default().window;
                    (socket, window.push(serial, weight))
                });
                let fed = Fed {
                    place,
                    weight,
                    unread: false,
                };
                self.fed.insert(serial, fed);
                self.outcomes.entered(index, serial, self.now, way.unqueued());
                self.conduct.used.extend(way.queue);
            }
            Err(error) => self.outcomes.not_fed(index, NotFed::from(&error)),
        }
        self.note_events(kernel, watch)
    }

    /// Returns where the next record's packet goes if it is fed now. Fails with the reason if the
    /// packet may not be fed now.
    fn next_way(&mut self, kernel: &Kernel) -> Result<Way, Hold> {
        let packet = match self.again.first() {
            Some(index) => self.outcomes.fed_packet(*index),
            None => self.capture.peek().ok_or(Hold::NoRecord)?.packet.as_ref().ok().cloned(),
        };
        // A record without a packet may be counted at any time.
        let Some(Packet { data, .. }) = packet else {
            return Ok(Way::default());
        };
        let Some(queue) = kernel.destination(self.run.entry(), &data) else {
            // No rule queues the packet. It enters once a program has waited for packets.
            return self.has_any_begun(kernel).map(|()| Way::default());
        };
        let way = |listener| Way {
            queue: Some(queue),
            listener,
        };
        let Some(socket) = kernel.listener(queue) else {
            // A queue may have a listener that is gone, which the kernel notices when this packet
            // enters.
            let may_enter = kernel.is_listened_to(queue) || self.is_deaf(kernel, queue);
            return if may_enter {
                Ok(way(None))
            } else {
                Err(Hold::NoListener)
            };
        };
        self.hold(kernel, queue, socket, data.len())
            .map_or_else(|| Ok(way(Some(socket))), Err)
    }

    /// Checks that a packet that no rule queues may be fed. It may if any program that listens has
    /// waited for its first packet, or, if the run [feeds at once](Run::at_once), once some queue
    /// has a listener. Fails with what the packet has to wait for.
    fn has_any_begun(&mut self, kernel: &Kernel) -> Result<(), Hold> {
        if self.lanes.values().any(|lane| lane.has_begun) {
            return Ok(());
        }
        let mut listeners = kernel.listened_queues().filter_map(|queue| kernel.listener(queue));
        let socket = listeners.next().ok_or(Hold::NoListener)?;
        let lane = self.lanes.entry(socket).or_default();
        lane.has_begun = self.run.at_once;
        if lane.has_begun {
            Ok(())
        } else {
            Err(Hold::Unsettled(socket))
        }
    }

    /// Returns the reason why a packet of `length` bytes may not be fed now to `queue`, whose
    /// listener is `socket`. Returns `None` if it may be fed.
    fn hold(&mut self, kernel: &Kernel, queue: QueueId, socket: SocketId, length: usize) -> Option<Hold> {
        let lane = self.lanes.entry(socket).or_default();
        lane.has_begun |= self.run.at_once;
        if !lane.has_begun {
            return Some(Hold::Unsettled(socket));
        }
        let weight = lane.window.weight();
        if self.run.rate != Rate::AsRead {
            return (self.until_next_is_due() > Duration::ZERO).then_some(Hold::NotDue);
        }
        if !kernel.has_room(queue) {
            return Some(Hold::Full);
        }
        let buffer = kernel.receive_buffer(socket)?;
        let next = kernel.deciding_weight(queue, length);
        let has_room = buffer.takes(buffer.used, next)
            && buffer.takes(weight, next)
            && self.run.in_flight.is_none_or(|most| self.in_flight() < most.get());
        (!has_room).then_some(Hold::Unsettled(socket))
    }

    /// Returns the number of packets whose messages went to any socket and that its program may not
    /// have read.
    fn in_flight(&self) -> usize {
        self.lanes.values().map(|lane| lane.window.len()).sum()
    }

    /// Returns `true` if a packet for this queue, which has no listener, is to be fed all the same:
    /// another queue has a listener, and the packet has waited for a second. Later packets for the
    /// queue do not wait.
    fn is_deaf(&mut self, kernel: &Kernel, queue: QueueId) -> bool {
        let listens = kernel.listened_queues().next().is_some();
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let is_deaf = listens && (self.deaf.contains(&queue) || since.elapsed() > OTHER_QUEUE);
        if is_deaf {
            self.deaf.insert(queue);
        }
        is_deaf
    }

    /// Returns the time until the next record is due at [`Rate::PerSecond`]. Returns 0 if it is due
    /// already, at any other rate, and before the first packet.
    pub(super) fn until_next_is_due(&self) -> Duration {
        let (Rate::PerSecond(rate), Some(began)) = (self.run.rate, self.began) else {
            return Duration::ZERO;
        };
        let due = f64::from(u32::try_from(self.outcomes.records()).unwrap_or(u32::MAX)) / rate;
        let due = Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX);
        due.saturating_sub(began.elapsed())
    }

    /// Notes the refusals of messages, and the kernel's events of packets, since the last call. A
    /// packet with a verdict, and all packets before it in its socket's window, were read and leave
    /// the window. One that is queued again enters the window of its new listener. One with a fate
    /// is reported, or is kept to be fed again if it was unread when its listener closed.
    pub(super) fn note_events(&mut self, kernel: &mut Kernel, watch: &mut dyn Watch) -> io::Result<()> {
        for refusal in std::mem::take(&mut self.refusals) {
            let packet = match refusal.request {
                Request::Verdict(queue, _, packet_id) => {
                    let serial = kernel.queued_in(queue, packet_id);
                    serial.map(|serial| (serial, packet_id))
                }
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
                    mark,
                } => {
                    let decided = Decided {
                        verdict,
                        replaced,
                        mark,
                    };
                    self.outcomes.verdict(packet, packet_id, decided, self.now);
                    let place = self.fed.get_mut(&packet).and_then(|fed| fed.place.take());
                    if let Some((socket, place)) = place
                        && let Some(lane) = self.lanes.get_mut(&socket)
                    {
                        lane.window.settle(place);
                    }
                }
                PacketEvent::QueuedAgain { packet, queue } => {
                    if let Some(fed) = self.fed.get_mut(&packet)
                        && let Some(socket) = kernel.listener(queue)
                    {
                        let window = &mut self.lanes.entry(socket).or_default().window;
                        fed.place = Some((socket, window.push(packet, fed.weight)));
                    }
                }
                PacketEvent::Left { packet, fate } => self.leave(packet, fate, watch)?,
            }
        }
        self.events = events;
        Ok(())
    }

    fn leave(&mut self, packet: PacketSerial, fate: Fate, watch: &mut dyn Watch) -> io::Result<()> {
        let Some(fed) = self.fed.remove(&packet) else {
            return Ok(());
        };
        if let Some((socket, place)) = fed.place
            && let Some(lane) = self.lanes.get_mut(&socket)
        {
            lane.window.remove(place);
        }
        if fed.unread && fate == Fate::Dropped(DropReason::PeerClosed) {
            self.again.extend(self.outcomes.withdraw(packet));
            return Ok(());
        }
        self.outcomes.left(packet, fate, watch)
    }

    /// Switches to the kernel for a program that opens a socket of this netlink protocol, and
    /// returns that kernel, newly built. Returns `None` if the run is at this kernel already, or
    /// has no other one.
    fn choose_kernel(&mut self, protocol: i32) -> Option<Kernel> {
        let numbered = protocol == NFNETLINK;
        if numbered == self.is_numbered {
            return None;
        }
        let profile = if numbered { self.run.numbered? } else { self.run.profile };
        self.is_numbered = numbered;
        self.followed = None;
        // Rules at this hook were accepted when the run began, so this does not fail.
        self.run.kernel(&profile).ok()
    }

    /// Notes which queues have listeners, and which sockets listen. At the first listener, takes
    /// `CAP_NET_ADMIN` away if the program is to have it only until then. Then makes the rules send
    /// packets to queues that have listeners, as [`follow`](Self::follow) does.
    fn note_listeners(&mut self, kernel: &mut Kernel) {
        let queues: BTreeSet<QueueId> = kernel.listened_queues().collect();
        if !queues.is_empty() && self.run.net_admin == NetAdmin::UntilOpened {
            kernel.drop_net_admin();
        }
        let listeners: Vec<SocketId> = queues.iter().filter_map(|queue| kernel.listener(*queue)).collect();
        self.lanes
            .retain(|socket, lane| listeners.contains(socket) || lane.window.len() > 0);
        for (socket, lane) in &mut self.lanes {
            lane.has_begun &= listeners.contains(socket);
        }
        if kernel.has_numbered_queues() {
            self.conduct.modes += u64::from(!queues.is_empty());
            if kernel.has_bound_queues() {
                self.conduct.queues = Queues::Bound;
            }
        }
        self.follow(kernel, &queues);
        self.conduct.has_listened.extend(queues);
    }

    /// Replaces the rules so that packets go to the queue of the lowest number in `queues`, and to
    /// the queues in it whose numbers follow without a gap. Does nothing if `queues` has no
    /// numbered queue, or if the run has a queue number or rules of its own.
    fn follow(&mut self, kernel: &mut Kernel, queues: &BTreeSet<QueueId>) {
        if self.run.queue_number.is_some() || !self.run.rules.is_empty() {
            return;
        }
        let mut numbers = queues.iter().filter_map(|queue| match queue {
            QueueId::Numbered(number) => Some(*number),
            QueueId::IpQueue(_) => None,
        });
        let Some(first) = numbers.next() else { return };
        let last = numbers
            .zip(first.saturating_add(1)..)
            .take_while(|(number, next)| number == next);
        let followed = (first, last.last().map_or(first, |(number, _)| number));
        // Rules at this hook were accepted when the run began, and the kernel has numbered queues,
        // so this does not fail.
        if self.followed != Some(followed) && self.run.send_to(kernel, followed).is_ok() {
            self.followed = Some(followed);
        }
    }

    /// Reports a packet that the program sent by a raw socket of its own.
    fn sent_itself(&mut self, packet: &RawPacket, watch: &mut dyn Watch) -> io::Result<()> {
        self.last_event = Instant::now();
        let next = self.capture.peek().map(|record| record.time);
        self.outcomes.sent_itself(packet, next, watch)
    }

    /// Ends the feeding, and reports the records that are left. Packets without a fate count as
    /// still queued. Packets that were not fed count as [`NotFed::RunEnded`]. The rest of the
    /// capture is read and reported, too, if the capture is a small regular file; otherwise the
    /// rest is left out.
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

/// Observes the server for one turn, while it passes messages between the program and the kernel.
/// Traces each message to `watch`, and notes for the report what it did. At [`Rate::AsRead`] also
/// feeds packets as the program's messages make room for them.
pub(super) struct Turn<'t, 'r> {
    pub(super) feeding: &'t mut Feeding<'r>,
    pub(super) watch: &'t mut dyn Watch,
    /// The first error that the watch returned. Messages are not traced any more after it.
    pub(super) result: io::Result<()>,
}

impl Observer for Turn<'_, '_> {
    fn kernel_for(&mut self, protocol: i32) -> Option<Kernel> {
        let is_untouched = self.feeding.outcomes.records() == 0;
        is_untouched.then(|| self.feeding.choose_kernel(protocol)).flatten()
    }

    fn passed(&mut self, passed: Passed<'_>) {
        if let Passed::Overrun = passed {
            self.feeding.outcomes.summary.overruns += 1;
        }
    }

    fn handed(&mut self, protocol: i32, parts: [&[u8]; 3]) {
        self.trace(protocol, false, parts);
        // Most messages are packets, which are only counted.
        if kind_of(parts[0]).is_some_and(is_packet) {
            self.feeding.conduct.handed += 1;
        } else if let Some(refusal) = refusal(protocol, &parts.concat(), self.feeding.run.profile.abi) {
            self.feeding.conduct.refused(refusal.request);
            self.feeding.refusals.push(refusal);
        }
    }

    fn sent(&mut self, protocol: i32, datagram: &[u8]) {
        self.trace(protocol, true, [datagram, &[], &[]]);
        let kind = kind_of(datagram);
        self.feeding.has_configured |= !kind.is_some_and(is_verdict);
        self.feeding.conduct.modes += u64::from(kind == Some(MessageType::Mode));
    }

    fn carried_out(&mut self, kernel: &mut Kernel) {
        let Self { feeding, watch, result } = self;
        feeding.now = Instant::now();
        let noted = feeding.note_events(kernel, *watch);
        if std::mem::take(&mut feeding.has_configured) {
            feeding.note_listeners(kernel);
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

    fn sent_itself(&mut self, packet: RawPacket) {
        if self.result.is_ok() {
            self.result = self.feeding.sent_itself(&packet, self.watch);
        }
    }

    fn unread(&mut self, unread: Unread) {
        let feeding = &mut *self.feeding;
        feeding.has_configured = true;
        feeding.conduct.has_opened = true;
        let packets = match unread {
            Unread::Packets(packets) => packets,
            // A program that ended had read its first packet, and ended while it worked on that
            // packet.
            Unread::Unknown { socket, ended_at_once } => {
                let window = feeding.lanes.get(&socket).map(|lane| lane.window.packets());
                let unread = window.into_iter().flatten();
                unread.skip(usize::from(ended_at_once)).collect()
            }
        };
        for packet in packets {
            if let Some(fed) = feeding.fed.get_mut(&packet) {
                fed.unread = feeding.outcomes.is_unjudged(packet);
            }
        }
    }
}

/// Observes a turn of the server at the end of the run, when nothing is fed any more. What the
/// program still sends by raw sockets is reported.
pub(super) struct LastTurn<'t, 'r>(pub(super) Turn<'t, 'r>);

impl Observer for LastTurn<'_, '_> {
    fn passed(&mut self, _: Passed<'_>) {}

    fn sent_itself(&mut self, packet: RawPacket) {
        self.0.sent_itself(packet);
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

fn kind_of(start: &[u8]) -> Option<MessageType> {
    let kind = start.get(4..)?.first_chunk()?;
    Some(MessageType::from_wire(u16::from_ne_bytes(*kind)))
}

fn is_packet(kind: MessageType) -> bool {
    kind == MessageType::Packet || kind.to_wire() == message_type::PACKET
}

fn is_verdict(kind: MessageType) -> bool {
    let numbered = [message_type::VERDICT, message_type::VERDICT_BATCH];
    kind == MessageType::Verdict || numbered.contains(&kind.to_wire())
}

/// Returns the refusal that `frame`, a netlink message to the program, reports. Returns `None` if
/// it is no error message, acknowledges a request, or quotes no header.
fn refusal(protocol: i32, frame: &[u8], abi: Abi) -> Option<Refusal> {
    match Message::parse(frame, abi) {
        Ok(Message::Error(error)) => Refusal::of(&error, protocol, abi),
        _ => None,
    }
}
