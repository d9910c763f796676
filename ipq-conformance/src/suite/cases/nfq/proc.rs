//! The cases of topic `nfq-proc`: the text of `/proc/net/netfilter/nfnetlink_queue`.

use super::{QUEUE, arrive, must, queued, value};
use crate::suite::{Case, CaseResult, Packet, QueueRequest, Subject};
use crate::world::Capability;

const PROC: &[Capability] = &[Capability::QueuesProc];

pub(super) fn cases() -> Vec<Case> {
    vec![
        must("nfq-proc/empty", "Without queues the text is empty", &["NFQ-13"], empty).needs(PROC),
        must(
            "nfq-proc/just-bound",
            "A queue that was just bound has mode 0 and range 65531",
            &["NFQ-10", "NFQ-13"],
            just_bound,
        )
        .needs(PROC),
        must(
            "nfq-proc/columns",
            "A line has number, port id, packets, mode, range, both counters, the last id, and 1",
            &["NFQ-13"],
            columns,
        )
        .needs(PROC),
        must(
            "nfq-proc/unbound-queues-have-no-line",
            "A queue that is unbound, or whose socket is closed, has no line",
            &["NFQ-7", "NFQ-13"],
            unbound_queues_have_no_line,
        )
        .needs(PROC),
        must(
            "nfq-proc/order",
            "Lines are ordered by a hash of the number, and among equals the last bound comes first",
            &["NFQ-14"],
            order,
        )
        .needs(PROC),
    ]
}

fn empty(subject: &Subject) -> CaseResult {
    let _socket = subject.open_queues()?;
    subject.equal("the text", &String::new(), &subject.queues_text()?)
}

fn just_bound(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.done(&QueueRequest::bind(QUEUE))?;
    let expected = format!(
        "{QUEUE:5} {:6}     0 0 65531     0     0        0  1\n",
        socket.port_id().0
    );
    subject.equal("the text", &expected, &subject.queues_text()?)
}

fn columns(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::config(QUEUE).mode(2, 100).maximum_length(3))?;
    arrive(subject, 4)?;
    let port_id = u64::from(socket.port_id().0);
    let expected = [QUEUE.into(), port_id, 3, 2, 100, 2, 0, 3, 1];
    subject.equal("the line", &expected, &subject.queue_line(QUEUE)?)?;
    for _ in 0..2 {
        socket.expect_queued(QUEUE)?;
    }
    socket.done(&QueueRequest::verdict(QUEUE, value::DROP, 2))?;
    subject.equal("the packets", &2, &subject.queue_line(QUEUE)?[2])
}

fn unbound_queues_have_no_line(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    for number in [1, 2] {
        socket.done(&QueueRequest::bind(number))?;
    }
    socket.done(&QueueRequest::unbind(1))?;
    let numbers = numbers(subject)?;
    subject.equal("the queues", &vec![2], &numbers)?;
    socket.close()?;
    subject.equal("the text", &String::new(), &subject.queues_text()?)
}

fn order(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    for number in [5, 16, 0, 256, 1, 17, 65_535, 257] {
        socket.done(&QueueRequest::bind(number))?;
    }
    let numbers = numbers(subject)?;
    subject.equal("the queues", &vec![257, 65_535, 0, 16, 17, 1, 256, 5], &numbers)
}

/// Returns the numbers of the queues in `/proc/net/netfilter/nfnetlink_queue`, in the order of the
/// lines: the first word of each.
#[track_caller]
fn numbers(subject: &Subject) -> Result<Vec<u16>, crate::suite::Stopped> {
    let text = subject.queues_text()?;
    let first = text
        .lines()
        .map(|line| line.split_whitespace().next().unwrap_or_default());
    Ok(first.map(|word| word.parse().unwrap_or_default()).collect())
}
