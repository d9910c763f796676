//! What is done to both sides, and what is seen of it.

use ipq_core::PortId;
use ipq_core::wire::nfnetlink::{HEADER_BYTES, attribute, message_type};
use std::fmt;

/// The number of sockets that a sequence uses.
pub(super) const SOCKETS: usize = 3;

/// After so many frames in one step nothing is read, so that receive buffers can overrun.
pub(super) const UNREAD: u32 = 200;

/// Something that is done.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A socket is opened, in the place of the one that was there.
    Open {
        socket: usize,
        caps_answers: bool,
        extends_answers: bool,
    },
    /// A socket is closed.
    Close { socket: usize },
    /// A datagram is sent to the kernel.
    Send { socket: usize, datagram: Datagram },
    /// A frame arrives at the first device, so many times.
    Arrive { frame: Datagram, count: u32 },
    /// The second device goes down, and comes up again.
    Down,
    /// The program has `CAP_NET_ADMIN` from now on, or has it not.
    Capability { held: bool },
}

/// Bytes, which are shown as hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Datagram(pub(super) Vec<u8>);

impl Datagram {
    /// An error that a receive call gave, in the place of a datagram.
    pub(super) fn error(errno: i32) -> Self {
        Self(format!("error {errno}").into())
    }

    /// A datagram, and of a packet message its time all zeros, since that is never the same.
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

    /// Whether this is a packet message.
    fn is_packet(&self) -> bool {
        self.0.get(4..6) == Some(&message_type::PACKET.to_ne_bytes()[..])
    }
}

impl fmt::Debug for Datagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// What is seen after a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The error number of a send that failed.
    pub(super) refused: Option<i32>,
    /// What each socket received.
    pub(super) received: [Vec<Datagram>; SOCKETS],
    /// The frames that left by the second device.
    pub(super) left: Vec<Datagram>,
    /// The /proc text, by lines, where this user may read it.
    pub(super) proc_text: Option<Vec<String>>,
}

/// A queue and what is around it.
pub(super) trait Side {
    /// Does a step. A socket that is opened gets `port_id`, if that is given. Returns the port id
    /// that a socket which was opened has.
    fn perform(&mut self, step: &Step, port_id: Option<PortId>) -> Option<PortId>;

    /// Takes what there is to see. What the sockets received stays there unless `sockets` says so.
    fn look(&mut self, sockets: bool) -> Seen;
}

/// What was compared.
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

/// Does the steps to both sides, and compares what is seen after each.
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
    // The kernel is led to the end in any case, so that the next sequence begins anew.
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
