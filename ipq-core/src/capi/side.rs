//! The transport below a C program's handle, as `IPQ_TRANSPORT` names it.

use super::settings::{InvalidSetting, Settings};
use crate::errno::Errno;
use crate::error_number::ErrorNumber;
use crate::family::Family;
use crate::transport::netlink::{self, Netlink};
use crate::transport::nfqueue::{self, NfQueue};
use crate::transport::unix::{self, Unix};
use crate::transport::{Transport, TransportError};
use crate::wire::Abi;
use std::ffi::OsStr;
use std::fmt;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A transport below a C program's handle. It has a descriptor that the program can wait for, and
/// the program's threads may share it.
pub(super) trait Side: Transport + AsFd + Sync {}
impl<T: Transport + AsFd + Sync> Side for T {}

/// The error of a failed `ipq_create_handle`, as the C program sees it.
pub(super) struct NoSide {
    /// libipq's number for the error.
    pub(super) number: ErrorNumber,
    /// The new value of errno; 0 leaves errno as it is.
    pub(super) errno: Errno,
    /// The text that comes after libipq's own text and a colon; `None` if libipq's own text is
    /// enough.
    pub(super) detail: Option<String>,
}

/// Opens the queue of `family` over the transport that `wanted`, the value of `IPQ_TRANSPORT`,
/// names. Without a value, with an empty one or with `auto`, this is a queue of the kernel:
/// `ip_queue`, or nfnetlink queue 0 where there is no `ip_queue`. A value that names no transport,
/// a wrong setting, and a queue that can't be opened are errors.
pub(super) fn open(wanted: Option<&OsStr>, family: Family) -> Result<Box<dyn Side>, NoSide> {
    let wanted = wanted.unwrap_or_default();
    match Wanted::read(wanted) {
        Ok(Wanted::Auto) => open_kernels(family),
        Ok(Wanted::Netlink) => match Netlink::open(family) {
            Ok(netlink) => Ok(Box::new(netlink)),
            Err(error) => Err(no_ip_queue(error)),
        },
        Ok(Wanted::NfQueue(settings)) => open_nfqueue(settings, family, ""),
        Ok(Wanted::Unix(path)) => open_emulator(path, family),
        Err(reason) => Err(no_side(format_args!(
            "IPQ_TRANSPORT is \"{}\", and it can be auto, netlink, nfqueue[:SETTING,...] or unix:PATH{reason}",
            wanted.display()
        ))),
    }
}

/// A parsed value of `IPQ_TRANSPORT`: the transport to open.
enum Wanted<'a> {
    Auto,
    Netlink,
    NfQueue(Settings),
    Unix(&'a Path),
}

impl<'a> Wanted<'a> {
    fn read(value: &'a OsStr) -> Result<Self, Misspelt> {
        match value.as_bytes() {
            b"" | b"auto" => Ok(Self::Auto),
            b"netlink" => Ok(Self::Netlink),
            b"nfqueue" => Ok(Self::NfQueue(Settings::default())),
            [b'n', b'f', b'q', b'u', b'e', b'u', b'e', b':', settings @ ..] => {
                let settings = OsStr::from_bytes(settings).to_string_lossy().parse();
                settings.map(Self::NfQueue).map_err(Misspelt::Setting)
            }
            [b'u', b'n', b'i', b'x', b':', path @ ..] if !path.is_empty() => {
                Ok(Self::Unix(Path::new(OsStr::from_bytes(path))))
            }
            _ => Err(Misspelt::Name),
        }
    }
}

/// A mistake in the value of `IPQ_TRANSPORT`. It displays as the end of the error message, after
/// the list of right values: as nothing for an unknown name, and as a semicolon and the reason for
/// a wrong setting.
enum Misspelt {
    Name,
    Setting(InvalidSetting),
}

impl fmt::Display for Misspelt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => Ok(()),
            Self::Setting(error) => write!(f, "; {error}"),
        }
    }
}

/// Opens the kernel's `ip_queue` if the kernel has one, and nfnetlink queue 0 if not. Rules with
/// `-j QUEUE` put packets in either. An `ip_queue` that is there and can't be opened is an error.
fn open_kernels(family: Family) -> Result<Box<dyn Side>, NoSide> {
    match Netlink::open(family) {
        Ok(netlink) => Ok(Box::new(netlink)),
        Err(netlink::OpenError::NoIpQueue { .. }) => {
            open_nfqueue(Settings::default(), family, "there is no ip_queue, and ")
        }
        Err(error) => Err(no_ip_queue(error)),
    }
}

/// Opens the nfnetlink queue of `family`, and sets its receive buffer if `settings` give a size. If
/// the queue can't be opened, the error's detail begins with `before`. A receive buffer that can't
/// have that size is an error, too.
fn open_nfqueue(settings: Settings, family: Family, before: &str) -> Result<Box<dyn Side>, NoSide> {
    let queue = NfQueue::open_with(settings.options(family)).map_err(|error| no_nfqueue(error, before))?;
    if let Some(bytes) = settings.receive_buffer {
        set_receive_buffer(&queue, bytes)?;
    }
    Ok(Box::new(queue))
}

/// Gives the queue's socket a receive buffer of `bytes`. Returns an error if the system grants
/// less.
fn set_receive_buffer(queue: &NfQueue, bytes: u32) -> Result<(), NoSide> {
    let refused = |errno, reason: &dyn fmt::Display| NoSide {
        number: ErrorNumber::CreateSocket,
        errno,
        detail: Some(format!("the receive buffer can't have {bytes} bytes: {reason}")),
    };
    match queue.set_receive_buffer(bytes as usize) {
        // The kernel states twice what it grants.
        Ok(granted) if granted / 2 >= bytes as usize => Ok(()),
        Ok(granted) => Err(refused(
            Errno::EPERM,
            &format_args!(
                "this system allows {}; raise net.core.rmem_max, or run as root of the system",
                granted / 2
            ),
        )),
        Err(TransportError::System(errno)) => Err(refused(errno, &errno)),
        Err(error) => Err(refused(Errno::EIO, &error)),
    }
}

fn open_emulator(path: &Path, family: Family) -> Result<Box<dyn Side>, NoSide> {
    let unix = Unix::open(path, family).map_err(|error| NoSide {
        number: error.number(),
        errno: error.errno(),
        // For a port id that can't be bound libipq's own text is enough (LIB-5).
        detail: (!matches!(error, unix::OpenError::Bind { .. })).then(|| error.to_string()),
    })?;
    if unix.abi() != Abi::NATIVE {
        return Err(no_side(
            "the emulated kernel has another word size or byte order than this program: start it with a profile of this \
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

/// Returns the C program's error for a failure to open `ip_queue`. It has no detail, since libipq's
/// own text says what failed.
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
