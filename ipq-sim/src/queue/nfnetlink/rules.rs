//! The rules of numbered queues that differ between kernels.

use super::Flaw;
use ipq_core::wire::nfnetlink::flag;

/// The rules of one kernel's numbered queues: a field for each rule in which kernels differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The most packets that a queue holds, whatever its maximum length says; `None` for no limit
    /// (NFQ-5).
    pub table_limit: Option<usize>,
    /// The flags with which this kernel refuses a CONFIG message whose mask has them, too, out of
    /// those that the protocol defines (NFQ-22). It accepts the others, even those that have no
    /// effect here, where no packet has a connection or a security context.
    pub refused_flags: u32,
    /// The number of bytes that the kernel allocates for a packet message, without those for the
    /// packet, its time of arrival and its sender's ids (NFQ-101).
    pub message_bytes: usize,
    /// `true` if the message that begins a batch is acknowledged when it asks for it, and so is the
    /// one that ends it, if no message between them was refused (NFQ-52).
    pub acknowledges_batches: bool,
    /// The rule that a seeded fault breaks; `None` for every kernel.
    pub(crate) flaw: Option<Flaw>,
}

impl Rules {
    /// Returns the rule that a seeded fault breaks. Returns `None` without such a fault, and always
    /// without the feature `seeded-faults`.
    pub(crate) const fn flaw(&self) -> Option<Flaw> {
        if cfg!(feature = "seeded-faults") {
            self.flaw
        } else {
            None
        }
    }

    /// The rules of Linux 6.18, measured on 6.18.44.
    pub const LINUX_6_18: Self = Self {
        table_limit: Some(65_536),
        refused_flags: flag::CONNECTION,
        message_bytes: 124,
        acknowledges_batches: true,
        flaw: None,
    };

    /// The rules of Linux 6.1, measured on 6.1.192.
    pub const LINUX_6_1: Self = Self {
        table_limit: None,
        refused_flags: flag::CONNECTION,
        message_bytes: 116,
        acknowledges_batches: false,
        flaw: None,
    };
}
