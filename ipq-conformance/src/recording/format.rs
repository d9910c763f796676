//! The JSON of a scenario: what serde reads and writes, and its translation to and from
//! [`Recording`].

#[cfg(all(target_os = "linux", feature = "exec"))]
mod exchange;
mod steps;

#[cfg(all(target_os = "linux", feature = "exec"))]
pub(crate) use exchange::{answer, observation, question, step};

use super::{Problem, Recording};
use crate::world::{Machine, NumberedQueue, Protocol, QueueProtocol, Rule, Setup, Spread, Table, Target};
use bytes::Bytes;
use ipq_core::wire::{Abi, ByteOrder, WordSize};
use ipq_core::{Family, Hook};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
#[cfg(all(target_os = "linux", feature = "exec"))]
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use steps::StepJson;

pub(super) fn parse(line: &str) -> Result<Recording, Problem> {
    let scenario: ScenarioJson<'_> = serde_json::from_str(line).map_err(|error| bad_json(&error))?;
    let setup = scenario.setup().map_err(Problem::in_scenario)?;
    if scenario.steps.is_empty() {
        return Err(Problem::in_scenario(
            "a scenario has at least one step, and this has none",
        ));
    }
    let steps = (1..).zip(scenario.steps.iter()).map(|(number, text)| {
        let step: StepJson<'_> = serde_json::from_str(text.get()).map_err(|error| Problem {
            step: Some(number),
            ..bad_json(&error)
        })?;
        step.into_step().map_err(|what| Problem::in_step(number, what))
    });
    Ok(Recording {
        name: scenario.name.into_owned(),
        setup,
        steps: steps.collect::<Result<_, _>>()?,
    })
}

pub(super) fn write(recording: &Recording) -> Option<String> {
    let machine = recording.setup.machine.as_ref()?;
    let steps = recording.steps.iter().map(|recorded| {
        let step = StepJson::from_step(&recorded.step, &recorded.seen)?;
        serde_json::value::to_raw_value(&step).ok()
    });
    let scenario = ScenarioJson {
        name: Cow::Borrowed(&recording.name),
        kernel: Cow::Borrowed(&machine.kernel),
        arch: Cow::Borrowed(&machine.arch),
        word_bytes: machine.abi.word_bytes() as u64,
        byte_order: match machine.abi.order {
            ByteOrder::Little => OrderJson::Little,
            ByteOrder::Big => OrderJson::Big,
        },
        rules: recording
            .setup
            .rules
            .iter()
            .map(RuleJson::from_rule)
            .collect::<Option<_>>()?,
        process_id: recording.setup.process_id,
        queues: recording.setup.queues.into(),
        steps: steps.collect::<Option<_>>()?,
    };
    serde_json::to_string(&scenario).ok()
}

fn bad_json(error: &serde_json::Error) -> Problem {
    Problem::in_scenario(without_line(error))
}

/// Returns the message of a serde error about JSON text of one line. Leaves out the line's number,
/// and keeps the column if the error has one.
pub(crate) fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    match error.column() {
        0 => what.to_owned(),
        column => format!("{what} (column {column})"),
    }
}

/// Returns `rules` as a JSON array; `None` if recordings can't express one of them.
#[cfg(all(target_os = "linux", feature = "exec"))]
pub(crate) fn write_rules(rules: &[Rule]) -> Option<Value> {
    let rules: Vec<_> = rules.iter().map(RuleJson::from_rule).collect::<Option<_>>()?;
    serde_json::to_value(rules).ok()
}

/// Parses rules in the JSON that [`write_rules`] returns. An error says what is malformed.
#[cfg(all(target_os = "linux", feature = "exec"))]
pub(crate) fn parse_rules(rules: Value) -> Result<Vec<Rule>, String> {
    let rules: Vec<RuleJson<'static>> = serde_json::from_value(rules).map_err(|error| error.to_string())?;
    rules.iter().map(RuleJson::to_rule).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioJson<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    kernel: Cow<'a, str>,
    #[serde(borrow)]
    arch: Cow<'a, str>,
    word_bytes: u64,
    byte_order: OrderJson,
    rules: Vec<RuleJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    process_id: Option<u32>,
    #[serde(skip_serializing_if = "QueuesJson::is_ip_queue", default)]
    queues: QueuesJson,
    steps: Vec<Box<RawValue>>,
}

/// The protocol of a recording's queues. Recordings of `ip_queue` do not state it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum QueuesJson {
    #[default]
    IpQueue,
    Nfnetlink,
}

impl QueuesJson {
    /// Returns whether the protocol is `ip_queue`, which recordings do not state.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_ip_queue(&self) -> bool {
        *self == Self::IpQueue
    }
}

impl From<QueuesJson> for QueueProtocol {
    fn from(queues: QueuesJson) -> Self {
        match queues {
            QueuesJson::IpQueue => Self::IpQueue,
            QueuesJson::Nfnetlink => Self::Nfnetlink,
        }
    }
}

impl From<QueueProtocol> for QueuesJson {
    fn from(queues: QueueProtocol) -> Self {
        match queues {
            QueueProtocol::IpQueue => Self::IpQueue,
            QueueProtocol::Nfnetlink => Self::Nfnetlink,
        }
    }
}

impl ScenarioJson<'_> {
    fn setup(&self) -> Result<Setup, String> {
        let word = match self.word_bytes {
            4 => WordSize::Four,
            8 => WordSize::Eight,
            other => return Err(format!("word_bytes is 4 or 8, and not {other}")),
        };
        let order = match self.byte_order {
            OrderJson::Little => ByteOrder::Little,
            OrderJson::Big => ByteOrder::Big,
        };
        let rules = self
            .rules
            .iter()
            .map(RuleJson::to_rule)
            .collect::<Result<Vec<_>, _>>()?;
        let mut setup = Setup::with_rules(rules);
        setup.machine = Some(Machine {
            kernel: self.kernel.to_string(),
            arch: self.arch.to_string(),
            abi: Abi { word, order },
        });
        setup.process_id = self.process_id;
        setup.queues = self.queues.into();
        Ok(setup)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OrderJson {
    Little,
    Big,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FamilyJson {
    Ipv4,
    Ipv6,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TableJson {
    Mangle,
    Filter,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum ChainJson {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum TargetJson {
    Queue,
    Nfqueue,
    Mark,
}

/// The options of the target NFQUEUE, as the JSON of a rule has them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberedQueueJson {
    first: u16,
    last: u16,
    cpu_fanout: bool,
    bypass: bool,
}

impl From<NumberedQueue> for NumberedQueueJson {
    fn from(queue: NumberedQueue) -> Self {
        Self {
            first: queue.first,
            last: queue.last,
            cpu_fanout: queue.spread == Spread::Processors,
            bypass: queue.bypass,
        }
    }
}

impl From<&NumberedQueueJson> for NumberedQueue {
    fn from(queue: &NumberedQueueJson) -> Self {
        Self {
            first: queue.first,
            last: queue.last,
            spread: if queue.cpu_fanout {
                Spread::Processors
            } else {
                Spread::Balance
            },
            bypass: queue.bypass,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleJson<'a> {
    family: FamilyJson,
    table: TableJson,
    chain: ChainJson,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    protocol: Option<Cow<'a, str>>,
    target: TargetJson,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    mark: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    queue: Option<NumberedQueueJson>,
}

/// The names of transport protocols in the JSON of rules. Where a protocol has two names, both are
/// read, and the first is written.
const PROTOCOLS: [(&str, Protocol); 5] = [
    ("udp", Protocol::UDP),
    ("tcp", Protocol::TCP),
    ("icmp", Protocol::ICMP),
    ("icmpv6", Protocol::ICMPV6),
    ("ipv6-icmp", Protocol::ICMPV6),
];

impl<'a> RuleJson<'a> {
    fn to_rule(&self) -> Result<Rule, String> {
        let protocol = match &self.protocol {
            None => None,
            Some(name) => Some(
                PROTOCOLS
                    .iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, protocol)| *protocol)
                    .ok_or_else(|| format!("a rule's protocol is {name:?}, which is none of {}", names(&PROTOCOLS)))?,
            ),
        };
        let target = match (&self.target, self.mark, &self.queue) {
            (TargetJson::Queue, None, None) => Target::Queue,
            (TargetJson::Mark, Some(mark), None) => Target::Mark(mark),
            (TargetJson::Nfqueue, None, Some(queue)) => Target::NumberedQueue(queue.into()),
            (TargetJson::Queue, Some(_), _) => return Err("a rule with target QUEUE has a mark".into()),
            (TargetJson::Mark, None, _) => return Err("a rule with target MARK has no mark".into()),
            (TargetJson::Nfqueue, _, None) => return Err("a rule with target NFQUEUE has no queue".into()),
            (TargetJson::Nfqueue, Some(_), _) => return Err("a rule with target NFQUEUE has a mark".into()),
            (TargetJson::Queue | TargetJson::Mark, _, Some(_)) => {
                return Err("only a rule with target NFQUEUE has a queue".into());
            }
        };
        let table = match self.table {
            TableJson::Mangle => Table::Mangle,
            TableJson::Filter => Table::Filter,
        };
        let chain = match self.chain {
            ChainJson::Prerouting => Hook::Prerouting,
            ChainJson::Input => Hook::Input,
            ChainJson::Forward => Hook::Forward,
            ChainJson::Output => Hook::Output,
            ChainJson::Postrouting => Hook::Postrouting,
        };
        if table == Table::Filter && matches!(chain, Hook::Prerouting | Hook::Postrouting) {
            return Err(format!("the filter table has no chain {chain}"));
        }
        Ok(Rule {
            family: self.family.into(),
            table,
            chain,
            protocol,
            target,
        })
    }

    fn from_rule(rule: &Rule) -> Option<RuleJson<'a>> {
        let protocol = match rule.protocol {
            None => None,
            Some(wanted) => Some(Cow::Borrowed(
                PROTOCOLS.iter().find(|(_, protocol)| *protocol == wanted)?.0,
            )),
        };
        Some(RuleJson {
            family: rule.family.into(),
            table: match rule.table {
                Table::Mangle => TableJson::Mangle,
                Table::Filter => TableJson::Filter,
            },
            chain: match rule.chain {
                Hook::Prerouting => ChainJson::Prerouting,
                Hook::Input => ChainJson::Input,
                Hook::Forward => ChainJson::Forward,
                Hook::Output => ChainJson::Output,
                Hook::Postrouting => ChainJson::Postrouting,
                Hook::Unknown(_) => return None,
            },
            protocol,
            target: match rule.target {
                Target::Queue => TargetJson::Queue,
                Target::NumberedQueue(_) => TargetJson::Nfqueue,
                Target::Mark(_) => TargetJson::Mark,
            },
            mark: match rule.target {
                Target::Mark(mark) => Some(mark),
                _ => None,
            },
            queue: match rule.target {
                Target::NumberedQueue(queue) => Some(NumberedQueueJson::from(queue)),
                _ => None,
            },
        })
    }
}

impl From<FamilyJson> for Family {
    fn from(family: FamilyJson) -> Self {
        match family {
            FamilyJson::Ipv4 => Self::Ipv4,
            FamilyJson::Ipv6 => Self::Ipv6,
        }
    }
}

impl From<Family> for FamilyJson {
    fn from(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::Ipv4,
            Family::Ipv6 => Self::Ipv6,
        }
    }
}

fn names<T>(table: &[(&str, T)]) -> String {
    table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// Reads the value of a key that may be null but must be there. By itself serde takes a missing
/// `Option` for null.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Bytes that JSON has as a text of pairs of hexadecimal digits.
struct Hex(Bytes);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        hex::decode(text.as_bytes())
            .map(|bytes| Self(bytes.into()))
            .map_err(|error| serde::de::Error::custom(format_args!("bad hex: {error}")))
    }
}
