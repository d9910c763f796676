//! Messages of nfnetlink's queues, made by hand, and a table of some that no kernel sends. Tests of
//! other packages include this file, too.

use super::ParseError::{self, *};

const PACKET: u16 = 0x0300;
const VERDICT: u16 = 0x0301;

/// Returns messages that no kernel sends to the program that listens to queue 7, each with a name
/// and the error that it gets.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(crate) fn malformed() -> Vec<(&'static str, Vec<u8>, ParseError)> {
    vec![
        // The datagram and its header.
        ("nothing", vec![], NoHeader { found: 0 }),
        ("one byte", vec![0], NoHeader { found: 1 }),
        ("a header but one byte", vec![0; 15], NoHeader { found: 15 }),
        (
            "length 0",
            stating(packet(&[]), 0),
            MessageLength { stated: 0, found: 32 },
        ),
        (
            "length 15",
            stating(packet(&[]), 15),
            MessageLength { stated: 15, found: 32 },
        ),
        (
            "length one more",
            stating(packet(&[]), 33),
            MessageLength { stated: 33, found: 32 },
        ),
        (
            "length of all ones",
            stating(packet(&[]), u32::MAX),
            MessageLength {
                stated: u32::MAX,
                found: 32,
            },
        ),
        (
            "a second message",
            [packet(&[]), packet(&[])].concat(),
            TrailingBytes { count: 32 },
        ),
        (
            "more than padding",
            resized(packet(&[]), 36, false),
            TrailingBytes { count: 4 },
        ),
        (
            "of type 0",
            message(0, 0, 0, &[0; 16]),
            UnknownMessage { message_type: 0 },
        ),
        (
            "the end of a dump",
            message(3, 0, 0, &[0; 4]),
            UnknownMessage { message_type: 3 },
        ),
        (
            "a verdict",
            message(VERDICT, 0, 0, &[0; 16]),
            UnknownMessage { message_type: VERDICT },
        ),
        (
            "another subsystem",
            message(0x0100, 0, 0, &[0; 16]),
            UnknownMessage { message_type: 0x0100 },
        ),
        // A packet's headers.
        (
            "a packet of a header",
            message(PACKET, 0, 0, &[]),
            MessageTooShort {
                message_type: PACKET,
                needed: 20,
                found: 16,
            },
        ),
        (
            "a packet of 19 bytes",
            message(PACKET, 0, 0, &[2, 0, 0]),
            MessageTooShort {
                message_type: PACKET,
                needed: 20,
                found: 19,
            },
        ),
        (
            "no attributes",
            message(PACKET, 0, 0, &body(2, &[])),
            MissingAttribute { attribute: 1 },
        ),
        (
            "no packet header",
            message(PACKET, 0, 0, &body(2, &[attribute(10, &[1; 20])])),
            MissingAttribute { attribute: 1 },
        ),
        (
            "another queue",
            message(PACKET, 0, 0, &[&[2, 0, 0, 8], &packet_header(1, 0, 1)[..]].concat()),
            WrongQueue { stated: 8, bound: 7 },
        ),
        // Attributes.
        (
            "one byte of an attribute",
            resized(packet(&[]), 33, true),
            NoAttributeHeader { at: 32, left: 1 },
        ),
        (
            "three bytes of an attribute",
            resized(packet(&[]), 35, true),
            NoAttributeHeader { at: 32, left: 3 },
        ),
        (
            "attribute length 0",
            packet(&[attribute_of(0, 3, &[])]),
            AttributeLength {
                attribute: 3,
                stated: 0,
                left: 4,
            },
        ),
        (
            "attribute length 3",
            packet(&[attribute_of(3, 3, &[0; 4])]),
            AttributeLength {
                attribute: 3,
                stated: 3,
                left: 8,
            },
        ),
        (
            "attribute one too long",
            packet(&[attribute_of(9, 3, &[0; 4])]),
            AttributeLength {
                attribute: 3,
                stated: 9,
                left: 8,
            },
        ),
        (
            "attribute of all ones",
            packet(&[attribute_of(0xffff, 0xffff, &[0; 4])]),
            AttributeLength {
                attribute: 0x3fff,
                stated: 0xffff,
                left: 8,
            },
        ),
        (
            "an unknown one too long",
            packet(&[attribute_of(12, 999, &[0; 4])]),
            AttributeLength {
                attribute: 999,
                stated: 12,
                left: 8,
            },
        ),
        (
            "a second header",
            packet(&[packet_header(1, 0, 1)]),
            DuplicateAttribute { attribute: 1 },
        ),
        (
            "two marks",
            packet(&[attribute(3, &[0; 4]), attribute(3, &[0; 4])]),
            DuplicateAttribute { attribute: 3 },
        ),
        (
            "two unknown ones",
            packet(&[attribute(40, &[]), attribute(40, &[])]),
            DuplicateAttribute { attribute: 40 },
        ),
        (
            "a nested mark and a plain one",
            packet(&[attribute(0x8003, &[0; 4]), attribute(3, &[0; 4])]),
            DuplicateAttribute { attribute: 3 },
        ),
        (
            "a short header",
            message(PACKET, 0, 0, &body(2, &[attribute(1, &[0; 6])])),
            AttributeSize {
                attribute: 1,
                expected: 7,
                found: 6,
            },
        ),
        (
            "a long header",
            message(PACKET, 0, 0, &body(2, &[attribute(1, &[0; 8])])),
            AttributeSize {
                attribute: 1,
                expected: 7,
                found: 8,
            },
        ),
        (
            "an empty mark",
            packet(&[attribute(3, &[])]),
            AttributeSize {
                attribute: 3,
                expected: 4,
                found: 0,
            },
        ),
        (
            "an odd mark",
            packet(&[attribute(3, &[0; 3])]),
            AttributeSize {
                attribute: 3,
                expected: 4,
                found: 3,
            },
        ),
        (
            "a long mark",
            packet(&[attribute(3, &[0; 8])]),
            AttributeSize {
                attribute: 3,
                expected: 4,
                found: 8,
            },
        ),
        (
            "half a timestamp",
            packet(&[attribute(4, &[0; 8])]),
            AttributeSize {
                attribute: 4,
                expected: 16,
                found: 8,
            },
        ),
        (
            "a short device",
            packet(&[attribute(5, &[0; 2])]),
            AttributeSize {
                attribute: 5,
                expected: 4,
                found: 2,
            },
        ),
        (
            "a long device",
            packet(&[attribute(6, &[0; 5])]),
            AttributeSize {
                attribute: 6,
                expected: 4,
                found: 5,
            },
        ),
        (
            "a short address",
            packet(&[attribute(9, &[0, 6, 0, 0, 1, 2, 3, 4, 5, 6])]),
            AttributeSize {
                attribute: 9,
                expected: 12,
                found: 10,
            },
        ),
        (
            "an address of 9 bytes",
            packet(&[attribute(9, &[0, 9, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])]),
            HardwareAddress { stated: 9 },
        ),
        (
            "an address of 256 bytes",
            packet(&[attribute(9, &[1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])]),
            HardwareAddress { stated: 256 },
        ),
        (
            "a mark after the payload",
            packet(&[attribute(10, &[7; 5]), attribute(3, &[0; 4])]),
            PayloadNotLast { count: 11 },
        ),
        (
            "two payloads",
            packet(&[attribute(10, &[7; 4]), attribute(10, &[7; 4])]),
            PayloadNotLast { count: 8 },
        ),
        (
            "a payload one too long",
            packet(&[attribute_of(9, 10, &[7; 4])]),
            AttributeLength {
                attribute: 10,
                stated: 9,
                left: 8,
            },
        ),
        (
            "talk without end",
            packet(&[attribute(20, &[0; 500]), attribute(3, &[0; 4])]),
            MetadataTooLong { at: 536, limit: 512 },
        ),
        (
            "a mark across the limit",
            packet(&[attribute(20, &[0; 472]), attribute(3, &[0; 4])]),
            MetadataTooLong { at: 512, limit: 512 },
        ),
    ]
}

/// Returns a packet message: a right header (packet id 1, IPv4, INPUT), and these attributes after
/// it.
pub(crate) fn packet(attributes: &[Vec<u8>]) -> Vec<u8> {
    let attributes = [&[packet_header(1, 0x0800, 1)], attributes].concat();
    message(PACKET, 0, 0, &body(2, &attributes))
}

/// Cuts or extends a message to `length` bytes. If `stated`, its header states that length.
fn resized(mut message: Vec<u8>, length: usize, stated: bool) -> Vec<u8> {
    message.resize(length, 0);
    if stated {
        message[..4].copy_from_slice(&(length as u32).to_ne_bytes());
    }
    message
}

/// Returns the message with another length in its header.
pub(crate) fn stating(mut message: Vec<u8>, length: u32) -> Vec<u8> {
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message
}

/// Returns an attribute, padded to a multiple of 4 bytes.
pub(crate) fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut attribute = attribute_of(4 + content.len() as u16, kind, content);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

/// Returns an attribute with this length and this type in its header, right or wrong, and this
/// content. Adds no padding.
pub(crate) fn attribute_of(length: u16, kind: u16, content: &[u8]) -> Vec<u8> {
    let [a, b] = [length.to_ne_bytes(), kind.to_ne_bytes()];
    [&a, &b, content].concat()
}

/// Returns a netlink message without flags, whose header states its true length.
pub(crate) fn message(kind: u16, sequence: u32, port_id: u32, body: &[u8]) -> Vec<u8> {
    let length = 16 + body.len() as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend([0, 0]);
    message.extend(sequence.to_ne_bytes());
    message.extend(port_id.to_ne_bytes());
    message.extend(body);
    message
}

/// Returns the part of a message after its netlink header: nfnetlink's own header, for queue 7, and
/// the attributes.
pub(crate) fn body(family: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    [&[family, 0, 0, 7], &attributes.concat()[..]].concat()
}

/// Returns the attribute that every packet has: id, protocol, hook.
pub(crate) fn packet_header(id: u32, protocol: u16, hook: u8) -> Vec<u8> {
    attribute(1, &[&id.to_be_bytes()[..], &protocol.to_be_bytes(), &[hook]].concat())
}
