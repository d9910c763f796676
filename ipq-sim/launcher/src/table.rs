//! The system calls that the filter watches or refuses, with their numbers on the architectures
//! that the launcher knows.

use crate::call::{FIRST_RAW, FIRST_WITH_SENDER, Name, OpenForm, Privileged, SendForm, StatusForm};

/// A comparison of the lower 32 bits of a call's argument with a number. The first field is the
/// argument's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// The argument equals the number.
    Is(usize, u32),
    /// The argument differs from the number.
    Not(usize, u32),
    /// The argument is the number or higher, unsigned.
    AtLeast(usize, u32),
    /// The argument is the number or lower, unsigned.
    AtMost(usize, u32),
}

/// The filter's action on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The call is reported to the listener, under this name.
    Notify(Name),
    /// The call is i386's `socketcall`, and is reported to the listener. Its first argument says
    /// which socket call it makes.
    NotifySocketCall,
    /// The call is `prctl`, and is reported to the listener. The name that it is reported under
    /// depends on its first argument, the option.
    NotifyPrctl,
    /// The call fails with this error number.
    Refuse(i32),
}

/// The action on calls with one number that pass the rule's tests. Calls with that number that do
/// not pass go on to the kernel.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) number: u32,
    pub(crate) action: Action,
    /// The tests. A call passes if all tests of one alternative hold, or if there are no
    /// alternatives.
    pub(crate) alternatives: Vec<Vec<Test>>,
}

/// One system call interface of this machine's kernel (x86-64 has a second one for i386 programs),
/// with the rules for its calls.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    /// The kernel's number for the architecture, `AUDIT_ARCH_*`.
    pub(crate) audit: u32,
    /// The first call number that does not belong to this interface. Calls with this number or a
    /// higher one fail with ENOSYS. On x86-64 they belong to the x32 interface; elsewhere `end` is
    /// `u32::MAX`.
    pub(crate) end: u32,
    pub(crate) rules: Vec<Rule>,
}

impl Interface {
    /// Returns `true` if the words of the interface's callers have 32 bits.
    pub(crate) const fn is_32_bit(&self) -> bool {
        self.audit & WIDE == 0
    }

    /// Returns the action of the first rule for calls with this system call `number`, whatever the
    /// rule's tests say. Returns `None` if no rule is for this number.
    pub(crate) fn action(&self, number: u32) -> Option<Action> {
        self.rules
            .iter()
            .find(|rule| rule.number == number)
            .map(|rule| rule.action)
    }
}

/// What a filter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Calls are reported to a listener, which answers them. The fields say which calls are
    /// reported beside those that always are. `io_uring_setup` fails with ENOSYS.
    Watch {
        /// `true` if each receive call, `read` and `readv` is reported. Otherwise only `recvfrom`
        /// is, as a system call of its own, if it asks for the sender on a descriptor from
        /// `FIRST_WITH_SENDER` on.
        receives: bool,
        /// `true` if these are reported, too: `socket` for raw sockets; send calls, `write` and
        /// `writev` on descriptors from `FIRST_RAW` on (by `socketcall` on any); and all of
        /// `setsockopt` and `getsockopt`.
        raw_sockets: bool,
    },
    /// Nothing is reported. `socket` fails with EPROTONOSUPPORT for netlink's given protocols, and
    /// so does `socketcall` for every socket if any protocols are given. `io_uring_setup` fails
    /// with ENOSYS.
    Guard,
}

/// Returns the interfaces by which a program can call this machine's kernel, each with its rules
/// for that `purpose`. The rules watch or refuse the netlink sockets of `protocols`. Returns an
/// empty list on an architecture that the launcher does not know.
pub(crate) fn interfaces(protocols: &[u32], purpose: Purpose) -> Vec<Interface> {
    machine()
        .iter()
        .map(|(audit, end, calls)| Interface {
            audit: *audit,
            end: *end,
            rules: calls
                .iter()
                .filter_map(|(number, what)| match purpose {
                    Purpose::Watch { receives, raw_sockets } => rule(*number, *what, protocols, receives, raw_sockets),
                    Purpose::Guard => guard(*number, *what, protocols),
                })
                .collect(),
        })
        .collect()
}

/// The kind of call that a system call number stands for, from which its rule is made.
#[derive(Clone, Copy, Debug)]
enum What {
    Named(Name),
    SocketCall,
    Prctl,
    Close,
    IoUring,
}

const AF_NETLINK: u32 = libc::AF_NETLINK as u32;
const SOL_SOCKET: u32 = libc::SOL_SOCKET as u32;
const SOL_NETLINK: u32 = libc::SOL_NETLINK as u32;

/// The highest descriptor whose `close` is reported. Some programs call `close` on a million
/// numbers at their start, and nearly all of these calls are then not reported.
const LAST_WATCHED_DESCRIPTOR: u32 = 1023;

/// The watched socket calls except those that receive or send, each with the number that names it
/// in the first argument of `socketcall`.
pub(crate) const SOCKET_CALLS: [(u32, Name); 7] = [
    (1, Name::Socket),
    (2, Name::Bind),
    (3, Name::Connect),
    (6, Name::SocketName),
    (7, Name::PeerName),
    (14, Name::SetOption),
    (15, Name::GetOption),
];
/// The numbers that name the receive calls in the first argument of `socketcall`.
pub(crate) const SOCKET_CALLS_THAT_RECEIVE: [u32; 4] = [10, 12, 17, 19];
/// The numbers that name the send calls in the first argument of `socketcall`, each with the call's
/// form. `send` (9) has the form of a `sendto` without an address.
pub(crate) const SOCKET_CALLS_THAT_SEND: [(u32, SendForm); 4] = [
    (9, SendForm::BytesTo),
    (11, SendForm::BytesTo),
    (16, SendForm::Message),
    (20, SendForm::Messages),
];

/// `SOCK_PACKET`, by which programs of the nineties opened a packet socket as one of `AF_INET`.
const SOCK_PACKET: i32 = 10;

/// The bits of a socket's kind in the second argument of `socket`. The others are flags.
const KIND: i32 = 0xf;

/// The sockets that count as raw, each as a domain and a kind. `AF_PACKET` is not listed: all of
/// its kinds count.
const RAW_KINDS: [(i32, i32); 3] = [
    (libc::AF_INET, libc::SOCK_RAW),
    (libc::AF_INET, SOCK_PACKET),
    (libc::AF_INET6, libc::SOCK_RAW),
];

/// Returns `true` if `socket(domain, kind, _)` opens a raw socket of IPv4 or IPv6 or a packet
/// socket, on which a program can send packets that it has made itself. Flags in `kind` do not
/// matter.
pub(crate) fn is_raw(domain: i32, kind: i32) -> bool {
    domain == libc::AF_PACKET || RAW_KINDS.contains(&(domain, kind & KIND))
}

/// Returns the rule of a guard's filter for the system call `number`, which is a call of the kind
/// `what`. The rule refuses netlink sockets of `protocols`, every socket by `socketcall`, or
/// `io_uring_setup`. Returns `None` for the other kinds, and for the first two if `protocols` is
/// empty.
fn guard(number: u32, what: What, protocols: &[u32]) -> Option<Rule> {
    let alternatives = match what {
        What::Named(Name::Socket) | What::SocketCall if protocols.is_empty() => return None,
        What::Named(Name::Socket) => sockets_of(protocols),
        // The filter can't see the protocol, which is in memory, so every socket is refused.
        What::SocketCall => vec![vec![Test::Is(0, 1)]],
        What::IoUring => return rule(number, what, protocols, false, false),
        _ => return None,
    };
    Some(Rule {
        number,
        action: Action::Refuse(libc::EPROTONOSUPPORT),
        alternatives,
    })
}

fn sockets_of(protocols: &[u32]) -> Vec<Vec<Test>> {
    protocols
        .iter()
        .map(|protocol| vec![Test::Is(0, AF_NETLINK), Test::Is(2, *protocol)])
        .collect()
}

/// Returns the alternatives of tests by which the filter knows a `socket` call for a raw socket.
/// The filter compares the kind and its flags as one number, so each of [`RAW_KINDS`] has one
/// alternative for each combination of flags.
fn raw_sockets() -> Vec<Vec<Test>> {
    let flags = [
        0,
        libc::SOCK_CLOEXEC,
        libc::SOCK_NONBLOCK,
        libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
    ];
    let with_flags = |(domain, kind): (i32, i32)| {
        flags.map(|flags| {
            vec![
                Test::Is(0, domain.cast_unsigned()),
                Test::Is(1, (kind | flags).cast_unsigned()),
            ]
        })
    };
    let packet = vec![Test::Is(0, libc::AF_PACKET.cast_unsigned())];
    RAW_KINDS.into_iter().flat_map(with_flags).chain([packet]).collect()
}

fn rule(number: u32, what: What, protocols: &[u32], receives: bool, raw: bool) -> Option<Rule> {
    let options = |options: &[i32]| -> Vec<Vec<Test>> {
        if raw {
            return vec![];
        }
        let of_the_socket = options
            .iter()
            .map(|option| vec![Test::Is(1, SOL_SOCKET), Test::Is(2, option.cast_unsigned())]);
        std::iter::once(vec![Test::Is(1, SOL_NETLINK)])
            .chain(of_the_socket)
            .collect()
    };
    let (action, alternatives) = match what {
        What::Named(name @ Name::Receive) if receives => (Action::Notify(name), vec![]),
        What::Named(name @ Name::Send(_)) if raw => {
            let on_a_raw_socket = vec![
                Test::AtLeast(0, FIRST_RAW.cast_unsigned()),
                Test::AtMost(0, i32::MAX.cast_unsigned()),
            ];
            (Action::Notify(name), vec![on_a_raw_socket])
        }
        What::Named(Name::Receive | Name::Send(_)) => return None,
        What::Named(name @ Name::ReceiveFrom) => {
            // The filter sees 32 bits of the address. It takes 0 for a null pointer, since hardly
            // any object of a program lies at an address whose lower half is 0.
            let asks = vec![
                Test::AtLeast(0, FIRST_WITH_SENDER.cast_unsigned()),
                Test::AtMost(0, i32::MAX.cast_unsigned()),
                Test::Not(4, 0),
            ];
            (Action::Notify(name), if receives { vec![] } else { vec![asks] })
        }
        What::Named(name @ Name::Socket) => {
            let raw_sockets = if raw { raw_sockets() } else { vec![] };
            (Action::Notify(name), [sockets_of(protocols), raw_sockets].concat())
        }
        What::Named(name @ Name::SetOption) => {
            let known = [
                libc::SO_SNDBUF,
                libc::SO_RCVBUF,
                libc::SO_SNDBUFFORCE,
                libc::SO_RCVBUFFORCE,
            ];
            (Action::Notify(name), options(&known))
        }
        What::Named(name @ Name::GetOption) => {
            let known = [
                libc::SO_TYPE,
                libc::SO_ERROR,
                libc::SO_SNDBUF,
                libc::SO_RCVBUF,
                libc::SO_PROTOCOL,
                libc::SO_DOMAIN,
            ];
            (Action::Notify(name), options(&known))
        }
        What::Named(name) => (Action::Notify(name), vec![]),
        What::SocketCall => {
            let receiving = SOCKET_CALLS_THAT_RECEIVE.iter().filter(|_| receives);
            let sending = SOCKET_CALLS_THAT_SEND.iter().filter(|_| raw).map(|(call, _)| call);
            let calls = SOCKET_CALLS
                .iter()
                .map(|(call, _)| call)
                .chain(receiving)
                .chain(sending);
            let alternatives = calls.map(|call| vec![Test::Is(0, *call)]).collect();
            (Action::NotifySocketCall, alternatives)
        }
        What::Prctl => {
            let bounds = [libc::PR_CAPBSET_DROP, libc::PR_SET_SECUREBITS];
            let bounds = bounds.map(|option| vec![Test::Is(0, option.cast_unsigned())]);
            let hide = vec![Test::Is(0, libc::PR_SET_DUMPABLE.cast_unsigned()), Test::Is(1, 0)];
            (Action::NotifyPrctl, [&bounds[..], &[hide]].concat())
        }
        What::Close => (
            Action::Notify(Name::Closing),
            vec![vec![Test::AtMost(0, LAST_WATCHED_DESCRIPTOR)]],
        ),
        What::IoUring => (Action::Refuse(libc::ENOSYS), vec![]),
    };
    // A rule without alternatives is for every call. If neither a protocol nor raw sockets are
    // watched, no `socket` call is.
    if action == Action::Notify(Name::Socket) && alternatives.is_empty() {
        return None;
    }
    Some(Rule {
        number,
        action,
        alternatives,
    })
}

type Table = (u32, u32, &'static [(u32, What)]);

const OPEN: What = open(0, OpenForm::Flags);
const OPEN_AT: What = open(1, OpenForm::Flags);
const OPEN_AT_2: What = open(1, OpenForm::How);
const ACCESS: What = What::Named(Name::Access { path: 0 });
const ACCESS_AT: What = What::Named(Name::Access { path: 1 });
const STATUS_AT: What = status(1, 2, StatusForm::Plain);
const STATUS_EXTENDED: What = status(1, 4, StatusForm::Extended);
const CLOSING: What = What::Named(Name::Closing);
const RECEIVE: What = What::Named(Name::Receive);
const RECEIVE_FROM: What = What::Named(Name::ReceiveFrom);

const fn send(form: SendForm) -> What {
    What::Named(Name::Send(form))
}

const fn open(path: usize, form: OpenForm) -> What {
    What::Named(Name::Open { path, form })
}

const fn status(path: usize, into: usize, form: StatusForm) -> What {
    What::Named(Name::Status { path, into, form })
}

const fn privileged(call: Privileged) -> What {
    What::Named(Name::Privileged(call))
}

/// The bit of an `AUDIT_ARCH_*` number of `linux/audit.h` that says little-endian.
const LITTLE_ENDIAN: u32 = 0x4000_0000;
/// The bit of an `AUDIT_ARCH_*` number of `linux/audit.h` that says 64 bits wide.
const WIDE: u32 = 0x8000_0000;

#[cfg(target_arch = "x86_64")]
fn machine() -> [Table; 2] {
    [
        // Numbers from 0x4000_0000 on belong to the x32 interface.
        (0x3e | WIDE | LITTLE_ENDIAN, 0x4000_0000, X86_64),
        (3 | LITTLE_ENDIAN, u32::MAX, I386),
    ]
}

#[cfg(target_arch = "x86")]
fn machine() -> [Table; 1] {
    [(3 | LITTLE_ENDIAN, u32::MAX, I386)]
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
fn machine() -> [Table; 1] {
    [(0xb7 | WIDE | LITTLE_ENDIAN, u32::MAX, AARCH64)]
}

#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "x86",
    all(target_arch = "aarch64", target_endian = "little")
)))]
fn machine() -> [Table; 0] {
    []
}

#[cfg(target_arch = "x86_64")]
const X86_64: &[(u32, What)] = &[
    (41, What::Named(Name::Socket)),
    (49, What::Named(Name::Bind)),
    (42, What::Named(Name::Connect)),
    (51, What::Named(Name::SocketName)),
    (52, What::Named(Name::PeerName)),
    (54, What::Named(Name::SetOption)),
    (55, What::Named(Name::GetOption)),
    (2, OPEN),
    (257, OPEN_AT),
    (437, OPEN_AT_2),
    (21, ACCESS),
    (269, ACCESS_AT),
    (439, ACCESS_AT),
    (4, status(0, 1, StatusForm::Plain)),
    (6, status(0, 1, StatusForm::Plain)),
    (262, STATUS_AT),
    (332, STATUS_EXTENDED),
    (105, privileged(Privileged::SetUser)),
    (113, privileged(Privileged::SetUser)),
    (117, privileged(Privileged::SetUser)),
    (106, privileged(Privileged::SetGroup)),
    (114, privileged(Privileged::SetGroup)),
    (119, privileged(Privileged::SetGroup)),
    (116, privileged(Privileged::SetGroups)),
    (126, privileged(Privileged::CapSet)),
    (157, What::Prctl),
    (161, privileged(Privileged::ChangeRoot)),
    (3, What::Close),
    (33, CLOSING),
    (292, CLOSING),
    (436, CLOSING),
    (59, CLOSING),
    (322, CLOSING),
    (231, CLOSING),
    (425, What::IoUring),
    (45, RECEIVE_FROM),
    (47, RECEIVE),
    (299, RECEIVE),
    (0, RECEIVE),
    (19, RECEIVE),
    (1, send(SendForm::Bytes)),
    (44, send(SendForm::BytesTo)),
    (20, send(SendForm::Vectors)),
    (46, send(SendForm::Message)),
    (307, send(SendForm::Messages)),
];

#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
const I386: &[(u32, What)] = &[
    (102, What::SocketCall),
    (359, What::Named(Name::Socket)),
    (361, What::Named(Name::Bind)),
    (362, What::Named(Name::Connect)),
    (367, What::Named(Name::SocketName)),
    (368, What::Named(Name::PeerName)),
    (366, What::Named(Name::SetOption)),
    (365, What::Named(Name::GetOption)),
    (5, OPEN),
    (295, OPEN_AT),
    (437, OPEN_AT_2),
    (33, ACCESS),
    (307, ACCESS_AT),
    (439, ACCESS_AT),
    (383, STATUS_EXTENDED),
    (23, privileged(Privileged::SetUser)),
    (70, privileged(Privileged::SetUser)),
    (164, privileged(Privileged::SetUser)),
    (213, privileged(Privileged::SetUser)),
    (203, privileged(Privileged::SetUser)),
    (208, privileged(Privileged::SetUser)),
    (46, privileged(Privileged::SetGroup)),
    (71, privileged(Privileged::SetGroup)),
    (170, privileged(Privileged::SetGroup)),
    (214, privileged(Privileged::SetGroup)),
    (204, privileged(Privileged::SetGroup)),
    (210, privileged(Privileged::SetGroup)),
    (81, privileged(Privileged::SetGroups)),
    (206, privileged(Privileged::SetGroups)),
    (185, privileged(Privileged::CapSet)),
    (172, What::Prctl),
    (61, privileged(Privileged::ChangeRoot)),
    (6, What::Close),
    (63, CLOSING),
    (330, CLOSING),
    (436, CLOSING),
    (11, CLOSING),
    (358, CLOSING),
    (252, CLOSING),
    (425, What::IoUring),
    (371, RECEIVE_FROM),
    (372, RECEIVE),
    (337, RECEIVE),
    (417, RECEIVE),
    (3, RECEIVE),
    (145, RECEIVE),
    (4, send(SendForm::Bytes)),
    (369, send(SendForm::BytesTo)),
    (146, send(SendForm::Vectors)),
    (370, send(SendForm::Message)),
    (345, send(SendForm::Messages)),
];

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
const AARCH64: &[(u32, What)] = &[
    (198, What::Named(Name::Socket)),
    (200, What::Named(Name::Bind)),
    (203, What::Named(Name::Connect)),
    (204, What::Named(Name::SocketName)),
    (205, What::Named(Name::PeerName)),
    (208, What::Named(Name::SetOption)),
    (209, What::Named(Name::GetOption)),
    (56, OPEN_AT),
    (437, OPEN_AT_2),
    (48, ACCESS_AT),
    (439, ACCESS_AT),
    (79, STATUS_AT),
    (291, STATUS_EXTENDED),
    (145, privileged(Privileged::SetUser)),
    (146, privileged(Privileged::SetUser)),
    (147, privileged(Privileged::SetUser)),
    (143, privileged(Privileged::SetGroup)),
    (144, privileged(Privileged::SetGroup)),
    (149, privileged(Privileged::SetGroup)),
    (159, privileged(Privileged::SetGroups)),
    (91, privileged(Privileged::CapSet)),
    (167, What::Prctl),
    (51, privileged(Privileged::ChangeRoot)),
    (57, What::Close),
    (24, CLOSING),
    (436, CLOSING),
    (221, CLOSING),
    (281, CLOSING),
    (94, CLOSING),
    (425, What::IoUring),
    (207, RECEIVE_FROM),
    (212, RECEIVE),
    (243, RECEIVE),
    (63, RECEIVE),
    (65, RECEIVE),
    (64, send(SendForm::Bytes)),
    (206, send(SendForm::BytesTo)),
    (66, send(SendForm::Vectors)),
    (211, send(SendForm::Message)),
    (269, send(SendForm::Messages)),
];
