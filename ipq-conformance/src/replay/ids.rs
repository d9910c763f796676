//! Packet ids: the recorded kernel's, and this world's for the same packets.

use super::frames::{message_type, packet_id_at, verdict_id_at};
use crate::step::Step;
use ipq_core::wire::{Abi, MessageType};
use std::collections::{HashMap, VecDeque};

/// A packet id as it lies in a frame: a word of the recording's ABI.
type RawId = Vec<u8>;

/// Which of this world's packet ids stands for which recorded one.
pub(super) struct Ids {
    abi: Abi,
    /// By recorded id: the id that came in the same frame, of the last frame that had it.
    own: HashMap<RawId, RawId>,
    /// By socket: the ids of the verdicts that it has sent and that no error has answered, recorded and put in.
    sent: HashMap<String, VecDeque<(RawId, RawId)>>,
}

impl Ids {
    pub(super) fn new(abi: Abi) -> Self {
        Self {
            abi,
            own: HashMap::new(),
            sent: HashMap::new(),
        }
    }

    pub(super) const fn abi(&self) -> Abi {
        self.abi
    }

    /// The step as this world is to do it: a verdict for the kernel gets this world's id, if one was handed out for the
    /// recorded one.
    pub(super) fn rewrite(&mut self, step: &Step) -> Step {
        let mut step = step.clone();
        match &mut step {
            Step::Send {
                socket,
                to: None | Some(0),
                bytes,
            } if message_type(bytes, 4, self.abi) == Some(MessageType::Verdict) => {
                let at = verdict_id_at(self.abi);
                if let Some(recorded) = bytes.get(at.clone()) {
                    let recorded = recorded.to_vec();
                    let own = self.own.get(&recorded).unwrap_or(&recorded).clone();
                    let mut rewritten = bytes.to_vec();
                    rewritten[at].copy_from_slice(&own);
                    *bytes = rewritten.into();
                    let sent = self.sent.entry(socket.clone()).or_default();
                    sent.push_back((recorded, own));
                }
            }
            // What it has sent will not be answered any more.
            Step::Close { socket } => drop(self.sent.remove(socket)),
            _ => {}
        }
        step
    }

    /// Both PACKET frames tell of the same packet. One that is cut before the end of its id names none.
    pub(super) fn learn(&mut self, recorded: &[u8], seen: &[u8]) {
        let at = packet_id_at(self.abi);
        if let (Some(recorded), Some(own)) = (recorded.get(at.clone()), seen.get(at)) {
            self.own.insert(recorded.to_vec(), own.to_vec());
        }
    }

    /// An error on `socket` quotes `recorded`, and here `seen`, or as much of them as was received. Says whether they are
    /// the same verdict's. Errors come in the order of what they answer, so verdicts before it have had theirs.
    pub(super) fn answer(&mut self, socket: &str, recorded: &[u8], seen: &[u8]) -> bool {
        let Some(sent) = self.sent.get_mut(socket) else {
            return false;
        };
        let answered = sent
            .iter()
            .position(|(id, own)| id.starts_with(recorded) && own.starts_with(seen));
        if let Some(answered) = answered {
            sent.drain(..=answered);
        }
        answered.is_some()
    }
}
