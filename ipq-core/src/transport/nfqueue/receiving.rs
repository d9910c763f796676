//! Taking a datagram, with all the ways to wait, and what becomes of it.

use super::message::{ParseError, Room, Writer};
use super::outstanding::Outstanding;
use super::scattered::{self, BESIDE, Beside, Origin};
use super::translation::{Received, Translated};
use super::{NfQueue, request};
use crate::transport::{Datagram, Transport, TransportError, Wait};
use crate::wire::PortId;
use std::io::IoSlice;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl NfQueue {
    /// Whether a datagram may come for which a buffer of `room` bytes is too short, although the frame that is made of it may fit. One that
    /// another thread asks for meanwhile may come too, and then counts as cut.
    pub(super) fn may_be_cut(&self, room: usize) -> bool {
        room < self.longest.load(Ordering::Relaxed)
    }

    /// How far from the beginning of a buffer the next datagram is received.
    pub(super) fn ahead(&self) -> usize {
        self.ahead.load(Ordering::Relaxed)
    }

    /// Says how far from the beginning of a buffer datagrams are to be received from now on.
    #[inline(always)]
    pub(super) fn receive_ahead(&self, ahead: usize) {
        if ahead != self.ahead() {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
    }

    /// Takes a datagram, partly beside the buffer if a place for that is given.
    #[inline(always)]
    pub(super) fn take(
        &self,
        mut beside: Option<&mut Beside>,
        buffer: &mut [u8],
        wait: Wait,
    ) -> Result<Option<Datagram>, TransportError> {
        let mut outstanding = self.outstanding();
        let ahead = self.ahead();
        let received = match &mut beside {
            None => self.socket.receive(buffer.get_mut(ahead..).unwrap_or_default(), wait)?,
            Some(beside) => self.socket.receive_parts(&mut scattered::parts(beside, buffer), wait)?,
        };
        self.devices.datagrams_came(1);
        let origin = beside.as_deref().map_or(Origin::Within(ahead), Origin::Beside);
        let translated = self.translate(origin, buffer, received);
        self.take_in(translated, buffer.len(), received, outstanding.as_deref_mut())
    }

    /// Receives a datagram for which `buffer` may be too short.
    pub(super) fn receive_scattered(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        let mut beside = [0; BESIDE];
        let looked = self.take(Some(&mut beside), buffer, Wait::Never);
        self.until_some(wait, looked, |wait| self.take(Some(&mut beside), buffer, wait))
    }

    /// Goes on after the first look, of which `looked` came: has `take` look again, and wait as `wait` says, until something is for
    /// the program.
    #[cold]
    pub(super) fn until_some<R>(
        &self,
        wait: Wait,
        mut looked: Result<Option<R>, TransportError>,
        mut take: impl FnMut(Wait) -> Result<Option<R>, TransportError>,
    ) -> Result<R, TransportError> {
        let deadline = match wait {
            Wait::For(time) => Instant::now().checked_add(time),
            _ => None,
        };
        loop {
            match looked {
                Ok(Some(taken)) => return Ok(taken),
                // However many there are of what is not for the program, its time is over when it is.
                Ok(None) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    return Err(TransportError::TimedOut);
                }
                Ok(None) => {}
                Err(TransportError::TimedOut) => {
                    self.devices.queue_ran_empty();
                    if wait == Wait::Never {
                        return Err(TransportError::TimedOut);
                    }
                    if self.outstanding.is_some() {
                        // What is received must be noted under the same lock, which is not held while anything waits.
                        self.socket.until_readable(deadline)?;
                    } else {
                        let remaining = deadline.map_or(Wait::Forever, |deadline| {
                            Wait::For(deadline.saturating_duration_since(Instant::now()))
                        });
                        if let Some(taken) = take(remaining)? {
                            return Ok(taken);
                        }
                    }
                }
                Err(error) => return Err(error),
            }
            looked = take(Wait::Never);
        }
    }

    /// Turns what was received into a frame in `buffer`, if it is one.
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

    /// Takes in what became of a datagram that was `received`, in a buffer of `room` bytes; `None` if there is nothing for the program
    /// in it.
    #[inline(always)]
    pub(super) fn take_in(
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
                    self.receive_ahead(scattered::ahead(before));
                }
                Some(frame)
            }
            Ok(Translated::OtherFamily(id)) => {
                self.drop_of_other_family(id)?;
                None
            }
            Ok(Translated::Answer { frame, attach_failed }) => {
                if attach_failed {
                    self.peer.store(PortId::KERNEL.0, Ordering::Release);
                }
                frame
            }
            Err(error) => {
                // It may have been a packet, which is in the queue.
                if let Some(outstanding) = outstanding {
                    outstanding.lose_track();
                }
                return Err(error.into());
            }
        };
        let Datagram { copied, length, sender } = received;
        let cut = length - copied;
        Ok(frame.map(|length| Datagram {
            copied: length.saturating_sub(cut).min(room),
            length,
            sender,
        }))
    }

    /// Drops a packet for which `ip_queue` had another queue, or none.
    #[cold]
    fn drop_of_other_family(&self, id: u32) -> Result<(), TransportError> {
        self.other_family_dropped.fetch_add(1, Ordering::Relaxed);
        let mut bytes = Room::new();
        let mut verdict = Writer::new(&mut bytes);
        request::drop_packet(&mut verdict, id, &self.options);
        self.socket.send(&[IoSlice::new(verdict.written())]).map(drop)
    }
}
