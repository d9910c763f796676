//! What seeded faults do to the bytes of a frame that was made right.

use crate::fault::{Fault, Faults};
use crate::sockets::Datagram;
use bytes::Bytes;
use ipq_core::PortId;
use ipq_core::wire::{Abi, ByteOrder, Head};

/// A PACKET frame, as a seeded fault has it.
pub(crate) fn of_packet_frame(datagram: Datagram, abi: Abi, faults: &Faults) -> Datagram {
    let Some(head) = datagram.head else {
        return datagram;
    };
    let length_at = head.len() - abi.word_bytes();
    if faults.seeded(Fault::PacketTypeOff) {
        rewritten(&datagram, head, |bytes| put(bytes, 4, 0x14, 2, abi))
    } else if faults.seeded(Fault::PacketSequenceCounted) {
        rewritten(&datagram, head, |bytes| put(bytes, 8, 1, 4, abi))
    } else if faults.seeded(Fault::DataLengthOff) {
        rewritten(&datagram, head, |bytes| put(bytes, length_at, 0x1_0000, 4, abi))
    } else if faults.seeded(Fault::PaddingForgotten) {
        let length = (head.len() + datagram.payload.len()) as u32;
        let unpadded = rewritten(&datagram, head, |bytes| put(bytes, 0, length, 4, abi));
        Datagram { padding: 0, ..unpadded }
    } else {
        datagram
    }
}

/// Any datagram of the kernel's, as a seeded fault has it.
pub(crate) fn of_kernel_datagram(datagram: Datagram, faults: &Faults) -> Datagram {
    if faults.seeded(Fault::KernelHasPortId) {
        Datagram {
            sender: PortId(1),
            ..datagram
        }
    } else {
        datagram
    }
}

fn rewritten(datagram: &Datagram, head: Head, change: impl FnOnce(&mut [u8])) -> Datagram {
    let mut bytes = [&head[..], &datagram.payload].concat();
    change(&mut bytes);
    Datagram {
        head: None,
        payload: Bytes::from(bytes),
        ..datagram.clone()
    }
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
