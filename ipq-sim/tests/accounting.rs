//! Tests, with random sequences of events, that every packet is accounted for, and that the counted
//! length of the queues is right.

use bytes::Bytes;
use ipq_core::wire::{Abi, Envelope, Flags, Message, ModeRequest, VerdictRequest};
use ipq_core::{CopyMode, Family, Hook, PacketId, PortId, Verdict};
use ipq_sim::{ClientId, Kernel, Rule, SocketId};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Event {
    Mode(u8, u64),
    Verdict {
        which: usize,
        value: u32,
        replacement: Vec<u8>,
    },
    Garbage(Vec<u8>),
    Packet {
        ttl: u8,
        length: u8,
        ipv6: bool,
    },
    Frame(Vec<u8>),
    Read,
    Reopen,
    Link(bool),
    MaximumLength(u32),
    Module(bool),
    Capability(bool),
    ReceiveBuffer(u32),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..4u8, any::<u64>()).prop_map(|(mode, range)| Event::Mode(mode, range)),
        6 => (0..8usize, 0..8u32, prop::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(which, value, replacement)| Event::Verdict { which, value, replacement }),
        1 => prop::collection::vec(any::<u8>(), 0..64).prop_map(Event::Garbage),
        8 => (0..4u8, any::<u8>(), any::<bool>()).prop_map(|(ttl, length, ipv6)| Event::Packet { ttl, length, ipv6 }),
        1 => prop::collection::vec(any::<u8>(), 14..80).prop_map(Event::Frame),
        4 => Just(Event::Read),
        1 => Just(Event::Reopen),
        1 => any::<bool>().prop_map(Event::Link),
        1 => (0..6u32).prop_map(Event::MaximumLength),
        1 => any::<bool>().prop_map(Event::Module),
        1 => any::<bool>().prop_map(Event::Capability),
        1 => (0..9000u32).prop_map(Event::ReceiveBuffer),
    ]
}

struct Run {
    kernel: Kernel,
    socket: Option<SocketId>,
    ids: Vec<PacketId>,
}

impl Run {
    fn new() -> Self {
        let mut kernel = Kernel::builder().build().unwrap();
        for family in Family::ALL {
            for hook in [Hook::Prerouting, Hook::Forward] {
                kernel.add_rule(Rule::queue(family, hook)).unwrap();
            }
        }
        let mut run = Self {
            kernel,
            socket: None,
            ids: Vec::new(),
        };
        run.reopen();
        run
    }

    fn reopen(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.kernel.close(socket);
        }
        self.socket = self.kernel.open(ClientId::FIRST, 3).ok();
        if let Some(socket) = self.socket {
            self.kernel.bind(socket, PortId(4242)).unwrap();
        }
    }

    fn send(&mut self, datagram: &[u8]) {
        if let Some(socket) = self.socket {
            let _refused_without_its_module = self.kernel.send(socket, datagram);
        }
    }

    fn happen(&mut self, event: Event) {
        let envelope = Envelope {
            flags: Flags::REQUEST | Flags::ACK,
            sequence: 1,
            port_id: PortId(4242),
        };
        match event {
            Event::Mode(mode, range) => {
                let request = ModeRequest {
                    mode: CopyMode::from_wire(mode),
                    range,
                };
                self.send(&request.head(Abi::LP64_LITTLE, envelope));
            }
            Event::Verdict {
                which,
                value,
                replacement,
            } => {
                let packet_id = self.ids.get(which).copied().unwrap_or_default();
                let data_len = replacement.len() as u64;
                let request = VerdictRequest {
                    verdict: Verdict::from_wire(value),
                    packet_id,
                    data_len,
                };
                let head = request.head(Abi::LP64_LITTLE, envelope, replacement.len());
                self.send(&[&head[..], &replacement].concat());
            }
            Event::Garbage(bytes) => self.send(&bytes),
            Event::Packet { ttl, length, ipv6 } => {
                let (source, mut packet) = (vec![0; usize::from(length)], Vec::new());
                if ipv6 {
                    let address = |net| [0xfd, 0, 0, net, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
                    let builder = etherparse::PacketBuilder::ipv6(address(1), address(2), ttl);
                    builder.udp(1, 2).write(&mut packet, &source).unwrap();
                } else {
                    let builder = etherparse::PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 2], ttl);
                    builder.udp(1, 2).write(&mut packet, &source).unwrap();
                }
                self.kernel.inject_packet("tap0", &packet).unwrap();
            }
            Event::Frame(bytes) => drop(self.kernel.inject("tap1", Bytes::from(bytes)).unwrap()),
            Event::Read => self.read(),
            Event::Reopen => self.reopen(),
            Event::Link(up) => self.kernel.set_link("tap1", up).unwrap(),
            Event::MaximumLength(length) => self.kernel.set_maximum_length(Family::Ipv4, length),
            Event::Module(true) => self.kernel.load(Family::Ipv4),
            Event::Module(false) => self.kernel.unload(Family::Ipv4),
            Event::Capability(held) => self.kernel.set_net_admin(ClientId::FIRST, held),
            Event::ReceiveBuffer(bytes) => {
                if let Some(socket) = self.socket {
                    self.kernel.set_receive_buffer(socket, bytes).unwrap();
                }
            }
        }
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        let received = self
            .socket
            .and_then(|socket| self.kernel.receive(socket, &mut buffer).ok());
        if let Some(Ok(Message::Packet(packet))) =
            received.map(|received| Message::parse(&buffer[..received.copied], Abi::LP64_LITTLE))
        {
            self.ids.insert(0, packet.packet_id());
            self.ids.truncate(8);
        }
    }

    fn queued(&self) -> u64 {
        Family::ALL
            .iter()
            .filter_map(|family| self.kernel.queue_length(*family))
            .sum::<usize>() as u64
    }
}

proptest! {
    #[test]
    fn every_packet_is_accounted_for(events in prop::collection::vec(event(), 1..200)) {
        let mut run = Run::new();
        for event in events {
            run.happen(event);
            let accounting = run.kernel.accounting();
            prop_assert!(accounting.balances(), "{accounting:?}");
            prop_assert_eq!(accounting.queued, run.queued());
        }
    }
}
