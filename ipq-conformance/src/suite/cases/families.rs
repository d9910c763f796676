//! The cases of topic `families`: that the queues of IPv4 and IPv6 do not affect each other
//! (EVT-3).

use crate::suite::{Case, CaseResult, Packet, Request, Subject};
use crate::world::Capability;
use ipq_core::{Errno, Family, Verdict};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::must(
            "families/each-has-its-own-peer",
            "Each family has a peer of its own",
            &["EVT-3", "ERA-16"],
            each_has_its_own_peer,
        ),
        Case::must(
            "families/maximum-lengths-are-apart",
            "One family's maximum length is not the other's",
            &["EVT-3"],
            maximum_lengths_are_apart,
        )
        .needs(&[Capability::Sysctl]),
        Case::kernel(
            "families/closing-one-keeps-the-other",
            "Closing one family's socket leaves the other's queue alone",
            &["EVT-3"],
            closing_one_keeps_the_other,
        ),
        Case::kernel(
            "families/each-has-its-own-ids",
            "The id of an IPv4 packet that was answered is not the next IPv6 packet's",
            &["PKT-9", "ERA-17"],
            each_has_its_own_ids,
        )
        .needs(&[Capability::IdReuse]),
        Case::kernel(
            "families/one-familys-id-is-not-the-others",
            "A packet id of one family is unknown to the other's queue",
            &["VER-2"],
            one_familys_id_is_not_the_others,
        )
        // Where packet ids are not addresses, each queue may count for itself, so that both queues
        // use the same numbers.
        .needs(&[Capability::IdReuse]),
    ]
}

fn each_has_its_own_peer(subject: &Subject) -> CaseResult {
    let four = subject.attach(Family::Ipv4)?;
    let six = subject.attach(Family::Ipv6)?;
    subject.inject(&Packet::udp6())?;
    four.expect_nothing()?;
    six.expect_packet()?;
    subject.inject(&Packet::udp4())?;
    six.expect_nothing()?;
    four.expect_packet().map(drop)
}

fn maximum_lengths_are_apart(subject: &Subject) -> CaseResult {
    subject.set_maximum_length(Family::Ipv4, "3")?;
    subject.equal("IPv4's", &"3".to_owned(), &subject.maximum_length(Family::Ipv4)?)?;
    subject.equal("IPv6's", &"1024".to_owned(), &subject.maximum_length(Family::Ipv6)?)
}

fn closing_one_keeps_the_other(subject: &Subject) -> CaseResult {
    let four = subject.attach(Family::Ipv4)?;
    let sent = Packet::udp6();
    let (six, packet) = subject.queued(&sent)?;
    four.close()?;
    subject.inject(&Packet::udp4())?;
    subject.expect_not_forwarded()?;
    six.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)
}

fn one_familys_id_is_not_the_others(subject: &Subject) -> CaseResult {
    let four = subject.attach(Family::Ipv4)?;
    let six = subject.attach(Family::Ipv6)?;
    subject.inject(&Packet::udp4())?;
    let packet = four.expect_packet()?;
    subject.inject(&Packet::udp6())?;
    six.expect_packet()?;
    let wrong = six.request(&Request::verdict(packet.id(), Verdict::Accept))?;
    six.expect_error(Errno::ENOENT, &wrong)
}

fn each_has_its_own_ids(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let six = subject.attach(Family::Ipv6)?;
    socket.verdict(packet.id(), Verdict::Drop)?;
    subject.inject(&Packet::udp6())?;
    subject.check("the ids differ", six.expect_packet()?.id() != packet.id())
}
