//! The cases of topic `older` about the order in which a kernel up to Linux 2.6.22 uses packet ids
//! again.

use crate::suite::{Case, CaseResult, Packet, Stopped, Subject};
use crate::world::Capability;
use crate::world::topology::TAP1;
use ipq_core::{Family, PacketId, Verdict};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::kernel(
            "older/families-share-their-ids",
            "The id of an IPv4 packet that was answered is the next IPv6 packet's",
            &["PKT-9", "ERA-17"],
            families_share_their_ids,
        )
        .needs(&[Capability::IdReuse]),
        Case::kernel(
            "older/answered-id-comes-second",
            "The id that was answered is not that of the next packet, but of the one after it",
            &["PKT-9", "ERA-17"],
            answered_id_comes_second,
        )
        .needs(&[Capability::IdReuse]),
        Case::kernel(
            "older/device-down-frees-notes-last",
            "After a device went down and came up the next packet has the id of neither that it dropped",
            &["EVT-1", "PKT-9", "ERA-17"],
            device_down_frees_notes_last,
        )
        .needs(&[Capability::IdReuse, Capability::LinkState]),
        Case::kernel(
            "older/device-that-comes-up-takes-a-record",
            "After a device went down and came up the next packet has the id of the first that it dropped",
            &["EVT-1", "PKT-9", "ERA-17"],
            device_that_comes_up_takes_a_record,
        )
        .needs(&[Capability::IdReuse, Capability::LinkState]),
    ]
}

fn families_share_their_ids(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let six = subject.attach(Family::Ipv6)?;
    socket.verdict(packet.id(), Verdict::Drop)?;
    subject.inject(&Packet::udp6())?;
    subject.equal("the id", &packet.id(), &six.expect_packet()?.id())
}

fn answered_id_comes_second(subject: &Subject) -> CaseResult {
    let (socket, first) = subject.queued(&Packet::udp4())?;
    socket.verdict(first.id(), Verdict::Drop)?;
    subject.inject(&Packet::udp4())?;
    let second = socket.expect_packet()?;
    subject.check("the next id is another", second.id() != first.id())?;
    socket.verdict(second.id(), Verdict::Drop)?;
    subject.inject(&Packet::udp4())?;
    subject.equal("the id after it", &first.id(), &socket.expect_packet()?.id())
}

/// Queues two packets, sets tap1 down, which drops them, and up, and queues a third. Returns the
/// three packet ids in this order.
fn ids_around_a_device_down(subject: &Subject) -> Result<[PacketId; 3], Stopped> {
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject_many(&Packet::udp4(), 2)?;
    let (first, second) = (socket.expect_packet()?.id(), socket.expect_packet()?.id());
    subject.set_link(TAP1.name, false)?;
    subject.set_link(TAP1.name, true)?;
    subject.inject(&Packet::udp4())?;
    Ok([first, second, socket.expect_packet()?.id()])
}

fn device_down_frees_notes_last(subject: &Subject) -> CaseResult {
    let [first, second, next] = ids_around_a_device_down(subject)?;
    subject.check("the id is another", next != first && next != second)
}

fn device_that_comes_up_takes_a_record(subject: &Subject) -> CaseResult {
    let [first, _, next] = ids_around_a_device_down(subject)?;
    subject.equal("the id", &first, &next)
}
