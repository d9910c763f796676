//! The vocabulary of libipq: the calls that a program makes, and what it sees when they return.
//!
//! A [`Call`] names a [`Function`] and its arguments. [`Called`] says if the call returned, and
//! with what results, which a case then judges.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of a handle of libipq, from 1, as the call that created the handle returned it.
/// [`NULL`](Self::NULL) stands for the null pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HandleNumber(pub u32);

impl HandleNumber {
    /// The number that stands for the null pointer.
    pub const NULL: Self = Self(0);
}

/// A call of a libipq function: its arguments, the thread that makes it, errno before it, and
/// whether signals arrive during it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The number of the thread that calls; 0 is the program's first thread.
    pub thread: u8,
    /// The value of errno before the call.
    pub errno: i32,
    /// `true` if signals arrive repeatedly during the call.
    pub signals: bool,
    /// The function to call, with its arguments.
    pub function: Function,
}

/// A function of libipq with its arguments, or another action on the library or its process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Function {
    /// Calls `ipq_create_handle(flags, protocol)`. Returns the handle's number; 0 for NULL.
    CreateHandle {
        /// The argument `flags`, which libipq does not use (LIB-1).
        flags: u32,
        /// The argument `protocol`, which names the family: 2 (`PF_INET`) for IPv4, 10 (`PF_INET6`)
        /// for IPv6. libipq must refuse any other number (LIB-1).
        protocol: u32,
    },
    /// Calls `ipq_destroy_handle(handle)`.
    DestroyHandle {
        /// The number of the handle to destroy.
        handle: HandleNumber,
    },
    /// Calls `ipq_set_mode(handle, mode, range)`.
    SetMode {
        /// The number of the handle whose queue gets the mode.
        handle: HandleNumber,
        /// The number of the copy mode: 0 NONE, 1 META, 2 PACKET. Other numbers are allowed.
        mode: u8,
        /// The copy range in bytes.
        range: u64,
    },
    /// Calls `ipq_read(handle, buffer, length, timeout)`.
    Read {
        /// The number of the handle to read from.
        handle: HandleNumber,
        /// The length of the buffer in bytes, as the call passes it.
        length: u32,
        /// The time-out in microseconds. With 0 the call waits for ever, and with a negative one
        /// not at all (LIB-3).
        timeout: i32,
    },
    /// Calls `ipq_set_verdict(handle, packet_id, verdict, data_length, payload)`.
    SetVerdict {
        /// The number of the handle that gives the verdict.
        handle: HandleNumber,
        /// The packet id of the packet that the verdict is for.
        packet_id: u64,
        /// The verdict's number: 0 DROP, 1 ACCEPT, 3 QUEUE, 4 REPEAT, 5 STOP. Other numbers are
        /// allowed.
        verdict: u32,
        /// The argument `data_len`, in bytes. It may differ from the length of `payload`.
        data_length: u64,
        /// The bytes of the payload; `None` passes NULL.
        payload: Option<Bytes>,
    },
    /// Calls `ipq_message_type(buffer)`, with the buffer of the last read. Returns the type in the
    /// message's header.
    MessageType,
    /// Calls `ipq_get_packet(buffer)`, with the buffer of the last read. The result stands for the
    /// returned pointer: the number of bytes from the start of the buffer to where it points.
    Packet,
    /// Calls `ipq_get_msgerr(buffer)`, with the buffer of the last read. Returns the errno in the
    /// error message there, as a positive number, or 0.
    MessageError,
    /// Calls `ipq_ctl(handle, request)`.
    Control {
        /// The number of the handle that is passed.
        handle: HandleNumber,
        /// The argument `request`, which may be any number.
        request: i32,
    },
    /// Calls `ipq_errstr()`. The text is in [`Returned::text`], as after every call, and the return
    /// value is 0.
    ErrorText,
    /// Calls `ipq_perror(prefix)`. The line is in [`Returned::printed`], and the return value is 0.
    PrintError {
        /// The text that the line begins with; `None` passes NULL.
        prefix: Option<String>,
    },
    /// Reads the fields of the handle's `struct ipq_handle` other than `blocking` (LIB-8), and
    /// whether its descriptor is readable, into [`Returned::public`]. Returns 0.
    Inspect {
        /// The number of the handle whose structure is read.
        handle: HandleNumber,
    },
    /// Replaces the handle's socket by another, on which `datagram` waits, then calls
    /// `ipq_read(handle, buffer, length, -1)`. The handle keeps the other socket.
    ReadForged {
        /// The number of the handle to read from.
        handle: HandleNumber,
        /// The length of the buffer in bytes, as the call passes it.
        length: u32,
        /// The datagram that the call reads. The kernel did not send it.
        datagram: Bytes,
    },
    /// Opens files, at least one, until every descriptor below `below` is in use, and keeps them
    /// open. Returns the last descriptor opened; -1 if the system does not allow so many.
    Occupy {
        /// The lowest descriptor that may stay free.
        below: u32,
    },
}

/// The results of a call that returned, as the program and the kernel see them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// The return value; a number or an offset in place of a pointer, as [`Function`] says.
    pub value: i64,
    /// The value of errno after the call; `None` if the libipq under test has no errno.
    pub errno: Option<i32>,
    /// The text that `ipq_errstr` returns after the call, on the same thread.
    pub text: String,
    /// The bytes that the call read into the buffer; empty if the call was no read, failed, or read
    /// nothing.
    pub bytes: Bytes,
    /// The text that the library printed to standard error during the call.
    pub printed: String,
    /// The fields of the handle's structure, if the call was [`Function::Inspect`] of a handle
    /// other than NULL; otherwise `None`.
    pub public: Option<HandleState>,
    /// The datagrams that the call sent to the kernel, in order.
    pub sent: Vec<Bytes>,
}

/// The fields of `struct ipq_handle` other than `blocking` (LIB-8), and whether its descriptor is
/// readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandleState {
    /// The number of the descriptor of the handle's socket.
    pub descriptor: i32,
    /// The netlink address of the handle's socket: the address family and the port id.
    pub local: (u16, u32),
    /// The kernel's netlink address: the address family and the port id.
    pub peer: (u16, u32),
    /// `true` if poll reports that the descriptor has something to read.
    pub readable: bool,
}

/// A world's answer to a call: whether the call returned, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Called {
    /// The call returned, with these results.
    Returned(Returned),
    /// The libipq under test lacks the function of this name.
    Missing(String),
    /// The call wrote past the end of its read buffer.
    Overwrote,
    /// The call could not be made, since the system, the program or the library does not allow it.
    /// The text is the reason, and the case is skipped.
    Unable(String),
    /// The call did not return, since the process ended. The text says how the process ended.
    Ended(String),
    /// The call did not return in time, or its process answered without end, and the process was
    /// killed. The text says which.
    Hung(String),
}

impl Function {
    /// Returns the C name of the function, which for a forged read is `ipq_read`; `inspect` or
    /// `occupy` for an action that is no function.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CreateHandle { .. } => "ipq_create_handle",
            Self::DestroyHandle { .. } => "ipq_destroy_handle",
            Self::SetMode { .. } => "ipq_set_mode",
            Self::Read { .. } | Self::ReadForged { .. } => "ipq_read",
            Self::SetVerdict { .. } => "ipq_set_verdict",
            Self::MessageType => "ipq_message_type",
            Self::Packet => "ipq_get_packet",
            Self::MessageError => "ipq_get_msgerr",
            Self::Control { .. } => "ipq_ctl",
            Self::ErrorText => "ipq_errstr",
            Self::PrintError { .. } => "ipq_perror",
            Self::Inspect { .. } => "inspect",
            Self::Occupy { .. } => "occupy",
        }
    }
}

/// Writes the call as it stands in C, or a few words for an action that is no function. The thread
/// follows if it is not the first, and a mention of signals if they arrive.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Function::CreateHandle { flags, protocol } => write!(f, "ipq_create_handle({flags}, {protocol})"),
            Function::DestroyHandle { handle } => write!(f, "ipq_destroy_handle({handle})"),
            Function::SetMode { handle, mode, range } => write!(f, "ipq_set_mode({handle}, {mode}, {range})"),
            Function::Read {
                handle,
                length,
                timeout,
            } => write!(f, "ipq_read({handle}, buffer, {length}, {timeout})"),
            Function::ReadForged {
                handle,
                length,
                datagram,
            } => {
                write!(
                    f,
                    "ipq_read({handle}, buffer, {length}, -1) of {} forged bytes",
                    datagram.len()
                )
            }
            Function::SetVerdict {
                handle,
                packet_id,
                verdict,
                data_length,
                payload,
            } => {
                let payload = payload.as_ref().map_or("NULL", |_| "payload");
                write!(
                    f,
                    "ipq_set_verdict({handle}, {packet_id:#x}, {verdict}, {data_length}, {payload})"
                )
            }
            Function::Control { handle, request } => write!(f, "ipq_ctl({handle}, {request})"),
            Function::PrintError { prefix: Some(prefix) } => write!(f, "ipq_perror({prefix:?})"),
            Function::PrintError { prefix: None } => write!(f, "ipq_perror(NULL)"),
            Function::MessageType | Function::Packet | Function::MessageError => {
                write!(f, "{}(buffer)", self.function.name())
            }
            Function::ErrorText => write!(f, "ipq_errstr()"),
            Function::Inspect { handle } => write!(f, "a look at {handle}"),
            Function::Occupy { below } => write!(f, "files up to descriptor {below}"),
        }?;
        if self.thread > 0 {
            write!(f, " on thread {}", self.thread)?;
        }
        if self.signals {
            write!(f, " while signals come")?;
        }
        Ok(())
    }
}

impl fmt::Display for HandleNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NULL => f.write_str("NULL"),
            Self(number) => write!(f, "handle{number}"),
        }
    }
}

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)?;
        if let Some(errno) = self.errno {
            write!(f, ", errno {errno}")?;
        }
        write!(f, ", {:?}", self.text)?;
        if let Some(public) = &self.public {
            write!(f, ", {public:?}")?;
        }
        if !self.printed.is_empty() {
            write!(f, ", printed {:?}", self.printed)?;
        }
        Ok(())
    }
}
