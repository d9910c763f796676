//! The netlink sockets.

use super::host::Check;
use ipq_core::Errno;

/// The rules for netlink sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Netlink {
    /// The netlink protocols that a socket can be opened for (SOCK-1).
    pub(crate) opening: Opening,
    /// The check that a port id is free when a socket is bound to it (SOCK-2).
    pub(crate) port_is_free: Check,
    /// The check that a socket is not bound to another port id already (SOCK-2).
    pub(crate) socket_is_unbound: Check,
    /// The port ids that the kernel chooses (SOCK-2).
    pub(crate) automatic_port: AutomaticPort,
    /// The first port id, as a signed number, that the kernel chooses for a process whose own id is
    /// taken; it counts down from there (SOCK-2).
    pub(crate) first_automatic_port: i32,
    /// The rule for the rest of a datagram that is longer than the buffer (SOCK-3).
    pub(crate) cut_datagram: CutDatagram,
    /// The time for which datagrams are refused after an overrun (SOCK-4).
    pub(crate) latch: Latch,
    /// The report of an overrun by the next receive call (SOCK-4).
    pub(crate) overrun: Overrun,
    /// The effect of the option `NETLINK_NO_ENOBUFS` (SOCK-4).
    pub(crate) no_enobufs: NoEnobufs,
    /// The effect of `SO_ERROR` on the pending error (SOCK-4).
    pub(crate) socket_error: SocketError,
    /// The measure by which a datagram fills a receive buffer (SOCK-5).
    pub(crate) charge: Charge,
    /// The check that a receive buffer gets no more than the profile's limit (SOCK-4, ERA-14).
    pub(crate) receive_buffer_limit: Check,
    /// The condition on which a receive buffer is full (SOCK-4, NFQ-100).
    pub(crate) full: Full,
    /// The rule for a datagram without bytes (NFQ-105).
    pub(crate) empty_datagram: EmptyDatagram,
    /// The rule for a datagram for a port id that nobody has (SOCK-8).
    pub(crate) unreachable: Unreachable,
    /// The rule for a datagram for another program (SOCK-8).
    pub(crate) user_datagrams: UserDatagrams,
    /// The longest datagram that can be sent (SOCK-9).
    pub(crate) send_limit: SendLimit,
    /// The number of bytes that a send call returns (LIB-2).
    pub(crate) sent_count: SentCount,
    /// The error of a receive call that finds nothing (LIB-3).
    pub(crate) nothing_there: Errno,
}

/// The netlink protocols that a socket can be opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// The protocols of loaded modules. A socket for another protocol gets EPROTONOSUPPORT.
    LoadedModules,
    /// The protocols of modules, loaded or not. No kernel does this.
    AnyModule,
    /// All protocols from 0 to 31. Where there is no module for a protocol, each send gets
    /// ECONNREFUSED.
    AnyProtocol,
}

/// The port ids that the kernel chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutomaticPort {
    /// The process id if it is free, and else a negative number.
    ProcessIdFirst,
    /// A negative number, always. No kernel does this.
    NeverProcessId,
}

/// The rule for the rest of a datagram that is longer than the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutDatagram {
    /// The rest is lost.
    RestLost,
    /// The rest is the next datagram. No kernel does this.
    RestKept,
}

/// The time for which datagrams are refused after an overrun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Latch {
    /// Datagrams are refused until the receive buffer is empty.
    UntilEmpty,
    /// Datagrams are refused until the receive buffer has room. No kernel does this.
    UntilRoom,
}

/// The report of an overrun by the next receive call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overrun {
    /// The call fails with ENOBUFS.
    Told,
    /// The call does not report the overrun. No kernel does this.
    Untold,
}

/// The effect of the option `NETLINK_NO_ENOBUFS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoEnobufs {
    /// With the option an overrun is not reported and does not latch. Setting the option clears the
    /// latch.
    QuietAndUnlatched,
    /// The option has no effect.
    Nothing,
    /// With the option an overrun is not reported, but latches. No kernel does this.
    QuietOnly,
    /// With the option an overrun is not reported and does not latch. Setting the option leaves the
    /// latch. No kernel does this.
    LatchKept,
}

/// The effect of `SO_ERROR` on the pending error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketError {
    /// `SO_ERROR` takes the error.
    Taken,
    /// `SO_ERROR` leaves the error pending. No kernel does this.
    Left,
}

/// The measure by which a datagram fills a receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    /// The size of the datagram's allocation, which the profile's [`Weight`](crate::Weight) says.
    Allocation,
    /// The length of the datagram. No kernel does this.
    Length,
}

/// The condition on which a receive buffer is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The datagrams that wait weigh more than the buffer's size.
    WithoutNext,
    /// The datagrams that wait and the next one weigh more than the buffer's size, and at least one
    /// waits.
    WithNext,
}

/// The rule for a datagram without bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EmptyDatagram {
    /// The datagram is sent.
    Sent,
    /// The datagram is refused with ENODATA.
    Refused,
}

/// The rule for a datagram for a port id that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// The datagram is refused with ECONNREFUSED.
    Refused,
    /// The datagram is lost in silence. No kernel does this.
    Lost,
}

/// The rule for a datagram for another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserDatagrams {
    /// The datagram arrives.
    Delivered,
    /// The datagram is lost in silence. No kernel does this.
    Lost,
}

/// The longest datagram that can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendLimit {
    /// The send buffer's size, less this number of bytes.
    BufferLess(u32),
    /// No limit. No kernel does this.
    Unlimited,
}

/// The number of bytes that a send call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SentCount {
    /// The number of bytes that were sent.
    All,
    /// One less than the number of bytes that were sent. No kernel does this.
    OneLess,
}
