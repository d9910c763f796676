//! The emulator's server for programs in other processes, which is fed any bytes. It survives them,
//! holds no more memory than it should, and serves the next program.
//!
//! The input is a list of actions, as [`Action`] describes them. Programs and server are in one
//! thread, so nothing waits.

use crate::input::{Input, Output};
use ipq_core::transport::unix::protocol::{Answer, Request};
use ipq_core::wire::{Abi, Envelope, Flags, Message, ModeRequest};
use ipq_core::{CopyMode, Errno, Hook, PortId};
use ipq_sim::programs::run;
use ipq_sim::programs::server::Server;
use ipq_sim::{EntryPoint, Kernel, Profile};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// The most connections of hostile programs at a time.
const CONNECTIONS: usize = 16;

/// An action of hostile programs, or one that happens meanwhile. Its number is in the input first,
/// and then its values. A value is a byte unless a size is given; byte strings come after their
/// length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Action {
    /// Connects to the server, in place of an earlier connection. Value: which one.
    Connect,
    /// Sends bytes. Values: the connection, the bytes.
    Send,
    /// Sends a request. Values: the connection, the request's kind, its value (u32), its socket.
    Request,
    /// Receives a datagram. Values: the connection, the size of the buffer.
    Receive,
    /// Closes a connection. Value: which one.
    Close,
    /// Shuts down one direction of a connection, or both. Values: the connection, the directions.
    ShutDown,
    /// Lets the server do what it can do without waiting.
    Turn,
    /// Makes an IPv6 packet enter the emulated kernel. Value: its length, where less than 40 is 40.
    Packet,
}

impl Action {
    const ALL: [Self; 8] = [
        Self::Connect,
        Self::Send,
        Self::Request,
        Self::Receive,
        Self::Close,
        Self::ShutDown,
        Self::Turn,
        Self::Packet,
    ];

    pub(crate) fn begin(self, output: &mut Output) -> &mut Output {
        output.u8(self as u8)
    }
}

/// Checks a server while hostile programs carry out the actions in `bytes`, 1024 at most. Then
/// checks that the server serves another program. When the programs and the server are gone,
/// neither memory nor a descriptor may be left.
pub fn check(bytes: &[u8]) {
    thread_local! {
        static PLACE: TempDir = tempfile::tempdir().expect("a temporary directory");
    }
    let path = PLACE.with(|directory| directory.path().join("socket"));
    let before = next_descriptor();
    let mut actions = 0;
    let held = allocation_counter::measure(|| {
        let mut run = Run::new(&path);
        let mut input = Input::new(bytes);
        while !input.is_empty() && actions < 1024 {
            run.act(&mut input);
            actions += 1;
        }
        run.serve_the_next();
        run.end();
    });
    // The bound is the server's room for 64 of the longest datagrams at once, and the kernel; and
    // for each action a packet, or a frame as long as what was sent.
    let most = (10 << 20) + 32 * bytes.len() as u64 + 4096 * actions;
    assert!(
        held.bytes_max <= most,
        "{} bytes held after {actions} actions",
        held.bytes_max
    );
    assert_eq!((held.bytes_current, next_descriptor()), (0, before));
}

struct Run {
    kernel: Kernel,
    server: Server,
    address: SocketAddrUnix,
    connections: [Option<OwnedFd>; CONNECTIONS],
    /// The number of connections that the server has still to accept. It accepts one each turn.
    waiting: usize,
}

impl Run {
    fn new(path: &Path) -> Self {
        Self {
            kernel: run::kernel(Profile::default(), Hook::Input).expect("a hook and a profile that there are"),
            server: Server::listen(path).expect("a socket in a directory of its own"),
            address: SocketAddrUnix::new(path).expect("a short path"),
            connections: [const { None }; CONNECTIONS],
            waiting: 0,
        }
    }

    fn act(&mut self, input: &mut Input<'_>) {
        let action = Action::ALL[usize::from(input.u8()) % Action::ALL.len()];
        match action {
            Action::Turn => return self.turn(),
            Action::Packet => return self.packet(input.u8()),
            _ => {}
        }
        let which = usize::from(input.u8()) % CONNECTIONS;
        if action == Action::Connect {
            self.connections[which] = self.connect();
            return;
        }
        if action == Action::Close {
            self.connections[which] = None;
            return;
        }
        let sent = match action {
            Action::Send => input.bytes().to_vec(),
            Action::Request => request(input),
            _ => Vec::new(),
        };
        let Some(connection) = &self.connections[which] else {
            return;
        };
        // Any result is allowed: a hostile program has to live with it.
        match action {
            Action::Receive => {
                let mut buffer = [0; 256];
                let room = usize::from(input.u8());
                let _ = net::recv(connection, &mut buffer[..room], RecvFlags::DONTWAIT);
            }
            Action::ShutDown => {
                let how = [Shutdown::Read, Shutdown::Write, Shutdown::Both][usize::from(input.u8() % 3)];
                let _ = net::shutdown(connection, how);
            }
            _ => {
                let _ = net::send(connection, &sent, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
            }
        }
    }

    fn connect(&mut self) -> Option<OwnedFd> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let connection = net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).expect("a socket");
        // The connection is made only while few others wait to be accepted.
        net::connect(&connection, &self.address).ok()?;
        self.waiting += 1;
        Some(connection)
    }

    fn turn(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
        self.server
            .turn(&mut self.kernel, Some(Duration::ZERO), &mut |_| {})
            .expect("a server goes on whatever its programs do");
        assert!(self.kernel.accounting().balances());
    }

    fn packet(&mut self, length: u8) {
        let entrance = EntryPoint {
            hook: Hook::Input,
            incoming: "eth0",
            outgoing: "eth1",
            link_header: None,
        };
        let length = length.max(40);
        let mut packet = vec![0; length.into()];
        packet[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, length - 40, 59, 64]);
        self.kernel.enter_at(entrance, packet).expect("an IP packet");
    }

    /// Checks that a program that keeps to the rules can open a socket, bind it, send a message and
    /// get an answer.
    fn serve_the_next(&mut self) {
        while self.waiting > 0 {
            self.turn();
        }
        let frames = self.connect().expect("there is room");
        let opening = Request::Open {
            protocol: 3,
            process_id: 4242,
        };
        let socket = self.ask(&frames, opening).socket;
        let binding = self.connect().expect("there is room");
        let port_id = PortId::KERNEL;
        let port_id = PortId(self.ask(&binding, Request::Bind { socket, port_id }).value);
        let envelope = Envelope {
            flags: Flags::REQUEST | Flags::ACK,
            sequence: 9,
            port_id,
        };
        let mode = ModeRequest {
            mode: CopyMode::None,
            range: 0,
        };
        let message = mode.head(Abi::NATIVE, envelope);
        net::send(&frames, &message, SendFlags::empty()).expect("a program is listened to");
        let mut buffer = [0; 256];
        let length = self.received(&frames, &mut buffer);
        let Ok(Message::Error(error)) = Message::parse(&buffer[..length], Abi::NATIVE) else {
            panic!("an answer was to come: {:02x?}", &buffer[..length]);
        };
        // The answer is EBUSY if another program has attached, and EINVAL if the process id is
        // another socket's port id.
        assert!(
            matches!(error.errno(), Errno(0) | Errno::EBUSY | Errno::EINVAL),
            "{}",
            error.errno()
        );
        assert_eq!(error.quoted[..16], message[..16]);
    }

    fn ask(&mut self, connection: &OwnedFd, request: Request) -> Answer {
        net::send(connection, &request.write(), SendFlags::empty()).expect("a program is listened to");
        let mut buffer = [0; 256];
        let length = self.received(connection, &mut buffer);
        let answer = Answer::parse(&buffer[..length]).expect("an answer");
        assert_eq!((answer.errno, answer.abi), (Errno(0), Abi::NATIVE), "{request:?}");
        answer
    }

    /// Receives a datagram within eight turns of the server, and returns its length. Panics if none
    /// comes.
    fn received(&mut self, connection: &OwnedFd, buffer: &mut [u8]) -> usize {
        for _ in 0..8 {
            self.turn();
            if let Ok((length, _)) = net::recv(connection, &mut *buffer, RecvFlags::DONTWAIT) {
                return length;
            }
        }
        panic!("nothing came");
    }

    /// Closes all programs' connections. Then checks that the server has no programs any more, and
    /// that nothing is queued for them.
    fn end(mut self) {
        self.connections = [const { None }; CONNECTIONS];
        for _ in 0..4 {
            self.turn();
        }
        assert!(!self.server.has_programs());
        assert!(self.server.all_read(&self.kernel));
        assert_eq!(self.kernel.accounting().queued, 0);
    }
}

/// Returns a well-formed request with values from the input.
fn request(input: &mut Input<'_>) -> Vec<u8> {
    let (kind, value, socket) = (input.u8() % 7, input.u32(), u64::from(input.u8()));
    let request = match kind {
        0 => Request::Open {
            protocol: if value & 1 == 0 { 3 } else { 13 },
            process_id: value >> 1,
        },
        1 => Request::Notices { socket },
        2 => Request::Bind {
            socket,
            port_id: PortId(value),
        },
        3 => Request::ReceiveBuffer { socket, bytes: value },
        4 => Request::NoEnobufs {
            socket,
            on: value & 1 != 0,
        },
        5 => Request::ProcText { protocol: value % 16 },
        _ => Request::Open {
            protocol: value,
            process_id: 1,
        },
    };
    request.write().to_vec()
}

/// Returns the number that the next new descriptor would have.
fn next_descriptor() -> i32 {
    let probe = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty());
    probe.expect("a descriptor").as_raw_fd()
}
