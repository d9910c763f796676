//! Tests that a packet which is translated by a template gives the same frame as without one, and
//! of the cache of templates.

use super::super::fast::template::TemplateCache;
use super::super::options::Options;
use super::super::translate::datagram::{Received, Translated};
use super::super::translate::headroom::{FRAME_HEAD, Origin, headroom};
use super::{attribute, attribute_of, body, devices, message, options, packet_header};
use crate::family::Family;
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use proptest::sample::Index;
use rstest::rstest;

/// A packet message of nfnetlink, given by the values that its bytes are made from.
#[derive(Clone, Debug)]
struct Said {
    /// The values that packets generated for one template share.
    kind: Kind,
    /// The values that may differ between packets of one template.
    own: Own,
}

#[derive(Clone, Debug)]
struct Kind {
    family: u8,
    protocol: u16,
    hook: u8,
    /// The index of the device that the packet came in by; `None` if there is none. The transport
    /// knows no device 3.
    incoming: Option<u32>,
    outgoing: Option<u32>,
    is_marked: bool,
    /// The stated length of the link-layer address; `None` if the packet has no such attribute.
    address_length: Option<u16>,
    is_stamped: bool,
    /// The types and lengths of attributes that the translation does not look at.
    others: Vec<(u16, usize)>,
    has_payload: bool,
}

#[derive(Clone, Debug)]
struct Own {
    id: u32,
    mark: u32,
    address: [u8; 8],
    time: [i64; 2],
    other: u8,
    payload: Vec<u8>,
}

fn kind() -> impl Strategy<Value = Kind> {
    let device = || prop::option::of(prop_oneof![8 => 1_u32..3, 1 => Just(3)]);
    let others = prop::collection::btree_map(11_u16..70, 0_usize..20, 0..4);
    (
        (prop_oneof![8 => Just(2_u8), 1 => Just(10)], any::<u16>(), 0_u8..6),
        (device(), device()),
        any::<[bool; 3]>(),
        prop::option::of(0_u16..10),
        others,
    )
        .prop_map(
            |(
                (family, protocol, hook),
                (incoming, outgoing),
                [is_marked, is_stamped, has_payload],
                address_length,
                others,
            )| Kind {
                family,
                protocol,
                hook,
                incoming,
                outgoing,
                is_marked,
                address_length,
                is_stamped,
                others: others.into_iter().collect(),
                has_payload,
            },
        )
}

fn own() -> impl Strategy<Value = Own> {
    let payload = prop::collection::vec(any::<u8>(), 0..80);
    (
        any::<(u32, u32)>(),
        any::<[u8; 8]>(),
        any::<[i64; 2]>(),
        any::<u8>(),
        payload,
    )
        .prop_map(|((id, mark), address, time, other, payload)| Own {
            id,
            mark,
            address,
            time,
            other,
            payload,
        })
}

impl Said {
    fn datagram(&self) -> Vec<u8> {
        let Self { kind, own } = self;
        let number = |number: &u32| number.to_be_bytes();
        let mut said = vec![packet_header(own.id, kind.protocol, kind.hook)];
        said.extend(kind.incoming.as_ref().map(|index| attribute(5, &number(index))));
        said.extend(kind.outgoing.as_ref().map(|index| attribute(6, &number(index))));
        said.extend(kind.is_marked.then(|| attribute(3, &number(&own.mark))));
        said.extend(kind.address_length.map(|length| {
            let [high, low] = length.to_be_bytes();
            attribute(9, &[&[high, low, own.other, own.other], &own.address[..]].concat())
        }));
        let time = own.time.map(i64::to_be_bytes).concat();
        said.extend(kind.is_stamped.then(|| attribute(4, &time)));
        said.extend(
            kind.others
                .iter()
                .map(|(kind, length)| attribute(*kind, &vec![own.other; *length])),
        );
        if kind.has_payload {
            said.push(attribute_of(own.payload.len() as u16 + 4, 10, &own.payload));
        }
        message(0x0300, u32::from(own.other), own.id, &body(kind.family, &said))
    }

    /// Returns `true` if each device that the frame shows is known.
    fn shows_known_devices(&self) -> bool {
        let Kind {
            incoming,
            outgoing,
            hook,
            ..
        } = self.kind;
        let is_known = |device| device != Some(3);
        (matches!(hook, 3 | 4) || is_known(incoming)) && (matches!(hook, 0 | 1) || is_known(outgoing))
    }

    /// Returns `true` if the datagram has at most 128 bytes before the packet's bytes. No byte
    /// after the first 128 is compared with a template.
    fn is_short(&self) -> bool {
        let payload = if self.kind.has_payload {
            self.own.payload.len()
        } else {
            0
        };
        self.datagram().len() - payload <= 128
    }
}

/// The length of the buffers in these tests.
const ROOM: usize = 600;

/// Returns a buffer of [`ROOM`] bytes that holds `datagram` from byte `at` on.
fn buffer(datagram: &[u8], at: usize) -> Vec<u8> {
    let mut buffer = vec![0xee; ROOM];
    buffer[at..at + datagram.len()].copy_from_slice(datagram);
    buffer
}

/// Translates a datagram, received at byte `at` of a buffer, without a template. Returns the
/// packet's id and its frame. Returns `None` if it is no valid packet of the queue and the family
/// in `options`.
fn by_itself(datagram: &[u8], at: usize, options: &Options) -> Option<(u32, Vec<u8>)> {
    let mut buffer = buffer(datagram, at);
    let received = Received {
        origin: Origin::InBuffer(at),
        copied: datagram.len(),
        length: datagram.len(),
        options,
        peer: super::PEER,
    };
    match received.translate(&mut buffer, devices, || true) {
        Ok(Translated::Packet { frame, id, .. }) => {
            buffer.truncate(frame);
            Some((id, buffer))
        }
        _ => None,
    }
}

/// Translates a datagram without a template, and adds a template that is made of the datagram and
/// its frame. Adds none if there is no frame or if the cache takes no template.
fn insert(templates: &mut TemplateCache, datagram: &[u8], options: &Options) {
    let prefix = templates.prefix_to_insert(&buffer(datagram, 0), 0);
    if let (Some(prefix), Some((_, frame))) = (prefix, by_itself(datagram, 0, options)) {
        templates.insert(&prefix, &frame, options.family);
    }
}

/// Translates a datagram, received at byte `at` of a buffer, by one of the templates. Returns the
/// packet's id and its frame, or `None` if no template translates it.
fn by_template(templates: &TemplateCache, datagram: &[u8], at: usize) -> Option<(u32, Vec<u8>)> {
    let mut buffer = buffer(datagram, at);
    let matched = templates.translate(&mut buffer, at, datagram.len())?;
    buffer.truncate(matched.frame);
    Some((matched.id, buffer))
}

fn template_of(datagram: &[u8], options: &Options) -> TemplateCache {
    let mut templates = TemplateCache::default();
    templates.begin(1);
    insert(&mut templates, datagram, options);
    templates
}

proptest! {
    #[test]
    fn packets_that_differ_in_their_own_fields_match(kind in kind(), own in [own(), own()], at in 0..=FRAME_HEAD) {
        let [first, second] = own.map(|own| Said { kind: kind.clone(), own });
        let templates = template_of(&first.datagram(), &options());
        let expected = by_itself(&second.datagram(), at, &options());
        let found = by_template(&templates, &second.datagram(), at);
        if !first.shows_known_devices() {
            prop_assert_eq!(found, None);
        } else if first.is_short() || found.is_some() {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_match_is_translated_as_it_would_be_by_itself(
        kind in kind(),
        own in [own(), own()],
        ipv6 in any::<bool>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..3),
        resized in -4_isize..=4,
        at in 0..=FRAME_HEAD,
    ) {
        let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
        let options = Options { family, ..options() };
        let [first, second] = own.map(|own| Said { kind: kind.clone(), own }.datagram());
        let templates = template_of(&first, &options);
        let mut changed = second;
        for (index, byte) in changes {
            let index = index.index(changed.len());
            changed[index] = byte;
        }
        changed.resize(changed.len().saturating_add_signed(resized), 0);
        if let Some(found) = by_template(&templates, &changed, at) {
            prop_assert_eq!(Some(found), by_itself(&changed, at, &options));
        }
    }
}

/// Returns a packet at FORWARD with `bytes` bytes of payload. `incoming` and `outgoing` are the
/// indices of its devices.
fn forwarded(incoming: u32, outgoing: u32, bytes: usize) -> Said {
    let kind = Kind {
        family: 2,
        protocol: 0x0800,
        hook: 2,
        incoming: Some(incoming),
        outgoing: Some(outgoing),
        is_marked: false,
        address_length: Some(6),
        is_stamped: true,
        others: vec![(14, 4)],
        has_payload: bytes > 0,
    };
    let own = Own {
        id: 7,
        mark: 8,
        address: [1, 2, 3, 4, 5, 6, 0, 0],
        time: [9, 10],
        other: 0,
        payload: vec![0x45; bytes],
    };
    Said { kind, own }
}

#[rstest]
#[case::at_forward(2, 2, true, 21)]
#[case::of_no_bytes(2, 2, true, 0)]
#[case::at_output(2, 3, true, 22)]
#[case::at_input_without_a_mark(2, 1, false, 23)]
#[case::of_ipv6(10, 2, true, 40)]
fn a_changed_bit_is_translated_as_it_would_be_by_itself(
    #[case] family: u8,
    #[case] hook: u8,
    #[case] is_marked: bool,
    #[case] bytes: usize,
) {
    let mut said = forwarded(1, 2, bytes);
    (said.kind.family, said.kind.hook, said.kind.is_marked) = (family, hook, is_marked);
    let options = Options {
        family: if family == 2 { Family::Ipv4 } else { Family::Ipv6 },
        ..options()
    };
    let datagram = said.datagram();
    let templates = template_of(&datagram, &options);
    assert!(by_template(&templates, &datagram, 0).is_some());
    let mut others = Vec::new();
    for at in 0..datagram.len() {
        let bits = (0..8).map(|bit| datagram[at] ^ 1 << bit);
        for byte in bits.chain([datagram[at].wrapping_add(4), datagram[at].wrapping_sub(4)]) {
            let mut other = datagram.clone();
            other[at] = byte;
            others.push(other);
        }
    }
    // Each datagram is also cut or extended by some bytes, and its header states the new length or
    // not.
    for other in others {
        for length in other.len() - 5..other.len() + 6 {
            let mut other = other.clone();
            other.resize(length, 0);
            let as_stated = other.clone();
            other[..4].copy_from_slice(&(length as u32).to_ne_bytes());
            for other in [as_stated, other] {
                if let Some(found) = by_template(&templates, &other, 0) {
                    assert_eq!(Some(found), by_itself(&other, 0, &options), "{other:02x?}");
                }
            }
        }
    }
}

#[test]
fn the_headroom_is_that_at_which_the_last_packet_was_in_place() {
    let mut said = forwarded(1, 2, 21);
    let templates = template_of(&said.datagram(), &options());
    let datagram = said.datagram();
    let right = headroom(datagram.len() - 21);
    for at in [right, 0, right + 4] {
        let matched = templates.translate(&mut buffer(&datagram, at), at, datagram.len());
        assert_eq!(
            matched.map(|matched| matched.headroom),
            Some(right),
            "received from byte {at} on"
        );
    }
    // A packet without bytes is in place everywhere.
    said.kind.has_payload = false;
    let templates = template_of(&said.datagram(), &options());
    let matched = templates.translate(&mut buffer(&said.datagram(), 3), 3, said.datagram().len());
    assert_eq!(matched.map(|matched| matched.headroom), Some(3));
}

#[test]
fn the_oldest_template_gives_way_and_few_are_made_in_a_batch() {
    let kinds =
        [(1, 2), (2, 1), (1, 1), (2, 2)].map(|(incoming, outgoing)| forwarded(incoming, outgoing, 30).datagram());
    let others = [(1, 2), (2, 1)].map(|(incoming, outgoing)| forwarded(incoming, outgoing, 0).datagram());
    let mut templates = TemplateCache::default();
    let found = |templates: &TemplateCache| {
        let all = kinds.iter().chain(&others);
        all.map(|datagram| by_template(templates, datagram, 16).is_some())
            .collect::<Vec<_>>()
    };
    templates.begin(1);
    for datagram in kinds.iter().chain(&others) {
        insert(&mut templates, datagram, &options());
    }
    assert_eq!(found(&templates), [true, true, true, true, false, false]);
    templates.begin(1);
    for datagram in &others {
        insert(&mut templates, datagram, &options());
    }
    assert_eq!(found(&templates), [false, false, true, true, true, true]);
    // After a change of devices the first template of the new ones is the oldest.
    templates.begin(2);
    for datagram in &kinds {
        insert(&mut templates, datagram, &options());
    }
    templates.begin(2);
    insert(&mut templates, &others[0], &options());
    assert_eq!(found(&templates), [false, true, true, true, true, false]);
}

#[test]
fn a_batch_makes_four_templates_and_answers_do_not_count() {
    let datagrams = [message(2, 0, 0, &[0; 200]), forwarded(1, 2, 30).datagram()];
    let [answer, packet] = datagrams.map(|datagram| buffer(&datagram, 0));
    let mut templates = TemplateCache::default();
    for changes in 1..3 {
        templates.begin(changes);
        for _ in 0..4 {
            assert_eq!(templates.prefix_to_insert(&answer, 0), None);
            assert!(templates.prefix_to_insert(&packet, 0).is_some());
        }
        assert_eq!(templates.prefix_to_insert(&packet, 0), None);
    }
}

#[test]
fn a_change_of_devices_drops_all_templates() {
    let datagram = forwarded(1, 2, 30).datagram();
    let mut templates = template_of(&datagram, &options());
    templates.begin(1);
    assert!(by_template(&templates, &datagram, 0).is_some());
    templates.begin(2);
    assert_eq!(by_template(&templates, &datagram, 0), None);
}

#[rstest]
#[case::output(3, false)]
#[case::postrouting(4, false)]
#[case::input(1, true)]
#[case::forward(2, true)]
fn a_frame_that_depends_on_the_packets_bytes_makes_no_template(#[case] hook: u8, #[case] is_made: bool) {
    let options = Options {
        family: Family::Ipv6,
        ..options()
    };
    let said = [packet_header(1, 0x86dd, hook), attribute_of(44, 10, &[0x60; 40])];
    let datagram = message(0x0300, 0, 0, &body(10, &said));
    let templates = template_of(&datagram, &options);
    assert_eq!(by_template(&templates, &datagram, 0).is_some(), is_made);
}

#[test]
fn a_datagram_that_was_cut_matches_no_template() {
    let datagram = forwarded(1, 2, 200).datagram();
    let templates = template_of(&datagram, &options());
    let mut buffer = buffer(&datagram, 0);
    buffer.truncate(datagram.len() - 1);
    assert_eq!(templates.translate(&mut buffer, 0, datagram.len()), None);
    buffer.push(0x45);
    assert!(templates.translate(&mut buffer, 0, datagram.len()).is_some());
}
