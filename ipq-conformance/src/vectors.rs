//! Frames with their meaning, as JSON, for parsers in any language to be tested against.
//!
//! `ipq-conformance vectors` prints one vector a line, for both word sizes and both byte orders;
//! `fixtures/vectors/frames.jsonl` is that output. A vector has:
//!
//! | key | value |
//! |---|---|
//! | `name` | unique |
//! | `word_bytes`, `byte_order` | the layout: 4 or 8, "little" or "big" |
//! | `hex` | the datagram |
//! | `header` | `length`, `type`, `flags`, `sequence`, `port_id`; missing if there is no whole header |
//! | `message` | the meaning, if the datagram can be read: `kind` and the keys of that kind |
//! | `refused` | otherwise, the first thing that is wrong: a word |
//! | `rule`, `reason` | with `refused`: the rule that the frame breaks, and a sentence |
//!
//! Numbers of a word's size are decimal text, since JSON's numbers lose some of them. Strings of
//! bytes, such as datagrams, names and payloads, are pairs of hexadecimal digits.

mod samples;

use crate::world::order_word;
use ipq_core::wire::{Abi, Header, Message, MessageType, PacketMetadata, WireError};
use serde_json::{Map, Value, json};

/// Returns all vectors, for every layout: both word sizes in both byte orders.
#[must_use]
pub fn all() -> Vec<Value> {
    Abi::ALL.into_iter().flat_map(samples::of).collect()
}

/// Returns the meaning of a datagram as this project's own parser reads it: the keys of a vector
/// from `header` on. There is no `header` if the datagram is shorter than one. There is `message`
/// if the parser can read the datagram, and otherwise `refused`, `rule` and `reason`.
#[must_use]
pub fn read(datagram: &[u8], abi: Abi) -> Map<String, Value> {
    let mut meaning = Map::new();
    if let Some(header) = Header::parse(datagram, abi) {
        meaning.insert("header".into(), header_json(&header));
    }
    match Message::parse(datagram, abi) {
        Ok(message) => {
            meaning.insert("message".into(), message_json(&message));
        }
        Err(error) => {
            let (word, rule) = refusal(&error);
            meaning.insert("refused".into(), json!(word));
            meaning.insert("rule".into(), json!(rule));
            meaning.insert("reason".into(), json!(error.to_string()));
        }
    }
    meaning
}

/// Returns the word for a parser's error, and the id of the rule that a frame with this error
/// breaks.
pub(crate) const fn refusal(error: &WireError) -> (&'static str, &'static str) {
    match error {
        WireError::NoHeader { .. } => ("no_header", "MSG-1"),
        WireError::HeaderLength { .. } => ("header_length", "MSG-1"),
        WireError::BodyTooShort { message_type, .. } => (
            "body_too_short",
            match message_type {
                MessageType::Packet => "WIRE-2",
                MessageType::Error => "WIRE-6",
                _ => "MSG-7",
            },
        ),
        WireError::PayloadCut { .. } => ("payload_cut", "WIRE-4"),
        WireError::HardwareAddress { .. } => ("hardware_address", "WIRE-2"),
        _ => ("unknown", "WIRE-1"),
    }
}

fn header_json(header: &Header) -> Value {
    json!({
        "length": header.length,
        "type": header.message_type.to_wire(),
        "flags": header.flags.0,
        "sequence": header.sequence,
        "port_id": header.port_id.0,
    })
}

fn message_json(message: &Message<'_>) -> Value {
    match message {
        Message::Packet(packet) => packet_json(&packet.metadata(), packet.payload()),
        Message::Mode(mode) => json!({
            "kind": "mode",
            "value": mode.mode.to_wire(),
            "range": mode.range.to_string(),
        }),
        Message::Verdict(verdict, following) => json!({
            "kind": "verdict",
            "value": verdict.verdict.to_wire(),
            "packet_id": verdict.packet_id.0.to_string(),
            "data_len": verdict.data_len.to_string(),
            "following": hex::encode(following),
        }),
        Message::Error(error) => json!({
            "kind": "error",
            "error": error.error,
            "quoted": hex::encode(error.quoted),
        }),
        Message::Unknown(_, body) => json!({ "kind": "unknown", "body": hex::encode(body) }),
    }
}

fn packet_json(metadata: &PacketMetadata, payload: &[u8]) -> Value {
    json!({
        "kind": "packet",
        "packet_id": metadata.packet_id.0.to_string(),
        "mark": metadata.mark.0.to_string(),
        "timestamp_sec": metadata.timestamp.seconds.to_string(),
        "timestamp_usec": metadata.timestamp.microseconds.to_string(),
        "hook": metadata.hook.to_wire(),
        "indev_name": hex::encode(metadata.indev_name.as_bytes()),
        "outdev_name": hex::encode(metadata.outdev_name.as_bytes()),
        "hw_protocol": metadata.hw_protocol.0,
        "hw_type": metadata.hw_type,
        "hw_addr": hex::encode(metadata.hw_address.as_bytes()),
        "payload": hex::encode(payload),
    })
}

/// Returns a layout's word size in bytes and its byte order, `little` or `big`.
fn layout(abi: Abi) -> (usize, &'static str) {
    (abi.word_bytes(), order_word(abi.order))
}
