//! The messages between a program and an emulator in another process, beside the frames themselves.
//!
//! A connection begins with one [`Request`], which is answered by one [`Answer`]. The use of the
//! connection afterwards depends on the request: after [`Request::Open`] it carries frames, and
//! after [`Request::Notices`] it carries [`Notice`]s, which say what frames don't; after
//! [`Request::ProcText`] the text follows the answer. After any other request the connection is of
//! no more use. Requests, answers and notices have a fixed size and are little-endian; whatever
//! else comes is refused, so nothing here can panic or allocate.

use crate::errno::Errno;
use crate::wire::{Abi, ByteOrder, PortId, WordSize};

/// The bytes that begin every request and every answer: "ipq1".
const MAGIC: [u8; 4] = *b"ipq1";

/// A request of a program to an emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `socket(AF_NETLINK, SOCK_RAW, protocol)`: the connection becomes the socket. The answer's
    /// value is the length of the longest datagram that the socket sends (SOCK-9).
    Open {
        /// The netlink protocol: 3 or 13 (ATT-1).
        protocol: u32,
        /// The id of the process that opens the socket.
        process_id: u32,
    },
    /// Makes the connection the one that carries the [notices](Notice) about a socket.
    Notices {
        /// The socket, as the answer to `Open` named it.
        socket: u64,
    },
    /// `bind`: binds the socket. The answer's value is the port id.
    Bind {
        /// The socket, as the answer to `Open` named it.
        socket: u64,
        /// The port id to bind to; if it is 0, the emulator chooses one (SOCK-2).
        port_id: PortId,
    },
    /// `SO_RCVBUF`: sets the receive buffer. The answer's value is the size that it has then
    /// (SOCK-4).
    ReceiveBuffer {
        /// The socket, as the answer to `Open` named it.
        socket: u64,
        /// The number of bytes that are asked for.
        bytes: u32,
    },
    /// `NETLINK_NO_ENOBUFS`: sets whether overruns are reported to the program (SOCK-4).
    NoEnobufs {
        /// The socket, as the answer to `Open` named it.
        socket: u64,
        /// `true` if overruns are not to be reported; `false` if they are.
        on: bool,
    },
    /// Asks for the text of `/proc/net/ip_queue` or `/proc/net/ip6_queue` (PROC-1), which follows
    /// the answer as a datagram of its own. The answer's value is the text's length in bytes, at
    /// most [`LONGEST_TEXT`].
    ProcText {
        /// The netlink protocol: 3 or 13 (ATT-1).
        protocol: u32,
    },
}

/// The longest text that [`Request::ProcText`] can bring, in bytes. The text of Linux 3.4 has seven
/// lines.
pub const LONGEST_TEXT: usize = 1024;

impl Request {
    /// The size of every request in bytes.
    pub const BYTES: usize = 20;

    /// Returns the request as bytes.
    #[must_use]
    pub fn write(self) -> [u8; Self::BYTES] {
        let (kind, value, socket): (u32, u32, u64) = match self {
            Self::Open { protocol, process_id } => (1, protocol, process_id.into()),
            Self::Notices { socket } => (2, 0, socket),
            Self::Bind { socket, port_id } => (3, port_id.0, socket),
            Self::ReceiveBuffer { socket, bytes } => (4, bytes, socket),
            Self::NoEnobufs { socket, on } => (5, on.into(), socket),
            Self::ProcText { protocol } => (6, protocol, 0),
        };
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&kind.to_le_bytes());
        bytes[8..12].copy_from_slice(&value.to_le_bytes());
        bytes[12..].copy_from_slice(&socket.to_le_bytes());
        bytes
    }

    /// Reads a request. Returns `None` if the bytes are not exactly one request with values that a
    /// request can have.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        if bytes[..4] != MAGIC {
            return None;
        }
        let (value, socket) = (u32_at(bytes, 8)?, u64_at(bytes, 12)?);
        Some(match (u32_at(bytes, 4)?, value) {
            (1, protocol) => Self::Open {
                protocol,
                process_id: u32::try_from(socket).ok()?,
            },
            (2, 0) => Self::Notices { socket },
            (3, port_id) => Self::Bind {
                socket,
                port_id: PortId(port_id),
            },
            (4, bytes) => Self::ReceiveBuffer { socket, bytes },
            (5, 0 | 1) => Self::NoEnobufs { socket, on: value == 1 },
            (6, protocol) if socket == 0 => Self::ProcText { protocol },
            _ => return None,
        })
    }
}

/// An emulator's answer to a [`Request`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The reason of a refusal; 0 if the request was carried out.
    pub errno: Errno,
    /// A value that depends on the request, such as a port id: see [`Request`]. It is 0 if the
    /// request has none.
    pub value: u32,
    /// In an answer to [`Request::Open`], the number by which requests on other connections name
    /// the socket. It has no use in other answers.
    pub socket: u64,
    /// The layout of the emulated kernel's frames.
    pub abi: Abi,
}

impl Answer {
    /// The size of every answer in bytes.
    pub const BYTES: usize = 24;

    /// Returns the answer as bytes.
    #[must_use]
    pub fn write(self) -> [u8; Self::BYTES] {
        let abi = u32::from(self.abi.word == WordSize::Eight) << 1 | u32::from(self.abi.order == ByteOrder::Big);
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.errno.0.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.value.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.socket.to_le_bytes());
        bytes[20..].copy_from_slice(&abi.to_le_bytes());
        bytes
    }

    /// Reads an answer. Returns `None` if the bytes are not exactly one answer, or name no ABI.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        if bytes[..4] != MAGIC {
            return None;
        }
        let abi = u32_at(bytes, 20)?;
        Some(Self {
            errno: Errno(u32_at(bytes, 4)?.cast_signed()),
            value: u32_at(bytes, 8)?,
            socket: u64_at(bytes, 12)?,
            abi: Abi::ALL.into_iter().find(|candidate| {
                Self {
                    abi: *candidate,
                    ..Self::EMPTY
                }
                .write()[20..]
                    == abi.to_le_bytes()
            })?,
        })
    }

    const EMPTY: Self = Self {
        errno: Errno(0),
        value: 0,
        socket: 0,
        abi: Abi::NATIVE,
    };
}

/// A notice of an emulator about a socket, on a connection beside that of the socket's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Datagrams were lost, since the receive buffer had no room (SOCK-4).
    Overrun,
    /// Frames that are sent after this notice come from this port id, until the next notice of a
    /// sender (SOCK-8). Before the first such notice, frames come from the kernel.
    Sender(PortId),
}

impl Notice {
    /// The size of every notice in bytes.
    pub const BYTES: usize = 8;

    /// Returns the notice as bytes.
    #[must_use]
    pub fn write(self) -> [u8; Self::BYTES] {
        let (kind, value): (u32, u32) = match self {
            Self::Overrun => (1, 0),
            Self::Sender(PortId(port_id)) => (2, port_id),
        };
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes[4..].copy_from_slice(&value.to_le_bytes());
        bytes
    }

    /// Reads a notice. Returns `None` if the bytes are not exactly one notice of a known kind.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        match (u32_at(bytes, 0)?, u32_at(bytes, 4)?) {
            (1, 0) => Some(Self::Overrun),
            (2, port_id) => Some(Self::Sender(PortId(port_id))),
            _ => None,
        }
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(Request::Open { protocol: 3, process_id: 4242 })]
    #[case(Request::Notices { socket: 7 })]
    #[case(Request::Bind { socket: 7, port_id: PortId(u32::MAX) })]
    #[case(Request::ReceiveBuffer { socket: u64::MAX, bytes: 4096 })]
    #[case(Request::NoEnobufs { socket: 7, on: true })]
    #[case(Request::ProcText { protocol: 13 })]
    fn a_request_is_read_as_it_was_written(#[case] request: Request) {
        assert_eq!(Request::parse(&request.write()), Some(request));
    }

    #[test]
    fn an_answer_is_read_as_it_was_written_for_every_abi() {
        for abi in Abi::ALL {
            let answer = Answer {
                errno: Errno::EADDRINUSE,
                value: 4242,
                socket: 1 << 40,
                abi,
            };
            assert_eq!(Answer::parse(&answer.write()), Some(answer));
        }
    }

    #[rstest]
    #[case(Notice::Overrun)]
    #[case(Notice::Sender(PortId::KERNEL))]
    #[case(Notice::Sender(PortId(u32::MAX)))]
    fn a_notice_is_read_as_it_was_written(#[case] notice: Notice) {
        assert_eq!(Notice::parse(&notice.write()), Some(notice));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_as_what_it_would_be_written_as_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..32),
            kind in 0_u32..8,
        ) {
            let mut bytes = bytes;
            if bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&kind.to_le_bytes());
            }
            if let Some(notice) = Notice::parse(bytes.get(..Notice::BYTES).unwrap_or(&bytes)) {
                prop_assert_eq!(&notice.write()[..], &bytes[..Notice::BYTES]);
            }
            if bytes.len() >= 8 {
                bytes[..4].copy_from_slice(&MAGIC);
                bytes[4..8].copy_from_slice(&kind.to_le_bytes());
            }
            if let Some(request) = Request::parse(&bytes) {
                prop_assert_eq!(&request.write()[..], &bytes[..]);
            }
            if let Some(answer) = Answer::parse(&bytes) {
                prop_assert_eq!(&answer.write()[..], &bytes[..]);
            }
        }
    }
}
