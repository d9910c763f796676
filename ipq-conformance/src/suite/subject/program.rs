//! A program that uses the libipq under test. Cases call the library through it.

use super::{CaseResult, Stopped, Subject};
use crate::decode::Kind;
use crate::suite::Outcome;
use crate::suite::client::{Client, RustClient};
use crate::world::{Call, Called, Function, HandleNumber, HandleState, Observation, Returned, Step};
use bytes::Bytes;
use ipq_core::handle::ErrorNumber;
use ipq_core::wire::{Header, Message, PacketId};
use ipq_core::{CopyMode, Family, PortId, Verdict};
use std::fmt;
use std::panic::Location;

/// The length of a read buffer in bytes, if the case does not choose one.
const BUFFER_BYTES: u32 = 1 << 17;

/// A program with the libipq under test: the world's own if the world has one, and otherwise
/// `ipq-core`'s handle over the world's sockets.
pub struct Program<'s> {
    subject: &'s Subject,
    client: Box<dyn Client + 's>,
}

impl Subject {
    /// Returns a program that uses the libipq under test.
    pub fn program(&self) -> Program<'_> {
        let client: Box<dyn Client> = if self.has_libipq() {
            Box::new(WorldClient { subject: self })
        } else {
            Box::new(RustClient::new(self))
        };
        Program { subject: self, client }
    }
}

impl Program<'_> {
    /// Makes the call `call`, and returns its results. Fails if the call could not be made, did not
    /// return, or wrote past the end of its buffer.
    #[track_caller]
    pub fn call(&self, call: &Call) -> Result<Returned, Stopped> {
        let place = Location::caller();
        self.client.call(call).map_err(|stopped| stopped.at(place))
    }

    /// Calls a function on the first thread, with errno 0 before the call and without signals.
    /// Returns the results, also if the function failed.
    #[track_caller]
    pub fn run(&self, function: Function) -> Result<Returned, Stopped> {
        self.run_with(0, function)
    }

    /// Calls a function on the first thread, with this errno before the call and without signals.
    /// Returns the results, also if the function failed.
    #[track_caller]
    pub fn run_with(&self, errno: i32, function: Function) -> Result<Returned, Stopped> {
        self.call(&Call {
            thread: 0,
            errno,
            signals: false,
            function,
        })
    }

    /// Calls `ipq_create_handle(0, …)` for the queue of `family`. Fails if the call returns NULL.
    #[track_caller]
    pub fn create(&self, family: Family) -> Result<HandleNumber, Stopped> {
        let created = self.try_create(protocol_family(family))?;
        match u32::try_from(created.value) {
            Ok(number @ 1..) => Ok(HandleNumber(number)),
            _ => Err(Stopped::failed(format!(
                "ipq_create_handle returned NULL, {:?}, errno {:?}",
                created.text, created.errno
            ))),
        }
    }

    /// Calls `ipq_create_handle(0, protocol)`, and returns the results, also if the call returned
    /// NULL. `protocol` is the number of a protocol family in C, such as 2 for IPv4, and may be one
    /// that libipq refuses.
    #[track_caller]
    pub fn try_create(&self, protocol: u32) -> Result<Returned, Stopped> {
        self.run(Function::CreateHandle { flags: 0, protocol })
    }

    /// Creates a handle for the queue of `family`, and sets copy mode PACKET with range 0, for
    /// whole packets. Fails unless both calls succeed.
    #[track_caller]
    pub fn attach(&self, family: Family) -> Result<HandleNumber, Stopped> {
        let handle = self.create(family)?;
        self.succeeds(&self.set_mode(handle, CopyMode::Packet, 0)?)?;
        Ok(handle)
    }

    /// Calls `ipq_set_mode` with this copy mode and range. Returns the results, also if the call
    /// failed.
    #[track_caller]
    pub fn set_mode(&self, handle: HandleNumber, mode: CopyMode, range: u64) -> Result<Returned, Stopped> {
        self.run(Function::SetMode {
            handle,
            mode: mode.to_wire(),
            range,
        })
    }

    /// Calls `ipq_read` with a buffer of 128 KiB. Returns the results, also if the call failed or
    /// read nothing. `timeout` is in microseconds: 0 waits for ever, and a negative one not at all.
    #[track_caller]
    pub fn read(&self, handle: HandleNumber, timeout: i32) -> Result<Returned, Stopped> {
        self.read_into(handle, BUFFER_BYTES, timeout)
    }

    /// Calls `ipq_read` with a buffer of `length` bytes. Returns the results, also if the call
    /// failed or read nothing. `timeout` is in microseconds: 0 waits for ever, and a negative one
    /// not at all.
    #[track_caller]
    pub fn read_into(&self, handle: HandleNumber, length: u32, timeout: i32) -> Result<Returned, Stopped> {
        self.run(Function::Read {
            handle,
            length,
            timeout,
        })
    }

    /// Calls `ipq_read` without waiting. Returns the packet id and the payload of the PACKET
    /// message that the call read. Fails if the call read no such message, or not the whole of one.
    #[track_caller]
    pub fn expect_packet(&self, handle: HandleNumber) -> Result<(PacketId, Bytes), Stopped> {
        let read = self.read(handle, -1)?;
        match Message::parse(&read.bytes, self.subject.abi()) {
            Ok(Message::Packet(packet)) if read.value > 0 => {
                Ok((packet.packet_id(), Bytes::copy_from_slice(packet.payload())))
            }
            other => Err(Stopped::failed(format!(
                "a packet was expected, and this came: {read}; {other:?}"
            ))),
        }
    }

    /// Calls `ipq_set_verdict`. Returns the results, also if the call failed. With a `replacement`
    /// of `None` the payload is NULL and its length 0.
    #[track_caller]
    pub fn set_verdict(
        &self,
        handle: HandleNumber,
        PacketId(packet_id): PacketId,
        verdict: Verdict,
        replacement: Option<&[u8]>,
    ) -> Result<Returned, Stopped> {
        self.run(Function::SetVerdict {
            handle,
            packet_id,
            verdict: verdict.to_wire(),
            data_length: replacement.map_or(0, |payload| payload.len() as u64),
            payload: replacement.map(Bytes::copy_from_slice),
        })
    }

    /// Returns the state of a handle's structure (LIB-8): the descriptor, the netlink addresses of
    /// the handle's socket and of the kernel, and whether the descriptor has something to read.
    /// Only a libipq for C has the structure; with `ipq-core`'s handle the case is broken.
    #[track_caller]
    pub fn inspect(&self, handle: HandleNumber) -> Result<HandleState, Stopped> {
        let inspected = self.run(Function::Inspect { handle })?;
        inspected
            .public
            .ok_or_else(|| Stopped::broken("a handle that there is can be looked at"))
    }

    /// Returns the port id in the netlink header of the first datagram that a call sent. Fails if
    /// the call sent none, or if the datagram is shorter than a header.
    #[track_caller]
    pub fn port_id(&self, returned: &Returned) -> Result<PortId, Stopped> {
        let sent = returned
            .sent
            .first()
            .map(|sent| Header::parse(sent, self.subject.abi()));
        match sent {
            Some(Some(header)) => Ok(header.port_id),
            _ => Err(Stopped::failed(format!("nothing reached the kernel: {returned}"))),
        }
    }

    // Judging.

    /// Fails unless the return value is above 0.
    #[track_caller]
    pub fn succeeds(&self, returned: &Returned) -> CaseResult {
        if returned.value > 0 {
            Ok(())
        } else {
            Err(Stopped::failed(format!("the call failed: {returned}")))
        }
    }

    /// Fails unless the return value is `value`, and the text of `ipq_errstr` after the call is
    /// that of `error`.
    #[track_caller]
    pub fn returns(&self, value: i64, error: ErrorNumber, returned: &Returned) -> CaseResult {
        self.subject.equal("the return value", &value, &returned.value)?;
        self.subject
            .equal("ipq_errstr()", &error.text(), &returned.text.as_str())
    }

    /// Fails unless errno after the call is `errno`. Passes if the libipq under test has no errno.
    #[track_caller]
    pub fn leaves_errno(&self, errno: i32, returned: &Returned) -> CaseResult {
        self.subject.equal("errno", &errno, &returned.errno.unwrap_or(errno))
    }

    /// Fails unless the call sent exactly one datagram, which is `request` byte for byte, and
    /// returned the number of the datagram's bytes (LIB-2). Any port id in the header will do,
    /// unless `request` sets one.
    #[track_caller]
    pub fn sends(&self, request: &crate::suite::Request, returned: &Returned) -> CaseResult {
        let port_id = self.port_id(returned)?;
        let expected = request.bytes(self.subject.abi(), port_id);
        self.subject
            .equal("the number of datagrams", &1, &returned.sent.len())?;
        let sent = returned.sent.first().cloned().unwrap_or_default();
        super::expect_bytes("the request", &expected, &sent, Kind::Netlink(self.subject.abi()))?;
        self.subject.equal(
            "the return value",
            &(expected.len().cast_signed() as i64),
            &returned.value,
        )
    }
}

impl fmt::Debug for Program<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").finish_non_exhaustive()
    }
}

/// Returns the number of a family in C: 2 for IPv4, 10 for IPv6 (LIB-1).
const fn protocol_family(family: Family) -> u32 {
    match family {
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    }
}

/// A client that calls the world's own libipq, by [`Step::Call`].
struct WorldClient<'s> {
    subject: &'s Subject,
}

impl Client for WorldClient<'_> {
    #[track_caller]
    fn call(&self, call: &Call) -> Result<Returned, Stopped> {
        let step = Step::Call(call.clone());
        match self.subject.step(&step)? {
            Observation::Called(Called::Returned(returned)) => Ok(returned),
            Observation::Called(Called::Missing(name)) => Err(Stopped::failed(format!("the library has no {name}"))),
            Observation::Called(Called::Overwrote) => {
                Err(Stopped::failed(format!("{call} wrote past the end of its buffer")))
            }
            Observation::Called(Called::Unable(why)) => Err(Stopped::without_place(Outcome::Skipped, why)),
            Observation::Called(Called::Ended(how)) => Err(Stopped::failed(format!("{call} did not return: {how}"))),
            Observation::Called(Called::Hung(how)) => {
                let reason = format!("{call} did not return: {how}");
                Err(Stopped::without_place(Outcome::Failed, reason))
            }
            other => Err(super::wrong_answer(&step, &other)),
        }
    }
}
