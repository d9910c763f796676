//! The cases of topic `nfq-settings`: CONFIG messages, in the order of the kernel's checks.

use super::{QUEUE, arrive, ids, kernel, must, queued, value};
use crate::suite::{Case, CaseResult, Packet, QueueRequest, Subject};
use crate::world::Capability;
use ipq_core::Errno;
use ipq_core::wire::nfnetlink::{attribute, command};

const PROC: &[Capability] = &[Capability::QueuesProc];

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        must(
            "nfq-settings/family-commands-succeed",
            "PF_BIND and PF_UNBIND succeed, also for another's queue, and nothing else in the message counts",
            &["NFQ-20"],
            family_commands_succeed,
        ),
        kernel(
            "nfq-settings/flags-without-mask",
            "FLAGS without MASK is refused with EINVAL, and nothing is bound",
            &["NFQ-21"],
            flags_without_mask,
        ),
        kernel(
            "nfq-settings/mask-without-flags",
            "MASK without FLAGS changes nothing",
            &["NFQ-21"],
            mask_without_flags,
        ),
        must(
            "nfq-settings/unknown-flags",
            "FLAGS of 32 or more is refused, whatever the mask",
            &["NFQ-22"],
            unknown_flags,
        ),
        kernel(
            "nfq-settings/connections-are-refused",
            "Without connection tracking the flag for connections is refused, if the mask has it",
            &["NFQ-22"],
            connections_are_refused,
        ),
        kernel(
            "nfq-settings/flags-before-owner",
            "Flags are looked at before the owner",
            &["NFQ-22", "NFQ-23"],
            flags_before_owner,
        ),
        kernel(
            "nfq-settings/owner-before-command",
            "The owner is looked at before the command",
            &["NFQ-23", "NFQ-26"],
            owner_before_command,
        ),
        must(
            "nfq-settings/bind-twice",
            "BIND for a bound queue is EBUSY, also from its owner",
            &["NFQ-24"],
            bind_twice,
        ),
        kernel(
            "nfq-settings/busy-does-nothing-else",
            "The rest of a BIND that is refused with EBUSY is not done",
            &["NFQ-24"],
            busy_does_nothing_else,
        ),
        kernel(
            "nfq-settings/unbind-passes-over-the-rest",
            "UNBIND with parameters unbinds, and succeeds",
            &["NFQ-25"],
            unbind_passes_over_the_rest,
        ),
        must(
            "nfq-settings/unknown-commands",
            "Commands 0, 5 and 255 are refused",
            &["NFQ-26"],
            unknown_commands,
        ),
        must(
            "nfq-settings/unbound-queue",
            "A queue that is not bound can be neither unbound nor set",
            &["NFQ-27"],
            unbound_queue,
        ),
        must(
            "nfq-settings/all-in-one-message",
            "BIND, parameters, maximum length and flags can stand in one message",
            &["NFQ-28"],
            all_in_one_message,
        ),
        must(
            "nfq-settings/range-0-is-the-longest",
            "In mode PACKET a range of 0 is 65531",
            &["NFQ-29"],
            range_0_is_the_longest,
        )
        .needs(PROC),
        must(
            "nfq-settings/longer-range-is-cut",
            "In mode PACKET a range above 65531 becomes 65531",
            &["NFQ-29"],
            longer_range_is_cut,
        )
        .needs(PROC),
        kernel(
            "nfq-settings/other-modes-have-range-0",
            "Modes META and NONE make the range 0",
            &["NFQ-29"],
            other_modes_have_range_0,
        )
        .needs(PROC),
        kernel(
            "nfq-settings/unknown-mode",
            "An unknown mode succeeds, and changes nothing",
            &["NFQ-30"],
            unknown_mode,
        ),
        must(
            "nfq-settings/mode-change-leaves-the-queue-alone",
            "A mode change leaves the packets in the queue alone",
            &["NFQ-31"],
            mode_change_leaves_the_queue_alone,
        ),
        must(
            "nfq-settings/number-is-big-endian",
            "The queue's number is big-endian",
            &["NFQ-32"],
            number_is_big_endian,
        ),
        kernel(
            "nfq-settings/family-and-version",
            "The version and the family in nfnetlink's header are not looked at",
            &["NFQ-32"],
            family_and_version,
        ),
        must(
            "nfq-settings/mask-keeps-other-flags",
            "Flags that the mask does not have stay as they are",
            &["NFQ-28"],
            mask_keeps_other_flags,
        ),
    ]
}

fn family_commands_succeed(subject: &Subject) -> CaseResult {
    let owner = subject.listen(QUEUE)?;
    let other = subject.open_queues()?;
    for command in [command::BIND_FAMILY, command::UNBIND_FAMILY] {
        for queue in [0, QUEUE] {
            let request = QueueRequest::config(queue).command(command);
            other.done(&request.mode(0, 0).number(attribute::CONFIG_FLAGS, 77))?;
        }
    }
    arrive(subject, 1)?;
    subject.equal("the id", &vec![1], &ids(&owner, 1)?)
}

fn flags_without_mask(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    let request = QueueRequest::bind(QUEUE).number(attribute::CONFIG_FLAGS, 1);
    socket.refused(Errno::EINVAL, &request)?;
    socket.refused(Errno::ENODEV, &QueueRequest::unbind(QUEUE))
}

fn mask_without_flags(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).queue_flags(1, 1))?;
    socket.done(&QueueRequest::config(QUEUE).number(attribute::CONFIG_MASK, u32::MAX))?;
    socket.done(&QueueRequest::config(QUEUE).maximum_length(0))?;
    let sent = arrive(subject, 1)?;
    subject.expect_forwarded(&sent[0])
}

fn unknown_flags(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    for (flags, mask) in [(32, 32), (32, 0), (33, 1), (u32::MAX, 0)] {
        socket.refused(Errno::EOPNOTSUPP, &QueueRequest::bind(QUEUE).queue_flags(flags, mask))?;
    }
    socket.refused(Errno::ENODEV, &QueueRequest::unbind(QUEUE))?;
    socket.done(&QueueRequest::bind(QUEUE).queue_flags(1, u32::MAX))
}

fn connections_are_refused(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.refused(Errno::EOPNOTSUPP, &QueueRequest::bind(QUEUE).queue_flags(2, 2))?;
    socket.done(&QueueRequest::bind(QUEUE).queue_flags(2, 1))
}

fn flags_before_owner(subject: &Subject) -> CaseResult {
    let _owner = subject.listen(QUEUE)?;
    let other = subject.open_queues()?;
    other.refused(Errno::EOPNOTSUPP, &QueueRequest::config(QUEUE).queue_flags(64, 64))?;
    other.refused(
        Errno::EINVAL,
        &QueueRequest::config(QUEUE).number(attribute::CONFIG_FLAGS, 1),
    )
}

fn owner_before_command(subject: &Subject) -> CaseResult {
    let _owner = subject.listen(QUEUE)?;
    let other = subject.open_queues()?;
    for command in [0, 5] {
        other.refused(Errno::EPERM, &QueueRequest::config(QUEUE).command(command))?;
        other.refused(Errno::EOPNOTSUPP, &QueueRequest::config(QUEUE + 9).command(command))?;
    }
    Ok(())
}

fn bind_twice(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.refused(Errno::EBUSY, &QueueRequest::bind(QUEUE))
}

fn busy_does_nothing_else(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.refused(Errno::EBUSY, &QueueRequest::bind(QUEUE).mode(0, 0).maximum_length(0))?;
    arrive(subject, 1)?;
    subject.equal("the id", &vec![2], &ids(&socket, 1)?)
}

fn unbind_passes_over_the_rest(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::unbind(QUEUE).mode(1, 0).maximum_length(5))?;
    socket.refused(Errno::ENODEV, &QueueRequest::config(QUEUE).mode(1, 0))?;
    subject.expect_not_forwarded()
}

fn unknown_commands(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    for command in [0, 5, 255] {
        socket.refused(
            Errno::EOPNOTSUPP,
            &QueueRequest::config(QUEUE).command(command).mode(0, 0),
        )?;
    }
    arrive(subject, 1)?;
    subject.equal("the id", &vec![1], &ids(&socket, 1)?)
}

fn unbound_queue(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    for request in [
        QueueRequest::unbind(QUEUE),
        QueueRequest::config(QUEUE).mode(2, 0),
        QueueRequest::config(QUEUE).maximum_length(5),
        QueueRequest::config(QUEUE).queue_flags(1, 1),
        QueueRequest::config(QUEUE),
    ] {
        socket.refused(Errno::ENODEV, &request)?;
    }
    socket.expect_nothing()
}

fn all_in_one_message(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.done(
        &QueueRequest::bind(QUEUE)
            .mode(2, 24)
            .maximum_length(1)
            .queue_flags(1, 1),
    )?;
    let sent = arrive(subject, 2)?;
    let message = socket.expect_queued(QUEUE)?;
    subject.equal("the bytes copied", &24, &message.payload().len())?;
    subject.expect_forwarded(&sent[1])?;
    socket.expect_nothing()
}

fn range_0_is_the_longest(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).mode(2, 20))?;
    subject.equal("mode and range", &[2, 20][..], &subject.queue_line(QUEUE)?[3..5])?;
    socket.done(&QueueRequest::config(QUEUE).mode(2, 0))?;
    subject.equal("mode and range", &[2, 65_531][..], &subject.queue_line(QUEUE)?[3..5])
}

fn longer_range_is_cut(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    for (asked, granted) in [(65_530, 65_530), (65_531, 65_531), (65_532, 65_531), (u32::MAX, 65_531)] {
        socket.done(&QueueRequest::config(QUEUE).mode(2, asked))?;
        subject.equal("the range", &granted, &subject.queue_line(QUEUE)?[4])?;
    }
    Ok(())
}

fn other_modes_have_range_0(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    for mode in [1, 0] {
        socket.done(&QueueRequest::config(QUEUE).mode(2, 99))?;
        socket.done(&QueueRequest::config(QUEUE).mode(mode, 99))?;
        subject.equal(
            "mode and range",
            &[mode.into(), 0][..],
            &subject.queue_line(QUEUE)?[3..5],
        )?;
    }
    Ok(())
}

fn unknown_mode(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).mode(2, 24))?;
    for mode in [3, 255] {
        socket.done(&QueueRequest::config(QUEUE).mode(mode, 99))?;
    }
    arrive(subject, 1)?;
    subject.equal("the bytes copied", &24, &socket.expect_queued(QUEUE)?.payload().len())
}

fn mode_change_leaves_the_queue_alone(subject: &Subject) -> CaseResult {
    let (socket, _) = queued(subject, &Packet::udp4())?;
    socket.done(&QueueRequest::config(QUEUE).mode(0, 0))?;
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn number_is_big_endian(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.done(&QueueRequest::bind(QUEUE << 8))?;
    socket.refused(Errno::ENODEV, &QueueRequest::unbind(QUEUE))?;
    socket.done(&QueueRequest::bind(QUEUE).mode(2, 0))?;
    arrive(subject, 1)?;
    subject.equal("the id", &vec![1], &ids(&socket, 1)?)
}

fn family_and_version(subject: &Subject) -> CaseResult {
    let socket = subject.open_queues()?;
    socket.done(&QueueRequest::bind(QUEUE).mode(2, 0).family_and_version(10, 7))?;
    arrive(subject, 1)?;
    ids(&socket, 1)?;
    socket.done(&QueueRequest::verdict(QUEUE, value::ACCEPT, 1).family_and_version(255, 255))?;
    subject.expect_forwarded(&Packet::udp4())
}

fn mask_keeps_other_flags(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).queue_flags(1, 1).maximum_length(0))?;
    socket.done(&QueueRequest::config(QUEUE).queue_flags(8, 8))?;
    let sent = arrive(subject, 1)?;
    subject.expect_forwarded(&sent[0])?;
    socket.done(&QueueRequest::config(QUEUE).queue_flags(0, 1))?;
    arrive(subject, 1)?;
    subject.expect_not_forwarded()
}
