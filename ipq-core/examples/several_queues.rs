//! Several queues, each with a handle and a thread of its own. So several processors decide about
//! packets.
//!
//! ```text
//! iptables -A FORWARD -p udp -j NFQUEUE --queue-balance 0:3
//! cargo run -p ipq-core --example several_queues -- 0 3
//! ```
//!
//! The kernel chooses a packet's queue by its addresses and its protocol, so both directions of a
//! flow come to the same queue. Within a flow packets keep their order, as long as the queue's
//! thread decides about them in the order in which it reads them. Packets of different queues have
//! no order. A flow whose packets are expensive delays the flows that share its queue. With
//! `--queue-cpu-fanout` in the rule the kernel chooses the queue by the processor that a packet
//! came in on; then the order within a flow depends on how the device distributes packets.
//!
//! Every queue of the range needs a listener: the kernel drops packets for a queue without one. So
//! all are attached before the first packet is read, and the program ends when one of its threads
//! ends.

#[cfg(target_os = "linux")]
pub(crate) mod linux {
    use ipq_core::transport::nfqueue::{NfQueue, Options};
    use ipq_core::wire::PacketMessage;
    use ipq_core::{CopyMode, Family, Handle, Verdict};
    use std::ops::RangeInclusive;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::channel;

    type Failed = Box<dyn std::error::Error + Send + Sync>;

    /// What is looked at of a packet: here its addresses and ports.
    const RANGE: usize = 68;

    pub(crate) fn main() -> Result<(), Failed> {
        let usage = "usage: several_queues FIRST LAST";
        let numbers: Vec<u16> = std::env::args()
            .skip(1)
            .map(|text| text.parse())
            .collect::<Result<_, _>>()?;
        let [first, last] = numbers[..] else {
            return Err(usage.into());
        };
        let (ended, end) = channel();
        for handle in open(first..=last)? {
            let ended = ended.clone();
            std::thread::spawn(move || {
                let count = AtomicU64::new(0);
                let result = listen(&handle, |_| {
                    count.fetch_add(1, Ordering::Relaxed);
                    Verdict::Accept
                });
                let queue = handle.transport().options().queue_number;
                let told = result.map_err(|error| format!("queue {queue}, after {count:?} packets: {error}"));
                // Nobody hears it if another queue's thread ended first.
                let _ = ended.send(told);
            });
        }
        drop(ended);
        Ok(end.recv().unwrap_or(Err(usage.to_owned()))?)
    }

    /// Attaches to every queue of the range.
    pub(crate) fn open(numbers: RangeInclusive<u16>) -> Result<Vec<Handle<NfQueue>>, Failed> {
        let handles = numbers.map(|queue_number| {
            let handle = Handle::new(NfQueue::open_with(Options {
                queue_number,
                ..Options::new(Family::Ipv4)
            })?);
            handle.set_mode(CopyMode::Packet, RANGE as u64)?;
            Ok(handle)
        });
        handles.collect()
    }

    /// Asks `decide` about each packet of a queue, in the order in which they came.
    pub(crate) fn listen(
        handle: &Handle<NfQueue>,
        mut decide: impl FnMut(PacketMessage<'_>) -> Verdict,
    ) -> Result<(), Failed> {
        Ok(handle.run(|packet| decide(packet.message()))?)
    }
}

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the kernels that have these queues are Linux");
}
