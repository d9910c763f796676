//! A case's socket as the transport of a handle of `ipq-core`.

use super::{Socket, Stopped};
use crate::suite::Outcome;
use crate::world::{Observation, Received, Step};
use bytes::Bytes;
use ipq_core::transport::Datagram;
use ipq_core::wire::{Abi, Header};
use ipq_core::{Errno, PortId, Transport, TransportError, Wait};
use std::io::IoSlice;
use std::time::Duration;

/// A socket of the world as the transport of a [`Handle`](ipq_core::Handle).
///
/// The handle gets the error of each send or receive call that fails. If the world can't do a step,
/// if its observations contradict each other, or if nothing comes to a wait without a limit, the
/// handle gets `TransportError::Closed`, and the case ends with the reason. To switch
/// `NETLINK_NO_ENOBUFS` off there is no step, so that fails with EOPNOTSUPP.
#[derive(Debug)]
pub struct WorldTransport<'s> {
    socket: Socket<'s>,
}

impl<'s> WorldTransport<'s> {
    pub(super) const fn new(socket: Socket<'s>) -> Self {
        Self { socket }
    }

    /// Returns the transport's socket, for steps that the handle does not do.
    #[must_use]
    pub const fn socket(&self) -> &Socket<'s> {
        &self.socket
    }

    /// Consumes the transport, and returns its socket.
    pub(crate) fn into_socket(self) -> Socket<'s> {
        self.socket
    }

    /// The longest time, on the world's clock, that a wait without a limit lasts. If nothing has
    /// come by then, the case fails.
    const FOREVER: Duration = Duration::from_hours(1);

    fn stop(&self, stopped: Stopped) -> TransportError {
        self.socket.subject().keep_stopped(stopped);
        TransportError::Closed
    }

    fn step(&self, step: &Step) -> Result<Observation, TransportError> {
        self.socket.subject().step(step).map_err(|stopped| self.stop(stopped))
    }

    fn wrong_answer(&self, step: &Step, seen: &Observation) -> TransportError {
        self.stop(super::wrong_answer(step, seen))
    }

    fn receive_now(&self, buffer: &mut [u8]) -> Result<Option<Datagram>, TransportError> {
        let received = self
            .socket
            .receive_into(buffer.len())
            .map_err(|stopped| self.stop(stopped))?;
        match received {
            Received::Nothing => Ok(None),
            Received::Error { errno } => Err(transport_error(super::errno_of(errno))),
            Received::Frame { bytes, sender } => {
                let copied = bytes.len().min(buffer.len());
                buffer[..copied].copy_from_slice(&bytes[..copied]);
                // A world reports only how many bytes were copied. If they fill the buffer, the
                // length stated in the header is taken as the datagram's.
                let stated = Header::parse(&bytes, self.abi()).map_or(copied, |header| header.length as usize);
                let length = if copied == buffer.len() {
                    stated.max(copied)
                } else {
                    copied
                };
                Ok(Some(Datagram {
                    copied,
                    length,
                    sender: PortId(u32::try_from(sender).unwrap_or(u32::MAX)),
                }))
            }
        }
    }

    fn wait(&self, timeout: Duration) -> Result<bool, TransportError> {
        let step = Step::Poll {
            socket: self.socket.name().into(),
            timeout,
        };
        match self.step(&step)? {
            Observation::Poll { readable, .. } => Ok(readable),
            other => Err(self.wrong_answer(&step, &other)),
        }
    }
}

impl Transport for WorldTransport<'_> {
    fn abi(&self) -> Abi {
        self.socket.subject().abi()
    }

    fn port_id(&self) -> PortId {
        self.socket.port_id()
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        let bytes: Bytes = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let sent = self
            .socket
            .try_send(None, &bytes)
            .map_err(|stopped| self.stop(stopped))?;
        sent.map_err(transport_error)
    }

    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        if let Some(datagram) = self.receive_now(buffer)? {
            return Ok(datagram);
        }
        let timeout = match wait {
            Wait::Never => return Err(TransportError::TimedOut),
            Wait::For(timeout) => timeout,
            Wait::Forever => Self::FOREVER,
        };
        let readable = self.wait(timeout)?;
        match self.receive_now(buffer)? {
            Some(datagram) => Ok(datagram),
            None if readable => Err(self.stop(Stopped::failed(
                "poll says that there is something to read, and there is not",
            ))),
            None if wait == Wait::Forever => {
                let reason = "nothing came to a read without a time limit";
                Err(self.stop(Stopped::without_place(Outcome::Failed, reason)))
            }
            None => Err(TransportError::TimedOut),
        }
    }

    fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError> {
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        let actual = self
            .socket
            .set_receive_buffer(bytes)
            .map_err(|stopped| self.stop(stopped))?;
        Ok(usize::try_from(actual).unwrap_or_default())
    }

    fn set_no_enobufs(&self, on: bool) -> Result<(), TransportError> {
        if !on {
            return Err(TransportError::System(Errno::EOPNOTSUPP));
        }
        self.socket.set_no_enobufs().map_err(|stopped| self.stop(stopped))
    }
}

const fn transport_error(errno: Errno) -> TransportError {
    match errno {
        Errno::EAGAIN => TransportError::TimedOut,
        Errno::EINTR => TransportError::Interrupted,
        Errno::ENOBUFS => TransportError::Overrun,
        other => TransportError::System(other),
    }
}
