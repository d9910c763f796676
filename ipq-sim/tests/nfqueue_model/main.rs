//! Tests numbered queues against a model of them: the same actions are done to both, and the same
//! must be seen.
//!
//! `support/soak.rs` says which environment variables make the test a long run.

mod emulator;
mod model;
mod packets;
#[path = "../support/soak.rs"]
mod soak;
mod soaks;

use emulator::Emulator;
use model::{Action, Model, QUEUE, SOCKETS, Seen};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use soak::Soak;

/// The least number of steps that `cargo test` takes.
const STEPS: u64 = 200_000;
/// The number of a queue that packets reach only by a verdict.
const OTHER: u16 = 300;

/// The model, and what was seen after the last action.
#[derive(Clone, Debug, Default)]
struct Reference {
    model: Model,
    seen: Seen,
}

struct Machine;

impl ReferenceStateMachine for Machine {
    type State = Reference;
    type Transition = Action;

    fn init_state() -> BoxedStrategy<Reference> {
        Just(Reference::default()).boxed()
    }

    fn transitions(_: &Reference) -> BoxedStrategy<Action> {
        prop_oneof![
            6 => config(),
            8 => verdict(),
            10 => Just(Action::Arrive),
            1 => (0..SOCKETS).prop_map(|socket| Action::Reopen { socket }),
            1 => Just(Action::Down),
        ]
        .boxed()
    }

    fn apply(mut reference: Reference, action: &Action) -> Reference {
        reference.seen = reference.model.act(action);
        reference
    }
}

impl StateMachineTest for Machine {
    type SystemUnderTest = Emulator;
    type Reference = Self;

    fn init_test(_: &Reference) -> Emulator {
        Emulator::new()
    }

    fn apply(mut emulator: Emulator, reference: &Reference, action: Action) -> Emulator {
        assert_eq!(emulator.act(&action), reference.seen, "{action:?}");
        emulator
    }
}

fn socket() -> impl Strategy<Value = usize> {
    prop_oneof![5 => Just(0), 1 => 1..SOCKETS]
}

fn queue() -> impl Strategy<Value = u16> {
    prop_oneof![8 => Just(QUEUE), 2 => Just(OTHER), 1 => prop::sample::select(vec![0, 8, 65_535])]
}

fn config() -> impl Strategy<Value = Action> {
    let command =
        prop_oneof![6 => Just(Some(1)), 4 => Just(None), 1 => prop::sample::select(vec![0, 2, 3, 4, 5]).prop_map(Some)];
    let mode = (
        prop_oneof![6 => Just(2_u8), 2 => Just(1_u8), 1 => prop::sample::select(vec![0, 3, 255])],
        prop::sample::select(vec![0, 1, 20, 36, 37, 65_531, 65_532, u32::MAX]),
    );
    let maximum = prop::option::weighted(0.2, prop::sample::select(vec![0, 1, 2, 5, u32::MAX]));
    let flags = (
        prop::sample::select(vec![0, 1, 2, 16, 32]),
        prop::sample::select(vec![0, 1, 3, u32::MAX]),
    );
    (
        socket(),
        queue(),
        command,
        prop::option::weighted(0.8, mode),
        maximum,
        prop::option::weighted(0.2, flags),
        any::<bool>(),
    )
        .prop_map(|(socket, queue, command, mode, maximum, flags, ack)| Action::Config {
            socket,
            queue,
            command,
            mode,
            maximum,
            flags,
            ack,
        })
}

fn verdict() -> impl Strategy<Value = Action> {
    let to = |queue: u16, bits: u32| 3 | bits | u32::from(queue) << 16;
    let value = prop::sample::select(vec![
        1,
        1,
        0,
        5,
        4,
        2,
        6,
        to(QUEUE, 0),
        to(OTHER, 0),
        to(OTHER, 0x8000),
        0x0001_0001,
        0x0001_0004,
    ]);
    let id = prop_oneof![20 => 1..12_u32, 1 => prop::sample::select(vec![0, 100, u32::MAX, 1 << 31, u32::MAX >> 1])];
    let payload =
        (0..50_000_u16, prop::sample::select(vec![36, 36, 36, 0, 1, 19, 20, 28])).prop_map(|(number, length)| {
            let mut bytes = packets::forwarded(number);
            bytes.truncate(length);
            bytes
        });
    (
        socket(),
        queue(),
        value,
        id,
        prop::bool::weighted(0.2),
        prop::option::weighted(0.3, prop::sample::select(vec![0, 9, u32::MAX])),
        prop::option::weighted(0.3, payload),
        any::<bool>(),
    )
        .prop_map(
            |(socket, queue, value, id, several, mark, payload, ack)| Action::Verdict {
                socket,
                queue,
                value,
                id,
                several,
                mark,
                payload,
                ack,
            },
        )
}

#[test]
fn numbered_queues_do_what_the_model_does() {
    let soak = Soak::from_environment("nfnetlink_queue", STEPS);
    match soak.run::<Machine>(Config::default().max_shrink_iters) {
        Ok(figures) => println!("{} steps from seed {}: no difference", figures.steps, soak.seed),
        Err(difference) => panic!("{difference}"),
    }
}
