//! A test of several queues with a thread each, as in the example of `ipq-core`.

use super::host::Host;
use super::program::arrived;
use ipq_conformance::world::NumberedQueue;
use ipq_core::transport::nfqueue::NfQueue;
use ipq_core::wire::PacketMessage;
use ipq_core::{Family, Hook, Verdict};
use pretty_assertions::assert_eq;
use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::time::Duration;

#[path = "../../../ipq-core/examples/several_queues.rs"]
#[expect(dead_code, reason = "its main function is that of the example")]
mod example;

tests![a_flow_keeps_its_queue_and_its_order,];

const FIRST: u16 = 10;
const LAST: u16 = 13;
/// The number of flows. With [`EACH`] datagrams in a flow, all fit into the receive buffer of the
/// socket that they go to.
const FLOWS: u8 = 16;
const EACH: u8 = 10;

fn a_flow_keeps_its_queue_and_its_order(host: &mut Host) {
    host.queue_all_among(Family::Ipv4, Hook::Output, NumberedQueue::among(FIRST, LAST));
    let (told, seen) = channel();
    for handle in example::queues::attach(FIRST..=LAST, NfQueue::open_with).expect("the queues") {
        let told = told.clone();
        std::thread::spawn(move || {
            let queue = handle.transport().options().queue_number;
            example::queues::listen(&handle, &AtomicBool::new(false), |packet| {
                told.send((queue, flow_of(packet))).expect("somebody listens");
                Verdict::Accept
            })
        });
    }
    let receiver = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    receiver
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a time-out");
    let port = receiver.local_addr().expect("an address").port();
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for number in 0..EACH {
        for flow in 0..FLOWS {
            let sent = sender.send_to(&[flow, number], ("127.0.1.".to_owned() + &flow.to_string(), port));
            assert_eq!(sent.expect("sent"), 2);
        }
    }

    let mut next = [0; FLOWS as usize];
    let mut queues = BTreeMap::<u8, BTreeSet<u16>>::new();
    for _ in 0..usize::from(FLOWS) * usize::from(EACH) {
        let [flow, number] = arrived(&receiver)[..] else {
            panic!("two bytes were sent");
        };
        let next = &mut next[usize::from(flow)];
        assert_eq!(number, *next, "flow {flow} in its order");
        *next += 1;
        let (queue, flow) = seen.recv_timeout(Duration::from_secs(10)).expect("each was queued");
        queues.entry(flow).or_default().insert(queue);
    }
    assert!(queues.values().all(|queues| queues.len() == 1), "{queues:?}");
    let used: BTreeSet<_> = queues.values().flatten().collect();
    assert!(used.len() > 1, "{queues:?}");
}

/// Returns the first byte of a datagram's payload, which is the number of its flow.
fn flow_of(packet: PacketMessage<'_>) -> u8 {
    packet.payload()[28]
}
