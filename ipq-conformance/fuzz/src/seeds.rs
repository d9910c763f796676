//! Seeds and dictionaries for every target. Most seeds are made from the recordings of real
//! kernels.

use crate::input::Output;
use crate::{nfnetlink, numbered, queue, server};
use ipq_conformance::recording::{Embedded, Recording};
use ipq_conformance::world::{Observation, Received, Step, Target};
use ipq_core::Hook;
use ipq_core::transport::unix::protocol::Request;
use ipq_core::wire::{Abi, Message, PacketMessage, PortId};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// The length of the longest seed, in bytes. Long seeds make a fuzzer slow, and teach it little
/// that shorter ones don't.
const LONGEST: usize = 4096;

/// A set of byte strings: a target's seeds, which are the inputs that it begins with, or the words
/// of its dictionary.
type Seeds = BTreeSet<Vec<u8>>;

/// Writes files `corpus/TARGET/seed-NUMBER` and `dictionaries/TARGET.dict` for every target into
/// `directory`.
pub fn write(directory: &Path) -> io::Result<()> {
    let recordings: Vec<Recording> = Embedded::ALL
        .iter()
        .flat_map(|file| file.reader())
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)?;
    let targets: [(&str, Seeds, Seeds); 8] = [
        ("wire", datagrams(&recordings), numbers()),
        (
            "c_interface",
            datagrams(&recordings)
                .into_iter()
                .map(|bytes| [vec![1], bytes].concat())
                .collect(),
            numbers(),
        ),
        ("nfnetlink", nfnetlink_messages(&recordings), attributes()),
        ("queue", recordings.iter().map(queue_actions).collect(), numbers()),
        ("numbered", numbered_actions(), attributes()),
        ("recording", lines(), words()),
        ("capture", captures(&recordings), blocks()),
        ("server", recordings.iter().map(server_actions).collect(), requests()),
    ];
    let dictionaries = directory.join("dictionaries");
    std::fs::create_dir_all(&dictionaries)?;
    for (target, seeds, tokens) in targets {
        let corpus = directory.join("corpus").join(target);
        std::fs::create_dir_all(&corpus)?;
        let short = seeds.iter().filter(|seed| seed.len() <= LONGEST);
        for (number, seed) in short.enumerate() {
            std::fs::write(corpus.join(format!("seed-{number:04}")), seed)?;
        }
        let tokens: String = tokens.iter().map(|token| token_line(token)).collect();
        std::fs::write(dictionaries.join(target).with_extension("dict"), tokens)?;
    }
    Ok(())
}

fn token_line(token: &[u8]) -> String {
    let escaped = token
        .iter()
        .fold(String::new(), |escaped, byte| format!("{escaped}\\x{byte:02x}"));
    format!("\"{escaped}\"\n")
}

fn steps(recordings: &[Recording]) -> impl Iterator<Item = (&Step, &Observation, Abi)> {
    recordings.iter().flat_map(|recording| {
        let abi = recording
            .setup
            .machine
            .as_ref()
            .map_or(Abi::NATIVE, |machine| machine.abi);
        recording
            .steps
            .iter()
            .map(move |recorded| (&recorded.step, &recorded.seen, abi))
    })
}

/// Returns datagrams that programs in the recordings sent or received, up to 400 bytes long.
fn datagrams(recordings: &[Recording]) -> Seeds {
    steps(recordings)
        .filter_map(|(step, seen, _)| match (step, seen) {
            (Step::Send { bytes, .. }, _) | (_, Observation::Receive(Received::Frame { bytes, .. })) => {
                Some(bytes.to_vec())
            }
            _ => None,
        })
        .filter(|bytes| bytes.len() <= 400)
        .collect()
}

/// Returns seeds of the target nfnetlink: messages that programs sent, answers to them, packets,
/// and device events. All but the device events come from recordings of machines with this
/// machine's word size and byte order.
fn nfnetlink_messages(recordings: &[Recording]) -> Seeds {
    let mut seeds = Seeds::new();
    for (step, seen, abi) in steps(recordings).filter(|(_, _, abi)| *abi == Abi::NATIVE) {
        match (step, seen) {
            (Step::Send { bytes, .. }, _) if bytes.len() <= 200 => {
                for (flags, outcome) in [
                    (0, 0),
                    (nfnetlink::ATTACHED, 0),
                    (nfnetlink::ATTACHED | nfnetlink::PADS, 2),
                ] {
                    seeds.insert([&[2 | flags | nfnetlink::PERMITTED, outcome], &bytes[..]].concat());
                }
                seeds.extend(
                    nfnetlink::answers(bytes)
                        .map(|answer| [&[nfnetlink::ATTACHED | nfnetlink::PERMITTED, 20], &answer[..]].concat()),
                );
            }
            (_, Observation::Receive(Received::Frame { bytes, .. })) if bytes.len() <= 400 => {
                if let Ok(Message::Packet(packet)) = Message::parse(bytes, abi) {
                    let family = if packet.hw_protocol().0 == 0x86dd {
                        nfnetlink::IPV6
                    } else {
                        0
                    };
                    seeds.insert([&[family | nfnetlink::ATTACHED, 30], &nfnetlink_packet(&packet)[..]].concat());
                }
            }
            _ => {}
        }
    }
    let mut link = vec![0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    link.extend(attribute(3, b"tap0\0"));
    seeds.insert([vec![3, 0], netlink_message(16, &link)].concat());
    seeds.insert([vec![3, 0], netlink_message(17, &link), netlink_message(16, &link)].concat());
    seeds
}

/// Returns a message with which nfnetlink could send a packet that was recorded from `ip_queue`.
fn nfnetlink_packet(packet: &PacketMessage<'_>) -> Vec<u8> {
    let metadata = packet.metadata();
    let family = if metadata.hw_protocol.0 == 0x86dd { 10 } else { 2 };
    let mut body = vec![family, 0, 0, nfnetlink::QUEUE as u8];
    let hook = metadata.hook.to_wire() as u8;
    let header = [
        &(metadata.packet_id.0 as u32).to_be_bytes()[..],
        &metadata.hw_protocol.0.to_be_bytes(),
        &[hook],
    ];
    body.extend(attribute(1, &header.concat()));
    if metadata.mark.0 != 0 {
        body.extend(attribute(3, &(metadata.mark.0 as u32).to_be_bytes()));
    }
    if !metadata.timestamp.is_unset() {
        let [seconds, microseconds] =
            [metadata.timestamp.seconds, metadata.timestamp.microseconds].map(i64::to_be_bytes);
        body.extend(attribute(4, &[seconds, microseconds].concat()));
    }
    for (kind, name) in [(5, metadata.indev_name), (6, metadata.outdev_name)] {
        if !name.is_empty() {
            body.extend(attribute(kind, &2_u32.to_be_bytes()));
        }
    }
    let (length, field) = metadata.hw_address.to_wire();
    if length != 0 {
        body.extend(attribute(9, &[&[0, length, 0, 0][..], &field].concat()));
    }
    body.extend(attribute(10, packet.payload()));
    netlink_message(0x0300, &body)
}

fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = (content.len() + 4) as u16;
    let mut attribute = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), content].concat();
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

fn netlink_message(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = (16 + body.len()) as u32;
    [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], body].concat()
}

/// Returns seeds of the target numbered: actions that bind queues in each copy mode, and give a
/// verdict on one packet or several.
fn numbered_actions() -> Seeds {
    use numbered::Action;
    let values = [0, 1, 4, 5, 3, 0x0001_0003, 0x0009_8003, 0x0001_0001, 2, 6];
    let choices = (0..16_u8).zip(values.into_iter().cycle());
    let seeds = choices.flat_map(|(machine, value)| {
        (0..3_u8).map(move |mode| {
            let mut output = Output::default();
            output.u8(machine);
            for queue in 0..4 {
                Action::Bind
                    .begin(&mut output)
                    .u8(0)
                    .u8(queue)
                    .u8(mode)
                    .u32(u32::from(mode) * 40);
            }
            Action::Set.begin(&mut output).u8(0).u8(0).u16(3).u8(machine).u8(0xff);
            for ipv6 in [0, 1, 0, 0] {
                Action::Packet.begin(&mut output).u8(ipv6).u16(60).u8(0x10);
            }
            Action::Receive.begin(&mut output).u8(0).u16(2000);
            let several = machine & 1;
            let payload = if several == 0 { &[0x45; 30][..] } else { &[] };
            Action::Verdict
                .begin(&mut output)
                .u8(0)
                .u8(0)
                .u8(several)
                .u32(value)
                .u8(1)
                .bytes(payload);
            Action::Options.begin(&mut output).u8(0).u8(7).u16(100);
            Action::Link.begin(&mut output).u8(1).u8(0);
            Action::Reopen.begin(&mut output).u8(0).u32(0);
            output.0
        })
    });
    seeds.collect()
}

/// Returns an input of the target queue that follows a recording, as far as there are actions for
/// its steps.
fn queue_actions(recording: &Recording) -> Vec<u8> {
    use queue::Action;
    let abi = recording
        .setup
        .machine
        .as_ref()
        .map_or(Abi::NATIVE, |machine| machine.abi);
    let mut output = Output::default();
    let rules = recording.setup.rules.iter().filter(|rule| rule.target == Target::Queue);
    let hooks = rules.fold(0, |bits, rule| {
        match Hook::ALL.iter().position(|hook| *hook == rule.chain) {
            Some(bit) => bits | 1 << bit,
            None => bits,
        }
    });
    output.u8(u8::from(abi != Abi::LP64_LITTLE)).u8(hooks);
    let place = |socket: &str| socket.bytes().next().unwrap_or_default() % 8;
    let device = |name: &str| {
        queue::DEVICES
            .iter()
            .position(|known| *known == name)
            .unwrap_or_default() as u8
    };
    for recorded in &recording.steps {
        match &recorded.step {
            Step::Open { socket, protocol, bind } => {
                let wanted = bind.unwrap_or_default();
                let known = queue::PORT_IDS.iter().position(|known| *known == wanted).unwrap_or(2);
                let ipv6 = u8::from(*protocol == 13);
                Action::Open
                    .begin(&mut output)
                    .u8(place(socket))
                    .u8(ipv6)
                    .u8(known as u8);
            }
            Step::Close { socket } => drop(Action::Close.begin(&mut output).u8(place(socket))),
            Step::Send {
                socket,
                to: None,
                bytes,
            } => match Message::parse(bytes, abi) {
                Ok(Message::Verdict(request, following)) => {
                    let verdict = request.verdict.to_wire();
                    let output = Action::Verdict.begin(&mut output).u8(place(socket)).u8(0);
                    output.u32(verdict).bytes(following);
                }
                _ => drop(Action::Send.begin(&mut output).u8(place(socket)).bytes(bytes)),
            },
            Step::Send { socket, to, bytes } => {
                let known = queue::PORT_IDS
                    .iter()
                    .position(|known| Some(*known) == *to)
                    .unwrap_or_default();
                Action::SendTo
                    .begin(&mut output)
                    .u8(place(socket))
                    .u8(known as u8)
                    .bytes(bytes);
            }
            Step::Receive { socket, size } => {
                Action::Receive
                    .begin(&mut output)
                    .u8(place(socket))
                    .u16(u16::try_from(*size).unwrap_or(u16::MAX));
            }
            Step::Drain { socket } => {
                for _ in 0..4 {
                    Action::Receive.begin(&mut output).u8(place(socket)).u16(4096);
                }
            }
            Step::ReceiveBuffer { socket, bytes } => {
                let bytes = u16::try_from(*bytes).unwrap_or(u16::MAX);
                Action::Buffer.begin(&mut output).u8(place(socket)).u8(0).u16(bytes);
            }
            Step::NoEnobufs { socket } => drop(Action::Buffer.begin(&mut output).u8(place(socket)).u8(2).u16(0)),
            Step::Inject {
                device: name,
                frame,
                count,
            } => {
                for _ in 0..(*count).min(3) {
                    Action::Inject.begin(&mut output).u8(device(name)).bytes(frame);
                }
            }
            Step::Output { packet, .. } => drop(Action::Output.begin(&mut output).bytes(packet)),
            Step::Sniff { device: name } => drop(Action::Look.begin(&mut output).u8(device(name)).u8(0)),
            Step::Link { device: name, up } => {
                Action::Link.begin(&mut output).u8(device(name)).u8((*up).into());
            }
            Step::Sysctl { name, value } => {
                let length = value.trim().parse::<u16>().unwrap_or(u16::MAX);
                let ipv6 = u8::from(name.contains("ipv6"));
                Action::MaximumLength.begin(&mut output).u8(ipv6).u16(length);
            }
            Step::NetAdmin { held } => drop(Action::Capability.begin(&mut output).u8((*held).into())),
            _ => {}
        }
    }
    output.0
}

/// Returns an input of the target server that follows the first 40 steps of a recording, as far as
/// there are actions for them.
fn server_actions(recording: &Recording) -> Vec<u8> {
    use server::Action;
    let mut output = Output::default();
    let (mut connections, mut keys) = (0_u8, 0_u8);
    let mut names: Vec<(&str, u8)> = Vec::new();
    for recorded in recording.steps.iter().take(40) {
        let known = recorded
            .step
            .socket()
            .and_then(|name| names.iter().rev().find(|(known, _)| *known == name));
        let place = known.map_or(0, |(_, place)| *place);
        match &recorded.step {
            Step::Open { socket, protocol, bind } if connections < 12 => {
                names.push((socket, connections));
                Action::Connect.begin(&mut output).u8(connections);
                let value = (4242 << 1) | u32::from(*protocol == 13);
                Action::Request
                    .begin(&mut output)
                    .u8(connections)
                    .u8(0)
                    .u32(value)
                    .u8(0);
                Action::Connect.begin(&mut output).u8(connections + 1);
                let port_id = bind.unwrap_or_default();
                Action::Request
                    .begin(&mut output)
                    .u8(connections + 1)
                    .u8(2)
                    .u32(port_id)
                    .u8(keys);
                Action::Connect.begin(&mut output).u8(connections + 2);
                Action::Request
                    .begin(&mut output)
                    .u8(connections + 2)
                    .u8(1)
                    .u32(0)
                    .u8(keys);
                for _ in 0..3 {
                    Action::Turn.begin(&mut output);
                }
                connections += 3;
                keys += 3;
            }
            Step::Close { .. } => drop(Action::Close.begin(&mut output).u8(place)),
            Step::Send { bytes, .. } => drop(Action::Send.begin(&mut output).u8(place).bytes(bytes)),
            Step::Receive { .. } => {
                Action::Turn.begin(&mut output);
                Action::Receive.begin(&mut output).u8(place).u8(255);
            }
            Step::Inject { frame, .. } => drop(Action::Packet.begin(&mut output).u8(frame.len() as u8)),
            _ => {}
        }
    }
    output.0
}

/// Returns files of recordings: with one recording, with two, and with two of which the second is
/// cut in half.
fn lines() -> Seeds {
    let mut seeds = Seeds::new();
    for file in Embedded::ALL {
        let lines: Vec<&str> = file.text.lines().collect();
        for pair in lines.windows(2) {
            seeds.insert(pair[0].into());
            if pair[0].len() + pair[1].len() < 2000 {
                seeds.insert(format!("{}\n{}\n", pair[0], pair[1]).into());
                seeds.insert(format!("{}\n{}", pair[0], &pair[1][..pair[1].len() / 2]).into());
            }
        }
    }
    seeds
}

/// Returns captures of the first frames that arrived in each recording, as pcap and as pcapng, and
/// with several link types.
fn captures(recordings: &[Recording]) -> Seeds {
    let mut seeds = Seeds::new();
    for recording in recordings {
        let frames: Vec<&[u8]> = recording
            .steps
            .iter()
            .filter_map(|recorded| match &recorded.step {
                Step::Inject { frame, .. } if frame.len() >= 14 => Some(&frame[..]),
                _ => None,
            })
            .take(6)
            .collect();
        let cooked = |header: usize, protocol: usize| -> Vec<Vec<u8>> {
            let cook = |frame: &&[u8]| {
                let mut cooked = vec![0; header];
                cooked[protocol..protocol + 2].copy_from_slice(&frame[12..14]);
                cooked.extend(&frame[14..]);
                cooked
            };
            frames.iter().map(cook).collect()
        };
        let whole: Vec<Vec<u8>> = frames.iter().map(|frame| frame.to_vec()).collect();
        let raw: Vec<Vec<u8>> = frames.iter().map(|frame| frame[14..].to_vec()).collect();
        for (link, frames) in [(1, whole), (101, raw), (113, cooked(16, 14)), (276, cooked(20, 0))] {
            seeds.insert(classic(0xa1b2_c3d4, link, &frames));
            seeds.insert(classic(0xa1b2_3c4d, link, &frames));
            seeds.insert(next_generation(link as u16, &frames));
        }
    }
    seeds
}

fn classic(magic: u32, link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut output = Output::default();
    output.u32(magic).u16(2).u16(4).u32(0).u32(0).u32(65_535).u32(link);
    for frame in frames {
        let length = frame.len() as u32;
        output.u32(1).u32(2).u32(length).u32(length).raw(frame);
    }
    output.0
}

fn next_generation(link: u16, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut output = Output::default();
    output
        .u32(0x0a0d_0d0a)
        .u32(28)
        .u32(0x1a2b_3c4d)
        .u16(1)
        .u16(0)
        .raw(&[0xff; 8])
        .u32(28);
    // The interface has the option that states the unit of its times.
    output
        .u32(1)
        .u32(32)
        .u16(link)
        .u16(0)
        .u32(65_535)
        .u16(9)
        .u16(1)
        .u32(9)
        .u16(0)
        .u16(0)
        .u32(32);
    for (index, frame) in frames.iter().enumerate() {
        let (length, padded) = (frame.len() as u32, frame.len().next_multiple_of(4));
        let padding = &[0; 3][..padded - frame.len()];
        if index % 2 == 0 {
            let total = 32 + padded as u32;
            output.u32(6).u32(total).u32(0).u32(1).u32(2).u32(length).u32(length);
            output.raw(frame).raw(padding).u32(total);
        } else {
            let total = 16 + padded as u32;
            output.u32(3).u32(total).u32(length).raw(frame).raw(padding).u32(total);
        }
    }
    output.0
}

/// Returns the words of a dictionary: message types, lengths and other numbers, each in both byte
/// orders, and a few byte strings.
fn numbers() -> Seeds {
    let short = [1_u16, 2, 3, 5, 0x11, 0x12, 0x13, 0x14, 0x20, 772];
    let long = [
        16_u32,
        20,
        28,
        36,
        40,
        88,
        112,
        4242,
        0xffff,
        u32::MAX,
        0x7fff_ffff,
        0x8000_0000,
    ];
    let mut tokens: Seeds = short
        .iter()
        .flat_map(|number| [number.to_le_bytes(), number.to_be_bytes()].map(Vec::from))
        .collect();
    tokens.extend(
        long.iter()
            .flat_map(|number| [number.to_le_bytes(), number.to_be_bytes()].map(Vec::from)),
    );
    tokens.extend([b"tap0".to_vec(), b"ipq1".to_vec(), vec![0xff; 8], vec![0; 8]]);
    tokens
}

fn attributes() -> Seeds {
    let kinds = [
        0x0300_u16, 0x0301, 0x0302, 0x03ff, 0x3f01, 0x3f02, 16, 17, 4, 5, 8, 9, 11, 12,
    ];
    let mut tokens = numbers();
    tokens.extend(kinds.iter().map(|kind| kind.to_ne_bytes().to_vec()));
    let heads = [
        (11, 1),
        (8, 3),
        (20, 4),
        (8, 5),
        (8, 6),
        (16, 9),
        (24, 10),
        (12, 0x3f01),
        (9, 0x3f02),
        (12, 2),
        (9, 2),
    ];
    tokens.extend(
        heads
            .iter()
            .map(|(length, kind): &(u16, u16)| [length.to_ne_bytes(), kind.to_ne_bytes()].concat()),
    );
    tokens
}

/// Returns the words of a dictionary for JSON: from the recordings, those between quotes that are 2
/// to 23 lower-case letters, `_` or `.`, and some others.
fn words() -> Seeds {
    let quoted = Embedded::ALL.iter().flat_map(|file| file.text.split('"'));
    let short = quoted.filter(|word| (2..24).contains(&word.len()));
    let words = short.filter(|word| {
        word.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.')
    });
    let mut tokens: Seeds = words.map(|word| format!("\"{word}\"").into()).collect();
    let marks = [
        "null",
        "true",
        "false",
        "\\u0000",
        "\\n",
        "\\ud800",
        "-1",
        "1e9",
        "4294967295",
        "9223372036854775807",
    ];
    tokens.extend(marks.map(Vec::from));
    tokens.extend(["QUEUE", "MARK", "PREROUTING", "INPUT", "OUTPUT"].map(|word| format!("\"{word}\"").into()));
    tokens
}

fn blocks() -> Seeds {
    let words = [
        0x0a0d_0d0a_u32,
        0x1a2b_3c4d,
        0xa1b2_c3d4,
        0xa1b2_3c4d,
        1,
        3,
        6,
        101,
        113,
        276,
        12,
        228,
        28,
        32,
    ];
    let mut tokens: Seeds = words
        .iter()
        .flat_map(|word| [word.to_le_bytes(), word.to_be_bytes()].map(Vec::from))
        .collect();
    tokens.extend([
        vec![0x45, 0, 0, 20],
        vec![0x60, 0, 0, 0],
        vec![8, 0],
        vec![0x86, 0xdd],
        vec![9, 0, 1, 0],
        vec![14, 0, 8, 0],
    ]);
    tokens
}

fn requests() -> Seeds {
    let requests = [
        Request::Open {
            protocol: 3,
            process_id: 1,
        },
        Request::Notices { socket: 0 },
        Request::Bind {
            socket: 0,
            port_id: PortId(4242),
        },
        Request::NoEnobufs { socket: 0, on: true },
    ];
    let mut tokens = numbers();
    tokens.extend(requests.map(|request| request.write().to_vec()));
    tokens
}
