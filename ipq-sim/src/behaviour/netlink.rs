//! The netlink sockets.

use super::host::Check;
use ipq_core::Errno;

/// The rules for netlink sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Netlink {
    /// The netlink protocols that a socket can be opened for (SOCK-1).
    pub(crate) opening: Opening,
    /// That a port id is free when a socket is bound to it (SOCK-2).
    pub(crate) port_is_free: Check,
    /// That a socket is not bound to another port id already (SOCK-2).
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
    /// That no more is granted for a receive buffer than the profile's limit (SOCK-4, ERA-14).
    pub(crate) receive_buffer_limit: Check,
    /// When a receive buffer is full (SOCK-4, NFQ-100).
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
    /// Those of loaded modules; EPROTONOSUPPORT for others.
    LoadedModules,
    /// Those of modules, loaded or not. No kernel does.
    AnyModule,
    /// All that have a number from 0 to 31. Where no module is, each send gets ECONNREFUSED.
    AnyProtocol,
}

/// The port ids that the kernel chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutomaticPort {
    /// The process id if it is free, then negative numbers.
    ProcessIdFirst,
    /// Negative numbers. No kernel does.
    NeverProcessId,
}

/// The rule for the rest of a datagram that is longer than the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutDatagram {
    /// It is lost.
    RestLost,
    /// It is the next datagram. No kernel does.
    RestKept,
}

/// The time for which datagrams are refused after an overrun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Latch {
    /// Until the receive buffer is empty.
    UntilEmpty,
    /// Until there is room. No kernel does.
    UntilRoom,
}

/// The report of an overrun by the next receive call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overrun {
    /// It does, with ENOBUFS.
    Told,
    /// It does not. No kernel does.
    Untold,
}

/// The effect of the option `NETLINK_NO_ENOBUFS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoEnobufs {
    /// With it an overrun neither is told nor latches; setting it clears the latch.
    QuietAndUnlatched,
    /// Nothing.
    Nothing,
    /// An overrun is not told, but latches. No kernel does.
    QuietOnly,
    /// With it an overrun neither is told nor latches; setting it leaves the latch. No kernel does.
    LatchKept,
}

/// The effect of `SO_ERROR` on the pending error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketError {
    /// Takes it.
    Taken,
    /// Leaves it pending. No kernel does.
    Left,
}

/// The measure by which a datagram fills a receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    /// The size of its allocation, which the profile's [`Weight`](crate::Weight) says.
    Allocation,
    /// Its length. No kernel does.
    Length,
}

/// When a receive buffer is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// When what waits weighs more than its size.
    WithoutNext,
    /// When what waits and the next datagram weigh more than its size, and anything waits.
    WithNext,
}

/// The rule for a datagram without bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EmptyDatagram {
    /// It is sent.
    Sent,
    /// It is refused with ENODATA.
    Refused,
}

/// The rule for a datagram for a port id that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// It is refused with ECONNREFUSED.
    Refused,
    /// It is lost in silence. No kernel does.
    Lost,
}

/// The rule for a datagram for another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserDatagrams {
    /// It arrives.
    Delivered,
    /// It is lost in silence. No kernel does.
    Lost,
}

/// The longest datagram that can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendLimit {
    /// The send buffer's size, less so many bytes.
    BufferLess(u32),
    /// Any. No kernel does.
    Unlimited,
}

/// The number of bytes that a send call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SentCount {
    /// All that were sent.
    All,
    /// One less. No kernel does.
    OneLess,
}
