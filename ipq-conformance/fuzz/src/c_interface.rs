//! Compares the C library's accessors of messages with the parser that Rust programs use. The
//! accessors get a buffer as `ipq_read` fills it, and return the packet as C's `ipq_packet_msg_t`.
//!
//! The first byte of the input says where the buffer begins, so that it is not always aligned. The
//! rest is the datagram in the buffer. A C program may look at 20 bytes whatever came, since
//! `ipq_read` takes no shorter buffer (LIB-3), and at all bytes that came.

#![allow(unsafe_code, reason = "it is C's interface that is tried")]

use ipq_core::wire::{Abi, Header, InterfaceName, Message, MessageType};
use std::ffi::{c_char, c_int, c_long, c_uchar, c_uint, c_ulong, c_ushort};

/// C's `ipq_packet_msg_t`, without the payload at its end.
#[repr(C)]
#[derive(Clone, Copy)]
struct PacketMessage {
    packet_id: c_ulong,
    mark: c_ulong,
    timestamp_sec: c_long,
    timestamp_usec: c_long,
    hook: c_uint,
    indev_name: [c_char; 16],
    outdev_name: [c_char; 16],
    hw_protocol: c_ushort,
    hw_type: c_ushort,
    hw_addrlen: c_uchar,
    hw_addr: [c_uchar; 8],
    data_len: usize,
}

unsafe extern "C" {
    fn ipq_message_type(buffer: *const c_uchar) -> c_int;
    fn ipq_get_packet(buffer: *const c_uchar) -> *mut PacketMessage;
    fn ipq_get_msgerr(buffer: *const c_uchar) -> c_int;
}

/// Checks the accessors on a buffer that holds `bytes` without the first byte; on NULL if these are
/// too few for a header.
pub fn check(bytes: &[u8]) {
    let Some((place, datagram)) = bytes
        .split_first()
        .filter(|(_, datagram)| datagram.len() >= Header::BYTES)
    else {
        return nothing();
    };
    let start = usize::from(place % 8);
    // Nothing is behind the buffer, so that a read behind it is noticed.
    let mut memory = vec![0xee; start + datagram.len().max(20)].into_boxed_slice();
    memory[start..start + datagram.len()].copy_from_slice(datagram);
    let before = memory.clone();
    let buffer = &raw const memory[start];

    // SAFETY: `buffer` has 20 bytes or more.
    let (message_type, error, packet) =
        unsafe { (ipq_message_type(buffer), ipq_get_msgerr(buffer), ipq_get_packet(buffer)) };
    let header = Header::parse(datagram, Abi::NATIVE).expect("16 bytes");
    assert_eq!(message_type, c_int::from(header.message_type.to_wire()));
    let body = buffer.wrapping_add(Header::BYTES);
    assert_eq!(packet.cast_const().cast(), body);
    // SAFETY: `buffer` has 20 bytes, so 4 of them are at `body`.
    let stated: c_int = unsafe { body.cast::<c_int>().read_unaligned() };
    assert_eq!(error, stated.wrapping_neg());
    match Message::parse(datagram, Abi::NATIVE) {
        Ok(Message::Error(read)) => {
            assert_eq!(message_type, c_int::from(MessageType::Error.to_wire()));
            assert_eq!(error, read.errno().0);
        }
        Ok(Message::Packet(read)) => {
            // SAFETY: the whole fixed part came, or it would not have been parsed.
            let c = unsafe { packet.read_unaligned() };
            let metadata = read.metadata();
            assert_eq!((c.packet_id, c.mark), (metadata.packet_id.0, metadata.mark.0));
            assert_eq!(c.timestamp_sec, metadata.timestamp.seconds);
            assert_eq!(c.timestamp_usec, metadata.timestamp.microseconds);
            assert_eq!(c.hook, metadata.hook.to_wire());
            let name = |name: [c_char; 16]| InterfaceName::from_wire(name.map(c_char::cast_unsigned));
            assert_eq!(
                (name(c.indev_name), name(c.outdev_name)),
                (metadata.indev_name, metadata.outdev_name)
            );
            assert_eq!(
                (u16::from_be(c.hw_protocol), c.hw_type),
                (metadata.hw_protocol.0, metadata.hw_type)
            );
            assert_eq!((c.hw_addrlen, c.hw_addr), metadata.hw_address.to_wire());
            let payload = body.wrapping_add(size_of::<PacketMessage>());
            // SAFETY: `data_len` bytes came after the fixed part.
            let payload = unsafe { std::slice::from_raw_parts(payload, c.data_len) };
            assert_eq!(payload, read.payload());
        }
        _ => {}
    }
    assert_eq!(memory, before);
}

/// Checks that the accessors return an error for NULL, and do not crash.
fn nothing() {
    let nothing = std::ptr::null();
    // SAFETY: the accessors have to accept NULL.
    let (message_type, error, packet) = unsafe {
        (
            ipq_message_type(nothing),
            ipq_get_msgerr(nothing),
            ipq_get_packet(nothing),
        )
    };
    assert_eq!((message_type, error), (-1, -1));
    assert!(packet.is_null());
}
