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

/// The most frames that arrive in one [`Step::Inject`].
pub const MOST_INJECTED: u32 = 1_000_000;

/// One step. Sockets and devices have names. The name of a socket can be used again once the socket
/// is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Step {
    /// Calls `socket(AF_NETLINK, SOCK_RAW, protocol)`, then binds the socket to a port id. Answered
    /// by [`Observation::Open`]. After a failed bind the socket exists, unbound; after a failed
    /// `socket()` it does not exist.
    Open {
        /// The name that later steps give the socket.
        socket: String,
        /// The netlink protocol: 3 for IPv4, 13 for IPv6; any other is allowed.
        protocol: i32,
        /// The port id to bind to: 0 lets the kernel choose, `None` does not bind (SOCK-2).
        bind: Option<u32>,
    },
    /// Closes a socket. Answered by [`Observation::Done`].
    Close {
        /// The name of the socket.
        socket: String,
    },
    /// Sends one datagram. Answered by [`Observation::Send`].
    Send {
        /// The name of the socket that sends.
        socket: String,
        /// The destination's port id; `None` is the kernel.
        to: Option<u32>,
        /// The whole datagram.
        bytes: Bytes,
    },
    /// Makes one receive call that does not wait. Answered by [`Observation::Receive`].
    Receive {
        /// The name of the socket.
        socket: String,
        /// The size of the buffer in bytes. A world allocates no more than the datagram needs.
        size: usize,
    },
    /// Receives until nothing is left. ENOBUFS is noted and does not end this. Answered by
    /// [`Observation::Drain`].
    Drain {
        /// The name of the socket.
        socket: String,
    },
    /// Sets `SO_RCVBUF`. Answered by [`Observation::BufferSize`].
    ReceiveBuffer {
        /// The name of the socket.
        socket: String,
        /// The size that is asked for, in bytes.
        bytes: i32,
    },
    /// Sets `NETLINK_NO_ENOBUFS` (SOCK-4). Answered by [`Observation::Done`].
    NoEnobufs {
        /// The name of the socket.
        socket: String,
    },
    /// Sets `NETLINK_CAP_ACK`, so that errors quote the header only (NFQ-43). Answered by
    /// [`Observation::Done`].
    CapAck {
        /// The name of the socket.
        socket: String,
    },
    /// Sets `NETLINK_EXT_ACK`, so that answers may have attributes (NFQ-44). Answered by
    /// [`Observation::Done`].
    ExtAck {
        /// The name of the socket.
        socket: String,
    },
    /// Makes an Ethernet frame arrive. Answered by [`Observation::Inject`].
    Inject {
        /// The device on which the frame arrives.
        device: String,
        /// The frame, from its destination address on, without check sequence.
        frame: Bytes,
        /// The number of times that the frame arrives, one after the other: at most
        /// [`MOST_INJECTED`].
        count: u32,
    },
    /// Makes this host send a packet. Answered by [`Observation::Done`]. A world does not answer
    /// pings: the answer that a host would give is a step `Output` of its own.
    Output {
        /// The device that the route leads to.
        device: String,
        /// The packet, from its network header on.
        packet: Bytes,
    },
    /// Takes the next IP frame that left by a device. Skips ARP, neighbour discovery and multicast
    /// reports. Answered by [`Observation::Sniff`].
    Sniff {
        /// The name of the device.
        device: String,
    },
    /// Reads `/proc/net/ip_queue` or `ip6_queue` (PROC-1). Its two drop counters begin at 0 with
    /// [`World::begin`](super::World::begin). Answered by [`Observation::Text`].
    Proc {
        /// The family of the queue.
        #[serde(with = "crate::world::serial::FamilyForm")]
        family: Family,
    },
    /// Reads `/proc/net/netfilter/nfnetlink_queue` (NFQ-13). Answered by [`Observation::Text`].
    QueuesProc,
    /// Writes a sysctl. Answered by [`Observation::Done`].
    Sysctl {
        /// The sysctl's name, with dots.
        name: String,
        /// The text to write.
        value: String,
    },
    /// Reads a sysctl. Answered by [`Observation::Text`].
    ReadSysctl {
        /// The sysctl's name, with dots.
        name: String,
    },
    /// Sets a device up or down. Answered by [`Observation::Done`].
    Link {
        /// The name of the device.
        device: String,
        /// `true` to set the device up, `false` to set it down.
        up: bool,
    },
    /// Makes the process give up or regain `CAP_NET_ADMIN` (ATT-5). Answered by
    /// [`Observation::Done`].
    NetAdmin {
        /// `true` if the process has the capability from now on.
        held: bool,
    },

    /// Binds an open socket, or binds it once more (SOCK-2). Answered by [`Observation::Bind`].
    Bind {
        /// The name of the socket.
        socket: String,
        /// The port id to bind to; 0 lets the kernel choose.
        port_id: u32,
    },
    /// Asks for the port id of a socket; that of an unbound socket is 0. Answered by
    /// [`Observation::Bind`].
    PortId {
        /// The name of the socket.
        socket: String,
    },
    /// Sets `SO_SNDBUF` (SOCK-9). Answered by [`Observation::BufferSize`].
    SendBuffer {
        /// The name of the socket.
        socket: String,
        /// The size that is asked for, in bytes.
        bytes: i32,
    },
    /// Creates a second descriptor of a socket, as fork does (LIB-13). The socket is closed once
    /// both descriptors are. Answered by [`Observation::Done`].
    Duplicate {
        /// The name of the existing socket.
        socket: String,
        /// The name of the second descriptor.
        duplicate: String,
    },
    /// Waits until a socket has something to read. Answered by [`Observation::Poll`].
    Poll {
        /// The name of the socket.
        socket: String,
        /// The longest wait, by the world's clock.
        timeout: Duration,
    },
    /// Reads `SO_ERROR`, which takes the pending error (SOCK-4). Answered by
    /// [`Observation::SocketError`].
    SocketError {
        /// The name of the socket.
        socket: String,
    },
    /// Lets time pass. Answered by [`Observation::Done`].
    Advance {
        /// The time that passes.
        by: Duration,
    },
    /// Reads the clock. Answered by [`Observation::Clock`].
    Clock,
    /// Loads or unloads a family's queue module (EVT-2, SOCK-1). Answered by [`Observation::Done`].
    Module {
        /// The family of the queue.
        #[serde(with = "crate::world::serial::FamilyForm")]
        family: Family,
        /// `true` to load the module, `false` to unload it.
        loaded: bool,
    },
    /// Adds a netfilter rule after the existing ones. Answered by [`Observation::Rule`].
    AddRule {
        /// The rule to add.
        rule: Rule,
    },
    /// Reads the accounting of all packets' fates. Answered by [`Observation::Account`].
    Account,
    /// Makes an Ethernet frame arrive on a port of a bridge (EVT-1). Answered by
    /// [`Observation::Inject`].
    InjectBridged {
        /// The name of the bridge.
        bridge: String,
        /// The name of the bridge's port.
        port: String,
        /// The frame, from its destination address on.
        frame: Bytes,
    },
    /// Makes an Ethernet frame arrive that has an unfinished transport checksum, or stands for
    /// several segments (PKT-5). Answered by [`Observation::Inject`].
    InjectOffloaded {
        /// The device on which the frame arrives.
        device: String,
        /// The frame, from its destination address on.
        frame: Bytes,
        /// The number of payload bytes of each segment, if the frame stands for several; otherwise
        /// `None`.
        segment_bytes: Option<u16>,
    },
    /// Makes a program call its libipq. Answered by [`Observation::Called`].
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

    /// Returns the name of the step's socket; `None` if the step has none.
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
/// from a possible one. An errno is positive, and 0 if nothing failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Observation {
    /// The step was done, and there is nothing to see.
    Done,
    /// The result of opening a socket.
    Open {
        /// The call that failed; `None` if none did.
        failed_at: Option<OpenStage>,
        /// The errno of the failed call; 0 if none failed.
        errno: i64,
        /// The port id that the socket is bound to; `None` if it is unbound or does not exist.
        port_id: Option<i64>,
    },
    /// The result of the send call.
    Send {
        /// The number of bytes sent; -1 if the call failed.
        sent: i64,
        /// The errno if the call failed; otherwise 0.
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
    /// The device's answer to an injected frame.
    Inject {
        /// The errno if the device refused the frame; 0 if it took the frame.
        errno: i64,
    },
    /// The frame that left by the device.
    Sniff {
        /// The frame's bytes, from the destination address on; `None` if there was no frame.
        frame: Option<Bytes>,
    },
    /// The text that was read.
    Text(String),
    /// The text does not exist, since its module is not loaded or the kernel has no such queue.
    Absent,
    /// The result of adding a rule.
    Rule {
        /// `true` if the table has such a chain, so that the rule is in it.
        added: bool,
    },
    /// The result of binding a socket, or of asking for its port id.
    Bind {
        /// The errno if the bind failed; otherwise 0.
        errno: i64,
        /// The port id that the socket is bound to now; 0 if it is unbound.
        port_id: i64,
    },
    /// The result of polling a socket.
    Poll {
        /// `true` if a receive call would return at once, even with an error.
        readable: bool,
        /// `true` if an error is pending on the socket.
        error: bool,
        /// The time that the poll waited, by the world's clock.
        waited: Duration,
    },
    /// The socket's pending error.
    SocketError {
        /// The errno; 0 if no error was pending.
        errno: i64,
    },
    /// The time on the world's clock.
    Clock {
        /// The time since [`World::begin`](super::World::begin).
        since_begin: Duration,
    },
    /// The accounting of all packets' fates.
    Account(Account),
    /// The result of a call of libipq.
    Called(Called),
}

/// The calls that [`Step::Open`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenStage {
    /// The call of `socket()`.
    Socket,
    /// The call of `bind()`.
    Bind,
}

/// The result of a receive call that does not wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Received {
    /// There was nothing to receive: EAGAIN.
    Nothing,
    /// The call failed.
    Error {
        /// The errno of the call.
        errno: i64,
    },
    /// The call received a datagram.
    Frame {
        /// The bytes that were copied: no more than the buffer's size.
        bytes: Bytes,
        /// The sender's port id; 0 for the kernel.
        sender: i64,
    },
}

/// The fates of all packets since [`World::begin`](super::World::begin): entered = delivered +
/// queued + dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The number of packets that came into being: by arrival, by a local sender, by fragmentation.
    pub entered: u64,
    /// The number of packets that left by a device or reached a local receiver.
    pub delivered: u64,
    /// The number of packets that wait for a verdict.
    pub queued: u64,
    /// The number of packets that were dropped, by the world's word for the reason.
    pub dropped: BTreeMap<String, u64>,
}
