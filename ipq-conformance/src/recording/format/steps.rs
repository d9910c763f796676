//! The JSON of steps and observations: a table with one entry for each op.

use super::super::RecordedStep;
use super::{FamilyJson, Hex, RuleJson, names, nullable};
use crate::world::{Account, MOST_INJECTED, Observation, OpenStage, Received, Step};
use ipq_core::Family;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// The names of the files of `ip_queue` in `/proc/net`, each with its family.
const PROC_FILES: [(&str, Family); 2] = [("ip_queue", Family::Ipv4), ("ip6_queue", Family::Ipv6)];

/// A step and its answer in one JSON object, whose key `op` names the kind of step.
#[derive(Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum StepJson<'a> {
    Open {
        socket: Cow<'a, str>,
        protocol: i32,
        #[serde(deserialize_with = "nullable")]
        bind: Option<u32>,
        #[serde(deserialize_with = "nullable")]
        failed_at: Option<StageJson>,
        errno: i64,
        #[serde(deserialize_with = "nullable")]
        port_id: Option<i64>,
    },
    Close {
        socket: Cow<'a, str>,
    },
    Send {
        socket: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        to: Option<u32>,
        hex: Hex,
        sent: i64,
        errno: i64,
    },
    Recv {
        socket: Cow<'a, str>,
        size: u32,
        result: ResultJson,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        errno: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        sender: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        hex: Option<Hex>,
    },
    Drain {
        socket: Cow<'a, str>,
        frames: i64,
        packets: i64,
        #[serde(deserialize_with = "nullable")]
        enobufs_before_frame: Option<i64>,
    },
    Rcvbuf {
        socket: Cow<'a, str>,
        value: i32,
        actual: i64,
    },
    NoEnobufs {
        socket: Cow<'a, str>,
    },
    CapAck {
        socket: Cow<'a, str>,
    },
    ExtAck {
        socket: Cow<'a, str>,
    },
    Inject {
        device: Cow<'a, str>,
        hex: Hex,
        count: u32,
        errno: i64,
    },
    Output {
        device: Cow<'a, str>,
        hex: Hex,
    },
    Sniff {
        device: Cow<'a, str>,
        #[serde(deserialize_with = "nullable")]
        hex: Option<Hex>,
    },
    Proc {
        file: Cow<'a, str>,
        #[serde(deserialize_with = "nullable")]
        text: Option<Cow<'a, str>>,
    },
    QueuesProc {
        #[serde(deserialize_with = "nullable")]
        text: Option<Cow<'a, str>>,
    },
    Sysctl {
        name: Cow<'a, str>,
        value: Cow<'a, str>,
    },
    ReadSysctl {
        name: Cow<'a, str>,
        #[serde(deserialize_with = "nullable")]
        value: Option<Cow<'a, str>>,
    },
    Link {
        device: Cow<'a, str>,
        up: bool,
    },
    NetAdmin {
        held: bool,
    },

    // The recordings of `ip_queue` do not have these ops.
    Bind {
        socket: Cow<'a, str>,
        port_id: u32,
        errno: i64,
        bound: i64,
    },
    PortId {
        socket: Cow<'a, str>,
        bound: i64,
    },
    Poll {
        socket: Cow<'a, str>,
        timeout_ns: u64,
        readable: bool,
        error: bool,
        waited_ns: u64,
    },
    SocketError {
        socket: Cow<'a, str>,
        errno: i64,
    },
    Advance {
        ns: u64,
    },
    Clock {
        since_begin_ns: u64,
    },
    Module {
        family: FamilyJson,
        loaded: bool,
    },
    AddRule {
        rule: RuleJson<'a>,
        added: bool,
    },
    Account {
        entered: u64,
        delivered: u64,
        queued: u64,
        dropped: BTreeMap<String, u64>,
    },
    Sndbuf {
        socket: Cow<'a, str>,
        value: i32,
        actual: i64,
    },
    Duplicate {
        socket: Cow<'a, str>,
        duplicate: Cow<'a, str>,
    },
    InjectBridged {
        bridge: Cow<'a, str>,
        port: Cow<'a, str>,
        hex: Hex,
        errno: i64,
    },
    InjectOffloaded {
        device: Cow<'a, str>,
        hex: Hex,
        #[serde(deserialize_with = "nullable")]
        segment_bytes: Option<u16>,
        errno: i64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StageJson {
    Socket,
    Bind,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ResultJson {
    Nothing,
    Error,
    Frame,
}

impl<'a> StepJson<'a> {
    #[expect(clippy::too_many_lines, reason = "a table: one entry for each op")]
    pub(super) fn into_step(self) -> Result<RecordedStep, String> {
        let (step, seen) = match self {
            Self::Open {
                socket,
                protocol,
                bind,
                failed_at,
                errno,
                port_id,
            } => (
                Step::Open {
                    socket: socket.into(),
                    protocol,
                    bind,
                },
                Observation::Open {
                    failed_at: failed_at.map(|stage| match stage {
                        StageJson::Socket => OpenStage::Socket,
                        StageJson::Bind => OpenStage::Bind,
                    }),
                    errno,
                    port_id,
                },
            ),
            Self::Close { socket } => (Step::Close { socket: socket.into() }, Observation::Done),
            Self::Send {
                socket,
                to,
                hex,
                sent,
                errno,
            } => (
                Step::Send {
                    socket: socket.into(),
                    to,
                    bytes: hex.0,
                },
                Observation::Send { sent, errno },
            ),
            Self::Recv {
                socket,
                size,
                result,
                errno,
                sender,
                hex,
            } => (
                Step::Receive {
                    socket: socket.into(),
                    size: size as usize,
                },
                Observation::Receive(received(&result, errno, sender, hex)?),
            ),
            Self::Drain {
                socket,
                frames,
                packets,
                enobufs_before_frame,
            } => (
                Step::Drain { socket: socket.into() },
                Observation::Drain {
                    frames,
                    packets,
                    enobufs_before_frame,
                },
            ),
            Self::Rcvbuf { socket, value, actual } => (
                Step::ReceiveBuffer {
                    socket: socket.into(),
                    bytes: value,
                },
                Observation::BufferSize { actual },
            ),
            Self::NoEnobufs { socket } => (Step::NoEnobufs { socket: socket.into() }, Observation::Done),
            Self::CapAck { socket } => (Step::CapAck { socket: socket.into() }, Observation::Done),
            Self::ExtAck { socket } => (Step::ExtAck { socket: socket.into() }, Observation::Done),
            Self::Inject { count, .. } if count > MOST_INJECTED => {
                return Err(format!(
                    "count is {count}, and at most {MOST_INJECTED} frames are injected in one step"
                ));
            }
            Self::Inject {
                device,
                hex,
                count,
                errno,
            } => (
                Step::Inject {
                    device: device.into(),
                    frame: hex.0,
                    count,
                },
                Observation::Inject { errno },
            ),
            Self::Output { device, hex } => (
                Step::Output {
                    device: device.into(),
                    packet: hex.0,
                },
                Observation::Done,
            ),
            Self::Sniff { device, hex } => (
                Step::Sniff { device: device.into() },
                Observation::Sniff {
                    frame: hex.map(|hex| hex.0),
                },
            ),
            Self::Proc { file, text } => {
                let known = PROC_FILES.iter().find(|(name, _)| *name == file);
                let (_, family) =
                    known.ok_or_else(|| format!("there is no file {file:?}: there are {}", names(&PROC_FILES)))?;
                (Step::Proc { family: *family }, text_or_absent(text))
            }
            Self::QueuesProc { text } => (Step::QueuesProc, text_or_absent(text)),
            Self::Sysctl { name, value } => (
                Step::Sysctl {
                    name: name.into(),
                    value: value.into(),
                },
                Observation::Done,
            ),
            Self::ReadSysctl { name, value } => (Step::ReadSysctl { name: name.into() }, text_or_absent(value)),
            Self::Link { device, up } => (
                Step::Link {
                    device: device.into(),
                    up,
                },
                Observation::Done,
            ),
            Self::NetAdmin { held } => (Step::NetAdmin { held }, Observation::Done),
            Self::Bind {
                socket,
                port_id,
                errno,
                bound,
            } => (
                Step::Bind {
                    socket: socket.into(),
                    port_id,
                },
                Observation::Bind { errno, port_id: bound },
            ),
            Self::PortId { socket, bound } => (
                Step::PortId { socket: socket.into() },
                Observation::Bind {
                    errno: 0,
                    port_id: bound,
                },
            ),
            Self::Poll {
                socket,
                timeout_ns,
                readable,
                error,
                waited_ns,
            } => (
                Step::Poll {
                    socket: socket.into(),
                    timeout: Duration::from_nanos(timeout_ns),
                },
                Observation::Poll {
                    readable,
                    error,
                    waited: Duration::from_nanos(waited_ns),
                },
            ),
            Self::SocketError { socket, errno } => (
                Step::SocketError { socket: socket.into() },
                Observation::SocketError { errno },
            ),
            Self::Advance { ns } => (
                Step::Advance {
                    by: Duration::from_nanos(ns),
                },
                Observation::Done,
            ),
            Self::Clock { since_begin_ns } => (
                Step::Clock,
                Observation::Clock {
                    since_begin: Duration::from_nanos(since_begin_ns),
                },
            ),
            Self::Module { family, loaded } => (
                Step::Module {
                    family: family.into(),
                    loaded,
                },
                Observation::Done,
            ),
            Self::AddRule { rule, added } => (Step::AddRule { rule: rule.to_rule()? }, Observation::Rule { added }),
            Self::Account {
                entered,
                delivered,
                queued,
                dropped,
            } => (
                Step::Account,
                Observation::Account(Account {
                    entered,
                    delivered,
                    queued,
                    dropped,
                }),
            ),
            Self::Sndbuf { socket, value, actual } => (
                Step::SendBuffer {
                    socket: socket.into(),
                    bytes: value,
                },
                Observation::BufferSize { actual },
            ),
            Self::Duplicate { socket, duplicate } => (
                Step::Duplicate {
                    socket: socket.into(),
                    duplicate: duplicate.into(),
                },
                Observation::Done,
            ),
            Self::InjectBridged {
                bridge,
                port,
                hex,
                errno,
            } => (
                Step::InjectBridged {
                    bridge: bridge.into(),
                    port: port.into(),
                    frame: hex.0,
                },
                Observation::Inject { errno },
            ),
            Self::InjectOffloaded {
                device,
                hex,
                segment_bytes,
                errno,
            } => (
                Step::InjectOffloaded {
                    device: device.into(),
                    frame: hex.0,
                    segment_bytes,
                },
                Observation::Inject { errno },
            ),
        };
        Ok(RecordedStep { step, seen })
    }

    /// Returns the JSON of a step and its answer. `None` if recordings do not have such a step, if
    /// `seen` is not an answer to it, or if the JSON can't express a size, a time or a rule in it.
    #[expect(clippy::too_many_lines, reason = "a table: one entry for each op")]
    pub(super) fn from_step(step: &'a Step, seen: &'a Observation) -> Option<Self> {
        Some(match (step, seen) {
            (
                Step::Open { socket, protocol, bind },
                Observation::Open {
                    failed_at,
                    errno,
                    port_id,
                },
            ) => Self::Open {
                socket: socket.into(),
                protocol: *protocol,
                bind: *bind,
                failed_at: failed_at.map(|stage| match stage {
                    OpenStage::Socket => StageJson::Socket,
                    OpenStage::Bind => StageJson::Bind,
                }),
                errno: *errno,
                port_id: *port_id,
            },
            (Step::Close { socket }, Observation::Done) => Self::Close { socket: socket.into() },
            (Step::Send { socket, to, bytes }, Observation::Send { sent, errno }) => Self::Send {
                socket: socket.into(),
                to: *to,
                hex: Hex(bytes.clone()),
                sent: *sent,
                errno: *errno,
            },
            (Step::Receive { socket, size }, Observation::Receive(received)) => {
                let (result, errno, sender, hex) = match received {
                    Received::Nothing => (ResultJson::Nothing, None, None, None),
                    Received::Error { errno } => (ResultJson::Error, Some(*errno), None, None),
                    Received::Frame { bytes, sender } => {
                        (ResultJson::Frame, None, Some(*sender), Some(Hex(bytes.clone())))
                    }
                };
                Self::Recv {
                    socket: socket.into(),
                    size: u32::try_from(*size).ok()?,
                    result,
                    errno,
                    sender,
                    hex,
                }
            }
            (
                Step::Drain { socket },
                Observation::Drain {
                    frames,
                    packets,
                    enobufs_before_frame,
                },
            ) => Self::Drain {
                socket: socket.into(),
                frames: *frames,
                packets: *packets,
                enobufs_before_frame: *enobufs_before_frame,
            },
            (Step::ReceiveBuffer { socket, bytes }, Observation::BufferSize { actual }) => Self::Rcvbuf {
                socket: socket.into(),
                value: *bytes,
                actual: *actual,
            },
            (Step::NoEnobufs { socket }, Observation::Done) => Self::NoEnobufs { socket: socket.into() },
            (Step::CapAck { socket }, Observation::Done) => Self::CapAck { socket: socket.into() },
            (Step::ExtAck { socket }, Observation::Done) => Self::ExtAck { socket: socket.into() },
            (Step::Inject { device, frame, count }, Observation::Inject { errno }) => Self::Inject {
                device: device.into(),
                hex: Hex(frame.clone()),
                count: *count,
                errno: *errno,
            },
            (Step::Output { device, packet }, Observation::Done) => Self::Output {
                device: device.into(),
                hex: Hex(packet.clone()),
            },
            (Step::Sniff { device }, Observation::Sniff { frame }) => Self::Sniff {
                device: device.into(),
                hex: frame.clone().map(Hex),
            },
            (Step::Proc { family }, Observation::Text(_) | Observation::Absent) => Self::Proc {
                file: PROC_FILES.iter().find(|(_, known)| known == family)?.0.into(),
                text: text_of(seen),
            },
            (Step::QueuesProc, Observation::Text(_) | Observation::Absent) => Self::QueuesProc { text: text_of(seen) },
            (Step::Sysctl { name, value }, Observation::Done) => Self::Sysctl {
                name: name.into(),
                value: value.into(),
            },
            (Step::ReadSysctl { name }, Observation::Text(_) | Observation::Absent) => Self::ReadSysctl {
                name: name.into(),
                value: text_of(seen),
            },
            (Step::Link { device, up }, Observation::Done) => Self::Link {
                device: device.into(),
                up: *up,
            },
            (Step::NetAdmin { held }, Observation::Done) => Self::NetAdmin { held: *held },
            (Step::Bind { socket, port_id }, Observation::Bind { errno, port_id: bound }) => Self::Bind {
                socket: socket.into(),
                port_id: *port_id,
                errno: *errno,
                bound: *bound,
            },
            (Step::PortId { socket }, Observation::Bind { errno: 0, port_id }) => Self::PortId {
                socket: socket.into(),
                bound: *port_id,
            },
            (
                Step::Poll { socket, timeout },
                Observation::Poll {
                    readable,
                    error,
                    waited,
                },
            ) => Self::Poll {
                socket: socket.into(),
                timeout_ns: nanoseconds(*timeout)?,
                readable: *readable,
                error: *error,
                waited_ns: nanoseconds(*waited)?,
            },
            (Step::SocketError { socket }, Observation::SocketError { errno }) => Self::SocketError {
                socket: socket.into(),
                errno: *errno,
            },
            (Step::Advance { by }, Observation::Done) => Self::Advance { ns: nanoseconds(*by)? },
            (Step::Clock, Observation::Clock { since_begin }) => Self::Clock {
                since_begin_ns: nanoseconds(*since_begin)?,
            },
            (Step::Module { family, loaded }, Observation::Done) => Self::Module {
                family: (*family).into(),
                loaded: *loaded,
            },
            (Step::AddRule { rule }, Observation::Rule { added }) => Self::AddRule {
                rule: RuleJson::from_rule(rule)?,
                added: *added,
            },
            (Step::Account, Observation::Account(account)) => Self::Account {
                entered: account.entered,
                delivered: account.delivered,
                queued: account.queued,
                dropped: account.dropped.clone(),
            },
            (Step::SendBuffer { socket, bytes }, Observation::BufferSize { actual }) => Self::Sndbuf {
                socket: socket.into(),
                value: *bytes,
                actual: *actual,
            },
            (Step::Duplicate { socket, duplicate }, Observation::Done) => Self::Duplicate {
                socket: socket.into(),
                duplicate: duplicate.into(),
            },
            (Step::InjectBridged { bridge, port, frame }, Observation::Inject { errno }) => Self::InjectBridged {
                bridge: bridge.into(),
                port: port.into(),
                hex: Hex(frame.clone()),
                errno: *errno,
            },
            (
                Step::InjectOffloaded {
                    device,
                    frame,
                    segment_bytes,
                },
                Observation::Inject { errno },
            ) => Self::InjectOffloaded {
                device: device.into(),
                hex: Hex(frame.clone()),
                segment_bytes: *segment_bytes,
                errno: *errno,
            },
            _ => return None,
        })
    }
}

fn text_or_absent(text: Option<Cow<'_, str>>) -> Observation {
    text.map_or(Observation::Absent, |text| Observation::Text(text.into()))
}

/// Returns the text of an [`Observation::Text`]; `None` for any other observation.
fn text_of(seen: &Observation) -> Option<Cow<'_, str>> {
    match seen {
        Observation::Text(text) => Some(text.into()),
        _ => None,
    }
}

/// Returns a time in nanoseconds; `None` if the number does not fit in 64 bits, after 584 years.
fn nanoseconds(time: Duration) -> Option<u64> {
    time.as_nanos().try_into().ok()
}

fn received(
    result: &ResultJson,
    errno: Option<i64>,
    sender: Option<i64>,
    hex: Option<Hex>,
) -> Result<Received, &'static str> {
    match (result, errno, sender, hex) {
        (ResultJson::Nothing, None, None, None) => Ok(Received::Nothing),
        (ResultJson::Error, Some(errno), None, None) => Ok(Received::Error { errno }),
        (ResultJson::Frame, None, Some(sender), Some(hex)) => Ok(Received::Frame { bytes: hex.0, sender }),
        (ResultJson::Nothing, ..) => Err("the result \"nothing\" has no errno, sender or hex"),
        (ResultJson::Error, ..) => Err("the result \"error\" has an errno, and no sender or hex"),
        (ResultJson::Frame, ..) => Err("the result \"frame\" has a sender and hex, and no errno"),
    }
}
