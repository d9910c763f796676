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

            /// Returns the capability's name in reports, and in the answers of a world that is a
            /// program over a pipe.
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
    /// [`Step::Proc`](super::Step::Proc) needs this capability, to read `/proc/net/ip_queue` or
    /// `/proc/net/ip6_queue` (PROC-1).
    ProcText = "proc-text" "shows the proc text of each queue",
    /// [`Step::Sysctl`](super::Step::Sysctl) and [`Step::ReadSysctl`](super::Step::ReadSysctl) need
    /// this capability, for the maximum length of either `ip_queue` (PKT-2).
    Sysctl = "sysctl" "lets the maximum queue length be read and set",
    /// [`Step::Link`](super::Step::Link) needs this capability, to set a device up or down (EVT-1).
    LinkState = "link-state" "can set devices up and down",
    /// [`Step::NetAdmin`](super::Step::NetAdmin) needs this capability, to give up `CAP_NET_ADMIN`
    /// and regain it (ATT-5).
    DropNetAdmin = "drop-net-admin" "can give up the network administrator's capability for a while",
    /// A case needs this capability if a socket sends a message whose header has the port id of
    /// another socket, so that the kernel attaches that other socket to the queue (ATT-1).
    ForeignPortId = "foreign-port-id" "lets a message attach another socket's port id",
    /// [`Step::Bind`](super::Step::Bind) needs this capability. So does a case that expects a bound
    /// port id to be taken until its socket closes (SOCK-2).
    SocketPortIds = "socket-port-ids" "binds a socket to its port id, which nobody else can have until it closes",
    /// A [`Step::Send`](super::Step::Send) to another program's port id needs this capability
    /// (SOCK-8).
    UserDatagrams = "user-datagrams" "carries datagrams from one program's socket to another's",
    /// A case needs this capability if it relies on each family having its own netlink protocol
    /// (ATT-1), with port ids of its own (SOCK-2).
    BothFamilies = "both-families" "has an IPv4 and an IPv6 queue side by side, which share nothing",
    /// A case needs this capability if it counts the datagrams that fill a receive buffer of
    /// `ip_queue` (SOCK-5).
    DatagramWeights = "datagram-weights" "weighs datagrams in receive buffers as the measured kernels do",
    /// A case needs this capability if it expects to see a freed packet id again, or packet ids
    /// that differ between the queues (PKT-9).
    IdReuse = "id-reuse" "hands out packet ids again in the kernel's order",
    /// [`Setup::never_reuse_ids`](super::Setup::never_reuse_ids) needs this capability, so that no
    /// packet id is given twice. A kernel's `ip_queue` gives freed ids again (PKT-9).
    NeverReusedIds = "never-reused-ids" "can be told never to hand out a packet id twice",
    /// [`Step::Module`](super::Step::Module) needs this capability, to load or unload the module of
    /// either `ip_queue` (EVT-2).
    ModuleLoading = "module-loading" "can load and unload the queue's module",
    /// [`Step::Clock`](super::Step::Clock) and [`Step::Advance`](super::Step::Advance) need this
    /// capability, to read the world's clock and move it forward (PKT-8).
    VirtualClock = "virtual-clock" "has a clock that a case can read and advance",
    /// [`Step::Account`](super::Step::Account) needs this capability, to read how many packets
    /// entered, were delivered, are queued, and were dropped for each reason.
    DropReasons = "drop-reasons" "tells the fate of every packet, with the reason of each drop",
    /// [`Step::SocketError`](super::Step::SocketError), which reads `SO_ERROR`, needs this
    /// capability (SOCK-4).
    SocketError = "socket-error" "lets a socket's pending error be taken as an option of the socket",
    /// [`Step::Duplicate`](super::Step::Duplicate) needs this capability, to give a socket a second
    /// descriptor (LIB-13).
    Duplicate = "duplicate" "can give a socket a second descriptor",
    /// [`Step::InjectBridged`](super::Step::InjectBridged) needs this capability, to make a frame
    /// arrive on a port of a bridge (EVT-1).
    Bridge = "bridge" "has a bridge whose ports are devices",
    /// [`Step::InjectOffloaded`](super::Step::InjectOffloaded) needs this capability, to make a
    /// frame arrive whose transport checksum is not yet computed, or that stands for several
    /// segments (PKT-5).
    Offload = "offload" "takes packets with pending checksums, and packets that stand for several segments",
    /// [`Step::AddRule`](super::Step::AddRule) needs this capability, to add a netfilter rule after
    /// the world has begun.
    LaterRules = "later-rules" "adds netfilter rules while it runs",
    /// [`Setup::machine`](super::Setup::machine) needs this capability, to choose the kernel, word
    /// size and byte order.
    OtherMachines = "other-machines" "can stand for machines of other word sizes, byte orders and kernels",
    /// A setup with [`QueueProtocol::Nfnetlink`](super::QueueProtocol::Nfnetlink) needs this
    /// capability, since its queues have numbers.
    NumberedQueues = "numbered-queues" "has nfnetlink_queue: queues with numbers, on netlink protocol 12",
    /// [`Step::QueuesProc`](super::Step::QueuesProc) needs this capability, to read
    /// `/proc/net/netfilter/nfnetlink_queue` (NFQ-13).
    QueuesProc = "queues-proc" "shows the proc text of numbered queues",
    /// A case needs this capability if it counts the datagrams that fill the receive buffer of a
    /// numbered queue (NFQ-101).
    QueuesWeights = "queues-weights" "weighs the datagrams of numbered queues as the measured kernels do",
    /// The cases of topic `c-library` need this capability, to see errno, threads, signals and the
    /// handle's structure. Other cases that call libipq do not need it.
    CLibrary = "c-library" "has a libipq for C under test, in a process where it can be called",
}

impl Capability {
    /// Returns the end of a sentence, with advice to a user whose world lacks the capability. Only
    /// [`QueuesProc`](Self::QueuesProc) has one: to run as root. For any other capability the text
    /// is empty.
    pub(crate) const fn advice(self) -> &'static str {
        match self {
            Self::QueuesProc => "; a real kernel shows it to root alone: run as root for these cases",
            _ => "",
        }
    }
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

    /// Returns the first capability in `needed` that the set lacks; `None` if the set has them all.
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
