//! Which kernel side a C program talks to: what `IPQ_TRANSPORT` says.

use crate::errno::Errno;
use crate::family::Family;
use crate::handle::ErrorNumber;
use crate::transport::Transport;
use crate::transport::netlink::{self, Netlink};
use crate::transport::unix::Unix;
use crate::wire::Abi;
use std::ffi::OsStr;
use std::fmt;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A transport with the descriptor that C programs wait for.
pub(super) trait Side: Transport + AsFd {}
impl<T: Transport + AsFd> Side for T {}

/// Why there is no kernel side: what libipq calls it, what the system said, and, where libipq had no such error, what is
/// wrong in words.
pub(super) struct NoSide {
    pub(super) number: ErrorNumber,
    pub(super) errno: Errno,
    pub(super) detail: Option<String>,
}

/// Opens the queue of `family` on the side that `wanted`, the value of `IPQ_TRANSPORT`, names.
pub(super) fn open(wanted: Option<&OsStr>, family: Family) -> Result<Box<dyn Side>, NoSide> {
    match wanted.map(OsStr::as_bytes) {
        // A kernel with ip_queue is the only one that there is without being named.
        None | Some(b"" | b"auto" | b"netlink") => match Netlink::open(family) {
            Ok(netlink) => Ok(Box::new(netlink)),
            Err(error) => Err(NoSide {
                number: error.number(),
                errno: netlink_errno(&error),
                detail: None,
            }),
        },
        Some([b'u', b'n', b'i', b'x', b':', path @ ..]) if !path.is_empty() => {
            let unix = Unix::open(Path::new(OsStr::from_bytes(path)), family).map_err(|error| NoSide {
                number: error.number(),
                errno: error.errno(),
                detail: Some(format!("{error}")),
            })?;
            if unix.abi() != Abi::NATIVE {
                return Err(no_side(
                    "the emulated kernel's words or bytes are ordered otherwise than this program's: start it with a profile of \
                     this architecture",
                ));
            }
            Ok(Box::new(unix))
        }
        Some(_) => Err(no_side(format_args!(
            "IPQ_TRANSPORT is \"{}\", and it can be auto, netlink or unix:PATH",
            wanted.unwrap_or_default().display()
        ))),
    }
}

fn no_side(detail: impl fmt::Display) -> NoSide {
    NoSide {
        number: ErrorNumber::CreateSocket,
        errno: Errno::EINVAL,
        detail: Some(detail.to_string()),
    }
}

const fn netlink_errno(error: &netlink::OpenError) -> Errno {
    match error {
        netlink::OpenError::NoIpQueue { .. } => Errno::EPROTONOSUPPORT,
        netlink::OpenError::PortTaken { .. } => Errno::EADDRINUSE,
        netlink::OpenError::Socket { errno, .. } | netlink::OpenError::Bind { errno, .. } => *errno,
    }
}
