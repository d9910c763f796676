//! The netlink sockets: port ids, receive buffers, and overruns (SOCK).
//!
//! Each netlink protocol has port ids of its own, and each bound port a queue of datagrams that is
//! limited by their weight. Nothing here knows what a datagram means.

use crate::behaviour::{
    AutomaticPort, Charge, Check, CutDatagram, EmptyDatagram, Full, Latch, Netlink as Rules, NoEnobufs, Overrun,
    SendLimit, SocketError, Unreachable, UserDatagrams,
};
use crate::profile::Profile;
use crate::queue::nfnetlink;
use bytes::Bytes;
use ipq_core::wire::{Head, padding};
use ipq_core::{Errno, PortId};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::task::Waker;

/// The name of a socket of the emulator, like a descriptor. No other socket of the kernel gets it,
/// even after this one was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(u64);

/// A datagram for a socket, in three parts (head, payload and padding), so that a packet's bytes
/// are shared and not copied.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) sender: PortId,
    pub(crate) head: FirstPart,
    pub(crate) payload: Bytes,
    pub(crate) padding: u8,
    /// The number of bytes that the kernel allocated for the datagram, from which its weight
    /// follows.
    pub(crate) allocated: usize,
    /// The datagram's weight in the receive buffer that it waits in; 0 before it waits in one.
    weight: usize,
}

/// The head of a datagram, which its payload follows. It is short, and kept in place, so that it
/// costs no allocation.
#[derive(Clone, Debug)]
pub(crate) enum FirstPart {
    /// The head of an `ip_queue` frame.
    IpQueue(Head),
    /// The head of an nfnetlink message.
    Nfnetlink(nfnetlink::Head),
}

impl FirstPart {
    /// Returns a head without bytes, for a datagram in one piece.
    pub(crate) fn none() -> Self {
        Self::Nfnetlink(nfnetlink::Head::new())
    }
}

impl Deref for FirstPart {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::IpQueue(head) => head,
            Self::Nfnetlink(head) => head,
        }
    }
}

impl From<nfnetlink::Datagram> for Datagram {
    #[inline]
    fn from(datagram: nfnetlink::Datagram) -> Self {
        let nfnetlink::Datagram {
            head,
            payload,
            allocated,
        } = datagram;
        Self {
            sender: PortId::KERNEL,
            head: FirstPart::Nfnetlink(head),
            payload,
            padding: 0,
            allocated,
            weight: 0,
        }
    }
}

impl Datagram {
    /// Returns a datagram of `ip_queue` from the kernel: the head, the payload, and zeros up to a
    /// multiple of 4 bytes.
    #[inline]
    pub(crate) fn from_kernel(head: Head, payload: Bytes) -> Self {
        let length = head.len() + payload.len();
        let padding = padding(length);
        Self {
            sender: PortId::KERNEL,
            head: FirstPart::IpQueue(head),
            payload,
            padding: padding as u8,
            allocated: length + padding,
            weight: 0,
        }
    }

    /// Returns a datagram from `sender` whose bytes are all payload.
    pub(crate) fn of_bytes(sender: PortId, payload: Bytes) -> Self {
        Self {
            sender,
            head: FirstPart::none(),
            allocated: payload.len(),
            payload,
            padding: 0,
            weight: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.payload.len() + usize::from(self.padding)
    }

    /// Returns the rest of the datagram after its first `count` bytes, as a datagram.
    fn without(&self, count: usize) -> Self {
        let mut bytes = vec![0; self.len()];
        self.received(&mut bytes);
        Self::of_bytes(self.sender, Bytes::from(bytes).slice(count..))
    }

    /// Returns the datagram's bytes in three parts: head, payload and padding.
    pub(crate) fn parts(&self) -> [&[u8]; 3] {
        [&self.head[..], &self.payload, &[0; 4][..self.padding.into()]]
    }

    /// Copies as many of the datagram's bytes as fit into `buffer`. Returns the number copied, the
    /// datagram's full length, and its sender.
    fn received(&self, buffer: &mut [u8]) -> Received {
        let mut copied = 0;
        for part in self.parts() {
            let room = &mut buffer[copied..];
            let count = room.len().min(part.len());
            room[..count].copy_from_slice(&part[..count]);
            copied += count;
        }
        Received {
            copied,
            length: self.len(),
            sender: self.sender,
        }
    }
}

/// The error of sending a datagram without bytes.
const ENODATA: Errno = Errno(61);

/// The name of a program on the emulated host. The program's sockets are opened with its process
/// id, and send with its capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(pub(crate) usize);

impl ClientId {
    /// The program that is there from the start.
    pub const FIRST: Self = Self(0);
}

/// The reason why a datagram was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// No socket has the port id.
    NoSocket,
    /// The socket's receive buffer is full, or refuses datagrams after an overrun.
    NoRoom,
}

/// The facts that a receiver learns of a datagram: the number of bytes copied to its buffer, the
/// datagram's full length, and its sender.
pub(crate) type Received = ipq_core::transport::Datagram;

/// The state of a socket's receive buffer: how much of it the waiting datagrams take, and its size.
/// A datagram counts by its weight, not by its length (SOCK-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveBuffer {
    /// The weight of the datagrams that wait.
    pub used: usize,
    /// The size of the buffer, as `SO_RCVBUF` reads it.
    pub size: usize,
    /// `true` after an overrun: every datagram is refused until the buffer is empty or the program
    /// sets `NETLINK_NO_ENOBUFS`, even if there is room (SOCK-4).
    pub congested: bool,
}

impl ReceiveBuffer {
    /// Returns `true` if the buffer would take one more datagram if those in it weighed `used`,
    /// whatever [`self.used`](Self::used) is (SOCK-4, NFQ-100). A congested buffer takes none.
    /// Otherwise it takes any datagram if `used` is 0, and else one for which `used` and
    /// `deciding_weight` together are at most the size. `deciding_weight` is the new datagram's
    /// weight, or 0 on a kernel that does not count it: see
    /// [`Kernel::deciding_weight`](crate::Kernel::deciding_weight).
    #[must_use]
    pub const fn takes(self, used: usize, deciding_weight: usize) -> bool {
        !self.congested && (used == 0 || used + deciding_weight <= self.size)
    }
}

struct Socket {
    protocol: i32,
    owner: ClientId,
    process_id: u32,
    port_id: Option<PortId>,
    datagrams: VecDeque<Datagram>,
    /// The weight of all `datagrams`.
    used: usize,
    receive_buffer: u32,
    send_buffer: u32,
    pending_error: Option<Errno>,
    /// `true` after an overrun: every datagram is refused until the receive buffer is empty, or the
    /// program sets `NETLINK_NO_ENOBUFS` (SOCK-4).
    congested: bool,
    no_enobufs: bool,
    answering: Answering,
    waker: Option<Waker>,
}

/// The facts about a socket that decide how a numbered queue answers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answering {
    /// `true` if the option `NETLINK_CAP_ACK` is set: answers quote only the message's header.
    pub(crate) capped: bool,
    /// `true` if the option `NETLINK_EXT_ACK` is set: answers may carry attributes.
    pub(crate) extended: bool,
    /// `true` if the socket was opened with `CAP_NET_ADMIN` (NFQ-53).
    pub(crate) opened_with_capability: bool,
}

/// The facts about a sending socket: its protocol, owner and port id, and how it is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    pub(crate) protocol: i32,
    pub(crate) owner: ClientId,
    pub(crate) port_id: PortId,
    pub(crate) answering: Answering,
}

/// All netlink sockets of the emulated host.
pub(crate) struct Sockets {
    profile: Profile,
    open: BTreeMap<SocketId, Socket>,
    /// The bound sockets, by protocol and port id.
    ports: BTreeMap<(i32, PortId), SocketId>,
    next_socket: u64,
    /// The next port id, as a signed number, for a process whose own id is taken. It counts down,
    /// for all protocols together, and begins anew after the lowest number.
    rover: i32,
    /// `true` when the kernel has ended: sends fail with EBADF, and so do receives that find
    /// nothing.
    shut_down: bool,
}

impl Sockets {
    pub(crate) fn new(profile: &Profile) -> Self {
        Self {
            profile: *profile,
            open: BTreeMap::new(),
            ports: BTreeMap::new(),
            next_socket: 0,
            rover: profile.behaviour.netlink.first_automatic_port,
            shut_down: false,
        }
    }

    /// Tells all sockets that the kernel has ended, and calls every waker. Sends fail with EBADF
    /// from now on, and so do receives when the pending error and the datagrams have been taken.
    pub(crate) fn shut_down(&mut self) {
        self.shut_down = true;
        for socket in self.open.values_mut() {
            socket.wake();
        }
    }

    /// Opens an unbound socket of a netlink protocol for the program `owner`, which is the process
    /// `process_id`. `net_admin` says if the program has `CAP_NET_ADMIN`.
    pub(crate) fn open(&mut self, protocol: i32, owner: ClientId, process_id: u32, net_admin: bool) -> SocketId {
        let id = SocketId(self.next_socket);
        self.next_socket += 1;
        let socket = Socket {
            protocol,
            owner,
            process_id,
            port_id: None,
            datagrams: VecDeque::new(),
            used: 0,
            receive_buffer: self.profile.receive_buffer,
            send_buffer: self.profile.send_buffer,
            pending_error: None,
            congested: false,
            no_enobufs: false,
            answering: Answering {
                opened_with_capability: net_admin,
                ..Answering::default()
            },
            waker: None,
        };
        self.open.insert(id, socket);
        id
    }

    /// Binds a socket to the port id `wanted`, or to one of the kernel's choice if that is 0
    /// (SOCK-2). Returns the port id. Fails with EINVAL if the socket is bound already, to another
    /// port id than `wanted`. Fails with EADDRINUSE if another socket of the protocol has the port
    /// id `wanted`, and with EBADF if the socket is closed.
    pub(crate) fn bind(&mut self, id: SocketId, wanted: PortId, rules: &Rules) -> Result<PortId, Errno> {
        let socket = self.get(id)?;
        let (protocol, bound) = (socket.protocol, socket.port_id);
        if let Some(bound) = bound {
            let fits = bound == wanted || rules.socket_is_unbound == Check::Omitted;
            return if fits { Ok(bound) } else { Err(Errno::EINVAL) };
        }
        let port_id = if wanted == PortId::KERNEL {
            self.free_port(id, rules)?
        } else {
            wanted
        };
        if self.ports.contains_key(&(protocol, port_id)) && rules.port_is_free == Check::Made {
            return Err(Errno::EADDRINUSE);
        }
        self.ports.insert((protocol, port_id), id);
        self.get_mut(id)?.port_id = Some(port_id);
        Ok(port_id)
    }

    /// Does what every send call does first, in this order: refuses an empty datagram with ENODATA
    /// on some kernels (NFQ-105), binds an unbound socket (SOCK-2), and refuses a datagram that is
    /// too long with EMSGSIZE (SOCK-9). Returns the facts about the sender. Fails with EBADF if the
    /// socket is closed, or the kernel has ended.
    pub(crate) fn begin_sending(&mut self, id: SocketId, length: usize, rules: &Rules) -> Result<Sending, Errno> {
        if self.shut_down {
            return Err(Errno::EBADF);
        }
        let socket = self.get(id)?;
        let sending = Sending {
            protocol: socket.protocol,
            owner: socket.owner,
            port_id: socket.port_id.unwrap_or_default(),
            answering: socket.answering,
        };
        if length == 0 && rules.empty_datagram == EmptyDatagram::Refused {
            return Err(ENODATA);
        }
        let too_long = length > socket.longest_to_send(rules.send_limit);
        let sending = match socket.port_id {
            Some(_) => sending,
            None => Sending {
                port_id: self.bind(id, PortId::KERNEL, rules)?,
                ..sending
            },
        };
        if too_long { Err(Errno::EMSGSIZE) } else { Ok(sending) }
    }

    /// Returns a free port id of the socket's protocol: the process id, or else the next negative
    /// number that is free, counted down.
    fn free_port(&mut self, id: SocketId, rules: &Rules) -> Result<PortId, Errno> {
        let socket = self.get(id)?;
        let protocol = socket.protocol;
        let mut candidate = match rules.automatic_port {
            AutomaticPort::ProcessIdFirst => PortId(socket.process_id),
            AutomaticPort::NeverProcessId => PortId::KERNEL,
        };
        while self.ports.contains_key(&(protocol, candidate)) || candidate == PortId::KERNEL {
            candidate = PortId(self.rover.cast_unsigned());
            self.rover = self.rover.checked_sub(1).unwrap_or(rules.first_automatic_port);
        }
        Ok(candidate)
    }

    /// Closes a socket and calls its waker. The datagrams that wait for it are lost. Returns the
    /// protocol and the port id that the socket was bound to. Returns `None` if it was not bound,
    /// or closed before.
    pub(crate) fn close(&mut self, id: SocketId) -> Option<(i32, PortId)> {
        let socket = self.open.remove(&id)?;
        if let Some(waker) = socket.waker {
            waker.wake();
        }
        let bound = (socket.protocol, socket.port_id?);
        if self.ports.get(&bound) == Some(&id) {
            self.ports.remove(&bound);
        }
        Some(bound)
    }

    /// Puts a datagram from the kernel into the receive buffer of the socket bound to `port_id`.
    /// Fails with `NoSocket` if there is none. If the buffer is full, or the socket is congested,
    /// notes an overrun, unless the socket's `NETLINK_NO_ENOBUFS` prevents that, and fails with
    /// `NoRoom` (SOCK-4).
    #[inline]
    pub(crate) fn deliver(
        &mut self,
        protocol: i32,
        port_id: PortId,
        datagram: Datagram,
        rules: &Rules,
    ) -> Result<(), Undelivered> {
        let weight = self.weight(&datagram, rules.charge);
        let socket = self.socket_at(protocol, port_id).ok_or(Undelivered::NoSocket)?;
        if socket.is_full(weight, rules.full) || (socket.congested && rules.latch == Latch::UntilEmpty) {
            socket.overrun(rules);
            return Err(Undelivered::NoRoom);
        }
        socket.push(datagram, weight);
        Ok(())
    }

    /// Puts a datagram from the kernel into the receive buffer of the socket bound to `port_id`,
    /// however full the buffer is. Does nothing if there is no such socket. Only seeded faults and
    /// tests need this; no kernel does it.
    pub(crate) fn force(&mut self, protocol: i32, port_id: PortId, datagram: Datagram, rules: &Rules) {
        let weight = self.weight(&datagram, rules.charge);
        if let Some(socket) = self.socket_at(protocol, port_id) {
            socket.push(datagram, weight);
        }
    }

    /// Sends a program's datagram to another program's port id of the same protocol (SOCK-8). Fails
    /// with ECONNREFUSED if nobody has the port id, and with EAGAIN if the receive buffer there is
    /// full or congested, for which no overrun is set.
    pub(crate) fn send_to_user(
        &mut self,
        Sending { protocol, port_id, .. }: Sending,
        to: PortId,
        payload: Bytes,
        rules: &Rules,
    ) -> Result<(), Errno> {
        let datagram = Datagram::of_bytes(port_id, payload);
        let weight = self.weight(&datagram, rules.charge);
        let Some(socket) = self.socket_at(protocol, to) else {
            return match rules.unreachable {
                Unreachable::Refused => Err(Errno::ECONNREFUSED),
                Unreachable::Lost => Ok(()),
            };
        };
        if socket.is_full(weight, rules.full) || socket.congested {
            return Err(Errno::EAGAIN);
        }
        if rules.user_datagrams == UserDatagrams::Delivered {
            socket.push(datagram, weight);
        }
        Ok(())
    }

    /// Takes a socket's pending error, or else its next datagram into `buffer`. The end of a
    /// datagram that is longer than `buffer` is lost. Congestion ends when the last datagram is
    /// taken. Fails with the pending error, with EAGAIN if there is neither, and with EBADF instead
    /// of EAGAIN after the kernel's end, or if the socket is closed.
    pub(crate) fn receive(&mut self, id: SocketId, buffer: &mut [u8], rules: &Rules) -> Result<Received, Errno> {
        let nothing = if self.shut_down {
            Errno::EBADF
        } else {
            rules.nothing_there
        };
        let socket = self.get_mut(id)?;
        if let Some(error) = socket.pending_error.take() {
            return Err(error);
        }
        let Some(datagram) = socket.datagrams.front() else {
            return Err(nothing);
        };
        let received = datagram.received(buffer);
        socket.used -= datagram.weight;
        let cut = received.copied < received.length;
        let rest = (cut && rules.cut_datagram == CutDatagram::RestKept).then(|| datagram.without(received.copied));
        socket.datagrams.pop_front();
        if let Some(rest) = rest {
            let weight = self.weight(&rest, rules.charge);
            self.get_mut(id)?.push_first(rest, weight);
        } else if socket.datagrams.is_empty() {
            socket.congested = false;
        }
        Ok(received)
    }

    /// Copies the next datagram into `buffer` without taking it. Does not look at the pending
    /// error. Returns `None` if no datagram waits, or the socket is closed.
    pub(crate) fn peek(&self, id: SocketId, buffer: &mut [u8]) -> Option<Received> {
        Some(self.open.get(&id)?.datagrams.front()?.received(buffer))
    }

    /// Returns `true` if a receive call would return at once with a datagram or an error. After the
    /// kernel's end every socket is readable, and a closed one always.
    pub(crate) fn is_readable(&self, id: SocketId) -> bool {
        self.shut_down
            || self
                .open
                .get(&id)
                .is_none_or(|socket| socket.pending_error.is_some() || !socket.datagrams.is_empty())
    }

    /// Returns `true` if a socket has a pending error.
    pub(crate) fn has_error(&self, id: SocketId) -> bool {
        self.open.get(&id).is_some_and(|socket| socket.pending_error.is_some())
    }

    /// Makes the socket call `waker` once, when the next datagram or error comes or the socket
    /// ends. Replaces an earlier waker.
    pub(crate) fn wake_on_input(&mut self, id: SocketId, waker: &Waker) {
        if let Some(socket) = self.open.get_mut(&id) {
            socket.waker = Some(waker.clone());
        }
    }

    /// Takes a socket's pending error, as `SO_ERROR` does. Returns `None` if no error is pending.
    /// Fails with EBADF if the socket is closed.
    pub(crate) fn take_error(&mut self, id: SocketId, rules: &Rules) -> Result<Option<Errno>, Errno> {
        let pending = &mut self.get_mut(id)?.pending_error;
        Ok(match rules.socket_error {
            SocketError::Taken => pending.take(),
            SocketError::Left => *pending,
        })
    }

    /// Throws away the datagrams that wait for the socket bound to `port_id`, and ends its
    /// congestion. Only a seeded fault needs this; no kernel does it.
    pub(crate) fn empty(&mut self, protocol: i32, port_id: PortId) {
        if let Some(socket) = self.socket_at(protocol, port_id) {
            (socket.datagrams, socket.used, socket.congested) = (VecDeque::new(), 0, false);
        }
    }

    pub(crate) fn set_receive_buffer(&mut self, id: SocketId, bytes: u32) -> Result<u32, Errno> {
        let granted = match self.profile.behaviour.netlink.receive_buffer_limit {
            Check::Made => self.profile.granted_receive_buffer(bytes),
            Check::Omitted => bytes.saturating_mul(2),
        };
        self.get_mut(id)?.receive_buffer = granted;
        Ok(granted)
    }

    /// Sets the receive buffer as `SO_RCVBUFFORCE` does: to twice the bytes asked for, whatever the
    /// limit of `SO_RCVBUF`, but not below the profile's least, nor above 2,147,483,646. Returns
    /// the granted size in bytes. Fails with EBADF if the socket is closed.
    pub(crate) fn force_receive_buffer(&mut self, id: SocketId, bytes: u32) -> Result<u32, Errno> {
        let granted = bytes.min(i32::MAX as u32 / 2) * 2;
        let granted = granted.max(self.profile.receive_buffer_least);
        self.get_mut(id)?.receive_buffer = granted;
        Ok(granted)
    }

    pub(crate) fn set_send_buffer(&mut self, id: SocketId, bytes: u32) -> Result<u32, Errno> {
        let granted = self.profile.granted_send_buffer(bytes);
        self.get_mut(id)?.send_buffer = granted;
        Ok(granted)
    }

    /// Returns the length in bytes of the longest datagram that the socket can send (SOCK-9). Fails
    /// with EBADF if the socket is closed.
    pub(crate) fn longest_to_send(&self, id: SocketId, rules: &Rules) -> Result<usize, Errno> {
        Ok(self.get(id)?.longest_to_send(rules.send_limit))
    }

    /// Sets or clears `NETLINK_NO_ENOBUFS`. On a kernel that heeds the option, setting it ends the
    /// socket's congestion, but leaves a pending error (SOCK-4). Fails with EBADF if the socket is
    /// closed.
    pub(crate) fn set_no_enobufs(&mut self, id: SocketId, on: bool, rules: &Rules) -> Result<(), Errno> {
        let socket = self.get_mut(id)?;
        socket.no_enobufs = on;
        if on && matches!(rules.no_enobufs, NoEnobufs::QuietAndUnlatched | NoEnobufs::QuietOnly) {
            socket.congested = false;
        }
        Ok(())
    }

    /// Returns one of the datagrams that wait for a socket, where index 0 is the next to be
    /// received. Returns `None` if fewer wait.
    pub(crate) fn waiting(&self, id: SocketId, index: usize) -> Option<&Datagram> {
        self.open.get(&id)?.datagrams.get(index)
    }

    /// Returns the socket bound to a port id of a netlink protocol. Returns `None` if there is
    /// none.
    pub(crate) fn at_port(&self, protocol: i32, port_id: PortId) -> Option<SocketId> {
        self.ports.get(&(protocol, port_id)).copied()
    }

    /// Returns how full a socket's receive buffer is. Returns `None` if the socket is closed.
    pub(crate) fn receive_buffer(&self, id: SocketId) -> Option<ReceiveBuffer> {
        let socket = self.open.get(&id)?;
        Some(ReceiveBuffer {
            used: socket.used,
            size: socket.receive_buffer as usize,
            congested: socket.congested,
        })
    }

    /// Returns the facts about a socket that decide how it is answered, for the caller to change.
    /// Fails with EBADF if the socket is closed.
    pub(crate) fn answering_mut(&mut self, id: SocketId) -> Result<&mut Answering, Errno> {
        Ok(&mut self.get_mut(id)?.answering)
    }

    pub(crate) fn protocol(&self, id: SocketId) -> Result<i32, Errno> {
        Ok(self.get(id)?.protocol)
    }

    pub(crate) fn owner(&self, id: SocketId) -> Result<ClientId, Errno> {
        Ok(self.get(id)?.owner)
    }

    pub(crate) fn port_id(&self, id: SocketId) -> Option<PortId> {
        self.open.get(&id)?.port_id
    }

    /// Returns the netlink protocol of each open socket.
    pub(crate) fn protocols(&self) -> impl Iterator<Item = i32> {
        self.open.values().map(|socket| socket.protocol)
    }

    pub(crate) fn is_open(&self, id: SocketId) -> bool {
        self.open.contains_key(&id)
    }

    fn weight(&self, datagram: &Datagram, charge: Charge) -> usize {
        match charge {
            Charge::Allocation => self.profile.weight.of(datagram.allocated),
            Charge::Length => datagram.len(),
        }
    }

    fn socket_at(&mut self, protocol: i32, port_id: PortId) -> Option<&mut Socket> {
        let id = self.ports.get(&(protocol, port_id))?;
        self.open.get_mut(id)
    }

    fn get(&self, id: SocketId) -> Result<&Socket, Errno> {
        self.open.get(&id).ok_or(Errno::EBADF)
    }

    fn get_mut(&mut self, id: SocketId) -> Result<&mut Socket, Errno> {
        self.open.get_mut(&id).ok_or(Errno::EBADF)
    }
}

impl Socket {
    /// Returns `true` if the receive buffer has no room for a datagram of that weight. With the
    /// rule `WithoutNext`, that is so if the waiting datagrams weigh more than the buffer's size.
    /// With `WithNext`, it is so if any datagram waits, and the waiting ones and the new one
    /// together weigh more than the size.
    fn is_full(&self, weight: usize, rule: Full) -> bool {
        let size = self.receive_buffer as usize;
        match rule {
            Full::WithoutNext => self.used > size,
            Full::WithNext => !self.datagrams.is_empty() && self.used + weight > size,
        }
    }

    const fn longest_to_send(&self, limit: SendLimit) -> usize {
        match limit {
            SendLimit::BufferLess(bytes) => self.send_buffer.saturating_sub(bytes) as usize,
            SendLimit::Unlimited => usize::MAX,
        }
    }

    /// Notes that a datagram was refused: makes the socket congested, sets the pending error
    /// ENOBUFS, and calls the waker. Does nothing if the socket was congested already, or if it has
    /// `NETLINK_NO_ENOBUFS` and the kernel heeds that.
    fn overrun(&mut self, rules: &Rules) {
        let quiet = self.no_enobufs && rules.no_enobufs != NoEnobufs::Nothing;
        if !quiet && !self.congested {
            self.congested = true;
            self.pending_error = (rules.overrun == Overrun::Told).then_some(Errno::ENOBUFS);
            self.wake();
        }
        self.congested |= quiet && rules.no_enobufs == NoEnobufs::QuietOnly;
    }

    #[inline]
    fn push(&mut self, mut datagram: Datagram, weight: usize) {
        self.used += weight;
        datagram.weight = weight;
        self.datagrams.push_back(datagram);
        self.wake();
    }

    fn push_first(&mut self, mut datagram: Datagram, weight: usize) {
        self.used += weight;
        datagram.weight = weight;
        self.datagrams.push_front(datagram);
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests;
