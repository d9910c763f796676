//! Packets that arrive, that the host sends, and that leave.

use super::{CaseResult, Subject, errno_of, expect_bytes, wrong_answer};
use crate::decode::{self, Kind};
use crate::suite::{Packet, Stopped, frame_to_neighbour};
use crate::world::topology::{self, Device, TAP0, TAP1};
use crate::world::{Observation, Step};
use bytes::Bytes;

/// The transport protocol of fences: one of those set aside for experiments, which no rule of the suite queues.
const FENCE_PROTOCOL: u8 = 253;

impl Subject {
    /// A packet arrives from the neighbour that its source address says it comes from.
    #[track_caller]
    pub fn inject(&self, packet: &Packet) -> CaseResult {
        self.inject_many(packet, 1)
    }

    /// The same packet arrives `count` times.
    #[track_caller]
    pub fn inject_many(&self, packet: &Packet, count: u32) -> CaseResult {
        self.inject_frame(packet.device(), &packet.frame(), count)
    }

    /// An Ethernet frame arrives `count` times, well-formed or not. The device has to take it.
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

    /// This host itself sends the packet `ip`, to one of its own addresses.
    #[track_caller]
    pub fn output(&self, ip: &[u8]) -> CaseResult {
        self.output_by(topology::LO, ip)
    }

    /// This host itself sends the packet `ip` by way of `device`.
    #[track_caller]
    pub fn output_by(&self, device: &str, ip: &[u8]) -> CaseResult {
        self.act(&Step::Output {
            device: device.into(),
            packet: Bytes::copy_from_slice(ip),
        })
    }

    /// The next IP frame that left by `device`, if there is one.
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

    /// The packet has left towards the neighbour that it is for, with a hop less and otherwise as it came.
    #[track_caller]
    pub fn expect_forwarded(&self, packet: &Packet) -> CaseResult {
        let forwarded = packet.forwarded();
        self.expect_frame_sent(packet.device_out(), &forwarded.frame())
    }

    /// The packet `ip` has left by `device` to the neighbour there, exactly so. For packets that were replaced.
    #[track_caller]
    pub fn expect_sent(&self, device: &Device, ip: &[u8]) -> CaseResult {
        self.expect_frame_sent(device, &frame_to_neighbour(device, ip))
    }

    /// This frame is the next that has left by `device`.
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

    /// Nothing more has left towards neighbour B. A packet that no rule queues is injected as a fence, and must be the next
    /// that leaves: so nothing is waited for.
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
    /// Where it arrives.
    pub(crate) fn device(&self) -> &'static Device {
        if self.arrives_at(TAP1.mac) { &TAP1 } else { &TAP0 }
    }

    /// Where it leaves again.
    fn device_out(&self) -> &'static Device {
        if self.forwarded().comes_from(TAP0.mac) {
            &TAP0
        } else {
            &TAP1
        }
    }
}
