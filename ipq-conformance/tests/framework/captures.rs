//! Compares the emulator with captures of a real kernel. A packet that arrived at the kernel is
//! injected into the emulator, and has to leave it with the bytes with which it left the kernel.

use ipq_conformance::recording::Embedded;
use ipq_conformance::suite::Subject;
use ipq_conformance::world::Setup;
use ipq_conformance::world::topology::{TAP0, TAP1};
use ipq_conformance::worlds::SimWorld;
use ipq_core::{Family, Verdict};
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};
use pretty_assertions::assert_eq;
use std::fs::File;
use std::path::Path;

/// Returns the frames of the capture `name`.
fn frames(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name);
    let file = File::open(path).expect("the capture is there");
    let mut reader = create_reader(1 << 16, file).expect("it is a capture");
    let mut frames = Vec::new();
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                match block {
                    PcapBlockOwned::Legacy(record) => frames.push(record.data.to_vec()),
                    PcapBlockOwned::NG(Block::EnhancedPacket(_)) => panic!("the captures are pcap, not pcapng"),
                    _ => {}
                }
                reader.consume(offset);
            }
            Err(PcapError::Eof) => return frames,
            Err(PcapError::Incomplete(_)) => reader.refill().expect("the rest can be read"),
            Err(error) => panic!("the capture is damaged: {error}"),
        }
    }
}

#[test]
fn captured_frames_are_forwarded_as_the_kernel_forwarded_them() {
    let (arrived, left) = (frames("forwarded-in.pcap"), frames("forwarded-out.pcap"));
    assert_eq!((arrived.len(), left.len()), (49, 49));
    let subject = Subject::begin(Box::new(SimWorld::default()), &Setup::default(), 0, None).expect("it begins");
    let sockets = Family::ALL.map(|family| subject.attach(family).expect("it attaches"));
    let mut queued = 0;
    for (arrived, left) in arrived.iter().zip(&left) {
        subject.inject_frame(&TAP0, arrived, 1).expect("it is taken");
        let family = if arrived[12] == 0x86 {
            Family::Ipv6
        } else {
            Family::Ipv4
        };
        if subject.proc(family).expect("there is a text").queue_length == 1 {
            let socket = &sockets[family as usize];
            let packet = socket.expect_packet().expect("it is queued");
            socket
                .verdict(packet.id(), Verdict::Accept)
                .expect("it can be accepted");
            queued += 1;
        }
        let sent = subject.expect_frame_sent(&TAP1, left);
        assert!(sent.is_ok(), "{:?}", sent.err());
    }
    assert!(queued > 40, "{queued} frames were queued");
}

#[test]
fn captured_frames_are_those_of_the_recordings() {
    for frame in frames("forwarded-in.pcap").iter().chain(&frames("forwarded-out.pcap")) {
        let digits = format!("\"{}\"", hex::encode(frame));
        assert!(Embedded::ALL.iter().any(|file| file.text.contains(&digits)), "{digits}");
    }
}
