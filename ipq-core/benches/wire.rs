//! Benchmarks of reading and writing messages. Next to them, code that is written by hand and uses
//! nothing but offsets reads a packet and writes a verdict.
//!
//! `cargo bench -p ipq-core --bench wire`. The goal: reading a PACKET frame with all its fields
//! takes at most 10 ns, and at most 1.2 times what the reader by hand takes.

use ipq_core::wire::{
    Abi, Envelope, EtherType, Hook, Mark, Message, PacketId, PacketMetadata, PortId, Timestamp, Verdict, VerdictRequest,
};

fn main() {
    divan::main();
}

const ABI: Abi = Abi::NATIVE;
const PAYLOAD: [u8; 1400] = [0x45; 1400];
const ENVELOPE: Envelope = Envelope::request(PortId(4242));

fn metadata() -> PacketMetadata {
    PacketMetadata {
        packet_id: PacketId(0x0e73_0b40),
        mark: Mark(0),
        timestamp: Timestamp {
            seconds: 1_795_499_403,
            microseconds: 143_120,
        },
        hook: Hook::Forward,
        indev_name: "tap0".parse().expect("a name"),
        outdev_name: "tap1".parse().expect("a name"),
        hw_protocol: EtherType::IPV4,
        hw_type: 1,
        hw_address: [2, 0, 0, 0, 0x20, 1].into(),
    }
}

const VERDICT: VerdictRequest = VerdictRequest {
    verdict: Verdict::Accept,
    packet_id: PacketId(0x0e73_0b40),
    data_len: 0,
};

fn packet_frame() -> Vec<u8> {
    [&metadata().head(ABI, PAYLOAD.len()), &PAYLOAD[..]].concat()
}

/// Reads a packet with all its fields and its payload. Returns `None` if the frame is no right
/// PACKET message.
#[inline]
fn whole_packet(frame: &[u8], abi: Abi) -> Option<(PacketMetadata, &[u8])> {
    match Message::parse(frame, abi) {
        Ok(Message::Packet(packet)) => Some((packet.metadata(), packet.payload())),
        _ => None,
    }
}

// `black_box(&…)` shows the optimizer a result where it lies. Returning the result would copy it,
// and the benchmark would measure the copy, too.

mod read {
    use super::{ABI, ENVELOPE, PAYLOAD, VERDICT, by_hand, metadata, packet_frame, whole_packet};
    use divan::{Bencher, black_box};
    use ipq_core::wire::{Abi, ErrorMessage, Message};

    #[divan::bench]
    fn packet(bencher: Bencher<'_, '_>) {
        let frame = packet_frame();
        bencher.bench_local(|| {
            black_box(&whole_packet(black_box(&frame), ABI));
        });
    }

    #[divan::bench]
    fn packet_by_hand(bencher: Bencher<'_, '_>) {
        let frame = packet_frame();
        bencher.bench_local(|| {
            black_box(&by_hand::packet(black_box(&frame)));
        });
    }

    /// Reads only the packet id and the payload, which is what most programs ask for.
    #[divan::bench]
    fn packet_id_and_payload(bencher: Bencher<'_, '_>) {
        let frame = packet_frame();
        bencher.bench_local(|| {
            if let Ok(Message::Packet(packet)) = Message::parse(black_box(&frame), ABI) {
                black_box(&(packet.packet_id(), packet.payload()));
            }
        });
    }

    /// Reads a packet in an ABI that is not known at compile time, as with recordings.
    #[divan::bench(args = Abi::ALL)]
    fn packet_of_any_abi(bencher: Bencher<'_, '_>, abi: Abi) {
        let frame = [&metadata().head(abi, PAYLOAD.len()), &PAYLOAD[..]].concat();
        bencher.bench_local(|| {
            black_box(&whole_packet(black_box(&frame), black_box(abi)));
        });
    }

    #[divan::bench]
    fn error(bencher: Bencher<'_, '_>) {
        let verdict = VERDICT.head(ABI, ENVELOPE, 0);
        let frame = [&ErrorMessage::head(-2, ABI, ENVELOPE, verdict.len()), &verdict[..]].concat();
        bencher.bench_local(|| {
            if let Ok(Message::Error(error)) = Message::parse(black_box(&frame), ABI) {
                black_box(&error);
            }
        });
    }

    #[divan::bench]
    fn verdict(bencher: Bencher<'_, '_>) {
        let frame = VERDICT.head(ABI, ENVELOPE, 0);
        bencher.bench_local(|| {
            if let Ok(Message::Verdict(request, _)) = Message::parse(black_box(&frame), ABI) {
                black_box(&request);
            }
        });
    }
}

mod write {
    use super::{ABI, ENVELOPE, VERDICT, by_hand, metadata};
    use divan::{Bencher, black_box};
    use ipq_core::wire::{CopyMode, ErrorMessage, ModeRequest};

    #[divan::bench]
    fn packet(bencher: Bencher<'_, '_>) {
        let metadata = metadata();
        bencher.bench_local(|| {
            black_box(&black_box(&metadata).head(ABI, black_box(1400)));
        });
    }

    #[divan::bench]
    fn mode(bencher: Bencher<'_, '_>) {
        let request = ModeRequest {
            mode: CopyMode::Packet,
            range: 65_535,
        };
        bencher.bench_local(|| {
            black_box(&black_box(&request).head(ABI, black_box(ENVELOPE)));
        });
    }

    #[divan::bench]
    fn verdict(bencher: Bencher<'_, '_>) {
        bencher.bench_local(|| {
            black_box(&black_box(&VERDICT).head(ABI, black_box(ENVELOPE), black_box(0)));
        });
    }

    #[divan::bench]
    fn verdict_by_hand(bencher: Bencher<'_, '_>) {
        bencher.bench_local(|| {
            black_box(&by_hand::verdict(black_box(1), black_box(0x0e73_0b40), black_box(4242)));
        });
    }

    #[divan::bench]
    fn error(bencher: Bencher<'_, '_>) {
        bencher.bench_local(|| {
            black_box(&ErrorMessage::head(
                black_box(-2),
                ABI,
                black_box(ENVELOPE),
                black_box(40),
            ));
        });
    }
}

/// Code as a program would write it by hand: it knows one ABI, that of this machine, and checks
/// nothing but the lengths and the message type.
mod by_hand {
    const WORD: usize = size_of::<usize>();
    const FIXED: usize = if WORD == 8 { 96 } else { 72 };

    /// All fields of a PACKET frame. Names and link-layer addresses stay bytes.
    #[expect(dead_code, reason = "what is read is not looked at: the reading is measured")]
    pub(super) struct Packet<'a> {
        id: usize,
        mark: usize,
        seconds: isize,
        microseconds: isize,
        hook: u32,
        indev_name: [u8; 16],
        outdev_name: [u8; 16],
        hw_protocol: u16,
        hw_type: u16,
        hw_addrlen: u8,
        hw_addr: [u8; 8],
        payload: &'a [u8],
    }

    fn array<const N: usize>(bytes: &[u8; FIXED], at: usize) -> [u8; N] {
        bytes[at..at + N].try_into().expect("the length is N")
    }

    pub(super) fn packet(frame: &[u8]) -> Option<Packet<'_>> {
        let (header, rest) = frame.split_first_chunk::<16>()?;
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if length > frame.len() || u16::from_ne_bytes([header[4], header[5]]) != 0x13 {
            return None;
        }
        let rest = rest.get(..length.checked_sub(16)?)?;
        let (fixed, payload) = rest.split_first_chunk::<FIXED>()?;
        let after_timestamp = 4 * WORD;
        Some(Packet {
            id: usize::from_ne_bytes(array(fixed, 0)),
            mark: usize::from_ne_bytes(array(fixed, WORD)),
            seconds: isize::from_ne_bytes(array(fixed, 2 * WORD)),
            microseconds: isize::from_ne_bytes(array(fixed, 3 * WORD)),
            hook: u32::from_ne_bytes(array(fixed, after_timestamp)),
            indev_name: array(fixed, after_timestamp + 4),
            outdev_name: array(fixed, after_timestamp + 20),
            hw_protocol: u16::from_be_bytes(array(fixed, after_timestamp + 36)),
            hw_type: u16::from_ne_bytes(array(fixed, after_timestamp + 38)),
            hw_addrlen: fixed[after_timestamp + 40],
            hw_addr: array(fixed, after_timestamp + 41),
            payload: payload.get(..usize::from_ne_bytes(array(fixed, FIXED - WORD)))?,
        })
    }

    /// Writes a verdict without a payload, for example ACCEPT.
    pub(super) fn verdict(verdict: u32, packet_id: usize, port_id: u32) -> [u8; 16 + 3 * WORD] {
        let mut frame = [0; 16 + 3 * WORD];
        let length = frame.len() as u32;
        frame[..4].copy_from_slice(&length.to_ne_bytes());
        frame[4..6].copy_from_slice(&0x12_u16.to_ne_bytes());
        frame[6..8].copy_from_slice(&1_u16.to_ne_bytes());
        frame[12..16].copy_from_slice(&port_id.to_ne_bytes());
        frame[16..20].copy_from_slice(&verdict.to_ne_bytes());
        frame[16 + WORD..16 + 2 * WORD].copy_from_slice(&packet_id.to_ne_bytes());
        frame
    }
}
