//! The capture format pcapng: its numbers, the blocks of a file to write, and the header that
//! captures put before a netlink message.
//!
//! ```
//! use ipq_sim::pcapng::{Block, link, netlink_header};
//!
//! let mut file = Vec::new();
//! let mut block = Block::default();
//! file.extend_from_slice(block.section("example 1.0"));
//! file.extend_from_slice(block.interface("netlink", link::NETLINK, 6));
//! let message = [16, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
//! block.packet(0, 1_700_000_000_000_000, &[&netlink_header(true, 3), &message]);
//! file.extend_from_slice(block.end());
//! ```

/// The types of blocks.
pub mod block {
    /// The type of the block that begins a section. The number is the same in both byte orders.
    pub const SECTION_HEADER: u32 = 0x0a0d_0d0a;
    /// The type of a block that describes an interface.
    pub const INTERFACE: u32 = 1;
    /// The type of a block that holds a packet, in older files.
    pub const PACKET: u32 = 2;
    /// The type of a block that holds a packet without its time.
    pub const SIMPLE_PACKET: u32 = 3;
    /// The type of a block that holds a packet with its time, its interface and options.
    pub const ENHANCED_PACKET: u32 = 6;
}

/// The numbers of options in blocks.
pub mod option {
    /// The number of the option that ends a block's options.
    pub const END: u16 = 0;
    /// The number of an option with a comment, in any block.
    pub const COMMENT: u16 = 1;
    /// The number of the option that names the program that wrote a section.
    pub const APPLICATION: u16 = 4;
    /// The number of the option that names an interface.
    pub const NAME: u16 = 2;
    /// The number of the option with the unit of an interface's times.
    pub const TIME_RESOLUTION: u16 = 9;
    /// The number of the option with the number of check sequence bytes at the end of an
    /// interface's frames.
    pub const FRAME_CHECK: u16 = 13;
    /// The number of the option with the seconds to add to an interface's times.
    pub const TIME_OFFSET: u16 = 14;
    /// The number of the option with the verdict on a packet.
    pub const VERDICT: u16 = 7;
}

/// The numbers of link layers, which say what an interface's frames are.
pub mod link {
    /// The link-layer number of Ethernet frames.
    pub const ETHERNET: u16 = 1;
    /// The link-layer number of IP packets that have nothing before them.
    pub const RAW_IP: u16 = 101;
    /// The link-layer number of netlink messages, each after a
    /// [`netlink_header`](super::netlink_header).
    pub const NETLINK: u16 = 253;
}

/// Returns the header of 16 bytes that stands before a netlink message in a capture. It is the
/// header of Linux's cooked link layer, with the netlink protocol in place of the `EtherType`.
/// `to_kernel` is `true` for a message that the traced program sent, and `false` for one that it
/// received.
#[must_use]
pub fn netlink_header(to_kernel: bool, protocol: u16) -> [u8; 16] {
    // 4 for a message that the traced program sent, 0 for one that it received.
    let kind: u16 = if to_kernel { 4 } else { 0 };
    // The hardware type of netlink.
    let hardware: u16 = 824;
    let mut header = [0; 16];
    header[..2].copy_from_slice(&kind.to_be_bytes());
    header[2..4].copy_from_slice(&hardware.to_be_bytes());
    // The length of the address and the address stay 0.
    header[14..].copy_from_slice(&protocol.to_be_bytes());
    header
}

/// The number at the beginning of a section by which a reader finds its byte order.
pub const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// The most interfaces, 65,536, that this package reads or writes in a section. Without this bound
/// a file could make its reader hold ever more.
pub const MOST_INTERFACES: usize = 1 << 16;

/// A block of a file to write, in this machine's byte order. One value makes one block after the
/// other.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    has_options: bool,
}

impl Block {
    /// Makes a whole block that begins a section, and returns its bytes. `application` is the
    /// program that writes the file.
    pub fn section(&mut self, application: &str) -> &[u8] {
        self.begin(block::SECTION_HEADER);
        // Version 1.0, and an unknown length.
        let version = if cfg!(target_endian = "little") { 1 } else { 1 << 16 };
        self.words(&[BYTE_ORDER, version, u32::MAX, u32::MAX]);
        self.option(option::APPLICATION, application.as_bytes());
        self.end()
    }

    /// Makes a whole block that describes an interface, and returns its bytes. `link` is the number
    /// of its link layer. The unit of its times is 10 to the power of `-resolution` seconds;
    /// `resolution` is less than 128.
    pub fn interface(&mut self, name: &str, link: u16, resolution: u8) -> &[u8] {
        self.begin_interface(link);
        self.option(option::NAME, name.as_bytes());
        self.option(option::TIME_RESOLUTION, &[resolution]);
        self.end()
    }

    /// Begins the description of an interface of link type `link`. Options may follow, and
    /// [`end`](Self::end) must.
    pub fn begin_interface(&mut self, link: u16) {
        self.begin(block::INTERFACE);
        let [first, second] = link.to_ne_bytes();
        // Two bytes that are reserved, and no limit to the length of packets.
        self.words(&[u32::from_ne_bytes([first, second, 0, 0]), 0]);
    }

    /// Begins a block with a packet, whose bytes are in `parts`, one after the other. Options may
    /// follow, and [`end`](Self::end) must. `interface` is the index of the packet's interface in
    /// the section, and `time` is in the unit of that interface.
    pub fn packet(&mut self, interface: u32, time: u64, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum::<usize>() as u32;
        self.begin(block::ENHANCED_PACKET);
        self.words(&[interface, (time >> 32) as u32, time as u32, length, length]);
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.pad();
    }

    /// Begins a block of type `kind`, and forgets the block before. [`words`](Self::words) and
    /// [`option`](Self::option) add to it, and [`end`](Self::end) ends it.
    pub fn begin(&mut self, kind: u32) {
        self.bytes.clear();
        self.has_options = false;
        self.words(&[kind, 0]);
    }

    /// Adds numbers of 32 bits to the block, in this machine's byte order.
    pub fn words(&mut self, words: &[u32]) {
        for word in words {
            self.bytes.extend_from_slice(&word.to_ne_bytes());
        }
    }

    /// Adds an option to the block: its number `code`, its length, and its value, cut to 65,535
    /// bytes and padded to a multiple of 4. Options must come after everything else in a block.
    pub fn option(&mut self, code: u16, value: &[u8]) {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&code.to_ne_bytes());
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&value[..length.into()]);
        self.pad();
        self.has_options = true;
    }

    /// Ends the block: ends its options, if there are any, and writes the block's length at both
    /// ends. Returns all bytes of the block.
    pub fn end(&mut self) -> &[u8] {
        if self.has_options {
            self.words(&[option::END.into()]);
        }
        let length = self.bytes.len() as u32 + 4;
        self.bytes[4..8].copy_from_slice(&length.to_ne_bytes());
        self.words(&[length]);
        &self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
