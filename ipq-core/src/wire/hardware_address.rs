//! A link-layer address, as frames carry it.

use std::fmt;

/// The link-layer source address of a packet (PKT-7): 0 to 8 bytes (WIRE-2). Ethernet's has 6. Two
/// are equal if they have the same length and all 8 bytes of their fields are the same, also those
/// after the address.
#[doc(alias("hw_addr", "hw_addrlen"))]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct HardwareAddress {
    /// All eight bytes of the field. The bytes after the address are not specified; they are kept
    /// and compared.
    field: [u8; Self::WIRE_BYTES],
    length: u8,
}

/// The error of an address whose stated length is more than the 8 bytes that a frame has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame has room for a hardware address of 8 bytes, and this one is said to have {stated}")]
pub struct HardwareAddressTooLong {
    /// The stated length of the address in bytes.
    pub stated: usize,
}

impl HardwareAddress {
    /// The size of the field on the wire: 8 bytes.
    pub const WIRE_BYTES: usize = 8;
    /// No address, of 0 bytes: for a packet that has no link-layer source address.
    pub const NONE: Self = Self {
        field: [0; Self::WIRE_BYTES],
        length: 0,
    };

    /// Reads the address in a field of the wire: the first `length` bytes of `field`. The bytes
    /// after them are kept, too: [`to_wire`](Self::to_wire) returns them, and `==` compares them.
    /// Fails if `length` is over 8.
    #[inline]
    pub const fn from_wire(length: u8, field: [u8; Self::WIRE_BYTES]) -> Result<Self, HardwareAddressTooLong> {
        if length as usize > Self::WIRE_BYTES {
            return Err(HardwareAddressTooLong {
                stated: length as usize,
            });
        }
        Ok(Self { field, length })
    }

    /// Returns the address's length in bytes, and its whole field on the wire, with the bytes after
    /// the address.
    #[must_use]
    #[inline]
    pub const fn to_wire(self) -> (u8, [u8; Self::WIRE_BYTES]) {
        (self.length, self.field)
    }

    /// Returns the address's bytes, without the rest of the field.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.field.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl TryFrom<&[u8]> for HardwareAddress {
    type Error = HardwareAddressTooLong;

    fn try_from(bytes: &[u8]) -> Result<Self, HardwareAddressTooLong> {
        let mut field = [0; Self::WIRE_BYTES];
        let target = field
            .get_mut(..bytes.len())
            .ok_or(HardwareAddressTooLong { stated: bytes.len() })?;
        target.copy_from_slice(bytes);
        Ok(Self {
            field,
            length: bytes.len() as u8,
        })
    }
}

impl From<[u8; 6]> for HardwareAddress {
    fn from(ethernet: [u8; 6]) -> Self {
        let mut field = [0; Self::WIRE_BYTES];
        field[..6].copy_from_slice(&ethernet);
        Self { field, length: 6 }
    }
}

impl fmt::Display for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.as_bytes().iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HardwareAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[rstest]
    #[case(&[], "")]
    #[case(&[0x0a], "0a")]
    #[case(&[2, 0, 0, 0, 0x20, 1], "02:00:00:00:20:01")]
    #[case(&[1, 2, 3, 4, 5, 6, 7, 0xff], "01:02:03:04:05:06:07:ff")]
    fn addresses_of_up_to_eight_bytes_are_shown_with_colons(#[case] bytes: &[u8], #[case] text: &str) {
        let address = HardwareAddress::try_from(bytes).unwrap();
        assert_eq!(address.as_bytes(), bytes);
        assert_eq!(address.to_string(), text);
        let (length, field) = address.to_wire();
        assert_eq!(HardwareAddress::from_wire(length, field), Ok(address));
    }

    #[test]
    fn nine_bytes_are_too_many() {
        let too_long = HardwareAddressTooLong { stated: 9 };
        assert_eq!(HardwareAddress::try_from(&[0; 9][..]), Err(too_long));
        assert_eq!(HardwareAddress::from_wire(9, [0; 8]), Err(too_long));
        assert_eq!(
            HardwareAddress::from_wire(255, [0; 8]),
            Err(HardwareAddressTooLong { stated: 255 })
        );
    }

    #[test]
    fn what_follows_the_address_is_kept_but_is_no_part_of_it() {
        let field = [2, 0, 0, 0, 0x20, 1, 0xee, 0xff];
        let address = HardwareAddress::from_wire(6, field).unwrap();
        assert_eq!(address.as_bytes(), &field[..6]);
        assert_eq!(address.to_wire(), (6, field));
        assert_eq!(format!("{address:?}"), "HardwareAddress(02:00:00:00:20:01)");
    }

    #[test]
    fn an_ethernet_address_has_six_bytes() {
        assert_eq!(HardwareAddress::from([1, 2, 3, 4, 5, 6]).as_bytes(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(HardwareAddress::NONE.as_bytes(), []);
        assert_eq!(HardwareAddress::default(), HardwareAddress::NONE);
    }
}
