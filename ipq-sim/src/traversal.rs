//! A packet's way through the hooks, and what a verdict does to it (VER-4, sections 5 and 5b).
//!
//! A packet visits PREROUTING and then INPUT or FORWARD and POSTROUTING, or OUTPUT and POSTROUTING. At each hook the tables'
//! functions run in order. One of them may send it to the queue, and there it waits, with its place remembered.

use crate::distortion;
use crate::entries::Slot;
use crate::fault::Fault;
use crate::host::hook::HookPoint;
use crate::host::network::{DeviceId, MacAddress, Network, OutgoingFrame, Route, ethernet_header};
use crate::host::packet::{Link, Packet};
use crate::host::{ipv4, ipv6, own_length, routing};
use crate::journal::PacketEvent;
use crate::kernel::Kernel;
use crate::ledger::{DropReason, Fate, PacketSerial};
use crate::queue::{Offered, Refusal, Released};
use crate::sockets::DatagramNumber;
use bytes::Bytes;
use ipq_core::wire::{EtherType, HardwareAddress, PacketMetadata};
use ipq_core::{Family, Mark, PacketId, Verdict};
use std::net::IpAddr;

/// A place that no hook has a function at.
const BEHIND_THE_LAST: u8 = u8::MAX;
/// The least MTU that IPv6 knows, in bytes.
const IPV6_LEAST_MTU: usize = 1280;

/// A packet, and where on its way it is.
pub(crate) struct Traversal {
    pub(crate) packet: Packet,
    pub(crate) hook: HookPoint,
    pub(crate) indev: Option<DeviceId>,
    pub(crate) outdev: Option<DeviceId>,
    /// Which of the hook's functions has queued it.
    pub(crate) function: u8,
    /// Known from the start for what this host sends, and for the rest after PREROUTING.
    pub(crate) route: Option<Route>,
    /// What its route was chosen by, when it was queued at OUTPUT (VER-10).
    routed_by: Option<Box<RouteKey>>,
    /// The datagram that has the packet's bytes, while the packet is queued and its frame was not read: it has none itself.
    pub(crate) lent_to: Option<DatagramNumber>,
}

/// With what its entry in the queue knows beside, it is as long as two cache lines.
const _: () = assert!(size_of::<Option<Traversal>>() <= 112);

/// What a locally sent packet's route depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct RouteKey {
    addresses: (IpAddr, IpAddr),
    /// IPv4 only.
    tos: u8,
    mark: u32,
}

impl RouteKey {
    fn of(packet: &Packet) -> Self {
        let tos = match packet.family {
            Family::Ipv4 => ipv4::tos(&packet.data),
            Family::Ipv6 => 0,
        };
        Self {
            addresses: routing::addresses(packet),
            tos,
            mark: packet.mark,
        }
    }
}

impl Traversal {
    /// A packet that has just arrived by `indev`.
    pub(crate) const fn arriving(packet: Packet, indev: DeviceId) -> Self {
        Self {
            packet,
            hook: HookPoint::Prerouting,
            indev: Some(indev),
            outdev: None,
            function: 0,
            route: None,
            routed_by: None,
            lent_to: None,
        }
    }

    /// A packet that this host sends by `outdev`.
    pub(crate) const fn sending(packet: Packet, outdev: DeviceId, route: Route) -> Self {
        Self {
            packet,
            hook: HookPoint::Output,
            indev: None,
            outdev: Some(outdev),
            function: 0,
            route: Some(route),
            routed_by: None,
            lent_to: None,
        }
    }

    /// A packet that enters at a hook, with its route.
    pub(crate) const fn entering(
        packet: Packet,
        hook: HookPoint,
        indev: Option<DeviceId>,
        outdev: Option<DeviceId>,
        route: Route,
    ) -> Self {
        Self {
            packet,
            hook,
            indev,
            outdev,
            function: 0,
            route: Some(route),
            routed_by: None,
            lent_to: None,
        }
    }

    /// Goes to another hook.
    fn go_to(&mut self, hook: HookPoint, indev: Option<DeviceId>, outdev: Option<DeviceId>) -> Next {
        (self.hook, self.indev, self.outdev) = (hook, indev, outdev);
        Next::Hook(hook)
    }

    /// Whether its PACKET frame names the device (EVT-1).
    pub(crate) fn names(&self, device: DeviceId) -> bool {
        self.indev == Some(device) || self.outdev == Some(device)
    }

    /// What its PACKET frame says of it (PKT-6 to PKT-8); the queue fills in the packet id.
    fn metadata(&self, network: &Network) -> PacketMetadata {
        let (hw_type, hw_address) = match (self.indev, &self.packet.link) {
            (Some(indev), Some(link)) => (network.hw_type(indev), link.source()),
            _ => (0, HardwareAddress::NONE),
        };
        PacketMetadata {
            packet_id: PacketId::default(),
            mark: Mark(u64::from(self.packet.mark)),
            timestamp: self.packet.arrival_time.into(),
            hook: self.hook.into(),
            indev_name: network.name(self.indev),
            outdev_name: network.name(self.outdev),
            hw_protocol: self.packet.protocol,
            hw_type,
            hw_address,
        }
    }
}

/// Where a packet is when a hook's functions are through with it.
enum Next {
    /// At another hook: its own, said once more to whoever need not look it up then.
    Hook(HookPoint),
    /// Nowhere: it was delivered, and is in the books.
    Gone,
}

/// The place that a packet has in its queue when nothing more happens to it; none if it was delivered, and is in the books.
type End = Result<Option<Slot>, DropReason>;

impl Kernel {
    /// Runs a packet through hook after hook, until it is queued or leaves.
    pub(crate) fn run(&mut self, mut traversal: Traversal) {
        let end = self.pass_hooks(&mut traversal, 0);
        if let Some(slot) = self.settle(end, &traversal.packet) {
            self.keep(slot, traversal);
        }
    }

    /// Lets a packet that was taken out of the queue go on as its verdict says (VER-4 to VER-10). What is left of it stays with the
    /// caller, to be freed, unless it is queued again.
    pub(crate) fn reinject(&mut self, place: &mut Option<Traversal>, released: Released<'_>) {
        let Some(traversal) = place else {
            return;
        };
        self.ledger.journal.note(|| PacketEvent::Verdict {
            packet: traversal.packet.serial,
            packet_id: released.packet_id,
            verdict: released.verdict,
            replaced: released.replacement.is_some(),
        });
        let end = self.obey_verdict(traversal, released.verdict, released.replacement);
        if let Some(slot) = self.settle(end, &traversal.packet)
            && let Some(traversal) = place.take()
        {
            self.keep(slot, traversal);
        }
    }

    /// Enters a packet that is dropped into the books. Returns the place in its queue of one that is to be kept there.
    fn settle(&mut self, end: End, packet: &Packet) -> Option<Slot> {
        end.unwrap_or_else(|reason| {
            self.ledger.dropped(packet.serial, reason);
            None
        })
    }

    /// Queues a packet in its place.
    fn keep(&mut self, slot: Slot, traversal: Traversal) {
        let family = self.queue_of(&traversal.packet);
        if let Some(queue) = &mut self.queues[family as usize] {
            queue.keep(slot, traversal);
        }
    }

    /// Runs the functions of the hook that the packet is at, from `function` on, and then those of others.
    fn pass_hooks(&mut self, traversal: &mut Traversal, mut function: u8) -> End {
        let mut hook = traversal.hook;
        loop {
            let queued_by = self.rules.judge(hook, function, &mut traversal.packet, &self.faults)?;
            if let Some(function) = queued_by {
                traversal.function = function;
                return self.enqueue(traversal).map(Some);
            }
            let next = match hook {
                HookPoint::Prerouting => self.route(traversal)?,
                HookPoint::Input => self.deliver_here(&mut traversal.packet),
                HookPoint::Forward => traversal.go_to(HookPoint::Postrouting, None, traversal.outdev),
                HookPoint::Output => self.after_output(traversal)?,
                HookPoint::Postrouting => self.leave_by_device(traversal)?,
            };
            match next {
                Next::Hook(next) => (hook, function) = (next, 0),
                Next::Gone => return Ok(None),
            }
            if self.faults.seeded(Fault::MarkForgotten) {
                traversal.packet.mark = 0;
            }
        }
    }

    fn obey_verdict(&mut self, traversal: &mut Traversal, verdict: Verdict, replacement: Option<&[u8]>) -> End {
        self.replace(&mut traversal.packet, verdict, replacement)?;
        let (this, next) = (traversal.function, traversal.function + 1);
        match verdict {
            Verdict::Accept if self.faults.seeded(Fault::AcceptIsDrop) => Err(DropReason::Verdict),
            Verdict::Drop if self.faults.seeded(Fault::DropIsAccept) => self.resume(traversal, next),
            Verdict::Repeat | Verdict::Queue if self.faults.seeded(Fault::RequeueIsAccept) => {
                self.resume(traversal, next)
            }
            Verdict::Accept => self.resume(traversal, next),
            Verdict::Repeat if self.faults.seeded(Fault::RepeatKeepsRoute) => self.pass_hooks(traversal, this),
            Verdict::Repeat => self.resume(traversal, this),
            Verdict::Stop if self.faults.seeded(Fault::StopIsAccept) => self.resume(traversal, next),
            Verdict::Stop if self.faults.seeded(Fault::StopIsRouted) => self.resume(traversal, BEHIND_THE_LAST),
            Verdict::Stop => self.pass_hooks(traversal, BEHIND_THE_LAST),
            Verdict::Queue => self.enqueue(traversal).map(Some),
            Verdict::Drop | Verdict::Stolen | Verdict::Unknown(_) => Err(DropReason::Verdict),
        }
    }

    fn replace(&self, packet: &mut Packet, verdict: Verdict, replacement: Option<&[u8]>) -> Result<(), DropReason> {
        let Some(mut replacement) = replacement else {
            return Ok(());
        };
        if self.faults.seeded(Fault::RequeueShowsOriginal) && matches!(verdict, Verdict::Queue | Verdict::Repeat) {
            return Ok(());
        }
        if self.faults.seeded(Fault::ShortReplacementDrops) && replacement.len() < packet.family.header_length() {
            return Err(DropReason::Verdict);
        }
        if self.faults.seeded(Fault::GrowthCut) {
            replacement = &replacement[..replacement.len().min(packet.data.len())];
        }
        let tail_kept = [replacement, packet.data.get(replacement.len()..).unwrap_or_default()];
        let tail_kept = self.faults.seeded(Fault::TailKept).then(|| tail_kept.concat());
        packet
            .replace(tail_kept.as_deref().unwrap_or(replacement))
            .map_err(|_| DropReason::ReplacementTooLong)?;
        if self.faults.seeded(Fault::ChecksumMended) && packet.family == Family::Ipv4 {
            packet.data = ipv4::with_mended_checksum(std::mem::take(&mut packet.data));
        }
        Ok(())
    }

    /// Goes on with a function of the hook that queued the packet; before that what was changed at OUTPUT is routed again
    /// (VER-10).
    fn resume(&mut self, traversal: &mut Traversal, function: u8) -> End {
        let changed = traversal
            .routed_by
            .take()
            .is_some_and(|key| *key != RouteKey::of(&traversal.packet));
        if changed && !self.faults.seeded(Fault::OutputRouteKept) {
            let (_, destination) = routing::addresses(&traversal.packet);
            let kept = traversal.route.filter(|_| self.faults.seeded(Fault::LostRouteKept));
            let route = self.network.route(destination).or(kept);
            traversal.route = Some(route.ok_or(DropReason::NotReroutable)?);
        }
        self.pass_hooks(traversal, function)
    }

    /// The family whose queue a packet is sent to.
    fn queue_of(&self, packet: &Packet) -> Family {
        if self.faults.seeded(Fault::OneQueueForBoth) {
            Family::Ipv4
        } else {
            packet.family
        }
    }

    /// Sends a packet to the queue of its family, which keeps a place for it.
    fn enqueue(&mut self, traversal: &mut Traversal) -> Result<Slot, DropReason> {
        let family = self.queue_of(&traversal.packet);
        traversal.routed_by = (traversal.hook == HookPoint::Output).then(|| RouteKey::of(&traversal.packet).into());
        let mut metadata = traversal.metadata(&self.network);
        let mut with_link_header = None;
        if let Some(link) = &traversal.packet.link {
            let by_loopback = metadata.hw_type == self.network.hw_type(DeviceId::LOOPBACK);
            if by_loopback && self.faults.seeded(Fault::LoopbackIsEthernet) {
                metadata.hw_type = 1;
            }
            if self.faults.seeded(Fault::AddressOfReceiver) {
                metadata.hw_address = link.destination();
            }
            if self.faults.seeded(Fault::LinkHeaderCopied) {
                with_link_header = Some(Bytes::from([&link.header[..], &traversal.packet.data].concat()));
            }
        }
        let Self {
            queues,
            sockets,
            faults,
            ..
        } = self;
        let queue = queues[family as usize].as_mut().ok_or(DropReason::ModuleUnloaded)?;
        let packet = with_link_header.as_mut().unwrap_or(&mut traversal.packet.data);
        let offered = queue.offer(metadata, packet, faults, |port_id, mut frame| {
            distortion::of_kernel_datagram(&mut frame, faults);
            sockets.deliver(family, port_id, frame, faults)
        });
        match offered {
            Ok(Offered { slot, lent_to }) => {
                // What is not written need not be waited for when the packet is moved to its place.
                if lent_to.is_some() {
                    traversal.lent_to = lent_to;
                }
                Ok(slot)
            }
            Err(Refusal::NoListener) => Err(DropReason::NoListener),
            Err(Refusal::Full) => Err(DropReason::QueueFull),
            Err(Refusal::Undeliverable) => Err(DropReason::Undeliverable),
        }
    }

    /// After PREROUTING: to this host, or on to another.
    fn route(&self, traversal: &mut Traversal) -> Result<Next, DropReason> {
        let route = match traversal.route {
            Some(route) => route,
            None => routing::of_arriving(&self.network, &traversal.packet)?,
        };
        traversal.route = Some(route);
        match route {
            Route::Local if traversal.packet.family == Family::Ipv4 && ipv4::is_fragment(&traversal.packet.data) => {
                Err(DropReason::Unassembled)
            }
            Route::Local => Ok(traversal.go_to(HookPoint::Input, traversal.indev, None)),
            Route::Via { device, .. } => {
                self.make_forwardable(&mut traversal.packet, self.network.mtu(device))?;
                Ok(traversal.go_to(HookPoint::Forward, traversal.indev, Some(device)))
            }
        }
    }

    /// What a router checks and changes before FORWARD (FWD-3, FWD-4).
    pub(crate) fn make_forwardable(&self, packet: &mut Packet, mtu: usize) -> Result<(), DropReason> {
        if packet.link.as_ref().is_some_and(|link| !link.for_this_host) {
            return Err(DropReason::OtherHost);
        }
        let hops = match packet.family {
            Family::Ipv4 => ipv4::ttl(&packet.data),
            Family::Ipv6 => ipv6::hop_limit(&packet.data),
        };
        if hops <= 1 && !self.faults.seeded(Fault::HopLimitIgnored) {
            return Err(DropReason::HopLimit);
        }
        let too_long = match packet.family {
            Family::Ipv4 => packet.data.len() > mtu && ipv4::dont_fragment(&packet.data),
            Family::Ipv6 => packet.data.len() > mtu.max(IPV6_LEAST_MTU),
        };
        let passed = self.faults.seeded(Fault::OversizeSentWhole) || self.faults.seeded(Fault::ArrivingOversizePassed);
        if too_long && !passed {
            return Err(DropReason::TooLong);
        }
        let data = std::mem::take(&mut packet.data);
        packet.data = match packet.family {
            Family::Ipv4 => ipv4::with_decremented_ttl(data),
            Family::Ipv6 => ipv6::with_decremented_hop_limit(data),
        };
        Ok(())
    }

    /// After INPUT.
    fn deliver_here(&mut self, Packet { serial, data, .. }: &mut Packet) -> Next {
        self.ledger
            .delivered(*serial, || Fate::DeliveredHere(std::mem::take(data)));
        Next::Gone
    }

    /// After OUTPUT: the route may have changed there.
    fn after_output(&mut self, traversal: &mut Traversal) -> Result<Next, DropReason> {
        let outdev = match traversal.route {
            Some(Route::Via { device, .. }) => device,
            Some(Route::Local) | None => DeviceId::LOOPBACK,
        };
        if traversal.packet.family == Family::Ipv4 {
            traversal.packet.protocol = EtherType::IPV4;
        }
        let next = traversal.go_to(HookPoint::Postrouting, None, Some(outdev));
        if outdev == DeviceId::LOOPBACK && self.faults.seeded(Fault::LoopbackSkipsPostrouting) {
            return self.leave_by_device(traversal);
        }
        Ok(next)
    }

    /// After POSTROUTING: fragmented if need be, and out (FWD-4); what leaves by `lo` arrives again (FWD-7).
    fn leave_by_device(&mut self, traversal: &mut Traversal) -> Result<Next, DropReason> {
        let device = traversal.outdev.unwrap_or(DeviceId::LOOPBACK);
        let mtu = self.network.mtu(device);
        let Packet { family, data, .. } = &traversal.packet;
        let mtu = mtu - usize::from(self.faults.seeded(Fault::MtuIsTooLong));
        let fits = data.len() <= mtu || self.faults.seeded(Fault::OversizeSentWhole);
        let fragments = match family {
            _ if fits => None,
            Family::Ipv4 if !ipv4::dont_fragment(data) => Some(ipv4::fragments(data, mtu).ok_or(DropReason::TooLong)?),
            Family::Ipv4 | Family::Ipv6 => return Err(DropReason::TooLong),
        };
        if !self.network.is_up(device) {
            return Err(DropReason::DeviceDown);
        }
        let protocol = ether_type(*family);
        if device == DeviceId::LOOPBACK {
            let pieces = fragments.unwrap_or_else(|| vec![data.clone()]);
            return self.return_by_loopback(traversal, pieces);
        }
        let next_hop = match traversal.route {
            Some(Route::Via { next_hop, .. }) => next_hop,
            Some(Route::Local) | None => routing::addresses(&traversal.packet).1,
        };
        let to = self
            .network
            .neighbour(device, next_hop)
            .ok_or(DropReason::NoNeighbour)?;
        let mut frames = self.ledger.remembers().then(Vec::new);
        if let Some(fragments) = fragments {
            for fragment in fragments {
                self.send_by(device, to, protocol, fragment, &mut frames);
            }
        } else {
            let whole = std::mem::take(&mut traversal.packet.data);
            self.send_by(device, to, protocol, whole, &mut frames);
        }
        self.has_left(traversal.packet.serial, device, frames);
        Ok(Next::Gone)
    }

    /// Sends a piece of a packet by a device, or all of it, and adds what left to `frames`, if anybody can ask for them.
    fn send_by(
        &mut self,
        device: DeviceId,
        to: MacAddress,
        protocol: EtherType,
        piece: Bytes,
        frames: &mut Option<Vec<OutgoingFrame>>,
    ) {
        let frame = self.network.transmit(device, to, protocol, piece);
        if let Some(frames) = frames {
            frames.reserve_exact(1);
            frames.push(frame.clone());
        }
    }

    /// A packet has left by a device, in these frames.
    #[inline]
    fn has_left(&mut self, serial: PacketSerial, device: DeviceId, frames: Option<Vec<OutgoingFrame>>) {
        self.ledger.delivered(serial, || Fate::Sent {
            device: self.network.name(Some(device)),
            frames: frames.unwrap_or_default(),
        });
    }

    /// A packet that left by `lo` arrives there. If it left in fragments, it is gone, and they are packets of their own.
    fn return_by_loopback(&mut self, traversal: &mut Traversal, pieces: Vec<Bytes>) -> Result<Next, DropReason> {
        let packet = &traversal.packet;
        let mut frames = self.ledger.remembers().then(Vec::new);
        let protocol = ether_type(packet.family);
        for piece in &pieces {
            self.send_by(DeviceId::LOOPBACK, [0; 6], protocol, piece.clone(), &mut frames);
        }
        if pieces.len() == 1 {
            *traversal = self.looped(packet.clone())?;
            return Ok(Next::Hook(traversal.hook));
        }
        for data in pieces {
            let serial = self.ledger.enter();
            let fragment = Packet {
                serial,
                data,
                ..packet.clone()
            };
            match self.looped(fragment) {
                Ok(traversal) => self.run(traversal),
                Err(reason) => self.ledger.dropped(serial, reason),
            }
        }
        self.has_left(packet.serial, DeviceId::LOOPBACK, frames);
        Ok(Next::Gone)
    }

    /// A packet as it arrives by `lo`.
    fn looped(&self, mut packet: Packet) -> Result<Traversal, DropReason> {
        let protocol = ether_type(packet.family);
        let length = own_length(packet.family, &packet.data).ok_or(DropReason::Malformed)?;
        packet.data.truncate(length);
        let packet = Packet {
            protocol,
            arrival_time: self.arrival_time(),
            link: Some(Link {
                header: ethernet_header([0; 6], [0; 6], protocol),
                for_this_host: true,
            }),
            ..packet
        };
        Ok(Traversal {
            route: Some(Route::Local),
            ..Traversal::arriving(packet, DeviceId::LOOPBACK)
        })
    }
}

/// What the link layer calls a family.
pub(crate) const fn ether_type(family: Family) -> EtherType {
    match family {
        Family::Ipv4 => EtherType::IPV4,
        Family::Ipv6 => EtherType::IPV6,
    }
}

#[cfg(test)]
mod tests;
