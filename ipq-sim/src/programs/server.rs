//! The sockets of an emulated kernel for programs in other processes.
//!
//! Programs get their sockets by two means. Those that know of the emulator connect to a path, with
//! [`ipq_core::transport::unix`]: see `requests`. The others are started by the launcher, which
//! reports calls of theirs to this server: see `launched`. Both kinds have a connection for each
//! emulated netlink socket, which carries frames.
//!
//! A [`Server`] has connections and no kernel. The caller gives a kernel to each
//! [`turn`](Server::turn), which moves the messages that are there, and waits for some at most as
//! long as the caller allows. So one thread owns the kernel, and can use it freely between two
//! turns.
//!
//! A launched program may also have raw sockets: `raw` says which packets leave by them.
//!
//! A frame stays in the emulated receive buffer, with its weight, until the program has read it.
//! The program's connection has copies of the first frames of the buffer: see `frames`.
//!
//! What programs can make a server hold is bounded: the number of connections, and the bytes on
//! each, which the system limits. If the system has no more descriptors, a new connection at the
//! path is closed, and the others go on.

mod frames;
mod launched;
mod observer;
mod raw;
mod requests;

pub use launched::{Remark, Remarks};
pub use observer::{Observer, Passed, Unread};
pub use raw::{RawLayer, RawPacket};

use crate::books::PacketSerial;
use crate::kernel::Kernel;
use crate::netlink::{ClientId, SocketId};
use crate::queue::QueueId;
use frames::{Allocations, End, Frames, WaitsFor};
use ipq_core::transport::unix::protocol::Notice;
use ipq_core::wire::{Abi, Message, PacketId, nfnetlink};
use ipq_core::{Errno, Family, PortId};
use ipq_launcher::datagrams::Inbox;
use launched::{GivenRaw, LOOK, Launched};
use observer::PassedOnly;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::net::{self, AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

/// The greatest number of connections at a time. One more at the path is closed at once. A program
/// that the launcher started gets EMFILE for one more socket.
const MOST_CONNECTIONS: usize = 1024;

/// The greatest number of batches of datagrams that are taken from one connection before the next
/// connection's are.
const MOST_IN_A_ROW: usize = 32;

/// The length, in bytes, of the longest datagram that is taken from a program, or that is copied to
/// a program by a receive call that the server carries out for it.
const LONGEST: usize = 1 << 18;

/// The longest wait of a turn while a connection's next frame is held back: it has another sender
/// than the frames on the connection, and the program has to read these first.
const HELD_BACK: Duration = Duration::from_millis(1);

/// The longest wait of a turn while a program has much to read and its messages do not wake the
/// server.
const LET_WORK: Duration = Duration::from_millis(4);

/// The emulated kernel's end of the sockets of programs in other processes. Dropping it closes all
/// their connections, and removes the path if the socket there is still the server's own.
#[derive(Debug)]
pub struct Server {
    /// The path at which programs connect. `None` if the server has no path.
    place: Option<Place>,
    /// The program that was started for this server by the launcher. `None` if none was.
    launched: Option<Launched>,
    /// The epoll instance for the two listeners, and for the connections for requests and notices.
    events: OwnedFd,
    /// The epoll instance for the connections that carry frames, and for those of raw sockets.
    inputs: OwnedFd,
    /// The epoll instance for `events` and `inputs` together, for a caller who waits for other
    /// things, too.
    all: OwnedFd,
    /// Whether `all` waits for the two. It begins when it is first asked for, since each message
    /// then wakes it.
    all_waits: Once,
    connections: HashMap<u64, Connection>,
    /// The programs that have a socket, by their process ids in their own PID namespaces.
    programs: HashMap<u32, ClientId>,
    /// The kernel's clients of programs that have no socket any more. Programs that come later get
    /// these clients.
    former: Vec<ClientId>,
    /// A spare descriptor, which is closed to accept and close a connection when the system has no
    /// other.
    spare: Option<OwnedFd>,
    next_key: u64,
    /// `true` if a packet of a raw socket was lost: see [`Remark::LostRaw`].
    has_lost_raw: bool,
    inbox: Inbox,
    allocations: Allocations,
}

/// A path at which programs connect, and the socket that listens there. Dropping it removes the
/// path if it still belongs to that socket.
#[derive(Debug)]
struct Place {
    listener: OwnedFd,
    path: PathBuf,
    /// The device and the inode of the socket that was made at the path.
    file: (u64, u64),
}

#[derive(Debug)]
enum Connection {
    /// A connection that a program made at the path, and on which no request has come yet.
    New(OwnedFd),
    /// The connection of an emulated socket of a program, which carries frames.
    Frames(Frames),
    /// A connection of a program's raw socket.
    Raw(GivenRaw),
    /// The connection for notices about an emulated socket: of overruns, and of a new sender of the
    /// frames that follow. The key is that of the connection that carries the socket's frames.
    Notices(OwnedFd, u64),
}

/// The key of the path's listener in `events`. The keys of connections count from 0.
const LISTENER: u64 = u64::MAX;

/// The key of the launcher's listener in `events`, by which a program's calls come.
const CALLS: u64 = u64::MAX - 1;

impl Server {
    /// Makes a server without a path. It serves only the program that [`launch`](Self::launch) is
    /// called for.
    pub fn new() -> io::Result<Self> {
        let create = || epoll::create(epoll::CreateFlags::CLOEXEC);
        let [events, inputs, all] = [create()?, create()?, create()?];
        Ok(Self {
            place: None,
            launched: None,
            connections: HashMap::new(),
            programs: HashMap::new(),
            former: Vec::new(),
            spare: Some(events.try_clone()?),
            events,
            inputs,
            all,
            all_waits: Once::new(),
            next_key: 0,
            has_lost_raw: false,
            inbox: Inbox::new(LONGEST),
            allocations: Allocations::default(),
        })
    }

    /// Makes a server that listens for programs at `path`. Replaces a socket at the path if nobody
    /// listens there any more. Fails if anything else is there, or if the socket can't be made.
    pub fn listen(path: &Path) -> io::Result<Self> {
        let mut server = Self::new()?;
        let address = SocketAddrUnix::new(path)?;
        let listener = net::socket_with(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        if let Err(error) = net::bind(&listener, &address) {
            let probe = net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
            // A file that is no socket refuses connections, too.
            let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
            if !is_socket || net::connect(&probe, &address) != Err(rustix::io::Errno::CONNREFUSED) {
                return Err(error.into());
            }
            std::fs::remove_file(path)?;
            net::bind(&listener, &address)?;
        }
        let file = std::fs::symlink_metadata(path)?;
        net::listen(&listener, 64)?;
        let data = epoll::EventData::new_u64(LISTENER);
        epoll::add(&server.events, &listener, data, epoll::EventFlags::IN)?;
        server.place = Some(Place {
            listener,
            path: path.to_owned(),
            file: (file.dev(), file.ino()),
        });
        Ok(server)
    }

    /// Returns the path at which programs connect, with `IPQ_TRANSPORT` set to `unix:` and this
    /// path. Returns `None` if the server has no path.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.place.as_ref().map(|place| &*place.path)
    }

    /// Moves the messages that are there between programs and the kernel, and answers requests and
    /// calls. If there is nothing to do, first waits, at most for `wait` (for ever if `None`); it
    /// may also return earlier with nothing done. Calls `observer` for each message, and for each
    /// overrun that a program was told of. A signal during the wait ends the turn.
    pub fn turn(
        &mut self,
        kernel: &mut Kernel,
        wait: Option<Duration>,
        observer: &mut dyn FnMut(Passed<'_>),
    ) -> io::Result<()> {
        self.observed_turn(kernel, wait, &mut PassedOnly(observer))
    }

    /// Does what [`turn`](Self::turn) does, but calls the methods of an [`Observer`], which can
    /// also change the kernel after each message.
    pub fn observed_turn(
        &mut self,
        kernel: &mut Kernel,
        wait: Option<Duration>,
        observer: &mut dyn Observer,
    ) -> io::Result<()> {
        if self.has_early_calls() {
            self.answer_calls(kernel, observer)?;
        }
        self.hand_over(kernel, observer);
        let Some(has_events) = self.wait(wait)? else {
            return Ok(());
        };
        self.take_frames(kernel, observer)?;
        let events = if has_events { ready(&self.events)? } else { Vec::new() };
        for key in events {
            match key {
                LISTENER => self.accept()?,
                CALLS => self.answer_calls(kernel, observer)?,
                key => {
                    self.take_frames(kernel, observer)?;
                    self.has_asked(kernel, key);
                }
            }
        }
        self.hand_over(kernel, observer);
        self.answer_receiving()
    }

    /// Waits at most for `wait` until there is something to do. Returns `true` if there is
    /// something for `events`, such as a new connection, a request or a call, and maybe messages of
    /// programs. Returns `false` if there are only messages, or nothing came in time. Returns
    /// `None` after a signal.
    fn wait(&mut self, wait: Option<Duration>) -> io::Result<Option<bool>> {
        let wait = match wait {
            Some(Duration::ZERO) => wait,
            wait => self.choose_what_to_wait_for()?.into_iter().chain(wait).min(),
        };
        let timeout = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let mut descriptors = [
            PollFd::new(&self.events, PollFlags::IN),
            PollFd::new(&self.inputs, PollFlags::IN),
        ];
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(_) => Ok(Some(descriptors[0].revents().intersects(PollFlags::IN))),
            Err(rustix::io::Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells epoll which events to wait for on each connection that carries frames. Returns the
    /// longest time to wait if something has to be checked again of which no event tells, and
    /// otherwise `None`.
    fn choose_what_to_wait_for(&mut self) -> io::Result<Option<Duration>> {
        let mut longest = self.has_receiving().then_some(LOOK);
        for (key, connection) in &mut self.connections {
            let Connection::Frames(frames) = connection else {
                continue;
            };
            let waits_for = frames.wait_now();
            if waits_for != std::mem::replace(&mut frames.waits_for, waits_for) {
                let data = epoll::EventData::new_u64(*key);
                epoll::modify(&self.inputs, &frames.connection, data, waits_for.flags())?;
            }
            if frames.is_held_back {
                longest = Some(HELD_BACK);
            } else if waits_for == WaitsFor::Space {
                longest = longest.filter(|longest| *longest < LET_WORK).or(Some(LET_WORK));
            }
        }
        Ok(longest)
    }

    fn frames(&self) -> impl Iterator<Item = &Frames> {
        self.connections.values().filter_map(|connection| match connection {
            Connection::Frames(frames) => Some(frames),
            Connection::New(_) | Connection::Raw(_) | Connection::Notices(..) => None,
        })
    }

    fn frames_mut(&mut self) -> impl Iterator<Item = &mut Frames> {
        self.connections.values_mut().filter_map(|connection| match connection {
            Connection::Frames(frames) => Some(frames),
            Connection::New(_) | Connection::Raw(_) | Connection::Notices(..) => None,
        })
    }

    /// Brings the emulated receive buffers up to date: asks the connections how much their programs
    /// have read, and removes that.
    pub fn look(&mut self, kernel: &mut Kernel) {
        for frames in self.frames_mut() {
            frames.look(kernel);
        }
    }

    /// Returns `true` if no emulated receive buffer has a frame or a pending error: the programs
    /// had read every frame at the last [`look`](Self::look). Returns `true` without any program,
    /// too.
    #[must_use]
    pub fn all_read(&self, kernel: &Kernel) -> bool {
        self.frames().all(|frames| !kernel.is_readable(frames.socket))
    }

    /// Returns `true` if any program has so much unread that its reading will wake the server.
    #[must_use]
    pub(crate) fn has_enough_to_read(&self) -> bool {
        self.frames().any(Frames::has_enough)
    }

    /// Returns `true` if any program, by the launcher or at the path, has an emulated netlink
    /// socket open.
    #[must_use]
    pub fn has_programs(&self) -> bool {
        self.frames().next().is_some()
    }

    /// Adds a connection that is to carry frames, or the packets of a raw socket, to the epoll
    /// instance `inputs`. Its events come with `key`.
    fn watch_frames(&self, connection: &OwnedFd, key: u64) -> Result<(), Errno> {
        let data = epoll::EventData::new_u64(key);
        epoll::add(&self.inputs, connection, data, WaitsFor::default().flags())
            .map_err(|error| Errno(error.raw_os_error()))
    }

    fn open(&mut self, kernel: &mut Kernel, protocol: i32, process_id: u32) -> Result<SocketId, Errno> {
        let former = &mut self.former;
        let client = *self.programs.entry(process_id).or_insert_with(|| match former.pop() {
            Some(client) => {
                kernel.set_process_id(client, process_id);
                client
            }
            None => kernel.add_client(process_id, true),
        });
        let opened = kernel.open(client, protocol);
        if opened.is_err() {
            self.forget_if_gone(process_id);
        }
        opened
    }

    /// Forgets the program with this process id if it has no socket any more, so that its client of
    /// the kernel can go to a later program.
    fn forget_if_gone(&mut self, process_id: u32) {
        if !self.frames().any(|frames| frames.process_id == process_id)
            && let Some(client) = self.programs.remove(&process_id)
        {
            self.former.push(client);
        }
    }

    /// Takes the messages that programs have sent, at most [`MOST_IN_A_ROW`] batches from each
    /// connection, and gives them to the kernel. Closes the emulated sockets whose connections the
    /// programs have closed. So, as a rule, a socket that its program has closed is closed here
    /// before the program's next socket is bound.
    fn take_frames(&mut self, kernel: &mut Kernel, observer: &mut dyn Observer) -> io::Result<()> {
        let mut keys = ready(&self.inputs)?;
        let silent = |connection: &Connection| matches!(connection, Connection::Frames(frames) if frames.waits_for == WaitsFor::Space);
        keys.extend(
            self.connections
                .iter()
                .filter(|(_, connection)| silent(connection))
                .map(|(key, _)| *key),
        );
        for key in keys {
            self.take_from_program(kernel, key, observer);
        }
        Ok(())
    }

    fn take_from_program(&mut self, kernel: &mut Kernel, key: u64, observer: &mut dyn Observer) {
        if let Some(Connection::Raw(_)) = self.connections.get(&key) {
            return self.take_raw(key, observer);
        }
        let Self {
            connections,
            inbox,
            allocations,
            ..
        } = self;
        let Some(Connection::Frames(frames)) = connections.get_mut(&key) else {
            return;
        };
        let mut reset = false;
        for batch in 0..MOST_IN_A_ROW {
            match inbox.receive(frames.connection.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if batch == 0 {
                        frames.look(kernel);
                    }
                    return;
                }
                // The program closed the connection with a frame unread. What it sent before still
                // comes, and then the connection's end.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::CONNRESET.raw_os_error()) => reset = true,
                Err(_) => return self.close(kernel, key, reset, observer),
                Ok(count) => {
                    if inbox
                        .datagrams()
                        .any(|datagram| datagram.is_some_and(|bytes| !bytes.is_empty()))
                    {
                        frames.has_sent();
                        // A program that gives a verdict has read the packet, so the receive buffer
                        // is brought up to date.
                        frames.look(kernel);
                    }
                    let mut empty = false;
                    for datagram in inbox.datagrams() {
                        // A datagram that is longer than any that the transport lets through is
                        // lost. An empty datagram is ignored (MSG-1); it may be the connection's
                        // end.
                        let Some(datagram) = datagram else { continue };
                        empty = datagram.is_empty();
                        if !empty {
                            observer.sent(kernel.netlink_protocol(frames.socket), datagram);
                            // The program's send call is over, so nobody can be told of an error.
                            let _ = kernel.send(frames.socket, datagram);
                            observer.carried_out(kernel);
                        }
                    }
                    if empty && has_hung_up(frames.connection.as_fd()) {
                        return self.close(kernel, key, reset, observer);
                    }
                    // The program gets its next frames while the rest of its messages is carried
                    // out.
                    if frames.given.is_some() {
                        frames.skip_foreign(kernel);
                        frames.fill(kernel, allocations, observer);
                    }
                    // A message that comes after a batch that was not full is taken later.
                    if count < Inbox::AT_ONCE {
                        return;
                    }
                }
            }
        }
    }

    /// Closes the emulated socket of a program that has closed its connection. Before that, tells
    /// `observer` what is known of the packets that the program has not read. `reset` says that the
    /// connection was closed with frames unread.
    fn close(&mut self, kernel: &mut Kernel, key: u64, reset: bool, observer: &mut dyn Observer) {
        let Some(Connection::Frames(mut frames)) = self.connections.remove(&key) else {
            return;
        };
        let end = frames.end(kernel, reset);
        observer.unread(match end {
            End::Known => Unread::Packets(unread_packets(kernel, frames.socket)),
            End::Unknown => Unread::Unknown {
                socket: frames.socket,
                ended_at_once: frames.given.is_some(),
            },
        });
        kernel.close(frames.socket);
        self.forget_if_gone(frames.process_id);
        self.connections
            .retain(|_, other| !matches!(other, Connection::Notices(_, of) if *of == key));
        observer.carried_out(kernel);
    }

    /// Sends notices of overruns (SOCK-4) and senders, and then puts frames on every connection, as
    /// many as it takes now.
    fn hand_over(&mut self, kernel: &mut Kernel, observer: &mut dyn Observer) {
        self.give_notice(kernel, observer);
        let Self {
            connections,
            allocations,
            ..
        } = self;
        for connection in connections.values_mut() {
            if let Connection::Frames(frames) = connection {
                frames.fill(kernel, allocations, observer);
            }
        }
    }

    /// Sends the notices that are due: of an overrun, and of a new sender before its first frame. A
    /// notice of a sender that can't be sent now stays due, and so does its frame; a notice of an
    /// overrun may be lost. A socket that the launcher gave gets no notices: datagrams of other
    /// senders than the kernel are discarded.
    fn give_notice(&mut self, kernel: &mut Kernel, observer: &mut dyn Observer) {
        let mut due = Vec::new();
        for (key, connection) in &mut self.connections {
            let Connection::Frames(frames) = connection else {
                continue;
            };
            frames.overran |= matches!(kernel.take_error(frames.socket), Ok(Some(_)));
            if frames.is_held_back {
                frames.look(kernel);
            }
            if frames.given.is_some() {
                frames.skip_foreign(kernel);
                continue;
            }
            if frames.overran {
                due.push((*key, Notice::Overrun));
            }
            let next = kernel.waiting(frames.socket, 0).filter(|_| frames.on_connection() == 0);
            if let Some((sender, _)) = next.filter(|(sender, _)| *sender != frames.sender) {
                due.push((*key, Notice::Sender(sender)));
            }
        }
        for (key, notice) in due {
            let to = self.connections.values().find_map(|connection| match connection {
                Connection::Notices(descriptor, of) if *of == key => Some(descriptor),
                _ => None,
            });
            let Some(to) = to else { continue };
            let told = net::send(to, &notice.write(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_ok();
            let Some(Connection::Frames(frames)) = self.connections.get_mut(&key) else {
                continue;
            };
            match notice {
                Notice::Overrun => {
                    // If there is no room for the notice, the program has many notices unread, so
                    // that this one may be lost.
                    observer.passed(Passed::Overrun);
                    frames.overran = false;
                }
                Notice::Sender(sender) if told => frames.sender = sender,
                Notice::Sender(_) => {}
            }
        }
    }
}

/// Returns the keys of up to 64 descriptors of an epoll instance that are ready now. Returns none
/// if a signal interrupts the call.
fn ready(epoll: &OwnedFd) -> io::Result<Vec<u64>> {
    let mut room = [MaybeUninit::<epoll::Event>::uninit(); 64];
    match epoll::wait(epoll, &mut room, Some(&Timespec::default())) {
        Ok((events, _)) => Ok(events.iter().map(|event| event.data.u64()).collect()),
        Err(rustix::io::Errno::INTR) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Returns `true` if the other end of a connection is closed, or the connection has an error.
fn has_hung_up(connection: BorrowedFd<'_>) -> bool {
    let mut descriptors = [PollFd::from_borrowed_fd(connection, PollFlags::empty())];
    poll(&mut descriptors, Some(&Timespec::default())).is_ok()
        && descriptors[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

/// Returns the packets that are still queued and whose frames are in the socket's receive buffer,
/// in the order of the frames.
fn unread_packets(kernel: &Kernel, socket: SocketId) -> Vec<PacketSerial> {
    let protocol = kernel.netlink_protocol(socket);
    let abi = kernel.profile().abi;
    let waiting = (0..)
        .map_while(|index| kernel.waiting(socket, index))
        .filter(|(sender, _)| *sender == PortId::KERNEL)
        .filter_map(|(_, parts)| queued_packet(protocol, &parts.concat(), abi));
    waiting.filter_map(|(queue, id)| kernel.queued_in(queue, id)).collect()
}

/// Returns the queue and the id of the packet whose frame a datagram of the kernel is, for a socket
/// of this netlink protocol. Returns `None` if the datagram is no packet's frame.
fn queued_packet(protocol: i32, datagram: &[u8], abi: Abi) -> Option<(QueueId, PacketId)> {
    if let Some(family) = Family::from_netlink_protocol(protocol) {
        return match Message::parse(datagram, abi) {
            Ok(Message::Packet(packet)) => Some((QueueId::IpQueue(family), packet.packet_id())),
            _ => None,
        };
    }
    let packet = nfnetlink::QueuedPacket::parse(datagram, datagram.len()).ok()?;
    Some((QueueId::Numbered(packet.queue), PacketId(packet.id.into())))
}

impl AsFd for Server {
    /// Returns a descriptor that is readable when a [`turn`](Server::turn) has messages, requests
    /// or calls to take, for a caller who waits for other things, too. Some messages do not make it
    /// readable at once, so the caller should wait with a timeout.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.all_waits.call_once(|| {
            for (part, key) in [(&self.events, 0), (&self.inputs, 1)] {
                // This takes no descriptor, and fails only where the system's memory or limits are
                // used up.
                let _ = epoll::add(&self.all, part, epoll::EventData::new_u64(key), epoll::EventFlags::IN);
            }
        });
        self.all.as_fd()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The path may be gone already, or belong to a newer socket.
        let is_own = |file: std::fs::Metadata| (file.dev(), file.ino()) == self.file;
        if std::fs::symlink_metadata(&self.path).is_ok_and(is_own) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
