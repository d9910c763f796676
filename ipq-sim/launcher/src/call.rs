//! A system call that a process is stopped in.

/// A system call that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The id that the kernel gave to the notification of this call.
    pub(crate) id: u64,
    /// The thread that made the call, as the launcher's /proc names it; 0 if it is not visible
    /// there.
    pub thread: u32,
    /// The name of the call.
    pub name: Name,
    /// The call's arguments, as they are in registers; those of `socketcall` as they were read from
    /// memory.
    pub arguments: [u64; 6],
    /// `true` if the caller's words have 32 bits. A program may be of another word size than this
    /// machine.
    pub is_32_bit: bool,
    /// `true` if the arguments were read from memory, so that another thread may have changed them
    /// since.
    pub(crate) from_memory: bool,
}

impl Call {
    /// Returns the argument at `index` as an `int`, which the kernel takes from the lower half of a
    /// register.
    #[must_use]
    pub fn int(&self, index: usize) -> i32 {
        (self.arguments.get(index).copied().unwrap_or_default() as u32).cast_signed()
    }

    /// Returns the argument at `index` as an address in the caller's memory.
    #[must_use]
    pub fn address(&self, index: usize) -> u64 {
        self.arguments.get(index).copied().unwrap_or_default()
    }
}

/// The lowest descriptor on which `recvfrom` is watched if it asks for the sender.
///
/// The number of a descriptor is all that the filter can know of a socket. A socket whose sender
/// matters is [given](crate::Listener::give_from) a number from here on, so that calls on others
/// are not stopped.
pub const FIRST_WITH_SENDER: i32 = 512;

/// The name of a watched call, whatever the call's number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// `socket` for a watched netlink protocol.
    Socket,
    /// `bind`
    Bind,
    /// `connect`
    Connect,
    /// `getsockname`
    SocketName,
    /// `getpeername`
    PeerName,
    /// `setsockopt` for an option that netlink sockets treat in their own way.
    SetOption,
    /// `getsockopt` for an option that netlink sockets treat in their own way.
    GetOption,
    /// A receive call or `read`. These are reported only if the launcher is asked to watch them.
    Receive,
    /// `recvfrom`; where receive calls are not watched, only on a descriptor from
    /// [`FIRST_WITH_SENDER`] on that asks who sent the datagram.
    ReceiveFrom,
    /// A call that opens a file.
    Open {
        /// The number of the argument that points to the path.
        path: usize,
    },
    /// `access`, or a call like it.
    Access {
        /// The number of the argument that points to the path.
        path: usize,
    },
    /// `stat`, or a call like it, by path.
    Status {
        /// The number of the argument that points to the path.
        path: usize,
        /// The number of the argument that points to the room for the answer.
        into: usize,
        /// The structure that is written for the answer.
        form: StatusForm,
    },
    /// A call that takes a privilege which the caller may never have had.
    Privileged(Privileged),
    /// A call that may close descriptors: `close`, `dup2`, `execve`, `exit_group`.
    Closing,
}

/// A structure that tells what a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusForm {
    /// `struct stat` of this machine's own interface.
    Plain,
    /// `struct statx`, which is the same on every interface.
    Extended,
}

/// A call that a program makes to give up privileges, and that fails where the program has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Privileged {
    /// `setuid`, or a call like it.
    SetUser,
    /// `setgid`, or a call like it.
    SetGroup,
    /// `setgroups`
    SetGroups,
    /// `capset`
    CapSet,
    /// `prctl(PR_CAPBSET_DROP)` and `prctl(PR_SET_SECUREBITS)`
    CapabilityBounds,
    /// `prctl(PR_SET_DUMPABLE, 0)`, which would hide the process from the launcher.
    Undumpable,
    /// `chroot`
    ChangeRoot,
}

impl Privileged {
    /// Returns the C name of the call.
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

    /// Returns the number of the capability that the call needs. Returns `None` if another
    /// condition decides.
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
