//! The transport that connects a handle to an emulated kernel.

use super::access::{Access, Owned, transport_error};
use crate::kernel::Kernel;
use crate::netlink::ClientId;
use crate::netlink::SocketId;
use ipq_core::transport::{Datagram, PollTransport, Slot};
use ipq_core::wire::Abi;
use ipq_core::{Errno, ErrorNumber, Family, PortId, Transport, TransportError, Wait};
use std::fmt;
use std::io::IoSlice;
use std::task::{Context, Poll};

/// A netlink socket of an emulated kernel, as a handle's transport. Dropping it closes the socket.
#[derive(Debug)]
pub struct SimTransport<A: Access = Owned> {
    access: A,
    socket: SocketId,
    port_id: PortId,
    abi: Abi,
}

/// The reason why a handle on an emulated kernel could not be opened.
///
/// Its `Debug` output is the same sentence as its `Display` output.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The kernel opened no socket for the family's netlink protocol (SOCK-1).
    #[error(
        "the kernel gave no netlink socket for {family}: {errno}; if it is a kernel with numbered queues, open them with \
         `open_nfqueue`, and otherwise load the queue's module"
    )]
    Socket {
        /// The family whose queue was asked for.
        family: Family,
        /// The kernel's error number.
        errno: Errno,
    },
    /// The socket could not be bound to the port id (SOCK-2).
    #[error("port id {port_id} can't be bound for {family}: {errno}; a second handle needs a port id of its own")]
    Bind {
        /// The family whose queue was asked for.
        family: Family,
        /// The port id that was asked for.
        port_id: PortId,
        /// The kernel's error number.
        errno: Errno,
    },
}

impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl OpenError {
    /// Returns libipq's number for the error: 3 if no socket was opened, 4 if it could not be
    /// bound.
    #[must_use]
    pub const fn number(&self) -> ErrorNumber {
        match self {
            Self::Socket { .. } => ErrorNumber::CreateSocket,
            Self::Bind { .. } => ErrorNumber::BindSocket,
        }
    }
}

impl<A: Access> SimTransport<A> {
    pub(super) fn open(access: A, client: ClientId, family: Family, port_id: PortId) -> Result<Self, OpenError> {
        let protocol = i32::from(family.netlink_protocol());
        let mut transport =
            Self::unbound(access, client, protocol).map_err(|errno| OpenError::Socket { family, errno })?;
        match transport.bind(port_id) {
            Ok(()) => Ok(transport),
            Err(errno) => Err(OpenError::Bind { family, port_id, errno }),
        }
    }

    /// Opens a socket of a netlink protocol, and binds it to a port id that the kernel chooses.
    /// Fails with the kernel's error number if either fails.
    pub(super) fn of_protocol(access: A, client: ClientId, protocol: i32) -> Result<Self, Errno> {
        let mut transport = Self::unbound(access, client, protocol)?;
        transport.bind(PortId::KERNEL)?;
        Ok(transport)
    }

    fn unbound(access: A, client: ClientId, protocol: i32) -> Result<Self, Errno> {
        let (opened, abi) = access.with(|kernel| (kernel.open(client, protocol), kernel.profile().abi));
        opened.map(|socket| Self {
            access,
            socket,
            port_id: PortId::KERNEL,
            abi,
        })
    }

    fn bind(&mut self, port_id: PortId) -> Result<(), Errno> {
        self.port_id = self.access.with(|kernel| kernel.bind(self.socket, port_id))?;
        Ok(())
    }

    /// Returns the access to the kernel.
    pub(super) const fn access(&self) -> &A {
        &self.access
    }

    /// Sends a message to the kernel, and returns the number of bytes sent. Joins the message's
    /// parts first, unless all its bytes are in the first.
    fn send_by(&self, kernel: &mut Kernel, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        let sent = match parts {
            [whole, rest @ ..] if rest.iter().all(|part| part.is_empty()) => kernel.send(self.socket, whole),
            _ => {
                let mut glued = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
                for part in parts {
                    glued.extend_from_slice(part);
                }
                kernel.send(self.socket, &glued)
            }
        };
        sent.map_err(transport_error)
    }

    /// Returns the name of the socket, for calls on the kernel itself.
    #[must_use]
    pub const fn socket(&self) -> SocketId {
        self.socket
    }
}

impl<A: Access> Transport for SimTransport<A> {
    fn abi(&self) -> Abi {
        self.abi
    }

    fn port_id(&self) -> PortId {
        self.port_id
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        self.access.with(|kernel| self.send_by(kernel, parts))
    }

    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        self.access.receive(self.socket, buffer, wait)
    }

    /// Sends messages in order, and writes the result of each at its place in `results`. Holds the
    /// kernel's lock all the while, so on a shared kernel nothing comes between the messages.
    fn send_many(&self, messages: &[&[IoSlice<'_>]], results: &mut [Result<usize, TransportError>]) {
        self.access.with(|kernel| {
            for (message, result) in messages.iter().zip(results) {
                *result = self.send_by(kernel, message);
            }
        });
    }

    fn receive_many(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
        let Some((first, others)) = slots.split_first_mut() else {
            return Ok(0);
        };
        first.result = Ok(self.receive(first.buffer, wait)?);
        let mut filled = 1;
        self.access.with(|kernel| {
            for slot in others {
                slot.result = kernel.receive(self.socket, slot.buffer).map_err(transport_error);
                match slot.result {
                    Err(TransportError::TimedOut) => break,
                    Err(_) => {
                        filled += 1;
                        break;
                    }
                    Ok(_) => filled += 1,
                }
            }
        });
        Ok(filled)
    }

    fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let granted = self.access.with(|kernel| kernel.set_receive_buffer(self.socket, bytes));
        granted.map(|granted| granted as usize).map_err(transport_error)
    }

    fn set_no_enobufs(&self, on: bool) -> Result<(), TransportError> {
        self.access
            .with(|kernel| kernel.set_no_enobufs(self.socket, on))
            .map_err(transport_error)
    }
}

impl<A: Access> PollTransport for SimTransport<A> {
    fn poll_receive(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<Datagram, TransportError>> {
        self.access.with(|kernel| match kernel.receive(self.socket, buffer) {
            Err(Errno::EAGAIN) => {
                kernel.wake_on_input(self.socket, context.waker());
                Poll::Pending
            }
            result => Poll::Ready(result.map_err(transport_error)),
        })
    }
}

impl<A: Access> Drop for SimTransport<A> {
    fn drop(&mut self) {
        self.access.with(|kernel| kernel.close(self.socket));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sim;
    use super::*;
    use ipq_core::wire::{CopyMode, Envelope, Flags, Message, ModeRequest};
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[rstest]
    #[case::whole(&[40])]
    #[case::with_an_empty_part(&[0, 40, 0])]
    #[case::in_two(&[16, 24])]
    #[case::in_many(&[1, 0, 15, 20, 4])]
    fn a_message_is_one_in_however_many_parts(#[case] lengths: &[usize]) {
        let sim = Sim::default();
        let handle = sim.open(Family::Ipv4).unwrap();
        let envelope = Envelope {
            flags: Flags::REQUEST | Flags::ACK,
            sequence: 7,
            port_id: handle.port_id(),
        };
        let request = ModeRequest {
            mode: CopyMode::Packet,
            range: 1500,
        };
        let message = request.head(Abi::LP64_LITTLE, envelope);
        let mut rest = &message[..];
        let parts: Vec<IoSlice<'_>> = lengths
            .iter()
            .map(|length| IoSlice::new(rest.split_off(..*length).unwrap()))
            .collect();
        assert_eq!(handle.transport().send(&parts), Ok(message.len()));
        let mut buffer = [0; 64];
        let Message::Error(reply) = handle.read(&mut buffer, Wait::Never).unwrap() else {
            panic!("an acknowledgement was asked for");
        };
        assert_eq!(reply.errno(), Errno(0));
        let text = sim.with(|kernel| kernel.proc_text(Family::Ipv4)).unwrap();
        assert!(text.contains("Copy range        : 1500"), "{text}");
    }
}
