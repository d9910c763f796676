//! A kernel with the historical `ip_queue`, up to 3.4, as a world. `ip_queue` works in the initial
//! network namespace only (SOCK-7), so there can be one such world at a time. When it is dropped,
//! the world restores the sysctls and rules that it has changed there.

use super::process::{Process, Served};
use crate::laboratory::{HostState, Laboratory, Place, Queues};
use crate::world::{
    Capabilities, Capability, Description, Observation, QueueProtocol, Rule, Setup, Step, World, WorldError,
    WorldFactory,
};
use crate::worlds::real::{self, broken, misuse, unsupported_unless_own};
use ipq_core::transport::netlink::{Bind, Netlink, OpenError};
use ipq_core::{Family, PortId};
use std::fs;

/// The name of the world on the command line: `ip_queue`.
pub(super) const NAME: &str = "ip_queue";

/// Creates worlds of this machine's kernel with `ip_queue`, of which one may exist at a time.
/// Creation fails if the kernel has no `ip_queue` for IPv4.
#[derive(Clone, Copy, Debug, Default)]
pub struct IpQueueFactory;

impl WorldFactory for IpQueueFactory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        if let Err(error @ OpenError::NoIpQueue { .. }) = Netlink::open_bound(Family::Ipv4, Bind::KernelChoice) {
            return Err(WorldError::Unsupported(error.to_string()));
        }
        Ok(Box::new(IpQueueWorld::default()))
    }

    fn parallel(&self) -> bool {
        false
    }
}

/// This machine's kernel, as a world with `ip_queue`.
#[derive(Debug, Default)]
struct IpQueueWorld {
    process: Option<Process>,
    before: Option<HostState>,
}

impl World for IpQueueWorld {
    fn describe(&self) -> Description {
        real::describe("ip_queue")
    }

    fn capabilities(&self) -> Capabilities {
        let has = [
            Capability::ProcText,
            Capability::Sysctl,
            Capability::LinkState,
            Capability::DropNetAdmin,
            Capability::ForeignPortId,
            Capability::SocketPortIds,
            Capability::UserDatagrams,
            Capability::BothFamilies,
            Capability::DatagramWeights,
            Capability::IdReuse,
            Capability::SocketError,
            Capability::Duplicate,
        ];
        has.into_iter().collect()
    }

    fn begin(&mut self, setup: &Setup) -> Result<(), WorldError> {
        unsupported_unless_own(setup)?;
        if setup.queues == QueueProtocol::Nfnetlink {
            return Err(WorldError::Lacks(Capability::NumberedQueues));
        }
        self.before = Some(HostState::save().map_err(real::failed)?);
        self.process = Some(Process::begin(NAME, setup)?);
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        self.process
            .as_mut()
            .ok_or_else(|| misuse("this world has not begun"))?
            .step(step)
    }
}

impl Drop for IpQueueWorld {
    fn drop(&mut self) {
        // The process ends first, so that it can change nothing after the restoration.
        self.process = None;
        if let Some(Err(error)) = self.before.take().map(|before| before.restore()) {
            eprintln!("the laboratory could not put everything back: {error}");
        }
    }
}

/// The laboratory and the sockets of an `ip_queue` world, in the world's own process.
#[derive(Debug)]
pub(super) struct IpQueueHost {
    laboratory: Laboratory,
    sockets: real::Sockets,
    /// The two drop counters of the /proc text when the world began, for IPv4 and then for IPv6.
    dropped: [[u64; 2]; 2],
}

impl Served for IpQueueHost {
    fn begin(rules: &[Rule], _: QueueProtocol) -> Result<Self, WorldError> {
        let laboratory = Laboratory::set_up(Place::Initial).map_err(real::failed)?;
        laboratory.set_rules(rules, Queues::Plain).map_err(real::failed)?;
        let mut dropped = [[0; 2]; 2];
        for (family, dropped) in Family::ALL.into_iter().zip(&mut dropped) {
            reset(family)?;
            *dropped = drop_counters(&read_proc(family)?);
        }
        Ok(Self {
            laboratory,
            sockets: real::Sockets::default(),
            dropped,
        })
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        if let Some(done) = real::step_on_host(&mut self.laboratory, step) {
            return done;
        }
        let seen = match step {
            Step::Proc { family } => {
                let counted = self.dropped[usize::from(*family == Family::Ipv6)];
                Observation::Text(without(&read_proc(*family)?, counted))
            }
            Step::Sysctl { name, value } => write_sysctl(sysctl_path(name)?, value)?,
            Step::ReadSysctl { name } => read_sysctl(sysctl_path(name)?)?,
            step => self.sockets.step(step)?,
        };
        self.laboratory.settle().map_err(real::failed)?;
        Ok(seen)
    }
}

/// Frees a queue whose peer has no socket any more, as a case may leave it (ATT-1). Opens and
/// closes a socket with the peer's port id, which resets the queue (ATT-4). Does nothing if the
/// queue has no peer. Fails if the socket can't be opened, most often because another program has a
/// socket with the peer's port id.
fn reset(family: Family) -> Result<(), WorldError> {
    let text = read_proc(family)?;
    let peer = text.lines().next().and_then(number_of).unwrap_or_default();
    let Ok(port_id @ 1..) = u32::try_from(peer) else {
        return Ok(());
    };
    let socket = Netlink::open_bound(family, Bind::Port(PortId(port_id)));
    socket
        .map(drop)
        .map_err(|error| WorldError::Unsupported(format!("another program listens to the queue: {error}")))
}

fn read_proc(family: Family) -> Result<String, WorldError> {
    let path = match family {
        Family::Ipv4 => "/proc/net/ip_queue",
        Family::Ipv6 => "/proc/net/ip6_queue",
    };
    fs::read_to_string(path).map_err(|error| broken(format!("{path} can't be read: {error}")))
}

/// Returns the numbers of lines 6 and 7 of a queue's /proc text, the drop counters (PROC-1); 0 for
/// a line that is missing or does not end with a number.
fn drop_counters(text: &str) -> [u64; 2] {
    let numbers: Vec<_> = text
        .lines()
        .skip(5)
        .map(|line| number_of(line).unwrap_or_default())
        .collect();
    [numbers.first(), numbers.get(1)].map(|number| number.copied().unwrap_or_default())
}

/// Returns a queue's /proc text with `counted` subtracted from the drop counters in lines 6 and 7,
/// which have 32 bits and wrap around. Other lines stay as they are.
fn without(text: &str, counted: [u64; 2]) -> String {
    let lines = text.lines().enumerate().map(|(index, line)| {
        let counted = index.checked_sub(5).and_then(|index| counted.get(index));
        match (line.rsplit_once(' '), number_of(line), counted) {
            (Some((label, _)), Some(number), Some(counted)) => {
                format!("{label} {}\n", (number as u32).wrapping_sub(*counted as u32))
            }
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}

fn number_of(line: &str) -> Option<u64> {
    line.rsplit(' ').next()?.parse().ok()
}

/// Returns the path of the sysctl of a queue's maximum length. Fails for any other name, since the
/// world has no other sysctl.
fn sysctl_path(name: &str) -> Result<&'static str, WorldError> {
    match name {
        "net.ipv4.ip_queue_maxlen" => Ok("/proc/sys/net/ipv4/ip_queue_maxlen"),
        "net.ipv6.ip6_queue_maxlen" => Ok("/proc/sys/net/ipv6/ip6_queue_maxlen"),
        _ => Err(misuse(format!("there is no sysctl {name:?}"))),
    }
}

/// Writes `value` unchanged to the sysctl at `path`, since the kernel decides what the text means.
/// A write that fails is a misuse.
fn write_sysctl(path: &str, value: &str) -> Result<Observation, WorldError> {
    let written = fs::write(path, value);
    written
        .map(|()| Observation::Done)
        .map_err(|error| misuse(format!("{path} = {value}: {error}")))
}

/// Reads the sysctl at `path`, without the white space after its value. A read that fails is a
/// misuse.
fn read_sysctl(path: &str) -> Result<Observation, WorldError> {
    let text = fs::read_to_string(path);
    text.map(|text| Observation::Text(text.trim_end().to_owned()))
        .map_err(|error| misuse(format!("{path}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    const TEXT: &str = "Peer PID          : 0\nCopy mode         : 0\nCopy range        : 0\nQueue length      : 0\n\
                        Queue max. length : 1024\nQueue dropped     : 17\nNetlink dropped   : 5\n";

    #[test]
    fn drop_counters_count_from_the_beginning() {
        assert_eq!(drop_counters(TEXT), [17, 5]);
        let since = without(TEXT, [15, 5]);
        assert!(since.ends_with("Queue max. length : 1024\nQueue dropped     : 2\nNetlink dropped   : 0\n"));
        assert!(since.starts_with("Peer PID          : 0\n"));
    }

    #[test]
    fn a_sysctl_is_written_as_it_is_and_read_without_the_end_of_its_line() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("ip_queue_maxlen");
        let path = path.to_str().expect("its name is text");
        assert_eq!(write_sysctl(path, " 3\n"), Ok(Observation::Done));
        assert_eq!(fs::read_to_string(path).expect("it is there"), " 3\n");
        fs::write(path, "1024\n").expect("there is room");
        assert_eq!(read_sysctl(path), Ok(Observation::Text("1024".into())));
    }

    #[test]
    fn what_is_no_sysctl_of_the_queues_is_a_mistake_of_the_case() {
        let misuse = |result: Result<_, _>| matches!(result, Err(WorldError::Misuse(_)));
        assert!(misuse(sysctl_path("net.ipv4.ip_forward").map(drop)));
        assert!(misuse(read_sysctl("/nowhere/maxlen").map(drop)));
        assert!(misuse(write_sysctl("/nowhere/maxlen", "1").map(drop)));
        for (name, file) in [
            ("net.ipv4.ip_queue_maxlen", "/proc/sys/net/ipv4/ip_queue_maxlen"),
            ("net.ipv6.ip6_queue_maxlen", "/proc/sys/net/ipv6/ip6_queue_maxlen"),
        ] {
            assert_eq!(sysctl_path(name), Ok(file));
        }
    }
}
