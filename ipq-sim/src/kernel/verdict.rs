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
    /// packet go on as the verdict says (VER-4 to VER-10). If it was queued again, returns its
    /// place in its queue, in which the caller must keep it. Otherwise it was delivered to this
    /// host, sent or dropped, and is in the books: returns `None`.
    #[inline]
    pub(super) fn reinject(&mut self, traversal: &mut Traversal, released: Released<'_>) -> Option<Place> {
        let replaced = self.replace(&mut traversal.packet, &released);
        self.note_verdict(
            traversal,
            released.packet_id,
            released.verdict,
            replaced == Ok(true),
            None,
        );
        let end = replaced.and_then(|_| self.obey_verdict(traversal, released.verdict));
        self.settle_again(end, traversal)
    }

    /// Replaces a packet's bytes by its verdict's payload. Returns `true` if it did so. Returns
    /// `false` if the verdict has no payload, or a payload that is too short (VER-6) or that a
    /// seeded fault ignores. Fails if the payload makes the kernel drop the packet.
    #[inline]
    fn replace(&self, packet: &mut Packet, released: &Released<'_>) -> Result<bool, DropReason> {
        let rules = &self.profile.behaviour.verdicts;
        let is_requeued = matches!(released.verdict, Verdict::Queue | Verdict::Repeat);
        match released.replacement {
            Some(replacement) if !(is_requeued && rules.requeued == Requeued::Original) => {
                replace(packet, replacement, rules)
            }
            _ => Ok(false),
        }
    }

    /// Notes a verdict in the journal of events and among the packet's steps. `replaced` is `true`
    /// if the verdict's payload replaced the packet. `mark` is the mark that the verdict set, if it
    /// set one.
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
    fn obey_verdict(&mut self, traversal: &mut Traversal, verdict: Verdict) -> End {
        let (this, next) = (traversal.function, traversal.function + 1);
        match self.profile.behaviour.verdicts.effect(verdict) {
            Effect::NextFunction => self.resume(traversal, next),
            Effect::SameFunction => self.resume(traversal, this),
            Effect::SameFunctionUnrouted => self.pass_hooks(traversal, this),
            Effect::NextHook => self.pass_hooks(traversal, BEHIND_THE_LAST),
            Effect::NextHookRouted => self.resume(traversal, BEHIND_THE_LAST),
            Effect::Queued => self.enqueue(traversal, false),
            Effect::Dropped | Effect::Refused => Err(DropReason::Verdict),
        }
    }

    /// Runs the functions of the packet's hook from number `function` on, and then the hooks that
    /// follow. If the packet was queued at OUTPUT, and its addresses, TOS or mark have changed
    /// since, routes it anew first, on kernels that do so; fails if there is no route (VER-10).
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
/// VER-8), and returns `true`. A payload shorter than the family's fixed header is not taken:
/// returns `false` if the kernel ignores it, and fails if the kernel drops the packet for it.
/// Fails, too, if the packet would grow to more than 65,535 bytes.
fn replace(packet: &mut Packet, replacement: &[u8], rules: &Verdicts) -> Result<bool, DropReason> {
    if replacement.len() < packet.family.header_length() {
        return match rules.short_replacement {
            ShortReplacement::Ignored => Ok(false),
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
    Ok(true)
}
