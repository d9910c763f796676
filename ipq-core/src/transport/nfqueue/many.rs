//! Taking many datagrams in one system call.

use super::NfQueue;
use super::alike::Alike;
use super::message::ParseError;
use super::scattered::{self, BESIDE, Beside, Origin};
use super::translation::Translated;
use crate::transport::netlink::Place;
use crate::transport::{Datagram, Slot, TransportError, Wait};
use std::io::IoSliceMut;

/// How many datagrams one system call takes: what is known of them, and perhaps their beginnings, lives on the stack.
const BATCH: usize = 32;

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

/// Takes what is there, at most [`BATCH`] datagrams, into `slots`.
fn take(queue: &NfQueue, slots: &mut [Slot<'_>], wait: Wait) -> Result<Taken, TransportError> {
    let count = slots.len().min(BATCH);
    let slots = &mut slots[..count];
    if slots.iter().any(|slot| queue.may_be_cut(slot.buffer)) {
        take_scattered(queue, slots, wait)
    } else {
        take_into(queue, slots, &mut [], wait)
    }
}

/// The same where a buffer may be too short.
#[cold]
fn take_scattered(queue: &NfQueue, slots: &mut [Slot<'_>], wait: Wait) -> Result<Taken, TransportError> {
    take_into(queue, slots, &mut [[0; BESIDE]; BATCH], wait)
}

/// Takes datagrams into `slots`, with their beginnings `beside` if there is room for them.
fn take_into(
    queue: &NfQueue,
    slots: &mut [Slot<'_>],
    beside: &mut [Beside],
    wait: Wait,
) -> Result<Taken, TransportError> {
    let count = slots.len();
    let ahead = queue.ahead();
    let (mut free, mut free_beside) = (slots.iter_mut(), beside.iter_mut());
    let mut places: [_; BATCH] = std::array::from_fn(|_| {
        let buffer: &mut [u8] = free.next().map(|slot| &mut *slot.buffer).unwrap_or_default();
        Place::new(match free_beside.next() {
            Some(beside) => scattered::parts(beside, buffer),
            None => [buffer.get_mut(ahead..).unwrap_or_default(), &mut []].map(IoSliceMut::new),
        })
    });
    let mut outstanding = queue.outstanding();
    let received = queue.socket.receive_places(&mut places[..count], wait)?;
    queue.devices.datagrams_came(received as u32);
    let datagrams = places.map(|place| place.datagram());
    let mut alike = Alike::default();
    let mut kept = 0;
    for (index, datagram) in datagrams.into_iter().take(received).enumerate() {
        let buffer = &mut *slots[index].buffer;
        let translated = match beside.get(index) {
            Some(beside) => queue.translate(Origin::Beside(beside), buffer, datagram),
            None => translate_within(queue, &mut alike, buffer, ahead, datagram),
        };
        let taken_in = queue.take_in(translated, buffer.len(), datagram, outstanding.as_deref_mut());
        let Some(result) = taken_in.transpose() else {
            continue;
        };
        slots[kept].result = result.map(|datagram| moved_up(slots, index, kept, datagram));
        kept += 1;
    }
    let may_be_more = received == count;
    Ok(Taken { kept, may_be_more })
}

/// Turns a datagram that was received in `buffer` from byte `ahead` on into a frame, if it is one.
#[inline(always)]
fn translate_within(
    queue: &NfQueue,
    alike: &mut Alike,
    buffer: &mut [u8],
    ahead: usize,
    datagram: Datagram,
) -> Result<Translated, ParseError> {
    if datagram.copied == datagram.length
        && let Some(translated) = alike.translate(buffer, ahead, datagram.length)
    {
        return Ok(translated);
    }
    translate_and_learn(queue, alike, buffer, ahead, datagram)
}

/// The same of a datagram that is like none before.
#[cold]
fn translate_and_learn(
    queue: &NfQueue,
    alike: &mut Alike,
    buffer: &mut [u8],
    ahead: usize,
    datagram: Datagram,
) -> Result<Translated, ParseError> {
    let start = alike.start(buffer, ahead);
    let translated = queue.translate(Origin::Within(ahead), buffer, datagram)?;
    if let (Some(start), Translated::Packet { frame, .. }) = (start, translated) {
        alike.learn(&start, buffer.get(..frame).unwrap_or_default(), queue.options.family);
    }
    Ok(translated)
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
