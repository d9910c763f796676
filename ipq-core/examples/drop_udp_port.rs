//! Drops what is sent to one UDP port over IPv4, and lets everything else through. It listens to
//! the kernel's `ip_queue` if there is one, and to nfnetlink queue 0 if not. Control-C ends it.
//!
//! ```text
//! iptables -A INPUT -p udp -j NFQUEUE --queue-num 0     # or, with nftables:
//! nft 'add table ip ipq; add chain ip ipq in { type filter hook input priority 0; }; add rule ip ipq in udp dport 53 queue num 0'
//! cargo run -p ipq-core --features etherparse --example drop_udp_port -- 53
//! ```
//!
//! On a kernel that has `ip_queue` the rule is `iptables -A INPUT -p udp -j QUEUE`.

#[cfg(target_os = "linux")]
mod linux {
    use etherparse::TransportSlice;
    use ipq_core::handle::{QueuedPacket, RunError};
    use ipq_core::transport::netlink::{self, Netlink};
    use ipq_core::transport::nfqueue::NfQueue;
    use ipq_core::{CopyMode, Family, Handle, Transport, Verdict};
    use signal_hook::consts::SIGINT;
    use std::error::Error;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    /// The number of bytes that the filter looks at: at most 60 of an IPv4 header, and 8 of a UDP
    /// header.
    const RANGE: u64 = 68;

    pub(crate) fn main() -> Result<(), Box<dyn Error>> {
        let port: u16 = std::env::args().nth(1).ok_or("usage: drop_udp_port PORT")?.parse()?;
        let stop = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGINT, Arc::clone(&stop))?;
        let transport: Box<dyn Transport> = match Netlink::open(Family::Ipv4) {
            Ok(old) => Box::new(old),
            Err(netlink::OpenError::NoIpQueue { .. }) => Box::new(NfQueue::open(Family::Ipv4)?),
            Err(error) => return Err(error.into()),
        };
        Ok(filter(&Handle::new(transport), port, &stop)?)
    }

    /// Drops UDP packets for `port`, and accepts all others, until `stop` is set. Runs on any
    /// transport.
    fn filter(handle: &Handle<impl Transport>, port: u16, stop: &AtomicBool) -> Result<(), RunError> {
        handle.set_mode(CopyMode::Packet, RANGE)?;
        handle.run_until(stop, |packet| match destination(packet) {
            Some(destination) if destination == port => Verdict::Drop,
            _ => Verdict::Accept,
        })
    }

    /// Returns the UDP port that a packet is for. Returns `None` if no UDP header can be read.
    fn destination(packet: &QueuedPacket<'_>) -> Option<u16> {
        match packet.headers().ok()?.transport? {
            TransportSlice::Udp(udp) => Some(udp.destination_port()),
            _ => None,
        }
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    match linux::main() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("drop_udp_port: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the kernels that have these queues are Linux");
}
