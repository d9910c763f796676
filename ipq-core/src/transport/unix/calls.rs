//! The meaning of a program's calls on sockets, and of the files that it opens, where an emulator
//! stands in for the kernel.
//!
//! The library that is loaded into a program sees such calls, and the launcher reports them to the
//! emulator. Library and emulator ask here what the calls mean. Nothing here makes a system call,
//! reads the program's memory or can panic.

use crate::errno::Errno;
use crate::family::Family;
use crate::wire::PortId;

const AF_NETLINK: i32 = libc::AF_NETLINK;

/// The netlink protocol of nfnetlink, whose queues took the place of `ip_queue` in kernels since
/// 3.5.
pub const NFNETLINK: i32 = libc::NETLINK_NETFILTER;

/// Returns the family whose queue of `ip_queue` or `ip6_queue` a call `socket(domain, _, protocol)`
/// opens. Returns `None` if it opens neither.
#[must_use]
pub const fn queue_of(domain: i32, protocol: i32) -> Option<Family> {
    if domain == AF_NETLINK {
        Family::from_netlink_protocol(protocol)
    } else {
        None
    }
}

/// Returns `true` if `socket(domain, _, protocol)` opens a socket for queues: those of `ip_queue`,
/// or those of nfnetlink.
#[must_use]
pub const fn leads_to_queues(domain: i32, protocol: i32) -> bool {
    queue_of(domain, protocol).is_some() || (domain == AF_NETLINK && protocol == NFNETLINK)
}

/// A file that shows the state of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcFile {
    /// `/proc/net/ip_queue` or `/proc/net/ip6_queue` (PROC-1).
    IpQueue(Family),
    /// `/proc/net/netfilter/nfnetlink_queue` (NFQ-13).
    NumberedQueues,
}

/// Returns the file of queues that an absolute path names, in `/proc/net` or in the `net` of any
/// process, such as `/proc/self/net`. Returns `None` for any other path.
#[must_use]
pub fn proc_file(path: &[u8]) -> Option<ProcFile> {
    let mut parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    if path.first() != Some(&b'/') || parts.next() != Some(b"proc") {
        return None;
    }
    let mut part = parts.next()?;
    let is_process = part.iter().all(u8::is_ascii_digit) || part == b"self" || part == b"thread-self";
    if is_process {
        part = parts.next()?;
    }
    let file = match (part, parts.next()?) {
        (b"net", b"ip_queue") => ProcFile::IpQueue(Family::Ipv4),
        (b"net", b"ip6_queue") => ProcFile::IpQueue(Family::Ipv6),
        (b"net", b"netfilter") if parts.next()? == b"nfnetlink_queue" => ProcFile::NumberedQueues,
        _ => return None,
    };
    parts.next().is_none().then_some(file)
}

/// The size of a netlink address: 12 bytes.
pub const ADDRESS_BYTES: usize = size_of::<libc::sockaddr_nl>();

/// Returns the port id in a netlink address. Fails with EINVAL if the address is shorter than 12
/// bytes, or of another address family. Bytes after the twelfth are not looked at.
pub fn port_id(address: &[u8]) -> Result<PortId, Errno> {
    let address: &[u8; ADDRESS_BYTES] = address.first_chunk().ok_or(Errno::EINVAL)?;
    let [low, high, _, _, port_id @ .., _, _, _, _] = address;
    if i32::from(u16::from_ne_bytes([*low, *high])) == AF_NETLINK {
        Ok(PortId(u32::from_ne_bytes(*port_id)))
    } else {
        Err(Errno::EINVAL)
    }
}

/// Returns the netlink address of a port id.
#[must_use]
pub const fn address(PortId(port_id): PortId) -> [u8; ADDRESS_BYTES] {
    let [low, high] = (AF_NETLINK as u16).to_ne_bytes();
    let [a, b, c, d] = port_id.to_ne_bytes();
    [low, high, 0, 0, a, b, c, d, 0, 0, 0, 0]
}

/// Returns the abstract name of a Unix socket whose datagrams are to look as if they came from the
/// kernel. The zero byte before the name is left out. A receiver sees the name as an address of 12
/// bytes, with 0 where a netlink address has the port id. It differs from the kernel's in the
/// address family, and has `serial` in place of the groups. Different values of `serial` give
/// different names.
#[must_use]
pub const fn kernel_name(serial: u32) -> [u8; 9] {
    let [a, b, c, d] = serial.to_ne_bytes();
    [0, 0, 0, 0, 0, a, b, c, d]
}

/// Returns `true` if an abstract name has the form that [`kernel_name`] gives: 9 bytes, of which
/// the first 5 are 0.
#[must_use]
pub fn is_kernel_name(name: &[u8]) -> bool {
    name.len() == kernel_name(0).len() && name.starts_with(&[0; 5])
}

/// A socket option that a netlink socket treats in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOption {
    /// `SO_RCVBUF`: the size of the receive buffer (SOCK-4).
    ReceiveBuffer,
    /// `SO_RCVBUFFORCE`: the size of the receive buffer, beyond the limit of `SO_RCVBUF`.
    ForcedReceiveBuffer,
    /// `SO_SNDBUF` and `SO_SNDBUFFORCE`: the size of the send buffer (SOCK-9).
    SendBuffer,
    /// `SO_ERROR`: takes the pending overrun (SOCK-4).
    Error,
    /// `SO_TYPE`: the type of the socket.
    Type,
    /// `SO_PROTOCOL`: the protocol of the socket.
    Protocol,
    /// `SO_DOMAIN`: the address family of the socket.
    Domain,
    /// `NETLINK_NO_ENOBUFS`: overruns are not reported (SOCK-4).
    NoEnobufs,
    /// `NETLINK_CAP_ACK`: an error quotes only the header of the message that failed (NFQ-43).
    CapAck,
    /// `NETLINK_EXT_ACK`: an answer can have attributes (NFQ-44).
    ExtAck,
    /// One of the other netlink options that are on or off and make no difference to a queue.
    Indifferent,
    /// Any other option that is not of the level `SOL_SOCKET`. It gives ENOPROTOOPT.
    UnknownOfNetlink,
}

impl SocketOption {
    /// Returns the option that `setsockopt` or `getsockopt` names. Returns `None` for any other
    /// option of the level `SOL_SOCKET`, which is left to the Unix socket.
    #[must_use]
    pub const fn named(level: i32, name: i32) -> Option<Self> {
        Some(match (level, name) {
            (libc::SOL_SOCKET, libc::SO_RCVBUF) => Self::ReceiveBuffer,
            (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE) => Self::ForcedReceiveBuffer,
            (libc::SOL_SOCKET, libc::SO_SNDBUF | libc::SO_SNDBUFFORCE) => Self::SendBuffer,
            (libc::SOL_SOCKET, libc::SO_ERROR) => Self::Error,
            (libc::SOL_SOCKET, libc::SO_TYPE) => Self::Type,
            (libc::SOL_SOCKET, libc::SO_PROTOCOL) => Self::Protocol,
            (libc::SOL_SOCKET, libc::SO_DOMAIN) => Self::Domain,
            (libc::SOL_SOCKET, _) => return None,
            (libc::SOL_NETLINK, libc::NETLINK_NO_ENOBUFS) => Self::NoEnobufs,
            (libc::SOL_NETLINK, libc::NETLINK_CAP_ACK) => Self::CapAck,
            (libc::SOL_NETLINK, libc::NETLINK_EXT_ACK) => Self::ExtAck,
            (
                libc::SOL_NETLINK,
                libc::NETLINK_BROADCAST_ERROR | libc::NETLINK_LISTEN_ALL_NSID | libc::NETLINK_GET_STRICT_CHK,
            ) => Self::Indifferent,
            _ => Self::UnknownOfNetlink,
        })
    }
}

/// Returns the number that a program gives as an option's value: the `int` at the start of `bytes`.
/// Fails with EINVAL if there are fewer bytes than an `int` has.
pub fn option_value(bytes: &[u8]) -> Result<i32, Errno> {
    bytes
        .first_chunk()
        .map(|bytes| i32::from_ne_bytes(*bytes))
        .ok_or(Errno::EINVAL)
}

/// Returns the number of bytes that a program asks for with an option for a buffer's size. A
/// negative number counts as 0.
#[must_use]
pub fn buffer_bytes(value: i32) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"/proc/net/ip_queue", Some(ProcFile::IpQueue(Family::Ipv4)))]
    #[case(b"/proc/net/ip6_queue", Some(ProcFile::IpQueue(Family::Ipv6)))]
    #[case(b"//proc//self/net/ip_queue", Some(ProcFile::IpQueue(Family::Ipv4)))]
    #[case(b"/proc/4242/net/ip6_queue", Some(ProcFile::IpQueue(Family::Ipv6)))]
    #[case(b"/proc/net/netfilter/nfnetlink_queue", Some(ProcFile::NumberedQueues))]
    #[case(b"/proc/thread-self/net/netfilter/nfnetlink_queue", Some(ProcFile::NumberedQueues))]
    #[case(b"/proc/net/netfilter/nfnetlink_queue/more", None)]
    #[case(b"/proc/net/netfilter", None)]
    #[case(b"/proc/net/ip_queue/more", None)]
    #[case(b"/proc/net/ip_que", None)]
    #[case(b"proc/net/ip_queue", None)]
    #[case(b"/proc/sys/net/ip_queue", None)]
    #[case(b"/proc", None)]
    #[case(b"", None)]
    fn a_path_is_a_queues_file_wherever_a_process_finds_it(#[case] path: &[u8], #[case] file: Option<ProcFile>) {
        assert_eq!(proc_file(path), file);
    }

    #[rstest]
    #[case(16, 3, Some(Family::Ipv4))]
    #[case(16, 13, Some(Family::Ipv6))]
    #[case(16, NFNETLINK, None)]
    #[case(2, 3, None)]
    fn only_a_netlink_socket_of_its_protocol_is_a_queues(
        #[case] domain: i32,
        #[case] protocol: i32,
        #[case] family: Option<Family>,
    ) {
        assert_eq!(queue_of(domain, protocol), family);
        let nfnetlink = (domain, protocol) == (16, NFNETLINK);
        assert_eq!(leads_to_queues(domain, protocol), family.is_some() || nfnetlink);
    }

    #[test]
    fn a_name_looks_like_the_kernels_address_behind_a_family_of_its_own() {
        // What recvfrom gives: the family, the zero that makes the name abstract, and the name.
        let seen = [&1_u16.to_ne_bytes()[..], &[0], &kernel_name(0x0102_0304)].concat();
        assert_eq!(seen.len(), ADDRESS_BYTES);
        assert_eq!(seen[4..8], address(PortId::KERNEL)[4..8]);
        assert!(is_kernel_name(&kernel_name(u32::MAX)));
        assert!(!is_kernel_name(&[1; 9]) && !is_kernel_name(&[0; 8]));
    }

    #[rstest]
    #[case(&[16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])]
    #[case(&[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])]
    #[case(&[])]
    fn what_is_no_netlink_address_is_invalid(#[case] bytes: &[u8]) {
        assert_eq!(port_id(bytes), Err(Errno::EINVAL));
    }

    #[test]
    fn a_value_is_an_int_and_a_buffer_has_no_negative_size() {
        assert_eq!(option_value(&(-7_i32).to_ne_bytes()), Ok(-7));
        assert_eq!(option_value(&[1, 2, 3]), Err(Errno::EINVAL));
        assert_eq!((buffer_bytes(-1), buffer_bytes(4096)), (0, 4096));
    }

    proptest! {
        #[test]
        fn a_port_id_is_read_as_it_was_written(id: u32) {
            prop_assert_eq!(port_id(&address(PortId(id))), Ok(PortId(id)));
        }

        #[test]
        fn no_path_makes_it_panic_and_only_an_absolute_one_is_known(path in proptest::collection::vec(prop_oneof![Just(b'/'), any::<u8>()], 0..40)) {
            let absolute = path.first() == Some(&b'/');
            prop_assert!(absolute || proc_file(&path).is_none());
        }
    }
}
