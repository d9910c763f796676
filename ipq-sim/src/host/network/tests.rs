use super::*;
use pretty_assertions::assert_eq;

#[test]
fn as_many_devices_as_there_can_be_are_told_apart() {
    assert_eq!(DeviceId::at(0), DeviceId::LOOPBACK);
    for index in [0, 1, DeviceId::MANY - 2, DeviceId::MANY - 1] {
        assert_eq!(DeviceId::at(index).index(), index);
    }
}
