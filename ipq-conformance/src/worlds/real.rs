//! The common part of the worlds of real kernels: steps on the host around the queue, and on
//! netlink sockets.

mod ip_queue;
mod nfqueue;
mod process;

pub use ip_queue::IpQueueFactory;
pub use nfqueue::NfQueueFactory;

use super::drain;
use crate::laboratory::{Laboratory, LaboratoryError};
use crate::world::{Description, Machine, Observation, OpenStage, Received, Setup, Step, WorldError};
use bytes::Bytes;
use ipq_core::transport::netlink::{Bind, Netlink};
use ipq_core::wire::Abi;
use ipq_core::{Errno, Family, PortId, Transport, TransportError, Wait};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{self, AddressFamily, RecvAncillaryBuffer, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustix::system::uname;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{IoSlice, IoSliceMut};
use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The most bytes that a receive call reads. With Linux's usual limits the longest datagram fits:
/// an error message that quotes a request as long as the send buffer.
const BUFFER_BYTES: usize = 1 << 19;

/// If this program was started to serve a world of a real kernel, serves it and ends the process,
/// with exit status 2 after an error. Otherwise does nothing.
pub(super) fn serve_if_asked() {
    let Some(world) = process::asked_for() else { return };
    let served = match world.as_str() {
        nfqueue::NAME => process::serve::<nfqueue::NfQueueHost>(),
        ip_queue::NAME => process::serve::<ip_queue::IpQueueHost>(),
        _ => Err(std::io::Error::other(format!(
            "there is no world {world:?} of a real kernel"
        ))),
    };
    crate::child::exit(served)
}

/// Returns the description of a world on this machine's kernel. `implementation` is the name of the
/// queue's protocol.
pub(super) fn describe(implementation: &str) -> Description {
    let name = uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let release = text(name.release());
    Description {
        implementation: format!("{implementation} of Linux {release}"),
        machine: Machine {
            kernel: version(&release, &text(name.version())).to_owned(),
            arch: text(name.machine()),
            abi: Abi::NATIVE,
        },
        seed: None,
    }
}

/// Returns the version of a kernel, from its release (`uname -r`) and build (`uname -v`): the
/// version after "Debian" in the build, or the release if the build names no Debian package. A
/// release of Debian, such as 6.1.0-57-amd64, does not tell the version.
fn version<'u>(release: &'u str, build: &'u str) -> &'u str {
    let debian = build.split_once(" Debian ").map(|(_, package)| package);
    debian.map_or(release, |package| package.split(['-', ' ']).next().unwrap_or(package))
}

/// Fails if the setup asks for what a real kernel can't be: a machine whose word size or byte order
/// is another, a chosen process id, or packet ids that are never given twice. The kernel's version
/// and architecture are not compared.
pub(super) fn unsupported_unless_own(setup: &Setup) -> Result<(), WorldError> {
    if let Some(machine) = setup.machine.as_ref().filter(|machine| machine.abi != Abi::NATIVE) {
        return Err(WorldError::Unsupported(format!(
            "a kernel can't stand for another machine, and this is {machine}"
        )));
    }
    if setup.process_id.is_some() {
        return Err(WorldError::Unsupported("a process can't choose its id".into()));
    }
    if setup.never_reuse_ids {
        return Err(WorldError::Lacks(crate::world::Capability::NeverReusedIds));
    }
    Ok(())
}

/// Does a step on the host: injects, outputs or sniffs a packet, sets a device up or down, or gives
/// up or regains `CAP_NET_ADMIN`. Returns `None`, and does nothing, for any other step.
pub(super) fn step_on_host(laboratory: &mut Laboratory, step: &Step) -> Option<Result<Observation, WorldError>> {
    let done = match step {
        Step::Inject { device, frame, count } => laboratory.inject(device, frame, *count).map(|taken| {
            let errno = taken.err().map_or(0, |error| error.raw_os_error().into());
            Observation::Inject { errno }
        }),
        Step::Output { packet, .. } => laboratory.output(packet).map(|()| Observation::Done),
        Step::Sniff { device } => laboratory.sniff(device).map(|frame| Observation::Sniff {
            frame: frame.map(Bytes::from),
        }),
        Step::Link { device, up } => laboratory.set_link(device, *up).map(|()| Observation::Done),
        Step::NetAdmin { held } => return Some(set_net_admin(*held)),
        _ => return None,
    };
    Some(done.map_err(failed))
}

fn set_net_admin(held: bool) -> Result<Observation, WorldError> {
    let set = capabilities(None).and_then(|mut sets| {
        sets.effective.set(CapabilitySet::NET_ADMIN, held);
        set_capabilities(None, sets)
    });
    set.map(|()| Observation::Done)
        .map_err(|error| broken(format!("CAP_NET_ADMIN can't be dropped or regained: {error}")))
}

/// The sockets that steps have opened and not closed, by name.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    sockets: HashMap<String, Socket>,
    buffer: Vec<u8>,
}

/// A netlink socket that a step has opened.
#[derive(Debug)]
enum Socket {
    /// A socket of protocol 3 or 13 that was bound when it was opened. It sends to the kernel and
    /// receives through this project's transport, as a program does.
    Transport(Netlink),
    /// The bare descriptor of any other socket: unbound, of another protocol, or a duplicate.
    Plain(OwnedFd),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Transport(netlink) => netlink.as_fd(),
            Self::Plain(socket) => socket.as_fd(),
        }
    }
}

impl Sockets {
    /// Does a step on the socket that the step names. Fails if that socket is not open, if a new
    /// socket's name is in use, or if the step is for no socket.
    pub(super) fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        if let Step::Open { socket, protocol, bind } = step {
            return self.open(socket, *protocol, *bind);
        }
        let name = step.socket().ok_or_else(|| lacks(step))?;
        let socket = self.sockets.get(name);
        let socket = socket.ok_or_else(|| misuse(format!("the socket {name:?} is not open")))?;
        let fd = socket.as_fd();
        Ok(match step {
            Step::Close { .. } => {
                self.sockets.remove(name);
                Observation::Done
            }
            Step::Duplicate { duplicate, .. } => {
                let copy = fd.try_clone_to_owned().map_err(|error| broken(error.to_string()))?;
                self.add(duplicate, Socket::Plain(copy))?;
                Observation::Done
            }
            Step::Send { to, bytes, .. } => send(socket, *to, bytes),
            Step::Receive { size, .. } => {
                Observation::Receive(receive(|buffer| take(socket, buffer), *size, &mut self.buffer))
            }
            Step::Drain { .. } => drain(Abi::NATIVE, |size| {
                Ok(receive(|buffer| take(socket, buffer), size, &mut self.buffer))
            })?,
            Step::NoEnobufs { .. } => switch_on(fd, libc::NETLINK_NO_ENOBUFS)?,
            Step::CapAck { .. } => switch_on(fd, libc::NETLINK_CAP_ACK)?,
            Step::ExtAck { .. } => switch_on(fd, libc::NETLINK_EXT_ACK)?,
            Step::Bind { port_id, .. } => {
                let errno = net::bind(fd, &SocketAddrNetlink::new(*port_id, 0)).err();
                Observation::Bind {
                    errno: errno.map_or(0, |error| error.raw_os_error().into()),
                    port_id: port_id_of(fd)?,
                }
            }
            Step::PortId { .. } => Observation::Bind {
                errno: 0,
                port_id: port_id_of(fd)?,
            },
            other => return step_on_descriptor(fd, other),
        })
    }

    fn open(&mut self, name: &str, protocol: i32, bind: Option<u32>) -> Result<Observation, WorldError> {
        if let Some((family, port_id)) = Family::from_netlink_protocol(protocol).zip(bind) {
            let bind = match port_id {
                0 => Bind::KernelChoice,
                port_id => Bind::Port(PortId(port_id)),
            };
            if let Ok(netlink) = Netlink::open_bound(family, bind) {
                let port_id = netlink.port_id().0.into();
                self.add(name, Socket::Transport(netlink))?;
                return Ok(opened(port_id));
            }
        }
        let failed = |stage, error: rustix::io::Errno| Observation::Open {
            failed_at: Some(stage),
            errno: error.raw_os_error().into(),
            port_id: None,
        };
        let number = NonZero::new(protocol.cast_unsigned()).map(net::Protocol::from_raw);
        let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, number);
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => return Ok(failed(OpenStage::Socket, error)),
        };
        let bound = bind.map_or(Ok(()), |port_id| {
            net::bind(&socket, &SocketAddrNetlink::new(port_id, 0))
        });
        let port_id = bind.map(|_| port_id_of(socket.as_fd())).transpose()?;
        self.add(name, Socket::Plain(socket))?;
        Ok(match bound {
            Ok(()) => Observation::Open {
                failed_at: None,
                errno: 0,
                port_id,
            },
            Err(error) => failed(OpenStage::Bind, error),
        })
    }

    fn add(&mut self, name: &str, socket: Socket) -> Result<(), WorldError> {
        match self.sockets.entry(name.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(socket);
                Ok(())
            }
            Entry::Occupied(_) => Err(misuse(format!("the socket {name:?} is open already"))),
        }
    }
}

/// Switches on an option of a netlink socket; `option` is the option's number at the level
/// `SOL_NETLINK`.
fn switch_on(socket: BorrowedFd<'_>, option: i32) -> Result<Observation, WorldError> {
    let switched = crate::laboratory::set_netlink_option(socket, option, true);
    switched
        .map(|()| Observation::Done)
        .map_err(|error| broken(format!("option {option} of the netlink socket: {error}")))
}

/// Sets a buffer's size, polls, or takes `SO_ERROR`: the steps that need only a socket's
/// descriptor. Fails for any other step.
pub(super) fn step_on_descriptor(fd: BorrowedFd<'_>, step: &Step) -> Result<Observation, WorldError> {
    match step {
        Step::ReceiveBuffer { bytes, .. } => {
            set_number(fd, libc::SO_RCVBUF, *bytes)?;
            buffer_size(sockopt::socket_recv_buffer_size(fd))
        }
        Step::SendBuffer { bytes, .. } => {
            set_number(fd, libc::SO_SNDBUF, *bytes)?;
            buffer_size(sockopt::socket_send_buffer_size(fd))
        }
        Step::Poll { timeout, .. } => poll_for(fd, *timeout),
        Step::SocketError { .. } => {
            let pending = sockopt::socket_error(fd).map_err(|error| broken(format!("SO_ERROR: {error}")))?;
            Ok(Observation::SocketError {
                errno: pending.err().map_or(0, |error| error.raw_os_error().into()),
            })
        }
        other => Err(lacks(other)),
    }
}

pub(super) const fn opened(port_id: i64) -> Observation {
    Observation::Open {
        failed_at: None,
        errno: 0,
        port_id: Some(port_id),
    }
}

fn send(socket: &Socket, to: Option<u32>, bytes: &[u8]) -> Observation {
    let sent = match (socket, to) {
        (Socket::Transport(netlink), None) => netlink.send(&[IoSlice::new(bytes)]).map_err(errno_of),
        (socket, to) => {
            let address = SocketAddrNetlink::new(to.unwrap_or_default(), 0);
            let sent = net::sendto(socket, bytes, SendFlags::DONTWAIT, &address);
            sent.map_err(|error| Errno(error.raw_os_error()))
        }
    };
    sent_or_not(sent)
}

/// Converts the result of a send call into its observation.
pub(super) fn sent_or_not(sent: Result<usize, Errno>) -> Observation {
    let (sent, errno) = sent.map_or_else(|errno| (-1, errno.0.into()), |sent| (number(sent), 0));
    Observation::Send { sent, errno }
}

/// Receives a datagram with `take`, which gets the first `size` bytes of `buffer`, but no more than
/// 512 KiB, and returns the number of bytes copied and the sender's port id. EAGAIN becomes
/// [`Received::Nothing`], and any other errno [`Received::Error`].
pub(super) fn receive(
    take: impl Fn(&mut [u8]) -> Result<(usize, u32), Errno>,
    size: usize,
    buffer: &mut Vec<u8>,
) -> Received {
    buffer.resize(BUFFER_BYTES, 0);
    let buffer = &mut buffer[..size.min(BUFFER_BYTES)];
    match take(buffer) {
        Ok((copied, sender)) => Received::Frame {
            bytes: Bytes::copy_from_slice(&buffer[..copied]),
            sender: sender.into(),
        },
        Err(Errno::EAGAIN) => Received::Nothing,
        Err(errno) => Received::Error { errno: errno.0.into() },
    }
}

/// Receives a datagram from a transport without waiting. Returns the number of bytes copied, and
/// the sender's port id.
pub(super) fn take_from(transport: &impl Transport, buffer: &mut [u8]) -> Result<(usize, u32), Errno> {
    let received = transport.receive(buffer, Wait::Never);
    received
        .map(|datagram| (datagram.copied, datagram.sender.0))
        .map_err(errno_of)
}

fn take(socket: &Socket, buffer: &mut [u8]) -> Result<(usize, u32), Errno> {
    match socket {
        Socket::Transport(netlink) => take_from(netlink, buffer),
        Socket::Plain(socket) => {
            let mut parts = [IoSliceMut::new(buffer)];
            let received = net::recvmsg(
                socket,
                &mut parts,
                &mut RecvAncillaryBuffer::default(),
                RecvFlags::DONTWAIT,
            );
            let received = received.map(|received| {
                let sender = received
                    .address
                    .and_then(|address| SocketAddrNetlink::try_from(address).ok());
                (received.bytes, sender.map_or(0, |sender| sender.pid()))
            });
            received.map_err(|error| Errno(error.raw_os_error()))
        }
    }
}

fn poll_for(socket: BorrowedFd<'_>, timeout: Duration) -> Result<Observation, WorldError> {
    let begun = Instant::now();
    let limit = Timespec::try_from(timeout).map_err(|error| misuse(error.to_string()))?;
    let mut sockets = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
    poll(&mut sockets, Some(&limit)).map_err(|error| broken(format!("poll: {error}")))?;
    let seen = sockets[0].revents();
    Ok(Observation::Poll {
        readable: seen.intersects(PollFlags::IN | PollFlags::ERR),
        error: seen.contains(PollFlags::ERR),
        waited: begun.elapsed(),
    })
}

fn set_number(socket: BorrowedFd<'_>, option: i32, value: i32) -> Result<(), WorldError> {
    let set = crate::laboratory::set_option(socket, libc::SOL_SOCKET, option, &value.to_ne_bytes());
    set.map_err(|error| broken(format!("option {option} = {value}: {error}")))
}

fn buffer_size(size: Result<usize, rustix::io::Errno>) -> Result<Observation, WorldError> {
    let size = size.map_err(|error| broken(format!("the buffer's size can't be read: {error}")))?;
    Ok(Observation::BufferSize { actual: number(size) })
}

fn port_id_of(socket: BorrowedFd<'_>) -> Result<i64, WorldError> {
    let address = net::getsockname(socket).and_then(SocketAddrNetlink::try_from);
    let address = address.map_err(|error| broken(format!("a socket's port id can't be read: {error}")))?;
    Ok(address.pid().into())
}

/// Converts a number of bytes to `i64`, the type of numbers in an observation. A number that is too
/// great becomes the greatest.
fn number(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Converts a transport's error into an errno: EAGAIN for a time-out, EINTR for an interruption,
/// ENOBUFS for an overrun, the system's own errno, and EIO for any other error, such as a closed
/// connection.
pub(super) fn errno_of(error: TransportError) -> Errno {
    match error {
        TransportError::TimedOut => Errno::EAGAIN,
        TransportError::Interrupted => Errno::EINTR,
        TransportError::Overrun => Errno::ENOBUFS,
        TransportError::System(errno) => errno,
        _ => Errno::EIO,
    }
}

/// Converts an error of the laboratory: misuse stays misuse, a system that allows no laboratory is
/// unsupported, and any other error is broken.
pub(super) fn failed(error: LaboratoryError) -> WorldError {
    match error {
        LaboratoryError::Misuse(what) => WorldError::Misuse(what),
        error if error.is_of_the_system() => WorldError::Unsupported(error.to_string()),
        error => WorldError::Broken(error.to_string()),
    }
}

pub(super) fn lacks(step: &Step) -> WorldError {
    step.needs().map_or_else(
        || WorldError::Unsupported(format!("a real kernel has no word for {step:?}")),
        WorldError::Lacks,
    )
}

pub(super) fn misuse(what: impl Into<String>) -> WorldError {
    WorldError::Misuse(what.into())
}

pub(super) fn broken(what: impl Into<String>) -> WorldError {
    WorldError::Broken(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    /// Opens a socket of the netlink protocol ROUTE, which every kernel has. Returns the socket's
    /// port id; `None` if `bind` is `None`. Panics if the socket can't be opened.
    fn open(sockets: &mut Sockets, name: &str, bind: Option<u32>) -> Option<i64> {
        let opened = sockets.step(&Step::Open {
            socket: name.into(),
            protocol: libc::NETLINK_ROUTE,
            bind,
        });
        match opened {
            Ok(Observation::Open {
                failed_at: None,
                errno: 0,
                port_id,
            }) => port_id,
            other => panic!("it is opened: {other:?}"),
        }
    }

    #[test]
    fn a_kernel_of_debian_has_its_version_in_its_build() {
        let build = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-3 (2026-08-01)";
        assert_eq!(version("6.1.0-57-cloud-amd64", build), "6.1.192");
        assert_eq!(version("6.18.44", "#1 SMP PREEMPT_DYNAMIC"), "6.18.44");
    }

    #[test]
    fn a_socket_has_no_port_id_before_it_is_bound() {
        let mut sockets = Sockets::default();
        assert_eq!(open(&mut sockets, "a", None), None);
        let asked = sockets.step(&Step::PortId { socket: "a".into() });
        assert_eq!(asked, Ok(Observation::Bind { errno: 0, port_id: 0 }));
        let chosen = open(&mut sockets, "b", Some(0));
        assert!(chosen.is_some_and(|port_id| port_id != 0), "{chosen:?}");
    }

    #[test]
    fn a_name_that_is_open_keeps_its_socket() {
        let mut sockets = Sockets::default();
        let first = open(&mut sockets, "a", Some(0)).expect("it is bound");
        open(&mut sockets, "b", Some(0));
        let again = [
            Step::Open {
                socket: "a".into(),
                protocol: libc::NETLINK_ROUTE,
                bind: None,
            },
            Step::Duplicate {
                socket: "b".into(),
                duplicate: "a".into(),
            },
        ];
        for step in again {
            let misused = sockets.step(&step);
            assert!(matches!(misused, Err(WorldError::Misuse(_))), "{misused:?}");
            let still = sockets.step(&Step::PortId { socket: "a".into() });
            let port_id = Observation::Bind {
                errno: 0,
                port_id: first,
            };
            assert_eq!(still, Ok(port_id));
        }
    }
}
