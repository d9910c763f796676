//! Today's kernel as a world: its nfnetlink queues, in namespaces of the world's own.
//!
//! With a setup of numbered queues, a case uses the queues directly, by sockets of netlink protocol
//! number 12. With a setup of `ip_queue`, a case speaks `ip_queue`'s protocol to this project's
//! transport `NfQueue`, which translates it into nfnetlink messages.

use super::process::{Process, Served};
use crate::laboratory::{Laboratory, Place, Queues};
use crate::world::{
    Capabilities, Capability, Description, Observation, OpenStage, QueueProtocol, Rule, Setup, Step, World, WorldError,
    WorldFactory,
};
use crate::worlds::drain;
use crate::worlds::real::{self, Sockets, misuse, unsupported_unless_own};
use ipq_core::transport::nfqueue::{NfQueue, OpenError, Options, QueueNumbers};
use ipq_core::wire::Abi;
use ipq_core::{Errno, Family, PortId, Transport};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io::{ErrorKind, IoSlice};
use std::os::fd::AsFd;
use std::rc::Rc;

/// The name of the world on the command line: `nfqueue`.
pub(super) const NAME: &str = "nfqueue";

/// The kernel's file that shows the queues with numbers.
const PROC: &str = "/proc/net/netfilter/nfnetlink_queue";

/// The number of the nfnetlink queue that stands for each family's `ip_queue`: 0 for IPv4, 1 for
/// IPv6.
const NUMBERS: QueueNumbers = QueueNumbers { ipv4: 0, ipv6: 1 };

/// Creates worlds of this machine's kernel with nfnetlink queues. Several may exist at the same
/// time, since each has namespaces of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct NfQueueFactory;

impl WorldFactory for NfQueueFactory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        Ok(Box::new(NfQueueWorld::default()))
    }
}

/// This machine's kernel, as a world with nfnetlink queues.
#[derive(Debug, Default)]
struct NfQueueWorld {
    process: Option<Process>,
}

impl World for NfQueueWorld {
    fn describe(&self) -> Description {
        real::describe("nfnetlink_queue")
    }

    fn capabilities(&self) -> Capabilities {
        let has = [
            Capability::LinkState,
            Capability::DropNetAdmin,
            Capability::BothFamilies,
            Capability::SocketError,
            Capability::Duplicate,
            Capability::NumberedQueues,
            Capability::QueuesWeights,
        ];
        let proc = proc_can_be_read().then_some(Capability::QueuesProc);
        has.into_iter().chain(proc).collect()
    }

    fn begin(&mut self, setup: &Setup) -> Result<(), WorldError> {
        unsupported_unless_own(setup)?;
        self.process = Some(Process::begin(NAME, setup)?);
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        let process = self.process.as_mut();
        process.ok_or_else(|| misuse("this world has not begun"))?.step(step)
    }
}

/// The world's namespace is its own, so nobody needs to wait until the kernel has cleared it away,
/// which takes longer than most cases do.
impl Drop for NfQueueWorld {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.leave();
        }
    }
}

/// The laboratory and the sockets of an nfqueue world, in the world's own process.
#[derive(Debug)]
pub(super) struct NfQueueHost {
    laboratory: Laboratory,
    queues: QueueProtocol,
    /// The sockets of a setup of `ip_queue`, by name. A socket with two descriptors has two names.
    sockets: HashMap<String, Rc<NfQueue>>,
    /// The sockets of a setup of numbered queues, by name.
    plain: Sockets,
    buffer: Vec<u8>,
}

impl Served for NfQueueHost {
    fn begin(rules: &[Rule], queues: QueueProtocol) -> Result<Self, WorldError> {
        let laboratory = Laboratory::set_up(Place::Private).map_err(real::failed)?;
        let targets = match queues {
            QueueProtocol::Nfnetlink => Queues::Plain,
            QueueProtocol::IpQueue => Queues::Numbered {
                ipv4: NUMBERS.ipv4,
                ipv6: NUMBERS.ipv6,
            },
        };
        laboratory.set_rules(rules, targets).map_err(real::failed)?;
        Ok(Self {
            laboratory,
            queues,
            sockets: HashMap::new(),
            plain: Sockets::default(),
            buffer: Vec::new(),
        })
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        if let Some(done) = real::step_on_host(&mut self.laboratory, step) {
            return done;
        }
        let seen = match (step, self.queues) {
            (Step::QueuesProc, _) => read_proc(PROC)?,
            (step, QueueProtocol::Nfnetlink) => self.plain.step(step)?,
            (Step::Open { socket, protocol, bind }, _) => self.open(socket, *protocol, *bind)?,
            (step, _) => self.step_on_socket(step)?,
        };
        self.laboratory.settle().map_err(real::failed)?;
        Ok(seen)
    }
}

/// Returns whether this process can open [`PROC`], whose mode is 0440 (NFQ-13). If there is no such
/// file yet, since the kernel's module is not loaded, returns whether this process runs as root.
fn proc_can_be_read() -> bool {
    match fs::File::open(PROC) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::NotFound && rustix::process::geteuid().is_root(),
    }
}

/// Reads `file`, which is [`PROC`]. Without such a file, the kernel has no numbered queues, and the
/// observation is [`Observation::Absent`]. If permission is denied, as some systems do to the owner
/// of a user namespace, fails as lacking [`Capability::QueuesProc`]. Any other error is broken.
fn read_proc(file: &str) -> Result<Observation, WorldError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Observation::Text(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Observation::Absent),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(WorldError::Lacks(Capability::QueuesProc)),
        Err(error) => Err(real::broken(format!(
            "the queues' file in /proc can't be read: {error}"
        ))),
    }
}

impl NfQueueHost {
    fn open(&mut self, name: &str, protocol: i32, bind: Option<u32>) -> Result<Observation, WorldError> {
        let failed = |errno: Errno| Observation::Open {
            failed_at: Some(OpenStage::Socket),
            errno: errno.0.into(),
            port_id: None,
        };
        let Some(family) = Family::from_netlink_protocol(protocol) else {
            return Ok(failed(Errno::EPROTONOSUPPORT));
        };
        let port_id = match bind {
            None | Some(0) => PortId(std::process::id()),
            Some(port_id) => PortId(port_id),
        };
        let opened = NfQueue::open_with(Options {
            queue_number: NUMBERS.of(family),
            port_id,
            ..Options::new(family)
        });
        let queue = match opened {
            Ok(queue) => queue,
            Err(OpenError::Socket { errno } | OpenError::Devices { errno }) => return Ok(failed(errno)),
            Err(error) => return Err(WorldError::Unsupported(error.to_string())),
        };
        self.add(name, Rc::new(queue))?;
        Ok(Observation::Open {
            failed_at: None,
            errno: 0,
            port_id: bind.map(|_| port_id.0.into()),
        })
    }

    fn add(&mut self, name: &str, queue: Rc<NfQueue>) -> Result<(), WorldError> {
        match self.sockets.entry(name.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(queue);
                Ok(())
            }
            Entry::Occupied(_) => Err(misuse(format!("the socket {name:?} is open already"))),
        }
    }

    fn step_on_socket(&mut self, step: &Step) -> Result<Observation, WorldError> {
        let name = step.socket().ok_or_else(|| real::lacks(step))?;
        let queue = self.sockets.get(name);
        let queue = queue.ok_or_else(|| misuse(format!("the socket {name:?} is not open")))?;
        Ok(match step {
            Step::Close { .. } => {
                self.sockets.remove(name);
                Observation::Done
            }
            Step::Duplicate { duplicate, .. } => {
                let queue = Rc::clone(queue);
                self.add(duplicate, queue)?;
                Observation::Done
            }
            Step::Send { to: None, bytes, .. } => {
                let sent = queue.send(&[IoSlice::new(bytes)]);
                real::sent_or_not(sent.map_err(real::errno_of))
            }
            Step::Send { .. } => return Err(WorldError::Lacks(Capability::UserDatagrams)),
            Step::Receive { size, .. } => {
                let take = |buffer: &mut [u8]| real::take_from(queue, buffer);
                Observation::Receive(real::receive(take, *size, &mut self.buffer))
            }
            Step::Drain { .. } => drain(Abi::NATIVE, |size| {
                let take = |buffer: &mut [u8]| real::take_from(queue, buffer);
                Ok(real::receive(take, size, &mut self.buffer))
            })?,
            Step::NoEnobufs { .. } => {
                let set = queue.set_no_enobufs(true);
                set.map_err(|error| real::broken(format!("NETLINK_NO_ENOBUFS: {error}")))?;
                Observation::Done
            }
            Step::PortId { .. } => Observation::Bind {
                errno: 0,
                port_id: queue.port_id().0.into(),
            },
            Step::Bind { .. } => return Err(WorldError::Lacks(Capability::SocketPortIds)),
            other => return real::step_on_descriptor(queue.as_fd(), other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn without_the_file_in_proc_there_are_no_numbered_queues() {
        assert_eq!(read_proc("/nowhere/nfnetlink_queue"), Ok(Observation::Absent));
        assert!(matches!(read_proc("/"), Err(WorldError::Broken(_))));
    }
}
