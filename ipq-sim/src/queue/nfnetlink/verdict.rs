//! Verdicts: on one packet, and on all packets up to an id (NFQ-60 to NFQ-71).

use super::attributes::{Attributes, Note, Policy};
use super::instance::Instance;
use super::messages::Request;
use super::{Queues, Sender};
use ipq_core::Errno;
use ipq_core::wire::nfnetlink::{HEADER_BYTES, attribute};

/// The attributes of a verdict on one packet whose length the kernel checks, and what it demands of
/// each.
const POLICIES: [(u16, Policy); 4] = [
    (attribute::VERDICT_HEADER, Policy::AtLeast(8)),
    (attribute::MARK, Policy::Number),
    (attribute::VLAN, Policy::Nested),
    (attribute::PRIORITY, Policy::Number),
];
/// The attributes of a batch verdict whose length the kernel checks, and what it demands of each.
const BATCH_POLICIES: [(u16, Policy); 3] = [
    (attribute::VERDICT_HEADER, Policy::AtLeast(8)),
    (attribute::MARK, Policy::Number),
    (attribute::PRIORITY, Policy::Number),
];
type VerdictAttributes<'m> = Attributes<'m, 22>;

/// The parts of a verdict message that have an effect here. `None` for an attribute that the
/// message does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Contents<'m> {
    header: Option<[u8; 8]>,
    mark: Option<u32>,
    priority: Option<u32>,
    payload: Option<&'m [u8]>,
}

impl<'m> Contents<'m> {
    /// Returns the contents of a verdict message whose only attribute is the verdict header, as in
    /// nearly all. Returns `None` for any other message.
    ///
    /// This is a quick way for a common case. To [read](Attributes::read) the attributes, and to
    /// call [`of`](Self::of) with them, gives the same contents.
    #[inline]
    fn plain(message: &[u8]) -> Option<Self> {
        const LENGTH: u16 = 12;
        let attribute: [u8; LENGTH as usize] = message.get(HEADER_BYTES..)?.try_into().ok()?;
        let [low, high, kind_low, kind_high, header @ ..] = attribute;
        let is_header = u16::from_ne_bytes([low, high]) == LENGTH
            && u16::from_ne_bytes([kind_low, kind_high]) == attribute::VERDICT_HEADER;
        is_header.then(|| Self {
            header: Some(header),
            ..Self::default()
        })
    }

    /// Returns the contents of a verdict message from its attributes.
    fn of(attributes: &VerdictAttributes<'m>) -> Self {
        Self {
            header: attributes.start(attribute::VERDICT_HEADER),
            mark: attributes.number(attribute::MARK),
            priority: attributes.number(attribute::PRIORITY),
            payload: attributes.get(attribute::PAYLOAD),
        }
    }
}

/// A verdict on packets that leave a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released<'m> {
    /// The packets that the verdict is on.
    pub packets: Packets,
    /// The way that the packets are to go.
    pub decision: Decision,
    /// The mark to set before the packets go on; `None` leaves their mark.
    pub mark: Option<u32>,
    /// The priority to set before the packets go on; `None` leaves their priority.
    pub priority: Option<u32>,
    /// The bytes that replace the packet's; `None` without a payload, and for a batch verdict.
    pub payload: Option<&'m [u8]>,
}

/// The packets that a verdict is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packets {
    /// The packet with this id. It is still in the queue, for the caller to
    /// [take](Queues::take).
    One(u32),
    /// The packets that [`Queues::request`] took out of the queue and added to `taken`.
    Taken,
}

/// The decision of a verdict, read from its 32 bits as the kernel reads them (NFQ-62 to NFQ-64).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The packet is dropped: `NF_DROP`, or `NF_REPEAT` with upper bits.
    Drop,
    /// The packet goes on with the next function of the hook: `NF_ACCEPT`.
    Accept,
    /// The packet goes on past the rest of the hook's functions: `NF_STOP`, or `NF_ACCEPT` with
    /// upper bits.
    Stop,
    /// The function that queued the packet runs once more: `NF_REPEAT`.
    Repeat,
    /// The packet goes to the queue with this number, under a new packet id: `NF_QUEUE`.
    Queue {
        /// The number of the queue.
        number: u16,
        /// What happens if nobody has bound that queue: `true` if the packet goes on, `false` if it
        /// is dropped.
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
    /// Checks a verdict on one packet. If it is accepted, sets `released` to the verdict. The
    /// packet stays in its queue, for the caller to take. Returns the result, and the note for the
    /// answer.
    pub(super) fn decide<'m>(
        &mut self,
        request: &Request<'m>,
        sender: Sender,
        released: &mut Option<Released<'m>>,
    ) -> (Result<(), Errno>, Note) {
        self.judge(request, &POLICIES, sender, released, |instance, id| {
            instance.packets.get(id).map(|_| Packets::One(id))
        })
    }

    /// Carries out a batch verdict, on all packets up to an id. If it succeeds, sets `released` to
    /// the verdict, without its payload, which has no effect (NFQ-66), and adds the packets with
    /// their ids to `taken`, oldest first. Returns the result, and the note for the answer.
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
            (taken.len() > before).then_some(Packets::Taken)
        });
        *released = released.map(|released| Released {
            payload: None,
            ..released
        });
        judged
    }

    /// Reads a verdict message, and checks it as [`take_decided`](Self::take_decided) does, with
    /// `find`. If it is accepted, sets `released` to the verdict. Returns the result, and the note
    /// for the answer.
    fn judge<'m>(
        &mut self,
        request: &Request<'m>,
        policies: &[(u16, Policy)],
        sender: Sender,
        released: &mut Option<Released<'m>>,
        find: impl FnOnce(&mut Instance<T>, u32) -> Option<Packets>,
    ) -> (Result<(), Errno>, Note) {
        let (contents, note) = match Contents::plain(request.bytes) {
            Some(contents) => (contents, Note::None),
            None => match VerdictAttributes::read(request.bytes, policies) {
                Ok(attributes) => (Contents::of(&attributes), attributes.note),
                Err((errno, note)) => return (Err(errno), note),
            },
        };
        let result = self.take_decided(request.queue(), contents, sender, find);
        (result.map(|decided| *released = Some(decided)), note)
    }

    /// Checks a verdict in the kernel's order (NFQ-60). Fails with ENODEV if nobody has bound the
    /// queue, with EPERM if another port id owns it, and with EINVAL if the verdict has no header
    /// or a value that is refused. Then calls `find` with the queue and the packet id of the
    /// verdict. `find` returns which packets the verdict is on, and takes those of a batch verdict
    /// out of the queue. If `find` returns `None`, there is no such packet, and this fails with
    /// ENOENT. Otherwise returns the verdict.
    fn take_decided<'m>(
        &mut self,
        number: u16,
        contents: Contents<'m>,
        sender: Sender,
        find: impl FnOnce(&mut Instance<T>, u32) -> Option<Packets>,
    ) -> Result<Released<'m>, Errno> {
        let instance = self.instances.get_mut(&number).ok_or(Errno::ENODEV)?;
        if instance.owner() != sender.port_id {
            return Err(Errno::EPERM);
        }
        let [verdict @ .., id0, id1, id2, id3] = contents.header.ok_or(Errno::EINVAL)?;
        let verdict = u32::from_be_bytes(verdict);
        if !matches!(verdict & 0xff, 0 | 1 | 3..=5) {
            return Err(Errno::EINVAL);
        }
        let packets = find(instance, u32::from_be_bytes([id0, id1, id2, id3])).ok_or(Errno::ENOENT)?;
        Ok(Released {
            packets,
            decision: Decision::of(verdict),
            mark: contents.mark,
            priority: contents.priority,
            payload: contents.payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns a message with an attribute that states this length and type, and has this content.
    fn message(length: u16, kind: u16, content: &[u8]) -> Vec<u8> {
        let header = [length.to_ne_bytes(), kind.to_ne_bytes()];
        [&[0; HEADER_BYTES], header.as_flattened(), content].concat()
    }

    proptest! {
        #[test]
        fn a_plain_verdict_is_read_as_any_other(
            length in 10_u16..14,
            kind in prop_oneof![Just(attribute::VERDICT_HEADER), 0_u16..24, Just(0x8002)],
            content in prop::collection::vec(any::<u8>(), 0..16),
        ) {
            let message = message(length, kind, &content);
            if let Some(contents) = Contents::plain(&message) {
                for policies in [&POLICIES[..], &BATCH_POLICIES] {
                    let read = VerdictAttributes::read(&message, policies);
                    let read = read.map(|attributes| (Contents::of(&attributes), attributes.note));
                    prop_assert_eq!(read, Ok((contents, Note::None)));
                }
            }
        }
    }

    #[test]
    fn a_verdict_with_a_header_alone_is_plain() {
        let header = [0, 0, 0, 1, 0, 0, 0, 9];
        let contents = Contents::plain(&message(12, attribute::VERDICT_HEADER, &header));
        assert_eq!(contents.and_then(|contents| contents.header), Some(header));
    }
}
