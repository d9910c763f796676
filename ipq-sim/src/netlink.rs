//! The netlink sockets: port ids, receive buffers, and how they overrun (section 9 of the protocol).
//!
//! A name space of port ids for each netlink protocol, and behind each bound port a queue of datagrams that is limited by
//! what they weigh. Nothing here knows what a datagram means.

use crate::fault::{Fault, Faults};
use crate::kernel::ClientId;
use crate::profile::Profile;
use bytes::Bytes;
use ipq_core::wire::{Head, padding};
use ipq_core::{Errno, Family, PortId};
use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

/// Names a socket of the emulator, like a descriptor. Never used again after the socket was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(u64);

/// A datagram on its way to a socket, in parts, so that a packet's bytes need not be copied.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) sender: PortId,
    pub(crate) head: Option<Head>,
    pub(crate) payload: Bytes,
    pub(crate) padding: u8,
}

impl Datagram {
    /// A datagram of the kernel's, padded to 4.
    pub(crate) fn from_kernel(head: Head, payload: Bytes) -> Self {
        let padding = padding(head.len() + payload.len()) as u8;
        Self {
            sender: PortId::KERNEL,
            head: Some(head),
            payload,
            padding,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.head.as_deref().map_or(0, <[u8]>::len) + self.payload.len() + usize::from(self.padding)
    }

    /// Copies what fits into `buffer`, and says of itself what its receiver learns.
    fn received(&self, buffer: &mut [u8]) -> Received {
        let parts = [
            self.head.as_deref().unwrap_or_default(),
            &self.payload,
            &[0; 4][..self.padding.into()],
        ];
        let mut copied = 0;
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
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

/// What is known of a datagram that was received: bytes copied, its own length, and its sender.
pub(crate) type Received = ipq_core::transport::Datagram;

struct Socket {
    family: Family,
    owner: ClientId,
    process_id: u32,
    port_id: Option<PortId>,
    datagrams: VecDeque<Datagram>,
    /// The weight of `datagrams`.
    used: usize,
    receive_buffer: u32,
    send_buffer: u32,
    pending_error: Option<Errno>,
    /// Set by an overrun: every datagram is refused until the queue is empty.
    congested: bool,
    no_enobufs: bool,
    waker: Option<Waker>,
}

/// Who sends a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    pub(crate) family: Family,
    pub(crate) owner: ClientId,
    pub(crate) port_id: PortId,
}

/// All netlink sockets of the emulated host.
pub(crate) struct Sockets {
    profile: Profile,
    open: BTreeMap<SocketId, Socket>,
    ports: BTreeMap<(Family, PortId), SocketId>,
    next_socket: u64,
    /// The next port id for a process that has its own already.
    rover: i32,
    /// Nothing comes any more, and nothing goes.
    shut_down: bool,
}

/// Where the kernel begins to count down for sockets that can't have their process's id (SOCK-2).
const FIRST_ROVER: i32 = -4097;

impl Sockets {
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile,
            open: BTreeMap::new(),
            ports: BTreeMap::new(),
            next_socket: 0,
            rover: FIRST_ROVER,
            shut_down: false,
        }
    }

    /// From now on sockets give what they have, and nothing comes or goes.
    pub(crate) fn shut_down(&mut self) {
        self.shut_down = true;
        for socket in self.open.values_mut() {
            socket.wake();
        }
    }

    /// A new socket of the program `owner`, which is the process `process_id`; unbound.
    pub(crate) fn open(&mut self, family: Family, owner: ClientId, process_id: u32) -> SocketId {
        let id = SocketId(self.next_socket);
        self.next_socket += 1;
        let socket = Socket {
            family,
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
            waker: None,
        };
        self.open.insert(id, socket);
        id
    }

    /// Binds to `wanted`, or to one of the kernel's choice if that is 0 (SOCK-2).
    pub(crate) fn bind(&mut self, id: SocketId, wanted: PortId, faults: &Faults) -> Result<PortId, Errno> {
        let socket = self.get(id)?;
        let (family, bound) = (socket.family, socket.port_id);
        if let Some(bound) = bound {
            let fits = bound == wanted || faults.seeded(Fault::SecondBindTaken);
            return if fits { Ok(bound) } else { Err(Errno::EINVAL) };
        }
        let port_id = if wanted == PortId::KERNEL {
            self.free_port(id, faults)?
        } else {
            wanted
        };
        if self.ports.contains_key(&(family, port_id)) && !faults.seeded(Fault::TakenPortBinds) {
            return Err(Errno::EADDRINUSE);
        }
        self.ports.insert((family, port_id), id);
        self.get_mut(id)?.port_id = Some(port_id);
        Ok(port_id)
    }

    /// What every send call does first: an unbound socket is bound (SOCK-2), and too long a datagram refused (SOCK-9).
    pub(crate) fn begin_sending(&mut self, id: SocketId, length: usize, faults: &Faults) -> Result<Sending, Errno> {
        if self.shut_down {
            return Err(Errno::EBADF);
        }
        let socket = self.get(id)?;
        let sending = Sending {
            family: socket.family,
            owner: socket.owner,
            port_id: socket.port_id.unwrap_or_default(),
        };
        let too_long = length > socket.longest_to_send() && !faults.seeded(Fault::SendLimitIgnored);
        let sending = match socket.port_id {
            Some(_) => sending,
            None => Sending {
                port_id: self.bind(id, PortId::KERNEL, faults)?,
                ..sending
            },
        };
        if too_long { Err(Errno::EMSGSIZE) } else { Ok(sending) }
    }

    /// The process's own id if it is free, else the next that is, counted down.
    fn free_port(&mut self, id: SocketId, faults: &Faults) -> Result<PortId, Errno> {
        let socket = self.get(id)?;
        let family = socket.family;
        let mut candidate = PortId(socket.process_id);
        if faults.seeded(Fault::ProcessIdPassedOver) {
            candidate = PortId::KERNEL;
        }
        while self.ports.contains_key(&(family, candidate)) || candidate == PortId::KERNEL {
            candidate = PortId(self.rover.cast_unsigned());
            self.rover = self.rover.checked_sub(1).unwrap_or(FIRST_ROVER);
        }
        Ok(candidate)
    }

    /// Closes the socket; returns what it was bound to.
    pub(crate) fn close(&mut self, id: SocketId) -> Option<(Family, PortId)> {
        let socket = self.open.remove(&id)?;
        if let Some(waker) = socket.waker {
            waker.wake();
        }
        let bound = (socket.family, socket.port_id?);
        if self.ports.get(&bound) == Some(&id) {
            self.ports.remove(&bound);
        }
        Some(bound)
    }

    /// Puts a datagram of the kernel's into the queue of `port_id`'s socket. Returns whether it is there:
    /// not if there is no such socket, or if its receive buffer is over-full, which sets an overrun (SOCK-4).
    pub(crate) fn deliver(&mut self, family: Family, port_id: PortId, datagram: Datagram, faults: &Faults) -> bool {
        let weight = self.weight(&datagram, faults);
        let Some(socket) = self.socket_at(family, port_id) else {
            return false;
        };
        let over_full = socket.used > socket.receive_buffer as usize;
        if over_full || (socket.congested && !faults.seeded(Fault::NoLatch)) {
            if (!socket.no_enobufs || faults.seeded(Fault::NoEnobufsIgnored)) && !socket.congested {
                socket.congested = true;
                socket.pending_error = Some(Errno::ENOBUFS).filter(|_| !faults.seeded(Fault::OverrunUntold));
                socket.wake();
            }
            socket.congested |= faults.seeded(Fault::QuietOverrunLatches);
            return false;
        }
        socket.push(datagram, weight);
        true
    }

    /// Puts a datagram of the kernel's into the queue of `port_id`'s socket, however full: a fault's doing.
    pub(crate) fn force(&mut self, family: Family, port_id: PortId, datagram: Datagram, faults: &Faults) {
        let weight = self.weight(&datagram, faults);
        if let Some(socket) = self.socket_at(family, port_id) {
            socket.push(datagram, weight);
        }
    }

    /// Sends a program's datagram to another program's port (SOCK-8).
    pub(crate) fn send_to_user(
        &mut self,
        Sending { family, port_id, .. }: Sending,
        to: PortId,
        payload: Bytes,
        faults: &Faults,
    ) -> Result<(), Errno> {
        let datagram = Datagram {
            sender: port_id,
            head: None,
            payload,
            padding: 0,
        };
        let weight = self.weight(&datagram, faults);
        let socket = match self.socket_at(family, to) {
            Some(socket) => socket,
            None if faults.seeded(Fault::NobodyTakesDatagrams) => return Ok(()),
            None => return Err(Errno::ECONNREFUSED),
        };
        if socket.used > socket.receive_buffer as usize || socket.congested {
            return Err(Errno::EAGAIN);
        }
        if !faults.seeded(Fault::UserDatagramsLost) {
            socket.push(datagram, weight);
        }
        Ok(())
    }

    /// Takes the next datagram into `buffer`, or the error that is pending before it. EAGAIN: there is neither.
    pub(crate) fn receive(&mut self, id: SocketId, buffer: &mut [u8], faults: &Faults) -> Result<Received, Errno> {
        let weight = self.profile.weight;
        let nothing = if self.shut_down { Errno::EBADF } else { Errno::EAGAIN };
        let socket = self.get_mut(id)?;
        let result = match (socket.pending_error.take(), socket.datagrams.front_mut()) {
            (Some(error), _) => Err(error),
            (None, None) => Err(nothing),
            (None, Some(datagram)) => {
                let received = datagram.received(buffer);
                let Received { copied, length, .. } = received;
                socket.used -= if faults.seeded(Fault::WeightIsLength) {
                    length
                } else {
                    weight.of(length)
                };
                if copied < length && faults.seeded(Fault::CutRestKept) {
                    let mut whole = vec![0; length];
                    datagram.received(&mut whole);
                    *datagram = Datagram {
                        sender: datagram.sender,
                        head: None,
                        payload: Bytes::from(whole).slice(copied..),
                        padding: 0,
                    };
                    socket.used += weight.of(datagram.len());
                } else {
                    socket.datagrams.pop_front();
                }
                Ok(received)
            }
        };
        if socket.datagrams.is_empty() {
            socket.congested = false;
        }
        result
    }

    /// Copies the next datagram into `buffer` and leaves it where it is.
    pub(crate) fn peek(&self, id: SocketId, buffer: &mut [u8]) -> Option<Received> {
        Some(self.open.get(&id)?.datagrams.front()?.received(buffer))
    }

    /// Whether a receive would return at once, with a datagram or an error.
    pub(crate) fn is_readable(&self, id: SocketId) -> bool {
        self.shut_down
            || self
                .open
                .get(&id)
                .is_none_or(|socket| socket.pending_error.is_some() || !socket.datagrams.is_empty())
    }

    /// Whether an error is pending.
    pub(crate) fn has_error(&self, id: SocketId) -> bool {
        self.open.get(&id).is_some_and(|socket| socket.pending_error.is_some())
    }

    /// Has `waker` called when something comes.
    pub(crate) fn wake_on_input(&mut self, id: SocketId, waker: &Waker) {
        if let Some(socket) = self.open.get_mut(&id) {
            socket.waker = Some(waker.clone());
        }
    }

    /// Takes the pending error, as `SO_ERROR` does.
    pub(crate) fn take_error(&mut self, id: SocketId, faults: &Faults) -> Result<Option<Errno>, Errno> {
        let pending = &mut self.get_mut(id)?.pending_error;
        if faults.seeded(Fault::SocketErrorStays) {
            return Ok(*pending);
        }
        Ok(pending.take())
    }

    pub(crate) fn set_receive_buffer(&mut self, id: SocketId, bytes: u32) -> Result<u32, Errno> {
        let granted = self.profile.granted_receive_buffer(bytes);
        self.get_mut(id)?.receive_buffer = granted;
        Ok(granted)
    }

    pub(crate) fn set_send_buffer(&mut self, id: SocketId, bytes: u32) -> Result<u32, Errno> {
        let granted = self.profile.granted_send_buffer(bytes);
        self.get_mut(id)?.send_buffer = granted;
        Ok(granted)
    }

    /// The longest datagram that the socket can send, in bytes (SOCK-9).
    pub(crate) fn longest_to_send(&self, id: SocketId) -> Result<usize, Errno> {
        Ok(self.get(id)?.longest_to_send())
    }

    /// Setting it clears the latch, but not an error that is pending (SOCK-4).
    pub(crate) fn set_no_enobufs(&mut self, id: SocketId, on: bool, faults: &Faults) -> Result<(), Errno> {
        let socket = self.get_mut(id)?;
        socket.no_enobufs = on;
        if on && !faults.seeded(Fault::LatchOutlivesOption) {
            socket.congested = false;
        }
        Ok(())
    }

    pub(crate) fn family(&self, id: SocketId) -> Result<Family, Errno> {
        Ok(self.get(id)?.family)
    }

    pub(crate) fn port_id(&self, id: SocketId) -> Option<PortId> {
        self.open.get(&id)?.port_id
    }

    pub(crate) fn is_open(&self, id: SocketId) -> bool {
        self.open.contains_key(&id)
    }

    fn weight(&self, datagram: &Datagram, faults: &Faults) -> usize {
        if faults.seeded(Fault::WeightIsLength) {
            datagram.len()
        } else {
            self.profile.weight.of(datagram.len())
        }
    }

    fn socket_at(&mut self, family: Family, port_id: PortId) -> Option<&mut Socket> {
        let id = self.ports.get(&(family, port_id))?;
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
    const fn longest_to_send(&self) -> usize {
        (self.send_buffer as usize).saturating_sub(32)
    }

    fn push(&mut self, datagram: Datagram, weight: usize) {
        self.used += weight;
        self.datagrams.push_back(datagram);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests;
