//! Templates: packets that come together mostly differ in little.
//!
//! A template is one translated packet, with the offsets of what is read from a similar packet's
//! own datagram: its id, its mark, its time stamp, its link-layer address and its bytes. A packet
//! that has otherwise the same attributes, at the same offsets, is translated by the template,
//! without parsing its attributes.

use crate::family::Family;
use crate::transport::nfqueue::translate::datagram::pad;
use crate::transport::nfqueue::translate::headroom::{self, FRAME_HEAD, Origin};
use crate::transport::nfqueue::translate::packet::shows_devices;
use crate::wire::nfnetlink::{
    Attribute, Attributes, HEADER_BYTES, Span, attribute, hardware_address, message_type, parse_header, timestamp,
};
use crate::wire::{Abi, Header, InterfaceName, Mark, Message, PacketId, PacketMetadata};
use arrayvec::ArrayVec;

/// The number of bytes at the start of a datagram that are compared with a template. They hold all
/// that a kernel says about most packets.
const PREFIX_BYTES: usize = 128;

/// The most templates that are kept. Packets in both directions between two devices need two.
const TEMPLATES: usize = 4;

/// The first 128 bytes of a datagram.
pub(crate) type Prefix = [u8; PREFIX_BYTES];

/// Templates of recent packets, at most 4.
#[derive(Debug, Default)]
pub(crate) struct TemplateCache {
    templates: ArrayVec<Template, TEMPLATES>,
    /// The index of the template that the next new one replaces, if there is no room for one more.
    oldest: usize,
    /// The number of templates that may still be made from this batch of packets. Making a template
    /// costs more than translating a packet without one.
    inserts_left: usize,
    /// The [generation](super::super::devices::Devices::generation) of the device table with which
    /// the templates were made.
    generation: u32,
}

/// A packet that a template has translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matched {
    pub(crate) id: u32,
    /// The length of the packet's frame in bytes.
    pub(crate) frame: usize,
    /// The offset in the buffer at which the next datagram is to be received, so that the bytes of
    /// a packet with attributes as long as these land where the frame has them.
    pub(crate) headroom: usize,
}

/// A translated packet, and the places in its datagram where similar packets may differ from it.
#[derive(Debug)]
struct Template {
    /// The bytes of the prefix that a packet must share to match, and zeros at all other places.
    same: Prefix,
    /// 0xff at the place of each byte that a packet must share to match, and 0 elsewhere.
    mask: Prefix,
    /// The number of the datagram's bytes before the packet's bytes; the length of the datagram, if
    /// it has no bytes of the packet.
    before: usize,
    has_payload: bool,
    /// The offset of the packet id in the datagram.
    id: usize,
    /// The offset of the mark in the datagram; `None` if the datagram has none.
    mark: Option<usize>,
    timestamp: Option<usize>,
    hw_address: Option<usize>,
    /// All that the frame says about the packet, but for its bytes. Each similar packet's own id,
    /// mark, time stamp and address replace these.
    metadata: PacketMetadata,
}

impl TemplateCache {
    /// Starts a batch of packets, of which at most 4 become new templates. `generation` is the
    /// device table's; if it has changed, all templates are removed. On templates, device events
    /// that are read during the batch take effect with the next batch.
    pub(crate) fn begin(&mut self, generation: u32) {
        if self.generation != generation {
            self.generation = generation;
            self.templates.clear();
            self.oldest = 0;
        }
        self.inserts_left = TEMPLATES;
    }

    /// Returns the first 128 bytes of the datagram at byte `at` of `buffer`, to
    /// [insert](Self::insert) them once the datagram is translated. Returns `None` if it is no
    /// packet, if the buffer has less than 128 bytes from there on, or if this batch has got 4
    /// prefixes already.
    pub(crate) fn prefix_to_insert(&mut self, buffer: &[u8], at: usize) -> Option<Prefix> {
        let left = self.inserts_left.checked_sub(1)?;
        let prefix = buffer.get(at..)?.first_chunk()?;
        if Header::parse(prefix, Abi::NATIVE)?.message_type.to_wire() != message_type::PACKET {
            return None;
        }
        self.inserts_left = left;
        Some(*prefix)
    }

    /// Makes a template of a packet's datagram that starts with `prefix` and was translated to
    /// `frame`, if that is possible. If there is no room, the template replaces the oldest one.
    pub(crate) fn insert(&mut self, prefix: &Prefix, frame: &[u8], family: Family) {
        let Some(template) = Template::new(prefix, frame, family) else {
            return;
        };
        if let Err(full) = self.templates.try_push(template) {
            self.templates[self.oldest] = full.element();
            self.oldest = (self.oldest + 1) % TEMPLATES;
        }
    }

    /// Translates the datagram of `length` bytes at byte `at` of `buffer` to a frame at the start
    /// of `buffer`. Returns `None`, and changes nothing, if no template matches, if the buffer has
    /// less than 128 bytes from `at` on or not the whole datagram, or if a length or the link-layer
    /// address in it is not valid.
    ///
    /// The slow twin is
    /// [`Received::translate`](super::super::translate::datagram::Received::translate).
    #[inline]
    pub(crate) fn translate(&self, buffer: &mut [u8], at: usize, length: usize) -> Option<Matched> {
        let received = buffer.get(at..).filter(|received| received.len() >= length)?;
        let prefix: &Prefix = received.first_chunk()?;
        let template = self.templates.iter().find(|template| template.matches(prefix))?;
        let payload = template.payload(prefix, length)?;
        let metadata = template.metadata(prefix)?;
        let mut headroom = at;
        if payload.length > 0 && at + payload.start != FRAME_HEAD {
            headroom::place(Origin::InBuffer(at), buffer, payload, FRAME_HEAD);
            headroom = headroom::headroom(payload.start);
        }
        // The prefix is at least as long as the head, so there is room.
        metadata.write_head(buffer.first_chunk_mut()?, payload.length);
        let PacketId(id) = metadata.packet_id;
        Some(Matched {
            id: id as u32,
            frame: pad(buffer, FRAME_HEAD + payload.length),
            headroom,
        })
    }
}

impl Template {
    /// Builds a template from one translated packet: `prefix` is the start of its datagram, `frame`
    /// the result. Returns `None` if what is to be compared or read in the attributes extends
    /// beyond the prefix, if the frame depends on something that the prefix does not hold, if a
    /// device that the frame shows has no name yet, or if the frame is no packet.
    fn new(prefix: &Prefix, frame: &[u8], family: Family) -> Option<Self> {
        let Ok(Message::Packet(packet)) = Message::parse(frame, Abi::NATIVE) else {
            return None;
        };
        let metadata = packet.metadata();
        let [shows_incoming, shows_outgoing] = shows_devices(metadata.hook);
        // At this hook an IPv6 packet may be the host's own. Then its bytes say which protocol the
        // frame states.
        if family == Family::Ipv6 && !shows_incoming {
            return None;
        }
        let length = Header::parse(prefix, Abi::NATIVE)?.length as usize;
        let mut template = Self {
            same: [0; PREFIX_BYTES],
            mask: [0; PREFIX_BYTES],
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
            template.require(prefix, at, count)?;
        }
        for found in Attributes::new(prefix, HEADER_BYTES, length) {
            let Attribute { kind, content } = found.ok()?;
            let at = content.start;
            if kind == attribute::PAYLOAD {
                // The attribute's type is the same in all packets, its length is not.
                template.require(prefix, at - 2, 2)?;
                (template.before, template.has_payload) = (at, true);
                break;
            }
            template.require(prefix, at - 4, 4)?;
            match kind {
                attribute::PACKET_HEADER => {
                    template.require(prefix, at + 4, 3)?;
                    template.id = at;
                }
                attribute::INCOMING_DEVICE => {
                    template.require_device(prefix, at, shows_incoming, metadata.indev_name)?;
                }
                attribute::OUTGOING_DEVICE => {
                    template.require_device(prefix, at, shows_outgoing, metadata.outdev_name)?;
                }
                attribute::MARK => template.mark = Some(at),
                attribute::TIMESTAMP => template.timestamp = Some(at),
                attribute::HARDWARE_ADDRESS => {
                    template.require(prefix, at, 2)?;
                    template.hw_address = shows_incoming.then_some(at);
                }
                _ => {}
            }
        }
        // Everything that will be read from the packets that match must be in the prefix.
        template.metadata(prefix)?;
        Some(template)
    }

    /// Requires the device index at byte `at` of `prefix` to be the same in all packets that match.
    /// Returns `None` if `name` is empty, since an unknown device is looked up with each packet, or
    /// if the index is not in the prefix. If the frame does not show the device, requires nothing.
    fn require_device(&mut self, prefix: &Prefix, at: usize, is_shown: bool, name: InterfaceName) -> Option<()> {
        if !is_shown {
            return Some(());
        }
        if name.is_empty() {
            return None;
        }
        self.require(prefix, at, 4)
    }

    /// Requires the `count` bytes at byte `at` of `prefix` to be the same in all packets that
    /// match. Returns `None` if they are not in the prefix.
    fn require(&mut self, prefix: &Prefix, at: usize, count: usize) -> Option<()> {
        let range = at..at + count;
        self.same
            .get_mut(range.clone())?
            .copy_from_slice(prefix.get(range.clone())?);
        self.mask.get_mut(range)?.fill(0xff);
        Some(())
    }

    /// Returns `true` if `prefix` has the template's bytes wherever the template requires them.
    #[inline(always)]
    fn matches(&self, prefix: &Prefix) -> bool {
        let bytes = prefix.iter().zip(&self.mask).zip(&self.same);
        bytes.fold(0, |different, ((byte, mask), same)| different | ((byte & mask) ^ same)) == 0
    }

    /// Returns the span of the packet's bytes in a datagram of `length` bytes. Returns `None` if
    /// the lengths in the datagram do not agree.
    #[inline(always)]
    fn payload(&self, prefix: &Prefix, length: usize) -> Option<Span> {
        let end = parse_header(prefix, length).ok()?.length as usize;
        if !self.has_payload {
            return (end == self.before).then_some(Span::default());
        }
        let stated = u16::from_ne_bytes(field(prefix, self.before - 4)?);
        let payload = Span {
            start: self.before,
            length: usize::from(stated).checked_sub(4)?,
        };
        let behind = end.checked_sub(payload.start + payload.length)?;
        (behind <= 3).then_some(payload)
    }

    /// Returns what the frame says about a packet whose datagram matches. Returns `None` if the
    /// link-layer address in it is not valid, or if a value lies beyond the prefix.
    #[inline(always)]
    fn metadata(&self, prefix: &Prefix) -> Option<PacketMetadata> {
        let mut metadata = self.metadata;
        metadata.packet_id = PacketId(u32::from_be_bytes(field(prefix, self.id)?).into());
        if let Some(at) = self.mark {
            metadata.mark = Mark(u32::from_be_bytes(field(prefix, at)?).into());
        }
        if let Some(at) = self.timestamp {
            metadata.timestamp = timestamp(&field(prefix, at)?);
        }
        if let Some(at) = self.hw_address {
            metadata.hw_address = hardware_address(&field(prefix, at)?).ok()?;
        }
        Some(metadata)
    }
}

#[inline(always)]
fn field<const N: usize>(prefix: &Prefix, at: usize) -> Option<[u8; N]> {
    prefix.get(at..)?.first_chunk().copied()
}
