//! Tests the server for other processes. Its clients are in the process of the test: the transport
//! of `ipq-core`, or connections that the test opens itself.

#![cfg(target_os = "linux")]

mod support;

use ipq_core::transport::unix::protocol::{Answer, Request};
use ipq_core::transport::unix::{OpenError, Unix};
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Errno, Error, Family, Handle, Hook, PortId, Transport, Verdict, Wait};
use ipq_sim::programs::run;
use ipq_sim::programs::server::Server;
use ipq_sim::{Kernel, Profile};
use pretty_assertions::assert_eq;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::at_input;

/// Sets the flag when it is dropped, so that the server learns of the client's end even after a
/// panic.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Serves a kernel at a path until `client` has ended and no socket is left. Lets `packets` packets
/// enter as soon as a program listens. Returns the kernel.
fn served(name: &str, packets: usize, client: impl FnOnce(&Path)) -> Kernel {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut kernel = run::kernel(Profile::default(), Hook::Input).unwrap();
    let mut server = Server::listen(&path).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| {
            let mut left = packets;
            while !done.load(Ordering::Acquire) || server.has_programs() {
                server
                    .turn(&mut kernel, Some(Duration::from_millis(1)), &mut |_| {})
                    .unwrap();
                while left > 0 && kernel.has_listener(Family::Ipv4) {
                    left -= 1;
                    kernel.enter_at(at_input(), packet()).unwrap();
                }
            }
        });
        let ended = Ended(&done);
        client(&path);
        drop(ended);
        serving.join().unwrap();
    });
    kernel
}

fn packet() -> Vec<u8> {
    let mut bytes = Vec::new();
    etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1, 2)
        .write(&mut bytes, b"hello")
        .unwrap();
    bytes
}

#[test]
fn a_handle_reads_gives_verdicts_and_is_told_of_errors() {
    let kernel = served("handle", 1, |path| {
        let handle = Handle::new(Unix::open(path, Family::Ipv4).unwrap());
        assert_eq!(handle.port_id(), PortId(std::process::id()));
        assert_eq!(handle.set_mode(CopyMode::Packet, 0), Ok(40));
        let mut buffer = [0; 2048];
        let Message::Packet(queued) = handle.read(&mut buffer, Wait::Forever).unwrap() else {
            panic!("a packet was to come");
        };
        assert_eq!(queued.payload(), packet());
        let id = queued.packet_id();
        handle.set_verdict(id, Verdict::Accept, None).unwrap();
        handle.set_verdict(id, Verdict::Accept, None).unwrap();
        let Message::Error(error) = handle.read(&mut buffer, Wait::Forever).unwrap() else {
            panic!("an error was to come");
        };
        assert_eq!(error.errno(), Errno::ENOENT);
        assert_eq!(
            handle.read_datagram(&mut buffer, Wait::For(Duration::from_millis(1))),
            Err(Error::TimedOut)
        );
        assert_eq!(handle.transport().set_receive_buffer(4096), Ok(8192));
        assert!(matches!(
            Unix::open(path, Family::Ipv4),
            Err(OpenError::Bind {
                errno: Errno::EADDRINUSE,
                ..
            })
        ));
        let another = Unix::open_bound(path, Family::Ipv4, PortId(7)).unwrap();
        assert_eq!(another.port_id(), PortId(7));
    });
    assert_eq!((kernel.accounting().delivered, kernel.accounting().queued), (1, 0));
}

#[test]
fn an_overrun_comes_first_then_what_there_was_room_for_and_nothing_more_before_it_is_empty() {
    served("overrun", 40, |path| {
        let handle = Handle::new(Unix::open(path, Family::Ipv4).unwrap());
        handle.transport().set_receive_buffer(4096).unwrap();
        handle.set_mode(CopyMode::Packet, 0).unwrap();
        let mut buffer = [0; 2048];
        // All 40 packets enter between two turns of the server, before a frame is handed over.
        let mut read = Vec::new();
        while read.last() != Some(&Err(Error::TimedOut)) {
            read.push(
                handle
                    .read(&mut buffer, Wait::For(Duration::from_millis(200)))
                    .map(|_| ()),
            );
        }
        let mut expected = vec![Err(Error::Overrun)];
        expected.extend([Ok(()); 12]);
        expected.push(Err(Error::TimedOut));
        assert_eq!(read, expected);
    });
}

#[test]
fn a_read_that_waits_for_ever_ends_when_the_emulator_does() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("gone");
    let mut kernel = run::kernel(Profile::default(), Hook::Input).unwrap();
    let mut server = Server::listen(&path).unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let handle = Handle::new(Unix::open(&path, Family::Ipv4).unwrap());
            handle.set_mode(CopyMode::Packet, 0).unwrap();
            let read = handle.read(&mut [0; 256], Wait::Forever).map(|_| ());
            (read, handle.set_mode(CopyMode::Meta, 0))
        });
        while !kernel.has_listener(Family::Ipv4) {
            server
                .turn(&mut kernel, Some(Duration::from_millis(1)), &mut |_| {})
                .unwrap();
        }
        drop(server);
        let (read, sent) = reader.join().unwrap();
        assert_eq!(read, Err(Error::EndOfFile));
        assert!(matches!(sent, Err(Error::Send(_))), "{sent:?}");
    });
}

#[test]
fn each_frame_has_its_own_sender_also_where_one_was_read_around_the_transport() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    let mut kernel = run::kernel(Profile::default(), Hook::Input).unwrap();
    let mut server = Server::listen(&path).unwrap();
    let mut turn = |kernel: &mut Kernel| server.turn(kernel, Some(Duration::ZERO), &mut |_| {}).unwrap();
    let handle = std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            let handle = Handle::new(Unix::open(&path, Family::Ipv4).unwrap());
            handle.set_mode(CopyMode::Packet, 0).unwrap();
            handle
        });
        while !opening.is_finished() {
            turn(&mut kernel);
        }
        opening.join().unwrap()
    });
    turn(&mut kernel);
    let client = kernel.add_client(7, false);
    let other = kernel.open(client, Family::Ipv4.netlink_protocol().into()).unwrap();
    let other_id = kernel.bind(other, PortId(7)).unwrap();
    kernel.enter_at(at_input(), packet()).unwrap();
    for _ in 0..2 {
        kernel.send_to(other, handle.port_id(), b"not the kernel's").unwrap();
    }
    kernel.enter_at(at_input(), packet()).unwrap();

    let mut read = Vec::new();
    for around in [false, false, true, false] {
        turn(&mut kernel);
        if around {
            net::recv(handle.transport(), &mut [0; 64], RecvFlags::DONTWAIT).unwrap();
            turn(&mut kernel);
        }
        let mut buffer = [0; 2048];
        let message = handle.read(&mut buffer, Wait::Never);
        read.push(message.map(|message| matches!(message, Message::Packet(_))));
    }
    let foreign = Err(Error::ForeignSender { sender: other_id });
    assert_eq!(read, [Ok(true), foreign, Ok(true), Err(Error::TimedOut)]);
}

#[test]
fn whatever_is_sent_instead_of_a_request_ends_that_connection_and_no_other() {
    served("hostile", 0, |path| {
        let address = SocketAddrUnix::new(path).unwrap();
        let handle = Handle::new(Unix::open(path, Family::Ipv4).unwrap());
        for length in [1, 19, 20, 21, 4096] {
            let connection = net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
            net::connect(&connection, &address).unwrap();
            net::send(&connection, &vec![0xff; length], SendFlags::empty()).unwrap();
            let mut answer = [0; 64];
            assert_eq!(net::recv(&connection, &mut answer, RecvFlags::empty()), Ok((0, 0)));
        }
        // What is sent on a socket's connection is a frame, and the queue answers it.
        let mut buffer = [0; 2048];
        let odd = [&16_u32.to_ne_bytes()[..], &[0xff; 12]].concat();
        handle.transport().send(&[std::io::IoSlice::new(&odd)]).unwrap();
        let Message::Error(error) = handle.read(&mut buffer, Wait::Forever).unwrap() else {
            panic!("an error was to come");
        };
        assert_eq!(error.errno(), Errno::EINVAL);
    });
}

#[test]
fn only_a_socket_that_nobody_listens_at_is_replaced_and_only_its_own_is_removed() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("not-a-socket");
    std::fs::write(&path, "precious").unwrap();
    let refused = Server::listen(&path).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    std::fs::remove_file(&path).unwrap();

    let first = Server::listen(&path).unwrap();
    assert_eq!(Server::listen(&path).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    std::fs::remove_file(&path).unwrap();
    let second = Server::listen(&path).unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
}

#[test]
fn there_may_be_any_number_of_programs_one_after_the_other() {
    let kernel = served("many-programs", 0, |path| {
        let address = SocketAddrUnix::new(path).unwrap();
        for process_id in 1..5000 {
            let connection = net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
            net::connect(&connection, &address).unwrap();
            let open = Request::Open {
                protocol: 3,
                process_id,
            };
            net::send(&connection, &open.write(), SendFlags::empty()).unwrap();
            let mut answer = [0; Answer::BYTES];
            net::recv(&connection, &mut answer, RecvFlags::empty()).unwrap();
            let answer = Answer::parse(&answer).unwrap();
            assert_eq!(answer.errno, Errno(0), "program {process_id}");
        }
    });
    drop(kernel);
}

#[test]
fn a_datagram_of_no_bytes_is_no_end_of_the_socket() {
    served("empty", 1, |path| {
        let handle = Handle::new(Unix::open(path, Family::Ipv4).unwrap());
        assert_eq!(handle.transport().send(&[]), Ok(0));
        assert_eq!(handle.set_mode(CopyMode::Meta, 0), Ok(40));
        assert!(matches!(
            handle.read(&mut [0; 256], Wait::Forever),
            Ok(Message::Packet(_))
        ));
    });
}

/// Runs itself again as a process that may have 64 descriptors. That process uses up all of them
/// before it calls `as_fd` on the server, and closes them before a program connects.
#[test]
fn a_new_connection_wakes_a_caller_that_had_no_descriptors_left() {
    const NAME: &str = "a_new_connection_wakes_a_caller_that_had_no_descriptors_left";
    const FEW: &str = "IPQ_SIM_FEW_DESCRIPTORS";
    if std::env::var_os(FEW).is_none() {
        let again = Command::new("sh")
            .args(["-c", "ulimit -n 64; exec \"$0\" --exact \"$1\""])
            .arg(std::env::current_exe().unwrap())
            .arg(NAME)
            .env(FEW, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("few-descriptors");
    let server = Server::listen(&path).unwrap();
    let others: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let descriptor = server.as_fd();
    drop(others);
    let program = net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    net::connect(&program, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    let mut awaited = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    assert_eq!(poll(&mut awaited, Some(&second)), Ok(1), "nobody is woken");
}
