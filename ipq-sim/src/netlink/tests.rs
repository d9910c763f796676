use super::*;
use ipq_core::wire::{EtherType, HardwareAddress, Hook, InterfaceName, Mark, PacketId, PacketMetadata, Timestamp};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

const PROCESS: u32 = 4242;
const RULES: &Rules = &Profile::LINUX_3_4_10_X86_64.behaviour.netlink;
const PROTOCOL: i32 = 3;
const OTHER_PROTOCOL: i32 = 13;

fn sockets() -> Sockets {
    Sockets::new(&Profile::LINUX_3_4_10_X86_64)
}

fn opened(sockets: &mut Sockets, protocol: i32) -> SocketId {
    sockets.open(protocol, ClientId::FIRST, PROCESS, true)
}

fn bound(sockets: &mut Sockets, port_id: u32) -> SocketId {
    let id = opened(sockets, PROTOCOL);
    sockets.bind(id, PortId(port_id), RULES).unwrap();
    id
}

/// Returns a PACKET frame: 112 bytes, and the payload after them.
fn frame(payload: &'static [u8]) -> Datagram {
    let metadata = PacketMetadata {
        packet_id: PacketId(1),
        mark: Mark(0),
        timestamp: Timestamp::default(),
        hook: Hook::Forward,
        indev_name: InterfaceName::NONE,
        outdev_name: InterfaceName::NONE,
        hw_protocol: EtherType::IPV4,
        hw_type: 0,
        hw_address: HardwareAddress::NONE,
    };
    let abi = Profile::LINUX_3_4_10_X86_64.abi;
    Datagram::from_kernel(metadata.head(abi, payload.len()), Bytes::from_static(payload))
}

fn deliver(sockets: &mut Sockets, port_id: u32) -> bool {
    sockets.deliver(PROTOCOL, PortId(port_id), frame(&[]), RULES).is_ok()
}

fn send(sockets: &mut Sockets, from: SocketId, to: u32, payload: &'static [u8]) -> Result<(), Errno> {
    let sending = sockets.begin_sending(from, payload.len(), RULES)?;
    sockets.send_to_user(sending, PortId(to), Bytes::from_static(payload), RULES)
}

/// Receives a datagram. Returns its length and its sender's port id, or the error.
fn receive(sockets: &mut Sockets, id: SocketId) -> Result<(usize, u32), Errno> {
    let received = sockets.receive(id, &mut [0; 4096], RULES)?;
    Ok((received.length, received.sender.0))
}

/// Sets a socket's receive buffer to the least size, 2240, and delivers frames of weight 704 until
/// one is refused: the fifth.
fn overrun(sockets: &mut Sockets, id: SocketId, port_id: u32) {
    sockets.set_receive_buffer(id, 0).unwrap();
    let taken: Vec<bool> = (0..5).map(|_| deliver(sockets, port_id)).collect();
    assert_eq!(taken, [true, true, true, true, false]);
}

#[test]
fn the_kernel_chooses_the_process_id_and_then_counts_down_for_both_protocols() {
    let mut sockets = sockets();
    let choose = |sockets: &mut Sockets, family| {
        let id = opened(sockets, family);
        sockets.bind(id, PortId::KERNEL, RULES).unwrap().0.cast_signed()
    };
    assert_eq!(choose(&mut sockets, PROTOCOL), 4242);
    assert_eq!(choose(&mut sockets, PROTOCOL), -4097);
    assert_eq!(choose(&mut sockets, OTHER_PROTOCOL), 4242);
    assert_eq!(choose(&mut sockets, OTHER_PROTOCOL), -4098);
}

#[test]
fn a_number_that_is_taken_is_passed_over() {
    let mut sockets = sockets();
    bound(&mut sockets, PROCESS);
    bound(&mut sockets, (-4097_i32).cast_unsigned());
    let id = opened(&mut sockets, PROTOCOL);
    assert_eq!(
        sockets.bind(id, PortId::KERNEL, RULES),
        Ok(PortId((-4098_i32).cast_unsigned()))
    );
}

#[test]
fn the_lowest_number_is_followed_by_the_first() {
    let mut sockets = sockets();
    sockets.rover = i32::MIN;
    bound(&mut sockets, PROCESS);
    let chosen: Vec<i32> = (0..2)
        .map(|_| {
            let id = opened(&mut sockets, PROTOCOL);
            let port_id = sockets.bind(id, PortId::KERNEL, RULES).unwrap();
            port_id.0.cast_signed()
        })
        .collect();
    assert_eq!(chosen, [i32::MIN, -4097]);
}

#[rstest]
#[case::again(4242, Ok(PortId(4242)))]
#[case::to_another(4243, Err(Errno::EINVAL))]
#[case::as_the_kernel_likes(0, Err(Errno::EINVAL))]
fn a_bound_socket_stays_where_it_is(#[case] wanted: u32, #[case] expected: Result<PortId, Errno>) {
    let mut sockets = sockets();
    let id = bound(&mut sockets, 4242);
    assert_eq!(sockets.bind(id, PortId(wanted), RULES), expected);
    assert_eq!(sockets.port_id(id), Some(PortId(4242)));
}

#[test]
fn a_port_id_is_taken_on_its_protocol_until_its_socket_closes() {
    let mut sockets = sockets();
    let first = bound(&mut sockets, 7);
    let second = opened(&mut sockets, PROTOCOL);
    assert_eq!(sockets.bind(second, PortId(7), RULES), Err(Errno::EADDRINUSE));
    let other_protocol = opened(&mut sockets, OTHER_PROTOCOL);
    assert_eq!(sockets.bind(other_protocol, PortId(7), RULES), Ok(PortId(7)));
    assert_eq!(sockets.close(first), Some((PROTOCOL, PortId(7))));
    assert_eq!(sockets.close(first), None);
    assert_eq!(sockets.bind(second, PortId(7), RULES), Ok(PortId(7)));
}

#[test]
fn a_closed_socket_is_never_another() {
    let mut sockets = sockets();
    let closed = bound(&mut sockets, 7);
    sockets.close(closed);
    let open = bound(&mut sockets, 7);
    assert_ne!(closed, open);
    assert_eq!(receive(&mut sockets, closed), Err(Errno::EBADF));
    assert_eq!(sockets.take_error(closed, RULES), Err(Errno::EBADF));
    assert_eq!(sockets.set_receive_buffer(closed, 1), Err(Errno::EBADF));
    assert_eq!(sockets.begin_sending(closed, 0, RULES).unwrap_err(), Errno::EBADF);
    assert!(!sockets.is_open(closed) && sockets.is_open(open));
}

#[rstest]
#[case(196_576, None)]
#[case(196_577, Some(Errno::EMSGSIZE))]
fn a_datagram_may_have_32_bytes_less_than_the_send_buffer(#[case] length: usize, #[case] refused: Option<Errno>) {
    let mut sockets = sockets();
    let id = opened(&mut sockets, PROTOCOL);
    assert_eq!(sockets.begin_sending(id, length, RULES).err(), refused);
    assert_eq!(
        sockets.port_id(id),
        Some(PortId(PROCESS)),
        "it is bound first all the same"
    );
}

#[rstest]
#[case::as_asked_for(3000, 6000, 5968)]
#[case::never_less(0, 2048, 2016)]
fn a_send_buffer_is_what_was_granted(#[case] asked_for: u32, #[case] granted: u32, #[case] longest: usize) {
    let mut sockets = sockets();
    let id = opened(&mut sockets, PROTOCOL);
    assert_eq!(sockets.set_send_buffer(id, asked_for), Ok(granted));
    assert_eq!(sockets.longest_to_send(id, RULES), Ok(longest));
    assert!(sockets.begin_sending(id, longest, RULES).is_ok());
    assert_eq!(
        sockets.begin_sending(id, longest + 1, RULES).err(),
        Some(Errno::EMSGSIZE)
    );
}

#[test]
fn a_socket_takes_frames_until_what_is_queued_exceeds_its_buffer() {
    let mut sockets = sockets();
    let id = bound(&mut sockets, 7);
    sockets.set_receive_buffer(id, 1408).unwrap();
    // Frames of 704 exceed a buffer of 2816 when five wait, and not when four do.
    let taken: Vec<bool> = (0..6).map(|_| deliver(&mut sockets, 7)).collect();
    assert_eq!(taken, [true, true, true, true, true, false]);
}

#[test]
fn an_overrun_is_told_once_and_first_and_ends_when_the_socket_is_empty() {
    let mut sockets = sockets();
    let id = bound(&mut sockets, 7);
    overrun(&mut sockets, id, 7);
    assert_eq!(receive(&mut sockets, id), Err(Errno::ENOBUFS));
    for _ in 0..3 {
        assert_eq!(receive(&mut sockets, id), Ok((112, 0)));
        assert!(!deliver(&mut sockets, 7), "there is room, but it is not empty");
    }
    assert_eq!(receive(&mut sockets, id), Ok((112, 0)));
    assert!(deliver(&mut sockets, 7));
    assert_eq!(receive(&mut sockets, id), Ok((112, 0)));
    assert_eq!(receive(&mut sockets, id), Err(Errno::EAGAIN));
}

#[test]
fn reading_a_frame_makes_room_for_what_it_weighed() {
    let mut sockets = sockets();
    let id = bound(&mut sockets, 7);
    sockets.set_receive_buffer(id, 0).unwrap();
    assert_eq!([(); 4].map(|()| deliver(&mut sockets, 7)), [true; 4]);
    receive(&mut sockets, id).unwrap();
    assert_eq!([(); 2].map(|()| deliver(&mut sockets, 7)), [true, false]);
    assert!(sockets.has_error(id));
    assert_eq!(receive(&mut sockets, id), Err(Errno::ENOBUFS));
    assert!(!sockets.has_error(id), "it is told once");
}

#[test]
fn refusals_during_an_overrun_are_no_new_errors() {
    let mut sockets = sockets();
    let id = bound(&mut sockets, 7);
    overrun(&mut sockets, id, 7);
    assert_eq!(sockets.take_error(id, RULES), Ok(Some(Errno::ENOBUFS)));
    assert!(!deliver(&mut sockets, 7));
    assert_eq!(sockets.take_error(id, RULES), Ok(None));
    assert!(!sockets.has_error(id) && sockets.is_readable(id));
}

#[test]
fn without_enobufs_frames_are_lost_one_by_one_and_in_silence() {
    let mut sockets = sockets();
    let id = bound(&mut sockets, 7);
    sockets.set_no_enobufs(id, true, RULES).unwrap();
    overrun(&mut sockets, id, 7);
    assert_eq!(receive(&mut sockets, id), Ok((112, 0)));
    assert!(deliver(&mut sockets, 7), "there is room again");
}

#[test]
fn asking_for_no_enobufs_ends_the_latch_and_leaves_the_error() {
    let mut sockets = sockets();
    let id = bound(&mut sockets, 7);
    overrun(&mut sockets, id, 7);
    sockets.set_no_enobufs(id, true, RULES).unwrap();
    assert_eq!(receive(&mut sockets, id), Err(Errno::ENOBUFS));
    assert_eq!(receive(&mut sockets, id), Ok((112, 0)));
    assert!(deliver(&mut sockets, 7));
}

#[test]
fn a_smaller_buffer_holds_for_what_comes_next() {
    let mut sockets = sockets();
    let id = bound(&mut sockets, 7);
    assert!((0..10).all(|_| deliver(&mut sockets, 7)));
    assert_eq!(sockets.set_receive_buffer(id, 0), Ok(2240));
    assert!(!deliver(&mut sockets, 7));
    assert_eq!(receive(&mut sockets, id), Err(Errno::ENOBUFS));
    assert!((0..10).all(|_| receive(&mut sockets, id) == Ok((112, 0))));
}

#[test]
fn a_short_buffer_cuts_a_datagram_and_the_rest_is_lost() {
    let mut sockets = sockets();
    let id = bound(&mut sockets, 7);
    let payload = b"0123456789";
    sockets.deliver(PROTOCOL, PortId(7), frame(payload), RULES).unwrap();
    let mut buffer = [0xff; 117];
    let peeked = sockets.peek(id, &mut buffer).unwrap();
    let received = sockets.receive(id, &mut buffer[..115], RULES).unwrap();
    assert_eq!((peeked.copied, peeked.length), (117, 124));
    assert_eq!((received.copied, received.length), (115, 124), "the padding counts");
    assert_eq!(
        &buffer[112..],
        b"01234",
        "nothing is written behind the buffer that was given"
    );
    assert_eq!(receive(&mut sockets, id), Err(Errno::EAGAIN));
    assert_eq!(sockets.peek(id, &mut buffer), None);
}

#[test]
fn a_programs_datagram_comes_with_its_port_id_and_never_overruns() {
    let mut sockets = sockets();
    let (from, to) = (bound(&mut sockets, 6), bound(&mut sockets, 7));
    sockets.set_receive_buffer(to, 0).unwrap();
    let sent: Vec<_> = (0..5).map(|_| send(&mut sockets, from, 7, b"hello")).collect();
    assert_eq!(sent, [Ok(()), Ok(()), Ok(()), Ok(()), Err(Errno::EAGAIN)]);
    assert_eq!(receive(&mut sockets, to), Ok((5, 6)));
    assert!(deliver(&mut sockets, 7), "nobody was told of an overrun");
    assert_eq!(send(&mut sockets, from, 8, b"hello"), Err(Errno::ECONNREFUSED));
}

#[test]
fn a_programs_datagram_is_refused_by_a_buffer_that_is_over_full_and_not_by_a_full_one() {
    let mut sockets = sockets();
    let (from, to) = (bound(&mut sockets, 6), bound(&mut sockets, 7));
    assert_eq!(
        sockets.set_receive_buffer(to, 0),
        Ok(2240),
        "what the longer one weighs"
    );
    let sent: Vec<_> = [&[0; 1500][..], b"hello", b"hello"]
        .map(|payload| send(&mut sockets, from, 7, payload))
        .into();
    assert_eq!(sent, [Ok(()), Ok(()), Err(Errno::EAGAIN)]);
}

#[test]
fn an_overrun_keeps_other_programs_out_too() {
    let mut sockets = sockets();
    let (from, to) = (bound(&mut sockets, 6), bound(&mut sockets, 7));
    overrun(&mut sockets, to, 7);
    for expected in [Err(Errno::ENOBUFS), Ok((112, 0)), Ok((112, 0))] {
        assert_eq!(receive(&mut sockets, to), expected);
    }
    assert_eq!(send(&mut sockets, from, 7, b"hello"), Err(Errno::EAGAIN));
}

#[test]
fn a_frame_for_nobody_is_not_taken() {
    let mut sockets = sockets();
    let id = opened(&mut sockets, OTHER_PROTOCOL);
    sockets.bind(id, PortId(7), RULES).unwrap();
    assert!(!deliver(&mut sockets, 7), "the port is another protocol's");
    assert!(!sockets.is_readable(id));
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn whoever_waits_is_woken_once_by_what_comes_an_overrun_or_the_end() {
    let mut sockets = sockets();
    let id = bound(&mut sockets, 7);
    let counter = Arc::new(Counter::default());
    let woken = || counter.0.load(Ordering::Relaxed);
    let waker = Waker::from(Arc::clone(&counter));

    sockets.wake_on_input(id, &waker);
    assert_eq!(woken(), 0);
    deliver(&mut sockets, 7);
    deliver(&mut sockets, 7);
    assert_eq!(woken(), 1, "by the first of two");

    sockets.set_receive_buffer(id, 0).unwrap();
    while deliver(&mut sockets, 7) {}
    sockets.take_error(id, RULES).unwrap();
    sockets.wake_on_input(id, &waker);
    assert!(!deliver(&mut sockets, 7));
    assert_eq!(woken(), 1, "there is nothing new");

    sockets.close(id);
    assert_eq!(woken(), 2);
    assert!(sockets.is_readable(id), "a read tells that it is closed");
}

#[test]
fn after_the_end_of_all_a_socket_gives_what_it_has_and_takes_nothing() {
    let mut sockets = sockets();
    let (idle, full) = (bound(&mut sockets, 6), bound(&mut sockets, 7));
    deliver(&mut sockets, 7);
    let counter = Arc::new(Counter::default());
    sockets.wake_on_input(idle, &Waker::from(Arc::clone(&counter)));

    sockets.shut_down();
    assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    assert!(sockets.is_readable(idle) && sockets.is_readable(full));
    assert_eq!(receive(&mut sockets, idle), Err(Errno::EBADF));
    assert_eq!(receive(&mut sockets, full), Ok((112, 0)));
    assert_eq!(receive(&mut sockets, full), Err(Errno::EBADF));
    assert_eq!(send(&mut sockets, idle, 7, b"hello"), Err(Errno::EBADF));
}
