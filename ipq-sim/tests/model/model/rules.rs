//! What differs between kernels, as the recordings show it: a value for each kernel that the model can be.

use ipq_core::wire::Abi;

/// The rules of one kernel.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "most rules hold, or do not")]
pub(crate) struct Rules {
    /// As profiles and recordings name it.
    pub(crate) kernel: &'static str,
    pub(crate) abi: Abi,
    pub(crate) weight: Weight,
    pub(crate) receive_buffer: u32,
    pub(crate) receive_buffer_limit: u32,
    pub(crate) receive_buffer_least: u32,
    pub(crate) send_buffer: usize,
    /// Whether mangle has chains at all hooks, or at PREROUTING and OUTPUT only.
    pub(crate) mangles_everywhere: bool,
    /// IPv4, IPv6: whether there ever is a queue.
    pub(crate) has_queue: [bool; 2],
    /// SOCK-1: whether a socket opens whose protocol nobody serves.
    pub(crate) any_protocol_opens: bool,
    /// SOCK-4: whether the option does anything.
    pub(crate) no_enobufs_works: bool,
    /// WIRE-6: whether an error quotes the whole message.
    pub(crate) errors_quote_all: bool,
    /// MSG-1: whether a wrong header length is answered.
    pub(crate) malformed_is_answered: bool,
    /// MSG-2: whether a port id is compared as unsigned.
    pub(crate) negative_port_ids_attach: bool,
    /// ATT-3: whether another port id takes the queue over, or is refused.
    pub(crate) second_peer_takes_over: bool,
    /// ATT-4: whether a closed peer is noticed at the next packet only.
    pub(crate) death_is_noticed_late: bool,
    /// MSG-8.
    pub(crate) none_is_a_mode: bool,
    /// MSG-7, VER-5: whether the datagram's end counts, or the header's length.
    pub(crate) datagram_length_counts: bool,
    /// PKT-2: whether the maximum length has a sign.
    pub(crate) maximum_is_signed: bool,
    /// ERA-5
    pub(crate) full_is_noticed: FullIsNoticed,
    /// VER-1.
    pub(crate) stolen_is_a_verdict: bool,
    /// VER-1.
    pub(crate) stop_is_a_verdict: bool,
    /// PKT-6: the type of a local IPv4 packet at OUTPUT.
    pub(crate) protocol_at_output: u16,
    /// PKT-8: whether what this host makes has microseconds that some earlier packet left.
    pub(crate) own_packets_have_microseconds: bool,
    /// PKT-7: whether link-layer addresses are filled in.
    pub(crate) has_link_addresses: bool,
    /// PKT-7: the length of the address of what came in by lo.
    pub(crate) loopback_address_length: u8,
    /// VER-10: whether a packet that was changed at OUTPUT is routed again.
    pub(crate) reroutes: bool,
    /// FWD-4: whether a packet that a verdict has grown is fragmented in spite of DF.
    pub(crate) grown_df_is_fragmented: bool,
    /// FWD-4: what becomes of an IPv6 packet that a verdict has grown beyond the MTU.
    pub(crate) grown_ipv6: Grown,
    pub(crate) proc: ProcText,
    pub(crate) ids: IdPools,
}

/// SOCK-5.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weight {
    /// An allocation size that fits, and something for each datagram.
    SizeClass { shared_info: usize, base: usize },
    /// The length rounded up, and something for each datagram.
    Rounded { to: usize, base: usize },
}

/// When it is noticed that the queue is full: the packet is dropped then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FullIsNoticed {
    BeforePeer,
    BeforeDelivery,
    AfterDelivery,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grown {
    Whole,
    Fragments,
    Dropped,
}

/// PROC-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcText {
    Eight,
    Five,
    Seven,
}

/// PKT-9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdPools {
    /// One for the entries of both families.
    Shared,
    /// One for the entries of each.
    ByFamily,
    /// One for the entries of each, and what the hooks note of every queued packet comes from that of IPv4.
    WithNotes(Notes),
}

/// What else takes from the pools where notes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notes {
    /// When a queue is emptied, each entry is free before its note, so that the youngest entry is the next.
    pub(crate) flushed_after_entries: bool,
    /// A socket has a record of its own in the pool of the IPv6 entries, as long as it is open.
    pub(crate) sockets_have_records: bool,
    /// A device that comes up takes a record from the pool of the IPv4 entries.
    pub(crate) devices_take_records: bool,
}

impl Rules {
    /// The kernels, from the oldest to the newest.
    pub(crate) const ALL: [Self; 11] = [
        LINUX_2_4_0,
        LINUX_2_4_16,
        LINUX_2_4_32,
        LINUX_2_6_18,
        LINUX_2_6_18_X86_64,
        LINUX_2_6_27,
        LINUX_2_6_27_X86_64,
        LINUX_2_6_32_X86_64,
        LINUX_3_0_X86_64,
        LINUX_3_4_10_I386,
        LINUX_3_4_10_X86_64,
    ];

    pub(crate) fn of(kernel: &str) -> Self {
        let found = Self::ALL.iter().find(|rules| rules.kernel == kernel);
        *found.unwrap_or_else(|| panic!("the model knows no kernel {kernel}"))
    }

    pub(crate) fn weigh(&self, length: usize) -> usize {
        match self.weight {
            Weight::SizeClass { shared_info, base } => {
                let mut bucket = 256;
                while bucket < length.div_ceil(64) * 64 + shared_info {
                    bucket *= 2;
                }
                bucket + base
            }
            Weight::Rounded { to, base } => length.div_ceil(to) * to + base,
        }
    }
}

const LINUX_3_4_10_X86_64: Rules = Rules {
    kernel: "linux-3.4.10-x86_64",
    abi: Abi::LP64_LITTLE,
    weight: Weight::SizeClass {
        shared_info: 320,
        base: 192,
    },
    receive_buffer: 196_608,
    receive_buffer_limit: 1_572_864,
    receive_buffer_least: 2048 + 192,
    send_buffer: 196_608,
    mangles_everywhere: true,
    has_queue: [true, true],
    any_protocol_opens: false,
    no_enobufs_works: true,
    errors_quote_all: true,
    malformed_is_answered: false,
    negative_port_ids_attach: false,
    second_peer_takes_over: false,
    death_is_noticed_late: false,
    none_is_a_mode: true,
    datagram_length_counts: false,
    maximum_is_signed: false,
    full_is_noticed: FullIsNoticed::BeforeDelivery,
    stolen_is_a_verdict: false,
    stop_is_a_verdict: true,
    protocol_at_output: 0,
    own_packets_have_microseconds: false,
    has_link_addresses: true,
    loopback_address_length: 6,
    reroutes: true,
    grown_df_is_fragmented: false,
    grown_ipv6: Grown::Dropped,
    proc: ProcText::Seven,
    ids: IdPools::ByFamily,
};

const LINUX_3_4_10_I386: Rules = Rules {
    kernel: "linux-3.4.10-i386",
    abi: Abi::ILP32_LITTLE,
    weight: Weight::SizeClass {
        shared_info: 192,
        base: 160,
    },
    receive_buffer: 155_648,
    receive_buffer_least: 2048 + 160,
    send_buffer: 155_648,
    ..LINUX_3_4_10_X86_64
};

const LINUX_2_6_27: Rules = Rules {
    kernel: "linux-2.6.27-i386",
    weight: Weight::Rounded { to: 32, base: 160 },
    receive_buffer: 106_496,
    receive_buffer_limit: 106_496,
    receive_buffer_least: 256,
    send_buffer: 106_496,
    any_protocol_opens: true,
    no_enobufs_works: false,
    errors_quote_all: false,
    stolen_is_a_verdict: true,
    ..LINUX_3_4_10_I386
};

const LINUX_2_6_18: Rules = Rules {
    kernel: "linux-2.6.18-i386",
    weight: Weight::Rounded { to: 32, base: 156 },
    receive_buffer: 105_472,
    receive_buffer_limit: 105_472,
    send_buffer: 105_472,
    loopback_address_length: 0,
    grown_ipv6: Grown::Fragments,
    ids: IdPools::Shared,
    ..LINUX_2_6_27
};

/// The kernels of 64 bits that nobody has run: read, and weighed as the nearest that was.
const LINUX_3_0_X86_64: Rules = Rules {
    kernel: "linux-3.0-x86_64",
    weight: Weight::Rounded { to: 64, base: 192 },
    receive_buffer: 114_688,
    receive_buffer_limit: 114_688,
    receive_buffer_least: 256,
    send_buffer: 114_688,
    stolen_is_a_verdict: true,
    ..LINUX_3_4_10_X86_64
};

const LINUX_2_6_32_X86_64: Rules = Rules {
    kernel: "linux-2.6.32-x86_64",
    any_protocol_opens: true,
    ..LINUX_3_0_X86_64
};

const LINUX_2_6_27_X86_64: Rules = Rules {
    kernel: "linux-2.6.27-x86_64",
    no_enobufs_works: false,
    errors_quote_all: false,
    ..LINUX_2_6_32_X86_64
};

const LINUX_2_6_18_X86_64: Rules = Rules {
    kernel: "linux-2.6.18-x86_64",
    loopback_address_length: 0,
    grown_ipv6: Grown::Fragments,
    ids: IdPools::Shared,
    ..LINUX_2_6_27_X86_64
};

const LINUX_2_4_32: Rules = Rules {
    kernel: "linux-2.4.32-i386",
    weight: Weight::Rounded { to: 32, base: 160 },
    receive_buffer: 106_496,
    receive_buffer_limit: 106_496,
    send_buffer: 106_496,
    datagram_length_counts: true,
    full_is_noticed: FullIsNoticed::AfterDelivery,
    stop_is_a_verdict: false,
    protocol_at_output: 0x0800,
    own_packets_have_microseconds: true,
    grown_df_is_fragmented: true,
    grown_ipv6: Grown::Whole,
    proc: ProcText::Five,
    ids: IdPools::WithNotes(Notes {
        flushed_after_entries: true,
        sockets_have_records: true,
        devices_take_records: false,
    }),
    ..LINUX_2_6_18
};

const LINUX_2_4_16: Rules = Rules {
    kernel: "linux-2.4.16-i386",
    weight: Weight::Rounded { to: 32, base: 156 },
    receive_buffer: 65_535,
    receive_buffer_limit: 65_535,
    send_buffer: 65_535,
    mangles_everywhere: false,
    has_queue: [true, false],
    negative_port_ids_attach: true,
    second_peer_takes_over: true,
    death_is_noticed_late: true,
    none_is_a_mode: false,
    maximum_is_signed: true,
    full_is_noticed: FullIsNoticed::BeforePeer,
    proc: ProcText::Eight,
    ids: IdPools::WithNotes(Notes {
        flushed_after_entries: false,
        sockets_have_records: false,
        devices_take_records: true,
    }),
    ..LINUX_2_4_32
};

const LINUX_2_4_0: Rules = Rules {
    kernel: "linux-2.4.0-i386",
    weight: Weight::Rounded { to: 16, base: 152 },
    malformed_is_answered: true,
    reroutes: false,
    has_link_addresses: false,
    ids: IdPools::WithNotes(Notes {
        flushed_after_entries: false,
        sockets_have_records: false,
        devices_take_records: false,
    }),
    ..LINUX_2_4_16
};
