//! The name of a network device, as frames carry it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The name of a network device. A kernel gives up to 15 bytes; the field on the wire can hold 16.
/// No byte of the name is NUL. The name is empty where there is no such device (PKT-6). Bytes after
/// a NUL in the field are not compared.
#[doc(alias("indev_name", "outdev_name", "IFNAMSIZ"))]
#[derive(Clone, Copy, Default)]
pub struct InterfaceName {
    /// The field on the wire. The name ends at the first NUL; the bytes after it are kept, and are
    /// no part of the name.
    field: [u8; Self::WIRE_BYTES],
}

impl InterfaceName {
    /// The size of the field on the wire: 16 bytes.
    pub const WIRE_BYTES: usize = 16;
    /// The empty name, which stands for no device.
    pub const NONE: Self = Self {
        field: [0; Self::WIRE_BYTES],
    };

    /// Reads the name in a field of the wire: the bytes before the first NUL, or all 16 if there is
    /// none. The bytes after the NUL are kept for [`to_wire`](Self::to_wire) alone.
    #[must_use]
    #[inline]
    pub const fn from_wire(field: [u8; Self::WIRE_BYTES]) -> Self {
        Self { field }
    }

    /// Returns the field on the wire. It is padded with NUL, unless it was read from a frame with
    /// other bytes after the name.
    #[must_use]
    #[inline]
    pub const fn to_wire(self) -> [u8; Self::WIRE_BYTES] {
        self.field
    }

    /// Returns the name's bytes, without padding. Linux does not allow `/`, white space or NUL,
    /// among others.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let length = self
            .field
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(Self::WIRE_BYTES);
        self.field.get(..length).unwrap_or_default()
    }

    /// Returns `true` if the name is empty, which stands for no device.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.field[0] == 0
    }
}

/// An error in a text that is to be the name of a network device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInterfaceName {
    /// The text has more than 15 bytes, the most that a kernel allows: this many.
    #[error("an interface name has at most 15 bytes, and this has {0}: shorten it")]
    TooLong(usize),
    /// The text has a NUL byte, which ends a name on the wire.
    #[error("an interface name has no NUL byte, and this has one: remove it")]
    HasNul,
}

impl FromStr for InterfaceName {
    type Err = InvalidInterfaceName;

    fn from_str(name: &str) -> Result<Self, InvalidInterfaceName> {
        if name.len() >= Self::WIRE_BYTES {
            return Err(InvalidInterfaceName::TooLong(name.len()));
        }
        if name.contains('\0') {
            return Err(InvalidInterfaceName::HasNul);
        }
        let mut field = [0; Self::WIRE_BYTES];
        field[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self { field })
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 4 * Self::WIRE_BYTES];
        let escaped = self.as_bytes().escape_ascii();
        for (target, byte) in text.iter_mut().zip(escaped.clone()) {
            *target = byte;
        }
        f.pad(str::from_utf8(&text[..escaped.count()]).unwrap_or_default())
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl PartialEq for InterfaceName {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for InterfaceName {}

impl PartialOrd for InterfaceName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InterfaceName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for InterfaceName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl PartialEq<str> for InterfaceName {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for InterfaceName {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    #[rstest]
    #[case(*b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", b"")]
    #[case(*b"l\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", b"l")]
    #[case(*b"tap0\0\0\0\0\0\0\0\0\0\0\0\0", b"tap0")]
    #[case(*b"tap0\0garbage\0\0\0\0", b"tap0")]
    #[case(*b"\0tap0\0\0\0\0\0\0\0\0\0\0\0", b"")]
    #[case(*b"fifteen-bytes-0\0", b"fifteen-bytes-0")]
    #[case(*b"sixteen-bytes--0", b"sixteen-bytes--0")]
    #[case(*b"\xff\x01\x80\x01\0\x01\x80\xff\0\0\0\0\0\0\0\0", b"\xff\x01\x80\x01")]
    fn a_name_ends_at_the_first_nul(#[case] field: [u8; 16], #[case] expected: &[u8]) {
        let name = InterfaceName::from_wire(field);
        assert_eq!(name.as_bytes(), expected);
        assert_eq!(name.is_empty(), expected.is_empty());
        let mut padded = [0; 16];
        padded[..expected.len()].copy_from_slice(expected);
        assert_eq!(name, InterfaceName::from_wire(padded));
        assert_eq!(name.to_wire(), field);
    }

    #[rstest]
    #[case("")]
    #[case("lo")]
    #[case("fifteen-bytes-0")]
    fn a_text_that_a_kernel_takes_is_a_name(#[case] text: &str) {
        let name: InterfaceName = text.parse().unwrap();
        assert_eq!((name == *text, name == text), (true, true));
        assert_eq!((name == *"tap0", name == "tap0"), (false, false));
        assert_eq!(name.to_string(), text);
        assert_eq!(InterfaceName::from_wire(name.to_wire()), name);
    }

    #[rstest]
    #[case("sixteen-bytes--0", InvalidInterfaceName::TooLong(16))]
    #[case("seventeen-bytes-0", InvalidInterfaceName::TooLong(17))]
    #[case("tap\0x", InvalidInterfaceName::HasNul)]
    fn a_text_that_it_does_not_take_is_none(#[case] text: &str, #[case] expected: InvalidInterfaceName) {
        assert_eq!(text.parse::<InterfaceName>(), Err(expected));
    }

    #[test]
    fn what_follows_the_nul_is_no_part_of_the_name() {
        let [one, other, longer] =
            [*b"tap0\0one-garbage", *b"tap0\0two-garbage", *b"tap00garbage\0\0\0\0"].map(InterfaceName::from_wire);
        assert_eq!(one, other);
        assert_eq!(one.cmp(&other), Ordering::Equal);
        assert!(one < longer && one != longer);
        let hash = |name: InterfaceName| BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
        assert_eq!(hash(one), hash(other));
        assert_ne!(hash(one), hash(longer));
    }

    #[test]
    fn names_are_shown_escaped_and_padded() {
        let name: InterfaceName = "eth0".parse().unwrap();
        assert_eq!(format!("[{name:>6}] {name:?}"), "[  eth0] \"eth0\"");
        let odd = InterfaceName::from_wire([0xff; 16]);
        assert_eq!(odd.to_string(), "\\xff".repeat(16));
    }
}
