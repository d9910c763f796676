//! Devices that go down, and modules that are unloaded (EVT).

use crate::capability::Capability;
use crate::case::Case;
use crate::packet::Packet;
use crate::request::Request;
use ipq_core::{Errno, Family, Verdict};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::kernel(
            "events/incoming-device-down",
            "A device going down drops the queued packets that name it as their incoming device",
            &["EVT-1"],
            |subject| {
                let socket = subject.attach(Family::Ipv4)?;
                subject.inject(&Packet::udp4())?;
                let packet = socket.expect_packet()?;
                subject.set_link("tap0", false)?;
                socket.expect_nothing()?;
                let late = socket.request(&Request::verdict(packet.id(), Verdict::Accept))?;
                socket.expect_error(Errno::ENOENT, &late)
            },
        )
        .needs(&[Capability::LinkState]),
        Case::kernel(
            "events/outgoing-device-down",
            "A device going down drops the queued packets that name it as their outgoing device",
            &["EVT-1"],
            |subject| {
                let socket = subject.attach(Family::Ipv4)?;
                subject.inject(&Packet::udp4())?;
                let packet = socket.expect_packet()?;
                subject.set_link("tap1", false)?;
                socket.expect_nothing()?;
                let late = socket.request(&Request::verdict(packet.id(), Verdict::Accept))?;
                socket.expect_error(Errno::ENOENT, &late)
            },
        )
        .needs(&[Capability::LinkState]),
        Case::kernel(
            "events/other-device-down",
            "Another device's going down changes nothing",
            &["EVT-1"],
            |subject| {
                let socket = subject.attach(Family::Ipv4)?;
                let sent = Packet::udp4();
                subject.inject(&sent)?;
                let packet = socket.expect_packet()?;
                subject.set_link("lo", false)?;
                socket.verdict(packet.id(), Verdict::Accept)?;
                subject.expect_forwarded(&sent)?;
                socket.expect_nothing()
            },
        )
        .needs(&[Capability::LinkState]),
        Case::kernel(
            "events/module-unloaded",
            "Unloading the module drops all queued packets",
            &["EVT-2"],
            |subject| {
                let socket = subject.attach(Family::Ipv4)?;
                subject.inject(&Packet::udp4())?;
                let packet = socket.expect_packet()?;
                subject.set_module(Family::Ipv4, false)?;
                subject.set_module(Family::Ipv4, true)?;
                let late = socket.request(&Request::verdict(packet.id(), Verdict::Accept))?;
                socket.expect_error(Errno::ENOENT, &late)?;
                subject.expect_not_forwarded()
            },
        )
        .needs(&[Capability::ModuleLoading]),
    ]
}
