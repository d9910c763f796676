use super::*;
mod text;

use crate::sample::{NEIGHBOUR, NEIGHBOUR_6, OTHER_NEIGHBOUR, OTHER_NEIGHBOUR_6, later_fragment, packet, udp};
use pretty_assertions::assert_eq;
use rstest::rstest;

const MARK_7: Rule = Rule {
    target: Target::Mark(7),
    ..Rule::queue(Family::Ipv4, Hook::Forward)
};

/// The result of a test if table filter's function queues the packet at FORWARD: that function's
/// number.
const QUEUED: Option<u8> = Some(Table::Filter as u8);

fn add(rules: &mut Rules, rule: Rule) -> Result<(), RuleError> {
    rules.add(rule, MangleChains::EveryHook)
}

fn rules(rules: &[Rule]) -> Rules {
    let mut all = Rules::default();
    for rule in rules {
        add(&mut all, *rule).unwrap();
    }
    all
}

/// Runs a packet through the functions at FORWARD whose number is `first` or more. Returns the
/// number of the function that queues the packet; `None` if none does. Fails with the reason if the
/// packet is dropped. The packet comes by `eth0` and leaves by `ppp1`.
fn functions(rules: &Rules, first: u8, packet: &mut Packet) -> Result<Option<u8>, DropReason> {
    let devices = || ["eth0", "ppp1"].map(|name| name.parse().unwrap());
    let judged = rules.judge(HookPoint::Forward, first..=u8::MAX, packet, devices, Fragments::All)?;
    Ok(judged.map(|(function, target)| {
        assert_eq!(target, Target::Queue);
        function
    }))
}

/// Returns the number of table filter's function if it queues a packet at FORWARD; `None` if it
/// does not. Fails with the reason if the packet is dropped.
fn filtered(rules: &Rules, packet: &mut Packet) -> Result<Option<u8>, DropReason> {
    functions(rules, Table::Filter as u8, packet)
}

/// Judges an IPv4 UDP packet at FORWARD. Returns the number of table filter's function if that
/// queues the packet, and the packet's mark.
fn judged(rules: &Rules) -> (Option<u8>, u32) {
    let mut packet = packet(udp(NEIGHBOUR, OTHER_NEIGHBOUR, 64, 0));
    (filtered(rules, &mut packet).unwrap(), packet.mark)
}

#[rstest]
#[case::none(&[], (None, 0))]
#[case::queue(&[Rule::queue(Family::Ipv4, Hook::Forward)], (QUEUED, 0))]
#[case::the_other_family(&[Rule::queue(Family::Ipv6, Hook::Forward)], (None, 0))]
#[case::another_hook(&[Rule::queue(Family::Ipv4, Hook::Input)], (None, 0))]
#[case::another_table(
    &[Rule { table: Table::Mangle, ..Rule::queue(Family::Ipv4, Hook::Forward) }],
    (None, 0)
)]
#[case::its_protocol(&[Rule::queue(Family::Ipv4, Hook::Forward).protocol(17)], (QUEUED, 0))]
#[case::another_protocol(&[Rule::queue(Family::Ipv4, Hook::Forward).protocol(6)], (None, 0))]
#[case::a_mark_goes_on(&[MARK_7, Rule::queue(Family::Ipv4, Hook::Forward)], (QUEUED, 7))]
#[case::a_mark_alone(&[MARK_7], (None, 7))]
#[case::queue_ends_it(&[Rule::queue(Family::Ipv4, Hook::Forward), MARK_7], (QUEUED, 0))]
#[case::the_last_mark_stays(
    &[MARK_7, Rule { target: Target::Mark(u32::MAX), ..MARK_7 }],
    (None, u32::MAX)
)]
fn rules_are_asked_in_order_until_one_queues(#[case] all: &[Rule], #[case] expected: (Option<u8>, u32)) {
    assert_eq!(judged(&rules(all)), expected);
}

#[test]
fn a_later_fragment_has_its_packets_protocol() {
    let rules = rules(&[Rule::queue(Family::Ipv4, Hook::Forward).protocol(17)]);
    let mut fragment = packet(later_fragment());
    assert_eq!(filtered(&rules, &mut fragment), Ok(QUEUED));
}

#[test]
fn an_ipv6_packet_that_does_not_say_its_protocol_passes_no_rule_that_asks_for_one() {
    let mut bytes = udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, 64, 0).to_vec();
    // A later fragment, whose header says that the packet goes on with an extension header.
    bytes[6] = 44;
    bytes[40..].copy_from_slice(&[60, 0, 0, 9, 0, 0, 0, 1]);
    let mut hidden = packet(bytes.into());
    for (rule, expected) in [
        (
            Rule::queue(Family::Ipv6, Hook::Forward).protocol(17),
            Err(DropReason::Malformed),
        ),
        (Rule::queue(Family::Ipv6, Hook::Forward), Ok(QUEUED)),
    ] {
        let rules = rules(&[rule]);
        assert_eq!(filtered(&rules, &mut hidden), expected);
    }
}

#[rstest]
#[case(Table::Mangle, Hook::Prerouting, [true, true])]
#[case(Table::Mangle, Hook::Input, [true, false])]
#[case(Table::Mangle, Hook::Forward, [true, false])]
#[case(Table::Mangle, Hook::Output, [true, true])]
#[case(Table::Mangle, Hook::Postrouting, [true, false])]
#[case(Table::Filter, Hook::Prerouting, [false, false])]
#[case(Table::Filter, Hook::Input, [true, true])]
#[case(Table::Filter, Hook::Forward, [true, true])]
#[case(Table::Filter, Hook::Output, [true, true])]
#[case(Table::Filter, Hook::Postrouting, [false, false])]
fn tables_have_the_chains_that_the_kernels_have(#[case] table: Table, #[case] chain: Hook, #[case] has: [bool; 2]) {
    let rule = Rule {
        table,
        ..Rule::queue(Family::Ipv4, chain)
    };
    let added =
        [MangleChains::EveryHook, MangleChains::PreroutingAndOutput].map(|chains| Rules::default().add(rule, chains));
    let expected = has.map(|has| {
        if has {
            Ok(())
        } else {
            Err(RuleError::NoSuchChain { table, chain })
        }
    });
    assert_eq!(added, expected);
    assert!(
        add(&mut Rules::default(), Rule::queue(Family::Ipv4, chain)).is_ok(),
        "a rule for a hook finds its table"
    );
}

#[test]
fn a_hook_that_is_none_is_refused_in_words() {
    let chain = Hook::Unknown(5);
    let error = add(&mut Rules::default(), Rule::queue(Family::Ipv4, chain)).unwrap_err();
    insta::assert_snapshot!(error, @"there is no hook 0x5: hooks are PREROUTING, INPUT, FORWARD, OUTPUT and POSTROUTING");
}

#[rstest]
#[case::from_the_start(0, [Some(0), Some(1)])]
#[case::from_the_second(1, [None, Some(1)])]
#[case::behind_the_last(2, [None, None])]
#[case::behind_everything(u8::MAX, [None, None])]
fn a_hook_has_one_function_for_each_table(#[case] first: u8, #[case] expected: [Option<u8>; 2]) {
    let mut packet = packet(udp(NEIGHBOUR, OTHER_NEIGHBOUR, 64, 0));
    let queueing = [Table::Mangle, Table::Filter].map(|table| {
        let rule = Rule {
            table,
            ..Rule::queue(Family::Ipv4, Hook::Forward)
        };
        functions(&rules(&[rule]), first, &mut packet)
    });
    assert_eq!(queueing, expected.map(Ok));
}

#[test]
fn mangles_rules_run_before_filters_and_each_tables_in_their_order() {
    let marking = |table, mark| Rule {
        table,
        target: Target::Mark(mark),
        ..MARK_7
    };
    let mut rules = rules(&[
        marking(Table::Filter, 3),
        marking(Table::Mangle, 1),
        marking(Table::Filter, 4),
        marking(Table::Mangle, 2),
    ]);
    let mut packet = packet(udp(NEIGHBOUR, OTHER_NEIGHBOUR, 64, 0));
    for (first, expected) in [(0, 4), (1, 4), (2, 0)] {
        packet.mark = 0;
        let judged = functions(&rules, first, &mut packet);
        assert_eq!((judged, packet.mark), (Ok(None), expected));
    }
    let queue = Rule {
        table: Table::Mangle,
        ..Rule::queue(Family::Ipv4, Hook::Forward)
    };
    add(&mut rules, queue).unwrap();
    let judged = functions(&rules, 0, &mut packet);
    assert_eq!((judged, packet.mark), (Ok(Some(Table::Mangle as u8)), 2));
}

#[test]
fn cleared_rules_are_gone() {
    let mut rules = rules(&[Rule::queue(Family::Ipv4, Hook::Forward)]);
    rules.clear();
    assert_eq!(judged(&rules), (None, 0));
}
