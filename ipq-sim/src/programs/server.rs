//! An emulated kernel's sockets for programs in other processes, which reach them by a Unix socket: the other end of
//! [`ipq_core::transport::unix`].
//!
//! A [`Server`] has connections and no kernel: each [`turn`](Server::turn) is given one, moves what there is to be moved, and
//! waits for as long as it may. So one thread owns the kernel, and does with it between two turns what it likes.
//!
//! Frames wait in the emulated receive buffer, and weigh what they weigh there, until the program has read them: a frame is
//! put on a connection only when the one before has been read, and is taken out of the emulated socket only then. That a
//! program has read is told by the Unix socket itself, whose space becomes free: an edge that epoll reports once.
//!
//! Everything that programs can make a server hold is bounded: connections, and one frame for each connection. Where the system
//! has no more descriptors for another, that one is closed, and those that there are go on.

use crate::kernel::Kernel;
use crate::netlink::ClientId;
use crate::netlink::SocketId;
use ipq_core::transport::unix::protocol::{Answer, Notice, Request};
use ipq_core::{Errno, Family, PortId};
use rustix::event::{Timespec, epoll};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many connections there can be at once; one more is closed at once.
const MOST_CONNECTIONS: usize = 1024;

/// How many datagrams of one program are taken before the others have their turn.
const MOST_IN_A_ROW: usize = 1024;

/// The longest datagram that is taken or handed over, in bytes.
const LONGEST: usize = 1 << 18;

/// What passed between a program and the kernel.
#[derive(Clone, Copy, Debug)]
pub enum Passed<'a> {
    /// A datagram was handed to a program.
    ToProgram(&'a [u8]),
    /// A program sent a datagram.
    FromProgram(&'a [u8]),
    /// A program was told of an overrun.
    Overrun,
}

/// Listens for programs at a path. Dropping it closes all their connections and removes the path.
#[derive(Debug)]
pub struct Server {
    listener: OwnedFd,
    epoll: OwnedFd,
    path: PathBuf,
    /// The device and the inode of the socket that was made at the path.
    file: (u64, u64),
    connections: HashMap<u64, Connection>,
    /// By their process ids, those that have a socket.
    programs: HashMap<u32, ClientId>,
    /// Those that have none any more, to become others.
    former: Vec<ClientId>,
    /// A descriptor to be given up where there are no others.
    spare: Option<OwnedFd>,
    next_key: u64,
    buffer: Box<[u8]>,
}

#[derive(Debug)]
enum Connection {
    /// Its request has not come yet.
    New(OwnedFd),
    /// A program's socket.
    Frames(Frames),
    /// Where notices of the socket with that key are told.
    Notices(OwnedFd, u64),
}

#[derive(Debug)]
struct Frames {
    connection: OwnedFd,
    /// The same connection, known to epoll for its space alone.
    _space: OwnedFd,
    socket: SocketId,
    /// The process id of the program that it is of.
    process_id: u32,
    /// Whether the frame that was put on the connection has been read. Not so at first: the first edge says that there is
    /// space at all.
    idle: bool,
    /// Whether the emulated socket's first frame is on the connection.
    ahead: bool,
    /// Whether there was an overrun that could not be told yet.
    overran: bool,
    /// Whose frames the program was told come.
    sender: PortId,
}

/// What a request comes to.
enum Granted {
    Value(u32),
    /// A socket was opened, which sends datagrams of at most so many bytes.
    Socket(SocketId, usize),
    Text(String),
}

impl Granted {
    /// As the answer has it.
    fn value(&self) -> u32 {
        match self {
            Self::Value(value) => *value,
            Self::Socket(_, length) => u32::try_from(*length).unwrap_or(u32::MAX),
            Self::Text(text) => u32::try_from(text.len()).unwrap_or(u32::MAX),
        }
    }
}

/// The listener's key; those of connections count from 0.
const LISTENER: u64 = u64::MAX;

/// Set in a key that stands for space and not for input.
const SPACE: u64 = 1 << 63;

impl Server {
    /// Listens at `path`. A socket that nobody listens at any more is replaced.
    pub fn listen(path: &Path) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        let listener = net::socket_with(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        if let Err(error) = net::bind(&listener, &address) {
            let probe = net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
            // What is no socket refuses connections, too.
            let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
            if !is_socket || net::connect(&probe, &address) != Err(rustix::io::Errno::CONNREFUSED) {
                return Err(error.into());
            }
            std::fs::remove_file(path)?;
            net::bind(&listener, &address)?;
        }
        let file = std::fs::symlink_metadata(path)?;
        net::listen(&listener, 64)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &listener,
            epoll::EventData::new_u64(LISTENER),
            epoll::EventFlags::IN,
        )?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            file: (file.dev(), file.ino()),
            connections: HashMap::new(),
            programs: HashMap::new(),
            former: Vec::new(),
            spare: Some(epoll.try_clone()?),
            epoll,
            next_key: 0,
            buffer: vec![0; LONGEST].into_boxed_slice(),
        })
    }

    /// Where programs find it: `IPQ_TRANSPORT` is `unix:` and this.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves what there is, waiting at most for `wait` (for ever if none) until there is something, and tells `observer` what
    /// passed. A signal ends the wait.
    pub fn turn(
        &mut self,
        kernel: &mut Kernel,
        wait: Option<Duration>,
        observer: &mut dyn FnMut(Passed<'_>),
    ) -> io::Result<()> {
        self.hand_over(kernel, observer);
        let timeout = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut room = [MaybeUninit::<epoll::Event>::uninit(); 64];
        let keys: Vec<u64> = match epoll::wait(&self.epoll, &mut room, timeout.as_ref()) {
            Ok((events, _)) => events.iter().map(|event| event.data.u64()).collect(),
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for key in keys {
            if key == LISTENER {
                self.accept()?;
            } else if key & SPACE != 0 {
                self.has_read(kernel, key & !SPACE);
            } else {
                self.has_sent(kernel, key, observer);
            }
        }
        self.hand_over(kernel, observer);
        Ok(())
    }

    /// Whether every frame that is in an emulated socket's receive buffer has been read by its program.
    #[must_use]
    pub fn all_read(&self, kernel: &Kernel) -> bool {
        self.connections.values().all(|connection| match connection {
            Connection::Frames(frames) => !kernel.is_readable(frames.socket),
            Connection::New(_) | Connection::Notices(..) => true,
        })
    }

    /// Whether any program has a socket open.
    #[must_use]
    pub fn has_programs(&self) -> bool {
        self.connections
            .values()
            .any(|connection| matches!(connection, Connection::Frames(_)))
    }

    fn accept(&mut self) -> io::Result<()> {
        let accept = || net::accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        let connection = match accept() {
            Ok(connection) => connection,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::CONNABORTED | rustix::io::Errno::INTR) => return Ok(()),
            Err(
                rustix::io::Errno::MFILE
                | rustix::io::Errno::NFILE
                | rustix::io::Errno::NOBUFS
                | rustix::io::Errno::NOMEM,
            ) => {
                // Left alone it would be there at each turn.
                self.spare = None;
                let _ = accept();
                self.spare = self.epoll.try_clone().ok();
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if self.connections.len() < MOST_CONNECTIONS {
            let key = self.next_key;
            let data = epoll::EventData::new_u64(key);
            if epoll::add(&self.epoll, &connection, data, epoll::EventFlags::IN).is_ok() {
                self.next_key += 1;
                self.connections.insert(key, Connection::New(connection));
            }
        }
        Ok(())
    }

    /// A connection has input, or is at its end.
    fn has_sent(&mut self, kernel: &mut Kernel, key: u64, observer: &mut dyn FnMut(Passed<'_>)) {
        let Some(connection) = self.connections.get(&key) else {
            return;
        };
        let (Connection::New(descriptor) | Connection::Notices(descriptor, _)) = connection else {
            self.take_from_program(kernel, key, observer);
            return;
        };
        let received = net::recv(descriptor, &mut *self.buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC);
        let is_new = matches!(connection, Connection::New(_));
        let request = match received {
            Err(rustix::io::Errno::AGAIN) => return,
            Ok((_, length)) if is_new => self.buffer.get(..length).and_then(Request::parse),
            _ => None,
        };
        let Some(Connection::New(descriptor)) = self.connections.remove(&key) else {
            return;
        };
        if let Some(request) = request {
            self.answer(kernel, key, descriptor, request);
        }
    }

    fn answer(&mut self, kernel: &mut Kernel, key: u64, descriptor: OwnedFd, request: Request) {
        let mut result = self.obey(kernel, key, request);
        let mut opened = None;
        if let (Ok(Granted::Socket(socket, _)), Request::Open { process_id, .. }) = (&result, request) {
            match self.tell_of_space(&descriptor, key) {
                Ok(space) => opened = Some((*socket, process_id, space)),
                Err(errno) => {
                    kernel.close(*socket);
                    self.forget_if_gone(process_id);
                    result = Err(errno);
                }
            }
        }
        let answer = Answer {
            errno: result.as_ref().err().copied().unwrap_or(Errno(0)),
            value: result.as_ref().map_or(0, Granted::value),
            socket: key,
            abi: kernel.profile().abi,
        };
        let tell = |bytes: &[u8]| net::send(&descriptor, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        let sent = tell(&answer.write());
        if let Some((socket, process_id, space)) = opened {
            // One that could not be told is at its end, which is seen at the next turn.
            let frames = Frames {
                connection: descriptor,
                _space: space,
                socket,
                process_id,
                idle: false,
                ahead: false,
                overran: false,
                sender: PortId::KERNEL,
            };
            self.connections.insert(key, Connection::Frames(frames));
        } else if let Ok(Granted::Text(text)) = result {
            // Who does not read it has no need of it.
            let _ = tell(text.as_bytes());
        } else if let (Ok(_), Request::Notices { socket }, Ok(_)) = (result, request, sent) {
            self.connections.insert(key, Connection::Notices(descriptor, socket));
        }
    }

    /// The same connection once more, to be told when it has space.
    fn tell_of_space(&self, connection: &OwnedFd, key: u64) -> Result<OwnedFd, Errno> {
        let space = connection
            .try_clone()
            .map_err(|error| Errno(error.raw_os_error().unwrap_or_default()))?;
        let data = epoll::EventData::new_u64(key | SPACE);
        epoll::add(
            &self.epoll,
            &space,
            data,
            epoll::EventFlags::OUT | epoll::EventFlags::ET,
        )
        .map_err(|error| Errno(error.raw_os_error()))?;
        Ok(space)
    }

    fn obey(&mut self, kernel: &mut Kernel, key: u64, request: Request) -> Result<Granted, Errno> {
        Ok(match request {
            Request::Open { protocol, process_id } => {
                let protocol = i32::try_from(protocol).map_err(|_| Errno::EPROTONOSUPPORT)?;
                let client = self.program(kernel, process_id);
                let opened = kernel.open(client, protocol);
                if opened.is_err() {
                    self.forget_if_gone(process_id);
                }
                let socket = opened?;
                Granted::Socket(socket, kernel.longest_to_send(socket)?)
            }
            Request::Notices { socket } if socket != key => self.socket(socket).map(|_| Granted::Value(0))?,
            Request::Notices { .. } => return Err(Errno::EBADF),
            Request::Bind { socket, port_id } => {
                let PortId(bound) = kernel.bind(self.socket(socket)?, port_id)?;
                Granted::Value(bound)
            }
            Request::ReceiveBuffer { socket, bytes } => {
                Granted::Value(kernel.set_receive_buffer(self.socket(socket)?, bytes)?)
            }
            Request::NoEnobufs { socket, on } => {
                kernel.set_no_enobufs(self.socket(socket)?, on)?;
                Granted::Value(0)
            }
            Request::ProcText { protocol } => {
                let family = i32::try_from(protocol).ok().and_then(Family::from_netlink_protocol);
                let text = family.and_then(|family| kernel.proc_text(family));
                Granted::Text(text.ok_or(Errno::ENOENT)?)
            }
        })
    }

    fn program(&mut self, kernel: &mut Kernel, process_id: u32) -> ClientId {
        let former = &mut self.former;
        *self.programs.entry(process_id).or_insert_with(|| match former.pop() {
            Some(client) => {
                kernel.set_process_id(client, process_id);
                client
            }
            None => kernel.add_client(process_id, true),
        })
    }

    /// A program that has no socket any more is none of those that there are.
    fn forget_if_gone(&mut self, process_id: u32) {
        let is_of_it =
            |other: &Connection| matches!(other, Connection::Frames(frames) if frames.process_id == process_id);
        if !self.connections.values().any(is_of_it)
            && let Some(client) = self.programs.remove(&process_id)
        {
            self.former.push(client);
        }
    }

    fn socket(&self, key: u64) -> Result<SocketId, Errno> {
        match self.connections.get(&key) {
            Some(Connection::Frames(frames)) => Ok(frames.socket),
            _ => Err(Errno::EBADF),
        }
    }

    /// Takes what a program has sent: all that is there, so that a handle that was destroyed is closed before the next is
    /// bound; but not without end.
    fn take_from_program(&mut self, kernel: &mut Kernel, key: u64, observer: &mut dyn FnMut(Passed<'_>)) {
        let Some(Connection::Frames(frames)) = self.connections.get_mut(&key) else {
            return;
        };
        for _ in 0..MOST_IN_A_ROW {
            let received = net::recv(
                &frames.connection,
                &mut *self.buffer,
                RecvFlags::DONTWAIT | RecvFlags::TRUNC,
            );
            match received {
                Err(rustix::io::Errno::AGAIN) => return,
                // It was closed with a frame unread; what it sent before that is still to come, and then its end.
                Err(rustix::io::Errno::CONNRESET) => {}
                Ok((_, length)) if length > 0 => {
                    // What is longer than any netlink datagram is lost; the transport lets none through.
                    if let Some(datagram) = self.buffer.get(..length) {
                        observer(Passed::FromProgram(datagram));
                        // An error would be the send call's, which is over.
                        let _ = kernel.send(frames.socket, datagram);
                    }
                }
                _ => {
                    kernel.close(frames.socket);
                    let process_id = frames.process_id;
                    self.connections.remove(&key);
                    self.forget_if_gone(process_id);
                    self.connections
                        .retain(|_, other| !matches!(other, Connection::Notices(_, of) if *of == key));
                    return;
                }
            }
        }
    }

    /// A connection's space became free: its program has read what was there.
    fn has_read(&mut self, kernel: &mut Kernel, key: u64) {
        if let Some(Connection::Frames(frames)) = self.connections.get_mut(&key) {
            frames.idle = true;
            if std::mem::take(&mut frames.ahead) && kernel.receive(frames.socket, &mut []) == Err(Errno::ENOBUFS) {
                frames.overran = true;
                let _ = kernel.receive(frames.socket, &mut []);
            }
        }
    }

    /// Gives notice of overruns and senders, and puts the next frame on every connection that has none: in this order (SOCK-4).
    fn hand_over(&mut self, kernel: &mut Kernel, observer: &mut dyn FnMut(Passed<'_>)) {
        self.give_notice(kernel, observer);
        for connection in self.connections.values_mut() {
            let Connection::Frames(frames) = connection else {
                continue;
            };
            if !frames.idle {
                continue;
            }
            let Some(datagram) = kernel.peek(frames.socket, &mut self.buffer) else {
                continue;
            };
            if datagram.sender != frames.sender {
                continue;
            }
            let bytes = &self.buffer[..datagram.copied];
            frames.idle = false;
            if net::send(&frames.connection, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_ok() {
                frames.ahead = true;
                observer(Passed::ToProgram(bytes));
            }
        }
    }

    /// Tells what there is to be told. What can't be told yet stays, and so does the frame that it is about.
    fn give_notice(&mut self, kernel: &mut Kernel, observer: &mut dyn FnMut(Passed<'_>)) {
        let mut due = Vec::new();
        for (key, connection) in &mut self.connections {
            let Connection::Frames(frames) = connection else {
                continue;
            };
            frames.overran |= matches!(kernel.take_error(frames.socket), Ok(Some(_)));
            if frames.overran {
                due.push((*key, Notice::Overrun));
            }
            let next = kernel.peek(frames.socket, &mut []).filter(|_| frames.idle);
            if let Some(next) = next.filter(|next| next.sender != frames.sender) {
                due.push((*key, Notice::Sender(next.sender)));
            }
        }
        for (key, notice) in due {
            let to = self.connections.values().find_map(|connection| match connection {
                Connection::Notices(descriptor, of) if *of == key => Some(descriptor),
                _ => None,
            });
            let Some(to) = to else { continue };
            let told = net::send(to, &notice.write(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_ok();
            let Some(Connection::Frames(frames)) = self.connections.get_mut(&key) else {
                continue;
            };
            match notice {
                Notice::Overrun => {
                    // Where there is no room for another notice there are many unread already.
                    observer(Passed::Overrun);
                    frames.overran = false;
                }
                Notice::Sender(sender) if told => frames.sender = sender,
                Notice::Sender(_) => {}
            }
        }
    }
}

impl AsFd for Server {
    /// A descriptor that is readable when a [`turn`](Server::turn) has something to do, for those who wait for something else,
    /// too.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, or another's that was made there since.
        let is_own = |file: std::fs::Metadata| (file.dev(), file.ino()) == self.file;
        if std::fs::symlink_metadata(&self.path).is_ok_and(is_own) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
