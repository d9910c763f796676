//! An emulated host as text.

use super::{Access, Simulation};
use crate::kernel::Kernel;
use ipq_core::Family;
use std::fmt;

/// Shows the profile's name, a line for each device, the rules as commands, the queues as /proc
/// does, and the counts of packets.
impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.profile().name)?;
        self.describe_host(f)?;
        for (family, file) in [(Family::Ipv4, "ip_queue"), (Family::Ipv6, "ip6_queue")] {
            if let Some(text) = self.proc_text(family) {
                write!(f, "\n/proc/net/{file}\n{text}")?;
            }
        }
        if let Some(text) = self.numbered_queues_text() {
            write!(f, "\n/proc/net/netfilter/nfnetlink_queue\n{text}")?;
        }
        write!(f, "\npackets: {}", self.accounting())
    }
}

/// Shows the simulation's kernel, in the text that the kernel's own `Display` makes.
impl<A: Access> fmt::Display for Simulation<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|kernel| kernel.fmt(f))
    }
}
