//! Tests a program that is slower than its packets: what it is told, and what it loses (SOCK-4,
//! SOCK-5).

mod support;

use ipq_core::{CopyMode, Error, Family, Handle, Hook, Transport as _, Wait};
use ipq_sim::{DropReason, Fate, Kernel, Profile, Rule, Sim, SimTransport};
use pretty_assertions::assert_eq;
use rstest::rstest;
use support::{frame, next};

/// Returns a kernel that queues what it forwards, and a handle in mode PACKET with a receive buffer
/// of 8192 bytes.
fn small(profile: &Profile) -> (Sim, Handle<SimTransport>) {
    let sim = Kernel::builder().profile(*profile).simulate().unwrap();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let handle = sim.open(Family::Ipv4).unwrap();
    assert_eq!(handle.transport().set_receive_buffer(4096), Ok(8192));
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    (sim, handle)
}

#[rstest]
#[case(Profile::LINUX_3_4_10_X86_64, 12)]
#[case(Profile::LINUX_3_4_10_I386, 13)]
fn forty_packets_of_36_bytes_into_8192(#[case] profile: Profile, #[case] room: usize) {
    let (sim, handle) = small(&profile);
    let packets: Vec<_> = (0..40).map(|_| sim.inject("tap0", frame(8)).unwrap()).collect();

    assert_eq!(next(&handle, Wait::Never), Err(Error::Overrun));
    for _ in 0..room - 1 {
        next(&handle, Wait::Never).unwrap();
        let refused = sim.inject("tap0", frame(8)).unwrap();
        assert_eq!(
            sim.fate(refused),
            Some(Fate::Dropped(DropReason::Undeliverable)),
            "nothing more is taken before it is empty"
        );
    }
    next(&handle, Wait::Never).unwrap();
    assert_eq!(next(&handle, Wait::Never), Err(Error::TimedOut));
    assert_eq!(handle.overruns(), 1);

    let queued = packets.iter().filter(|packet| sim.fate(**packet) == Some(Fate::Queued));
    assert_eq!(queued.count(), room, "those that were told of wait for their verdicts");
    let text = sim.with(|kernel| kernel.proc_text(Family::Ipv4)).unwrap();
    let lost = 40 - room + room - 1;
    assert!(text.ends_with(&format!("Netlink dropped   : {lost}\n")), "{text}");

    sim.inject("tap0", frame(8)).unwrap();
    assert!(
        next(&handle, Wait::Never).is_ok(),
        "it was empty, so it takes packets again"
    );
}

#[test]
fn without_enobufs_a_program_is_told_nothing_and_misses_less() {
    let (sim, handle) = small(&Profile::LINUX_3_4_10_X86_64);
    handle.transport().set_no_enobufs(true).unwrap();
    for _ in 0..40 {
        sim.inject("tap0", frame(8)).unwrap();
    }
    for _ in 0..20 {
        next(&handle, Wait::Never).unwrap();
        sim.inject("tap0", frame(8)).unwrap();
    }
    assert_eq!(handle.overruns(), 0);
    assert_eq!(sim.accounting().dropped_for(DropReason::Undeliverable), 40 - 12);
}

#[test]
fn a_large_packet_is_taken_whole_if_there_is_any_room() {
    let (sim, handle) = small(&Profile::LINUX_3_4_10_X86_64);
    for _ in 0..5 {
        sim.inject("tap0", frame(1400)).unwrap();
    }
    let read = std::iter::from_fn(|| match next(&handle, Wait::Never) {
        Err(Error::TimedOut) => None,
        result => Some(result.is_ok()),
    });
    // Four datagrams, of 2240 bytes each in the buffer, are more than 8192 bytes, so the fifth is
    // refused.
    assert_eq!(read.collect::<Vec<_>>(), [false, true, true, true, true]);
}
