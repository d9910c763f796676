//! A kernel with a program that listens, for the tests of what packets go through.

mod changes;
mod entering;
mod forwarding;
mod verdicts;

use crate::books::{Fate, PacketSerial};
use crate::host::rules::Rule;
use crate::kernel::Kernel;
use crate::netlink::ClientId;
use crate::netlink::SocketId;
use crate::per_family::PerFamily;
use crate::sample::{NEIGHBOUR, NEIGHBOUR_6, OTHER_NEIGHBOUR, OTHER_NEIGHBOUR_6, OWN, OWN_6, udp};
use bytes::Bytes;
use ipq_core::wire::{Abi, Envelope, Message, ModeRequest, PacketMetadata, VerdictRequest};
use ipq_core::{CopyMode, Errno, Family, Hook, PacketId, PortId, Verdict};
use std::net::IpAddr;

const ABI: Abi = Abi::LP64_LITTLE;

/// A kernel, and a program that listens to its IPv4 and its IPv6 queue.
struct Lab {
    kernel: Kernel,
    sockets: PerFamily<SocketId>,
}

impl Lab {
    fn new(rules: &[Rule]) -> Self {
        let mut kernel = Kernel::builder().build().unwrap();
        for rule in rules {
            kernel.add_rule(*rule).unwrap();
        }
        let sockets = PerFamily::of(|family| {
            let socket = kernel.open(ClientId::FIRST, family.netlink_protocol().into()).unwrap();
            kernel.bind(socket, PortId(4242)).unwrap();
            let mode = ModeRequest {
                mode: CopyMode::Packet,
                range: 0,
            };
            let message = mode.head(ABI, Envelope::request(PortId(4242)));
            kernel.send(socket, &message).unwrap();
            socket
        });
        Self { kernel, sockets }
    }

    /// Puts in a UDP packet that passes `hook` on its way. For INPUT it arrives from the neighbour
    /// on `tap0` for this host. For OUTPUT this host sends it to the neighbour on `tap1`. For the
    /// other hooks it is forwarded from the neighbour on `tap0` to the one on `tap1`.
    fn enter(&mut self, family: Family, hook: Hook) -> PacketSerial {
        let (from, to, own): (IpAddr, IpAddr, IpAddr) = match family {
            Family::Ipv4 => (NEIGHBOUR.into(), OTHER_NEIGHBOUR.into(), OWN.into()),
            Family::Ipv6 => (NEIGHBOUR_6.into(), OTHER_NEIGHBOUR_6.into(), OWN_6.into()),
        };
        match hook {
            Hook::Input => self.kernel.inject_packet("tap0", &udp(from, own, 64, 8)).unwrap(),
            Hook::Output => self.kernel.output(udp(own, to, 64, 8)).unwrap(),
            _ => self.kernel.inject_packet("tap0", &udp(from, to, 64, 8)).unwrap(),
        }
    }

    /// Takes the next message to the family's program: a packet with its fields and payload, or the
    /// error number of a reply. Returns `None` if the receive call fails, as when none waits.
    fn next(&mut self, family: Family) -> Option<Result<(PacketMetadata, Vec<u8>), Errno>> {
        let mut buffer = vec![0; 70_000];
        let socket = self.sockets[family];
        let received = self.kernel.receive(socket, &mut buffer).ok()?;
        match Message::parse(&buffer[..received.copied], ABI).unwrap() {
            Message::Packet(packet) => Some(Ok((packet.metadata(), packet.payload().to_vec()))),
            Message::Error(error) => Some(Err(error.errno())),
            other => panic!("{other:?} is nothing that a kernel says"),
        }
    }

    fn packet(&mut self, family: Family) -> (PacketMetadata, Vec<u8>) {
        self.next(family).expect("something came").expect("no error came")
    }

    fn give(&mut self, family: Family, packet_id: PacketId, verdict: Verdict, payload: &[u8]) {
        let request = VerdictRequest {
            verdict,
            packet_id,
            data_len: payload.len() as u64,
        };
        let head = request.head(ABI, Envelope::request(PortId(4242)), payload.len());
        let socket = self.sockets[family];
        self.kernel.send(socket, &[&head[..], payload].concat()).unwrap();
    }

    /// Takes the packet that waits for the family's program, and sends a verdict on it.
    fn answer(&mut self, family: Family, verdict: Verdict, payload: &[u8]) {
        let (metadata, _) = self.packet(family);
        self.give(family, metadata.packet_id, verdict, payload);
    }

    fn fate(&self, packet: PacketSerial) -> Fate {
        assert!(self.kernel.accounting().balances());
        self.kernel.fate(packet).expect("it is remembered").clone()
    }

    /// Takes the packets that left by a device, in order.
    fn left(&mut self, device: &str) -> Vec<Bytes> {
        std::iter::from_fn(|| self.kernel.sniff(device).unwrap())
            .map(|frame| frame.packet().clone())
            .collect()
    }
}
