//! Tests of the reading of captures and dumps, of the layout, and of the rules that frames break.

use super::*;
use crate::suite::{Packet, QueueRequest};
use ipq_core::wire::{ByteOrder, WordSize};
use ipq_sim::pcapng::{Block, link, netlink_header};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use rstest::rstest;

/// Returns the suite's sample frames ([`vectors`]) of one layout, each as its JSON description and
/// its bytes.
fn vectors_of(abi: Abi) -> Vec<(Value, Vec<u8>)> {
    let of_layout =
        |vector: &Value| vector["word_bytes"] == abi.word_bytes() && vector["byte_order"] == order_word(abi.order);
    let frame = |vector: &Value| hex::decode(vector["hex"].as_str().expect("it is text")).expect("it is hex");
    let vectors = vectors::all().into_iter().filter(of_layout);
    vectors.map(|vector| (vector.clone(), frame(&vector))).collect()
}

fn of_bytes(bytes: &[u8]) -> Frame {
    Frame {
        bytes: bytes.to_vec(),
        ..Frame::default()
    }
}

fn rules(frame: &Frame, abi: Abi) -> Vec<&'static str> {
    findings(frame, abi).iter().map(|finding| finding.rule).collect()
}

#[rstest]
fn the_layout_of_a_file_is_told_by_its_frames(
    #[values(Abi::LP64_LITTLE, Abi::LP64_BIG, Abi::ILP32_LITTLE, Abi::ILP32_BIG)] abi: Abi,
) {
    let frames: Vec<_> = vectors_of(abi).iter().map(|(_, bytes)| of_bytes(bytes)).collect();
    assert_eq!(layout(&frames, &Abi::ALL), abi);
    // A single packet message tells the layout, too.
    assert_eq!(layout(&frames[3..4], &Abi::ALL), abi);
}

#[rstest]
fn every_frame_that_a_parser_refuses_breaks_the_rule_of_its_vector(
    #[values(Abi::LP64_LITTLE, Abi::LP64_BIG, Abi::ILP32_LITTLE, Abi::ILP32_BIG)] abi: Abi,
) {
    for (vector, bytes) in vectors_of(abi) {
        let rules = rules(&of_bytes(&bytes), abi);
        let name = vector["name"].as_str().unwrap_or_default();
        let plain = [
            "packet with 20 bytes",
            "packet at hook",
            "mode PACKET",
            "verdict 1 ",
            "error with",
        ];
        if let Some(rule) = vector.get("rule") {
            assert!(rules.iter().any(|found| rule == found), "{name}: {rules:?}");
        } else if plain.iter().any(|begin| name.starts_with(begin)) {
            assert_eq!(rules, [""; 0], "{name}");
        }
    }
}

#[rstest]
fn the_fields_of_a_packet_are_where_the_parser_finds_them(
    #[values(Abi::LP64_LITTLE, Abi::LP64_BIG, Abi::ILP32_LITTLE, Abi::ILP32_BIG)] abi: Abi,
) {
    let (vector, bytes) = vectors_of(abi).remove(5);
    assert_eq!(vector["message"]["kind"], "packet");
    let payload = vector["message"]["payload"]
        .as_str()
        .map_or(0, |digits| digits.len() / 2);
    let fields = fields(&bytes, Kind::Netlink(abi));
    let value = |name: &str| {
        let field = fields.iter().find(|field| field.name == name).expect("it is there");
        field.value.clone()
    };
    assert_eq!(value("data_len"), payload.to_string());
    assert_eq!(value("hook"), "FORWARD");
    assert_eq!(
        value("timestamp_usec"),
        vector["message"]["timestamp_usec"].as_str().unwrap_or_default()
    );
}

/// The frame, in hexadecimal digits, that each dump of the next test shows.
const DUMPED: &str = "24000000120001000000000042420000010000000807060504030201000000000000000000000000";

#[rstest]
#[case::plain("24000000 12000100 0000000042420000 0100000008070605\n04030201000000000000000000000000")]
#[case::xxd(
    "00000000: 2400 0000 1200 0100 0000 0000 4242 0000  $...........BB..\n\
     00000010: 0100 0000 0807 0605 0403 0201 0000 0000  ................\n\
     00000020: 0000 0000 0000 0000                      ........\n"
)]
#[case::hexdump_c(
    "00000000  24 00 00 00 12 00 01 00  00 00 00 00 42 42 00 00  |$...........BB..|\n\
     00000010  01 00 00 00 08 07 06 05  04 03 02 01 00 00 00 00  |................|\n\
     00000020  00 00 00 00 00 00 00 00                           |........|\n00000028\n"
)]
#[case::hexdump(
    "0000000 0024 0000 0012 0001 0000 0000 4242 0000\n0000010 0001 0000 0708 0506 0304 0102 0000 0000\n\
     0000020 0000 0000 0000 0000\n0000028\n"
)]
#[case::od_octal(
    "0000000 24 00 00 00 12 00 01 00 00 00 00 00 42 42 00 00  >$...........BB..<\n\
     0000020 01 00 00 00 08 07 06 05 04 03 02 01 00 00 00 00  >................<\n\
     0000040 00 00 00 00 00 00 00 00                          >........<\n0000050\n"
)]
#[case::od_words(
    "000000 00000024 00010012 00000000 00004242\n000010 00000001 05060708 01020304 00000000\n000020 00000000 00000000\n000028"
)]
#[case::tcpdump(
    "\t0x0000:  2400 0000 1200 0100 0000 0000 4242 0000  $...........BB..\n\
     \t0x0010:  0100 0000 0807 0605 0403 0201 0000 0000  ................\n\t0x0020:  0000 0000 0000 0000                      ........"
)]
#[case::strace(
    r#"sendto(3, "\x24\x00\x00\x00\x12\x00\x01\x00\x00\x00\x00\x00\x42\x42\x00\x00\x01\x00\x00\x00\x08\x07\x06\x05\x04\x03\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 40, 0, NULL, 0) = 40"#
)]
fn a_dump_of_any_tool_is_read(#[case] text: &str) {
    let read = hexdump::frames(text.as_bytes()).expect("it can be read");
    let frames: Vec<_> = read.frames.iter().map(|frame| hex::encode(&frame.bytes)).collect();
    assert_eq!(frames, [DUMPED]);
}

/// A big-endian frame, dumped as plain words of 4 bytes, begins with its length, such as
/// `0000000c`. Neither this word nor the first word of a later line is taken for an offset.
#[rstest]
#[case::in_one_line("0000000c 00120001 00000000")]
#[case::in_lines("0000000c\n00120001\n00000000")]
#[case::after_a_dump_with_offsets("00000000 0c\n\n0000000c 00120001\n00000000")]
fn a_plain_dump_of_big_endian_words_has_no_offsets(#[case] text: &str) {
    let read = hexdump::frames(text.as_bytes()).expect("it can be read");
    let last = read.frames.last().expect("there is a frame");
    assert_eq!(hex::encode(&last.bytes), "0000000c0012000100000000");
}

#[test]
fn dumps_are_set_apart_by_offsets_or_empty_lines_and_stars_repeat() {
    let text = "# two frames\n0000000: 0102\n0000000: 0304\n\n05 06\n\n07";
    let read = hexdump::frames(text.as_bytes()).expect("it can be read");
    let frames: Vec<_> = read
        .frames
        .iter()
        .map(|frame| (frame.number, &frame.bytes[..]))
        .collect();
    assert_eq!(frames, [(1, &[1, 2][..]), (2, &[3, 4]), (3, &[5, 6]), (4, &[7])]);
    let row = "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00";
    let read = hexdump::frames(format!("00000000  {row}\n*\n00000040\n").as_bytes()).expect("it can be read");
    assert_eq!(read.frames[0].bytes, [0; 64]);
}

#[rstest]
#[case::a_text(
    "not a dump",
    "line 1: \"not\" is no pairs of hexadecimal digits: give a capture, or a dump of"
)]
#[case::a_missing_line(
    "00000000: 0102\n00000010: 0304",
    "line 2: the offset is 00000010, and 2 bytes came before: lines are missing"
)]
#[case::a_missing_first_line("00000010  01 02", "line 1: the offset is 00000010, and 0 bytes came before")]
#[case::a_missing_first_line_of_words("0000010 0201", "line 1: the offset is 0000010, and 0 bytes came before")]
#[case::a_star_without_end("00000000: 0102\n*\n7ffffff0: 00", "line 3: a frame has more than 1048576 bytes")]
#[case::half_of_a_string("read(3, \"\\x0\", 1)", "")]
#[case::other_escapes(
    "read(3, \"\\x00\\n\", 2)",
    "line 1: the string has more than \\x and two digits each"
)]
fn what_is_no_dump_is_refused_with_its_line(#[case] text: &str, #[case] words: &str) {
    match hexdump::frames(text.as_bytes()) {
        Err(problem) => assert!(problem.starts_with(words), "{problem}"),
        Ok(read) => assert!(words.is_empty(), "{read:?}"),
    }
}

/// Returns a capture with two interfaces: `message` on its way to the kernel, and a packet.
fn captured(message: &[u8]) -> Vec<u8> {
    let mut block = Block::default();
    let mut file = block.section("test").to_vec();
    file.extend_from_slice(block.interface("netlink", link::NETLINK, 6));
    file.extend_from_slice(block.interface("packets", link::ETHERNET, 6));
    block.packet(0, 1_500_000, &[&netlink_header(true, 3), message]);
    file.extend_from_slice(block.end());
    block.packet(1, 2_000_000, &[&Packet::udp4().frame()]);
    file.extend_from_slice(block.end());
    file
}

#[test]
fn a_capture_is_read_with_times_directions_and_protocols() {
    let message = hex::decode(DUMPED).expect("it is hex");
    let file = captured(&message);
    assert!(capture::begins(&file));
    let read = capture::frames(&file).expect("it can be read");
    let expected = Frame {
        number: 1,
        time: Some(Duration::from_millis(1500)),
        to_kernel: Some(true),
        protocol: Some(3),
        bytes: message,
        cut: None,
    };
    assert_eq!((&read.frames[..], read.others, read.damage), (&[expected][..], 1, None));
}

#[test]
fn a_capture_that_ends_early_gives_what_comes_before() {
    let message = hex::decode(DUMPED).expect("it is hex");
    let file = captured(&message);
    let read = capture::frames(&file[..file.len() - 8]).expect("its header is whole");
    assert_eq!(read.frames.len(), 1);
    let damage = read.damage.expect("the last record is cut");
    assert!(damage.contains("after number 1"), "{damage}");
}

#[test]
fn a_record_that_was_captured_in_part_breaks_no_rule() {
    // The classic format: 56 bytes were there, and 40 were kept.
    let message = hex::decode(DUMPED).expect("it is hex");
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 40, 253, 7, 8, 40, 56] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&netlink_header(false, 3));
    file.extend_from_slice(&message[..24]);
    let read = capture::frames(&file).expect("it can be read");
    let frame = &read.frames[0];
    assert!(frame.cut.is_some() && frame.to_kernel == Some(false), "{frame:?}");
    assert_eq!(findings(frame, Abi::LP64_LITTLE), []);
}

#[rstest]
#[case::good(|frame: &mut Vec<u8>| frame.truncate(40), &[])]
#[case::too_short(|frame: &mut Vec<u8>| { frame.truncate(20); frame[0] = 20; }, &["MSG-7"])]
#[case::no_request_flag(|frame: &mut Vec<u8>| frame[6] = 0, &["MSG-2"])]
#[case::multi(|frame: &mut Vec<u8>| frame[6] = 3, &["MSG-2"])]
#[case::truncated(|frame: &mut Vec<u8>| frame[6] = 0x21, &["MSG-3"])]
#[case::kernel_port(|frame: &mut Vec<u8>| frame[12..16].fill(0), &["MSG-2"])]
#[case::unknown_type(|frame: &mut Vec<u8>| frame[4] = 0x14, &["MSG-4"])]
#[case::packet(|frame: &mut Vec<u8>| frame[4] = 0x13, &["MSG-9", "WIRE-2"])]
#[case::stolen(|frame: &mut Vec<u8>| frame[16] = 2, &["VER-1"])]
#[case::two_messages(|frame: &mut Vec<u8>| frame.extend([0; 16]), &["MSG-11"])]
#[case::length(|frame: &mut Vec<u8>| frame[0] = 60, &["MSG-1"])]
#[case::cut(|frame: &mut Vec<u8>| frame.truncate(9), &["MSG-1"])]
fn a_verdict_that_is_damaged_breaks_its_rule(#[case] damage: fn(&mut Vec<u8>), #[case] expected: &[&str]) {
    let mut bytes = hex::decode(DUMPED).expect("it is hex");
    bytes[0] = 40;
    damage(&mut bytes);
    let frame = Frame {
        to_kernel: Some(true),
        protocol: Some(3),
        ..of_bytes(&bytes)
    };
    assert_eq!(rules(&frame, Abi::LP64_LITTLE), expected);
}

#[rstest]
#[case::good(QueueRequest::verdict(3, 1, 7), &[])]
#[case::a_verdict_that_is_none(QueueRequest::verdict(3, 9, 7), &["NFQ-61"])]
#[case::no_verdict(QueueRequest::new(0x0301, 3), &["NFQ-60"])]
#[case::unknown_message(QueueRequest::new(0x0307, 3), &["NFQ-47"])]
#[case::no_command(QueueRequest::config(3).command(9), &["NFQ-26"])]
#[case::bind(QueueRequest::bind(3), &[])]
fn messages_for_numbered_queues_are_known(#[case] request: QueueRequest, #[case] expected: &[&str]) {
    let bytes = request.bytes();
    assert_eq!(rules(&of_bytes(&bytes), Abi::NATIVE), expected);
    let two = [&bytes[..], &bytes[..]].concat();
    assert_eq!(rules(&of_bytes(&two), Abi::NATIVE).len(), 2 * expected.len());
    let numbers = fields(&two, Kind::Netlink(Abi::NATIVE));
    let queues = numbers
        .iter()
        .filter(|field| (&*field.name, &*field.value) == ("queue", "3"));
    assert_eq!(queues.count(), 2);
}

#[test]
fn numbered_queues_of_a_big_endian_machine_are_known() {
    // VERDICT_HDR and MARK for queue 3.
    let frame = "00000028 0301 0001 00000009 00001092 02 00 0003 000c 0002 00000001 00000007 0008 0003 00000005";
    let bytes = hex::decode(frame.replace(' ', "")).expect("it is hex");
    let abi = layout(&[of_bytes(&bytes)], &Abi::ALL);
    assert_eq!(abi.order, ByteOrder::Big);
    assert_eq!(
        summary(&bytes, abi),
        "VERDICT for a numbered queue 3: VERDICT_HDR ACCEPT 7, MARK 0x5 (flags 0x1, sequence 9, port id 4242)"
    );
    assert_eq!(rules(&of_bytes(&bytes), abi), [""; 0]);
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), magic in any::<bool>()) {
        let mut bytes = bytes;
        if magic {
            bytes.splice(0..0, [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]);
        }
        let read = if capture::begins(&bytes) { capture::frames(&bytes) } else { hexdump::frames(&bytes) };
        let _ = read.map(|read| explain_all(&read.frames));
    }

    #[test]
    fn no_text_makes_it_panic(text in "([0-9a-f]{1,9}[ :\n]?|\\\\x[0-9a-f]{2}|\"|\\*\n|0000000 |[|(>#é])*") {
        let _ = hexdump::frames(text.as_bytes()).map(|read| explain_all(&read.frames));
    }

    #[test]
    fn no_damage_of_a_frame_makes_it_panic(
        index in 0..304_usize, at in any::<proptest::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
        to_kernel in any::<Option<bool>>(), protocol in proptest::option::of(0_u16..16),
    ) {
        let vector = &vectors::all()[index];
        let mut bytes = hex::decode(vector["hex"].as_str().unwrap_or_default()).expect("it is hex");
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
        }
        explain_all(&[Frame { to_kernel, protocol, ..of_bytes(&bytes) }]);
    }

    #[test]
    fn no_attributes_make_it_panic(
        kind in 0x02ff_u16..0x0306, order in any::<bool>(), body in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let length = 16 + body.len() as u32;
        let mut bytes = if order { length.to_be_bytes() } else { length.to_le_bytes() }.to_vec();
        bytes.extend(if order { kind.to_be_bytes() } else { kind.to_le_bytes() });
        bytes.extend([0; 10]);
        bytes.extend(body);
        explain_all(&[of_bytes(&bytes)]);
    }
}

/// Explains each frame as text and as JSON in every layout, and checks that its named fields have
/// as many bytes together as the frame.
fn explain_all(frames: &[Frame]) {
    for word in [WordSize::Four, WordSize::Eight] {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let abi = Abi { word, order };
            for frame in frames {
                let findings = findings(frame, abi);
                write_human(&mut io::sink(), frame, abi, &findings).expect("nothing is written");
                let named: usize = fields(&frame.bytes, Kind::Netlink(abi))
                    .iter()
                    .map(|field| field.at.len())
                    .sum();
                assert_eq!(named, frame.bytes.len(), "each byte has one name");
                let _ = to_json(frame, abi, &findings);
            }
        }
    }
    let _ = layout(frames, &Abi::ALL);
}
