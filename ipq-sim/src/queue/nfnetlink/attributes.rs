//! Reads the attributes of a message as the kernel does: liberally.
//!
//! An attribute that is unknown, too long, or there twice is no error. Bytes at the end that can't
//! be an attribute are not read. The answer may tell the sender of them (NFQ-45).

use ipq_core::Errno;
use ipq_core::wire::nfnetlink::HEADER_BYTES;

/// What the kernel demands of the length of an attribute's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// The attribute's content must have at least this number of bytes.
    AtLeast(u8),
    /// The attribute's content must have at least 4 bytes, since it begins with a number of 32
    /// bits.
    Number,
    /// The attribute's content must be empty, or have at least the 4 bytes with which an attribute
    /// in it begins.
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

/// A remark on the attributes of a message. The answer to the message, if there is one, tells it to
/// the sender if the sender's socket has the option `NETLINK_EXT_ACK` (NFQ-44, NFQ-45).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// There is nothing to remark.
    None,
    /// Bytes are left after the last attribute.
    Leftover,
    /// The attribute at byte `at` of the message is shorter than `policy` wants.
    Short { at: usize, policy: Policy },
}

/// The attributes that a message has, by their type. Only those of types 1 to `N` - 1 are kept. If
/// a message has a type twice, the last attribute of it counts.
pub(super) struct Attributes<'m, const N: usize> {
    found: [Option<&'m [u8]>; N],
    /// The note for the message's answer: [`Note::Leftover`] if bytes are left after the last
    /// attribute, and otherwise [`Note::None`].
    pub(super) note: Note,
}

impl<'m, const N: usize> Attributes<'m, N> {
    /// Reads the attributes after a message's headers, and keeps those of types 1 to `N` - 1. If
    /// one of these is shorter than `policies` wants for its type, fails with ERANGE and with
    /// [`Note::Short`] for the answer.
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

    /// Returns the content of the attribute of type `kind`. Returns `None` if the message has none.
    pub(super) fn get(&self, kind: u16) -> Option<&'m [u8]> {
        self.found.get(usize::from(kind)).copied().flatten()
    }

    /// Returns the first `L` bytes of the content of the attribute of type `kind`. Returns `None`
    /// if the message has no such attribute, or its content is shorter.
    pub(super) fn start<const L: usize>(&self, kind: u16) -> Option<[u8; L]> {
        self.get(kind)?.first_chunk().copied()
    }

    /// Returns the number at the start of the content of the attribute of type `kind`, which has 32
    /// bits and is big-endian. Returns `None` if the message has no such attribute, or its content
    /// is shorter.
    pub(super) fn number(&self, kind: u16) -> Option<u32> {
        self.start(kind).map(u32::from_be_bytes)
    }
}

/// The error of an attribute that is shorter than its policy wants.
const ERANGE: Errno = Errno(34);

/// Returns the type and the content of the attribute at byte `at` of a message. The type is without
/// its two flag bits (nested, byte order). Returns `None` if there are too few bytes for the
/// attribute, or if it states a length of less than 4.
fn attribute_at(message: &[u8], at: usize) -> Option<(u16, &[u8])> {
    let rest = message.get(at..)?;
    let [low, high, kind_low, kind_high] = *rest.first_chunk()?;
    let length = usize::from(u16::from_ne_bytes([low, high]));
    let content = rest.get(4..length)?;
    Some((u16::from_ne_bytes([kind_low, kind_high]) & 0x3fff, content))
}
