//! The capture of a transcript: a pcapng file with two interfaces, so that messages and packets
//! stand in one order.
//!
//! | interface | what |
//! |---|---|
//! | `netlink` | datagrams that steps sent, failed to send or received; link type 253 |
//! | `packets` | Ethernet frames that arrived or left, and packets that the host sent |
//!
//! A frame that arrived several times in one step stands there once. Frames that left are there if
//! a step took them. Packets that the host sent have zeros for both Ethernet addresses. Datagrams
//! that a drain only counted are left out.
//!
//! The time of each packet in the file is the number of its step, in seconds. The comment of each
//! describes that step in words.

use super::{Event, describe};
use crate::world::{Called, Function, Observation, Received, Returned, Step};
use ipq_core::Family;
use ipq_core::wire::{Abi, EtherType};
use ipq_sim::pcapng::{Block, link, netlink_header, option};
use std::collections::HashMap;

const NETLINK: u32 = 0;
const PACKETS: u32 = 1;

/// The netlink protocol of the IPv4 queue, for a socket or handle that no step in the transcript
/// opened.
const IPV4_PROTOCOL: u16 = Family::Ipv4.netlink_protocol() as u16;

/// The resolution of times in the capture: 10⁻⁶ seconds.
const RESOLUTION: u8 = 6;
const MICROSECONDS: u64 = 1_000_000;

/// Returns the capture of numbered events: a pcapng file.
pub(super) fn of<'e>(events: impl Iterator<Item = (usize, &'e Event)>, abi: Abi) -> Vec<u8> {
    let mut writer = Writer::new(abi);
    for (number, event) in events {
        writer.event(number as u64 * MICROSECONDS, event);
    }
    writer.file
}

struct Writer {
    abi: Abi,
    file: Vec<u8>,
    block: Block,
    /// The netlink protocol of each socket, by the socket's name.
    sockets: HashMap<String, u16>,
    /// The netlink protocol of each handle of a libipq, by the handle's number.
    handles: HashMap<i64, u16>,
}

impl Writer {
    fn new(abi: Abi) -> Self {
        let (mut file, mut block) = (Vec::new(), Block::default());
        file.extend_from_slice(block.section(concat!("ipq-conformance ", env!("CARGO_PKG_VERSION"))));
        file.extend_from_slice(block.interface("netlink", link::NETLINK, RESOLUTION));
        file.extend_from_slice(block.interface("packets", link::ETHERNET, RESOLUTION));
        Self {
            abi,
            file,
            block,
            sockets: HashMap::new(),
            handles: HashMap::new(),
        }
    }

    fn event(&mut self, time: u64, event: &Event) {
        let comment = || describe(&event.step, &event.seen, self.abi);
        match (&event.step, &event.seen) {
            (Step::Open { socket, protocol, .. }, _) => {
                self.sockets
                    .insert(socket.clone(), u16::try_from(*protocol).unwrap_or(0));
            }
            (Step::Duplicate { socket, duplicate }, _) => {
                let protocol = self.protocol(socket);
                self.sockets.insert(duplicate.clone(), protocol);
            }
            (Step::Send { socket, bytes, .. }, _) => {
                let (comment, protocol) = (comment(), self.protocol(socket));
                self.message(time, &comment, (true, protocol), bytes);
            }
            (Step::Receive { socket, .. }, Observation::Receive(Received::Frame { bytes, .. })) => {
                let (comment, protocol) = (comment(), self.protocol(socket));
                self.message(time, &comment, (false, protocol), bytes);
            }
            (Step::Call(call), Observation::Called(Called::Returned(returned))) => {
                let comment = comment();
                self.call(time, &comment, &call.function, returned);
            }
            (
                Step::Inject { frame, .. } | Step::InjectBridged { frame, .. } | Step::InjectOffloaded { frame, .. },
                _,
            )
            | (_, Observation::Sniff { frame: Some(frame) }) => {
                let comment = comment();
                self.packet(time, &comment, (PACKETS, &[frame]));
            }
            (Step::Output { packet, .. }, _) => {
                let is_ipv6 = packet.first().is_some_and(|byte| byte >> 4 == 6);
                let EtherType(ether_type) = if is_ipv6 { EtherType::IPV6 } else { EtherType::IPV4 };
                let comment = comment();
                self.packet(
                    time,
                    &comment,
                    (PACKETS, &[&[0; 12], &ether_type.to_be_bytes(), packet]),
                );
            }
            _ => {}
        }
    }

    /// Writes the datagrams of a call of a libipq that sets a mode, gives a verdict or reads: those
    /// that the call sent, then the one that it read. Of a call that creates a handle only keeps
    /// the handle's protocol. Does nothing for other calls.
    fn call(&mut self, time: u64, comment: &str, function: &Function, returned: &Returned) {
        let handle = match function {
            Function::CreateHandle { protocol, .. } => {
                let family = Family::from_protocol_family(*protocol).unwrap_or(Family::Ipv4);
                self.handles.insert(returned.value, family.netlink_protocol().into());
                return;
            }
            Function::SetMode { handle, .. }
            | Function::SetVerdict { handle, .. }
            | Function::Read { handle, .. }
            | Function::ReadForged { handle, .. } => handle,
            _ => return,
        };
        let protocol = self.handles.get(&handle.0.into()).copied().unwrap_or(IPV4_PROTOCOL);
        for sent in &returned.sent {
            self.message(time, comment, (true, protocol), sent);
        }
        if !returned.bytes.is_empty() {
            self.message(time, comment, (false, protocol), &returned.bytes);
        }
    }

    /// Returns the netlink protocol of a socket. It is that of IPv4 if the transcript has forgotten
    /// the step that opened the socket.
    fn protocol(&self, socket: &str) -> u16 {
        self.sockets.get(socket).copied().unwrap_or(IPV4_PROTOCOL)
    }

    fn message(&mut self, time: u64, comment: &str, (to_kernel, protocol): (bool, u16), bytes: &[u8]) {
        let header = netlink_header(to_kernel, protocol);
        self.packet(time, comment, (NETLINK, &[&header, bytes]));
    }

    fn packet(&mut self, time: u64, comment: &str, (interface, parts): (u32, &[&[u8]])) {
        self.block.packet(interface, time, parts);
        self.block.option(option::COMMENT, comment.as_bytes());
        self.file.extend_from_slice(self.block.end());
    }
}
