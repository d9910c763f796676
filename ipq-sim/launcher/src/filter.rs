//! Assembles the filter: a program of classic BPF that the kernel runs on every system call.

use crate::table::{Action, Interface, Rule, Test};
use libc::sock_filter;

/// The offset of the call's number in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// Returns the offset of the lower half of the argument at `index`, in `struct seccomp_data`.
const fn argument(index: usize) -> u32 {
    let half = if cfg!(target_endian = "big") { 4 } else { 0 };
    16 + 8 * index as u32 + half
}

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// Returns the filter for the calls of all `interfaces`, each by its own rules. Calls by any other
/// system call interface fail with ENOSYS.
pub(crate) fn assemble(interfaces: &[Interface]) -> Vec<sock_filter> {
    let mut program = Vec::new();
    for interface in interfaces {
        let body = body(interface);
        program.push(load(ARCHITECTURE));
        // The body is too long for the 8 bits of a conditional jump.
        program.push(jump(libc::BPF_JEQ, interface.audit, 1, 0));
        program.push(statement(libc::BPF_JMP | libc::BPF_JA, body.len() as u32));
        program.extend(body);
    }
    program.push(answer(NO_SUCH_CALL));
    program
}

/// Returns the instructions for the calls of one interface. Calls with a number from `end` on fail
/// with ENOSYS. Calls without a rule go on to the kernel.
fn body(interface: &Interface) -> Vec<sock_filter> {
    let mut program = vec![
        load(NUMBER),
        jump(libc::BPF_JGE, interface.end, 0, 1),
        answer(NO_SUCH_CALL),
    ];
    for rule in &interface.rules {
        let consequence = consequence(rule);
        program.push(jump(libc::BPF_JEQ, rule.number, 0, consequence.len() as u8));
        program.extend(consequence);
    }
    program.push(answer(ALLOW));
    program
}

/// Returns the instructions for calls with the rule's number. The call is reported to the listener
/// or fails with an errno, as the rule's action says, if all tests of one alternative hold, or if
/// there are no alternatives. Otherwise the call goes on to the kernel.
fn consequence(rule: &Rule) -> Vec<sock_filter> {
    let done = answer(match rule.action {
        Action::Notify(_) | Action::NotifySocketCall | Action::NotifyPrctl => NOTIFY,
        Action::Refuse(errno) => libc::SECCOMP_RET_ERRNO | errno.cast_unsigned(),
    });
    if rule.alternatives.is_empty() {
        return vec![done];
    }
    let mut program = Vec::new();
    for tests in &rule.alternatives {
        for (index, test) in tests.iter().enumerate() {
            // The distance to the end of this alternative: two instructions for each test that
            // follows, and the answer.
            let rest = (2 * (tests.len() - index - 1) + 1) as u8;
            match *test {
                Test::Is(at, value) => {
                    program.extend([load(argument(at)), jump(libc::BPF_JEQ, value, 0, rest)]);
                }
                Test::Not(at, value) => {
                    program.extend([load(argument(at)), jump(libc::BPF_JEQ, value, rest, 0)]);
                }
                Test::AtLeast(at, value) => {
                    program.extend([load(argument(at)), jump(libc::BPF_JGE, value, 0, rest)]);
                }
                Test::AtMost(at, value) => {
                    program.extend([load(argument(at)), jump(libc::BPF_JGT, value, rest, 0)]);
                }
            }
        }
        program.push(done);
    }
    program.push(answer(ALLOW));
    program
}

const fn statement(code: u32, operand: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k: operand,
    }
}

const fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

const fn answer(value: u32) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, value)
}

const fn jump(comparison: u32, operand: u32, if_so: u8, if_not: u8) -> sock_filter {
    sock_filter {
        jt: if_so,
        jf: if_not,
        ..statement(libc::BPF_JMP | comparison | libc::BPF_K, operand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{self, Purpose};
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;
    use rstest::rstest;

    /// Interprets the few instructions that the filter is made of. Returns the filter's answer to a
    /// call, a `SECCOMP_RET_*` value.
    fn said(program: &[sock_filter], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let word = |offset: u32| match offset {
            NUMBER => number,
            ARCHITECTURE => architecture,
            offset => {
                let index = (0..6)
                    .find(|index| argument(*index) == offset)
                    .expect("it loads lower halves");
                arguments[index] as u32
            }
        };
        let (mut accumulator, mut at) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let branch = |holds: bool| usize::from(if holds { jt } else { jf });
            match u32::from(code) {
                code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => accumulator = word(k),
                code if code == libc::BPF_RET | libc::BPF_K => return k,
                code if code == libc::BPF_JMP | libc::BPF_JA => at += k as usize,
                code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => at += branch(accumulator == k),
                code if code == libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K => at += branch(accumulator > k),
                code if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K => at += branch(accumulator >= k),
                code => panic!("instruction {code:#x} is not used"),
            }
        }
    }

    const X86_64: u32 = 0xc000_003e;
    const I386: u32 = 0x4000_0003;

    fn filter(receives: bool) -> Vec<sock_filter> {
        filter_for(Purpose::Watch {
            receives,
            raw_sockets: false,
        })
    }

    fn filter_with_raw_sockets() -> Vec<sock_filter> {
        filter_for(Purpose::Watch {
            receives: false,
            raw_sockets: true,
        })
    }

    fn filter_for(purpose: Purpose) -> Vec<sock_filter> {
        assemble(&table::interfaces(&[3, 12, 13], purpose))
    }

    #[rstest]
    #[case::ip_queue(X86_64, 41, [16, 3, 3, 0, 0, 0], NOTIFY)]
    #[case::ip6_queue(X86_64, 41, [16, 2, 13, 0, 0, 0], NOTIFY)]
    #[case::nfnetlink(X86_64, 41, [16, 3, 12, 0, 0, 0], NOTIFY)]
    #[case::upper_halves_do_not_count(X86_64, 41, [16 | 1 << 32, 3, 3 | 7 << 40, 0, 0, 0], NOTIFY)]
    #[case::route(X86_64, 41, [16, 3, 0, 0, 0, 0], ALLOW)]
    #[case::internet(X86_64, 41, [2, 3, 3, 0, 0, 0], ALLOW)]
    #[case::x32(X86_64, 0x4000_0029, [2, 1, 0, 0, 0, 0], NO_SUCH_CALL)]
    #[case::io_uring(X86_64, 425, [8, 0, 0, 0, 0, 0], NO_SUCH_CALL)]
    #[case::unknown_interface(0xc000_00b7, 198, [16, 3, 3, 0, 0, 0], NO_SUCH_CALL)]
    #[case::i386_direct(I386, 359, [16, 3, 3, 0, 0, 0], NOTIFY)]
    #[case::i386_in_memory(I386, 102, [1, 0xffff_d000, 0, 0, 0, 0], NOTIFY)]
    #[case::i386_send(I386, 102, [9, 0xffff_d000, 0, 0, 0, 0], ALLOW)]
    #[case::receive_buffer(X86_64, 54, [5, 1, 8, 0, 0, 0], NOTIFY)]
    #[case::netlink_option(X86_64, 54, [5, 270, 5, 0, 0, 0], NOTIFY)]
    #[case::time_out(X86_64, 54, [5, 1, 20, 0, 0, 0], ALLOW)]
    #[case::close(X86_64, 3, [5, 0, 0, 0, 0, 0], NOTIFY)]
    #[case::close_of_one_of_many(X86_64, 3, [5000, 0, 0, 0, 0, 0], ALLOW)]
    #[case::hide(X86_64, 157, [4, 0, 0, 0, 0, 0], NOTIFY)]
    #[case::name_a_thread(X86_64, 157, [15, 0, 0, 0, 0, 0], ALLOW)]
    #[case::receive(X86_64, 45, [5, 0, 0, 0, 0, 0], ALLOW)]
    #[case::receive_with_sender(X86_64, 45, [512, 0, 0, 0, 0x7ffd_0000_1000, 0], NOTIFY)]
    #[case::receive_without_sender(X86_64, 45, [512, 0, 0, 0, 0, 0], ALLOW)]
    #[case::receive_with_another_sender(X86_64, 45, [511, 0, 0, 0, 0x7ffd_0000_1000, 0], ALLOW)]
    #[case::receive_by_no_descriptor(X86_64, 45, [0xffff_ffff, 0, 0, 0, 0x7ffd_0000_1000, 0], ALLOW)]
    #[case::i386_receive_with_sender(I386, 371, [600, 0, 0, 0, 0xffff_d000, 0], NOTIFY)]
    #[cfg(target_arch = "x86_64")]
    fn a_call_is_told_of_let_through_or_refused(
        #[case] architecture: u32,
        #[case] number: u32,
        #[case] arguments: [u64; 6],
        #[case] expected: u32,
    ) {
        assert_eq!(said(&filter(false), architecture, number, arguments), expected);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn receive_calls_are_told_of_only_where_they_are_watched() {
        for call in [45, 47] {
            assert_eq!(said(&filter(true), X86_64, call, [5, 0, 0, 0, 0, 0]), NOTIFY);
            assert_eq!(said(&filter(false), X86_64, call, [5, 0, 0, 0, 0, 0]), ALLOW);
        }
    }

    #[rstest]
    #[case::raw(X86_64, 41, [2, 3, 255, 0, 0, 0])]
    #[case::raw_with_flags(X86_64, 41, [2, 0x8_0803, 6, 0, 0, 0])]
    #[case::raw_of_ipv6(X86_64, 41, [10, 0x8_0003, 58, 0, 0, 0])]
    #[case::old_packet_socket(X86_64, 41, [2, 10, 0x300, 0, 0, 0])]
    #[case::packet(X86_64, 41, [17, 2, 8, 0, 0, 0])]
    #[case::option(X86_64, 54, [5, 0, 3, 0, 0, 0])]
    #[case::write(X86_64, 1, [768, 0x7ffd_0000_1000, 20, 0, 0, 0])]
    #[case::send(X86_64, 44, [1023, 0x7ffd_0000_1000, 20, 0, 0, 0])]
    #[case::messages(X86_64, 307, [800, 0x7ffd_0000_1000, 2, 0, 0, 0])]
    #[case::i386(I386, 370, [768, 0xffff_d000, 0, 0, 0, 0])]
    #[case::i386_in_memory(I386, 102, [11, 0xffff_d000, 0, 0, 0, 0])]
    #[cfg(target_arch = "x86_64")]
    fn raw_sockets_are_told_of_only_where_they_are_watched(
        #[case] architecture: u32,
        #[case] number: u32,
        #[case] arguments: [u64; 6],
    ) {
        let watched = said(&filter_with_raw_sockets(), architecture, number, arguments);
        assert_eq!(watched, NOTIFY);
        assert_eq!(said(&filter(true), architecture, number, arguments), ALLOW);
    }

    #[rstest]
    #[case::datagrams_of_the_network(X86_64, 41, [2, 2, 0, 0, 0, 0])]
    #[case::ping(X86_64, 41, [2, 2, 1, 0, 0, 0])]
    #[case::route(X86_64, 41, [16, 3, 0, 0, 0, 0])]
    #[case::verdict(X86_64, 44, [767, 0x7ffd_0000_1000, 20, 0, 0, 0])]
    #[case::no_descriptor(X86_64, 1, [0xffff_ffff, 0x7ffd_0000_1000, 20, 0, 0, 0])]
    #[cfg(target_arch = "x86_64")]
    fn what_is_no_raw_socket_goes_on_where_they_are_watched(
        #[case] architecture: u32,
        #[case] number: u32,
        #[case] arguments: [u64; 6],
    ) {
        let answer = said(&filter_with_raw_sockets(), architecture, number, arguments);
        assert_eq!(answer, ALLOW);
    }

    #[rstest]
    #[case::ip_queue(X86_64, 41, [16, 3, 3, 0, 0, 0], false)]
    #[case::nfnetlink(X86_64, 41, [16, 3, 12, 0, 0, 0], false)]
    #[case::internet(X86_64, 41, [2, 3, 3, 0, 0, 0], true)]
    #[case::bind(X86_64, 49, [5, 0, 0, 0, 0, 0], true)]
    #[case::i386(I386, 359, [16, 3, 13, 0, 0, 0], false)]
    #[case::i386_in_memory(I386, 102, [1, 0xffff_d000, 0, 0, 0, 0], false)]
    #[cfg(target_arch = "x86_64")]
    fn a_guard_refuses_the_sockets_and_nothing_else(
        #[case] architecture: u32,
        #[case] number: u32,
        #[case] arguments: [u64; 6],
        #[case] goes_on: bool,
    ) {
        let guard = assemble(&table::interfaces(&[3, 12, 13], Purpose::Guard));
        let refused = libc::SECCOMP_RET_ERRNO | libc::EPROTONOSUPPORT.cast_unsigned();
        let expected = if goes_on { ALLOW } else { refused };
        assert_eq!(said(&guard, architecture, number, arguments), expected);
    }

    #[test]
    fn the_kernel_takes_a_filter_of_that_length() {
        let purpose = Purpose::Watch {
            receives: true,
            raw_sockets: true,
        };
        assert!(filter_for(purpose).len() < 4096, "BPF_MAXINSNS");
        for interface in table::interfaces(&[3, 12, 13], purpose) {
            for rule in &interface.rules {
                assert!(consequence(rule).len() < 256);
            }
        }
    }

    proptest! {
        #[test]
        fn no_call_makes_a_socket_of_a_watched_protocol(
            architecture in prop_oneof![Just(X86_64), Just(I386), any::<u32>()],
            number in prop_oneof![0_u32..600, any::<u32>()],
            protocol in prop_oneof![Just(3_u64), Just(12), Just(13)],
            upper: [u32; 3],
            receives: bool,
        ) {
            let upper = upper.map(|half| u64::from(half) << 32);
            let arguments = [16 | upper[0], 3 | upper[1], protocol | upper[2], 0, 0, 0];
            let answer = said(&filter(receives), architecture, number, arguments);
            let makes_sockets = matches!((architecture, number), (X86_64, 41) | (I386, 359));
            if cfg!(target_arch = "x86_64") && makes_sockets {
                prop_assert_eq!(answer, NOTIFY);
            }
            prop_assert!([ALLOW, NOTIFY, NO_SUCH_CALL].contains(&answer));
        }
    }
}
