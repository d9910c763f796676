//! Verdicts: on one packet, and on all packets up to an id (NFQ-60 to NFQ-71).

use super::attributes::{Attributes, Note, Policy};
use super::instance::Instance;
use super::messages::Request;
use super::{Queues, Sender};
use ipq_core::Errno;
use ipq_core::wire::nfnetlink::attribute;

/// The attributes of a verdict that must have some content.
const POLICIES: [(u16, Policy); 4] = [
    (attribute::VERDICT_HEADER, Policy::AtLeast(8)),
    (attribute::MARK, Policy::Number),
    (attribute::VLAN, Policy::Nested),
    (attribute::PRIORITY, Policy::Number),
];
/// The attributes of a verdict on several packets that must have some content.
const BATCH_POLICIES: [(u16, Policy); 3] = [
    (attribute::VERDICT_HEADER, Policy::AtLeast(8)),
    (attribute::MARK, Policy::Number),
    (attribute::PRIORITY, Policy::Number),
];
type VerdictAttributes<'m> = Attributes<'m, 22>;

/// A verdict, for the packets that it took out of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released<'m> {
    /// The decision on the packets.
    pub decision: Decision,
    /// The mark to set before the packets go on; `None` leaves their mark.
    pub mark: Option<u32>,
    /// The priority to set before the packets go on; `None` leaves their priority.
    pub priority: Option<u32>,
    /// The bytes that replace the packet's. A verdict on several packets has none.
    pub payload: Option<&'m [u8]>,
}

/// A verdict's decision, read from its 32 bits as the kernel does (NFQ-61).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The packet is dropped.
    Drop,
    /// The next function of the hook sees the packet: `NF_ACCEPT`.
    Accept,
    /// The rest of the hook's functions are passed over: `NF_STOP`, or `NF_ACCEPT` with other bits.
    Stop,
    /// The function that queued the packet sees it once more: `NF_REPEAT`.
    Repeat,
    /// The packet goes to a queue, under a new id: `NF_QUEUE`.
    Queue {
        /// The number of the queue.
        number: u16,
        /// `true` if the packet goes on where nobody has bound that queue.
        bypass: bool,
    },
}

impl Decision {
    const fn of(verdict: u32) -> Self {
        match (verdict & 0xff, verdict) {
            (_, 1) => Self::Accept,
            (_, 4) => Self::Repeat,
            (1 | 5, _) => Self::Stop,
            (3, _) => Self::Queue {
                number: (verdict >> 16) as u16,
                bypass: verdict & 0x8000 != 0,
            },
            _ => Self::Drop,
        }
    }
}

impl<T> Queues<T> {
    /// Carries out a verdict on one packet, and adds the packet to `taken`.
    pub(super) fn decide<'m>(
        &mut self,
        request: &Request<'m>,
        sender: Sender,
        taken: &mut Vec<(u32, T)>,
        released: &mut Option<Released<'m>>,
    ) -> (Result<(), Errno>, Note) {
        self.judge(request, &POLICIES, sender, released, |instance, id| {
            taken.push((id, instance.take(id)?));
            Some(())
        })
    }

    /// Carries out a verdict on all packets up to an id, and adds them to `taken`. A payload has no
    /// effect (NFQ-66).
    pub(super) fn decide_batch<'m>(
        &mut self,
        request: &Request<'m>,
        sender: Sender,
        taken: &mut Vec<(u32, T)>,
        released: &mut Option<Released<'m>>,
    ) -> (Result<(), Errno>, Note) {
        let judged = self.judge(request, &BATCH_POLICIES, sender, released, |instance, id| {
            let before = taken.len();
            instance.take_up_to(id, taken);
            (taken.len() > before).then_some(())
        });
        *released = released.map(|released| Released {
            payload: None,
            ..released
        });
        judged
    }

    /// Reads a verdict, and has `take` take the verdict's packets out of the queue.
    fn judge<'m>(
        &mut self,
        request: &Request<'m>,
        policies: &[(u16, Policy)],
        sender: Sender,
        released: &mut Option<Released<'m>>,
        take: impl FnOnce(&mut Instance<T>, u32) -> Option<()>,
    ) -> (Result<(), Errno>, Note) {
        let attributes = match VerdictAttributes::read(request.bytes, policies) {
            Ok(attributes) => attributes,
            Err((errno, note)) => return (Err(errno), note),
        };
        let result = self.take_decided(request.queue(), &attributes, sender, take);
        let note = attributes.note;
        (result.map(|decided| *released = Some(decided)), note)
    }

    /// Checks a verdict in the kernel's order (NFQ-60), and has `take` take the packets out of the
    /// queue that it decides about.
    fn take_decided<'m>(
        &mut self,
        number: u16,
        attributes: &VerdictAttributes<'m>,
        sender: Sender,
        take: impl FnOnce(&mut Instance<T>, u32) -> Option<()>,
    ) -> Result<Released<'m>, Errno> {
        let instance = self.instances.get_mut(&number).ok_or(Errno::ENODEV)?;
        if instance.owner() != sender.port_id {
            return Err(Errno::EPERM);
        }
        let header = attributes.start(attribute::VERDICT_HEADER).ok_or(Errno::EINVAL)?;
        let [verdict @ .., id0, id1, id2, id3]: [u8; 8] = header;
        let verdict = u32::from_be_bytes(verdict);
        if !matches!(verdict & 0xff, 0 | 1 | 3..=5) {
            return Err(Errno::EINVAL);
        }
        take(instance, u32::from_be_bytes([id0, id1, id2, id3])).ok_or(Errno::ENOENT)?;
        Ok(Released {
            decision: Decision::of(verdict),
            mark: attributes.number(attribute::MARK),
            priority: attributes.number(attribute::PRIORITY),
            payload: attributes.get(attribute::PAYLOAD),
        })
    }
}
