//! Programs on the emulated host, and what they do with their netlink sockets (section 9 of the protocol).

use super::{Client, ClientId, Kernel};
use crate::books::DropReason;
use crate::distortion;
use crate::fault::Fault;
use crate::netlink::{Received, Sending, SocketId};
use crate::queue::ip_queue::{Outcome, Sender};
use bytes::Bytes;
use ipq_core::wire::{Abi, Frame, Header};
use ipq_core::{Errno, Family, PortId};
use std::task::Waker;

impl Kernel {
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

    /// Another process goes on as that program, as a child does for its parent. Its id is the first choice for sockets that are opened
    /// from now on and bound to none (SOCK-2).
    pub fn set_process_id(&mut self, client: ClientId, process_id: u32) {
        if let Some(client) = self.clients.get_mut(client.0) {
            client.process_id = process_id;
        }
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
        for queue_family in Family::ALL {
            let Some(queue) = &mut self.queues[queue_family as usize] else {
                continue;
            };
            let dropped = if queue_family == family {
                queue.socket_closed(port_id)
            } else if self.faults.seeded(Fault::CloseResetsBoth) {
                queue.reset()
            } else {
                continue;
            };
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
            mode_set,
            answer,
        } = queue.request(datagram, sender, &self.faults);
        if let Some(released) = released {
            if let Some(traversal) = queue.take(released.slot) {
                self.reinject(traversal, released);
            }
            if let Some(queue) = &mut self.queues[family as usize] {
                queue.free(released.slot, &self.faults);
            }
        }
        if mode_set
            && self.faults.seeded(Fault::ModeChangeFlushes)
            && let Some(queue) = &mut self.queues[family as usize]
        {
            let flushed = queue.take_if(|_| true);
            self.drop_all(flushed, DropReason::PeerClosed);
        }
        if let Some(answer) = answer
            && let Some(queue) = &self.queues[family as usize]
        {
            let (to, mut reply) = queue.reply(answer, sender, &self.faults);
            distortion::of_kernel_datagram(&mut reply, &self.faults);
            if self.faults.seeded(Fault::RepliesAlwaysFit) {
                self.sockets.force(family, to, reply, &self.faults);
            } else {
                self.sockets.deliver(family, to, reply, &self.faults);
            }
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
        self.sockets.take_error(socket, &self.faults)
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
        self.sockets.set_no_enobufs(socket, on, &self.faults)
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
