//! The files of recordings, and a world that answers from a recording. A world is what a recording
//! is replayed against, such as the emulator.

use bytes::Bytes;
use ipq_conformance::recording::{RecordedStep, Recording};
use ipq_conformance::world::{
    Capabilities, Description, Machine, Observation, Received, Setup, Step, World, WorldError,
};
use ipq_core::wire::{Abi, Header, MessageType};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The number of recordings. Of Linux 3.4.10 there are 171 for `x86_64`, 58 for i386, and 120 with
/// generated steps. Of five older kernels there are 950, and 300 with generated steps. Of numbered
/// queues there are 182 and 177 of two kernels, and 100 with generated steps.
pub(crate) const RECORDINGS: usize = (171 + 58 + 120) + 950 + 300 + (182 + 177 + 100);

/// Returns the paths of the files of recordings, ordered by name.
pub(crate) fn recording_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let entries = std::fs::read_dir(folder).expect("the recordings are there");
    let paths = entries.map(|entry| entry.expect("the folder can be listed").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
        .collect();
    paths.sort();
    paths
}

/// A world that gives the answers of a recording. Messages of `ip_queue` have packet ids, times and
/// pad bytes of this world's own. Each step has to be the recorded one, with this world's id in a
/// verdict. Any other step is refused as misuse.
pub(crate) struct Playback {
    abi: Abi,
    steps: std::vec::IntoIter<RecordedStep>,
    handed_out: u8,
    own: HashMap<Vec<u8>, Vec<u8>>,
    /// By the name of the socket: the datagrams that it sent to the kernel after the last one that
    /// an ERROR message quoted. Each is here as recorded, and with this world's packet ids.
    sent: HashMap<String, Vec<(Bytes, Bytes)>>,
}

impl Playback {
    pub(crate) fn of(recording: &Recording) -> Self {
        Self {
            abi: recording
                .setup
                .machine
                .as_ref()
                .map_or(Abi::NATIVE, |machine| machine.abi),
            steps: recording.steps.clone().into_iter(),
            handed_out: 0,
            own: HashMap::new(),
            sent: HashMap::new(),
        }
    }

    /// Returns the recorded datagram `bytes` as this world expects it: the id in a verdict is
    /// replaced by the one that this world gave the packet.
    fn as_sent(&self, bytes: &Bytes) -> Bytes {
        let word = self.abi.word_bytes();
        let mut own = bytes.to_vec();
        if kind(bytes, self.abi) == Some(MessageType::Verdict)
            && let Some(id) = own.get_mut(16 + word..16 + 2 * word)
            && let Some(other) = self.own.get(id)
        {
            id.copy_from_slice(other);
        }
        own.into()
    }

    /// Returns the recorded message `bytes` as this world gives it to `socket`. A packet message
    /// gets another id, which is remembered, another time, if it has one, and other pad bytes. An
    /// ERROR message quotes the datagram with this world's id.
    fn as_received(&mut self, socket: &str, bytes: &Bytes) -> Bytes {
        let word = self.abi.word_bytes();
        let mut own = bytes.to_vec();
        match kind(bytes, self.abi) {
            Some(MessageType::Packet) => {
                self.handed_out = self.handed_out.wrapping_add(1);
                for byte in own.iter_mut().skip(16).take(word) {
                    *byte ^= 0x40 ^ self.handed_out;
                }
                if let (Some(recorded), Some(id)) = (bytes.get(16..16 + word), own.get(16..16 + word)) {
                    self.own.insert(recorded.to_vec(), id.to_vec());
                }
                for byte in own.iter_mut().skip(16 + 2 * word).take(2 * word) {
                    *byte = if *byte == 0 { 0 } else { byte.wrapping_add(1).max(1) };
                }
                let end = Header::BYTES + self.abi.packet_message_bytes();
                let data_len = bytes.get(end - 4..end).map_or(0, |_| data_len(bytes, self.abi));
                for byte in own.iter_mut().skip(end + data_len) {
                    *byte = !*byte;
                }
            }
            Some(MessageType::Error) => {
                let quoted = bytes.get(20..).unwrap_or_default();
                let sent = self.sent.entry(socket.to_owned()).or_default();
                let answered = sent.iter().rposition(|(recorded, _)| {
                    let length = quoted.len().min(recorded.len());
                    recorded[..length] == quoted[..length]
                });
                if let Some(answered) = answered {
                    let (_, message) = sent[answered].clone();
                    let length = quoted.len().min(message.len());
                    own[20..20 + length].copy_from_slice(&message[..length]);
                    sent.drain(..=answered);
                }
            }
            _ => {}
        }
        own.into()
    }
}

fn kind(bytes: &[u8], abi: Abi) -> Option<MessageType> {
    Header::parse(bytes, abi).map(|header| header.message_type)
}

/// Returns the `data_len` of a PACKET message. Reads the two lowest bytes, which is enough for the
/// recordings; their machines are little-endian.
fn data_len(bytes: &[u8], abi: Abi) -> usize {
    let at = Header::BYTES + abi.packet_message_bytes() - abi.word_bytes();
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

impl World for Playback {
    fn describe(&self) -> Description {
        Description {
            implementation: "a recording".into(),
            machine: Machine::linux_3_4_x86_64(),
            seed: None,
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    fn begin(&mut self, _: &Setup) -> Result<(), WorldError> {
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        let next = self
            .steps
            .next()
            .ok_or_else(|| WorldError::Misuse("the recording is over".into()))?;
        let mut expected = next.step;
        let mut seen = next.seen;
        if let Step::Send {
            socket,
            to: None,
            bytes,
        } = &mut expected
        {
            let own = self.as_sent(bytes);
            let sent = self.sent.entry(socket.clone()).or_default();
            sent.push((bytes.clone(), own.clone()));
            *bytes = own;
        }
        if *step != expected {
            return Err(WorldError::Misuse(format!(
                "{step:?} was asked for, and not {expected:?}"
            )));
        }
        if let (Step::Receive { socket, .. }, Observation::Receive(Received::Frame { bytes, sender: 0 })) =
            (step, &mut seen)
        {
            *bytes = self.as_received(socket, bytes);
        }
        Ok(seen)
    }
}
