//! The kernel as an nfnetlink queue uses it: the real one, or an emulated one.

use crate::transport::arrivals::Arrivals;
use crate::transport::{Datagram, Transport, TransportError, Wait};
use crate::wire::InterfaceName;
use std::fmt::Debug;
use std::io::{self, IoSliceMut};
use std::time::Duration;

/// A netlink socket of nfnetlink's protocol, with all else that a queue needs of a kernel: its
/// network devices, its clock and its table of queues.
///
/// [`Netlink`](crate::transport::netlink::Netlink) is one, of the kernel that the program runs on.
/// The crate `ipq-sim` has another, of an emulated kernel.
pub trait QueueSocket: Transport + Debug {
    /// The table of the kernel's network devices.
    type Devices: DeviceTable;

    /// Receives one datagram into `parts`, which are filled in order, as [`Transport::receive`]
    /// receives into one buffer.
    fn receive_parts(&self, parts: &mut [IoSliceMut<'_>], wait: Wait) -> Result<Datagram, TransportError>;

    /// Receives up to 64 datagrams, one for each of `places`, and waits as `wait` says for the
    /// first only. Fills the empty `arrivals` with at least one entry, unless there are no places.
    /// An error after the first datagram is reported by the next call.
    fn receive_places<const PARTS: usize>(
        &self,
        places: &mut [[IoSliceMut<'_>; PARTS]],
        arrivals: &mut Arrivals,
        wait: Wait,
    ) -> Result<(), TransportError>;

    /// Waits until there is a datagram or an error, at most as long as `wait` says. Returns
    /// [`TransportError::TimedOut`] if there is neither by then. A wait of no time may time out
    /// without looking.
    fn until_readable(&self, wait: Wait) -> Result<(), TransportError>;

    /// Returns the time on the clock that [`Wait::For`] is measured by.
    fn now(&self) -> Duration;

    /// Reads the text of `/proc/net/netfilter/nfnetlink_queue`.
    fn proc_text(&self) -> io::Result<String>;
}

/// A table of network devices, which changes while a program uses it.
pub trait DeviceTable: Debug {
    /// Notes that the queue had no packet. Devices may change before the next packet comes, so the
    /// table should be brought up to date when it comes: by
    /// [`datagrams_came`](Self::datagrams_came).
    fn queue_ran_empty(&self);

    /// Notes that `count` datagrams, which may be packets, came and are about to be translated.
    fn datagrams_came(&self, count: u32);

    /// Returns a number that changes with the table: while it stays the same, so does the table.
    fn generation(&self) -> u32;

    /// Returns the devices with these indices. A device that is not there, and index 0, has no
    /// name.
    fn get(&self, indices: [u32; 2]) -> [Device; 2];
}

/// A network device's name and type, as `ip_queue` stated them.
// With this alignment the name in the second of two devices can be read in one load, as it was
// written. A load that spans two stores would wait for them.
#[repr(align(16))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The device's name.
    pub name: InterfaceName,
    /// The type of the device's link layer: 1 for Ethernet, 772 for loopback.
    pub hw_type: u16,
}
