//! A model of numbered queues, written from the protocol's rules as simply as possible. A queue's
//! packets are in a list that is searched from the beginning.

use super::packets;
use std::collections::BTreeMap;

/// The number of the queue to which the only rule sends forwarded UDP packets.
pub(crate) const QUEUE: u16 = 7;
/// The number of sockets that are always open.
pub(crate) const SOCKETS: usize = 3;

/// The error numbers that the model uses.
mod errno {
    pub(super) const EPERM: i32 = 1;
    pub(super) const ENOENT: i32 = 2;
    pub(super) const EBUSY: i32 = 16;
    pub(super) const ENODEV: i32 = 19;
    pub(super) const EINVAL: i32 = 22;
    pub(super) const EOPNOTSUPP: i32 = 95;
}

/// An action on the model and the emulator.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// A socket sends a CONFIG message for a queue, with the parts that are given.
    Config {
        socket: usize,
        queue: u16,
        command: Option<u8>,
        mode: Option<(u8, u32)>,
        maximum: Option<u32>,
        flags: Option<(u32, u32)>,
        ack: bool,
    },
    /// A socket sends a verdict on the packet `id`, or if `several` on all packets up to `id`.
    Verdict {
        socket: usize,
        queue: u16,
        value: u32,
        id: u32,
        several: bool,
        mark: Option<u32>,
        payload: Option<Vec<u8>>,
        ack: bool,
    },
    /// A packet arrives that is to be forwarded.
    Arrive,
    /// A socket is closed, and another one is opened with its port id.
    Reopen { socket: usize },
    /// The device by which packets leave goes down, and comes up again.
    Down,
}

/// A datagram that a socket received, as far as the model tells its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The answer to a message: an error number, or 0 for an acknowledgement.
    Answer { errno: i32 },
    /// A packet message. `full_length` is given if the payload was cut in mode PACKET.
    Packet {
        queue: u16,
        id: u32,
        mark: Option<u32>,
        payload: Vec<u8>,
        full_length: Option<u32>,
    },
}

/// What is seen after an action: the datagrams that came, the packets that left, and the queues'
/// figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The datagrams that each socket received, in order.
    pub(crate) told: [Vec<Told>; SOCKETS],
    /// The packets that left the host, in order.
    pub(crate) left: Vec<Vec<u8>>,
    /// For each bound queue: its number, its owner's number, the packets in it, the copy mode, the
    /// range, the packets that it dropped when full, and the last id.
    pub(crate) lines: Vec<[u64; 7]>,
}

#[derive(Clone, Debug)]
struct Packet {
    bytes: Vec<u8>,
    mark: u32,
}

#[derive(Clone, Debug)]
struct Queue {
    owner: usize,
    mode: u8,
    range: u32,
    maximum: u32,
    flags: u32,
    dropped: u64,
    last_id: u32,
    packets: Vec<(u32, Packet)>,
}

/// The queues of a host whose only rule sends forwarded UDP to [`QUEUE`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    queues: BTreeMap<u16, Queue>,
    arrived: u16,
    seen: Seen,
}

impl Model {
    /// Carries out an action, and returns what is seen after it.
    pub(crate) fn act(&mut self, action: &Action) -> Seen {
        match action {
            Action::Config { socket, ack, .. } => {
                let errno = self.configure(action).err().unwrap_or(0);
                self.answer(*socket, errno, *ack);
            }
            Action::Verdict { socket, ack, .. } => {
                let errno = self.decide(action).err().unwrap_or(0);
                self.answer(*socket, errno, *ack);
            }
            Action::Arrive => {
                self.arrived = self.arrived.wrapping_add(1);
                let bytes = packets::forwarded(self.arrived);
                self.enqueue(QUEUE, Packet { bytes, mark: 0 }, false);
            }
            Action::Reopen { socket } => self.queues.retain(|_, queue| queue.owner != *socket),
            Action::Down => self.queues.values_mut().for_each(|queue| queue.packets.clear()),
        }
        let mut seen = std::mem::take(&mut self.seen);
        let line = |(number, queue): (&u16, &Queue)| {
            let (owner, packets) = (queue.owner as u64, queue.packets.len() as u64);
            let last_id = queue.last_id.into();
            [
                (*number).into(),
                owner,
                packets,
                queue.mode.into(),
                queue.range.into(),
                queue.dropped,
                last_id,
            ]
        };
        seen.lines = self.queues.iter().map(line).collect();
        seen
    }

    /// Answers a message that failed or that asks for an acknowledgement (NFQ-40).
    fn answer(&mut self, socket: usize, errno: i32, ack: bool) {
        if errno != 0 || ack {
            self.seen.told[socket].push(Told::Answer { errno });
        }
    }

    /// Carries out a CONFIG message, in the kernel's order of checks (NFQ-20 to NFQ-31). The error
    /// is an error number.
    fn configure(&mut self, action: &Action) -> Result<(), i32> {
        let Action::Config {
            socket,
            queue: number,
            command,
            mode,
            maximum,
            flags,
            ..
        } = action
        else {
            return Ok(());
        };
        if matches!(command, Some(3 | 4)) {
            return Ok(());
        }
        if flags.is_some_and(|(flags, mask)| flags >= 32 || flags & mask & 2 != 0) {
            return Err(errno::EOPNOTSUPP);
        }
        let owner = self.queues.get(number).map(|queue| queue.owner);
        if owner.is_some_and(|owner| owner != *socket) {
            return Err(errno::EPERM);
        }
        match command {
            Some(1) if owner.is_some() => return Err(errno::EBUSY),
            Some(1) => {
                let bound = Queue {
                    owner: *socket,
                    mode: 0,
                    range: 65_531,
                    maximum: 1024,
                    flags: 0,
                    dropped: 0,
                    last_id: 0,
                    packets: Vec::new(),
                };
                self.queues.insert(*number, bound);
            }
            Some(2) => return self.queues.remove(number).map(drop).ok_or(errno::ENODEV),
            Some(_) => return Err(errno::EOPNOTSUPP),
            None => {}
        }
        let queue = self.queues.get_mut(number).ok_or(errno::ENODEV)?;
        match mode {
            Some((2, range)) => {
                let range = if *range == 0 { 65_531 } else { *range };
                (queue.mode, queue.range) = (2, range.min(65_531));
            }
            Some((mode @ 0..=1, _)) => (queue.mode, queue.range) = (*mode, 0),
            _ => {}
        }
        queue.maximum = maximum.unwrap_or(queue.maximum);
        if let Some((flags, mask)) = flags {
            queue.flags = queue.flags & !mask | flags & mask;
        }
        Ok(())
    }

    /// Carries out a verdict (NFQ-60 to NFQ-70). The error is an error number.
    fn decide(&mut self, action: &Action) -> Result<(), i32> {
        let Action::Verdict {
            socket,
            queue: number,
            value,
            id,
            several,
            mark,
            payload,
            ..
        } = action
        else {
            return Ok(());
        };
        let queue = self.queues.get_mut(number).ok_or(errno::ENODEV)?;
        if queue.owner != *socket {
            return Err(errno::EPERM);
        }
        if !matches!(value & 0xff, 0 | 1 | 3 | 4 | 5) {
            return Err(errno::EINVAL);
        }
        let is_meant = |packet_id: u32| {
            if *several {
                packet_id.wrapping_sub(*id).cast_signed() <= 0
            } else {
                packet_id == *id
            }
        };
        let (first, last) = if *several {
            let later = queue.packets.iter().position(|(packet_id, _)| !is_meant(*packet_id));
            (0, later.unwrap_or(queue.packets.len()))
        } else {
            let at = queue.packets.iter().position(|(packet_id, _)| is_meant(*packet_id));
            at.map_or((0, 0), |at| (at, at + 1))
        };
        if first == last {
            return Err(errno::ENOENT);
        }
        let taken: Vec<(u32, Packet)> = queue.packets.drain(first..last).collect();
        for (_, mut packet) in taken {
            if let Some(payload) = payload.as_ref().filter(|_| !several) {
                if payload.len() < 20 {
                    continue;
                }
                packet.bytes.clone_from(payload);
            }
            packet.mark = mark.unwrap_or(packet.mark);
            match (value & 0xff, value >> 8) {
                (1 | 5, _) => self.seen.left.push(packet.bytes),
                // The only rule queues the packet again.
                (4, 0) => self.enqueue(QUEUE, packet, false),
                (3, _) => self.enqueue((value >> 16) as u16, packet, value & 0x8000 != 0),
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts a packet into a queue (NFQ-2, NFQ-4, NFQ-10 to NFQ-12, NFQ-83, NFQ-84). If there is no
    /// such queue, the packet leaves with `bypass`. If the queue is full, it leaves with fail-open.
    /// Otherwise it is dropped in these two cases, and in mode NONE.
    fn enqueue(&mut self, number: u16, packet: Packet, bypass: bool) {
        let Some(queue) = self.queues.get_mut(&number) else {
            if bypass {
                self.seen.left.push(packet.bytes);
            }
            return;
        };
        if queue.mode == 0 {
            return;
        }
        if queue.packets.len() as u64 >= queue.maximum.into() {
            if queue.flags & 1 != 0 {
                self.seen.left.push(packet.bytes);
            } else {
                queue.dropped += 1;
            }
            return;
        }
        queue.last_id += 1;
        let length = packet.bytes.len();
        let copied = if queue.mode == 2 {
            length.min(queue.range as usize)
        } else {
            0
        };
        self.seen.told[queue.owner].push(Told::Packet {
            queue: number,
            id: queue.last_id,
            mark: Some(packet.mark).filter(|mark| *mark != 0),
            payload: packet.bytes[..copied].to_vec(),
            full_length: (queue.mode == 2 && copied < length).then_some(length as u32),
        });
        queue.packets.push((queue.last_id, packet));
    }
}
