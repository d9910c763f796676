//! A packet's way through the hooks (PKT, FWD).
//!
//! A packet for this host visits PREROUTING and INPUT, one to be forwarded PREROUTING, FORWARD and
//! POSTROUTING, and one that this host sends OUTPUT and POSTROUTING. At each hook the tables'
//! functions run in order. A function may send the packet to a queue. The verdict then drops the
//! packet, queues it again, or lets it go on: with that function once more, with the next one, or
//! past all functions of the hook.

use super::traversal::{Next, RouteKey, Traversal};
use super::{Kernel, flaws};
use crate::behaviour::{Check, IndevAtPostrouting, Looping, Marks};
use crate::books::{DropReason, PacketEvent, Step};
use crate::host::hook::HookPoint;
use crate::host::network::{DeviceId, Route};
use crate::host::packet::Packet;
use crate::host::rules::Target;
use crate::host::{ipv4, ipv6, routing};
use crate::queue::QueueId;
use crate::queue::entries::Slot;
use crate::queue::ip_queue::Refusal;
use ipq_core::Family;
use ipq_core::wire::EtherType;
use std::ops::RangeInclusive;

/// The least MTU that IPv6 allows, in bytes.
const IPV6_LEAST_MTU: usize = 1280;

/// The outcome of a packet's way through the hooks. `Ok(Some)`: the packet was queued and has this
/// place in its queue. `Ok(None)`: the packet was delivered here or sent, and is in the books, or
/// it goes on unqueued ([`Kernel::enqueue`]). `Err`: the packet is dropped, for this reason.
pub(super) type End = Result<Option<Place>, DropReason>;

/// A function number above those of every hook: from this number on, no function of a hook is left
/// to run.
pub(super) const BEHIND_THE_LAST: u8 = u8::MAX;

/// The place that a packet has in the queue that took it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// The slot in the queue of `ip_queue` or `ip6_queue`.
    Slot(Slot),
    /// The packet id in a numbered queue.
    Id(u32),
}

impl Kernel {
    /// Runs a packet from the first function of its hook on, through hook after hook, until it is
    /// queued, delivered to this host, sent or dropped. Enters that into the books, and keeps a
    /// queued packet in its queue.
    #[expect(clippy::inline_always, reason = "a packet runs where it was made: else it is copied")]
    #[inline(always)]
    pub(super) fn run(&mut self, mut traversal: Traversal) {
        let end = self.pass_hooks(&mut traversal, 0);
        if let Some(place) = self.settle(end, &traversal.packet) {
            self.keep(place, traversal);
        }
    }

    /// Enters a packet into the books if `end` says that it was dropped. Returns the place in its
    /// queue of a packet that was queued, which the caller must [`keep`](Self::keep) there;
    /// otherwise `None`.
    #[inline]
    pub(super) fn settle(&mut self, end: End, packet: &Packet) -> Option<Place> {
        end.unwrap_or_else(|reason| {
            self.ledger.dropped(packet.serial, reason);
            None
        })
    }

    /// Enters into the books that a packet was dropped after its verdict, or into the journal that
    /// it was queued again. Returns the place in its queue of a packet that was queued again, which
    /// the caller must [`keep`](Self::keep) there; otherwise `None`.
    #[inline]
    pub(super) fn settle_again(&mut self, end: End, traversal: &Traversal) -> Option<Place> {
        let place = self.settle(end, &traversal.packet)?;
        if let Some(queue) = traversal.queued_in {
            let packet = traversal.packet.serial;
            self.ledger.journal.note(|| PacketEvent::QueuedAgain { packet, queue });
        }
        Some(place)
    }

    /// Stores a packet in the place that its queue gave it, until its verdict.
    #[inline]
    pub(super) fn keep(&mut self, place: Place, traversal: Traversal) {
        match (place, traversal.queued_in) {
            (Place::Slot(slot), Some(id)) => {
                if let Some(queue) = self.queues.get_mut(id) {
                    queue.keep(slot, traversal);
                }
            }
            (Place::Id(id), Some(QueueId::Numbered(number))) => self.keep_numbered(number, id, traversal),
            _ => debug_assert!(false, "a packet that has a place has a queue"),
        }
    }

    /// Runs the functions of the packet's hook from number `function` on, and then those of the
    /// hooks that follow, until the packet is queued, delivered to this host, sent or dropped. A
    /// packet that was delivered or sent is then in the books. A packet that was queued is not yet
    /// kept in its queue, and a drop not yet in the books.
    pub(super) fn pass_hooks(&mut self, traversal: &mut Traversal, mut function: u8) -> End {
        let mut hook = traversal.hook;
        loop {
            if function == 0 {
                self.ledger.step(traversal.packet.serial, Step::Hook(hook.into()));
            }
            // Most hooks that a packet passes have no rule: this asks cheaply.
            if self.rules.any_from(hook, traversal.packet.family, function)
                && let Some(bypass) = self.judge(traversal, hook, function..=BEHIND_THE_LAST)?
            {
                if let Some(place) = self.enqueue(traversal, bypass)? {
                    return Ok(Some(place));
                }
                function = traversal.function + 1;
                continue;
            }
            let next = match hook {
                HookPoint::Prerouting => self.route(traversal)?,
                HookPoint::Input => self.deliver_here(&mut traversal.packet),
                HookPoint::Forward => self.after_forward(traversal),
                HookPoint::Output => self.after_output(traversal),
                HookPoint::Postrouting => self.leave_by_device(traversal)?,
            };
            match next {
                Next::Hook(next) => (hook, function) = (next, 0),
                Next::PastHook(next) => (hook, function) = (next, BEHIND_THE_LAST),
                Next::Gone => return Ok(None),
            }
            if self.profile.behaviour.host.marks == Marks::LostAtNextHook {
                traversal.packet.mark = 0;
            }
        }
    }

    /// Runs those of the hook's functions whose numbers are in `functions`. If one sends the packet
    /// to a queue, notes the function and the queue in the traversal, and returns the rule's bypass
    /// flag: `true` if the packet may go on where nobody has bound the queue. Returns `None` if no
    /// function queues the packet. Fails if a rule can't read the packet's headers, for which the
    /// packet is dropped.
    #[inline]
    pub(super) fn judge(
        &mut self,
        traversal: &mut Traversal,
        hook: HookPoint,
        functions: RangeInclusive<u8>,
    ) -> Result<Option<bool>, DropReason> {
        let fragments = self.profile.behaviour.queueing.fragments;
        let (network, indev, outdev) = (&self.network, traversal.indev, traversal.outdev);
        let devices = || [network.name(indev), network.name(outdev)];
        let judged = self
            .rules
            .judge(hook, functions, &mut traversal.packet, devices, fragments)?;
        Ok(judged.map(|(function, target)| {
            traversal.function = function;
            traversal.queued_in = QueueId::of_target(target, &traversal.packet, &self.profile.behaviour.modules);
            matches!(target, Target::NumberedQueue(queue) if queue.bypass)
        }))
    }

    /// Offers a packet to the queue that a rule or a verdict chose for it. Returns the packet's
    /// place in the queue. Returns `None` if a numbered queue lets the packet pass unqueued: it
    /// fails open, or nobody has bound it and `bypass` is `true`. Fails if the packet is dropped.
    /// Some kernels notice only when they send the packet's frame that the peer of an `ip_queue`
    /// has closed its socket. Then the queue is reset, and the packets queued before are dropped,
    /// too.
    pub(super) fn enqueue(&mut self, traversal: &mut Traversal, bypass: bool) -> End {
        let id = traversal.queued_in.ok_or(DropReason::ModuleUnloaded)?;
        traversal.routed_by = (traversal.hook == HookPoint::Output).then(|| RouteKey::of(&traversal.packet).into());
        if let QueueId::Numbered(number) = id {
            return self.enqueue_numbered(traversal, number, bypass);
        }
        let Self {
            queues,
            sockets,
            network,
            profile,
            records,
            ..
        } = self;
        let behaviour = &profile.behaviour;
        let mut details = traversal.details(network, behaviour.metadata);
        let mut packet = &traversal.packet.data;
        let spoiled;
        if let Some(flaw) = behaviour.flaw() {
            let link = traversal.packet.link.as_ref();
            flaws::spoil_details(flaw, &mut details, link, traversal.indev == Some(DeviceId::LOOPBACK));
            spoiled = flaws::spoiled_payload(flaw, packet, link);
            packet = spoiled.as_ref().unwrap_or(packet);
        }
        let queue = queues.get_mut(id).ok_or(DropReason::ModuleUnloaded)?;
        let protocol = id.protocol(&behaviour.modules);
        let offered = queue.offer(details, packet, behaviour, records, |port_id, mut frame| {
            if let Some(flaw) = behaviour.flaw() {
                flaws::spoil_packet_frame(flaw, &mut frame, profile.abi);
                flaws::spoil_datagram(flaw, &mut frame);
            }
            sockets.deliver(protocol, port_id, frame, &behaviour.netlink)
        });
        if offered.is_ok() {
            self.ledger.step(traversal.packet.serial, Step::Queued);
        }
        let slot = offered.map_err(|refusal| match refusal {
            Refusal::NoListener => DropReason::NoListener,
            Refusal::Full => DropReason::QueueFull,
            Refusal::Undeliverable => DropReason::Undeliverable,
            Refusal::PeerLost => {
                self.lose_peer(id);
                DropReason::PeerClosed
            }
        })?;
        Ok(Some(Place::Slot(slot)))
    }

    /// Resets a queue of `ip_queue` or `ip6_queue` whose peer was found to be gone, and drops its
    /// queued packets.
    fn lose_peer(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(id) {
            let dropped = queue.peer_lost(&mut self.records);
            self.drop_all(dropped, DropReason::PeerClosed);
        }
    }

    /// Routes an arriving packet, unless it has a route already, and moves it from PREROUTING to
    /// INPUT or FORWARD. A packet to be forwarded must pass
    /// [`make_forwardable`](Self::make_forwardable). Fails if the packet is dropped: for its
    /// addresses, for want of a route, at a router's checks, or as an IPv4 fragment for this host.
    fn route(&self, traversal: &mut Traversal) -> Result<Next, DropReason> {
        let route = if let Some(route) = traversal.route {
            route
        } else {
            let route = routing::of_arriving(&self.network, &traversal.packet)?;
            traversal.follow(route);
            route
        };
        match route {
            Route::Local if traversal.packet.family == Family::Ipv4 && ipv4::is_fragment(&traversal.packet.data) => {
                Err(DropReason::Unassembled)
            }
            Route::Local => Ok(traversal.go_to(HookPoint::Input, traversal.indev, None)),
            Route::Via(device) => {
                self.make_forwardable(&mut traversal.packet, self.network.mtu(device))?;
                Ok(traversal.go_to(HookPoint::Forward, traversal.indev, Some(device)))
            }
        }
    }

    /// Checks a packet as a router does before FORWARD (FWD-3, FWD-4). Fails if its frame was a
    /// broadcast or multicast, if its TTL or hop limit is 0 or 1, or if it is too long: IPv4 with
    /// DF and over `mtu`, or IPv6 and over both `mtu` and 1280 bytes. `mtu` is that of the outgoing
    /// device. Otherwise decrements the TTL or hop limit, and sets an IPv4 packet's priority by its
    /// TOS.
    pub(super) fn make_forwardable(&self, packet: &mut Packet, mtu: usize) -> Result<(), DropReason> {
        if packet.link.as_ref().is_some_and(|link| !link.for_this_host) {
            return Err(DropReason::OtherHost);
        }
        let rules = &self.profile.behaviour.host;
        let hops = match packet.family {
            Family::Ipv4 => ipv4::ttl(&packet.data),
            Family::Ipv6 => ipv6::hop_limit(&packet.data),
        };
        if hops <= 1 && rules.hop_limit == Check::Made {
            return Err(DropReason::HopLimit);
        }
        let too_long = match packet.family {
            Family::Ipv4 => packet.data.len() > mtu && ipv4::dont_fragment(&packet.data),
            Family::Ipv6 => packet.data.len() > mtu.max(IPV6_LEAST_MTU),
        };
        if too_long && rules.arriving_length == Check::Made {
            return Err(DropReason::TooLong);
        }
        if packet.family == Family::Ipv4 {
            packet.priority = ipv4::priority(&packet.data);
        }
        let data = std::mem::take(&mut packet.data);
        packet.data = match packet.family {
            Family::Ipv4 => ipv4::with_decremented_ttl(data),
            Family::Ipv6 => ipv6::with_decremented_hop_limit(data),
        };
        Ok(())
    }

    /// Moves a packet from FORWARD to POSTROUTING. The packet keeps its outgoing device. The
    /// kernel's rule says if the packet keeps its incoming device.
    fn after_forward(&self, traversal: &mut Traversal) -> Next {
        let indev = match self.profile.behaviour.host.indev_at_postrouting {
            IndevAtPostrouting::Kept => traversal.indev,
            IndevAtPostrouting::Forgotten => None,
        };
        traversal.go_to(HookPoint::Postrouting, indev, traversal.outdev)
    }

    /// Moves a packet from OUTPUT to POSTROUTING, with the outgoing device of its present route:
    /// `lo` if it is for this host. From here on an IPv4 packet's `hw_protocol` is 0x0800.
    fn after_output(&self, traversal: &mut Traversal) -> Next {
        let outdev = match traversal.route {
            Some(Route::Via(device)) => device,
            Some(Route::Local) | None => DeviceId::LOOPBACK,
        };
        if traversal.packet.family == Family::Ipv4 {
            traversal.packet.protocol = EtherType::IPV4;
        }
        let next = traversal.go_to(HookPoint::Postrouting, None, Some(outdev));
        if outdev == DeviceId::LOOPBACK && self.profile.behaviour.host.looping == Looping::PastPostrouting {
            return Next::PastHook(HookPoint::Postrouting);
        }
        next
    }
}

#[cfg(test)]
mod tests;
