//! The messages of the pipe between the suite and a program that is a world: requests and answers,
//! a line of JSON each.

use crate::pipe::{self, VERSION};
use crate::recording::{QueuesJson, parse_rules, write_rules};
use crate::world::{Capabilities, Capability, Description, Machine, Setup, WorldError, order_word};
use ipq_core::wire::{Abi, ByteOrder, WordSize};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request of the suite: one line of JSON to the program.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    Describe { protocol: u32 },
    Capabilities,
    Begin(BeginRequest),
    Step { step: Map<String, Value> },
    End,
}

impl pipe::Request for Request {
    type Answer = Answer;

    fn expected(&self) -> &'static str {
        match self {
            Self::Describe { .. } => {
                "{\"answer\":\"description\",\"protocol\":1,\"implementation\":…,\"machine\":…,\"seed\":…,\"parallel\":…}"
            }
            Self::Capabilities => "{\"answer\":\"capabilities\",\"capabilities\":[…]}",
            Self::Begin(_) => "{\"answer\":\"begun\"} or {\"answer\":\"error\",…}",
            Self::Step { .. } => "{\"answer\":\"seen\",\"seen\":{…}} or {\"answer\":\"error\",…}",
            Self::End => "{\"answer\":\"ended\"}, and then the exit status 0",
        }
    }
}

/// The content of the request `begin`: the setup of a world, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BeginRequest {
    machine: Option<MachineJson>,
    rules: Value,
    process_id: Option<u32>,
    never_reuse_ids: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    earlier_peer_died: bool,
    #[serde(skip_serializing_if = "QueuesJson::is_ip_queue", default)]
    queues: QueuesJson,
}

impl BeginRequest {
    /// Converts a setup. Returns `None` if a rule has a transport protocol or a hook for which the
    /// protocol of the pipe has no name.
    pub(super) fn new(setup: &Setup) -> Option<Self> {
        Some(Self {
            machine: setup.machine.as_ref().map(MachineJson::new),
            rules: write_rules(&setup.rules)?,
            process_id: setup.process_id,
            never_reuse_ids: setup.never_reuse_ids,
            earlier_peer_died: setup.earlier_peer_died,
            queues: setup.queues.into(),
        })
    }

    pub(super) fn read(self) -> Result<Setup, String> {
        let mut setup = Setup::with_rules(parse_rules(self.rules)?);
        setup.machine = self.machine.map(MachineJson::read).transpose()?;
        setup.process_id = self.process_id;
        setup.never_reuse_ids = self.never_reuse_ids;
        setup.earlier_peer_died = self.earlier_peer_died;
        setup.queues = self.queues.into();
        Ok(setup)
    }
}

/// A machine as JSON, with the keys of a recording: the kernel's version, the architecture, the
/// word size in bytes, and the byte order `little` or `big`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MachineJson {
    kernel: String,
    arch: String,
    word_bytes: u64,
    byte_order: String,
}

impl MachineJson {
    pub(super) fn new(machine: &Machine) -> Self {
        Self {
            kernel: machine.kernel.clone(),
            arch: machine.arch.clone(),
            word_bytes: machine.abi.word_bytes() as u64,
            byte_order: order_word(machine.abi.order).to_owned(),
        }
    }

    fn read(self) -> Result<Machine, String> {
        let word = match self.word_bytes {
            4 => WordSize::Four,
            8 => WordSize::Eight,
            other => return Err(format!("word_bytes is 4 or 8, and not {other}")),
        };
        let order = match self.byte_order.as_str() {
            "little" => ByteOrder::Little,
            "big" => ByteOrder::Big,
            other => return Err(format!("byte_order is \"little\" or \"big\", and not {other:?}")),
        };
        Ok(Machine {
            kernel: self.kernel,
            arch: self.arch,
            abi: Abi { word, order },
        })
    }
}

/// An answer of the program: one line of JSON to the suite.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Answer {
    Description(DescriptionAnswer),
    Capabilities { capabilities: Vec<String> },
    Begun,
    Seen { seen: Map<String, Value> },
    Ended,
    Error(ErrorAnswer),
}

impl pipe::Answer for Answer {
    fn name(&self) -> &'static str {
        match self {
            Self::Description(_) => "description",
            Self::Capabilities { .. } => "capabilities",
            Self::Begun => "begun",
            Self::Seen { .. } => "seen",
            Self::Ended => "ended",
            Self::Error(_) => "error",
        }
    }
}

/// A program's description of its world: implementation, machines, seed, and whether several worlds
/// may exist at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) description: Description,
    /// The machine of the world in a setup of numbered queues; `None` if it is the machine of
    /// `description`.
    pub(super) nfnetlink_machine: Option<Machine>,
    /// `true` if several worlds may exist at the same time.
    pub(super) parallel: bool,
}

/// The content of the answer `description`: the facts of [`About`], and the version of the
/// protocol.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DescriptionAnswer {
    protocol: u32,
    implementation: String,
    machine: MachineJson,
    /// The machine of the world in a setup of numbered queues; `None` if it is `machine`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    nfnetlink_machine: Option<MachineJson>,
    seed: Option<u64>,
    parallel: bool,
}

impl DescriptionAnswer {
    pub(super) fn new(about: &About) -> Self {
        let About { description, .. } = about;
        Self {
            protocol: VERSION,
            implementation: description.implementation.clone(),
            machine: MachineJson::new(&description.machine),
            nfnetlink_machine: about.nfnetlink_machine.as_ref().map(MachineJson::new),
            seed: description.seed,
            parallel: about.parallel,
        }
    }

    pub(super) fn read(self) -> Result<About, String> {
        if self.protocol != VERSION {
            return Err(pipe::other_version(self.protocol));
        }
        Ok(About {
            description: Description {
                implementation: self.implementation,
                machine: self.machine.read()?,
                seed: self.seed,
            },
            nfnetlink_machine: self.nfnetlink_machine.map(MachineJson::read).transpose()?,
            parallel: self.parallel,
        })
    }
}

/// Returns the set of the capabilities with these names. Fails if a name is unknown, or is
/// `c-library`, which no program over this pipe can have.
pub(super) fn read_capabilities(names: &[String]) -> Result<Capabilities, String> {
    names.iter().map(|name| capability(name)).collect()
}

fn capability(name: &str) -> Result<Capability, String> {
    let known = Capability::ALL.iter().copied().find(|known| known.name() == name);
    match known {
        Some(Capability::CLibrary) => {
            Err("a world over a pipe can't have c-library: test a libipq with --client".to_owned())
        }
        Some(capability) => Ok(capability),
        None => {
            let known: Vec<_> = Capability::ALL.iter().map(|known| known.name()).collect();
            Err(format!(
                "there is no capability {name:?}; the capabilities are: {}",
                known.join(", ")
            ))
        }
    }
}

/// The content of the answer `error`: the kind of a [`WorldError`], and its text, or for `Lacks`
/// the capability's name.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorAnswer {
    error: ErrorKind,
    what: String,
}

/// The kind of a [`WorldError`], as the answer `error` names it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ErrorKind {
    Lacks,
    Unsupported,
    Misuse,
    Broken,
}

impl ErrorAnswer {
    pub(super) fn new(error: &WorldError) -> Self {
        let (error, what) = match error {
            WorldError::Lacks(capability) => (ErrorKind::Lacks, capability.name()),
            WorldError::Unsupported(what) => (ErrorKind::Unsupported, what.as_str()),
            WorldError::Misuse(what) => (ErrorKind::Misuse, what.as_str()),
            WorldError::Broken(what) => (ErrorKind::Broken, what.as_str()),
        };
        Self {
            error,
            what: what.to_owned(),
        }
    }

    pub(super) fn read(self) -> Result<WorldError, String> {
        Ok(match self.error {
            ErrorKind::Lacks => WorldError::Lacks(capability(&self.what)?),
            ErrorKind::Unsupported => WorldError::Unsupported(self.what),
            ErrorKind::Misuse => WorldError::Misuse(self.what),
            ErrorKind::Broken => WorldError::Broken(self.what),
        })
    }
}
