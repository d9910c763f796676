//! A system call of a program, as it is reported to the listener.

/// A system call that a thread of the program is stopped in until the listener answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The id that the kernel gave to the notification of this call.
    pub(crate) id: u64,
    /// The id of the thread that made the call, in the launcher's PID namespace; 0 if the thread is
    /// not visible there.
    pub thread: u32,
    /// Which call it is, whatever the call's number.
    pub name: Name,
    /// The call's arguments as they are in registers. For `socketcall`, the arguments of the socket
    /// call that it makes, read from memory; those that the call does not have are 0. Of a receive
    /// call by `socketcall` only the descriptor is read.
    pub arguments: [u64; 6],
    /// `true` if the caller's words have 32 bits, whatever this machine's have.
    pub is_32_bit: bool,
    /// `true` if the arguments were read from the caller's memory, so that another thread may have
    /// changed them there since.
    pub(crate) from_memory: bool,
}

impl Call {
    /// Returns the argument at `index` as an `int`, which is the lower half of its register.
    /// Returns 0 for an index above 5.
    #[must_use]
    pub fn int(&self, index: usize) -> i32 {
        (self.arguments.get(index).copied().unwrap_or_default() as u32).cast_signed()
    }

    /// Returns the argument at `index` as an address in the caller's memory. Returns 0 for an index
    /// above 5.
    #[must_use]
    pub fn address(&self, index: usize) -> u64 {
        self.arguments.get(index).copied().unwrap_or_default()
    }
}

/// The lowest descriptor whose `recvfrom` calls are reported, if they ask for the sender's address,
/// even without [`Watch::receives`](crate::Watch::receives).
///
/// The filter sees a socket's descriptor, and nothing else of the socket. A socket whose sender
/// matters is [given](crate::Listener::give_from) a descriptor from this number on, so that calls
/// on other sockets are not stopped.
pub const FIRST_WITH_SENDER: i32 = 512;

/// The lowest descriptor on which send calls, made as system calls of their own, are reported if
/// [`Watch::raw_sockets`](crate::Watch::raw_sockets) is set. Without that no send call is reported.
///
/// A raw socket is [given](crate::Listener::give_from) a number from here on, so that sending on
/// other descriptors is not stopped.
pub const FIRST_RAW: i32 = 768;

/// A watched call. Several system call numbers may stand for one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// `socket` for a watched netlink protocol, or for a raw socket where those are watched. By
    /// i386's `socketcall`, `socket` for anything.
    Socket,
    /// `bind` on any socket.
    Bind,
    /// `connect` on any socket.
    Connect,
    /// `getsockname` on any socket.
    SocketName,
    /// `getpeername` on any socket.
    PeerName,
    /// `setsockopt` at the netlink level, or for the size of the send or receive buffer. With
    /// [`Watch::raw_sockets`](crate::Watch::raw_sockets), or by i386's `socketcall`, any
    /// `setsockopt`.
    SetOption,
    /// `getsockopt` at the netlink level, or for the socket's type, domain, protocol, error or
    /// buffer sizes. With [`Watch::raw_sockets`](crate::Watch::raw_sockets), or by i386's
    /// `socketcall`, any `getsockopt`.
    GetOption,
    /// `recvmsg`, `recvmmsg`, `read`, `readv`, or any receive call of i386's `socketcall`. Reported
    /// only if [`Watch::receives`](crate::Watch::receives) is set.
    Receive,
    /// `recvfrom` as a system call of its own. If [`Watch::receives`](crate::Watch::receives) is
    /// not set, reported only if the descriptor is [`FIRST_WITH_SENDER`] or higher and the caller
    /// asks for the sender's address.
    ReceiveFrom,
    /// `write`, `writev`, `sendto`, `sendmsg` or `sendmmsg` on a descriptor from [`FIRST_RAW`] on,
    /// or any send call of i386's `socketcall`. Reported only if
    /// [`Watch::raw_sockets`](crate::Watch::raw_sockets) is set.
    Send(SendForm),
    /// `open`, `openat` or `openat2`: opens a file by its path.
    Open {
        /// The index of the argument, counted from 0, that points to the path.
        path: usize,
        /// The form of the next argument, which says how to open the file.
        form: OpenForm,
    },
    /// `access`, `faccessat` or `faccessat2`: asks whether the file at a path may be used.
    Access {
        /// The index of the argument, counted from 0, that points to the path.
        path: usize,
    },
    /// `stat`, `lstat`, `newfstatat` or `statx`: asks for the status of the file at a path. Of an
    /// i386 program only `statx` is watched.
    Status {
        /// The index of the argument, counted from 0, that points to the path.
        path: usize,
        /// The index of the argument, counted from 0, that points to the structure to fill.
        into: usize,
        /// The kind of structure to fill.
        form: StatusForm,
    },
    /// A call by which a program gives up privileges, or hides from the launcher.
    Privileged(Privileged),
    /// A call that may close descriptors: `close` of a descriptor up to 1023, `close_range`,
    /// `dup2`, `dup3`, `execve`, `execveat` or `exit_group`.
    Closing,
}

/// The form of the argument by which a program says how to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenForm {
    /// `open` or `openat`: flags, such as `O_CLOEXEC`.
    Flags,
    /// `openat2`: a pointer to a `struct open_how`, which begins with the flags as 64 bits.
    How,
}

/// The system call by which a program sends, and its arguments after the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendForm {
    /// `write`: the bytes and their number.
    Bytes,
    /// `sendto`: the bytes, their number, flags, and the address with its length. Also `send` by
    /// `socketcall`, whose address and length are 0.
    BytesTo,
    /// `writev`: the vectors and their number.
    Vectors,
    /// `sendmsg`: a `struct msghdr`, and flags.
    Message,
    /// `sendmmsg`: an array of `struct mmsghdr`, their number, and flags.
    Messages,
}

/// The C structure into which a call writes the status of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusForm {
    /// `struct stat`, in the layout of this machine's own system call interface.
    Plain,
    /// `struct statx`, whose layout is equal on all system call interfaces.
    Extended,
}

/// A call by which a program gives up privileges, or hides from the launcher. Most need a
/// capability, at least for some arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Privileged {
    /// `setuid`, `setreuid` or `setresuid`.
    SetUser,
    /// `setgid`, `setregid` or `setresgid`.
    SetGroup,
    /// `setgroups`
    SetGroups,
    /// `capset`
    CapSet,
    /// `prctl(PR_CAPBSET_DROP)` or `prctl(PR_SET_SECUREBITS)`.
    CapabilityBounds,
    /// `prctl(PR_SET_DUMPABLE, 0)`, which would hide the process from the launcher.
    Undumpable,
    /// `chroot`
    ChangeRoot,
}

impl Privileged {
    /// Returns the name of a watched call of `prctl` whose first argument is `option`.
    pub(crate) const fn by_prctl(option: i32) -> Self {
        match option {
            libc::PR_SET_DUMPABLE => Self::Undumpable,
            _ => Self::CapabilityBounds,
        }
    }

    /// Returns the C name of the call; for a group of calls, the name of one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SetUser => "setuid",
            Self::SetGroup => "setgid",
            Self::SetGroups => "setgroups",
            Self::CapSet => "capset",
            Self::CapabilityBounds => "prctl(PR_CAPBSET_DROP)",
            Self::Undumpable => "prctl(PR_SET_DUMPABLE)",
            Self::ChangeRoot => "chroot",
        }
    }

    /// Returns the number of the capability that the call needs, as in `linux/capability.h`.
    /// Returns `None` for `capset`, which needs no particular one, and for
    /// `prctl(PR_SET_DUMPABLE)`, which needs none.
    #[must_use]
    pub const fn capability(self) -> Option<u32> {
        match self {
            Self::SetGroup | Self::SetGroups => Some(6),
            Self::SetUser => Some(7),
            Self::CapabilityBounds => Some(8),
            Self::ChangeRoot => Some(18),
            Self::CapSet | Self::Undumpable => None,
        }
    }
}
