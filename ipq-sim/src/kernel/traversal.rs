//! A packet on its way through the hooks.

use crate::behaviour::{HardwareAddresses, Metadata};
use crate::host::hook::HookPoint;
use crate::host::network::{DeviceId, Network, Route};
use crate::host::packet::Packet;
use crate::host::{ipv4, routing};
use crate::queue::{PacketDetails, QueueId};
use ipq_core::Family;
use ipq_core::wire::HardwareAddress;
use std::net::{IpAddr, Ipv4Addr};

/// A packet on its way through the hooks: its hook, its devices, its route, and its queue.
pub(crate) struct Traversal {
    pub(crate) packet: Packet,
    pub(crate) hook: HookPoint,
    pub(crate) indev: Option<DeviceId>,
    pub(crate) outdev: Option<DeviceId>,
    /// The number of the hook's function that last sent the packet to a queue; 0 before that.
    pub(crate) function: u8,
    /// The queue that a rule or a verdict last sent the packet to. `None` before that.
    pub(super) queued_in: Option<QueueId>,
    /// The packet's route. A packet that arrived by an Ethernet device has none before it has
    /// passed PREROUTING.
    pub(crate) route: Option<Route>,
    /// The destination address that the packet had when it was last routed; 0.0.0.0 before that,
    /// and after it came back by `lo`. Some kernels send the packet to the neighbour with this
    /// address, even if its destination has changed since ([`NextHop`](crate::behaviour::NextHop)).
    pub(super) next_hop: IpAddr,
    /// The fields that the packet's route depends on, as they were when it was queued at OUTPUT
    /// (VER-10). `None` while it is queued at another hook.
    pub(super) routed_by: Option<Box<RouteKey>>,
}

/// A traversal has at most 120 bytes, so that a queue entry, with 8 more, fits into two cache
/// lines.
const _: () = assert!(size_of::<Option<Traversal>>() <= 120);

impl Traversal {
    /// Returns the traversal of a packet that has just arrived by `indev`: at PREROUTING, and not
    /// yet routed.
    pub(crate) const fn arriving(packet: Packet, indev: DeviceId) -> Self {
        Self {
            packet,
            hook: HookPoint::Prerouting,
            indev: Some(indev),
            outdev: None,
            function: 0,
            queued_in: None,
            route: None,
            next_hop: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            routed_by: None,
        }
    }

    /// Returns the traversal of a packet that this host sends by `outdev`: at OUTPUT, and routed.
    pub(crate) fn sending(packet: Packet, outdev: DeviceId, route: Route) -> Self {
        Self {
            next_hop: routing::destination(&packet),
            packet,
            hook: HookPoint::Output,
            indev: None,
            outdev: Some(outdev),
            function: 0,
            queued_in: None,
            route: Some(route),
            routed_by: None,
        }
    }

    /// Returns the traversal of a packet that enters at `hook`, between these devices, and is
    /// already routed.
    pub(crate) fn entering(
        packet: Packet,
        hook: HookPoint,
        indev: Option<DeviceId>,
        outdev: Option<DeviceId>,
        route: Route,
    ) -> Self {
        Self {
            next_hop: routing::destination(&packet),
            packet,
            hook,
            indev,
            outdev,
            function: 0,
            queued_in: None,
            route: Some(route),
            routed_by: None,
        }
    }

    /// Sets the packet's route, and notes the destination that it was found for.
    pub(super) fn follow(&mut self, route: Route) {
        self.route = Some(route);
        self.next_hop = routing::destination(&self.packet);
    }

    /// Moves the packet to another hook, with these devices. Returns [`Next::Hook`], by which the
    /// hook's functions run next.
    #[inline]
    pub(super) fn go_to(&mut self, hook: HookPoint, indev: Option<DeviceId>, outdev: Option<DeviceId>) -> Next {
        (self.hook, self.indev, self.outdev) = (hook, indev, outdev);
        Next::Hook(hook)
    }

    /// Returns `true` if the device is the packet's incoming or outgoing device, which its PACKET
    /// frame names (EVT-1).
    pub(crate) fn names(&self, device: DeviceId) -> bool {
        self.indev == Some(device) || self.outdev == Some(device)
    }

    /// Returns the facts about the packet that its PACKET frame tells, as the kernel's rules have
    /// them (PKT-6 to PKT-8). The hardware type is 0 and the hardware address empty if the packet
    /// has no incoming device or no link-layer header, and on Linux 2.4.0 always. On the other
    /// kernels up to 2.6.18 the address is also empty for a packet that came in by `lo`.
    pub(super) fn details(&self, network: &Network, rules: Metadata) -> PacketDetails {
        let (hw_type, hw_address) = match (self.indev, &self.packet.link) {
            (Some(indev), Some(link)) if rules.hardware_addresses != HardwareAddresses::Never => {
                let loopback = indev == DeviceId::LOOPBACK;
                let address = if loopback && rules.hardware_addresses == HardwareAddresses::ArrivedByEthernet {
                    HardwareAddress::NONE
                } else {
                    link.source()
                };
                (network.hw_type(indev), address)
            }
            _ => (0, HardwareAddress::NONE),
        };
        PacketDetails {
            mark: self.packet.mark,
            arrival_time: self.packet.arrival_time,
            hook: self.hook,
            indev: network.name(self.indev),
            outdev: network.name(self.outdev),
            protocol: self.packet.protocol,
            hw_type,
            hw_address,
        }
    }
}

/// The fields of a locally sent packet that its route depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct RouteKey {
    addresses: (IpAddr, IpAddr),
    /// The type of service of an IPv4 packet; 0 for IPv6.
    tos: u8,
    mark: u32,
}

impl RouteKey {
    pub(super) fn of(packet: &Packet) -> Self {
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

/// The next step of a packet after a hook's functions have run.
pub(super) enum Next {
    /// The packet moved to this hook, whose functions run on it next. The value is a copy of the
    /// traversal's `hook`, which saves a load.
    Hook(HookPoint),
    /// The packet moved to this hook, whose functions do not run on it.
    PastHook(HookPoint),
    /// The packet was delivered here or sent, and is in the books.
    Gone,
}
