//! The fates of packets, and the closed list of reasons for which one is dropped.

use crate::frame::OutgoingFrame;
use bytes::Bytes;
use ipq_core::wire::InterfaceName;
use std::fmt;

/// The fate of a packet, as far as it is known now.
#[derive(Clone, PartialEq, Eq)]
pub enum Fate {
    /// The packet waits for a verdict, or is still on its way.
    Queued,
    /// The packet was for this host and passed INPUT. These are its bytes after INPUT.
    DeliveredHere(Bytes),
    /// The packet left by a device.
    Sent {
        /// The device that the packet left by.
        device: InterfaceName,
        /// The frames that left: one, or more if the packet was fragmented (FWD-4).
        frames: Vec<OutgoingFrame>,
    },
    /// The packet was dropped for this reason.
    Dropped(DropReason),
}

impl fmt::Debug for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued => f.write_str("Queued"),
            Self::DeliveredHere(packet) => write!(f, "DeliveredHere({packet:x})"),
            Self::Sent { device, frames } => {
                let frames: Vec<_> = frames.iter().map(OutgoingFrame::packet).collect();
                write!(f, "Sent {{ device: {device}, packets: {frames:x?} }}")
            }
            Self::Dropped(reason) => write!(f, "Dropped({reason:?})"),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued => f.write_str("queued"),
            Self::DeliveredHere(packet) => write!(f, "delivered to this host ({} bytes)", packet.len()),
            Self::Sent { device, frames } => {
                let lengths = frames.iter().map(|frame| frame.packet().len().to_string());
                let lengths: Vec<_> = lengths.collect();
                write!(f, "sent by {device} ({} bytes)", lengths.join(" + "))
            }
            Self::Dropped(reason) => write!(f, "dropped ({reason})"),
        }
    }
}

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// The reason for which a packet was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DropReason {
            $($(#[$doc])* $name,)*
        }

        impl DropReason {
            /// All reasons, in the order in which they are declared.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }

        impl fmt::Display for DropReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                })
            }
        }
    };
}

drop_reasons! {
    /// A program's verdict dropped the packet: DROP, or another verdict that the kernel obeys by
    /// dropping the packet. Some kernels do so for STOLEN, and numbered queues for REPEAT with
    /// upper bits set (NFQ-64).
    Verdict "by verdict",
    /// No program listened to the queue, or the queue was in mode NONE (PKT-1).
    NoListener "no listener",
    /// The queue had as many packets as its maximum length allows (PKT-2), or the kernel's table of
    /// the packet ids of a numbered queue had no room (NFQ-5).
    QueueFull "queue full",
    /// The frame could not be delivered to the listening program: the socket was gone, or its
    /// receive buffer was full (PKT-3) or not yet emptied after an overrun (SOCK-4).
    Undeliverable "receive buffer full, or socket gone",
    /// The packet was queued when the listening program closed its socket (ATT-4, NFQ-7) or unbound
    /// the queue (NFQ-8). Some kernels notice a closed socket only when the next packet comes. They
    /// drop that packet and all queued ones for this reason.
    PeerClosed "listener closed",
    /// The packet was queued when another port id took the queue over, in kernels that allow it
    /// (ERA-2).
    PeerReplaced "listener replaced",
    /// The packet was queued when one of its devices went down (EVT-1, NFQ-9), or its device was
    /// down when the packet arrived or was to leave.
    DeviceDown "device down",
    /// The packet was queued when the queue's module was unloaded (EVT-2), or no module was loaded
    /// to queue it.
    ModuleUnloaded "module unloaded",
    /// The packet's replacement was longer than 65,535 bytes (VER-7).
    ReplacementTooLong "replacement over 65535 bytes",
    /// The packet's replacement in a numbered queue was shorter than the packet and than its
    /// network header, IPv4's options included (NFQ-69).
    ReplacementTooShort "replacement shorter than a header",
    /// The packet was changed at OUTPUT, and no route leads to its new destination (VER-10).
    NotReroutable "no route after a change at OUTPUT",
    /// The Ethernet frame held no IP packet.
    NotIp "not IP",
    /// The frame was for another host (FWD-1), or a packet to be forwarded came in a broadcast or
    /// multicast frame.
    OtherHost "for another host",
    /// The packet's header was wrong (FWD-1), or the packet ended before a header that a rule had
    /// to match. An IPv6 header with a multicast address as the source counts as wrong.
    Malformed "malformed",
    /// The packet arrived with an address that a host does not take. In IPv4 this is, for instance,
    /// a multicast or broadcast address or this host's own as the source, or a loopback address as
    /// the source or the destination. In IPv6 this is, for instance, `::1` as the destination, or a
    /// link-local address in a packet to be forwarded.
    Martian "impossible address",
    /// No route leads to the packet's destination, or the packet was to enter at a hook that there
    /// is not.
    NoRoute "no route",
    /// The packet was to be forwarded, and its TTL or hop limit was 0 or 1 (FWD-3).
    HopLimit "TTL or hop limit at its end",
    /// The packet was longer than the MTU of the device that it was to leave by, and could not be
    /// fragmented (FWD-4).
    TooLong "over the MTU",
    /// The packet was an IPv4 fragment for this host. A kernel would collect the fragments and put
    /// them together before INPUT, which the emulator does not.
    Unassembled "a fragment for this host",
    /// Nobody knows the link-layer address of the next hop.
    NoNeighbour "neighbour unknown",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_words_of_its_own() {
        let mut words: Vec<String> = DropReason::ALL.iter().map(ToString::to_string).collect();
        words.sort();
        words.dedup();
        assert_eq!(words.len(), DropReason::ALL.len());
    }
}
