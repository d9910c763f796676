//! Tests of a router's checks around the queue, and of packets that the host drops or takes.

use super::Lab;
use crate::books::{DropReason, Fate};
use crate::host::rules::Rule;
use crate::sample::{
    NEIGHBOUR, NEIGHBOUR_6, OTHER_NEIGHBOUR, OTHER_NEIGHBOUR_6, OWN, OWN_6, ipv4_with, later_fragment, udp,
};
use bytes::Bytes;
use ipq_core::{Errno, Family, Hook, Verdict};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::net::{Ipv4Addr, Ipv6Addr};

#[rstest]
#[case::one_left(1, false)]
#[case::none_left(0, false)]
#[case::two_left(2, true)]
fn a_packet_at_its_last_hop_passes_prerouting_and_no_further(
    #[values(Family::Ipv4, Family::Ipv6)] family: Family,
    #[case] hops: u8,
    #[case] forwarded: bool,
) {
    let mut lab = Lab::new(&[Rule::queue(family, Hook::Prerouting)]);
    let packet = match family {
        Family::Ipv4 => udp(NEIGHBOUR, OTHER_NEIGHBOUR, hops, 8),
        Family::Ipv6 => udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, hops, 8),
    };
    let serial = lab.kernel.inject_packet("tap0", &packet).unwrap();
    lab.answer(family, Verdict::Accept, &[]);
    let fate = lab.fate(serial);
    if forwarded {
        assert!(matches!(fate, Fate::Sent { .. }), "{fate:?}");
    } else {
        assert_eq!(fate, Fate::Dropped(DropReason::HopLimit));
    }
}

#[rstest]
#[case::as_long_as_the_mtu(&udp(NEIGHBOUR, OTHER_NEIGHBOUR, 63, 1472), Ok(1))]
#[case::longer(&ipv4_with(|header| header.dont_fragment = true, 1473), Err(DropReason::TooLong))]
#[case::longer_and_divisible(&udp(NEIGHBOUR, OTHER_NEIGHBOUR, 63, 3000), Ok(3))]
fn a_packet_that_grew_at_forward_leaves_in_fragments_if_it_may(
    #[case] replacement: &[u8],
    #[case] expected: Result<usize, DropReason>,
) {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv4, Hook::Forward)]);
    let serial = lab.enter(Family::Ipv4, Hook::Forward);
    lab.answer(Family::Ipv4, Verdict::Accept, replacement);
    let seen = match lab.fate(serial) {
        Fate::Sent { frames, .. } => Ok(frames.len()),
        Fate::Dropped(reason) => Err(reason),
        other => panic!("{other:?}"),
    };
    assert_eq!(seen, expected);
    assert_eq!(lab.left("tap1").len(), expected.unwrap_or(0));
}

#[test]
fn a_longer_ipv6_packet_is_dropped() {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv6, Hook::Forward)]);
    let serial = lab.enter(Family::Ipv6, Hook::Forward);
    let grown = udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, 63, 1453);
    lab.answer(Family::Ipv6, Verdict::Accept, &grown);
    assert_eq!(lab.fate(serial), Fate::Dropped(DropReason::TooLong));
}

#[rstest]
#[case::as_long_as_the_mtu(ipv4_with(|header| header.dont_fragment = true, 1472), Fate::Queued)]
#[case::longer(ipv4_with(|header| header.dont_fragment = true, 1473), Fate::Dropped(DropReason::TooLong))]
#[case::longer_and_divisible(udp(NEIGHBOUR, OTHER_NEIGHBOUR, 64, 1473), Fate::Queued)]
#[case::as_long_as_the_mtu_6(udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, 64, 1452), Fate::Queued)]
#[case::longer_6(udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, 64, 1453), Fate::Dropped(DropReason::TooLong))]
#[case::much_longer_6(udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, 64, 1480), Fate::Dropped(DropReason::TooLong))]
fn what_arrives_over_the_mtu_and_may_not_be_divided_never_sees_forward(#[case] packet: Bytes, #[case] expected: Fate) {
    let mut lab = Lab::new(&Family::ALL.map(|family| Rule::queue(family, Hook::Forward)));
    let serial = lab.kernel.inject_packet("tap0", &packet).unwrap();
    assert_eq!(lab.fate(serial), expected);
}

#[test]
fn fragments_are_queued_one_by_one() {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv4, Hook::Forward).protocol(17)]);
    for packet in [udp(NEIGHBOUR, OTHER_NEIGHBOUR, 64, 8), later_fragment()] {
        lab.kernel.inject_packet("tap0", &packet).unwrap();
    }
    assert_eq!(lab.kernel.queue_length(Family::Ipv4), Some(2));
}

#[rstest]
#[case::for_another([2, 0, 0, 0, 0x30, 9], Family::Ipv4, DropReason::OtherHost)]
#[case::to_be_forwarded_for_all([0xff; 6], Family::Ipv4, DropReason::OtherHost)]
#[case::to_be_forwarded_for_a_group([0x33, 0x33, 0, 0, 0, 1], Family::Ipv6, DropReason::OtherHost)]
fn a_frame_for_others_is_not_forwarded(
    #[case] destination: [u8; 6],
    #[case] family: Family,
    #[case] expected: DropReason,
) {
    let mut lab = Lab::new(&[]);
    let (packet, ether_type) = match family {
        Family::Ipv4 => (udp(NEIGHBOUR, OTHER_NEIGHBOUR, 64, 8), [8, 0]),
        Family::Ipv6 => (udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, 64, 8), [0x86, 0xdd]),
    };
    let frame = [&destination[..], &[2, 0, 0, 0, 0x20, 1], &ether_type, &packet].concat();
    let serial = lab.kernel.inject("tap0", frame).unwrap();
    assert_eq!(lab.fate(serial), Fate::Dropped(expected));
}

#[test]
fn a_broadcast_for_this_host_is_taken() {
    let mut lab = Lab::new(&[]);
    let packet = udp(NEIGHBOUR, Ipv4Addr::BROADCAST, 1, 8);
    let frame = [&[0xff; 6][..], &[2, 0, 0, 0, 0x20, 1], &[8, 0], &packet].concat();
    let serial = lab.kernel.inject("tap0", frame).unwrap();
    assert_eq!(lab.fate(serial), Fate::DeliveredHere(packet));
}

#[rstest]
#[case::neighbour_unknown(udp(OWN, Ipv4Addr::new(10, 2, 0, 77), 64, 8), DropReason::NoNeighbour)]
#[case::no_route(udp(OWN, Ipv4Addr::new(192, 0, 2, 1), 64, 8), DropReason::NoRoute)]
#[case::neighbour_unknown_6(
    udp(OWN_6, Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 0x77), 64, 8),
    DropReason::NoNeighbour
)]
fn what_can_not_leave_is_dropped_for_a_reason(#[case] packet: Bytes, #[case] expected: DropReason) {
    let mut lab = Lab::new(&[]);
    let serial = lab.kernel.output(packet).unwrap();
    assert_eq!(lab.fate(serial), Fate::Dropped(expected));
}

#[test]
fn a_device_going_down_takes_what_names_it_and_nothing_else() {
    let hooks = [Hook::Prerouting, Hook::Forward, Hook::Input, Hook::Postrouting];
    let mut fates = Vec::new();
    for hook in hooks {
        let mut lab = Lab::new(&[Rule::queue(Family::Ipv4, hook)]);
        let serial = lab.enter(Family::Ipv4, hook);
        lab.kernel.set_link("tap1", false).unwrap();
        let (metadata, _) = lab.packet(Family::Ipv4);
        lab.give(Family::Ipv4, metadata.packet_id, Verdict::Drop, &[]);
        fates.push((lab.fate(serial), lab.next(Family::Ipv4).map(Result::err)));
    }
    let gone = (Fate::Dropped(DropReason::DeviceDown), Some(Some(Errno::ENOENT)));
    let answered = (Fate::Dropped(DropReason::Verdict), None);
    assert_eq!(fates, [answered.clone(), gone.clone(), answered, gone]);
}

#[test]
fn a_module_that_is_not_loaded_queues_nothing() {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv4, Hook::Forward)]);
    let queued = lab.enter(Family::Ipv4, Hook::Forward);
    lab.kernel.unload(Family::Ipv4);
    let late = lab.enter(Family::Ipv4, Hook::Forward);
    for serial in [queued, late] {
        assert_eq!(lab.fate(serial), Fate::Dropped(DropReason::ModuleUnloaded));
    }
    let socket = lab.sockets[Family::Ipv4];
    assert_eq!(lab.kernel.send(socket, &[0; 16]), Err(Errno::ECONNREFUSED));
}
