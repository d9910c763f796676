//! The program that was started for a server. The launcher reports calls of the program, which are
//! answered here.
//!
//! `socket` for a queue's protocol is answered with one end of a Unix socket pair. Send and receive
//! calls, poll and fcntl work on that end as on a netlink socket, so that as a rule they are not
//! stopped for each packet. A `recvfrom` on a socket of nfnetlink that asks for the sender's
//! address is: see `receiving`. A call that names a descriptor is recognised by the inode of the
//! socket behind the descriptor, which is equal for copies and in children. Calls on sockets that
//! are not emulated go on to this machine's kernel.

mod raw;
mod receiving;

pub(super) use raw::GivenRaw;
pub(super) use receiving::LOOK;

use super::frames::{Frames, Given};
use super::{CALLS, Connection, MOST_CONNECTIONS, Observer, Passed, Server};
use crate::kernel::Kernel;
use crate::netlink::SocketId;
use ipq_core::transport::unix::calls::{self, ProcFile, SocketOption};
use ipq_core::{Errno, Family, PortId};
use ipq_launcher::{
    Activity, Call, FIRST_RAW, FIRST_WITH_SENDER, Listener, Name, OpenForm, Privileged, Process, no_new_process,
};
use receiving::Receiving;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fs::{MemfdFlags, SeekFrom, fstat, memfd_create, seek};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// The length of the longest path that is compared, in bytes. The paths of the emulated files in
/// /proc are shorter.
const LONGEST_PATH: usize = 64;

/// The greatest number of times that a `bind` is tried again because its port id is in use. The
/// program may have closed the socket that has it: a child that the program is just starting holds
/// a copy until the child's `exec`, which may take long on a busy machine.
const CLOSING_TRIES: usize = 500;
/// The pause before each of the [`CLOSING_TRIES`].
const CLOSING_PAUSE: Duration = Duration::from_millis(1);

/// The program that was started for a server, and the state of answering its calls.
#[derive(Debug)]
pub(super) struct Launched {
    listener: Listener,
    /// The ids of the threads whose calls the listener has reported so far.
    threads: BTreeSet<u32>,
    remarks: Remarks,
    /// The number in the name that the newest socket pair got. The next pair gets a name with the
    /// next number.
    next_name: u32,
    /// The receive calls that are stopped until a datagram comes.
    receiving: Vec<Receiving>,
}

/// The remarks on calls that did something else than the program may expect, each once.
pub type Remarks = BTreeSet<Remark>;

/// A remark on calls that did something else than the program may expect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Remark {
    /// The program asked for a socket of nfnetlink, which the emulated kernel does not have, and
    /// got EPROTONOSUPPORT.
    Nfnetlink,
    /// The program asked for a socket of `ip_queue` and got EPROTONOSUPPORT, since its words have
    /// another size than the emulated kernel's.
    OtherWordSize {
        /// The size of the program's words, in bits.
        bits: u32,
    },
    /// The program opened a socket for the queue of this family, which the emulated kernel does not
    /// have. What the program sends there is lost.
    NoQueue(Family),
    /// The program asked for a socket for the queue of this family, whose module the emulated
    /// kernel has unloaded, and got EPROTONOSUPPORT.
    NotLoaded(Family),
    /// The program asked for a socket of `ip_queue`, which the emulated kernel does not have, and
    /// got EPROTONOSUPPORT.
    IpQueue,
    /// The program asked to give up privileges by the call of this name, or by one of its kind,
    /// which would have failed because the program lacks the privilege that the call needs. The
    /// call was answered with success, and not carried out.
    Pretended(&'static str),
    /// A process can't be looked into, so that one of its calls on a socket went on to this
    /// machine's kernel.
    Hidden,
    /// A packet that the program sent by a raw socket was lost. The launcher did not report the
    /// call that sent it, as with a descriptor of too low a number. Without the address in the
    /// call, the bytes could not be made into a packet; or they were more than any packet has.
    LostRaw,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nfnetlink => f.write_str(
                "the program asked for an nfnetlink socket (protocol 12), and got EPROTONOSUPPORT: the emulated kernel has \
                 ip_queue only, and this machine's queues are out of reach (--kernel linux-6.18-x86_64 has nfnetlink_queue)",
            ),
            Self::IpQueue => f.write_str(
                "the program asked for an ip_queue socket (protocol 3 or 13), and got EPROTONOSUPPORT: the emulated kernel has \
                 nfnetlink_queue only, as kernels since 3.5 (--kernel 3.4.10 has ip_queue)",
            ),
            Self::OtherWordSize { bits } => {
                let architecture = if *bits == 32 { "i386" } else { "x86_64" };
                write!(
                    f,
                    "a program of {bits} bits asked for a queue's socket, and got EPROTONOSUPPORT: the emulated kernel is of \
                     another word size, and no kernel ever bore both; choose a profile of {bits} bits with --kernel, such as \
                     linux-2.6.18-{architecture}"
                )
            }
            Self::NoQueue(family) => write!(
                f,
                "the emulated kernel has no queue for {family}: what the program sends to it is lost, where the kernel would \
                 refuse each send with ECONNREFUSED"
            ),
            Self::NotLoaded(family) => write!(
                f,
                "the program asked for a socket for the {family} queue of ip_queue, and got EPROTONOSUPPORT: the emulated kernel \
                 has unloaded that queue's module"
            ),
            Self::Pretended(call) => write!(
                f,
                "{call} was answered with success and not done: the program has not the privilege that it takes"
            ),
            Self::Hidden => f.write_str(
                "a process of the program can't be looked into, so that bind and socket options of its sockets failed: run it \
                 as the same user, from a file that this user may read",
            ),
            Self::LostRaw => write!(
                f,
                "a packet that the program sent by a raw socket was lost: it was sent by a descriptor below {FIRST_RAW}, whose \
                 destination is not seen (let the program keep the descriptor that socket returned, and have 1024: ulimit -n)"
            ),
        }
    }
}

impl Server {
    /// Begins to serve the program that was started with this `listener`. From now on each turn
    /// answers the calls that the listener reports.
    pub fn launch(&mut self, listener: Listener) -> io::Result<()> {
        let data = epoll::EventData::new_u64(CALLS);
        epoll::add(&self.events, &listener, data, epoll::EventFlags::IN)?;
        self.launched = Some(Launched {
            listener,
            threads: BTreeSet::new(),
            remarks: Remarks::new(),
            next_name: std::process::id().rotate_left(16),
            receiving: Vec::new(),
        });
        Ok(())
    }

    /// Returns `true` if calls that the launcher read while it started the program have not been
    /// answered.
    pub(super) fn has_early_calls(&self) -> bool {
        self.launched
            .as_ref()
            .is_some_and(|launched| launched.listener.has_early_calls())
    }

    /// Returns `true` if a program was started for this server, and no process of it is left.
    #[must_use]
    pub fn launched_has_ended(&self) -> bool {
        self.launched
            .as_ref()
            .is_some_and(|launched| launched.listener.has_ended())
    }

    /// Returns the ids of the program's processes, as far as they are known: those with a living
    /// thread that made a watched call, and those that hold an emulated netlink socket. Returns
    /// none if no program was started for this server.
    #[must_use]
    pub fn launched_processes(&self) -> BTreeSet<u32> {
        let Some(launched) = &self.launched else {
            return BTreeSet::new();
        };
        let inodes: Vec<u64> = self.frames().filter_map(|frames| Some(frames.given?.inode)).collect();
        let threads = launched.threads.iter();
        let mut processes: BTreeSet<u32> = threads
            .filter_map(|thread| Process::of(*thread))
            .map(|process| process.id)
            .collect();
        if !inodes.is_empty() {
            processes.extend(ipq_launcher::holders(&inodes));
        }
        processes.remove(&std::process::id());
        processes
    }

    /// Returns `true` if, as far as /proc tells, the process that opened this socket waits for
    /// input, in a receive call, `read`, `poll`, `select` or `epoll_wait`, and no call and no
    /// message of any program is left to be taken. If that process is gone, or asleep in another
    /// call, looks at the processes that hold the socket: one of them must wait. Always returns
    /// `true` for a socket of a program that connected to the path, and for a closed one.
    #[must_use]
    pub fn waits(&self, socket: SocketId) -> bool {
        let given = self.frames().find(|frames| frames.socket == socket);
        let (Some(given), Some(launched)) = (given.and_then(|frames| frames.given), &self.launched) else {
            return true;
        };
        // While a call is left to take, its thread is stopped in it, which is no wait for input.
        if launched.listener.has_call() {
            return false;
        }
        let waits = match ipq_launcher::activity(given.process) {
            Activity::Waiting => true,
            Activity::Running => false,
            // The process may have ended or left the socket to another process.
            Activity::Asleep | Activity::Gone => ipq_launcher::holders(&[given.inode])
                .into_iter()
                .any(|process| ipq_launcher::activity(process) == Activity::Waiting),
        };
        // The program may wait for the answer to a message that is left to be carried out.
        waits && !self.has_message()
    }

    /// Returns `true` if a program has sent a message, or closed a connection, and the server has
    /// not taken notice of it yet.
    fn has_message(&self) -> bool {
        let connections = self.frames().map(|frames| &frames.connection);
        let mut connections: Vec<_> = connections
            .map(|connection| PollFd::new(connection, PollFlags::IN))
            .collect();
        poll(&mut connections, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Returns the remarks so far.
    #[must_use]
    pub fn remarks(&self) -> Remarks {
        let remarks = self.launched.as_ref().map(|launched| launched.remarks.clone());
        let mut remarks = remarks.unwrap_or_default();
        if self.has_lost_raw {
            remarks.insert(Remark::LostRaw);
        }
        remarks
    }

    /// Answers the calls that the launcher has reported and that were not taken yet. Before each,
    /// carries out the messages that programs have sent. Stops listening for calls when no process
    /// of the program is left.
    pub(super) fn answer_calls(&mut self, kernel: &mut Kernel, observer: &mut dyn Observer) -> io::Result<()> {
        // The answers need the rest of the server, so the program's state is taken out meanwhile.
        let Some(mut launched) = self.launched.take() else {
            return Ok(());
        };
        let mut answer = || -> io::Result<()> {
            while let Some(call) = launched.listener.next_call()? {
                // What the program did before comes first, such as the closing of a socket.
                self.take_frames(kernel, observer)?;
                launched.threads.insert(call.thread);
                self.answer_call(kernel, observer, &mut launched, &call)?;
            }
            if launched.listener.has_ended() {
                let _ = epoll::delete(&self.events, &launched.listener);
            }
            Ok(())
        };
        let answered = answer();
        self.launched = Some(launched);
        answered
    }

    /// Returns `true` if a receive call of the program is stopped until a datagram comes.
    pub(super) fn has_receiving(&self) -> bool {
        self.launched
            .as_ref()
            .is_some_and(|launched| !launched.receiving.is_empty())
    }

    /// Answers those of the stopped receive calls for which a datagram has come, or which can wait
    /// no longer, as after a signal.
    pub(super) fn answer_receiving(&mut self) -> io::Result<()> {
        let Some(launched) = &mut self.launched else {
            return Ok(());
        };
        for receiving in std::mem::take(&mut launched.receiving) {
            launched.receiving.extend(receiving.again(&launched.listener)?);
        }
        Ok(())
    }

    /// Answers a `recvfrom` call that asks for the sender's address. A pending overrun fails the
    /// call with ENOBUFS. If no datagram is there, the call may stay stopped until one comes. On
    /// any other socket than an emulated netlink socket, this machine's kernel carries the call
    /// out.
    fn answer_receive(
        &mut self,
        kernel: &mut Kernel,
        observer: &mut dyn Observer,
        launched: &mut Launched,
        call: &Call,
    ) -> io::Result<()> {
        let overran = self.any_overran(kernel);
        let inode = launched.socket_inode(call);
        let Some(frames) = self.given_with(inode) else {
            return launched.listener.proceed(call);
        };
        if overran && let Err(Errno(errno)) = tell_overrun(frames, observer) {
            return launched.listener.refuse(call, errno);
        }
        let receiving = receiving::answer(&launched.listener, call)?;
        launched.receiving.extend(receiving);
        Ok(())
    }

    /// Returns the emulated socket whose program's end has that inode. Returns `None` if there is
    /// none.
    fn given_with(&mut self, inode: Option<u64>) -> Option<&mut Frames> {
        let mut all = self.frames_mut();
        all.find(|frames| frames.given.is_some_and(|given| Some(given.inode) == inode))
    }

    fn answer_call(
        &mut self,
        kernel: &mut Kernel,
        observer: &mut dyn Observer,
        launched: &mut Launched,
        call: &Call,
    ) -> io::Result<()> {
        match call.name {
            Name::Socket => return self.answer_socket(kernel, observer, launched, call),
            Name::Open { path, form } => return launched.answer_open(kernel, call, path, form),
            Name::Access { path } => {
                return launched.answer_about_file(kernel, call, path, |listener| listener.answer(call, 0));
            }
            Name::Status { path, into, form } => {
                return launched
                    .answer_about_file(kernel, call, path, |listener| listener.answer_status(call, into, form));
            }
            Name::Privileged(privileged) => return launched.answer_privileged(call, privileged),
            Name::Closing => {
                for frames in self.frames_mut().filter(|frames| frames.given.is_some()) {
                    frames.look_before_closing(kernel);
                }
                return launched.listener.proceed(call);
            }
            Name::ReceiveFrom if call.address(SENDER) != 0 => {
                return self.answer_receive(kernel, observer, launched, call);
            }
            Name::Receive | Name::ReceiveFrom if !self.any_overran(kernel) => {
                return launched.listener.proceed(call);
            }
            Name::Send(form) => return self.answer_send(kernel, observer, launched, call, form),
            _ => {}
        }
        let inode = launched.socket_inode(call);
        if let Some(raw) = self.raw_with(inode) {
            return raw::answer(&launched.listener, call, raw);
        }
        let mut answer = self.on_socket(kernel, observer, &launched.listener, call, inode);
        for _ in 0..CLOSING_TRIES {
            if answer != Err(Errno::EADDRINUSE) || self.is_taken_by(kernel, call) {
                break;
            }
            std::thread::sleep(CLOSING_PAUSE);
            self.take_frames(kernel, observer)?;
            answer = self.on_socket(kernel, observer, &launched.listener, call, inode);
        }
        match answer {
            Ok(Some(value)) => launched.listener.answer(call, value),
            Ok(None) => launched.listener.proceed(call),
            Err(Errno(errno)) => launched.listener.refuse(call, errno),
        }
    }

    /// Carries out a call on the emulated socket with this inode, and returns what the call
    /// returns, or the error with which it fails. Returns `None` if this machine's kernel is to
    /// carry out the call: for some calls on that socket, and always if no emulated socket has the
    /// inode.
    fn on_socket(
        &mut self,
        kernel: &mut Kernel,
        observer: &mut dyn Observer,
        listener: &Listener,
        call: &Call,
        inode: Option<u64>,
    ) -> Result<Option<i64>, Errno> {
        self.given_with(inode)
            .map_or(Ok(None), |frames| on_socket(kernel, observer, listener, call, frames))
    }

    /// Returns `true` if the calling process itself holds an emulated socket that is bound: then a
    /// port id in use may stay in use. Otherwise the program may have closed the socket that has
    /// the port id, and a child that it is just starting may hold the last copy until the child's
    /// `exec`.
    fn is_taken_by(&self, kernel: &Kernel, call: &Call) -> bool {
        let given = self.frames().filter(|frames| kernel.port_id(frames.socket).is_some());
        let inodes: Vec<u64> = given.filter_map(|frames| Some(frames.given?.inode)).collect();
        ipq_launcher::holds(call.thread, &inodes)
    }

    /// Returns `true` if the program is to be told of an overrun on any of the sockets that the
    /// launcher gave to it. Brings the emulated receive buffers of those sockets up to date first.
    fn any_overran(&mut self, kernel: &mut Kernel) -> bool {
        let mut any = false;
        for frames in self.frames_mut().filter(|frames| frames.given.is_some()) {
            frames.look(kernel);
            frames.overran |= matches!(kernel.take_error(frames.socket), Ok(Some(_)));
            any |= frames.overran;
        }
        any
    }

    fn answer_socket(
        &mut self,
        kernel: &mut Kernel,
        observer: &mut dyn Observer,
        launched: &mut Launched,
        call: &Call,
    ) -> io::Result<()> {
        let [domain, kind, protocol] = [0, 1, 2].map(|index| call.int(index));
        if launched.listener.watch().is_watched_raw(domain, kind) {
            return self.answer_raw_socket(launched, call);
        }
        if !calls::leads_to_queues(domain, protocol) {
            return launched.listener.proceed(call);
        }
        if !matches!(kind & KIND, SOCK_RAW | SOCK_DGRAM) {
            return launched.listener.refuse(call, ESOCKTNOSUPPORT);
        }
        self.choose_kernel(kernel, observer, protocol);
        let family = calls::queue_of(domain, protocol).filter(|_| !kernel.has_numbered_queues());
        // Messages of nfnetlink have one layout for all word sizes.
        if family.is_some() {
            let bits = if call.is_32_bit { 32 } else { 64 };
            if bits != 8 * kernel.profile().abi.word_bytes() as u32 {
                launched.remarks.insert(Remark::OtherWordSize { bits });
                return launched.listener.refuse(call, Errno::EPROTONOSUPPORT.0);
            }
        }
        let _none = no_new_process();
        let opened = self.open_pair(kernel, launched, call, kind, protocol);
        let remark = match (&opened, family) {
            (Ok(_), Some(family)) if kernel.queue_length(family).is_none() => Some(Remark::NoQueue(family)),
            (Err(Errno::EPROTONOSUPPORT), Some(family)) => Some(Remark::NotLoaded(family)),
            (Err(Errno::EPROTONOSUPPORT), None) if protocol == calls::NFNETLINK => Some(Remark::Nfnetlink),
            (Err(Errno::EPROTONOSUPPORT), None) => Some(Remark::IpQueue),
            _ => None,
        };
        launched.remarks.extend(remark);
        let closes_on_exec = kind & CLOSE_ON_EXEC != 0;
        match opened {
            // Programs of `ip_queue` do not look at the family of the sender's address.
            Ok(theirs) if protocol == calls::NFNETLINK => {
                let listener = &launched.listener;
                listener.give_from(FIRST_WITH_SENDER, call, theirs.as_fd(), closes_on_exec)
            }
            Ok(theirs) => launched.listener.give(call, theirs.as_fd(), closes_on_exec),
            Err(Errno(errno)) => launched.listener.refuse(call, errno),
        }
    }

    /// Replaces the kernel by the observer's kernel for a program that opens a socket of this
    /// protocol. Does so only while no program has an emulated netlink socket, and only if the
    /// observer has such a kernel.
    fn choose_kernel(&mut self, kernel: &mut Kernel, observer: &mut dyn Observer, protocol: i32) {
        if !self.has_programs()
            && let Some(chosen) = observer.kernel_for(protocol)
        {
            *kernel = chosen;
            // The former clients belong to the kernel that was replaced.
            self.former.clear();
        }
    }

    /// Opens an emulated socket whose connection is a new pair of Unix sockets. Returns the
    /// program's end of the pair. Fails with EMFILE if the server has [`MOST_CONNECTIONS`], and
    /// with EPROTONOSUPPORT if the emulated kernel opens no socket of this protocol.
    fn open_pair(
        &mut self,
        kernel: &mut Kernel,
        launched: &mut Launched,
        call: &Call,
        kind: i32,
        protocol: i32,
    ) -> Result<OwnedFd, Errno> {
        if self.connections.len() >= MOST_CONNECTIONS {
            return Err(Errno(EMFILE));
        }
        let process = Process::of(call.thread).unwrap_or_default();
        let (ours, theirs) = launched.pair(kind).map_err(errno)?;
        let inode = fstat(&theirs).map_err(errno)?.st_ino;
        let socket = self.open(kernel, protocol, process.own_id)?;
        let key = self.next_key;
        if let Err(errno) = self.watch_frames(&ours, key) {
            kernel.close(socket);
            self.forget_if_gone(process.own_id);
            return Err(errno);
        }
        enlarge_send_buffer(&theirs);
        self.next_key += 1;
        let given = Given {
            inode,
            process: process.id,
            kind: kind & KIND,
            protocol,
            receive_buffer: kernel.profile().receive_buffer,
            send_buffer: kernel.profile().send_buffer,
            options: 0,
        };
        let frames = Frames::new(ours, socket, process.own_id, Some(given));
        self.connections.insert(key, Connection::Frames(frames));
        Ok(theirs)
    }
}

impl Launched {
    /// Makes a pair of Unix sockets. Returns the server's end, which has a name that looks like the
    /// kernel's netlink address, and then the program's end. The program's end is non-blocking if
    /// `kind` has the flag for that.
    fn pair(&mut self, kind: i32) -> rustix::io::Result<(OwnedFd, OwnedFd)> {
        let pair = || net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (ours, theirs) = pair()?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        rustix::io::ioctl_fionbio(&theirs, kind & NON_BLOCKING != 0)?;
        loop {
            self.next_name = self.next_name.wrapping_add(1);
            let name = SocketAddrUnix::new_abstract_name(&calls::kernel_name(self.next_name))?;
            match net::bind(&ours, &name) {
                // The name belongs to another emulator, so the next one is tried.
                Err(rustix::io::Errno::ADDRINUSE) => {}
                bound => return bound.map(|()| (ours, theirs)),
            }
        }
    }

    /// Returns the inode of the socket that the call's first argument names. Returns `None` if the
    /// argument names no socket, or if the caller is gone. If the caller can't be looked into,
    /// returns `None` and notes [`Remark::Hidden`].
    fn socket_inode(&mut self, call: &Call) -> Option<u64> {
        self.listener.socket_inode(call, call.int(0)).unwrap_or_else(|_| {
            self.remarks.insert(Remark::Hidden);
            None
        })
    }

    /// Answers a call that opens a file; its argument at `path` points to the file's path. If that
    /// is the path of a queue's file in /proc, gives the caller a file with the emulated kernel's
    /// text, or fails the call with ENOENT if the emulated kernel lacks the file. Otherwise lets
    /// this machine's kernel carry out the call.
    fn answer_open(&mut self, kernel: &Kernel, call: &Call, path: usize, form: OpenForm) -> io::Result<()> {
        let Some(file) = self.proc_file(call, path) else {
            return self.listener.proceed(call);
        };
        let flags = match form {
            OpenForm::Flags => call.int(path + 1),
            OpenForm::How => {
                let mut flags = [0; 8];
                if !self.listener.read(call, call.address(path + 1), &mut flags) {
                    return self.listener.proceed(call);
                }
                u64::from_ne_bytes(flags) as i32
            }
        };
        match proc_text(kernel, file) {
            Ok(file) => self.listener.give(call, file.as_fd(), flags & CLOSE_ON_EXEC != 0),
            Err(Errno(errno)) => self.listener.refuse(call, errno),
        }
    }

    /// Answers a call that asks about a file; its argument at `path` points to the file's path. If
    /// that is the path of a queue's file in /proc, answers by `is_there`, or fails the call with
    /// ENOENT if the emulated kernel lacks the file. Otherwise lets this machine's kernel carry out
    /// the call.
    fn answer_about_file(
        &mut self,
        kernel: &Kernel,
        call: &Call,
        path: usize,
        is_there: impl FnOnce(&Listener) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.proc_file(call, path) {
            None => self.listener.proceed(call),
            Some(file) if text_of(kernel, file).is_some() => is_there(&self.listener),
            Some(_) => self.listener.refuse(call, Errno::ENOENT.0),
        }
    }

    fn proc_file(&mut self, call: &Call, path: usize) -> Option<ProcFile> {
        let path = self.listener.string(call, call.address(path), LONGEST_PATH)?;
        calls::proc_file(&path)
    }

    /// Answers a call that gives up a privilege. If the program lacks the privilege that the call
    /// takes, answers with success, notes [`Remark::Pretended`], and does not carry the call out.
    /// Answers a call that would hide the process with success, without a remark. Lets this
    /// machine's kernel carry out any other.
    fn answer_privileged(&mut self, call: &Call, privileged: Privileged) -> io::Result<()> {
        let process = Process::of(call.thread).unwrap_or_default();
        let would_fail = match privileged.capability() {
            Some(capability) => process.effective & 1 << capability == 0,
            None if privileged == Privileged::CapSet => process.permitted == 0,
            // The call would hide the process from the launcher, so it is answered with success and
            // not carried out.
            None => return self.listener.answer(call, 0),
        };
        if would_fail {
            self.remarks.insert(Remark::Pretended(privileged.name()));
            self.listener.answer(call, 0)
        } else {
            self.listener.proceed(call)
        }
    }
}

/// Carries out a call on an emulated socket, and returns what the call returns, or the error with
/// which it fails. Returns `None` if this machine's kernel is to carry out the call, on the Unix
/// socket.
fn on_socket(
    kernel: &mut Kernel,
    observer: &mut dyn Observer,
    listener: &Listener,
    call: &Call,
    frames: &mut Frames,
) -> Result<Option<i64>, Errno> {
    let socket = frames.socket;
    let given = frames.given.as_mut().ok_or(Errno::EBADF)?;
    match call.name {
        Name::Bind => {
            kernel.bind(socket, calls::port_id(&address(listener, call, calls::ADDRESS_BYTES)?)?)?;
        }
        Name::Connect => {
            let address = address(listener, call, calls::ADDRESS_BYTES)?;
            // AF_UNSPEC dissolves a connection.
            if address.get(..2) != Some(&[0, 0]) && calls::port_id(&address)? != PortId::KERNEL {
                return Err(Errno::ECONNREFUSED);
            }
            if kernel.port_id(socket).is_none() {
                kernel.bind(socket, PortId::KERNEL)?;
            }
        }
        Name::SocketName => {
            let port_id = kernel.port_id(socket).unwrap_or_default();
            put_address(listener, call, 1, &calls::address(port_id))?;
        }
        Name::PeerName => put_address(listener, call, 1, &calls::address(PortId::KERNEL))?,
        Name::SetOption => {
            let option = SocketOption::named(call.int(1), call.int(2));
            let mut value = [0; 4];
            let value = calls::option_value(option_bytes(listener, call, &mut value)?)?;
            match option {
                Some(SocketOption::ReceiveBuffer) => {
                    given.receive_buffer = kernel.set_receive_buffer(socket, calls::buffer_bytes(value))?;
                }
                Some(SocketOption::ForcedReceiveBuffer) => {
                    given.receive_buffer = kernel.force_receive_buffer(socket, calls::buffer_bytes(value))?;
                }
                Some(SocketOption::SendBuffer) => {
                    given.send_buffer = kernel.set_send_buffer(socket, calls::buffer_bytes(value))?;
                }
                Some(SocketOption::NoEnobufs) => {
                    kernel.set_no_enobufs(socket, value != 0)?;
                    given.set_option(call.int(2), value != 0);
                }
                Some(option @ (SocketOption::CapAck | SocketOption::ExtAck | SocketOption::Indifferent))
                    if kernel.has_numbered_queues() =>
                {
                    match option {
                        SocketOption::CapAck => kernel.set_cap_ack(socket, value != 0)?,
                        SocketOption::ExtAck => kernel.set_ext_ack(socket, value != 0)?,
                        _ => {}
                    }
                    given.set_option(call.int(2), value != 0);
                }
                Some(_) => return Err(Errno(ENOPROTOOPT)),
                None => return Ok(None),
            }
        }
        Name::GetOption => {
            let value = match SocketOption::named(call.int(1), call.int(2)) {
                Some(SocketOption::ReceiveBuffer) => given.receive_buffer.cast_signed(),
                Some(SocketOption::SendBuffer) => given.send_buffer.cast_signed(),
                Some(SocketOption::Error) => {
                    frames.overran |= matches!(kernel.take_error(socket), Ok(Some(_)));
                    tell_overrun(frames, observer).map_or_else(|Errno(errno)| errno, |()| 0)
                }
                Some(SocketOption::Type) => given.kind,
                Some(SocketOption::Protocol) => given.protocol,
                Some(SocketOption::Domain) => libc_af_netlink(),
                Some(SocketOption::NoEnobufs) => given.option(call.int(2)),
                Some(SocketOption::CapAck | SocketOption::ExtAck | SocketOption::Indifferent)
                    if kernel.has_numbered_queues() =>
                {
                    given.option(call.int(2))
                }
                Some(_) => return Err(Errno(ENOPROTOOPT)),
                None => return Ok(None),
            };
            put_value(listener, call, value)?;
        }
        Name::Receive | Name::ReceiveFrom => {
            tell_overrun(frames, observer)?;
            return Ok(None);
        }
        Name::Socket
        | Name::Open { .. }
        | Name::Access { .. }
        | Name::Status { .. }
        | Name::Privileged(_)
        | Name::Send(_)
        | Name::Closing => {
            return Ok(None);
        }
    }
    Ok(Some(0))
}

/// Returns ENOBUFS as an error if the program is to be told of an overrun (SOCK-4), and notes that
/// it was told. Tells `observer`, too.
fn tell_overrun(frames: &mut Frames, observer: &mut dyn Observer) -> Result<(), Errno> {
    if std::mem::take(&mut frames.overran) {
        observer.passed(Passed::Overrun);
        return Err(Errno::ENOBUFS);
    }
    Ok(())
}

/// Reads the address to which a call's second argument points, at most its first `longest` bytes.
/// The third argument is the address's length. Fails with EINVAL if the length is negative, and
/// with EFAULT if the memory can't be read.
fn address(listener: &Listener, call: &Call, longest: usize) -> Result<Vec<u8>, Errno> {
    let length = usize::try_from(call.int(2)).map_err(|_| Errno::EINVAL)?;
    let mut address = vec![0; length.min(longest)];
    read(listener, call, 1, &mut address)?;
    Ok(address)
}

/// Reads the value that setsockopt is given, at most as many bytes as `room` has, and returns the
/// part of `room` that was filled. The call's last argument is the value's length. Fails with
/// EINVAL if the length is negative, and with EFAULT if the memory can't be read.
fn option_bytes<'a>(listener: &Listener, call: &Call, room: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    let length = usize::try_from(call.int(4)).map_err(|_| Errno::EINVAL)?.min(room.len());
    read(listener, call, 3, &mut room[..length])?;
    Ok(&room[..length])
}

fn read(listener: &Listener, call: &Call, argument: usize, buffer: &mut [u8]) -> Result<(), Errno> {
    if buffer.is_empty() || listener.read(call, call.address(argument), buffer) {
        Ok(())
    } else {
        Err(Errno(EFAULT))
    }
}

/// Writes an address to the program's memory as getsockname does: as many bytes as there is room
/// for, and the whole length. The call's argument at `argument` points to the room, and the next
/// argument to the room's length. Fails with EINVAL for a negative length, and with EFAULT if the
/// memory can't be read or written.
fn put_address(listener: &Listener, call: &Call, argument: usize, address: &[u8]) -> Result<(), Errno> {
    let room = room(listener, call, argument)?;
    put(
        listener,
        call,
        argument,
        &address[..room.min(address.len())],
        address.len(),
    )
}

/// Writes an option's value to the program's memory as getsockopt does: as many bytes as there is
/// room for, and their number. Fails as [`put_address`] does.
fn put_value(listener: &Listener, call: &Call, value: i32) -> Result<(), Errno> {
    const VALUE: usize = 3;
    let value = value.to_ne_bytes();
    let written = room(listener, call, VALUE)?.min(value.len());
    put(listener, call, VALUE, &value[..written], written)
}

/// Returns the length to which the argument after `argument` points. Fails with EINVAL if it is
/// negative, and with EFAULT if the memory can't be read.
fn room(listener: &Listener, call: &Call, argument: usize) -> Result<usize, Errno> {
    let mut room = [0; 4];
    read(listener, call, argument + 1, &mut room)?;
    usize::try_from(i32::from_ne_bytes(room)).map_err(|_| Errno::EINVAL)
}

fn put(listener: &Listener, call: &Call, argument: usize, bytes: &[u8], length: usize) -> Result<(), Errno> {
    let done = (bytes.is_empty() || listener.write(call, call.address(argument), bytes))
        && listener.write(call, call.address(argument + 1), &(length as u32).to_ne_bytes());
    if done { Ok(()) } else { Err(Errno(EFAULT)) }
}

/// Returns the emulated kernel's text of a file in /proc. Returns `None` if that kernel has no such
/// file.
fn text_of(kernel: &Kernel, file: ProcFile) -> Option<String> {
    match file {
        ProcFile::IpQueue(family) => kernel.proc_text(family),
        ProcFile::NumberedQueues => kernel.numbered_queues_text(),
    }
}

/// Returns a new file in memory with the emulated kernel's text of a file in /proc. Fails with
/// ENOENT if that kernel has no such file.
fn proc_text(kernel: &Kernel, file: ProcFile) -> Result<OwnedFd, Errno> {
    let text = text_of(kernel, file).ok_or(Errno::ENOENT)?;
    let file = memfd_create(c"ip_queue", MemfdFlags::CLOEXEC).map_err(errno)?;
    rustix::io::write(&file, text.as_bytes()).map_err(errno)?;
    seek(&file, SeekFrom::Start(0)).map_err(errno)?;
    Ok(file)
}

/// Sets the send buffer to twice 4 MiB, more than any emulated one, so that hardly any verdict
/// waits. Without the privilege for that, it gets as many bytes as the system grants.
fn enlarge_send_buffer(socket: &OwnedFd) {
    const MOST: usize = 4 << 20;
    if sockopt::set_socket_send_buffer_size_force(socket, MOST).is_err() {
        let _ = sockopt::set_socket_send_buffer_size(socket, MOST);
    }
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno(error.raw_os_error())
}

/// The index of the argument of `recvfrom` that points to the room for the sender's address. The
/// next argument points to the room's length.
const SENDER: usize = 4;

// The bits of the socket's type in the second argument of `socket`. The other bits are flags.
const KIND: i32 = 0xf;
const SOCK_DGRAM: i32 = SocketType::DGRAM.as_raw().cast_signed();
const SOCK_RAW: i32 = SocketType::RAW.as_raw().cast_signed();
const CLOSE_ON_EXEC: i32 = SocketFlags::CLOEXEC.bits().cast_signed();
const NON_BLOCKING: i32 = SocketFlags::NONBLOCK.bits().cast_signed();

const fn libc_af_netlink() -> i32 {
    AddressFamily::NETLINK.as_raw() as i32
}

const EFAULT: i32 = rustix::io::Errno::FAULT.raw_os_error();
const EMFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();
const ENOPROTOOPT: i32 = rustix::io::Errno::NOPROTOOPT.raw_os_error();
const ESOCKTNOSUPPORT: i32 = rustix::io::Errno::SOCKTNOSUPPORT.raw_os_error();
