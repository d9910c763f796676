//! Errors from opening a queue.

use crate::errno::Errno;
use crate::error_number::ErrorNumber;
use crate::transport::netlink::SocketError;
use crate::wire::PortId;
use std::fmt;

/// Errors from opening a queue.
///
/// Its `Debug` output is the same sentence as its `Display` output.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The kernel has no nfnetlink.
    #[error(
        "this kernel has no nfnetlink (netlink protocol 12): load the module nfnetlink, or use a kernel built with it; an \
         emulated kernel has it with a profile such as `.profile(Profile::LINUX_6_18_X86_64)`"
    )]
    NoNfnetlink,
    /// The kernel has nfnetlink, but not the queues that the module `nfnetlink_queue` adds.
    #[error("this kernel has no nfnetlink queues: load the module nfnetlink_queue, or use a kernel built with it")]
    NoNfnetlinkQueue,
    /// The system gave no socket, or refused to set it up.
    #[error("no netlink socket for the queue could be made: {errno}")]
    Socket {
        /// The system's error number.
        errno: Errno,
    },
    /// The devices of the system could not be listed.
    #[error("the network devices could not be listed (netlink protocol 0): {errno}")]
    Devices {
        /// The system's error number.
        errno: Errno,
    },
    /// The port id in the options can't attach (MSG-2).
    #[error("a message from port id {port_id} would be refused: choose one above 0 as a signed 32-bit number")]
    PortId {
        /// The port id that was asked for.
        port_id: PortId,
    },
}

impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<SocketError> for OpenError {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Socket(Errno::EPROTONOSUPPORT) => Self::NoNfnetlink,
            SocketError::Socket(errno) | SocketError::Bind(errno, _) => Self::Socket { errno },
        }
    }
}

impl OpenError {
    /// Returns libipq's number for the error: 4 if the port id can't attach, else 3.
    #[must_use]
    pub const fn number(&self) -> ErrorNumber {
        match self {
            Self::NoNfnetlink | Self::NoNfnetlinkQueue | Self::Socket { .. } | Self::Devices { .. } => {
                ErrorNumber::CreateSocket
            }
            Self::PortId { .. } => ErrorNumber::BindSocket,
        }
    }
}
