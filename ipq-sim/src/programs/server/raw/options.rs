//! The options of raw sockets. The usual ones that change a sent packet have their effect; most
//! others are only kept for getsockopt.

use super::{AF_INET, AF_INET6, AF_PACKET, RAW, errno};
use ipq_core::Errno;
use rustix::io::Errno as System;
use std::collections::BTreeMap;

const SOL_SOCKET: i32 = 1;
const SO_TYPE: i32 = 3;
const SO_BROADCAST: i32 = 6;
const SO_PRIORITY: i32 = 12;
const SO_BINDTODEVICE: i32 = 25;
const SO_SNDBUFFORCE: i32 = 32;
const SO_RCVBUFFORCE: i32 = 33;
const SO_MARK: i32 = 36;
const SO_PROTOCOL: i32 = 38;
const SO_DOMAIN: i32 = 39;

const SOL_IP: i32 = 0;
const IP_TOS: i32 = 1;
const IP_TTL: i32 = 2;
const IP_HDRINCL: i32 = 3;
const IP_OPTIONS: i32 = 4;
const IP_MTU_DISCOVER: i32 = 10;
const IP_MULTICAST_TTL: i32 = 33;

const SOL_IPV6: i32 = 41;
const IPV6_2292PKTOPTIONS: i32 = 6;
const IPV6_CHECKSUM: i32 = 7;
const IPV6_UNICAST_HOPS: i32 = 16;
const IPV6_MULTICAST_HOPS: i32 = 18;
const IPV6_HDRINCL: i32 = 36;
const IPV6_HOPOPTS: i32 = 54;
const IPV6_RTHDRDSTOPTS: i32 = 55;
const IPV6_RTHDR: i32 = 57;
const IPV6_DSTOPTS: i32 = 59;
const IPV6_TCLASS: i32 = 67;

const SOL_ICMPV6: i32 = 58;
const ICMPV6: i32 = SOL_ICMPV6;
const SOL_RAW: i32 = 255;

const SOL_PACKET: i32 = 263;
const PACKET_RX_RING: i32 = 5;
const PACKET_VERSION: i32 = 10;
const PACKET_HDRLEN: i32 = 11;
const PACKET_TX_RING: i32 = 13;
const PACKET_VNET_HDR: i32 = 15;

/// The first number above those of all options: outside `SOL_SOCKET`, a greater number or this one
/// is refused.
const END: i32 = 256;

/// The options of one socket.
#[derive(Debug)]
pub(super) struct Options {
    domain: i32,
    kind: i32,
    protocol: i32,
    /// What was set, by level and number. The numbers are bounded, and so is this.
    set: BTreeMap<(i32, i32), i32>,
}

impl Options {
    /// Returns the options of a new socket, by the arguments of `socket`.
    pub(super) const fn new(domain: i32, kind: i32, protocol: i32) -> Self {
        Self {
            domain,
            kind,
            protocol,
            set: BTreeMap::new(),
        }
    }

    /// Sets an option, and returns `true`; `SO_BINDTODEVICE` is taken and has no effect. Returns
    /// `false` without setting it if it is an option of `SOL_SOCKET` that is left to the Unix
    /// socket. Fails with EINVAL for a wrong value, and as [`check`](Self::check) does.
    pub(super) fn set(&mut self, level: i32, name: i32, value: &[u8]) -> Result<bool, Errno> {
        if level == SOL_SOCKET {
            match name {
                SO_BROADCAST | SO_MARK | SO_PRIORITY | SO_SNDBUFFORCE | SO_RCVBUFFORCE => {
                    // These take an int.
                    let value = value.first_chunk().ok_or(Errno::EINVAL)?;
                    self.set.insert((level, name), i32::from_ne_bytes(*value));
                }
                SO_BINDTODEVICE => {}
                _ => return Ok(false),
            }
            return Ok(true);
        }
        self.check(level, name)?;
        // A byte is enough for most options of IP.
        let number = match *value {
            [a, b, c, d, ..] => i32::from_ne_bytes([a, b, c, d]),
            [byte, ..] => byte.into(),
            [] => 0,
        };
        let is_wrong = match (level, name) {
            (SOL_IP, IP_TTL) => !matches!(number, -1 | 1..=255),
            (SOL_IP, IP_MULTICAST_TTL) => value.is_empty() || !matches!(number, -1..=255),
            // These take an int.
            (SOL_IPV6, IPV6_UNICAST_HOPS | IPV6_MULTICAST_HOPS | IPV6_TCLASS) => {
                value.len() < 4 || !matches!(number, -1..=255)
            }
            (SOL_IP, IP_MTU_DISCOVER) => !matches!(number, 0..=5),
            // That of ICMPv6 is the kernel's own.
            (SOL_IPV6, IPV6_CHECKSUM) if self.protocol == ICMPV6 => true,
            (SOL_IPV6 | SOL_RAW, IPV6_CHECKSUM) => number > 0 && number % 2 == 1,
            _ => false,
        };
        if is_wrong {
            return Err(Errno::EINVAL);
        }
        self.set.insert((level, name), number);
        Ok(true)
    }

    /// Returns an option's value. Returns `None` if it is an option of `SOL_SOCKET` that is left to
    /// the Unix socket. Fails with ENOPROTOOPT if the socket does not have the option, or if it is
    /// one of `SOL_PACKET` that was not set.
    pub(super) fn value(&self, level: i32, name: i32) -> Result<Option<i32>, Errno> {
        let set = || self.given(level, name);
        if level != SOL_SOCKET {
            self.check(level, name)?;
        }
        Ok(Some(match (level, name) {
            (SOL_SOCKET, SO_TYPE) => self.kind,
            (SOL_SOCKET, SO_PROTOCOL) => self.protocol,
            (SOL_SOCKET, SO_DOMAIN) => self.domain,
            (SOL_SOCKET, SO_BROADCAST) => self.may_broadcast().into(),
            (SOL_SOCKET, SO_MARK | SO_PRIORITY) => set().unwrap_or(0),
            (SOL_SOCKET, _) => return Ok(None),
            (SOL_IP, IP_HDRINCL) | (SOL_IPV6, IPV6_HDRINCL) => self.header_included().into(),
            (SOL_IP, IP_TTL) | (SOL_IPV6, IPV6_UNICAST_HOPS) => self.hops().into(),
            (SOL_IP, IP_MULTICAST_TTL) | (SOL_IPV6, IPV6_MULTICAST_HOPS) => self.multicast_hops().into(),
            (SOL_IP, IP_MTU_DISCOVER) => set().unwrap_or(1),
            (SOL_IPV6 | SOL_RAW, IPV6_CHECKSUM) => self.checksum(),
            (SOL_PACKET, _) => set().ok_or(errno(System::NOPROTOOPT))?,
            _ => set().unwrap_or(0),
        }))
    }

    /// Fails with ENOPROTOOPT if the socket does not have this option. Options that would put
    /// headers into packets, or need memory that is shared with the kernel, are not emulated, so
    /// that the socket does not have them. For options of `SOL_SOCKET` it always fails: callers
    /// check those themselves.
    fn check(&self, level: i32, name: i32) -> Result<(), Errno> {
        let is_known = match (self.domain, level) {
            (AF_INET, SOL_IP) => name != IP_OPTIONS,
            (AF_INET, SOL_RAW) | (AF_INET6, SOL_ICMPV6 | SOL_RAW) => true,
            (AF_INET6, SOL_IPV6) => !matches!(
                name,
                IPV6_2292PKTOPTIONS | IPV6_HOPOPTS | IPV6_RTHDRDSTOPTS | IPV6_RTHDR | IPV6_DSTOPTS
            ),
            (AF_PACKET, SOL_PACKET) => !matches!(
                name,
                PACKET_RX_RING | PACKET_VERSION | PACKET_HDRLEN | PACKET_TX_RING | PACKET_VNET_HDR
            ),
            _ => false,
        };
        (is_known && (0..END).contains(&name))
            .then_some(())
            .ok_or(errno(System::NOPROTOOPT))
    }

    fn given(&self, level: i32, name: i32) -> Option<i32> {
        self.set.get(&(level, name)).copied()
    }

    /// Returns the value that was set for the option `ipv4` of `SOL_IP`, or for the option `ipv6`
    /// of `SOL_IPV6`. Returns `None` if none was set.
    fn of_ip(&self, ipv4: i32, ipv6: i32) -> Option<i32> {
        self.given(SOL_IP, ipv4).or(self.given(SOL_IPV6, ipv6))
    }

    /// Returns `true` if the program sends packets with their IP header: if an option says so, or,
    /// without that option, if the socket's protocol is `IPPROTO_RAW`.
    pub(super) fn header_included(&self) -> bool {
        let set = self.of_ip(IP_HDRINCL, IPV6_HDRINCL);
        set.map_or(self.protocol == i32::from(RAW), |value| value != 0)
    }

    pub(super) fn may_broadcast(&self) -> bool {
        self.given(SOL_SOCKET, SO_BROADCAST).is_some_and(|value| value != 0)
    }

    pub(super) fn mark(&self) -> Option<u32> {
        self.given(SOL_SOCKET, SO_MARK).map(i32::cast_unsigned)
    }

    /// Returns the time to live, or hop limit, of packets that are not multicast: 64 unless set.
    pub(super) fn hops(&self) -> u8 {
        hops(self.of_ip(IP_TTL, IPV6_UNICAST_HOPS), 64)
    }

    /// Returns the time to live, or hop limit, of multicast packets: 1 unless set.
    pub(super) fn multicast_hops(&self) -> u8 {
        hops(self.of_ip(IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS), 1)
    }

    /// Returns IPv4's type of service, or IPv6's traffic class: 0 unless set.
    pub(super) fn traffic_class(&self) -> u8 {
        self.of_ip(IP_TOS, IPV6_TCLASS)
            .map_or(0, |value| value.max(0).cast_unsigned() as u8)
    }

    /// Returns `true` if routers may fragment an IPv4 packet. Unless the program sets
    /// `IP_MTU_DISCOVER`, they may not.
    pub(super) fn may_fragment(&self) -> bool {
        /// The values of `IP_MTU_DISCOVER` that forbid it: `IP_PMTUDISC_WANT`, `_DO` and `_PROBE`.
        const FORBIDDEN: std::ops::RangeInclusive<i32> = 1..=3;
        let discovery = self.given(SOL_IP, IP_MTU_DISCOVER).unwrap_or(1);
        !FORBIDDEN.contains(&discovery)
    }

    /// Returns the offset in an IPv6 packet's payload at which the kernel fills in the checksum;
    /// `None` if it fills in none.
    pub(super) fn checksum_offset(&self) -> Option<usize> {
        usize::try_from(self.checksum()).ok()
    }

    /// Returns the value of `IPV6_CHECKSUM`: an offset in the payload, or a negative number for no
    /// checksum. Unless set, it is 2 for ICMP of IPv6, and -1 for other protocols.
    fn checksum(&self) -> i32 {
        let set = self
            .given(SOL_IPV6, IPV6_CHECKSUM)
            .or(self.given(SOL_RAW, IPV6_CHECKSUM));
        set.unwrap_or(if self.protocol == ICMPV6 { 2 } else { -1 })
    }
}

/// Returns the number of hops that was set; `default` if none was, or if the number is not from 0
/// to 255, as -1.
fn hops(set: Option<i32>, default: u8) -> u8 {
    set.and_then(|hops| u8::try_from(hops).ok()).unwrap_or(default)
}
