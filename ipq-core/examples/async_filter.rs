//! A filter that runs asynchronously on tokio, beside a future that prints its counts every 10
//! seconds. On nfnetlink queue 0 the filter drops the packets of one IP protocol, and lets every
//! other IPv4 packet through.
//!
//! ```text
//! iptables -A INPUT -j NFQUEUE --queue-num 0
//! cargo run -p ipq-core --features tokio --example async_filter -- 1
//! ```

#[cfg(target_os = "linux")]
mod linux {
    use etherparse::Ipv4HeaderSlice;
    use ipq_core::transport::PollTransport;
    use ipq_core::transport::nfqueue::NfQueue;
    use ipq_core::transport::tokio::Watched;
    use ipq_core::wire::Message;
    use ipq_core::{CopyMode, Errno, Error, Family, Handle, Verdict};
    use std::cell::Cell;
    use std::time::Duration;

    /// The number of bytes that the filter looks at: the longest IPv4 header, with all its options.
    const RANGE: usize = 60;

    type Failed = Box<dyn std::error::Error>;

    #[derive(Default)]
    struct Counts {
        accepted: Cell<u64>,
        dropped: Cell<u64>,
    }

    pub(crate) async fn main() -> Result<(), Failed> {
        let argument = std::env::args().nth(1);
        let protocol: u8 = argument.ok_or("usage: async_filter PROTOCOL-NUMBER")?.parse()?;
        let handle = Handle::new(Watched::new(NfQueue::open(Family::Ipv4)?)?);
        let counts = Counts::default();
        let report = async {
            loop {
                tokio::time::sleep(Duration::from_secs(10)).await;
                println!("{} accepted, {} dropped", counts.accepted.get(), counts.dropped.get());
            }
        };
        tokio::select! {
            ended = filter(&handle, protocol, &counts) => ended,
            () = report => Ok(()),
        }
    }

    /// Drops the packets of the IP protocol `unwanted`, accepts all others, and counts both. Runs until an error, on any transport that a task can wait for.
    async fn filter(handle: &Handle<impl PollTransport>, unwanted: u8, counts: &Counts) -> Result<(), Failed> {
        handle.set_mode(CopyMode::Packet, RANGE as u64)?;
        let mut buffer = vec![0; handle.buffer_for(RANGE)];
        loop {
            match handle.read_async(&mut buffer).await {
                Ok(Message::Packet(packet)) => {
                    let (verdict, count) = match Ipv4HeaderSlice::from_slice(packet.payload()) {
                        Ok(header) if header.protocol().0 == unwanted => (Verdict::Drop, &counts.dropped),
                        _ => (Verdict::Accept, &counts.accepted),
                    };
                    count.set(count.get() + 1);
                    handle.set_verdict(packet.packet_id(), verdict, None)?;
                }
                // A device went down, and took the packet with it (EVT-1).
                Ok(Message::Error(answer)) if answer.errno() == Errno::ENOENT => {}
                Ok(Message::Error(answer)) => return Err(handle.explain(answer.errno()).into()),
                Ok(other) => return Err(format!("the queue sent a message of type {}", other.message_type()).into()),
                Err(Error::Overrun) => eprintln!("{} overruns so far: packets were lost", handle.overruns()),
                Err(Error::Interrupted { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main().await
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the kernels that have these queues are Linux");
}
