//! libipq's logic: it attaches to a queue, reads what the kernel sends, gives verdicts, and says
//! precisely what failed.
//!
//! [`Handle`] takes all of libipq's decisions. The [`Transport`] below it takes none and only moves
//! datagrams. So the code that is tested on an emulator is the code that runs on a kernel.

#![expect(
    clippy::inline_always,
    reason = "no function returns after a system call: see what a call costs in `transport::netlink`"
)]

mod error;
#[cfg(feature = "tracing")]
mod events;
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

/// A program's handle on a queue, over a transport.
///
/// Dropping the handle drops its transport. If that closes the last descriptor of the attached
/// socket, the queue is reset: every packet still in it is dropped (ATT-4).
///
/// The methods that read and give verdicts take `&self`, so one thread may read while another gives
/// verdicts, if the transport is `Sync`.
#[doc(alias("ipq_handle", "ipq_create_handle", "ipq_destroy_handle"))]
#[derive(Debug)]
pub struct Handle<T> {
    overruns: AtomicU64,
    last_error: AtomicU8,
    transport: T,
}

impl<T: Transport> Handle<T> {
    /// Makes a handle over an open transport. Nothing is sent, so the queue does not know of the
    /// handle yet: the first request that the handle sends attaches it (ATT-2, ATT-6).
    #[must_use]
    pub const fn new(transport: T) -> Self {
        Self {
            overruns: AtomicU64::new(0),
            last_error: AtomicU8::new(0),
            transport,
        }
    }

    /// Sets how much of each packet the kernel hands over. Attaches to the queue if this handle has
    /// not attached yet. Returns the number of bytes sent (LIB-2).
    ///
    /// `range` is in bytes and counts in mode PACKET only; 0 asks for whole packets. The kernel
    /// keeps its lower 32 bits, and takes a greater number than 65,535 as 65,535 (MSG-8); with an
    /// nfnetlink queue that limit is 65,531. Success is silent (MSG-10). If the queue refuses, this
    /// call succeeds all the same, and a later [`read`](Self::read) reads an error message, for
    /// example [`Errno::EBUSY`](crate::Errno::EBUSY) or [`Errno::EPERM`](crate::Errno::EPERM).
    #[doc(alias = "ipq_set_mode")]
    pub fn set_mode(&self, mode: CopyMode, range: u64) -> Result<usize, Error> {
        #[cfg(feature = "tracing")]
        events::set_mode(self.port_id(), mode, range);
        let head = ModeRequest { mode, range }.head(self.abi(), self.envelope());
        self.send(&[IoSlice::new(&head)])
    }

    /// Gives a verdict on a packet, and replaces the packet's bytes if `replacement` is there and
    /// not empty. A replacement shorter than a fixed IP header is ignored (VER-6). The longest has
    /// 65,535 bytes with `ip_queue` (VER-7), and 65,531 with an nfnetlink queue. Nothing else in it
    /// is checked, and no checksum is mended (VER-8). Returns the number of bytes sent (LIB-2).
    ///
    /// Success is silent. If the queue refuses, this call succeeds all the same, and a later
    /// [`read`](Self::read) reads an error message, for example
    /// [`Errno::ENOENT`](crate::Errno::ENOENT) for an unknown packet id.
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

    /// Sends a verdict with `payload` as the packet's replacement, and returns the number of bytes
    /// sent. The length stated in `request` may differ from the length of `payload`, since C
    /// programs state what they like (LIB-11).
    #[inline(always)]
    pub(crate) fn send_verdict(&self, request: VerdictRequest, payload: &[u8]) -> Result<usize, Error> {
        #[cfg(feature = "tracing")]
        events::gave(self.port_id(), request);
        let mut room = [0; VerdictRequest::HEAD_BYTES];
        let head = request.write_head(&mut room, self.abi(), self.envelope(), payload.len());
        self.send(&[IoSlice::new(head), IoSlice::new(payload)])
    }

    /// Reads one message from the kernel into `buffer`: a packet, or the answer to a request. Waits
    /// for it as `wait` says; if none comes in time, returns [`Error::TimedOut`]. The buffer needs
    /// at least 20 bytes, and for whole packets as many as [`buffer_for`](Self::buffer_for) says.
    ///
    /// A datagram that another program sent, that was cut since the buffer is too short, or that is
    /// no message is an error, and is lost: the next call reads the next datagram.
    #[doc(alias("ipq_read", "ipq_get_packet", "ipq_get_msgerr"))]
    #[inline(always)]
    pub fn read<'b>(&self, buffer: &'b mut [u8], wait: Wait) -> Result<Message<'b>, Error> {
        let read = self.read_datagram(buffer, wait)?;
        self.parse(&buffer[..read])
    }

    /// Reads one message as [`read`](Self::read) does, with the same errors, but lets the program
    /// change a packet in the buffer. The packet can be given back without a copy. The copy range
    /// must be as long as packets are, since a packet that is given back shorter is cut (VER-7).
    /// The program must mend the checksums (VER-8).
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

    /// Reads one datagram from the kernel into `buffer`, and returns the number of bytes read.
    /// Checks what libipq checked, and returns an error if the buffer has less than 20 bytes, if
    /// the sender is not the kernel, or if the datagram is empty or cut (LIB-3). Does not parse the
    /// message; Rust programs want [`read`](Self::read).
    #[inline(always)]
    pub fn read_datagram(&self, buffer: &mut [u8], wait: Wait) -> Result<usize, Error> {
        self.has_room(buffer.len())?;
        let received = self.transport.receive(buffer, wait);
        self.received(buffer, received, wait)
    }

    /// Returns the length in bytes that a buffer needs to read any packet with copy range `range`,
    /// and the answer to any verdict whose replacement is no longer than the range. The length
    /// includes 400 bytes to spare: an nfnetlink queue says more about a packet than `ip_queue`
    /// did, and room for that makes reading cheaper.
    ///
    /// As in [`set_mode`](Self::set_mode), range 0 stands for whole packets. Then there is room for
    /// a packet of 65,575 bytes, IPv6's longest without a jumbo payload. The kernel cuts a range
    /// over 65,535 to that (MSG-8).
    #[must_use]
    pub fn buffer_for(&self, range: usize) -> usize {
        const SPARE: usize = 400;
        let payload = match range {
            0 => Family::Ipv6.header_length() + usize::from(u16::MAX),
            range => range.min(usize::from(u16::MAX)),
        };
        Header::BYTES + self.abi().packet_message_bytes() + payload.next_multiple_of(4) + SPARE
    }

    /// Returns the number of times that reading by this handle reported an overrun of its receive
    /// buffer (SOCK-4). Each report stands for at least one lost packet or reply.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns.load(Ordering::Relaxed)
    }

    /// Returns the libipq number of this handle's last error, which is [`ErrorNumber::Unknown`] if
    /// there was none. As in libipq, a success does not clear the error (LIB-12), and a signal
    /// during a wait with a time limit does not count as an error. Unlike in libipq, each handle
    /// has its own last error (LIB-7).
    #[doc(alias("ipq_errno", "ipq_errstr"))]
    #[must_use]
    pub fn last_error(&self) -> ErrorNumber {
        ErrorNumber::from_number(i32::from(self.last_error.load(Ordering::Relaxed)))
    }

    /// Returns the port id in this handle's requests.
    #[must_use]
    pub fn port_id(&self) -> PortId {
        self.transport.port_id()
    }

    /// Returns the transport below the handle, for example to set its options.
    #[must_use]
    pub const fn transport(&self) -> &T {
        &self.transport
    }

    /// Gives the handle up, and returns its transport, still open.
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

    /// Turns the transport's result of sending a message of `stated` bytes into the handle's
    /// result. If fewer bytes were sent, that is an error. Records every error.
    #[inline(always)]
    fn sent(&self, result: Result<usize, TransportError>, stated: usize) -> Result<usize, Error> {
        match result {
            Ok(sent) if sent < stated => Err(self.note(Error::SentShort { sent, stated })),
            Ok(sent) => Ok(sent),
            Err(error) => Err(self.note(Error::Send(error))),
        }
    }

    /// Checks that a buffer of `length` bytes has room for the smallest message, which has 20. If
    /// not, records and returns an error.
    #[inline(always)]
    fn has_room(&self, length: usize) -> Result<(), Error> {
        if length < ErrorMessage::BYTES {
            return Err(self.note(Error::BufferTooSmall { length }));
        }
        Ok(())
    }

    /// Turns the transport's result of receiving into `buffer` into the handle's result: the number
    /// of bytes read, after libipq's checks of the datagram. Records every error. `wait` is what
    /// the caller asked for; it tells what a signal means.
    #[inline(always)]
    fn received(&self, buffer: &[u8], result: Result<Datagram, TransportError>, wait: Wait) -> Result<usize, Error> {
        result
            .map_err(|error| Error::from_receive(error, wait))
            .and_then(|datagram| check(buffer, datagram, self.abi()))
            .map_err(|error| self.note(error))
    }

    fn parse<'b>(&self, datagram: &'b [u8]) -> Result<Message<'b>, Error> {
        let message = Message::parse(datagram, self.abi()).map_err(|error| self.note(Error::Malformed(error)));
        #[cfg(feature = "tracing")]
        if let Ok(message) = &message {
            events::read(self.port_id(), message);
        }
        message
    }

    #[inline(always)]
    fn parse_mut<'b>(&self, datagram: &'b mut [u8]) -> Result<MessageMut<'b>, Error> {
        let message = MessageMut::parse(datagram, self.abi()).map_err(|error| self.note(Error::Malformed(error)));
        #[cfg(feature = "tracing")]
        if let Ok(message) = &message {
            events::read_mut(self.port_id(), message);
        }
        message
    }

    /// Records `error` as this handle's last error, if libipq has a number for it, counts it if it
    /// is an overrun, and returns it.
    #[cold]
    fn note(&self, error: Error) -> Error {
        #[cfg(feature = "tracing")]
        events::failed(self.port_id(), error);
        if error == Error::Overrun {
            self.overruns.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(number) = error.number() {
            self.last_error.store(number as u8, Ordering::Relaxed);
        }
        error
    }
}

/// Checks a datagram in libipq's order: that the kernel sent it, that it has bytes, and that none
/// of them are missing (LIB-3). Bytes are missing if it is longer than the buffer, if it has no
/// whole header, or if its header states more than were read. Returns the number of its bytes in
/// `buffer`, or the error of the first check that fails.
fn check(buffer: &[u8], datagram: Datagram, abi: Abi) -> Result<usize, Error> {
    let Datagram { copied, length, sender } = datagram;
    // A transport that states more bytes than it wrote must not make us read past them.
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
    /// Returns the handle's error for a transport's error of receiving. For a signal, the error
    /// tells if `wait` was [`Wait::Forever`], which libipq distinguished (LIB-3).
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
