//! Holds each packet for two seconds, and then accepts it: a timer, tested without waiting.
//!
//! ```text
//! cargo run -p ipq-sim --example hold
//! ```
//!
//! A read on the emulator returns at once. It advances the emulator's clock by the time for which
//! it would have waited.

use etherparse::PacketBuilder;
use ipq_core::{CopyMode, Family, Handle, Hook, PacketId, Transport, Verdict, Wait};
use ipq_sim::{Fate, Rule, Sim};
use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

/// The time for which each packet is held.
const HOLD: Duration = Duration::from_secs(2);
/// The longest wait for a packet before the program checks again whether a held packet is due.
const TICK: Duration = Duration::from_millis(100);

/// A program that holds packets: for each, the time at which it is due, and its id.
#[derive(Default)]
struct Holder {
    held: VecDeque<(Duration, PacketId)>,
}

impl Holder {
    /// Holds each packet that comes, and accepts it when it is due, until `time` has passed on the
    /// clock `now`. That is the emulator's clock in this example; on a kernel it is the program's
    /// own.
    fn run(
        &mut self,
        handle: &Handle<impl Transport>,
        time: Duration,
        now: impl Fn() -> Duration,
    ) -> Result<(), Box<dyn Error>> {
        let mut buffer = vec![0; handle.buffer_for(1500)];
        let end = now() + time;
        while now() < end {
            handle.run_once(&mut buffer, Wait::For(TICK), |packet| {
                self.held.push_back((now() + HOLD, packet.packet_id()));
                None // no verdict yet
            })?;
            while let Some((_, packet)) = self.held.pop_front_if(|(due, _)| *due <= now()) {
                handle.set_verdict(packet, Verdict::Accept, None)?;
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let sim = Sim::default();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward))?;
    let handle = sim.open(Family::Ipv4)?;
    handle.set_mode(CopyMode::Packet, 1500)?;

    let mut bytes = Vec::new();
    PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 2], 64)
        .udp(4000, 53)
        .write(&mut bytes, b"query")?;
    let packet = sim.inject_packet("tap0", &bytes)?;

    let mut program = Holder::default();
    program.run(&handle, Duration::from_millis(1900), || sim.now())?;
    assert_eq!(sim.fate(packet), Some(Fate::Queued));
    program.run(&handle, Duration::from_millis(200), || sim.now())?;
    sim.assert_delivered(packet);
    println!("the packet was held for {HOLD:?}, and this took no time");
    Ok(())
}
