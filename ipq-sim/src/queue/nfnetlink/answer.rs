//! Answers to messages: errors, and acknowledgements that were asked for.

use super::attributes::{Note, Policy};
use super::{Datagram, Sender};
use arrayvec::ArrayVec;
use bytes::Bytes;
use ipq_core::Errno;
use ipq_core::wire::Header;
use ipq_core::wire::nfnetlink::message_type;

/// `NLM_F_CAPPED`: the flag of an answer that quotes only the message's header.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: the flag of an answer that has attributes after what it quotes.
const EXTENDED: u16 = 0x200;

/// The answer to a message: an error, or an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'m> {
    errno: Errno,
    sequence: u32,
    /// All bytes of the message that is answered. They are never fewer than those of its header.
    message: &'m [u8],
    note: Note,
}

impl Note {
    const fn text(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Leftover => Some("bytes leftover after parsing attributes"),
            Self::Short { .. } => Some("Attribute failed policy validation"),
        }
    }
}

impl<'m> Answer<'m> {
    pub(super) const fn new(errno: Errno, sequence: u32, message: &'m [u8], note: Note) -> Self {
        Self {
            errno,
            sequence,
            message,
            note,
        }
    }

    /// Returns the answer's error number; 0 for an acknowledgement.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        self.errno
    }

    /// Returns the datagram that brings the answer to `sender` (NFQ-41 to NFQ-45). An error quotes
    /// the whole message, an acknowledgement only the message's header. The options of the sender's
    /// socket may cut the quote of an error to the header, and add attributes that explain the
    /// answer.
    #[must_use]
    pub fn datagram(&self, sender: Sender) -> Datagram {
        let capped = self.errno.0 == 0 || sender.caps_answers;
        let quoted = if capped {
            &self.message[..Header::BYTES.min(self.message.len())]
        } else {
            self.message
        };
        let attributes = if sender.extends_answers {
            self.attributes()
        } else {
            Vec::new()
        };
        let extended = if attributes.is_empty() { 0 } else { EXTENDED };
        let flags = extended | if capped { CAPPED } else { 0 };
        let padded = quoted.len().next_multiple_of(4);
        let mut head = ArrayVec::new();
        let mut add = |bytes: &[u8]| {
            let added = head.try_extend_from_slice(bytes);
            debug_assert!(added.is_ok(), "the head of an answer has 20 bytes");
        };
        add(&((Header::BYTES + 4 + padded + attributes.len()) as u32).to_ne_bytes());
        add(&message_type::ERROR.to_ne_bytes());
        add(&flags.to_ne_bytes());
        add(&self.sequence.to_ne_bytes());
        add(&sender.port_id.0.to_ne_bytes());
        add(&(-self.errno.0).to_ne_bytes());
        let mut payload = Vec::with_capacity(padded + attributes.len());
        payload.extend_from_slice(quoted);
        payload.resize(padded, 0);
        payload.extend_from_slice(&attributes);
        let allocated = head.len() + payload.len();
        Datagram {
            head,
            payload: Bytes::from(payload),
            allocated,
        }
    }

    /// Returns the attributes that explain an answer's note: a text and, for an attribute that is
    /// too short, its place, and its policy unless that is only a least length. Returns no bytes if
    /// there is nothing to note.
    fn attributes(&self) -> Vec<u8> {
        const TEXT: u16 = 1;
        const PLACE: u16 = 2;
        const POLICY: u16 = 0x8004;
        let mut attributes = Vec::new();
        if let Some(text) = self.note.text() {
            add_attribute(&mut attributes, TEXT, &[text.as_bytes(), &[0]].concat());
        }
        if let Note::Short { at, policy } = self.note {
            add_attribute(&mut attributes, PLACE, &(at as u32).to_ne_bytes());
            let policy = described(policy);
            if !policy.is_empty() {
                add_attribute(&mut attributes, POLICY, &policy);
            }
        }
        attributes
    }
}

/// Returns the attributes that describe an attribute's policy; no bytes if the policy is only a
/// least length.
fn described(policy: Policy) -> Vec<u8> {
    const TYPE: u16 = 1;
    const LEAST: u16 = 4;
    const MOST: u16 = 5;
    const NUMBER: u32 = 4;
    const NESTED: u32 = 13;
    let mut attributes = Vec::new();
    match policy {
        Policy::AtLeast(_) => {}
        Policy::Number => {
            add_attribute(&mut attributes, LEAST, &0_u64.to_ne_bytes());
            add_attribute(&mut attributes, MOST, &u64::from(u32::MAX).to_ne_bytes());
            add_attribute(&mut attributes, TYPE, &NUMBER.to_ne_bytes());
        }
        Policy::Nested => add_attribute(&mut attributes, TYPE, &NESTED.to_ne_bytes()),
    }
    attributes
}

fn add_attribute(to: &mut Vec<u8>, kind: u16, content: &[u8]) {
    to.extend_from_slice(&(content.len() as u16 + 4).to_ne_bytes());
    to.extend_from_slice(&kind.to_ne_bytes());
    to.extend_from_slice(content);
    to.resize(to.len().next_multiple_of(4), 0);
}
