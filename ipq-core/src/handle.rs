//! libipq's logic: attach to a queue, read what the kernel sends, give verdicts, and say precisely what failed.
//!
//! [`Handle`] is everything that libipq decides, over a [`Transport`] that decides nothing. So the code that is tested
//! on an emulator is the code that runs on a kernel.

#![expect(
    clippy::inline_always,
    reason = "no function returns after a system call: see what a call costs in `transport::netlink`"
)]

mod error;
#[cfg(feature = "etherparse")]
mod headers;
mod many;
mod polled;
mod refusal;
mod run;

pub use crate::error_number::ErrorNumber;
pub use error::Error;
#[cfg(feature = "etherparse")]
pub use headers::repair_checksums;
pub use many::{Buffers, Decision, Messages};
pub use refusal::Refusal;
pub use run::{QueuedPacket, RunError};

use crate::family::Family;
use crate::transport::{Datagram, Transport, TransportError, Wait};
use crate::wire::{
    Abi, CopyMode, Envelope, ErrorMessage, Header, Message, MessageMut, ModeRequest, PacketId, PortId, Verdict,
    VerdictRequest,
};
use std::io::IoSlice;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// A program's end of a queue.
///
/// Dropping it closes its transport, and with that the queue resets: every packet still in it is dropped (ATT-4).
///
/// Methods take `&self`: one thread may read while another gives verdicts, if the transport can be shared.
#[doc(alias("ipq_handle", "ipq_create_handle", "ipq_destroy_handle"))]
#[derive(Debug)]
pub struct Handle<T> {
    overruns: AtomicU64,
    last_error: AtomicU8,
    transport: T,
}

impl<T: Transport> Handle<T> {
    /// A handle over an open transport. Nothing is sent, so the queue does not know of it yet: the first message
    /// attaches (ATT-2, ATT-6).
    #[must_use]
    pub const fn new(transport: T) -> Self {
        Self {
            overruns: AtomicU64::new(0),
            last_error: AtomicU8::new(0),
            transport,
        }
    }

    /// Says how much of each packet the kernel is to hand over, and attaches to the queue if that has not been done.
    /// Returns the bytes sent (LIB-2).
    ///
    /// `range` is in bytes, counts in mode PACKET only, and 0 asks for whole packets; the kernel takes at most 65,535
    /// (MSG-8). A refusal, [`Errno::EBUSY`](crate::Errno::EBUSY) or [`Errno::EPERM`](crate::Errno::EPERM) for example,
    /// comes as an error message to the next [`read`](Self::read); success is silent (MSG-10).
    #[doc(alias = "ipq_set_mode")]
    pub fn set_mode(&self, mode: CopyMode, range: u64) -> Result<usize, Error> {
        let head = ModeRequest { mode, range }.head(self.abi(), self.envelope());
        self.send(&[IoSlice::new(&head)])
    }

    /// Decides about a packet, and replaces its bytes if `replacement` is some and not empty (VER-5 to VER-8: the
    /// kernel neither checks it nor mends checksums). Returns the bytes sent (LIB-2).
    ///
    /// A refusal, [`Errno::ENOENT`](crate::Errno::ENOENT) for an unknown packet id for example, comes as an error message
    /// to the next [`read`](Self::read); success is silent.
    #[doc(alias = "ipq_set_verdict")]
    #[inline(always)]
    pub fn set_verdict(
        &self,
        packet_id: PacketId,
        verdict: Verdict,
        replacement: Option<&[u8]>,
    ) -> Result<usize, Error> {
        let payload = replacement.unwrap_or_default();
        let request = VerdictRequest {
            verdict,
            packet_id,
            data_len: payload.len() as u64,
        };
        self.send_verdict(request, payload)
    }

    /// Sends a verdict whose stated length need not be its payload's: C programs state what they like (LIB-11).
    #[inline(always)]
    pub(crate) fn send_verdict(&self, request: VerdictRequest, payload: &[u8]) -> Result<usize, Error> {
        let mut room = [0; VerdictRequest::HEAD_BYTES];
        let head = request.write_head(&mut room, self.abi(), self.envelope(), payload.len());
        self.send(&[IoSlice::new(head), IoSlice::new(payload)])
    }

    /// Reads one message from the kernel into `buffer`, which must have room for at least 20 bytes, and for whole packets
    /// needs [`buffer_for`](Self::buffer_for) the copy range.
    ///
    /// A datagram that is refused, because another program sent it or it is damaged, changes nothing here: the next call
    /// reads the next.
    #[doc(alias("ipq_read", "ipq_get_packet", "ipq_get_msgerr"))]
    #[inline(always)]
    pub fn read<'b>(&self, buffer: &'b mut [u8], wait: Wait) -> Result<Message<'b>, Error> {
        let read = self.read_datagram(buffer, wait)?;
        self.parse(&buffer[..read])
    }

    /// As [`read`](Self::read), with the same errors; but a packet can be changed where it is, and given back without having been
    /// copied. The copy range must be as long as packets are, since one that is given back shorter is cut (VER-7), and checksums are
    /// the program's matter (VER-8).
    ///
    /// ```
    /// use ipq_core::{Handle, Transport, Verdict, Wait, wire::MessageMut};
    ///
    /// /// Lets a packet go on with another last byte.
    /// fn change(handle: &Handle<impl Transport>, buffer: &mut [u8]) -> Result<(), ipq_core::Error> {
    ///     if let MessageMut::Packet(packet) = handle.read_mut(buffer, Wait::Forever)? {
    ///         let (id, bytes) = (packet.packet_id(), packet.into_payload());
    ///         if let Some(last) = bytes.last_mut() {
    ///             *last ^= 0xff;
    ///         }
    ///         handle.set_verdict(id, Verdict::Accept, Some(bytes))?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[inline(always)]
    pub fn read_mut<'b>(&self, buffer: &'b mut [u8], wait: Wait) -> Result<MessageMut<'b>, Error> {
        let read = self.read_datagram(buffer, wait)?;
        self.parse_mut(&mut buffer[..read])
    }

    /// Reads one datagram from the kernel, checks what libipq checked (LIB-3), and returns its length without looking at
    /// the message in it. [`read`](Self::read) is what Rust programs want.
    #[inline(always)]
    pub fn read_datagram(&self, buffer: &mut [u8], wait: Wait) -> Result<usize, Error> {
        self.has_room(buffer.len())?;
        let received = self.transport.receive(buffer, wait);
        self.received(buffer, received, wait)
    }

    /// How long a buffer should be, in bytes, to read any packet that is queued with copy range `range`, and the answer to any
    /// verdict whose replacement is no longer than the range. That is 400 bytes more than such a packet needs: what an nfnetlink
    /// queue says about a packet is longer than what `ip_queue` said, and a buffer that has room for it costs it less.
    ///
    /// As in [`set_mode`](Self::set_mode), range 0 stands for whole packets: 65,575 bytes, IPv6's longest without a jumbo
    /// payload. A larger range than 65,535 is cut to that by the kernel (MSG-8).
    #[must_use]
    pub fn buffer_for(&self, range: usize) -> usize {
        const SPARE: usize = 400;
        let payload = match range {
            0 => Family::Ipv6.header_length() + usize::from(u16::MAX),
            range => range.min(usize::from(u16::MAX)),
        };
        Header::BYTES + self.abi().packet_message_bytes() + payload.next_multiple_of(4) + SPARE
    }

    /// How often the kernel has reported that datagrams for this handle were lost for want of room in its receive buffer
    /// (SOCK-4). Each report stands for at least one lost packet or reply.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns.load(Ordering::Relaxed)
    }

    /// The libipq number of the last error of this handle. As in libipq a success does not clear it (LIB-12); unlike there
    /// it is the handle's own (LIB-7).
    #[doc(alias("ipq_errno", "ipq_errstr"))]
    #[must_use]
    pub fn last_error(&self) -> ErrorNumber {
        ErrorNumber::from_number(i32::from(self.last_error.load(Ordering::Relaxed)))
    }

    /// The port id that requests carry.
    #[must_use]
    pub fn port_id(&self) -> PortId {
        self.transport.port_id()
    }

    /// What the handle stands on, for its options.
    #[must_use]
    pub const fn transport(&self) -> &T {
        &self.transport
    }

    /// Gives the transport back, still open.
    #[must_use]
    pub fn into_transport(self) -> T {
        self.transport
    }

    fn abi(&self) -> Abi {
        self.transport.abi()
    }

    fn envelope(&self) -> Envelope {
        Envelope::request(self.transport.port_id())
    }

    #[inline(always)]
    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, Error> {
        let stated = parts.iter().map(|part| part.len()).sum();
        self.sent(self.transport.send(parts), stated)
    }

    /// What a transport made of sending `stated` bytes, for the program.
    #[inline(always)]
    fn sent(&self, result: Result<usize, TransportError>, stated: usize) -> Result<usize, Error> {
        match result {
            Ok(sent) if sent < stated => Err(self.note(Error::SentShort { sent, stated })),
            Ok(sent) => Ok(sent),
            Err(error) => Err(self.note(Error::Send(error))),
        }
    }

    /// Refuses a buffer that has no room for the smallest message.
    #[inline(always)]
    fn has_room(&self, length: usize) -> Result<(), Error> {
        if length < ErrorMessage::BYTES {
            return Err(self.note(Error::BufferTooSmall { length }));
        }
        Ok(())
    }

    /// What a transport made of receiving into `buffer`, for the program: how many bytes are a message's.
    #[inline(always)]
    fn received(&self, buffer: &[u8], result: Result<Datagram, TransportError>, wait: Wait) -> Result<usize, Error> {
        result
            .map_err(|error| Error::from_receive(error, wait))
            .and_then(|datagram| check(buffer, datagram, self.abi()))
            .map_err(|error| self.note(error))
    }

    fn parse<'b>(&self, datagram: &'b [u8]) -> Result<Message<'b>, Error> {
        Message::parse(datagram, self.abi()).map_err(|error| self.note(Error::Malformed(error)))
    }

    #[inline(always)]
    fn parse_mut<'b>(&self, datagram: &'b mut [u8]) -> Result<MessageMut<'b>, Error> {
        MessageMut::parse(datagram, self.abi()).map_err(|error| self.note(Error::Malformed(error)))
    }

    /// Keeps the books on an error that is about to be returned.
    #[cold]
    fn note(&self, error: Error) -> Error {
        if error == Error::Overrun {
            self.overruns.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(number) = error.number() {
            self.last_error.store(number as u8, Ordering::Relaxed);
        }
        error
    }
}

/// What libipq checked of a datagram, in its order (LIB-3).
fn check(buffer: &[u8], datagram: Datagram, abi: Abi) -> Result<usize, Error> {
    let Datagram { copied, length, sender } = datagram;
    // A transport that says more than it did must not make us read past what it wrote.
    let read = copied.min(length).min(buffer.len());
    if sender != PortId::KERNEL {
        return Err(Error::ForeignSender { sender });
    }
    if length == 0 {
        return Err(Error::EndOfFile);
    }
    let stated = Header::parse(&buffer[..read], abi).map_or(Header::BYTES, |header| header.length as usize);
    let whole = stated.max(length);
    if whole > read {
        return Err(Error::Truncated { read, whole });
    }
    Ok(read)
}

impl Error {
    /// How long the caller wanted to wait decides what libipq calls a signal (LIB-3).
    fn from_receive(error: TransportError, wait: Wait) -> Self {
        match error {
            TransportError::TimedOut => Self::TimedOut,
            TransportError::Interrupted => Self::Interrupted {
                forever: wait == Wait::Forever,
            },
            TransportError::Overrun => Self::Overrun,
            other => Self::Receive(other),
        }
    }
}
