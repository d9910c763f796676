//! Tests of packets that a verdict changes.

use super::Lab;
use crate::books::{DropReason, Fate};
use crate::host::rules::Rule;
use crate::sample::{NEIGHBOUR, OWN, udp};
use ipq_core::{Family, Hook, Verdict};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::net::Ipv4Addr;

#[rstest]
#[case::another_address(&udp(NEIGHBOUR, OWN, 64, 8), "here")]
#[case::no_way_there(&udp(NEIGHBOUR, Ipv4Addr::new(192, 0, 2, 1), 64, 8), "no route")]
#[case::garbage(&[0xff; 20], "impossible address")]
#[case::zeros(&[0; 20], "here")]
fn a_replacement_at_prerouting_is_routed_by_its_own_addresses(#[case] replacement: &[u8], #[case] expected: &str) {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv4, Hook::Prerouting)]);
    let serial = lab.enter(Family::Ipv4, Hook::Prerouting);
    lab.answer(Family::Ipv4, Verdict::Accept, replacement);
    let seen = match lab.fate(serial) {
        Fate::DeliveredHere(packet) => {
            assert_eq!(packet, replacement, "nothing of it was mended");
            "here".into()
        }
        Fate::Dropped(reason) => reason.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(seen, expected);
}

#[rstest]
#[case::accept_elsewhere(Verdict::Accept, &udp(OWN, NEIGHBOUR, 64, 8), "tap0")]
#[case::accept_nowhere(Verdict::Accept, &udp(OWN, Ipv4Addr::new(192, 0, 2, 1), 64, 8), "no route after a change at OUTPUT")]
#[case::accept_to_itself(Verdict::Accept, &udp(OWN, OWN, 64, 8), "here")]
#[case::stop_keeps_the_route(Verdict::Stop, &udp(OWN, NEIGHBOUR, 64, 8), "tap1")]
fn a_change_at_output_is_routed_again_after_accept(
    #[case] verdict: Verdict,
    #[case] replacement: &[u8],
    #[case] expected: &str,
) {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv4, Hook::Output)]);
    let serial = lab.enter(Family::Ipv4, Hook::Output);
    lab.answer(Family::Ipv4, verdict, replacement);
    let seen = match lab.fate(serial) {
        Fate::Sent { device, .. } => device.to_string(),
        Fate::DeliveredHere(_) => "here".into(),
        Fate::Dropped(reason) => reason.to_string(),
        Fate::Queued => "queued".into(),
    };
    assert_eq!(seen, expected);
}

#[test]
fn a_requeue_at_output_is_where_a_change_is_measured_from() {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv4, Hook::Output)]);
    let serial = lab.enter(Family::Ipv4, Hook::Output);
    lab.answer(Family::Ipv4, Verdict::Queue, &udp(OWN, NEIGHBOUR, 64, 8));
    lab.answer(Family::Ipv4, Verdict::Accept, &[]);
    let Fate::Sent { device, .. } = lab.fate(serial) else {
        panic!("it left");
    };
    assert_eq!(
        device.to_string(),
        "tap1",
        "nothing changed since it was queued the second time"
    );
}

#[rstest]
#[case::shorter_than_a_header(19, 36)]
#[case::a_header(20, 20)]
#[case::longer(100, 100)]
#[case::the_longest(65_535, 65_535)]
fn a_replacement_counts_from_the_fixed_header_on(#[case] replacement: usize, #[case] expected: usize) {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv4, Hook::Input)]);
    lab.enter(Family::Ipv4, Hook::Input);
    lab.answer(Family::Ipv4, Verdict::Queue, &vec![0x45; replacement]);
    assert_eq!(lab.packet(Family::Ipv4).1.len(), expected);
}

#[test]
fn a_replacement_that_grows_a_packet_beyond_65535_bytes_drops_it_and_is_no_error() {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv4, Hook::Input)]);
    let serial = lab.enter(Family::Ipv4, Hook::Input);
    lab.answer(Family::Ipv4, Verdict::Accept, &vec![0x45; 65_536]);
    assert_eq!(lab.fate(serial), Fate::Dropped(DropReason::ReplacementTooLong));
    assert!(lab.next(Family::Ipv4).is_none());
}
