//! Starts a program under a seccomp filter that reports some of its system calls to a listener:
//! those that [`Name`] describes. The caller answers them.
//!
//! [`launch`] starts the program. From then on the kernel stops each of its processes and threads
//! in the calls that the filter names, and reports a [`Call`] to the [`Listener`]. The caller
//! answers it: with a value, with an error, with a descriptor of its own, or by letting the kernel
//! carry it out. The program needs no library of ours, no environment variable and no capability,
//! and how it is linked does not matter. Filters are inherited by children and survive `execve`, so
//! daemons and workers are covered. The listener reports a hang-up when the last process under the
//! filter is gone.
//!
//! | module | what it does |
//! |---|---|
//! | `launch` | installs the filter and starts the program |
//! | `filter` | assembles the filter, pure |
//! | `table` | the watched system calls, with their numbers on each architecture |
//! | `call` | what is reported of a call |
//! | `listener` | reads calls, and answers them |
//! | `sending` | reads the datagrams of a send call |
//! | `process` | looks into processes, mostly through /proc |
//! | [`datagrams`] | takes many datagrams with one call, and tells how much is unread |
//! | `sys` | the system calls without a safe wrapper |
//!
//! The package knows only the numbers of the netlink protocols that it is given. The caller decides
//! which sockets are emulated, and what a call on them means.
//!
//! # What the filter guarantees
//!
//! A `socket` call for one of the watched netlink protocols never reaches the kernel, nor does one
//! for a raw socket if those are watched. Its arguments are integers, which the filter itself
//! compares, and no answer of the listener lets the call go on. i386's `socketcall` passes the
//! arguments in memory, which another thread could change; so the launcher makes each such socket
//! itself, from the arguments that it has read. `io_uring`, which could make sockets without a
//! `socket` call, and the x32 interface are refused with ENOSYS.
//!
//! The program runs with `no_new_privs`: set-user-id programs that it starts gain nothing.

#![cfg(target_os = "linux")]

mod call;
pub mod datagrams;
mod filter;
mod launch;
mod listener;
mod process;
mod sending;
mod sys;
mod table;

pub use call::{Call, FIRST_RAW, FIRST_WITH_SENDER, Name, OpenForm, Privileged, SendForm, StatusForm};
pub use launch::{LaunchError, Launched, Watch, can_launch, launch, launch_guarded, no_new_process};
pub use listener::Listener;
pub use process::{Activity, Process, activity, holders, holds};
pub use sending::Datagram;
