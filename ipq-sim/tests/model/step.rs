//! Steps and answers: what can be done to a kernel and what is seen of it, for the model and for
//! the emulator.

use ipq_core::Family;
use std::time::Duration;

/// A device, by its index in [`DEVICES`].
pub(crate) type Device = usize;

/// The names of the devices. Their addresses are in the model's host.
pub(crate) const DEVICES: [&str; 3] = ["lo", "tap0", "tap1"];

/// One thing that is done to a kernel. Sockets have numbers, which the test chooses.
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
        /// The packet whose id is put into the verdict: the index of its id among those that
        /// [`Step::Receive`] has read. `None` to send the bytes as they are.
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
    /// Takes the next frame that has left by a device. Not generated: done after every step.
    Sniff {
        device: Device,
    },
    /// Reads the queue's text in /proc. Not generated: part of [`View::looks`].
    Proc {
        family: Family,
    },
    /// Looks at something else. Not generated: part of [`View::looks`].
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

/// What can be looked at between any two steps, beside /proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Account,
    PortId { socket: usize },
    Poll { socket: usize },
    Clock,
}

/// The answer to a step. An errno is positive, or 0 if nothing failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    Open {
        failed_at: Option<&'static str>,
        errno: i32,
        /// The port id. `None` after a failure, and if the socket is not bound.
        port_id: Option<u32>,
    },
    Bind {
        errno: i32,
        port_id: u32,
    },
    /// The number of bytes that were sent, and errno 0; or -1 and the errno.
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
    /// A text. `None` if there is no such file.
    Text(Option<String>),
    /// The numbers of packets that entered, were delivered, are queued, and were dropped for each
    /// [`Reason`].
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

/// What can be looked at at any time, as it is compared after every step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) now: Duration,
    pub(crate) proc: [Option<String>; 2],
    pub(crate) entered: u64,
    pub(crate) delivered: u64,
    pub(crate) queued: u64,
    /// The number of dropped packets, by [`Reason`].
    pub(crate) dropped: [u64; Reason::COUNT],
    pub(crate) sockets: Vec<SocketView>,
}

impl View {
    /// Returns the content as single steps with their answers, so that a difference can be told as
    /// one of them.
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

/// What poll and getsockname return for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketView {
    pub(crate) socket: usize,
    pub(crate) port_id: u32,
    pub(crate) readable: bool,
    pub(crate) error: bool,
}

/// The reason why a packet was dropped.
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

/// A rule in a chain of filter or mangle. Its target is MARK if `mark` is given, and otherwise
/// QUEUE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) family: Family,
    pub(crate) filter: bool,
    pub(crate) hook: u32,
    pub(crate) protocol: Option<u8>,
    pub(crate) mark: Option<u32>,
}

/// The state of a kernel before the first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// The name of the kernel's profile.
    pub(crate) kernel: &'static str,
    /// `true` if an earlier peer was found dead, on a kernel whose /proc text says so.
    pub(crate) peer_died: bool,
    pub(crate) rules: Vec<Rule>,
    pub(crate) process_id: u32,
}
