//! Makes the emulator's answers comparable with the model's. Packet ids differ: which of the
//! emulator's ids stands for which of the model's is learnt from PACKET frames, and must then stay
//! so (PKT-9).

use crate::step::Answer;
use ipq_core::wire::Abi;
use std::collections::HashMap;
use std::ops::Range;

/// Which packet id of the emulator stands for which of the model's. Ids are kept as their bytes on
/// the wire.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    of_emulator: HashMap<Vec<u8>, Vec<u8>>,
    of_model: HashMap<Vec<u8>, Vec<u8>>,
}

impl Ids {
    /// Returns the model's answer with the emulator's packet id in place of the model's, if the
    /// pair is known.
    pub(crate) fn translated(&self, answer: &Answer, abi: Abi) -> Answer {
        let mut answer = answer.clone();
        if let Answer::Frame { bytes, sender: 0 } = &mut answer
            && let Some(place) = id_place(bytes, abi)
            && let Some(id) = self.of_model.get(place)
        {
            place.copy_from_slice(id);
        }
        answer
    }

    /// Learns the pair of ids from a PACKET frame that both have read. Returns `false` if one of
    /// the two ids is known in another pair. Returns `true` without learning for any other answer.
    pub(crate) fn learn(&mut self, model: &Answer, emulator: &Answer, abi: Abi) -> bool {
        let (
            Answer::Frame {
                bytes: model,
                sender: 0,
            },
            Answer::Frame {
                bytes: emulator,
                sender: 0,
            },
        ) = (model, emulator)
        else {
            return true;
        };
        if model.get(4..6) != Some(&[0x13, 0]) || emulator.get(4..6) != Some(&[0x13, 0]) {
            return true;
        }
        let (mut model, mut emulator) = (model.clone(), emulator.clone());
        let (Some(model), Some(emulator)) = (id_place(&mut model, abi), id_place(&mut emulator, abi)) else {
            return true;
        };
        let (model, emulator) = (model.to_vec(), emulator.to_vec());
        let known = self
            .of_emulator
            .entry(emulator.clone())
            .or_insert_with(|| model.clone());
        let consistent = *known == model;
        let known = self.of_model.entry(model).or_insert_with(|| emulator.clone());
        consistent && *known == emulator
    }
}

/// Returns the answer with zeros in place of an incomplete packet id, which is left where a frame
/// was cut within the id, or where an error quotes a verdict that was cut there.
pub(crate) fn without_cut_id(answer: &Answer, abi: Abi) -> Answer {
    let mut answer = answer.clone();
    if let Answer::Frame { bytes, sender: 0 } = &mut answer
        && let Some((id, end)) = id_range(bytes, abi)
        && id.contains(&end)
    {
        bytes[id.start..end].fill(0);
    }
    answer
}

/// Returns the bytes of the packet id in a frame of the kernel's. Returns `None` if the frame has
/// none, or not all of it.
fn id_place(frame: &mut [u8], abi: Abi) -> Option<&mut [u8]> {
    let (id, end) = id_range(frame, abi)?;
    frame.get_mut(id.clone()).filter(|_| id.end <= end)
}

/// Returns the range of the packet id in a frame of the kernel's, and the offset at which the
/// message with the id ends. The message is a PACKET, or the message that an error quotes. Returns
/// `None` for any other frame.
pub(crate) fn id_range(frame: &[u8], abi: Abi) -> Option<(Range<usize>, usize)> {
    let word = abi.word_bytes();
    match frame.get(4..6)? {
        [0x13, 0] => Some((16..16 + word, frame.len())),
        [2, 0] => {
            let length = <[u8; 4]>::try_from(frame.get(20..24)?).ok()?;
            let end = frame.len().min(20 + u32::from_le_bytes(length) as usize);
            Some((36 + word..36 + 2 * word, end))
        }
        _ => None,
    }
}
