//! Steps and observations: the vocabulary of cases, recordings and reports.
//!
//! A [`World`](super::World) does a [`Step`], and answers with an [`Observation`] when it has come
//! to rest. The steps from [`Open`](Step::Open) to [`NetAdmin`](Step::NetAdmin) are those of the
//! recordings of real kernels; every world has them unless it lacks the [`Capability`]. Cases and
//! generated sequences also use the others.

use super::{Call, Called, Capability, Rule};
use bytes::Bytes;
use ipq_core::Family;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most frames that one [`Step::Inject`] may bring.
pub const MOST_INJECTED: u32 = 1_000_000;

/// One step. Sockets and devices have names. A socket's name can be used again once it is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Step {
    /// Calls `socket(AF_NETLINK, SOCK_RAW, protocol)`, then binds to a port id. Answered by
    /// [`Observation::Open`]. After a failed bind the socket exists, unbound; after a failed
    /// `socket()` it does not.
    Open {
        /// The name that later steps use.
        socket: String,
        /// The netlink protocol: 3 for IPv4, 13 for IPv6; any other is allowed.
        protocol: i32,
        /// The port id to bind to: 0 lets the kernel choose, `None` does not bind (SOCK-2).
        bind: Option<u32>,
    },
    /// The socket is closed. Answered by [`Observation::Done`].
    Close {
        /// The socket.
        socket: String,
    },
    /// One datagram is sent. Answered by [`Observation::Send`].
    Send {
        /// The name of the socket that sends.
        socket: String,
        /// The destination's port id; `None` for the kernel.
        to: Option<u32>,
        /// The whole datagram.
        bytes: Bytes,
    },
    /// One receive call that does not wait. Answered by [`Observation::Receive`].
    Receive {
        /// The socket.
        socket: String,
        /// The size of the buffer in bytes. A world allocates no more than the datagram needs.
        size: usize,
    },
    /// Receives until nothing is left. ENOBUFS is noted and does not end it. Answered by
    /// [`Observation::Drain`].
    Drain {
        /// The socket.
        socket: String,
    },
    /// `SO_RCVBUF` is set. Answered by [`Observation::BufferSize`].
    ReceiveBuffer {
        /// The socket.
        socket: String,
        /// The size asked for, in bytes.
        bytes: i32,
    },
    /// `NETLINK_NO_ENOBUFS` is set (SOCK-4). Answered by [`Observation::Done`].
    NoEnobufs {
        /// The socket.
        socket: String,
    },
    /// `NETLINK_CAP_ACK` is set: errors quote the header only (NFQ-43). Answered by
    /// [`Observation::Done`].
    CapAck {
        /// The socket.
        socket: String,
    },
    /// `NETLINK_EXT_ACK` is set: answers may have attributes (NFQ-44). Answered by
    /// [`Observation::Done`].
    ExtAck {
        /// The socket.
        socket: String,
    },
    /// An Ethernet frame arrives. Answered by [`Observation::Inject`].
    Inject {
        /// The device that it arrives on.
        device: String,
        /// The frame, from its destination address on, without check sequence.
        frame: Bytes,
        /// The number of times that it arrives, one after the other: at most [`MOST_INJECTED`].
        count: u32,
    },
    /// This host itself sends a packet. Answered by [`Observation::Done`]. A world does not answer
    /// pings: the answer of a host's stack is an `Output` of its own.
    Output {
        /// The device that the route leads to.
        device: String,
        /// The packet, from its network header on.
        packet: Bytes,
    },
    /// Takes the next IP frame that left by a device. Answered by [`Observation::Sniff`]. ARP,
    /// neighbour discovery and multicast reports are skipped.
    Sniff {
        /// The device.
        device: String,
    },
    /// Reads `/proc/net/ip_queue` or `ip6_queue` (PROC-1). Answered by [`Observation::Text`]. The
    /// two drop counters count from [`World::begin`](super::World::begin) on.
    Proc {
        /// The family of the queue.
        #[serde(with = "crate::world::serial::FamilyForm")]
        family: Family,
    },
    /// Reads `/proc/net/netfilter/nfnetlink_queue` (NFQ-13). Answered by [`Observation::Text`].
    QueuesProc,
    /// A sysctl is written. Answered by [`Observation::Done`].
    Sysctl {
        /// Its name, with dots.
        name: String,
        /// The text to write.
        value: String,
    },
    /// A sysctl is read. Answered by [`Observation::Text`].
    ReadSysctl {
        /// Its name, with dots.
        name: String,
    },
    /// A device is set up or down. Answered by [`Observation::Done`].
    Link {
        /// The device.
        device: String,
        /// `true` if it goes up, `false` if it goes down.
        up: bool,
    },
    /// The process drops or regains `CAP_NET_ADMIN` (ATT-5). Answered by [`Observation::Done`].
    NetAdmin {
        /// `true` if it is held from now on.
        held: bool,
    },

    /// An open socket is bound, or bound once more (SOCK-2). Answered by [`Observation::Bind`].
    Bind {
        /// The socket.
        socket: String,
        /// The port id to bind to; 0 lets the kernel choose.
        port_id: u32,
    },
    /// The port id of a socket is asked for; an unbound one has 0. Answered by
    /// [`Observation::Bind`].
    PortId {
        /// The socket.
        socket: String,
    },
    /// `SO_SNDBUF` is set (SOCK-9). Answered by [`Observation::BufferSize`].
    SendBuffer {
        /// The socket.
        socket: String,
        /// The size asked for, in bytes.
        bytes: i32,
    },
    /// Creates a second descriptor of a socket, as fork does (LIB-13). The socket is closed once
    /// both are. Answered by [`Observation::Done`].
    Duplicate {
        /// The existing socket.
        socket: String,
        /// The name of its second descriptor.
        duplicate: String,
    },
    /// Waits until a socket has something to read. Answered by [`Observation::Poll`].
    Poll {
        /// The socket.
        socket: String,
        /// The longest wait, by the world's clock.
        timeout: Duration,
    },
    /// `SO_ERROR` is read, which takes the pending error (SOCK-4). Answered by
    /// [`Observation::SocketError`].
    SocketError {
        /// The socket.
        socket: String,
    },
    /// Time passes. Answered by [`Observation::Done`].
    Advance {
        /// The length of time.
        by: Duration,
    },
    /// The clock is read. Answered by [`Observation::Clock`].
    Clock,
    /// A family's queue module is loaded or unloaded (EVT-2, SOCK-1). Answered by
    /// [`Observation::Done`].
    Module {
        /// The family of the queue.
        #[serde(with = "crate::world::serial::FamilyForm")]
        family: Family,
        /// `true` if it is loaded, `false` if it is unloaded.
        loaded: bool,
    },
    /// A netfilter rule is added after those that there are. Answered by [`Observation::Rule`].
    AddRule {
        /// The rule.
        rule: Rule,
    },
    /// Reads the account of all packets' fates. Answered by [`Observation::Account`].
    Account,
    /// An Ethernet frame arrives on a port of a bridge (EVT-1). Answered by
    /// [`Observation::Inject`].
    InjectBridged {
        /// The bridge.
        bridge: String,
        /// Its port.
        port: String,
        /// The frame, from its destination address on.
        frame: Bytes,
    },
    /// An Ethernet frame arrives that has an unfinished transport checksum, or stands for several
    /// segments (PKT-5). Answered by [`Observation::Inject`].
    InjectOffloaded {
        /// The device that it arrives on.
        device: String,
        /// The frame, from its destination address on.
        frame: Bytes,
        /// The payload bytes of each segment, if it stands for several.
        segment_bytes: Option<u16>,
    },
    /// A program calls its libipq. Answered by [`Observation::Called`].
    Call(Call),
}

impl Step {
    /// Returns the capability that the step needs; `None` if every world can do it.
    #[must_use]
    pub const fn needs(&self) -> Option<Capability> {
        Some(match self {
            Self::Open { .. }
            | Self::Close { .. }
            | Self::Send { .. }
            | Self::Receive { .. }
            | Self::Drain { .. }
            | Self::ReceiveBuffer { .. }
            | Self::NoEnobufs { .. }
            | Self::Inject { .. }
            | Self::Output { .. }
            | Self::Sniff { .. }
            | Self::PortId { .. }
            | Self::SendBuffer { .. }
            | Self::Poll { .. } => return None,
            Self::CapAck { .. } | Self::ExtAck { .. } => Capability::NumberedQueues,
            Self::QueuesProc => Capability::QueuesProc,
            Self::Proc { .. } => Capability::ProcText,
            Self::Sysctl { .. } | Self::ReadSysctl { .. } => Capability::Sysctl,
            Self::Link { .. } => Capability::LinkState,
            Self::NetAdmin { .. } => Capability::DropNetAdmin,
            Self::Bind { .. } => Capability::SocketPortIds,
            Self::Duplicate { .. } => Capability::Duplicate,
            Self::SocketError { .. } => Capability::SocketError,
            Self::Advance { .. } | Self::Clock => Capability::VirtualClock,
            Self::Module { .. } => Capability::ModuleLoading,
            Self::AddRule { .. } => Capability::LaterRules,
            Self::Account => Capability::DropReasons,
            Self::InjectBridged { .. } => Capability::Bridge,
            Self::InjectOffloaded { .. } => Capability::Offload,
            Self::Call(_) => Capability::CLibrary,
        })
    }

    /// Returns the socket of the step, if it has one.
    #[must_use]
    pub fn socket(&self) -> Option<&str> {
        match self {
            Self::Open { socket, .. }
            | Self::Close { socket }
            | Self::Send { socket, .. }
            | Self::Receive { socket, .. }
            | Self::Drain { socket }
            | Self::ReceiveBuffer { socket, .. }
            | Self::NoEnobufs { socket }
            | Self::CapAck { socket }
            | Self::ExtAck { socket }
            | Self::Bind { socket, .. }
            | Self::PortId { socket }
            | Self::SendBuffer { socket, .. }
            | Self::Duplicate { socket, .. }
            | Self::Poll { socket, .. }
            | Self::SocketError { socket } => Some(socket),
            _ => None,
        }
    }
}

/// The observation after a step.
///
/// Numbers are as wide as in recordings, so that an impossible answer can be written down and told
/// from a real one. An errno is positive, and 0 if nothing failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Observation {
    /// The step was done, and there is nothing to see.
    Done,
    /// A socket was opened, or not.
    Open {
        /// The call that failed, if one did.
        failed_at: Option<OpenStage>,
        /// The errno; 0 if nothing failed.
        errno: i64,
        /// The port id that the socket is bound to; `None` if it is unbound or does not exist.
        port_id: Option<i64>,
    },
    /// The result of the send call.
    Send {
        /// The number of bytes, or -1.
        sent: i64,
        /// The errno if it failed.
        errno: i64,
    },
    /// The result of the receive call.
    Receive(Received),
    /// The frames that were left in a socket.
    Drain {
        /// The number of frames read.
        frames: i64,
        /// The number of PACKET messages among them.
        packets: i64,
        /// The number of frames read before ENOBUFS came; `None` if it never did.
        enobufs_before_frame: Option<i64>,
    },
    /// The size that `getsockopt` reports for the buffer that the step set.
    BufferSize {
        /// The size in bytes.
        actual: i64,
    },
    /// The device's answer to the frame.
    Inject {
        /// The errno if it was refused; 0 if it was taken.
        errno: i64,
    },
    /// The frame that left.
    Sniff {
        /// Its bytes, from the destination address on; `None` if there was none.
        frame: Option<Bytes>,
    },
    /// A text that was read.
    Text(String),
    /// There is no such text, since its module is not loaded.
    Absent,
    /// A rule was added, or not.
    Rule {
        /// Whether the table has such a chain, so that the rule is in it.
        added: bool,
    },
    /// A socket was bound, or not.
    Bind {
        /// The errno; 0 if it is bound.
        errno: i64,
        /// The port id that it is bound to now; 0 if it is unbound.
        port_id: i64,
    },
    /// The result of polling a socket.
    Poll {
        /// `true` if a receive call would return something, even an error.
        readable: bool,
        /// `true` if an error is pending.
        error: bool,
        /// The length of the wait, by the world's clock.
        waited: Duration,
    },
    /// The error that was pending.
    SocketError {
        /// Its number; 0 if there was none.
        errno: i64,
    },
    /// The time on the clock.
    Clock {
        /// The time since [`World::begin`](super::World::begin).
        since_begin: Duration,
    },
    /// The account of all packets' fates.
    Account(Account),
    /// The result of a call.
    Called(Called),
}

/// The two calls of [`Step::Open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenStage {
    /// `socket()`
    Socket,
    /// `bind()`
    Bind,
}

/// The result of a receive call that does not wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Received {
    /// There was nothing: EAGAIN.
    Nothing,
    /// It failed.
    Error {
        /// The errno.
        errno: i64,
    },
    /// A datagram.
    Frame {
        /// The bytes copied: no more than the buffer's size.
        bytes: Bytes,
        /// The port id that it came from.
        sender: i64,
    },
}

/// The fates of all packets since [`World::begin`](super::World::begin): entered = delivered +
/// queued + dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The packets that came into being: by arrival, by a local sender, by fragmentation.
    pub entered: u64,
    /// The packets that left by a device or reached a local receiver.
    pub delivered: u64,
    /// The packets that wait for a verdict.
    pub queued: u64,
    /// The packets that were dropped, by the world's word for the reason.
    pub dropped: BTreeMap<String, u64>,
}
