//! What can go wrong with a handle: precise errors, and libipq's numbers for them.

use crate::transport::TransportError;
use crate::wire::{PortId, WireError};
use std::fmt;

/// Why a call on a [`Handle`](super::Handle) failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No message came in the time that there was.
    #[error("no message came in the time allowed")]
    TimedOut,
    /// A signal came first. Nothing is lost: call again.
    #[error("a signal interrupted the read: call again")]
    Interrupted {
        /// Whether the wait was [`Wait::Forever`](crate::Wait::Forever): only then libipq calls it an error (LIB-3).
        forever: bool,
    },
    /// The receive buffer was full, and the kernel lost messages for this handle (SOCK-4).
    #[error(
        "the receive buffer overran and messages were lost: read on until nothing is left; \
         a larger receive buffer or a smaller copy range makes this rarer"
    )]
    Overrun,
    /// The buffer is shorter than the smallest message (LIB-3).
    #[error("the receive buffer has {length} bytes, and the smallest message needs 20: use a larger one")]
    BufferTooSmall {
        /// The buffer's length in bytes.
        length: usize,
    },
    /// Another program sent the datagram, which was thrown away (SOCK-6, SOCK-8).
    #[error("a datagram came from port id {sender} and not from the kernel, and was refused: read on")]
    ForeignSender {
        /// Who sent it.
        sender: PortId,
    },
    /// The datagram had no bytes (LIB-3).
    #[error("the queue's socket is at its end: a datagram of 0 bytes came")]
    EndOfFile,
    /// The message is longer than what was read; the rest is lost (SOCK-3).
    #[error("a message of {whole} bytes was cut to {read}: {} are lost, use a buffer that has room for it", .whole.saturating_sub(*.read))]
    Truncated {
        /// How many bytes were read.
        read: usize,
        /// How many there were, by the datagram's length or its header's, whichever is more.
        whole: usize,
    },
    /// The kernel sent bytes that are no message of this protocol.
    #[error("the kernel sent a message that can't be understood: {0}")]
    Malformed(#[source] WireError),
    /// Nothing could be received.
    #[error("nothing could be received: {0}")]
    Receive(#[source] TransportError),
    /// The message could not be sent.
    #[error("the message could not be sent: {0}")]
    Send(#[source] TransportError),
    /// Fewer bytes were sent than the message has.
    #[error("of a message of {stated} bytes only {sent} were sent")]
    SentShort {
        /// How many bytes were sent.
        sent: usize,
        /// How many the message has.
        stated: usize,
    },
}

impl Error {
    /// What libipq calls this error; `None` where it reported none: a signal during a wait that was to end by itself.
    #[must_use]
    pub const fn number(&self) -> Option<ErrorNumber> {
        Some(match self {
            Self::TimedOut => ErrorNumber::Timeout,
            Self::Interrupted { forever: false } => return None,
            Self::Interrupted { forever: true } | Self::Overrun | Self::ForeignSender { .. } | Self::Receive(_) => {
                ErrorNumber::Receive
            }
            Self::BufferTooSmall { .. } => ErrorNumber::ReceiveBufferSize,
            Self::EndOfFile => ErrorNumber::EndOfFile,
            Self::Truncated { .. } | Self::Malformed(_) => ErrorNumber::ReceivedTruncated,
            Self::Send(_) => ErrorNumber::Send,
            Self::SentShort { .. } => ErrorNumber::SentTruncated,
        })
    }
}

macro_rules! error_numbers {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        /// libipq's error numbers. Displaying one gives the exact text of `ipq_errstr` (LIB-5).
        #[doc(alias("ipq_errstr", "ipq_perror"))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorNumber {
            $($(#[$doc])* #[doc = concat!("\n\nText: \"", $text, "\".")] $name = $number,)*
        }

        impl ErrorNumber {
            /// All of them, in order, from 0.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// libipq's text.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

error_numbers! {
    /// 0: no error yet.
    Unknown = 0 "Unknown error",
    /// 1: a defect of the library, and what every number that is none of these stands for.
    Implementation = 1 "Implementation error",
    /// 2: no memory for a handle.
    CreateHandle = 2 "Unable to create netlink handle",
    /// 3: the kernel gave no socket (SOCK-1).
    CreateSocket = 3 "Unable to create netlink socket",
    /// 4: the port id is taken (SOCK-2).
    BindSocket = 4 "Unable to bind netlink socket",
    /// 5: no memory for a buffer.
    AllocateBuffer = 5 "Unable to allocate buffer",
    /// 6: the receive call failed, or another program sent the datagram.
    Receive = 6 "Failed to receive netlink message",
    /// 7: a datagram of 0 bytes.
    EndOfFile = 7 "Received EOF on netlink socket",
    /// 8: a sender's address of the wrong size.
    PeerAddressLength = 8 "Invalid peer address length",
    /// 9: fewer bytes were sent than the message has.
    SentTruncated = 9 "Sent message truncated",
    /// 10: the message is longer than what was read.
    ReceivedTruncated = 10 "Received message truncated",
    /// 11: the kernel answered with an error.
    ReceivedError = 11 "Received error from netlink",
    /// 12: the send call failed.
    Send = 12 "Failed to send netlink message",
    /// 13: this queue can't do that.
    NotSupported = 13 "Operation not supported",
    /// 14: the buffer is shorter than the smallest message.
    ReceiveBufferSize = 14 "Receive buffer size invalid",
    /// 15: nothing came in time.
    Timeout = 15 "Timeout",
    /// 16: neither IPv4 nor IPv6.
    InvalidProtocol = 16 "Invalid protocol specified",
}

impl ErrorNumber {
    /// The number in libipq: 0 to 16.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The error with libipq's number `number`; out of range it is number 1, as in `ipq_errstr` (LIB-5).
    #[must_use]
    pub fn from_number(number: i32) -> Self {
        usize::try_from(number)
            .ok()
            .and_then(|index| Self::ALL.get(index))
            .copied()
            .unwrap_or(Self::Implementation)
    }
}

impl fmt::Display for ErrorNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
