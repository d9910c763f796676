//! [`Netlink`] as the socket of an nfnetlink queue: it leads to the kernel that the program runs
//! on.

#![expect(
    clippy::inline_always,
    reason = "no function returns after a system call: see what a call costs in `transport::netlink`"
)]

use super::devices::Devices;
use super::socket::QueueSocket;
use crate::transport::arrivals::Arrivals;
use crate::transport::netlink::Netlink;
use crate::transport::{Datagram, TransportError, Wait};
use rustix::time::{ClockId, clock_gettime};
use std::io::{self, IoSliceMut};
use std::time::{Duration, Instant};

impl QueueSocket for Netlink {
    type Devices = Devices;

    #[inline(always)]
    fn receive_parts(&self, parts: &mut [IoSliceMut<'_>], wait: Wait) -> Result<Datagram, TransportError> {
        self.receive_parts(parts, wait)
    }

    #[inline(always)]
    fn receive_places<const PARTS: usize>(
        &self,
        places: &mut [[IoSliceMut<'_>; PARTS]],
        arrivals: &mut Arrivals,
        wait: Wait,
    ) -> Result<(), TransportError> {
        self.receive_places(places, arrivals, wait)
    }

    fn until_readable(&self, wait: Wait) -> Result<(), TransportError> {
        self.until_readable(match wait {
            Wait::Never => Some(Instant::now()),
            Wait::Forever => None,
            Wait::For(time) => Instant::now().checked_add(time),
        })
    }

    fn now(&self) -> Duration {
        let now = clock_gettime(ClockId::Monotonic);
        Duration::try_from(now).unwrap_or_default()
    }

    fn proc_text(&self) -> io::Result<String> {
        std::fs::read_to_string("/proc/thread-self/net/netfilter/nfnetlink_queue")
    }
}
