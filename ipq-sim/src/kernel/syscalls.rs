//! Programs on the emulated host, and their calls on netlink sockets (SOCK).

use super::{Client, Kernel, flaws};
use crate::behaviour::{Binding, Flaw, FollowingMessage, Opening, PeerLoss, ReplyRoom, SentCount};
use crate::books::DropReason;
use crate::netlink::{ClientId, Received, Sending, SocketId};
use crate::queue::ip_queue::{Answer, Outcome, Sender};
use crate::queue::{NFNETLINK, QueueId};
use bytes::Bytes;
use ipq_core::wire::{Abi, Frame, Header};
use ipq_core::{Errno, PortId};
use std::task::Waker;

/// The number of netlink protocols that a kernel can have, counted from 0.
const NETLINK_PROTOCOLS: i32 = 32;

impl Kernel {
    /// Adds a program with this process id, with or without `CAP_NET_ADMIN`. Returns the name that
    /// stands for it in calls.
    pub fn add_client(&mut self, process_id: u32, net_admin: bool) -> ClientId {
        self.clients.push(Client { process_id, net_admin });
        ClientId(self.clients.len() - 1)
    }

    /// Returns a program's process id; 0 if there is no such program.
    #[must_use]
    pub fn process_id(&self, client: ClientId) -> u32 {
        self.clients.get(client.0).map_or(0, |client| client.process_id)
    }

    /// Sets a program's process id. Sockets that the program opens from now on get that port id, if
    /// it is free, when the kernel has to choose one (SOCK-2). Does nothing if there is no such
    /// program.
    pub fn set_process_id(&mut self, client: ClientId, process_id: u32) {
        if let Some(client) = self.clients.get_mut(client.0) {
            client.process_id = process_id;
        }
    }

    /// Gives a program `CAP_NET_ADMIN`, or takes it away. The capability is checked when a message
    /// is sent (ATT-5), and for some calls also when the socket is opened (NFQ-53). Gives none
    /// after [`drop_net_admin`](Self::drop_net_admin).
    pub fn set_net_admin(&mut self, client: ClientId, held: bool) {
        if let Some(client) = self.clients.get_mut(client.0) {
            client.net_admin = held;
        }
    }

    /// Takes `CAP_NET_ADMIN` away from all programs for good, including those that are added later.
    pub fn drop_net_admin(&mut self) {
        self.nobody_has_net_admin = true;
    }

    /// Returns `true` if a program has `CAP_NET_ADMIN` now.
    pub(super) fn has_net_admin(&self, client: ClientId) -> bool {
        !self.nobody_has_net_admin && self.clients.get(client.0).is_some_and(|client| client.net_admin)
    }

    /// Opens a socket, as `socket(AF_NETLINK, SOCK_RAW, protocol)` does. Kernels up to 2.6.32 open
    /// a socket for any protocol from 0 to 31. Later kernels with `ip_queue` open one only for the
    /// protocols of its loaded modules (SOCK-1). Kernels with numbered queues open one only for
    /// protocol 12, that of nfnetlink. Fails with EPROTONOSUPPORT for any other protocol.
    pub fn open(&mut self, client: ClientId, protocol: i32) -> Result<SocketId, Errno> {
        let queue = self.queue_of_protocol(protocol);
        let opens = match self.profile.behaviour.netlink.opening {
            _ if self.queues.numbered.is_some() => protocol == NFNETLINK,
            Opening::LoadedModules => queue.is_some_and(|id| self.queues.get(id).is_some()),
            Opening::AnyModule => queue.is_some(),
            Opening::AnyProtocol => (0..NETLINK_PROTOCOLS).contains(&protocol),
        };
        if !opens {
            return Err(Errno::EPROTONOSUPPORT);
        }
        let process_id = self.process_id(client);
        let net_admin = self.has_net_admin(client);
        let socket = self.sockets.open(protocol, client, process_id, net_admin);
        self.records.socket_opened(socket);
        Ok(socket)
    }

    /// Binds a socket to a port id; with 0 the kernel chooses one (SOCK-2). Returns the port id.
    /// Fails with EADDRINUSE if another socket of the same protocol has the port id, with EINVAL if
    /// this socket is bound and `port_id` is not its own, and with EBADF if it is closed.
    pub fn bind(&mut self, socket: SocketId, port_id: PortId) -> Result<PortId, Errno> {
        let bound = self.sockets.bind(socket, port_id, &self.profile.behaviour.netlink)?;
        if self.profile.behaviour.attaching.binding == Binding::Attaches
            && let Some(id) = self.queue_of_protocol(self.sockets.protocol(socket)?)
            && let Some(queue) = self.queues.get_mut(id)
        {
            queue.attach_silently(bound);
        }
        Ok(bound)
    }

    /// Closes a socket. A queue of `ip_queue` of the socket's protocol is reset if its peer has the
    /// socket's port id, and the numbered queues that the socket owns are unbound. Their packets
    /// are dropped (ATT-4, NFQ-7). Linux 2.4.0 and 2.4.16 notice the loss of a peer only at the
    /// next packet (ERA-3). Closing a socket twice does nothing.
    pub fn close(&mut self, socket: SocketId) {
        if let Some((protocol, port_id)) = self.sockets.close(socket) {
            self.notice_closing(protocol, port_id);
        }
        self.records.socket_closed(socket);
    }

    /// Does what the closing of a socket bound to `port_id` does to queues: resets the queue of
    /// `protocol` if its peer has the port id, unbinds the numbered queues whose owner has it, and
    /// drops their packets. Leaves the queues of `ip_queue` alone on kernels that notice the loss
    /// of a peer later.
    fn notice_closing(&mut self, protocol: i32, port_id: PortId) {
        self.numbered_owner_closed(port_id);
        let rule = self.profile.behaviour.attaching.peer_loss;
        if matches!(rule, PeerLoss::AtNextPacket | PeerLoss::Never) {
            return;
        }
        let closed = self.queue_of_protocol(protocol);
        let mut dropped = Vec::new();
        for (id, queue) in self.queues.loaded_mut() {
            if closed == Some(id) {
                dropped.extend(queue.socket_closed(port_id, &mut self.records));
            } else if rule == PeerLoss::AtOnceInBothQueues {
                dropped.extend(queue.reset(&mut self.records));
            }
        }
        self.drop_all(dropped, DropReason::PeerClosed);
    }

    /// Sends a datagram to the kernel without naming an address, and binds the socket before if it
    /// is not bound. Returns the number of bytes sent. Only a reply tells if the queue accepts the
    /// message. Fails with ECONNREFUSED if the socket's protocol has no loaded queue, with EMSGSIZE
    /// if the datagram is too long (SOCK-9), with ENODATA if it is empty and the kernel refuses
    /// that (NFQ-105), and with EBADF if the socket is closed.
    pub fn send(&mut self, socket: SocketId, datagram: &[u8]) -> Result<usize, Errno> {
        self.send_to_kernel(socket, datagram, false)
    }

    /// Sends a datagram to the kernel, which obeys its messages at once. `addressed` is `true` if
    /// the call named the kernel's address (NFQ-53). Returns the number of bytes sent. Fails as
    /// [`send`](Self::send) does.
    fn send_to_kernel(&mut self, socket: SocketId, datagram: &[u8], addressed: bool) -> Result<usize, Errno> {
        let Sending {
            protocol,
            owner,
            port_id,
            answering,
        } = self
            .sockets
            .begin_sending(socket, datagram.len(), &self.profile.behaviour.netlink)?;
        if protocol == NFNETLINK {
            let sender = self.numbered_sender(owner, port_id, answering, addressed);
            self.obey_numbered(datagram, sender)?;
            return Ok(datagram.len());
        }
        let sender = Sender {
            port_id,
            net_admin: self.has_net_admin(owner),
        };
        match self.profile.behaviour.flaw() {
            Some(flaw) => {
                let spoiled = flaws::spoiled_request(flaw, datagram, self.profile.abi);
                self.obey(protocol, &spoiled, sender)?;
            }
            None => self.obey(protocol, datagram, sender)?,
        }
        Ok(match self.profile.behaviour.netlink.sent_count {
            SentCount::All => datagram.len(),
            SentCount::OneLess => datagram.len().saturating_sub(1),
        })
    }

    /// Sends a datagram to the socket of the same protocol that has the port id `to` (SOCK-8), or
    /// to the kernel's address if `to` is 0. Returns the number of bytes sent. Fails with
    /// ECONNREFUSED if no socket has the port id, or the protocol no loaded queue. Fails with
    /// EAGAIN if the other socket's receive buffer is full or congested, and otherwise as
    /// [`send`](Self::send) does.
    pub fn send_to(&mut self, socket: SocketId, to: PortId, datagram: &[u8]) -> Result<usize, Errno> {
        if to == PortId::KERNEL {
            return self.send_to_kernel(socket, datagram, true);
        }
        let sending = self
            .sockets
            .begin_sending(socket, datagram.len(), &self.profile.behaviour.netlink)?;
        self.sockets.send_to_user(
            sending,
            to,
            Bytes::copy_from_slice(datagram),
            &self.profile.behaviour.netlink,
        )?;
        Ok(datagram.len())
    }

    /// Gives the first message of a datagram to the queue of the protocol, and ignores the messages
    /// that follow (MSG-11), unless a seeded fault has them obeyed, too. Fails with ECONNREFUSED if
    /// the protocol has no loaded queue.
    fn obey(&mut self, protocol: i32, mut datagram: &[u8], sender: Sender) -> Result<(), Errno> {
        loop {
            self.obey_first(protocol, datagram, sender)?;
            if self.profile.behaviour.requests.following_message != FollowingMessage::Obeyed {
                return Ok(());
            }
            datagram = second_message(datagram, self.profile.abi);
            if datagram.is_empty() {
                return Ok(());
            }
        }
    }

    /// Gives a datagram's first message to the queue of the protocol. If the message is a verdict,
    /// the packet that it releases goes on next. Packets that the message made the queue drop are
    /// entered into the books. Then the reply, if there is one, is delivered. Fails with
    /// ECONNREFUSED if the protocol has no loaded queue.
    fn obey_first(&mut self, protocol: i32, datagram: &[u8], sender: Sender) -> Result<(), Errno> {
        let id = self.queue_of_protocol(protocol).ok_or(Errno::ECONNREFUSED)?;
        let queue = self.queues.get_mut(id).ok_or(Errno::ECONNREFUSED)?;
        let peer = queue.status().peer;
        let Outcome {
            released,
            flushed,
            answer,
        } = queue.request(datagram, sender, &self.profile.behaviour, &mut self.records);
        if self.profile.behaviour.flaw() == Some(Flaw::TakeoverEmptiesBuffer) && queue.status().peer != peer {
            self.sockets.empty(protocol, peer);
        }
        if let Some(released) = released {
            if let Some(mut traversal) = queue.take(released.slot) {
                if let Some(place) = self.reinject(&mut traversal, released) {
                    self.keep(place, traversal);
                } else {
                    self.spent.add(traversal.packet.data);
                }
            }
            if let Some(queue) = self.queues.get_mut(id) {
                queue.free(released.slot, &mut self.records);
            }
        }
        if !flushed.is_empty() {
            self.drop_all(flushed, DropReason::PeerReplaced);
        }
        if let Some(answer) = answer {
            self.deliver_reply(id, answer, sender);
        }
        Ok(())
    }

    #[cold]
    fn deliver_reply(&mut self, id: QueueId, answer: Answer<'_>, sender: Sender) {
        let Some(queue) = self.queues.get(id) else {
            return;
        };
        let protocol = id.protocol(&self.profile.behaviour.modules);
        let rules = self.profile.behaviour.replies;
        let (to, mut reply) = queue.reply(answer, sender, rules);
        if let Some(flaw) = self.profile.behaviour.flaw() {
            flaws::spoil_datagram(flaw, &mut reply);
        }
        match rules.room {
            ReplyRoom::Unlimited => self.sockets.force(protocol, to, reply, &self.profile.behaviour.netlink),
            ReplyRoom::OfReceiveBuffer => {
                // A reply that does not fit is lost, and the socket notes an overrun.
                let _ = self
                    .sockets
                    .deliver(protocol, to, reply, &self.profile.behaviour.netlink);
            }
        }
    }

    /// Returns the queue of `ip_queue` or `ip6_queue` that a netlink protocol leads to, loaded or
    /// not. Returns `None` if it leads to neither.
    fn queue_of_protocol(&self, protocol: i32) -> Option<QueueId> {
        QueueId::of_protocol(protocol, &self.profile.behaviour.modules)
    }

    /// Takes a socket's pending error, or else its next datagram into `buffer`, without waiting.
    /// The end of a datagram that is longer than `buffer` is lost (SOCK-3). Fails with the pending
    /// error, with EAGAIN if there is neither, and with EBADF if the socket is closed.
    pub fn receive(&mut self, socket: SocketId, buffer: &mut [u8]) -> Result<Received, Errno> {
        self.sockets.receive(socket, buffer, &self.profile.behaviour.netlink)
    }

    /// Returns the length in bytes of the longest datagram that a socket can send: the size of its
    /// send buffer, less 32 (SOCK-9). Fails with EBADF if the socket is closed.
    pub fn longest_to_send(&self, socket: SocketId) -> Result<usize, Errno> {
        self.sockets.longest_to_send(socket, &self.profile.behaviour.netlink)
    }

    /// Copies the next datagram into `buffer` without taking it, as `MSG_PEEK` does. Neither takes
    /// nor returns a pending error. Returns `None` if no datagram waits, or the socket is closed.
    #[must_use]
    pub fn peek(&self, socket: SocketId, buffer: &mut [u8]) -> Option<Received> {
        self.sockets.peek(socket, buffer)
    }

    /// Returns `true` if [`receive`](Self::receive) would return anything but EAGAIN.
    #[must_use]
    pub fn is_readable(&self, socket: SocketId) -> bool {
        self.sockets.is_readable(socket)
    }

    /// Returns `true` if a socket has a pending error, which its next [`receive`](Self::receive)
    /// returns and `poll` reports as `POLLERR`.
    #[must_use]
    pub fn has_error(&self, socket: SocketId) -> bool {
        self.sockets.has_error(socket)
    }

    /// Makes the kernel call `waker` once, when the next datagram or error comes for the socket, or
    /// when the socket is closed or the kernel ends. The waker is called while this kernel is in
    /// use, so it must not use the kernel itself. A later call replaces the waker.
    pub fn wake_on_input(&mut self, socket: SocketId, waker: &Waker) {
        self.sockets.wake_on_input(socket, waker);
    }

    /// Takes a socket's pending error, as `SO_ERROR` does (SOCK-4). Returns `None` if no error is
    /// pending. Fails with EBADF if the socket is closed.
    pub fn take_error(&mut self, socket: SocketId) -> Result<Option<Errno>, Errno> {
        self.sockets.take_error(socket, &self.profile.behaviour.netlink)
    }

    /// Sets `SO_RCVBUF`: asks for a receive buffer of `bytes`. Returns the granted size in bytes:
    /// twice as much, within the kernel's limits. Fails with EBADF if the socket is closed.
    pub fn set_receive_buffer(&mut self, socket: SocketId, bytes: u32) -> Result<u32, Errno> {
        self.sockets.set_receive_buffer(socket, bytes)
    }

    /// Sets the receive buffer beyond the limit of `SO_RCVBUF`, as `SO_RCVBUFFORCE` does. Returns
    /// the granted size in bytes: twice `bytes`, but not less than the kernel's least, nor more
    /// than 2,147,483,646. Fails with EPERM if the socket's program has no `CAP_NET_ADMIN`, and
    /// with EBADF if the socket is closed.
    pub fn force_receive_buffer(&mut self, socket: SocketId, bytes: u32) -> Result<u32, Errno> {
        if !self.has_net_admin(self.sockets.owner(socket)?) {
            return Err(Errno::EPERM);
        }
        self.sockets.force_receive_buffer(socket, bytes)
    }

    /// Sets `SO_SNDBUF`: asks for a send buffer of `bytes`. Returns the granted size in bytes:
    /// twice as much, within the kernel's limits. Fails with EBADF if the socket is closed.
    pub fn set_send_buffer(&mut self, socket: SocketId, bytes: u32) -> Result<u32, Errno> {
        self.sockets.set_send_buffer(socket, bytes)
    }

    /// Sets or clears `NETLINK_NO_ENOBUFS`. While it is set, an overrun is not reported, and later
    /// datagrams are taken if there is room. Setting it ends an earlier overrun's refusals, but
    /// leaves the pending error (SOCK-4). Linux up to 2.6.27 ignores it (ERA-13). Fails with EBADF
    /// if the socket is closed.
    pub fn set_no_enobufs(&mut self, socket: SocketId, on: bool) -> Result<(), Errno> {
        self.sockets.set_no_enobufs(socket, on, &self.profile.behaviour.netlink)
    }

    /// Returns the port id that a socket is bound to. Returns `None` if it is closed or not bound.
    #[must_use]
    pub fn port_id(&self, socket: SocketId) -> Option<PortId> {
        self.sockets.port_id(socket)
    }

    /// Returns `true` if a socket is open.
    #[must_use]
    pub fn is_open(&self, socket: SocketId) -> bool {
        self.sockets.is_open(socket)
    }
}

/// Returns the bytes after a datagram's first message, whose length is rounded up to a multiple of
/// 4. Returns none if the first message can't be read. No kernel with `ip_queue` obeys these bytes
/// (MSG-11).
fn second_message(datagram: &[u8], abi: Abi) -> &[u8] {
    let first = Frame::parse(datagram, abi).map_or(datagram.len(), |frame| Header::BYTES + frame.body.len());
    datagram.get(first.next_multiple_of(4)..).unwrap_or_default()
}
