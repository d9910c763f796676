//! What seeded faults do to the bytes of a frame that was made right.

use crate::fault::{Fault, Faults};
use crate::netlink::Datagram;
use ipq_core::PortId;
use ipq_core::wire::{Abi, ByteOrder, Header};

/// A PACKET frame, as a seeded fault has it.
pub(crate) fn of_packet_frame(datagram: &mut Datagram, abi: Abi, faults: &Faults) {
    if faults.seeded(Fault::PacketTypeOff) {
        rewrite(datagram, |bytes| put(bytes, 4, 0x14, 2, abi));
    } else if faults.seeded(Fault::PacketSequenceCounted) {
        rewrite(datagram, |bytes| put(bytes, 8, 1, 4, abi));
    } else if faults.seeded(Fault::DataLengthOff) {
        let length_at = Header::BYTES + abi.packet_message_bytes() - abi.word_bytes();
        rewrite(datagram, |bytes| put(bytes, length_at, 0x1_0000, 4, abi));
    } else if faults.seeded(Fault::PaddingForgotten) {
        datagram.padding = 0;
        let length = datagram.len() as u32;
        rewrite(datagram, |bytes| put(bytes, 0, length, 4, abi));
    }
}

/// Any datagram of the kernel's, as a seeded fault has it.
pub(crate) fn of_kernel_datagram(datagram: &mut Datagram, faults: &Faults) {
    if faults.seeded(Fault::KernelHasPortId) {
        datagram.sender = PortId(1);
    }
}

fn rewrite(datagram: &mut Datagram, change: impl FnOnce(&mut [u8])) {
    let head = datagram.head.take();
    let mut bytes = [head.as_deref().unwrap_or_default(), &datagram.payload].concat();
    change(&mut bytes);
    datagram.payload = bytes.into();
}

/// Writes the low `width` bytes of `value` at `at`.
fn put(bytes: &mut [u8], at: usize, value: u32, width: usize, abi: Abi) {
    let at = at..at + width;
    match abi.order {
        ByteOrder::Little => bytes[at].copy_from_slice(&value.to_le_bytes()[..width]),
        ByteOrder::Big => bytes[at].copy_from_slice(&value.to_be_bytes()[4 - width..]),
    }
}

/// A request, as if the handle had counted its sequence.
pub(crate) fn with_sequence(datagram: &[u8], abi: Abi) -> Vec<u8> {
    let mut bytes = datagram.to_vec();
    if bytes.len() >= 16 {
        put(&mut bytes, 8, 1, 4, abi);
    }
    bytes
}
