//! Time in the emulated kernel: frames that arrive later, and the clock.

use super::{Kernel, Later};
use crate::behaviour::{OwnPackets, Timestamps};
use crate::queue::ip_queue::IpQueue;
use crate::time::clock::{ArrivalTime, Clock};
use ipq_core::Family;
use std::time::Duration;

impl Kernel {
    /// Returns the time in this kernel, since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Advances virtual time by `by`, and lets the frames arrive that
    /// [`inject_later`](Self::inject_later) put off and that are due by then, each at its own time.
    /// On real time, the clock is left alone, and the frames that are due within `by` from now
    /// arrive at once.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now().saturating_add(by);
        while self.advance_to_next(end) {}
        self.set_virtual_time(end);
    }

    /// Lets the next of the frames that were put off arrive, if it is due by `end`. Sets virtual
    /// time to the moment when it is due. Returns `false`, and changes nothing, if none is due by
    /// `end`.
    pub(crate) fn advance_to_next(&mut self, end: Duration) -> bool {
        let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= end) else {
            return false;
        };
        let ((at, _), Later { device, frame }) = entry.remove_entry();
        self.set_virtual_time(at);
        let injected = self.inject(&device, frame);
        debug_assert!(injected.is_ok(), "device and length were checked when it was put off");
        true
    }

    /// Returns the time until the next of the frames that were put off is due: 0 if that time has
    /// passed. Returns `None` if there is none.
    pub(crate) fn until_next(&self) -> Option<Duration> {
        let ((at, _), _) = self.later.first_key_value()?;
        Some(at.saturating_sub(self.now()))
    }

    fn set_virtual_time(&mut self, to: Duration) {
        if let Clock::Virtual(now) = &mut self.clock {
            *now = to;
        }
    }

    /// Returns the time stamp of a packet that this host sends now. By the kernel's rule it is
    /// unset, has microseconds alone, or is that of a packet that arrives now (PKT-8).
    pub(super) fn own_time(&self) -> ArrivalTime {
        match self.profile.behaviour.metadata.own_packets {
            OwnPackets::Unstamped => ArrivalTime::default(),
            OwnPackets::MicrosecondsLeft => {
                let left = self.now().subsec_micros().max(1);
                ArrivalTime::at(Duration::from_micros(left.into()))
            }
            OwnPackets::Stamped => self.arrival_time(),
        }
    }

    /// Returns the time stamp of a packet that arrives now: the kernel's time. With `ip_queue` it
    /// is unset while neither queue has a peer (PKT-8); with numbered queues it is always set.
    pub(crate) fn arrival_time(&self) -> ArrivalTime {
        let has_peer = |family| self.ip_queue(family).is_some_and(IpQueue::has_peer);
        let wanted = match self.profile.behaviour.metadata.timestamps {
            Timestamps::WhileAnyPeer => Family::ALL.into_iter().any(has_peer),
            Timestamps::WhileIpv4Peer => has_peer(Family::Ipv4),
            Timestamps::Always => true,
            Timestamps::Never => false,
        };
        if wanted {
            ArrivalTime::at(self.now())
        } else {
            ArrivalTime::default()
        }
    }
}
