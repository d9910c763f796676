//! A filter for a kernel's queue, and its test on the emulator: the example of the README.
//!
//! ```text
//! cargo run -p ipq-sim --example filter      # as root, with a rule: see the README
//! cargo test -p ipq-sim --example filter     # without any privilege
//! ```

use etherparse::TransportSlice;
use ipq_core::handle::QueuedPacket;
use ipq_core::transport::nfqueue::NfQueue;
use ipq_core::{CopyMode, Family, Handle, Verdict};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let handle = Handle::new(NfQueue::open(Family::Ipv4)?);
    handle.set_mode(CopyMode::Packet, 1500)?;
    handle.run(decide)?;
    Ok(())
}

/// Drops DNS queries, and lets everything else through.
fn decide(packet: &mut QueuedPacket<'_>) -> Verdict {
    match packet.headers().map(|headers| headers.transport) {
        Ok(Some(TransportSlice::Udp(udp))) if udp.destination_port() == 53 => Verdict::Drop,
        _ => Verdict::Accept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;
    use ipq_core::{Hook, transport::nfqueue::Options};
    use ipq_sim::{DropReason, Kernel, Profile, Rule};

    #[test]
    fn queries_are_dropped_and_nothing_else() -> Result<(), Box<dyn Error>> {
        // A host with two Ethernet devices that forwards between them.
        let sim = Kernel::builder().profile(Profile::LINUX_6_18_X86_64).simulate()?;
        sim.add_rule(Rule::numbered_queue(Family::Ipv4, Hook::Forward, 0))?;
        let handle = sim.open_nfqueue(Options::new(Family::Ipv4))?;
        handle.set_mode(CopyMode::Packet, 1500)?;

        let query = sim.inject_packet("tap0", &udp_to_port(53))?;
        let other = sim.inject_packet("tap0", &udp_to_port(5353))?;
        handle.run(decide)?; // ends when nothing is left to decide about

        sim.assert_dropped(query, DropReason::Verdict);
        sim.assert_delivered(other);
        Ok(())
    }

    fn udp_to_port(port: u16) -> Vec<u8> {
        let mut packet = Vec::new();
        let builder = PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 2], 64).udp(4000, port);
        builder.write(&mut packet, b"query").expect("a Vec takes everything");
        packet
    }
}
