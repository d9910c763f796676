//! The steps that are done on both sides, and what is seen after each.

use ipq_core::PortId;
use ipq_core::wire::nfnetlink::{HEADER_BYTES, attribute, message_type};
use std::fmt;

/// The number of sockets that a sequence uses.
pub(super) const SOCKETS: usize = 3;

/// The greatest number of frames in one step after which the sockets are read. After more frames no
/// socket is read, so that receive buffers can overrun.
pub(super) const UNREAD: u32 = 200;

/// A step that is done on both sides.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Closes the socket with the number `socket`, if it is open, and opens one in its place.
    /// `caps_answers` and `extends_answers` are its options `NETLINK_CAP_ACK` and
    /// `NETLINK_EXT_ACK`.
    Open {
        socket: usize,
        caps_answers: bool,
        extends_answers: bool,
    },
    /// Closes a socket.
    Close { socket: usize },
    /// Sends a datagram to the kernel.
    Send { socket: usize, datagram: Datagram },
    /// Makes a frame arrive at the first device, `count` times.
    Arrive { frame: Datagram, count: u32 },
    /// Sets the second device down and up again.
    Down,
    /// Gives the program `CAP_NET_ADMIN`, or takes it away.
    Capability { held: bool },
}

/// Bytes that are shown as hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Datagram(pub(super) Vec<u8>);

impl Datagram {
    /// Returns a text that stands in place of a datagram for the error of a receive call.
    pub(super) fn error(errno: i32) -> Self {
        Self(format!("error {errno}").into())
    }

    /// Returns a datagram. In a packet message the time is replaced by zeros, since it is never the
    /// same.
    pub(super) fn without_time(datagram: &[u8]) -> Self {
        let mut datagram = Self(datagram.to_vec());
        if !datagram.is_packet() {
            return datagram;
        }
        let bytes = &mut datagram.0;
        let mut at = HEADER_BYTES;
        while let Some([l0, l1, k0, k1]) = bytes.get(at..).and_then(<[u8]>::first_chunk).copied() {
            let length = usize::from(u16::from_ne_bytes([l0, l1]));
            if u16::from_ne_bytes([k0, k1]) == attribute::TIMESTAMP {
                bytes[at + 4..at + length].fill(0);
            }
            at += length.next_multiple_of(4);
        }
        datagram
    }

    /// Returns whether this is a packet message of a numbered queue.
    fn is_packet(&self) -> bool {
        self.0.get(4..6) == Some(&message_type::PACKET.to_ne_bytes()[..])
    }
}

impl fmt::Debug for Datagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// The observations after a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The error number of the step's send; `None` if it succeeded or the step sent nothing.
    pub(super) refused: Option<i32>,
    /// For each socket, the datagrams and errors that were read from it; none if the sockets were
    /// not read.
    pub(super) received: [Vec<Datagram>; SOCKETS],
    /// The frames that left by the second device.
    pub(super) left: Vec<Datagram>,
    /// The lines of `/proc/net/netfilter/nfnetlink_queue`; `None` if it can't be read.
    pub(super) proc_text: Option<Vec<String>>,
}

/// A kernel with numbered queues, and a program's sockets on it.
pub(super) trait Side {
    /// Does a step. When a socket is opened, the kernel's side lets the kernel choose the port id,
    /// and returns it; after other steps it returns `None`. The emulator's side gives its socket
    /// the port id `port_id`.
    fn perform(&mut self, step: &Step, port_id: Option<PortId>) -> Option<PortId>;

    /// Takes all observations. Reads the sockets only if `sockets` is set.
    fn look(&mut self, sockets: bool) -> Seen;
}

/// The number of things that were compared.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) answers: usize,
    pub(super) packets: usize,
    pub(super) frames: usize,
}

impl Tally {
    fn add(&mut self, seen: &Seen) {
        let received = || seen.received.iter().flatten();
        let packets = received().filter(|datagram| datagram.is_packet()).count();
        self.packets += packets;
        self.answers += received().count() - packets;
        self.frames += seen.left.len();
    }
}

/// Opens all sockets on both sides, does the steps, and compares what is seen after each. Returns
/// the first difference as an error, after the kernel's side has done the other steps, too. Adds
/// what was compared to `tally`.
pub(super) fn compare(
    kernel: &mut impl Side,
    emulator: &mut impl Side,
    steps: &[Step],
    tally: &mut Tally,
) -> Result<(), String> {
    let capable = Step::Capability { held: true };
    let opened = (0..SOCKETS).map(|socket| Step::Open {
        socket,
        caps_answers: socket == 1,
        extends_answers: socket == 2,
    });
    let last = (0..SOCKETS).map(|socket| Step::Close { socket });
    let all = [capable]
        .into_iter()
        .chain(opened)
        .chain(steps.iter().cloned())
        .chain(last);
    let mut difference = None;
    // The kernel does all steps in any case, so that the next sequence begins with fresh sockets.
    for (number, step) in all.enumerate() {
        let reads = !matches!(step, Step::Arrive { count, .. } if count > UNREAD);
        let port_id = kernel.perform(&step, None);
        let expected = kernel.look(reads);
        if difference.is_some() {
            continue;
        }
        emulator.perform(&step, port_id);
        let mut found = emulator.look(reads);
        found.proc_text = found.proc_text.filter(|_| expected.proc_text.is_some());
        tally.add(&expected);
        if expected != found {
            difference = Some(format!(
                "after step {number}, {step:?}\nthe kernel:   {expected:?}\nthe emulator: {found:?}"
            ));
        }
    }
    difference.map_or(Ok(()), Err)
}
