//! Reads the attributes of a message as the kernel does: liberally.
//!
//! Nothing is wrong with an attribute that is unknown, too long, or there twice. What is left at
//! the end, and can't be an attribute, is not read, and the sender may be told (NFQ-45).

use ipq_core::Errno;
use ipq_core::wire::nfnetlink::HEADER_BYTES;

/// The content that an attribute must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// At least this number of bytes.
    AtLeast(u8),
    /// A number of 32 bits.
    Number,
    /// Nothing, or at least one attribute.
    Nested,
}

impl Policy {
    fn allows(self, length: usize) -> bool {
        match self {
            Self::AtLeast(least) => length >= least.into(),
            Self::Number => length >= 4,
            Self::Nested => length == 0 || length >= 4,
        }
    }
}

/// A fault of a message's attributes, which an answer tells a socket that asked for such notes
/// (NFQ-45).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// There is no fault.
    None,
    /// Bytes were left after the last attribute.
    Leftover,
    /// The attribute at an offset of the message is too short.
    Short { at: usize, policy: Policy },
}

/// The attributes of a message, by type. Of an attribute that is there twice, the last counts.
pub(super) struct Attributes<'m, const N: usize> {
    found: [Option<&'m [u8]>; N],
    /// The note about the attributes in an answer.
    pub(super) note: Note,
}

impl<'m, const N: usize> Attributes<'m, N> {
    /// Reads the attributes of a message whose types are at least 1 and less than `N`. `policies`
    /// says what the content of some of them must be.
    pub(super) fn read(message: &'m [u8], policies: &[(u16, Policy)]) -> Result<Self, (Errno, Note)> {
        let mut found = [None; N];
        let mut at = HEADER_BYTES;
        while let Some((kind, content)) = attribute_at(message, at) {
            let known = found.get_mut(usize::from(kind)).filter(|_| kind != 0);
            if let Some(place) = known {
                let policy = policies.iter().find(|(of, _)| *of == kind).map(|(_, policy)| *policy);
                if let Some(policy) = policy.filter(|policy| !policy.allows(content.len())) {
                    return Err((ERANGE, Note::Short { at, policy }));
                }
                *place = Some(content);
            }
            at += (content.len() + 4).next_multiple_of(4);
        }
        let note = if at < message.len() { Note::Leftover } else { Note::None };
        Ok(Self { found, note })
    }

    /// Returns the content of an attribute. Returns `None` if it is not there.
    pub(super) fn get(&self, kind: u16) -> Option<&'m [u8]> {
        self.found.get(usize::from(kind)).copied().flatten()
    }

    /// Returns the first `L` bytes of an attribute. Returns `None` if it is not there, or shorter.
    pub(super) fn start<const L: usize>(&self, kind: u16) -> Option<[u8; L]> {
        self.get(kind)?.first_chunk().copied()
    }

    /// Returns the number that an attribute begins with. Returns `None` if it is not there, or
    /// shorter.
    pub(super) fn number(&self, kind: u16) -> Option<u32> {
        self.start(kind).map(u32::from_be_bytes)
    }
}

/// The error of an attribute that is shorter than it must be.
const ERANGE: Errno = Errno(34);

/// Returns the type, without the bits that say how the content is made up, and the content of the
/// attribute at byte `at` of a message. Returns `None` if there is no sound attribute.
fn attribute_at(message: &[u8], at: usize) -> Option<(u16, &[u8])> {
    let rest = message.get(at..)?;
    let [low, high, kind_low, kind_high] = *rest.first_chunk()?;
    let length = usize::from(u16::from_ne_bytes([low, high]));
    let content = rest.get(4..length)?;
    Some((u16::from_ne_bytes([kind_low, kind_high]) & 0x3fff, content))
}
