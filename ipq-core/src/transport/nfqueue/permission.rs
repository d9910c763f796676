//! Questions to the kernel that are asked apart from the queue's own socket, and answered at once.

use super::message::{PROTOCOL, Room, Writer, attribute, header_of, kind};
use super::options::Options;
use crate::errno::Errno;
use crate::family::Family;
use crate::transport::netlink::{Bind, Netlink, SocketError};
use crate::transport::{Transport, TransportError, Wait};
use crate::wire::{Abi, Flags, Message, PortId};
use std::io::IoSlice;
use std::sync::{Mutex, PoisonError};

/// A second nfnetlink socket, opened with the first, so with the same rights.
#[derive(Debug)]
pub(super) struct Questions {
    socket: Mutex<(Netlink, u32)>,
}

/// Whether a queue could be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It could.
    Free,
    /// Another socket has it.
    Taken,
    /// The capability is missing.
    NotPermitted,
}

impl Questions {
    pub(super) fn open() -> Result<Self, Errno> {
        let socket = Netlink::on_protocol(PROTOCOL, Bind::KernelChoice).map_err(SocketError::errno)?;
        Ok(Self {
            socket: Mutex::new((socket, 0)),
        })
    }

    /// What the kernel says to a command that does nothing, but on kernels before 3.8, where it has the family's packets go
    /// to nfnetlink queues at all: EPERM without the capability, EINVAL where there are no such queues.
    pub(super) fn bind_family(&self, options: &Options) -> Result<(), Errno> {
        const PF_BIND: u8 = 3;
        const EEXIST: Errno = Errno(17);
        let family = match options.family {
            Family::Ipv4 => 2,
            Family::Ipv6 => 10,
        };
        match self.ask(options, Some([PF_BIND, 0, 0, family])) {
            Err(EEXIST) => Ok(()),
            answer => answer,
        }
    }

    /// Whether the sender has the capability now.
    pub(super) fn permitted(&self, options: &Options) -> bool {
        self.bind_family(options) != Err(Errno::EPERM)
    }

    /// Whether the queue, which this process has not bound, could be.
    pub(super) fn standing(&self, options: &Options) -> Standing {
        if !self.permitted(options) {
            return Standing::NotPermitted;
        }
        // A configuration that changes nothing: of another's queue EPERM, and of none ENODEV.
        match self.ask(options, None) {
            Err(Errno::EPERM) => Standing::Taken,
            _ => Standing::Free,
        }
    }

    /// Sends a CONFIG message and returns what the kernel answered. It answers before the sending call returns, so nothing
    /// waits here.
    fn ask(&self, options: &Options, command: Option<[u8; 4]>) -> Result<(), Errno> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let (socket, sequence) = &mut *socket;
        *sequence = sequence.wrapping_add(1);
        let mut bytes = Room::new();
        let mut question = Writer::new(&mut bytes);
        let header = header_of(kind::CONFIG, Flags::REQUEST | Flags::ACK, *sequence, 0);
        question.message(header, 0, options.queue_number);
        if let Some(command) = command {
            question.attribute(attribute::CONFIG_COMMAND, &command);
        }
        question.end(0);
        let failed = |error| match error {
            TransportError::System(errno) => errno,
            _ => Errno::EIO,
        };
        socket.send(&[IoSlice::new(question.written())]).map_err(failed)?;
        loop {
            let mut buffer = [0; 128];
            let datagram = socket.receive(&mut buffer, Wait::Never).map_err(failed)?;
            let Some(answer) = buffer
                .get(..datagram.copied)
                .filter(|_| datagram.sender == PortId::KERNEL)
            else {
                continue;
            };
            match Message::parse(answer, Abi::NATIVE) {
                Ok(Message::Error(answer))
                    if answer.quoted_header(Abi::NATIVE).map(|header| header.sequence) == Some(*sequence) =>
                {
                    return match answer.errno() {
                        Errno(0) => Ok(()),
                        errno => Err(errno),
                    };
                }
                _ => {}
            }
        }
    }
}
