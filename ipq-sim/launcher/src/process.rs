//! Looks into a process that is stopped in a call.

use std::fs;
use std::os::unix::ffi::OsStrExt;

/// What /proc says of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its process id here.
    pub id: u32,
    /// Its process id as it sees it itself, in its own namespace.
    pub own_id: u32,
    /// Its effective capabilities, a bit each.
    pub effective: u64,
    /// Its permitted capabilities.
    pub permitted: u64,
}

impl Process {
    /// The process that a thread belongs to; none if it is gone, or not visible.
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
        Some(Self {
            id,
            own_id: field("NStgid")
                .and_then(|ids| ids.split_whitespace().last()?.parse().ok())
                .unwrap_or(id),
            effective: set("CapEff").unwrap_or_default(),
            permitted: set("CapPrm").unwrap_or_default(),
        })
    }
}

/// The inode of the socket at a thread's descriptor; none if that is no socket. An error: it can't be looked at.
pub(crate) fn socket_inode(thread: u32, descriptor: i32) -> std::io::Result<Option<u64>> {
    let link = fs::read_link(format!("/proc/{thread}/fd/{descriptor}"))?;
    Ok(parse_inode(link.as_os_str().as_bytes()))
}

fn parse_inode(link: &[u8]) -> Option<u64> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The processes that hold a socket with one of these inodes, as far as they may be looked at.
#[must_use]
pub fn holders(inodes: &[u64]) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let holds = |process: u32| {
        fs::read_dir(format!("/proc/{process}/fd")).is_ok_and(|descriptors| {
            descriptors.flatten().any(|descriptor| {
                let link = fs::read_link(descriptor.path()).unwrap_or_default();
                parse_inode(link.as_os_str().as_bytes()).is_some_and(|inode| inodes.contains(&inode))
            })
        })
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process| holds(*process))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[test]
    fn a_status_is_read_with_the_id_in_the_innermost_namespace() {
        let status = "Name:\tx\nTgid:\t4242\nPid:\t4243\nNStgid:\t4242\t7\nCapPrm:\t0000000000003000\nCapEff:\t0000000000001000\n";
        let expected = Process {
            id: 4242,
            own_id: 7,
            effective: 0x1000,
            permitted: 0x3000,
        };
        assert_eq!(Process::parse(status), Some(expected));
        assert_eq!(Process::parse("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_is_found_by_its_own_thread() {
        let this = Process::of(std::process::id()).unwrap();
        assert_eq!((this.id, this.own_id), (std::process::id(), std::process::id()));
        assert_eq!(Process::of(u32::MAX), None);
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
