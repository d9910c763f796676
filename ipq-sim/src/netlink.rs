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

/// The name of a socket of the emulator, like a descriptor. It is never used again after the socket
/// was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(u64);

/// A datagram for a socket, in parts, so that a packet's bytes are shared and not copied.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) sender: PortId,
    pub(crate) head: FirstPart,
    pub(crate) payload: Bytes,
    pub(crate) padding: u8,
    /// The number of bytes that the kernel allocated for the datagram.
    pub(crate) allocated: usize,
    /// The datagram's weight in the receive buffer that it waits in; 0 before it waits in one.
    weight: usize,
}

/// The first part of a datagram.
#[derive(Clone, Debug)]
pub(crate) enum FirstPart {
    /// A head of `ip_queue`'s, kept in place: it is short, and costs no allocation.
    IpQueue(Head),
    /// Any other bytes.
    Bytes(Box<[u8]>),
}

impl Deref for FirstPart {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::IpQueue(head) => head,
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl From<nfnetlink::Datagram> for Datagram {
    fn from(datagram: nfnetlink::Datagram) -> Self {
        let nfnetlink::Datagram {
            head,
            payload,
            allocated,
        } = datagram;
        Self {
            sender: PortId::KERNEL,
            head: FirstPart::Bytes(head[..].into()),
            payload,
            padding: 0,
            allocated,
            weight: 0,
        }
    }
}

impl Datagram {
    /// Returns a datagram from the kernel, padded to a multiple of 4 bytes.
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

    /// Returns a datagram in one piece.
    fn of_bytes(sender: PortId, payload: Bytes) -> Self {
        Self {
            sender,
            head: FirstPart::Bytes(Box::default()),
            allocated: payload.len(),
            payload,
            padding: 0,
            weight: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.payload.len() + usize::from(self.padding)
    }

    /// Returns the datagram's bytes after the first `count`, as a datagram.
    fn without(&self, count: usize) -> Self {
        let mut bytes = vec![0; self.len()];
        self.received(&mut bytes);
        Self::of_bytes(self.sender, Bytes::from(bytes).slice(count..))
    }

    /// Returns the datagram's bytes, in the parts that they are kept in.
    pub(crate) fn parts(&self) -> [&[u8]; 3] {
        [&self.head[..], &self.payload, &[0; 4][..self.padding.into()]]
    }

    /// Copies as many of the datagram's bytes as fit into `buffer`. Returns what the receiver
    /// learns.
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

/// The error for sending a datagram without bytes.
const ENODATA: Errno = Errno(61);

/// The name of a program on the emulated host. The program's sockets have its process id and its
/// capability.
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
    /// The socket's receive buffer has no room.
    NoRoom,
}

/// The facts that a receiver learns of a datagram: the bytes copied, its own length, and its
/// sender.
pub(crate) type Received = ipq_core::transport::Datagram;

/// The fill of a receive buffer, as the weight of its datagrams in bytes (SOCK-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveBuffer {
    /// The weight of the datagrams that wait.
    pub used: usize,
    /// The size of the buffer, as `SO_RCVBUF` reads it.
    pub size: usize,
    /// `true` if every datagram is refused until the buffer is empty (SOCK-4).
    pub congested: bool,
}

impl ReceiveBuffer {
    /// Returns `true` if the next datagram is taken when the datagrams that wait weigh `used`: see
    /// [`deciding_weight`](crate::Kernel::deciding_weight) (SOCK-4, NFQ-100).
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
    /// `true` after an overrun: every datagram is refused until the receive buffer is empty.
    congested: bool,
    no_enobufs: bool,
    answering: Answering,
    waker: Option<Waker>,
}

/// The facts about a socket that numbered queues need: two options about answers, and a capability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answering {
    /// `true` with the option `NETLINK_CAP_ACK`: answers quote the header only.
    pub(crate) capped: bool,
    /// `true` with the option `NETLINK_EXT_ACK`: answers may have attributes.
    pub(crate) extended: bool,
    /// `true` if the socket was opened with `CAP_NET_ADMIN` (NFQ-53).
    pub(crate) opened_with_capability: bool,
}

/// The sender of a datagram, and its protocol.
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
    /// The next port id, as a signed number, for a process whose own id is taken.
    rover: i32,
    /// `true` when the kernel has ended: no datagram comes or goes.
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

    /// Ends all sockets: the datagrams that they hold can still be read, and no datagram comes or
    /// goes.
    pub(crate) fn shut_down(&mut self) {
        self.shut_down = true;
        for socket in self.open.values_mut() {
            socket.wake();
        }
    }

    /// Opens an unbound socket of the program `owner`, which is the process `process_id`.
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

    /// Binds a socket to `wanted`, or to a port id of the kernel's choice if that is 0 (SOCK-2).
    /// Returns the port id.
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

    /// Does what every send call does first: binds an unbound socket (SOCK-2), and refuses a
    /// datagram that is too long (SOCK-9).
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

    /// Returns a free port id: the process's own id, or else the next one counted down.
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

    /// Closes the socket. Returns the protocol and the port id that it was bound to. Returns `None`
    /// if it was not bound.
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

    /// Puts a datagram from the kernel into the receive buffer of `port_id`'s socket. If the buffer
    /// is full, sets an overrun instead (SOCK-4).
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

    /// Puts a datagram from the kernel into the receive buffer of `port_id`'s socket, however full
    /// the buffer is. No kernel does this.
    pub(crate) fn force(&mut self, protocol: i32, port_id: PortId, datagram: Datagram, rules: &Rules) {
        let weight = self.weight(&datagram, rules.charge);
        if let Some(socket) = self.socket_at(protocol, port_id) {
            socket.push(datagram, weight);
        }
    }

    /// Sends a program's datagram to another program's port (SOCK-8).
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

    /// Takes the pending error, or else the next datagram into `buffer`. Returns EAGAIN if there is
    /// neither.
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

    /// Copies the next datagram into `buffer` without taking it. Returns `None` if there is none.
    pub(crate) fn peek(&self, id: SocketId, buffer: &mut [u8]) -> Option<Received> {
        Some(self.open.get(&id)?.datagrams.front()?.received(buffer))
    }

    /// Returns `true` if a receive call would return at once, with a datagram or an error.
    pub(crate) fn is_readable(&self, id: SocketId) -> bool {
        self.shut_down
            || self
                .open
                .get(&id)
                .is_none_or(|socket| socket.pending_error.is_some() || !socket.datagrams.is_empty())
    }

    /// Returns `true` if an error is pending.
    pub(crate) fn has_error(&self, id: SocketId) -> bool {
        self.open.get(&id).is_some_and(|socket| socket.pending_error.is_some())
    }

    /// Has `waker` called when a datagram or an error comes.
    pub(crate) fn wake_on_input(&mut self, id: SocketId, waker: &Waker) {
        if let Some(socket) = self.open.get_mut(&id) {
            socket.waker = Some(waker.clone());
        }
    }

    /// Takes the pending error, as `SO_ERROR` does. Returns `None` if there is none.
    pub(crate) fn take_error(&mut self, id: SocketId, rules: &Rules) -> Result<Option<Errno>, Errno> {
        let pending = &mut self.get_mut(id)?.pending_error;
        Ok(match rules.socket_error {
            SocketError::Taken => pending.take(),
            SocketError::Left => *pending,
        })
    }

    /// Throws away the datagrams that wait for the socket that has that port id. No kernel does
    /// this.
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

    /// Sets the receive buffer as `SO_RCVBUFFORCE` does: the limit does not count. Returns the
    /// granted size.
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

    /// Returns the length in bytes of the longest datagram that the socket can send (SOCK-9).
    pub(crate) fn longest_to_send(&self, id: SocketId, rules: &Rules) -> Result<usize, Errno> {
        Ok(self.get(id)?.longest_to_send(rules.send_limit))
    }

    /// Sets or clears `NETLINK_NO_ENOBUFS`. Setting it clears the latch, but not an error that is
    /// pending (SOCK-4).
    pub(crate) fn set_no_enobufs(&mut self, id: SocketId, on: bool, rules: &Rules) -> Result<(), Errno> {
        let socket = self.get_mut(id)?;
        socket.no_enobufs = on;
        if on && matches!(rules.no_enobufs, NoEnobufs::QuietAndUnlatched | NoEnobufs::QuietOnly) {
            socket.congested = false;
        }
        Ok(())
    }

    /// Returns the datagram at `index` of those that wait, counted from the next. Returns `None` if
    /// fewer wait.
    pub(crate) fn waiting(&self, id: SocketId, index: usize) -> Option<&Datagram> {
        self.open.get(&id)?.datagrams.get(index)
    }

    /// Returns the socket that is bound to a port id. Returns `None` if there is none.
    pub(crate) fn at_port(&self, protocol: i32, port_id: PortId) -> Option<SocketId> {
        self.ports.get(&(protocol, port_id)).copied()
    }

    /// Returns the fill of a socket's receive buffer. Returns `None` if the socket is closed.
    pub(crate) fn receive_buffer(&self, id: SocketId) -> Option<ReceiveBuffer> {
        let socket = self.open.get(&id)?;
        Some(ReceiveBuffer {
            used: socket.used,
            size: socket.receive_buffer as usize,
            congested: socket.congested,
        })
    }

    /// Returns the options of a socket that its answers depend on, for the caller to change.
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
    /// Returns `true` if there is no room for a datagram of that weight.
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

    /// Notes that a datagram was refused: sets the pending error and the latch, as the rules say.
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
