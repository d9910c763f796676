//! Errors of a handle, and libipq's numbers for them.

use crate::error_number::ErrorNumber;
use crate::transport::TransportError;
use crate::wire::{PortId, WireError};
use std::fmt;

/// An error of a call on a [`Handle`](super::Handle).
///
/// Its `Debug` output is the same sentence as its `Display` output.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No message came in time.
    #[error("no message came in the time allowed")]
    TimedOut,
    /// A signal came before a message. Nothing is lost: call again.
    #[error("a signal interrupted the read: call again")]
    Interrupted {
        /// `true` if the wait was [`Wait::Forever`](crate::Wait::Forever). Only then libipq calls
        /// the signal an error (LIB-3).
        forever: bool,
    },
    /// The receive buffer was full, and the kernel lost messages for this handle (SOCK-4).
    #[error(
        "the receive buffer overran and messages were lost: read on until nothing is left; \
         a larger receive buffer or a smaller copy range makes this rarer"
    )]
    Overrun,
    /// The buffer is shorter than the smallest message, which has 20 bytes (LIB-3).
    #[error("the receive buffer has {length} bytes, and the smallest message needs 20: use a larger one")]
    BufferTooSmall {
        /// The buffer's length in bytes.
        length: usize,
    },
    /// Another program sent the datagram, which was thrown away (SOCK-6, SOCK-8).
    #[error("a datagram came from port id {sender} and not from the kernel, and was refused: read on")]
    ForeignSender {
        /// The port id of the sender.
        sender: PortId,
    },
    /// The datagram had no bytes (LIB-3).
    #[error("the queue's socket is at its end: a datagram of 0 bytes came")]
    EndOfFile,
    /// The message is longer than the bytes that were read; the rest is lost (SOCK-3).
    #[error("a message of {whole} bytes was cut to {read}: {} are lost, use a buffer that has room for it", .whole.saturating_sub(*.read))]
    Truncated {
        /// The number of bytes that were read.
        read: usize,
        /// The number of bytes that the message had: the datagram's length or the length in its
        /// header, whichever is more.
        whole: usize,
    },
    /// The kernel sent bytes that are no message of this protocol.
    #[error("the kernel sent a message that can't be understood: {0}")]
    Malformed(#[source] WireError),
    /// The transport could not receive, for a reason other than a time-out, a signal or an overrun.
    #[error("nothing could be received: {0}")]
    Receive(#[source] TransportError),
    /// The transport could not send the message.
    #[error("the message could not be sent: {0}")]
    Send(#[source] TransportError),
    /// Fewer bytes were sent than the message has.
    #[error("of a message of {stated} bytes only {sent} were sent")]
    SentShort {
        /// The number of bytes that were sent.
        sent: usize,
        /// The number of bytes that the message has.
        stated: usize,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Error {
    /// Returns libipq's number for the error. Several errors share a number. A signal has a number
    /// only if the wait was [`Wait::Forever`](crate::Wait::Forever), since libipq called it an error
    /// only then. Otherwise returns `None` for it.
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
