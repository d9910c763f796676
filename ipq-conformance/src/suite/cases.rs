//! The cases, by topic. Each topic has a file, and some have a folder of the same name, too.
//!
//! # How to write a case
//!
//! A case is a function and an entry in its file's table. The function acts on a
//! [`Subject`](crate::suite::Subject), and expects certain results: it opens
//! [`Socket`](crate::suite::Socket)s, sends [`Request`](crate::suite::Request)s, and injects
//! [`Packet`](crate::suite::Packet)s. The same function runs in every world, so it depends on none.
//! The entry has the case's id, title, level, requirements and needs, and its setup if that is not
//! the usual one.
//!
//! ```
//! use ipq_conformance::suite::{Case, CaseResult, Packet, Request, Subject};
//! use ipq_core::{Errno, Verdict};
//!
//! /// The table: one entry for each case.
//! fn cases() -> Vec<Case> {
//!     vec![Case::must(
//!         "verdicts/second-verdict",
//!         "A second verdict for a packet is refused with ENOENT",
//!         &["VER-3", "VER-2"],
//!         second_verdict,
//!     )]
//! }
//!
//! fn second_verdict(subject: &Subject) -> CaseResult {
//!     let sent = Packet::udp4();
//!     let (socket, packet) = subject.queued(&sent)?;
//!     subject.equal_packets("the packet", &sent.forwarded().ip(), &packet.payload)?;
//!
//!     socket.verdict(packet.id(), Verdict::Accept)?;
//!     subject.expect_forwarded(&sent)?;
//!     let second = socket.request(&Request::verdict(packet.id(), Verdict::Drop).sequence(7))?;
//!     socket.expect_error(Errno::ENOENT, &second)?;
//!     socket.expect_nothing()
//! }
//! # assert_eq!(cases().len(), 1);
//! ```
//!
//! What to keep to:
//!
//! - **The id** is `topic/what-is-tried`, in words that stay true when other cases are added. It is
//!   permanent. The title says what has to hold.
//! - **The level** is [`must`](crate::suite::Case::must) for the documented contract,
//!   [`kernel`](crate::suite::Case::kernel) for what kernels did without saying so,
//!   [`quirk`](crate::suite::Case::quirk) for a known oddity. When in doubt: would a program that
//!   was written for libipq go wrong without it? Then it is *must*.
//! - **Requirements**: the ids of the rules that the case would find broken, and no others. Each
//!   but a few has faults of the emulator that break it, and a case for `ip_queue` has to fail with
//!   at least one of these. A test has a list of exceptions.
//! - **Needs**: every [`Capability`](crate::world::Capability) that the case's steps need
//!   ([`Step::needs`](crate::world::Step::needs)), and every one that its expectations depend on,
//!   such as `IdReuse`. If a step needs a capability that is not stated here, the case is skipped
//!   at that step, and the report names the capability.
//! - **Expect everything.** After a refused message the packet is still queued: say so. After an
//!   accepted packet nothing else came: say so.
//!   [`expect_error`](crate::suite::Socket::expect_error) and
//!   [`expect_ack`](crate::suite::Socket::expect_ack) compare every byte.
//! - **Nothing came**: use [`expect_nothing`](crate::suite::Socket::expect_nothing) for a socket,
//!   and [`expect_not_forwarded`](crate::suite::Subject::expect_not_forwarded) for packets that
//!   leave. The latter does not wait: it injects one more packet, which must be the next to leave.
//!   No case sleeps.
//! - **Rules** other than the usual (forwarded UDP is queued, in both families) come from
//!   [`Case::setup`](crate::suite::Case::setup), which also chooses another machine, a process id,
//!   or ids that are never used twice.
//! - **Judge with [`equal`](crate::suite::Subject::equal) and
//!   [`check`](crate::suite::Subject::check)**, which make the case *failed*. A panic of the case
//!   makes it *broken*, since it says that the case itself is wrong; a panic of the world in a step
//!   makes it *failed*.
//! - **A handle** of `ipq-core` comes from [`Subject::handle`](crate::suite::Subject::handle), and
//!   [`last_sent`](crate::suite::Subject::last_sent) returns the datagram that it sent last.

mod attaching;
mod c_library;
mod copy_modes;
mod events;
mod families;
mod forwarding;
mod libipq;
mod limits;
mod messages;
mod nfq;
mod older;
mod overrun;
mod proc;
mod queueing;
mod replacement;
mod replies;
mod sockets;
mod verdicts;
mod wire;

use crate::suite::Case;
use crate::world::{Protocol, Rule, Setup, Table};
use ipq_core::{Family, Hook};

/// Returns a setup with one rule, in the table filter, that queues UDP over IPv4 at this hook.
fn udp_queued_at(hook: Hook) -> Setup {
    Setup::with_rules([Rule::queue(Family::Ipv4, Table::Filter, hook, Some(Protocol::UDP))])
}

/// Returns the cases that test an implementation of libipq: those of the topics `libipq` and
/// `c-library`.
#[must_use]
pub fn of_clients() -> Vec<Case> {
    [libipq::cases(), c_library::cases()].concat()
}

/// Returns all cases of the suite: those of [`all`], and those of the topic `c-library`.
#[must_use]
pub fn every() -> Vec<Case> {
    [all(), c_library::cases()].concat()
}

/// Returns all cases but those of the topic `c-library`, which only an implementation of libipq for
/// C can be tested with.
#[must_use]
pub fn all() -> Vec<Case> {
    [
        wire::cases(),
        attaching::cases(),
        messages::cases(),
        replies::cases(),
        queueing::cases(),
        copy_modes::cases(),
        verdicts::cases(),
        replacement::cases(),
        limits::cases(),
        overrun::cases(),
        events::cases(),
        families::cases(),
        proc::cases(),
        sockets::cases(),
        libipq::cases(),
        forwarding::cases(),
        older::cases(),
        nfq::cases(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_words_after_a_topic_and_name_one_case_each() {
        let mut ids = HashSet::new();
        for case in every() {
            let id = case.id;
            assert!(case.topic().is_some(), "{id} begins with no topic");
            assert!(
                id.bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'/')),
                "{id}"
            );
            assert_eq!(id.matches('/').count(), 1, "{id} is more than topic and name");
            assert!(ids.insert(id), "{id} names two cases");
        }
    }

    #[test]
    fn titles_are_sentences_without_a_full_stop() {
        for case in every() {
            let first = case.title.chars().next();
            assert!(
                first.is_some_and(|letter| !letter.is_lowercase()),
                "{}: {}",
                case.id,
                case.title
            );
            assert!(!case.title.ends_with('.'), "{}: {}", case.id, case.title);
        }
    }
}
