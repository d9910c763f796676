//! Packets that enter the emulated host, and their fates (FWD).

use super::{Kernel, Later};
use crate::behaviour::{Check, EthernetPadding, OutputProtocol, Routed};
use crate::books::PacketEvent;
use crate::books::{Accounting, DropReason, Fate, PacketSerial, Step};
use crate::frame::{ETHERNET_HEADER_BYTES, OutgoingFrame, ethernet_header};
use crate::host::network::{DeviceError, DeviceId, Route, Taken};
use crate::host::packet::{Link, Packet};
use crate::host::{ether_type, ipv6, own_length, routing};
use crate::kernel::traversal::Traversal;
use bytes::{Buf as _, Bytes};
use ipq_core::wire::EtherType;
use ipq_core::{Family, PacketId};
use std::fmt;
use std::time::Duration;

/// The error of a packet or frame that could not enter the emulated host.
///
/// Its `Debug` output is the same sentence as its `Display` output.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    /// The host has no device of that name.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The frame is shorter than an Ethernet header of 14 bytes.
    #[error("an Ethernet frame has at least 14 bytes, and this has {length}")]
    FrameTooShort {
        /// The frame's length in bytes.
        length: usize,
    },
    /// The header of a packet for [`Kernel::enter_at`] is wrong, or states more bytes than there
    /// are (FWD-1).
    #[error("the header of this packet of {length} bytes is wrong, or states more bytes than there are")]
    Malformed {
        /// The packet's length in bytes.
        length: usize,
    },
    /// The packet does not begin with a version of 4 or 6, or is shorter than the fixed header of
    /// its version.
    #[error("this is neither an IPv4 nor an IPv6 packet: {length} bytes, version {version}")]
    NotIp {
        /// The packet's length in bytes.
        length: usize,
        /// The first four bits of the packet; 0 if it has no bytes.
        version: u8,
    },
}

impl fmt::Debug for InjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Kernel {
    /// Lets an Ethernet frame arrive on a device. The frame's packet goes on until it is queued,
    /// delivered or dropped. Returns the packet's serial, even if it is dropped at once, as a frame
    /// without IP is. Fails if there is no such device, or if the frame is shorter than 14 bytes.
    pub fn inject(&mut self, device: &str, frame: impl Into<Bytes>) -> Result<PacketSerial, InjectError> {
        self.inject_frame(device, frame.into())
    }

    fn inject_frame(&mut self, device: &str, frame: Bytes) -> Result<PacketSerial, InjectError> {
        let id = self.network.by_name(device)?;
        if frame.len() < ETHERNET_HEADER_BYTES {
            return Err(InjectError::FrameTooShort { length: frame.len() });
        }
        let serial = self.ledger.enter();
        if let Err(reason) = self.arrive(serial, id, frame) {
            self.ledger.dropped(serial, reason);
        }
        Ok(serial)
    }

    /// Checks a frame as a host does before PREROUTING (FWD-1, FWD-2), and lets its packet go on.
    /// Fails if the packet is dropped at these checks: the device is down, the frame is not IP or
    /// for another host, the header is wrong, or the IPv6 destination is loopback on a device other
    /// than `lo`.
    fn arrive(&mut self, serial: PacketSerial, device: DeviceId, mut frame: Bytes) -> Result<(), DropReason> {
        if !self.network.is_up(device) {
            return Err(DropReason::DeviceDown);
        }
        let header: [u8; ETHERNET_HEADER_BYTES] = *frame.first_chunk().ok_or(DropReason::NotIp)?;
        frame.advance(ETHERNET_HEADER_BYTES);
        let [destination @ .., _, _, _, _, _, _, high, low] = header;
        let protocol = EtherType(u16::from_be_bytes([high, low]));
        let family = match protocol {
            EtherType::IPV4 => Family::Ipv4,
            EtherType::IPV6 => Family::Ipv6,
            _ => return Err(DropReason::NotIp),
        };
        let rules = &self.profile.behaviour.host;
        let taken = self.network.takes(device, destination);
        let unaddressed = rules.destination_address == Check::Omitted;
        let taken = taken.or(unaddressed.then_some(Taken::OwnAddress));
        let for_this_host = taken.ok_or(DropReason::OtherHost)? == Taken::OwnAddress;
        let unchecked = rules.ipv4_header == Check::Omitted && family == Family::Ipv4;
        let length = own_length(family, &frame).or(unchecked.then_some(frame.len()));
        let length = length.ok_or(DropReason::Malformed)?;
        if rules.ethernet_padding == EthernetPadding::Cut {
            frame.truncate(length);
        }
        // A packet to ::1 may come in by `lo` only.
        if family == Family::Ipv6 && device != DeviceId::LOOPBACK && ipv6::destination(&frame).is_loopback() {
            return Err(DropReason::Martian);
        }
        let packet = Packet {
            serial,
            family,
            data: frame,
            mark: 0,
            priority: 0,
            arrival_time: self.arrival_time(),
            protocol,
            link: Some(Link { header, for_this_host }),
        };
        let mut traversal = Traversal::arriving(packet, device);
        if rules.routed == Routed::OnArrival
            && let Ok(route) = routing::of_arriving(&self.network, &traversal.packet)
        {
            traversal.follow(route);
        }
        self.run(traversal);
        Ok(())
    }

    /// Lets an IP packet arrive on a device, as [`inject`](Self::inject) does with a frame. The
    /// emulator makes the Ethernet header: to the device, from one of its neighbours, if it knows
    /// one. Fails if there is no such device, or if the bytes are no IP packet.
    pub fn inject_packet(&mut self, device: &str, packet: &[u8]) -> Result<PacketSerial, InjectError> {
        let id = self.network.by_name(device)?;
        let family = family_of(packet)?;
        let header = ethernet_header(
            self.network.mac(id),
            self.network.some_neighbour(id),
            ether_type(family),
        );
        self.inject(device, [&header, packet].concat())
    }

    /// Lets a frame arrive after `delay`. On virtual time, the frame arrives when time is advanced
    /// that far, by [`advance`](Self::advance) or by the wait of a handle. In a
    /// [`SharedSim`](crate::SharedSim), which is on real time, it arrives at the first use of the
    /// kernel after `delay`, or during a wait on it. Fails at once if there is no such device, or
    /// if the frame is shorter than 14 bytes.
    pub fn inject_later(&mut self, delay: Duration, device: &str, frame: impl Into<Bytes>) -> Result<(), InjectError> {
        self.network.by_name(device)?;
        let frame = frame.into();
        if frame.len() < ETHERNET_HEADER_BYTES {
            return Err(InjectError::FrameTooShort { length: frame.len() });
        }
        self.later_count += 1;
        let at = self.now().saturating_add(delay);
        self.later.insert(
            (at, self.later_count),
            Later {
                device: device.to_owned(),
                frame,
            },
        );
        Ok(())
    }

    /// Sends an IP packet from a program on this host. It is routed by its destination, and goes on
    /// from OUTPUT. Without a route it is dropped. Returns its serial in either case. Fails if the
    /// bytes are no IP packet.
    pub fn output(&mut self, packet: impl Into<Bytes>) -> Result<PacketSerial, InjectError> {
        let data = packet.into();
        let family = family_of(&data)?;
        let serial = self.ledger.enter();
        let protocol = match family {
            Family::Ipv6 if ipv6::is_discovery(&data) => EtherType::IPV6,
            Family::Ipv4 if self.profile.behaviour.metadata.output_protocol == OutputProtocol::Ipv4 => EtherType::IPV4,
            _ => EtherType::NONE,
        };
        let arrival_time = self.own_time();
        let packet = Packet {
            serial,
            family,
            data,
            mark: 0,
            priority: 0,
            arrival_time,
            protocol,
            link: None,
        };
        match self.network.route(routing::destination(&packet)) {
            Some(route) => {
                let outdev = match route {
                    Route::Local => DeviceId::LOOPBACK,
                    Route::Via(device) => device,
                };
                self.run(Traversal::sending(packet, outdev, route));
            }
            None => self.ledger.dropped(serial, DropReason::NoRoute),
        }
        Ok(serial)
    }

    /// Takes the oldest IP frame that left by this device and was not taken yet. Returns `None` if
    /// there is none. Each device keeps its last 65,536 frames that nobody took; older ones are
    /// lost. Fails if there is no such device.
    pub fn sniff(&mut self, device: &str) -> Result<Option<OutgoingFrame>, DeviceError> {
        let id = self.network.by_name(device)?;
        Ok(self.network.take_sent(id))
    }

    /// Returns the fate of a packet. Returns `None` if the kernel does not keep it, as when many
    /// packets entered later: see [`KernelBuilder::keep_fates`](crate::KernelBuilder::keep_fates).
    #[must_use]
    pub fn fate(&self, packet: PacketSerial) -> Option<&Fate> {
        self.ledger.fate(packet)
    }

    /// Returns the counts of all packets: entered, delivered, queued, dropped for each reason.
    #[must_use]
    pub const fn accounting(&self) -> &Accounting {
        self.ledger.accounting()
    }

    /// Returns the packet that is queued under `packet_id` by `ip_queue` or `ip6_queue`. Returns
    /// `None` if there is none. For numbered queues, see [`queued_in`](Self::queued_in).
    #[must_use]
    pub fn queued(&self, packet_id: PacketId) -> Option<PacketSerial> {
        let mut queues = self.queues.loaded();
        queues
            .find_map(|queue| queue.queued(packet_id))
            .map(|traversal| traversal.packet.serial)
    }

    /// Returns those steps of a packet's way through the hooks that are still kept, in order.
    pub(crate) fn steps(&self, packet: PacketSerial) -> Vec<Step> {
        self.ledger.steps(packet)
    }

    /// Keeps the events of packets from now on, until [`take_events`](Self::take_events) takes
    /// them. Without a call the kernel keeps none.
    pub fn keep_journal(&mut self) {
        self.ledger.journal.open();
    }

    /// Takes the events of packets since the last call, in order. There are none before
    /// [`keep_journal`](Self::keep_journal).
    pub fn take_events(&mut self) -> Vec<PacketEvent> {
        self.ledger.journal.take()
    }

    /// Replaces the contents of `events` by the events of packets since the last call, in order.
    #[cfg(feature = "run")]
    pub(crate) fn take_events_into(&mut self, events: &mut Vec<PacketEvent>) {
        self.ledger.journal.swap(events);
    }
}

/// Returns the family of an IP packet. Fails with `NotIp` if its version is neither 4 nor 6, or if
/// it is shorter than the family's fixed header.
pub(crate) fn family_of(packet: &[u8]) -> Result<Family, InjectError> {
    let version = packet.first().map_or(0, |first| first >> 4);
    let family = match version {
        4 => Some(Family::Ipv4),
        6 => Some(Family::Ipv6),
        _ => None,
    };
    family
        .filter(|family| packet.len() >= family.header_length())
        .ok_or(InjectError::NotIp {
            length: packet.len(),
            version,
        })
}
