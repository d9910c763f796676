//! A program's raw sockets.
//!
//! `socket` is answered with one end of a Unix socket pair, as for a queue's socket. As a rule, the
//! program's descriptor has so high a number that the filter reports the usual calls that send on
//! it, and the datagrams are read from the program's memory before the call returns. So each packet
//! has its place among the verdicts. If the program sends by a copy of the descriptor with a low
//! number, or by a call that is not watched, the bytes come through the Unix socket: without their
//! address, and a little later.

use super::{CLOSE_ON_EXEC, EMFILE, KIND, Launched, address, errno, option_bytes, put_address, put_value};
use crate::kernel::Kernel;
use crate::programs::server::raw::RawSocket;
use crate::programs::server::{Connection, MOST_CONNECTIONS, Observer, Server, has_hung_up};
use ipq_core::Errno;
use ipq_launcher::datagrams::Inbox;
use ipq_launcher::{Call, FIRST_RAW, Listener, Name, SendForm, no_new_process};
use rustix::fs::fstat;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The longest address in bytes: the size of `struct sockaddr_storage`.
const LONGEST_ADDRESS: usize = 128;

/// The greatest number of rounds in which messages of programs are taken before a packet of a raw
/// socket. So many rounds take all that the program has sent before, and end even if its other
/// threads go on sending.
const MOST_TURNS: usize = 64;

/// An emulated raw socket of a program, with the server's end of its Unix socket pair.
#[derive(Debug)]
pub(in crate::programs::server) struct GivenRaw {
    connection: OwnedFd,
    /// The inode of the program's end of the pair. It identifies the program's descriptors.
    inode: u64,
    socket: RawSocket,
}

impl Server {
    /// Returns the program's raw socket with that inode; `None` if there is no such emulated
    /// socket.
    pub(super) fn raw_with(&mut self, inode: Option<u64>) -> Option<&mut GivenRaw> {
        let mut raw_sockets = self.connections.values_mut().filter_map(|connection| match connection {
            Connection::Raw(raw) => Some(raw),
            _ => None,
        });
        raw_sockets.find(|raw| Some(raw.inode) == inode)
    }

    /// Answers a call of `socket` for a raw socket: gives the caller a descriptor, from
    /// [`FIRST_RAW`] on if the caller's limit allows it, or fails the call.
    pub(super) fn answer_raw_socket(&mut self, launched: &mut Launched, call: &Call) -> io::Result<()> {
        let _none = no_new_process();
        match self.open_raw(launched, call) {
            Ok(theirs) => {
                let closes_on_exec = call.int(1) & CLOSE_ON_EXEC != 0;
                let listener = &launched.listener;
                listener.give_from(FIRST_RAW, call, theirs.as_fd(), closes_on_exec)
            }
            Err(Errno(errno)) => launched.listener.refuse(call, errno),
        }
    }

    /// Opens the emulated raw socket that the call asks for. Returns the program's end of a new
    /// Unix socket pair. Fails with EMFILE if the server has [`MOST_CONNECTIONS`].
    fn open_raw(&mut self, launched: &mut Launched, call: &Call) -> Result<OwnedFd, Errno> {
        let [domain, kind, protocol] = [0, 1, 2].map(|index| call.int(index));
        if self.connections.len() >= MOST_CONNECTIONS {
            return Err(Errno(EMFILE));
        }
        let socket = RawSocket::open(domain, kind & KIND, protocol)?;
        let (connection, theirs) = launched.pair(kind).map_err(errno)?;
        let inode = fstat(&theirs).map_err(errno)?.st_ino;
        let key = self.next_key;
        self.watch_frames(&connection, key)?;
        self.next_key += 1;
        let raw = GivenRaw {
            connection,
            inode,
            socket,
        };
        self.connections.insert(key, Connection::Raw(raw));
        Ok(theirs)
    }

    /// Answers a call that sends. On a raw socket, first carries out the messages that programs
    /// have sent, and then gives `observer` a packet for each datagram. On any other socket, lets
    /// this machine's kernel carry out the call.
    pub(super) fn answer_send(
        &mut self,
        kernel: &mut Kernel,
        observer: &mut dyn Observer,
        launched: &mut Launched,
        call: &Call,
        form: SendForm,
    ) -> io::Result<()> {
        let inode = launched.socket_inode(call);
        if self.raw_with(inode).is_none() {
            return launched.listener.proceed(call);
        }
        for _ in 0..MOST_TURNS {
            if !self.has_message() {
                break;
            }
            self.take_frames(kernel, observer)?;
        }
        let Some(raw) = self.raw_with(inode) else {
            return launched.listener.proceed(call);
        };
        match raw.send(observer, &launched.listener, call, form) {
            Ok(value) => launched.listener.answer(call, value),
            Err(Errno(errno)) => launched.listener.refuse(call, errno),
        }
    }

    /// Takes the datagrams that came through a raw socket's connection: those whose calls were not
    /// reported. One that is longer than any packet is lost, and so is one of which no packet can
    /// be made. Forgets the socket if the program has closed it.
    pub(in crate::programs::server) fn take_raw(&mut self, key: u64, observer: &mut dyn Observer) {
        let Some(Connection::Raw(raw)) = self.connections.get_mut(&key) else {
            return;
        };
        let mut has_ended = false;
        while let Ok(count) = self.inbox.receive(raw.connection.as_fd()) {
            for datagram in self.inbox.datagrams() {
                let Some(bytes) = datagram else {
                    self.has_lost_raw = true;
                    continue;
                };
                has_ended |= bytes.is_empty();
                if bytes.is_empty() {
                    continue;
                }
                match raw.socket.send_somewhere(bytes.to_vec()) {
                    Ok(packet) => observer.sent_itself(packet),
                    Err(_) => self.has_lost_raw = true,
                }
            }
            if has_ended || count < Inbox::AT_ONCE {
                break;
            }
        }
        if has_hung_up(raw.connection.as_fd()) {
            self.connections.remove(&key);
        }
    }
}

impl GivenRaw {
    /// Gives `observer` the packets of a call that sends. Returns what the call returns: for
    /// `sendmmsg` the number of datagrams, otherwise the number of bytes.
    fn send(
        &mut self,
        observer: &mut dyn Observer,
        listener: &Listener,
        call: &Call,
        form: SendForm,
    ) -> Result<i64, Errno> {
        let longest = self.socket.longest();
        let mut sent = 0;
        loop {
            let datagram = match listener.datagram(call, form, sent, longest) {
                Ok(Some(datagram)) => datagram,
                Ok(None) => break,
                Err(errno) => return or_error(sent, Errno(errno)),
            };
            let length = datagram.bytes.len();
            match self
                .socket
                .send(datagram.bytes, datagram.address.as_deref(), datagram.flags)
            {
                Ok(packet) => observer.sent_itself(packet),
                Err(errno) => return or_error(sent, errno),
            }
            if form != SendForm::Messages {
                return Ok(count(length));
            }
            if !listener.tell_length(call, form, sent, length) {
                return or_error(sent, Errno::EFAULT);
            }
            sent += 1;
        }
        Ok(count(sent))
    }
}

/// Returns `sent`, the number of datagrams that were sent before the error, or the error if there
/// were none.
fn or_error(sent: usize, errno: Errno) -> Result<i64, Errno> {
    if sent == 0 { Err(errno) } else { Ok(count(sent)) }
}

/// Returns a number of bytes or datagrams as a call returns it.
fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Answers a call on a raw socket, other than one that sends.
pub(super) fn answer(listener: &Listener, call: &Call, raw: &mut GivenRaw) -> io::Result<()> {
    match on_socket(listener, call, &mut raw.socket) {
        Ok(true) => listener.answer(call, 0),
        Ok(false) => listener.proceed(call),
        Err(Errno(errno)) => listener.refuse(call, errno),
    }
}

/// Carries out a call on the emulated raw socket, and returns `true`. Returns `false` if the call
/// is left to the Unix socket in its place.
fn on_socket(listener: &Listener, call: &Call, socket: &mut RawSocket) -> Result<bool, Errno> {
    let [level, name] = [1, 2].map(|index| call.int(index));
    match call.name {
        Name::Bind => socket.bind(&address(listener, call, LONGEST_ADDRESS)?)?,
        Name::Connect => socket.connect(&address(listener, call, LONGEST_ADDRESS)?)?,
        Name::SocketName => put_address(listener, call, 1, &socket.name())?,
        Name::PeerName => put_address(listener, call, 1, &socket.peer()?)?,
        Name::SetOption => return socket.set_option(level, name, option_bytes(listener, call, &mut [0; 4])?),
        Name::GetOption => match socket.option(level, name)? {
            Some(value) => put_value(listener, call, value)?,
            None => return Ok(false),
        },
        _ => return Ok(false),
    }
    Ok(true)
}
