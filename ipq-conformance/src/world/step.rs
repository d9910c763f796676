//! What can be done to a world, and what can be seen of it: the vocabulary of cases, recordings and reports.
//!
//! A [`Step`] is done to a [`World`](super::World), which has come to rest when it answers with an [`Observation`]. The
//! steps from [`Open`](Step::Open) to [`NetAdmin`](Step::NetAdmin) are those of the recordings of real kernels; each world
//! has them, apart from what its [`Capability`] set lacks. The others are for cases and generated sequences that go further.

use super::{Call, Called, Capability};
use bytes::Bytes;
use ipq_core::Family;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most frames that one [`Step::Inject`] may bring.
pub const MOST_INJECTED: u32 = 1_000_000;

/// One thing that is done. Sockets and devices go by name; a socket's name is free again when it has been closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Step {
    /// `socket(AF_NETLINK, SOCK_RAW, protocol)`, then bind to a port id. Answered by [`Observation::Open`]. After a failed
    /// bind the socket is there, unbound; after a failed `socket()` it is not.
    Open {
        /// The name that later steps use.
        socket: String,
        /// The netlink protocol: 3 for IPv4, 13 for IPv6; any other may be tried.
        protocol: i32,
        /// The port id to bind to: 0 lets the kernel choose, `None` does not bind (SOCK-2).
        bind: Option<u32>,
    },
    /// The socket is closed. Answered by [`Observation::Done`].
    Close {
        /// Which socket.
        socket: String,
    },
    /// One datagram is sent. Answered by [`Observation::Send`].
    Send {
        /// Which socket sends.
        socket: String,
        /// The port id that it goes to; `None` for the kernel.
        to: Option<u32>,
        /// The whole datagram.
        bytes: Bytes,
    },
    /// One receive call that does not wait. Answered by [`Observation::Receive`].
    Receive {
        /// Which socket.
        socket: String,
        /// The size of the buffer in bytes. A world allocates no more than the datagram needs, whatever this says.
        size: usize,
    },
    /// Receive until nothing is left; ENOBUFS is noted and does not end it. Answered by [`Observation::Drain`].
    Drain {
        /// Which socket.
        socket: String,
    },
    /// `SO_RCVBUF` is set. Answered by [`Observation::BufferSize`].
    ReceiveBuffer {
        /// Which socket.
        socket: String,
        /// The size asked for, in bytes.
        bytes: i32,
    },
    /// `NETLINK_NO_ENOBUFS` is set (SOCK-4). Answered by [`Observation::Done`].
    NoEnobufs {
        /// Which socket.
        socket: String,
    },
    /// An Ethernet frame arrives. Answered by [`Observation::Inject`].
    Inject {
        /// The device that it arrives on.
        device: String,
        /// The frame, from its destination address on, without check sequence.
        frame: Bytes,
        /// How many times, one after the other: at most [`MOST_INJECTED`].
        count: u32,
    },
    /// This host itself sends a packet. Answered by [`Observation::Done`]. A world answers no pings: the answer of a
    /// host's stack is an `Output` of its own.
    Output {
        /// The device that the route leads to.
        device: String,
        /// The packet, from its network header on.
        packet: Bytes,
    },
    /// The next IP frame that left by a device is taken. Answered by [`Observation::Sniff`]. ARP, neighbour discovery and
    /// multicast reports are passed over.
    Sniff {
        /// The device.
        device: String,
    },
    /// The text of `/proc/net/ip_queue` or `ip6_queue` is read (PROC-1). Answered by [`Observation::Text`]. The two drop
    /// counters count from [`World::begin`](super::World::begin) on.
    Proc {
        /// Whose queue.
        #[serde(with = "crate::world::serial::FamilyForm")]
        family: Family,
    },
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
        /// Up, or else down.
        up: bool,
    },
    /// The process drops or regains `CAP_NET_ADMIN` (ATT-5). Answered by [`Observation::Done`].
    NetAdmin {
        /// Whether it is held from now on.
        held: bool,
    },

    /// An open socket is bound, or bound once more (SOCK-2). Answered by [`Observation::Bind`].
    Bind {
        /// Which socket.
        socket: String,
        /// The port id to bind to; 0 lets the kernel choose.
        port_id: u32,
    },
    /// The port id of a socket is asked for; an unbound one has 0. Answered by [`Observation::Bind`].
    PortId {
        /// Which socket.
        socket: String,
    },
    /// `SO_SNDBUF` is set (SOCK-9). Answered by [`Observation::BufferSize`].
    SendBuffer {
        /// Which socket.
        socket: String,
        /// The size asked for, in bytes.
        bytes: i32,
    },
    /// A socket gets a second descriptor, as fork gives it one (LIB-13). It is closed when both are. Answered by
    /// [`Observation::Done`].
    Duplicate {
        /// The socket that there is.
        socket: String,
        /// The name of its second descriptor.
        duplicate: String,
    },
    /// Waits until a socket has something to read. Answered by [`Observation::Poll`].
    Poll {
        /// Which socket.
        socket: String,
        /// How long at the most, by the world's clock.
        timeout: Duration,
    },
    /// `SO_ERROR` is read, which takes the pending error (SOCK-4). Answered by [`Observation::SocketError`].
    SocketError {
        /// Which socket.
        socket: String,
    },
    /// Time passes. Answered by [`Observation::Done`].
    Advance {
        /// How much.
        by: Duration,
    },
    /// The clock is read. Answered by [`Observation::Clock`].
    Clock,
    /// A family's queue module is loaded or unloaded (EVT-2, SOCK-1). Answered by [`Observation::Done`].
    Module {
        /// Whose queue.
        #[serde(with = "crate::world::serial::FamilyForm")]
        family: Family,
        /// Loaded, or else unloaded.
        loaded: bool,
    },
    /// The books on what became of every packet are read. Answered by [`Observation::Account`].
    Account,
    /// An Ethernet frame arrives by a port of a bridge (EVT-1). Answered by [`Observation::Inject`].
    InjectBridged {
        /// The bridge.
        bridge: String,
        /// Its port.
        port: String,
        /// The frame, from its destination address on.
        frame: Bytes,
    },
    /// An Ethernet frame arrives whose transport checksum is still to be filled in, or that stands for several segments
    /// (PKT-5). Answered by [`Observation::Inject`].
    InjectOffloaded {
        /// The device that it arrives on.
        device: String,
        /// The frame, from its destination address on.
        frame: Bytes,
        /// How many bytes of payload each segment has, if it stands for several.
        segment_bytes: Option<u16>,
    },
    /// A program calls its libipq. Answered by [`Observation::Called`].
    Call(Call),
}

impl Step {
    /// The capability without which a world refuses this step as unsupported; `None` for what every world can do.
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
            Self::Proc { .. } => Capability::ProcText,
            Self::Sysctl { .. } | Self::ReadSysctl { .. } => Capability::Sysctl,
            Self::Link { .. } => Capability::LinkState,
            Self::NetAdmin { .. } => Capability::DropNetAdmin,
            Self::Bind { .. } => Capability::SocketPortIds,
            Self::Duplicate { .. } => Capability::Duplicate,
            Self::SocketError { .. } => Capability::SocketError,
            Self::Advance { .. } | Self::Clock => Capability::VirtualClock,
            Self::Module { .. } => Capability::ModuleLoading,
            Self::Account => Capability::DropReasons,
            Self::InjectBridged { .. } => Capability::Bridge,
            Self::InjectOffloaded { .. } => Capability::Offload,
            Self::Call(_) => Capability::CLibrary,
        })
    }

    /// The socket that this step is done on, if it is done on one.
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

/// What was seen when a step had been done.
///
/// Numbers are wider than what the system gives, as wide as a recording's, so that an impossible answer can be written
/// down, and told from the real one. An errno is positive, and 0 where nothing failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Observation {
    /// The step was done, and there is nothing to see.
    Done,
    /// A socket was opened, or not.
    Open {
        /// Which of the two calls failed, if one did.
        failed_at: Option<OpenStage>,
        /// Why.
        errno: i64,
        /// What the socket is bound to: `None` if it is not, or if there is none.
        port_id: Option<i64>,
    },
    /// What the send call returned.
    Send {
        /// The number of bytes, or -1.
        sent: i64,
        /// Why it failed.
        errno: i64,
    },
    /// What the receive call returned.
    Receive(Received),
    /// What was left in a socket.
    Drain {
        /// How many frames were read.
        frames: i64,
        /// How many of them were PACKET messages.
        packets: i64,
        /// How many frames had been read when ENOBUFS came; `None` if it never did.
        enobufs_before_frame: Option<i64>,
    },
    /// What `getsockopt` then says of the buffer.
    BufferSize {
        /// Its size in bytes.
        actual: i64,
    },
    /// What the device said to the frame.
    Inject {
        /// Why it was not taken; 0 if it was.
        errno: i64,
    },
    /// The frame that left.
    Sniff {
        /// Its bytes, from the destination address on; `None` if there was none.
        frame: Option<Bytes>,
    },
    /// A text that was read.
    Text(String),
    /// There is no such text: the module that it belongs to is not loaded.
    Absent,
    /// A socket was bound, or not.
    Bind {
        /// Why not; 0 if it is.
        errno: i64,
        /// What it is bound to now; 0 if it is unbound.
        port_id: i64,
    },
    /// What poll says of a socket.
    Poll {
        /// Whether a receive call would return something, be it an error.
        readable: bool,
        /// Whether an error is pending.
        error: bool,
        /// How long it waited, by the world's clock.
        waited: Duration,
    },
    /// The error that was pending.
    SocketError {
        /// Its number; 0 if there was none.
        errno: i64,
    },
    /// The time.
    Clock {
        /// How much has passed since [`World::begin`](super::World::begin).
        since_begin: Duration,
    },
    /// The books.
    Account(Account),
    /// What came of a call.
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

/// What a receive call that does not wait returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Received {
    /// There was nothing: EAGAIN.
    Nothing,
    /// It failed.
    Error {
        /// Why.
        errno: i64,
    },
    /// A datagram.
    Frame {
        /// What was copied: no more than the buffer's size.
        bytes: Bytes,
        /// The port id that it came from.
        sender: i64,
    },
}

/// What became of every packet since [`World::begin`](super::World::begin): entered = delivered + queued + dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Packets that came into being: by arrival, by a local sender, by fragmentation.
    pub entered: u64,
    /// Packets that left by a device or reached a local receiver.
    pub delivered: u64,
    /// Packets that wait for a verdict.
    pub queued: u64,
    /// Packets that were dropped, by the world's word for the reason.
    pub dropped: BTreeMap<String, u64>,
}
