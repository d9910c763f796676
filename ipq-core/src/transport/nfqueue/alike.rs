//! Packets that are told of alike, as most are that come together: with the same attributes at the same places, by the same
//! devices, at the same hook. What the first of them became is kept, and nobody goes through the attributes of the others.

use super::message::{Attribute, Attributes, HEADERS, Span, attribute, header, kind};
use super::packet::{hardware_address, shows_devices, timestamp};
use super::scattered::{self, FIXED, Origin};
use super::translation::padded;
use crate::family::Family;
use crate::wire::{Abi, Header, InterfaceName, Mark, Message, PacketId, PacketMetadata};
use arrayvec::ArrayVec;

/// How many bytes are compared. By then a kernel has said all that it says of most packets.
const TOLD: usize = 128;

/// How many kinds of packets are kept apart. What goes to and fro between two devices is two.
const KEPT: usize = 4;

/// The start of a datagram.
type Told = [u8; TOLD];

/// The kinds of packets that have come.
#[derive(Debug, Default)]
pub(super) struct Alike {
    kinds: ArrayVec<Kind, KEPT>,
    /// Which of them gives way to a new one.
    oldest: usize,
    /// How many more of the packets that came together are learnt from: that costs more than to go through one's attributes.
    lessons: usize,
    /// The devices' [`changes`](super::devices::Devices::changes), after which all is to be learnt anew.
    changes: u32,
}

/// What became of a packet of a known kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: u32,
    /// How long its frame is.
    pub(super) frame: usize,
    /// How far from the beginning of a buffer the next is to be received, so that its bytes need not be moved.
    pub(super) ahead: usize,
}

/// What all packets of one kind have in common.
#[derive(Debug)]
struct Kind {
    /// Of the datagram's start, the bytes that are the same in all, and zeros for the others.
    same: Told,
    /// All bits of those bytes.
    mask: Told,
    /// How many bytes come before the packet's; or how many there are, if there are none of the packet's.
    before: usize,
    has_payload: bool,
    /// Where it is said what may differ, if it is.
    id: usize,
    mark: Option<usize>,
    timestamp: Option<usize>,
    hw_address: Option<usize>,
    /// What a frame says.
    metadata: PacketMetadata,
}

impl Alike {
    /// Begins with packets that came together: so many `changes` of devices are known. Of those that a look at the events brings while they
    /// are gone through the known kinds hear the next time.
    pub(super) fn begin(&mut self, changes: u32) {
        if self.changes != changes {
            self.changes = changes;
            self.kinds.clear();
        }
        self.lessons = KEPT;
    }

    /// The start of a datagram that tells of a packet, from byte `at` of `buffer` on, to [learn](Self::learn) from; none if no more is to be
    /// learnt.
    pub(super) fn start(&mut self, buffer: &[u8], at: usize) -> Option<Told> {
        let left = self.lessons.checked_sub(1)?;
        let told = buffer.get(at..)?.first_chunk()?;
        if Header::parse(told, Abi::NATIVE)?.message_type.to_wire() != kind::PACKET {
            return None;
        }
        self.lessons = left;
        Some(*told)
    }

    /// Learns what a packet became of which a datagram that began with `told` told: `frame`.
    pub(super) fn learn(&mut self, told: &Told, frame: &[u8], family: Family) {
        let Some(kind) = Kind::of(told, frame, family) else {
            return;
        };
        if let Err(full) = self.kinds.try_push(kind) {
            self.kinds[self.oldest] = full.element();
            self.oldest = (self.oldest + 1) % KEPT;
        }
    }

    /// Makes a frame of the datagram that was received in `buffer` from byte `at` on, just as
    /// [`Received::translate`](super::translation::Received::translate) would. `None`, and nothing is done, if it is like none before, or its
    /// `length` bytes are not all there.
    #[inline]
    pub(super) fn translate(&self, buffer: &mut [u8], at: usize, length: usize) -> Option<Known> {
        let received = buffer.get(at..).filter(|received| received.len() >= length)?;
        let told: &Told = received.first_chunk()?;
        let kind = self.kinds.iter().find(|kind| kind.has(told))?;
        let payload = kind.payload(told, length)?;
        let metadata = kind.metadata(told)?;
        let mut ahead = at;
        if payload.length > 0 && at + payload.start != FIXED {
            scattered::place(Origin::Within(at), buffer, payload, FIXED);
            ahead = scattered::ahead(payload.start);
        }
        // There is room for it, since there was for what was told.
        metadata.write_head(buffer.first_chunk_mut()?, payload.length);
        let PacketId(id) = metadata.packet_id;
        Some(Known {
            id: id as u32,
            frame: padded(buffer, FIXED + payload.length),
            ahead,
        })
    }
}

impl Kind {
    /// The kind of packet that became `frame`, and of which a datagram that began with `told` told. None if more is said of it than
    /// is compared, or if its frame may depend on anything else.
    fn of(told: &Told, frame: &[u8], family: Family) -> Option<Self> {
        let Ok(Message::Packet(packet)) = Message::parse(frame, Abi::NATIVE) else {
            return None;
        };
        let metadata = packet.metadata();
        let [shows_incoming, shows_outgoing] = shows_devices(metadata.hook);
        // Of those that may be the host's own the bytes say what protocol is shown.
        if family == Family::Ipv6 && !shows_incoming {
            return None;
        }
        let length = Header::parse(told, Abi::NATIVE)?.length as usize;
        let mut kind = Self {
            same: [0; TOLD],
            mask: [0; TOLD],
            before: length,
            has_payload: false,
            id: 0,
            mark: None,
            timestamp: None,
            hw_address: None,
            metadata,
        };
        // The message's type, its family, and its queue.
        for (at, count) in [(4, 2), (Header::BYTES, 1), (Header::BYTES + 2, 2)] {
            kind.fix(told, at, count)?;
        }
        for found in Attributes::new(told, HEADERS, length) {
            let Attribute { kind: number, content } = found.ok()?;
            let at = content.start;
            if number == attribute::PAYLOAD {
                // Its length is its own.
                kind.fix(told, at - 2, 2)?;
                (kind.before, kind.has_payload) = (at, true);
                break;
            }
            kind.fix(told, at - 4, 4)?;
            match number {
                attribute::PACKET_HEADER => {
                    kind.fix(told, at + 4, 3)?;
                    kind.id = at;
                }
                attribute::INCOMING_DEVICE => kind.fix_device(told, at, shows_incoming, metadata.indev_name)?,
                attribute::OUTGOING_DEVICE => kind.fix_device(told, at, shows_outgoing, metadata.outdev_name)?,
                attribute::MARK => kind.mark = Some(at),
                attribute::TIMESTAMP => kind.timestamp = Some(at),
                attribute::HARDWARE_ADDRESS => {
                    kind.fix(told, at, 2)?;
                    kind.hw_address = shows_incoming.then_some(at);
                }
                _ => {}
            }
        }
        // All that is to be read of the others can be.
        kind.metadata(told)?;
        Some(kind)
    }

    /// Says that all are by the device whose index is at `at`, if its `name` is shown. One without a name is not known yet, and is to be looked
    /// for with each packet.
    fn fix_device(&mut self, told: &Told, at: usize, is_shown: bool, name: InterfaceName) -> Option<()> {
        if !is_shown {
            return Some(());
        }
        if name.as_bytes().is_empty() {
            return None;
        }
        self.fix(told, at, 4)
    }

    /// Says that these bytes are the same in all.
    fn fix(&mut self, told: &Told, at: usize, count: usize) -> Option<()> {
        let range = at..at + count;
        self.same
            .get_mut(range.clone())?
            .copy_from_slice(told.get(range.clone())?);
        self.mask.get_mut(range)?.fill(0xff);
        Some(())
    }

    /// Whether a datagram that begins with `told` has the bytes that are the same in all.
    #[inline(always)]
    fn has(&self, told: &Told) -> bool {
        let bytes = told.iter().zip(&self.mask).zip(&self.same);
        bytes.fold(0, |different, ((told, mask), same)| different | ((told & mask) ^ same)) == 0
    }

    /// Where the packet's bytes are in a datagram of `length` bytes that is of this kind, if its lengths fit each other.
    #[inline(always)]
    fn payload(&self, told: &Told, length: usize) -> Option<Span> {
        let end = header(told, length).ok()?.length as usize;
        if !self.has_payload {
            return (end == self.before).then_some(Span::default());
        }
        let stated = u16::from_ne_bytes(field(told, self.before - 4)?);
        let payload = Span {
            start: self.before,
            length: usize::from(stated).checked_sub(4)?,
        };
        let behind = end.checked_sub(payload.start + payload.length)?;
        (behind <= 3).then_some(payload)
    }

    /// What the frame says of a packet of this kind.
    #[inline(always)]
    fn metadata(&self, told: &Told) -> Option<PacketMetadata> {
        let mut metadata = self.metadata;
        metadata.packet_id = PacketId(u32::from_be_bytes(field(told, self.id)?).into());
        if let Some(at) = self.mark {
            metadata.mark = Mark(u32::from_be_bytes(field(told, at)?).into());
        }
        if let Some(at) = self.timestamp {
            metadata.timestamp = timestamp(&field(told, at)?);
        }
        if let Some(at) = self.hw_address {
            metadata.hw_address = hardware_address(&field(told, at)?).ok()?;
        }
        Some(metadata)
    }
}

#[inline(always)]
fn field<const N: usize>(told: &Told, at: usize) -> Option<[u8; N]> {
    told.get(at..)?.first_chunk().copied()
}
