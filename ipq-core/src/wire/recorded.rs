//! Frames that a Linux 3.4.10 kernel sent or took, from the recordings in `fixtures/`.

/// A UDP packet of 33 bytes at FORWARD, from tap0 to tap1, padded to 36. x86-64.
pub(super) const PACKET_LP64: &str = "\
    94000000 1300 0000 00000000 00000000 \
    400b730e0088ffff 0000000000000000 8b25056b00000000 102f020000000000 \
    02000000 74617030000000000000000000000000 74617031000000000000000000000000 \
    0800 0100 06 0200000020010000 00000000000000 2100000000000000 \
    45000021000600003f1167c00a0100020a0200020fa01388000da4e26161616161 616161";

/// A packet like that of [`PACKET_LP64`], on i386.
pub(super) const PACKET_ILP32: &str = "\
    7c000000 1300 0000 00000000 00000000 \
    8004e0ce 00000000 b725056b b7600900 \
    02000000 74617030000000000000000000000000 74617031000000000000000000000000 \
    0800 0100 06 0200000020010000 000000 21000000 \
    45000021000600003f1167c00a0100020a0200020fa01388000da4e26161616161 000000";

/// A packet like that of [`PACKET_LP64`], in mode META. x86-64.
pub(super) const META_LP64: &str = "\
    70000000 1300 0000 00000000 00000000 \
    400b730e0088ffff 0000000000000000 8b25056b00000000 1256000000000000 \
    02000000 74617030000000000000000000000000 74617031000000000000000000000000 \
    0800 0100 06 0200000020010000 00000000000000 0000000000000000";

/// libipq's mode message: PACKET, range 65,535. x86-64.
pub(super) const MODE_LP64: &str =
    "28000000 1100 0100 00000000 92100000 02 00000000000000 ffff000000000000 0000000000000000";

/// libipq's mode message: PACKET, range 65,535. i386.
pub(super) const MODE_ILP32: &str = "1c000000 1100 0100 00000000 92100000 02 000000 ffff0000 00000000";

/// A VERDICT message that accepts the packet of [`PACKET_LP64`].
pub(super) const VERDICT_LP64: &str = "\
    28000000 1200 0100 00000000 92100000 01000000 00000000 400b730e0088ffff 0000000000000000";

/// A VERDICT message that accepts the packet of [`PACKET_ILP32`].
pub(super) const VERDICT_ILP32: &str = "1c000000 1200 0100 00000000 92100000 01000000 8004e0ce 00000000";

/// The kernel's answer ENOENT to a verdict with 8 bytes of replacement. It quotes the verdict
/// whole. x86-64.
pub(super) const ENOENT_LP64: &str = "\
    44000000 0200 0000 48000000 92100000 feffffff \
    30000000 1200 0100 48000000 92100000 01000000 00000000 efbeadde00000000 0800000000000000 4500001c00000000";

/// The kernel's answer EINVAL to a mode message with a body of one byte. The answer's header states
/// 37 bytes, and its datagram has 40, with padding. i386.
pub(super) const EINVAL_ODD: &str = "\
    25000000 0200 0000 09000000 92100000 eaffffff \
    11000000 1100 0100 09000000 92100000 02 000000";

/// The kernel's acknowledgement of a mode message. It quotes only that message's header. x86-64.
pub(super) const ACKNOWLEDGEMENT: &str = "\
    24000000 0200 0000 63000000 92100000 00000000 \
    28000000 1100 0500 63000000 92100000";

/// Returns the bytes that the hexadecimal digits in `hex` stand for. Spaces are skipped.
pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}
