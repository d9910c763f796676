//! The end of a packet's way: delivered to this host, or out by a device (FWD-4, FWD-7).

use super::Kernel;
use super::traversal::{Next, Traversal};
use crate::behaviour::{Fits, NextHop, OversizeIpv4, OversizeIpv6};
use crate::books::{DropReason, Fate, PacketSerial};
use crate::frame::{MacAddress, OutgoingFrame, ethernet_header};
use crate::host::network::{DeviceId, Route};
use crate::host::packet::{Link, Packet};
use crate::host::{ether_type, ipv4, ipv6, own_length, routing};
use bytes::Bytes;
use ipq_core::Family;
use ipq_core::wire::EtherType;

impl Kernel {
    /// Enters a packet that passed INPUT into the books as delivered to this host. If fates are
    /// kept or the journal is open, moves the packet's bytes there. Returns [`Next::Gone`].
    pub(super) fn deliver_here(&mut self, Packet { serial, data, .. }: &mut Packet) -> Next {
        self.ledger
            .delivered(*serial, || Fate::DeliveredHere(std::mem::take(data)));
        Next::Gone
    }

    /// Sends a packet that passed POSTROUTING out by its device, and enters it into the books as
    /// sent. A packet over the MTU leaves in fragments, unless this kernel sends it whole (FWD-4).
    /// Fails, among others, if the packet is over the MTU and can't or may not be fragmented, if
    /// the device is down, or if no neighbour is known to send the packet to. A packet whose device
    /// is `lo` arrives there again instead, as `return_by_loopback` says (FWD-7).
    pub(super) fn leave_by_device(&mut self, traversal: &mut Traversal) -> Result<Next, DropReason> {
        let device = traversal.outdev.unwrap_or(DeviceId::LOOPBACK);
        let mtu = self.network.mtu(device);
        let Packet { family, ref data, .. } = traversal.packet;
        let mtu = match self.profile.behaviour.host.fits {
            Fits::UpToMtu => mtu,
            Fits::BelowMtu => mtu - 1,
        };
        let fragments = if data.len() <= mtu {
            None
        } else {
            self.fragments(family, data, mtu)?
        };
        if !self.network.is_up(device) {
            return Err(DropReason::DeviceDown);
        }
        let protocol = ether_type(family);
        if device == DeviceId::LOOPBACK {
            let pieces = fragments.unwrap_or_else(|| vec![data.clone()]);
            return self.return_by_loopback(traversal, pieces);
        }
        let to = match (traversal.route, self.profile.behaviour.host.next_hop) {
            (Some(Route::Via(_)), NextHop::AsRouted) => self.network.neighbour(device, traversal.next_hop),
            _ => self.network.next_hop(device, routing::destination(&traversal.packet)),
        };
        let to = to.ok_or(DropReason::NoNeighbour)?;
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

    /// Returns the fragments in which a packet over the MTU leaves. Returns `None` if this kernel
    /// sends it whole. Fails with `TooLong` if this kernel does not fragment it, as IPv4 with DF
    /// and IPv6 on most kernels, or if its headers are wrong or the MTU leaves no room behind them.
    #[cold]
    fn fragments(&mut self, family: Family, data: &Bytes, mtu: usize) -> Result<Option<Vec<Bytes>>, DropReason> {
        let rules = &self.profile.behaviour.host;
        let allowed = match (family, rules.oversize_ipv4, rules.oversize_ipv6) {
            (Family::Ipv4, OversizeIpv4::SentWhole, _) | (Family::Ipv6, _, OversizeIpv6::SentWhole) => return Ok(None),
            (Family::Ipv4, OversizeIpv4::FragmentedUnlessForbidden, _) => !ipv4::dont_fragment(data),
            (Family::Ipv4, OversizeIpv4::Fragmented, _) | (Family::Ipv6, _, OversizeIpv6::Fragmented) => true,
            (Family::Ipv6, _, OversizeIpv6::Dropped) => false,
        };
        let fragments = match family {
            _ if !allowed => None,
            Family::Ipv4 => ipv4::fragments(data, mtu),
            Family::Ipv6 => {
                self.fragmented = self.fragmented.wrapping_add(1);
                ipv6::fragments(data, mtu, self.fragmented)
            }
        };
        fragments.map(Some).ok_or(DropReason::TooLong)
    }

    /// Sends a packet or a fragment by a device to the MAC address `to`, in an Ethernet frame. Adds
    /// a copy of the frame to `frames`, if that is a list.
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

    /// Enters a packet into the books as sent by a device, in these frames. `frames` is `None` if
    /// the books keep no fates; the packet is then only counted.
    #[inline]
    fn has_left(&mut self, serial: PacketSerial, device: DeviceId, frames: Option<Vec<OutgoingFrame>>) {
        self.ledger.delivered(serial, || Fate::Sent {
            device: self.network.name(Some(device)),
            frames: frames.unwrap_or_default(),
        });
    }

    /// Lets a packet that left by `lo`, in these pieces, arrive there. One piece goes on as the
    /// same packet: moves `traversal` to PREROUTING, and returns that hook. Fails if the packet's
    /// header is wrong. Of several pieces, each arrives as a packet of its own with a new serial.
    /// The packet itself is then entered into the books as sent; returns [`Next::Gone`].
    #[cold]
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

    /// Returns a packet that left by `lo` as it arrives there: at PREROUTING, cut to its IP length,
    /// time-stamped as other arriving packets are, and routed to this host. Fails with `Malformed`
    /// if its header is wrong.
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
