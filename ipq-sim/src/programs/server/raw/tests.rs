//! The packets that raw sockets make. The expected packets were captured on Linux 6.18, on a
//! machine with the emulator's source addresses. Where a kernel chooses a number, IPv4's
//! identification (on which the checksum depends) or IPv6's flow label, they have the number that
//! the emulator chooses.

use super::*;
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use rstest::rstest;

const SOL_SOCKET: i32 = 1;
const SOL_IP: i32 = 0;
const SOL_IPV6: i32 = 41;

fn opened(domain: i32, protocol: i32) -> RawSocket {
    RawSocket::open(domain, SOCK_RAW, protocol).unwrap()
}

/// Sets an option to a number.
fn set(socket: &mut RawSocket, level: i32, name: i32, value: i32) {
    socket.set_option(level, name, &value.to_ne_bytes()).unwrap();
}

/// `struct sockaddr_in` of 10.9.8.7.
fn to_ipv4() -> Vec<u8> {
    let mut address = (AF_INET as u16).to_ne_bytes().to_vec();
    address.extend([0, 0, 10, 9, 8, 7]);
    address.resize(16, 0);
    address
}

/// `struct sockaddr_in6` of `2001:db8:9::1`.
fn to_ipv6() -> Vec<u8> {
    let mut address = (AF_INET6 as u16).to_ne_bytes().to_vec();
    address.extend([0; 6]);
    address.extend(hex::decode("20010db8000900000000000000000001").unwrap());
    address.resize(28, 0);
    address
}

/// `struct sockaddr_ll` of the device 2, for this protocol.
fn to_device(ether_type: u16) -> Vec<u8> {
    let mut address = (AF_PACKET as u16).to_ne_bytes().to_vec();
    address.extend(ether_type.to_be_bytes());
    address.extend(2_i32.to_ne_bytes());
    address.extend([0, 0, 0, 6]);
    address.resize(20, 0);
    address
}

/// Sends `bytes`, given in hexadecimal digits, to an address. Returns the bytes that leave, in such
/// digits, too.
fn sent(socket: &mut RawSocket, bytes: &str, address: &[u8]) -> Result<String, Errno> {
    let packet = socket.send(hex::decode(bytes).unwrap(), Some(address), 0)?;
    Ok(hex::encode(packet.bytes))
}

#[rstest]
#[case::all_filled_in(
    "450000070000000009111234000000000a09080778797a",
    "4500001700010000091 1ddc4c00002010a09080778797a"
)]
#[case::no_number_where_none_is_needed(
    "450000070000400009111234000000000a09080778797a",
    "450000170000400009119dc5c00002010a09080778797a"
)]
#[case::number_and_source_kept(
    "45000007004d000009111234010203040a09080778797a",
    "45000017004d000009119b74010203040a09080778797a"
)]
#[case::another_version(
    "650000070001000009111234000000000a09080778797a",
    "6500001700010000091 1bdc4c00002010a09080778797a"
)]
fn a_header_of_ipv4_is_completed(#[case] given: &str, #[case] expected: &str) {
    let mut socket = opened(AF_INET, 255);
    assert_eq!(sent(&mut socket, given, &to_ipv4()), Ok(expected.replace(' ', "")));
}

#[test]
fn a_header_of_ipv4_is_made_as_the_options_say() {
    let mut socket = opened(AF_INET, 1);
    let mut answer = || sent(&mut socket, "01020304", &to_ipv4()).unwrap();
    assert_eq!(
        answer(),
        "450000180001400040 0166d3c00002010a09080701020304".replace(' ', "")
    );
    set(&mut socket, SOL_IP, 2, 33);
    set(&mut socket, SOL_IP, 1, 0x10);
    set(&mut socket, SOL_IP, 10, 0);
    assert_eq!(
        sent(&mut socket, "01020304", &to_ipv4()).unwrap(),
        "4510001800020000 2101c5c2c00002010a09080701020304".replace(' ', "")
    );
}

#[test]
fn a_bound_socket_sends_from_its_address_and_to_many_hosts_over_one_hop() {
    let mut socket = opened(AF_INET, 253);
    let mut own = to_ipv4();
    own[4..8].copy_from_slice(&[10, 0, 0, 2]);
    socket.bind(&own).unwrap();
    let mut group = to_ipv4();
    group[4..8].copy_from_slice(&[224, 0, 0, 5]);
    let packet = socket.send(vec![], Some(&group), 0).unwrap();
    assert_eq!(
        (packet.bytes[8], &packet.bytes[12..]),
        (1, &[10, 0, 0, 2, 224, 0, 0, 5][..])
    );
    assert_eq!(packet.mark, None);
}

#[test]
fn all_hosts_are_reached_only_with_the_option_for_it() {
    let mut socket = opened(AF_INET, 253);
    let mut all = to_ipv4();
    all[4..8].fill(255);
    assert_eq!(socket.send(vec![], Some(&all), 0), Err(Errno::EACCES));
    set(&mut socket, SOL_SOCKET, 6, 1);
    set(&mut socket, SOL_SOCKET, 36, 7);
    assert_eq!(socket.send(vec![], Some(&all), 0).unwrap().mark, Some(7));
}

#[test]
fn a_header_of_ipv6_is_made_and_the_checksum_filled_in() {
    let mut icmp = opened(AF_INET6, 58);
    assert_eq!(
        sent(&mut icmp, "0100000000000000", &to_ipv6()).unwrap(),
        "6000000000083a4020010db800000000000000000000000120010db80009000000000000000000010100a34000000000"
    );
    let mut udp = opened(AF_INET6, 17);
    set(&mut udp, SOL_IPV6, 16, 33);
    set(&mut udp, SOL_IPV6, 67, 0x20);
    assert!(
        sent(&mut udp, "0100000000000000", &to_ipv6())
            .unwrap()
            .ends_with("0100000000000000")
    );
    set(&mut udp, SOL_IPV6, 7, 6);
    assert_eq!(
        sent(&mut udp, "0100000000000000", &to_ipv6()).unwrap(),
        "620000000008112120010db800000000000000000000000120010db8000900000000000000000001010000000000a369"
    );
}

#[test]
fn a_header_of_ipv6_that_the_program_made_is_left_as_it_is() {
    let given = "600000000000110920010db800000000000000000000000720010db80009000000000000000000077a7a";
    let mut socket = opened(AF_INET6, 255);
    assert_eq!(sent(&mut socket, given, &to_ipv6()), Ok(given.to_owned()));
}

#[rstest]
#[case(SOCK_RAW, RawLayer::Ethernet)]
#[case(2, RawLayer::Network(0x0800))]
fn a_packet_socket_sends_bytes_as_they_are(#[case] kind: i32, #[case] layer: RawLayer) {
    let mut socket = RawSocket::open(AF_PACKET, kind, 0).unwrap();
    let bytes = vec![7; 40];
    let packet = socket.send(bytes.clone(), Some(&to_device(0x0800)), 0).unwrap();
    assert_eq!((packet.bytes, packet.layer), (bytes.into(), layer));
}

#[test]
fn bytes_without_an_address_go_where_they_say_themselves() {
    let given = hex::decode("450000070000000009111234000000000a09080778797a").unwrap();
    let mut socket = opened(AF_INET, 255);
    let addressed = opened(AF_INET, 255).send(given.clone(), Some(&to_ipv4()), 0);
    assert_eq!(socket.send_somewhere(given.clone()), addressed);
    let mut socket = RawSocket::open(AF_PACKET, 2, 0).unwrap();
    assert_eq!(socket.send_somewhere(given).unwrap().layer, RawLayer::Network(0x0800));
    // Only the call knows where bytes without a header go.
    let mut socket = opened(AF_INET, 17);
    assert_eq!(socket.send_somewhere(vec![0; 8]), Err(errno(System::DESTADDRREQ)));
    socket.connect(&to_ipv4()).unwrap();
    assert_eq!(&socket.send_somewhere(vec![0; 8]).unwrap().bytes[16..20], [10, 9, 8, 7]);
}

#[test]
fn options_that_would_change_what_is_sent_in_other_ways_are_refused() {
    let refused = Err(errno(System::NOPROTOOPT));
    for (domain, level, name) in [
        (AF_INET, SOL_IP, 4),
        (AF_INET6, SOL_IPV6, 57),
        (AF_PACKET, 263, 13),
        (AF_INET, 41, 16),
    ] {
        let mut socket = opened(domain, 17);
        assert_eq!(socket.set_option(level, name, &[0; 4]), refused);
        assert_eq!(socket.set_option(level, 256, &[0; 4]), refused);
        assert_eq!(socket.option(level, -1), Err(errno(System::NOPROTOOPT)));
    }
    let mut socket = opened(AF_INET, 17);
    // An option that the Unix socket has.
    assert_eq!(socket.set_option(SOL_SOCKET, 20, &[0; 16]), Ok(false));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        domain in prop_oneof![Just(AF_INET), Just(AF_INET6), Just(AF_PACKET)],
        kind in 2_i32..4,
        protocol in prop_oneof![Just(1), Just(17), Just(58), Just(255), any::<i32>()],
        options in proptest::collection::vec((prop_oneof![Just(0), Just(1), Just(41), Just(263)], 0_i32..70, any::<i32>()), 0..6),
        addresses in proptest::collection::vec(
            (prop_oneof![Just(domain_bytes(AF_INET)), Just(domain_bytes(AF_INET6)), Just(domain_bytes(AF_PACKET))],
             proptest::collection::vec(any::<u8>(), 0..40)),
            3,
        ),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        flags: i32,
    ) {
        let Ok(mut socket) = RawSocket::open(domain, kind, protocol) else { return Ok(()) };
        for (level, name, value) in options {
            let _ = socket.set_option(level, name, &value.to_ne_bytes());
            let _ = socket.option(level, name);
        }
        let addresses: Vec<Vec<u8>> = addresses.into_iter().map(|(family, rest)| [family, rest].concat()).collect();
        let _ = socket.bind(&addresses[0]);
        let _ = socket.connect(&addresses[1]);
        let _ = (socket.name(), socket.peer());
        let sent = [
            socket.send(bytes.clone(), Some(&addresses[2]), flags),
            socket.send(bytes.clone(), None, 0),
            socket.send_somewhere(bytes.clone()),
        ];
        for packet in sent.into_iter().flatten() {
            prop_assert!(packet.bytes.len() >= bytes.len());
        }
    }
}

fn domain_bytes(domain: i32) -> Vec<u8> {
    (domain.cast_unsigned() as u16).to_ne_bytes().to_vec()
}
