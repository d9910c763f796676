//! The kernel's side of `ip_queue`, in memory: test packet-queue programs without root, without a kernel, and without
//! waiting.

mod builder;
mod clock;
mod distortion;
mod entries;
mod fault;
mod host;
mod kernel;
mod ledger;
mod proc_text;
mod profile;
mod queue;
mod sim;
mod sockets;
mod traversal;

pub use builder::KernelBuilder;
pub use entries::IdReuse;
#[cfg(feature = "seeded-faults")]
pub use fault::Fault;
pub use host::network::{Device, DeviceError, MacAddress, OutgoingFrame};
pub use host::rules::{Rule, RuleError, Table, Target};
pub use kernel::{ClientId, InjectError, Kernel};
pub use ledger::{Accounting, DropReason, Fate, PacketSerial};
pub use profile::{Profile, Provenance, Weight};
pub use sim::{Access, OpenError, Owned, Shared, SharedSim, Sim, SimTransport, Simulation};
pub use sockets::SocketId;
