//! The emulated kernel: sockets, queues and host put together, as one machine without I/O.
//!
//! Everything happens when a method is called, and is over when it returns. Nothing waits, and nothing is random.

use crate::builder::KernelBuilder;
use crate::clock::{Clock, timestamp};
use crate::distortion;
use crate::fault::{Fault, Faults};
use crate::host::network::{DeviceError, DeviceId, Network, OutgoingFrame, Route, Taken, ethernet_header};
use crate::host::packet::{Link, Packet};
use crate::host::rules::{Rule, RuleError, Rules};
use crate::host::{ipv4, ipv6, routing};
use crate::journal::PacketEvent;
use crate::ledger::{Accounting, DropReason, Fate, Ledger, PacketSerial};
use crate::proc_text;
use crate::profile::Profile;
use crate::queue::{Outcome, Queue, Sender};
use crate::sockets::{Received, Sending, SocketId, Sockets};
use crate::traversal::{Traversal, ether_type};
use bytes::{Buf as _, Bytes};
use ipq_core::wire::{Abi, EtherType, Frame, Header, Timestamp};
use ipq_core::{Errno, Family, PortId};
use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Duration;

/// A Linux kernel with `ip_queue` and `ip6_queue`, in memory.
///
/// It is one machine without I/O: what it does, it does while a method runs. Most programs use it through
/// [`Sim`](crate::Sim), which connects handles to it.
pub struct Kernel {
    profile: Profile,
    clock: Clock,
    clients: Vec<Client>,
    later: BTreeMap<(Duration, u64), Later>,
    later_count: u64,
    pub(crate) sockets: Sockets,
    /// By family; none where the module is not loaded.
    pub(crate) queues: [Option<Queue<Traversal>>; 2],
    /// By family; what is left of a queue whose module is not loaded.
    unloaded: [Option<Queue<Traversal>>; 2],
    pub(crate) network: Network,
    pub(crate) rules: Rules,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
}

/// A program on the emulated host.
#[derive(Clone, Copy, Debug)]
struct Client {
    process_id: u32,
    net_admin: bool,
}

/// Names a program on the emulated host, whose process id and capability its sockets have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(usize);

impl ClientId {
    /// The program that is there from the start.
    pub const FIRST: Self = Self(0);
}

/// Something that happens when virtual time comes to it.
struct Later {
    device: String,
    frame: Bytes,
}

/// Why something could not enter the emulated host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    /// No such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// An Ethernet frame has a header of 14 bytes.
    #[error("an Ethernet frame has at least 14 bytes, and this has {length}")]
    FrameTooShort {
        /// The frame's length in bytes.
        length: usize,
    },
    /// Its header is wrong, or states more bytes than there are (FWD-1).
    #[error("the header of this packet of {length} bytes is wrong, or states more bytes than there are")]
    Malformed {
        /// The packet's length in bytes.
        length: usize,
    },
    /// An IP packet begins with a version of 4 or 6, and has a whole fixed header.
    #[error("this is neither an IPv4 nor an IPv6 packet: {length} bytes, version {version}")]
    NotIp {
        /// The packet's length in bytes.
        length: usize,
        /// The first four bits.
        version: u8,
    },
}

impl Kernel {
    /// Begins to describe a kernel.
    #[must_use]
    pub fn builder() -> KernelBuilder {
        KernelBuilder::new()
    }

    pub(crate) fn from_builder(builder: KernelBuilder) -> Result<Self, DeviceError> {
        let KernelBuilder {
            profile,
            reuse,
            clock,
            devices,
            process_id,
            fates_kept,
        } = builder;
        let queue = |family| Some(Queue::new(family, &profile, reuse));
        Ok(Self {
            profile,
            clock,
            clients: vec![Client {
                process_id,
                net_admin: true,
            }],
            later: BTreeMap::new(),
            later_count: 0,
            sockets: Sockets::new(profile),
            queues: Family::ALL.map(queue),
            unloaded: [None, None],
            network: Network::new(devices)?,
            rules: Rules::default(),
            ledger: Ledger::new(fates_kept),
            faults: Faults::default(),
        })
    }

    /// Which kernel this is.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    // --- Programs and their sockets (section 9) ---

    /// Adds a program with a process id of its own, with or without `CAP_NET_ADMIN`.
    pub fn add_client(&mut self, process_id: u32, net_admin: bool) -> ClientId {
        self.clients.push(Client { process_id, net_admin });
        ClientId(self.clients.len() - 1)
    }

    /// A program's process id; 0 if there is no such program.
    #[must_use]
    pub fn process_id(&self, client: ClientId) -> u32 {
        self.clients.get(client.0).map_or(0, |client| client.process_id)
    }

    /// Gives a program `CAP_NET_ADMIN`, or takes it away. It counts when a message is sent (ATT-5).
    pub fn set_net_admin(&mut self, client: ClientId, held: bool) {
        if let Some(client) = self.clients.get_mut(client.0) {
            client.net_admin = held;
        }
    }

    /// `socket(AF_NETLINK, SOCK_RAW, protocol)`. EPROTONOSUPPORT if no loaded module speaks the protocol (SOCK-1).
    pub fn open(&mut self, client: ClientId, protocol: i32) -> Result<SocketId, Errno> {
        let family = Family::from_netlink_protocol(protocol).ok_or(Errno::EPROTONOSUPPORT)?;
        let family = if self.faults.seeded(Fault::ProtocolsSwapped) {
            other(family)
        } else {
            family
        };
        if self.queues[family as usize].is_none() && !self.faults.seeded(Fault::MissingModuleOpens) {
            return Err(Errno::EPROTONOSUPPORT);
        }
        Ok(self.sockets.open(family, client, self.process_id(client)))
    }

    /// `bind` to a port id; 0 lets the kernel choose (SOCK-2). Returns the port id.
    pub fn bind(&mut self, socket: SocketId, port_id: PortId) -> Result<PortId, Errno> {
        let bound = self.sockets.bind(socket, port_id, &self.faults)?;
        if self.faults.seeded(Fault::BindingAttaches)
            && let Some(queue) = &mut self.queues[self.sockets.family(socket)? as usize]
        {
            queue.attach_in_secret(bound);
        }
        Ok(bound)
    }

    /// `close`. If the socket was bound to the peer's port id its queue resets (ATT-4). Closing twice does nothing.
    pub fn close(&mut self, socket: SocketId) {
        let Some((family, port_id)) = self.sockets.close(socket) else {
            return;
        };
        if self.faults.seeded(Fault::CloseKeepsPeer) {
            return;
        }
        if let Some(queue) = &mut self.queues[family as usize] {
            let dropped = queue.socket_closed(port_id);
            self.drop_all(dropped, DropReason::PeerClosed);
        }
    }

    /// Sends a datagram to the kernel, as `sendto` port id 0. Returns the bytes sent; what the queue thinks of the message
    /// comes as a reply.
    pub fn send(&mut self, socket: SocketId, datagram: &[u8]) -> Result<usize, Errno> {
        let Sending { family, owner, port_id } = self.sockets.begin_sending(socket, datagram.len(), &self.faults)?;
        let sender = Sender {
            port_id,
            net_admin: self.clients.get(owner.0).is_some_and(|client| client.net_admin),
        };
        if self.faults.seeded(Fault::SentSequenceCounted) {
            let counted = distortion::with_sequence(datagram, self.profile.abi);
            self.obey(family, &counted, sender)?;
        } else {
            self.obey(family, datagram, sender)?;
        }
        Ok(datagram.len() - usize::from(self.faults.seeded(Fault::SentCountShort) && !datagram.is_empty()))
    }

    /// Sends a datagram to another program's port (SOCK-8), or to the kernel if `to` is 0.
    pub fn send_to(&mut self, socket: SocketId, to: PortId, datagram: &[u8]) -> Result<usize, Errno> {
        if to == PortId::KERNEL {
            return self.send(socket, datagram);
        }
        let sending = self.sockets.begin_sending(socket, datagram.len(), &self.faults)?;
        self.sockets
            .send_to_user(sending, to, Bytes::copy_from_slice(datagram), &self.faults)?;
        Ok(datagram.len())
    }

    /// Carries a message to its queue, lets the packet that it releases go on, and delivers the reply: in this order.
    fn obey(&mut self, family: Family, datagram: &[u8], sender: Sender) -> Result<(), Errno> {
        let queue = self.queues[family as usize].as_mut().ok_or(Errno::ECONNREFUSED)?;
        let Outcome {
            released,
            flushed,
            reply,
        } = queue.request(datagram, sender, &self.faults);
        self.drop_all(flushed, DropReason::PeerClosed);
        if let Some(released) = released {
            let slot = released.slot;
            self.ledger.journal.note(|| PacketEvent::Verdict {
                packet: released.item.packet.serial,
                packet_id: released.packet_id,
                verdict: released.verdict,
                replaced: released.replacement.is_some(),
            });
            self.reinject(released);
            if let Some(queue) = &mut self.queues[family as usize] {
                queue.free(slot, &self.faults);
            }
        }
        if let Some((to, reply)) = reply {
            let reply = distortion::of_kernel_datagram(reply, &self.faults);
            self.sockets.deliver(family, to, reply, &self.faults);
        }
        if self.faults.seeded(Fault::SecondMessageObeyed) {
            let following = second_message(datagram, self.profile.abi);
            if !following.is_empty() {
                return self.obey(family, following, sender);
            }
        }
        Ok(())
    }

    /// Takes the next datagram, or the error that is ahead of it, without waiting. EAGAIN: there is nothing.
    pub fn receive(&mut self, socket: SocketId, buffer: &mut [u8]) -> Result<Received, Errno> {
        match self.sockets.receive(socket, buffer, &self.faults) {
            Err(Errno::EAGAIN) if self.faults.seeded(Fault::NothingIsAnError) => Err(Errno::ENOTCONN),
            received => received,
        }
    }

    /// The longest datagram that a socket sends (SOCK-9).
    pub fn longest_to_send(&self, socket: SocketId) -> Result<usize, Errno> {
        self.sockets.longest_to_send(socket)
    }

    /// Copies the next datagram into `buffer` and leaves it where it is, as `MSG_PEEK` does; none if there is none.
    #[must_use]
    pub fn peek(&self, socket: SocketId, buffer: &mut [u8]) -> Option<Received> {
        self.sockets.peek(socket, buffer)
    }

    /// Whether [`receive`](Self::receive) would give anything but EAGAIN: what `poll` says of the descriptor.
    #[must_use]
    pub fn is_readable(&self, socket: SocketId) -> bool {
        self.sockets.is_readable(socket)
    }

    /// Whether an error is pending, which the next [`receive`](Self::receive) gives: what `poll` calls `POLLERR`.
    #[must_use]
    pub fn has_error(&self, socket: SocketId) -> bool {
        self.sockets.has_error(socket)
    }

    /// Has `waker` called, once, when something comes for the socket. It is called while this kernel is in use, so it must
    /// not use the kernel itself, and only the one that was given last is.
    pub fn wake_on_input(&mut self, socket: SocketId, waker: &Waker) {
        self.sockets.wake_on_input(socket, waker);
    }

    /// Takes the pending error, as `SO_ERROR` does (SOCK-4).
    pub fn take_error(&mut self, socket: SocketId) -> Result<Option<Errno>, Errno> {
        self.sockets.take_error(socket)
    }

    /// `SO_RCVBUF`; returns what it then is, in bytes (SOCK-4).
    pub fn set_receive_buffer(&mut self, socket: SocketId, bytes: u32) -> Result<u32, Errno> {
        self.sockets.set_receive_buffer(socket, bytes)
    }

    /// `SO_SNDBUF`; returns what it then is, in bytes (SOCK-9).
    pub fn set_send_buffer(&mut self, socket: SocketId, bytes: u32) -> Result<u32, Errno> {
        self.sockets.set_send_buffer(socket, bytes)
    }

    /// `NETLINK_NO_ENOBUFS` (SOCK-4).
    pub fn set_no_enobufs(&mut self, socket: SocketId, on: bool) -> Result<(), Errno> {
        self.sockets.set_no_enobufs(socket, on)
    }

    /// The port id that a socket is bound to.
    #[must_use]
    pub fn port_id(&self, socket: SocketId) -> Option<PortId> {
        self.sockets.port_id(socket)
    }

    /// Whether a socket has not been closed.
    #[must_use]
    pub fn is_open(&self, socket: SocketId) -> bool {
        self.sockets.is_open(socket)
    }

    // --- Packets ---

    /// An Ethernet frame arrives on a device. What it holds goes its way at once, up to the queue or out.
    pub fn inject(&mut self, device: &str, frame: impl Into<Bytes>) -> Result<PacketSerial, InjectError> {
        let frame = frame.into();
        let id = self.network.by_name(device)?;
        if frame.len() < Link::HEADER_BYTES {
            return Err(InjectError::FrameTooShort { length: frame.len() });
        }
        let serial = self.ledger.enter();
        match self.arrive(serial, id, frame) {
            Ok(packet) => {
                let mut traversal = Traversal::arriving(packet, id);
                if self.faults.seeded(Fault::OldRouteKept) {
                    traversal.route = routing::of_arriving(&self.network, &traversal.packet).ok();
                }
                self.run(traversal);
            }
            Err(reason) => self.ledger.leave(serial, Fate::Dropped(reason)),
        }
        Ok(serial)
    }

    /// What a host does with a frame before PREROUTING (FWD-1, FWD-2).
    fn arrive(&self, serial: PacketSerial, device: DeviceId, mut frame: Bytes) -> Result<Packet, DropReason> {
        if !self.network.is_up(device) {
            return Err(DropReason::DeviceDown);
        }
        let header: [u8; Link::HEADER_BYTES] = *frame.first_chunk().ok_or(DropReason::NotIp)?;
        frame.advance(Link::HEADER_BYTES);
        let [destination @ .., _, _, _, _, _, _, high, low] = header;
        let protocol = EtherType(u16::from_be_bytes([high, low]));
        let family = match protocol {
            EtherType::IPV4 => Family::Ipv4,
            EtherType::IPV6 => Family::Ipv6,
            _ => return Err(DropReason::NotIp),
        };
        let taken = self.network.takes(device, destination);
        let taken = taken.or(self
            .faults
            .seeded(Fault::ForeignFramesTaken)
            .then_some(Taken::OwnAddress));
        let for_this_host = taken.ok_or(DropReason::OtherHost)? == Taken::OwnAddress;
        let padded = self.faults.seeded(Fault::EthernetPaddingKept).then(|| frame.clone());
        let data = match family {
            Family::Ipv4 => ipv4::arriving(frame),
            Family::Ipv6 => ipv6::arriving(frame),
        };
        let data = data.ok_or(DropReason::Malformed)?;
        Ok(Packet {
            serial,
            family,
            data: padded.unwrap_or(data),
            mark: 0,
            timestamp: self.arrival_time(),
            protocol,
            link: Some(Link {
                header,
                hw_type: self.network.hw_type(device),
                for_this_host,
            }),
        })
    }

    /// An IP packet arrives on a device from one of its neighbours: [`inject`](Self::inject) with an Ethernet header of the
    /// emulator's making.
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

    /// A frame arrives when virtual time has gone on by `delay`: see [`advance`](Self::advance). On real time it arrives
    /// when somebody uses the kernel or waits for it, and `delay` is over.
    pub fn inject_later(&mut self, delay: Duration, device: &str, frame: impl Into<Bytes>) -> Result<(), InjectError> {
        self.network.by_name(device)?;
        let frame = frame.into();
        if frame.len() < Link::HEADER_BYTES {
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

    /// A program on this host sends an IP packet: it is routed by its destination and passes OUTPUT.
    pub fn output(&mut self, packet: impl Into<Bytes>) -> Result<PacketSerial, InjectError> {
        let data = packet.into();
        let family = family_of(&data)?;
        let serial = self.ledger.enter();
        let protocol = match family {
            Family::Ipv6 if ipv6::is_discovery(&data) => EtherType::IPV6,
            _ => EtherType::NONE,
        };
        let timestamp = Timestamp::default();
        let packet = Packet {
            serial,
            family,
            data,
            mark: 0,
            timestamp,
            protocol,
            link: None,
        };
        let (_, destination) = routing::addresses(&packet);
        match self.network.route(destination) {
            Some(route) => {
                let outdev = match route {
                    Route::Local => DeviceId::LOOPBACK,
                    Route::Via { device, .. } => device,
                };
                self.run(Traversal::sending(packet, outdev, route));
            }
            None => self.ledger.leave(serial, Fate::Dropped(DropReason::NoRoute)),
        }
        Ok(serial)
    }

    /// Takes the oldest IP frame that left by a device and that has not been taken yet. The last 65,536 are kept.
    pub fn sniff(&mut self, device: &str) -> Result<Option<OutgoingFrame>, DeviceError> {
        let id = self.network.by_name(device)?;
        Ok(self.network.take_sent(id))
    }

    /// What became of a packet; none if too many entered after it (see [`KernelBuilder::keep_fates`]).
    #[must_use]
    pub fn fate(&self, packet: PacketSerial) -> Option<&Fate> {
        self.ledger.fate(packet)
    }

    /// How many packets entered, and how they left.
    #[must_use]
    pub const fn accounting(&self) -> &Accounting {
        self.ledger.accounting()
    }

    /// Keeps what happens to packets from now on, for [`take_events`](Self::take_events), which must be called often enough
    /// for what there is to hold.
    pub fn keep_journal(&mut self) {
        self.ledger.journal.open();
    }

    /// Takes what has happened to packets since this was last called, in order.
    pub fn take_events(&mut self) -> Vec<PacketEvent> {
        self.ledger.journal.take()
    }

    // --- The host's settings ---

    /// Adds a netfilter rule at the end of its chain.
    pub fn add_rule(&mut self, rule: Rule) -> Result<(), RuleError> {
        self.rules.add(rule)
    }

    /// Removes all netfilter rules.
    pub fn clear_rules(&mut self) {
        self.rules.clear();
    }

    /// Sets a device up or down. Going down drops the queued packets whose frames name it (EVT-1).
    pub fn set_link(&mut self, device: &str, up: bool) -> Result<(), DeviceError> {
        let id = self.network.by_name(device)?;
        self.network.set_up(id, up);
        if !up && !self.faults.seeded(Fault::DownKeepsPackets) {
            for family in Family::ALL {
                if let Some(queue) = &mut self.queues[family as usize] {
                    let dropped = queue.take_if(|traversal| traversal.names(id));
                    self.drop_all(dropped, DropReason::DeviceDown);
                }
            }
        }
        Ok(())
    }

    /// The text of `/proc/net/ip_queue` or `/proc/net/ip6_queue` (PROC-1); none if the module is not loaded.
    #[must_use]
    pub fn proc_text(&self, family: Family) -> Option<String> {
        let queue = self.queues[family as usize].as_ref()?;
        Some(proc_text::of(family, &queue.status(), &self.faults))
    }

    /// Whether a program has attached to a queue, in a mode that gives it packets (PKT-1).
    #[must_use]
    pub fn has_listener(&self, family: Family) -> bool {
        self.queues[family as usize].as_ref().is_some_and(Queue::has_listener)
    }

    /// How many packets wait for a verdict; none if the module is not loaded.
    #[must_use]
    pub fn queue_length(&self, family: Family) -> Option<usize> {
        self.queues[family as usize].as_ref().map(|queue| queue.status().length)
    }

    /// The sysctl `net.ipv4.ip_queue_maxlen` or `net.ipv6.ip6_queue_maxlen`; none if the module is not loaded.
    #[must_use]
    pub fn maximum_length(&self, family: Family) -> Option<u32> {
        self.queues[family as usize]
            .as_ref()
            .map(|queue| queue.status().maximum_length)
    }

    /// Sets that sysctl. The length is compared as unsigned (PKT-2).
    pub fn set_maximum_length(&mut self, family: Family, length: u32) {
        for (index, queue) in self.queues.iter_mut().enumerate() {
            if let Some(queue) = queue
                .as_mut()
                .filter(|_| index == family as usize || self.faults.seeded(Fault::MaximumShared))
            {
                queue.set_maximum_length(length);
            }
        }
    }

    /// Unloads a queue's module: what is queued is dropped (EVT-2), and messages are refused with ECONNREFUSED.
    pub fn unload(&mut self, family: Family) {
        if self.faults.seeded(Fault::UnloadKeepsPackets) {
            return;
        }
        if let Some(mut queue) = self.queues[family as usize].take() {
            self.drop_all(queue.reset(), DropReason::ModuleUnloaded);
            self.unloaded[family as usize] = Some(queue);
        }
    }

    /// Loads a queue's module, as new, if it is not loaded.
    pub fn load(&mut self, family: Family) {
        if let Some(queue) = self.unloaded[family as usize].take() {
            self.queues[family as usize] = Some(queue.renewed(&self.profile));
        }
    }

    // --- Time ---

    /// The time in this kernel, since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Lets virtual time go on, and everything happen that was to happen meanwhile. On real time this does nothing but the
    /// latter.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now().saturating_add(by);
        while self.advance_to_next(end) {}
        self.set_virtual_time(end);
    }

    /// Lets virtual time go on to the next thing that is to happen, if that is not after `end`, and it happen.
    pub(crate) fn advance_to_next(&mut self, end: Duration) -> bool {
        let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= end) else {
            return false;
        };
        let ((at, _), Later { device, frame }) = entry.remove_entry();
        self.set_virtual_time(at);
        let injected = self.inject(&device, frame);
        debug_assert!(injected.is_ok(), "device and length were checked when it was put off");
        true
    }

    /// How long it is until the next thing that is to happen.
    pub(crate) fn until_next(&self) -> Option<Duration> {
        let ((at, _), _) = self.later.first_key_value()?;
        Some(at.saturating_sub(self.now()))
    }

    fn set_virtual_time(&mut self, to: Duration) {
        if let Clock::Virtual(now) = &mut self.clock {
            *now = to;
        }
    }

    /// The time stamp of what arrives now: none while no queue has a peer (PKT-8).
    pub(crate) fn arrival_time(&self) -> Timestamp {
        let wanted = self.queues.iter().flatten().any(Queue::has_peer);
        if wanted && !self.faults.seeded(Fault::NoTimestamps) {
            timestamp(self.now())
        } else {
            Timestamp::default()
        }
    }

    /// From now on the emulator commits `fault`, and no other.
    #[cfg(feature = "seeded-faults")]
    pub fn seed_fault(&mut self, fault: Fault) {
        self.faults.seed(fault);
    }

    fn drop_all(&mut self, traversals: Vec<Traversal>, reason: DropReason) {
        for traversal in traversals {
            self.drop_packet(&traversal, reason);
        }
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("profile", &self.profile.name)
            .field("now", &self.now())
            .field("accounting", self.accounting())
            .finish_non_exhaustive()
    }
}

/// The family of an IP packet that has at least its fixed header.
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

/// What follows the first message of a datagram, which the kernel never looks at (MSG-11).
fn second_message(datagram: &[u8], abi: Abi) -> &[u8] {
    let first = Frame::parse(datagram, abi).map_or(datagram.len(), |frame| Header::BYTES + frame.body.len());
    datagram.get(first.next_multiple_of(4)..).unwrap_or_default()
}

const fn other(family: Family) -> Family {
    match family {
        Family::Ipv4 => Family::Ipv6,
        Family::Ipv6 => Family::Ipv4,
    }
}
