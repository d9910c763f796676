//! Tests what a person sees of an emulated host, of its errors, and of an assertion that does not
//! hold, and what the journal of events tells of a verdict.

use etherparse::PacketBuilder;
use ipq_core::transport::Transport;
use ipq_core::transport::nfqueue::Options;
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Family, Handle, Hook, Verdict, Wait};
use ipq_sim::{DropReason, Fate, Kernel, PacketEvent, PacketSerial, Profile, Rule, Sim};
use pretty_assertions::assert_eq;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn host() -> Sim {
    let sim = Sim::default();
    let rule = Rule::queue(Family::Ipv4, Hook::Forward).protocol(17);
    sim.add_rule(rule).unwrap();
    sim
}

fn inject(sim: &Sim, to: [u8; 4]) -> PacketSerial {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4([10, 1, 0, 2], to, 64).udp(4000, 53);
    builder.write(&mut packet, b"query").unwrap();
    sim.inject_packet("tap0", &packet).unwrap()
}

/// Returns the message of an assertion that must not hold.
fn failure(assertion: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assertion)).expect_err("it must not hold");
    *panic.downcast::<String>().expect("a message")
}

#[test]
fn a_failed_assertion_tells_the_packets_way_and_shows_the_host() {
    let sim = host();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 1500).unwrap();
    let packet = inject(&sim, [10, 2, 0, 2]);
    handle.run(|_| Verdict::Drop).unwrap();
    let message = failure(|| sim.assert_delivered(packet));
    let (said, shown) = message.split_once("\n\n").unwrap();
    assert_eq!(
        said,
        "the packet was to be delivered, and is dropped (by verdict)\n\
         its way: PREROUTING, FORWARD, queued, verdict DROP"
    );
    assert_eq!(shown, sim.to_string());
}

/// Checks what a failed assertion says about a packet that came before there was a handle, about
/// one that came before the handle had a mode, and about that one once it has.
fn the_missing_mode_is_named<T: Transport>(sim: &Sim, open: impl FnOnce() -> Handle<T>) {
    const CURE: &str = "; a handle is open in copy mode NONE, as each is at first: call set_mode with META or PACKET";
    let says_it = |packet| failure(|| sim.assert_delivered(packet)).contains(CURE);
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    assert!(!says_it(inject(sim, [10, 2, 0, 2])));
    let handle = open();
    let packet = inject(sim, [10, 2, 0, 2]);
    assert!(says_it(packet));
    handle.set_mode(CopyMode::Packet, 1500).unwrap();
    assert!(!says_it(packet));
}

#[test]
fn a_failed_assertion_says_that_an_open_handle_has_no_mode() {
    let sim = Sim::default();
    the_missing_mode_is_named(&sim, || sim.open(Family::Ipv4).unwrap());
    let profile = Profile::LINUX_6_18_X86_64;
    let sim = Kernel::builder().profile(profile).simulate().unwrap();
    the_missing_mode_is_named(&sim, || sim.open_nfqueue(Options::new(Family::Ipv4)).unwrap());
}

#[test]
fn the_debug_output_of_an_error_is_its_sentence_with_the_cure() {
    let sim = Sim::default();
    let no_numbers = sim
        .add_rule(Rule::numbered_queue(Family::Ipv4, Hook::Forward, 0))
        .unwrap_err();
    let no_queue = sim.open_nfqueue(Options::new(Family::Ipv4)).unwrap_err();
    for shown in [format!("{no_numbers:?}"), format!("{no_queue:?}")] {
        assert!(shown.contains(".profile(Profile::LINUX_6_18_X86_64)"), "{shown}");
    }
    let no_device = sim.inject_packet("eth0", &[]).unwrap_err();
    assert_eq!(
        format!("{no_device:?}"),
        r#"the host has no device "eth0"; it has lo, tap0, tap1"#
    );
}

#[test]
fn the_way_of_a_packet_that_goes_through_names_every_hook() {
    let sim = host();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 1500).unwrap();
    let packet = inject(&sim, [10, 2, 0, 2]);
    handle.run(|_| Verdict::Accept).unwrap();
    sim.assert_delivered(packet);
    let message = failure(|| sim.assert_dropped(packet, DropReason::Verdict));
    let said: Vec<_> = message.lines().take(2).collect();
    assert_eq!(
        said,
        [
            "the packet was to be dropped (by verdict), and is sent by tap1 (33 bytes)",
            "its way: PREROUTING, FORWARD, queued, verdict ACCEPT, POSTROUTING"
        ]
    );
}

#[test]
fn assertions_hold_for_what_they_name_only() {
    let sim = host();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 1500).unwrap();
    let [waits, here, lost] = [[10, 2, 0, 2], [10, 1, 0, 1], [10, 9, 0, 1]].map(|to| inject(&sim, to));
    sim.assert_queued(waits);
    sim.assert_delivered(here);
    sim.assert_dropped(lost, DropReason::NoRoute);
    failure(|| sim.assert_delivered(waits));
    failure(|| sim.assert_queued(here));
    failure(|| sim.assert_dropped(lost, DropReason::Verdict));
}

#[test]
fn a_host_shows_devices_rules_queues_and_packets() {
    let sim = host();
    inject(&sim, [10, 2, 0, 2]);
    insta::assert_snapshot!(sim);
}

#[test]
fn counts_and_fates_have_names_and_no_raw_bytes() {
    let sim = host();
    let packet = inject(&sim, [10, 2, 0, 2]);
    assert_eq!(
        format!("{:?}", sim.accounting()),
        "Accounting { entered: 1, delivered: 0, queued: 0, dropped: [(NoListener, 1)] }"
    );
    assert_eq!(format!("{:?}", sim.fate(packet)), "Some(Dropped(NoListener))");
    let here = Fate::DeliveredHere(bytes::Bytes::from_static(&[0x45, 0, 0xff]));
    assert_eq!(format!("{here:?}"), "DeliveredHere(4500ff)");
}

/// Lets a packet arrive, and accepts it with `payload` in its place. Returns `true` if the journal
/// tells that the packet was replaced.
fn is_told_as_replaced<T: Transport>(sim: &Sim, handle: &Handle<T>, payload: &[u8]) -> bool {
    inject(sim, [10, 2, 0, 2]);
    let mut buffer = vec![0; handle.buffer_for(1500)];
    let Ok(Message::Packet(packet)) = handle.read(&mut buffer, Wait::Never) else {
        panic!("the packet is queued");
    };
    sim.with(Kernel::keep_journal);
    let verdict = handle.set_verdict(packet.packet_id(), Verdict::Accept, Some(payload));
    verdict.unwrap();
    match sim.with(Kernel::take_events)[..] {
        [PacketEvent::Verdict { replaced, .. }, PacketEvent::Left { .. }] => replaced,
        ref other => panic!("{other:?} is no verdict and an end"),
    }
}

#[test]
fn a_payload_too_short_to_be_used_is_not_told_as_a_replacement() {
    let sim = host();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 1500).unwrap();
    let told = [&[0x45; 19][..], &[0x45; 20]].map(|payload| is_told_as_replaced(&sim, &handle, payload));
    assert_eq!(told, [false, true]);

    let sim = Kernel::builder()
        .profile(Profile::LINUX_6_18_X86_64)
        .simulate()
        .unwrap();
    let rule = Rule::numbered_queue(Family::Ipv4, Hook::Forward, 0);
    sim.add_rule(rule).unwrap();
    let handle = sim.open_nfqueue(Options::new(Family::Ipv4)).unwrap();
    handle.set_mode(CopyMode::Packet, 1500).unwrap();
    let told = [&[0x45; 19][..], &[0x45; 20]].map(|payload| is_told_as_replaced(&sim, &handle, payload));
    assert_eq!(told, [false, true]);
}
