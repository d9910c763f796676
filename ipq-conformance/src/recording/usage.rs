//! Checks that a scenario's steps make sense together: that their sockets are open and their
//! devices exist.

use super::{Problem, Recording};
use crate::world::{Observation, OpenStage, Step, topology};
use std::collections::HashMap;

/// A step that uses a socket that is not open, or that opens a socket that is open already. The
/// recorded answers decide which sockets are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misuse {
    /// The number of the step, from 1.
    pub step: usize,
    /// The problem in words.
    pub what: String,
}

/// Refuses a recording with a step that makes no sense, whatever the kernel answered: the step
/// names an unknown device, or uses a socket that no earlier step opened or that an earlier step
/// closed. The error is about the first such step. The names of bridges and their ports are not
/// checked.
pub(super) fn check_names(recording: &Recording) -> Result<(), Problem> {
    let mut open = HashMap::new();
    for (number, recorded) in numbered(recording) {
        let step = &recorded.step;
        if let Some(device) = device(step)
            && !topology::DEVICES.contains(&device)
        {
            let known = topology::DEVICES.join(", ");
            return Err(Problem::in_step(
                number,
                format!("there is no device {device:?}: there are {known}"),
            ));
        }
        if let Some(socket) = step.socket()
            && !matches!(step, Step::Open { .. })
            && open.get(socket) != Some(&true)
        {
            let past = if open.contains_key(socket) {
                "is closed"
            } else {
                "was never opened"
            };
            return Err(Problem::in_step(number, format!("the socket {socket:?} {past}")));
        }
        match step {
            Step::Open { socket, .. } => open.insert(socket.clone(), true),
            Step::Duplicate { duplicate, .. } => open.insert(duplicate.clone(), true),
            Step::Close { socket } => open.insert(socket.clone(), false),
            _ => None,
        };
    }
    Ok(())
}

/// Returns the first step that uses a socket that is not open, or that opens a socket that is open
/// already; `None` if there is none. The recorded answers decide: a socket is not open if its
/// [`Step::Open`] failed at `socket()`, if it was closed, or if it was never opened. After a failed
/// bind it is open.
///
/// This check is separate from [`check_names`]. A wrong answer in a recording is a difference that
/// the comparison is to find, and does not mean that the scenario makes no sense.
pub(super) fn first_misuse(recording: &Recording) -> Option<Misuse> {
    let mut open = HashMap::new();
    for (step, recorded) in numbered(recording) {
        let Some(socket) = recorded.step.socket() else {
            continue;
        };
        let is_open = open.get(socket) == Some(&true);
        let what = match &recorded.step {
            Step::Open { .. } if is_open => format!("the socket {socket:?} is open already"),
            Step::Open { .. } => {
                let made = !matches!(
                    recorded.seen,
                    Observation::Open {
                        failed_at: Some(OpenStage::Socket),
                        ..
                    }
                );
                open.insert(socket, made);
                continue;
            }
            _ if !is_open => format!("the socket {socket:?} is not open: opening it failed"),
            Step::Close { .. } => {
                open.insert(socket, false);
                continue;
            }
            Step::Duplicate { duplicate, .. } => {
                open.insert(duplicate, true);
                continue;
            }
            _ => continue,
        };
        return Some(Misuse { step, what });
    }
    None
}

fn numbered(recording: &Recording) -> impl Iterator<Item = (usize, &super::RecordedStep)> {
    (1..).zip(&recording.steps)
}

fn device(step: &Step) -> Option<&str> {
    match step {
        Step::Inject { device, .. }
        | Step::Output { device, .. }
        | Step::Sniff { device }
        | Step::InjectOffloaded { device, .. }
        | Step::Link { device, .. } => Some(device),
        _ => None,
    }
}
