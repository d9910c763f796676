//! Tests of rules as text, and of the packets that they match.

use super::*;
use crate::sample::ipv4_with;
use pretty_assertions::assert_eq;
use proptest::prelude::*;

fn parse(text: &str) -> Vec<Rule> {
    Rule::parse(Hook::Forward, text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Returns `true` if a rule with these conditions queues a packet at FORWARD. Fails with the reason
/// if the packet is dropped.
fn queues(conditions: &str, mut packet: Packet) -> Result<bool, DropReason> {
    let rules = rules(&parse(&format!("{conditions} -j QUEUE")));
    Ok(filtered(&rules, &mut packet)?.is_some())
}

/// Returns a UDP packet of the family from one neighbour's port 4000 to the other's port 5000, with
/// mark 0x15.
fn marked(family: Family) -> Packet {
    let bytes = match family {
        Family::Ipv4 => udp(NEIGHBOUR, OTHER_NEIGHBOUR, 64, 0),
        Family::Ipv6 => udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, 64, 0),
    };
    Packet {
        mark: 0x15,
        ..packet(bytes)
    }
}

#[rstest]
#[case("", [true, true])]
#[case("-4", [true, false])]
#[case("-6", [false, true])]
#[case("-p udp", [true, true])]
#[case("-p 17", [true, true])]
#[case("-p tcp", [false, false])]
#[case("-p all", [true, true])]
#[case("-s 10.1.0.2", [true, false])]
#[case("--src 10.1.0.3", [false, false])]
#[case("-s 10.1.0.3/31", [true, false])]
#[case("-s 10.1.0.0/255.255.0.0", [true, false])]
#[case("-s 0.0.0.0/0", [true, false])]
#[case("! -s 10.1.0.2", [false, false])]
#[case("! -s 10.1.0.3", [true, false])]
#[case("-d 10.2.0.2/32", [true, false])]
#[case("--destination fd00:2::/32", [false, true])]
#[case("-d fd00:2::/64 -s fd00:1::2", [false, true])]
#[case("-d fd00:3::/64", [false, false])]
#[case("-s ::/0", [false, true])]
#[case("-i eth0", [true, true])]
#[case("-i eth1", [false, false])]
#[case("-i eth", [false, false])]
#[case("-i eth+", [true, true])]
#[case("-i +", [true, true])]
#[case("! -i eth+", [false, false])]
#[case("-o ppp1 -i eth0", [true, true])]
#[case("-o eth0", [false, false])]
#[case("! -o eth0", [true, true])]
#[case("-p udp --sport 4000", [true, true])]
#[case("-p udp --sport 5000", [false, false])]
#[case("-p udp --dport 5000", [true, true])]
#[case("-p udp --dport=5000", [true, true])]
#[case("--protocol=udp ! --dport=5000", [false, false])]
#[case("--source=10.1.0.0/16", [true, false])]
#[case("-p udp -m udp --dport 4999:5001", [true, true])]
#[case("-p udp --dport 5001:5002", [false, false])]
#[case("-p udp ! --dport 5001:5002", [true, true])]
#[case("-p udp ! --dport 5000", [false, false])]
#[case("-p udp -m multiport --dports 53,5000", [true, true])]
#[case("-p udp -m multiport --dports 53,80:90", [false, false])]
#[case("-p udp -m multiport --sports 53,80:90,3999:4000 --dports 5000", [true, true])]
#[case("-p udp -m multiport ! --sports 53,80:90", [true, true])]
#[case("-m mark --mark 0x15", [true, true])]
#[case("-m mark --mark 21", [true, true])]
#[case("-m mark --mark 0x5", [false, false])]
#[case("-m mark --mark 0x5/0xf", [true, true])]
#[case("-m mark ! --mark 0x5/0xf", [false, false])]
fn a_rule_is_about_the_packets_that_meet_all_its_conditions(#[case] conditions: &str, #[case] expected: [bool; 2]) {
    let queued = Family::ALL.map(|family| queues(conditions, marked(family)));
    assert_eq!(queued, expected.map(Ok));
}

#[test]
fn a_later_fragment_has_no_ports() {
    for conditions in [
        "-p udp --dport 5000",
        "-p udp ! --dport 9",
        "-p udp -m multiport ! --dports 9",
    ] {
        assert_eq!(queues(conditions, packet(later_fragment())), Ok(false));
    }
    let mut later = udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, 64, 0).to_vec();
    later[6] = 44;
    later[40..].copy_from_slice(&[17, 0, 0, 9, 0, 0, 0, 1]);
    assert_eq!(queues("-p udp ! --dport 9", packet(later.into())), Ok(false));
}

/// Returns an IPv4 packet of this protocol with `length` bytes after its header: first the ports
/// 4000 and 5000.
fn cut(protocol: u8, length: usize) -> Packet {
    let whole = ipv4_with(|header| header.protocol = protocol.into(), 40);
    packet(whole.slice(..20 + length))
}

#[rstest]
#[case("-p udp --dport 5000", 17, 8)]
#[case("-p udplite --dport 5000", 136, 8)]
#[case("-p tcp --dport 5000", 6, 20)]
#[case("-p tcp -m multiport --dports 5000", 6, 4)]
#[case("-p sctp -m multiport --dports 5000", 132, 4)]
fn a_packet_that_ends_before_what_a_match_looks_at_is_dropped(
    #[case] conditions: &str,
    #[case] protocol: u8,
    #[case] least: usize,
) {
    assert_eq!(queues(conditions, cut(protocol, least)), Ok(true));
    assert_eq!(queues(conditions, cut(protocol, least - 1)), Err(DropReason::Malformed));
    // The addresses are compared first, so that the packet is not dropped.
    let elsewhere = format!("{conditions} -s 192.0.2.1");
    assert_eq!(queues(&elsewhere, cut(protocol, least - 1)), Ok(false));
}

#[test]
fn ports_are_behind_extension_headers_and_options() {
    let no_operations: &[u8] = &[1; 4];
    let options = ipv4_with(|header| header.options = no_operations.try_into().unwrap(), 0);
    let plain = udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, 64, 0);
    let mut extended = plain[..40].to_vec();
    extended[6] = 60;
    extended.extend([17, 0, 1, 4, 0, 0, 0, 0]);
    extended.extend(&plain[40..]);
    for bytes in [options, extended.into()] {
        assert_eq!(queues("-p udp --dport 5000", packet(bytes)), Ok(true));
    }
}

#[rstest]
#[case("-j QUEUE", Target::Queue)]
#[case("-j MARK --set-mark 0x10", Target::Mark(16))]
#[case("-j NFQUEUE", numbered(0, 0, Spread::Balance, false))]
#[case("-j NFQUEUE --queue-num 2 --queue-bypass", numbered(2, 2, Spread::Balance, true))]
#[case("-j NFQUEUE --queue-balance 0:3", numbered(0, 3, Spread::Balance, false))]
#[case(
    "-j NFQUEUE --queue-balance 1:65535 --queue-cpu-fanout --queue-bypass",
    numbered(1, u16::MAX, Spread::Processors, true)
)]
fn a_target_is_what_iptables_makes_of_it(#[case] text: &str, #[case] expected: Target) {
    for rule in parse(text) {
        assert_eq!(rule.target, expected);
    }
}

const fn numbered(first: u16, last: u16, spread: Spread, bypass: bool) -> Target {
    Target::NumberedQueue(NumberedQueue {
        first,
        last,
        spread,
        bypass,
    })
}

#[test]
fn a_table_is_chosen_as_for_any_rule_unless_it_is_named() {
    let tables = |text, hook| Rule::parse(hook, text).map(|rules| rules[0].table);
    assert_eq!(tables("-j QUEUE", Hook::Input), Ok(Table::Filter));
    assert_eq!(tables("-j QUEUE", Hook::Prerouting), Ok(Table::Mangle));
    assert_eq!(tables("-t mangle -A INPUT -j QUEUE", Hook::Input), Ok(Table::Mangle));
}

/// Checks the error messages for wrong texts, also for some that iptables would accept or refuse in
/// other words.
#[test]
fn what_is_wrong_with_a_text_is_said_with_what_would_be_right() {
    let texts = [
        "",
        "-j DROP",
        "-p udp --dport 53 --tos 8 -j NFQUEUE",
        "-j",
        "-j NFQUEUE --queue-num",
        "-j NFQUEUE --queue-num 65536",
        "-j NFQUEUE --queue-num 1 --queue-num 2",
        "-j NFQUEUE --queue-num 1 --queue-balance 1:2",
        "-j NFQUEUE --queue-balance 2:1",
        "-j NFQUEUE --queue-cpu-fanout",
        "-j QUEUE --queue-num 1",
        "-j NFQUEUE --set-mark 1",
        "-j MARK",
        "--dport 53 -j QUEUE",
        "-p sctp --dport 53 -j QUEUE",
        "-p icmp -m multiport --dports 1 -j QUEUE",
        "-p udp --dports 1 -j QUEUE",
        "-p udp --dport 2:1 -j QUEUE",
        "-p udp -m multiport --dports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16 -j QUEUE",
        "--mark 1 -j QUEUE",
        "-m mark --mark 1/x -j QUEUE",
        "-m conntrack --ctstate NEW -j QUEUE",
        "-s 10.0.0.0/33 -j QUEUE",
        "-s 10.0.0.0/255.0.255.0 -j QUEUE",
        "-s example.org -j QUEUE",
        "-6 -s 10.0.0.1 -j QUEUE",
        "-s 10.0.0.1 -d ::1 -j QUEUE",
        "-i a-name-of-16-byte -j QUEUE",
        "! -p udp -j QUEUE",
        "!",
        "-p nonsense -j QUEUE",
        "-t nat -j QUEUE",
        "-A OUTPUT -j QUEUE",
        "iptables -A FORWARD -j NFQUEUE",
        "sudo /usr/sbin/ip6tables-nft -A FORWARD -j NFQUEUE",
        "-j NFQUEUE --queue-num=x",
        "-j NFQUEUE --queue-bypass=1",
        "-p udp --dport= -j QUEUE",
    ];
    let errors = texts.map(|text| match Rule::parse(Hook::Forward, text) {
        Ok(rules) => panic!("{text}: {rules:?}"),
        Err(error) => format!("{text}\n    {error}"),
    });
    insta::assert_snapshot!(errors.join("\n"));
}

#[rstest]
#[case(Hook::Input, "-o")]
#[case(Hook::Prerouting, "-o")]
#[case(Hook::Output, "-i")]
#[case(Hook::Postrouting, "-i")]
fn a_device_that_a_hooks_packets_do_not_have_is_refused(#[case] hook: Hook, #[case] option: &'static str) {
    let text = format!("{option} eth0 -j QUEUE");
    assert_eq!(Rule::parse(hook, &text), Err(RuleTextError::Device { option, hook }));
    assert!(Rule::parse(Hook::Forward, &text).is_ok());
}

/// Returns a strategy for one of the words that texts of rules are made of.
fn word() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "!",
        "-A",
        "FORWARD",
        "-t",
        "mangle",
        "-4",
        "-6",
        "-p",
        "udp",
        "tcp",
        "-s",
        "-d",
        "10.0.0.0/8",
        "fd00::1",
        "-i",
        "-o",
        "eth+",
        "lo",
        "-m",
        "mark",
        "multiport",
        "--mark",
        "0x5/0xff",
        "--sport",
        "--dport",
        "--dports",
        "1:2",
        "53,80:90",
        "-j",
        "NFQUEUE",
        "QUEUE",
        "MARK",
        "--queue-num",
        "7",
        "--queue-balance",
        "--queue-bypass",
        "--queue-cpu-fanout",
        "--set-mark",
        "\u{e9}",
        "",
    ])
}

proptest! {
    #[test]
    fn any_words_are_a_rule_or_an_error(words in proptest::collection::vec(word(), 0..12)) {
        if let Ok(rules) = Rule::parse(Hook::Forward, &words.join(" ")) {
            prop_assert!(!rules.is_empty());
        }
    }

    #[test]
    fn a_rule_is_read_as_it_is_written(
        conditions in proptest::sample::subsequence(
            vec!["-p udp", "! -s 10.1.0.0/16", "-d 10.2.0.2", "! -i eth+", "-o ppp1", "-m mark ! --mark 0x5/0xf", "-m mark --mark 7"],
            0..7,
        ),
        ports in proptest::sample::select(vec![
            "", "-p tcp ! --sport 53", "-p tcp --dport 1:20", "-p tcp -m multiport --sports 5,6:7 -m multiport ! --dports 80",
        ]),
        target in proptest::sample::select(vec![
            "-j QUEUE", "-j MARK --set-mark 9", "-j NFQUEUE --queue-balance 2:5 --queue-cpu-fanout --queue-bypass", "-j NFQUEUE --queue-num 4",
        ]),
    ) {
        let text = format!("{} {ports} {target}", conditions.join(" "));
        let Ok(rules) = Rule::parse(Hook::Forward, &text) else { return Ok(()) };
        for rule in rules {
            let written = rule.to_string();
            let (command, rest) = written.split_once(' ').unwrap();
            let family = if command == "ip6tables" { "-6" } else { "-4" };
            prop_assert_eq!(Rule::parse(Hook::Forward, &format!("{family} {rest}")), Ok(vec![rule]), "{}", written);
        }
    }
}
