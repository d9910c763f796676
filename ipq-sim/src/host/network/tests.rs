use super::*;
use pretty_assertions::assert_eq;

#[test]
fn as_many_devices_as_there_can_be_are_told_apart() {
    assert_eq!(DeviceId::at(0), DeviceId::LOOPBACK);
    for index in [0, 1, DeviceId::MANY - 2, DeviceId::MANY - 1] {
        assert_eq!(DeviceId::at(index).index(), index);
    }
}

#[test]
fn packets_of_one_flow_leave_to_another_neighbour_when_devices_change() {
    let devices = [
        Device::ethernet("wide", [1; 6])
            .address(Ipv4Addr::new(10, 0, 0, 1), 8)
            .gateway([7; 6]),
        Device::ethernet("narrow", [2; 6])
            .address(Ipv4Addr::new(10, 1, 0, 1), 24)
            .gateway([8; 6]),
    ];
    let mut network = Network::new(devices.into()).unwrap();
    let [wide, narrow] = ["wide", "narrow"].map(|name| network.by_name(name).unwrap());
    let broadcast = IpAddr::from([10, 1, 0, 255]);
    let mut found = Vec::new();
    for up in [true, false, true] {
        network.set_up(narrow, up);
        for _ in 0..2 {
            found.push(network.next_hop(wide, broadcast).unwrap()[0]);
        }
    }
    assert_eq!(found, [0xff, 0xff, 7, 7, 0xff, 0xff]);
    let other = IpAddr::from([10, 1, 0, 2]);
    let of_each = [(wide, other), (narrow, other), (wide, broadcast)].map(|(device, to)| network.next_hop(device, to));
    assert_eq!(of_each, [Some([7; 6]), Some([8; 6]), Some([0xff; 6])]);
}
