//! Packets that a caller puts in at a hook: they neither arrived by a device nor were routed.

use crate::behaviour::OutputProtocol;
use crate::books::{DropReason, PacketSerial};
use crate::frame::ethernet_header;
use crate::host::hook::HookPoint;
use crate::host::network::Route;
use crate::host::packet::{Link, Packet};
use crate::host::{ether_type, own_length};
use crate::kernel::traversal::Traversal;
use crate::kernel::{InjectError, Kernel, family_of};
use bytes::Bytes;
use ipq_core::wire::EtherType;
use ipq_core::{Family, Hook};

/// The hook at which a packet enters, and its devices and Ethernet header there.
#[derive(Clone, Copy, Debug)]
pub struct EntryPoint<'a> {
    /// The hook whose functions the packet passes first.
    pub hook: Hook,
    /// The name of the device that the packet came in by. It counts at PREROUTING, INPUT and
    /// FORWARD, but the device must exist in any case.
    pub incoming: &'a str,
    /// The name of the device that the packet will leave by. It counts at FORWARD, OUTPUT and
    /// POSTROUTING, but the device must exist in any case.
    pub outgoing: &'a str,
    /// The Ethernet header of a packet that enters at PREROUTING, INPUT or FORWARD. `None` stands
    /// for a header to the address of the incoming device from one of its neighbours, if it knows
    /// one.
    pub link_header: Option<[u8; 14]>,
}

impl Kernel {
    /// Lets an IP packet enter at a hook, and go on until it is queued, delivered or dropped.
    /// Returns its serial, even if it is dropped. At PREROUTING and INPUT the packet counts as
    /// routed to this host, and at the other hooks to the outgoing device. At FORWARD it passes a
    /// router's checks first, which decrement its TTL or hop limit. Bytes beyond the length that
    /// its header states are cut off. If the hook is none of the five, the packet is dropped. Fails
    /// for an unknown device, for bytes that are no IP packet, and for a wrong header.
    pub fn enter_at(
        &mut self,
        entrance: EntryPoint<'_>,
        packet: impl Into<Bytes>,
    ) -> Result<PacketSerial, InjectError> {
        let mut data = packet.into();
        let length = data.len();
        let family = family_of(&data)?;
        let incoming = self.network.by_name(entrance.incoming)?;
        let outgoing = self.network.by_name(entrance.outgoing)?;
        data.truncate(own_length(family, &data).ok_or(InjectError::Malformed { length })?);
        let protocol = ether_type(family);
        let hook = HookPoint::named(entrance.hook);
        let arrived = matches!(
            hook,
            Some(HookPoint::Prerouting | HookPoint::Input | HookPoint::Forward)
        );
        let link = arrived.then(|| Link {
            header: entrance.link_header.unwrap_or_else(|| {
                ethernet_header(
                    self.network.mac(incoming),
                    self.network.some_neighbour(incoming),
                    protocol,
                )
            }),
            for_this_host: true,
        });
        let ipv4_at_output = self.profile.behaviour.metadata.output_protocol == OutputProtocol::Ipv4;
        let serial = self.ledger.enter();
        let mut packet = Packet {
            serial,
            family,
            data,
            mark: 0,
            priority: 0,
            arrival_time: if arrived { self.arrival_time() } else { self.own_time() },
            protocol: match (hook, family) {
                (Some(HookPoint::Output), Family::Ipv4) if ipv4_at_output => protocol,
                (Some(HookPoint::Output), _) | (Some(HookPoint::Postrouting), Family::Ipv6) => EtherType::NONE,
                _ => protocol,
            },
            link,
        };
        let out = Route::Via(outgoing);
        let traversal = match hook {
            Some(hook @ (HookPoint::Prerouting | HookPoint::Input)) => {
                Traversal::entering(packet, hook, Some(incoming), None, Route::Local)
            }
            Some(hook @ HookPoint::Forward) => match self.make_forwardable(&mut packet, self.network.mtu(outgoing)) {
                Ok(()) => Traversal::entering(packet, hook, Some(incoming), Some(outgoing), out),
                Err(reason) => {
                    self.ledger.dropped(serial, reason);
                    return Ok(serial);
                }
            },
            Some(HookPoint::Output) => Traversal::sending(packet, outgoing, out),
            Some(hook @ HookPoint::Postrouting) => Traversal::entering(packet, hook, None, Some(outgoing), out),
            None => {
                self.ledger.dropped(serial, DropReason::NoRoute);
                return Ok(serial);
            }
        };
        self.run(traversal);
        Ok(serial)
    }
}
