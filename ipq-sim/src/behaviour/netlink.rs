//! The rules for netlink sockets: ports, receive buffers, sending and receiving.

use super::host::Check;
use ipq_core::Errno;

/// The rules for netlink sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Netlink {
    /// The netlink protocols that a socket can be opened for (SOCK-1). On a kernel with numbered
    /// queues it is 12 alone, whatever this rule says.
    pub(crate) opening: Opening,
    /// The check that a port id is free when a socket is bound to it (SOCK-2).
    pub(crate) port_is_free: Check,
    /// The check, when a socket is bound, that it is not already bound to another port id (SOCK-2).
    /// Without the check the call succeeds, but the socket keeps the port id that it has.
    pub(crate) socket_is_unbound: Check,
    /// The rule for the port id that the kernel chooses for a socket (SOCK-2).
    pub(crate) automatic_port: AutomaticPort,
    /// The first port id, as a signed number, that the kernel chooses for a socket whose process's
    /// id is taken as a port id. The next ones count down from there (SOCK-2).
    pub(crate) first_automatic_port: i32,
    /// The rule for the rest of a datagram that is longer than the receive call's buffer (SOCK-3).
    pub(crate) cut_datagram: CutDatagram,
    /// The time for which the kernel's datagrams to a socket are refused after an overrun (SOCK-4).
    pub(crate) latch: Latch,
    /// The rule that says if the next receive call reports an overrun (SOCK-4).
    pub(crate) overrun: Overrun,
    /// The effect of the option `NETLINK_NO_ENOBUFS` (SOCK-4).
    pub(crate) no_enobufs: NoEnobufs,
    /// The effect of `SO_ERROR` on the pending error (SOCK-4).
    pub(crate) socket_error: SocketError,
    /// The measure by which a datagram fills a receive buffer (SOCK-5).
    pub(crate) charge: Charge,
    /// The check that holds a request by `SO_RCVBUF` to the profile's limit (ERA-14).
    pub(crate) receive_buffer_limit: Check,
    /// The condition on which a receive buffer is full, so that the next datagram is refused
    /// (SOCK-4, NFQ-100).
    pub(crate) full: Full,
    /// The rule for sending a datagram without bytes (NFQ-105).
    pub(crate) empty_datagram: EmptyDatagram,
    /// The rule for a datagram sent to a port id that nobody has (SOCK-8).
    pub(crate) unreachable: Unreachable,
    /// The rule for a datagram sent to another program's port id (SOCK-8).
    pub(crate) user_datagrams: UserDatagrams,
    /// The length in bytes of the longest datagram that can be sent (SOCK-9).
    pub(crate) send_limit: SendLimit,
    /// The number of bytes that a send call to a queue of `ip_queue` returns (LIB-2).
    pub(crate) sent_count: SentCount,
    /// The error of a receive call that finds neither a pending error nor a datagram, while the
    /// kernel runs (LIB-3).
    pub(crate) nothing_there: Errno,
}

/// The netlink protocols that a socket can be opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// The protocols of loaded modules. Opening a socket for another protocol fails with
    /// EPROTONOSUPPORT.
    LoadedModules,
    /// The protocols of modules that the kernel has, loaded or not. Opening a socket for another
    /// protocol fails with EPROTONOSUPPORT. No kernel does this.
    AnyModule,
    /// All protocols from 0 to 31. Where no module is loaded for a protocol, a send to the kernel
    /// fails with ECONNREFUSED.
    AnyProtocol,
}

/// The rule for the port id that the kernel chooses for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutomaticPort {
    /// The kernel chooses the process id if it is free, and otherwise a negative number.
    ProcessIdFirst,
    /// The kernel always chooses a negative number. No kernel does this.
    NeverProcessId,
}

/// The rule for the rest of a datagram that is longer than the receive call's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutDatagram {
    /// The rest of a datagram that does not fit into the buffer is lost.
    RestLost,
    /// The rest of a datagram that does not fit into the buffer is received as the next one. No
    /// kernel does this.
    RestKept,
}

/// The time for which the kernel's datagrams to a socket are refused after an overrun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Latch {
    /// After an overrun the kernel's datagrams are refused until the receive buffer is empty.
    UntilEmpty,
    /// After an overrun the kernel's datagrams are refused only until the receive buffer has room.
    /// No kernel does this.
    UntilRoom,
}

/// The rule that says if the next receive call reports an overrun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overrun {
    /// The receive call after an overrun fails with ENOBUFS.
    Told,
    /// No receive call reports an overrun. No kernel does this.
    Untold,
}

/// The effect of the option `NETLINK_NO_ENOBUFS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoEnobufs {
    /// With `NETLINK_NO_ENOBUFS` an overrun is not reported, and the datagrams after it are taken
    /// if there is room. If datagrams are refused after an earlier overrun, setting the option ends
    /// that.
    QuietAndUnlatched,
    /// The option `NETLINK_NO_ENOBUFS` has no effect.
    Nothing,
    /// With `NETLINK_NO_ENOBUFS` an overrun is not reported, but datagrams are refused until the
    /// receive buffer is empty. No kernel does this.
    QuietOnly,
    /// With `NETLINK_NO_ENOBUFS` an overrun is not reported, and the datagrams after it are taken
    /// if there is room. If datagrams are refused after an earlier overrun, setting the option does
    /// not end that. No kernel does this.
    LatchKept,
}

/// The effect of `SO_ERROR` on the pending error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketError {
    /// `SO_ERROR` returns and clears the pending error, so that the next receive call does not
    /// report it.
    Taken,
    /// `SO_ERROR` returns the pending error, but does not clear it. No kernel does this.
    Left,
}

/// The measure by which a datagram fills a receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    /// A datagram weighs what the profile's [`Weight`](crate::Weight) says for the size of its
    /// allocation.
    Allocation,
    /// A datagram weighs its length. No kernel does this.
    Length,
}

/// The condition on which a receive buffer is full, so that the next datagram is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// A receive buffer is full if the datagrams that wait in it weigh more than its size. The next
    /// datagram's weight does not count.
    WithoutNext,
    /// A receive buffer is full if at least one datagram waits in it, and the waiting ones and the
    /// next one together weigh more than its size.
    WithNext,
}

/// The rule for sending a datagram without bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EmptyDatagram {
    /// A datagram without bytes is sent.
    Sent,
    /// A datagram without bytes is refused with ENODATA.
    Refused,
}

/// The rule for a datagram sent to a port id that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// A datagram to a port id that nobody has is refused with ECONNREFUSED.
    Refused,
    /// A datagram to a port id that nobody has is lost, and the send call succeeds. No kernel does
    /// this.
    Lost,
}

/// The rule for a datagram sent to another program's port id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserDatagrams {
    /// A datagram to another program's port id arrives there. If the receive buffer there is full,
    /// or not yet empty after an overrun, the send call fails with EAGAIN.
    Delivered,
    /// A datagram to another program's port id is lost. The send call succeeds or fails as with
    /// [`Delivered`](Self::Delivered). No kernel does this.
    Lost,
}

/// The length in bytes of the longest datagram that can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendLimit {
    /// The longest datagram has the send buffer's size, less this number of bytes.
    BufferLess(u32),
    /// A datagram of any length can be sent. No kernel does this.
    Unlimited,
}

/// The number of bytes that a send call to a queue of `ip_queue` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SentCount {
    /// A send call returns the number of bytes that were sent.
    All,
    /// A send call returns one less than the number of bytes that were sent. No kernel does this.
    OneLess,
}
