//! Tests of what the kernel is asked to do for a message of the program's, and of the nfnetlink
//! datagram that says so.

use super::super::fast::plain::plain;
use super::super::options::Options;
use super::super::translate::request::{Action, HEAD_BYTES, Request, rebuild};
use super::{PEER, datagram, options};
use crate::errno::Errno;
use crate::family::Family;
use crate::wire::{Abi, CopyMode, Envelope, Flags, Head, ModeRequest, PacketId, PortId, Verdict, VerdictRequest};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use rstest::rstest;

fn mode(mode: CopyMode, range: u64) -> Head {
    ModeRequest { mode, range }.head(Abi::NATIVE, Envelope::request(PEER))
}

fn verdict(verdict: Verdict, packet_id: u64, data_len: u64, following: usize) -> Head {
    let request = VerdictRequest {
        verdict,
        packet_id: PacketId(packet_id),
        data_len,
    };
    request.head(Abi::NATIVE, Envelope::request(PEER), following)
}

/// Returns the request that is read from a message of `length` bytes that begins with `head`.
/// Panics if the message's header is refused or ignored.
fn passed(head: &[u8], length: usize) -> Request {
    match Request::screen(head, length) {
        Some((request, None)) => request,
        other => panic!("{other:?}"),
    }
}

fn action(head: &[u8], following: usize) -> Action {
    passed(head, head.len() + following).action(head, &options())
}

proptest! {
    #[test]
    fn the_fast_path_takes_a_verdict_for_what_the_slow_path_does(
        given in prop_oneof![0_u32..8, any::<u32>()],
        id in prop_oneof![any::<u32>().prop_map(u64::from), any::<u64>()],
        (data_len, following) in prop_oneof![(0..50_u64).prop_map(|length| (length, length as usize)), (any::<u64>(), 0..50_usize)],
        damage in prop::option::of((0..HEAD_BYTES, any::<u8>())),
    ) {
        let mut head = [0; HEAD_BYTES];
        head.copy_from_slice(&verdict(Verdict::from_wire(given), id, data_len, following));
        if let Some((at, byte)) = damage {
            head[at] = byte;
        }
        let found = match Request::screen(&head, HEAD_BYTES + following) {
            Some((request, None)) if request.header.port_id == PEER => Some((request, request.action(&head, &options()))),
            _ => None,
        };
        let fast = plain(&head, following, PEER, &options());
        let is_known = matches!(given, 0 | 1 | 3 | 4 | 5) && id <= u32::MAX.into();
        let all_said = data_len == following as u64 && (following == 0 || following >= 20);
        prop_assert!(damage.is_some() || fast.is_some() == (is_known && all_said));
        if let Some((request, action)) = fast {
            let expected = Request { embedded: true, ..request };
            prop_assert_eq!(Some((expected, action)), found);
            prop_assert!(!request.embedded);
            prop_assert_eq!(rebuilt(action, following), head);
        }
    }
}

/// Makes the head of a plain verdict (see [`plain`]) again from `action`, which is what the kernel
/// is asked to do, and from the number of bytes that follow the head. Panics if the action is no
/// verdict.
fn rebuilt(action: Action, following: usize) -> [u8; HEAD_BYTES] {
    let Action::Verdict { verdict, id, .. } = action else {
        panic!("{action:?}");
    };
    let header = u64::from(verdict.to_wire()) << 32 | u64::from(id);
    rebuild(PEER, header.to_be_bytes(), following)
}

#[rstest]
fn a_plain_verdict_is_rebuilt_bit_for_bit(#[values(0, 20, 33)] following: usize) {
    let head: [u8; HEAD_BYTES] = verdict(Verdict::Accept, 7, following as u64, following)[..]
        .try_into()
        .unwrap();
    let mut found = 0;
    for (at, bit) in (0..HEAD_BYTES).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut damaged = head;
        damaged[at] ^= 1 << bit;
        if let Some((_, action)) = plain(&damaged, following, PEER, &options()) {
            assert_eq!(rebuilt(action, following), damaged, "bit {bit} of byte {at}");
            found += 1;
        }
    }
    // Three other verdicts, and an id that differs in one of 32 bits.
    assert_eq!(found, 3 + 32);
}

#[test]
fn no_verdict_is_plain_before_anybody_has_attached() {
    let head = VerdictRequest {
        verdict: Verdict::Accept,
        packet_id: PacketId(1),
        data_len: 0,
    }
    .head(Abi::NATIVE, Envelope::request(PortId::KERNEL), 0);
    assert_eq!(plain(head[..].try_into().unwrap(), 0, PortId::KERNEL, &options()), None);
}

/// Returns, as text, the nfnetlink datagram that the slow path sends for the message of `head` and
/// `following`: a row for each nfnetlink message's headers, and after it a row for each of its
/// attributes. If `attaches`, the datagram also binds the queue. Panics if the message's header is
/// refused or ignored, or if nfnetlink can't carry the message.
fn sent(head: &[u8], following: &[u8], attaches: bool, options: &Options) -> String {
    let request = passed(head, head.len() + following.len());
    let action = request.action(head, options);
    let datagram = datagram(&request, head, following, action, attaches, options).expect("a message of this length");
    let mut rows = Vec::new();
    let mut left = &datagram[..];
    while left.len() >= 20 {
        let length = u32::from_ne_bytes(left[..4].try_into().unwrap()) as usize;
        let (message, later) = left.split_at(length.next_multiple_of(4).min(left.len()));
        let number = |at: usize| u32::from_ne_bytes(message[at..at + 4].try_into().unwrap());
        rows.push(format!(
            "{length} bytes, type {:#06x}, flags {}, sequence {}, length quoted {}, queue {}",
            number(4) & 0xffff,
            number(4) >> 16,
            number(8),
            number(12),
            u16::from_be_bytes([message[18], message[19]])
        ));
        let mut attributes = &message[20..length];
        while let Some((&[a, b, c, d], _)) = attributes.split_first_chunk::<4>() {
            let (length, kind) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]));
            let content = hex::encode(&attributes[4..length]);
            rows.push(format!("  {kind:#x}: {content}"));
            attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        left = later;
    }
    assert!(left.is_empty());
    rows.join("\n")
}

/// Compares datagrams byte for byte, on 64-bit little-endian machines.
#[cfg(all(target_pointer_width = "64", target_endian = "little"))]
mod byte_for_byte {
    use super::*;

    #[test]
    fn a_mode_message_binds_in_one() {
        let everything = Options {
            max_length: Some(2048),
            fail_open: true,
            segments_whole: true,
            ..options()
        };
        insta::assert_snapshot!(sent(&mode(CopyMode::Packet, 1500), &[], true, &everything), @r"
        108 bytes, type 0x0302, flags 1, sequence 0, length quoted 40, queue 7
          0x1: 01000000
          0x3: 00000800
          0x4: 00000005
          0x5: 00000005
          0x2: 000005dc02
          0x3f01: 280000001100010000000000921000000200000000000000dc050000000000000000000000000000
        ");
        insta::assert_snapshot!(sent(&mode(CopyMode::Meta, 9), &[], false, &everything), @r"
        76 bytes, type 0x0302, flags 1, sequence 0, length quoted 40, queue 7
          0x2: 0000000001
          0x3f01: 28000000110001000000000092100000010000000000000009000000000000000000000000000000
        ");
    }

    #[test]
    fn a_verdict_carries_its_replacement_or_leaves_it_behind() {
        let replacement = [0x45; 21];
        insta::assert_snapshot!(sent(&verdict(Verdict::Accept, 3, 21, 21), &replacement, false, &options()), @r"
        101 bytes, type 0x0301, flags 1, sequence 0, length quoted 61, queue 7
          0x2: 0000000100000003
          0x3f01: 3d000000120001000000000092100000010000000000000003000000000000001500000000000000
          0xa: 454545454545454545454545454545454545454545
        ");
        insta::assert_snapshot!(sent(&verdict(Verdict::Queue, 3, 20, 21), &replacement, false, &options()), @r"
        101 bytes, type 0x0301, flags 1, sequence 0, length quoted 61, queue 7
          0x2: 0007000300000003
          0x3f01: 3d000000120001000000000092100000030000000000000003000000000000001400000000000000
          0x3f01: 454545454545454545454545454545454545454545
        ");
    }

    #[test]
    fn a_first_message_that_does_not_bind_is_followed_by_one_that_does() {
        insta::assert_snapshot!(sent(&verdict(Verdict::Stolen, 3, 0, 1), &[9], true, &options()), @r"
        81 bytes, type 0x03ff, flags 1, sequence 0, length quoted 41, queue 7
          0x3f02: 0000001600
          0x3f01: 29000000120001000000000092100000020000000000000003000000000000000000000000000000
          0x3f01: 09
        40 bytes, type 0x0302, flags 1, sequence 0, length quoted 0, queue 7
          0x1: 01000000
          0x2: 0000000000
        ");
    }
}

#[rstest]
#[case(CopyMode::None, 77, 0)]
#[case(CopyMode::Meta, 77, 0)]
#[case(CopyMode::Packet, 77, 77)]
#[case(CopyMode::Packet, 1 << 32, 0)]
#[case(CopyMode::Packet, u64::MAX, u32::MAX)]
fn a_range_counts_in_mode_packet_and_has_32_bits(#[case] asked: CopyMode, #[case] stated: u64, #[case] range: u32) {
    assert_eq!(action(&mode(asked, stated), 0), Action::Mode { mode: asked, range });
}

#[rstest]
#[case::no_replacement(0, 0, false)]
#[case::a_replacement(20, 20, true)]
#[case::the_longest(65_531, 65_531, true)]
#[case::too_short_for_a_header(19, 19, false)]
#[case::less_than_stated(21, 20, false)]
#[case::more_than_stated(20, 21, false)]
#[case::stated_and_none(20, 0, false)]
#[case::stated_beyond_all(u64::MAX, 20, false)]
fn a_replacement_counts_or_not(#[case] data_len: u64, #[case] following: usize, #[case] replaces: bool) {
    let head = verdict(Verdict::Accept, 3, data_len, following);
    let expected = Action::Verdict {
        verdict: Verdict::Accept,
        id: 3,
        replaces,
    };
    assert_eq!(action(&head, following), expected);
    // IPv6's fixed header is longer (VER-6).
    let request = passed(&head, head.len() + following);
    let of_ipv6 = request.action(&head, &Options::new(Family::Ipv6));
    assert_eq!(of_ipv6 == expected, !replaces || following >= 40);
}

#[rstest]
#[case::stolen(Verdict::Stolen, 3, Errno::EINVAL)]
#[case::above_five(Verdict::Unknown(6), 3, Errno::EINVAL)]
#[case::upper_half(Verdict::Unknown(0x0001_0001), 3, Errno::EINVAL)]
#[case::value_before_id(Verdict::Stolen, 1 << 32, Errno::EINVAL)]
#[case::wide_id(Verdict::Accept, 1 << 32, Errno::ENOENT)]
#[cfg(target_pointer_width = "64")]
fn some_verdicts_are_refused_here(#[case] value: Verdict, #[case] id: u64, #[case] errno: Errno) {
    assert_eq!(action(&verdict(value, id, 0, 0), 0), Action::refuse(errno));
}

#[test]
fn what_nfnetlink_can_not_carry_is_not_written() {
    let head = verdict(Verdict::Accept, 3, 0, 65_532);
    let request = passed(&head, HEAD_BYTES + 65_532);
    let refused = datagram(&request, &head, &[], Action::refuse(Errno::EINVAL), false, &options());
    assert_eq!(refused, None);
}

#[test]
fn bytes_after_the_message_are_no_part_of_it() {
    let head = verdict(Verdict::Accept, 3, 4, 0);
    let request = passed(&head, head.len() + 4);
    assert_eq!((request.length(), request.following()), (HEAD_BYTES, 0), "MSG-11");
    assert!(request.header.flags.contains(Flags::REQUEST));
}
