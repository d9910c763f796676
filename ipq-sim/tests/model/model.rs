//! The model: a kernel with `ip_queue`, written as simply as possible and straight from the
//! protocol's rules.
//!
//! It uses lists that are searched from the beginning. It shares nothing with the emulator but the
//! layouts of messages.

mod host;
mod ids;
mod ip;
mod queue;
pub(crate) mod rules;
mod sockets;

use crate::step::{Answer, Reason, Rule, Setup, SocketView, Step, View};
use ids::Ids;
use ipq_core::Family;
use ipq_core::wire::{Abi, PacketId};
use queue::Queue;
use rules::Rules;
use sockets::Socket;
use std::time::Duration;

/// The error numbers that the model uses.
pub(crate) mod errno {
    pub(crate) const EPERM: i32 = 1;
    pub(crate) const ENOENT: i32 = 2;
    pub(crate) const EAGAIN: i32 = 11;
    pub(crate) const EBUSY: i32 = 16;
    pub(crate) const EINVAL: i32 = 22;
    pub(crate) const ECOMM: i32 = 70;
    pub(crate) const EMSGSIZE: i32 = 90;
    pub(crate) const EPROTONOSUPPORT: i32 = 93;
    pub(crate) const EADDRINUSE: i32 = 98;
    pub(crate) const ENOBUFS: i32 = 105;
    pub(crate) const ECONNREFUSED: i32 = 111;
}

/// The time at which the model begins, since 1970: the emulator's, on the day of Linux 3.4.
pub(crate) const BEGINNING: Duration = Duration::from_mins(22_292_549);

#[derive(Clone, Debug)]
pub(crate) struct Model {
    law: Rules,
    process_id: u32,
    net_admin: bool,
    now: Duration,
    sockets: Vec<Socket>,
    /// The negative port id that the kernel tries next if the process id is taken, for all
    /// protocols (SOCK-2).
    rover: i32,
    queues: [Queue; 2],
    ids: Ids,
    rules: Vec<Rule>,
    /// For each device, `true` if it is up.
    up: [bool; 3],
    /// The number of IPv6 packets that were to be fragmented here, which is the identification of
    /// the last one.
    fragmented: u32,
    /// For each device, the frames that left and were not taken yet, oldest first.
    sent: [Vec<Vec<u8>>; 3],
    entered: u64,
    delivered: u64,
    dropped: [u64; Reason::COUNT],
    /// The packet ids that [`Step::Receive`] has read, in order.
    seen: Vec<PacketId>,
}

impl Model {
    pub(crate) fn new(setup: &Setup) -> Self {
        let law = Rules::of(setup.kernel);
        let mut queues = [Queue::new(), Queue::new()];
        for family in Family::ALL {
            queues[family as usize].loaded = law.has_queue[family as usize];
        }
        queues[0].peer_died = setup.peer_died;
        Self {
            law,
            process_id: setup.process_id,
            net_admin: true,
            now: BEGINNING,
            sockets: Vec::new(),
            rover: -4097,
            queues,
            ids: Ids::new(law.ids),
            rules: setup.rules.clone(),
            up: [true; 3],
            fragmented: 0,
            sent: [const { Vec::new() }; 3],
            entered: 0,
            delivered: 0,
            dropped: [0; Reason::COUNT],
            seen: Vec::new(),
        }
    }

    pub(crate) fn abi(&self) -> Abi {
        self.law.abi
    }

    pub(crate) fn step(&mut self, step: &Step) -> Answer {
        match step {
            Step::Open { socket, protocol, bind } => self.open(*socket, *protocol, *bind),
            Step::Bind { socket, port_id } => {
                let errno = self.bind(*socket, *port_id).err().unwrap_or(0);
                let port_id = self.socket(*socket).port_id.unwrap_or(0);
                Answer::Bind { errno, port_id }
            }
            Step::Close { socket } => {
                self.close(*socket);
                Answer::Done
            }
            Step::Send {
                socket,
                to,
                bytes,
                names,
            } => {
                let bytes = named(bytes, names.map(|number| self.seen[number]), self.law.abi);
                match self.send(*socket, to.unwrap_or(0), &bytes) {
                    Ok(()) => Answer::Send {
                        sent: bytes.len().try_into().unwrap(),
                        errno: 0,
                    },
                    Err(errno) => Answer::Send { sent: -1, errno },
                }
            }
            Step::Receive { socket, size } => {
                let answer = self.receive(*socket, *size);
                if let Answer::Frame { bytes, sender: 0 } = &answer {
                    self.seen.extend(id_in(bytes, self.law.abi));
                }
                answer
            }
            Step::Drain { socket } => self.drain(*socket),
            Step::ReceiveBuffer { socket, bytes } => {
                // `SO_RCVBUF` is cut to the limit and doubled, and is at least this much.
                let doubled = (*bytes).min(self.law.receive_buffer_limit) * 2;
                let actual = doubled.max(self.law.receive_buffer_least);
                self.socket(*socket).receive_buffer = actual;
                Answer::BufferSize { actual }
            }
            Step::NoEnobufs { socket } => {
                if self.law.no_enobufs_works {
                    let socket = self.socket(*socket);
                    socket.no_enobufs = true;
                    socket.congested = false;
                }
                Answer::Done
            }
            Step::SocketError { socket } => Answer::SocketError {
                errno: self.socket(*socket).pending_error.take().unwrap_or(0),
            },
            Step::Inject { device, frame, count } => {
                for _ in 0..*count {
                    self.arrive(*device, frame);
                }
                Answer::Done
            }
            Step::Output { packet } => {
                self.output(packet);
                Answer::Done
            }
            Step::Sniff { device } => {
                let sent = &mut self.sent[*device];
                Answer::Sniff {
                    frame: (!sent.is_empty()).then(|| sent.remove(0)),
                }
            }
            Step::Proc { family } => Answer::Text(self.queues[*family as usize].proc_text(*family, self.law.proc)),
            Step::Sysctl { family, value } => {
                self.queues[*family as usize].maximum_length = value.cast_unsigned();
                Answer::Done
            }
            Step::ReadSysctl { family } => {
                let queue = &self.queues[*family as usize];
                Answer::Text(queue.loaded.then(|| queue.maximum_length.cast_signed().to_string()))
            }
            Step::Link { device, up } => {
                self.set_link(*device, *up);
                Answer::Done
            }
            Step::NetAdmin { held } => {
                self.net_admin = *held;
                Answer::Done
            }
            Step::Module { family, loaded } => {
                self.set_module(*family, *loaded);
                Answer::Done
            }
            Step::Advance { by } => {
                self.now += *by;
                Answer::Done
            }
            Step::Look(look) => unreachable!("{look:?} is part of the view"),
        }
    }

    pub(crate) fn view(&self) -> View {
        View {
            now: self.now,
            proc: Family::ALL.map(|family| self.queues[family as usize].proc_text(family, self.law.proc)),
            entered: self.entered,
            delivered: self.delivered,
            queued: self.queues.iter().map(|queue| queue.entries.len() as u64).sum(),
            dropped: self.dropped,
            sockets: self.sockets.iter().map(Socket::view).collect(),
        }
    }

    /// Returns the numbers of the sockets that are open.
    pub(crate) fn open_sockets(&self) -> impl Iterator<Item = usize> {
        self.sockets.iter().map(|socket| socket.number)
    }

    pub(crate) fn port_id(&self, socket: usize) -> Option<u32> {
        self.sockets.iter().find(|open| open.number == socket)?.port_id
    }

    /// Returns the number of packet ids that [`Step::Receive`] has read.
    pub(crate) fn seen(&self) -> usize {
        self.seen.len()
    }

    fn drop_packet(&mut self, reason: Reason) {
        self.dropped[reason as usize] += 1;
    }

    /// Sets a device up or down. When a device goes down, drops the queued packets of both families
    /// whose messages name it (EVT-1).
    fn set_link(&mut self, device: usize, up: bool) {
        if up && !self.up[device] {
            self.ids.device_comes_up();
        }
        self.up[device] = up;
        if up {
            return;
        }
        for family in Family::ALL {
            let queue = &mut self.queues[family as usize];
            let mut number = 0;
            while number < queue.entries.len() {
                let packet = &queue.entries[number].packet;
                if packet.indev == Some(device) || packet.outdev == Some(device) {
                    let entry = queue.entries.remove(number);
                    self.ids.flush(family, entry.held);
                    self.dropped[Reason::DeviceDown as usize] += 1;
                } else {
                    number += 1;
                }
            }
        }
    }

    /// Loads or unloads a family's module. Unloading drops the queued packets (EVT-2). A module
    /// that is loaded begins with default settings, but its packet ids go on, since the allocator
    /// is the kernel's.
    fn set_module(&mut self, family: Family, loaded: bool) {
        let queue = &mut self.queues[family as usize];
        if queue.loaded == loaded || !self.law.has_queue[family as usize] {
            return;
        }
        self.reset(family, Reason::ModuleUnloaded);
        let queue = &mut self.queues[family as usize];
        queue.loaded = loaded;
        queue.maximum_length = 1024;
        queue.dropped_when_full = 0;
        queue.dropped_undelivered = 0;
        queue.peer_died = false;
    }
}

/// Returns a message with `id` in the place of a verdict's packet id. Returns the message unchanged
/// if `id` is `None` or the message is too short.
pub(crate) fn named(bytes: &[u8], id: Option<PacketId>, abi: Abi) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let word = abi.word_bytes();
    if let (Some(PacketId(id)), Some(place)) = (id, bytes.get_mut(16 + word..16 + 2 * word)) {
        place.copy_from_slice(&id.to_le_bytes()[..word]);
    }
    bytes
}

/// Returns the packet id in a PACKET frame. Returns `None` for any other frame, and for one that
/// was cut before the id's end.
pub(crate) fn id_in(frame: &[u8], abi: Abi) -> Option<PacketId> {
    let word = abi.word_bytes();
    let is_packet = frame.get(4..6)? == [0x13, 0];
    let bytes = frame.get(16..16 + word)?;
    let mut id = [0; 8];
    id[..word].copy_from_slice(bytes);
    is_packet.then(|| PacketId(u64::from_le_bytes(id)))
}

impl Socket {
    fn view(&self) -> SocketView {
        SocketView {
            socket: self.number,
            port_id: self.port_id.unwrap_or(0),
            readable: self.pending_error.is_some() || !self.datagrams.is_empty(),
            error: self.pending_error.is_some(),
        }
    }
}
