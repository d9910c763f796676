//! Verdicts that are carried out together.
//!
//! In a long queue no near cache holds the entries, and whoever comes to one of them waits for memory. No verdict needs another's
//! entry. So where nobody can tell when a verdict is carried out, some wait for each other, and then a processor fetches all their
//! entries from memory at a time.

use super::Kernel;
use crate::netlink::SocketId;
use crate::queue::ip_queue::Queue;
use arrayvec::ArrayVec;
use ipq_core::wire::{Abi, Header, MessageType, VerdictRequest};
use ipq_core::{Errno, Family, PacketId};

/// How many verdicts are carried out together.
const AT_ONCE: usize = 32;

/// The longest verdict without a replacement.
const VERDICT_BYTES: usize = Header::BYTES + Abi::LP64_LITTLE.request_bytes();

/// Verdicts that have been sent, and are not carried out yet.
#[derive(Default)]
pub(super) struct Postponed {
    verdicts: ArrayVec<Verdict, AT_ONCE>,
    /// The packet that the last verdict was for, of either family.
    last: PacketId,
    /// Somebody is to be woken by what a verdict may bring, and would be late.
    never: bool,
}

/// A verdict as it was sent.
struct Verdict {
    socket: SocketId,
    family: Family,
    datagram: ArrayVec<u8, VERDICT_BYTES>,
}

impl Postponed {
    /// From now on each verdict is carried out at once.
    pub(super) const fn never(&mut self) {
        self.never = true;
    }
}

impl Kernel {
    /// [`send`](Self::send) for whoever lets the kernel [catch up](Self::catch_up) before anything but this is done with it.
    pub(crate) fn send_lazily(&mut self, socket: SocketId, datagram: &[u8]) -> Result<usize, Errno> {
        if self.queues.iter().flatten().any(Queue::is_long) && self.postpone(socket, datagram).is_some() {
            return Ok(datagram.len());
        }
        self.catch_up();
        self.send(socket, datagram)
    }

    /// Has a message wait for others, if it is a verdict that would wait for memory. That it can be sent is known then; what is thought
    /// of it comes as a reply, which nobody sees before it is carried out.
    #[inline(never)]
    fn postpone(&mut self, socket: SocketId, datagram: &[u8]) -> Option<()> {
        let header = Header::parse(datagram, self.profile.abi)?;
        let (request, _) = VerdictRequest::parse(&datagram[Header::BYTES..], self.profile.abi).ok()?;
        let last = std::mem::replace(&mut self.postponed.last, request.packet_id);
        // What is beside the last one's is on its way from memory already; ids are as far apart as the entries.
        let near = last.0.abs_diff(request.packet_id.0) <= self.profile.entry_bytes;
        let waits = !near || !self.postponed.verdicts.is_empty();
        if !waits || header.message_type != MessageType::Verdict || self.postponed.never || !self.faults.is_empty() {
            return None;
        }
        let sending = self.sockets.begin_sending(socket, datagram.len(), &self.faults);
        let family = sending.ok()?.family;
        self.queues[family as usize].as_ref()?;
        let datagram = datagram.try_into().ok()?;
        self.postponed.verdicts.push(Verdict {
            socket,
            family,
            datagram,
        });
        if self.postponed.verdicts.is_full() {
            self.carry_out();
        }
        Some(())
    }

    /// Carries out every verdict that was postponed.
    pub(crate) fn catch_up(&mut self) {
        if !self.postponed.verdicts.is_empty() {
            self.carry_out();
        }
    }

    #[inline(never)]
    fn carry_out(&mut self) {
        let verdicts = std::mem::take(&mut self.postponed.verdicts);
        for Verdict { family, datagram, .. } in &verdicts {
            if let Some(queue) = &self.queues[*family as usize] {
                queue.look_ahead(datagram);
            }
        }
        for Verdict { socket, datagram, .. } in &verdicts {
            // Nothing else has happened since it could be sent.
            let _ = self.send(*socket, datagram);
        }
    }
}
