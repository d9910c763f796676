//! The emulator under test, driven by the model's actions.

use super::model::{Action, QUEUE, SOCKETS, Seen, Told};
use super::packets;
use ipq_core::wire::nfnetlink::PROTOCOL;
use ipq_core::{Errno, Family, Hook, PortId};
use ipq_sim::{ClientId, Kernel, Profile, Rule, SocketId};

/// The port id of the first socket. Further sockets have the numbers after it.
const FIRST_PORT_ID: u32 = 100;

pub(crate) struct Emulator {
    kernel: Kernel,
    sockets: [SocketId; SOCKETS],
    arrived: u16,
    buffer: Vec<u8>,
}

fn attribute(to: &mut Vec<u8>, kind: u16, content: &[u8]) {
    to.extend((content.len() as u16 + 4).to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(content);
    to.resize(to.len().next_multiple_of(4), 0);
}

fn message(kind: u16, queue: u16, ack: bool, attributes: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend((20 + attributes.len() as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((1 | if ack { 4_u16 } else { 0 }).to_ne_bytes());
    message.extend([0; 10]);
    message.extend(queue.to_be_bytes());
    message.extend(attributes);
    message
}

impl Emulator {
    pub(crate) fn new() -> Self {
        let kernel = Kernel::builder().profile(Profile::LINUX_6_18_X86_64).keep_fates(16);
        let mut kernel = kernel.build().expect("the laboratory's devices have different names");
        let rule = Rule::numbered_queue(Family::Ipv4, Hook::Forward, QUEUE).protocol(17);
        kernel.add_rule(rule).expect("the kernel has numbered queues");
        let sockets = std::array::from_fn(|socket| open(&mut kernel, socket));
        Self {
            kernel,
            sockets,
            arrived: 0,
            buffer: vec![0; 4096],
        }
    }

    pub(crate) fn act(&mut self, action: &Action) -> Seen {
        match action {
            Action::Config { socket, .. } | Action::Verdict { socket, .. } => {
                let sent = self.kernel.send(self.sockets[*socket], &written(action));
                sent.expect("the datagram is not too long");
            }
            Action::Arrive => {
                self.arrived = self.arrived.wrapping_add(1);
                let arrived = self.kernel.inject_packet("tap0", &packets::arriving(self.arrived));
                arrived.expect("a packet arrives");
            }
            Action::Reopen { socket } => {
                self.kernel.close(self.sockets[*socket]);
                self.sockets[*socket] = open(&mut self.kernel, *socket);
            }
            Action::Down => {
                for up in [false, true] {
                    self.kernel.set_link("tap1", up).expect("the device is there");
                }
            }
        }
        assert!(self.kernel.accounting().balances());
        Seen {
            told: std::array::from_fn(|socket| self.told(socket)),
            left: std::iter::from_fn(|| self.kernel.sniff("tap1").expect("the device is there"))
                .map(|frame| frame.to_bytes()[14..].to_vec())
                .collect(),
            lines: self.lines(),
        }
    }

    /// Reads everything that a socket has received.
    fn told(&mut self, socket: usize) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            match self.kernel.receive(self.sockets[socket], &mut self.buffer) {
                Ok(datagram) => told.push(read(&self.buffer[..datagram.copied])),
                Err(Errno::EAGAIN) => return told,
                Err(error) => panic!("a socket reads {error}"),
            }
        }
    }

    fn lines(&self) -> Vec<[u64; 7]> {
        let text = self
            .kernel
            .numbered_queues_text()
            .expect("the kernel has numbered queues");
        let mut lines: Vec<[u64; 7]> = text
            .lines()
            .map(|line| {
                let numbers = line.split_whitespace().map(|word| word.parse().expect("a number"));
                let numbers: Vec<u64> = numbers.collect();
                let [number, owner, packets, mode, range, dropped, 0, last_id, 1] = numbers[..] else {
                    panic!("{line}");
                };
                let owner = owner - u64::from(FIRST_PORT_ID);
                [number, owner, packets, mode, range, dropped, last_id]
            })
            .collect();
        lines.sort_unstable();
        lines
    }
}

fn open(kernel: &mut Kernel, socket: usize) -> SocketId {
    let opened = kernel.open(ClientId::FIRST, PROTOCOL.into()).expect("a socket opens");
    let bound = kernel.bind(opened, PortId(FIRST_PORT_ID + socket as u32));
    bound.expect("the port id is free");
    opened
}

/// Returns the netlink message of an action. Returns no bytes for an action without a message.
fn written(action: &Action) -> Vec<u8> {
    let mut attributes = Vec::new();
    match action {
        Action::Config {
            queue,
            command,
            mode,
            maximum,
            flags,
            ack,
            ..
        } => {
            if let Some(command) = command {
                attribute(&mut attributes, 1, &[*command, 0, 0, 2]);
            }
            if let Some((mode, range)) = mode {
                attribute(&mut attributes, 2, &[&range.to_be_bytes()[..], &[*mode]].concat());
            }
            if let Some(maximum) = maximum {
                attribute(&mut attributes, 3, &maximum.to_be_bytes());
            }
            if let Some((flags, mask)) = flags {
                attribute(&mut attributes, 4, &mask.to_be_bytes());
                attribute(&mut attributes, 5, &flags.to_be_bytes());
            }
            message(0x0302, *queue, *ack, &attributes)
        }
        Action::Verdict {
            queue,
            value,
            id,
            several,
            mark,
            payload,
            ack,
            ..
        } => {
            attribute(&mut attributes, 2, &[value.to_be_bytes(), id.to_be_bytes()].concat());
            if let Some(mark) = mark {
                attribute(&mut attributes, 3, &mark.to_be_bytes());
            }
            if let Some(payload) = payload {
                attribute(&mut attributes, 10, payload);
            }
            message(if *several { 0x0303 } else { 0x0301 }, *queue, *ack, &attributes)
        }
        _ => Vec::new(),
    }
}

/// Parses a datagram of the kernel's: an answer, or a packet message. Panics at any other.
fn read(datagram: &[u8]) -> Told {
    let kind = u16::from_ne_bytes([datagram[4], datagram[5]]);
    if kind == 2 {
        let errno = i32::from_ne_bytes(*datagram[16..].first_chunk().expect("an error number"));
        return Told::Answer { errno: -errno };
    }
    assert_eq!(kind, 0x0300);
    let mut found = std::collections::BTreeMap::new();
    let mut rest = &datagram[20..];
    while let Some([l0, l1, k0, k1]) = rest.first_chunk() {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        found.insert(u16::from_ne_bytes([*k0, *k1]), &rest[4..length]);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    let number = |kind: u16| {
        let content = found.get(&kind)?;
        content.first_chunk().map(|number| u32::from_be_bytes(*number))
    };
    Told::Packet {
        queue: u16::from_be_bytes([datagram[18], datagram[19]]),
        id: number(1).expect("a packet message has a header"),
        mark: number(3),
        payload: found.get(&10).map(|payload| payload.to_vec()).unwrap_or_default(),
        full_length: number(13),
    }
}
