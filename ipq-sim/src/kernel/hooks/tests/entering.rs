//! Tests of packets that enter at a hook, and of arriving packets that are dropped before they come
//! to one or at it.

use super::Lab;
use crate::books::{DropReason, Fate};
use crate::host::rules::Rule;
use crate::kernel::EntryPoint;
use crate::per_family::PerFamily;
use crate::sample::{NEIGHBOUR, NEIGHBOUR_6, OTHER_NEIGHBOUR, OTHER_NEIGHBOUR_6, OWN, ipv4_with, udp};
use ipq_core::{Family, Hook};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::net::Ipv6Addr;

#[rstest]
#[case(Hook::Prerouting, "tap0", "", 1, PerFamily::new(0x0800, 0x86dd), 64)]
#[case(Hook::Input, "tap0", "", 1, PerFamily::new(0x0800, 0x86dd), 64)]
#[case(Hook::Forward, "tap0", "tap1", 1, PerFamily::new(0x0800, 0x86dd), 63)]
#[case(Hook::Output, "", "tap1", 0, PerFamily::new(0, 0), 64)]
#[case(Hook::Postrouting, "", "tap1", 0, PerFamily::new(0x0800, 0), 64)]
fn a_packet_looks_as_if_it_had_come_to_its_hook_in_the_ordinary_way(
    #[values(Family::Ipv4, Family::Ipv6)] family: Family,
    #[case] hook: Hook,
    #[case] indev: &str,
    #[case] outdev: &str,
    #[case] hw_type: u16,
    #[case] ether_types: PerFamily<u16>,
    #[case] hops: u8,
) {
    let mut lab = Lab::new(&[Rule::queue(family, hook)]);
    let packet = match family {
        Family::Ipv4 => udp(NEIGHBOUR, OTHER_NEIGHBOUR, 64, 8),
        Family::Ipv6 => udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, 64, 8),
    };
    let entrance = EntryPoint {
        hook,
        incoming: "tap0",
        outgoing: "tap1",
        link_header: None,
    };
    lab.kernel.enter_at(entrance, packet).unwrap();
    let (metadata, packet) = lab.packet(family);
    assert_eq!(metadata.hook, hook);
    assert_eq!(
        (metadata.indev_name.to_string(), metadata.outdev_name.to_string()),
        (indev.into(), outdev.into())
    );
    assert_eq!(
        (metadata.hw_type, metadata.hw_protocol.0),
        (hw_type, ether_types[family])
    );
    assert_eq!(metadata.timestamp.is_unset(), indev.is_empty());
    assert_eq!(packet[if family == Family::Ipv4 { 8 } else { 7 }], hops);
}

#[rstest]
#[case::the_first(true, 0)]
#[case::the_last(false, 2)]
fn an_ipv4_fragment_for_this_host_does_not_come_to_input_by_itself(#[case] more: bool, #[case] offset: u16) {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv4, Hook::Input)]);
    let fragment = ipv4_with(
        |header| {
            header.destination = OWN.octets();
            header.more_fragments = more;
            header.fragment_offset = offset.try_into().unwrap();
        },
        16,
    );
    let serial = lab.kernel.inject_packet("tap0", &fragment).unwrap();
    assert_eq!(lab.fate(serial), Fate::Dropped(DropReason::Unassembled));
}

#[test]
fn what_another_host_sends_to_the_loopback_address_comes_to_no_hook() {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv6, Hook::Prerouting)]);
    let packet = udp(NEIGHBOUR_6, Ipv6Addr::LOCALHOST, 64, 8);
    let serial = lab.kernel.inject_packet("tap0", &packet).unwrap();
    assert_eq!(lab.fate(serial), Fate::Dropped(DropReason::Martian));
}

#[test]
fn a_rule_that_asks_for_a_protocol_drops_what_does_not_say_it() {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv6, Hook::Forward).protocol(17)]);
    let mut packet = udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, 64, 0).to_vec();
    packet[6] = 44;
    packet[40..].copy_from_slice(&[60, 0, 0, 9, 0, 0, 0, 1]);
    let serial = lab.kernel.inject_packet("tap0", &packet).unwrap();
    assert_eq!(lab.fate(serial), Fate::Dropped(DropReason::Malformed));
}
