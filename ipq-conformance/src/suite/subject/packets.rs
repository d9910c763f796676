//! Methods for packets that arrive, that the host sends, and that leave.

use super::{CaseResult, Subject, errno_of, expect_bytes, wrong_answer};
use crate::decode::{self, Kind};
use crate::suite::{Packet, Stopped, frame_to_neighbour};
use crate::world::topology::{self, Device, TAP0, TAP1};
use crate::world::{Observation, Step};
use bytes::Bytes;

/// The transport protocol of the packets that [`Subject::expect_not_forwarded`] injects. The number
/// is reserved for experiments, and no rule of the suite queues it.
const FENCE_PROTOCOL: u8 = 253;

impl Subject {
    /// Makes a packet arrive once: on `tap1` if its frame is addressed to that device, and
    /// otherwise on `tap0`.
    #[track_caller]
    pub fn inject(&self, packet: &Packet) -> CaseResult {
        self.inject_many(packet, 1)
    }

    /// Makes the same packet arrive `count` times: on `tap1` if its frame is addressed to that
    /// device, and otherwise on `tap0`.
    #[track_caller]
    pub fn inject_many(&self, packet: &Packet, count: u32) -> CaseResult {
        self.inject_frame(packet.device(), &packet.frame(), count)
    }

    /// Makes an Ethernet frame, well-formed or not, arrive on `device`, `count` times. Fails unless
    /// the device takes the last one.
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

    /// Sends the packet `ip` from this host to one of the host's own addresses, which is routed to
    /// `lo`. A packet to a neighbour is sent with [`output_by`](Self::output_by).
    #[track_caller]
    pub fn output(&self, ip: &[u8]) -> CaseResult {
        self.output_by(topology::LO, ip)
    }

    /// Sends the packet `ip` from this host. `device` names the device to which the packet's
    /// destination is routed; it does not choose the route.
    #[track_caller]
    pub fn output_by(&self, device: &str, ip: &[u8]) -> CaseResult {
        self.act(&Step::Output {
            device: device.into(),
            packet: Bytes::copy_from_slice(ip),
        })
    }

    /// Takes and returns the next IP frame that left by `device`; `None` if no further frame has
    /// left. Frames of ARP, router and neighbour discovery, and multicast listener reports are
    /// passed over.
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

    /// Expects that the next frame that left towards the packet's destination is the packet as
    /// [`Packet::forwarded`] returns it: with one hop less, and otherwise unchanged from the IP
    /// header on.
    #[track_caller]
    pub fn expect_forwarded(&self, packet: &Packet) -> CaseResult {
        let forwarded = packet.forwarded();
        self.expect_frame_sent(packet.device_out(), &forwarded.frame())
    }

    /// Expects that the next frame that left by `device` is the packet `ip`, byte for byte,
    /// addressed to the neighbour there.
    #[track_caller]
    pub fn expect_sent(&self, device: &Device, ip: &[u8]) -> CaseResult {
        self.expect_frame_sent(device, &frame_to_neighbour(device, ip))
    }

    /// Expects that `frame`, byte for byte, is the next that left by `device`.
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

    /// Expects that no packet has left by `tap1`, towards neighbour B, since the last frame that
    /// was sniffed there. Does not wait: injects one more packet, which no rule queues, and expects
    /// that this packet is the next to leave by `tap1`.
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
    /// Returns the device that the packet arrives on: `tap1` if its frame is addressed to that, and
    /// otherwise `tap0`.
    pub(crate) fn device(&self) -> &'static Device {
        if self.arrives_at(TAP1.mac) { &TAP1 } else { &TAP0 }
    }

    /// Returns the device that the packet leaves by if it is forwarded.
    fn device_out(&self) -> &'static Device {
        if self.forwarded().comes_from(TAP0.mac) {
            &TAP0
        } else {
            &TAP1
        }
    }
}
