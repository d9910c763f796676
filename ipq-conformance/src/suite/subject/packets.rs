//! Packets that arrive, that the host sends, and that leave.

use super::{CaseResult, Subject, errno_of, expect_bytes, wrong_answer};
use crate::decode::{self, Kind};
use crate::suite::{Packet, Stopped, frame_to_neighbour};
use crate::world::topology::{self, Device, TAP0, TAP1};
use crate::world::{Observation, Step};
use bytes::Bytes;

/// The transport protocol of fences. It is reserved for experiments, and no rule of the suite
/// queues it.
const FENCE_PROTOCOL: u8 = 253;

impl Subject {
    /// Makes a packet arrive from the neighbour that its source address names.
    #[track_caller]
    pub fn inject(&self, packet: &Packet) -> CaseResult {
        self.inject_many(packet, 1)
    }

    /// Makes the same packet arrive `count` times.
    #[track_caller]
    pub fn inject_many(&self, packet: &Packet, count: u32) -> CaseResult {
        self.inject_frame(packet.device(), &packet.frame(), count)
    }

    /// Makes an Ethernet frame arrive `count` times, well-formed or not. Fails unless the device
    /// takes it.
    #[track_caller]
    pub fn inject_frame(&self, device: &Device, frame: &[u8], count: u32) -> CaseResult {
        let step = Step::Inject {
            device: device.name.into(),
            frame: Bytes::copy_from_slice(frame),
            count,
        };
        match self.step(&step)? {
            Observation::Inject { errno: 0 } => Ok(()),
            Observation::Inject { errno } => Err(Stopped::failed(format!(
                "{} did not take the frame: {}",
                device.name,
                errno_of(errno)
            ))),
            other => Err(wrong_answer(&step, &other)),
        }
    }

    /// Sends the packet `ip` from this host to one of its own addresses.
    #[track_caller]
    pub fn output(&self, ip: &[u8]) -> CaseResult {
        self.output_by(topology::LO, ip)
    }

    /// Sends the packet `ip` from this host by `device`.
    #[track_caller]
    pub fn output_by(&self, device: &str, ip: &[u8]) -> CaseResult {
        self.act(&Step::Output {
            device: device.into(),
            packet: Bytes::copy_from_slice(ip),
        })
    }

    /// Returns the next IP frame that left by `device`; `None` if there is none.
    #[track_caller]
    pub fn sniff(&self, device: &Device) -> Result<Option<Bytes>, Stopped> {
        let step = Step::Sniff {
            device: device.name.into(),
        };
        match self.step(&step)? {
            Observation::Sniff { frame } => Ok(frame),
            other => Err(wrong_answer(&step, &other)),
        }
    }

    /// Expects that the packet left towards its neighbour, with its time to live one less and
    /// otherwise unchanged.
    #[track_caller]
    pub fn expect_forwarded(&self, packet: &Packet) -> CaseResult {
        let forwarded = packet.forwarded();
        self.expect_frame_sent(packet.device_out(), &forwarded.frame())
    }

    /// Expects that exactly the packet `ip` left by `device` to the neighbour there, as a replaced
    /// packet does.
    #[track_caller]
    pub fn expect_sent(&self, device: &Device, ip: &[u8]) -> CaseResult {
        self.expect_frame_sent(device, &frame_to_neighbour(device, ip))
    }

    /// Expects that this frame is the next that left by `device`.
    #[track_caller]
    pub fn expect_frame_sent(&self, device: &Device, frame: &[u8]) -> CaseResult {
        match self.sniff(device)? {
            Some(seen) => expect_bytes(
                &format!("the frame that left by {}", device.name),
                frame,
                &seen,
                Kind::Ethernet,
            ),
            None => Err(Stopped::failed(format!("nothing left by {}", device.name))
                .details(decode::dump(frame, Kind::Ethernet))),
        }
    }

    /// Expects that no further packet was sent towards neighbour B. To find out without a wait,
    /// injects one more packet, which no rule queues: it must be the next to leave.
    #[track_caller]
    pub fn expect_not_forwarded(&self) -> CaseResult {
        let number = self.fences.replace(self.fences.get().wrapping_add(1));
        let fence = Packet::udp4()
            .protocol(FENCE_PROTOCOL)
            .payload(*b"the fence")
            .identification(number);
        self.inject(&fence)?;
        let expected = fence.forwarded().frame();
        match self.sniff(&TAP1)? {
            Some(seen) if seen == expected => Ok(()),
            Some(seen) => Err(Stopped::failed("a packet was forwarded that should not have been")
                .details(decode::dump(&seen, Kind::Ethernet))),
            None => Err(Stopped::broken(
                "the fence did not come through: does a rule of the case queue it?",
            )),
        }
    }
}

impl Packet {
    /// Returns the device that the packet arrives on.
    pub(crate) fn device(&self) -> &'static Device {
        if self.arrives_at(TAP1.mac) { &TAP1 } else { &TAP0 }
    }

    /// Returns the device that the packet leaves by.
    fn device_out(&self) -> &'static Device {
        if self.forwarded().comes_from(TAP0.mac) {
            &TAP0
        } else {
            &TAP1
        }
    }
}
