//! Tests that reading and writing any message, also through a handle, allocates no memory.

use allocation_counter::measure;
use ipq_core::handle::{Buffers, Decision};
use ipq_core::transport::Datagram;
use ipq_core::wire::{
    Abi, CopyMode, Envelope, ErrorMessage, EtherType, Hook, Mark, Message, ModeRequest, PacketId, PacketMetadata,
    PortId, Timestamp, Verdict, VerdictRequest,
};
use ipq_core::{Handle, Transport, TransportError, Wait};
use std::fmt::{self, Write};
use std::hint::black_box;
use std::io::IoSlice;

/// A writer that takes text and keeps none of it.
struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        black_box(text);
        Ok(())
    }
}

fn allocations(work: impl FnOnce()) -> u64 {
    measure(work).count_total
}

fn metadata() -> PacketMetadata {
    PacketMetadata {
        packet_id: PacketId(7),
        mark: Mark(1),
        timestamp: Timestamp::default(),
        hook: Hook::Forward,
        indev_name: "eth0".parse().expect("a name"),
        outdev_name: "eth1".parse().expect("a name"),
        hw_protocol: EtherType::IPV4,
        hw_type: 1,
        hw_address: [2, 0, 0, 0, 0, 1].into(),
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(vec![1_u8]))), 1);
}

#[test]
fn reading_any_message_allocates_nothing() {
    for abi in Abi::ALL {
        let metadata = metadata();
        let request = VerdictRequest {
            verdict: Verdict::Accept,
            packet_id: PacketId(7),
            data_len: 1400,
        };
        let envelope = Envelope::request(PortId(1));
        let mode = ModeRequest {
            mode: CopyMode::Packet,
            range: 0,
        };
        let payload = [0x45; 1400];
        let frames = [
            [&metadata.head(abi, payload.len()), &payload[..]].concat(),
            [&request.head(abi, envelope, payload.len()), &payload[..]].concat(),
            [&ErrorMessage::head(-2, abi, envelope, payload.len()), &payload[..]].concat(),
            mode.head(abi, envelope).to_vec(),
            vec![0xff; 100],
            vec![],
        ];
        for frame in frames {
            for length in 0..=frame.len() {
                let counted = allocations(|| {
                    if let Ok(Message::Packet(packet)) = black_box(Message::parse(&frame[..length], abi)) {
                        black_box(packet.metadata());
                    }
                });
                assert_eq!(counted, 0);
            }
        }
        let counted = allocations(|| {
            black_box(metadata.head(abi, 1400));
            black_box(request.head(abi, envelope, 1400));
            black_box(ErrorMessage::head(-2, abi, envelope, 1400));
            black_box(mode.head(abi, envelope));
        });
        assert_eq!(counted, 0);
        let counted = allocations(|| {
            write!(
                Nowhere,
                "{metadata:?} {request:?} {:?} {}",
                mode.head(abi, envelope),
                metadata.indev_name
            )
            .expect("nothing refuses the text");
        });
        assert_eq!(counted, 0);
    }
}

/// A transport that brings the same frame at each receive, and accepts everything that is sent.
struct Endless(Vec<u8>);

impl Transport for Endless {
    fn port_id(&self) -> PortId {
        PortId(1)
    }
    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        Ok(parts.iter().map(|part| part.len()).sum())
    }
    fn receive(&self, buffer: &mut [u8], _: Wait) -> Result<Datagram, TransportError> {
        let copied = self.0.len().min(buffer.len());
        buffer[..copied].copy_from_slice(&self.0[..copied]);
        Ok(Datagram {
            copied,
            length: self.0.len(),
            sender: PortId::KERNEL,
        })
    }
    fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError> {
        Ok(bytes)
    }
    fn set_no_enobufs(&self, _: bool) -> Result<(), TransportError> {
        Ok(())
    }
}

#[test]
fn a_packet_and_its_verdict_allocate_nothing() {
    let payload = [0x45; 1400];
    let frame = [&metadata().head(Abi::NATIVE, payload.len()), &payload[..]].concat();
    let handle = Handle::new(Endless(frame));
    let mut buffer = [0; 2048];
    let counted = allocations(|| {
        for length in [2048, 100, 10] {
            let message = handle.read(&mut buffer[..length], Wait::Forever);
            if let Ok(Message::Packet(packet)) = message {
                let id = packet.packet_id();
                black_box(handle.set_verdict(id, Verdict::Accept, None)).expect("everything is taken");
                black_box(handle.set_verdict(id, Verdict::Accept, Some(&payload))).expect("everything is taken");
            }
        }
    });
    assert_eq!(counted, 0);
}

#[test]
fn many_packets_and_their_verdicts_allocate_nothing() {
    let payload = [0x45; 1400];
    let frame = [&metadata().head(Abi::NATIVE, payload.len()), &payload[..]].concat();
    let handle = Handle::new(Endless(frame));
    let mut buffers = Buffers::new(70, 2048);
    let counted = allocations(|| {
        let messages = handle.read_many(&mut buffers, Wait::Forever).expect("messages");
        let decisions = messages.filter_map(|message| match message {
            Ok(Message::Packet(packet)) => Some(Decision {
                replacement: Some(&payload),
                ..Decision::new(packet.packet_id(), Verdict::Accept)
            }),
            _ => None,
        });
        let sent = handle.set_verdicts(decisions, |decision, error| panic!("{decision:?}: {error}"));
        assert_eq!(sent, 70);
    });
    assert_eq!(counted, 0);
}
