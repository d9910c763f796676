//! The cases of topic `nfq-binding`: who owns a numbered queue, and what ends its binding.

use super::{QUEUE, QUEUE6, arrive, ids, kernel, must, queued, value};
use crate::suite::{Case, CaseResult, Packet, QueueRequest, Subject};
use crate::world::Capability;
use crate::world::topology::{TAP0, TAP1};
use ipq_core::Errno;

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        must(
            "nfq-binding/first-and-last-number",
            "Queues 0 and 65535 can be bound",
            &["NFQ-1"],
            first_and_last_number,
        ),
        must(
            "nfq-binding/each-queue-counts-for-itself",
            "Each queue gives out ids of its own",
            &["NFQ-1"],
            each_queue_counts_for_itself,
        ),
        must(
            "nfq-binding/ids-count-up-from-1",
            "The ids of a queue count up from 1",
            &["NFQ-2"],
            ids_count_up_from_1,
        ),
        must(
            "nfq-binding/ids-begin-anew",
            "A queue that is bound again begins with id 1",
            &["NFQ-2"],
            ids_begin_anew,
        ),
        must(
            "nfq-binding/one-socket-owns-many",
            "A socket can own 200 queues",
            &["NFQ-6"],
            one_socket_owns_many,
        ),
        must(
            "nfq-binding/second-socket-is-refused",
            "A queue that a socket owns is refused to another of the same process",
            &["NFQ-6", "NFQ-23"],
            second_socket_is_refused,
        ),
        must(
            "nfq-binding/duplicate-keeps-the-queue",
            "A queue is bound until the last copy of its socket is closed",
            &["NFQ-6"],
            duplicate_keeps_the_queue,
        )
        .needs(&[Capability::Duplicate]),
        must(
            "nfq-binding/close-drops-what-is-queued",
            "Closing the socket drops what is queued",
            &["NFQ-7"],
            close_drops_what_is_queued,
        ),
        must(
            "nfq-binding/close-makes-room",
            "A queue can be bound by another socket once its owner is closed",
            &["NFQ-7"],
            close_makes_room,
        ),
        kernel(
            "nfq-binding/close-drops-though-the-queue-fails-open",
            "Closing the socket drops what is queued, also where the queue fails open",
            &["NFQ-7"],
            close_drops_though_the_queue_fails_open,
        ),
        must(
            "nfq-binding/unbind-drops-what-is-queued",
            "UNBIND drops what is queued",
            &["NFQ-8"],
            unbind_drops_what_is_queued,
        ),
        kernel(
            "nfq-binding/unread-messages-stay-readable",
            "After UNBIND what was not read can be read, and a verdict for it is ENODEV",
            &["NFQ-8", "NFQ-60"],
            unread_messages_stay_readable,
        ),
        must(
            "nfq-binding/incoming-device-down",
            "A packet is dropped when the device goes down that it came in by",
            &["NFQ-9"],
            incoming_device_down,
        )
        .needs(&[Capability::LinkState]),
        must(
            "nfq-binding/outgoing-device-down",
            "A packet is dropped when the device goes down that it is to leave by",
            &["NFQ-9"],
            outgoing_device_down,
        )
        .needs(&[Capability::LinkState]),
        kernel(
            "nfq-binding/device-down-says-nothing",
            "A device that goes down drops packets without a word, and a verdict for one is ENOENT",
            &["NFQ-9"],
            device_down_says_nothing,
        )
        .needs(&[Capability::LinkState]),
        must(
            "nfq-binding/other-queue-stays",
            "What is in one queue stays when another is unbound",
            &["NFQ-1"],
            other_queue_stays,
        ),
    ]
}

fn first_and_last_number(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.done(&QueueRequest::bind(0))?;
    socket.done(&QueueRequest::bind(65_535))?;
    socket.refused(Errno::EBUSY, &QueueRequest::bind(0))?;
    socket.refused(Errno::EBUSY, &QueueRequest::bind(65_535))?;
    socket.expect_nothing()
}

fn each_queue_counts_for_itself(subject: &Subject) -> CaseResult {
    let four = subject.listen(QUEUE)?;
    let six = subject.listen(QUEUE6)?;
    subject.inject(&Packet::udp4())?;
    subject.inject(&Packet::udp6())?;
    subject.inject(&Packet::udp6())?;
    subject.equal("the id", &1, &four.expect_queued(QUEUE)?.id())?;
    subject.equal("the first id", &1, &six.expect_queued(QUEUE6)?.id())?;
    subject.equal("the second id", &2, &six.expect_queued(QUEUE6)?.id())?;
    four.expect_nothing()
}

fn ids_count_up_from_1(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    arrive(subject, 3)?;
    subject.equal("the ids", &vec![1, 2, 3], &ids(&socket, 3)?)?;
    socket.done(&QueueRequest::verdict(QUEUE, value::DROP, 3))?;
    arrive(subject, 1)?;
    subject.equal("the next id", &vec![4], &ids(&socket, 1)?)
}

fn ids_begin_anew(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    arrive(subject, 2)?;
    ids(&socket, 2)?;
    socket.done(&QueueRequest::unbind(QUEUE))?;
    socket.done(&QueueRequest::bind(QUEUE).mode(2, 0))?;
    arrive(subject, 1)?;
    subject.equal("the first id", &vec![1], &ids(&socket, 1)?)
}

fn one_socket_owns_many(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    let binds: Vec<_> = (100..300)
        .map(|number| QueueRequest::bind(number).ack().bytes())
        .collect();
    socket.send(&binds.concat())?;
    for bind in &binds {
        socket.expect_success(bind)?;
    }
    socket.expect_nothing()
}

fn second_socket_is_refused(subject: &Subject) -> CaseResult {
    let (owner, _) = queued(subject, &Packet::udp4())?;
    let second = subject.open_queues()?;
    for request in [
        QueueRequest::bind(QUEUE),
        QueueRequest::unbind(QUEUE),
        QueueRequest::config(QUEUE).mode(1, 0),
        QueueRequest::config(QUEUE).maximum_length(1),
        QueueRequest::config(QUEUE).queue_flags(1, 1),
        QueueRequest::config(QUEUE),
    ] {
        second.refused(Errno::EPERM, &request)?;
    }
    owner.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn duplicate_keeps_the_queue(subject: &Subject) -> CaseResult {
    let (first, _) = queued(subject, &Packet::udp4())?;
    let copy = first.duplicate()?;
    first.close()?;
    copy.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())?;
    subject.inject(&Packet::udp4())?;
    subject.equal("the id", &vec![2], &ids(&copy, 1)?)?;
    copy.close()?;
    subject.listen(QUEUE).map(drop)
}

fn close_drops_what_is_queued(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.close()?;
    subject.expect_not_forwarded()
}

fn close_makes_room(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.close()?;
    let (_second, message) = queued(subject, &Packet::udp4())?;
    subject.equal("the id", &1, &message.id())
}

fn close_drops_though_the_queue_fails_open(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::config(QUEUE).queue_flags(1, 1))?;
    socket.close()?;
    subject.expect_not_forwarded()
}

fn unbind_drops_what_is_queued(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::unbind(QUEUE))?;
    subject.expect_not_forwarded()?;
    socket.expect_nothing()
}

fn unread_messages_stay_readable(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    subject.inject(&Packet::udp4())?;
    let unbind = socket.ask(&QueueRequest::unbind(QUEUE).ack())?;
    subject.equal("the id", &vec![1], &ids(&socket, 1)?)?;
    socket.expect_success(&unbind)?;
    socket.refused(Errno::ENODEV, &QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_not_forwarded()
}

fn incoming_device_down(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4().back();
    let (socket, _) = queued(subject, &sent)?;
    subject.set_link(TAP1.name, false)?;
    socket.refused(Errno::ENOENT, &QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.set_link(TAP1.name, true)?;
    subject.equal("what left", &None, &subject.sniff(&TAP0)?)
}

fn outgoing_device_down(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    subject.set_link(TAP1.name, false)?;
    socket.refused(Errno::ENOENT, &QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.set_link(TAP1.name, true)?;
    subject.expect_not_forwarded()
}

fn device_down_says_nothing(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    subject.set_link(TAP1.name, false)?;
    socket.expect_nothing()?;
    subject.set_link(TAP1.name, true)?;
    socket.refused(Errno::ENOENT, &QueueRequest::verdict(QUEUE, value::DROP, 1))?;
    socket.expect_nothing()
}

fn other_queue_stays(subject: &Subject) -> CaseResult {
    let (four, _) = queued(subject, &Packet::udp4())?;
    let (six, _) = queued(subject, &Packet::udp6())?;
    six.done(&QueueRequest::unbind(QUEUE6))?;
    four.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}
