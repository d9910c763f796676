//! The cases of topic `limits` for time stamps whose seconds exceed 31 bits, after 2038-01-19
//! 03:14:07 UTC, or 32 bits, after 2106-02-07 06:28:15 UTC.

use crate::suite::{Case, CaseResult, Packet, Socket, Stopped, Subject};
use crate::world::{Capability, Machine, Setup};
use ipq_core::Family;
use ipq_core::wire::WordSize;
use std::time::Duration;

/// The last second since 1970 that a signed number of 32 bits holds, and the last that an unsigned
/// one holds.
const LAST: [i64; 2] = [0x7fff_ffff, 0xffff_ffff];

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::kernel(
            "limits/arrival-after-2038-and-2106",
            "With words of 8 bytes the seconds of a time stamp go on after 2038 and 2106",
            &["PKT-8", "WIRE-2"],
            arrival_after_2038_and_2106,
        )
        .needs(&[Capability::VirtualClock]),
        Case::quirk(
            "limits/arrival-after-2038-and-2106-in-short-words",
            "With words of 4 bytes the seconds of a time stamp are negative after 2038, and begin again in 2106",
            &["PKT-8", "WIRE-2"],
            arrival_after_2038_and_2106_in_short_words,
        )
        .needs(&[Capability::VirtualClock, Capability::OtherMachines])
        .setup(|| Setup {
            machine: Some(Machine::linux_3_4_i386()),
            ..Setup::default()
        }),
    ]
}

fn arrival_after_2038_and_2106(subject: &Subject) -> CaseResult {
    subject.needs_words_of(WordSize::Eight)?;
    goes_on(subject, LAST.map(|last| [last, last + 1]))
}

fn arrival_after_2038_and_2106_in_short_words(subject: &Subject) -> CaseResult {
    goes_on(subject, [[0x7fff_ffff, -0x8000_0000], [-1, 0]])
}

/// Moves the clock to each second of [`LAST`], and then one second on. Makes a packet arrive each
/// time. Expects the seconds of `expected` in the packets' time stamps: a pair for each of
/// [`LAST`].
fn goes_on(subject: &Subject, expected: [[i64; 2]; 2]) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let mut now = seconds_of_arrival(subject, &socket)?;
    for (last, expected) in LAST.into_iter().zip(expected) {
        for (at, expected) in [last, last + 1].into_iter().zip(expected) {
            subject.advance(Duration::from_secs((at - now).unsigned_abs()))?;
            now = at;
            subject.equal(
                "the second of arrival",
                &expected,
                &seconds_of_arrival(subject, &socket)?,
            )?;
        }
    }
    Ok(())
}

fn seconds_of_arrival(subject: &Subject, socket: &Socket<'_>) -> Result<i64, Stopped> {
    subject.inject(&Packet::udp4())?;
    Ok(socket.expect_packet()?.metadata.timestamp.seconds)
}
