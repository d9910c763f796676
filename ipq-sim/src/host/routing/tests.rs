use super::super::network::Device;
use super::*;
use crate::sample::{NEIGHBOUR, NEIGHBOUR_6, packet, udp};
use pretty_assertions::assert_eq;
use rstest::rstest;

/// Returns devices with several networks, one of which lies within another.
fn network() -> Network {
    let devices = vec![
        Device::ethernet("tap0", [2, 0, 0, 0, 0x10, 1])
            .address(Ipv4Addr::new(10, 1, 0, 1), 24)
            .address(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1), 64),
        Device::ethernet("tap1", [2, 0, 0, 0, 0x10, 2])
            .address(Ipv4Addr::new(10, 2, 0, 1), 16)
            .address(Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 1), 48),
        Device::ethernet("tap2", [2, 0, 0, 0, 0x10, 3])
            .address(Ipv4Addr::new(10, 2, 9, 1), 24)
            .address(Ipv4Addr::new(192, 0, 2, 1), 31),
    ];
    Network::new(devices).unwrap()
}

/// Returns what happens to an arriving packet: the name of the device that it leaves by, "here", or
/// the reason to drop it.
fn routed(network: &Network, source: impl Into<IpAddr>, destination: impl Into<IpAddr>) -> String {
    match of_arriving(network, &packet(udp(source, destination, 64, 0))) {
        Ok(Route::Local) => "here".to_owned(),
        Ok(Route::Via(device)) => network.name(Some(device)).to_string(),
        Err(reason) => reason.to_string(),
    }
}

#[rstest]
#[case::another_network([10, 2, 0, 9], "tap1")]
#[case::the_longer_prefix([10, 2, 9, 9], "tap2")]
#[case::back_where_it_came_from([10, 1, 0, 9], "tap0")]
#[case::own([10, 1, 0, 1], "here")]
#[case::own_of_another_device([10, 2, 9, 1], "here")]
#[case::broadcast_of_a_network([10, 1, 0, 255], "here")]
#[case::the_network_itself([10, 1, 0, 0], "here")]
#[case::broadcast_of_the_wider([10, 2, 255, 255], "here")]
#[case::no_broadcast_in_the_wider([10, 2, 0, 255], "tap1")]
#[case::networks_of_two_have_no_broadcast([192, 0, 2, 0], "tap2")]
#[case::everybody([255, 255, 255, 255], "here")]
#[case::all_hosts([224, 0, 0, 1], "here")]
#[case::another_group([224, 0, 0, 9], "no route")]
#[case::elsewhere([198, 51, 100, 1], "no route")]
#[case::loopback([127, 0, 0, 1], "impossible address")]
#[case::network_zero([0, 0, 0, 1], "impossible address")]
#[case::nobody([0, 0, 0, 0], "impossible address")]
fn an_ipv4_packet_goes_by_its_destination(#[case] destination: [u8; 4], #[case] expected: &str) {
    assert_eq!(routed(&network(), NEIGHBOUR, Ipv4Addr::from(destination)), expected);
}

#[rstest]
#[case::loopback([127, 0, 0, 1])]
#[case::own([10, 1, 0, 1])]
#[case::broadcast([255, 255, 255, 255])]
#[case::broadcast_of_a_network([10, 1, 0, 255])]
#[case::group([224, 0, 0, 1])]
#[case::network_zero([0, 1, 2, 3])]
fn no_ipv4_packet_comes_from_there(#[case] source: [u8; 4]) {
    let source = Ipv4Addr::from(source);
    assert_eq!(
        routed(&network(), source, Ipv4Addr::new(10, 2, 0, 9)),
        "impossible address"
    );
}

#[test]
fn whoever_has_no_address_yet_may_ask_everybody_and_nobody_else() {
    let network = network();
    let nobody = Ipv4Addr::UNSPECIFIED;
    assert_eq!(routed(&network, nobody, Ipv4Addr::BROADCAST), "here");
    assert_eq!(routed(&network, nobody, nobody), "here");
    assert_eq!(routed(&network, nobody, Ipv4Addr::new(224, 0, 0, 1)), "here");
    assert_eq!(
        routed(&network, nobody, Ipv4Addr::new(10, 2, 0, 9)),
        "impossible address"
    );
}

#[rstest]
fn what_this_host_sends_to_all_does_not_come_to_it(
    #[values([10, 1, 0, 1], [10, 1, 0, 255])] source: [u8; 4],
    #[values([255, 255, 255, 255], [224, 0, 0, 1])] destination: [u8; 4],
) {
    let [source, destination] = [source, destination].map(Ipv4Addr::from);
    assert_eq!(routed(&network(), source, destination), "impossible address");
}

#[rstest]
#[case::another_network("fd00:2:0:7::9", "tap1")]
#[case::own("fd00:1::1", "here")]
#[case::all_nodes("ff02::1", "here")]
#[case::all_routers("ff02::2", "here")]
#[case::another_group("ff02::9", "no route")]
#[case::elsewhere("2001:db8::1", "no route")]
#[case::nobody("::", "no route")]
fn an_ipv6_packet_goes_by_its_destination(#[case] destination: Ipv6Addr, #[case] expected: &str) {
    assert_eq!(routed(&network(), NEIGHBOUR_6, destination), expected);
}

#[rstest]
#[case::nobody("::")]
#[case::loopback("::1")]
#[case::this_link_alone("fe80::1")]
fn an_ipv6_packet_from_there_may_arrive_and_not_be_forwarded(#[case] source: Ipv6Addr) {
    let network = network();
    let [own, other] = [1, 2].map(|number| Ipv6Addr::new(0xfd00, number, 0, 0, 0, 0, 0, number));
    assert_eq!(routed(&network, source, own), "here");
    assert_eq!(routed(&network, source, other), "impossible address");
}

#[test]
fn a_device_that_is_down_has_no_network() {
    let mut network = network();
    let down = network.by_name("tap2").unwrap();
    network.set_up(down, false);
    assert_eq!(routed(&network, NEIGHBOUR, Ipv4Addr::new(10, 2, 9, 9)), "tap1");
    assert_eq!(routed(&network, NEIGHBOUR, Ipv4Addr::new(10, 2, 9, 255)), "tap1");
    network.set_up(down, true);
    assert_eq!(routed(&network, NEIGHBOUR, Ipv4Addr::new(10, 2, 9, 9)), "tap2");
    assert_eq!(routed(&network, NEIGHBOUR, Ipv4Addr::new(10, 2, 9, 255)), "here");
}

#[test]
fn a_device_that_is_down_loses_its_ipv6_address_alone() {
    let mut network = network();
    let down = network.by_name("tap1").unwrap();
    network.set_up(down, false);
    assert_eq!(routed(&network, NEIGHBOUR, Ipv4Addr::new(10, 2, 0, 1)), "here");
    let own = Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 1);
    assert_eq!(routed(&network, NEIGHBOUR_6, own), "no route");
    network.set_up(down, true);
    assert_eq!(routed(&network, NEIGHBOUR_6, own), "here");
}

#[test]
fn packets_of_one_flow_change_their_route_with_the_devices() {
    let mut network = network();
    let device = network.by_name("tap2").unwrap();
    let mut found = Vec::new();
    for up in [true, false, true] {
        network.set_up(device, up);
        for _ in 0..2 {
            found.push(routed(&network, NEIGHBOUR, Ipv4Addr::new(10, 2, 9, 9)));
        }
    }
    assert_eq!(found, ["tap2", "tap2", "tap1", "tap1", "tap2", "tap2"]);
    // The other direction of the flow has a route of its own.
    assert_eq!(routed(&network, Ipv4Addr::new(10, 2, 9, 9), NEIGHBOUR), "tap0");
}
