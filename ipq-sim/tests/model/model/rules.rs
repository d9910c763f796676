//! The differences between kernels: the rules of each kernel that the model can be.

use ipq_core::wire::Abi;

/// One kernel's behaviour, as far as kernels differ.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "most rules hold, or do not")]
pub(crate) struct Rules {
    /// The kernel's name in profiles and recordings.
    pub(crate) kernel: &'static str,
    pub(crate) abi: Abi,
    pub(crate) weight: Weight,
    pub(crate) receive_buffer: u32,
    pub(crate) receive_buffer_limit: u32,
    pub(crate) receive_buffer_least: u32,
    pub(crate) send_buffer: usize,
    /// `true` if mangle has chains at all five hooks, `false` if at PREROUTING and OUTPUT only
    /// (ERA-18).
    pub(crate) mangles_everywhere: bool,
    /// For IPv4 and for IPv6, `true` if the kernel can have a queue.
    pub(crate) has_queue: [bool; 2],
    /// `true` if a socket opens even if nobody serves its protocol (SOCK-1, ERA-16).
    pub(crate) any_protocol_opens: bool,
    /// `true` if `NETLINK_NO_ENOBUFS` has an effect (SOCK-4, ERA-13).
    pub(crate) no_enobufs_works: bool,
    /// `true` if an error quotes the whole message, `false` if its header alone (WIRE-6, ERA-1).
    pub(crate) errors_quote_all: bool,
    /// `true` if a malformed message is answered, `false` if it is ignored (MSG-1, ERA-19).
    pub(crate) malformed_is_answered: bool,
    /// `true` if a negative port id attaches, `false` if it is refused (MSG-2, ERA-4).
    pub(crate) negative_port_ids_attach: bool,
    /// `true` if another port id takes the queue over, `false` if it is refused with EBUSY (ATT-3,
    /// ERA-2).
    pub(crate) second_peer_takes_over: bool,
    /// `true` if a closed peer is noticed only at a later packet, `false` if at once (ATT-4,
    /// ERA-3).
    pub(crate) death_is_noticed_late: bool,
    /// `true` if mode NONE is accepted, `false` if it is EINVAL (MSG-8, ERA-11).
    pub(crate) none_is_a_mode: bool,
    /// `true` if the lengths of body and payload are counted to the datagram's end, `false` if to
    /// the header's length (MSG-7, VER-5, ERA-12).
    pub(crate) datagram_length_counts: bool,
    /// `true` if the maximum length is compared as a signed number (PKT-2, ERA-6).
    pub(crate) maximum_is_signed: bool,
    /// The moment at which a full queue is noticed (ERA-5).
    pub(crate) full_is_noticed: FullIsNoticed,
    /// `true` if STOLEN is accepted (VER-1, ERA-7).
    pub(crate) stolen_is_a_verdict: bool,
    /// `true` if STOP is accepted (VER-1, ERA-7).
    pub(crate) stop_is_a_verdict: bool,
    /// `hw_protocol` of a local IPv4 packet at OUTPUT (PKT-6, ERA-8).
    pub(crate) protocol_at_output: u16,
    /// `true` if the timestamp of a packet that this host makes has microseconds, and no seconds
    /// (ERA-8).
    pub(crate) own_packets_have_microseconds: bool,
    /// `true` if link-layer addresses are filled in (PKT-7, ERA-9).
    pub(crate) has_link_addresses: bool,
    /// The length of the link-layer address of a packet that came in by lo, in bytes (PKT-7,
    /// ERA-9).
    pub(crate) loopback_address_length: u8,
    /// `true` if a packet that was changed at OUTPUT is routed again (VER-10).
    pub(crate) reroutes: bool,
    /// `true` if an IPv4 packet that a verdict has grown beyond the MTU is fragmented even with DF
    /// set (FWD-4, ERA-10).
    pub(crate) grown_df_is_fragmented: bool,
    /// What happens to an IPv6 packet that a verdict has grown beyond the MTU (FWD-4, ERA-10).
    pub(crate) grown_ipv6: Grown,
    pub(crate) proc: ProcText,
    pub(crate) ids: IdPools,
}

/// The number of bytes that a datagram counts for in a receive buffer (SOCK-5, ERA-14).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weight {
    /// The smallest power of two, at least 256, that holds the length, rounded up to 64, and
    /// `shared_info`; and `base` more.
    SizeClass { shared_info: usize, base: usize },
    /// The length, rounded up to a multiple of `to`; and `base` more.
    Rounded { to: usize, base: usize },
}

/// The moment at which a full queue is noticed, and the packet dropped.
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

/// The number of lines of the text in /proc (PROC-1, ERA-15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcText {
    Eight,
    Five,
    Seven,
}

/// The pools from which packet ids come (PKT-9, ERA-17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdPools {
    /// One pool for the entries of both families.
    Shared,
    /// One pool for the entries of each family.
    ByFamily,
    /// One pool for the entries of each family. The hooks' notes on all queued packets come from
    /// the pool of IPv4.
    WithNotes(Notes),
}

/// How a kernel uses the pools of entries if its notes come from them, too: the order in which a
/// flush frees notes and entries, and who else takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notes {
    /// `true` if each packet's entry is freed before its note when packets are dropped from a queue
    /// without a verdict. The next packet then gets the id of the youngest packet that was dropped.
    pub(crate) flushed_after_entries: bool,
    /// `true` if each open socket holds a record of the pool of the IPv6 entries.
    pub(crate) sockets_have_records: bool,
    /// `true` if a device that comes up takes a record from the pool of the IPv4 entries, for good.
    pub(crate) devices_take_records: bool,
}

impl Rules {
    /// The rules of all kernels that the model can be, from the oldest to the newest.
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

/// Linux 3.0 of 64 bits. The rules and figures of this kernel and of the next three, all of 64
/// bits, were read and not measured.
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
