//! Tests programs of a distribution that use a queue.

use crate::c_library::{missing_optional, skipped};
use crate::launching::can_launch;
use crate::running::{PACKETS, accepted, all_packets, dropped, read_capture, run};
use etherparse::PacketBuilder;
use pretty_assertions::assert_eq;

/// Returns `true` if a tool is installed and programs can be launched. Otherwise says that a test
/// is skipped, and, if the tool is missing, which Debian `package` has it.
fn have(tool: &str, package: &str) -> bool {
    let missing = missing_optional(tool, &["--version"]);
    let reason = missing.map(|reason| format!("{reason}: apt-get install {package}"));
    !skipped(reason) && can_launch()
}

#[test]
fn tcpdump_sees_each_packet_by_libpcaps_device_and_lets_it_through() {
    if !have("tcpdump", "tcpdump") {
        return;
    }
    let ran = run(
        "tcpdump",
        &all_packets(),
        &[],
        &["tcpdump", "-i", "nfqueue:7", "-w", "seen.pcap"],
    );
    let fates = (0..PACKETS).map(|_| accepted(None)).collect::<Vec<_>>();
    ran.assert(&fates, &all_packets());
    assert_eq!(read_capture(&ran.place.join("seen.pcap")), all_packets());
    assert!(ran.errors.contains("240 packets captured\n"), "{}", ran.errors);
}

/// The number of bytes of a BOOTP message before its options.
const BEFORE_OPTIONS: usize = 236;
/// The number of bytes of the shortest BOOTP message.
const SHORTEST: usize = 300;

/// The DHCP option with a host's name that dhcpoptinj adds.
const NAME: &[u8] = b"\x0c\x06fjaseh";

/// Returns a DHCP packet with these options, and with the number as its transaction id.
fn dhcp(number: u32, options: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![0; BEFORE_OPTIONS];
    message[..3].copy_from_slice(&[1, 1, 6]);
    message[4..8].copy_from_slice(&number.to_be_bytes());
    message.extend([0x63, 0x82, 0x53, 0x63, 53, 1, 1]);
    message.extend(options.concat());
    message.push(0xff);
    message.resize(message.len().max(SHORTEST), 0);
    udp(68, 67, &message)
}

fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4([0; 4], [255; 4], 64)
        .udp(source, destination)
        .write(&mut packet, payload)
        .unwrap();
    packet
}

/// Returns a vendor's DHCP option, so long that the message needs no padding.
fn long_option(number: u32) -> Vec<u8> {
    let mut option = vec![43, 100];
    option.resize(102, number as u8);
    option
}

/// Returns the packet with UDP checksum 0, as dhcpoptinj sends it on.
fn without_checksum(mut packet: Vec<u8>) -> Vec<u8> {
    packet[26..28].fill(0);
    packet
}

#[test]
fn dhcpoptinj_adds_its_option_to_each_message_that_has_none() {
    if !have("dhcpoptinj", "dhcpoptinj") {
        return;
    }
    let packets = (0..PACKETS).map(|number| match number % 4 {
        0 => udp(4000, 53, &number.to_be_bytes()),
        1 => dhcp(number, &[]),
        2 => dhcp(number, &[&long_option(number)]),
        _ => dhcp(number, &[NAME]),
    });
    let packets = packets.collect::<Vec<_>>();
    let fates = (0..PACKETS).map(|number| match number % 4 {
        3 => dropped(),
        _ => accepted(None),
    });
    let out = (0..PACKETS).filter(|number| number % 4 != 3);
    let out = out.map(|number| match number % 4 {
        0 => packets[number as usize].clone(),
        1 => without_checksum(dhcp(number, &[NAME])),
        _ => without_checksum(dhcp(number, &[&long_option(number), NAME])),
    });
    let ran = run(
        "dhcpoptinj",
        &packets,
        &[],
        &["dhcpoptinj", "-f", "-q", "42", "-o", "0C 66 6A 61 73 65 68"],
    );
    ran.assert(&fates.collect::<Vec<_>>(), &out.collect::<Vec<_>>());
}
