//! libipq's error numbers, and the texts that `ipq_errstr` gives for them.

use std::fmt;

macro_rules! error_numbers {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        /// libipq's error numbers. Displaying one gives libipq's exact text for it (LIB-5).
        #[doc(alias("ipq_errstr", "ipq_perror"))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorNumber {
            $($(#[$doc])* #[doc = concat!("\n\nText: \"", $text, "\".")] $name = $number,)*
        }

        impl ErrorNumber {
            /// All error numbers, in order, from 0.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns libipq's text for the number.
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
    /// Number 0: no error yet.
    Unknown = 0 "Unknown error",
    /// Number 1: a C program passed a pointer that is no handle, or NULL for a buffer.
    /// [`ErrorNumber::from_number`] also returns this error for a number out of range.
    Implementation = 1 "Implementation error",
    /// Number 2: a C program has 1024 handles open, and asked for one more. (In libipq: no memory
    /// for a handle.)
    CreateHandle = 2 "Unable to create netlink handle",
    /// Number 3: the queue's socket could not be opened or set up (SOCK-1), the kernel has no such
    /// queue, or `IPQ_TRANSPORT` has a wrong value.
    CreateSocket = 3 "Unable to create netlink socket",
    /// Number 4: the socket could not be bound, for example because its port id is taken (SOCK-2).
    BindSocket = 4 "Unable to bind netlink socket",
    /// Number 5: no memory for a buffer. This crate never gives the number.
    AllocateBuffer = 5 "Unable to allocate buffer",
    /// Number 6: the receive call failed, an overrun was reported, a signal ended a wait without a
    /// time limit, or another program sent the datagram.
    Receive = 6 "Failed to receive netlink message",
    /// Number 7: a datagram of 0 bytes was received.
    EndOfFile = 7 "Received EOF on netlink socket",
    /// Number 8: a sender's address has the wrong size. This crate never gives the number.
    PeerAddressLength = 8 "Invalid peer address length",
    /// Number 9: fewer bytes were sent than the message has.
    SentTruncated = 9 "Sent message truncated",
    /// Number 10: the message is longer than the bytes that were read, or is no message of the
    /// protocol.
    ReceivedTruncated = 10 "Received message truncated",
    /// Number 11: the kernel answered with an error. This crate never gives the number; it returns
    /// the answer as a message.
    ReceivedError = 11 "Received error from netlink",
    /// Number 12: the send call failed.
    Send = 12 "Failed to send netlink message",
    /// Number 13: the queue does not support the operation. This crate never gives the number.
    NotSupported = 13 "Operation not supported",
    /// Number 14: the buffer is shorter than the smallest message, which has 20 bytes.
    ReceiveBufferSize = 14 "Receive buffer size invalid",
    /// Number 15: no message came in time.
    Timeout = 15 "Timeout",
    /// Number 16: the protocol family is neither IPv4's nor IPv6's.
    InvalidProtocol = 16 "Invalid protocol specified",
}

impl ErrorNumber {
    /// Returns libipq's number for the error: 0 to 16.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// Returns the error with libipq's number `number`. A number out of range becomes number 1, as
    /// in `ipq_errstr` (LIB-5).
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
