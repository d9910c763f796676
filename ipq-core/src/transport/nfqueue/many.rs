//! Taking many datagrams in one system call.

use super::NfQueue;
use super::scattered::{self, BESIDE};
use crate::transport::netlink::Place;
use crate::transport::{Slot, Transport, TransportError, Wait};
use std::io::IoSliceMut;

/// How many datagrams one system call takes: their beginnings live on the stack.
const BATCH: usize = 16;

/// Waits for the first datagram, and takes what is there with it.
pub(super) fn receive(queue: &NfQueue, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
    let Some(first) = slots.first_mut() else {
        return Ok(0);
    };
    first.result = Ok(queue.receive(first.buffer, wait)?);
    let mut filled = 1;
    while filled < slots.len() {
        let room = BATCH.min(slots.len() - filled);
        match take(queue, &mut slots[filled..filled + room]) {
            Ok(taken) => {
                filled += taken.kept;
                if taken.received < room {
                    queue.devices.queue_ran_empty();
                    break;
                }
            }
            Err(TransportError::TimedOut) => {
                queue.devices.queue_ran_empty();
                break;
            }
            Err(error) => {
                slots[filled].result = Err(error);
                filled += 1;
                break;
            }
        }
    }
    Ok(filled)
}

/// What came of a system call.
struct Taken {
    /// How many datagrams it took.
    received: usize,
    /// How many of them were for the program: the first slots have them.
    kept: usize,
}

/// Takes what is there, at most [`BATCH`] datagrams, into `slots`.
fn take(queue: &NfQueue, slots: &mut [Slot<'_>]) -> Result<Taken, TransportError> {
    let mut beside = [[0; BESIDE]; BATCH];
    let count = slots.len().min(BATCH);
    let mut free = slots.iter_mut();
    let mut places = beside.each_mut().map(|beside| {
        let parts = match free.next() {
            Some(slot) => scattered::parts(beside, slot.buffer),
            None => [&mut [], &mut []].map(|none: &mut [u8; 0]| IoSliceMut::new(none)),
        };
        Place::new(parts)
    });
    let received = queue.socket.receive_places(&mut places[..count], Wait::Never)?;
    let datagrams = places.map(|place| place.datagram());
    let mut kept = 0;
    for (index, (beside, datagram)) in beside.iter().zip(datagrams).take(received).enumerate() {
        let Some(result) = queue.take_in(beside, slots[index].buffer, datagram).transpose() else {
            continue;
        };
        let (before, from) = slots.split_at_mut(index);
        if let (Some(to), Some(from)) = (before.get_mut(kept), from.first_mut()) {
            std::mem::swap(&mut to.buffer, &mut from.buffer);
        }
        slots[kept].result = result;
        kept += 1;
    }
    Ok(Taken { received, kept })
}
