//! What a verdict does to the packet that it is for (VER-4 to VER-10).

use super::Kernel;
use super::hooks::End;
use super::traversal::{RouteKey, Traversal};
use crate::books::{DropReason, PacketEvent};
use crate::fault::Fault;
use crate::host::packet::Packet;
use crate::host::{ipv4, routing};
use crate::queue::ip_queue::Released;
use ipq_core::{Family, Verdict};

/// A place that no hook has a function at.
const BEHIND_THE_LAST: u8 = u8::MAX;
impl Kernel {
    /// Lets a packet that was taken out of the queue go on as its verdict says (VER-4 to VER-10).
    pub(super) fn reinject(&mut self, mut traversal: Traversal, released: Released<'_>) {
        self.ledger.journal.note(|| PacketEvent::Verdict {
            packet: traversal.packet.serial,
            packet_id: released.packet_id,
            verdict: released.verdict,
            replaced: released.replacement.is_some(),
        });
        let end = self.obey_verdict(&mut traversal, released.verdict, released.replacement);
        if let Some(slot) = self.settle(end, &traversal.packet) {
            self.keep(slot, traversal);
        }
    }

    fn obey_verdict(&mut self, traversal: &mut Traversal, verdict: Verdict, replacement: Option<&[u8]>) -> End {
        self.replace(&mut traversal.packet, verdict, replacement)?;
        let (this, next) = (traversal.function, traversal.function + 1);
        match verdict {
            Verdict::Accept if self.faults.seeded(Fault::AcceptIsDrop) => Err(DropReason::Verdict),
            Verdict::Drop if self.faults.seeded(Fault::DropIsAccept) => self.resume(traversal, next),
            Verdict::Repeat | Verdict::Queue if self.faults.seeded(Fault::RequeueIsAccept) => {
                self.resume(traversal, next)
            }
            Verdict::Accept => self.resume(traversal, next),
            Verdict::Repeat if self.faults.seeded(Fault::RepeatKeepsRoute) => self.pass_hooks(traversal, this),
            Verdict::Repeat => self.resume(traversal, this),
            Verdict::Stop if self.faults.seeded(Fault::StopIsAccept) => self.resume(traversal, next),
            Verdict::Stop if self.faults.seeded(Fault::StopIsRouted) => self.resume(traversal, BEHIND_THE_LAST),
            Verdict::Stop => self.pass_hooks(traversal, BEHIND_THE_LAST),
            Verdict::Queue => self.enqueue(traversal).map(Some),
            Verdict::Drop | Verdict::Stolen | Verdict::Unknown(_) => Err(DropReason::Verdict),
        }
    }

    fn replace(&self, packet: &mut Packet, verdict: Verdict, replacement: Option<&[u8]>) -> Result<(), DropReason> {
        let Some(mut replacement) = replacement else {
            return Ok(());
        };
        if self.faults.seeded(Fault::RequeueShowsOriginal) && matches!(verdict, Verdict::Queue | Verdict::Repeat) {
            return Ok(());
        }
        if self.faults.seeded(Fault::ShortReplacementDrops) && replacement.len() < packet.family.header_length() {
            return Err(DropReason::Verdict);
        }
        if self.faults.seeded(Fault::GrowthCut) {
            replacement = &replacement[..replacement.len().min(packet.data.len())];
        }
        let tail_kept = [replacement, packet.data.get(replacement.len()..).unwrap_or_default()];
        let tail_kept = self.faults.seeded(Fault::TailKept).then(|| tail_kept.concat());
        packet
            .replace(tail_kept.as_deref().unwrap_or(replacement))
            .map_err(|_| DropReason::ReplacementTooLong)?;
        if self.faults.seeded(Fault::ChecksumMended) && packet.family == Family::Ipv4 {
            packet.data = ipv4::with_mended_checksum(std::mem::take(&mut packet.data));
        }
        Ok(())
    }

    /// Goes on with a function of the hook that queued the packet; before that what was changed at OUTPUT is routed again
    /// (VER-10).
    fn resume(&mut self, traversal: &mut Traversal, function: u8) -> End {
        let changed = traversal
            .routed_by
            .take()
            .is_some_and(|key| *key != RouteKey::of(&traversal.packet));
        if changed && !self.faults.seeded(Fault::OutputRouteKept) {
            let (_, destination) = routing::addresses(&traversal.packet);
            let kept = traversal.route.filter(|_| self.faults.seeded(Fault::LostRouteKept));
            let route = self.network.route(destination).or(kept);
            traversal.route = Some(route.ok_or(DropReason::NotReroutable)?);
        }
        self.pass_hooks(traversal, function)
    }
}
