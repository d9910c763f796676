//! Sample cases for the reports, one for each outcome.

use ipq_conformance::suite::{Case, CaseResult, Packet, Request, Subject};
use ipq_conformance::world::Capability;
use ipq_core::{Errno, Family, PacketId, Verdict};

/// Returns six cases. Each has another outcome on the emulator if [`KNOWN`] is the list of known
/// differences.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::must("wire/holds", "What holds", &["WIRE-1"], |_| Ok(())),
        Case::must(
            "verdicts/wrong-reply",
            "A reply that is not as expected",
            &["VER-2", "ERR-2"],
            wrong_reply,
        ),
        Case::kernel("verdicts/lacking", "What can't be tried here", &["EVT-1"], |_| Ok(()))
            .needs(&[Capability::Bridge]),
        Case::quirk(
            "verdicts/known",
            "What is known to be different",
            &["PKT-9"],
            |subject| subject.equal("one", &1, &2),
        ),
        Case::must(
            "proc/known-but-holds",
            "What is wrongly known to be different",
            &["PROC-1"],
            |_| Ok(()),
        ),
        Case::must("proc/panics", "A case that is wrong itself", &["PROC-1"], |_| {
            panic!("no such thing")
        }),
    ]
}

/// A list of known differences, in JSON. The first entry is for two of the cases, the second for a
/// case that does not exist, and the third is not for the emulator.
pub(crate) const KNOWN: &str = r#"[
    { "world": "sim", "cases": ["verdicts/known", "*/known-*"], "reason": "It was decided otherwise." },
    { "world": "sim", "cases": ["verdicts/gone"], "reason": "It was so once." },
    { "world": "other", "cases": ["never/there"], "reason": "Another world is not looked at." }
]"#;

fn wrong_reply(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject(&Packet::udp4())?;
    let request = socket.request(&Request::verdict(PacketId(7), Verdict::Accept).sequence(99))?;
    socket.expect_packet()?;
    socket.expect_error(Errno::EINVAL, &request)
}
