//! The rules that differ between kernels.

use super::Flaw;
use super::packet::ENOTSUPP;
use ipq_core::Errno;
use ipq_core::wire::nfnetlink::flag;

/// The rules of one kernel: a field for each rule in which kernels differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The most packets that a queue holds, whatever its maximum length says; `None` for no limit
    /// (NFQ-5).
    pub table_limit: Option<usize>,
    /// The flags that a queue refuses, of those that the protocol has (NFQ-22). No packet here has
    /// a connection or a security context, even where a queue takes their flags.
    pub refused_flags: u32,
    /// The error for an unknown command (NFQ-26).
    pub unknown_command: Errno,
    /// `true` if the first and the last message of a batch are acknowledged on demand (NFQ-52).
    pub acknowledges_batches: bool,
    /// The rule that a seeded fault breaks. A kernel has no flaw.
    pub(crate) flaw: Option<Flaw>,
}

impl Rules {
    /// Returns the flaw, if a seeded fault has one: see
    /// [`Behaviour::flaw`](crate::behaviour::Behaviour::flaw).
    pub(crate) const fn flaw(&self) -> Option<Flaw> {
        if cfg!(feature = "seeded-faults") {
            self.flaw
        } else {
            None
        }
    }

    /// The rules of Linux 6.18, as measured on 6.18.44.
    pub const LINUX_6_18: Self = Self {
        table_limit: Some(65_536),
        refused_flags: flag::CONNECTION,
        unknown_command: Errno::EOPNOTSUPP,
        acknowledges_batches: true,
        flaw: None,
    };

    /// The rules of Linux 6.1, as measured on 6.1.176 as User-Mode Linux.
    pub const LINUX_6_1: Self = Self {
        table_limit: None,
        refused_flags: flag::CONNECTION,
        unknown_command: ENOTSUPP,
        acknowledges_batches: false,
        flaw: None,
    };
}
