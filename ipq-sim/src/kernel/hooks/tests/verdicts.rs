//! Tests of each verdict's effect at each hook, and of the fields of the frames there.

use super::Lab;
use crate::books::{DropReason, Fate};
use crate::host::rules::{Rule, Table, Target};
use crate::sample::{OWN, OWN_6, udp};
use bytes::Bytes;
use ipq_core::{Errno, Family, Hook, Verdict};
use pretty_assertions::assert_eq;
use rstest::rstest;

const fn in_table(table: Table, rule: Rule) -> Rule {
    Rule { table, ..rule }
}

/// What a verdict made of a packet, where each function of the hook queues every packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// The packet was queued by the same function once more, under another packet id.
    Again,
    /// The packet was queued by the hook's other function.
    NextFunction,
    Through,
    Dropped,
    /// The verdict was answered with EINVAL, and the packet is still queued.
    Refused,
}

#[rstest]
#[trace]
fn each_verdict_does_at_each_hook_what_it_does(
    #[values(Family::Ipv4, Family::Ipv6)] family: Family,
    #[values(Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting)] hook: Hook,
    #[values(
        (Verdict::Drop, After::Dropped),
        (Verdict::Accept, After::NextFunction),
        (Verdict::Stolen, After::Refused),
        (Verdict::Queue, After::Again),
        (Verdict::Repeat, After::Again),
        (Verdict::Stop, After::Through)
    )]
    (verdict, expected): (Verdict, After),
) {
    let both_tables = matches!(hook, Hook::Input | Hook::Forward | Hook::Output);
    let expected = match expected {
        After::NextFunction if !both_tables => After::Through,
        expected => expected,
    };
    // Each table sets a mark of its own on the packet, and queues it.
    let functions: &[(Table, u32)] = match hook {
        Hook::Input | Hook::Forward | Hook::Output => &[(Table::Mangle, 1), (Table::Filter, 2)],
        _ => &[(Table::Mangle, 1)],
    };
    let rules: Vec<Rule> = functions
        .iter()
        .flat_map(|(table, mark)| {
            let queue = in_table(*table, Rule::queue(family, hook));
            let mark = Rule {
                target: Target::Mark(*mark),
                ..queue
            };
            [mark, queue]
        })
        .collect();
    let mut lab = Lab::new(&rules);
    let serial = lab.enter(family, hook);
    let (first, _) = lab.packet(family);
    assert_eq!((first.hook, first.mark.0), (hook, 1));

    lab.give(family, first.packet_id, verdict, &[]);
    let after = match (lab.next(family), lab.fate(serial)) {
        (Some(Ok((again, _))), Fate::Queued) => {
            assert_eq!(again.hook, hook);
            assert_ne!(again.packet_id, first.packet_id, "a re-queue takes its entry first");
            if again.mark.0 == 2 {
                After::NextFunction
            } else {
                After::Again
            }
        }
        (Some(Err(errno)), Fate::Queued) => {
            assert_eq!(errno, Errno::EINVAL);
            After::Refused
        }
        (None, Fate::Dropped(reason)) => {
            assert_eq!(reason, DropReason::Verdict);
            After::Dropped
        }
        (None, Fate::Sent { .. } | Fate::DeliveredHere(_)) => After::Through,
        other => panic!("{other:?}"),
    };
    assert_eq!(after, expected);
}

#[rstest]
#[case(Hook::Prerouting, "tap0", "", 1, 64)]
#[case(Hook::Input, "tap0", "", 1, 64)]
#[case(Hook::Forward, "tap0", "tap1", 1, 63)]
#[case(Hook::Output, "", "tap1", 0, 64)]
#[case(Hook::Postrouting, "", "tap1", 0, 63)]
fn a_frame_says_where_its_packet_is(
    #[values(Family::Ipv4, Family::Ipv6)] family: Family,
    #[case] hook: Hook,
    #[case] indev: &str,
    #[case] outdev: &str,
    #[case] hw_type: u16,
    #[case] hops: u8,
) {
    let mut lab = Lab::new(&[Rule::queue(family, hook)]);
    lab.enter(family, hook);
    let (metadata, packet) = lab.packet(family);
    let ether_type = match (family, hook) {
        (_, Hook::Output) => 0,
        (Family::Ipv4, _) => 0x0800,
        (Family::Ipv6, _) => 0x86dd,
    };
    assert_eq!(metadata.hook, hook);
    assert_eq!(
        (metadata.indev_name.to_string(), metadata.outdev_name.to_string()),
        (indev.into(), outdev.into())
    );
    assert_eq!((metadata.hw_protocol.0, metadata.hw_type), (ether_type, hw_type));
    let address: &[u8] = if hw_type == 1 { &[2, 0, 0, 0, 0x20, 1] } else { &[] };
    assert_eq!(metadata.hw_address.as_bytes(), address);
    assert_eq!(metadata.timestamp.is_unset(), hook == Hook::Output);
    assert_eq!(packet[if family == Family::Ipv4 { 8 } else { 7 }], hops);
}

#[test]
fn local_ipv6_has_no_protocol_at_postrouting_and_ipv4_has() {
    for (family, expected) in [(Family::Ipv4, 0x0800), (Family::Ipv6, 0)] {
        let mut lab = Lab::new(&[Rule::queue(family, Hook::Postrouting)]);
        lab.enter(family, Hook::Output);
        assert_eq!(lab.packet(family).0.hw_protocol.0, expected);
    }
}

#[test]
fn a_mark_goes_with_its_packet_from_hook_to_hook() {
    let mark = Rule {
        target: Target::Mark(0xabcd_ef01),
        ..Rule::queue(Family::Ipv4, Hook::Prerouting)
    };
    let mut lab = Lab::new(&[mark, Rule::queue(Family::Ipv4, Hook::Postrouting)]);
    lab.enter(Family::Ipv4, Hook::Forward);
    assert_eq!(lab.packet(Family::Ipv4).0.mark.0, 0xabcd_ef01);
}

#[rstest]
#[case(udp(OWN, OWN, 64, 8), Family::Ipv4, [0, 0x0800, 0x0800, 0x0800])]
#[case(udp(OWN_6, OWN_6, 64, 8), Family::Ipv6, [0, 0, 0x86dd, 0x86dd])]
fn what_this_host_sends_to_itself_passes_four_hooks(
    #[case] packet: Bytes,
    #[case] family: Family,
    #[case] ether_types: [u16; 4],
) {
    let hooks = [Hook::Output, Hook::Postrouting, Hook::Prerouting, Hook::Input];
    let mut lab = Lab::new(&hooks.map(|hook| Rule::queue(family, hook)));
    let serial = lab.kernel.output(packet.clone()).unwrap();
    for ((hook, indev, outdev, hw_type, address), ether_type) in [
        (Hook::Output, "", "lo", 0, 0),
        (Hook::Postrouting, "", "lo", 0, 0),
        (Hook::Prerouting, "lo", "", 772, 6),
        (Hook::Input, "lo", "", 772, 6),
    ]
    .into_iter()
    .zip(ether_types)
    {
        let (metadata, _) = lab.packet(family);
        assert_eq!((metadata.hook, metadata.hw_protocol.0), (hook, ether_type));
        assert_eq!(metadata.timestamp.is_unset(), indev.is_empty());
        assert_eq!(
            (metadata.indev_name.to_string(), metadata.outdev_name.to_string()),
            (indev.into(), outdev.into())
        );
        assert_eq!(
            (metadata.hw_type, metadata.hw_address.as_bytes().len()),
            (hw_type, address)
        );
        lab.give(family, metadata.packet_id, Verdict::Accept, &[]);
    }
    assert_eq!(lab.fate(serial), Fate::DeliveredHere(packet.clone()));
    assert_eq!(lab.left("lo"), [packet]);
}

#[test]
fn what_is_too_long_for_lo_arrives_there_as_fragments() {
    let mut lab = Lab::new(&[Rule::queue(Family::Ipv4, Hook::Prerouting)]);
    let serial = lab.kernel.output(udp(OWN, OWN, 64, 20_000)).unwrap();
    let Fate::Sent { device, frames } = lab.fate(serial) else {
        panic!("as a whole it is gone");
    };
    assert_eq!((device.to_string(), frames.len()), ("lo".into(), 2));
    assert_eq!(lab.kernel.queue_length(Family::Ipv4), Some(2));
    for sent in lab.left("lo") {
        let (metadata, arrived) = lab.packet(Family::Ipv4);
        assert_eq!(arrived, sent);
        lab.give(Family::Ipv4, metadata.packet_id, Verdict::Accept, &[]);
    }
    assert!(
        matches!(lab.fate(serial), Fate::Sent { .. }),
        "its fragments are packets of their own"
    );
    let accounting = lab.kernel.accounting();
    assert_eq!((accounting.entered, accounting.delivered), (3, 1));
    // A kernel would put the fragments together before INPUT.
    assert_eq!(accounting.dropped_for(DropReason::Unassembled), 2);
}
