//! The cases of topic `nfq-verdicts`: verdicts on one packet and on several, with marks, priorities
//! and payloads.

use super::{QUEUE, QUEUE6, arrive, ids, kernel, must, queued, udp_to, value};
use crate::suite::{Case, CaseResult, Packet, QueueRequest, Subject};
use crate::world::topology::{LO, TAP0, TAP1};
use crate::world::{NumberedQueue, Protocol, Rule, Setup, Table};
use ipq_core::wire::nfnetlink::{attribute, message_type};
use ipq_core::{Errno, Family, Hook};

/// A bit in a verdict whose value is 3, QUEUE. With it, the packet goes on if the queue that the
/// verdict names is not bound to a socket.
const BYPASS: u32 = 0x8000;

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        must(
            "nfq-verdicts/accept",
            "ACCEPT lets the packet go on",
            &["NFQ-62"],
            accept,
        ),
        must("nfq-verdicts/drop", "DROP drops the packet", &["NFQ-62"], drop_drops),
        must(
            "nfq-verdicts/accept-goes-on-with-the-hook",
            "After ACCEPT the next table sees the packet",
            &["NFQ-62"],
            accept_goes_on_with_the_hook,
        )
        .setup(in_both_tables),
        must(
            "nfq-verdicts/stop-skips-the-rest-of-the-hook",
            "STOP passes over the other tables",
            &["NFQ-62"],
            stop_skips_the_rest_of_the_hook,
        )
        .setup(in_both_tables),
        must(
            "nfq-verdicts/repeat-queues-again",
            "REPEAT shows the packet to the same table again, under a new id",
            &["NFQ-62"],
            repeat_queues_again,
        ),
        must(
            "nfq-verdicts/queue-to-another",
            "QUEUE sends the packet to the queue in the upper bits",
            &["NFQ-63"],
            queue_to_another,
        ),
        must(
            "nfq-verdicts/queue-to-its-own",
            "QUEUE to the packet's own queue gives it a new id",
            &["NFQ-63"],
            queue_to_its_own,
        ),
        must(
            "nfq-verdicts/queue-to-nobody",
            "QUEUE to a queue that nobody has bound drops the packet",
            &["NFQ-63"],
            queue_to_nobody,
        ),
        kernel(
            "nfq-verdicts/queue-to-nobody-with-bypass",
            "QUEUE with bit 0x8000 to a queue that nobody has bound lets the packet go on",
            &["NFQ-63"],
            queue_to_nobody_with_bypass,
        ),
        kernel(
            "nfq-verdicts/accept-with-upper-bits",
            "ACCEPT with upper bits is like STOP",
            &["NFQ-64"],
            accept_with_upper_bits,
        )
        .setup(in_both_tables),
        kernel(
            "nfq-verdicts/drop-and-repeat-with-upper-bits",
            "DROP and REPEAT with upper bits drop",
            &["NFQ-64"],
            drop_and_repeat_with_upper_bits,
        ),
        must(
            "nfq-verdicts/bad-values",
            "STOLEN, and values above 5, are refused, and the packet stays",
            &["NFQ-61"],
            bad_values,
        ),
        kernel(
            "nfq-verdicts/only-the-lower-bits-are-checked",
            "Only the lower 8 bits of a value are checked",
            &["NFQ-61"],
            only_the_lower_bits_are_checked,
        ),
        must(
            "nfq-verdicts/unknown-ids",
            "An unknown id is refused with ENOENT; no packet has the id 0",
            &["NFQ-60"],
            unknown_ids,
        ),
        must(
            "nfq-verdicts/second-verdict",
            "A second verdict for a packet is refused",
            &["NFQ-60"],
            second_verdict,
        ),
        kernel(
            "nfq-verdicts/checks-in-order",
            "The queue, its owner, the value and the id are checked in this order",
            &["NFQ-60"],
            checks_in_order,
        ),
        must(
            "nfq-verdicts/any-order",
            "Verdicts can be given in any order",
            &["NFQ-60"],
            any_order,
        ),
        must(
            "nfq-verdicts/several-up-to-an-id",
            "A verdict on several packets takes those up to its id",
            &["NFQ-65"],
            several_up_to_an_id,
        ),
        must(
            "nfq-verdicts/several-with-nothing-there",
            "A verdict on several packets is refused if there is none up to its id",
            &["NFQ-65"],
            several_with_nothing_there,
        ),
        kernel(
            "nfq-verdicts/several-compare-signed",
            "A verdict on several packets compares ids as signed numbers",
            &["NFQ-65"],
            several_compare_signed,
        ),
        must(
            "nfq-verdicts/several-with-mark",
            "A verdict on several packets sets the mark of each",
            &["NFQ-66"],
            several_with_mark,
        )
        .setup(in_both_tables),
        kernel(
            "nfq-verdicts/several-have-no-payload",
            "A verdict on several packets does not replace their bytes",
            &["NFQ-66"],
            several_have_no_payload,
        ),
        kernel(
            "nfq-verdicts/several-repeated",
            "REPEAT on several packets gives each one new id",
            &["NFQ-65"],
            several_repeated,
        ),
        must(
            "nfq-verdicts/mark",
            "A mark is set before the value acts",
            &["NFQ-67"],
            mark,
        )
        .setup(in_both_tables),
        must(
            "nfq-verdicts/priority",
            "A priority is set before the value acts",
            &["NFQ-67"],
            priority,
        )
        .setup(in_both_tables),
        kernel(
            "nfq-verdicts/mark-of-0",
            "A mark of 0 takes the mark away",
            &["NFQ-67"],
            mark_of_0,
        )
        .setup(marked_in_both_tables),
        must(
            "nfq-verdicts/payload",
            "A payload takes the place of the packet's bytes",
            &["NFQ-68"],
            payload,
        ),
        kernel(
            "nfq-verdicts/payload-in-meta",
            "A payload counts in mode META, too",
            &["NFQ-68"],
            payload_in_meta,
        ),
        must(
            "nfq-verdicts/longer-payload",
            "A payload can be longer than the packet, and is not checked",
            &["NFQ-68"],
            longer_payload,
        ),
        must(
            "nfq-verdicts/shorter-payload",
            "A payload can be shorter than the packet",
            &["NFQ-68"],
            shorter_payload,
        ),
        must(
            "nfq-verdicts/payload-with-drop",
            "A payload does not save a packet from DROP",
            &["NFQ-62"],
            payload_with_drop,
        ),
        kernel(
            "nfq-verdicts/short-payload",
            "A payload shorter than the network header drops the packet, and the answer is a success",
            &["NFQ-69"],
            short_payload,
        ),
        kernel(
            "nfq-verdicts/ipv6-short-payload",
            "A payload shorter than IPv6's header drops the packet",
            &["NFQ-69"],
            ipv6_short_payload,
        ),
        must(
            "nfq-verdicts/payload-of-a-header",
            "A payload of a whole network header is taken",
            &["NFQ-69"],
            payload_of_a_header,
        ),
        must(
            "nfq-verdicts/payload-is-what-a-repeat-shows",
            "A packet that is queued again has its new bytes",
            &["NFQ-68"],
            payload_is_what_a_repeat_shows,
        ),
        kernel(
            "nfq-verdicts/queued-again-before-the-answer",
            "The message about a packet that is queued again comes before the answer",
            &["NFQ-70"],
            queued_again_before_the_answer,
        ),
        kernel(
            "nfq-verdicts/changed-output-is-routed-again",
            "A packet whose address was changed at OUTPUT is routed again after ACCEPT",
            &["NFQ-71"],
            changed_output_is_routed_again,
        )
        .setup(|| super::udp_at(Hook::Output)),
        kernel(
            "nfq-verdicts/stopped-output-keeps-its-route",
            "A packet whose address was changed at OUTPUT keeps its route after STOP",
            &["NFQ-71"],
            stopped_output_keeps_its_route,
        )
        .setup(|| super::udp_at(Hook::Output)),
        kernel(
            "nfq-verdicts/changed-destination-keeps-its-device",
            "A packet whose destination was changed at FORWARD leaves by its device, if a neighbour there has it",
            &["NFQ-72"],
            changed_destination_keeps_its_device,
        ),
        kernel(
            "nfq-verdicts/changed-destination-of-everybody",
            "A packet whose destination was changed to a broadcast address or 0.0.0.0 leaves to everybody",
            &["NFQ-72"],
            changed_destination_of_everybody,
        ),
    ]
}

/// Returns a setup in which forwarded UDP over IPv4 is sent to [`QUEUE`] twice: by the table
/// mangle, and then by the table filter.
fn in_both_tables() -> Setup {
    let rule = udp_to(Family::Ipv4, Hook::Forward, NumberedQueue::one(QUEUE));
    let first = Rule {
        table: Table::Mangle,
        ..rule.clone()
    };
    Setup::with_numbered_queues([first, rule])
}

fn marked_in_both_tables() -> Setup {
    let mark = Rule::mark(Family::Ipv4, Table::Mangle, Hook::Prerouting, Some(Protocol::UDP), 9);
    let mut setup = in_both_tables();
    setup.rules.insert(0, mark);
    setup
}

fn accept(subject: &Subject) -> CaseResult {
    let (socket, message) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, message.id()))?;
    subject.expect_forwarded(&Packet::udp4())?;
    let (socket, message) = queued(subject, &Packet::udp6())?;
    socket.done(&QueueRequest::verdict(QUEUE6, value::ACCEPT, message.id()))?;
    subject.expect_forwarded(&Packet::udp6())
}

fn drop_drops(subject: &Subject) -> CaseResult {
    let (socket, message) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::verdict(QUEUE, value::DROP, message.id()))?;
    subject.expect_not_forwarded()?;
    socket.refused(Errno::ENOENT, &QueueRequest::verdict(QUEUE, value::DROP, message.id()))
}

fn accept_goes_on_with_the_hook(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.ask(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.equal("the id", &vec![2], &ids(&socket, 1)?)?;
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 2))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn stop_skips_the_rest_of_the_hook(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::verdict(QUEUE, value::STOP, 1))?;
    subject.expect_forwarded(&Packet::udp4())?;
    socket.expect_nothing()
}

fn repeat_queues_again(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    for id in 1..4 {
        socket.ask(&QueueRequest::verdict(QUEUE, value::REPEAT, id))?;
        subject.equal("the new id", &vec![id + 1], &ids(&socket, 1)?)?;
    }
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 4))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn queue_to_another(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    let other = subject.listen(300)?;
    socket.done(&QueueRequest::verdict(QUEUE, value::QUEUE | 300 << 16, 1))?;
    let message = other.expect_queued(300)?;
    subject.equal("the id", &1, &message.id())?;
    socket.refused(Errno::ENOENT, &QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    other.done(&QueueRequest::verdict(300, value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn queue_to_its_own(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.ask(&QueueRequest::verdict(QUEUE, value::QUEUE | u32::from(QUEUE) << 16, 1))?;
    subject.equal("the new id", &vec![2], &ids(&socket, 1)?)?;
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 2))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn queue_to_nobody(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::verdict(QUEUE, value::QUEUE | 300 << 16, 1))?;
    subject.expect_not_forwarded()
}

fn queue_to_nobody_with_bypass(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::verdict(QUEUE, value::QUEUE | BYPASS | 300 << 16, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn accept_with_upper_bits(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT | 1 << 16, 1))?;
    subject.expect_forwarded(&Packet::udp4())?;
    socket.expect_nothing()
}

fn drop_and_repeat_with_upper_bits(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    arrive(subject, 2)?;
    ids(&socket, 2)?;
    socket.done(&QueueRequest::verdict(QUEUE, value::DROP | 7 << 16, 1))?;
    socket.done(&QueueRequest::verdict(QUEUE, value::REPEAT | 7 << 16, 2))?;
    socket.expect_nothing()?;
    subject.expect_not_forwarded()
}

fn bad_values(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    for value in [value::STOLEN, 6, 7, 0xff, 0x106] {
        socket.refused(Errno::EINVAL, &QueueRequest::verdict(QUEUE, value, 1))?;
        socket.refused(Errno::EINVAL, &QueueRequest::verdict_up_to(QUEUE, value, 1))?;
    }
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn only_the_lower_bits_are_checked(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::verdict(QUEUE, 0xffff_ff01, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn unknown_ids(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    for id in [0, 2, 0x0100_0000, u32::MAX] {
        socket.refused(Errno::ENOENT, &QueueRequest::verdict(QUEUE, value::ACCEPT, id))?;
    }
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn second_verdict(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    socket.refused(Errno::ENOENT, &QueueRequest::verdict(QUEUE, value::DROP, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn checks_in_order(subject: &Subject) -> CaseResult {
    let (owner, _) = queued(subject, &Packet::udp4())?;
    let other = subject.open_queues()?;
    let without_header = QueueRequest::new(message_type::VERDICT, QUEUE);
    owner.refused(Errno::ENODEV, &QueueRequest::new(message_type::VERDICT, 900))?;
    other.refused(Errno::EPERM, &without_header)?;
    other.refused(Errno::EPERM, &QueueRequest::verdict(QUEUE, 9, 99))?;
    owner.refused(Errno::EINVAL, &without_header)?;
    owner.refused(Errno::EINVAL, &QueueRequest::verdict(QUEUE, 9, 99))?;
    owner.refused(Errno::ENOENT, &QueueRequest::verdict(QUEUE, value::DROP, 99))?;
    owner.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn any_order(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    let sent = arrive(subject, 5)?;
    ids(&socket, 5)?;
    for id in [3, 5, 1, 4, 2] {
        socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, id))?;
        subject.expect_forwarded(&sent[id as usize - 1])?;
    }
    Ok(())
}

fn several_up_to_an_id(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    let sent = arrive(subject, 5)?;
    ids(&socket, 5)?;
    socket.done(&QueueRequest::verdict(QUEUE, value::DROP, 2))?;
    socket.done(&QueueRequest::verdict_up_to(QUEUE, value::ACCEPT, 3))?;
    subject.expect_forwarded(&sent[0])?;
    subject.expect_forwarded(&sent[2])?;
    subject.expect_not_forwarded()?;
    socket.refused(Errno::ENOENT, &QueueRequest::verdict_up_to(QUEUE, value::ACCEPT, 3))?;
    socket.done(&QueueRequest::verdict_up_to(QUEUE, value::ACCEPT, 0x7000_0000))?;
    subject.expect_forwarded(&sent[3])?;
    subject.expect_forwarded(&sent[4])
}

fn several_with_nothing_there(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.refused(Errno::ENOENT, &QueueRequest::verdict_up_to(QUEUE, value::ACCEPT, 5))?;
    arrive(subject, 1)?;
    ids(&socket, 1)?;
    socket.refused(Errno::ENOENT, &QueueRequest::verdict_up_to(QUEUE, value::ACCEPT, 0))?;
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn several_compare_signed(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    for id in [u32::MAX, 0x8000_0002] {
        socket.refused(Errno::ENOENT, &QueueRequest::verdict_up_to(QUEUE, value::ACCEPT, id))?;
    }
    socket.done(&QueueRequest::verdict_up_to(QUEUE, value::ACCEPT, 0x8000_0001))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn several_with_mark(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    arrive(subject, 2)?;
    ids(&socket, 2)?;
    socket.ask(
        &QueueRequest::verdict_up_to(QUEUE, value::ACCEPT, 2)
            .mark(0x0a0b_0c0d)
            .priority(7),
    )?;
    for id in [3, 4] {
        let message = socket.expect_queued(QUEUE)?;
        let seen = (
            message.id(),
            message.number(attribute::MARK),
            message.number(attribute::PRIORITY),
        );
        subject.equal("id, mark and priority", &(id, Some(0x0a0b_0c0d), Some(7)), &seen)?;
    }
    Ok(())
}

fn several_have_no_payload(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    let sent = arrive(subject, 2)?;
    ids(&socket, 2)?;
    let other = Packet::udp4().payload(*b"another").forwarded().ip();
    socket.done(&QueueRequest::verdict_up_to(QUEUE, value::ACCEPT, 2).payload(&other))?;
    subject.expect_forwarded(&sent[0])?;
    subject.expect_forwarded(&sent[1])
}

fn several_repeated(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    let sent = arrive(subject, 3)?;
    ids(&socket, 3)?;
    let request = socket.ask(&QueueRequest::verdict_up_to(QUEUE, value::REPEAT, 3).ack())?;
    subject.equal("the new ids", &vec![4, 5, 6], &ids(&socket, 3)?)?;
    socket.expect_success(&request)?;
    socket.done(&QueueRequest::verdict_up_to(QUEUE, value::ACCEPT, 6))?;
    for packet in &sent {
        subject.expect_forwarded(packet)?;
    }
    Ok(())
}

fn mark(subject: &Subject) -> CaseResult {
    let (socket, message) = queued(subject, &Packet::udp4())?;
    subject.equal("the mark", &None, &message.number(attribute::MARK))?;
    socket.ask(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1).mark(0x0102_0304))?;
    let message = socket.expect_queued(QUEUE)?;
    subject.equal("the mark", &Some(0x0102_0304), &message.number(attribute::MARK))
}

fn priority(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.ask(&QueueRequest::verdict(QUEUE, value::REPEAT, 1).priority(0x0506_0708))?;
    let message = socket.expect_queued(QUEUE)?;
    subject.equal("the priority", &Some(0x0506_0708), &message.number(attribute::PRIORITY))
}

fn mark_of_0(subject: &Subject) -> CaseResult {
    let (socket, message) = queued(subject, &Packet::udp4())?;
    subject.equal("the mark", &Some(9), &message.number(attribute::MARK))?;
    socket.ask(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1).mark(0))?;
    let message = socket.expect_queued(QUEUE)?;
    subject.equal("the mark", &None, &message.number(attribute::MARK))
}

fn payload(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    let other = Packet::udp4().ports(1, 2).payload(*b"replaced").forwarded().ip();
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1).payload(&other))?;
    subject.expect_sent(&TAP1, &other)
}

fn payload_in_meta(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).mode(1, 0))?;
    subject.inject(&Packet::udp4())?;
    socket.expect_queued(QUEUE)?;
    let other = Packet::udp4().payload(*b"replaced").forwarded().ip();
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1).payload(&other))?;
    subject.expect_sent(&TAP1, &other)
}

fn longer_payload(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    // The lengths and checksums in the headers are still those of the shorter packet.
    let grown = [&Packet::udp4().forwarded().ip()[..], &[0x77; 100]].concat();
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1).payload(&grown))?;
    subject.expect_sent(&TAP1, &grown)
}

fn shorter_payload(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4().length(200))?;
    let shorter = Packet::udp4().length(29).forwarded().ip();
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1).payload(&shorter))?;
    subject.expect_sent(&TAP1, &shorter)
}

fn payload_with_drop(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    let other = Packet::udp4().payload(*b"replaced").forwarded().ip();
    socket.done(&QueueRequest::verdict(QUEUE, value::DROP, 1).payload(&other))?;
    subject.expect_not_forwarded()
}

fn short_payload(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    for (id, length) in [(1, 0), (2, 1), (3, 19)] {
        subject.inject(&Packet::udp4())?;
        socket.expect_queued(QUEUE)?;
        let stub = &Packet::udp4().forwarded().ip()[..length];
        socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, id).payload(stub))?;
    }
    subject.expect_not_forwarded()
}

fn ipv6_short_payload(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp6())?;
    let stub = &Packet::udp6().forwarded().ip()[..39];
    socket.done(&QueueRequest::verdict(QUEUE6, value::ACCEPT, 1).payload(stub))?;
    subject.expect_not_forwarded()
}

fn payload_of_a_header(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    let header = Packet::udp4().protocol(253).length(20).forwarded().ip();
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1).payload(&header))?;
    subject.expect_sent(&TAP1, &header)
}

fn payload_is_what_a_repeat_shows(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    let other = Packet::udp4().payload(*b"replaced").forwarded().ip();
    socket.ask(&QueueRequest::verdict(QUEUE, value::REPEAT, 1).payload(&other))?;
    let message = socket.expect_queued(QUEUE)?;
    subject.equal_packets("the packet", &other, &message.payload())
}

fn queued_again_before_the_answer(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    let request = socket.ask(&QueueRequest::verdict(QUEUE, value::REPEAT, 1).ack())?;
    subject.equal("the new id", &vec![2], &ids(&socket, 1)?)?;
    socket.expect_success(&request)
}

/// Makes this host send a packet to itself. Gives the packet the verdict `value`, with a payload
/// that replaces it by a packet to the neighbour at tap1.
fn redirected(subject: &Subject, value: u32) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    let sent = Packet::udp4().source(TAP0.ipv4).to_host();
    subject.output_by(LO, &sent.ip())?;
    socket.expect_queued(QUEUE)?;
    let elsewhere = sent.destination(TAP1.neighbour_ipv4).ip();
    socket.done(&QueueRequest::verdict(QUEUE, value, 1).payload(&elsewhere))
}

fn changed_output_is_routed_again(subject: &Subject) -> CaseResult {
    redirected(subject, value::ACCEPT)?;
    let elsewhere = Packet::udp4().source(TAP0.ipv4).ip();
    subject.expect_sent(&TAP1, &elsewhere)
}

fn stopped_output_keeps_its_route(subject: &Subject) -> CaseResult {
    redirected(subject, value::STOP)?;
    subject.equal("what left by tap1", &None, &subject.sniff(&TAP1)?)
}

/// Accepts forwarded packets with a payload that replaces each by a packet to the neighbour at
/// tap0. Expects that the packets are lost: they stay routed to tap1, where no neighbour has that
/// address (NFQ-72).
fn changed_destination_keeps_its_device(subject: &Subject) -> CaseResult {
    for (packet, queue) in [(Packet::udp4(), QUEUE), (Packet::udp6(), QUEUE6)] {
        let (socket, message) = queued(subject, &packet)?;
        let changed = packet.clone().back().ip();
        socket.done(&QueueRequest::verdict(queue, value::ACCEPT, message.id()).payload(&changed))?;
        subject.expect_not_forwarded()?;
        subject.equal("what left by tap0", &None, &subject.sniff(&TAP0)?)?;
    }
    Ok(())
}

fn changed_destination_of_everybody(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    for address in [[0; 4], [10, 2, 0, 255], [255; 4]] {
        subject.inject(&Packet::udp4())?;
        let message = socket.expect_queued(QUEUE)?;
        let changed = Packet::udp4().destination(address);
        socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, message.id()).payload(&changed.ip()))?;
        let sent = changed.destination_mac([0xff; 6]).source_mac(TAP1.mac);
        subject.expect_frame_sent(&TAP1, &sent.frame())?;
    }
    Ok(())
}
