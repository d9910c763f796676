//! The cases of topic `nfq-answers`: errors and acknowledgements from numbered queues, compared
//! byte for byte.

use super::errno::ERANGE;
use super::{QUEUE, kernel, must, value};
use crate::suite::subject::AnswerForm;
use crate::suite::{Case, CaseResult, QueueRequest, Subject};
use ipq_core::Errno;
use ipq_core::wire::nfnetlink::{attribute, message_type};

/// The types of three attributes in an answer to a socket with `NETLINK_EXT_ACK`. The kernel calls
/// them MSG, OFFS and POLICY (NFQ-44).
mod extended {
    pub(super) const TEXT: u16 = 1;
    pub(super) const PLACE: u16 = 2;
    pub(super) const POLICY: u16 = 0x8004;
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        must(
            "nfq-answers/success-on-demand",
            "A success is answered if the message asks for it",
            &["NFQ-40"],
            success_on_demand,
        ),
        must(
            "nfq-answers/error-without-asking",
            "An error is answered though the message does not ask",
            &["NFQ-40"],
            error_without_asking,
        ),
        must(
            "nfq-answers/sequence-and-port-id",
            "An answer has the request's sequence, and the port id of the socket, whatever the request's header says",
            &["NFQ-41"],
            sequence_and_port_id,
        ),
        must(
            "nfq-answers/error-quotes-all",
            "An error quotes the whole message",
            &["NFQ-42"],
            error_quotes_all,
        ),
        kernel(
            "nfq-answers/odd-quotation",
            "A quotation of odd length is padded, and the length counts the padding",
            &["NFQ-42"],
            odd_quotation,
        ),
        must(
            "nfq-answers/success-quotes-the-header",
            "A success quotes the header only, and is marked as capped",
            &["NFQ-43"],
            success_quotes_the_header,
        ),
        must(
            "nfq-answers/cap-ack",
            "With NETLINK_CAP_ACK an error quotes the header only, too",
            &["NFQ-43"],
            cap_ack,
        ),
        must(
            "nfq-answers/ext-ack-of-a-short-number",
            "With NETLINK_EXT_ACK a short number is answered with a text, its place and its policy",
            &["NFQ-44"],
            ext_ack_of_a_short_number,
        ),
        kernel(
            "nfq-answers/ext-ack-of-a-short-structure",
            "With NETLINK_EXT_ACK a short structure is answered with a text and its place",
            &["NFQ-44"],
            ext_ack_of_a_short_structure,
        ),
        kernel(
            "nfq-answers/ext-ack-of-the-queues-errors",
            "With NETLINK_EXT_ACK the queue's own errors say nothing more",
            &["NFQ-44"],
            ext_ack_of_the_queues_errors,
        ),
        kernel(
            "nfq-answers/ext-ack-of-leftover-bytes",
            "With NETLINK_EXT_ACK a success tells of leftover bytes",
            &["NFQ-45"],
            ext_ack_of_leftover_bytes,
        ),
        kernel(
            "nfq-answers/capped-and-extended",
            "An answer can be capped and extended",
            &["NFQ-43", "NFQ-44"],
            capped_and_extended,
        ),
        kernel(
            "nfq-answers/first-short-attribute",
            "An extended answer names the first attribute that is too short",
            &["NFQ-44"],
            first_short_attribute,
        ),
    ]
}

fn capped() -> AnswerForm {
    AnswerForm {
        capped: true,
        ..AnswerForm::default()
    }
}

fn text(text: &str) -> (u16, Vec<u8>) {
    (extended::TEXT, [text.as_bytes(), &[0]].concat())
}

fn place(offset: u32) -> (u16, Vec<u8>) {
    (extended::PLACE, offset.to_ne_bytes().to_vec())
}

/// The alignment of 64-bit numbers in a policy attribute.
#[derive(Clone, Copy)]
enum Aligned {
    /// The 64-bit numbers are not aligned.
    No,
    /// Each 64-bit number begins at a multiple of 8 bytes from the start of the datagram. The value
    /// is the byte of the datagram at which the policy's content begins. Kernels for processors
    /// that need alignment do so.
    From(usize),
}

/// Returns the attribute POLICY for a number of 32 bits, as its type and content. The content is
/// three attributes, in this order: the least value 0 and the greatest value 0xffffffff, each in 64
/// bits, and the type of number, 4. With [`Aligned::From`], an empty attribute comes before a
/// 64-bit number that would not be aligned.
fn number_policy(aligned: Aligned) -> (u16, Vec<u8>) {
    const PADDING: u16 = 11;
    let mut policy = Vec::new();
    for (kind, content) in [
        (4_u16, 0_u64.to_ne_bytes().to_vec()),
        (5, u64::from(u32::MAX).to_ne_bytes().to_vec()),
        (1, 4_u32.to_ne_bytes().to_vec()),
    ] {
        if let Aligned::From(start) = aligned
            && content.len() == 8
            && (start + policy.len()).is_multiple_of(8)
        {
            policy.extend(4_u16.to_ne_bytes());
            policy.extend(PADDING.to_ne_bytes());
        }
        policy.extend((content.len() as u16 + 4).to_ne_bytes());
        policy.extend(kind.to_ne_bytes());
        policy.extend(content);
    }
    (extended::POLICY, policy)
}

/// Returns the two allowed forms of the answer to a number attribute that is too short: first with
/// a policy without alignment, then with an aligned one. The number's attribute is at byte `at` of
/// the message, and the content of the answer's policy begins at byte `policy_from` of the answer.
fn short_number(capped: bool, at: u32, policy_from: usize) -> [AnswerForm; 2] {
    [Aligned::No, Aligned::From(policy_from)].map(|aligned| AnswerForm {
        capped,
        attributes: vec![text(SHORT), place(at), number_policy(aligned)],
    })
}

const SHORT: &str = "Attribute failed policy validation";

fn success_on_demand(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.ask(&QueueRequest::bind(QUEUE))?;
    socket.expect_nothing()?;
    socket.done(&QueueRequest::config(QUEUE).mode(2, 0))?;
    socket.expect_nothing()
}

fn error_without_asking(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.refused(Errno::ENODEV, &QueueRequest::unbind(QUEUE))?;
    socket.refused(Errno::ENODEV, &QueueRequest::unbind(QUEUE).ack())?;
    socket.expect_nothing()
}

fn sequence_and_port_id(subject: &Subject) -> CaseResult {
    let first = subject.open_queues()?;
    let second = subject.open_queues()?;
    let request = QueueRequest::bind(QUEUE)
        .sequence(0xfedc_ba98)
        .port_id(first.port_id().0);
    second.done(&request)?;
    second.refused(Errno::EBUSY, &request.sequence(7).port_id(u32::MAX))?;
    first.expect_nothing()
}

fn error_quotes_all(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    let long = vec![0x5a; 1000];
    socket.refused(
        Errno::ENOENT,
        &QueueRequest::verdict(QUEUE, value::ACCEPT, 1).payload(&long),
    )?;
    socket.refused(Errno::EINVAL, &QueueRequest::new(message_type::VERDICT, QUEUE))
}

fn odd_quotation(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    for length in 1..=3 {
        let request = QueueRequest::verdict(QUEUE, value::ACCEPT, 1).following(&vec![0xaa; length]);
        socket.refused(Errno::ENOENT, &request)?;
    }
    Ok(())
}

fn success_quotes_the_header(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    let sent = socket.ask(&QueueRequest::bind(QUEUE).mode(2, 0).sequence(9).ack())?;
    socket.expect_answer(Errno(0), &sent, &capped())
}

fn cap_ack(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.set_cap_ack()?;
    let sent = socket.ask(&QueueRequest::unbind(QUEUE).sequence(3))?;
    socket.expect_answer(Errno::ENODEV, &sent, &capped())?;
    socket.done(&QueueRequest::bind(QUEUE))
}

fn ext_ack_of_a_short_number(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.set_ext_ack()?;
    let request = QueueRequest::bind(QUEUE).attribute(attribute::CONFIG_MAX_LENGTH, &[1, 2]);
    let sent = socket.ask(&request)?;
    let [plain, aligned] = short_number(false, 28, 108);
    socket.expect_either_answer(ERANGE, &sent, [&plain, &aligned])
}

fn ext_ack_of_a_short_structure(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.set_ext_ack()?;
    let form = AnswerForm {
        capped: false,
        attributes: vec![text(SHORT), place(20)],
    };
    for request in [
        QueueRequest::config(QUEUE).attribute(attribute::CONFIG_COMMAND, &[1]),
        QueueRequest::new(message_type::VERDICT, QUEUE).attribute(attribute::VERDICT_HEADER, &[0; 7]),
    ] {
        let sent = socket.ask(&request)?;
        socket.expect_answer(ERANGE, &sent, &form)?;
    }
    Ok(())
}

fn ext_ack_of_the_queues_errors(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.set_ext_ack()?;
    socket.refused(Errno::ENODEV, &QueueRequest::unbind(QUEUE))?;
    socket.refused(Errno::EOPNOTSUPP, &QueueRequest::config(QUEUE).command(9))?;
    socket.done(&QueueRequest::bind(QUEUE))?;
    socket.refused(Errno::ENOENT, &QueueRequest::verdict(QUEUE, value::ACCEPT, 1))
}

fn ext_ack_of_leftover_bytes(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.set_ext_ack()?;
    let sent = socket.ask(&QueueRequest::bind(QUEUE).following(&[0; 4]).ack())?;
    let told = text("bytes leftover after parsing attributes");
    let form = AnswerForm {
        capped: true,
        attributes: vec![told.clone()],
    };
    socket.expect_answer(Errno(0), &sent, &form)?;
    let sent = socket.ask(&QueueRequest::bind(QUEUE).following(&[1, 0, 0, 0]))?;
    let form = AnswerForm {
        capped: false,
        attributes: vec![told],
    };
    socket.expect_answer(Errno::EBUSY, &sent, &form)
}

fn capped_and_extended(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.set_cap_ack()?;
    socket.set_ext_ack()?;
    let request = QueueRequest::verdict(QUEUE, value::ACCEPT, 1).attribute(attribute::MARK, &[1]);
    let sent = socket.ask(&request)?;
    let [plain, aligned] = short_number(true, 32, 88);
    socket.expect_either_answer(ERANGE, &sent, [&plain, &aligned])
}

fn first_short_attribute(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.set_ext_ack()?;
    let request = QueueRequest::config(QUEUE)
        .number(attribute::CONFIG_FLAGS, 1)
        .attribute(attribute::CONFIG_PARAMETERS, &[0; 4])
        .attribute(attribute::CONFIG_MASK, &[0; 2]);
    let sent = socket.ask(&request)?;
    let form = AnswerForm {
        capped: false,
        attributes: vec![text(SHORT), place(28)],
    };
    socket.expect_answer(ERANGE, &sent, &form)
}
