//! The laboratory on a real kernel: the devices, addresses and neighbours that
//! [`topology`](crate::world::topology) describes, and the rules that a case asks for. This process
//! makes them with system calls of its own, so a bare machine needs neither iptables nor iproute.
//!
//! The laboratory is in a network namespace of its own, except for the historical `ip_queue`. That
//! works in the initial namespace only (SOCK-7), so its laboratory is there. The devices are TAP
//! devices if the user may open `/dev/net/tun`, and veth pairs otherwise.
//!
//! No function waits by sleeping. The thread that sets the laboratory up stays on one processor,
//! where the kernel does most work before a system call returns, and the rest in order. So when a
//! frame that was sent through `lo` comes back, all earlier work is done.

mod devices;
mod namespaces;
mod rtnetlink;
mod rules;
mod sys;
mod sysctls;
mod xtables;

use crate::waiting;
use crate::world::topology::{LO, TAP0, TAP1};
use crate::world::{Rule, Table};
use devices::Wired;
use ipq_core::Family;
use rtnetlink::Rtnetlink;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};
use std::fmt::Display;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use rules::Queues;
pub(crate) use sys::set_option;

/// The EtherType of the frames that are sent through `lo`. It is reserved for local experiments.
const ROUND_ETHER_TYPE: u16 = 0x88b5;
/// The number of frames that [`Laboratory::settle`] sends through `lo`, each after the one before
/// came back. One frame is not enough: work that is done before it comes back can cause more work.
const ROUNDS: u8 = 3;
/// The time limit for anything in the laboratory that should happen at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// The network namespace of a laboratory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A new network namespace, for this process alone.
    Private,
    /// The initial network namespace. Everything that the laboratory changes there has to be put
    /// back: see [`HostState`].
    Initial,
}

/// A laboratory in operation. Its TAP devices vanish when the laboratory is dropped or its process
/// ends. Veth pairs vanish with their network namespace; [`HostState`] removes them from the
/// initial one.
#[derive(Debug)]
pub struct Laboratory {
    rtnetlink: Rtnetlink,
    devices: [Wired; 2],
    round: OwnedFd,
    ipv4: OwnedFd,
    ipv6: OwnedFd,
}

impl Laboratory {
    /// Sets up the sysctls, `lo` and the two devices with their addresses and neighbours, but no
    /// rules. Pins the calling thread to one processor.
    ///
    /// With [`Place::Private`] this process, which must have one thread only, first moves into new
    /// namespaces.
    pub fn set_up(place: Place) -> Result<Self, LaboratoryError> {
        if place == Place::Private {
            namespaces::enter_private()?;
        }
        stay_on_this_processor()?;
        sysctls::apply(place)?;
        let rtnetlink = Rtnetlink::open()?;
        let lo = rtnetlink.index_of(LO)?;
        rtnetlink.set_up(lo, true)?;
        let devices = [Wired::create(TAP0, &rtnetlink)?, Wired::create(TAP1, &rtnetlink)?];
        let laboratory = Self {
            devices,
            round: devices::packet_socket(lo, ROUND_ETHER_TYPE)?,
            ipv4: raw_socket(AddressFamily::INET)?,
            ipv6: raw_socket(AddressFamily::INET6)?,
            rtnetlink,
        };
        laboratory.await_addresses()?;
        if place == Place::Private {
            laboratory.await_time_stamps()?;
        }
        Ok(laboratory)
    }

    /// Replaces all rules of the filter and mangle tables by `rules`, and by those that keep the
    /// host silent. `queues` says which queues a [`Target::Queue`](crate::world::Target::Queue)
    /// means.
    pub fn set_rules(&self, rules: &[Rule], queues: Queues) -> Result<(), LaboratoryError> {
        rules::install(rules, queues)
    }

    /// Makes a frame arrive at a device `count` times, and waits until the kernel has handled all.
    /// The inner result says whether the device took the last frame; an error is the one with which
    /// it refused that frame.
    pub fn inject(&self, device: &str, frame: &[u8], count: u32) -> Result<Result<(), Errno>, LaboratoryError> {
        let device = self.device(device)?;
        let mut taken = Ok(());
        for sent in 1..=count {
            taken = device.inject(frame);
            // The kernel's backlog holds about a thousand frames.
            if sent % 64 == 0 {
                self.settle()?;
            }
        }
        self.settle()?;
        Ok(taken)
    }

    /// Sends a packet from this host, and waits until the kernel has handled it. `packet` begins
    /// with its IPv4 or IPv6 header; anything else is an error. It is no error if the packet is
    /// dropped on its way.
    pub fn output(&self, packet: &[u8]) -> Result<(), LaboratoryError> {
        let (socket, destination) = match packet.first().map(|byte| byte >> 4) {
            Some(4) => (&self.ipv4, packet.get(16..20).and_then(ipv4_at).map(SocketAddr::from)),
            Some(6) => (&self.ipv6, packet.get(24..40).and_then(ipv6_at).map(SocketAddr::from)),
            _ => (&self.ipv4, None),
        };
        let destination = destination.ok_or_else(|| LaboratoryError::Misuse("what is sent is no IP packet".into()))?;
        match net::sendto(socket, packet, SendFlags::empty(), &destination) {
            // The packet was dropped on its way, which is no failure of the laboratory.
            Ok(_) | Err(Errno::PERM) => self.settle(),
            Err(error) => Err(LaboratoryError::system(
                format!("send a packet to {destination}"),
                error,
            )),
        }
    }

    /// Takes and returns the next Ethernet frame with an IP packet that left by a device; `None` if
    /// there is none. Skips ARP, and the IPv6 messages of router and neighbour discovery and of
    /// multicast listeners.
    pub fn sniff(&mut self, device: &str) -> Result<Option<Vec<u8>>, LaboratoryError> {
        let index = self.index(device)?;
        let failed = |error| LaboratoryError::system(format!("take a frame from {device}"), error);
        while let Some(frame) = self.devices[index].take_frame().map_err(failed)? {
            if is_of_interest(frame) {
                return Ok(Some(frame.to_vec()));
            }
        }
        Ok(None)
    }

    /// Sets a device up or down. When a device other than `lo` comes up, gives it its addresses and
    /// neighbours again, and waits until its IPv6 address works.
    pub fn set_link(&mut self, device: &str, up: bool) -> Result<(), LaboratoryError> {
        if device == LO {
            self.rtnetlink.set_up(self.rtnetlink.index_of(LO)?, up)?;
            return Ok(());
        }
        let index = self.index(device)?;
        self.devices[index].set_up(up, &self.rtnetlink)?;
        if up { self.await_address(index) } else { Ok(()) }
    }

    /// Renames a device that is down. The laboratory's functions still take its original name.
    pub fn rename(&self, device: &str, name: &str) -> Result<(), LaboratoryError> {
        self.device(device)?.rename(name, &self.rtnetlink)
    }

    /// Waits until the kernel has handled all frames and packets that it was given so far. Returns
    /// at once if `lo` is down.
    pub fn settle(&self) -> Result<(), LaboratoryError> {
        let failed = |error| LaboratoryError::system("send a frame round by lo", error);
        for round in 0..ROUNDS {
            match net::send(&self.round, &round_frame(round), SendFlags::empty()) {
                // With lo down no frame comes back, and no packet waits in lo. Old kernels return
                // ENXIO.
                Err(Errno::NETDOWN | Errno::NXIO) => return Ok(()),
                sent => sent.map_err(failed)?,
            };
            loop {
                let mut came = [0; 60];
                match net::recv(&self.round, &mut came[..], RecvFlags::DONTWAIT) {
                    Ok(_) if came[14] == round => break,
                    Ok(_) => {}
                    Err(Errno::AGAIN) => await_readable(&self.round, "the frame that goes round by lo")?,
                    Err(Errno::NETDOWN) => return Ok(()),
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        Ok(())
    }

    /// Turns on time stamps for arriving packets, and waits until a frame has one: newer kernels
    /// turn them on with a delay. They stay on while a socket asks for them.
    fn await_time_stamps(&self) -> Result<(), LaboratoryError> {
        /// The flags `SOF_TIMESTAMPING_RX_SOFTWARE` and `SOF_TIMESTAMPING_SOFTWARE`, together.
        const BY_THE_KERNEL: i32 = 0x18;
        let what = "have a frame stamped with the time";
        let asked = set_option(
            self.round.as_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPING,
            &BY_THE_KERNEL.to_ne_bytes(),
        );
        asked.map_err(|error| LaboratoryError::io(what, error))?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let sent = net::send(&self.round, &round_frame(0), SendFlags::empty());
            sent.map_err(|error| LaboratoryError::system(what, error))?;
            await_readable(&self.round, "the frame that goes round by lo")?;
            if sys::take_stamped(self.round.as_fd()).map_err(|error| LaboratoryError::io(what, error))? {
                return Ok(());
            }
        }
        Err(LaboratoryError::TimedOut {
            what: "a frame with a time stamp".into(),
        })
    }

    fn await_addresses(&self) -> Result<(), LaboratoryError> {
        (0..self.devices.len()).try_for_each(|index| self.await_address(index))
    }

    /// Waits until a device's IPv6 address accepts packets. Newer kernels take a while for that.
    fn await_address(&self, index: usize) -> Result<(), LaboratoryError> {
        self.rtnetlink.await_local(self.devices[index].ipv6())
    }

    fn device(&self, name: &str) -> Result<&Wired, LaboratoryError> {
        Ok(&self.devices[self.index(name)?])
    }

    fn index(&self, name: &str) -> Result<usize, LaboratoryError> {
        let index = self.devices.iter().position(|device| device.name() == name);
        index.ok_or_else(|| LaboratoryError::Misuse(format!("there is no device {name:?} with a wire")))
    }
}

/// Switches an option of a netlink socket on or off. `option` is a number at the level
/// `SOL_NETLINK`.
pub fn set_netlink_option(socket: impl AsFd, option: i32, on: bool) -> io::Result<()> {
    let value = i32::from(on).to_ne_bytes();
    set_option(socket.as_fd(), libc::SOL_NETLINK, option, &value)
}

/// The sysctls and netfilter rules of the initial namespace, and whether `lo` is up, from before a
/// laboratory changed them.
///
/// A process that outlives the laboratory's process should hold the state. It can then be restored
/// however the laboratory ends.
#[derive(Debug)]
pub struct HostState {
    sysctls: sysctls::Saved,
    tables: rules::Saved,
    lo_is_up: bool,
}

impl HostState {
    /// Reads the sysctls and the rules that a laboratory changes, and whether `lo` is up. Leaves out
    /// sysctls that can't be read. Fails if a table of rules or the state of `lo` can't be read.
    pub fn save() -> Result<Self, LaboratoryError> {
        let rtnetlink = Rtnetlink::open()?;
        Ok(Self {
            sysctls: sysctls::Saved::read(),
            tables: rules::Saved::read()?,
            lo_is_up: rtnetlink.is_up(rtnetlink.index_of(LO)?)?,
        })
    }

    /// Restores the saved sysctls and rules, sets `lo` up or down as it was, and removes the veth
    /// pairs of a laboratory. Goes on after a failure, and fails at the end.
    pub fn restore(&self) -> Result<(), LaboratoryError> {
        let devices = devices::remove_pairs();
        let lo = self.restore_lo();
        self.sysctls.restore().and(self.tables.restore()).and(devices).and(lo)
    }

    fn restore_lo(&self) -> Result<(), LaboratoryError> {
        let rtnetlink = Rtnetlink::open()?;
        rtnetlink.set_up(rtnetlink.index_of(LO)?, self.lo_is_up)
    }
}

/// The reason why the laboratory could not be set up, or could not do something.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaboratoryError {
    /// The system does not let this user create the namespaces.
    #[error(
        "this user may not make a network namespace ({source}): run as root, or let users make namespaces \
         (user.max_user_namespaces above 0; on Debian kernel.unprivileged_userns_clone=1; on Ubuntu \
         kernel.apparmor_restrict_unprivileged_userns=0; in a container, a seccomp profile that allows unshare)"
    )]
    NamespacesForbidden {
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// The kernel has no table with this name in this family's rules.
    #[error(
        "this kernel has no table {table:?} for {family}: rules are made by the socket options of ip_tables and ip6_tables, so \
         load iptable_filter, iptable_mangle, ip6table_filter and ip6table_mangle, or use a kernel with \
         CONFIG_IP_NF_IPTABLES_LEGACY and CONFIG_IP6_NF_IPTABLES_LEGACY"
    )]
    NoTable {
        /// The family of the table.
        family: Family,
        /// The name of the table.
        table: Table,
    },
    /// The kernel refused to read or to replace a table of rules.
    #[error(
        "the kernel did not take the rules of table {table:?} for {family} ({source}): it needs the targets NFQUEUE and MARK \
         (CONFIG_NETFILTER_XT_TARGET_NFQUEUE, CONFIG_NETFILTER_XT_MARK)"
    )]
    Rules {
        /// The family of the table.
        family: Family,
        /// The name of the table.
        table: Table,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// An operation failed that should always succeed in a laboratory.
    #[error("can't {what}: {source}")]
    Failed {
        /// The operation, as words that follow "can't": `open a raw socket`.
        what: String,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// Something that should have come at once did not come within 5 seconds.
    #[error("{what} did not come within {seconds} s", seconds = PATIENCE.as_secs())]
    TimedOut {
        /// The thing that did not come.
        what: String,
    },
    /// The caller asked for something impossible, such as a device that is not there. The text says
    /// what.
    #[error("{0}")]
    Misuse(String),
}

impl LaboratoryError {
    fn system(what: impl Display, error: Errno) -> Self {
        Self::io(what, error.into())
    }

    fn io(what: impl Display, error: io::Error) -> Self {
        Self::Failed {
            what: what.to_string(),
            source: error.into(),
        }
    }

    /// Returns whether the system lacks something that the user can supply: permission for
    /// namespaces, or the tables and targets of rules.
    #[must_use]
    pub const fn is_of_the_system(&self) -> bool {
        matches!(
            self,
            Self::NamespacesForbidden { .. } | Self::NoTable { .. } | Self::Rules { .. }
        )
    }
}

/// Returns the frame that is sent through `lo` in the round with this number. It carries the
/// number.
fn round_frame(round: u8) -> [u8; 60] {
    let mut frame = [0; 60];
    frame[12..14].copy_from_slice(&ROUND_ETHER_TYPE.to_be_bytes());
    frame[14] = round;
    frame
}

/// Waits until `socket` has something to read, 5 seconds at most. `what` names the awaited thing in
/// errors.
fn await_readable(socket: &OwnedFd, what: &str) -> Result<(), LaboratoryError> {
    match waiting::is_readable_by(socket.as_fd(), Instant::now() + PATIENCE) {
        Ok(true) => Ok(()),
        Ok(false) => Err(LaboratoryError::TimedOut { what: what.to_owned() }),
        Err(error) => Err(LaboratoryError::io(format!("wait for {what}"), error)),
    }
}

/// Pins the calling thread to the processor that it runs on. Each processor has a backlog of its
/// own, so only one processor keeps frames in order.
fn stay_on_this_processor() -> Result<(), LaboratoryError> {
    let mut processors = CpuSet::new();
    processors.set(sched_getcpu());
    sched_setaffinity(None, &processors).map_err(|error| LaboratoryError::system("stay on one processor", error))
}

/// Opens a raw socket that sends packets with the network header that they have.
fn raw_socket(family: AddressFamily) -> Result<OwnedFd, LaboratoryError> {
    let socket = net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(net::ipproto::RAW));
    socket.map_err(|error| LaboratoryError::system("open a raw socket", error))
}

fn ipv4_at(bytes: &[u8]) -> Option<(Ipv4Addr, u16)> {
    Some((<[u8; 4]>::try_from(bytes).ok()?.into(), 0))
}

fn ipv6_at(bytes: &[u8]) -> Option<(Ipv6Addr, u16)> {
    Some((<[u8; 16]>::try_from(bytes).ok()?.into(), 0))
}

/// Returns whether a frame is IPv4, or an IPv6 packet other than the messages that hosts send by
/// themselves: multicast listener, router and neighbour discovery.
fn is_of_interest(frame: &[u8]) -> bool {
    const HOP_BY_HOP: u8 = 0;
    const ICMPV6: u8 = 58;
    let Some((ether_type, packet)) = frame.get(12..14).zip(frame.get(14..)) else {
        return false;
    };
    match ether_type {
        [8, 0] => true,
        [0x86, 0xdd] => {
            let header = packet.get(6).copied();
            let icmp_type = match header {
                Some(ICMPV6) => packet.get(40),
                // Multicast reports have a router alert of eight bytes before their header.
                Some(HOP_BY_HOP) if packet.get(40) == Some(&ICMPV6) => packet.get(48),
                _ => None,
            };
            !icmp_type.is_some_and(|kind| rules::is_of_own_accord(*kind))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_left_without_the_veth_pairs_of_a_laboratory() {
        // Only this thread moves. For an ordinary user that takes a process with one thread.
        if let Err(error) = namespaces::enter_private() {
            eprintln!("skipped: {error}");
            return;
        }
        let before = match HostState::save() {
            Err(error) if error.is_of_the_system() => return eprintln!("skipped: {error}"),
            before => before.expect("it can be read"),
        };
        let rtnetlink = Rtnetlink::open().expect("a socket");
        for _ in 0..2 {
            for device in [TAP0, TAP1] {
                devices::create_pair(&device, &rtnetlink).expect("a pair");
            }
            // The sysctls outside the namespace can't be written from here.
            let _ = before.restore();
        }
        for device in [TAP0, TAP1] {
            assert!(rtnetlink.index_of(device.name).is_err(), "{} is there", device.name);
        }
    }

    #[test]
    fn a_host_is_left_with_lo_as_it_was() {
        if let Err(error) = namespaces::enter_private() {
            eprintln!("skipped: {error}");
            return;
        }
        let rtnetlink = Rtnetlink::open().expect("a socket");
        let lo = rtnetlink.index_of(LO).expect("there is one");
        for was_up in [true, false] {
            rtnetlink.set_up(lo, was_up).expect("it can be set");
            let before = match HostState::save() {
                Err(error) if error.is_of_the_system() => return eprintln!("skipped: {error}"),
                before => before.expect("it can be read"),
            };
            rtnetlink.set_up(lo, !was_up).expect("it can be set");
            // The sysctls outside the namespace can't be written from here.
            let _ = before.restore();
            assert_eq!(rtnetlink.is_up(lo).expect("it can be read"), was_up);
        }
    }
}
