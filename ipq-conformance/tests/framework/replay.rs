//! Tests of replaying a recording. An answer that differs from the recorded one only where the
//! rules of comparison allow that is no difference. Any other is reported with its step.

use crate::support::{self, Playback};
use bytes::Bytes;
use ipq_conformance::recording::{Reader, RecordedStep, Recording};
use ipq_conformance::replay::{ReplayError, Replayed, known_order, record, replay};
use ipq_conformance::suite::{Packet, Request};
use ipq_conformance::world::{Machine, Observation, OpenStage, QueueProtocol, Received, Setup, Step, World};
use ipq_conformance::worlds::SimWorld;
use ipq_core::wire::nfnetlink::{attribute, message_type};
use ipq_core::wire::{Abi, Header, MessageType};
use ipq_core::{CopyMode, Family, PacketId, PortId, Verdict};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use std::ops::Range;
use std::sync::OnceLock;

/// The number of frames that a replay of all recordings compares: datagrams that a socket
/// received, and frames that left by a device.
const FRAMES: usize = 8975;

/// Returns all recordings of real kernels.
fn recordings() -> &'static [Recording] {
    static RECORDINGS: OnceLock<Vec<Recording>> = OnceLock::new();
    RECORDINGS.get_or_init(|| {
        let files = support::recording_files().into_iter();
        let readers = files.map(|path| Reader::open(&path).expect("a recording can be opened"));
        let recordings = readers.flatten().map(|result| result.expect("a recording is right"));
        recordings.collect()
    })
}

/// Returns a copy of the first recording with this name that was made on Linux 3.4.10.
fn named(name: &str) -> Recording {
    let is_newest = |recording: &&Recording| recording.setup.machine.as_ref().is_some_and(|it| it.kernel == "3.4.10");
    let mut recordings = recordings().iter().filter(is_newest);
    let found = recordings.find(|recording| recording.name == name);
    found.expect("there is such a recording").clone()
}

/// Replays `altered` against a [`Playback`] of `real`: compares the answers in `altered` with those
/// in `real`.
fn replay_altered(real: &Recording, altered: &Recording) -> Result<Replayed, ReplayError> {
    replay(altered, &mut Playback::of(real))
}

#[test]
fn every_recording_is_equal_to_itself_whatever_the_ids_times_and_pad_bytes() {
    let mut frames = 0;
    for recording in recordings() {
        let replayed = replay_altered(recording, recording).expect("it can be replayed");
        assert_eq!(
            replayed.difference,
            None,
            "{}",
            replayed.difference.as_ref().expect("a difference")
        );
        frames += replayed.frames;
    }
    assert_eq!((recordings().len(), frames), (support::RECORDINGS, FRAMES));
}

#[test]
fn the_emulator_reproduces_every_recording() {
    let (mut frames, mut known) = (0, 0);
    let mut different = Vec::new();
    for recording in recordings() {
        let replayed = replay(recording, &mut SimWorld::default()).expect("the emulator can do it");
        frames += replayed.frames;
        match replayed.difference {
            Some(difference) if known_order(recording, &difference).is_some() => known += 1,
            difference => different.extend(difference),
        }
    }
    assert_eq!(different.len(), 0, "{}", different[0]);
    // The replay of one walk ends at the step in which the order of ids shows.
    assert_eq!(known, 1);
    assert!((FRAMES - 10..FRAMES).contains(&frames), "{frames}");
}

/// Returns a recording as if the kernel numbered the packets of each family from 1, so that two
/// packets have the id 1. One packet of each family is read. Then each is accepted by its id, and
/// the frame that leaves is taken.
fn numbered() -> Recording {
    const PORT_ID: PortId = PortId(4242);
    let mut setup = Setup::default();
    setup.machine = Some(Machine::linux_3_4_x86_64());
    let mut world = SimWorld::default();
    world.begin(&setup).expect("the emulator can do it");
    let mut done = |step: Step| {
        let seen = world.step(&step).expect("the emulator can do it");
        RecordedStep { step, seen }
    };
    let sending = |family: Family, request: &Request| Step::Send {
        socket: family.to_string(),
        to: None,
        bytes: request.bytes(Abi::LP64_LITTLE, PORT_ID),
    };
    let one_at =
        |at: usize, bytes: &Bytes| Bytes::from([&bytes[..at], &1_u64.to_le_bytes(), &bytes[at + 8..]].concat());
    let mut steps = Vec::new();
    let mut ids = Vec::new();
    for family in Family::ALL {
        steps.push(done(Step::Open {
            socket: family.to_string(),
            protocol: family.netlink_protocol().into(),
            bind: Some(PORT_ID.0),
        }));
        steps.push(done(sending(family, &Request::mode(CopyMode::Packet, 0))));
        steps.push(done(Step::Inject {
            device: "tap0".into(),
            frame: Packet::udp(family).frame(),
            count: 1,
        }));
        let mut received = done(Step::Receive {
            socket: family.to_string(),
            size: 8192,
        });
        if let Observation::Receive(Received::Frame { bytes, .. }) = &mut received.seen {
            let id: [u8; 8] = bytes[16..24].try_into().expect("a word");
            ids.push((family, PacketId(u64::from_le_bytes(id))));
            *bytes = one_at(16, bytes);
        }
        steps.push(received);
    }
    for (family, id) in ids {
        let mut verdict = done(sending(family, &Request::verdict(id, Verdict::Accept)));
        if let Step::Send { bytes, .. } = &mut verdict.step {
            *bytes = one_at(24, bytes);
        }
        steps.extend([verdict, done(Step::Sniff { device: "tap1".into() })]);
    }
    Recording {
        name: "numbered".into(),
        setup,
        steps,
    }
}

fn left(recording: &Recording) -> usize {
    let seen = recording.steps.iter().map(|recorded| &recorded.seen);
    seen.filter(|seen| matches!(seen, Observation::Sniff { frame: Some(_) }))
        .count()
}

#[test]
fn a_packet_is_not_mistaken_for_that_of_the_other_family_with_its_id() {
    let numbered = numbered();
    assert_eq!(left(&numbered), 2);
    let replayed = replay(&numbered, &mut SimWorld::default()).expect("the emulator can do it");
    assert_eq!(replayed.difference, None);
    let recorded = record(&numbered, &mut SimWorld::default()).expect("the emulator can do it");
    assert_eq!(left(&recorded), 2);
}

/// Returns whether the byte at offset `at` of a received datagram may differ in a replay. It may in
/// packet messages of the kernel (`sender` 0) alone: in the time, and in those of `ip_queue` also
/// in the id and behind the payload.
fn is_exempt(recording: &Recording, frame: &[u8], sender: i64, at: usize) -> Exempt {
    let abi = recording.setup.machine.as_ref().expect("a machine").abi;
    if recording.setup.queues == QueueProtocol::Nfnetlink {
        let is_time = sender == 0 && time_of_arrival(frame).is_some_and(|time| time.contains(&at));
        return if is_time { Exempt::Yes } else { Exempt::No };
    }
    let kind = Header::parse(frame, abi).map(|header| header.message_type);
    if sender != 0 || kind != Some(MessageType::Packet) {
        return Exempt::No;
    }
    let word = abi.word_bytes();
    let (id, time) = (16..16 + word, 16 + 2 * word..16 + 4 * word);
    if id.contains(&at) {
        return Exempt::Id;
    }
    if time.contains(&at) {
        let time = &frame[time.start..time.end.min(frame.len())];
        return if time.iter().filter(|byte| **byte != 0).count() > 1 {
            Exempt::Yes
        } else {
            Exempt::Time
        };
    }
    let data_len_at = 16 + abi.packet_message_bytes() - word;
    let Some(low) = frame.get(data_len_at..data_len_at + 2) else {
        return Exempt::No;
    };
    let end = data_len_at + word + usize::from(u16::from_le_bytes([low[0], low[1]]));
    if at >= end { Exempt::Yes } else { Exempt::No }
}

/// Returns the range of the time in a packet message of a numbered queue; `None` if it is no packet
/// message, or has no time.
fn time_of_arrival(message: &[u8]) -> Option<Range<usize>> {
    let half = |at: usize| Some(u16::from_ne_bytes(*message.get(at..)?.first_chunk()?));
    if half(4)? != message_type::PACKET {
        return None;
    }
    let mut at = 20;
    while half(at + 2)? != attribute::TIMESTAMP {
        at += usize::from(half(at)?).max(4).next_multiple_of(4);
    }
    Some(at + 4..at + usize::from(half(at)?))
}

#[derive(PartialEq)]
enum Exempt {
    No,
    Yes,
    /// The byte is part of a packet id. Whether a change is noticed depends on later verdicts.
    Id,
    /// The byte is part of a timestamp of `ip_queue` with at most one byte that is not zero. A
    /// change counts only if it makes the time zero, or no longer zero.
    Time,
}

/// Returns an answer that differs from `seen` in one byte of its frame, or in one other thing, such
/// as a number, its text or its kind. The second value is the offset of the byte if one of a frame
/// was changed, and `None` after any other change. Returns `None` if the answer is of a kind that
/// this does not change.
fn alter(seen: &Observation, at: prop::sample::Index, bits: u8) -> Option<(Observation, Option<usize>)> {
    let mut altered = seen.clone();
    let delta = i64::from(bits);
    let mut changed = None;
    match &mut altered {
        Observation::Receive(Received::Frame { bytes, .. }) | Observation::Sniff { frame: Some(bytes) } => {
            let mut other = bytes.to_vec();
            let at = at.index(other.len());
            other[at] ^= bits;
            *bytes = other.into();
            changed = Some(at);
        }
        Observation::Receive(Received::Error { errno }) | Observation::Inject { errno } => *errno += delta,
        Observation::Receive(received) => *received = Received::Error { errno: delta },
        Observation::Sniff { frame } => *frame = Some(vec![bits].into()),
        Observation::Text(text) => text.push('\n'),
        Observation::Open {
            failed_at,
            errno,
            port_id,
        } => match at.index(3) {
            0 => *errno += delta,
            1 => *port_id = Some(port_id.unwrap_or_default() + delta),
            _ => {
                *failed_at = if failed_at.is_none() {
                    Some(OpenStage::Socket)
                } else {
                    None
                }
            }
        },
        Observation::Send { sent, errno } => *(if at.index(2) == 0 { sent } else { errno }) += delta,
        Observation::Drain {
            frames,
            packets,
            enobufs_before_frame,
        } => match at.index(3) {
            0 => *frames += delta,
            1 => *packets += delta,
            _ => *enobufs_before_frame = Some(enobufs_before_frame.unwrap_or_default() + delta),
        },
        Observation::BufferSize { actual } => *actual += delta,
        _ => return None,
    }
    Some((altered, changed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Changes one recorded answer, if there is something to change. Checks that the replay reports
    /// a difference at that step, or none if the rules of comparison allow any value there. Nothing
    /// is checked where that depends on the value.
    #[test]
    fn one_changed_answer_is_found_exactly_if_it_counts(
        recording in prop::sample::select(recordings()),
        step in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        bits in 1u8..,
    ) {
        let step = step.index(recording.steps.len());
        let seen = &recording.steps[step].seen;
        let Some((altered_seen, changed)) = alter(seen, at, bits) else {
            return Ok(());
        };
        let exempt = match (seen, changed) {
            (Observation::Receive(Received::Frame { bytes, sender }), Some(at)) => is_exempt(&recording, bytes, *sender, at),
            _ => Exempt::No,
        };
        let mut altered = recording.clone();
        altered.steps[step].seen = altered_seen;
        let result = replay_altered(&recording, &altered);
        match exempt {
            Exempt::No => {
                let difference = result.expect("it is no error").difference;
                prop_assert_eq!(difference.map(|difference| difference.step), Some(step + 1));
            }
            Exempt::Yes => prop_assert_eq!(result.expect("it is no error").difference, None),
            Exempt::Id | Exempt::Time => {}
        }
    }
}

#[test]
fn a_sender_that_differs_is_found() {
    let real = named("user-to-user-datagram");
    let mut altered = real.clone();
    let mut changed = 0;
    for (number, recorded) in (1..).zip(&mut altered.steps) {
        if let Observation::Receive(Received::Frame { sender, .. }) = &mut recorded.seen {
            *sender += 1;
            changed = number;
            break;
        }
    }
    let difference = replay_altered(&real, &altered)
        .expect("it is no error")
        .difference
        .expect("a difference");
    assert_eq!(difference.step, changed);
    assert!(difference.what.starts_with("the sender"), "{}", difference.what);
}

#[test]
fn a_missing_pad_byte_is_found() {
    let with_padding = recordings().iter().find_map(|recording| {
        let position = recording.steps.iter().position(|recorded| match &recorded.seen {
            Observation::Receive(Received::Frame { bytes, sender }) => {
                !bytes.is_empty()
                    && is_exempt(recording, bytes, *sender, bytes.len() - 1) == Exempt::Yes
                    && bytes.len() > 112
            }
            _ => false,
        });
        position.map(|position| (recording, position))
    });
    let (real, position) = with_padding.expect("a recorded packet has padding");
    let mut altered = real.clone();
    if let Observation::Receive(Received::Frame { bytes, .. }) = &mut altered.steps[position].seen {
        bytes.truncate(bytes.len() - 1);
    }
    let difference = replay_altered(real, &altered)
        .expect("it is no error")
        .difference
        .expect("a difference");
    assert_eq!(difference.step, position + 1);
}

#[test]
fn a_step_on_a_socket_that_could_not_be_opened_is_no_difference_but_an_error() {
    let real = named("unknown-protocol");
    let mut altered = real.clone();
    let after = altered
        .steps
        .iter()
        .position(|recorded| matches!(recorded.step, Step::Open { .. }))
        .expect("it opens");
    let mut drain = altered.steps[after].clone();
    drain.step = Step::Drain { socket: "a".into() };
    drain.seen = Observation::Done;
    altered.steps.insert(after + 1, drain);
    let error = replay_altered(&real, &altered).expect_err("the socket is not open");
    assert_eq!(
        error.to_string(),
        format!("step {}: the socket \"a\" is not open: opening it failed", after + 2)
    );
}

#[test]
fn a_difference_shows_both_byte_strings_with_the_names_of_their_fields() {
    let real = named("verdict-0x6");
    let mut altered = real.clone();
    let received = altered
        .steps
        .iter_mut()
        .rev()
        .find_map(|recorded| match &mut recorded.seen {
            Observation::Receive(Received::Frame { bytes, .. }) => Some(bytes),
            _ => None,
        });
    let received = received.expect("it receives");
    let mut bytes = received.to_vec();
    bytes[16] ^= 1;
    *received = bytes.into();
    let difference = replay_altered(&real, &altered)
        .expect("it is no error")
        .difference
        .expect("a difference");
    insta::assert_snapshot!(difference);
}
