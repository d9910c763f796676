//! Receiving many datagrams with one system call.

use crate::transport::arrivals::{Arrival, Arrivals};
use crate::transport::nfqueue::fast::outstanding::Outstanding;
use crate::transport::nfqueue::fast::template::TemplateCache;
use crate::transport::nfqueue::translate::datagram::Translated;
use crate::transport::nfqueue::translate::headroom::{self, BOUNCE_BYTES, FRAME_HEAD, Origin};
use crate::transport::nfqueue::{DeviceTable, NfQueue, QueueSocket};
use crate::transport::{AT_ONCE, Datagram, Slot, TransportError, Wait};
use arrayvec::ArrayVec;
use std::io::IoSliceMut;

/// The result of receiving datagrams with one call of the socket.
struct Burst {
    /// The number of datagrams and errors for the program. They are in the first slots.
    kept: usize,
    /// `true` if the call received as many datagrams as it could, so that more may be there.
    may_be_more: bool,
}

impl<S: QueueSocket> NfQueue<S> {
    /// Receives datagrams into `slots`, as
    /// [`Transport::receive_many`](crate::Transport::receive_many) does.
    pub(in super::super) fn receive_burst(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
        if slots.is_empty() {
            return Ok(0);
        }
        let mut some = |wait| {
            let burst = self.burst(slots, wait)?;
            Ok((burst.kept > 0).then_some(burst))
        };
        let mut last = match some(Wait::Never) {
            Ok(Some(burst)) => burst,
            first => self.retry(wait, first, some)?,
        };
        let mut filled = last.kept;
        while filled < slots.len() && last.may_be_more {
            match self.burst(&mut slots[filled..], Wait::Never) {
                Ok(burst) => {
                    filled += burst.kept;
                    last = burst;
                }
                Err(TransportError::TimedOut) => break,
                Err(error) => {
                    slots[filled].result = Err(error);
                    return Ok(filled + 1);
                }
            }
        }
        if filled < slots.len() {
            self.devices.queue_ran_empty();
        }
        Ok(filled)
    }

    /// Receives the datagrams that are there into `slots` with one call of the socket, and
    /// translates them: at most 64, or 32 if a buffer may be too short for a datagram. Waits for
    /// the first as `wait` says.
    fn burst(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<Burst, TransportError> {
        let count = slots.len().min(AT_ONCE);
        let slots = &mut slots[..count];
        let shortest = slots.iter().map(|slot| slot.buffer.len()).min().unwrap_or_default();
        if self.may_exceed(shortest) {
            self.burst_bounced(slots, wait)
        } else {
            self.burst_in_place(slots, wait)
        }
    }

    /// Receives datagrams into slots whose buffers are long enough for any datagram, and translates
    /// them there, by templates where these match.
    fn burst_in_place(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<Burst, TransportError> {
        let headroom = self.headroom();
        let count = slots.len();
        let rooms = slots
            .iter_mut()
            .map(|slot| slot.buffer.get_mut(headroom..).unwrap_or_default());
        let mut outstanding = self.outstanding();
        let mut arrivals = Arrivals::new();
        self.receive_into(rooms.map(|room| [IoSliceMut::new(room)]), &mut arrivals, wait)?;
        // Another thread may be using the shared cache. Then this call begins with an empty cache.
        let (mut own, mut shared) = (TemplateCache::default(), self.templates.try_lock());
        let templates = shared.as_deref_mut().unwrap_or(&mut own);
        templates.begin(self.devices.generation());
        let kept = keep(slots, &arrivals, |_, buffer, arrival| {
            let Some(matched) = templates.translate(buffer, headroom, arrival.length as usize) else {
                let received = arrival.datagram(buffer.len().saturating_sub(headroom));
                return self.accept_and_insert(templates, buffer, headroom, received, outstanding.as_deref_mut());
            };
            if let Some(outstanding) = &mut outstanding {
                outstanding.arrived(matched.id);
            }
            self.set_headroom(matched.headroom);
            Ok(Some(Datagram {
                copied: matched.frame.min(buffer.len()),
                length: matched.frame,
                sender: arrival.sender,
            }))
        });
        let may_be_more = arrivals.len() == count;
        Ok(Burst { kept, may_be_more })
    }

    /// Receives at most 32 datagrams into slots of which a buffer may be too short: the first bytes
    /// of each datagram into a bounce buffer, and the rest into its slot. Translates them.
    #[cold]
    fn burst_bounced(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<Burst, TransportError> {
        // Half of `AT_ONCE` at a time, since the bounce buffers take much room on the stack.
        let mut bounce = [[0; BOUNCE_BYTES]; AT_ONCE / 2];
        let count = slots.len().min(bounce.len());
        let slots = &mut slots[..count];
        let rooms = slots.iter_mut().zip(&mut bounce);
        let mut outstanding = self.outstanding();
        let mut arrivals = Arrivals::new();
        let places = rooms.map(|(slot, bounce)| headroom::parts(bounce, slot.buffer));
        self.receive_into(places, &mut arrivals, wait)?;
        let kept = keep(slots, &arrivals, |index, buffer, arrival| {
            let received = arrival.datagram(BOUNCE_BYTES + buffer.len().saturating_sub(FRAME_HEAD));
            let translated = self.translate(Origin::Bounced(&bounce[index]), buffer, received);
            self.accept(translated, buffer.len(), received, outstanding.as_deref_mut())
        });
        let may_be_more = arrivals.len() == count;
        Ok(Burst { kept, may_be_more })
    }

    /// Receives datagrams, each into one of `places`, fills `arrivals`, and tells the device table
    /// how many datagrams came.
    #[inline(always)]
    fn receive_into<'a, const PARTS: usize>(
        &self,
        places: impl Iterator<Item = [IoSliceMut<'a>; PARTS]>,
        arrivals: &mut Arrivals,
        wait: Wait,
    ) -> Result<(), TransportError> {
        let mut room = ArrayVec::<_, AT_ONCE>::new();
        room.extend(places);
        self.socket.receive_places(&mut room, arrivals, wait)?;
        self.devices.datagrams_came(arrivals.len() as u32);
        Ok(())
    }

    /// Translates a datagram that no template matches. If it is a packet for the program, and the
    /// batch may still make templates, tries to make one of it. The datagram is in `buffer` after
    /// `headroom` bytes. Returns `None` if it is not for the program.
    #[inline(never)]
    fn accept_and_insert(
        &self,
        templates: &mut TemplateCache,
        buffer: &mut [u8],
        headroom: usize,
        received: Datagram,
        outstanding: Option<&mut Outstanding>,
    ) -> Result<Option<Datagram>, TransportError> {
        let prefix = templates.prefix_to_insert(buffer, headroom);
        let translated = self.translate(Origin::InBuffer(headroom), buffer, received);
        if let (Some(prefix), Ok(Translated::Packet { frame, .. })) = (prefix, translated) {
            let frame = buffer.get(..frame).unwrap_or_default();
            templates.insert(&prefix, frame, self.options.family);
        }
        self.accept(translated, buffer.len(), received, outstanding)
    }
}

/// Has `accept` make frames of the datagrams that came into `slots`. Moves the frames and errors
/// for the program to the first slots, and returns their number. A datagram for which `accept`
/// returns `None` leaves no frame.
#[inline(always)]
fn keep(
    slots: &mut [Slot<'_>],
    arrivals: &Arrivals,
    mut accept: impl FnMut(usize, &mut [u8], Arrival) -> Result<Option<Datagram>, TransportError>,
) -> usize {
    let mut kept = 0;
    for (index, arrival) in arrivals.iter().enumerate() {
        let Some(result) = accept(index, slots[index].buffer, *arrival).transpose() else {
            continue;
        };
        slots[kept].result = match result {
            Ok(datagram) if kept < index => Ok(move_up(slots, index, kept, datagram)),
            result => result,
        };
        kept += 1;
    }
    kept
}

/// Copies a datagram from slot `from` to the earlier slot `to`, whose own datagram was not for the
/// program or has been moved up itself. Returns the datagram's description, with `copied` reduced
/// to what fits the buffer of slot `to`.
fn move_up(slots: &mut [Slot<'_>], from: usize, to: usize, datagram: Datagram) -> Datagram {
    let (before, after) = slots.split_at_mut(from);
    let Some(to) = before.get_mut(to) else {
        return datagram;
    };
    let copied = datagram.copied.min(to.buffer.len());
    to.buffer[..copied].copy_from_slice(&after[0].buffer[..copied]);
    Datagram { copied, ..datagram }
}
