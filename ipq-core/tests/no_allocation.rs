//! Reading and writing allocates nothing, whatever comes.

use allocation_counter::measure;
use ipq_core::wire::{
    Abi, CopyMode, Envelope, ErrorMessage, EtherType, Hook, Mark, Message, ModeRequest, PacketId, PacketMetadata,
    PortId, Timestamp, Verdict, VerdictRequest,
};
use std::fmt::{self, Write};
use std::hint::black_box;

/// Takes text and keeps none of it.
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

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(vec![1_u8]))), 1);
}

#[test]
fn reading_any_message_allocates_nothing() {
    for abi in Abi::ALL {
        let metadata = PacketMetadata {
            packet_id: PacketId(7),
            mark: Mark(1),
            timestamp: Timestamp::default(),
            hook: Hook::Forward,
            indev_name: "eth0".parse().expect("a name"),
            outdev_name: "eth1".parse().expect("a name"),
            hw_protocol: EtherType::IPV4,
            hw_type: 1,
            hw_address: [2, 0, 0, 0, 0, 1].into(),
        };
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
