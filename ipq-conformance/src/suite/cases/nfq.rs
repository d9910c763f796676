//! The suite's second part: the cases for `nfnetlink_queue`, whose queues have numbers.
//!
//! Unless a case has a setup of its own, forwarded UDP goes to queue 7 (IPv4) or 8 (IPv6).

mod answers;
mod binding;
mod limits;
mod messages;
mod overrun;
mod packets;
mod proc;
mod rules;
mod settings;
mod sockets;
mod verdicts;

use crate::suite::subject::QueuedMessage;
use crate::suite::{Case, CaseResult, Packet, Socket, Stopped, Subject};
use crate::world::{NumberedQueue, Protocol, Rule, Setup, Table};
use ipq_core::{Family, Hook};

/// The number of the queue for forwarded UDP over IPv4.
const QUEUE: u16 = 7;
/// The number of the queue for forwarded UDP over IPv6.
const QUEUE6: u16 = 8;

/// The values of verdicts in nfnetlink messages.
mod value {
    pub(super) const DROP: u32 = 0;
    pub(super) const ACCEPT: u32 = 1;
    pub(super) const STOLEN: u32 = 2;
    pub(super) const QUEUE: u32 = 3;
    pub(super) const REPEAT: u32 = 4;
    pub(super) const STOP: u32 = 5;
}

/// Error numbers that numbered queues use and `ip_queue` does not.
mod errno {
    use ipq_core::Errno;

    pub(super) const ERANGE: Errno = Errno(34);
    pub(super) const ENODATA: Errno = Errno(61);
    pub(super) const ENOTSUPP: Errno = Errno(524);
}

pub(super) fn cases() -> Vec<Case> {
    [
        binding::cases(),
        settings::cases(),
        messages::cases(),
        answers::cases(),
        packets::cases(),
        verdicts::cases(),
        limits::cases(),
        overrun::cases(),
        proc::cases(),
        rules::cases(),
        sockets::cases(),
    ]
    .concat()
}

/// Returns a case of level [`Level::Must`](crate::suite::Level::Must), whose setup sends forwarded
/// UDP to [`QUEUE`] (IPv4) and [`QUEUE6`] (IPv6).
const fn must(
    id: &'static str,
    title: &'static str,
    requirements: &'static [&'static str],
    run: fn(&Subject) -> CaseResult,
) -> Case {
    Case::must(id, title, requirements, run).setup(forwarded_udp)
}

/// Returns a case of level [`Level::Kernel`](crate::suite::Level::Kernel), whose setup sends
/// forwarded UDP to [`QUEUE`] (IPv4) and [`QUEUE6`] (IPv6).
const fn kernel(
    id: &'static str,
    title: &'static str,
    requirements: &'static [&'static str],
    run: fn(&Subject) -> CaseResult,
) -> Case {
    Case::kernel(id, title, requirements, run).setup(forwarded_udp)
}

fn forwarded_udp() -> Setup {
    let rule = |family, queue| udp_to(family, Hook::Forward, NumberedQueue::one(queue));
    Setup::with_numbered_queues([rule(Family::Ipv4, QUEUE), rule(Family::Ipv6, QUEUE6)])
}

/// Returns a rule that sends UDP of `family` at `hook` to `queue`: in the table filter at INPUT,
/// FORWARD and OUTPUT, and in mangle at the other hooks.
const fn udp_to(family: Family, hook: Hook, queue: NumberedQueue) -> Rule {
    let table = match hook {
        Hook::Input | Hook::Forward | Hook::Output => Table::Filter,
        _ => Table::Mangle,
    };
    Rule::numbered_queue(family, table, hook, queue).protocol(Protocol::UDP)
}

/// Returns a setup with one rule, which sends UDP over IPv4 at this hook to [`QUEUE`].
fn udp_at(hook: Hook) -> Setup {
    Setup::with_numbered_queues([udp_to(Family::Ipv4, hook, NumberedQueue::one(QUEUE))])
}

/// Listens to the queue of the packet's family, [`QUEUE`] or [`QUEUE6`], and makes the packet
/// arrive. Returns the socket and the message about the packet.
#[track_caller]
fn queued<'s>(subject: &'s Subject, packet: &Packet) -> Result<(Socket<'s>, QueuedMessage), Stopped> {
    let number = match packet.family() {
        Family::Ipv4 => QUEUE,
        Family::Ipv6 => QUEUE6,
    };
    let socket = subject.listen(number)?;
    subject.inject(packet)?;
    let message = socket.expect_queued(number)?;
    Ok((socket, message))
}

/// Makes `count` plain UDP packets over IPv4 arrive, with the identifications 1 to `count`, and
/// returns the packets.
#[track_caller]
fn arrive(subject: &Subject, count: u16) -> Result<Vec<Packet>, Stopped> {
    let packets: Vec<_> = (1..=count)
        .map(|number| Packet::udp4().identification(number))
        .collect();
    for packet in &packets {
        subject.inject(packet)?;
    }
    Ok(packets)
}

/// Reads `count` messages about packets of [`QUEUE`], and returns their packet ids in order. Fails
/// if another message comes, or none.
#[track_caller]
fn ids(socket: &Socket<'_>, count: usize) -> Result<Vec<u32>, Stopped> {
    (0..count).map(|_| Ok(socket.expect_queued(QUEUE)?.id())).collect()
}
