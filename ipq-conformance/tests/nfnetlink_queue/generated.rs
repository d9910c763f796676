//! Generated sequences of steps.

use super::emulator::Emulator;
use super::kernel::{Kernel, QUEUES};
use super::message::{
    ACK, BATCH_BEGIN, BATCH_END, CONFIG, REQUEST, VERDICT, VERDICT_BATCH, attribute, command, message, number, packets,
    parameters, verdict, with_options,
};
use super::step::{Datagram, SOCKETS, Step, Tally, compare};
use ipq_conformance::suite::Packet;
use ipq_core::Family;
use ipq_sim::Profile;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;

/// The number of sequences that are tried without `IPQ_SEQUENCES`.
const SEQUENCES: u32 = 300;

/// Compares an emulator of Linux 6.18 with `kernel` on generated sequences, as many as
/// `IPQ_SEQUENCES` says, else 300. Panics if a sequence shows a difference. `IPQ_SEED` is the seed,
/// else 1.
pub(super) fn do_the_same(kernel: &mut Kernel) {
    let setting = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect("a number"))
    };
    let cases = setting("IPQ_SEQUENCES").map_or(SEQUENCES, |cases| cases as u32);
    let seed = setting("IPQ_SEED").unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_ne_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let kernel = RefCell::new(kernel);
    let tally = RefCell::new(Tally::default());
    let sequences = Family::ALL.map(|family| sequence(family).boxed());
    let result = runner.run(&prop::strategy::Union::new(sequences), |steps| {
        let mut emulator = Emulator::new(&Profile::LINUX_6_18_X86_64);
        compare(
            &mut **kernel.borrow_mut(),
            &mut emulator,
            &steps,
            &mut tally.borrow_mut(),
        )
        .map_err(TestCaseError::fail)
    });
    if let Err(failure) = result {
        panic!("seed {seed}: {failure}");
    }
    let Tally {
        answers,
        packets,
        frames,
    } = tally.into_inner();
    eprintln!(
        "{cases} sequences of seed {seed}: {answers} answers, {packets} packet messages and {frames} frames, no difference"
    );
}

/// Generates a sequence of steps with packets of one family. Nine times out of ten two queues are
/// bound first, so that the other steps have an effect.
fn sequence(family: Family) -> impl Strategy<Value = Vec<Step>> {
    let bound = |queue| {
        let content = [command(1), parameters(0, 2)].concat();
        let datagram = Datagram(message(CONFIG, REQUEST, queue, &content, None));
        Step::Send { socket: 0, datagram }
    };
    let prepared = vec![bound(own_queue(family)), bound(2)];
    let prepared = prop_oneof![9 => Just(prepared), 1 => Just(Vec::new())];
    (prepared, vec(step(family), 1..60)).prop_map(|(prepared, steps)| [prepared, steps].concat())
}

/// Returns the number of the queue that the family's rule sends packets to.
fn own_queue(family: Family) -> u16 {
    QUEUES[family as usize]
}

/// Generates a step with packets of one family.
fn step(family: Family) -> impl Strategy<Value = Step> {
    let socket = prop_oneof![4 => Just(0_usize), 1 => 0..SOCKETS];
    let open =
        (0..SOCKETS, any::<bool>(), any::<bool>()).prop_map(|(socket, caps_answers, extends_answers)| Step::Open {
            socket,
            caps_answers,
            extends_answers,
        });
    let frames: Vec<Vec<u8>> = packets_of(family)
        .iter()
        .map(|packet| packet.frame().to_vec())
        .collect();
    let with_options = if family == Family::Ipv4 {
        with_options()
    } else {
        frames[0].clone()
    };
    let frame = prop_oneof![8 => prop::sample::select(frames), 1 => Just(with_options)];
    prop_oneof![
        1 => open,
        1 => (1..SOCKETS).prop_map(|socket| Step::Close { socket }),
        30 => (socket, datagram(family)).prop_map(|(socket, datagram)| Step::Send { socket, datagram: Datagram(datagram) }),
        20 => frame.prop_map(|frame| Step::Arrive { frame: Datagram(frame), count: 1 }),
        1 => Just(Step::Down),
        1 => prop::bool::weighted(0.8).prop_map(|held| Step::Capability { held }),
    ]
}

/// Generates a datagram: one message, sometimes cut or with bytes behind it, or several messages.
fn datagram(family: Family) -> impl Strategy<Value = Vec<u8>> {
    let several = vec(one_message(family), 1..5).prop_map(|messages| messages.concat());
    let cut = (one_message(family), any::<prop::sample::Index>()).prop_map(|(mut message, at)| {
        message.truncate(at.index(message.len() + 1));
        message
    });
    let tailed = (one_message(family), vec(any::<u8>(), 1..20)).prop_map(|(message, tail)| [message, tail].concat());
    prop_oneof![12 => one_message(family), 4 => several, 1 => cut, 1 => tailed]
}

fn one_message(family: Family) -> impl Strategy<Value = Vec<u8>> {
    let flags = prop_oneof![
        6 => Just(REQUEST | ACK),
        4 => Just(REQUEST),
        1 => prop::sample::select(vec![0, ACK, REQUEST | ACK | 0x300, REQUEST | 2, 0xffff]),
    ];
    let usual = prop_oneof![
        4 => (Just(CONFIG), configuration()),
        10 => (Just(VERDICT), decision(family, true)),
        2 => (Just(VERDICT_BATCH), decision(family, false)),
    ];
    let odd_kind = prop_oneof![prop::sample::select(vec![
        0,
        1,
        2,
        3,
        0x0f,
        BATCH_BEGIN,
        BATCH_END,
        0x12,
        0x0300,
        0x0304,
        0x03ff,
        0x7f01
    ]),];
    let odd = (odd_kind, prop_oneof![configuration(), decision(family, true)]);
    let kind_and_content = prop_oneof![15 => usual.boxed(), 2 => odd.boxed()];
    let length = prop_oneof![
        20 => Just(None),
        1 => (0..80_u32).prop_map(Some),
        1 => Just(Some(u32::MAX)),
    ];
    let begin = prop_oneof![Just(10_u16), Just(0x0a00), Just(3), Just(0), Just(14), Just(1)];
    let usual = (kind_and_content, flags, queue(family), length)
        .prop_map(|((kind, content), flags, queue, length)| message(kind, flags, queue, &content, length));
    let begin = (begin, any::<bool>()).prop_map(|(subsystem, acknowledged)| {
        message(
            BATCH_BEGIN,
            REQUEST | if acknowledged { ACK } else { 0 },
            subsystem,
            &[],
            None,
        )
    });
    prop_oneof![25 => usual, 1 => begin]
}

fn queue(family: Family) -> impl Strategy<Value = u16> {
    prop_oneof![12 => Just(own_queue(family)), 4 => Just(2_u16), 1 => prop::sample::select(vec![0, 1, 16, 256, 17, 65_535])]
}

fn configuration() -> impl Strategy<Value = Vec<u8>> {
    let commands = prop_oneof![8 => Just(1_u8), 1 => Just(2_u8), 2 => prop::sample::select(vec![0, 3, 4, 5, 255])];
    let mode = prop_oneof![8 => Just(2_u8), 3 => Just(1_u8), 1 => Just(0_u8), 1 => 3..=255_u8];
    let range = prop::sample::select(vec![0, 1, 20, 61, 100, 4096, 65_531, 65_532, u32::MAX]);
    let small = prop::sample::select(vec![0, 1, 2, 3, 8, 16, 1024, u32::MAX]);
    let flags = prop_oneof![
        6 => prop::sample::select(vec![0, 1, 4, 8, 9, 16]),
        1 => prop::sample::select(vec![2, 31, 32, u32::MAX]),
    ];
    let mask = prop::sample::select(vec![0, 1, 8, 31, 29, u32::MAX]);
    let one = prop_oneof![
        6 => commands.prop_map(command),
        6 => (range, mode).prop_map(|(range, mode)| parameters(range, mode)),
        2 => small.prop_map(|length| number(3, length)),
        1 => mask.clone().prop_map(|mask| number(4, mask)),
        1 => flags.clone().prop_map(|flags| number(5, flags)),
        2 => (flags, mask).prop_map(|(flags, mask)| [number(5, flags), number(4, mask)].concat()),
        1 => odd_attribute(8),
    ];
    vec(one, 0..4).prop_map(|attributes| attributes.concat())
}

fn decision(family: Family, one: bool) -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        6 => Just(1_u32),
        2 => Just(0_u32),
        2 => prop::sample::select(vec![2, 3, 4, 5, 6, 0x0101, 0xff01]),
        1 => Just(4_u32 | 7 << 16),
        2 => prop::sample::select(vec![3 | 1 << 16, 3 | 2 << 16, 3 | 9 << 16, 3 | 9 << 16 | 0x8000, 1 | 1 << 16, 5 | 1 << 16]),
    ];
    let id = prop_oneof![20 => 1..10_u32, 2 => 10..30_u32, 1 => prop::sample::select(vec![0, u32::MAX, 1 << 31])];
    let header = (value, id).prop_map(|(value, id)| verdict(value, id));
    let payload = prop_oneof![
        2 => prop::sample::select(packets_of(family)).prop_map(|packet| packet.forwarded().ip().to_vec()),
        1 => prop::sample::select(vec![0, 1, 19, 20, 23, 24, 27, 39, 40, 41]).prop_map(move |length| shortened(family, length)),
    ];
    let payload = if one {
        payload.boxed()
    } else {
        Just(Packet::udp4().ip().to_vec()).boxed()
    };
    let more = prop_oneof![
        10 => Just(Vec::new()),
        2 => prop::sample::select(vec![0, 1, 0x8000_0001]).prop_map(|mark| number(3, mark)),
        1 => prop::sample::select(vec![0, 7]).prop_map(|priority| number(21, priority)),
        3 => payload.prop_map(|payload| attribute(10, &payload)),
        1 => odd_attribute(24),
    ];
    (
        prop_oneof![12 => header, 1 => Just(Vec::new())],
        more,
        prop::bool::weighted(0.1),
    )
        .prop_map(|(header, more, swapped)| {
            if swapped {
                [more, header].concat()
            } else {
                [header, more].concat()
            }
        })
}

fn packets_of(family: Family) -> Vec<Packet> {
    packets()
        .into_iter()
        .filter(|packet| packet.family() == family)
        .collect()
}

/// Returns the first `length` bytes of an IP packet with UDP, or all if it has fewer.
fn shortened(family: Family, length: usize) -> Vec<u8> {
    let mut bytes = Packet::udp(family).ip().to_vec();
    bytes.truncate(length);
    bytes
}

/// Generates an attribute with a type below `kinds` and up to 13 bytes of content, with or without
/// the flags 0x8000 and 0x4000 in its type. Sometimes it is a header alone that states any length
/// up to 11, or up to 3 bytes.
fn odd_attribute(kinds: u16) -> impl Strategy<Value = Vec<u8>> {
    let bits = prop::sample::select(vec![0, 0x8000, 0x4000, 0xc000]);
    let sound = (0..kinds, bits, vec(any::<u8>(), 0..14));
    let sound = sound.prop_map(|(kind, bits, content)| attribute(kind | bits, &content));
    let unsound = (0..12_u16, 0..kinds).prop_map(|(length, kind)| [length.to_ne_bytes(), kind.to_ne_bytes()].concat());
    prop_oneof![3 => sound, 1 => unsound, 1 => vec(any::<u8>(), 0..4)]
}
