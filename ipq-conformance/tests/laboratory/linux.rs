mod accounting;
#[path = "../support/in_a_laboratory.rs"]
mod in_a_laboratory;
mod reasons;

use in_a_laboratory::Test;
use ipq_conformance::laboratory::{Laboratory, LaboratoryError, Place, Queues};
use ipq_conformance::suite::Packet;
use ipq_conformance::world::topology::{TAP0, TAP1};
use ipq_conformance::world::{Protocol, Rule, Table};
use ipq_core::{Family, Hook};
use libtest_mimic::Trial;
use std::process::ExitCode;

const TESTS: &[Test<Laboratory, Result<(), LaboratoryError>>] = &[
    ("forwards-between-the-neighbours", forwards_between_the_neighbours),
    ("carries-a-thousand-frames-in-order", carries_a_thousand_frames_in_order),
    ("takes-frames-over-the-mtu", takes_frames_over_the_mtu),
    ("keeps-quiet-about-packets-that-end", keeps_quiet_about_packets_that_end),
    ("queues-what-a-rule-says", queues_what_a_rule_says),
    ("comes-back-after-a-device-was-down", comes_back_after_a_device_was_down),
    ("sends-what-the-host-sends", sends_what_the_host_sends),
    ("accounts-for-every-packet", accounting::accounts_for_every_packet),
];

pub(crate) fn main() -> ExitCode {
    ipq_conformance::worlds::serve_if_asked();
    let suite = Trial::ignorable_test("exceptions-have-few-reasons", reasons::exceptions_have_few_reasons);
    in_a_laboratory::main(set_up, TESTS, vec![suite])
}

fn set_up() -> Result<Laboratory, LaboratoryError> {
    let laboratory = Laboratory::set_up(Place::Private)?;
    laboratory.set_rules(&[], QUEUES).expect("the laboratory works");
    Ok(laboratory)
}

const QUEUES: Queues = Queues::Numbered { ipv4: 4, ipv6: 6 };

/// Makes the packet arrive, and checks that it is forwarded.
fn expect_forwarded(laboratory: &mut Laboratory, packet: &Packet) -> Result<(), LaboratoryError> {
    laboratory
        .inject(TAP0.name, &packet.frame(), 1)?
        .expect("the device takes it");
    let left = laboratory.sniff(TAP1.name)?;
    assert_eq!(left.as_deref(), Some(&packet.forwarded().frame()[..]));
    Ok(())
}

fn forwards_between_the_neighbours(laboratory: &mut Laboratory) -> Result<(), LaboratoryError> {
    for packet in [Packet::udp4(), Packet::udp6()] {
        expect_forwarded(laboratory, &packet)?;
    }
    assert_eq!(laboratory.sniff(TAP0.name)?, None);
    assert_eq!(laboratory.sniff(TAP1.name)?, None);
    Ok(())
}

fn carries_a_thousand_frames_in_order(laboratory: &mut Laboratory) -> Result<(), LaboratoryError> {
    for number in 0..1000 {
        expect_forwarded(laboratory, &Packet::udp4().identification(number))?;
    }
    Ok(())
}

fn takes_frames_over_the_mtu(laboratory: &mut Laboratory) -> Result<(), LaboratoryError> {
    let long = Packet::udp4().payload(vec![0x5a; 2000]);
    laboratory
        .inject(TAP0.name, &long.frame(), 1)?
        .expect("the device takes it");
    let mut fragments = 0;
    while let Some(frame) = laboratory.sniff(TAP1.name)? {
        assert!(frame.len() <= 14 + 1500, "{} bytes", frame.len());
        fragments += 1;
    }
    assert_eq!(fragments, 2);
    Ok(())
}

fn keeps_quiet_about_packets_that_end(laboratory: &mut Laboratory) -> Result<(), LaboratoryError> {
    for packet in [Packet::udp4(), Packet::udp6()] {
        laboratory
            .inject(TAP0.name, &packet.ttl(1).frame(), 1)?
            .expect("the device takes it");
        assert_eq!(laboratory.sniff(TAP0.name)?, None, "no neighbour is told");
        assert_eq!(laboratory.sniff(TAP1.name)?, None);
    }
    Ok(())
}

fn queues_what_a_rule_says(laboratory: &mut Laboratory) -> Result<(), LaboratoryError> {
    let rule = |family| Rule::queue(family, Table::Filter, Hook::Forward, Some(Protocol::UDP));
    laboratory.set_rules(&Family::ALL.map(rule), QUEUES)?;
    for packet in [Packet::udp4(), Packet::udp6()] {
        // Nobody listens to the queue, so a packet that goes there is dropped.
        laboratory
            .inject(TAP0.name, &packet.frame(), 1)?
            .expect("the device takes it");
        assert_eq!(laboratory.sniff(TAP1.name)?, None);
        expect_forwarded(laboratory, &packet.protocol(253))?;
    }
    laboratory.set_rules(&[], QUEUES)?;
    expect_forwarded(laboratory, &Packet::udp4())
}

fn comes_back_after_a_device_was_down(laboratory: &mut Laboratory) -> Result<(), LaboratoryError> {
    for name in [TAP0.name, TAP1.name] {
        laboratory.set_link(name, false)?;
        laboratory.set_link(name, true)?;
    }
    laboratory.set_link(TAP0.name, false)?;
    let lost = laboratory.inject(TAP0.name, &Packet::udp4().frame(), 1)?;
    lost.expect("it is lost in silence");
    assert_eq!(laboratory.sniff(TAP1.name)?, None);
    laboratory.set_link(TAP0.name, true)?;
    forwards_between_the_neighbours(laboratory)
}

fn sends_what_the_host_sends(laboratory: &mut Laboratory) -> Result<(), LaboratoryError> {
    for packet in [Packet::udp4(), Packet::udp6()] {
        laboratory.output(&packet.ip())?;
        let left = laboratory.sniff(TAP1.name)?.expect("it leaves to the neighbour");
        assert_eq!(left[14..], packet.ip()[..]);
    }
    Ok(())
}
