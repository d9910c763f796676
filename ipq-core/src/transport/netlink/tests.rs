//! Tests of [`Netlink`], nearly all on netlink protocols that every kernel has: one between
//! programs, and the one for routes, whose kernel side answers anybody.

use super::*;
use crate::wire::{Abi, Flags, Header, MessageType};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::time::{Duration, Instant};

/// `NETLINK_ROUTE`: the kernel's routes and devices.
const ROUTE: u8 = 0;
/// `NETLINK_USERSOCK`: datagrams from program to program.
const BETWEEN_PROGRAMS: u8 = 2;

fn open(protocol: u8) -> Netlink {
    Netlink::on_protocol(protocol, Bind::KernelChoice).expect("a socket bound to a port id of the kernel's choice")
}

/// Sends `bytes` from one socket to another, as one program to another. [`Transport::send`] sends
/// to the kernel alone.
fn send_between(from: &Netlink, to: &Netlink, bytes: &[u8]) {
    let address = SocketAddrNetlink::new(to.port_id().0, 0);
    assert_eq!(net::sendto(from, bytes, SendFlags::empty(), &address), Ok(bytes.len()));
}

/// Returns a request that the kernel's side of `NETLINK_ROUTE` answers with an acknowledgement of
/// 36 bytes.
fn acknowledged(sequence: u32) -> impl AsRef<[u8]> {
    let header = Header {
        length: 16,
        message_type: MessageType::Unknown(1),
        flags: Flags::REQUEST | Flags::ACK,
        sequence,
        port_id: PortId::KERNEL,
    };
    header.write(Abi::NATIVE)
}

fn sequence_in(acknowledgement: &[u8]) -> Option<u32> {
    Header::parse(acknowledgement, Abi::NATIVE).map(|header| header.sequence)
}

#[test]
fn a_kernel_without_ip_queue_is_named_and_the_way_out_too() {
    let Err(error @ OpenError::NoIpQueue { .. }) = Netlink::open(Family::Ipv4) else {
        // A kernel up to 3.4 may have ip_queue, and then there is no error to look at.
        return;
    };
    assert_eq!(error.number(), ErrorNumber::CreateSocket);
    assert_eq!(
        error.to_string(),
        "this kernel has no ip_queue for IPv4 (netlink protocol 3): kernels since 3.5 have none, so use the nfqueue \
         transport there; on an older one load the module ip_queue or ip6_queue"
    );
}

#[test]
fn every_error_of_opening_has_libipqs_number() {
    let family = Family::Ipv6;
    let (errno, port_id) = (Errno::ENOMEM, PortId(7));
    let of = |error: OpenError| error.number().number();
    assert_eq!(of(OpenError::NoIpQueue { family }), 3);
    assert_eq!(of(OpenError::Socket { family, errno }), 3);
    assert_eq!(of(OpenError::PortTaken { family, port_id }), 4);
    assert_eq!(of(OpenError::Bind { family, port_id, errno }), 4);
}

#[test]
fn a_port_id_can_be_chosen_and_is_then_taken() {
    let chosen = PortId(0x4000_0000 | std::process::id());
    let first = Netlink::on_protocol(BETWEEN_PROGRAMS, Bind::Port(chosen)).expect("a free port id");
    assert_eq!(first.port_id(), chosen);
    let second = Netlink::on_protocol(BETWEEN_PROGRAMS, Bind::Port(chosen));
    assert_eq!(second.err(), Some(SocketError::Bind(Errno::EADDRINUSE, chosen)));
    drop(first);
    assert!(
        Netlink::on_protocol(BETWEEN_PROGRAMS, Bind::Port(chosen)).is_ok(),
        "closing frees it"
    );
}

#[test]
fn a_datagram_says_who_sent_it() {
    let (sender, receiver) = (open(BETWEEN_PROGRAMS), open(BETWEEN_PROGRAMS));
    let expected = Ok(Datagram {
        copied: 14,
        length: 14,
        sender: sender.port_id(),
    });
    let mut buffer = [0; 64];
    send_between(&sender, &receiver, b"from a program");
    assert_eq!(receiver.receive(&mut buffer, Wait::Forever), expected);
    assert_eq!(&buffer[..14], b"from a program");
    send_between(&sender, &receiver, b"from a program");
    let mut slots = [Slot::new(&mut buffer)];
    assert_eq!(receiver.receive_many(&mut slots, Wait::Forever), Ok(1));
    assert_eq!(slots[0].result, expected);
}

#[test]
fn a_connected_socket_takes_datagrams_from_the_kernel_alone() {
    let receiver = Netlink::connected(BETWEEN_PROGRAMS).expect("a socket");
    let address = SocketAddrNetlink::new(receiver.port_id().0, 0);
    let sent = net::sendto(open(BETWEEN_PROGRAMS), b"from a program", SendFlags::empty(), &address);
    assert_eq!(sent, Err(rustix::io::Errno::CONNREFUSED));
    let mut buffer = [0; 64];
    assert_eq!(
        receiver.receive(&mut buffer, Wait::Never),
        Err(TransportError::TimedOut)
    );

    let socket = Netlink::connected(ROUTE).expect("a socket");
    for sequence in [7, 8] {
        socket
            .send(&[IoSlice::new(acknowledged(sequence).as_ref())])
            .expect("sent");
    }
    let datagram = socket.receive(&mut buffer, Wait::Never).expect("an acknowledgement");
    assert_eq!((datagram.sender, sequence_in(&buffer)), (PortId::KERNEL, Some(7)));
    let mut slots = [Slot::new(&mut buffer)];
    assert_eq!(socket.receive_many(&mut slots, Wait::Never), Ok(1));
    let sender = slots[0].result.map(|datagram| datagram.sender);
    assert_eq!((sender, sequence_in(&buffer)), (Ok(PortId::KERNEL), Some(8)));
}

#[rstest]
#[case::whole(14, 14)]
#[case::one_short(13, 13)]
#[case::nothing(0, 0)]
fn a_datagram_that_is_cut_says_how_long_it_was(#[case] room: usize, #[case] copied: usize) {
    let (sender, receiver) = (open(BETWEEN_PROGRAMS), open(BETWEEN_PROGRAMS));
    let mut buffer = vec![0; room];
    for many in [false, true] {
        send_between(&sender, &receiver, b"from a program");
        send_between(&sender, &receiver, b"the next");
        let datagram = if many {
            let mut slots = [Slot::new(&mut buffer)];
            assert_eq!(receiver.receive_many(&mut slots, Wait::Never), Ok(1));
            slots[0].result
        } else {
            receiver.receive(&mut buffer, Wait::Never)
        };
        let datagram = datagram.expect("a datagram");
        assert_eq!((datagram.copied, datagram.length), (copied, 14));
        assert_eq!(&buffer[..copied], &b"from a program"[..copied]);
        let rest = receiver.receive(&mut [0; 64], Wait::Never).expect("a datagram");
        assert_eq!(rest.length, 8, "the rest of the first is lost, not the next");
    }
}

#[test]
fn parts_are_filled_one_after_the_other() {
    let (sender, receiver) = (open(BETWEEN_PROGRAMS), open(BETWEEN_PROGRAMS));
    send_between(&sender, &receiver, b"head and tail");
    let (mut head, mut tail) = ([0; 5], [0; 5]);
    let mut parts = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
    let datagram = receiver.receive_parts(&mut parts, Wait::Never).expect("a datagram");
    assert_eq!((datagram.copied, datagram.length), (10, 13));
    assert_eq!((&head, &tail), (b"head ", b"and t"));
}

#[test]
fn a_time_out_takes_its_time_and_no_wait_takes_none() {
    let socket = open(BETWEEN_PROGRAMS);
    let (mut buffer, time) = ([0; 16], Duration::from_millis(20));
    assert_eq!(socket.receive(&mut buffer, Wait::Never), Err(TransportError::TimedOut));
    assert_eq!(
        socket.receive(&mut buffer, Wait::For(Duration::ZERO)),
        Err(TransportError::TimedOut)
    );
    let begun = Instant::now();
    assert_eq!(
        socket.receive(&mut buffer, Wait::For(time)),
        Err(TransportError::TimedOut)
    );
    assert!(begun.elapsed() >= time);
    let many = socket.receive_many(&mut [Slot::new(&mut buffer)], Wait::For(time));
    assert_eq!(many, Err(TransportError::TimedOut));
    assert!(begun.elapsed() >= 2 * time);
}

#[rstest]
#[case::for_ever(Wait::Forever)]
#[case::for_long(Wait::For(Duration::from_hours(1)))]
#[case::longer_than_the_clock(Wait::For(Duration::MAX))]
fn a_wait_ends_when_something_comes(#[case] wait: Wait, #[values(false, true)] non_blocking: bool) {
    let (sender, receiver) = (open(BETWEEN_PROGRAMS), open(BETWEEN_PROGRAMS));
    // A program may make the descriptor non-blocking. The call waits all the same.
    rustix::io::ioctl_fionbio(&receiver, non_blocking).expect("O_NONBLOCK");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| receiver.receive(&mut [0; 64], wait));
        send_between(&sender, &receiver, b"late");
        assert_eq!(reader.join().expect("no panic").map(|datagram| datagram.copied), Ok(4));
    });
}

#[test]
fn what_is_sent_in_parts_is_one_datagram_to_the_kernel() {
    let socket = open(ROUTE);
    let request = acknowledged(7);
    let (first, second) = request.as_ref().split_at(5);
    assert_eq!(
        socket.send(&[IoSlice::new(first), IoSlice::new(&[]), IoSlice::new(second)]),
        Ok(16)
    );
    let mut buffer = [0; 64];
    let answer = socket
        .receive(&mut buffer, Wait::Never)
        .expect("the kernel answers at once");
    assert_eq!((answer.sender, answer.length), (PortId::KERNEL, 36));
    assert_eq!(sequence_in(&buffer), Some(7));
}

#[test]
fn many_messages_each_have_a_result_and_come_in_order() {
    let socket = open(ROUTE);
    let requests: Vec<_> = (0..100).map(acknowledged).collect();
    // One in the middle is too long for the send buffer (SOCK-9). The others are sent all the same.
    let too_long = vec![0; 4 << 20];
    let parts: Vec<[IoSlice<'_>; 1]> = (0..100)
        .map(|index| {
            if index == 80 {
                [IoSlice::new(&too_long)]
            } else {
                [IoSlice::new(requests[index].as_ref())]
            }
        })
        .collect();
    let messages: Vec<&[IoSlice<'_>]> = parts.iter().map(|parts| &parts[..]).collect();
    let mut results = vec![Err(TransportError::Closed); 100];
    socket.send_many(&messages, &mut results);
    for (index, result) in results.into_iter().enumerate() {
        let expected = if index == 80 {
            Err(TransportError::System(Errno::EMSGSIZE))
        } else {
            Ok(16)
        };
        assert_eq!(result, expected, "message {index}");
    }

    let mut buffers = vec![[0; 64]; 110];
    let mut slots: Vec<Slot<'_>> = buffers.iter_mut().map(|buffer| Slot::new(buffer)).collect();
    assert_eq!(socket.receive_many(&mut slots, Wait::Forever), Ok(99));
    assert!(
        slots[..99]
            .iter()
            .all(|slot| slot.result.map(|datagram| datagram.length) == Ok(36))
    );
    let sequences: Vec<_> = buffers[..99].iter().filter_map(|buffer| sequence_in(buffer)).collect();
    assert_eq!(
        sequences,
        (0..100).filter(|sequence| *sequence != 80).collect::<Vec<_>>()
    );
}

#[test]
fn fewer_results_than_messages_leave_messages_unsent() {
    let socket = open(ROUTE);
    let request = acknowledged(1);
    let message: &[IoSlice<'_>] = &[IoSlice::new(request.as_ref())];
    socket.send_many(&[message, message], &mut [Err(TransportError::Closed)]);
    let mut buffers = [[0; 64]; 3];
    let mut slots = buffers.each_mut().map(|buffer| Slot::new(buffer));
    assert_eq!(socket.receive_many(&mut slots, Wait::Never), Ok(1));
    assert_eq!(socket.receive_many(&mut [], Wait::Forever), Ok(0));
}

/// Gives the socket the smallest receive buffer, and sends 100 requests, whose answers do not all
/// fit.
fn overrun(socket: &Netlink) {
    socket.set_receive_buffer(1).expect("the smallest receive buffer");
    for sequence in 0..100 {
        let request = acknowledged(sequence);
        socket.send(&[IoSlice::new(request.as_ref())]).expect("sending");
    }
}

#[test]
fn an_overrun_is_told_once_and_first() {
    let socket = open(ROUTE);
    overrun(&socket);
    let mut buffer = [0; 64];
    assert_eq!(socket.receive(&mut buffer, Wait::Forever), Err(TransportError::Overrun));
    let mut read = 0;
    while socket.receive(&mut buffer, Wait::Never).is_ok() {
        assert_eq!(
            sequence_in(&buffer),
            Some(read),
            "those that fitted are all there, in order"
        );
        read += 1;
    }
    assert!((1..100).contains(&read), "{read} of 100 fitted");
    overrun(&socket);
    let many = socket.receive_many(&mut [Slot::new(&mut buffer)], Wait::Forever);
    assert_eq!(many, Err(TransportError::Overrun));
}

#[test]
fn without_enobufs_an_overrun_is_silent() {
    let socket = open(ROUTE);
    socket.set_no_enobufs(true).expect("the option");
    overrun(&socket);
    assert!(socket.receive(&mut [0; 64], Wait::Never).is_ok());
    while socket.receive(&mut [0; 64], Wait::Never).is_ok() {}
    socket.set_no_enobufs(false).expect("the option");
    overrun(&socket);
    assert_eq!(socket.receive(&mut [0; 64], Wait::Never), Err(TransportError::Overrun));
}

/// Sends and receives with each of the calls that carry the messages of an `ip_queue`. The kernel
/// for routes stands in for it, since only kernels up to 3.4 have one.
#[test]
fn sending_and_receiving_allocates_nothing() {
    let socket = open(ROUTE);
    let (first, second) = (acknowledged(1), acknowledged(2));
    let [first, second] = [&first, &second].map(|request| IoSlice::new(request.as_ref()));
    let messages: [&[IoSlice<'_>]; 2] = [&[first], &[second]];
    let mut buffers = [[0; 64]; 2];
    let mut exchange = |wait| {
        socket.send(&[first]).expect("sending");
        socket.receive(&mut buffers[0], wait).expect("an answer");
        let mut results = [Err(TransportError::Closed); 2];
        socket.send_many(&messages, &mut results);
        assert_eq!(results, [Ok(16); 2]);
        let mut slots = buffers.each_mut().map(|buffer| Slot::new(buffer));
        assert_eq!(socket.receive_many(&mut slots, wait), Ok(2));
    };
    let waits = [Wait::Forever, Wait::For(Duration::from_mins(1)), Wait::Never];
    let counted = allocation_counter::measure(|| {
        for _ in 0..100 {
            waits.into_iter().for_each(&mut exchange);
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn the_receive_buffer_is_what_the_system_made_of_it() {
    let socket = open(ROUTE);
    assert_eq!(
        socket.set_receive_buffer(50_000),
        Ok(100_000),
        "Linux doubles it (SOCK-4)"
    );
}

#[test]
fn the_socket_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&open(ROUTE));
}
