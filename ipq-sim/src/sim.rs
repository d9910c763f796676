//! Simulations: an emulated kernel, and the handles that programs have on it.
//!
//! A [`Sim`] is a kernel on virtual time, owned by one thread. Nothing in it waits: a read with a
//! time-out on an idle queue advances the kernel's clock by the time-out and returns at once. A
//! [`SharedSim`] is a kernel on real time for several threads, whose handles really wait. The
//! kernel's builder makes both.

mod access;
mod assert;
mod display;
mod nfqueue;
mod shared;
mod transport;

pub use access::{Access, Owned};
pub use nfqueue::SimDevices;
pub use shared::Shared;
pub use transport::{OpenError, SimTransport};

use crate::books::{Accounting, Fate, PacketSerial};
use crate::frame::OutgoingFrame;
use crate::host::network::DeviceError;
use crate::host::rules::{Rule, RuleError};
use crate::kernel::{InjectError, Kernel, KernelBuilder};
use crate::netlink::ClientId;
use crate::time::clock::Clock;
use bytes::Bytes;
use ipq_core::{Family, Handle, PortId};
use std::sync::Arc;
use std::time::Duration;

/// An emulated kernel, on which handles can be opened. A clone refers to the same kernel.
///
/// Frequent actions have a method here. For all others, [`with`](Self::with) gives access to the
/// kernel.
#[derive(Clone, Debug)]
pub struct Simulation<A: Access> {
    access: A,
    _kept: Arc<Kept<A>>,
}

/// An emulated kernel on virtual time, owned by one thread.
///
/// A `Sim` can't be moved to another thread; a [`SharedSim`] can:
///
/// ```compile_fail,E0277
/// let sim = ipq_sim::Sim::default();
/// std::thread::spawn(move || sim.now()); // "... within the type UseSharedSimAcrossThreads"
/// ```
pub type Sim = Simulation<Owned>;

/// An emulated kernel on real time, shared by threads.
///
/// The kernel ends when the last clone of the `SharedSim` is dropped. From then on its handles'
/// sends fail with [`TransportError::Closed`](ipq_core::TransportError::Closed). So do reads, once
/// the datagrams that wait for the handle have been read.
pub type SharedSim = Simulation<Shared>;

impl Default for Sim {
    /// Returns a Linux 3.4.10 with the devices `tap0` and `tap1`: see
    /// [`KernelBuilder`](crate::KernelBuilder).
    fn default() -> Self {
        Kernel::builder()
            .simulate()
            .expect("the laboratory's devices have different names")
    }
}

impl<A: Access> Simulation<A> {
    pub(crate) fn new(kernel: Kernel) -> Self {
        let access = A::new(kernel);
        Self {
            access: access.clone(),
            _kept: Arc::new(Kept(access)),
        }
    }

    /// Calls `action` with the kernel. Within `action`, neither the simulation nor one of its
    /// handles may be used: on a shared kernel the call would wait for ever, and on an owned one it
    /// panics.
    pub fn with<R>(&self, action: impl FnOnce(&mut Kernel) -> R) -> R {
        self.access.with(action)
    }

    /// Opens a handle for `family`'s queue as libipq does: for the first program, bound to its
    /// process id. Fails if the kernel opens no socket for the family, or if the port id is taken.
    /// A second handle for the same family needs another port id: see [`open_as`](Self::open_as).
    #[doc(alias = "ipq_create_handle")]
    pub fn open(&self, family: Family) -> Result<Handle<SimTransport<A>>, OpenError> {
        let process_id = self.with(|kernel| kernel.process_id(ClientId::FIRST));
        self.open_as(ClientId::FIRST, family, PortId(process_id))
    }

    /// Opens a handle of the program `client` for `family`'s queue, bound to `port_id`. If that is
    /// 0, the kernel chooses a port id (SOCK-2). Fails if the kernel opens no socket for the
    /// family, or if the port id is taken.
    pub fn open_as(
        &self,
        client: ClientId,
        family: Family,
        port_id: PortId,
    ) -> Result<Handle<SimTransport<A>>, OpenError> {
        SimTransport::open(self.access.clone(), client, family, port_id).map(Handle::new)
    }

    /// Adds a netfilter rule at the end of its chain: see [`Kernel::add_rule`].
    pub fn add_rule(&self, rule: Rule) -> Result<(), RuleError> {
        self.with(|kernel| kernel.add_rule(rule))
    }

    /// Lets an Ethernet frame arrive on a device, and returns its packet's serial: see
    /// [`Kernel::inject`].
    pub fn inject(&self, device: &str, frame: impl Into<Bytes>) -> Result<PacketSerial, InjectError> {
        let frame = frame.into();
        self.with(|kernel| kernel.inject(device, frame))
    }

    /// Lets an IP packet arrive on a device, in an Ethernet frame that the emulator makes, and
    /// returns the packet's serial: see [`Kernel::inject_packet`].
    pub fn inject_packet(&self, device: &str, packet: &[u8]) -> Result<PacketSerial, InjectError> {
        self.with(|kernel| kernel.inject_packet(device, packet))
    }

    /// Sends an IP packet from a program on the emulated host, and returns its serial: see
    /// [`Kernel::output`].
    pub fn output(&self, packet: impl Into<Bytes>) -> Result<PacketSerial, InjectError> {
        let packet = packet.into();
        self.with(|kernel| kernel.output(packet))
    }

    /// Takes the oldest frame that left by a device and that has not been taken yet. Returns `None`
    /// if there is none: see [`Kernel::sniff`].
    pub fn sniff(&self, device: &str) -> Result<Option<OutgoingFrame>, DeviceError> {
        self.with(|kernel| kernel.sniff(device))
    }

    /// Returns the fate of a packet. Returns `None` if the kernel does not keep it, as when many
    /// packets came later: see [`Kernel::fate`].
    #[must_use]
    pub fn fate(&self, packet: PacketSerial) -> Option<Fate> {
        self.with(|kernel| kernel.fate(packet).cloned())
    }

    /// Returns the counts of all packets: entered, delivered, queued, dropped for each reason.
    #[must_use]
    pub fn accounting(&self) -> Accounting {
        self.with(|kernel| kernel.accounting().clone())
    }

    /// Returns the time in the kernel, since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.with(|kernel| kernel.now())
    }

    /// Advances virtual time by `by`, and lets the frames arrive that were put off and are due by
    /// then. On real time, leaves the clock alone, and lets the frames that are due within `by`
    /// arrive at once: see [`Kernel::advance`].
    pub fn advance(&self, by: Duration) {
        self.with(|kernel| kernel.advance(by));
    }
}

impl KernelBuilder {
    /// Builds the kernel on virtual time, for handles of one thread. Fails as
    /// [`build`](Self::build) does.
    pub fn simulate(self) -> Result<Sim, DeviceError> {
        Ok(Sim::new(self.build()?))
    }

    /// Builds the kernel on real time, for handles of several threads, which really wait. Fails as
    /// [`build`](Self::build) does.
    pub fn share(self) -> Result<SharedSim, DeviceError> {
        Ok(SharedSim::new(
            Self {
                clock: Clock::Real,
                ..self
            }
            .build()?,
        ))
    }
}

/// The guard that all clones of a simulation share. It shuts the kernel down when the last clone is
/// dropped.
#[derive(Debug)]
struct Kept<A: Access>(A);

impl<A: Access> Drop for Kept<A> {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_kernel_has_real_time() {
        let sim = Kernel::builder().starting_at(Duration::ZERO).share().unwrap();
        assert!(sim.now() > Clock::EPOCH);
    }
}
