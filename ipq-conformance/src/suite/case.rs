//! A case: its body, and the facts about it.

use crate::suite::{CaseResult, Subject};
use crate::world::{Capability, Setup};
use std::fmt;
use std::time::Duration;

/// One case of the suite.
///
/// The id is permanent and made of words, `topic/name`, since reports, lists of known differences
/// and other people's notes refer to it. The id of a removed case is never used again.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The case's id: `topic/name`.
    pub id: &'static str,
    /// The rule that must hold, as a sentence without a full stop.
    pub title: &'static str,
    /// The level: how binding the rule is for an implementation.
    pub level: Level,
    /// The ids of the requirements that the case checks, such as `VER-3`.
    pub requirements: &'static [&'static str],
    /// The capabilities that a world must have for the case; otherwise the case is skipped.
    pub needs: &'static [Capability],
    /// The function that returns the world's state at the beginning of the case.
    pub setup: fn() -> Setup,
    /// The time limit: a step that is due after this time fails the case. Most cases take
    /// milliseconds; the limit ends a case that hangs.
    pub time_limit: Duration,
    /// The case's body. It acts on the subject, and returns an error if the rule does not hold or
    /// the case can't go on.
    pub run: fn(&Subject) -> CaseResult,
}

impl Case {
    /// Returns a case of level [`Level::Must`], the documented contract. It needs no capability,
    /// has the default setup, and a time limit of 10 seconds.
    #[must_use]
    pub const fn must(
        id: &'static str,
        title: &'static str,
        requirements: &'static [&'static str],
        run: fn(&Subject) -> CaseResult,
    ) -> Self {
        Self {
            id,
            title,
            level: Level::Must,
            requirements,
            needs: &[],
            setup: Setup::default,
            time_limit: Duration::from_secs(10),
            run,
        }
    }

    /// Returns a case of level [`Level::Kernel`], undocumented kernel behaviour. It needs no
    /// capability, has the default setup, and a time limit of 10 seconds.
    #[must_use]
    pub const fn kernel(
        id: &'static str,
        title: &'static str,
        requirements: &'static [&'static str],
        run: fn(&Subject) -> CaseResult,
    ) -> Self {
        let mut case = Self::must(id, title, requirements, run);
        case.level = Level::Kernel;
        case
    }

    /// Returns a case of level [`Level::Quirk`], a known oddity. It needs no capability, has the
    /// default setup, and a time limit of 10 seconds.
    #[must_use]
    pub const fn quirk(
        id: &'static str,
        title: &'static str,
        requirements: &'static [&'static str],
        run: fn(&Subject) -> CaseResult,
    ) -> Self {
        let mut case = Self::must(id, title, requirements, run);
        case.level = Level::Quirk;
        case
    }

    /// Sets the capabilities that the case needs, in place of any earlier ones.
    #[must_use]
    pub const fn needs(mut self, needs: &'static [Capability]) -> Self {
        self.needs = needs;
        self
    }

    /// Sets the function that returns the world's state at the beginning of the case. By default,
    /// `ip_queue` gets forwarded UDP of both families.
    #[must_use]
    pub const fn setup(mut self, setup: fn() -> Setup) -> Self {
        self.setup = setup;
        self
    }

    /// Returns the topic, which the first part of the id names; `None` if no topic has that name,
    /// which a test of the suite rules out.
    #[must_use]
    pub fn topic(&self) -> Option<Topic> {
        let (topic, _) = self.id.split_once('/')?;
        Topic::ALL.iter().copied().find(|known| known.name() == topic)
    }
}

/// The level of a case: how binding its rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The documented contract, which every implementation of the queue has to keep.
    Must,
    /// Undocumented kernel behaviour on which programs may rely.
    Kernel,
    /// A known oddity of kernels or libipq. An implementation that lacks it may serve programs
    /// better.
    Quirk,
}

impl Level {
    /// All levels, the most binding first.
    pub const ALL: [Self; 3] = [Self::Must, Self::Kernel, Self::Quirk];

    /// Returns the level's name in reports and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Kernel => "kernel",
            Self::Quirk => "quirk",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

macro_rules! topics {
    ($($name:ident = $word:literal $what:literal,)*) => {
        /// The topic of a case: the group of rules that the case is about, named by the first part
        /// of its id.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Topic {
            $(#[doc = concat!("`", $word, "`: ", $what, ".")] $name,)*
        }

        impl Topic {
            /// All topics, in the order of reports.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the topic's name: the first part of the ids of its cases.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

topics! {
    Wire = "wire" "how frames are laid out",
    Attaching = "attaching" "who becomes a queue's peer, and who stops being it",
    Messages = "messages" "what the queue makes of a message, in the order of its checks",
    Replies = "replies" "errors and acknowledgements",
    Queueing = "queueing" "which packets are queued, and what is said of them",
    CopyModes = "copy-modes" "how much of a packet is handed over",
    Verdicts = "verdicts" "what becomes of a packet",
    Replacement = "replacement" "packets that come back changed",
    Limits = "limits" "the length of the queue, and sizes, counts and times at their ends",
    Overrun = "overrun" "receive buffers that are full",
    Events = "events" "devices that go down, and modules that are unloaded",
    Families = "families" "IPv4 and IPv6 side by side",
    Proc = "proc" "the text of a queue's file in /proc",
    Sockets = "sockets" "port ids, binding, and datagrams of other programs",
    Libipq = "libipq" "the library's logic",
    CLibrary = "c-library" "what only a program in C sees of the library",
    Forwarding = "forwarding" "what the host does around the queue",
    Older = "older" "what kernels before Linux 3.1 did otherwise",
    NfqBinding = "nfq-binding" "numbered queues: who owns one, and what ends it",
    NfqSettings = "nfq-settings" "numbered queues: CONFIG messages, in the order of their checks",
    NfqMessages = "nfq-messages" "numbered queues: messages and datagrams out of the ordinary",
    NfqAnswers = "nfq-answers" "numbered queues: errors and acknowledgements",
    NfqPackets = "nfq-packets" "numbered queues: what is said of a packet, and how much is copied",
    NfqVerdicts = "nfq-verdicts" "numbered queues: what becomes of a packet",
    NfqLimits = "nfq-limits" "numbered queues: how much they hold",
    NfqOverrun = "nfq-overrun" "numbered queues: receive buffers that are full",
    NfqProc = "nfq-proc" "numbered queues: their text in /proc",
    NfqRules = "nfq-rules" "numbered queues: the targets QUEUE and NFQUEUE",
    NfqSockets = "nfq-sockets" "numbered queues: netlink sockets of protocol 12",
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
