//! The conditions of a rule on a packet's addresses, ports, devices and mark.

use crate::books::DropReason;
use crate::host::packet::Packet;
use crate::host::{ipv4, ipv6, routing};
use ipq_core::Family;
use ipq_core::wire::InterfaceName;
use std::fmt;
use std::net::IpAddr;

/// The conditions of a rule on a packet's addresses, devices, ports and mark. A packet must meet
/// all that are set. [`Rule::parse`](super::Rule::parse) makes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    pub(super) source: Option<Condition<Addresses>>,
    pub(super) destination: Option<Condition<Addresses>>,
    pub(super) incoming: Option<Condition<DeviceName>>,
    pub(super) outgoing: Option<Condition<DeviceName>>,
    pub(super) source_ports: Option<Condition<Ports>>,
    pub(super) destination_ports: Option<Condition<Ports>>,
    pub(super) mark: Option<Condition<Mark>>,
}

/// A condition, or its opposite if it is inverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition<T> {
    pub(super) wanted: T,
    pub(super) inverted: bool,
}

/// The addresses of a network: all whose first `prefix` bits are those of `network`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) network: IpAddr,
    /// The number of bits, from the first on, that all addresses of the network have in common.
    pub(super) prefix: u8,
}

/// The name of one device, or the beginning of the names of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeviceName {
    pub(super) name: InterfaceName,
    /// `true` if every name that begins with `name` matches, `false` if only `name` does.
    pub(super) is_prefix: bool,
}

/// The ports that a packet's source or destination port may be: at most 15 ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    ranges: [(u16, u16); Ports::MOST],
    count: u8,
    /// `true` for the match multiport, which needs only the two ports of a packet. The matches tcp
    /// and udp need the whole header: 20 bytes for TCP, and 8 for others.
    pub(super) is_multiport: bool,
}

/// The value that a packet's mark must have after all bits outside the mask are cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) value: u32,
    pub(super) mask: u32,
}

impl<T> Condition<T> {
    fn holds(&self, is_so: impl FnOnce(&T) -> bool) -> bool {
        is_so(&self.wanted) != self.inverted
    }
}

impl Matches {
    /// Returns `true` if a packet meets all conditions. `devices` returns the names of its incoming
    /// and outgoing device. A fragment other than the first meets no condition on ports, inverted
    /// or not. Fails with `Malformed` if a packet meets all other conditions and ends within the
    /// headers that a condition on ports needs: the kernel's matches drop such a packet.
    #[inline(never)]
    pub(super) fn hold(
        &self,
        packet: &Packet,
        devices: impl FnOnce() -> [InterfaceName; 2],
    ) -> Result<bool, DropReason> {
        let (source, destination) = routing::addresses(packet);
        let [incoming, outgoing] = devices();
        let address = |condition: Option<Condition<Addresses>>, address| {
            condition.is_none_or(|condition| condition.holds(|wanted| wanted.contain(address)))
        };
        let device = |condition: Option<Condition<DeviceName>>, name| {
            condition.is_none_or(|condition| condition.holds(|wanted| wanted.is_of(name)))
        };
        // The kernel compares addresses and devices before it asks any match.
        let alike = address(self.source, source)
            && address(self.destination, destination)
            && device(self.incoming, incoming)
            && device(self.outgoing, outgoing);
        let mark = self
            .mark
            .is_none_or(|condition| condition.holds(|wanted| packet.mark & wanted.mask == wanted.value));
        Ok(alike && mark && self.ports_hold(packet)?)
    }

    fn ports_hold(&self, packet: &Packet) -> Result<bool, DropReason> {
        let sides = [self.source_ports, self.destination_ports];
        for (side, condition) in sides.into_iter().enumerate() {
            let Some(condition) = condition else { continue };
            let Some((protocol, header)) = transport(packet)? else {
                return Ok(false);
            };
            if header.len() < condition.wanted.least_header(protocol) {
                return Err(DropReason::Malformed);
            }
            let port = u16::from_be_bytes([header[2 * side], header[2 * side + 1]]);
            if !condition.holds(|wanted| wanted.contain(port)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Returns a packet's protocol number, and its bytes from the transport header on. Returns `None`
/// for a fragment other than the first. Fails with `Malformed` if the packet ends before the
/// transport header begins.
fn transport(packet: &Packet) -> Result<Option<(u8, &[u8])>, DropReason> {
    let data = &packet.data;
    let found = match packet.family {
        Family::Ipv4 if ipv4::is_later_fragment(data) => return Ok(None),
        Family::Ipv4 => Some((ipv4::protocol(data), ipv4::header_length(data))),
        Family::Ipv6 if ipv6::is_later_fragment(data) => return Ok(None),
        Family::Ipv6 => ipv6::transport(data),
    };
    let (protocol, at) = found.ok_or(DropReason::Malformed)?;
    let header = data.get(at..).ok_or(DropReason::Malformed)?;
    Ok(Some((protocol, header)))
}

impl Addresses {
    fn contain(&self, address: IpAddr) -> bool {
        // Both families' addresses as 128 bits, an IPv4 address in the first 32.
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
        self.network.is_ipv4() == address.is_ipv4() && (bits(self.network) ^ bits(address)) & mask == 0
    }
}

impl DeviceName {
    fn is_of(&self, name: InterfaceName) -> bool {
        if self.is_prefix {
            name.as_bytes().starts_with(self.name.as_bytes())
        } else {
            name == self.name
        }
    }
}

impl Ports {
    /// The most ranges that there can be. A rule's text may have 15 ports for multiport, of which a
    /// range counts as two.
    pub(super) const MOST: usize = 15;

    /// The protocol number of TCP.
    const TCP: u8 = 6;
    const TCP_HEADER: usize = 20;
    const UDP_HEADER: usize = 8;
    /// The size of both ports in bytes.
    const PORTS: usize = 4;

    /// Returns the ports in `ranges`, each of which is a first and a last port. Returns `None` if
    /// there are more than 15 ranges, or if the last port of one is below its first.
    pub(super) fn new(ranges: &[(u16, u16)], is_multiport: bool) -> Option<Self> {
        let mut own = [(0, 0); Self::MOST];
        own.get_mut(..ranges.len())?.copy_from_slice(ranges);
        ranges.iter().all(|(first, last)| first <= last).then_some(Self {
            ranges: own,
            count: ranges.len() as u8,
            is_multiport,
        })
    }

    fn ranges(&self) -> &[(u16, u16)] {
        self.ranges.get(..self.count.into()).unwrap_or_default()
    }

    fn contain(&self, port: u16) -> bool {
        self.ranges()
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&port))
    }

    const fn least_header(&self, protocol: u8) -> usize {
        match protocol {
            _ if self.is_multiport => Self::PORTS,
            Self::TCP => Self::TCP_HEADER,
            _ => Self::UDP_HEADER,
        }
    }
}

impl fmt::Display for Matches {
    /// Writes the conditions as options of iptables, each after a space, and with `!` before an
    /// inverted one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_condition(f, "-s", self.source.as_ref())?;
        write_condition(f, "-d", self.destination.as_ref())?;
        write_condition(f, "-i", self.incoming.as_ref())?;
        write_condition(f, "-o", self.outgoing.as_ref())?;
        for (side, condition) in [("s", self.source_ports), ("d", self.destination_ports)] {
            match condition {
                Some(condition) if condition.wanted.is_multiport => {
                    f.write_str(" -m multiport")?;
                    write_condition(f, &format!("--{side}ports"), Some(&condition))?;
                }
                condition => write_condition(f, &format!("--{side}port"), condition.as_ref())?,
            }
        }
        if self.mark.is_some() {
            f.write_str(" -m mark")?;
        }
        write_condition(f, "--mark", self.mark.as_ref())
    }
}

fn write_condition<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    option: &str,
    condition: Option<&Condition<T>>,
) -> fmt::Result {
    condition.map_or(Ok(()), |Condition { wanted, inverted }| {
        let not = if *inverted { " !" } else { "" };
        write!(f, "{not} {option} {wanted}")
    })
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, if self.is_prefix { "+" } else { "" })
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.ranges().iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{first}")?;
            if first != last {
                write!(f, ":{last}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.value)?;
        if self.mask == u32::MAX {
            Ok(())
        } else {
            write!(f, "/{:#x}", self.mask)
        }
    }
}
