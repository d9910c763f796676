//! The vocabulary of libipq: the functions that a program calls, and what it sees when they return.
//!
//! A case judges the return value, errno, the text of `ipq_errstr`, the bytes read, and the bytes on
//! the wire.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A handle: the number that its creation returned, from 1; [`NULL`](Self::NULL) for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HandleNumber(pub u32);

impl HandleNumber {
    /// The pointer that points nowhere.
    pub const NULL: Self = Self(0);
}

/// A call of a function, on one of the program's threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Which thread calls; 0 is the first one.
    pub thread: u8,
    /// What errno is before.
    pub errno: i32,
    /// Whether signals come again and again while it lasts.
    pub signals: bool,
    /// What is called.
    pub function: Function,
}

/// A function of libipq with its arguments; and what a program does beside to see what the library did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Function {
    /// `ipq_create_handle(flags, protocol)`. Returns the handle's number.
    CreateHandle {
        /// Not used by libipq (LIB-1).
        flags: u32,
        /// 2 or 10 (LIB-1).
        protocol: u32,
    },
    /// `ipq_destroy_handle(handle)`
    DestroyHandle {
        /// Which handle.
        handle: HandleNumber,
    },
    /// `ipq_set_mode(handle, mode, range)`
    SetMode {
        /// Which handle.
        handle: HandleNumber,
        /// The copy mode's number.
        mode: u8,
        /// The copy range.
        range: u64,
    },
    /// `ipq_read(handle, buffer, length, timeout)`
    Read {
        /// Which handle.
        handle: HandleNumber,
        /// How long the buffer is said to be.
        length: u32,
        /// In microseconds; 0 waits for ever, and a negative one not at all (LIB-3).
        timeout: i32,
    },
    /// `ipq_set_verdict(handle, packet_id, verdict, data_length, payload)`
    SetVerdict {
        /// Which handle.
        handle: HandleNumber,
        /// The packet's id.
        packet_id: u64,
        /// The verdict's number.
        verdict: u32,
        /// How long the payload is said to be.
        data_length: u64,
        /// The payload; `None` is NULL.
        payload: Option<Bytes>,
    },
    /// `ipq_message_type(buffer)` of what was read last.
    MessageType,
    /// `ipq_get_packet(buffer)` of what was read last. Returns the offset of the packet message.
    Packet,
    /// `ipq_get_msgerr(buffer)` of what was read last.
    MessageError,
    /// `ipq_ctl(handle, request)`
    Control {
        /// Which handle.
        handle: HandleNumber,
        /// Whatever.
        request: i32,
    },
    /// `ipq_errstr()`. Returns nothing: the text stands beside every other return value, too.
    ErrorText,
    /// `ipq_perror(prefix)`
    PrintError {
        /// What the line begins with; `None` is NULL.
        prefix: Option<String>,
    },
    /// Looks at the handle's structure (LIB-8).
    Inspect {
        /// Which handle.
        handle: HandleNumber,
    },
    /// `ipq_read(handle, buffer, length, -1)` of a datagram that the kernel has not sent: the handle's descriptor is another
    /// socket from then on.
    ReadForged {
        /// Which handle.
        handle: HandleNumber,
        /// How long the buffer is said to be.
        length: u32,
        /// The datagram.
        datagram: Bytes,
    },
    /// Opens files until the next descriptor is this one or above. Returns the last one's number, or -1 if the system allows no
    /// so many.
    Occupy {
        /// The descriptor.
        below: u32,
    },
}

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// What the function returned; for a pointer, what its [`Function`] says.
    pub value: i64,
    /// What errno was afterwards; `None` where a client has none.
    pub errno: Option<i32>,
    /// What `ipq_errstr` then says on that thread.
    pub text: String,
    /// What stands in the buffer, as long as the return value says.
    pub bytes: Bytes,
    /// What was printed to standard error.
    pub printed: String,
    /// The handle's structure, if it was looked at.
    pub public: Option<HandleState>,
    /// The datagrams that reached the kernel meanwhile.
    pub sent: Vec<Bytes>,
}

/// `struct ipq_handle` (LIB-8), and what its descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandleState {
    /// The descriptor.
    pub descriptor: i32,
    /// Address family and port id of this end.
    pub local: (u16, u32),
    /// Those of the other end.
    pub peer: (u16, u32),
    /// Whether poll says that there is something to read.
    pub readable: bool,
}

/// What a world has to say of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Called {
    /// It came back.
    Returned(Returned),
    /// The library does not have the function of that name.
    Missing(String),
    /// It wrote past the end of the buffer that it was given.
    Overwrote,
    /// What is beside the function can't be done here, and this is why.
    Unable(String),
    /// It did not come back, and this became of the process, which came to its end by itself.
    Ended(String),
    /// It did not come back in time, and its process was ended.
    Hung(String),
}

impl Function {
    /// The name in C of what is called, if it is a function of libipq.
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

/// As one would write it in C.
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
