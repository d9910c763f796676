//! The cases, a topic a file.
//!
//! # How to write a case
//!
//! A case is a function that does things to a [`Subject`](crate::suite::Subject) and expects things
//! of it, and a line in its file's table that says what it is about. The function runs in every
//! world, so it knows nothing of any world: it opens [`Socket`](crate::suite::Socket)s, sends
//! [`Request`](crate::suite::Request)s, injects [`Packet`](crate::suite::Packet)s.
//!
//! ```
//! use ipq_conformance::suite::{Case, CaseResult, Packet, Request, Subject};
//! use ipq_core::{Errno, Verdict};
//!
//! /// The table: one line for each case.
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
//! - **The id** is `topic/what-is-tried`, in words that will still be true when other cases stand
//!   around it. It is permanent. The title says what has to hold.
//! - **The level** is [`must`](crate::suite::Case::must) for the documented contract,
//!   [`kernel`](crate::suite::Case::kernel) for what kernels did without saying so,
//!   [`quirk`](crate::suite::Case::quirk) for a known oddity. When in doubt: would a program that
//!   was written for libipq go wrong without it? Then it is *must*.
//! - **Requirements**: the ids that the case would find broken, and no others. For each there is a
//!   fault of the emulator that breaks it alone, and the case has to fail with it.
//! - **Needs**: every [`Capability`](crate::world::Capability) that its steps need
//!   ([`Step::needs`](crate::world::Step::needs)), and those that what it expects stands on, as
//!   `IdReuse` does. What is needed but not stated shows as a skip that names it.
//! - **Expect everything.** After a refused message the packet is still queued: say so. After an
//!   accepted packet nothing else came: say so.
//!   [`expect_error`](crate::suite::Socket::expect_error) and
//!   [`expect_ack`](crate::suite::Socket::expect_ack) compare every byte.
//! - **Nothing came** is said with [`expect_nothing`](crate::suite::Socket::expect_nothing) for a
//!   socket, and with [`expect_not_forwarded`](crate::suite::Subject::expect_not_forwarded) for the
//!   way out, which puts up a fence instead of waiting. No case sleeps.
//! - **Rules** other than the usual (forwarded UDP is queued, in both families) come from
//!   [`Case::setup`](crate::suite::Case::setup), which also chooses another machine, a process id,
//!   or ids that are never used twice.
//! - **Judge with [`equal`](crate::suite::Subject::equal) and
//!   [`check`](crate::suite::Subject::check)**, which make the case *failed*. A panic of the case
//!   makes it *broken*, since it says that the case itself is wrong; a panic of the world makes it
//!   *failed*.
//! - **The handle** is tried through [`Subject::handle`](crate::suite::Subject::handle), and what
//!   it sends is [`last_sent`](crate::suite::Subject::last_sent).

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

/// Returns a setup in which UDP over IPv4 is queued at this hook, by the table filter.
fn udp_queued_at(hook: Hook) -> Setup {
    Setup::with_rules([Rule::queue(Family::Ipv4, Table::Filter, hook, Some(Protocol::UDP))])
}

/// Returns the cases for a libipq: those of the library's logic, and those that only a program in C
/// can check.
#[must_use]
pub fn of_clients() -> Vec<Case> {
    [libipq::cases(), c_library::cases()].concat()
}

/// Returns every case: those for an implementation of the queue, and those for a libipq alone.
#[must_use]
pub fn every() -> Vec<Case> {
    [all(), c_library::cases()].concat()
}

/// Returns every case for an implementation of the queue, topic by topic.
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
