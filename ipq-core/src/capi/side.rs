//! Which kernel side a C program talks to: what `IPQ_TRANSPORT` says.

use crate::errno::Errno;
use crate::error_number::ErrorNumber;
use crate::family::Family;
use crate::transport::Transport;
use crate::transport::netlink::{self, Netlink};
use crate::transport::nfqueue::{self, InvalidQueueNumbers, NfQueue, QueueNumbers};
use crate::transport::unix::{self, Unix};
use crate::wire::Abi;
use std::ffi::OsStr;
use std::fmt;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A transport with the descriptor that C programs wait for, and which their threads share.
pub(super) trait Side: Transport + AsFd + Sync {}
impl<T: Transport + AsFd + Sync> Side for T {}

/// Why there is no kernel side: what libipq calls it, what the system said, and, where libipq had no such error, what is
/// wrong in words.
pub(super) struct NoSide {
    pub(super) number: ErrorNumber,
    pub(super) errno: Errno,
    pub(super) detail: Option<String>,
}

/// Opens the queue of `family` on the side that `wanted`, the value of `IPQ_TRANSPORT`, names.
pub(super) fn open(wanted: Option<&OsStr>, family: Family) -> Result<Box<dyn Side>, NoSide> {
    let wanted = wanted.unwrap_or_default();
    match Wanted::read(wanted) {
        Ok(Wanted::Auto) => open_kernels(family),
        Ok(Wanted::Netlink) => match Netlink::open(family) {
            Ok(netlink) => Ok(Box::new(netlink)),
            Err(error) => Err(no_ip_queue(error)),
        },
        Ok(Wanted::NfQueue(numbers)) => match open_nfqueue(numbers, family) {
            Ok(queue) => Ok(Box::new(queue)),
            Err(error) => Err(no_nfqueue(error, "")),
        },
        Ok(Wanted::Unix(path)) => open_emulator(path, family),
        Err(reason) => Err(no_side(format_args!(
            "IPQ_TRANSPORT is \"{}\", and it can be auto, netlink, nfqueue[:4=N,6=N] or unix:PATH{reason}",
            wanted.display()
        ))),
    }
}

/// What `IPQ_TRANSPORT` says.
enum Wanted<'a> {
    Auto,
    Netlink,
    NfQueue(QueueNumbers),
    Unix(&'a Path),
}

impl<'a> Wanted<'a> {
    fn read(value: &'a OsStr) -> Result<Self, Misspelt> {
        match value.as_bytes() {
            b"" | b"auto" => Ok(Self::Auto),
            b"netlink" => Ok(Self::Netlink),
            b"nfqueue" => Ok(Self::NfQueue(QueueNumbers::default())),
            [b'n', b'f', b'q', b'u', b'e', b'u', b'e', b':', numbers @ ..] => {
                let numbers = OsStr::from_bytes(numbers).to_string_lossy().parse();
                numbers.map(Self::NfQueue).map_err(Misspelt::Numbers)
            }
            [b'u', b'n', b'i', b'x', b':', path @ ..] if !path.is_empty() => {
                Ok(Self::Unix(Path::new(OsStr::from_bytes(path))))
            }
            _ => Err(Misspelt::Name),
        }
    }
}

/// What is wrong with a value of `IPQ_TRANSPORT`, as the end of the sentence that lists the right ones.
enum Misspelt {
    Name,
    Numbers(InvalidQueueNumbers),
}

impl fmt::Display for Misspelt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => Ok(()),
            Self::Numbers(error) => write!(f, "; {error}"),
        }
    }
}

/// The kernel's own `ip_queue` if it has one, else queue 0 of its nfnetlink queues, where the same rules put packets.
fn open_kernels(family: Family) -> Result<Box<dyn Side>, NoSide> {
    match Netlink::open(family) {
        Ok(netlink) => Ok(Box::new(netlink)),
        Err(netlink::OpenError::NoIpQueue { .. }) => match open_nfqueue(QueueNumbers::default(), family) {
            Ok(queue) => Ok(Box::new(queue)),
            Err(error) => Err(no_nfqueue(error, "there is no ip_queue, and ")),
        },
        Err(error) => Err(no_ip_queue(error)),
    }
}

fn open_nfqueue(numbers: QueueNumbers, family: Family) -> Result<NfQueue, nfqueue::OpenError> {
    NfQueue::open_with(nfqueue::Options {
        queue_number: numbers.of(family),
        ..nfqueue::Options::new(family)
    })
}

fn open_emulator(path: &Path, family: Family) -> Result<Box<dyn Side>, NoSide> {
    let unix = Unix::open(path, family).map_err(|error| NoSide {
        number: error.number(),
        errno: error.errno(),
        // A port id that is taken is libipq's own error, in its own words (LIB-5).
        detail: (!matches!(error, unix::OpenError::Bind { .. })).then(|| error.to_string()),
    })?;
    if unix.abi() != Abi::NATIVE {
        return Err(no_side(
            "the emulated kernel's words or bytes are ordered otherwise than this program's: start it with a profile of this \
             architecture",
        ));
    }
    Ok(Box::new(unix))
}

fn no_side(detail: impl fmt::Display) -> NoSide {
    NoSide {
        number: ErrorNumber::CreateSocket,
        errno: Errno::EINVAL,
        detail: Some(detail.to_string()),
    }
}

/// libipq's own error, in its own words.
fn no_ip_queue(error: netlink::OpenError) -> NoSide {
    NoSide {
        number: error.number(),
        errno: match error {
            netlink::OpenError::NoIpQueue { .. } => Errno::EPROTONOSUPPORT,
            netlink::OpenError::PortTaken { .. } => Errno::EADDRINUSE,
            netlink::OpenError::Socket { errno, .. } | netlink::OpenError::Bind { errno, .. } => errno,
        },
        detail: None,
    }
}

fn no_nfqueue(error: nfqueue::OpenError, before: &str) -> NoSide {
    NoSide {
        number: error.number(),
        errno: match error {
            nfqueue::OpenError::NoNfnetlink | nfqueue::OpenError::NoNfnetlinkQueue => Errno::EPROTONOSUPPORT,
            nfqueue::OpenError::Socket { errno } | nfqueue::OpenError::Devices { errno } => errno,
            nfqueue::OpenError::PortId { .. } => Errno::EINVAL,
        },
        detail: Some(format!("{before}{error}")),
    }
}
