//! The cases of topic `events`: what devices that go down and modules that are unloaded do to
//! queued packets (EVT).

use crate::suite::{Case, CaseResult, Packet, Request, Subject};
use crate::world::Capability;
use crate::world::topology::{TAP0, TAP1};
use ipq_core::{Errno, Family, Verdict};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::kernel(
            "events/incoming-device-down",
            "A device going down drops the queued packets that name it as their incoming device",
            &["EVT-1"],
            incoming_device_down,
        )
        .needs(&[Capability::LinkState]),
        Case::kernel(
            "events/outgoing-device-down",
            "A device going down drops the queued packets that name it as their outgoing device",
            &["EVT-1"],
            outgoing_device_down,
        )
        .needs(&[Capability::LinkState]),
        Case::kernel(
            "events/other-device-down",
            "Another device's going down changes nothing",
            &["EVT-1"],
            other_device_down,
        )
        .needs(&[Capability::LinkState]),
        Case::kernel(
            "events/device-down-frees-the-oldest-first",
            "After a device went down and came up the next packet has the id of the youngest that it dropped",
            &["PKT-9"],
            device_down_frees_the_oldest_first,
        )
        .needs(&[Capability::IdReuse, Capability::LinkState]),
        Case::kernel(
            "events/module-unloaded",
            "Unloading the module drops all queued packets",
            &["EVT-2"],
            module_unloaded,
        )
        .needs(&[Capability::ModuleLoading]),
    ]
}

fn incoming_device_down(subject: &Subject) -> CaseResult {
    drops_what_is_queued(subject, TAP0.name)
}

fn outgoing_device_down(subject: &Subject) -> CaseResult {
    drops_what_is_queued(subject, TAP1.name)
}

fn other_device_down(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
    subject.set_link("lo", false)?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    socket.expect_nothing()
}

fn device_down_frees_the_oldest_first(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject_many(&Packet::udp4(), 2)?;
    socket.expect_packet()?;
    let youngest = socket.expect_packet()?.id();
    subject.set_link(TAP1.name, false)?;
    subject.set_link(TAP1.name, true)?;
    subject.inject(&Packet::udp4())?;
    subject.equal("the id", &youngest, &socket.expect_packet()?.id())
}

fn module_unloaded(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    subject.set_module(Family::Ipv4, false)?;
    subject.set_module(Family::Ipv4, true)?;
    let late = socket.request(&Request::verdict(packet.id(), Verdict::Accept))?;
    socket.expect_error(Errno::ENOENT, &late)?;
    subject.expect_not_forwarded()
}

/// Queues a packet from tap0 to tap1, and sets `device` down. Expects that the peer is sent
/// nothing, and that a verdict for the packet is refused with ENOENT.
fn drops_what_is_queued(subject: &Subject, device: &str) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    subject.set_link(device, false)?;
    socket.expect_nothing()?;
    let late = socket.request(&Request::verdict(packet.id(), Verdict::Accept))?;
    socket.expect_error(Errno::ENOENT, &late)
}
