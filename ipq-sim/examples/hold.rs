//! Holds packets for two seconds each, and lets them go: a timer, tested without waiting for it.
//!
//! ```text
//! cargo run -p ipq-sim --example hold
//! ```
//!
//! A read on the emulator's virtual time returns at once. It puts the emulator's clock forward by
//! the time that the read would have waited.

use etherparse::PacketBuilder;
use ipq_core::{CopyMode, Family, Handle, Hook, PacketId, Transport, Verdict, Wait};
use ipq_sim::{Fate, Rule, Sim};
use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

/// The time for which each packet is held.
const HOLD: Duration = Duration::from_secs(2);
/// The time between two looks at whether a packet is due.
const TICK: Duration = Duration::from_millis(100);

/// A program that holds packets.
#[derive(Default)]
struct Holder {
    held: VecDeque<(Duration, PacketId)>,
}

impl Holder {
    /// Runs for `time`, as `now` measures it: the emulator's clock here, a clock of the program on
    /// a kernel.
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
