//! The frames of the vectors. Their fields are written down here, and their bytes follow from the
//! layout.

use super::layout;
use ipq_core::wire::{
    Abi, Envelope, ErrorMessage, EtherType, Flags, HardwareAddress, Header, InterfaceName, Mark, MessageType,
    ModeRequest, PacketMetadata, Timestamp, VerdictRequest, WordSize, padding,
};
use ipq_core::{CopyMode, Hook, PacketId, PortId, Verdict};
use serde_json::{Value, json};

/// Returns all vectors of one layout.
pub(super) fn of(abi: Abi) -> Vec<Value> {
    let mut samples = Samples {
        abi,
        vectors: Vec::new(),
    };
    samples.packets();
    samples.modes();
    samples.verdicts();
    samples.errors();
    samples.others();
    samples.refused();
    samples.vectors
}

struct Samples {
    abi: Abi,
    vectors: Vec<Value>,
}

impl Samples {
    fn add(&mut self, name: &str, bytes: &[u8]) {
        let (word_bytes, byte_order) = layout(self.abi);
        let mut vector = json!({
            "name": format!("{name} ({word_bytes} {byte_order})"),
            "word_bytes": word_bytes,
            "byte_order": byte_order,
            "hex": hex::encode(bytes),
        });
        if let Value::Object(vector) = &mut vector {
            vector.extend(super::read(bytes, self.abi));
        }
        self.vectors.push(vector);
    }

    /// Returns the largest number that a word holds.
    const fn most(&self) -> u64 {
        match self.abi.word {
            WordSize::Four => u32::MAX as u64,
            WordSize::Eight => u64::MAX,
        }
    }

    fn packet(&self, metadata: &PacketMetadata, payload: &[u8]) -> Vec<u8> {
        let head = metadata.head(self.abi, payload.len());
        let pad = [0xee; 3];
        [&head, payload, &pad[..padding(payload.len())]].concat()
    }

    fn packets(&mut self) {
        let payload: Vec<u8> = (0x40..0x55).collect();
        let plain = plain();
        self.add("packet without payload", &self.packet(&plain, &[]));
        for length in [1, 2, 3, 4, 20, 21] {
            let frame = self.packet(&plain, &payload[..length]);
            self.add(&format!("packet with {length} bytes of payload"), &frame);
        }
        for (name, metadata) in extremes(self.most()) {
            self.add(&format!("packet, {name}"), &self.packet(&metadata, &payload));
        }
        for number in 0..5 {
            let metadata = PacketMetadata {
                hook: Hook::from_wire(number),
                ..plain
            };
            self.add(&format!("packet at hook {number}"), &self.packet(&metadata, &payload));
        }
        let mut two = self.packet(&plain, &payload);
        two.extend_from_slice(&two.clone());
        self.add("packet with another message after it", &two);
    }

    fn modes(&mut self) {
        let most = self.most();
        for (name, mode, range) in [
            ("NONE", CopyMode::None, 0),
            ("META", CopyMode::Meta, 0),
            ("PACKET", CopyMode::Packet, 0),
            ("PACKET, range 65535", CopyMode::Packet, 65535),
            ("PACKET, the largest range", CopyMode::Packet, most),
            ("unknown", CopyMode::Unknown(7), 1),
        ] {
            let frame = ModeRequest { mode, range }.head(self.abi, Envelope::request(PortId(4242)));
            self.add(&format!("mode {name}"), &frame);
        }
        let mode = ModeRequest {
            mode: CopyMode::Packet,
            range: 1500,
        };
        let acknowledged = Envelope {
            flags: Flags(5),
            sequence: 7,
            port_id: PortId(u32::MAX),
        };
        self.add("mode, to be acknowledged", &mode.head(self.abi, acknowledged));
        // A MODE message of the original libipq is 16 bytes longer than its structure (WIRE-7).
        let mut long = mode.head(self.abi, Envelope::request(PortId(4242))).to_vec();
        long.extend_from_slice(&[0xee; 16]);
        let length = long.len();
        self.add("mode with 16 bytes too many", &self.with_length(long, length as u32));
    }

    fn verdicts(&mut self) {
        let most = self.most();
        let envelope = Envelope::request(PortId(4242));
        for value in [0, 1, 2, 3, 4, 5, 6, 0x1_0001, u32::MAX] {
            let frame = verdict(value, 77, 0).head(self.abi, envelope, 0);
            self.add(&format!("verdict {value}"), &frame);
        }
        self.add(
            "verdict on the largest packet id",
            &verdict(1, most, 0).head(self.abi, envelope, 0),
        );
        for (name, stated) in [
            ("its length", 5),
            ("a length too short", 4),
            ("the largest length", most),
        ] {
            let head = verdict(1, 77, stated).head(self.abi, envelope, 5);
            let frame = [&head[..], &[1, 2, 3, 4, 5]].concat();
            self.add(&format!("verdict with a replacement and {name}"), &frame);
        }
    }

    fn errors(&mut self) {
        let request = verdict(1, 77, 3).head(self.abi, Envelope::request(PortId(4242)), 3);
        let request = [&request[..], &[1, 2, 3]].concat();
        let envelope = Envelope {
            flags: Flags(0),
            sequence: 9,
            port_id: PortId(4242),
        };
        for error in [0, -1, -2, -16, -22, -70, 5] {
            let quoted = if error == 0 {
                &request[..Header::BYTES]
            } else {
                &request
            };
            let head = ErrorMessage::head(error, self.abi, envelope, quoted.len());
            let pad = [0; 3];
            let frame = [&head[..], quoted, &pad[..padding(quoted.len())]].concat();
            self.add(&format!("error {error}"), &frame);
        }
    }

    fn others(&mut self) {
        for number in [0, 1, 0x10, 0x14, u16::MAX] {
            self.add(&format!("type {number}"), &self.frame(number, &[1, 2, 3, 4]));
        }
        self.add("type 3 without a body", &self.frame(3, &[]));
    }

    fn refused(&mut self) {
        let whole = self.packet(&plain(), &[1, 2, 3, 4]);
        for length in [0, 1, 15] {
            self.add(&format!("{length} bytes"), &whole[..length]);
        }
        for stated in [0, 15, whole.len() as u32 + 1, u32::MAX] {
            let frame = self.with_length(whole.clone(), stated);
            self.add(&format!("packet whose header says {stated} bytes"), &frame);
        }
        self.add("packet, cut", &whole[..whole.len() - 1]);
        let fixed = self.abi.packet_message_bytes();
        self.add("packet with half a body", &self.frame(0x13, &vec![0; fixed - 1]));
        let request = self.abi.request_bytes();
        for (name, number, needed) in [("mode", 0x11, request), ("verdict", 0x12, request), ("error", 2, 20)] {
            self.add(&format!("{name} without a body"), &self.frame(number, &[]));
            self.add(
                &format!("{name} with half a body"),
                &self.frame(number, &vec![0; needed - 1]),
            );
        }
        // The frame's data_len announces four bytes, and its header's length ends the message
        // before them.
        let cut = self.with_length(whole[..whole.len() - 4].to_vec(), whole.len() as u32 - 4);
        self.add("packet whose data_len is too large", &cut);
        let mut address = whole;
        address[Header::BYTES + 4 * self.abi.word_bytes() + 40] = 9;
        self.add("packet with a hardware address of nine bytes", &address);
    }

    fn frame(&self, number: u16, body: &[u8]) -> Vec<u8> {
        let header = Header {
            length: (Header::BYTES + body.len()) as u32,
            message_type: MessageType::from_wire(number),
            flags: Flags(0),
            sequence: 0,
            port_id: PortId(0),
        };
        [&header.write(self.abi)[..], body].concat()
    }

    fn with_length(&self, mut frame: Vec<u8>, stated: u32) -> Vec<u8> {
        if let Some(header) = Header::parse(&frame, self.abi) {
            let header = Header {
                length: stated,
                ..header
            };
            frame[..Header::BYTES].copy_from_slice(&header.write(self.abi));
        }
        frame
    }
}

/// Returns twelve variants of the ordinary packet metadata, each with a name. Each variant has an
/// extreme or unusual value in one field, or in two that belong together. `most` is the largest
/// number that a word holds.
fn extremes(most: u64) -> [(&'static str, PacketMetadata); 12] {
    let plain = plain();
    [
        (
            "largest packet id",
            PacketMetadata {
                packet_id: PacketId(most),
                ..plain
            },
        ),
        (
            "largest mark",
            PacketMetadata {
                mark: Mark(most),
                ..plain
            },
        ),
        (
            "time before 1970",
            PacketMetadata {
                timestamp: time(-1, 999_999),
                ..plain
            },
        ),
        (
            "last second of 31 bits",
            PacketMetadata {
                timestamp: time(0x7fff_ffff, 0),
                ..plain
            },
        ),
        (
            "no timestamp",
            PacketMetadata {
                timestamp: time(0, 0),
                ..plain
            },
        ),
        (
            "unknown hook",
            PacketMetadata {
                hook: Hook::Unknown(9),
                ..plain
            },
        ),
        (
            "a name that fills its field",
            PacketMetadata {
                indev_name: InterfaceName::from_wire([b'x'; 16]),
                ..plain
            },
        ),
        (
            "no devices",
            PacketMetadata {
                indev_name: InterfaceName::NONE,
                outdev_name: InterfaceName::NONE,
                ..plain
            },
        ),
        (
            "no hardware address",
            PacketMetadata {
                hw_address: HardwareAddress::NONE,
                hw_type: 0,
                ..plain
            },
        ),
        (
            "a hardware address of eight bytes",
            PacketMetadata {
                hw_address: address(8, [9; 8]),
                ..plain
            },
        ),
        (
            "an EtherType whose bytes differ",
            PacketMetadata {
                hw_protocol: EtherType(0x86dd),
                ..plain
            },
        ),
        (
            "loopback",
            PacketMetadata {
                hw_type: 772,
                hw_address: address(6, [0; 8]),
                ..plain
            },
        ),
    ]
}

fn plain() -> PacketMetadata {
    let mut name = *b"tap0\0\0\0\0\0\0\0\0\0\0\0\0";
    let indev_name = InterfaceName::from_wire(name);
    name[3] = b'1';
    PacketMetadata {
        packet_id: PacketId(0x0102_0304),
        mark: Mark(0x0506),
        timestamp: time(1_700_000_000, 123_456),
        hook: Hook::Forward,
        indev_name,
        outdev_name: InterfaceName::from_wire(name),
        hw_protocol: EtherType(0x0800),
        hw_type: 1,
        hw_address: address(6, [2, 0, 0, 0, 0x20, 1, 0, 0]),
    }
}

const fn time(seconds: i64, microseconds: i64) -> Timestamp {
    Timestamp { seconds, microseconds }
}

/// Returns the hardware address of `length` bytes at the beginning of `field`; no address if
/// `length` is over 8.
fn address(length: u8, field: [u8; 8]) -> HardwareAddress {
    HardwareAddress::from_wire(length, field).unwrap_or(HardwareAddress::NONE)
}

const fn verdict(value: u32, packet_id: u64, data_len: u64) -> VerdictRequest {
    VerdictRequest {
        verdict: Verdict::from_wire(value),
        packet_id: PacketId(packet_id),
        data_len,
    }
}
