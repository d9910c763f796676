//! What the model test generates: setups and actions. An action becomes a step once it is known
//! which sockets are open.
//!
//! So an action stays meaningful when actions before it are removed, and failures shrink well.

use crate::model::Model;
use crate::model::rules::Rules;
use crate::packets::{FramePlan, PacketPlan, frame, packet};
use crate::step::{Rule, Setup, Step};
use ipq_core::Family;
use ipq_core::wire::{CopyMode, Envelope, Flags, ModeRequest, PacketId, PortId, Verdict, VerdictRequest};
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;

/// The id of the process that opens all sockets.
const PROCESS: u32 = 4242;

#[derive(Clone, Debug)]
pub(crate) enum Action {
    Open {
        protocol: i32,
        bind: Option<u32>,
    },
    Bind {
        socket: usize,
        port_id: u32,
    },
    Close {
        socket: usize,
    },
    Mode {
        socket: usize,
        header: HeaderPlan,
        mode: u8,
        range: u64,
        tail: usize,
    },
    Verdict {
        socket: usize,
        header: HeaderPlan,
        target: Target,
        verdict: u32,
        payload: Payload,
        stated: i8,
    },
    Raw {
        socket: usize,
        bytes: Vec<u8>,
    },
    ToProgram {
        socket: usize,
        to: PortPlan,
        length: usize,
    },
    Receive {
        socket: usize,
        size: usize,
    },
    Drain {
        socket: usize,
    },
    ReceiveBuffer {
        socket: usize,
        bytes: u32,
    },
    NoEnobufs {
        socket: usize,
    },
    SocketError {
        socket: usize,
    },
    Inject {
        device: usize,
        frame: FramePlan,
        count: u32,
    },
    Output {
        packet: PacketPlan,
    },
    Sysctl {
        family: Family,
        value: i32,
    },
    ReadSysctl {
        family: Family,
    },
    Link {
        device: usize,
        up: bool,
    },
    NetAdmin {
        held: bool,
    },
    Module {
        family: Family,
        loaded: bool,
    },
    Advance {
        by: Duration,
    },
}

/// How a message's header differs from a plain one.
#[derive(Clone, Debug)]
pub(crate) struct HeaderPlan {
    flags: u16,
    sequence: u32,
    port_id: PortPlan,
    other_type: Option<u16>,
    /// The number that is added to the length in the header.
    length: i32,
}

#[derive(Clone, Debug)]
pub(crate) enum PortPlan {
    /// The port id of the socket that sends, or the process id if it is not bound.
    Own,
    /// The port id of the open socket at this index, or the process id if it is not bound. If there
    /// is no such socket, the same as [`PortPlan::Own`].
    Socket(usize),
    Number(u32),
}

#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A packet that the model's program has read. 0 is the last one read, 1 the one before; after
    /// the first one comes the last one again.
    Read(usize),
    Number(u64),
}

#[derive(Clone, Debug)]
pub(crate) enum Payload {
    None,
    Packet(PacketPlan),
    Bytes { byte: u8, length: usize },
}

pub(crate) fn setup(kernel: &'static str) -> impl Strategy<Value = Setup> {
    let hooks = || prop_oneof![6 => Just(2_u32), 10 => 0..5_u32];
    let protocol = prop_oneof![2 => Just(None), 2 => Just(Some(17_u8)), 1 => select(vec![Some(6), Some(1), Some(58)])];
    let mark = prop_oneof![4 => Just(None), 1 => any::<u32>().prop_map(Some)];
    let rule = (select(Family::ALL.to_vec()), any::<bool>(), hooks(), protocol, mark).prop_map(
        move |(family, filter, hook, protocol, mark)| {
            // Where mangle has only PREROUTING and OUTPUT, a mangle rule for another hook becomes
            // one of filter. If filter has no such hook either, the rule is put at PREROUTING.
            let filters = (1..4).contains(&hook);
            let mangles = Rules::of(kernel).mangles_everywhere || hook == 0 || hook == 3;
            Rule {
                family,
                filter: filters && (filter || !mangles),
                hook: if filters || mangles { hook } else { 0 },
                protocol,
                mark,
            }
        },
    );
    let usual = Family::ALL.map(|family| Rule {
        family,
        filter: true,
        hook: 2,
        protocol: Some(17),
        mark: None,
    });
    let rules = prop_oneof![1 => Just(usual.to_vec()), 3 => prop::collection::vec(rule, 1..8)];
    rules.prop_map(move |rules| Setup {
        kernel,
        rules,
        process_id: PROCESS,
        peer_died: false,
    })
}

fn header() -> impl Strategy<Value = HeaderPlan> {
    let flags =
        prop_oneof![10 => Just(1_u16), 4 => Just(5), 1 => select(vec![0_u16, 3, 4, 7, 0x21, 0x25, 0xffdd, 0xffff])];
    let own = prop_oneof![12 => Just(PortPlan::Own), 1 => port()];
    let other_type = prop_oneof![
        20 => Just(None),
        1 => select(vec![0_u16, 1, 2, 3, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0xffff]).prop_map(Some),
    ];
    let length = prop_oneof![12 => Just(0_i32), 1 => -45..20_i32];
    (flags, prop_oneof![Just(0_u32), any::<u32>()], own, other_type, length).prop_map(
        |(flags, sequence, port_id, other_type, length)| HeaderPlan {
            flags,
            sequence,
            port_id,
            other_type,
            length,
        },
    )
}

fn port() -> impl Strategy<Value = PortPlan> {
    prop_oneof![
        (0..4_usize).prop_map(PortPlan::Socket),
        select(vec![
            0,
            1,
            PROCESS,
            4243,
            0x7fff_ffff,
            0x8000_0000,
            (-4097_i32).cast_unsigned(),
            u32::MAX
        ])
        .prop_map(PortPlan::Number),
    ]
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        8 => Just(Payload::None),
        4 => packet().prop_map(Payload::Packet),
        1 => (any::<u8>(), prop_oneof![8 => 0..50_usize, 1 => select(vec![1501, 65_535, 65_536, 70_000, 196_000])])
            .prop_map(|(byte, length)| Payload::Bytes { byte, length }),
    ]
}

/// Returns the strategy for one action. Kinds and values of actions that lead to more code are more
/// frequent.
pub(crate) fn action() -> BoxedStrategy<Action> {
    let socket = || 0..4_usize;
    let family = || select(Family::ALL.to_vec());
    let bind = prop_oneof![
        6 => Just(Some(PROCESS)),
        2 => Just(None),
        2 => Just(Some(0)),
        2 => select(vec![Some(1), Some(4243), Some(0x7fff_ffff), Some(0x8000_0000), Some(u32::MAX)]),
    ];
    let protocol = prop_oneof![10 => Just(3), 10 => Just(13), 1 => select(vec![0, 2, 12, 31, -1])];
    let range = prop_oneof![
        4 => Just(65_535_u64),
        4 => 0..70_u64,
        1 => select(vec![65_536_u64, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0020, u64::MAX]),
    ];
    let verdict = prop_oneof![20 => select(vec![1_u32, 0, 3, 4, 5]), 1 => select(vec![2_u32, 6, 0x1_0001, u32::MAX])];
    let target = prop_oneof![
        12 => (0..6_usize).prop_map(Target::Read),
        2 => (0..100_usize).prop_map(Target::Read),
        1 => select(vec![0, 1, 0xdead_beef_u64, u64::MAX]).prop_map(Target::Number),
    ];
    let size = prop_oneof![12 => Just(70_000_usize), 1 => select(vec![0_usize, 1, 16, 20, 36, 112, 140, 200])];
    let count = prop_oneof![12 => Just(1_u32), 2 => 2..5_u32, 1 => 5..50_u32];
    let value = prop_oneof![4 => Just(1024), 3 => 0..6_i32, 1 => select(vec![-1, i32::MIN, i32::MAX])];
    let receive_buffer = prop_oneof![3 => 0..4096_u32, 2 => 0..200_000_u32, 1 => any::<u32>()];
    prop_oneof![
        3 => (protocol, bind).prop_map(|(protocol, bind)| Action::Open { protocol, bind }),
        1 => (socket(), select(vec![0, PROCESS, 4243, 7])).prop_map(|(socket, port_id)| Action::Bind { socket, port_id }),
        1 => socket().prop_map(|socket| Action::Close { socket }),
        8 => (socket(), header(), prop_oneof![8 => 1..3_u8, 1 => 0..5_u8], range, prop_oneof![8 => Just(0_usize), 1 => 0..20_usize])
            .prop_map(|(socket, header, mode, range, tail)| Action::Mode { socket, header, mode, range, tail }),
        20 => (socket(), header(), target, verdict, payload(), prop_oneof![12 => Just(0_i8), 1 => -4..5_i8])
            .prop_map(|(socket, header, target, verdict, payload, stated)| Action::Verdict {
                socket, header, target, verdict, payload, stated,
            }),
        1 => (socket(), prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(socket, bytes)| Action::Raw { socket, bytes }),
        1 => (socket(), port(), prop_oneof![8 => 0..100_usize, 1 => 0..200_000_usize])
            .prop_map(|(socket, to, length)| Action::ToProgram { socket, to, length }),
        24 => (socket(), size).prop_map(|(socket, size)| Action::Receive { socket, size }),
        1 => socket().prop_map(|socket| Action::Drain { socket }),
        2 => (socket(), receive_buffer).prop_map(|(socket, bytes)| Action::ReceiveBuffer { socket, bytes }),
        1 => socket().prop_map(|socket| Action::NoEnobufs { socket }),
        1 => socket().prop_map(|socket| Action::SocketError { socket }),
        20 => (1..3_usize, frame(), count).prop_map(|(device, frame, count)| Action::Inject { device, frame, count }),
        5 => packet().prop_map(|packet| Action::Output { packet }),
        2 => (family(), value).prop_map(|(family, value)| Action::Sysctl { family, value }),
        1 => family().prop_map(|family| Action::ReadSysctl { family }),
        3 => (0..3_usize, prop::bool::weighted(0.75)).prop_map(|(device, up)| Action::Link { device, up }),
        2 => prop::bool::weighted(0.75).prop_map(|held| Action::NetAdmin { held }),
        2 => (family(), prop::bool::weighted(0.8)).prop_map(|(family, loaded)| Action::Module { family, loaded }),
        1 => (0..3_000_000_u64).prop_map(|micros| Action::Advance { by: Duration::from_micros(micros) }),
    ]
    .boxed()
}

impl Action {
    /// Returns the step that this action stands for, given the sockets that are open now. An action
    /// that needs a socket becomes the opening of one if none is open. An opening becomes the
    /// closing of a socket if six are open.
    pub(crate) fn resolve(&self, model: &Model) -> Step {
        let open: Vec<usize> = model.open_sockets().collect();
        let pick = |wanted: usize| open[wanted % open.len()];
        let free = (0..=open.len())
            .find(|number| !open.contains(number))
            .unwrap_or_default();
        match self.clone() {
            Self::Open { .. } if open.len() >= 6 => Step::Close { socket: open[0] },
            Self::Open { protocol, bind } => Step::Open {
                socket: free,
                protocol,
                bind,
            },
            Self::Inject { device, frame, count } => Step::Inject {
                device,
                frame: frame.bytes(device),
                // A long frame comes only once, so that the test is quick.
                count: if frame.packet.bytes().len() > 2000 { 1 } else { count },
            },
            Self::Output { packet } => Step::Output {
                packet: packet.sendable(),
            },
            Self::Sysctl { family, value } => Step::Sysctl { family, value },
            Self::ReadSysctl { family } => Step::ReadSysctl { family },
            Self::Link { device, up } => Step::Link { device, up },
            Self::NetAdmin { held } => Step::NetAdmin { held },
            Self::Module { family, loaded } => Step::Module { family, loaded },
            Self::Advance { by } => Step::Advance { by },
            _ if open.is_empty() => Step::Open {
                socket: 0,
                protocol: 3,
                bind: Some(PROCESS),
            },
            Self::Bind { socket, port_id } => Step::Bind {
                socket: pick(socket),
                port_id,
            },
            Self::Close { socket } => Step::Close { socket: pick(socket) },
            Self::Mode {
                socket,
                header,
                mode,
                range,
                tail,
            } => mode_message(
                model,
                pick(socket),
                &header,
                ModeRequest {
                    mode: CopyMode::from_wire(mode),
                    range,
                },
                tail,
            ),
            Self::Verdict {
                socket,
                header,
                target,
                verdict,
                payload,
                stated,
            } => {
                let payload = payload.bytes();
                let request = VerdictRequest {
                    verdict: Verdict::from_wire(verdict),
                    packet_id: PacketId(target.number()),
                    data_len: (payload.len() as u64).wrapping_add_signed(stated.into()),
                };
                verdict_message(model, pick(socket), &header, &target, request, &payload)
            }
            Self::Raw { socket, bytes } => Step::Send {
                socket: pick(socket),
                to: None,
                bytes,
                names: None,
            },
            Self::ToProgram { socket, to, length } => {
                let socket = pick(socket);
                Step::Send {
                    socket,
                    to: Some(to.number(model, socket)).filter(|to| *to != 0),
                    bytes: vec![0x77; length],
                    names: None,
                }
            }
            Self::Receive { socket, size } => Step::Receive {
                socket: pick(socket),
                size,
            },
            Self::Drain { socket } => Step::Drain { socket: pick(socket) },
            Self::ReceiveBuffer { socket, bytes } => Step::ReceiveBuffer {
                socket: pick(socket),
                bytes,
            },
            Self::NoEnobufs { socket } => Step::NoEnobufs { socket: pick(socket) },
            Self::SocketError { socket } => Step::SocketError { socket: pick(socket) },
        }
    }
}

/// Returns the step that sends a mode message followed by `tail` bytes of 0xcc.
fn mode_message(model: &Model, socket: usize, header: &HeaderPlan, request: ModeRequest, tail: usize) -> Step {
    let head = request.head(model.abi(), header.envelope(model, socket));
    let mut bytes = head.to_vec();
    bytes.resize(bytes.len() + tail, 0xcc);
    header.finish(&mut bytes);
    Step::Send {
        socket,
        to: None,
        bytes,
        names: None,
    }
}

fn verdict_message(
    model: &Model,
    socket: usize,
    header: &HeaderPlan,
    target: &Target,
    request: VerdictRequest,
    payload: &[u8],
) -> Step {
    let head = request.head(model.abi(), header.envelope(model, socket), payload.len());
    let mut bytes = [&head[..], payload].concat();
    header.finish(&mut bytes);
    Step::Send {
        socket,
        to: None,
        bytes,
        names: match target {
            Target::Read(back) if model.seen() > 0 => Some(model.seen() - 1 - back % model.seen()),
            Target::Read(_) | Target::Number(_) => None,
        },
    }
}

impl Target {
    /// Returns the packet id that stands in the message. For [`Target::Read`], it is a placeholder,
    /// which the id of the packet that was read replaces later, if any was read.
    fn number(&self) -> u64 {
        match self {
            Self::Read(_) => 1,
            Self::Number(id) => *id,
        }
    }
}

impl HeaderPlan {
    fn envelope(&self, model: &Model, socket: usize) -> Envelope {
        Envelope {
            flags: Flags(self.flags),
            sequence: self.sequence,
            port_id: PortId(self.port_id.number(model, socket)),
        }
    }

    /// Changes the length and the type in the header of a correct message, as planned.
    fn finish(&self, bytes: &mut [u8]) {
        let length = (bytes.len() as u32).wrapping_add_signed(self.length);
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        if let Some(other) = self.other_type {
            bytes[4..6].copy_from_slice(&other.to_le_bytes());
        }
    }
}

impl PortPlan {
    fn number(&self, model: &Model, socket: usize) -> u32 {
        let of = |socket| model.port_id(socket).unwrap_or(PROCESS);
        match self {
            Self::Own => of(socket),
            Self::Socket(number) => of(model.open_sockets().nth(*number).unwrap_or(socket)),
            Self::Number(number) => *number,
        }
    }
}

impl Payload {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Packet(plan) => plan.bytes(),
            Self::Bytes { byte, length } => vec![*byte; *length],
        }
    }
}
