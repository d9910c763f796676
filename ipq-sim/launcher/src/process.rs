//! Tells what a process is, what sockets it holds, and whether it waits for input, as /proc shows
//! it.

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// A process, as the files of one of its threads in /proc describe it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// The process's id in the launcher's PID namespace.
    pub id: u32,
    /// The process's id in its own PID namespace.
    pub own_id: u32,
    /// The process's effective capabilities: bit `n` stands for the capability of number `n`.
    pub effective: u64,
    /// The process's permitted capabilities: bit `n` stands for the capability of number `n`.
    pub permitted: u64,
    /// `true` if a signal that is not blocked waits for the thread that was asked about, or for its
    /// process.
    pub has_signal: bool,
    /// The number of the process's threads.
    pub threads: u32,
}

impl Process {
    /// Returns the process that a thread belongs to. Returns `None` if the thread is gone, or not
    /// visible in /proc.
    #[must_use]
    pub fn of(thread: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{thread}/status")).ok()?)
    }

    fn parse(status: &str) -> Option<Self> {
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        };
        let id = field("Tgid")?.parse().ok()?;
        let set = |name| field(name).and_then(|set| u64::from_str_radix(set, 16).ok());
        let signals = |name| set(name).unwrap_or_default();
        Some(Self {
            id,
            own_id: field("NStgid")
                .and_then(|ids| ids.split_whitespace().last()?.parse().ok())
                .unwrap_or(id),
            effective: set("CapEff").unwrap_or_default(),
            permitted: set("CapPrm").unwrap_or_default(),
            has_signal: (signals("SigPnd") | signals("ShdPnd")) & !signals("SigBlk") != 0,
            threads: field("Threads").and_then(|count| count.parse().ok()).unwrap_or(1),
        })
    }
}

/// Returns the inode of the socket at a thread's descriptor. Returns `None` if the descriptor is no
/// socket. Returns an error if there is no such descriptor, or if /proc does not show it.
pub(crate) fn socket_inode(thread: u32, descriptor: i32) -> io::Result<Option<u64>> {
    let link = fs::read_link(format!("/proc/{thread}/fd/{descriptor}"))?;
    Ok(parse_inode(link.as_os_str().as_bytes()))
}

/// Returns `true` if /proc shows a descriptor of that number in a thread's process.
pub(crate) fn has_descriptor(thread: u32, descriptor: i32) -> bool {
    fs::symlink_metadata(format!("/proc/{thread}/fd/{descriptor}")).is_ok()
}

/// Returns a copy of a descriptor of a thread's process. Returns an error if the process is gone or
/// may not be looked into, or if the descriptor does not exist.
pub(crate) fn copy_of(thread: u32, descriptor: i32) -> io::Result<OwnedFd> {
    let process = Process::of(thread).ok_or(io::ErrorKind::NotFound)?.id;
    let process = Pid::from_raw(process.cast_signed()).ok_or(io::ErrorKind::NotFound)?;
    let process = pidfd_open(process, PidfdFlags::empty())?;
    Ok(pidfd_getfd(process, descriptor, PidfdGetfdFlags::empty())?)
}

fn parse_inode(link: &[u8]) -> Option<u64> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Returns `true` if a process holds a socket with one of these inodes. Returns `false` if the
/// process's descriptors may not be read.
#[must_use]
pub fn holds(process: u32, inodes: &[u64]) -> bool {
    fs::read_dir(format!("/proc/{process}/fd")).is_ok_and(|descriptors| {
        descriptors.flatten().any(|descriptor| {
            let link = fs::read_link(descriptor.path()).unwrap_or_default();
            parse_inode(link.as_os_str().as_bytes()).is_some_and(|inode| inodes.contains(&inode))
        })
    })
}

/// Returns the ids of the processes that hold a socket with one of these inodes. Leaves out
/// processes whose descriptors may not be read.
#[must_use]
pub fn holders(inodes: &[u64]) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process| holds(*process, inodes))
        .collect()
}

/// What a process is doing, all its threads together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// At least one thread is not asleep in a system call.
    Running,
    /// All threads are asleep in system calls, and at least one of the calls waits for input (a
    /// receive call, `read`, `readv`, a form of `poll`, `select` or `epoll_wait`, or any
    /// `socketcall` of i386), or /proc does not tell which call it is.
    Waiting,
    /// All threads are asleep in system calls, none of which waits for input.
    Asleep,
    /// There is no such process, or it has no thread that /proc shows.
    Gone,
}

/// Returns the activity of a process, from the files of its threads in /proc. If /proc does not
/// tell in which call a thread sleeps, a thread that sleeps or is stopped counts as waiting for
/// input.
#[must_use]
pub fn activity(process: u32) -> Activity {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Activity::Gone;
    };
    let waiting_calls = waiting_calls(process);
    let mut waits = None;
    for thread in threads.flatten() {
        let state = |name| fs::read_to_string(thread.path().join(name));
        let sleeps_in_a_wait = match state("syscall") {
            Ok(call) => is_call_of(&call, waiting_calls),
            Err(_) => state("stat").ok().and_then(|stat| is_asleep(&stat).then_some(true)),
        };
        match sleeps_in_a_wait {
            None => return Activity::Running,
            Some(is_wait) => waits = Some(waits.unwrap_or(false) || is_wait),
        }
    }
    match waits {
        Some(true) => Activity::Waiting,
        Some(false) => Activity::Asleep,
        None => Activity::Gone,
    }
}

/// Returns `true` if a thread sleeps in a call with one of the numbers `calls`, and `false` if in
/// another call. `text` is the thread's `syscall` file of /proc. Returns `None` if the thread is
/// not asleep in a call.
fn is_call_of(text: &str, calls: &[i64]) -> Option<bool> {
    let number: i64 = text.split_whitespace().next()?.parse().ok()?;
    (number >= 0).then(|| calls.contains(&number))
}

/// Returns `true` if a thread sleeps or is stopped: state S, D or T of its `stat` file of /proc.
/// The state comes after the name, which may contain anything.
fn is_asleep(stat: &str) -> bool {
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| matches!(rest.trim_start().chars().next(), Some('S' | 'D' | 'T')))
}

/// Returns the numbers of the calls by which a process waits for input: receive calls, `read`,
/// `readv`, the forms of `poll`, `select` and `epoll_wait`, and i386's `socketcall`, whatever it
/// calls.
fn waiting_calls(process: u32) -> &'static [i64] {
    if cfg!(target_arch = "x86_64") && is_of_32_bits(process) {
        WAITING_CALLS_OF_I386
    } else {
        WAITING_CALLS
    }
}

/// Returns `true` if the process runs an executable of 32 bits. Returns `false` if the executable
/// may not be read.
fn is_of_32_bits(process: u32) -> bool {
    const ELF_OF_32_BITS: [u8; 5] = *b"\x7fELF\x01";
    let mut start = [0; ELF_OF_32_BITS.len()];
    let executable = fs::File::open(format!("/proc/{process}/exe"));
    executable.is_ok_and(|mut executable| executable.read_exact(&mut start).is_ok()) && start == ELF_OF_32_BITS
}

/// The numbers of i386's calls that wait for input, those with 64-bit times included.
const WAITING_CALLS_OF_I386: &[i64] = &[
    3, 82, 102, 142, 145, 168, 256, 308, 309, 319, 337, 371, 372, 413, 414, 417, 441,
];
/// The numbers of this architecture's own calls that wait for input.
#[cfg(target_arch = "x86_64")]
const WAITING_CALLS: &[i64] = &[0, 7, 19, 23, 45, 47, 232, 270, 271, 281, 299, 441];
#[cfg(target_arch = "x86")]
const WAITING_CALLS: &[i64] = WAITING_CALLS_OF_I386;
#[cfg(target_arch = "aarch64")]
const WAITING_CALLS: &[i64] = &[22, 63, 65, 72, 73, 207, 212, 243, 441];
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
const WAITING_CALLS: &[i64] = &[];

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;
    #[cfg(target_arch = "x86_64")]
    use rustix::{
        fs::{MemfdFlags, memfd_create},
        process::{Signal, kill_process_group},
    };
    use std::sync::atomic::{AtomicBool, Ordering};
    #[cfg(target_arch = "x86_64")]
    use std::{
        os::{fd::AsRawFd, unix::process::CommandExt},
        process::Command,
        time::{Duration, Instant},
    };

    #[test]
    fn a_status_is_read_with_the_id_in_the_innermost_namespace() {
        let status = "Name:\tx\nTgid:\t4242\nPid:\t4243\nNStgid:\t4242\t7\nThreads:\t3\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000004001\nSigBlk:\t0000000000000001\nCapPrm:\t0000000000003000\nCapEff:\t0000000000001000\n";
        let expected = Process {
            id: 4242,
            own_id: 7,
            effective: 0x1000,
            permitted: 0x3000,
            has_signal: true,
            threads: 3,
        };
        assert_eq!(Process::parse(status), Some(expected));
        let blocked = status.replace("SigBlk:\t0000000000000001", "SigBlk:\t0000000000004001");
        assert!(!Process::parse(&blocked).unwrap().has_signal);
        assert_eq!(Process::parse("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_is_found_by_its_own_thread() {
        let this = Process::of(std::process::id()).unwrap();
        assert_eq!((this.id, this.own_id), (std::process::id(), std::process::id()));
        assert_eq!(Process::of(u32::MAX), None);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_thread_waits_in_a_receive_call_and_not_in_a_sleep() {
        let waits = |call| is_call_of(call, WAITING_CALLS);
        assert_eq!(waits("47 0x3 0x7ffd 0x0 0x0 0x0 0x0 0x7ffd 0x7f00"), Some(true));
        assert_eq!(waits("230 0x0 0x0 0x7ffd 0x0 0x0 0x0 0x7ffd 0x7f00"), Some(false));
        assert_eq!(waits("running"), None);
        assert_eq!(waits("-1 0x7ffd 0x7f00"), None);
        assert_eq!(waits(""), None);
        // ppoll_time64, by which programs with 64-bit times poll.
        assert_eq!(
            is_call_of("414 0xffd0 0x1 0x0 0x0 0x8 0x0 0xffd0 0xf7f0", WAITING_CALLS_OF_I386),
            Some(true)
        );
    }

    /// Machine code for i386: forks. The child sleeps in `pause`, and the parent in `waitpid`.
    #[cfg(target_arch = "x86_64")]
    const WAIT_FOR_A_CHILD: [u8; 32] = [
        0xb8, 2, 0, 0, 0, 0xcd, 0x80, // eax = fork()
        0x85, 0xc0, 0x74, 14, // if eax is 0, go to the child's part
        0x89, 0xc3, // ebx = eax
        0x31, 0xc9, 0x31, 0xd2, // ecx = 0, edx = 0
        0xb8, 7, 0, 0, 0, 0xcd, 0x80, 0x90, // waitpid(ebx, ecx, edx)
        0xb8, 29, 0, 0, 0, 0xcd, 0x80, // the child's part: pause()
    ];

    /// Returns an executable for i386, in memory, that runs this code.
    #[cfg(target_arch = "x86_64")]
    fn executable_of_i386(code: &[u8]) -> OwnedFd {
        const BASE: u32 = 0x0804_8000;
        const HEADERS: u32 = 52 + 32;
        let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
        let length = HEADERS + code.len() as u32;
        let file = [
            &b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0"[..],
            &words(&[1, BASE + HEADERS, 52, 0, 0]),
            &[52, 0, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0],
            // The one segment is the whole file, to be read and executed.
            &words(&[1, 0, BASE, BASE, length, length, 5, 0x1000]),
            code,
        ]
        .concat();
        let executable = memfd_create("i386", MemfdFlags::CLOEXEC).unwrap();
        assert_eq!(rustix::io::write(&executable, &file), Ok(file.len()));
        executable
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn an_i386_process_that_waits_for_its_child_does_not_wait_for_input() {
        let executable = executable_of_i386(&WAIT_FOR_A_CHILD);
        let path = format!("/proc/{}/fd/{}", std::process::id(), executable.as_raw_fd());
        let Ok(mut child) = Command::new(path).process_group(0).spawn() else {
            eprintln!("skipped: this kernel runs no programs for i386");
            return;
        };
        let asleep_in_waitpid = format!("/proc/{}/syscall", child.id());
        let deadline = Instant::now() + Duration::from_mins(1);
        while !fs::read_to_string(&asleep_in_waitpid).unwrap().starts_with("7 ") {
            assert!(Instant::now() < deadline, "it does not come to wait");
            std::thread::yield_now();
        }
        let activity = activity(child.id());
        kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
        assert_eq!(activity, Activity::Asleep);
    }

    #[test]
    fn a_state_is_read_behind_a_name_with_anything_in_it() {
        assert!(is_asleep("1 (a) R) S 0 1"));
        assert!(!is_asleep("1 (a) S) R 0 1") && !is_asleep("") && !is_asleep("1 (a)"));
    }

    #[test]
    fn this_process_runs_and_one_that_is_not_there_is_gone() {
        // A thread that looks at its own `syscall` file always sees the `read` by which it looks.
        let [runs, seen] = [AtomicBool::new(false), AtomicBool::new(false)];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !seen.load(Ordering::Relaxed) {
                    runs.store(true, Ordering::Relaxed);
                }
            });
            while !runs.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            let activity = activity(std::process::id());
            seen.store(true, Ordering::Relaxed);
            assert_eq!(activity, Activity::Running);
        });
        assert_eq!(activity(u32::MAX), Activity::Gone);
    }

    #[rstest]
    #[case(b"socket:[12345]", Some(12345))]
    #[case(b"socket:[]", None)]
    #[case(b"pipe:[12345]", None)]
    #[case(b"/dev/null", None)]
    fn only_a_socket_has_an_inode_in_its_link(#[case] link: &[u8], #[case] inode: Option<u64>) {
        assert_eq!(parse_inode(link), inode);
    }
}
