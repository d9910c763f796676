//! Questions to the kernel about what a program may do. They go by a socket of their own, and are
//! answered at once.

use super::options::Options;
use crate::errno::Errno;
use crate::family::Family;
use crate::transport::{Transport, TransportError, Wait};
use crate::wire::nfnetlink::{Room, Writer, attribute, command, message_type};
use crate::wire::{Abi, Envelope, Flags, Message, PortId};
use std::io::IoSlice;
use std::sync::{Mutex, PoisonError};

/// A second nfnetlink socket, on which the kernel is asked what this process may do. It is opened
/// with the first, and so has the same rights.
#[derive(Debug)]
pub(super) struct Questions<S> {
    socket: Mutex<(S, u32)>,
}

impl<S: Transport> Questions<S> {
    pub(super) fn new(socket: S) -> Self {
        Self {
            socket: Mutex::new((socket, 0)),
        }
    }

    /// Sends the command that has the family's packets go to nfnetlink queues, and returns the
    /// kernel's answer. Kernels since 3.8 do nothing but answer: EPERM without the capability,
    /// EINVAL where there are no such queues. EEXIST, with which older kernels say that it was done
    /// before, counts as success.
    pub(super) fn bind_family(&self, options: &Options) -> Result<(), Errno> {
        let family = match options.family {
            Family::Ipv4 => 2,
            Family::Ipv6 => 10,
        };
        match self.ask(options, Some([command::BIND_FAMILY, 0, 0, family])) {
            Err(Errno::EEXIST) => Ok(()),
            answer => answer,
        }
    }

    /// Returns `true` unless the kernel answers that the capability is missing now.
    pub(super) fn permitted(&self, options: &Options) -> bool {
        self.bind_family(options) != Err(Errno::EPERM)
    }

    /// Returns the error that binding the queue would have, for a socket that has not bound it:
    /// EPERM without the capability, EBUSY if another socket has bound it. Returns `None` if
    /// neither holds. Binds nothing.
    pub(super) fn refusal(&self, options: &Options) -> Option<Errno> {
        if !self.permitted(options) {
            return Some(Errno::EPERM);
        }
        // The kernel answers a configuration that changes nothing with EPERM if the queue is
        // another's, and with ENODEV if nobody has bound it.
        match self.ask(options, None) {
            Err(Errno::EPERM) => Some(Errno::EBUSY),
            _ => None,
        }
    }

    /// Sends a CONFIG message for the queue, with `command` or with nothing in it, and returns what
    /// the kernel answered: `Ok` or its error number. Without an answer the error is EIO or the
    /// error number of the failed call. The kernel answers before the sending call returns, so
    /// nothing waits here.
    fn ask(&self, options: &Options, command: Option<[u8; 4]>) -> Result<(), Errno> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let (socket, sequence) = &mut *socket;
        *sequence = sequence.wrapping_add(1);
        let mut room = Room::<64>::new();
        let mut question = Writer::new(&mut room);
        let envelope = Envelope {
            flags: Flags::REQUEST | Flags::ACK,
            sequence: *sequence,
            port_id: PortId::KERNEL,
        };
        question.message(message_type::CONFIG, envelope, 0, options.queue_number);
        if let Some(command) = command {
            question.attribute(attribute::CONFIG_COMMAND, &command);
        }
        question.end(0);
        let question = question.written().ok_or(Errno::EMSGSIZE)?;
        let failed = |error| match error {
            TransportError::System(errno) => errno,
            _ => Errno::EIO,
        };
        socket.send(&[IoSlice::new(question)]).map_err(failed)?;
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
