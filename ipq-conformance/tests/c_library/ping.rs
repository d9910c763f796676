//! Echo requests from this host to itself.

use super::Outcome;
use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Type};
use ipq_conformance::laboratory::Laboratory;
use ipq_core::Family;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

/// The identifier in the echo requests and in their replies.
const IDENTIFIER: u16 = 0x1770;

/// The most pings that are sent while no reply comes.
const ATTEMPTS: usize = 500;
const REPLY_TIME: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// A raw socket that sends pings of one family.
pub(super) struct Ping {
    family: Family,
    socket: OwnedFd,
    sequence: u16,
}

impl Ping {
    /// Opens a socket for pings of `family`, and makes this host answer them, which a laboratory's
    /// host does not do.
    pub(super) fn open(family: Family) -> io::Result<Self> {
        let (address_family, protocol, ignored) = match family {
            Family::Ipv4 => (AddressFamily::INET, ipproto::ICMP, "ipv4/icmp_echo_ignore_all"),
            Family::Ipv6 => (AddressFamily::INET6, ipproto::ICMPV6, "ipv6/icmp/echo_ignore_all"),
        };
        fs::write(format!("/proc/sys/net/{ignored}"), "0")?;
        let socket = net::socket_with(address_family, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol))?;
        Ok(Self {
            family,
            socket,
            sequence: 0,
        })
    }

    /// Sends one ping, and waits until the kernel has nothing left to do. Returns whether the reply
    /// has come by then. A queued ping has no reply then, unless a program has given its verdict
    /// already.
    pub(super) fn is_answered_at_once(&mut self, laboratory: &Laboratory) -> Result<bool, Box<dyn std::error::Error>> {
        self.send()?;
        laboratory.settle()?;
        Ok(self.has_reply()?)
    }

    /// Sends up to [`ATTEMPTS`] pings, each with a short wait for its reply, until one is answered.
    /// It takes several if a program is just beginning to listen. Fails if no ping is answered.
    pub(super) fn until_answered(&mut self) -> Outcome {
        for _ in 0..ATTEMPTS {
            self.send()?;
            loop {
                let mut sockets = [PollFd::new(&self.socket, PollFlags::IN)];
                if poll(&mut sockets, Some(&REPLY_TIME))? == 0 {
                    break;
                }
                if self.has_reply()? {
                    return Ok(());
                }
            }
        }
        Err(format!("none of {ATTEMPTS} pings was answered").into())
    }

    fn send(&mut self) -> Result<(), Errno> {
        self.sequence += 1;
        let echo = IcmpEchoHeader {
            id: IDENTIFIER,
            seq: self.sequence,
        };
        let (request, to): (Vec<u8>, IpAddr) = match self.family {
            Family::Ipv4 => {
                let header = Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(echo), &[]);
                (header.to_bytes().to_vec(), Ipv4Addr::LOCALHOST.into())
            }
            // The kernel fills in the checksum.
            Family::Ipv6 => (
                [&[128, 0, 0, 0], &echo.to_bytes()[..]].concat(),
                Ipv6Addr::LOCALHOST.into(),
            ),
        };
        match net::sendto(&self.socket, &request, SendFlags::empty(), &SocketAddr::new(to, 0)) {
            // EPERM says that the request was dropped on its way.
            Ok(_) | Err(Errno::PERM) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Receives what has come, without waiting, up to the reply to the last request. Returns
    /// whether that reply was there.
    fn has_reply(&self) -> Result<bool, Errno> {
        loop {
            let mut came = [0; 128];
            match net::recv(&self.socket, &mut came[..], RecvFlags::DONTWAIT) {
                Ok((_, length)) if self.is_reply(&came[..length]) => return Ok(true),
                Ok(_) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    fn is_reply(&self, came: &[u8]) -> bool {
        let (message, reply) = match self.family {
            Family::Ipv4 => (came.get(20..), 0),
            Family::Ipv6 => (Some(came), 129),
        };
        let Some(&[kind, _, _, _, id_high, id_low, high, low, ..]) = message else {
            return false;
        };
        kind == reply && [id_high, id_low] == IDENTIFIER.to_be_bytes() && [high, low] == self.sequence.to_be_bytes()
    }
}
