//! Reads the calls that processes are stopped in, and answers them.

use crate::call::{Call, Name, Privileged, SendForm, StatusForm};
use crate::launch::Watch;
use crate::process::{self, Process};
use crate::sys;
use crate::table::{Action, Interface, SOCKET_CALLS, SOCKET_CALLS_THAT_RECEIVE, SOCKET_CALLS_THAT_SEND};
use libc::{seccomp_notif, seccomp_notif_resp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The descriptor to which the kernel reports a program's watched calls. When the listener is
/// dropped, the calls that wait and all later watched calls fail with ENOSYS.
#[derive(Debug)]
pub struct Listener {
    descriptor: OwnedFd,
    interfaces: Vec<Interface>,
    /// The calls that are watched. [`proceed`](Self::proceed) does not let the kernel make the
    /// sockets that are watched.
    watch: Watch,
    /// The calls that [`launch`](fn@crate::launch) read while it started the program. They are
    /// taken before all other calls.
    pub(crate) early: VecDeque<Call>,
}

impl Listener {
    pub(crate) fn new(descriptor: OwnedFd, interfaces: Vec<Interface>, watch: Watch) -> Self {
        sys::switch_at_once(descriptor.as_fd());
        Self {
            descriptor,
            interfaces,
            watch,
            early: VecDeque::new(),
        }
    }

    /// Returns the watch that the program was launched with.
    #[must_use]
    pub const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Takes the next watched call, without waiting for one. The thread that made the call stays
    /// stopped until the call is answered. Returns `None` if there is no call to take.
    pub fn next_call(&mut self) -> io::Result<Option<Call>> {
        if let Some(call) = self.early.pop_front() {
            return Ok(Some(call));
        }
        while self.is_ready(PollFlags::IN)? {
            match sys::notification(self.descriptor.as_fd()) {
                Ok(notification) => {
                    if let Some(call) = self.understand(&notification) {
                        return Ok(Some(call));
                    }
                }
                // The process is gone, or a signal came.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Returns `true` if a call that [`launch`](fn@crate::launch) read has not been taken yet. The
    /// descriptor does not become readable for such a call.
    #[must_use]
    pub fn has_early_calls(&self) -> bool {
        !self.early.is_empty()
    }

    /// Returns `true` if a call waits that was not taken yet. A call that was taken and not yet
    /// answered does not count.
    #[must_use]
    pub fn has_call(&self) -> bool {
        self.has_early_calls() || self.is_ready(PollFlags::IN).unwrap_or(false)
    }

    /// Returns `true` if no process under the filter is left, and no call that
    /// [`launch`](fn@crate::launch) read is left to take.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.early.is_empty() && self.is_ready(PollFlags::HUP).unwrap_or(true)
    }

    fn is_ready(&self, wanted: PollFlags) -> io::Result<bool> {
        let mut listener = [PollFd::new(&self.descriptor, PollFlags::IN)];
        match poll(&mut listener, Some(&Timespec::default())) {
            Ok(_) => Ok(listener[0].revents().intersects(wanted)),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the call that a notification reports. Returns `None` after failing the call: with
    /// ENOSYS if no rule reports it, with EFAULT if the memory of a `socketcall` can't be read.
    fn understand(&self, notification: &seccomp_notif) -> Option<Call> {
        let seccomp_notif { id, pid, data, .. } = notification;
        let number = data.nr.cast_unsigned();
        let interface = self.interfaces.iter().find(|interface| interface.audit == data.arch);
        let mut call = Call {
            id: *id,
            thread: *pid,
            name: Name::Closing,
            arguments: data.args,
            is_32_bit: interface.is_some_and(Interface::is_32_bit),
            from_memory: false,
        };
        match interface.and_then(|interface| interface.action(number)) {
            Some(Action::Notify(name)) => call.name = name,
            Some(Action::NotifySocketCall) => {
                let (name, arguments) = self.socket_call(&call)?;
                (call.name, call.arguments, call.from_memory) = (name, arguments, true);
            }
            Some(Action::NotifyPrctl) => call.name = Name::Privileged(Privileged::by_prctl(call.int(0))),
            Some(Action::Refuse(_)) | None => {
                let _ = self.refuse(&call, libc::ENOSYS);
                return None;
            }
        }
        Some(call)
    }

    /// Returns the name and the arguments of the call that a `socketcall` makes. The arguments are
    /// 32-bit words in the caller's memory; of a receive call only the descriptor is read. Returns
    /// `None` after failing the call: with ENOSYS if its number is none of a watched call, with
    /// EFAULT if the memory can't be read.
    fn socket_call(&self, call: &Call) -> Option<(Name, [u64; 6])> {
        /// `send`, which has no address.
        const SEND: u32 = 9;
        let number = call.arguments[0] as u32;
        let known = SOCKET_CALLS.iter().find(|(known, _)| *known == number);
        let receives = SOCKET_CALLS_THAT_RECEIVE.contains(&number).then_some(Name::Receive);
        let sends = SOCKET_CALLS_THAT_SEND.iter().find(|(known, _)| *known == number);
        let sends = sends.map(|(_, form)| Name::Send(*form));
        let Some(name) = known.map(|(_, name)| *name).or(receives).or(sends) else {
            let _ = self.refuse(call, libc::ENOSYS);
            return None;
        };
        // Only as many words as the call has are read: the memory behind them may not exist.
        let count = match name {
            Name::SetOption | Name::GetOption => 5,
            Name::Receive => 1,
            Name::Send(SendForm::Messages) => 4,
            Name::Send(SendForm::BytesTo) if number == SEND => 4,
            Name::Send(SendForm::BytesTo) => 6,
            _ => 3,
        };
        let mut bytes = [0; 24];
        let room = &mut bytes[..4 * count];
        if !self.read(call, u64::from(call.arguments[1] as u32), room) {
            let _ = self.refuse(call, libc::EFAULT);
            return None;
        }
        let mut arguments = [0; 6];
        for (argument, word) in arguments.iter_mut().zip(room.chunks_exact(4)) {
            *argument = u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
        }
        Some((name, arguments))
    }

    /// Makes a call return `value`. The kernel does not carry the call out. If the caller is gone,
    /// does nothing and succeeds.
    pub fn answer(&self, call: &Call, value: i64) -> io::Result<()> {
        self.respond(call, value, 0, 0)
    }

    /// Makes a call fail with `errno`. The kernel does not carry the call out. If the caller is
    /// gone, does nothing and succeeds.
    pub fn refuse(&self, call: &Call, errno: i32) -> io::Result<()> {
        self.respond(call, 0, -errno, 0)
    }

    /// Lets the kernel carry out a call. A `socket` call for a watched protocol, or for a raw
    /// socket if those are watched, fails with EPROTONOSUPPORT instead. Any other `socket` call
    /// that came through `socketcall` is made by this process, and the caller gets the socket.
    pub fn proceed(&self, call: &Call) -> io::Result<()> {
        if call.name != Name::Socket {
            return self.respond(call, 0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32);
        }
        let [domain, kind, protocol] = [0, 1, 2].map(|index| call.int(index));
        let is_watched = domain == libc::AF_NETLINK && self.watch.protocols.contains(&protocol.cast_unsigned());
        if is_watched || self.watch.is_watched_raw(domain, kind) || !call.from_memory {
            return self.refuse(call, libc::EPROTONOSUPPORT);
        }
        match sys::socket(domain, kind, protocol) {
            Ok(socket) => self.give(call, socket.as_fd(), kind & libc::SOCK_CLOEXEC != 0),
            Err(error) => self.refuse(call, error.raw_os_error().unwrap_or(libc::EIO)),
        }
    }

    /// Gives the caller a copy of `descriptor`, and makes the call return the copy's number. If the
    /// copy can't be made, makes the call fail with the error number.
    pub fn give(&self, call: &Call, descriptor: BorrowedFd<'_>, close_on_exec: bool) -> io::Result<()> {
        let given = sys::give(self.descriptor.as_fd(), call.id, descriptor, None, close_on_exec);
        self.answer_given(call, given)
    }

    /// Gives the caller a copy of `descriptor` under the first free number from `lowest` on, and
    /// makes the call return that number. If the caller's limit forbids so high a number, the copy
    /// gets the lowest free number. If the copy can't be made, makes the call fail with the error
    /// number.
    pub fn give_from(
        &self,
        lowest: i32,
        call: &Call,
        descriptor: BorrowedFd<'_>,
        close_on_exec: bool,
    ) -> io::Result<()> {
        let number = (lowest..i32::MAX).find(|number| !process::has_descriptor(call.thread, *number));
        match sys::give(self.descriptor.as_fd(), call.id, descriptor, number, close_on_exec) {
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => self.give(call, descriptor, close_on_exec),
            given => self.answer_given(call, given),
        }
    }

    fn answer_given(&self, call: &Call, given: io::Result<i32>) -> io::Result<()> {
        match given {
            Err(error) if is_gone(&error) => Ok(()),
            // The caller's table of descriptors may be full.
            Err(error) => self.refuse(call, error.raw_os_error().unwrap_or(libc::EIO)),
            Ok(number) => self.answer(call, number.into()),
        }
    }

    /// Answers a `stat`-like call with the status of `/proc/version`: a readable file of root's, of
    /// length 0. `into` is the index of the argument that points to the structure to fill. Fails
    /// the call with EFAULT if the structure can't be written.
    pub fn answer_status(&self, call: &Call, into: usize, form: StatusForm) -> io::Result<()> {
        match sys::status(c"/proc/version", form) {
            Ok(status) if self.write(call, call.address(into), &status) => self.answer(call, 0),
            Ok(_) => self.refuse(call, libc::EFAULT),
            Err(error) => self.refuse(call, error.raw_os_error().unwrap_or(libc::EIO)),
        }
    }

    fn respond(&self, call: &Call, value: i64, error: i32, flags: u32) -> io::Result<()> {
        let response = seccomp_notif_resp {
            id: call.id,
            val: value,
            error,
            flags,
        };
        match sys::respond(self.descriptor.as_fd(), &response) {
            Err(error) if is_gone(&error) => Ok(()),
            answered => answered,
        }
    }

    /// Fills `buffer` from the memory of the thread that made the call, at `address`. Returns
    /// `false` if not all of it could be read, or if the caller is no longer stopped in the call.
    #[must_use]
    pub fn read(&self, call: &Call, address: u64, buffer: &mut [u8]) -> bool {
        sys::read_memory(call.thread, address, buffer).is_ok_and(|read| read == buffer.len()) && self.is_stopped(call)
    }

    /// Reads a C string from the caller's memory at `address`. Returns `None` if the string is
    /// longer than `longest` bytes or can't be read, or if the caller is no longer stopped in the
    /// call.
    #[must_use]
    pub fn string(&self, call: &Call, address: u64, longest: usize) -> Option<Vec<u8>> {
        let mut text = vec![0; longest + 1];
        // Where the memory ends early, the call still reads the bytes before its end.
        let read = sys::read_memory(call.thread, address, &mut text).ok()?;
        let end = text.get(..read)?.iter().position(|byte| *byte == 0)?;
        text.truncate(end);
        self.is_stopped(call).then_some(text)
    }

    /// Writes `bytes` to the caller's memory at `address`. Returns `false` if not all of them could
    /// be written, or if the caller is no longer stopped in the call.
    #[must_use]
    pub fn write(&self, call: &Call, address: u64, bytes: &[u8]) -> bool {
        // The check comes before the write: the thread's id may have passed to another process,
        // whose memory must not be written.
        self.is_stopped(call)
            && sys::write_memory(call.thread, address, bytes).is_ok_and(|written| written == bytes.len())
    }

    /// Returns the inode of the socket at the caller's descriptor. Returns `None` if there is no
    /// such descriptor, if it is no socket, or if the caller is gone. Returns an error if the
    /// caller may not be looked into.
    pub fn socket_inode(&self, call: &Call, descriptor: i32) -> io::Result<Option<u64>> {
        match process::socket_inode(call.thread, descriptor) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            inode => inode,
        }
    }

    /// Returns a copy of the caller's descriptor. Returns an error if there is none, or if the
    /// caller may not be looked into.
    pub fn copy_of(&self, call: &Call, descriptor: i32) -> io::Result<OwnedFd> {
        process::copy_of(call.thread, descriptor)
    }

    /// Fails a call if a signal waits for its thread or its process and is not blocked. Returns
    /// `true` if so; otherwise leaves the call waiting and returns `false`.
    ///
    /// In a process with one thread the kernel runs the signal's handler, and then repeats the call
    /// or fails it with EINTR, as the handler was set up. In a process with several threads another
    /// thread may take the signal, so the call fails with EINTR.
    pub fn interrupt(&self, call: &Call) -> io::Result<bool> {
        /// `ERESTARTSYS`, which tells the kernel to repeat the call or to fail it with EINTR, as
        /// the signal's handler asks. Programs never see it.
        const RESTART: i32 = 512;
        let process = Process::of(call.thread).unwrap_or_default();
        if !process.has_signal {
            return Ok(false);
        }
        let errno = if process.threads == 1 { RESTART } else { libc::EINTR };
        self.refuse(call, errno).map(|()| true)
    }

    /// Returns `true` if the thread is still stopped in that call. Otherwise the thread may be
    /// gone, and its id may be another's.
    #[must_use]
    pub fn is_stopped(&self, call: &Call) -> bool {
        sys::is_valid(self.descriptor.as_fd(), call.id)
    }
}

/// Returns `true` if the error says that no thread waits for the answer any more, because it was
/// killed or interrupted by a signal.
fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOENT)
}

impl AsFd for Listener {
    /// Returns a descriptor that is readable when a call waits to be taken, and hung up when no
    /// process under the filter is left. Calls that [`launch`](fn@crate::launch) read do not make
    /// it readable.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::filter::assemble;
    use crate::table::Rule;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    /// Checks that a `socketcall` of an unknown number fails with ENOSYS if it is reported. The
    /// launcher's filter never reports one. This test's own filter reports `getpgid` as if it were
    /// `socketcall`: the argument is the unknown number.
    #[test]
    fn a_socket_call_of_an_unknown_number_is_answered() {
        const GETPGID: u32 = 121;
        const UNKNOWN: i32 = 99;
        let rule = Rule {
            number: GETPGID,
            action: Action::NotifySocketCall,
            alternatives: vec![],
        };
        let interfaces = vec![Interface {
            audit: 0xc000_003e,
            end: u32::MAX,
            rules: vec![rule],
        }];
        let filter = assemble(&interfaces);
        let (installed, descriptor) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            rustix::thread::set_no_new_privs(true).expect("the thread can give up privileges");
            installed
                .send(sys::install_with_listener(&filter))
                .expect("it is waited for");
            rustix::process::getpgid(rustix::process::Pid::from_raw(UNKNOWN))
        });
        let descriptor = descriptor.recv().expect("the thread tells");
        let Ok(descriptor) = descriptor else {
            eprintln!("skipped: the kernel refuses the filter: {descriptor:?}");
            return;
        };
        let mut listener = Listener::new(descriptor, interfaces, Watch::default());
        let deadline = Instant::now() + Duration::from_secs(20);
        while !thread.is_finished() {
            assert!(listener.next_call().expect("the listener can be read").is_none());
            assert!(Instant::now() < deadline, "the call waits for its answer");
            std::thread::sleep(Duration::from_millis(1));
        }
        let answer = thread.join().expect("the thread ends");
        assert_eq!(answer, Err(rustix::io::Errno::NOSYS));
    }
}
