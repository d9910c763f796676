//! What a case is: a body, and what is said about it.

use crate::suite::{CaseResult, Subject};
use crate::world::{Capability, Setup};
use std::fmt;
use std::time::Duration;

/// One case of the suite.
///
/// Its id is permanent and made of words, `topic/what-is-tried`: reports, lists of known differences and other people's notes
/// refer to it. A case that is taken out leaves its id unused.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// `topic/what-is-tried`
    pub id: &'static str,
    /// What has to hold, as a sentence without a full stop.
    pub title: &'static str,
    /// How binding it is.
    pub level: Level,
    /// The ids of the requirements that it checks.
    pub requirements: &'static [&'static str],
    /// What a world must be able to do for it.
    pub needs: &'static [Capability],
    /// How the world is to be before it.
    pub setup: fn() -> Setup,
    /// How long it may take. Cases take milliseconds; this ends what hangs.
    pub time_limit: Duration,
    /// Its body.
    pub run: fn(&Subject) -> CaseResult,
}

impl Case {
    /// A case of the documented contract.
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

    /// A case of what kernels did without saying so.
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

    /// A case of a known oddity.
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

    /// This case, which needs these capabilities.
    #[must_use]
    pub const fn needs(mut self, needs: &'static [Capability]) -> Self {
        self.needs = needs;
        self
    }

    /// This case, in a world that `setup` describes. Otherwise UDP that is forwarded is queued, for both families.
    #[must_use]
    pub const fn setup(mut self, setup: fn() -> Setup) -> Self {
        self.setup = setup;
        self
    }

    /// The topic: what its id begins with. `None` if that is no topic, which a test of the suite keeps from happening.
    #[must_use]
    pub fn topic(&self) -> Option<Topic> {
        let (topic, _) = self.id.split_once('/')?;
        Topic::ALL.iter().copied().find(|known| known.name() == topic)
    }
}

/// How binding a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The documented contract: whoever stands in for `ip_queue` has to keep it.
    Must,
    /// What the kernel did, undocumented, but for programs to rely on.
    Kernel,
    /// A known oddity that a program may be the better without.
    Quirk,
}

impl Level {
    /// All of them, the most binding first.
    pub const ALL: [Self; 3] = [Self::Must, Self::Kernel, Self::Quirk];

    /// Its name in reports and on the command line.
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
        /// What a case is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Topic {
            $(#[doc = concat!("`", $word, "`: ", $what, ".")] $name,)*
        }

        impl Topic {
            /// All of them, in the order of reports.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name: what the ids of its cases begin with.
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
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
