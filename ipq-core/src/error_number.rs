//! libipq's error numbers, and the texts that `ipq_errstr` gives for them.

use std::fmt;

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
    /// 1: a defect of the library. A number that is none of these becomes this one, too.
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
