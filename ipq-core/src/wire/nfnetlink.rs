//! nfnetlink's queues on the wire: the protocol that took `ip_queue`'s place.
//!
//! A message, unless it is an answer, is a netlink header, the four bytes of nfnetlink's own
//! header, and attributes. Numbers in nfnetlink's header and in its attributes are big-endian;
//! netlink's header, and the length and type of an attribute, have the machine's byte order.
//!
//! # Reading
//!
//! [`parse_header`] checks the netlink header of a datagram, and [`Attributes`] goes through what
//! follows. [`QueuedPacket`] is a whole packet message. Each reads from the *front* of a datagram:
//! the datagram's first bytes, and perhaps not all, since a receiver may keep a packet's bytes
//! elsewhere. A [`Span`] says where in the datagram something is.
//!
//! # Writing
//!
//! A [`Writer`] puts messages one after the other into a [`Room`]. Bytes that a caller has
//! elsewhere, such as a replacement packet, can be announced without being copied.
//!
//! # Panics
//!
//! As in the rest of [`wire`](super), nothing here panics or allocates, whatever bytes it is given.

mod attributes;
mod error;
mod packet;
mod writer;

pub use attributes::{Attribute, Attributes, Span};
pub use error::ParseError;
pub use packet::QueuedPacket;
pub use writer::{Room, Writer};

pub(crate) use packet::{hardware_address, timestamp};

use super::abi::Abi;
use super::header::Header;

/// The netlink protocol that carries nfnetlink: 12.
#[doc(alias = "NETLINK_NETFILTER")]
pub const PROTOCOL: u8 = 12;

/// The size in bytes of the netlink header and nfnetlink's own, which come before the attributes.
#[doc(alias = "nfgenmsg")]
pub const HEADER_BYTES: usize = Header::BYTES + 4;

/// The most bytes of content that an attribute can have: its length field has 16 bits, and counts
/// its own four bytes too.
pub const LONGEST_CONTENT: usize = 65_531;

/// Types of messages. Those of queues have the queue subsystem's number, 3, in the upper byte.
pub mod message_type {
    /// An answer: an error, or an acknowledgement. It is the same in every netlink protocol.
    #[doc(alias = "NLMSG_ERROR")]
    pub const ERROR: u16 = 2;
    /// The kernel hands over a packet.
    #[doc(alias = "NFQNL_MSG_PACKET")]
    pub const PACKET: u16 = 0x0300;
    /// A program gives a verdict on a packet.
    #[doc(alias = "NFQNL_MSG_VERDICT")]
    pub const VERDICT: u16 = 0x0301;
    /// A program binds or configures a queue.
    #[doc(alias = "NFQNL_MSG_CONFIG")]
    pub const CONFIG: u16 = 0x0302;
    /// A program gives a verdict on every packet up to an id.
    #[doc(alias = "NFQNL_MSG_VERDICT_BATCH")]
    pub const VERDICT_BATCH: u16 = 0x0303;
}

/// Types of attributes. CONFIG messages have numbers of their own, in the constants `CONFIG_…`. The
/// other constants are for the other messages.
pub mod attribute {
    /// The packet's id (u32), its link-layer protocol (u16), and its hook (u8).
    #[doc(alias = "NFQA_PACKET_HDR")]
    pub const PACKET_HEADER: u16 = 1;
    /// The verdict (u32), and the id of the packet (u32). In a batch verdict the id is that of the
    /// last packet.
    #[doc(alias = "NFQA_VERDICT_HDR")]
    pub const VERDICT_HEADER: u16 = 2;
    /// The netfilter mark (u32).
    #[doc(alias = "NFQA_MARK")]
    pub const MARK: u16 = 3;
    /// The time of the packet's arrival: seconds and microseconds (two u64).
    #[doc(alias = "NFQA_TIMESTAMP")]
    pub const TIMESTAMP: u16 = 4;
    /// The index of the device that the packet came in by (u32).
    #[doc(alias = "NFQA_IFINDEX_INDEV")]
    pub const INCOMING_DEVICE: u16 = 5;
    /// The index of the device that the packet will leave by (u32).
    #[doc(alias = "NFQA_IFINDEX_OUTDEV")]
    pub const OUTGOING_DEVICE: u16 = 6;
    /// The index of the bridge's port that the packet came in by (u32).
    #[doc(alias = "NFQA_IFINDEX_PHYSINDEV")]
    pub const INCOMING_PORT: u16 = 7;
    /// The index of the bridge's port that the packet will leave by (u32).
    #[doc(alias = "NFQA_IFINDEX_PHYSOUTDEV")]
    pub const OUTGOING_PORT: u16 = 8;
    /// The link-layer source address: its length (u16), two bytes of padding, and eight bytes.
    #[doc(alias = "NFQA_HWADDR")]
    pub const HARDWARE_ADDRESS: u16 = 9;
    /// The packet from its network header on, or its replacement.
    #[doc(alias = "NFQA_PAYLOAD")]
    pub const PAYLOAD: u16 = 10;
    /// The length of the packet (u32), if not all of it is there.
    #[doc(alias = "NFQA_CAP_LEN")]
    pub const FULL_LENGTH: u16 = 13;
    /// Bits about the packet's state (u32). 1: the checksum is not filled in yet. 2: the packet is
    /// yet to be cut into segments. 4: nobody has verified the checksum.
    #[doc(alias = "NFQA_SKB_INFO")]
    pub const CHECKSUM_STATE: u16 = 14;
    /// The user id of the local socket that sent the packet (u32).
    #[doc(alias = "NFQA_UID")]
    pub const USER_ID: u16 = 16;
    /// The group id of the local socket that sent the packet (u32).
    #[doc(alias = "NFQA_GID")]
    pub const GROUP_ID: u16 = 17;
    /// The VLAN of a packet on a bridge (attributes).
    #[doc(alias = "NFQA_VLAN")]
    pub const VLAN: u16 = 19;
    /// The packet's priority (u32).
    #[doc(alias = "NFQA_PRIORITY")]
    pub const PRIORITY: u16 = 21;

    /// In CONFIG: a [command](super::command) (u8), a byte of padding, and a protocol family (u16),
    /// which no command but [`BIND_FAMILY`](super::command::BIND_FAMILY) and
    /// [`UNBIND_FAMILY`](super::command::UNBIND_FAMILY) looks at.
    #[doc(alias = "NFQA_CFG_CMD")]
    pub const CONFIG_COMMAND: u16 = 1;
    /// In CONFIG: the copy range (u32), and the copy mode (u8).
    #[doc(alias = "NFQA_CFG_PARAMS")]
    pub const CONFIG_PARAMETERS: u16 = 2;
    /// In CONFIG: the most packets that the queue holds (u32).
    #[doc(alias = "NFQA_CFG_QUEUE_MAXLEN")]
    pub const CONFIG_MAX_LENGTH: u16 = 3;
    /// In CONFIG: the [flags](super::flag) that are to change (u32).
    #[doc(alias = "NFQA_CFG_MASK")]
    pub const CONFIG_MASK: u16 = 4;
    /// In CONFIG: the new values of the flags in [`CONFIG_MASK`] (u32).
    #[doc(alias = "NFQA_CFG_FLAGS")]
    pub const CONFIG_FLAGS: u16 = 5;
}

/// Commands of [`attribute::CONFIG_COMMAND`].
pub mod command {
    /// Binds the queue to the sending socket.
    #[doc(alias = "NFQNL_CFG_CMD_BIND")]
    pub const BIND: u8 = 1;
    /// Unbinds the queue, and drops what is in it.
    #[doc(alias = "NFQNL_CFG_CMD_UNBIND")]
    pub const UNBIND: u8 = 2;
    /// Makes nfnetlink's queues take the packets of a protocol family. It does nothing on kernels
    /// since 3.8.
    #[doc(alias = "NFQNL_CFG_CMD_PF_BIND")]
    pub const BIND_FAMILY: u8 = 3;
    /// Undoes [`BIND_FAMILY`]. It does nothing on kernels since 3.8.
    #[doc(alias = "NFQNL_CFG_CMD_PF_UNBIND")]
    pub const UNBIND_FAMILY: u8 = 4;
}

/// Flags of a queue, in [`attribute::CONFIG_MASK`] and [`attribute::CONFIG_FLAGS`].
pub mod flag {
    /// A packet that the queue can't take goes on as if it had been accepted.
    #[doc(alias = "NFQA_CFG_F_FAIL_OPEN")]
    pub const FAIL_OPEN: u32 = 1;
    /// Packets come with what connection tracking knows of them.
    #[doc(alias = "NFQA_CFG_F_CONNTRACK")]
    pub const CONNECTION: u32 = 2;
    /// A packet that a device is to cut into segments is queued whole.
    #[doc(alias = "NFQA_CFG_F_GSO")]
    pub const WHOLE_SEGMENTS: u32 = 4;
    /// A packet comes with the user and group of the local socket that sent it.
    #[doc(alias = "NFQA_CFG_F_UID_GID")]
    pub const OWNER: u32 = 8;
    /// A packet comes with its security context.
    #[doc(alias = "NFQA_CFG_F_SECCTX")]
    pub const SECURITY_CONTEXT: u32 = 16;
}

/// Reads the netlink header of a datagram's one message. `front` holds the first bytes of the
/// datagram, and `length` is the datagram's length. Fails if `front` has less than 16 bytes, if the
/// length that the header states is under 16 or over `length`, or if more than 3 bytes, the most
/// that padding has, follow the message.
pub fn parse_header(front: &[u8], length: usize) -> Result<Header, ParseError> {
    let header = Header::parse(front, Abi::NATIVE).ok_or(ParseError::NoHeader { found: front.len() })?;
    let stated = header.length as usize;
    if stated < Header::BYTES || stated > length {
        return Err(ParseError::MessageLength {
            stated: header.length,
            found: length,
        });
    }
    match length - stated {
        0..=3 => Ok(header),
        count => Err(ParseError::TrailingBytes { count }),
    }
}
