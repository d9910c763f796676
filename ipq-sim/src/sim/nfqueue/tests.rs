//! Tests of the transport for numbered queues, over an emulated kernel that also sends datagrams
//! that no kernel sends.

#[path = "../../../tests/support/nfnetlink_messages.rs"]
mod messages;

use crate::queue::NFNETLINK;
use crate::sample::udp;
use crate::{Kernel, Profile, Rule};
use ipq_core::transport::nfqueue::{Options, ParseError};
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Error, Family, Hook, PortId, TransportError, Verdict, Wait};
use messages::malformed;
use pretty_assertions::assert_eq;

/// The number of the queue that the handle binds.
const QUEUE: u16 = 7;

#[test]
fn what_no_kernel_sends_is_an_error_and_the_packet_behind_it_is_read() {
    for (name, datagram, expected) in malformed() {
        let sim = Kernel::builder()
            .profile(Profile::LINUX_6_18_X86_64)
            .simulate()
            .unwrap();
        let rule = Rule::numbered_queue(Family::Ipv4, Hook::Forward, QUEUE);
        sim.add_rule(rule).unwrap();
        let options = Options {
            queue_number: QUEUE,
            ..Options::new(Family::Ipv4)
        };
        let handle = sim.open_nfqueue(options).unwrap();
        handle.set_mode(CopyMode::Packet, 1500).unwrap();
        let text = sim.with(|kernel| kernel.numbered_queues_text()).unwrap();
        let port_id = text.split_whitespace().nth(1).unwrap().parse().map(PortId).unwrap();

        sim.with(|kernel| kernel.forge(NFNETLINK, port_id, datagram));
        let packet = sim
            .inject_packet("tap0", &udp([10, 1, 0, 2], [10, 2, 0, 2], 64, 8))
            .unwrap();
        let mut buffer = [0; 2048];
        let error = handle.read(&mut buffer, Wait::Never).unwrap_err();
        let untranslatable = TransportError::Untranslatable(expected);
        assert_eq!(error, Error::Receive(untranslatable), "{name}");
        let Message::Packet(queued) = handle.read(&mut buffer, Wait::Never).unwrap() else {
            panic!("{name}: no packet comes");
        };
        handle.set_verdict(queued.packet_id(), Verdict::Accept, None).unwrap();
        sim.assert_delivered(packet);
    }
}
