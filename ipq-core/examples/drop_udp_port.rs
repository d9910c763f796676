//! Drops what is sent to one UDP port over IPv4 and lets everything else through, on a kernel's `ip_queue` if it has one, or
//! on nfnetlink queue 0.
//!
//! ```text
//! iptables -A INPUT -p udp -j QUEUE
//! cargo run -p ipq-core --example drop_udp_port -- 53
//! ```

#[cfg(target_os = "linux")]
mod linux {
    use ipq_core::transport::netlink::{self, Netlink};
    use ipq_core::transport::nfqueue::NfQueue;
    use ipq_core::wire::Message;
    use ipq_core::{CopyMode, Errno, Error, Family, Handle, Transport, Verdict, Wait};

    /// What the filter looks at: an IPv4 header without its options is 20 bytes, with them 60, and a UDP header 8.
    const RANGE: usize = 68;

    type Failed = Box<dyn std::error::Error>;

    pub(crate) fn main() -> Result<(), Failed> {
        let port: u16 = std::env::args().nth(1).ok_or("usage: drop_udp_port PORT")?.parse()?;
        match Netlink::open(Family::Ipv4) {
            Ok(old) => filter(&Handle::new(old), port, |errno| errno.to_string()),
            Err(netlink::OpenError::NoIpQueue { .. }) => {
                let handle = Handle::new(NfQueue::open(Family::Ipv4)?);
                filter(&handle, port, |errno| match handle.transport().explain(errno) {
                    Some(refusal) => refusal.to_string(),
                    None => errno.to_string(),
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The filter, whatever the handle stands on.
    fn filter(handle: &Handle<impl Transport>, port: u16, explain: impl Fn(Errno) -> String) -> Result<(), Failed> {
        handle.set_mode(CopyMode::Packet, RANGE as u64)?;
        let mut buffer = vec![0; handle.buffer_for(RANGE)];
        loop {
            match handle.read(&mut buffer, Wait::Forever) {
                Ok(Message::Packet(packet)) => {
                    let dropped = udp_destination(packet.payload()) == Some(port);
                    let verdict = if dropped { Verdict::Drop } else { Verdict::Accept };
                    handle.set_verdict(packet.packet_id(), verdict, None)?;
                }
                // A device went down, and took the packet with it (EVT-1).
                Ok(Message::Error(answer)) if answer.errno() == Errno::ENOENT => {}
                Ok(Message::Error(answer)) => return Err(explain(answer.errno()).into()),
                Ok(other) => return Err(format!("the queue sent a message of type {}", other.message_type()).into()),
                Err(Error::Overrun) => eprintln!("{} overruns so far: packets were lost", handle.overruns()),
                Err(Error::Interrupted { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The UDP port that an IPv4 packet is for, unless it is another protocol's or a later fragment.
    fn udp_destination(packet: &[u8]) -> Option<u16> {
        const UDP: u8 = 17;
        let (version_and_length, protocol) = (*packet.first()?, *packet.get(9)?);
        let fragment_offset = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x1fff;
        if version_and_length >> 4 != 4 || protocol != UDP || fragment_offset != 0 {
            return None;
        }
        let header_length = usize::from(version_and_length & 0xf) * 4;
        let port = packet.get(header_length + 2..)?.first_chunk()?;
        Some(u16::from_be_bytes(*port))
    }
}

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the kernels that have these queues are Linux");
}
