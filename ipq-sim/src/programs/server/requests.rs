//! Answers the requests of programs that connect to the server's path. The programs' side of this
//! is [`ipq_core::transport::unix`].

use super::frames::Frames;
use super::{Connection, MOST_CONNECTIONS, Server};
use crate::kernel::Kernel;
use crate::netlink::SocketId;
use ipq_core::transport::unix::protocol::{Answer, Request};
use ipq_core::{Errno, Family, PortId};
use rustix::event::epoll;
use rustix::net::{self, RecvFlags, SendFlags, SocketFlags};
use std::io;
use std::os::fd::OwnedFd;

/// The result of a request that was granted: a value, a new socket, or a text.
enum Granted {
    Value(u32),
    /// The socket that was opened, and the length of the longest datagram that can be sent on it.
    Socket(SocketId, usize),
    Text(String),
}

impl Granted {
    /// Returns the number in the answer: the value, the longest datagram's length, or the text's
    /// length.
    fn value(&self) -> u32 {
        match self {
            Self::Value(value) => *value,
            Self::Socket(_, length) => u32::try_from(*length).unwrap_or(u32::MAX),
            Self::Text(text) => u32::try_from(text.len()).unwrap_or(u32::MAX),
        }
    }
}

impl Server {
    /// Accepts one connection that waits at the path, if one waits. Closes it at once if the server
    /// has [`MOST_CONNECTIONS`], and tries to if the system has no descriptor or memory left.
    pub(super) fn accept(&mut self) -> io::Result<()> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        let accept = || net::accept_with(&place.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        let connection = match accept() {
            Ok(connection) => connection,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::CONNABORTED | rustix::io::Errno::INTR) => return Ok(()),
            Err(
                rustix::io::Errno::MFILE
                | rustix::io::Errno::NFILE
                | rustix::io::Errno::NOBUFS
                | rustix::io::Errno::NOMEM,
            ) => {
                // A connection that is left waiting would be reported at each turn, so the spare
                // descriptor is used to close it.
                self.spare = None;
                let _ = accept();
                self.spare = self.events.try_clone().ok();
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if self.connections.len() < MOST_CONNECTIONS {
            let key = self.next_key;
            let data = epoll::EventData::new_u64(key);
            if epoll::add(&self.events, &connection, data, epoll::EventFlags::IN).is_ok() {
                self.next_key += 1;
                self.connections.insert(key, Connection::New(connection));
            }
        }
        Ok(())
    }

    /// Reads the request of a new connection and answers it. Keeps the connection only if the
    /// request was for a socket or for notices and was granted, and closes it otherwise. Closes a
    /// new connection, too, if it sent anything else or is at its end, and a connection for notices
    /// if it sent anything or is at its end.
    pub(super) fn has_asked(&mut self, kernel: &mut Kernel, key: u64) {
        let (descriptor, is_new) = match self.connections.get(&key) {
            Some(Connection::New(descriptor)) => (descriptor, true),
            Some(Connection::Notices(descriptor, _)) => (descriptor, false),
            Some(Connection::Frames(_) | Connection::Raw(_)) | None => return,
        };
        // The room is one byte longer than a request, so that a longer message is recognised.
        let mut bytes = [0; Request::BYTES + 1];
        let received = net::recv(descriptor, &mut bytes, RecvFlags::DONTWAIT | RecvFlags::TRUNC);
        let request = match received {
            Err(rustix::io::Errno::AGAIN) => return,
            Ok((_, length)) if is_new => bytes.get(..length).and_then(Request::parse),
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
            let _ = epoll::delete(&self.events, &descriptor);
            match self.watch_frames(&descriptor, key) {
                Ok(()) => opened = Some((*socket, process_id)),
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
        if let Some((socket, process_id)) = opened {
            // If the answer could not be sent, the connection is at its end, which the next turn
            // sees.
            let frames = Frames::new(descriptor, socket, process_id, None);
            self.connections.insert(key, Connection::Frames(frames));
        } else if let Ok(Granted::Text(text)) = result {
            // The text is lost if it can't be sent at once: sending does not wait.
            let _ = tell(text.as_bytes());
        } else if let (Ok(_), Request::Notices { socket }, Ok(_)) = (result, request, sent) {
            self.connections.insert(key, Connection::Notices(descriptor, socket));
        }
    }

    fn obey(&mut self, kernel: &mut Kernel, key: u64, request: Request) -> Result<Granted, Errno> {
        Ok(match request {
            Request::Open { protocol, process_id } => {
                let protocol = i32::try_from(protocol).map_err(|_| Errno::EPROTONOSUPPORT)?;
                let socket = self.open(kernel, protocol, process_id)?;
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

    fn socket(&self, key: u64) -> Result<SocketId, Errno> {
        match self.connections.get(&key) {
            Some(Connection::Frames(frames)) => Ok(frames.socket),
            _ => Err(Errno::EBADF),
        }
    }
}
