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

/// Packets that were in the receive buffer of a socket that closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// These packets had not been read, and no others.
    Packets(Vec<PacketSerial>),
    /// Some packets had not been read, and it is not known which.
    Unknown {
        /// The socket.
        socket: SocketId,
        /// `true` if the program ended without saying so, as by a signal.
        ended_at_once: bool,
    },
}

/// Follows a [`Server`](super::Server)'s turn.
pub trait Observer {
    /// Called when a program opens a socket of that netlink protocol, and no program has another
    /// open. Returns the kernel that the socket is to be of; `None` if it is the present one.
    fn kernel_for(&mut self, protocol: i32) -> Option<Kernel> {
        let _ = protocol;
        None
    }

    /// Called after an exchange.
    fn passed(&mut self, passed: Passed<'_>);

    /// Called when a datagram of that netlink protocol, here in its parts, was handed to a program.
    /// By default the parts are joined and [passed](Self::passed).
    fn handed(&mut self, protocol: i32, parts: [&[u8]; 3]) {
        let _ = protocol;
        self.passed(Passed::ToProgram(&parts.concat()));
    }

    /// Called when a program sent a datagram of that netlink protocol. By default it is
    /// [passed](Self::passed).
    fn sent(&mut self, protocol: i32, datagram: &[u8]) {
        let _ = protocol;
        self.passed(Passed::FromProgram(datagram));
    }

    /// Called when the kernel has carried out a program's message, or a socket has closed.
    fn carried_out(&mut self, _kernel: &mut Kernel) {}

    /// Called when a socket is about to close, with the packets that are unread.
    fn unread(&mut self, _unread: Unread) {}
}

/// Observes exchanges, and nothing else.
pub(super) struct PassedOnly<'a>(pub(super) &'a mut dyn FnMut(Passed<'_>));

impl Observer for PassedOnly<'_> {
    fn passed(&mut self, passed: Passed<'_>) {
        (self.0)(passed);
    }
}
