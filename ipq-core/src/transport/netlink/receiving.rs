//! Receiving datagrams, one or several, with each kind of wait.

use super::Netlink;
use super::sys;
use crate::transport::arrivals::Arrivals;
use crate::transport::waiting::{Attempt, receive_error, waiting};
use crate::transport::{AT_ONCE, Datagram, Slot, TransportError, Wait};
use crate::wire::PortId;
use arrayvec::ArrayVec;
use std::io::IoSliceMut;
use std::os::fd::AsFd;

impl Netlink {
    /// Receives one datagram into `parts`, which are filled in order. It is [`Transport::receive`]
    /// for a caller who wants the first bytes elsewhere than the rest.
    ///
    /// [`Transport::receive`]: crate::Transport::receive
    #[inline(always)]
    pub(in crate::transport) fn receive_parts(
        &self,
        parts: &mut [IoSliceMut<'_>],
        wait: Wait,
    ) -> Result<Datagram, TransportError> {
        let room = parts.iter().map(|part| part.len()).sum();
        // With MSG_TRUNC the call returns the datagram's whole length, even if it has no room for
        // it.
        let (length, sender) = match wait {
            Wait::Never => {
                let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
                sys::receive_one(self.as_fd(), self.senders, parts, flags).map_err(receive_error)?
            }
            wait => waiting(self.as_fd(), wait, |attempt| {
                let flags = match attempt {
                    Attempt::AtOnce => libc::MSG_DONTWAIT,
                    Attempt::Blocking => 0,
                };
                sys::receive_one(self.as_fd(), self.senders, parts, flags | libc::MSG_TRUNC)
            })?,
        };
        Ok(Datagram {
            copied: length.min(room),
            length,
            sender: PortId(sender),
        })
    }

    /// Receives up to 64 datagrams with `recvmmsg`, one for each of `places`, and waits as `wait`
    /// says for the first only. Fills the empty `arrivals` with at least one entry, unless there
    /// are no places. An error after the first datagram is reported by the next call.
    pub(in crate::transport) fn receive_places<const PARTS: usize>(
        &self,
        places: &mut [[IoSliceMut<'_>; PARTS]],
        arrivals: &mut Arrivals,
        wait: Wait,
    ) -> Result<(), TransportError> {
        if places.is_empty() {
            return Ok(());
        }
        waiting(self.as_fd(), wait, |attempt| {
            let flags = match attempt {
                Attempt::AtOnce => libc::MSG_DONTWAIT,
                Attempt::Blocking => libc::MSG_WAITFORONE,
            };
            sys::receive(self.as_fd(), self.senders, places, arrivals, flags | libc::MSG_TRUNC)
        })
    }

    /// Receives datagrams into `slots`, up to 64 with each system call, as
    /// [`Transport::receive_many`] says. Returns the number of slots that were filled, of which the
    /// last may hold an error.
    ///
    /// [`Transport::receive_many`]: crate::Transport::receive_many
    pub(super) fn receive_slots(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
        let mut filled = 0;
        for batch in slots.chunks_mut(AT_ONCE) {
            let wait = if filled == 0 { wait } else { Wait::Never };
            let mut arrivals = Arrivals::new();
            match self.receive_batch(batch, &mut arrivals, wait) {
                Ok(()) => {}
                Err(error) if filled == 0 => return Err(error),
                Err(TransportError::TimedOut) => break,
                Err(error) => {
                    batch[0].result = Err(error);
                    return Ok(filled + 1);
                }
            }
            for (slot, arrival) in batch.iter_mut().zip(arrivals.iter()) {
                slot.result = Ok(arrival.datagram(slot.buffer.len()));
            }
            filled += arrivals.len();
            if arrivals.len() < batch.len() {
                break;
            }
        }
        Ok(filled)
    }

    /// Receives datagrams into the buffers of `slots`, which are at most 64, with one system call,
    /// and adds their lengths and senders to `arrivals`.
    fn receive_batch(&self, slots: &mut [Slot<'_>], arrivals: &mut Arrivals, wait: Wait) -> Result<(), TransportError> {
        let mut places = ArrayVec::<_, AT_ONCE>::new();
        places.extend(slots.iter_mut().map(|slot| [IoSliceMut::new(slot.buffer)]));
        self.receive_places(&mut places, arrivals, wait)
    }
}
