//! The cases of topic `nfq-sockets`: the longest and the empty datagram, and port ids, of sockets
//! of netlink protocol 12.

use super::errno::ENODATA;
use super::{QUEUE, kernel, must, value};
use crate::suite::{Case, CaseResult, QueueRequest, Subject};
use crate::world::Capability;
use ipq_core::wire::nfnetlink::PROTOCOL;
use ipq_core::{Errno, PortId};

pub(super) fn cases() -> Vec<Case> {
    vec![
        must(
            "nfq-sockets/longest-datagram",
            "A datagram of 32 bytes less than the send buffer can be sent, and a longer one not",
            &["NFQ-104"],
            longest_datagram,
        ),
        kernel(
            "nfq-sockets/empty-datagram",
            "A datagram without bytes is refused with ENODATA",
            &["NFQ-105"],
            empty_datagram,
        ),
        must(
            "nfq-sockets/chosen-port-ids",
            "The kernel gives the first socket the process id, and others a port id with the top bit set",
            &["NFQ-106"],
            chosen_port_ids,
        )
        .needs(&[Capability::SocketPortIds]),
        must(
            "nfq-sockets/unbound-sender",
            "A socket that is not bound is bound by its first message",
            &["NFQ-106"],
            unbound_sender,
        )
        .needs(&[Capability::SocketPortIds]),
    ]
}

fn longest_datagram(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    let size = socket.set_send_buffer(4096)?;
    let longest = usize::try_from(size).unwrap_or_default() - 32;
    let head = QueueRequest::verdict(QUEUE, value::DROP, 9).bytes();
    let mut message = QueueRequest::verdict(QUEUE, value::DROP, 9)
        .payload(&vec![0; longest - head.len() - 4])
        .bytes();
    subject.equal("the message", &longest, &message.len())?;
    let sent = socket.try_send(None, &message)?;
    subject.equal("what the call returned", &Ok(longest), &sent)?;
    socket.expect_refusal(Errno::ENOENT, &message)?;
    message = [&message[..], &[0; 4]].concat().into();
    let sent = socket.try_send(None, &message)?;
    subject.equal("what the call returned", &Err(Errno::EMSGSIZE), &sent)?;
    socket.expect_nothing()
}

fn empty_datagram(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    let sent = socket.try_send(None, &[])?;
    subject.equal("what the call returned", &Err(ENODATA), &sent)
}

fn chosen_port_ids(subject: &Subject) -> CaseResult {
    let open = || subject.open_or_refused(PROTOCOL.into(), Some(PortId::KERNEL));
    let first = open()?.map_err(|error| subject.fail(&format!("it is not opened: {error:?}")))?;
    let second = open()?.map_err(|error| subject.fail(&format!("it is not opened: {error:?}")))?;
    subject.check(
        "the first is a process id",
        0 < first.port_id().0 && first.port_id().0 < 1 << 22,
    )?;
    subject.check("the second has the top bit", second.port_id().0 >= 1 << 31)?;
    for socket in [first, second] {
        socket.refused(Errno::ENODEV, &QueueRequest::unbind(QUEUE))?;
    }
    Ok(())
}

fn unbound_sender(subject: &Subject) -> CaseResult {
    let socket = subject.open_or_refused(PROTOCOL.into(), None)?;
    let socket = socket.map_err(|error| subject.fail(&format!("it is not opened: {error:?}")))?;
    subject.equal("the port id", &PortId(0), &socket.bound_to()?)?;
    socket.ask(&QueueRequest::bind(QUEUE))?;
    subject.check("it has a port id", socket.bound_to()? != PortId(0))?;
    let other = subject.open_queues()?;
    other.refused(Errno::EPERM, &QueueRequest::bind(QUEUE))
}
