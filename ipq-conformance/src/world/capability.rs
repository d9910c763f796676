//! Capabilities: what one world can do and another can't.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

macro_rules! capabilities {
    ($($(#[$doc:meta])* $name:ident = $word:literal $description:literal,)*) => {
        /// Something that a case may need and a world may lack. If the world lacks it, the case is
        /// skipped, and the report names the capability.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Capability {
            $(#[doc = concat!("It ", $description, ".")] $(#[$doc])* $name,)*
        }

        impl Capability {
            /// All capabilities, in the order in which reports list them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the capability's name in reports and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// Returns what a world with the capability does, as a verb phrase.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $description,)*
                }
            }
        }
    };
}

capabilities! {
    /// (PROC-1)
    ProcText = "proc-text" "shows the proc text of each queue",
    /// (PKT-2)
    Sysctl = "sysctl" "lets the maximum queue length be read and set",
    /// (EVT-1)
    LinkState = "link-state" "can set devices up and down",
    /// (ATT-5)
    DropNetAdmin = "drop-net-admin" "can give up the network administrator's capability for a while",
    /// (ATT-1)
    ForeignPortId = "foreign-port-id" "lets a message attach another socket's port id",
    /// (SOCK-2)
    SocketPortIds = "socket-port-ids" "binds a socket to its port id, which nobody else can have until it closes",
    /// (SOCK-8)
    UserDatagrams = "user-datagrams" "carries datagrams from one program's socket to another's",
    /// (EVT-3)
    BothFamilies = "both-families" "has an IPv4 and an IPv6 queue side by side, which share nothing",
    /// (SOCK-5)
    DatagramWeights = "datagram-weights" "weighs datagrams in receive buffers as the measured kernels do",
    /// (PKT-9)
    IdReuse = "id-reuse" "hands out packet ids again in the kernel's order",
    /// (PKT-9)
    NeverReusedIds = "never-reused-ids" "can be told never to hand out a packet id twice",
    /// (EVT-2)
    ModuleLoading = "module-loading" "can load and unload the queue's module",
    /// (PKT-8)
    VirtualClock = "virtual-clock" "has a clock that a case can read and advance",
    DropReasons = "drop-reasons" "tells the fate of every packet, with the reason of each drop",
    /// (SOCK-4)
    SocketError = "socket-error" "lets a socket's pending error be taken as an option of the socket",
    /// (LIB-13)
    Duplicate = "duplicate" "can give a socket a second descriptor",
    /// (EVT-1)
    Bridge = "bridge" "has a bridge whose ports are devices",
    /// (PKT-5)
    Offload = "offload" "takes packets with pending checksums, and packets that stand for several segments",
    LaterRules = "later-rules" "adds netfilter rules while it runs",
    OtherMachines = "other-machines" "can stand for machines of other word sizes, byte orders and kernels",
    NumberedQueues = "numbered-queues" "has nfnetlink_queue: queues with numbers, on netlink protocol 12",
    /// (NFQ-13)
    QueuesProc = "queues-proc" "shows the proc text of numbered queues",
    /// (NFQ-101)
    QueuesWeights = "queues-weights" "weighs the datagrams of numbered queues as the measured kernels do",
    CLibrary = "c-library" "has a libipq for C under test, in a process where it can be called",
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The set of a world's capabilities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<Capability>);

impl Capabilities {
    /// Returns the set of all capabilities.
    #[must_use]
    pub fn all() -> Self {
        Capability::ALL.iter().copied().collect()
    }

    /// Returns whether the set has `capability`.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }

    /// Returns the first of `needed` that the set lacks; `None` if it has them all.
    #[must_use]
    pub fn first_missing(&self, needed: &[Capability]) -> Option<Capability> {
        needed.iter().copied().find(|capability| !self.has(*capability))
    }

    /// Iterates over the set in the order of [`Capability::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Capability> {
        self.0.iter().copied()
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().collect())
    }
}
