//! Tests with many verdicts in each datagram: whatever packets the program holds back, each packet
//! gets its own verdict. The kernel's side of the queue is played.

use super::*;
use crate::family::Family;
use crate::wire::nfnetlink::message_type;
use crate::wire::{Abi, Envelope, Header, PacketId, VerdictRequest};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;

const PEER: PortId = PortId(4242);

/// An event in the life of a queue.
#[derive(Clone, Debug)]
enum Happening {
    /// This number of packets is queued, and the program reads them.
    Arrive(u8),
    /// A packet id is used up, and the program never hears of it.
    Lost,
    /// The program decides about some of the packets that it holds, in some order, each with a
    /// verdict and perhaps a replacement.
    Decide(Vec<(Index, Verdict, Option<Vec<u8>>)>),
    /// The program decides about this number of the packets that it holds, the oldest first, and
    /// gives all of them an equal verdict.
    DecideOldest(u8, Verdict),
    /// The kernel drops one of the queued packets by itself, as when the packet's device goes away.
    /// The program is not told.
    Flushed(Index),
}

fn happening() -> impl Strategy<Value = Happening> {
    let verdict = || prop_oneof![3 => Just(Verdict::Accept), 1 => Just(Verdict::Drop)];
    let replacement = prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 20..90));
    let decision = (any::<Index>(), verdict(), replacement);
    prop_oneof![
        4 => (1_u8..90).prop_map(Happening::Arrive),
        1 => Just(Happening::Lost),
        2 => prop::collection::vec(decision, 0..140).prop_map(Happening::Decide),
        3 => (1_u8..140, verdict()).prop_map(|(count, verdict)| Happening::DecideOldest(count, verdict)),
        1 => any::<Index>().prop_map(Happening::Flushed),
    ]
}

type Decision = (u32, Verdict, Vec<u8>);

/// A queue as the kernel and the program see it: its packets, and those that the program holds.
#[derive(Default)]
struct Played {
    last_id: u32,
    queued: Vec<u32>,
    held: Vec<u32>,
    outstanding: Outstanding,
    /// The number of packets about which batch verdicts decided.
    batched: usize,
}

impl Played {
    /// Sends decisions as the transport does, and plays the kernel, which carries them out.
    fn decide(&mut self, decisions: &[Decision]) -> Result<(), TestCaseError> {
        let options = Options {
            port_id: PEER,
            ..Options::new(Family::Ipv4)
        };
        let heads: Vec<_> = decisions
            .iter()
            .map(|(id, verdict, following)| head(*id, *verdict, following.len()))
            .collect();
        let parts: Vec<[IoSlice<'_>; 2]> = heads
            .iter()
            .zip(decisions)
            .map(|(head, (.., following))| [IoSlice::new(head), IoSlice::new(following)])
            .collect();
        let messages: Vec<&[IoSlice<'_>]> = parts.iter().map(|parts| &parts[..]).collect();
        let mut sent = 0;
        while sent < messages.len() {
            let mut room = Room::new();
            let mut batch = Batch::new(&options, &mut room);
            let filled: Filled<()> = batch.fill(
                &messages[sent..],
                Some(&self.outstanding),
                |head, following| plain::plain(head, following, PEER, &options),
                |head, length| {
                    let (request, refused) = Request::screen(head, length)?;
                    assert_eq!(refused, None);
                    Some(Decided {
                        request,
                        action: request.action(head, &options),
                        attaching: None,
                    })
                },
            );
            batch.finish();
            let written = batch.written().expect("there is room");
            let slices = slices::interleave(written, batch.tails().iter().copied());
            let datagram: Vec<u8> = slices.flatten().copied().collect();
            let packets = batch.packets().to_vec();
            self.obey(&datagram, &decisions[sent..sent + filled.count])?;
            self.outstanding.all_decided(&packets);
            prop_assert!(filled.count > 0);
            sent += filled.count;
        }
        Ok(())
    }

    /// Plays the kernel, which carries out a datagram that is made of `decisions`. Fails if a
    /// packet gets a verdict or a replacement that the program has not given, or if a decision
    /// about a packet that is still queued is not carried out.
    fn obey(&mut self, mut datagram: &[u8], decisions: &[Decision]) -> Result<(), TestCaseError> {
        let mut wanted: BTreeMap<u32, (Verdict, &[u8])> = decisions
            .iter()
            .map(|(id, verdict, following)| (*id, (*verdict, &following[..])))
            .collect();
        while let Some(header) = Header::parse(datagram, Abi::NATIVE) {
            let length = header.length as usize;
            let (message, later) = datagram.split_at(length.next_multiple_of(4).min(datagram.len()));
            datagram = later;
            let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().expect("four bytes"));
            let (verdict, id) = (Verdict::from_wire(number(24)), number(28));
            match header.message_type.to_wire() {
                message_type::VERDICT => {
                    let (expected, replacement) = wanted.remove(&id).expect("a verdict that was asked for");
                    prop_assert_eq!(verdict, expected);
                    prop_assert_eq!(&message[length - replacement.len()..length], replacement);
                    self.queued.retain(|queued| *queued != id);
                }
                message_type::VERDICT_BATCH => {
                    let (together, rest) = self.queued.iter().partition::<Vec<u32>, _>(|queued| **queued <= id);
                    self.batched += together.len();
                    self.queued = rest;
                    for id in together {
                        let expected = wanted.remove(&id).map(|(verdict, _)| verdict);
                        prop_assert_eq!(expected, Some(verdict), "packet {} was held back", id);
                    }
                    // A decision about a packet that the kernel has dropped by itself counts as
                    // carried out.
                    wanted.retain(|other, _| *other > id || self.queued.contains(other));
                }
                other => panic!("type {other:#x}"),
            }
        }
        let left: Vec<u32> = wanted.into_keys().collect();
        prop_assert_eq!(left, Vec::<u32>::new(), "every decision was carried out");
        Ok(())
    }
}

fn head(id: u32, verdict: Verdict, following: usize) -> Vec<u8> {
    let request = VerdictRequest {
        verdict,
        packet_id: PacketId(id.into()),
        data_len: following as u64,
    };
    request.head(Abi::NATIVE, Envelope::request(PEER), following).to_vec()
}

fn play(happenings: &[Happening]) -> Result<Played, TestCaseError> {
    let mut played = Played::default();
    for happening in happenings {
        match happening {
            Happening::Arrive(count) => {
                for _ in 0..*count {
                    played.last_id += 1;
                    played.queued.push(played.last_id);
                    played.held.push(played.last_id);
                    played.outstanding.arrived(played.last_id);
                }
            }
            Happening::Lost => played.last_id += 1,
            Happening::Flushed(which) if !played.queued.is_empty() => {
                played.queued.remove(which.index(played.queued.len()));
            }
            Happening::Flushed(_) => {}
            Happening::Decide(chosen) => {
                let mut decisions = Vec::new();
                for (which, verdict, following) in chosen.iter().take(played.held.len()) {
                    let id = played.held.remove(which.index(played.held.len()));
                    decisions.push((id, *verdict, following.clone().unwrap_or_default()));
                }
                played.decide(&decisions)?;
            }
            Happening::DecideOldest(count, verdict) => {
                let count = usize::from(*count).min(played.held.len());
                let decisions: Vec<Decision> = played
                    .held
                    .drain(..count)
                    .map(|id| (id, *verdict, Vec::new()))
                    .collect();
                played.decide(&decisions)?;
            }
        }
    }
    Ok(played)
}

proptest! {
    #[test]
    fn each_packet_gets_its_own_verdict(happenings in prop::collection::vec(happening(), 1..30)) {
        let played = play(&happenings)?;
        let waiting: Vec<u32> = played.outstanding.oldest_first().collect();
        prop_assert_eq!(waiting, played.held, "what is outstanding is what the program holds");
    }
}

/// Returns the head of a program's verdict: its header and the message without a replacement.
fn whole_head(verdict: Verdict, id: u64, data_len: u64) -> [u8; HEAD_BYTES] {
    let request = VerdictRequest {
        verdict,
        packet_id: PacketId(id),
        data_len,
    };
    let head = request.head(Abi::NATIVE, Envelope::request(PEER), 0);
    head[..].try_into().expect("a whole head")
}

#[test]
fn a_verdict_is_repeated_only_if_nothing_but_the_packet_differs() {
    let first = whole_head(Verdict::Accept, 5, 0);
    let repeated = |verdict, id, data_len| plain::repeats(&whole_head(verdict, id, data_len), &first);
    assert_eq!(repeated(Verdict::Accept, 6, 0), Some(6));
    assert_eq!(repeated(Verdict::Accept, 5, 0), Some(5));
    assert_eq!(repeated(Verdict::Accept, u64::from(u32::MAX), 0), Some(u32::MAX));
    assert_eq!(repeated(Verdict::Drop, 6, 0), None);
    assert_eq!(repeated(Verdict::Accept, 6, 1), None);
    #[cfg(target_pointer_width = "64")]
    assert_eq!(repeated(Verdict::Accept, 1 << 32 | 6, 0), None);
}

#[test]
fn a_verdict_that_stands_for_itself_is_one_whose_packet_may_be_gone() {
    let mut played = Played::default();
    for id in 1..=3 {
        played.queued.push(id);
        played.outstanding.arrived(id);
    }
    for (count, batched) in [(1, 0), (2, 2)] {
        let decisions: Vec<Decision> = played.queued[..count]
            .iter()
            .map(|id| (*id, Verdict::Accept, Vec::new()))
            .collect();
        played.decide(&decisions).expect("as wanted");
        assert_eq!(played.batched, batched);
    }
}

#[test]
fn verdicts_in_order_go_together_and_a_packet_that_is_held_stops_that() {
    let all_but_one = [
        Happening::Arrive(30),
        Happening::Lost,
        Happening::Arrive(9),
        Happening::DecideOldest(39, Verdict::Accept),
    ];
    assert_eq!(play(&all_but_one).expect("as wanted").batched, 39);
    let mut held = Played::default();
    for id in 1..=10 {
        held.queued.push(id);
        held.outstanding.arrived(id);
    }
    let decisions: Vec<Decision> = (1..=10)
        .filter(|id| *id != 4)
        .map(|id| (id, Verdict::Accept, Vec::new()))
        .collect();
    held.decide(&decisions).expect("as wanted");
    assert_eq!((held.batched, held.queued), (3, vec![4]));
}
