//! The least that a listener can cost: the system calls and little else. To accept a packet, these
//! listeners look at its id alone, and trust that the kernel puts it where it always does. To
//! change a packet, they also look for its bytes.

#![expect(
    clippy::inline_always,
    reason = "a function that returns after a system call costs what is measured elsewhere"
)]

use crate::listener::{Failed, Listener, MAX_LENGTH, QUEUE, RANGE, RECEIVE_BUFFER, Way};
use crate::sys;
use crate::task::Task;
use rustix::net::{self, AddressFamily, Protocol, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType};
use rustix::net::{netlink, sockopt};
use std::io::IoSlice;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};

pub(crate) const WAYS: &[Way] = &[
    Way {
        name: "bare calls",
        replaces: true,
        open: |task| Ok(Box::new(OneByOne::open(task)?)),
    },
    Way {
        name: "bare calls, in functions",
        replaces: true,
        open: |task| Ok(Box::new(InFunctions(OneByOne::open(task)?))),
    },
    Way {
        name: "bare calls, 32 and 32 coalesced",
        replaces: true,
        open: |task| Ok(Box::new(Many::open(task, 32, false)?)),
    },
    Way {
        name: "bare calls, 32 and one batch verdict",
        replaces: false,
        open: |task| Ok(Box::new(Many::open(task, 32, true)?)),
    },
    Way {
        name: "bare calls, 64 and one batch verdict",
        replaces: false,
        open: |task| Ok(Box::new(Many::open(task, 64, true)?)),
    },
];

const VERDICT: u16 = 0x0301;
const CONFIG: u16 = 0x0302;
const BATCH_VERDICT: u16 = 0x0303;
/// The most packets that one call of `recvmmsg` takes.
const BATCH: usize = sys::MOST;
/// The length of the buffer for a message: the bytes of a packet, and room for the rest.
const BUFFER_BYTES: usize = RANGE as usize + 512;
/// The offset of the packet id in the message for a packet.
const ID: usize = 24;

/// The length of a verdict message without a replacement: two headers, and an attribute of two
/// numbers.
const VERDICT_BYTES: usize = 32;
/// The length of a verdict message before its replacement, with the header of the replacement's
/// attribute.
const HEAD_BYTES: usize = 36;

/// A listener that takes each packet by `recv`, and gives its verdict by `send`.
struct OneByOne {
    socket: OwnedFd,
    replace: bool,
    buffer: Vec<u8>,
}

impl OneByOne {
    fn open(task: Task) -> Result<Self, Failed> {
        Ok(Self {
            socket: open(task)?,
            replace: task.replace,
            buffer: vec![0; BUFFER_BYTES],
        })
    }
}

impl Listener for OneByOne {
    fn take(&mut self, packets: u64) -> Result<u64, Failed> {
        for _ in 0..packets {
            let (_, length) = net::recv(&self.socket, &mut self.buffer[..], RecvFlags::empty())?;
            send_verdict(&self.socket, self.replace, &mut self.buffer[..length])?;
        }
        Ok(packets)
    }
}

/// A listener like [`OneByOne`], in the shape that most programs have: one function reads, and
/// another gives the verdict.
struct InFunctions(OneByOne);

impl Listener for InFunctions {
    fn take(&mut self, packets: u64) -> Result<u64, Failed> {
        for _ in 0..packets {
            let length = self.0.read()?;
            self.0.decide(length)?;
        }
        Ok(packets)
    }
}

impl OneByOne {
    #[inline(never)]
    fn read(&mut self) -> rustix::io::Result<usize> {
        let (_, length) = net::recv(&self.socket, &mut self.buffer[..], RecvFlags::empty())?;
        Ok(length)
    }

    #[inline(never)]
    fn decide(&mut self, length: usize) -> rustix::io::Result<()> {
        send_verdict(&self.socket, self.replace, &mut self.buffer[..length])
    }
}

/// Accepts the packet of `message`. With `replace`, also gives it back with its last byte changed.
#[inline(always)]
fn send_verdict(socket: &OwnedFd, replace: bool, message: &mut [u8]) -> rustix::io::Result<()> {
    if replace {
        net::send(socket, replaced(message), SendFlags::empty())?;
    } else {
        let head = head(VERDICT, message, 0);
        net::send(socket, &head[..VERDICT_BYTES], SendFlags::empty())?;
    }
    Ok(())
}

/// A listener that takes many packets by `recvmmsg`, and sends all verdicts, or one batch verdict,
/// by one call.
struct Many {
    socket: OwnedFd,
    replace: bool,
    batch_verdict: bool,
    buffers: Vec<Vec<u8>>,
}

impl Many {
    /// Opens a listener that takes up to `packets` packets in a call, 64 at most. With
    /// `batch_verdict`, one message accepts all packets of a call; without, each packet has a
    /// verdict message of its own.
    fn open(task: Task, packets: usize, batch_verdict: bool) -> Result<Self, Failed> {
        Ok(Self {
            socket: open(task)?,
            replace: task.replace,
            batch_verdict,
            buffers: vec![vec![0; BUFFER_BYTES]; packets],
        })
    }
}

impl Listener for Many {
    fn take(&mut self, packets: u64) -> Result<u64, Failed> {
        let mut taken = 0;
        while taken < packets {
            let mut lengths = [0; BATCH];
            let count = sys::receive_many(self.socket.as_fd(), &mut self.buffers, &mut lengths)?;
            let mut messages = self.buffers.iter_mut().zip(lengths).take(count);
            taken += count as u64;
            if self.batch_verdict {
                let (last, length) = messages.next_back().ok_or("no packet came")?;
                net::send(
                    &self.socket,
                    &head(BATCH_VERDICT, &last[..length], 0)[..VERDICT_BYTES],
                    SendFlags::empty(),
                )?;
                continue;
            }
            let mut heads = [[0; HEAD_BYTES]; BATCH];
            let mut parts = [IoSlice::new(&[]); 2 * BATCH];
            for (((message, length), head_of), parts) in messages.zip(&mut heads).zip(parts.chunks_exact_mut(2)) {
                let message = &mut message[..length];
                let payload = if self.replace { changed(message) } else { 0..0 };
                *head_of = head(VERDICT, message, payload.len());
                let used = if self.replace { HEAD_BYTES } else { VERDICT_BYTES };
                parts[0] = IoSlice::new(&head_of[..used]);
                parts[1] = IoSlice::new(&message[payload]);
            }
            send(&self.socket, &parts[..2 * count])?;
        }
        Ok(taken)
    }
}

fn send(socket: &OwnedFd, parts: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    net::sendmsg(socket, parts, &mut SendAncillaryBuffer::default(), SendFlags::empty())
}

/// Returns the headers of a message that accepts the packet of `message`; as a batch verdict, also
/// all packets before it. If `length` is 0, the first 32 bytes are the whole message; otherwise a
/// replacement of `length` bytes has to follow the 36 bytes.
fn head(kind: u16, message: &[u8], length: usize) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    let whole = if length == 0 {
        VERDICT_BYTES
    } else {
        HEAD_BYTES + length
    } as u32;
    head[..4].copy_from_slice(&whole.to_ne_bytes());
    head[4..6].copy_from_slice(&kind.to_ne_bytes());
    head[6] = 1;
    head[18..20].copy_from_slice(&QUEUE.to_be_bytes());
    head[20..22].copy_from_slice(&12_u16.to_ne_bytes());
    head[22..24].copy_from_slice(&2_u16.to_ne_bytes());
    head[24..28].copy_from_slice(&1_u32.to_be_bytes());
    head[28..32].copy_from_slice(&message[ID..ID + 4]);
    head[32..34].copy_from_slice(&(length as u16 + 4).to_ne_bytes());
    head[34..36].copy_from_slice(&10_u16.to_ne_bytes());
    head
}

/// Changes the last byte of the packet in a message. Returns the range of the message that holds
/// the packet.
fn changed(message: &mut [u8]) -> std::ops::Range<usize> {
    let mut at = 20;
    let number = |at: usize, message: &[u8]| usize::from(u16::from_ne_bytes([message[at], message[at + 1]]));
    loop {
        let length = number(at, message);
        if number(at + 2, message) == 10 {
            break;
        }
        at += length.next_multiple_of(4);
    }
    let payload = at + 4..at + number(at, message);
    message[payload.end - 1] ^= 0xff;
    payload
}

/// Changes the packet's last byte, and returns a message that accepts the packet with this change.
/// It is a part of `message`: its headers are written over the 36 bytes right before the packet.
fn replaced(message: &mut [u8]) -> &[u8] {
    let payload = changed(message);
    let head = head(VERDICT, message, payload.len());
    let begin = payload.start - HEAD_BYTES;
    message[begin..payload.start].copy_from_slice(&head);
    &message[begin..payload.end]
}

/// Returns a socket that receives the queue's packets, in the task's copy mode.
fn open(task: Task) -> Result<OwnedFd, Failed> {
    let protocol = NonZeroU32::new(12).map(Protocol::from_raw);
    let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    net::bind(&socket, &netlink::SocketAddrNetlink::new(0, 0))?;
    sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
    let copy_mode = if task.meta { 1 } else { 2 };
    let parameters = [&u32::from(RANGE).to_be_bytes()[..], &[copy_mode]].concat();
    let bind = [1, 0, 0, 2];
    for (kind, content) in [(1, &bind[..]), (2, &parameters), (3, &MAX_LENGTH.to_be_bytes())] {
        configure(&socket, kind, content)?;
    }
    Ok(socket)
}

/// Sends a CONFIG message with one attribute, and waits for the acknowledgement. A refusal by the
/// kernel is an error.
fn configure(socket: &OwnedFd, kind: u16, content: &[u8]) -> Result<(), Failed> {
    const REQUEST_AND_ACKNOWLEDGE: u16 = 5;
    let attribute = [
        &(4 + content.len() as u16).to_ne_bytes()[..],
        &kind.to_ne_bytes(),
        content,
        &[0; 3][..content.len().next_multiple_of(4) - content.len()],
    ]
    .concat();
    let message = [
        &(20 + attribute.len() as u32).to_ne_bytes()[..],
        &CONFIG.to_ne_bytes(),
        &REQUEST_AND_ACKNOWLEDGE.to_ne_bytes(),
        &[0; 10],
        &QUEUE.to_be_bytes(),
        &attribute,
    ]
    .concat();
    net::send(socket, &message, SendFlags::empty())?;
    let mut answer = [0; 256];
    net::recv(socket, &mut answer[..], RecvFlags::empty())?;
    match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
        0 => Ok(()),
        error => Err(std::io::Error::from_raw_os_error(-error).into()),
    }
}
