//! The cases of topic `nfq-messages`: wrong lengths, types and flags, unknown attributes, several
//! messages in a datagram, batches, and senders without `CAP_NET_ADMIN`.

use super::errno::{ENOTSUPP, ERANGE};
use super::{QUEUE, arrive, ids, kernel, must, queued, value};
use crate::suite::{Case, CaseResult, Packet, QueueRequest, Socket, Subject};
use crate::world::Capability;
use bytes::Bytes;
use ipq_core::Errno;
use ipq_core::wire::nfnetlink::{attribute, command, message_type};

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        kernel(
            "nfq-messages/leftover-bytes",
            "Bytes that are left after the last attribute are ignored",
            &["NFQ-45"],
            leftover_bytes,
        ),
        must(
            "nfq-messages/short-attributes",
            "An attribute that is shorter than its type is refused with ERANGE",
            &["NFQ-46"],
            short_attributes,
        ),
        kernel(
            "nfq-messages/long-attributes",
            "An attribute that is longer than its type is taken",
            &["NFQ-46"],
            long_attributes,
        ),
        kernel(
            "nfq-messages/last-attribute-counts",
            "Of two attributes of one type the last counts",
            &["NFQ-46"],
            last_attribute_counts,
        ),
        must(
            "nfq-messages/unknown-attributes",
            "Unknown attributes are ignored",
            &["NFQ-46"],
            unknown_attributes,
        ),
        kernel(
            "nfq-messages/type-bits",
            "The two upper bits of an attribute's type are ignored",
            &["NFQ-46"],
            type_bits,
        ),
        kernel(
            "nfq-messages/packet-from-a-program",
            "A message of the type of packets is error 524",
            &["NFQ-47"],
            packet_from_a_program,
        ),
        must(
            "nfq-messages/unknown-types",
            "Unknown types of messages are refused with EINVAL",
            &["NFQ-47"],
            unknown_types,
        ),
        kernel(
            "nfq-messages/unknown-subsystem",
            "A message for an unknown subsystem is refused with EINVAL",
            &["NFQ-47"],
            unknown_subsystem,
        ),
        must(
            "nfq-messages/without-request-flag",
            "A message without the flag REQUEST is not done, and succeeds",
            &["NFQ-48"],
            without_request_flag,
        ),
        kernel(
            "nfq-messages/control-types",
            "A message of a type below 16 succeeds",
            &["NFQ-48"],
            control_types,
        ),
        kernel(
            "nfq-messages/short-message",
            "A message without nfnetlink's whole header is not done, and succeeds",
            &["NFQ-48"],
            short_message,
        ),
        kernel(
            "nfq-messages/stated-length-under-header",
            "A message that states less than a header ends its datagram",
            &["NFQ-49"],
            stated_length_under_header,
        ),
        kernel(
            "nfq-messages/stated-length-over-datagram",
            "A message that states more than is there ends its datagram",
            &["NFQ-49"],
            stated_length_over_datagram,
        ),
        kernel(
            "nfq-messages/datagram-shorter-than-header",
            "A datagram shorter than a header is ignored",
            &["NFQ-49"],
            datagram_shorter_than_header,
        ),
        must(
            "nfq-messages/several-in-a-datagram",
            "The messages of a datagram are done and answered in turn",
            &["NFQ-50"],
            several_in_a_datagram,
        ),
        must(
            "nfq-messages/error-stops-nothing",
            "An error does not stop the messages that follow it in the datagram",
            &["NFQ-50"],
            error_stops_nothing,
        ),
        kernel(
            "nfq-messages/batch-for-the-queues",
            "A batch for the queues' subsystem is refused, and nothing in it is done",
            &["NFQ-51"],
            batch_for_the_queues,
        ),
        kernel(
            "nfq-messages/batch-for-an-unknown-subsystem",
            "A batch for an unknown subsystem is refused with EINVAL",
            &["NFQ-51"],
            batch_for_an_unknown_subsystem,
        ),
        kernel(
            "nfq-messages/batch-for-nftables",
            "In a batch for nftables each message for a queue is refused with EINVAL",
            &["NFQ-52"],
            batch_for_nftables,
        ),
        kernel(
            "nfq-messages/batch-in-host-order",
            "A batch may name nftables in the machine's own byte order",
            &["NFQ-52"],
            batch_in_host_order,
        ),
        kernel(
            "nfq-messages/batch-of-another-generation",
            "A batch that names another generation of the ruleset is refused with ERESTART",
            &["NFQ-52"],
            batch_of_another_generation,
        ),
        kernel(
            "nfq-messages/batch-with-a-beginning-that-is-no-request",
            "A second beginning without the flag REQUEST is refused like each message of a batch",
            &["NFQ-52"],
            batch_with_a_beginning_that_is_no_request,
        ),
        kernel(
            "nfq-messages/batch-that-is-not-sound",
            "A second beginning takes away all answers to a batch",
            &["NFQ-52"],
            batch_that_is_not_sound,
        ),
        kernel(
            "nfq-messages/batch-begin-is-acknowledged",
            "The beginning of a batch is acknowledged",
            &["NFQ-52"],
            batch_begin_is_acknowledged,
        ),
        kernel(
            "nfq-messages/batch-ends-unacknowledged",
            "Up to Linux 6.9 the ends of a batch are not acknowledged",
            &["NFQ-52"],
            batch_ends_unacknowledged,
        ),
        kernel(
            "nfq-messages/late-batch-begin",
            "A beginning that is not first in its datagram is refused by itself",
            &["NFQ-47"],
            late_batch_begin,
        ),
        must(
            "nfq-messages/without-capability",
            "Without CAP_NET_ADMIN the first message is refused, and the rest is not looked at",
            &["NFQ-53"],
            without_capability,
        )
        .needs(&[Capability::DropNetAdmin]),
        must(
            "nfq-messages/verdict-without-capability",
            "Without CAP_NET_ADMIN a verdict is refused, and the packet stays",
            &["NFQ-53"],
            verdict_without_capability,
        )
        .needs(&[Capability::DropNetAdmin]),
        kernel(
            "nfq-messages/opened-without-capability",
            "A message with an address needs CAP_NET_ADMIN of who sends it, and not of who opened the socket",
            &["NFQ-53"],
            opened_without_capability,
        )
        .needs(&[Capability::DropNetAdmin]),
    ]
}

fn leftover_bytes(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    for bytes in [&[0_u8; 4][..], &[1, 0, 1, 0], &[200, 0, 3, 0], &[0xff; 12]] {
        socket.done(&QueueRequest::bind(QUEUE).following(bytes))?;
        socket.done(&QueueRequest::unbind(QUEUE))?;
    }
    // Bytes that can't be an attribute hide all attributes after them.
    let hidden = QueueRequest::bind(QUEUE).following(&[3, 0, 0, 0]).mode(2, 0);
    socket.done(&hidden)?;
    arrive(subject, 1)?;
    socket.expect_nothing()
}

fn short_attributes(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    for (kind, bytes) in [
        (attribute::CONFIG_COMMAND, 3),
        (attribute::CONFIG_PARAMETERS, 4),
        (attribute::CONFIG_MAX_LENGTH, 3),
        (attribute::CONFIG_MASK, 0),
        (attribute::CONFIG_FLAGS, 2),
    ] {
        socket.refused(ERANGE, &QueueRequest::config(QUEUE).attribute(kind, &vec![0; bytes]))?;
    }
    for (kind, bytes) in [
        (attribute::VERDICT_HEADER, 7),
        (attribute::MARK, 3),
        (attribute::PRIORITY, 1),
    ] {
        let request = QueueRequest::verdict(QUEUE, value::DROP, 1);
        socket.refused(ERANGE, &request.attribute(kind, &vec![0; bytes]))?;
    }
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn long_attributes(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    let bind = QueueRequest::config(QUEUE).attribute(attribute::CONFIG_COMMAND, &[command::BIND, 0, 0, 2, 9, 9, 9, 9]);
    socket.done(&bind.attribute(attribute::CONFIG_PARAMETERS, &[0, 0, 0, 0, 2, 9, 9, 9]))?;
    arrive(subject, 1)?;
    ids(&socket, 1)?;
    let header = [0, 0, 0, 1, 0, 0, 0, 1, 7, 7, 7, 7];
    socket.done(&QueueRequest::new(message_type::VERDICT, QUEUE).attribute(attribute::VERDICT_HEADER, &header))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn last_attribute_counts(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.done(&QueueRequest::unbind(QUEUE).command(command::BIND).mode(0, 0).mode(2, 0))?;
    arrive(subject, 1)?;
    ids(&socket, 1)?;
    socket.done(&QueueRequest::verdict(QUEUE, value::DROP, 9).verdict_header(value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn unknown_attributes(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    let unknown = |request: QueueRequest| request.attribute(0, &[]).attribute(77, b"unknown").attribute(6, &[1]);
    socket.done(&unknown(QueueRequest::config(QUEUE)).command(command::BIND).mode(2, 0))?;
    arrive(subject, 1)?;
    ids(&socket, 1)?;
    let verdict = QueueRequest::new(message_type::VERDICT, QUEUE).attribute(0x3fff, b"?");
    socket.done(&verdict.verdict_header(value::ACCEPT, 1).attribute(99, &[]))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn type_bits(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    let bind = QueueRequest::config(QUEUE).attribute(attribute::CONFIG_COMMAND | 0x8000, &[command::BIND, 0, 0, 0]);
    socket.done(&bind.attribute(attribute::CONFIG_PARAMETERS | 0x4000, &[0, 0, 0, 0, 2]))?;
    arrive(subject, 1)?;
    ids(&socket, 1)?;
    let header = [0, 0, 0, 1, 0, 0, 0, 1];
    let verdict = QueueRequest::new(message_type::VERDICT, QUEUE);
    socket.done(&verdict.attribute(attribute::VERDICT_HEADER | 0xc000, &header))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn packet_from_a_program(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.refused(ENOTSUPP, &QueueRequest::new(message_type::PACKET, QUEUE))?;
    socket.refused(
        ENOTSUPP,
        &QueueRequest::new(message_type::PACKET, QUEUE + 1).verdict_header(0, 0),
    )
}

fn unknown_types(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    for kind in [0x0304, 0x0305, 0x03ff] {
        socket.refused(Errno::EINVAL, &QueueRequest::new(kind, QUEUE).command(command::UNBIND))?;
    }
    arrive(subject, 1)?;
    ids(&socket, 1).map(drop)
}

fn unknown_subsystem(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    for kind in [0x7f02, 0xff01] {
        socket.refused(Errno::EINVAL, &QueueRequest::new(kind, QUEUE))?;
    }
    Ok(())
}

/// Expects that [`QUEUE`] is not bound: a CONFIG message for it is refused with ENODEV.
fn expect_unbound(socket: &Socket<'_>) -> CaseResult {
    socket.refused(Errno::ENODEV, &QueueRequest::config(QUEUE))
}

fn without_request_flag(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    let sent = socket.ask(&QueueRequest::bind(QUEUE).flags(QueueRequest::ACK))?;
    socket.expect_success(&sent)?;
    socket.ask(&QueueRequest::bind(QUEUE).flags(0))?;
    socket.expect_nothing()?;
    expect_unbound(&socket)
}

fn control_types(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    for kind in [0, 1, 2, 3, 15] {
        socket.done(&QueueRequest::new(kind, QUEUE).command(command::BIND))?;
        socket.ask(&QueueRequest::new(kind, QUEUE).command(command::BIND))?;
        socket.expect_nothing()?;
    }
    expect_unbound(&socket)
}

fn short_message(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    for kind in [message_type::CONFIG, message_type::VERDICT, 0x0304] {
        for length in [16, 19] {
            let request = QueueRequest::new(kind, QUEUE).ack().stated_length(length);
            let sent = socket.ask(&request)?;
            socket.expect_success(&sent)?;
        }
    }
    socket.expect_nothing()
}

/// Sends three messages in one datagram: one that binds [`QUEUE`], `bad`, and one that unbinds
/// [`QUEUE`]. Expects that only the first is answered and carried out.
fn ends_its_datagram(subject: &Subject, bad: &QueueRequest) -> CaseResult {
    let socket = subject.open_queues()?;
    let good = QueueRequest::bind(QUEUE).mode(2, 0).ack().bytes();
    let bad = bad.clone().ack().bytes();
    socket.send(&[&good[..], &bad, &QueueRequest::unbind(QUEUE).ack().bytes()].concat())?;
    socket.expect_success(&good)?;
    socket.expect_nothing()?;
    arrive(subject, 1)?;
    ids(&socket, 1).map(drop)
}

fn stated_length_under_header(subject: &Subject) -> CaseResult {
    ends_its_datagram(subject, &QueueRequest::unbind(QUEUE).stated_length(15))
}

fn stated_length_over_datagram(subject: &Subject) -> CaseResult {
    ends_its_datagram(subject, &QueueRequest::unbind(QUEUE).stated_length(500))
}

fn datagram_shorter_than_header(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    let unbind = QueueRequest::unbind(QUEUE).ack().bytes();
    for length in [1, 4, 15] {
        socket.send(&unbind[..length])?;
        socket.expect_nothing()?;
    }
    arrive(subject, 1)?;
    ids(&socket, 1).map(drop)
}

fn several_in_a_datagram(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    let sent = arrive(subject, 2)?;
    ids(&socket, 2)?;
    let requests = [
        QueueRequest::verdict(QUEUE, value::ACCEPT, 2).sequence(5),
        QueueRequest::config(QUEUE).maximum_length(9).sequence(6),
        QueueRequest::verdict(QUEUE, value::ACCEPT, 1).sequence(7),
    ];
    let requests = requests.map(|request| request.ack().bytes());
    socket.send(&requests.concat())?;
    for request in &requests {
        socket.expect_success(request)?;
    }
    subject.expect_forwarded(&sent[1])?;
    subject.expect_forwarded(&sent[0])
}

fn error_stops_nothing(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    let bad = QueueRequest::verdict(QUEUE, value::ACCEPT, 77).bytes();
    let good = QueueRequest::verdict(QUEUE, value::ACCEPT, 1).ack().bytes();
    socket.send(&[&bad[..], &good].concat())?;
    socket.expect_refusal(Errno::ENOENT, &bad)?;
    socket.expect_success(&good)?;
    subject.expect_forwarded(&Packet::udp4())
}

fn batch_for_the_queues(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    for subsystem in [3, 0, 1] {
        let begin = QueueRequest::batch_begin(subsystem).bytes();
        socket.send(&[&begin[..], &QueueRequest::bind(QUEUE).ack().bytes()].concat())?;
        socket.expect_refusal(Errno::EOPNOTSUPP, &begin)?;
        socket.expect_nothing()?;
    }
    expect_unbound(&socket)
}

fn batch_for_an_unknown_subsystem(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    for subsystem in [77, 0x3fff] {
        let begin = QueueRequest::batch_begin(subsystem).bytes();
        socket.send(&[&begin[..], &QueueRequest::bind(QUEUE).ack().bytes()].concat())?;
        socket.expect_refusal(Errno::EINVAL, &begin)?;
        socket.expect_nothing()?;
    }
    expect_unbound(&socket)
}

/// The number of the nfnetlink subsystem `nftables`.
const NFTABLES: u16 = 10;

fn batch_for_nftables(subject: &Subject) -> CaseResult {
    is_a_batch_for_nftables(subject, &QueueRequest::batch_begin(NFTABLES))
}

fn batch_in_host_order(subject: &Subject) -> CaseResult {
    is_a_batch_for_nftables(subject, &QueueRequest::batch_begin(NFTABLES.to_be()))
}

fn batch_of_another_generation(subject: &Subject) -> CaseResult {
    /// The attribute that names a generation of the ruleset. The generation 0 stands for any.
    const GENERATION: u16 = 1;
    const ERESTART: Errno = Errno(85);
    let begin = |generation| QueueRequest::batch_begin(NFTABLES).number(GENERATION, generation);
    let socket = subject.open_queues()?;
    let other = begin(0xffff_0000).bytes();
    socket.send(&[&other[..], &QueueRequest::bind(QUEUE).ack().bytes()].concat())?;
    socket.expect_refusal(ERESTART, &other)?;
    socket.expect_nothing()?;
    is_a_batch_for_nftables(subject, &begin(0))
}

fn batch_with_a_beginning_that_is_no_request(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    let begin = QueueRequest::batch_begin(NFTABLES);
    let second = begin.clone().flags(0).sequence(1).bytes();
    let end = QueueRequest::new(QueueRequest::BATCH_END, NFTABLES).bytes();
    socket.send(&[&begin.bytes()[..], &second, &end].concat())?;
    socket.expect_refusal(Errno::EINVAL, &second)?;
    socket.expect_nothing()
}

/// Checks that a batch that begins with the message `begin` is one for `nftables`: each message in
/// it is refused by itself.
fn is_a_batch_for_nftables(subject: &Subject, begin: &QueueRequest) -> CaseResult {
    let socket = subject.open_queues()?;
    let begin = begin.bytes();
    let bind = QueueRequest::bind(QUEUE).ack().sequence(1).bytes();
    let verdict = QueueRequest::verdict(QUEUE, value::ACCEPT, 1).sequence(2).bytes();
    let end = QueueRequest::new(QueueRequest::BATCH_END, NFTABLES).bytes();
    socket.send(&[&begin[..], &bind, &verdict, &end].concat())?;
    socket.expect_refusal(Errno::EINVAL, &bind)?;
    socket.expect_refusal(Errno::EINVAL, &verdict)?;
    socket.expect_nothing()?;
    expect_unbound(&socket)
}

fn batch_that_is_not_sound(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    let begin = QueueRequest::batch_begin(NFTABLES).bytes();
    let bind = QueueRequest::bind(QUEUE).ack().bytes();
    socket.send(&[&begin[..], &bind, &begin].concat())?;
    socket.expect_nothing()?;
    expect_unbound(&socket)
}

/// Returns the two messages that begin and end a batch for `nftables`. Both ask for an
/// acknowledgement.
fn batch_ends() -> [Bytes; 2] {
    let end = QueueRequest::new(QueueRequest::BATCH_END, NFTABLES);
    [
        QueueRequest::batch_begin(NFTABLES).ack().sequence(3).bytes(),
        end.ack().sequence(4).bytes(),
    ]
}

fn batch_ends_unacknowledged(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.send(&batch_ends().concat())?;
    socket.expect_nothing()
}

fn batch_begin_is_acknowledged(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    let [begin, end] = batch_ends();
    socket.send(&[&begin[..], &end].concat())?;
    socket.expect_success(&begin)?;
    socket.expect_success(&end)?;
    socket.expect_nothing()
}

fn late_batch_begin(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    let bind = QueueRequest::bind(QUEUE).ack().bytes();
    let begin = QueueRequest::batch_begin(3).bytes();
    let unbind = QueueRequest::unbind(QUEUE).ack().bytes();
    socket.send(&[&bind[..], &begin, &unbind].concat())?;
    socket.expect_success(&bind)?;
    socket.expect_refusal(Errno::EINVAL, &begin)?;
    socket.expect_success(&unbind)
}

fn without_capability(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    subject.set_net_admin(false)?;
    let bind = QueueRequest::bind(QUEUE).ack().sequence(1).bytes();
    let again = QueueRequest::bind(QUEUE).ack().sequence(2).bytes();
    socket.send(&[&bind[..], &again].concat())?;
    socket.expect_refusal(Errno::EPERM, &bind)?;
    socket.expect_nothing()?;
    subject.set_net_admin(true)?;
    expect_unbound(&socket)?;
    socket.done(&QueueRequest::bind(QUEUE))
}

fn verdict_without_capability(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    subject.set_net_admin(false)?;
    socket.refused(Errno::EPERM, &QueueRequest::verdict(QUEUE, value::DROP, 1))?;
    subject.set_net_admin(true)?;
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn opened_without_capability(subject: &Subject) -> CaseResult {
    subject.set_net_admin(false)?;
    let socket = subject.open_queues()?;
    socket.refused(Errno::EPERM, &QueueRequest::bind(QUEUE))?;
    subject.set_net_admin(true)?;
    socket.done(&QueueRequest::bind(QUEUE).mode(2, 0))?;
    arrive(subject, 1)?;
    ids(&socket, 1).map(drop)
}
