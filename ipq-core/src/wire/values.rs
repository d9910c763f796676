//! The values in frames. Each type can hold whatever the wire can, and says what it means.

use std::fmt;

/// The name of a queued packet in its verdict. It is opaque, and unique among the packets that are
/// queued at one time. An id is used again after its verdict (PKT-9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PacketId(pub u64);

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The address of a netlink socket. The kernel's is 0, and a program's is by custom its process id.
#[doc(alias = "nl_pid")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub u32);

impl PortId {
    /// The kernel's own port id: 0 (SOCK-6).
    pub const KERNEL: Self = Self(0);

    /// Returns whether a message with this port id can attach: it must be above 0 as a signed
    /// number (MSG-2).
    #[must_use]
    pub const fn can_attach(self) -> bool {
        self.0.cast_signed() > 0
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.cast_signed())
    }
}

/// A packet's netfilter mark. Marks have 32 bits; the wire gives them a word (WIRE-2).
#[doc(alias = "nfmark")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(pub u64);

/// The time of a packet's arrival, since 1970-01-01 00:00 UTC; all zeros if the kernel took no time
/// (PKT-8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    /// Whole seconds.
    #[doc(alias = "timestamp_sec")]
    pub seconds: i64,
    /// Microseconds within the second: 0 to 999,999 in a kernel's frames.
    #[doc(alias = "timestamp_usec")]
    pub microseconds: i64,
}

impl Timestamp {
    /// Returns whether the kernel took no time for the packet (PKT-8).
    #[must_use]
    pub const fn is_unset(self) -> bool {
        self.seconds == 0 && self.microseconds == 0
    }
}

/// The protocol of a packet's link-layer frame, by its Ethernet number (PKT-6).
#[doc(alias = "hw_protocol")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// 0: the packet had no link-layer frame yet, as at OUTPUT.
    pub const NONE: Self = Self(0);
    /// 0x0800.
    pub const IPV4: Self = Self(0x0800);
    /// 0x86dd.
    pub const IPV6: Self = Self(0x86dd);
}

/// Declares an enumeration of the protocol that can also hold numbers without a meaning.
macro_rules! numbered {
    ($(#[$attribute:meta])* $name:ident: $repr:ty { $($(#[$doc:meta])* $variant:ident = $value:literal $text:literal,)* }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// Any other number on the wire. `from_wire` never puts a number here that has a
            /// meaning.
            Unknown($repr),
        }

        impl $name {
            /// All values with a meaning, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the value with this number on the wire.
            #[must_use]
            #[inline]
            pub const fn from_wire(value: $repr) -> Self {
                match value {
                    $($value => Self::$variant,)*
                    other => Self::Unknown(other),
                }
            }

            /// Returns the number on the wire.
            #[must_use]
            #[inline]
            pub const fn to_wire(self) -> $repr {
                match self {
                    $(Self::$variant => $value,)*
                    Self::Unknown(other) => other,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    Self::Unknown(other) => write!(f, "{other:#x}"),
                }
            }
        }
    };
}

numbered! {
    /// The part of each packet that the kernel hands over (MSG-8).
    CopyMode: u8 {
        /// 0: nothing is queued; packets for the queue are dropped (PKT-1).
        #[doc(alias = "IPQ_COPY_NONE")]
        None = 0 "NONE",
        /// 1: what the kernel says about the packet, without its bytes.
        #[doc(alias = "IPQ_COPY_META")]
        Meta = 1 "META",
        /// 2: the packet's bytes too, up to the copy range.
        #[doc(alias = "IPQ_COPY_PACKET")]
        Packet = 2 "PACKET",
    }
}

numbered! {
    /// The place on a packet's way through the host where it was queued (PKT-6).
    Hook: u32 {
        /// 0: just arrived, not yet routed.
        #[doc(alias = "NF_IP_PRE_ROUTING")]
        Prerouting = 0 "PREROUTING",
        /// 1: for this host.
        #[doc(alias = "NF_IP_LOCAL_IN")]
        Input = 1 "INPUT",
        /// 2: for another host.
        #[doc(alias = "NF_IP_FORWARD")]
        Forward = 2 "FORWARD",
        /// 3: made by this host.
        #[doc(alias = "NF_IP_LOCAL_OUT")]
        Output = 3 "OUTPUT",
        /// 4: about to leave.
        #[doc(alias = "NF_IP_POST_ROUTING")]
        Postrouting = 4 "POSTROUTING",
    }
}

numbered! {
    /// A program's decision about a packet (VER-1, VER-4).
    Verdict: u32 {
        /// 0: free the packet.
        #[doc(alias = "NF_DROP")]
        Drop = 0 "DROP",
        /// 1: go on with the next hook function.
        #[doc(alias = "NF_ACCEPT")]
        Accept = 1 "ACCEPT",
        /// 2: the program keeps it. Kernels since 3.1 refuse this.
        #[doc(alias = "NF_STOLEN")]
        Stolen = 2 "STOLEN",
        /// 3: queue it again at once, with a new packet id.
        #[doc(alias = "NF_QUEUE")]
        Queue = 3 "QUEUE",
        /// 4: run the same hook function again.
        #[doc(alias = "NF_REPEAT")]
        Repeat = 4 "REPEAT",
        /// 5: skip the other functions of this hook.
        #[doc(alias = "NF_STOP")]
        Stop = 5 "STOP",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn numbers_are_the_fields_own() {
        assert_eq!(
            CopyMode::ALL.iter().map(|mode| mode.to_wire()).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert_eq!(
            Hook::ALL.iter().map(|hook| hook.to_wire()).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4]
        );
        assert_eq!(
            Verdict::ALL.iter().map(|verdict| verdict.to_wire()).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4, 5]
        );
    }

    #[test]
    fn every_number_means_itself_again() {
        for number in 0..=u8::MAX {
            assert_eq!(CopyMode::from_wire(number).to_wire(), number);
        }
        for number in (0..300).chain([0x0001_0001, u32::MAX]) {
            assert_eq!(Hook::from_wire(number).to_wire(), number);
            assert_eq!(Verdict::from_wire(number).to_wire(), number);
        }
        assert_eq!(CopyMode::from_wire(3), CopyMode::Unknown(3));
        assert_eq!(Hook::from_wire(5), Hook::Unknown(5));
        assert_eq!(Verdict::from_wire(0x0001_0001), Verdict::Unknown(0x0001_0001));
    }

    #[test]
    fn values_are_shown_as_the_field_writes_them() {
        assert_eq!(CopyMode::Packet.to_string(), "PACKET");
        assert_eq!(Hook::Postrouting.to_string(), "POSTROUTING");
        assert_eq!(Verdict::Accept.to_string(), "ACCEPT");
        assert_eq!(Verdict::Unknown(0x0001_0001).to_string(), "0x10001");
        assert_eq!(PacketId(0xffff_8800_0e73_0b40).to_string(), "0xffff88000e730b40");
        assert_eq!(PortId(0xffff_efff).to_string(), "-4097");
    }

    #[rstest]
    #[case(0, false)]
    #[case(1, true)]
    #[case(0x7fff_ffff, true)]
    #[case(0x8000_0000, false)]
    #[case(0xffff_efff, false)]
    fn only_a_positive_port_id_can_attach(#[case] port_id: u32, #[case] expected: bool) {
        assert_eq!(PortId(port_id).can_attach(), expected);
    }

    #[rstest]
    #[case(0, 0, true)]
    #[case(1, 0, false)]
    #[case(0, 1, false)]
    #[case(-1, 0, false)]
    fn a_timestamp_is_unset_if_both_words_are_zero(
        #[case] seconds: i64,
        #[case] microseconds: i64,
        #[case] expected: bool,
    ) {
        assert_eq!(Timestamp { seconds, microseconds }.is_unset(), expected);
    }
}
