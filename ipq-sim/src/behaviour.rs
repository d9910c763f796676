//! The rules that differ between kernels, or that seeded faults break, as data.
//!
//! A [`Behaviour`] has a part for each area, with a field for each rule. The field's value says how
//! one kernel treats the matter, and the emulator's code looks at it. A [profile](crate::Profile)
//! has a behaviour, and the kernel's numbers, such as buffer sizes. A seeded fault, a deliberate
//! error for testing a conformance suite, changes the value of one field, or of a few.
//!
//! The comment of a rule's field usually names its requirement, such as ATT-1. A value whose
//! comment says "No kernel does this" exists only for seeded faults.

#![cfg_attr(
    not(feature = "seeded-faults"),
    allow(dead_code, reason = "some values only a seeded fault chooses")
)]

mod attaching;
#[cfg(feature = "seeded-faults")]
mod fault;
mod flaw;
mod host;
mod metadata;
mod modules;
mod netlink;
mod proc_text;
mod queueing;
mod replies;
mod requests;
mod verdicts;

pub(crate) use attaching::{Attaching, Binding, Capability, PeerKnownBy, PeerLoss, RefusedBody, SecondPeer};
#[cfg(feature = "seeded-faults")]
pub use fault::Fault;
pub(crate) use flaw::Flaw;
pub(crate) use host::{
    Check, DeviceDown, EthernetPadding, Fits, Host, IndevAtPostrouting, Looping, MangleChains, Marks, NextHop,
    OversizeIpv4, OversizeIpv6, Reroute, Routed,
};
pub(crate) use metadata::{HardwareAddresses, Metadata, OutputProtocol, OwnPackets, Timestamps};
pub(crate) use modules::{Ipv6Packets, Ipv6Queue, MaximumLength, Modules, Unloading};
pub(crate) use netlink::{
    AutomaticPort, Charge, CutDatagram, EmptyDatagram, Full, Latch, Netlink, NoEnobufs, Opening, Overrun, SendLimit,
    SentCount, SocketError, Unreachable, UserDatagrams,
};
pub(crate) use proc_text::{EIGHT_LINES, Figure, IPV4_LINES, IPV6_LINES, Line, ProcText};
pub(crate) use queueing::{
    Copied, Counted, Flushing, Fragments, FullAt, ModeNone, Notes, Queueing, RecordPools, Reuse, Signedness, WhenFull,
};
pub(crate) use replies::{ErrorSign, Quote, Replies, ReplyRoom, ReplySequence, ReplyTo, StatedLength};
pub(crate) use requests::{
    Acknowledged, BodyLength, FollowingMessage, ModeBody, ModeChange, ModeNoneRequest, PeerCheck, RangeCut, Requests,
};
pub(crate) use verdicts::{
    Answerable, CheckedFirst, Checksum, Effect, Payload, Requeued, Resizing, ShortReplacement, Verdicts,
};

/// The rules of a kernel, by area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Behaviour {
    /// The rules for attaching to a queue, and for losing the peer (ATT).
    pub(crate) attaching: Attaching,
    /// The rules for checking a message that a program sends to a queue, and for doing what it asks
    /// (MSG).
    pub(crate) requests: Requests,
    /// The rules for replies to messages (ERR).
    pub(crate) replies: Replies,
    /// The rules for queueing packets, and for copying their bytes into frames (PKT).
    pub(crate) queueing: Queueing,
    /// The rules for the fields of a PACKET frame (PKT-6 to PKT-8).
    pub(crate) metadata: Metadata,
    /// The rules for checking verdicts, and for their effects (VER).
    pub(crate) verdicts: Verdicts,
    /// The rules for what the emulated host does with a packet outside the queue: its checks, its
    /// routes and its devices (FWD, EVT-1).
    pub(crate) host: Host,
    /// The rules for which queues the kernel has, for unloading them, and for what the two
    /// families' queues share (EVT-2, EVT-3).
    pub(crate) modules: Modules,
    /// The layout of the texts of `/proc/net/ip_queue` and `/proc/net/ip6_queue` (PROC-1).
    pub(crate) proc_text: ProcText,
    /// The rules for netlink sockets (SOCK).
    pub(crate) netlink: Netlink,
    /// The flaw that a seeded fault puts into the emulator. `None` without such a fault: no kernel
    /// has a flaw. Those of numbered queues are kept elsewhere, in [`Modules::numbered`].
    pub(crate) flaw: Option<Flaw>,
}

impl Behaviour {
    /// Returns the field `flaw`. Without the feature `seeded-faults` returns `None`, and the
    /// compiler leaves out the code that would look for a flaw.
    pub(crate) const fn flaw(&self) -> Option<Flaw> {
        if cfg!(feature = "seeded-faults") {
            self.flaw
        } else {
            None
        }
    }
}
