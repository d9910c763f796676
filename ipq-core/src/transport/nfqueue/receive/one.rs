//! Receiving one datagram, with each kind of wait.

use crate::transport::nfqueue::fast::outstanding::Outstanding;
use crate::transport::nfqueue::translate::datagram::{Received, Translated};
use crate::transport::nfqueue::translate::headroom::{self, BOUNCE_BYTES, BounceBuffer, Origin};
use crate::transport::nfqueue::{DeviceTable, NfQueue, QueueSocket};
use crate::transport::{Datagram, TransportError, Wait};
use crate::wire::PortId;
use crate::wire::nfnetlink::ParseError;

impl<S: QueueSocket> NfQueue<S> {
    /// Receives one datagram into `buffer`, as [`Transport::receive`] does.
    #[inline(always)]
    pub(in super::super) fn receive_one(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        if self.may_exceed(buffer.len()) {
            return self.receive_bounced(buffer, wait);
        }
        match self.attempt(None, buffer, Wait::Never) {
            Ok(Some(datagram)) => Ok(datagram),
            first => self.retry(wait, first, |wait| self.attempt(None, buffer, wait)),
        }
    }

    /// Receives one datagram into a buffer that may be too short for it. The datagram's first bytes
    /// go into a bounce buffer, so that nothing is lost for which the frame has room.
    fn receive_bounced(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        let mut bounce = [0; BOUNCE_BYTES];
        let first = self.attempt(Some(&mut bounce), buffer, Wait::Never);
        self.retry(wait, first, |wait| self.attempt(Some(&mut bounce), buffer, wait))
    }

    /// Returns `true` if a datagram can come that is longer than a buffer of `room` bytes. Another
    /// thread may raise the copy range meanwhile; then datagrams of one call can be reported as
    /// truncated.
    pub(super) fn may_exceed(&self, room: usize) -> bool {
        room < self.longest_datagram()
    }

    /// Receives a datagram and translates it to a frame in `buffer`. The datagram's first bytes go
    /// into the bounce buffer if there is one. Returns `None` if the datagram is not for the
    /// program.
    #[inline(always)]
    fn attempt(
        &self,
        mut bounce: Option<&mut BounceBuffer>,
        buffer: &mut [u8],
        wait: Wait,
    ) -> Result<Option<Datagram>, TransportError> {
        let mut outstanding = self.outstanding();
        let headroom = self.headroom();
        let received = match &mut bounce {
            None => self
                .socket
                .receive(buffer.get_mut(headroom..).unwrap_or_default(), wait)?,
            Some(bounce) => self.socket.receive_parts(&mut headroom::parts(bounce, buffer), wait)?,
        };
        self.devices.datagrams_came(1);
        let origin = bounce.as_deref().map_or(Origin::InBuffer(headroom), Origin::Bounced);
        let translated = self.translate(origin, buffer, received);
        self.accept(translated, buffer.len(), received, outstanding.as_deref_mut())
    }

    /// Repeats `attempt` until it receives something for the program or fails. Waits in an attempt
    /// or before one, in all no longer than `wait` says; after that, fails with
    /// [`TransportError::TimedOut`]. `first` is the result of an attempt that did not wait. This is
    /// the slow path.
    #[cold]
    pub(super) fn retry<R>(
        &self,
        wait: Wait,
        first: Result<Option<R>, TransportError>,
        mut attempt: impl FnMut(Wait) -> Result<Option<R>, TransportError>,
    ) -> Result<R, TransportError> {
        let deadline = match wait {
            Wait::For(time) => self.socket.now().checked_add(time),
            _ => None,
        };
        let mut last = first;
        loop {
            match last {
                Ok(Some(received)) => return Ok(received),
                // The time-out holds, however many datagrams come that are not for the program.
                Ok(None) if deadline.is_some_and(|deadline| deadline <= self.socket.now()) => {
                    return Err(TransportError::TimedOut);
                }
                Ok(None) => {}
                Err(TransportError::TimedOut) => {
                    self.devices.queue_ran_empty();
                    if wait == Wait::Never {
                        return Err(TransportError::TimedOut);
                    }
                    let remaining = deadline.map_or(Wait::Forever, |deadline| {
                        Wait::For(deadline.saturating_sub(self.socket.now()))
                    });
                    if self.outstanding.is_some() {
                        // A packet is received and listed under one lock, which nobody holds while
                        // waiting. So this waits first, and receives then.
                        self.socket.until_readable(remaining)?;
                    } else if let Some(received) = attempt(remaining)? {
                        return Ok(received);
                    }
                }
                Err(error) => return Err(error),
            }
            last = attempt(Wait::Never);
        }
    }

    /// Translates a datagram, which was received at the place `origin`, to a frame in `buffer`.
    /// Looks the packet's devices up in the table, and asks the kernel about the capability if an
    /// answer's meaning depends on it. What follows from the result is done by
    /// [`accept`](Self::accept).
    pub(super) fn translate(
        &self,
        origin: Origin<'_>,
        buffer: &mut [u8],
        received: Datagram,
    ) -> Result<Translated, ParseError> {
        let Datagram { copied, length, .. } = received;
        Received {
            origin,
            copied,
            length,
            options: &self.options,
            peer: self.peer(),
        }
        .translate(
            buffer,
            |indices| self.devices.get(indices),
            || self.questions.permitted(&self.options),
        )
    }

    /// Acts on a datagram that was `received` and `translated`: lists a packet as outstanding, has
    /// the kernel drop a packet of the other family, or, if an answer says that attaching failed,
    /// notes that nobody is attached. Returns the frame's length, and how much of it is in the
    /// buffer of `room` bytes. Returns `None` if there is nothing for the program. If the
    /// translation failed, returns its error, and no more verdicts are batched.
    #[inline(always)]
    pub(super) fn accept(
        &self,
        translated: Result<Translated, ParseError>,
        room: usize,
        received: Datagram,
        outstanding: Option<&mut Outstanding>,
    ) -> Result<Option<Datagram>, TransportError> {
        let frame = match translated {
            Ok(Translated::Packet { frame, id, before }) => {
                if let Some(outstanding) = outstanding {
                    outstanding.arrived(id);
                }
                if let Some(before) = before {
                    self.set_headroom(headroom::headroom(before));
                }
                Some(frame)
            }
            Ok(Translated::OtherFamily(id)) => {
                self.drop_of_other_family(id)?;
                None
            }
            Ok(Translated::Answer { frame, attach_failed }) => {
                if attach_failed {
                    self.attached(PortId::KERNEL);
                }
                frame
            }
            Err(error) => {
                // The datagram may have been a packet, which is still in the queue.
                if let Some(outstanding) = outstanding {
                    outstanding.lose_track();
                }
                return Err(error.into());
            }
        };
        let Datagram { copied, length, sender } = received;
        // A socket of somebody else's may state more bytes than the datagram had.
        let cut = length.saturating_sub(copied);
        Ok(frame.map(|length| Datagram {
            copied: length.saturating_sub(cut).min(room),
            length,
            sender,
        }))
    }
}
