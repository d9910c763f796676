//! Listens to several queues, each with a handle and a thread of its own. So several processors
//! decide about packets at once.
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
//! `--queue-cpu-fanout` in the rule the kernel chooses the queue by the processor that handles a
//! packet; then the order within a flow depends on how packets are distributed over processors.
//!
//! Every queue of the range needs a listener: the kernel drops packets for a queue without one. So
//! the program attaches to all before it reads the first packet, and ends when one of its threads
//! fails.

pub(crate) mod queues {
    use ipq_core::transport::nfqueue::{NfQueue, OpenError, Options, QueueSocket};
    use ipq_core::wire::PacketMessage;
    use ipq_core::{CopyMode, Family, Handle, Verdict};
    use std::ops::RangeInclusive;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::thread;

    pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

    /// The number of bytes of a packet that the program asks for: at most 60 of an IPv4 header, and
    /// 8 of a UDP header.
    const RANGE: usize = 68;

    /// Accepts all packets of these queues, with one thread for each queue. When one thread ends,
    /// all end. If threads failed, returns the error of the first of them in the order of
    /// `handles`.
    pub(crate) fn listen_to_all<S>(handles: &[Handle<NfQueue<S>>]) -> Result<(), Failed>
    where
        S: QueueSocket + Send + Sync,
        S::Devices: Send + Sync,
    {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let listening = handles.iter().map(|handle| {
                scope.spawn(|| {
                    let count = AtomicU64::new(0);
                    let result = listen(handle, &stop, |_| {
                        count.fetch_add(1, Ordering::Relaxed);
                        Verdict::Accept
                    });
                    stop.store(true, Ordering::Release);
                    let queue = handle.transport().options().queue_number;
                    result.map_err(|error| format!("queue {queue}, after {count:?} packets: {error}"))
                })
            });
            let listening: Vec<_> = listening.collect();
            let results = listening
                .into_iter()
                .map(|thread| thread.join().expect("no thread panics"));
            results.collect::<Result<(), String>>().map_err(Failed::from)
        })
    }

    /// Opens each queue of the range with `open`, and asks it for its packets. Returns the handles
    /// in the order of the numbers, or the first error.
    pub(crate) fn attach<S: QueueSocket>(
        numbers: RangeInclusive<u16>,
        open: impl Fn(Options) -> Result<NfQueue<S>, OpenError>,
    ) -> Result<Vec<Handle<NfQueue<S>>>, Failed> {
        let handles = numbers.map(|queue_number| {
            let handle = Handle::new(open(Options {
                queue_number,
                ..Options::new(Family::Ipv4)
            })?);
            handle.set_mode(CopyMode::Packet, RANGE as u64)?;
            Ok(handle)
        });
        handles.collect()
    }

    /// Asks `decide` about each packet of a queue, in the order in which the packets came, and
    /// gives its verdict. Returns soon after `stop` has become true.
    pub(crate) fn listen<S: QueueSocket>(
        handle: &Handle<NfQueue<S>>,
        stop: &AtomicBool,
        mut decide: impl FnMut(PacketMessage<'_>) -> Verdict,
    ) -> Result<(), Failed> {
        Ok(handle.run_until(stop, |packet| decide(packet.message()))?)
    }
}

#[cfg(target_os = "linux")]
fn main() -> Result<(), queues::Failed> {
    use ipq_core::transport::nfqueue::NfQueue;
    let numbers: Vec<u16> = std::env::args()
        .skip(1)
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?;
    let [first, last] = numbers[..] else {
        return Err("usage: several_queues FIRST LAST".into());
    };
    queues::listen_to_all(&queues::attach(first..=last, NfQueue::open_with)?)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the kernels that have these queues are Linux");
}
