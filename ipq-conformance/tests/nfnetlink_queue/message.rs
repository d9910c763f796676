//! Messages to numbered queues, as programs should write them and as they should not.

use ipq_conformance::suite::Packet;

pub(super) const VERDICT: u16 = 0x0301;
pub(super) const CONFIG: u16 = 0x0302;
pub(super) const VERDICT_BATCH: u16 = 0x0303;
pub(super) const BATCH_BEGIN: u16 = 0x10;
pub(super) const BATCH_END: u16 = 0x11;

pub(super) const REQUEST: u16 = 1;
pub(super) const ACK: u16 = 4;

/// Returns a netlink message of type `kind` to a queue, padded with zeros to a multiple of 4.
/// `attributes` are its encoded attributes. Its header states `length`, or else the true length
/// without the padding.
pub(super) fn message(kind: u16, flags: u16, queue: u16, attributes: &[u8], length: Option<u32>) -> Vec<u8> {
    let mut message = vec![0; 16];
    message.extend([0, 0]);
    message.extend(queue.to_be_bytes());
    message.extend(attributes);
    let length = length.unwrap_or(message.len() as u32);
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message[4..6].copy_from_slice(&kind.to_ne_bytes());
    message[6..8].copy_from_slice(&flags.to_ne_bytes());
    message[8..12].copy_from_slice(&0x0102_0304_u32.to_ne_bytes());
    message[12..16].copy_from_slice(&77_u32.to_ne_bytes());
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

/// Returns a message with the flags REQUEST and ACK.
pub(super) fn request(kind: u16, queue: u16, attributes: &[u8]) -> Vec<u8> {
    message(kind, REQUEST | ACK, queue, attributes, None)
}

pub(super) fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut attribute = Vec::new();
    attribute.extend((content.len() as u16 + 4).to_ne_bytes());
    attribute.extend(kind.to_ne_bytes());
    attribute.extend(content);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

pub(super) fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

pub(super) fn command(command: u8) -> Vec<u8> {
    attribute(1, &[command, 0, 0, 2])
}

pub(super) fn parameters(range: u32, mode: u8) -> Vec<u8> {
    attribute(2, &[&range.to_be_bytes()[..], &[mode]].concat())
}

pub(super) fn verdict(verdict: u32, id: u32) -> Vec<u8> {
    attribute(2, &[verdict.to_be_bytes(), id.to_be_bytes()].concat())
}

/// Returns packets of both families that sequences let arrive.
pub(super) fn packets() -> Vec<Packet> {
    vec![
        Packet::udp4(),
        Packet::udp6(),
        Packet::udp4().tos(0x10).length(61),
        Packet::udp4().tos(0x0a).length(29),
        Packet::udp6().length(700),
        Packet::udp4().length(1400),
        Packet::udp4().protocol(253),
    ]
}

/// Returns the frame of an IPv4 packet with four bytes of options that have no effect.
pub(super) fn with_options() -> Vec<u8> {
    let mut frame = Packet::udp4().frame().to_vec();
    frame.splice(34..34, [1; 4]);
    frame[14] = 0x46;
    let length = (frame.len() - 14) as u16;
    frame[16..18].copy_from_slice(&length.to_be_bytes());
    frame[24..26].fill(0);
    let words = frame[14..38]
        .chunks(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame
}
