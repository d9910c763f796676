//! A filter with the crate `nfq`, written for a kernel. `ipq-sim` runs it without a privilege, on a
//! capture:
//!
//! ```sh
//! cargo build --example nfq_crate
//! ipq-sim run --pcap in.pcap --out out.pcap -- target/debug/examples/nfq_crate 0
//! ```
//!
//! The filter reads the number with which the payload of each UDP packet begins. If the remainder
//! of its division by 4 is 0, it drops the packet. It accepts the others: with remainder 1 as they
//! are, with 2 marked, and with 3 after a change of their last byte.

use nfq::{Queue, Verdict};
use std::io;

fn main() -> io::Result<()> {
    let number = std::env::args().nth(1).and_then(|number| number.parse().ok());
    let mut queue = Queue::open()?;
    queue.bind(number.unwrap_or(0))?;
    loop {
        let mut message = queue.recv()?;
        let number = message.get_payload().get(28..).and_then(<[u8]>::first_chunk);
        let number = number.copied().map_or(1, u32::from_be_bytes);
        message.set_verdict(Verdict::Accept);
        match number % 4 {
            0 => message.set_verdict(Verdict::Drop),
            2 => message.set_nfmark(number),
            3 => {
                if let Some(last) = message.get_payload_mut().last_mut() {
                    *last ^= 0xff;
                }
            }
            _ => {}
        }
        queue.verdict(message)?;
    }
}
