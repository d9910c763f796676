//! An emulator in another process, reached by a Unix socket: what `ipq-sim serve` offers.
//!
//! A program's netlink socket is two connections here, both `SOCK_SEQPACKET`. The first carries
//! bare frames both ways, so that its descriptor is readable when there is a message and what is
//! read from it is what a netlink socket would have given. The second carries notices of overruns
//! and of the frames' senders, which only this transport sees. Everything else (binding, options)
//! is a question on a connection of its own: see [`protocol`].
//!
//! The emulator counts a frame as in the emulated receive buffer until the program has read it from
//! the Unix socket. So the emulator decides what the frame weighs, and when the buffer overruns
//! (SOCK-4, SOCK-5). When [`Transport::send`] returns, the message is sent, and the emulator may
//! not have obeyed it yet.
//!
//! When the emulator has ended and its last frame is read, a read gives a datagram of 0 bytes
//! (LIB-3). If the emulator had not read all messages, a read fails with ECONNRESET first.

pub mod calls;
pub mod protocol;

use super::waiting::{Attempt, send_error, waiting};
use super::{Datagram, Transport, TransportError, Wait};
use crate::errno::Errno;
use crate::error_number::ErrorNumber;
use crate::family::Family;
use crate::wire::{Abi, PortId};
use protocol::{Answer, LONGEST_TEXT, Notice, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::{
    self, AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use std::fmt;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The longest time that this transport waits for the emulator's answer to a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// An emulated netlink socket in another process.
#[derive(Debug)]
pub struct Unix {
    frames: OwnedFd,
    notices: OwnedFd,
    family: Family,
    emulator: SocketAddrUnix,
    socket: u64,
    /// The port id that `bind` bound the socket to; 0 before. It stays 0 if a send makes the
    /// emulator bind the socket.
    port_id: AtomicU32,
    /// The port id of the sender of the next frames, as the emulator's last notice said.
    sender: AtomicU32,
    abi: Abi,
    longest: usize,
}

impl Unix {
    /// Opens a socket for the queue of `family` in the emulator that listens at `path`, and binds
    /// it to the process id as its port id (LIB-1).
    #[doc(alias = "ipq_create_handle")]
    pub fn open(path: &Path, family: Family) -> Result<Self, OpenError> {
        Self::open_bound(path, family, PortId(std::process::id()))
    }

    /// Opens a socket for the queue of `family` in the emulator that listens at `path`, and binds
    /// it to `port_id`. If that is 0, the emulator chooses a port id (SOCK-2).
    pub fn open_bound(path: &Path, family: Family, port_id: PortId) -> Result<Self, OpenError> {
        let unix = Self::open_unbound(path, family)?;
        match unix.bind(port_id) {
            Ok(_) => Ok(unix),
            Err(errno) => Err(OpenError::Bind { family, port_id, errno }),
        }
    }

    /// Opens a socket for the queue of `family` in the emulator that listens at `path`. The socket
    /// has no port id until it is [bound](Self::bind).
    pub fn open_unbound(path: &Path, family: Family) -> Result<Self, OpenError> {
        let failed = |failure| match failure {
            Failure::Unreachable(errno) => OpenError::Unreachable {
                path: path.to_owned(),
                errno,
            },
            Failure::Refused(errno) => OpenError::Socket { family, errno },
        };
        let emulator = SocketAddrUnix::new(path).map_err(|error| failed(Failure::Unreachable(errno(error))))?;
        let opening = Request::Open {
            protocol: family.netlink_protocol().into(),
            process_id: std::process::id(),
        };
        let (frames, opened) = ask(&emulator, opening).map_err(failed)?;
        let Answer { socket, abi, value, .. } = opened;
        let (notices, _) = ask(&emulator, Request::Notices { socket }).map_err(failed)?;
        Ok(Self {
            frames,
            notices,
            family,
            emulator,
            socket,
            port_id: AtomicU32::new(PortId::KERNEL.0),
            sender: AtomicU32::new(PortId::KERNEL.0),
            abi,
            longest: value as usize,
        })
    }

    /// Binds the socket, and returns the port id that it is bound to: `port_id`, or one that the
    /// emulator chooses if `port_id` is 0 (SOCK-2). Fails with the emulated kernel's error number,
    /// such as EADDRINUSE for a port id that is taken, or with another if no emulator answers.
    pub fn bind(&self, port_id: PortId) -> Result<PortId, Errno> {
        let socket = self.socket;
        let (_, bound) = ask(&self.emulator, Request::Bind { socket, port_id }).map_err(|failure| failure.errno())?;
        self.port_id.store(bound.value, Ordering::Relaxed);
        Ok(PortId(bound.value))
    }

    /// Returns the family whose queue the socket is for.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }

    /// Returns the length of the longest datagram that can be sent, in bytes (SOCK-9).
    #[must_use]
    pub const fn longest(&self) -> usize {
        self.longest
    }

    /// Reads the notices that have come from the emulator. Returns `true` if one of them told of an
    /// overrun: datagrams were lost. Each overrun is reported at most once, as by `SO_ERROR`
    /// (SOCK-4). What the notices say about senders is kept for [`sender`](Self::sender).
    pub fn take_overrun(&self) -> bool {
        let mut overran = false;
        let mut bytes = [0; Notice::BYTES];
        while let Ok((_, length @ 1..)) = net::recv(&self.notices, &mut bytes, RecvFlags::DONTWAIT) {
            match bytes.get(..length).and_then(Notice::parse) {
                Some(Notice::Overrun) => overran = true,
                Some(Notice::Sender(PortId(port_id))) => self.sender.store(port_id, Ordering::Relaxed),
                None => {}
            }
        }
        overran
    }

    /// Returns the port id of the sender of a frame of `length` bytes that has just been received:
    /// the one in the last notice about senders that [`take_overrun`](Self::take_overrun) has read,
    /// or 0, the kernel's, if there was none (SOCK-8). Returns 0 for a `length` of 0: that is the
    /// end of a connection, which has no sender.
    #[must_use]
    pub fn sender(&self, length: usize) -> PortId {
        match length {
            0 => PortId::KERNEL,
            _ => PortId(self.sender.load(Ordering::Relaxed)),
        }
    }

    fn option(&self, request: Request) -> Result<u32, TransportError> {
        match ask(&self.emulator, request) {
            Ok((_, answer)) => Ok(answer.value),
            Err(failure) => Err(TransportError::System(failure.errno())),
        }
    }
}

impl AsFd for Unix {
    /// Returns the descriptor with the frames. Programs may poll it; a frame that they receive from
    /// it is lost to this transport.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.frames.as_fd()
    }
}

impl Transport for Unix {
    fn abi(&self) -> Abi {
        self.abi
    }

    fn port_id(&self) -> PortId {
        PortId(self.port_id.load(Ordering::Relaxed))
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length > self.longest {
            return Err(TransportError::System(Errno::EMSGSIZE));
        }
        // An empty message would be ignored (MSG-1), and looks like the end of a connection.
        if length == 0 {
            return Ok(0);
        }
        let mut control = SendAncillaryBuffer::default();
        net::sendmsg(&self.frames, parts, &mut control, SendFlags::NOSIGNAL).map_err(|error| send_error(errno(error)))
    }

    /// Receives one frame, and waits for it as `wait` says. If the emulator has told of an overrun,
    /// fails with [`TransportError::Overrun`] first, and leaves the frames for the next calls
    /// (SOCK-4). Reads the emulator's notices after it has seen that a frame is there, and before
    /// it takes that frame: so they name the frame's sender and not a later one. Nothing has a
    /// destructor while the call waits, so a C program may jump out of it.
    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        let (copied, length) = waiting(self.as_fd(), wait, |attempt| {
            let flags = match attempt {
                Attempt::AtOnce => RecvFlags::PEEK | RecvFlags::DONTWAIT,
                Attempt::Blocking if self.take_overrun() => return Err(Errno::ENOBUFS),
                Attempt::Blocking => RecvFlags::PEEK,
            };
            let seen = net::recv(&self.frames, &mut [0_u8; 0], flags);
            if self.take_overrun() {
                return Err(Errno::ENOBUFS);
            }
            seen.map_err(errno)?;
            net::recv(&self.frames, &mut *buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC).map_err(errno)
        })?;
        Ok(Datagram {
            copied,
            length,
            sender: self.sender(length),
        })
    }

    fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let socket = self.socket;
        self.option(Request::ReceiveBuffer { socket, bytes })
            .map(|granted| granted as usize)
    }

    fn set_no_enobufs(&self, on: bool) -> Result<(), TransportError> {
        let socket = self.socket;
        self.option(Request::NoEnobufs { socket, on }).map(|_| ())
    }
}

/// Reads the text of `/proc/net/ip_queue` or `/proc/net/ip6_queue` of the emulator that listens at
/// `path` (PROC-1). Fails with ENOENT if the emulated kernel has no such module, with EPROTO if the
/// answer is malformed, and with another error number if none comes.
pub fn proc_text(path: &Path, family: Family) -> Result<Vec<u8>, Errno> {
    let emulator = SocketAddrUnix::new(path).map_err(errno)?;
    let protocol = family.netlink_protocol().into();
    let (connection, answer) = ask(&emulator, Request::ProcText { protocol }).map_err(|failure| failure.errno())?;
    let mut text = vec![0; LONGEST_TEXT];
    let length = receive_soon(&connection, &mut text).map_err(errno)?;
    if length != answer.value as usize || length > text.len() {
        return Err(Errno(rustix::io::Errno::PROTO.raw_os_error()));
    }
    text.truncate(length);
    Ok(text)
}

/// An error from opening an emulator's queue.
///
/// Its `Debug` output is the same sentence as its `Display` output.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No emulator answers at the path. For example, there is none, this process may not reach it,
    /// its answer does not come in time, or the answer is malformed.
    #[error("{}", unreachable(.path, *.errno))]
    Unreachable {
        /// The path at which the emulator should listen.
        path: PathBuf,
        /// The error number that says why.
        errno: Errno,
    },
    /// The emulated kernel gave no socket (SOCK-1).
    #[error("the emulated kernel gave no netlink socket for {family}: {errno}")]
    Socket {
        /// The family that was asked for.
        family: Family,
        /// The emulated kernel's error number.
        errno: Errno,
    },
    /// The port id could not be bound: the emulated kernel refused it (SOCK-2), or no emulator
    /// answered.
    #[error("port id {port_id} can't be bound for {family}: {errno}; a second handle needs a port id of its own")]
    Bind {
        /// The family that was asked for.
        family: Family,
        /// The port id that was asked for; 0 where the emulator was to choose.
        port_id: PortId,
        /// The error number that says why.
        errno: Errno,
    },
}

impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl OpenError {
    /// Returns libipq's number for the error: 4 if the port id could not be bound, else 3.
    #[must_use]
    pub const fn number(&self) -> ErrorNumber {
        match self {
            Self::Unreachable { .. } | Self::Socket { .. } => ErrorNumber::CreateSocket,
            Self::Bind { .. } => ErrorNumber::BindSocket,
        }
    }

    /// Returns the error number that says why opening failed.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Unreachable { errno, .. } | Self::Socket { errno, .. } | Self::Bind { errno, .. } => *errno,
        }
    }
}

/// Returns a text that says why no emulator answers at `path`. Most texts also say what to do.
fn unreachable(path: &Path, errno: Errno) -> String {
    let path = path.display();
    let start = format_args!("start one with `ipq-sim serve --socket {path}`");
    match errno {
        Errno::ECONNREFUSED => {
            format!("the emulator that listened at {path} has ended: {errno}; {start}")
        }
        Errno::EACCES | Errno::EPERM => format!(
            "the emulator's socket {path} may not be reached by this user: {errno}; run as the user who started the \
             emulator, or let it serve in a directory and on a socket that this user may enter and write to"
        ),
        Errno::ECONNRESET | Errno::EPIPE => format!(
            "an emulator is there at {path}, and ended the connection without an answer: {errno}; it may be about to end"
        ),
        Errno::ETIMEDOUT | Errno::EAGAIN => {
            format!("an emulator is there at {path}, and does not answer: {errno}; end it, and {start}")
        }
        Errno::EPROTOTYPE | Errno::EPROTO => format!(
            "what is at {path} is no emulator, or one of another version: {errno}; name the socket that `ipq-sim serve` made"
        ),
        _ => format!("no emulator answers at {path}: {errno}; {start}"),
    }
}

/// The reason why a request was not carried out.
enum Failure {
    /// The system did not let the request through, or no well-formed answer came in time.
    Unreachable(Errno),
    /// The emulated kernel refused what was asked for.
    Refused(Errno),
}

impl Failure {
    const fn errno(&self) -> Errno {
        match self {
            Self::Unreachable(errno) | Self::Refused(errno) => *errno,
        }
    }
}

/// Connects to the emulator, sends `request`, and waits at most [`PATIENCE`] for the answer.
/// Returns the connection, whose use from then on depends on the request (see [`protocol`]), and
/// the answer. Fails if there is no well-formed answer, or if it is a refusal.
fn ask(emulator: &SocketAddrUnix, request: Request) -> Result<(OwnedFd, Answer), Failure> {
    let exchange = || {
        let connection = net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        retry_on_intr(|| net::connect(&connection, emulator))?;
        retry_on_intr(|| net::send(&connection, &request.write(), SendFlags::NOSIGNAL))?;
        let mut bytes = [0; Answer::BYTES];
        let length = receive_soon(&connection, &mut bytes)?;
        if length == 0 {
            return Err(rustix::io::Errno::CONNRESET);
        }
        let answer = (length == bytes.len()).then(|| Answer::parse(&bytes)).flatten();
        Ok((connection, answer.ok_or(rustix::io::Errno::PROTO)?))
    };
    match exchange() {
        Ok((_, answer)) if answer.errno != Errno(0) => Err(Failure::Refused(answer.errno)),
        Ok(answered) => Ok(answered),
        Err(error) => Err(Failure::Unreachable(errno(error))),
    }
}

/// Receives a datagram that has to come within [`PATIENCE`], whatever signals come meanwhile.
/// Returns the datagram's whole length, even if `buffer` is shorter; 0 at the connection's end.
/// Fails with ETIMEDOUT if none came.
fn receive_soon(connection: &OwnedFd, buffer: &mut [u8]) -> rustix::io::Result<usize> {
    let deadline = Instant::now() + PATIENCE;
    let readable = retry_on_intr(|| {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| rustix::io::Errno::INVAL)?;
        poll(&mut [PollFd::new(connection, PollFlags::IN)], Some(&left))
    })?;
    if readable == 0 {
        return Err(rustix::io::Errno::TIMEDOUT);
    }
    retry_on_intr(|| net::recv(connection, &mut *buffer, RecvFlags::TRUNC)).map(|(_, length)| length)
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno(error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CopyMode, Error, Handle};
    use pretty_assertions::assert_eq;

    /// A program can make the public descriptor non-blocking. If the connection then has no room
    /// for a message, the send fails with EAGAIN.
    #[test]
    fn a_send_that_would_have_to_wait_says_so_and_nothing_of_receiving() {
        let pair = || net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::NONBLOCK, None);
        let (frames, _emulator) = pair().expect("two sockets");
        let (notices, _) = pair().expect("two sockets");
        let handle = Handle::new(Unix {
            frames,
            notices,
            family: Family::Ipv4,
            emulator: SocketAddrUnix::new("/nowhere").expect("a path"),
            socket: 1,
            port_id: AtomicU32::new(1),
            sender: AtomicU32::new(0),
            abi: Abi::NATIVE,
            longest: 1024,
        });
        let failed = std::iter::repeat_with(|| handle.set_mode(CopyMode::Meta, 0)).find_map(Result::err);
        let expected = Error::Send(TransportError::System(Errno::EAGAIN));
        assert_eq!(failed, Some(expected));
        assert_eq!(
            expected.to_string(),
            "the message could not be sent: Resource temporarily unavailable (EAGAIN, 11)"
        );
    }
}
