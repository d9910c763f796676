//! The addresses of packets, and the checks and the route of one that arrives.

use super::network::{Network, Route};
use super::packet::Packet;
use super::{ipv4, ipv6};
use crate::books::DropReason;
use ipq_core::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Returns the source and destination address of a packet.
pub(crate) fn addresses(packet: &Packet) -> (IpAddr, IpAddr) {
    match packet.family {
        Family::Ipv4 => (
            ipv4::source(&packet.data).into(),
            ipv4::destination(&packet.data).into(),
        ),
        Family::Ipv6 => (
            ipv6::source(&packet.data).into(),
            ipv6::destination(&packet.data).into(),
        ),
    }
}

/// Returns the destination address of a packet.
pub(crate) fn destination(packet: &Packet) -> IpAddr {
    match packet.family {
        Family::Ipv4 => ipv4::destination(&packet.data).into(),
        Family::Ipv6 => ipv6::destination(&packet.data).into(),
    }
}

/// Returns the route of a packet that arrived by a device, by its addresses. Fails with `Martian`
/// if the host must not take or forward a packet between such addresses, and with `NoRoute` if no
/// route leads to the destination, or if the destination is a multicast group that the host has not
/// joined. Remembers the result for an IPv4 packet, in case the next one has the same addresses.
#[inline]
pub(crate) fn of_arriving(network: &Network, packet: &Packet) -> Result<Route, DropReason> {
    let data = &packet.data;
    match packet.family {
        Family::Ipv4 => {
            let (source, destination) = (ipv4::source(data), ipv4::destination(data));
            let find = || of_arriving_ipv4(network, source, destination);
            network.recent_route().or_find([source, destination], find)
        }
        Family::Ipv6 => of_arriving_ipv6(network, ipv6::source(data), ipv6::destination(data)),
    }
}

fn of_arriving_ipv4(network: &Network, source: Ipv4Addr, destination: Ipv4Addr) -> Result<Route, DropReason> {
    const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
    let in_network_zero = |address: Ipv4Addr| address.octets()[0] == 0;
    if source.is_multicast() || source.is_broadcast() || source.is_loopback() {
        return Err(DropReason::Martian);
    }
    let of_this_host = network.is_local(source);
    // A host that does not know its own address yet sends from 0.0.0.0 to 255.255.255.255 or
    // 0.0.0.0.
    let for_all = destination.is_broadcast() || (source.is_unspecified() && destination.is_unspecified());
    if for_all || destination == ALL_HOSTS {
        return if of_this_host && !in_network_zero(source) {
            Err(DropReason::Martian)
        } else {
            Ok(Route::Local)
        };
    }
    if destination.is_multicast() {
        return Err(DropReason::NoRoute);
    }
    if in_network_zero(source) || in_network_zero(destination) || destination.is_loopback() || of_this_host {
        return Err(DropReason::Martian);
    }
    if network.is_local(destination) {
        return Ok(Route::Local);
    }
    let device = network.device_to_ipv4(destination).ok_or(DropReason::NoRoute)?;
    Ok(Route::Via(device))
}

#[inline(never)]
fn of_arriving_ipv6(network: &Network, source: Ipv6Addr, destination: Ipv6Addr) -> Result<Route, DropReason> {
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
    if destination.is_multicast() {
        let joined = matches!(destination, ALL_NODES | ALL_ROUTERS);
        return if joined {
            Ok(Route::Local)
        } else {
            Err(DropReason::NoRoute)
        };
    }
    match network.route(destination.into()) {
        Some(Route::Via(_)) if !may_be_forwarded(source) || destination.is_unicast_link_local() => {
            Err(DropReason::Martian)
        }
        route => route.ok_or(DropReason::NoRoute),
    }
}

fn may_be_forwarded(source: Ipv6Addr) -> bool {
    !source.is_unspecified() && !source.is_loopback() && !source.is_unicast_link_local()
}

#[cfg(test)]
mod tests;
