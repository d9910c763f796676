//! The vocabulary of libipq: the functions that a program calls, and what it sees when they return.
//!
//! A case judges the return value, errno, the text of `ipq_errstr`, the bytes read, and the bytes
//! on the wire.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A handle's number: the one that its creation returned, from 1; [`NULL`](Self::NULL) for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HandleNumber(pub u32);

impl HandleNumber {
    /// The number that stands for the null pointer.
    pub const NULL: Self = Self(0);
}

/// A call of a function, on one of the program's threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The thread that calls; 0 is the first one.
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
    /// Calls `ipq_create_handle(flags, protocol)`. Returns the handle's number.
    CreateHandle {
        /// The argument `flags`, which libipq does not use (LIB-1).
        flags: u32,
        /// The family of the queue in C's numbers: 2 or 10 (LIB-1).
        protocol: u32,
    },
    /// Calls `ipq_destroy_handle(handle)`.
    DestroyHandle {
        /// The handle's number.
        handle: HandleNumber,
    },
    /// Calls `ipq_set_mode(handle, mode, range)`.
    SetMode {
        /// The handle's number.
        handle: HandleNumber,
        /// The copy mode's number.
        mode: u8,
        /// The copy range in bytes.
        range: u64,
    },
    /// Calls `ipq_read(handle, buffer, length, timeout)`.
    Read {
        /// The handle's number.
        handle: HandleNumber,
        /// The length that the call passes for the buffer.
        length: u32,
        /// The time-out in microseconds. With 0 the call waits for ever, with a negative one not at
        /// all (LIB-3).
        timeout: i32,
    },
    /// Calls `ipq_set_verdict(handle, packet_id, verdict, data_length, payload)`.
    SetVerdict {
        /// The handle's number.
        handle: HandleNumber,
        /// The packet id.
        packet_id: u64,
        /// The verdict's number.
        verdict: u32,
        /// The length that the call passes for the payload.
        data_length: u64,
        /// The payload; `None` is NULL.
        payload: Option<Bytes>,
    },
    /// Calls `ipq_message_type(buffer)`, with the buffer of the last read.
    MessageType,
    /// Calls `ipq_get_packet(buffer)`, with the buffer of the last read. Returns the offset of the
    /// packet message in the buffer.
    Packet,
    /// Calls `ipq_get_msgerr(buffer)`, with the buffer of the last read.
    MessageError,
    /// Calls `ipq_ctl(handle, request)`.
    Control {
        /// The handle's number.
        handle: HandleNumber,
        /// The argument `request`: any number.
        request: i32,
    },
    /// Calls `ipq_errstr()`. Its text is in every [`Returned`], so there is no other result.
    ErrorText,
    /// Calls `ipq_perror(prefix)`.
    PrintError {
        /// The prefix of the line; `None` is NULL.
        prefix: Option<String>,
    },
    /// Reads the handle's structure (LIB-8).
    Inspect {
        /// The handle's number.
        handle: HandleNumber,
    },
    /// Calls `ipq_read(handle, buffer, length, -1)` when the next datagram did not come from the
    /// kernel. From then on the handle's descriptor is another socket.
    ReadForged {
        /// The handle's number.
        handle: HandleNumber,
        /// The length that the call passes for the buffer.
        length: u32,
        /// The datagram that the call reads.
        datagram: Bytes,
    },
    /// Opens files until the next descriptor is `below` or more. Returns the last descriptor that
    /// was opened; -1 if the system does not allow so high a number.
    Occupy {
        /// The first descriptor that may be free afterwards.
        below: u32,
    },
}

/// The result of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// The return value. [`Function`] says what stands for a pointer.
    pub value: i64,
    /// The value of errno after the call; `None` if the client has none.
    pub errno: Option<i32>,
    /// The text that `ipq_errstr` returns after the call, on the same thread.
    pub text: String,
    /// The bytes that the call read into the buffer: as many as it returned.
    pub bytes: Bytes,
    /// The text that the library printed to standard error during the call.
    pub printed: String,
    /// The handle's structure; `None` unless the call was to read it.
    pub public: Option<HandleState>,
    /// The datagrams that reached the kernel during the call.
    pub sent: Vec<Bytes>,
}

/// The fields of `struct ipq_handle` (LIB-8), and the state of its descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandleState {
    /// The descriptor of the handle's socket.
    pub descriptor: i32,
    /// The address family and the port id of the handle's socket.
    pub local: (u16, u32),
    /// The address family and the port id of the kernel's end.
    pub peer: (u16, u32),
    /// `true` if poll reports the descriptor as readable.
    pub readable: bool,
}

/// A world's answer to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Called {
    /// The call returned.
    Returned(Returned),
    /// The library lacks the function of this name.
    Missing(String),
    /// The call wrote past the end of its buffer.
    Overwrote,
    /// The world can't do what the call needs around it, for this reason.
    Unable(String),
    /// The call did not return, since the process ended. The text says how it ended.
    Ended(String),
    /// The call did not return in time, and the process was killed. The text says how long it took.
    Hung(String),
}

impl Function {
    /// Returns the C name of the function, or a word for an action that is no function.
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

/// Writes the call as it stands in C.
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
