//! Steps and observations: the vocabulary of cases, recordings and reports.
//!
//! A [`World`](super::World) does a [`Step`], and answers with an [`Observation`] when everything
//! that the step caused is over. The recordings of real kernels that come with the suite have only
//! steps from [`Open`](Step::Open) to [`NetAdmin`](Step::NetAdmin). Cases and generated sequences
//! also use the others. A world may lack the [`Capability`] that a step needs.

use super::{Call, Called, Capability, Rule};
use bytes::Bytes;
use ipq_core::Family;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The highest `count` of a [`Step::Inject`]. A recording with a higher one is refused.
pub const MOST_INJECTED: u32 = 1_000_000;

/// One action on a world. Sockets and devices are given by their names. The name of a socket can be
/// used again once the socket is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Step {
    /// Calls `socket(AF_NETLINK, SOCK_RAW, protocol)`, then binds the socket unless `bind` is
    /// `None`. Answered by [`Observation::Open`]. After a failed bind the socket exists, unbound;
    /// after a failed `socket()` there is no socket.
    Open {
        /// The name that later steps give the socket.
        socket: String,
        /// The netlink protocol: 3 for IPv4, 13 for IPv6, 12 for numbered queues; any other is
        /// allowed.
        protocol: i32,
        /// The port id to bind to; 0 lets the kernel choose. `None` leaves the socket unbound
        /// (SOCK-2).
        bind: Option<u32>,
    },
    /// Closes a socket, or one of its two descriptors after a [`Duplicate`](Step::Duplicate).
    /// Answered by [`Observation::Done`].
    Close {
        /// The name of the socket to close, or the name of its duplicate.
        socket: String,
    },
    /// Sends one datagram. Answered by [`Observation::Send`].
    Send {
        /// The name of the socket that sends.
        socket: String,
        /// The port id that the datagram goes to; `None` is the kernel.
        to: Option<u32>,
        /// The bytes of the datagram.
        bytes: Bytes,
    },
    /// Makes one receive call that does not wait. Answered by [`Observation::Receive`].
    Receive {
        /// The name of the socket to receive from.
        socket: String,
        /// The size of the buffer in bytes. It may be huge, since a world need not allocate more
        /// than the datagram needs.
        size: usize,
    },
    /// Receives until nothing is left, past ENOBUFS, and counts what came. Any other error ends the
    /// step. Answered by [`Observation::Drain`].
    Drain {
        /// The name of the socket to receive from.
        socket: String,
    },
    /// Sets `SO_RCVBUF`, the size of the receive buffer. Answered by [`Observation::BufferSize`].
    ReceiveBuffer {
        /// The name of the socket whose receive buffer is set.
        socket: String,
        /// The size to ask for, in bytes. The kernel may grant another.
        bytes: i32,
    },
    /// Switches on `NETLINK_NO_ENOBUFS`, so that an overrun is not reported, and later datagrams
    /// are taken as soon as there is room (SOCK-4). Answered by [`Observation::Done`].
    NoEnobufs {
        /// The name of the socket whose option is switched on.
        socket: String,
    },
    /// Switches on `NETLINK_CAP_ACK`, so that errors quote the header only (NFQ-43). Answered by
    /// [`Observation::Done`].
    CapAck {
        /// The name of the socket whose option is switched on.
        socket: String,
    },
    /// Switches on `NETLINK_EXT_ACK`, so that answers may have attributes (NFQ-44). Answered by
    /// [`Observation::Done`].
    ExtAck {
        /// The name of the socket whose option is switched on.
        socket: String,
    },
    /// Makes an Ethernet frame arrive. Answered by [`Observation::Inject`].
    Inject {
        /// The name of the device on which the frame arrives.
        device: String,
        /// The Ethernet frame, from its destination address on, without check sequence.
        frame: Bytes,
        /// The number of times that the frame arrives, one after the other: at most
        /// [`MOST_INJECTED`].
        count: u32,
    },
    /// Makes the host under test send a packet. Answered by [`Observation::Done`], also if the
    /// packet is dropped on its way. A world answers no pings by itself: a case sends the answer by
    /// a step `Output` of its own.
    Output {
        /// The device by which the kernel will route the packet; `lo` for an address of the host.
        /// The kernel chooses the route by the packet's destination, not by this field.
        device: String,
        /// The packet, from its network header on.
        packet: Bytes,
    },
    /// Takes the next IP frame that left by a device, in order. Skips ARP, router and neighbour
    /// discovery, and multicast listener reports. Answered by [`Observation::Sniff`].
    Sniff {
        /// The name of the device by which the frame left.
        device: String,
    },
    /// Reads `/proc/net/ip_queue` or `/proc/net/ip6_queue` (PROC-1). The two drop counters in the
    /// text begin at 0 with [`World::begin`](super::World::begin). Answered by
    /// [`Observation::Text`] or [`Observation::Absent`].
    Proc {
        /// The family of the queue whose text is read.
        #[serde(with = "crate::world::serial::FamilyForm")]
        family: Family,
    },
    /// Reads `/proc/net/netfilter/nfnetlink_queue` (NFQ-13). Answered by [`Observation::Text`], or
    /// by [`Observation::Absent`] if the kernel has no numbered queues.
    QueuesProc,
    /// Writes the sysctl of a queue's maximum length (PKT-2). Answered by [`Observation::Done`].
    Sysctl {
        /// The sysctl's name with dots, such as `net.ipv4.ip_queue_maxlen`.
        name: String,
        /// The text to write to the sysctl.
        value: String,
    },
    /// Reads the sysctl of a queue's maximum length (PKT-2). Answered by [`Observation::Text`] or
    /// [`Observation::Absent`].
    ReadSysctl {
        /// The sysctl's name with dots, such as `net.ipv4.ip_queue_maxlen`.
        name: String,
    },
    /// Sets a device up or down. Answered by [`Observation::Done`].
    Link {
        /// The name of the device to set up or down.
        device: String,
        /// `true` to set the device up, `false` to set it down.
        up: bool,
    },
    /// Makes the process give up or regain `CAP_NET_ADMIN` (ATT-5). Answered by
    /// [`Observation::Done`].
    NetAdmin {
        /// `true` to regain `CAP_NET_ADMIN`, `false` to give it up.
        held: bool,
    },

    /// Binds an open socket, bound already or not (SOCK-2). Answered by [`Observation::Bind`].
    Bind {
        /// The name of the socket to bind.
        socket: String,
        /// The port id to bind to; 0 lets the kernel choose.
        port_id: u32,
    },
    /// Asks for the port id that a socket is bound to; 0 if the socket is unbound. Answered by
    /// [`Observation::Bind`].
    PortId {
        /// The name of the socket whose port id is asked for.
        socket: String,
    },
    /// Sets `SO_SNDBUF`, the size of the send buffer (SOCK-9). Answered by
    /// [`Observation::BufferSize`].
    SendBuffer {
        /// The name of the socket whose send buffer is set.
        socket: String,
        /// The size to ask for, in bytes. The kernel may grant another.
        bytes: i32,
    },
    /// Creates a second descriptor of a socket, as fork does (LIB-13). The socket is closed once
    /// both descriptors are. Answered by [`Observation::Done`].
    Duplicate {
        /// The name of the socket that gets a second descriptor.
        socket: String,
        /// The name that later steps give the second descriptor.
        duplicate: String,
    },
    /// Waits until a receive call on a socket would return at once, or until the time is over.
    /// Answered by [`Observation::Poll`].
    Poll {
        /// The name of the socket to poll.
        socket: String,
        /// The longest wait, by the world's clock.
        timeout: Duration,
    },
    /// Reads `SO_ERROR`, which takes the socket's pending error (SOCK-4). Answered by
    /// [`Observation::SocketError`].
    SocketError {
        /// The name of the socket whose pending error is taken.
        socket: String,
    },
    /// Moves the world's clock forward. Answered by [`Observation::Done`].
    Advance {
        /// The time by which the clock moves.
        by: Duration,
    },
    /// Reads the world's clock. Answered by [`Observation::Clock`].
    Clock,
    /// Loads or unloads a family's queue module (EVT-2, SOCK-1). Answered by [`Observation::Done`].
    Module {
        /// The family of the queue whose module is loaded or unloaded.
        #[serde(with = "crate::world::serial::FamilyForm")]
        family: Family,
        /// `true` to load the module, `false` to unload it.
        loaded: bool,
    },
    /// Adds a netfilter rule at the end of its chain. Answered by [`Observation::Rule`].
    AddRule {
        /// The rule to add.
        rule: Rule,
    },
    /// Reads the numbers of packets that entered, were delivered, are queued, and were dropped.
    /// Answered by [`Observation::Account`].
    Account,
    /// Makes an Ethernet frame arrive on a port of a bridge (EVT-1). Answered by
    /// [`Observation::Inject`].
    InjectBridged {
        /// The name of the bridge that the port belongs to.
        bridge: String,
        /// The name of the bridge's port on which the frame arrives.
        port: String,
        /// The Ethernet frame, from its destination address on.
        frame: Bytes,
    },
    /// Makes an Ethernet frame arrive whose transport checksum is pending, or that stands for
    /// several segments (PKT-5). Answered by [`Observation::Inject`].
    InjectOffloaded {
        /// The name of the device on which the frame arrives.
        device: String,
        /// The Ethernet frame, from its destination address on.
        frame: Bytes,
        /// The number of payload bytes in each segment if the frame stands for several; otherwise
        /// `None`.
        segment_bytes: Option<u16>,
    },
    /// Makes the program that runs beside the queue call a function of libipq, or do another action
    /// that [`Function`](super::Function) lists. Answered by [`Observation::Called`].
    Call(Call),
}

impl Step {
    /// Returns the capability that steps of this kind need; `None` if they need none. There are two
    /// exceptions. A [`Send`](Self::Send) to another program's port id also needs
    /// [`Capability::UserDatagrams`], which is not returned. A [`Call`](Self::Call) needs only a
    /// libipq of the world's own, for C or for another language; [`Capability::CLibrary`] is
    /// returned all the same.
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

    /// Returns the name of the step's socket, for a [`Duplicate`](Self::Duplicate) that of the
    /// existing one; `None` if the step has no socket.
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

/// A world's answer to a step.
///
/// Most numbers have 64 bits and a sign, as in recordings, so that impossible answers can be
/// written down. An errno is positive, and 0 if nothing failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Observation {
    /// The step was done. It has no other result.
    Done,
    /// The result of opening a socket, and of binding it if the step asked for that.
    Open {
        /// The call that failed, `socket()` or `bind()`; `None` if neither did.
        failed_at: Option<OpenStage>,
        /// The errno of the call that failed; 0 if neither did.
        errno: i64,
        /// The port id that the socket is bound to; `None` if the step did not bind the socket, or
        /// a call failed.
        port_id: Option<i64>,
    },
    /// The result of the send call.
    Send {
        /// The number of bytes sent; -1 if the call failed.
        sent: i64,
        /// The errno of the send call; 0 if it succeeded.
        errno: i64,
    },
    /// The result of the receive call.
    Receive(Received),
    /// The counts of the datagrams that were read until nothing was left, or an error other than
    /// ENOBUFS came.
    Drain {
        /// The number of datagrams read.
        frames: i64,
        /// The number of `ip_queue` PACKET messages among the datagrams read. Packet messages of
        /// numbered queues are not counted here.
        packets: i64,
        /// The number of datagrams read before the first ENOBUFS; `None` if ENOBUFS never came.
        enobufs_before_frame: Option<i64>,
    },
    /// The size that `getsockopt` reports for the buffer, after the step has set it.
    BufferSize {
        /// The size of the buffer in bytes, as `getsockopt` reports it.
        actual: i64,
    },
    /// The device's answer to an injected frame; to the last one if the step injected several.
    Inject {
        /// The errno if the device refused the frame; 0 if the device took it.
        errno: i64,
    },
    /// The next frame that left by the device.
    Sniff {
        /// The frame's bytes, from the destination address on; `None` if no further frame has left.
        frame: Option<Bytes>,
    },
    /// The text of the file in /proc, or the value of the sysctl.
    Text(String),
    /// The file or sysctl does not exist: its module is not loaded, or the kernel has no such
    /// queue.
    Absent,
    /// The result of adding a rule.
    Rule {
        /// `true` if the rule was added; `false` if the kernel refused it, for example since its
        /// table has no such chain.
        added: bool,
    },
    /// The result of binding a socket, or of asking for its port id.
    Bind {
        /// The errno of the bind call; 0 if it succeeded, or if the step only asked for the port
        /// id.
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
    /// The socket's pending error, which the step has taken.
    SocketError {
        /// The errno of the pending error; 0 if none was pending.
        errno: i64,
    },
    /// The time on the world's clock.
    Clock {
        /// The time on the world's clock since [`World::begin`](super::World::begin).
        since_begin: Duration,
    },
    /// The numbers of packets that entered, were delivered, are queued, and were dropped.
    Account(Account),
    /// The result of a call of libipq, or the reason why there is none.
    Called(Called),
}

/// The call at which a [`Step::Open`] failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenStage {
    /// The call of `socket()` failed, so there is no socket.
    Socket,
    /// The call of `bind()` failed, and the socket exists, unbound.
    Bind,
}

/// The result of a receive call that does not wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Received {
    /// There was nothing to receive: EAGAIN.
    Nothing,
    /// The call failed with an errno other than EAGAIN.
    Error {
        /// The errno of the receive call.
        errno: i64,
    },
    /// The call received a datagram.
    Frame {
        /// The bytes that were copied into the buffer. If the datagram was longer than the buffer,
        /// the rest is lost.
        bytes: Bytes,
        /// The sender's port id; 0 for the kernel.
        sender: i64,
    },
}

/// The numbers of packets since [`World::begin`](super::World::begin). They add up: entered =
/// delivered + queued + dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The number of packets that came into being: by arrival, from a local sender, or as a
    /// fragment that came back by `lo`.
    pub entered: u64,
    /// The number of packets that left by a device or reached a local receiver. A packet that left
    /// in several fragments counts once.
    pub delivered: u64,
    /// The number of packets that wait for a verdict.
    pub queued: u64,
    /// The number of packets dropped for each reason; the key is the world's name for the reason.
    pub dropped: BTreeMap<String, u64>,
}
