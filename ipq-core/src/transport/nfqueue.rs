//! The `ip_queue` protocol on today's kernels, which have nfnetlink queues in its place.
//!
//! ```no_run
//! use ipq_core::{CopyMode, Family, Handle, transport::nfqueue::NfQueue};
//!
//! let handle = Handle::new(NfQueue::open(Family::Ipv4)?);
//! handle.set_mode(CopyMode::Packet, 0)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A handle on [`NfQueue`] behaves as one on [`Netlink`] did on a kernel up to 3.4: it sends and
//! reads the same messages. A translator stands between the handle and the kernel. It keeps little:
//! for example, the port id of the attached peer, and a table of network devices.
//!
//! # How it stays true
//!
//! [`send`](Transport::send) never reads from the queue's socket, and
//! [`receive`](Transport::receive) never makes up a frame. Each message that gets an answer goes to
//! the kernel as one nfnetlink message that gets an answer. That holds for a message that must be
//! refused, too: the kernel refuses the nfnetlink message that was sent in its place, and its
//! answer quotes that nfnetlink message. So the kernel alone decides when the descriptor is
//! readable, in which order answers and packets come, and what is lost when the receive buffer
//! overruns.
//!
//! # What a packet costs
//!
//! A datagram is received into the caller's buffer, if that is long enough. Normally nothing is
//! allocated. A packet's bytes are mostly not copied, nor is a verdict's replacement of more than
//! 4,096 bytes. Receiving costs least if the buffer has at least 512 bytes more than the copy
//! range, as [`Handle::buffer_for`](crate::Handle::buffer_for) makes it on a machine of 64 bits. Of
//! many packets with the same attributes that are read together, mostly only the first one's
//! attributes are parsed. Names of devices come from a table that follows device events, not from a
//! call for each packet.
//!
//! # Several queues
//!
//! A rule with `--queue-balance FIRST:LAST` spreads packets over several queues, each with an
//! [`NfQueue`] and a thread of its own: see the example `several_queues`. All packets of a flow
//! come to one queue, and keep their order. Packets of different flows need not.
//!
//! # What becomes of the rules
//!
//! | rule | on an nfnetlink queue |
//! |---|---|
//! | ATT-1 to ATT-3 | The first message that passes its header's checks binds the queue; other port ids get EBUSY, and so does a message that finds the queue bound by another socket. |
//! | ATT-4 | The kernel unbinds the queue, and drops what is in it, when the last copy of the socket closes. |
//! | ATT-5 | The kernel checks. Its EPERM can also mean that the queue is another's; a question by a second socket tells the two apart, and the answer is EPERM or EBUSY. |
//! | ATT-6 | The kernel drops packets for a queue that nobody has bound. |
//! | MSG-1 to MSG-11 | Kept by the translation. MODE becomes one CONFIG message: bind, if need be, and parameters. |
//! | ERR-1 to ERR-4 | The kernel's answers, with the message that was sent quoted byte for byte. |
//! | PKT-1 to PKT-5 | The kernel does the same. A packet of the other family gets the verdict DROP as soon as it is read, and is counted. |
//! | PKT-6, PKT-7 | Put back to what `ip_queue` said: no incoming device or link-layer address at POSTROUTING, and no protocol for the host's own packets where kernels of that time did not know it yet. In mode META, neighbour discovery at OUTPUT and POSTROUTING can't be told from other IPv6. |
//! | PKT-8 | The socket asks for time stamps when it is opened, and the kernel begins a moment later. |
//! | PKT-9 | Ids count up from 1 for each bind, and are not reused. |
//! | VER-1, VER-2 | Kept by the translation, and the kernel. QUEUE goes back to the same queue number. |
//! | VER-3, VER-4, VER-7 to VER-10 | The kernel does the same. |
//! | VER-5, VER-6 | Kept by the translation: a replacement that does not count is not passed on as one. |
//! | EVT-1 to EVT-3 | The kernel does the same; but two families that share a queue number can't both be listened to. |
//! | PROC-1 | [`NfQueue::statistics`]. |
//! | SOCK-3 to SOCK-6, SOCK-9 | The kernel's, on the nfnetlink datagrams, which are some bytes longer or shorter. |
//!
//! # What differs
//!
//! Together with the table, this list is complete, as far as is known:
//!
//! 1. `-j QUEUE` of both families goes to queue 0. Two handles of different family need two queue
//!    numbers, and at least one of them a rule with NFQUEUE and a number.
//! 2. The copy range ends at 65,531 bytes, and so does a replacement. A message with more than
//!    65,531 bytes after its fixed part is not sent, and fails with EMSGSIZE (as for SOCK-9). A
//!    longer packet comes without its last bytes: the length of its payload is less than the
//!    packet's own total length. Only the loopback device, with its MTU of 65,536, and
//!    [`Options::segments_whole`] bring such packets. A verdict without a replacement lets one
//!    through whole, and a replacement cuts it. A program that replaces packets wants
//!    `ip link set lo mtu 65531`.
//! 3. Packets go to the socket that attached, whatever port id its messages carry (ATT-1).
//! 4. Packet ids are not reused (PKT-9), so a doubled verdict hits nothing.
//! 5. Today's kernel decides what a datagram weighs in the receive buffer (SOCK-5).
//! 6. There is no `/proc/net/ip_queue`, no sysctl for the queue's length (see
//!    [`Options::max_length`]), and no module to be unloaded under a listener.
//! 7. A second handle of one process on the same queue opens, and gets EBUSY with its first
//!    message, not EADDRINUSE (SOCK-2). No other program can send to an open handle: the port id in
//!    the options is no address, and the kernel refuses what is sent to the socket's own (SOCK-6,
//!    SOCK-8).
//! 8. Queues, and the capability, are those of the network namespace that the handle was opened in,
//!    which need not be the initial one (SOCK-7). The capability must have been there when the
//!    handle was opened, too.
//! 9. A device without link-layer source addresses of its own has type 0 in its packets (PKT-7).
//! 10. A device that is gone by the time its packet is read may have no name in it.
//! 11. Messages that are sent many at once without the capability get one EPERM for each 64 or
//!     fewer, in answer to the first.
//! 12. A packet that REPEAT changes at OUTPUT, and that a rule queues once more, is not routed
//!     again (VER-10).
//!
//! A verdict can't set a packet's mark here, although nfnetlink queues have an attribute for that:
//! no verdict of `ip_queue` could, and a handle sends the same messages on every transport. A
//! program can read a packet's mark.

#![expect(
    clippy::inline_always,
    reason = "no function returns after a system call, and what is known of a plain verdict is folded away: see what a \
              call costs in `transport::netlink`"
)]

mod devices;
mod error;
mod fast;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod kernel;
mod options;
mod permission;
mod receive;
mod send;
mod socket;
mod statistics;
#[cfg(test)]
mod tests;
mod translate;

pub use super::arrivals::{Arrival, Arrivals};
pub use crate::wire::nfnetlink::ParseError;
pub use error::OpenError;
pub use options::{InvalidQueueNumbers, Options, QueueNumbers};
pub use socket::{Device, DeviceTable, QueueSocket};
pub use statistics::Statistics;

use super::netlink::{Bind, Netlink};
use super::{Datagram, Slot, Transport, TransportError, Wait};
use crate::errno::Errno;
use crate::family::Family;
use crate::wire::PortId;
use crate::wire::nfnetlink::PROTOCOL;
use devices::Devices;
use fast::outstanding::Outstanding;
use fast::template::TemplateCache;
use permission::Questions;
use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use translate::headroom::BOUNCE_BYTES;
use translate::request::{Action, Request};

/// A transport over an nfnetlink queue. It takes and gives the messages of `ip_queue`, and
/// translates them.
#[derive(Debug)]
pub struct NfQueue<S: QueueSocket = Netlink> {
    socket: S,
    questions: Questions<S>,
    devices: S::Devices,
    options: Options,
    /// The port id of the attached peer, or 0 if nobody is attached.
    peer: AtomicU32,
    /// Held while a message that attaches is sent, so that no second message attaches at the same
    /// time.
    attaching: Mutex<()>,
    other_family_dropped: AtomicU64,
    /// The length in bytes of the longest datagram that can come: 512 for what a kernel says about
    /// a packet, plus the greatest copy range that the program has asked for so far, or the length
    /// of the longest replacement that it has sent, as an answer may quote that.
    longest_datagram: AtomicUsize,
    /// The offset in the caller's buffer at which the next datagram is received. If its attributes
    /// are as long as the last packet's, its packet's bytes land where the translated message has
    /// them, and need not be moved.
    headroom: AtomicUsize,
    /// Templates of recent packets, by which similar packets are translated faster. One thread at a
    /// time uses them; a thread that finds them in use does without.
    templates: Mutex<TemplateCache>,
    /// The packets that the program has read and not decided about; `None` without
    /// [`Options::batch_verdicts`].
    outstanding: Option<Mutex<Outstanding>>,
}

impl NfQueue {
    /// Opens queue 0 for `family`: the queue in which a rule with `-j QUEUE` puts packets. Nothing
    /// is bound yet; the first message attaches (ATT-2), and needs the capability (ATT-5).
    pub fn open(family: Family) -> Result<Self, OpenError> {
        Self::open_with(Options::new(family))
    }

    /// Opens the queue that `options` name. Nothing is bound yet; the first message attaches
    /// (ATT-2), needs the capability (ATT-5), and gives the kernel the settings in `options`.
    pub fn open_with(options: Options) -> Result<Self, OpenError> {
        let socket = Netlink::connected(PROTOCOL).map_err(OpenError::from)?;
        let questions = Netlink::on_protocol(PROTOCOL, Bind::KernelChoice).map_err(OpenError::from)?;
        socket.stamp_arrivals().map_err(|errno| OpenError::Socket { errno })?;
        let devices = Devices::open().map_err(|errno| OpenError::Devices { errno })?;
        Self::over(socket, questions, devices, options)
    }
}

impl<S: QueueSocket> NfQueue<S> {
    /// Opens a queue of any kernel, real or emulated. `socket` must be one to which nobody but the
    /// kernel can send. `questions` is another socket with the same rights, and `devices` are the
    /// kernel's. Returns an error if the kernel has no such queues, or if the port id in `options`
    /// can't attach (MSG-2).
    pub fn over(socket: S, questions: S, devices: S::Devices, options: Options) -> Result<Self, OpenError> {
        if !options.port_id.can_attach() {
            return Err(OpenError::PortId {
                port_id: options.port_id,
            });
        }
        let questions = Questions::new(questions);
        if questions.bind_family(&options) == Err(Errno::EINVAL) {
            return Err(OpenError::NoNfnetlinkQueue);
        }
        Ok(Self {
            socket,
            questions,
            devices,
            options,
            peer: AtomicU32::new(PortId::KERNEL.0),
            attaching: Mutex::new(()),
            other_family_dropped: AtomicU64::new(0),
            longest_datagram: AtomicUsize::new(BOUNCE_BYTES),
            headroom: AtomicUsize::new(0),
            templates: Mutex::default(),
            outstanding: options.batch_verdicts.then(Mutex::default),
        })
    }

    /// Returns the options that the queue was opened with.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Reads the counters of the queue whose number is in the [`options`](Self::options), also if
    /// another socket has bound that queue. Returns `None` if no socket has. The counters are those
    /// of the calling thread's network namespace. The kernel shows them to root only; others get an
    /// error.
    pub fn statistics(&self) -> io::Result<Option<Statistics>> {
        let text = self.socket.proc_text()?;
        let kernel = statistics::parse(&text, self.options.queue_number)?;
        Ok(kernel.map(|kernel| Statistics {
            other_family_dropped: self.other_family_dropped.load(Ordering::Relaxed),
            ..kernel
        }))
    }

    /// Locks the list of packets without a verdict. Returns `None` if no list is kept.
    #[inline(always)]
    fn outstanding(&self) -> Option<MutexGuard<'_, Outstanding>> {
        let outstanding = self.outstanding.as_ref()?;
        Some(outstanding.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Removes a packet from the list of packets without a verdict, if `action` is a verdict on it.
    fn note_decided(&self, action: Action) {
        if let Action::Verdict { id, .. } = action
            && let Some(mut outstanding) = self.outstanding()
        {
            outstanding.decided(id);
        }
    }

    /// Returns the port id of the attached peer, or 0 if nobody is attached.
    fn peer(&self) -> PortId {
        PortId(self.peer.load(Ordering::Acquire))
    }

    /// Notes that `port_id` has attached. 0 notes that nobody is attached.
    fn attached(&self, port_id: PortId) {
        self.peer.store(port_id.0, Ordering::Release);
    }

    /// Raises the length of the longest datagram that can come, if `request`, which is about to be
    /// sent, leads to a longer one: a packet of a greater copy range, or an answer that quotes the
    /// request.
    fn note_bytes_to_come(&self, request: &Request, action: Action) {
        if let Some(bytes) = request.bytes_to_come(action) {
            self.longest_datagram.fetch_max(BOUNCE_BYTES + bytes, Ordering::Relaxed);
        }
    }

    fn longest_datagram(&self) -> usize {
        self.longest_datagram.load(Ordering::Relaxed)
    }

    fn headroom(&self) -> usize {
        self.headroom.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn set_headroom(&self, headroom: usize) {
        // A load costs less than a store that another processor may see.
        if headroom != self.headroom() {
            self.headroom.store(headroom, Ordering::Relaxed);
        }
    }

    fn count_other_family(&self) {
        self.other_family_dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl<S: QueueSocket + AsFd> AsFd for NfQueue<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<S: QueueSocket> Transport for NfQueue<S> {
    fn port_id(&self) -> PortId {
        self.options.port_id
    }

    #[inline(always)]
    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        self.send_one(parts)
    }

    #[inline(always)]
    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        self.receive_one(buffer, wait)
    }

    /// Sends messages to the kernel in few datagrams, each of up to 64 messages. The kernel obeys
    /// and answers each message by itself, with two exceptions: a sender without the capability
    /// gets one answer for each datagram, to its first message; and with
    /// [`Options::batch_verdicts`] one verdict may stand for several.
    fn send_many(&self, messages: &[&[IoSlice<'_>]], results: &mut [Result<usize, TransportError>]) {
        self.send_coalesced(messages, results);
    }

    /// Receives datagrams into the first of `slots`, and returns the number of filled slots. Waits
    /// as `wait` says for the first datagram that is for the program. A datagram that is not for
    /// the program leaves its slot free, and later ones are moved up. A datagram that can't be
    /// translated puts an error into its slot.
    fn receive_many(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
        self.receive_burst(slots, wait)
    }

    fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError> {
        self.socket.set_receive_buffer(bytes)
    }

    fn set_no_enobufs(&self, on: bool) -> Result<(), TransportError> {
        self.socket.set_no_enobufs(on)
    }

    fn explain(&self, errno: Errno) -> Option<Cow<'static, str>> {
        match errno {
            Errno::EPERM => Some(
                "a queue needs CAP_NET_ADMIN in its network namespace; run as root, or in a user and network namespace \
                 of your own (unshare -Urn)"
                    .into(),
            ),
            Errno::EBUSY => Some(
                format!(
                    "nfnetlink queue {} has another listener; end that one, or use another queue number here and in a \
                     rule of its own (-j NFQUEUE --queue-num); two handles of different family need two numbers",
                    self.options.queue_number
                )
                .into(),
            ),
            errno => self.socket.explain(errno),
        }
    }
}
