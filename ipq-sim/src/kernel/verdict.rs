//! The effect of a verdict on its packet (VER-4 to VER-10).

use super::Kernel;
use super::hooks::{BEHIND_THE_LAST, End, Place};
use super::traversal::{RouteKey, Traversal};
use crate::behaviour::{Checksum, Effect, Requeued, Reroute, Resizing, ShortReplacement, Verdicts};
use crate::books::{DropReason, PacketEvent, Step};
use crate::host::packet::Packet;
use crate::host::{ipv4, routing};
use crate::queue::ip_queue::Released;
use ipq_core::{Family, PacketId, Verdict};

impl Kernel {
    /// Notes the verdict on a packet that was taken out of its queue of `ip_queue`, and lets the
    /// packet go on as the verdict says (VER-4 to VER-10). Returns the packet's place in its queue
    /// if it was queued again, and must be kept there. Returns `None` if it was delivered or
    /// dropped, which is then in the books.
    #[inline]
    pub(super) fn reinject(&mut self, traversal: &mut Traversal, released: Released<'_>) -> Option<Place> {
        let replaced = released.replacement.is_some();
        self.note_verdict(traversal, released.packet_id, released.verdict, replaced, None);
        let end = self.obey_verdict(traversal, released.verdict, released.replacement);
        self.settle_again(end, traversal)
    }

    /// Notes a verdict in the journal of events and among the packet's steps. `replaced` is `true`
    /// if the verdict has a payload to replace the packet.
    #[inline]
    pub(super) fn note_verdict(
        &mut self,
        traversal: &Traversal,
        packet_id: PacketId,
        verdict: Verdict,
        replaced: bool,
        mark: Option<u32>,
    ) {
        let packet = traversal.packet.serial;
        self.ledger.journal.note(|| PacketEvent::Verdict {
            packet,
            packet_id,
            verdict,
            replaced,
            mark,
        });
        self.ledger.step(packet, Step::Verdict(verdict));
    }

    #[inline]
    fn obey_verdict(&mut self, traversal: &mut Traversal, verdict: Verdict, replacement: Option<&[u8]>) -> End {
        let rules = &self.profile.behaviour.verdicts;
        let is_requeued = matches!(verdict, Verdict::Queue | Verdict::Repeat);
        if let Some(replacement) = replacement
            && !(is_requeued && rules.requeued == Requeued::Original)
        {
            replace(&mut traversal.packet, replacement, rules)?;
        }
        let (this, next) = (traversal.function, traversal.function + 1);
        match rules.effect(verdict) {
            Effect::NextFunction => self.resume(traversal, next),
            Effect::SameFunction => self.resume(traversal, this),
            Effect::SameFunctionUnrouted => self.pass_hooks(traversal, this),
            Effect::NextHook => self.pass_hooks(traversal, BEHIND_THE_LAST),
            Effect::NextHookRouted => self.resume(traversal, BEHIND_THE_LAST),
            Effect::Queued => self.enqueue(traversal, false),
            Effect::Dropped | Effect::Refused => Err(DropReason::Verdict),
        }
    }

    /// Lets a packet go on with function `function` of the hook that queued it. If its addresses,
    /// TOS or mark changed since it was queued at OUTPUT, it is routed again first, on kernels that
    /// do so, and dropped if there is no route (VER-10).
    #[inline]
    pub(super) fn resume(&mut self, traversal: &mut Traversal, function: u8) -> End {
        let rule = self.profile.behaviour.host.reroute;
        let changed = traversal
            .routed_by
            .take()
            .is_some_and(|key| *key != RouteKey::of(&traversal.packet));
        if changed && rule != Reroute::Never {
            match self.network.route(routing::destination(&traversal.packet)) {
                Some(route) => traversal.follow(route),
                None if rule == Reroute::OrKept && traversal.route.is_some() => {}
                None => return Err(DropReason::NotReroutable),
            }
        }
        self.pass_hooks(traversal, function)
    }
}

/// Replaces a packet's bytes by a verdict's payload, as the kernel's rules have it (VER-6 to
/// VER-8). Kernels ignore a payload shorter than the family's fixed header. Fails if the payload
/// makes the packet longer than 65,535 bytes, for which the packet is dropped.
fn replace(packet: &mut Packet, replacement: &[u8], rules: &Verdicts) -> Result<(), DropReason> {
    if replacement.len() < packet.family.header_length() {
        return match rules.short_replacement {
            ShortReplacement::Ignored => Ok(()),
            ShortReplacement::Drops => Err(DropReason::Verdict),
        };
    }
    let replaced = match rules.resizing {
        Resizing::Exact => packet.replace(replacement),
        Resizing::NeverGrows => packet.replace(&replacement[..replacement.len().min(packet.data.len())]),
        Resizing::NeverShrinks => {
            let end = packet.data.get(replacement.len()..).unwrap_or_default();
            packet.replace(&[replacement, end].concat())
        }
    };
    replaced.map_err(|_| DropReason::ReplacementTooLong)?;
    if rules.checksum == Checksum::Mended && packet.family == Family::Ipv4 {
        packet.data = ipv4::with_mended_checksum(std::mem::take(&mut packet.data));
    }
    Ok(())
}
