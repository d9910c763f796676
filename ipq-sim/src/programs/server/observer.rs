//! The trait by which a server's caller observes the messages between programs and the kernel.

use crate::books::PacketSerial;
use crate::kernel::Kernel;
use crate::netlink::SocketId;
use crate::programs::server::RawPacket;

/// What passed between a program and the kernel.
#[derive(Clone, Copy, Debug)]
pub enum Passed<'a> {
    /// This datagram was put on a program's connection.
    ToProgram(&'a [u8]),
    /// A program sent this datagram.
    FromProgram(&'a [u8]),
    /// A program was told of an overrun (ENOBUFS).
    Overrun,
}

/// The packets that a program had not read when its socket closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// These packets are still queued, and the program had not read their frames. No frame of
    /// another queued packet was unread.
    Packets(Vec<PacketSerial>),
    /// The program had not read some packets, and it is not known which.
    Unknown {
        /// The socket that closed.
        socket: SocketId,
        /// `true` if the program ended without closing its socket first, as by a signal. `false` if
        /// that is not known, as of a program that connected to the path.
        ended_at_once: bool,
    },
}

/// Observes the turns of a [`Server`](super::Server).
pub trait Observer {
    /// Called when a program that was started for the server opens a socket of this netlink
    /// protocol, while no program has an emulated netlink socket. Returns the kernel that is to
    /// replace the present one, or `None` to keep it. By default returns `None`.
    fn kernel_for(&mut self, protocol: i32) -> Option<Kernel> {
        let _ = protocol;
        None
    }

    /// Called for each overrun that a program was told of. The default [`handed`](Self::handed) and
    /// [`sent`](Self::sent) also call it for each datagram.
    fn passed(&mut self, passed: Passed<'_>);

    /// Called when a datagram of this netlink protocol was put on a program's connection. The
    /// datagram is the parts, one after another. By default joins the parts and calls
    /// [`passed`](Self::passed).
    fn handed(&mut self, protocol: i32, parts: [&[u8]; 3]) {
        let _ = protocol;
        self.passed(Passed::ToProgram(&parts.concat()));
    }

    /// Called when a program has sent a datagram of this netlink protocol, before the kernel
    /// carries it out. By default calls [`passed`](Self::passed).
    fn sent(&mut self, protocol: i32, datagram: &[u8]) {
        let _ = protocol;
        self.passed(Passed::FromProgram(datagram));
    }

    /// Called when the kernel has carried out a message of a program, or an emulated socket has
    /// closed. May change the kernel, for example let packets in.
    fn carried_out(&mut self, _kernel: &mut Kernel) {}

    /// Called when a program sent a packet by a raw socket of its own. If the launcher reported the
    /// call that sent the packet, all messages that the program sent before have been carried out.
    fn sent_itself(&mut self, _packet: RawPacket) {}

    /// Called when an emulated socket is about to close, with the queued packets whose frames its
    /// program has not read, if they are known.
    fn unread(&mut self, _unread: Unread) {}
}

/// An observer that calls a function for each datagram and each overrun, and does nothing else.
pub(super) struct PassedOnly<'a>(pub(super) &'a mut dyn FnMut(Passed<'_>));

impl Observer for PassedOnly<'_> {
    fn passed(&mut self, passed: Passed<'_>) {
        (self.0)(passed);
    }
}
