//! The emulator as a world: translates steps into calls of `ipq-sim`.

use super::drain;
use crate::world::{
    Account, Capabilities, Capability, Description, Machine, Observation, OpenStage, Protocol, QueueProtocol, Received,
    Rule, Setup, Spread, Step, Table, Target, World, WorldError, WorldFactory, topology,
};
use ipq_core::{Errno, Family, PortId};
use ipq_sim::{ClientId, DropReason, IdReuse, InjectError, Kernel, Profile, Provenance, SocketId};
use std::collections::HashMap;
use std::time::Duration;

/// The most bytes that a receive call reads. The longest datagram fits: an error message that
/// quotes a request as long as the send buffer.
const BUFFER_BYTES: usize = 1 << 19;

/// Creates worlds that are emulators: of the known kernel nearest to the machine that a setup
/// names, or else of the factory's own kernel. By default that is Linux 3.4.10 for `ip_queue`, and
/// Linux 6.18 for numbered queues.
#[derive(Clone, Debug, Default)]
pub struct SimFactory {
    profile: Option<Box<Profile>>,
    #[cfg(feature = "seeded-faults")]
    fault: Option<ipq_sim::Fault>,
}

impl SimFactory {
    /// Returns a factory for emulators of the kernel of `profile`, unless a setup names a machine.
    /// The name of the factory is that of the profile.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        Self {
            profile: Some(Box::new(profile)),
            #[cfg(feature = "seeded-faults")]
            fault: None,
        }
    }
}

#[cfg(feature = "seeded-faults")]
impl SimFactory {
    /// Returns a factory for emulators with this fault, of the kernel that the fault belongs to,
    /// unless a setup names a machine.
    #[must_use]
    pub fn with_fault(fault: ipq_sim::Fault) -> Self {
        Self {
            profile: (fault.kernel() != Profile::default()).then(|| Box::new(fault.kernel())),
            fault: Some(fault),
        }
    }
}

impl WorldFactory for SimFactory {
    fn name(&self) -> &'static str {
        self.profile.as_ref().map_or("sim", |profile| profile.name)
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        Ok(Box::new(SimWorld {
            profile: self.profile.clone(),
            #[cfg(feature = "seeded-faults")]
            fault: self.fault,
            ..SimWorld::default()
        }))
    }
}

/// The emulator as a world, on virtual time. An `ip_queue` hands out freed packet ids again in the
/// emulated kernel's order, unless the setup forbids it.
#[derive(Debug, Default)]
pub struct SimWorld {
    /// The kernel that is emulated if the setup names no machine. `None` stands for Linux 3.4.10
    /// with `ip_queue`, or Linux 6.18 with numbered queues, as the setup asks.
    profile: Option<Box<Profile>>,
    running: Option<Emulated>,
    #[cfg(feature = "seeded-faults")]
    fault: Option<ipq_sim::Fault>,
}

#[derive(Debug)]
struct Emulated {
    kernel: Kernel,
    begun: Duration,
    sockets: HashMap<String, SocketId>,
    buffer: Vec<u8>,
}

#[cfg(all(target_os = "linux", feature = "libipq"))]
impl SimWorld {
    /// Returns the emulated kernel. Fails if the world has not begun.
    pub(super) fn kernel(&mut self) -> Result<&mut Kernel, WorldError> {
        let running = self.running.as_mut().map(|running| &mut running.kernel);
        running.ok_or_else(|| misuse("this world has not begun"))
    }
}

impl World for SimWorld {
    fn describe(&self) -> Description {
        let profile = self.own_profile(QueueProtocol::IpQueue);
        let source = match profile.provenance {
            Provenance::Measured => "",
            Provenance::Read => ", after the sources of a kernel that was not recorded",
        };
        Description {
            implementation: format!("ipq-sim {}{source}", env!("CARGO_PKG_VERSION")),
            machine: machine_of(&profile),
            seed: None,
        }
    }

    fn machine(&self, setup: &Setup) -> Machine {
        let own = || machine_of(&self.own_profile(setup.queues));
        setup.machine.clone().unwrap_or_else(own)
    }

    fn capabilities(&self) -> Capabilities {
        let lacks = [Capability::Bridge, Capability::Offload, Capability::CLibrary];
        let all = Capability::ALL.iter().copied();
        all.filter(|capability| !lacks.contains(capability)).collect()
    }

    fn begin(&mut self, setup: &Setup) -> Result<(), WorldError> {
        let mut builder = Kernel::builder().profile(self.profile_for(setup)?);
        if let Some(process_id) = setup.process_id {
            builder = builder.process_id(process_id);
        }
        if setup.never_reuse_ids {
            builder = builder.id_reuse(IdReuse::Never);
        }
        if setup.earlier_peer_died {
            builder = builder.earlier_peer_died();
        }
        #[cfg(feature = "seeded-faults")]
        if let Some(fault) = self.fault {
            builder = builder.fault(fault);
        }
        let mut kernel = builder.build().map_err(|error| WorldError::Broken(error.to_string()))?;
        for rule in &setup.rules {
            let added = kernel.add_rule(emulated(rule));
            added.map_err(|error| WorldError::Misuse(error.to_string()))?;
        }
        self.running = Some(Emulated {
            begun: kernel.now(),
            kernel,
            sockets: HashMap::new(),
            buffer: Vec::new(),
        });
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        let running = self.running.as_mut();
        running.ok_or_else(|| misuse("this world has not begun"))?.step(step)
    }
}

impl Emulated {
    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        match step {
            Step::Open { socket, protocol, bind } => self.open(socket, *protocol, *bind),
            Step::Close { socket } => {
                let id = self.socket(socket)?;
                self.sockets.remove(socket);
                if !self.sockets.values().any(|other| *other == id) {
                    self.kernel.close(id);
                }
                Ok(Observation::Done)
            }
            Step::Duplicate { socket, duplicate } => {
                let id = self.socket(socket)?;
                self.must_be_new(duplicate)?;
                self.sockets.insert(duplicate.clone(), id);
                Ok(Observation::Done)
            }
            Step::Inject { device, frame, count } => {
                let mut errno = 0;
                for _ in 0..*count {
                    errno = self.inject(device, frame)?;
                }
                Ok(Observation::Inject { errno })
            }
            Step::Output { device, .. } if !topology::DEVICES.contains(&device.as_str()) => {
                Err(misuse(format!("there is no device {device:?}")))
            }
            Step::Output { packet, .. } => {
                let sent = self.kernel.output(packet.clone());
                sent.map(|_| Observation::Done)
                    .map_err(|error| misuse(error.to_string()))
            }
            Step::Sniff { device } => {
                let frame = self.kernel.sniff(device).map_err(|error| misuse(error.to_string()))?;
                Ok(Observation::Sniff {
                    frame: frame.map(|frame| frame.to_bytes()),
                })
            }
            Step::Link { device, up } => {
                let set = self.kernel.set_link(device, *up);
                set.map(|()| Observation::Done)
                    .map_err(|error| misuse(error.to_string()))
            }
            step if step.socket().is_some() => self.step_on_socket(step),
            step => self.step_on_host(step),
        }
    }

    /// Fails if a socket with this name is open.
    fn must_be_new(&self, name: &str) -> Result<(), WorldError> {
        if self.sockets.contains_key(name) {
            return Err(misuse(format!("the socket {name:?} is open already")));
        }
        Ok(())
    }

    fn open(&mut self, name: &str, protocol: i32, bind: Option<u32>) -> Result<Observation, WorldError> {
        self.must_be_new(name)?;
        let failed = |stage, errno: Errno| Observation::Open {
            failed_at: Some(stage),
            errno: errno.0.into(),
            port_id: None,
        };
        let id = match self.kernel.open(ClientId::FIRST, protocol) {
            Ok(id) => id,
            Err(errno) => return Ok(failed(OpenStage::Socket, errno)),
        };
        self.sockets.insert(name.to_owned(), id);
        let bound = bind.map(|port_id| self.kernel.bind(id, PortId(port_id))).transpose();
        Ok(match bound {
            Err(errno) => failed(OpenStage::Bind, errno),
            Ok(port_id) => Observation::Open {
                failed_at: None,
                errno: 0,
                port_id: port_id.map(|port_id| port_id.0.into()),
            },
        })
    }

    fn step_on_socket(&mut self, step: &Step) -> Result<Observation, WorldError> {
        let id = self.socket(step.socket().unwrap_or_default())?;
        let kernel = &mut self.kernel;
        Ok(match step {
            Step::Send { to, bytes, .. } => {
                let sent = kernel.send_to(id, to.map_or(PortId::KERNEL, PortId), bytes);
                let (sent, errno) = sent.map_or_else(
                    |errno| (-1, errno.0.into()),
                    |sent| (sent.try_into().unwrap_or(i64::MAX), 0),
                );
                Observation::Send { sent, errno }
            }
            Step::Receive { size, .. } => Observation::Receive(self.receive(id, *size)?),
            Step::Drain { .. } => drain(self.kernel.profile().abi, |size| self.receive(id, size))?,
            Step::ReceiveBuffer { bytes, .. } => {
                let actual = kernel.set_receive_buffer(id, bytes.cast_unsigned()).map_err(broken)?;
                Observation::BufferSize { actual: actual.into() }
            }
            Step::SendBuffer { bytes, .. } => {
                let actual = kernel.set_send_buffer(id, bytes.cast_unsigned()).map_err(broken)?;
                Observation::BufferSize { actual: actual.into() }
            }
            Step::NoEnobufs { .. } => {
                kernel.set_no_enobufs(id, true).map_err(broken)?;
                Observation::Done
            }
            Step::CapAck { .. } => {
                kernel.set_cap_ack(id, true).map_err(broken)?;
                Observation::Done
            }
            Step::ExtAck { .. } => {
                kernel.set_ext_ack(id, true).map_err(broken)?;
                Observation::Done
            }
            Step::Bind { port_id, .. } => {
                let errno = kernel
                    .bind(id, PortId(*port_id))
                    .err()
                    .map_or(0, |errno| errno.0.into());
                bound(errno, kernel.port_id(id))
            }
            Step::PortId { .. } => bound(0, kernel.port_id(id)),
            Step::Poll { timeout, .. } => {
                let waits = !kernel.is_readable(id);
                if waits {
                    kernel.advance(*timeout);
                }
                Observation::Poll {
                    readable: kernel.is_readable(id),
                    error: kernel.has_error(id),
                    waited: if waits { *timeout } else { Duration::ZERO },
                }
            }
            Step::SocketError { .. } => {
                let errno = kernel.take_error(id).map_err(broken)?;
                Observation::SocketError {
                    errno: errno.map_or(0, |errno| errno.0.into()),
                }
            }
            other => return Err(lacks(other)),
        })
    }

    fn step_on_host(&mut self, step: &Step) -> Result<Observation, WorldError> {
        let kernel = &mut self.kernel;
        Ok(match step {
            Step::Proc { family } => {
                let text = kernel.proc_text(*family);
                text.map_or(Observation::Absent, Observation::Text)
            }
            Step::QueuesProc => {
                let text = kernel.numbered_queues_text();
                text.map_or(Observation::Absent, Observation::Text)
            }
            Step::Sysctl { name, value } => {
                // The emulated kernels allow space around the number, and cut it to 32 bits.
                let number = value.trim().parse::<i64>();
                let length = number.map_err(|error| misuse(format!("{value:?}: {error}")))?;
                kernel.set_maximum_length(family_of_sysctl(name)?, length.cast_unsigned() as u32);
                Observation::Done
            }
            Step::ReadSysctl { name } => {
                let length = kernel.maximum_length(family_of_sysctl(name)?);
                length.map_or(Observation::Absent, |length| {
                    Observation::Text(length.cast_signed().to_string())
                })
            }
            Step::NetAdmin { held } => {
                kernel.set_net_admin(ClientId::FIRST, *held);
                Observation::Done
            }
            Step::Advance { by } => {
                kernel.advance(*by);
                Observation::Done
            }
            Step::Clock => Observation::Clock {
                since_begin: kernel.now().saturating_sub(self.begun),
            },
            Step::Module { family, loaded: true } => {
                kernel.load(*family);
                Observation::Done
            }
            Step::Module { family, loaded: false } => {
                kernel.unload(*family);
                Observation::Done
            }
            Step::AddRule { rule } => Observation::Rule {
                added: kernel.add_rule(emulated(rule)).is_ok(),
            },
            Step::Account => {
                let books = kernel.accounting();
                let reasons = DropReason::ALL.iter();
                let dropped = reasons.map(|reason| (reason.to_string(), books.dropped_for(*reason)));
                Observation::Account(Account {
                    entered: books.entered,
                    delivered: books.delivered,
                    queued: books.queued,
                    dropped: dropped.filter(|(_, count)| *count > 0).collect(),
                })
            }
            other => return Err(lacks(other)),
        })
    }

    fn receive(&mut self, id: SocketId, size: usize) -> Result<Received, WorldError> {
        let size = size.min(BUFFER_BYTES);
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        match self.kernel.receive(id, &mut self.buffer[..size]) {
            Ok(datagram) => Ok(Received::Frame {
                bytes: self.buffer[..datagram.copied].to_vec().into(),
                sender: datagram.sender.0.into(),
            }),
            Err(Errno::EAGAIN) => Ok(Received::Nothing),
            Err(Errno::EBADF) => Err(broken(Errno::EBADF)),
            Err(errno) => Ok(Received::Error { errno: errno.0.into() }),
        }
    }

    fn inject(&mut self, device: &str, frame: &bytes::Bytes) -> Result<i64, WorldError> {
        if device == topology::LO {
            return Err(misuse("a frame can't arrive on lo: use an output"));
        }
        match self.kernel.inject(device, frame.clone()) {
            Ok(_) => Ok(0),
            Err(InjectError::FrameTooShort { .. }) => Ok(Errno::EINVAL.0.into()),
            Err(error) => Err(misuse(error.to_string())),
        }
    }

    fn socket(&self, name: &str) -> Result<SocketId, WorldError> {
        let id = self.sockets.get(name).copied();
        id.ok_or_else(|| misuse(format!("the socket {name:?} is not open")))
    }
}

impl SimWorld {
    /// Returns the profile that this world was created with. If there is none, returns that of
    /// Linux 3.4.10 for `ip_queue`, and that of Linux 6.18 for numbered queues.
    fn own_profile(&self, queues: QueueProtocol) -> Profile {
        match (&self.profile, queues) {
            (Some(profile), _) => **profile,
            (None, QueueProtocol::IpQueue) => Profile::default(),
            (None, QueueProtocol::Nfnetlink) => Profile::LINUX_6_18_X86_64,
        }
    }

    /// Returns the profile nearest to the setup's machine, or this world's own if the setup names
    /// no machine. Fails if no profile stands for the machine's version, or if the profile's kernel
    /// lacks the setup's kind of queue.
    fn profile_for(&self, setup: &Setup) -> Result<Profile, WorldError> {
        let profile = match &setup.machine {
            None => self.own_profile(setup.queues),
            Some(machine) => {
                let nearest = Profile::nearest(&machine.kernel, &machine.arch, machine.abi);
                nearest
                    .map_err(|error| WorldError::Unsupported(error.to_string()))?
                    .profile
            }
        };
        let numbered = setup.queues == QueueProtocol::Nfnetlink;
        if profile.has_ip_queue() != numbered {
            return Ok(profile);
        }
        let queues = if numbered { "nfnetlink_queue" } else { "ip_queue" };
        Err(WorldError::Unsupported(format!(
            "Linux {} has no {queues}",
            profile.kernel
        )))
    }
}

fn machine_of(profile: &Profile) -> Machine {
    Machine {
        kernel: profile.kernel.into(),
        arch: profile.architecture.into(),
        abi: profile.abi,
    }
}

fn emulated(rule: &Rule) -> ipq_sim::Rule {
    ipq_sim::Rule {
        family: rule.family,
        table: match rule.table {
            Table::Mangle => ipq_sim::Table::Mangle,
            Table::Filter => ipq_sim::Table::Filter,
        },
        chain: rule.chain,
        protocol: rule.protocol.map(|Protocol(number)| number),
        matches: None,
        target: match rule.target {
            Target::Queue => ipq_sim::Target::Queue,
            Target::NumberedQueue(queue) => ipq_sim::Target::NumberedQueue(ipq_sim::NumberedQueue {
                first: queue.first,
                last: queue.last,
                spread: match queue.spread {
                    Spread::Balance => ipq_sim::Spread::Balance,
                    Spread::Processors => ipq_sim::Spread::Processors,
                },
                bypass: queue.bypass,
            }),
            Target::Mark(mark) => ipq_sim::Target::Mark(mark),
        },
    }
}

fn family_of_sysctl(name: &str) -> Result<Family, WorldError> {
    match name {
        "net.ipv4.ip_queue_maxlen" => Ok(Family::Ipv4),
        "net.ipv6.ip6_queue_maxlen" => Ok(Family::Ipv6),
        _ => Err(misuse(format!("there is no sysctl {name:?}"))),
    }
}

fn bound(errno: i64, port_id: Option<PortId>) -> Observation {
    Observation::Bind {
        errno,
        port_id: port_id.unwrap_or_default().0.into(),
    }
}

fn lacks(step: &Step) -> WorldError {
    step.needs().map_or_else(
        || WorldError::Unsupported(format!("the emulator has no word for {step:?}")),
        WorldError::Lacks,
    )
}

fn misuse(what: impl Into<String>) -> WorldError {
    WorldError::Misuse(what.into())
}

fn broken(errno: Errno) -> WorldError {
    WorldError::Broken(format!("a socket that is open fails with {errno}"))
}
