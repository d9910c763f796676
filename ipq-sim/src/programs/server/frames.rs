//! The frames on a connection: how many are put there, and which of them the program has read.
//!
//! A frame stays in the emulated receive buffer, and has its weight there, until the program has
//! read it. The connection itself tells how much is unread: the kernel counts the memory that it
//! allocated for the connection's datagrams, and gives it back one by one as they are read. So the
//! allocations of the frames that were sent, in order, and the sum that is allocated now say how
//! many frames have been read.
//!
//! A program at work is not disturbed: a wake-up by each of its messages would cost both processes
//! more than the message does. The kernel reports space on a connection when three quarters of its
//! send buffer are free. While more than a quarter is unread, the server therefore waits for space
//! alone, and then takes all messages that have come meanwhile.

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

/// The most frames that one system call moves.
const AT_ONCE: usize = 64;

/// The size to ask for as a connection's send buffer, in bytes; the system grants twice as much. It
/// has room for as many frames as an emulated receive buffer of the default size, and for the
/// longest.
const CAPACITY: usize = 128 << 10;

/// A program's socket: its connection, and the frames on it.
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) connection: OwnedFd,
    pub(super) socket: SocketId,
    /// The process id of its program, in the program's own PID namespace.
    pub(super) process_id: u32,
    /// The facts about a socket that was put in a program's place. If there are any, the program
    /// has one end of a pair, and no connection for notices.
    pub(super) given: Option<Given>,
    /// The allocations of the frames that are on the connection, oldest first. These frames are
    /// also the first in the emulated socket.
    unread: VecDeque<usize>,
    /// The sum of these allocations, in bytes.
    allocated: usize,
    /// The most bytes that may be allocated while the kernel reports space on the connection.
    low_water: usize,
    /// The events that epoll waits for on the connection.
    pub(super) waits_for: WaitsFor,
    /// `true` if a message came since [`wait_now`](Frames::wait_now) was last called.
    has_spoken: bool,
    /// `true` if a frame of another sender waits until those on the connection have been read.
    pub(super) is_held_back: bool,
    /// `true` if there was an overrun that could not be told yet.
    pub(super) overran: bool,
    /// The sender of the frames on the connection, as the program was last told.
    pub(super) sender: PortId,
    /// The knowledge of which frames are unread if the program closes its end now.
    known: Known,
}

/// The facts about a socket that was put in a program's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    /// The inode of the program's end. It identifies the program's descriptors.
    pub(super) inode: u64,
    /// The process that asked for the socket, by its number in this PID namespace.
    pub(super) process: u32,
    /// The `SO_TYPE` that the socket was asked for with.
    pub(super) kind: i32,
    /// The netlink protocol that the socket was asked for with.
    pub(super) protocol: i32,
    /// The receive buffer that the program sees as `SO_RCVBUF`, in bytes.
    pub(super) receive_buffer: u32,
    /// The send buffer that the program sees as `SO_SNDBUF`, in bytes.
    pub(super) send_buffer: u32,
    /// The netlink options that are on, as bits by their numbers.
    pub(super) options: u32,
}

impl Given {
    /// Returns 1 if an option of netlink is on, and 0 if not, as getsockopt does.
    pub(super) const fn option(&self, number: i32) -> i32 {
        (self.options >> (number & 31) & 1).cast_signed()
    }

    /// Turns an option of netlink on or off.
    pub(super) const fn set_option(&mut self, number: i32, on: bool) {
        self.options = self.options & !(1 << (number & 31)) | (on as u32) << (number & 31);
    }
}

/// The state of the frames that were on a connection when it closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is known that the program has not read the frames that are still in the emulated socket,
    /// and no others.
    Known,
    /// Some frames were not read, and it is not known which.
    Unknown,
}

/// The knowledge of which frames are unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing is known: the program may have read frames since the last look.
    Not,
    /// The frames on the connection are the unread ones: the program was stopped at the last look,
    /// and is about to close descriptors.
    Exactly,
    /// The frames on the connection are the unread ones. Some of them were put there after the last
    /// look.
    ButForLater,
}

/// The events that are waited for on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum WaitsFor {
    /// A message of the program.
    #[default]
    Input,
    /// Space on the connection: the program is at work, and will have read most of its frames.
    Space,
    /// A message or space: the program has much to read, and sends nothing.
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
    /// Makes the frames of a connection whose input epoll waits for.
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

    /// Returns the number of frames on the connection, as of the last look.
    pub(super) fn on_connection(&self) -> usize {
        self.unread.len()
    }

    /// Asks the connection how much has been read, and removes that from the emulated socket.
    pub(super) fn look(&mut self, kernel: &mut Kernel) {
        // The frames that a program leaves unread when it closes its end are gone, and look as if
        // they had been read.
        let has_closed = self.known != Known::Not && super::has_hung_up(self.connection.as_fd());
        if !self.unread.is_empty()
            && !has_closed
            && let Ok(left) = datagrams::unread(self.connection.as_fd())
        {
            self.read_down_to(kernel, left);
        }
    }

    /// Does as [`look`](Self::look), at a moment when the program is about to close descriptors and
    /// does nothing else. So it is known what is unread then.
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

    /// Notes that a message came from the program, so that it is at work and may read.
    pub(super) const fn has_sent(&mut self) {
        self.known = Known::Not;
        self.has_spoken = true;
    }

    /// Returns whether so much is unread that the connection will report space when the program
    /// reads.
    pub(super) const fn has_enough(&self) -> bool {
        self.allocated > self.low_water
    }

    /// Returns the events to wait for now. Forgets that a message came.
    pub(super) fn wait_now(&mut self) -> WaitsFor {
        let has_spoken = std::mem::take(&mut self.has_spoken);
        match (self.has_enough(), has_spoken) {
            (true, true) => WaitsFor::Space,
            (true, false) => WaitsFor::Both,
            (false, _) => WaitsFor::Input,
        }
    }

    /// Returns what is known about the unread frames after the program has closed its connection.
    /// Discards the frames that it has read, if that is known. `reset`: some frames were not read.
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

    /// Discards the next datagrams if they are not from the kernel: the address of a socket pair
    /// can't tell the program of another sender.
    pub(super) fn skip_foreign(&mut self, kernel: &mut Kernel) {
        while self.unread.is_empty()
            && kernel
                .waiting(self.socket, 0)
                .is_some_and(|(sender, _)| sender != self.sender)
        {
            let _ = kernel.receive(self.socket, &mut []);
        }
    }

    /// Puts frames on the connection, until it takes no more or there are none.
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
            // Frames that are put there while the program closes the socket are unread. If more
            // come later, the program has gone on, and may read.
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

/// Sends the frames that the connection takes now. Returns their number.
fn send(connection: BorrowedFd<'_>, frames: &[[IoSlice<'_>; 3]]) -> usize {
    let mut controls: Vec<_> = frames.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let mut headers: Vec<_> = frames
        .iter()
        .zip(&mut controls)
        .map(|(frame, control)| {
            // Most frames have no padding, and each part costs the kernel some time.
            let parts = if frame[2].is_empty() { &frame[..2] } else { &frame[..] };
            MMsgHdr::new(parts, control)
        })
        .collect();
    net::sendmmsg(connection, &mut headers, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).unwrap_or(0)
}

/// The number of bytes that this kernel allocates for a datagram on a Unix socket, measured once
/// for each size.
#[derive(Debug, Default)]
pub(super) struct Allocations {
    /// The allocations by the datagram's length, in steps of [`STEP`].
    known: HashMap<usize, usize, FixedState>,
}

/// The step of lengths: datagrams that differ by less than a cache line are allocated alike.
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

/// Sends a datagram of this length on a pair of sockets, and returns the number of bytes that were
/// allocated for it.
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
