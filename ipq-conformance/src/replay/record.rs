//! Does the steps of a recording in a world, and returns the answers as a recording of that world.

use super::ids::Ids;
use super::{ReplayError, began_with_a_dead_peer, frames};
use crate::recording::{Problem, RecordedStep, Recording};
use crate::world::{Capability, Observation, Received, World};
use ipq_core::wire::{Abi, MessageType};

/// Begins the fresh `world`, does the steps of `recording` in it, and ends it. Returns a recording
/// of the same name with the world's answers, and with the world's packet ids in verdicts. Its
/// machine is the recording's if there is one and the world can stand for other machines, and
/// otherwise the world's.
///
/// Fails before a step that [`Recording::misuse`] names, and if the world can't begin, can't do a
/// step, or does not end as it should. A panic of the world is not caught.
pub fn record(recording: &Recording, world: &mut dyn World) -> Result<Recording, ReplayError> {
    let mut setup = recording.setup.clone();
    setup.earlier_peer_died = began_with_a_dead_peer(recording);
    let begun = world.begin(&setup);
    begun.map_err(|error| ReplayError::World { step: None, error })?;
    if !world.capabilities().has(Capability::OtherMachines) || setup.machine.is_none() {
        setup.machine = Some(world.describe().machine);
    }
    let abi = setup.machine.as_ref().map_or(Abi::NATIVE, |machine| machine.abi);
    let misuse = recording.misuse();
    let mut ids = Ids::new(abi, &world.capabilities());
    let mut steps = Vec::new();
    for (number, recorded) in (1..).zip(&recording.steps) {
        if let Some(misuse) = misuse.as_ref().filter(|misuse| misuse.step == number) {
            return Err(ReplayError::Malformed(Problem::in_step(number, &misuse.what)));
        }
        let step = ids.rewrite(&recorded.step);
        let seen = world.step(&step).map_err(|error| ReplayError::World {
            step: Some(number),
            error,
        })?;
        if let (Some(socket), Some(before), Some(now)) =
            (step.socket(), packet(&recorded.seen, abi), packet(&seen, abi))
        {
            ids.learn(socket, before, now);
        }
        steps.push(RecordedStep { step, seen });
    }
    world.end().map_err(|error| ReplayError::World {
        step: Some(recording.steps.len()),
        error,
    })?;
    Ok(Recording {
        name: recording.name.clone(),
        setup,
        steps,
    })
}

/// Returns the bytes of `seen` if it is a PACKET frame that the kernel sent; otherwise `None`.
fn packet(seen: &Observation, abi: Abi) -> Option<&[u8]> {
    match seen {
        Observation::Receive(Received::Frame { bytes, sender: 0 }) => {
            (frames::message_type(bytes, 4, abi) == Some(MessageType::Packet)).then_some(bytes)
        }
        _ => None,
    }
}
