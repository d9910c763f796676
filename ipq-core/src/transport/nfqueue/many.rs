//! Taking many datagrams in one system call.

use super::NfQueue;
use super::alike::Alike;
use super::outstanding::Outstanding;
use super::scattered::{self, BESIDE, FIXED, Origin};
use super::translation::Translated;
use crate::transport::netlink::{Arrival, Arrivals};
use crate::transport::{AT_ONCE, Datagram, Slot, TransportError, Wait};
use crate::wire::PortId;
use arrayvec::ArrayVec;
use std::io::IoSliceMut;

/// Waits for the first datagram, and takes what is there with it.
pub(super) fn receive(queue: &NfQueue, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
    if slots.is_empty() {
        return Ok(0);
    }
    let mut some = |wait| {
        let taken = take(queue, slots, wait)?;
        Ok((taken.kept > 0).then_some(taken))
    };
    let mut last = match some(Wait::Never) {
        Ok(Some(taken)) => taken,
        looked => queue.until_some(wait, looked, some)?,
    };
    let mut filled = last.kept;
    while filled < slots.len() && last.may_be_more {
        match take(queue, &mut slots[filled..], Wait::Never) {
            Ok(taken) => {
                filled += taken.kept;
                last = taken;
            }
            Err(TransportError::TimedOut) => break,
            Err(error) => {
                slots[filled].result = Err(error);
                return Ok(filled + 1);
            }
        }
    }
    if filled < slots.len() {
        queue.devices.queue_ran_empty();
    }
    Ok(filled)
}

/// What came of a system call.
struct Taken {
    /// How many datagrams were for the program: the first slots have them.
    kept: usize,
    /// Whether it took as many as it could.
    may_be_more: bool,
}

/// Takes what is there, at most [`AT_ONCE`] datagrams, into `slots`.
fn take(queue: &NfQueue, slots: &mut [Slot<'_>], wait: Wait) -> Result<Taken, TransportError> {
    let count = slots.len().min(AT_ONCE);
    let slots = &mut slots[..count];
    let shortest = slots.iter().map(|slot| slot.buffer.len()).min().unwrap_or_default();
    if queue.may_be_cut(shortest) {
        take_scattered(queue, slots, wait)
    } else {
        take_within(queue, slots, wait)
    }
}

/// The same where each buffer is long enough.
fn take_within(queue: &NfQueue, slots: &mut [Slot<'_>], wait: Wait) -> Result<Taken, TransportError> {
    let ahead = queue.ahead();
    let count = slots.len();
    let rooms = slots
        .iter_mut()
        .map(|slot| slot.buffer.get_mut(ahead..).unwrap_or_default());
    let mut outstanding = queue.outstanding();
    let mut arrivals = Arrivals::new();
    receive_into(queue, rooms.map(|room| [IoSliceMut::new(room)]), &mut arrivals, wait)?;
    let (mut own, mut shared) = (Alike::default(), queue.alike.try_lock());
    let alike = shared.as_deref_mut().unwrap_or(&mut own);
    alike.begin(queue.devices.changes());
    let kept = keep(slots, &arrivals, |_, buffer, arrival| {
        let Some(known) = alike.translate(buffer, ahead, arrival.length as usize) else {
            let received = arrival.datagram(buffer.len().saturating_sub(ahead));
            return take_in_and_learn(queue, alike, buffer, ahead, received, outstanding.as_deref_mut());
        };
        if let Some(outstanding) = &mut outstanding {
            outstanding.arrived(known.id);
        }
        queue.receive_ahead(known.ahead);
        Ok(Some(Datagram {
            copied: known.frame.min(buffer.len()),
            length: known.frame,
            sender: PortId(arrival.sender),
        }))
    });
    let may_be_more = arrivals.len() == count;
    Ok(Taken { kept, may_be_more })
}

/// The same where a buffer may be too short.
#[cold]
fn take_scattered(queue: &NfQueue, slots: &mut [Slot<'_>], wait: Wait) -> Result<Taken, TransportError> {
    // Half as many at a time: they take much room on the stack.
    let mut beside = [[0; BESIDE]; AT_ONCE / 2];
    let count = slots.len().min(beside.len());
    let slots = &mut slots[..count];
    let rooms = slots.iter_mut().zip(&mut beside);
    let mut outstanding = queue.outstanding();
    let mut arrivals = Arrivals::new();
    let places = rooms.map(|(slot, beside)| scattered::parts(beside, slot.buffer));
    receive_into(queue, places, &mut arrivals, wait)?;
    let kept = keep(slots, &arrivals, |index, buffer, arrival| {
        let received = arrival.datagram(BESIDE + buffer.len().saturating_sub(FIXED));
        let translated = queue.translate(Origin::Beside(&beside[index]), buffer, received);
        queue.take_in(translated, buffer.len(), received, outstanding.as_deref_mut())
    });
    let may_be_more = arrivals.len() == count;
    Ok(Taken { kept, may_be_more })
}

/// Receives datagrams, each into one of `places`.
#[inline(always)]
fn receive_into<'a, const PARTS: usize>(
    queue: &NfQueue,
    places: impl Iterator<Item = [IoSliceMut<'a>; PARTS]>,
    arrivals: &mut Arrivals,
    wait: Wait,
) -> Result<(), TransportError> {
    let mut room = ArrayVec::<_, AT_ONCE>::new();
    room.extend(places);
    queue.socket.receive_places(&mut room, arrivals, wait)?;
    queue.devices.datagrams_came(arrivals.len() as u32);
    Ok(())
}

/// Has `take_in` make frames of the datagrams that came into `slots`, and moves those that are for the program to the
/// front: returns how many are.
#[inline(always)]
fn keep(
    slots: &mut [Slot<'_>],
    arrivals: &Arrivals,
    mut take_in: impl FnMut(usize, &mut [u8], Arrival) -> Result<Option<Datagram>, TransportError>,
) -> usize {
    let mut kept = 0;
    for (index, arrival) in arrivals.iter().enumerate() {
        let Some(result) = take_in(index, slots[index].buffer, *arrival).transpose() else {
            continue;
        };
        slots[kept].result = match result {
            Ok(datagram) if kept < index => Ok(moved_up(slots, index, kept, datagram)),
            result => result,
        };
        kept += 1;
    }
    kept
}

/// Takes in a datagram that is in `buffer` from byte `ahead` on and like none before.
#[inline(never)]
fn take_in_and_learn(
    queue: &NfQueue,
    alike: &mut Alike,
    buffer: &mut [u8],
    ahead: usize,
    received: Datagram,
    outstanding: Option<&mut Outstanding>,
) -> Result<Option<Datagram>, TransportError> {
    let start = alike.start(buffer, ahead);
    let translated = queue.translate(Origin::Within(ahead), buffer, received);
    if let (Some(start), Ok(Translated::Packet { frame, .. })) = (start, translated) {
        alike.learn(&start, buffer.get(..frame).unwrap_or_default(), queue.options.family);
    }
    queue.take_in(translated, buffer.len(), received, outstanding)
}

/// Copies a datagram to an earlier slot, after one that was not for the program.
fn moved_up(slots: &mut [Slot<'_>], from: usize, to: usize, datagram: Datagram) -> Datagram {
    let (before, after) = slots.split_at_mut(from);
    let Some(to) = before.get_mut(to) else {
        return datagram;
    };
    let copied = datagram.copied.min(to.buffer.len());
    to.buffer[..copied].copy_from_slice(&after[0].buffer[..copied]);
    Datagram { copied, ..datagram }
}
