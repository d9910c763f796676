//! `ipq-core`'s handle as a client: the C library's logic without C.

use super::Client;
use crate::suite::{Stopped, Subject, WorldTransport};
use crate::world::{Call, Function, HandleNumber, Observation, Returned, Step};
use bytes::Bytes;
use ipq_core::handle::ErrorNumber;
use ipq_core::wire::{ErrorMessage, Header};
use ipq_core::{CopyMode, Error, Family, PacketId, Verdict, Wait};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// A client whose handles are `ipq-core`'s, over sockets of the world. Each handle has its own
/// error number (LIB-7). The error text in a call's result is for the error number of the last call
/// that tried to create a handle, or that used one other than to destroy it.
#[derive(Debug)]
pub(crate) struct RustClient<'s> {
    subject: &'s Subject,
    /// The handles by number, from 1. A destroyed handle is `None`.
    handles: RefCell<Vec<Option<ipq_core::Handle<WorldTransport<'s>>>>>,
    /// The error number of the last call that tried to create a handle, or that used one other than
    /// to destroy it.
    error: Cell<ErrorNumber>,
    buffer: RefCell<Bytes>,
}

impl<'s> RustClient<'s> {
    pub(crate) const fn new(subject: &'s Subject) -> Self {
        Self {
            subject,
            handles: RefCell::new(Vec::new()),
            error: Cell::new(ErrorNumber::Unknown),
            buffer: RefCell::new(Bytes::new()),
        }
    }

    fn create(&self, protocol: u32) -> Result<i64, Stopped> {
        let Some(family) = Family::from_protocol_family(protocol) else {
            self.error.set(ErrorNumber::InvalidProtocol);
            return Ok(0);
        };
        let handle = self.subject.handle(family)?;
        self.error.set(ErrorNumber::Unknown);
        let mut handles = self.handles.borrow_mut();
        handles.push(Some(handle));
        Ok(handles.len().cast_signed() as i64)
    }

    /// Calls `work` with the handle of this number, stores the handle's error number in `error`,
    /// and returns what `work` returned. Fails if there is no such handle, or if the world could
    /// not do what the handle asked.
    fn with<T>(
        &self,
        HandleNumber(number): HandleNumber,
        work: impl FnOnce(&ipq_core::Handle<WorldTransport<'s>>) -> T,
    ) -> Result<T, Stopped> {
        let handles = self.handles.borrow();
        let handle = (number as usize)
            .checked_sub(1)
            .and_then(|index| handles.get(index)?.as_ref());
        let handle =
            handle.ok_or_else(|| Stopped::broken(format!("in Rust there is no handle {number} to be used")))?;
        let result = work(handle);
        self.error.set(handle.last_error());
        self.subject.take_stopped().map_or(Ok(result), Err)
    }

    fn read(&self, handle: HandleNumber, length: u32, timeout: i32) -> Result<(i64, Bytes), Stopped> {
        let mut buffer = vec![0; length as usize];
        let wait = match u64::try_from(timeout) {
            Err(_) => Wait::Never,
            Ok(0) => Wait::Forever,
            Ok(microseconds) => Wait::For(Duration::from_micros(microseconds)),
        };
        let read = self.with(handle, |handle| handle.read_datagram(&mut buffer, wait))?;
        Ok(match read {
            Ok(read) => {
                let bytes = Bytes::copy_from_slice(&buffer[..read]);
                self.buffer.replace(bytes.clone());
                (read.cast_signed() as i64, bytes)
            }
            Err(Error::TimedOut | Error::Interrupted { forever: false }) => (0, Bytes::new()),
            Err(_) => (-1, Bytes::new()),
        })
    }

    fn sent_before(&self) -> usize {
        self.subject.transcript().steps()
    }

    fn sent_since(&self, before: usize) -> Vec<Bytes> {
        let transcript = self.subject.transcript();
        let sent = transcript
            .events_after(before)
            .iter()
            .filter_map(|event| match (&event.step, &event.seen) {
                (Step::Send { bytes, .. }, Observation::Send { errno: 0, .. }) => Some(bytes.clone()),
                _ => None,
            });
        sent.collect()
    }
}

impl Client for RustClient<'_> {
    fn call(&self, call: &Call) -> Result<Returned, Stopped> {
        let before = self.sent_before();
        let mut bytes = Bytes::new();
        let number = |sent: Result<usize, Error>| sent.map_or(-1, |sent| sent.cast_signed() as i64);
        let value = match &call.function {
            Function::CreateHandle { protocol, .. } => self.create(*protocol)?,
            Function::DestroyHandle { handle } => {
                let place = (handle.0 as usize).checked_sub(1);
                if let Some(place) = place.and_then(|index| self.handles.borrow_mut().get_mut(index)?.take()) {
                    place.into_transport().into_socket().close()?;
                }
                0
            }
            Function::SetMode { handle, mode, range } => {
                number(self.with(*handle, |handle| handle.set_mode(CopyMode::from_wire(*mode), *range))?)
            }
            Function::Read {
                handle,
                length,
                timeout,
            } => {
                let (value, read) = self.read(*handle, *length, *timeout)?;
                bytes = read;
                value
            }
            Function::SetVerdict {
                handle,
                packet_id,
                verdict,
                data_length,
                payload,
            } => {
                let given = payload.as_ref().map_or(0, |payload| payload.len() as u64);
                if given != *data_length {
                    return Err(Stopped::broken("in Rust a payload has the length that it has"));
                }
                let (packet_id, verdict) = (PacketId(*packet_id), Verdict::from_wire(*verdict));
                number(self.with(*handle, |handle| {
                    handle.set_verdict(packet_id, verdict, payload.as_deref())
                })?)
            }
            Function::MessageType => {
                let header = Header::parse(&self.buffer.borrow(), self.subject.abi());
                header.map_or(-1, |header| header.message_type.to_wire().into())
            }
            Function::Packet => Header::BYTES.cast_signed() as i64,
            Function::MessageError => {
                let buffer = self.buffer.borrow();
                let error = buffer
                    .get(Header::BYTES..)
                    .and_then(|body| ErrorMessage::parse(body, self.subject.abi()).ok());
                error.map_or(-1, |error| error.errno().0.into())
            }
            Function::ErrorText => 0,
            other => {
                return Err(Stopped::broken(format!(
                    "only a library for C has {}: a case that needs it says so",
                    other.name()
                )));
            }
        };
        Ok(Returned {
            value,
            text: self.error.get().text().to_owned(),
            bytes,
            sent: self.sent_since(before),
            ..Returned::default()
        })
    }
}
