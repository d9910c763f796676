//! Observers of the messages between programs and the kernel.

use crate::books::PacketSerial;
use crate::kernel::Kernel;
use crate::netlink::SocketId;

/// An exchange between a program and the kernel.
#[derive(Clone, Copy, Debug)]
pub enum Passed<'a> {
    /// A datagram was handed to a program.
    ToProgram(&'a [u8]),
    /// A program sent a datagram.
    FromProgram(&'a [u8]),
    /// A program was told of an overrun.
    Overrun,
}

/// The packets that a program had not read when its socket closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// These packets had not been read, and no others.
    Packets(Vec<PacketSerial>),
    /// Some packets had not been read, and it is not known which.
    Unknown {
        /// The socket that closed.
        socket: SocketId,
        /// `true` if the program ended without closing its socket first, as by a signal.
        ended_at_once: bool,
    },
}

/// Follows the turns of a [`Server`](super::Server).
pub trait Observer {
    /// Called when a program opens a socket of this netlink protocol while no program has one open.
    /// Returns the kernel that the socket is to belong to; `None` for the present one.
    fn kernel_for(&mut self, protocol: i32) -> Option<Kernel> {
        let _ = protocol;
        None
    }

    /// Called after an exchange.
    fn passed(&mut self, passed: Passed<'_>);

    /// Called when a datagram of this netlink protocol, here in its parts, was handed to a program.
    /// By default joins the parts and calls [`passed`](Self::passed).
    fn handed(&mut self, protocol: i32, parts: [&[u8]; 3]) {
        let _ = protocol;
        self.passed(Passed::ToProgram(&parts.concat()));
    }

    /// Called when a program sent a datagram of this netlink protocol. By default calls
    /// [`passed`](Self::passed).
    fn sent(&mut self, protocol: i32, datagram: &[u8]) {
        let _ = protocol;
        self.passed(Passed::FromProgram(datagram));
    }

    /// Called when the kernel has carried out a program's message, or a socket has closed.
    fn carried_out(&mut self, _kernel: &mut Kernel) {}

    /// Called when a socket is about to close, with the packets that its program has not read.
    fn unread(&mut self, _unread: Unread) {}
}

/// Observes exchanges, and nothing else.
pub(super) struct PassedOnly<'a>(pub(super) &'a mut dyn FnMut(Passed<'_>));

impl Observer for PassedOnly<'_> {
    fn passed(&mut self, passed: Passed<'_>) {
        (self.0)(passed);
    }
}
