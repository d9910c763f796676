//! What can be done to a kernel, and what is seen of it: the words that the model and the emulator have in common.

use ipq_core::Family;
use std::time::Duration;

/// A device of the laboratory, by its place in [`DEVICES`].
pub(crate) type Device = usize;

/// The devices that there are, with the addresses that the model gives them.
pub(crate) const DEVICES: [&str; 3] = ["lo", "tap0", "tap1"];

/// One thing that is done. Sockets go by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Open {
        socket: usize,
        protocol: i32,
        bind: Option<u32>,
    },
    Bind {
        socket: usize,
        port_id: u32,
    },
    Close {
        socket: usize,
    },
    Send {
        socket: usize,
        to: Option<u32>,
        bytes: Vec<u8>,
        /// Whose id is put into a verdict: that of the n-th PACKET frame that was read.
        names: Option<usize>,
    },
    Receive {
        socket: usize,
        size: usize,
    },
    Drain {
        socket: usize,
    },
    ReceiveBuffer {
        socket: usize,
        bytes: u32,
    },
    NoEnobufs {
        socket: usize,
    },
    SocketError {
        socket: usize,
    },
    Inject {
        device: Device,
        frame: Vec<u8>,
        count: u32,
    },
    Output {
        packet: Vec<u8>,
    },
    /// Not generated: what left is looked at after every step.
    Sniff {
        device: Device,
    },
    /// Not generated: the text is looked at after every step.
    Proc {
        family: Family,
    },
    /// Not generated either: what [`View::looks`] is made of.
    Look(Look),
    Sysctl {
        family: Family,
        value: i32,
    },
    ReadSysctl {
        family: Family,
    },
    Link {
        device: Device,
        up: bool,
    },
    NetAdmin {
        held: bool,
    },
    Module {
        family: Family,
        loaded: bool,
    },
    Advance {
        by: Duration,
    },
}

/// What can be looked at at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Account,
    PortId { socket: usize },
    Poll { socket: usize },
    Clock,
}

/// What is seen when a step was done. An errno is positive, and 0 where nothing failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    Open {
        failed_at: Option<&'static str>,
        errno: i32,
        /// None after a failure, and where the socket is not bound.
        port_id: Option<u32>,
    },
    Bind {
        errno: i32,
        port_id: u32,
    },
    /// -1 and an errno, or the bytes that went.
    Send {
        sent: i64,
        errno: i32,
    },
    Nothing,
    Error {
        errno: i32,
    },
    Frame {
        bytes: Vec<u8>,
        sender: u32,
    },
    Drain {
        frames: usize,
        packets: usize,
        enobufs_before_frame: Option<usize>,
    },
    BufferSize {
        actual: u32,
    },
    SocketError {
        errno: i32,
    },
    Sniff {
        frame: Option<Vec<u8>>,
    },
    /// None: there is no such file.
    Text(Option<String>),
    /// Packets that entered, were delivered, are queued, and were dropped, by [`Reason`].
    Account {
        entered: u64,
        delivered: u64,
        queued: u64,
        dropped: [u64; Reason::COUNT],
    },
    PortId {
        port_id: u32,
    },
    Poll {
        readable: bool,
        error: bool,
    },
    Clock {
        now: Duration,
    },
}

/// What is looked at after every step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) now: Duration,
    pub(crate) proc: [Option<String>; 2],
    pub(crate) entered: u64,
    pub(crate) delivered: u64,
    pub(crate) queued: u64,
    /// By [`Reason`].
    pub(crate) dropped: [u64; Reason::COUNT],
    pub(crate) sockets: Vec<SocketView>,
}

impl View {
    /// The same, look by look.
    pub(crate) fn looks(&self) -> Vec<(Step, Answer)> {
        let mut looks = Vec::new();
        for family in Family::ALL {
            let text = self.proc[family as usize].clone();
            looks.push((Step::Proc { family }, Answer::Text(text)));
        }
        let Self {
            now,
            entered,
            delivered,
            queued,
            dropped,
            ..
        } = *self;
        let account = Answer::Account {
            entered,
            delivered,
            queued,
            dropped,
        };
        looks.push((Step::Look(Look::Account), account));
        for view in &self.sockets {
            let SocketView {
                socket,
                port_id,
                readable,
                error,
            } = *view;
            looks.push((Step::Look(Look::PortId { socket }), Answer::PortId { port_id }));
            looks.push((Step::Look(Look::Poll { socket }), Answer::Poll { readable, error }));
        }
        looks.push((Step::Look(Look::Clock), Answer::Clock { now }));
        looks
    }
}

/// What poll and getsockname say of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketView {
    pub(crate) socket: usize,
    pub(crate) port_id: u32,
    pub(crate) readable: bool,
    pub(crate) error: bool,
}

/// Why a packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Verdict,
    NoListener,
    QueueFull,
    Undeliverable,
    PeerClosed,
    PeerReplaced,
    DeviceDown,
    ModuleUnloaded,
    ReplacementTooLong,
    NotReroutable,
    NotIp,
    OtherHost,
    Malformed,
    Martian,
    NoRoute,
    HopLimit,
    TooLong,
    Unassembled,
    NoNeighbour,
}

impl Reason {
    pub(crate) const COUNT: usize = Self::NoNeighbour as usize + 1;
}

/// A rule with target QUEUE, or with target MARK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) family: Family,
    pub(crate) filter: bool,
    pub(crate) hook: u32,
    pub(crate) protocol: Option<u8>,
    pub(crate) mark: Option<u32>,
}

/// What holds before the first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// Its name, as profiles have it.
    pub(crate) kernel: &'static str,
    /// Whether an earlier peer was found dead, where /proc tells.
    pub(crate) peer_died: bool,
    pub(crate) rules: Vec<Rule>,
    pub(crate) process_id: u32,
}
