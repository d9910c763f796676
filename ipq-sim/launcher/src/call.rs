//! A system call that a process is stopped in.

/// A system call that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The kernel's name of this notification.
    pub(crate) id: u64,
    /// The thread that made the call, as this process's /proc names it; 0 if it is not visible
    /// there.
    pub thread: u32,
    /// The call.
    pub name: Name,
    /// Its arguments, as they are in registers; those of `socketcall` as they were read from
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
    /// The argument at `index` as an `int`, which the kernel takes from the lower half of a
    /// register.
    #[must_use]
    pub fn int(&self, index: usize) -> i32 {
        (self.arguments.get(index).copied().unwrap_or_default() as u32).cast_signed()
    }

    /// The argument at `index` as an address in the caller's memory.
    #[must_use]
    pub fn address(&self, index: usize) -> u64 {
        self.arguments.get(index).copied().unwrap_or_default()
    }
}

/// The calls that are watched, whatever their numbers are.
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
    /// `getsockopt` for such an option.
    GetOption,
    /// A receive call or `read`; only where these are watched.
    Receive,
    /// A call that opens a file, with the index of the argument that points to its path.
    Open {
        /// The number of the argument that points to the path.
        path: usize,
    },
    /// `access` and its kin.
    Access {
        /// The number of the argument that points to the path.
        path: usize,
    },
    /// `stat` and its kin, by path.
    Status {
        /// The number of the argument that points to the path.
        path: usize,
        /// The number of the argument that points to the room for the answer.
        into: usize,
        /// The structure that is written there.
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

/// A call that a program makes to give up privileges, and that fails where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Privileged {
    /// `setuid` and its kin.
    SetUser,
    /// `setgid` and its kin.
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
    /// The C name.
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

    /// The number of the capability that the call takes; none if that is another question.
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
