//! Tests that datagrams which no kernel sends get the right errors, and that random ones never make
//! the translation panic.

use super::super::translate::datagram::Translated;
use super::super::translate::quote::{EMBEDDED, REFUSAL, REJECT_PROBE};
use super::messages::{malformed, packet, stating};
use super::{attribute, attribute_of, body, message, translated};
use crate::wire::nfnetlink::ParseError;
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use rstest::rstest;

use ParseError::*;

const PACKET: u16 = 0x0300;
const VERDICT: u16 = 0x0301;
const CONFIG: u16 = 0x0302;

/// Returns an answer with `error` that quotes the message `quoted`: for error 0 only its header,
/// and otherwise all of it.
fn answer(error: i32, quoted: &[u8]) -> Vec<u8> {
    let quoted = if error == 0 { &quoted[..16] } else { quoted };
    message(2, 9, 1, &[&error.to_ne_bytes(), quoted].concat())
}

/// Returns an nfnetlink message for an answer to quote. `quoted` is the port id in its header,
/// where the transport writes the length of an embedded `ip_queue` message.
fn ours(kind: u16, quoted: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    message(kind, 9, quoted, &body(0, attributes))
}

fn quote(bytes: &[u8]) -> Vec<u8> {
    attribute(EMBEDDED, bytes)
}

/// Returns a message of the type [`REJECT_PROBE`], which every kernel refuses. An attribute in it
/// says that `ip_queue` refused with the error number `number`, before it checked the capability.
fn decided(number: i32) -> Vec<u8> {
    ours(
        REJECT_PROBE,
        0,
        &[attribute(REFUSAL, &[&number.to_be_bytes()[..], &[1]].concat())],
    )
}

#[test]
fn what_no_kernel_sends_to_this_queue_is_an_error() {
    for (name, datagram, expected) in malformed() {
        assert_eq!(translated(&datagram, 2048, true).0, Err(expected), "{name}");
    }
}

#[rstest]
#[case::an_answer_of_a_header(message(2, 0, 0, &[]), MessageTooShort { message_type: 2, needed: 36, found: 16 })]
#[case::an_answer_of_35_bytes(message(2, 0, 0, &[0; 19]), MessageTooShort { message_type: 2, needed: 36, found: 35 })]
#[case::a_positive_error(answer(22, &ours(REJECT_PROBE, 0, &[])), ErrorNumber { stated: 22 })]
#[case::an_error_of_no_errno(answer(-4096, &ours(REJECT_PROBE, 0, &[])), ErrorNumber { stated: -4096 })]
#[case::the_smallest_error(answer(i32::MIN, &ours(REJECT_PROBE, 0, &[])), ErrorNumber { stated: i32::MIN })]
#[case::quoting_length_0(answer(-22, &stating(ours(REJECT_PROBE, 0, &[]), 0)), QuotedLength { stated: 0, found: 20 })]
#[case::quoting_too_much(answer(-22, &stating(ours(REJECT_PROBE, 0, &[]), 21)), QuotedLength { stated: 21, found: 20 })]
#[case::quoting_too_little(answer(-22, &stating(ours(REJECT_PROBE, 0, &[]), 16)), QuotedLength { stated: 16, found: 20 })]
#[case::quoting_all_ones(answer(-22, &stating(ours(REJECT_PROBE, 0, &[]), u32::MAX)), QuotedLength { stated: u32::MAX, found: 20 })]
#[case::quoting_a_header_alone(answer(-22, &message(VERDICT, 9, 0, &[])), MessageTooShort { message_type: VERDICT, needed: 20, found: 16 })]
#[case::quoting_what_was_not_sent(answer(-22, &ours(0x0100, 0, &[])), UnknownQuote { message_type: 0x0100 })]
#[case::acknowledging_what_was_not_sent(answer(0, &ours(REJECT_PROBE, 0, &[])), UnknownQuote { message_type: REJECT_PROBE })]
#[case::a_bounce_without_decision(answer(-22, &ours(REJECT_PROBE, 2, &[quote(&[1; 2])])), MissingAttribute { attribute: REFUSAL })]
#[case::half_a_decision(answer(-22, &ours(REJECT_PROBE, 0, &[attribute(REFUSAL, &[0; 4])])), AttributeSize { attribute: REFUSAL, expected: 5, found: 4 })]
#[case::a_decision_of_no_errno(answer(-22, &decided(4096)), ErrorNumber { stated: -4096 })]
#[case::a_decision_of_0(answer(-22, &decided(0)), ErrorNumber { stated: 0 })]
#[case::the_smallest_decision(answer(-22, &decided(i32::MIN)), ErrorNumber { stated: i32::MIN })]
#[case::three_quotes(answer(-1, &ours(VERDICT, 6, &[quote(&[1; 2]), quote(&[1; 2]), quote(&[1; 2])])), DuplicateAttribute { attribute: EMBEDDED })]
#[case::a_quote_one_short(answer(-1, &ours(CONFIG, 3, &[quote(&[1; 2])])), QuotedLength { stated: 3, found: 2 })]
#[case::a_quote_of_nobodys(answer(-1, &ours(VERDICT, 0, &[quote(&[1; 2])])), QuotedLength { stated: 0, found: 2 })]
#[case::a_replacement_of_nobodys(answer(-1, &ours(VERDICT, 0, &[attribute(10, &[1; 20])])), QuotedLength { stated: 0, found: 20 })]
#[case::a_verdict_that_is_none(answer(-1, &ours(VERDICT, 7, &[])), QuotedLength { stated: 7, found: 0 })]
#[case::a_quoted_attribute_of_0(answer(-1, &ours(CONFIG, 0, &[attribute_of(0, 1, &[])])), AttributeLength { attribute: 1, stated: 0, left: 4 })]
fn an_answer_that_no_kernel_sends_is_an_error(#[case] datagram: Vec<u8>, #[case] expected: ParseError) {
    assert_eq!(translated(&datagram, 2048, true).0, Err(expected));
}

#[rstest]
#[case::an_unpadded_payload(packet(&[attribute_of(9, 10, &[7; 5])]), 5)]
#[case::a_padded_payload(packet(&[attribute(10, &[7; 5])]), 5)]
#[case::an_empty_payload(packet(&[attribute(10, &[])]), 0)]
#[case::an_unpadded_unknown_attribute(packet(&[attribute_of(5, 999, &[7])]), 0)]
#[case::unknown_attributes(packet(&[attribute(17, &[1; 7]), attribute(999, &[]), attribute(999, &[]), attribute(10, &[7; 20])]), 20)]
#[case::padding_after_the_message([packet(&[]), vec![0; 3]].concat(), 0)]
#[case::as_much_talk_as_is_looked_at(packet(&[attribute(20, &[0; 468]), attribute_of(9, 10, &[7; 5])]), 5)]
fn what_a_kernel_may_send_is_not(#[case] datagram: Vec<u8>, #[case] payload: usize) {
    let (result, buffer) = translated(&datagram, 2048, true);
    let Ok(Translated::Packet { frame, .. }) = result else {
        panic!("{result:?}");
    };
    assert_eq!(frame, 112 + payload.next_multiple_of(4));
    assert_eq!(buffer[112..112 + payload], vec![7; payload]);
}

/// Draws datagrams that are nearly right: a message of a known or random type with attributes, or
/// an answer that quotes such a message. Some have an attribute of a wrong length, or a wrong byte.
fn nearly_a_message() -> impl Strategy<Value = Vec<u8>> {
    let attribute =
        (any::<u16>(), 0_u16..64, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(length, kind, content)| {
            match length % 8 {
                0 => attribute_of(length, kind, &content),
                _ => attribute(kind | if length & 8 == 0 { 0 } else { 0x3f00 }, &content),
            }
        });
    let attributes = prop::collection::vec(attribute, 0..20);
    let kind = prop_oneof![
        Just(PACKET),
        Just(VERDICT),
        Just(CONFIG),
        Just(REJECT_PROBE),
        any::<u16>()
    ];
    let one = (kind, any::<u32>(), attributes)
        .prop_map(|(kind, number, attributes)| message(kind, 9, number % 100, &body(2, &attributes)));
    (
        one,
        any::<bool>(),
        any::<i32>(),
        any::<prop::sample::Index>(),
        any::<u8>(),
    )
        .prop_map(|(one, quoted, error, at, byte)| {
            let mut datagram = if quoted { answer(-(error & 0x7f), &one) } else { one };
            let at = at.index(datagram.len());
            if byte & 1 == 0 {
                datagram[at] = byte;
            }
            datagram
        })
}

proptest! {
    #[test]
    fn any_bytes_are_translated_or_refused(datagram in prop::collection::vec(any::<u8>(), 0..1500), room in 0_usize..1000) {
        check(&datagram, room)?;
    }

    #[test]
    fn any_attributes_are_translated_or_refused(datagram in nearly_a_message(), room in 0_usize..1000) {
        check(&datagram, room)?;
    }
}

/// Translates `datagram` to a frame in a buffer of `room` bytes, which must not panic. Returns an
/// error if the frame is longer than the datagram and a PACKET frame's fixed part together.
fn check(datagram: &[u8], room: usize) -> Result<(), TestCaseError> {
    let longest = datagram.len() + 112;
    let result = translated(datagram, room, true).0;
    if let Ok(
        Translated::Packet { frame: length, .. }
        | Translated::Answer {
            frame: Some(length), ..
        },
    ) = result
    {
        prop_assert!(length <= longest);
    }
    Ok(())
}
