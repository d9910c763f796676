//! Bytes to messages and back: every frame of the `ip_queue` protocol, for both word sizes and both
//! byte orders.
//!
//! Nothing here does I/O, allocates, or knows of anything above it.
//!
//! # Reading
//!
//! [`Message::parse`] takes the bytes of one datagram. The message that it returns borrows from
//! them: no payload is copied, and a packet's field is decoded when it is asked for. `parse` finds
//! everything that can be wrong with the bytes; an accessor of a parsed message never fails.
//!
//! # Writing
//!
//! A message is written as a [`Head`], its fixed part. The caller sends the payload as a part of
//! its own after it, so writing does not copy a replacement packet.
//!
//! # Panics
//!
//! No function of this module panics or overflows, whatever bytes or numbers it is given. Lengths
//! are compared before they are used, as `u64` if they are words on the wire. On a 32-bit ABI a
//! word that does not fit is cut to its low 32 bits, as a C assignment does. A frame of more than 4
//! GiB is written with the largest length that a header can state, so that no reader takes a part
//! of it for the whole.
//!
//! # Layouts
//!
//! Offsets in bytes from the start of the message, which follows the 16 bytes of the [`Header`]
//! (WIRE-2, WIRE-3):
//!
//! | packet message | LP64 | ILP32 | | mode or verdict | LP64 | ILP32 |
//! |---|---|---|---|---|---|---|
//! | `packet_id` | 0 | 0 | | mode: value (u8) | 0 | 0 |
//! | `mark` | 8 | 4 | | mode: range | 8 | 4 |
//! | `timestamp_sec`, `timestamp_usec` | 16, 24 | 8, 12 | | verdict: value (u32) | 0 | 0 |
//! | `hook` (u32) | 32 | 16 | | verdict: id | 8 | 4 |
//! | `indev_name`, `outdev_name` | 36, 52 | 20, 36 | | verdict: `data_len` | 16 | 8 |
//! | `hw_protocol`, `hw_type` (u16) | 68, 70 | 52, 54 | | size | 24 | 12 |
//! | `hw_addrlen` (u8), `hw_addr` | 72, 73 | 56, 57 | | | | |
//! | `data_len` | 88 | 68 | | | | |
//! | size | 96 | 72 | | | | |

#![expect(
    clippy::inline_always,
    reason = "a constant ABI is folded away only where its value is seen, and the compiler's own guess is to share the code"
)]

mod abi;
mod error;
mod error_message;
mod fields;
mod hardware_address;
mod head;
mod header;
mod interface_name;
mod message;
pub mod nfnetlink;
mod packet;
mod request;
mod screen;
mod values;

pub use abi::{Abi, ByteOrder, WordSize};
pub use error::WireError;
pub use error_message::ErrorMessage;
pub use hardware_address::{HardwareAddress, HardwareAddressTooLong};
pub use head::Head;
pub use header::{Envelope, Flags, Header, MessageType};
pub use interface_name::{InterfaceName, InvalidInterfaceName};
pub use message::{Frame, Message, MessageMut};
pub use packet::{PacketMessage, PacketMetadata, PacketMut};
pub use request::{ModeRequest, VerdictRequest};
pub use screen::{Objection, Response, Screened, screen};
pub use values::{CopyMode, EtherType, Hook, Mark, PacketId, PortId, Timestamp, Verdict};

/// Returns the number of bytes that bring `length` to a multiple of 4, the alignment of netlink
/// messages: 0 to 3 (WIRE-4, ERR-3).
#[must_use]
pub const fn padding(length: usize) -> usize {
    length.wrapping_neg() & 3
}

#[cfg(test)]
mod recorded;

#[cfg(test)]
mod tests {
    use super::padding;
    use rstest::rstest;

    #[rstest]
    fn padding_brings_a_length_to_the_next_multiple_of_four(
        #[values((0, 0), (1, 3), (2, 2), (3, 1), (4, 0), (65_535, 1), (usize::MAX, 1))] (length, expected): (
            usize,
            usize,
        ),
    ) {
        assert_eq!(padding(length), expected);
    }
}
