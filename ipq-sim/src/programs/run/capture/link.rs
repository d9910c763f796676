//! Link layers: finds the IP packet in a frame.

mod ethernet;
mod ip;
pub(super) mod names;
mod ppp;
mod wireless;

use super::reader::FrameHeader;
use super::{NotFed, Packet};

/// The byte order of the numbers in a capture's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

macro_rules! numbers {
    ($($name:ident)*) => {
        $(
            /// Returns the number at the offset `at` of `bytes`, or 0 if the bytes end before the
            /// number does.
            pub(super) fn $name(self, bytes: &[u8], at: usize) -> $name {
                let number = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
                match self {
                    Self::Little => $name::from_le_bytes(number),
                    Self::Big => $name::from_be_bytes(number),
                }
            }
        )*
    };
}

impl ByteOrder {
    numbers!(u16 u32 u64);
}

/// The link layer of an interface: its type, and the length of the check sequence after a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// The link type: the layer's number in the list of tcpdump.org.
    pub(super) link: u16,
    /// The length in bytes of the frame check sequence at the end of each frame; 0 if there is
    /// none.
    pub(super) check_bytes: u8,
}

/// The IP packet in a frame, and the Ethernet header before it.
#[derive(Debug)]
struct Found<'a> {
    /// The bytes from the network header to the end of the frame, or to the end that a header
    /// before the packet states. Padding may follow the packet.
    packet: &'a [u8],
    /// For Ethernet, the frame's header without tags; for Wi-Fi, the header that the packet would
    /// have on Ethernet. `None` for other link layers.
    link_header: Option<[u8; 14]>,
}

impl<'a> From<&'a [u8]> for Found<'a> {
    fn from(packet: &'a [u8]) -> Self {
        Self {
            packet,
            link_header: None,
        }
    }
}

/// Returns the IP packet in a frame, without the frame check sequence and padding after it. Fails
/// with the reason why there is none to feed. `held` is the frame's beginning, as far as it was
/// read. If the capture lacks the frame's end, [`NotFed::Cut`] takes the place of the reasons
/// [`NotFed::Short`] and [`NotFed::Malformed`].
pub(super) fn packet(layer: Layer, header: &FrameHeader, held: &[u8]) -> Result<Packet, NotFed> {
    let is_cut = header.captured < header.length;
    // What is missing of a cut frame was at its end, where the check sequence is.
    let missing = header.length.saturating_sub(header.captured) as usize;
    let check = usize::from(layer.check_bytes).saturating_sub(missing);
    let frame = if held.len() == header.captured as usize {
        &held[..held.len().saturating_sub(check)]
    } else {
        held
    };
    let found = find(layer.link, header.order, frame).and_then(|found| {
        let (family, data) = ip::packet(found.packet, is_cut)?;
        Ok(Packet {
            family,
            data,
            link_header: found.link_header,
        })
    });
    found.map_err(|reason| match reason {
        NotFed::Short | NotFed::Malformed if is_cut => NotFed::Cut,
        other => other,
    })
}

/// Returns the bytes of the IP packet in an Ethernet frame, with any padding after it. Does not
/// check the packet's own header, or whether there are any bytes of it. Fails if the frame holds
/// another protocol, or a header before the packet is not whole.
pub(in super::super) fn in_ethernet(frame: &[u8]) -> Result<&[u8], NotFed> {
    ethernet::frame(frame).map(|found| found.packet)
}

fn find(link: u16, order: ByteOrder, frame: &[u8]) -> Result<Found<'_>, NotFed> {
    Ok(match link {
        1 => ethernet::frame(frame)?,
        // Raw IP: 12 and 14 are used by different systems, the rest is in the list of link types.
        12 | 14 | 101 | 228 | 229 => frame.into(),
        0 | 108 => loopback(frame)?.into(),
        9 | 50 => ppp::frame(frame)?.into(),
        // Before the PPP frame, one byte says in which direction the frame went.
        166 | 204 => ppp::frame(split::<1>(frame)?.1)?.into(),
        51 => ppp::over_ethernet(frame)?.into(),
        100 => ethernet::logical_link(frame)?.into(),
        104 => ppp::cisco(frame)?.into(),
        105 => wireless::frame(frame)?,
        127 => wireless::after_radiotap(frame)?,
        113 => cooked(frame, 14, 16)?.into(),
        276 => cooked(frame, 0, 20)?.into(),
        219 => ethernet::labelled(frame)?.into(),
        239 => netfilter_log(order, frame)?.into(),
        _ => return Err(NotFed::LinkType(link)),
    })
}

/// Returns the first `N` of `bytes`, and the rest. Fails with [`NotFed::Short`] if there are fewer.
fn split<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), NotFed> {
    bytes.split_first_chunk().ok_or(NotFed::Short)
}

/// Returns the packet of a BSD loopback frame: the bytes after the 4-byte number of its address
/// family. The number may be in either byte order. It is read in both, and the smaller value
/// counts. Fails with [`NotFed::AddressFamily`] for a number that is neither IPv4's nor IPv6's.
fn loopback(frame: &[u8]) -> Result<&[u8], NotFed> {
    let (number, packet) = split::<4>(frame)?;
    let number = u32::from_le_bytes(*number).min(u32::from_be_bytes(*number));
    match number {
        // AF_INET, and AF_INET6 as numbered by Linux, Windows, NetBSD and OpenBSD, FreeBSD, and
        // Darwin.
        2 | 10 | 23 | 24 | 28 | 30 => Ok(packet),
        _ => Err(NotFed::AddressFamily(number.min(255) as u8)),
    }
}

/// Returns the IP packet of a frame of one of Linux's cooked link layers. `protocol` is the offset
/// of the protocol's number in the header, and `header` the header's length, in bytes. Fails if the
/// frame is shorter than the header, or holds another protocol.
fn cooked(frame: &[u8], protocol: usize, header: usize) -> Result<&[u8], NotFed> {
    /// The value in the protocol's place that says that a header of IEEE 802.2 follows.
    const LOGICAL_LINK: u16 = 4;
    let rest = frame.get(header..).ok_or(NotFed::Short)?;
    match ByteOrder::Big.u16(frame, protocol) {
        LOGICAL_LINK => ethernet::logical_link(rest),
        protocol @ ..=1500 => Err(NotFed::not_ip(protocol)),
        protocol => ethernet::payload(protocol, rest).map(|(_, packet)| packet),
    }
}

/// Returns the packet in a message of the target NFLOG: the content of the first attribute of type
/// 9. The message has 4 bytes of header, and then a list of netlink attributes in the byte order
/// `order`. Fails with [`NotFed::Short`] if no attribute holds a packet, and with
/// [`NotFed::Malformed`] at an attribute that states fewer than 4 bytes.
fn netfilter_log(order: ByteOrder, frame: &[u8]) -> Result<&[u8], NotFed> {
    const PAYLOAD: u16 = 9;
    let (_, mut attributes) = split::<4>(frame)?;
    while let Some((header, rest)) = attributes.split_first_chunk::<4>() {
        let [length, kind] = [0, 2].map(|at| order.u16(header, at));
        let length = usize::from(length).checked_sub(4).ok_or(NotFed::Malformed)?;
        // The two highest bits are flags of the attribute.
        if kind & 0x3fff == PAYLOAD {
            return Ok(&rest[..length.min(rest.len())]);
        }
        attributes = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Err(NotFed::Short)
}
