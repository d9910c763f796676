//! The numbers of the capture format pcapng, for the reader here and the writer of the command.

/// The types of blocks.
pub mod block {
    /// The block begins a section. The number is the same in both byte orders.
    pub const SECTION_HEADER: u32 = 0x0a0d_0d0a;
    /// The block describes an interface.
    pub const INTERFACE: u32 = 1;
    /// The block holds a packet, in older files.
    pub const PACKET: u32 = 2;
    /// The block holds a packet without a time.
    pub const SIMPLE_PACKET: u32 = 3;
    /// The block holds a packet with its time, its interface and options.
    pub const ENHANCED_PACKET: u32 = 6;
}

/// The types of options.
pub mod option {
    /// The option ends a block's options.
    pub const END: u16 = 0;
    /// A comment on any block.
    pub const COMMENT: u16 = 1;
    /// The program that wrote a section.
    pub const APPLICATION: u16 = 4;
    /// The name of an interface.
    pub const NAME: u16 = 2;
    /// The unit of an interface's times.
    pub const TIME_RESOLUTION: u16 = 9;
    /// The number of bytes of check sequence at the end of an interface's frames.
    pub const FRAME_CHECK: u16 = 13;
    /// The number of seconds that is added to an interface's times.
    pub const TIME_OFFSET: u16 = 14;
    /// The verdict on a packet.
    pub const VERDICT: u16 = 7;
}

/// The number in a section's header by which a reader finds its byte order.
pub const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// The most interfaces of a section, both read and written: without a bound, a file could make its
/// reader hold more and more.
pub const MOST_INTERFACES: usize = 1 << 16;
