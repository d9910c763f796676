//! A netlink socket that a case has opened, and what the socket receives.

use super::{CaseResult, Subject, errno_of, expect_bytes, wrong_answer};
use crate::decode::{self, Kind};
use crate::suite::kernels;
use crate::suite::{Request, Stopped};
use crate::world::{Observation, Received, Step};
use bytes::Bytes;
use ipq_core::wire::{Envelope, ErrorMessage, Header, Message, PacketMetadata, PortId, padding};
use ipq_core::{CopyMode, Errno, Family, PacketId, Verdict};
use std::ops::Deref;
use std::time::Duration;

/// The length of a receive call's buffer in bytes, if the case does not choose one: more than the
/// largest packet message.
const BUFFER_BYTES: usize = 1 << 17;

/// A netlink socket that a case has opened. It stays open until [`close`](Socket::close), or until
/// the case ends; dropping this value does not close it.
#[derive(Clone, Debug)]
pub struct Socket<'s> {
    subject: &'s Subject,
    name: String,
    protocol: i32,
    port_id: PortId,
}

impl<'s> Socket<'s> {
    pub(super) const fn new(subject: &'s Subject, name: String, protocol: i32, port_id: PortId) -> Self {
        Self {
            subject,
            name,
            protocol,
            port_id,
        }
    }

    /// Returns the name by which steps refer to the socket.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the port id that the socket was bound to when it was opened; 0 if it was opened
    /// unbound.
    #[must_use]
    pub const fn port_id(&self) -> PortId {
        self.port_id
    }

    /// Returns the family whose `ip_queue` uses the socket's netlink protocol; `None` for a
    /// protocol that no `ip_queue` uses.
    #[must_use]
    pub const fn family(&self) -> Option<Family> {
        Family::from_netlink_protocol(self.protocol)
    }

    /// Returns the subject that the socket belongs to.
    #[must_use]
    pub const fn subject(&self) -> &'s Subject {
        self.subject
    }

    // Sending.

    /// Sends a MODE message with this copy mode and range, and the flag REQUEST alone. Reads no
    /// answer. Fails unless the whole message is sent.
    #[track_caller]
    pub fn set_mode(&self, mode: CopyMode, range: u64) -> CaseResult {
        self.request(&Request::mode(mode, range)).map(drop)
    }

    /// Sends a VERDICT message without a replacement, and with the flag REQUEST alone. Reads no
    /// answer. Fails unless the whole message is sent.
    #[track_caller]
    pub fn verdict(&self, packet_id: PacketId, verdict: Verdict) -> CaseResult {
        self.request(&Request::verdict(packet_id, verdict)).map(drop)
    }

    /// Sends a VERDICT message that accepts a packet with a replacement, and has the flag REQUEST
    /// alone. Reads no answer. Fails unless the whole message is sent.
    #[track_caller]
    pub fn replace(&self, packet_id: PacketId, replacement: &[u8]) -> CaseResult {
        self.request(&Request::verdict(packet_id, Verdict::Accept).replacement(replacement))
            .map(drop)
    }

    /// Sends a request, and returns the datagram sent, to compare with what an answer quotes. The
    /// header has the socket's port id, unless the request sets another. Reads no answer. Fails
    /// unless the whole datagram is sent.
    #[track_caller]
    pub fn request(&self, request: &Request) -> Result<Bytes, Stopped> {
        let bytes = request.bytes(self.subject.abi(), self.port_id);
        self.send(&bytes)?;
        Ok(bytes)
    }

    /// Sends a datagram to the kernel. Fails unless the whole datagram is sent.
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) -> CaseResult {
        let sent = self.try_send(None, bytes)?;
        self.subject
            .equal("what the send call returned", &Ok(bytes.len()), &sent)
    }

    /// Sends a datagram to the kernel, or to the port id `to`. Returns the result of the send call:
    /// the number of bytes, or the errno.
    #[track_caller]
    pub fn try_send(&self, to: Option<PortId>, bytes: &[u8]) -> Result<Result<usize, Errno>, Stopped> {
        let step = Step::Send {
            socket: self.name.clone(),
            to: to.map(|port_id| port_id.0),
            bytes: Bytes::copy_from_slice(bytes),
        };
        match self.subject.step(&step)? {
            Observation::Send { sent: -1, errno } if errno != 0 => Ok(Err(errno_of(errno))),
            Observation::Send { sent, errno: 0 } if sent >= 0 => Ok(Ok(usize::try_from(sent).unwrap_or(usize::MAX))),
            other => Err(wrong_answer(&step, &other)),
        }
    }

    // Receiving.

    /// Makes one receive call that does not wait, with a buffer of 128 KiB. Returns the call's
    /// result, which may be an errno or that there is nothing.
    #[track_caller]
    pub fn receive(&self) -> Result<Received, Stopped> {
        self.receive_into(BUFFER_BYTES)
    }

    /// Makes one receive call that does not wait, with a buffer of `size` bytes. Returns the call's
    /// result, which may be an errno or that there is nothing.
    #[track_caller]
    pub fn receive_into(&self, size: usize) -> Result<Received, Stopped> {
        let step = Step::Receive {
            socket: self.name.clone(),
            size,
        };
        match self.subject.step(&step)? {
            Observation::Receive(received) => Ok(received),
            other => Err(wrong_answer(&step, &other)),
        }
    }

    /// Makes a receive call that does not wait. Fails if the call receives a datagram or an error.
    #[track_caller]
    pub fn expect_nothing(&self) -> CaseResult {
        match self.receive()? {
            Received::Nothing => Ok(()),
            other => Err(self.unexpected("nothing", &other)),
        }
    }

    /// Makes a receive call that does not wait. Fails unless the call fails with ENOBUFS.
    #[track_caller]
    pub fn expect_overrun(&self) -> CaseResult {
        match self.receive()? {
            Received::Error { errno } if errno == i64::from(Errno::ENOBUFS.0) => Ok(()),
            other => Err(self.unexpected("ENOBUFS", &other)),
        }
    }

    /// Returns the next datagram, without waiting for it. Fails if there is none, if the receive
    /// call fails, or if the datagram does not come from the kernel.
    #[track_caller]
    pub fn expect_frame(&self) -> Result<Bytes, Stopped> {
        match self.receive()? {
            Received::Frame { bytes, sender: 0 } => Ok(bytes),
            other => Err(self.unexpected("a frame from the kernel", &other)),
        }
    }

    /// Returns the next datagram as a packet, without waiting for it. Fails unless the datagram is
    /// a whole PACKET message from the kernel.
    #[track_caller]
    pub fn expect_packet(&self) -> Result<ReceivedPacket, Stopped> {
        let frame = self.expect_frame()?;
        let abi = self.subject.abi();
        match Message::parse(&frame, abi) {
            Ok(Message::Packet(packet)) => Ok(ReceivedPacket {
                metadata: packet.metadata(),
                payload: Bytes::copy_from_slice(packet.payload()),
                frame,
            }),
            _ => Err(Stopped::failed("the frame is no packet").details(decode::dump(&frame, Kind::Netlink(abi)))),
        }
    }

    /// Expects that the next datagram is the error `errno` in answer to the message `quoted`, byte
    /// for byte. The error must quote the message up to the length that the message's header states
    /// (WIRE-6, ERR-3), or before Linux 2.6.29 only the header (ERA-1).
    #[track_caller]
    pub fn expect_error(&self, errno: Errno, quoted: &[u8]) -> CaseResult {
        if kernels::is_before(&self.subject.machine().kernel, "2.6.29") {
            let header = quoted.get(..Header::BYTES).unwrap_or(quoted);
            return self.expect_reply(errno.0.wrapping_neg(), header, quoted);
        }
        let stated = Header::parse(quoted, self.subject.abi()).map_or(quoted.len(), |header| header.length as usize);
        self.expect_reply(errno.0.wrapping_neg(), quoted.get(..stated).unwrap_or(quoted), quoted)
    }

    /// Expects that the next datagram acknowledges the message `request` and quotes its header
    /// only, byte for byte (WIRE-6).
    #[track_caller]
    pub fn expect_ack(&self, request: &[u8]) -> CaseResult {
        self.expect_reply(0, request.get(..Header::BYTES).unwrap_or(request), request)
    }

    #[track_caller]
    fn expect_reply(&self, error: i32, quoted: &[u8], request: &[u8]) -> CaseResult {
        let abi = self.subject.abi();
        let envelope = Envelope {
            sequence: Header::parse(request, abi).map_or(0, |header| header.sequence),
            port_id: self.port_id,
            ..Envelope::default()
        };
        let mut expected = ErrorMessage::head(error, abi, envelope, quoted.len()).to_vec();
        expected.extend_from_slice(quoted);
        expected.resize(expected.len() + padding(expected.len()), 0);
        let seen = self.expect_frame()?;
        expect_bytes("the reply", &expected, &seen, Kind::Netlink(abi))
    }

    /// Receives until nothing is left, and returns the counts of the frames. Goes on after ENOBUFS;
    /// any other error ends the receiving.
    #[track_caller]
    pub fn drain(&self) -> Result<Drained, Stopped> {
        let step = Step::Drain {
            socket: self.name.clone(),
        };
        match self.subject.step(&step)? {
            Observation::Drain {
                frames,
                packets,
                enobufs_before_frame,
            } => Ok(Drained {
                frames,
                packets,
                enobufs_before_frame,
            }),
            other => Err(wrong_answer(&step, &other)),
        }
    }

    // The socket itself.

    /// Sets `SO_RCVBUF` to `bytes`, and returns the size that the system then reports.
    #[track_caller]
    pub fn set_receive_buffer(&self, bytes: i32) -> Result<i64, Stopped> {
        self.buffer_size(&Step::ReceiveBuffer {
            socket: self.name.clone(),
            bytes,
        })
    }

    /// Sets `SO_SNDBUF` to `bytes`, and returns the size that the system then reports.
    #[track_caller]
    pub fn set_send_buffer(&self, bytes: i32) -> Result<i64, Stopped> {
        self.buffer_size(&Step::SendBuffer {
            socket: self.name.clone(),
            bytes,
        })
    }

    #[track_caller]
    fn buffer_size(&self, step: &Step) -> Result<i64, Stopped> {
        match self.subject.step(step)? {
            Observation::BufferSize { actual } => Ok(actual),
            other => Err(wrong_answer(step, &other)),
        }
    }

    /// Switches on the socket's option `NETLINK_NO_ENOBUFS`, by which overruns are not reported
    /// (SOCK-4).
    #[track_caller]
    pub fn set_no_enobufs(&self) -> CaseResult {
        self.subject.act(&Step::NoEnobufs {
            socket: self.name.clone(),
        })
    }

    /// Binds the socket, bound already or not. Returns the errno, `None` if the bind succeeded, and
    /// the port id afterwards, 0 if the socket is unbound.
    #[track_caller]
    pub fn bind(&self, port_id: PortId) -> Result<(Option<Errno>, PortId), Stopped> {
        self.bound(&Step::Bind {
            socket: self.name.clone(),
            port_id: port_id.0,
        })
    }

    /// Asks the system for the port id that the socket is bound to; 0 if it is unbound.
    #[track_caller]
    pub fn bound_to(&self) -> Result<PortId, Stopped> {
        let step = Step::PortId {
            socket: self.name.clone(),
        };
        self.bound(&step).map(|(_, port_id)| port_id)
    }

    #[track_caller]
    fn bound(&self, step: &Step) -> Result<(Option<Errno>, PortId), Stopped> {
        match self.subject.step(step)? {
            Observation::Bind { errno, port_id } => {
                let port_id = u32::try_from(port_id).map(PortId);
                let port_id = port_id.map_err(|_| Stopped::failed("the port id has more than 32 bits"))?;
                Ok(((errno != 0).then(|| errno_of(errno)), port_id))
            }
            other => Err(wrong_answer(step, &other)),
        }
    }

    /// Polls for at most `timeout` of the world's clock. Returns whether a receive call would
    /// return at once, even with an error, and whether an error is pending.
    #[track_caller]
    pub fn poll(&self, timeout: Duration) -> Result<(bool, bool), Stopped> {
        let step = Step::Poll {
            socket: self.name.clone(),
            timeout,
        };
        match self.subject.step(&step)? {
            Observation::Poll { readable, error, .. } => Ok((readable, error)),
            other => Err(wrong_answer(&step, &other)),
        }
    }

    /// Reads `SO_ERROR`, which takes the pending error, and returns the error; `None` if none is
    /// pending.
    #[track_caller]
    pub fn take_error(&self) -> Result<Option<Errno>, Stopped> {
        let step = Step::SocketError {
            socket: self.name.clone(),
        };
        match self.subject.step(&step)? {
            Observation::SocketError { errno } => Ok((errno != 0).then(|| errno_of(errno))),
            other => Err(wrong_answer(&step, &other)),
        }
    }

    /// Creates a second descriptor of the same socket, as fork does, and returns it.
    #[track_caller]
    pub fn duplicate(&self) -> Result<Self, Stopped> {
        let name = format!("{}'", self.name);
        self.subject.act(&Step::Duplicate {
            socket: self.name.clone(),
            duplicate: name.clone(),
        })?;
        Ok(Self { name, ..self.clone() })
    }

    /// Closes this descriptor. The socket closes with its last descriptor.
    #[track_caller]
    pub fn close(self) -> CaseResult {
        self.subject.act(&Step::Close { socket: self.name })
    }

    #[track_caller]
    fn unexpected(&self, expected: &str, seen: &Received) -> Stopped {
        let socket = &self.name;
        match seen {
            Received::Nothing => Stopped::failed(format!("socket {socket:?} has nothing to read, and not {expected}")),
            Received::Error { errno } => Stopped::failed(format!(
                "socket {socket:?} reads the error {}, and not {expected}",
                errno_of(*errno)
            )),
            Received::Frame { bytes, sender } => Stopped::failed(format!(
                "socket {socket:?} reads a frame from port id {sender}, and not {expected}: {}",
                decode::summary(bytes, self.subject.abi())
            ))
            .details(decode::dump(bytes, Kind::Netlink(self.subject.abi()))),
        }
    }
}

/// The counts of the frames that [`Socket::drain`] received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// The number of frames.
    pub frames: i64,
    /// The number of `ip_queue` PACKET messages among the frames. Packet messages of numbered
    /// queues are not counted here.
    pub packets: i64,
    /// The number of frames received before the first ENOBUFS; `None` if ENOBUFS never came.
    pub enobufs_before_frame: Option<i64>,
}

/// A PACKET message that a socket received. It dereferences to its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPacket {
    /// The fields of the PACKET message other than the payload.
    pub metadata: PacketMetadata,
    /// The bytes that were copied of the packet, from its network header on.
    pub payload: Bytes,
    /// The whole datagram.
    pub frame: Bytes,
}

impl ReceivedPacket {
    /// Returns the packet id, which names the packet in a verdict.
    #[must_use]
    pub const fn id(&self) -> PacketId {
        self.metadata.packet_id
    }
}

impl Deref for ReceivedPacket {
    type Target = PacketMetadata;

    fn deref(&self) -> &PacketMetadata {
        &self.metadata
    }
}
