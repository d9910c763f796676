//! Questions of whoever feeds packets: what waits for a program, and for how much more there is
//! room.

use super::Kernel;
use crate::netlink::{ReceiveBuffer, SocketId};
use ipq_core::{Family, PortId};

impl Kernel {
    /// Returns one of the datagrams that wait for a socket's program, counted from the next: its
    /// sender, and its bytes in parts.
    #[must_use]
    pub fn waiting(&self, socket: SocketId, index: usize) -> Option<(PortId, [&[u8]; 3])> {
        let datagram = self.sockets.waiting(socket, index)?;
        Some((datagram.sender, datagram.parts()))
    }

    /// Returns the netlink protocol that a socket speaks; 0 if it is closed.
    #[must_use]
    pub fn netlink_protocol(&self, socket: SocketId) -> i32 {
        self.sockets.protocol(socket).unwrap_or(0)
    }

    /// Returns the family whose queue a socket is for.
    #[must_use]
    pub fn family_of(&self, socket: SocketId) -> Option<Family> {
        Family::from_netlink_protocol(self.sockets.protocol(socket).ok()?)
    }

    /// Returns the socket that listens to a queue.
    #[must_use]
    pub fn listener(&self, family: Family) -> Option<SocketId> {
        let queue = self.ip_queue(family)?;
        self.sockets
            .at_port(family.netlink_protocol().into(), queue.status().peer)
    }

    /// Returns the receive buffer of the socket that listens to a queue.
    #[must_use]
    pub fn listeners_buffer(&self, family: Family) -> Option<ReceiveBuffer> {
        self.sockets.receive_buffer(self.listener(family)?)
    }
}
