//! The frames on a connection: puts them there, and finds out which of them the program has read.
//!
//! A frame stays in the emulated receive buffer, with its weight, until the program has read it.
//! The connection tells how much is unread: the kernel counts the memory that it allocated for the
//! connection's datagrams, and subtracts each datagram when it is read. So the number of frames
//! that have been read follows from the allocations of the frames that were sent, in order, and the
//! sum that is allocated now.
//!
//! The messages of a program at work do not wake the server one by one, since a wake-up costs both
//! processes more than a message does. The kernel reports space on a connection when three quarters
//! of its send buffer are free. While more than a quarter is unread and the program sends messages,
//! the server waits for space alone, at most a few milliseconds, and then takes the messages that
//! have come.

use super::Observer;
use crate::kernel::Kernel;
use crate::netlink::SocketId;
use foldhash::fast::FixedState;
use ipq_core::{Errno, PortId};
use ipq_launcher::datagrams;
use rustix::event::epoll::EventFlags;
use rustix::net::{self, MMsgHdr, SendAncillaryBuffer, SendFlags, sockopt};
use std::collections::{HashMap, VecDeque};
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The greatest number of frames that one system call puts on a connection.
const AT_ONCE: usize = 64;

/// The size to ask for as a connection's send buffer, in bytes; the system grants twice as much.
/// The granted size has room for about as many frames as an emulated receive buffer of the default
/// size holds, and for the longest frame.
const CAPACITY: usize = 128 << 10;

/// An emulated socket of a program: its connection, and the frames on the connection.
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) connection: OwnedFd,
    pub(super) socket: SocketId,
    /// The id of the socket's process in that process's own PID namespace.
    pub(super) process_id: u32,
    /// The facts about a socket that the launcher gave to the program: one end of a Unix socket
    /// pair, without a connection for notices. `None` for a socket that connected to the server's
    /// path.
    pub(super) given: Option<Given>,
    /// The allocations, in bytes, of the frames that were put on the connection and that the last
    /// look did not find read, oldest first. The same frames are the first in the emulated receive
    /// buffer.
    unread: VecDeque<usize>,
    /// The sum of `unread`, in bytes.
    allocated: usize,
    /// The number of allocated bytes up to which the kernel reports space on the connection: a
    /// quarter of its send buffer.
    low_water: usize,
    /// The events that epoll waits for on the connection now.
    pub(super) waits_for: WaitsFor,
    /// `true` if a message came since [`wait_now`](Frames::wait_now) was last called.
    has_spoken: bool,
    /// `true` if the next frame for the connection is of another sender than `sender`. That frame
    /// waits until the program has read the frames on the connection.
    pub(super) is_held_back: bool,
    /// `true` if there was an overrun of which the program has not been told.
    pub(super) overran: bool,
    /// The sender of the frames on the connection: the one that the last notice named, or the
    /// kernel if there was no notice.
    pub(super) sender: PortId,
    /// What is known about which frames are unread, should the program close its end now.
    known: Known,
}

/// The facts about a socket that the launcher gave to a program in answer to `socket`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    /// The inode of the program's end of the socket pair, by which the program's descriptors are
    /// recognised.
    pub(super) inode: u64,
    /// The id of the process that asked for the socket, in the emulator's own PID namespace.
    pub(super) process: u32,
    /// The type that the program asked for, without flags.
    pub(super) kind: i32,
    /// The netlink protocol that the program asked for.
    pub(super) protocol: i32,
    /// The receive buffer that the program sees as `SO_RCVBUF`, in bytes.
    pub(super) receive_buffer: u32,
    /// The send buffer that the program sees as `SO_SNDBUF`, in bytes.
    pub(super) send_buffer: u32,
    /// The options of the netlink level that are on: bit `n` stands for option `n`.
    pub(super) options: u32,
}

impl Given {
    /// Returns 1 if the option of the netlink level with this number is on, and 0 if not.
    pub(super) const fn option(&self, number: i32) -> i32 {
        (self.options >> (number & 31) & 1).cast_signed()
    }

    /// Turns the option of the netlink level with this number on or off.
    pub(super) const fn set_option(&mut self, number: i32, on: bool) {
        self.options = self.options & !(1 << (number & 31)) | (on as u32) << (number & 31);
    }
}

/// What is known about the frames that were on a connection when it closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The unread frames are those that are still in the emulated receive buffer.
    Known,
    /// Some frames were not read, and it is not known which.
    Unknown,
}

/// What is known about which frames the program has not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing is known: the program may have read frames since the last look.
    Not,
    /// All frames on the connection count as unread. The program was seen stopped in a call that
    /// may close descriptors; since then it has sent no message, and no frame was added.
    Exactly,
    /// As `Exactly`, but frames were put on the connection once since. They count as unread, too.
    ButForLater,
}

/// The events of a connection for which epoll waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum WaitsFor {
    /// A message of the program.
    #[default]
    Input,
    /// Space on the connection, which comes when no more than a quarter of its send buffer is
    /// unread. The program is at work, and its messages do not wake the server.
    Space,
    /// A message, or space on the connection. The program has much to read, and has sent nothing
    /// since the last wait.
    Both,
}

impl WaitsFor {
    pub(super) fn flags(self) -> EventFlags {
        match self {
            Self::Input => EventFlags::IN,
            Self::Space => EventFlags::OUT,
            Self::Both => EventFlags::IN | EventFlags::OUT,
        }
    }
}

impl Frames {
    /// Returns the frames of a new connection, on which epoll already waits for input. Sets the
    /// connection's send buffer.
    pub(super) fn new(connection: OwnedFd, socket: SocketId, process_id: u32, given: Option<Given>) -> Self {
        let _ = sockopt::set_socket_send_buffer_size(&connection, CAPACITY);
        Self {
            low_water: sockopt::socket_send_buffer_size(&connection).unwrap_or_default() / 4,
            waits_for: WaitsFor::default(),
            has_spoken: false,
            is_held_back: false,
            connection,
            socket,
            process_id,
            given,
            unread: VecDeque::new(),
            allocated: 0,
            overran: false,
            sender: PortId::KERNEL,
            known: Known::Not,
        }
    }

    /// Returns the number of frames that were put on the connection and that the last
    /// [`look`](Self::look) did not find read.
    pub(super) fn on_connection(&self) -> usize {
        self.unread.len()
    }

    /// Asks the connection how many bytes are unread, and removes the frames that the program has
    /// read from the emulated receive buffer. Notes in `overran` an overrun that was pending there.
    ///
    /// Removes nothing if the program has closed its end and `known` says which frames were unread
    /// then. The close took these off the connection, as if they had been read.
    pub(super) fn look(&mut self, kernel: &mut Kernel) {
        // When a program closes its end, the frames that it has not read are gone, as if they had
        // been read.
        let has_closed = self.known != Known::Not && super::has_hung_up(self.connection.as_fd());
        if !self.unread.is_empty()
            && !has_closed
            && let Ok(left) = datagrams::unread(self.connection.as_fd())
        {
            self.read_down_to(kernel, left);
        }
    }

    /// Does what [`look`](Self::look) does, while the program is stopped in a call that may close
    /// descriptors. So it is known which frames are unread if the connection closes next.
    pub(super) fn look_before_closing(&mut self, kernel: &mut Kernel) {
        self.look(kernel);
        self.known = Known::Exactly;
    }

    fn read_down_to(&mut self, kernel: &mut Kernel, left: usize) {
        while let Some(first) = self.unread.front()
            && self.allocated - first >= left
        {
            self.allocated -= first;
            self.unread.pop_front();
            if kernel.receive(self.socket, &mut []) == Err(Errno::ENOBUFS) {
                self.overran = true;
                let _ = kernel.receive(self.socket, &mut []);
            }
        }
    }

    /// Notes that a message came from the program. The program is at work then, so that it is no
    /// longer known which frames are unread.
    pub(super) const fn has_sent(&mut self) {
        self.known = Known::Not;
        self.has_spoken = true;
    }

    /// Returns `true` if more than a quarter of the connection's send buffer is unread, as far as
    /// the last look tells. Then the kernel reports space when the program has read down to that
    /// quarter.
    pub(super) const fn has_enough(&self) -> bool {
        self.allocated > self.low_water
    }

    /// Returns the events to wait for now. If no more than a quarter of the send buffer is unread:
    /// a message. If more is unread: space, if a message came since the last call, and else both.
    pub(super) fn wait_now(&mut self) -> WaitsFor {
        let has_spoken = std::mem::take(&mut self.has_spoken);
        match (self.has_enough(), has_spoken) {
            (true, true) => WaitsFor::Space,
            (true, false) => WaitsFor::Both,
            (false, _) => WaitsFor::Input,
        }
    }

    /// Returns what is known about the unread frames after the program has closed its connection.
    /// Returns `Unknown` only if some frames were not read (`reset` is `true`) and `known` is
    /// `Not`. If all frames were read and `known` is `Not`, removes the frames on the connection
    /// from the emulated receive buffer.
    pub(super) fn end(&mut self, kernel: &mut Kernel, reset: bool) -> End {
        if self.known != Known::Not {
            End::Known
        } else if reset {
            End::Unknown
        } else {
            self.read_down_to(kernel, 0);
            End::Known
        }
    }

    /// Discards the first datagrams of the emulated receive buffer that are not the kernel's, up to
    /// the kernel's first. Does nothing while any frame is on the connection. For a socket that the
    /// launcher gave: its program can't be told of another sender.
    pub(super) fn skip_foreign(&mut self, kernel: &mut Kernel) {
        while self.unread.is_empty()
            && kernel
                .waiting(self.socket, 0)
                .is_some_and(|(sender, _)| sender != self.sender)
        {
            let _ = kernel.receive(self.socket, &mut []);
        }
    }

    /// Puts frames of the emulated receive buffer on the connection, until the connection takes no
    /// more, no frame is left, or the next one is of another sender than `sender`. Tells `observer`
    /// of each frame. Notes in `is_held_back` whether a frame of another sender is next.
    pub(super) fn fill(&mut self, kernel: &Kernel, allocations: &mut Allocations, observer: &mut dyn Observer) {
        let protocol = kernel.netlink_protocol(self.socket);
        loop {
            let mut frames: Vec<[IoSlice<'_>; 3]> = Vec::with_capacity(AT_ONCE);
            while frames.len() < AT_ONCE
                && let Some((sender, parts)) = kernel.waiting(self.socket, self.unread.len() + frames.len())
                && sender == self.sender
            {
                frames.push(parts.map(IoSlice::new));
            }
            if frames.is_empty() {
                // The next frame, if there is one, is of another sender.
                self.is_held_back = kernel.waiting(self.socket, self.unread.len()).is_some();
                return;
            }
            let sent = send(self.connection.as_fd(), &frames);
            let wanted = frames.len();
            for frame in frames.iter().take(sent) {
                let allocation = allocations.of(frame.iter().map(|part| part.len()).sum());
                self.unread.push_back(allocation);
                self.allocated += allocation;
                observer.handed(protocol, frame.each_ref().map(|part| &part[..]));
            }
            // Frames that are put on the connection while the program is stopped in a closing call
            // are unread. If more are put there later, the program may have gone on and read some.
            if sent > 0 {
                self.known = match self.known {
                    Known::Exactly => Known::ButForLater,
                    Known::ButForLater | Known::Not => Known::Not,
                };
            }
            if sent < wanted {
                self.is_held_back = false;
                return;
            }
        }
    }
}

/// Sends as many of the frames as the connection takes now, in one call. Returns the number of
/// frames that were sent; 0 if the call failed.
fn send(connection: BorrowedFd<'_>, frames: &[[IoSlice<'_>; 3]]) -> usize {
    let mut controls: Vec<_> = frames.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let mut headers: Vec<_> = frames
        .iter()
        .zip(&mut controls)
        .map(|(frame, control)| {
            // Most frames have no padding, which is the third part. Each part costs the kernel some
            // time.
            let parts = if frame[2].is_empty() { &frame[..2] } else { &frame[..] };
            MMsgHdr::new(parts, control)
        })
        .collect();
    net::sendmmsg(connection, &mut headers, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).unwrap_or(0)
}

/// The number of bytes that the system's kernel allocates for a datagram on a Unix socket, measured
/// once for each step of [`STEP`] bytes in the datagram's length.
#[derive(Debug, Default)]
pub(super) struct Allocations {
    /// The allocations, in bytes. The key is the datagram's length divided by [`STEP`], rounded up.
    known: HashMap<usize, usize, FixedState>,
}

/// The step of the lengths, in bytes: a cache line. Datagrams of lengths in one step get equal
/// allocations.
const STEP: usize = 64;

impl Allocations {
    fn of(&mut self, length: usize) -> usize {
        let steps = length.div_ceil(STEP);
        *self
            .known
            .entry(steps)
            .or_insert_with(|| measure(steps * STEP).unwrap_or(length))
    }
}

/// Sends a datagram of this length on a new pair of Unix sockets, and returns the number of bytes
/// that the kernel allocated for it. Sends one byte if the length is 0.
fn measure(length: usize) -> std::io::Result<usize> {
    let (one, _other) = net::socketpair(
        net::AddressFamily::UNIX,
        net::SocketType::SEQPACKET,
        net::SocketFlags::CLOEXEC,
        None,
    )?;
    let _ = sockopt::set_socket_send_buffer_size(&one, CAPACITY);
    net::send(&one, &vec![0; length.max(1)], SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    datagrams::unread(one.as_fd())
}
