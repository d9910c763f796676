//! Types for the values in frames. Each type can hold every number that its field can, with a
//! meaning or without.

use std::fmt;

/// The id of a queued packet, which the packet's verdict repeats. It is opaque, and unique among
/// the packets that are queued at one time. Once its packet has left the queue, another packet may
/// get it (PKT-9).
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

    /// Returns `true` if a message with this port id can attach its sender to the queue: the id
    /// must be above 0 as a signed number (MSG-2).
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
/// (PKT-8; ERA-8 says what old kernels do).
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
    /// Returns `true` if both numbers are 0, as they are if the kernel took no time (PKT-8).
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
    /// No protocol, 0: the packet had no link-layer frame yet, as at OUTPUT.
    pub const NONE: Self = Self(0);
    /// IPv4: 0x0800.
    pub const IPV4: Self = Self(0x0800);
    /// IPv6: 0x86dd.
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
        /// Mode 0: nothing is queued; packets for the queue are dropped (PKT-1).
        #[doc(alias = "IPQ_COPY_NONE")]
        None = 0 "NONE",
        /// Mode 1: the kernel hands over what it says about the packet, without the packet's bytes.
        #[doc(alias = "IPQ_COPY_META")]
        Meta = 1 "META",
        /// Mode 2: the kernel also hands over the packet's bytes, up to the copy range.
        #[doc(alias = "IPQ_COPY_PACKET")]
        Packet = 2 "PACKET",
    }
}

numbered! {
    /// The hook at which a packet was queued, on its way through the host (PKT-6).
    Hook: u32 {
        /// Hook 0: the packet has just arrived, and is not routed yet.
        #[doc(alias = "NF_IP_PRE_ROUTING")]
        Prerouting = 0 "PREROUTING",
        /// Hook 1: the packet is for this host.
        #[doc(alias = "NF_IP_LOCAL_IN")]
        Input = 1 "INPUT",
        /// Hook 2: the packet is for another host.
        #[doc(alias = "NF_IP_FORWARD")]
        Forward = 2 "FORWARD",
        /// Hook 3: this host made the packet.
        #[doc(alias = "NF_IP_LOCAL_OUT")]
        Output = 3 "OUTPUT",
        /// Hook 4: the packet is about to leave.
        #[doc(alias = "NF_IP_POST_ROUTING")]
        Postrouting = 4 "POSTROUTING",
    }
}

numbered! {
    /// A program's decision about a packet (VER-1, VER-4).
    Verdict: u32 {
        /// Verdict 0: the kernel frees the packet.
        #[doc(alias = "NF_DROP")]
        Drop = 0 "DROP",
        /// Verdict 1: the packet goes on with the next function of the hook, and then with the next
        /// hook.
        #[doc(alias = "NF_ACCEPT")]
        Accept = 1 "ACCEPT",
        /// Verdict 2: the packet goes no further, and is lost. Kernels since 3.1 refuse this
        /// verdict.
        #[doc(alias = "NF_STOLEN")]
        Stolen = 2 "STOLEN",
        /// Verdict 3: the kernel queues the packet again at once, with a new packet id.
        #[doc(alias = "NF_QUEUE")]
        Queue = 3 "QUEUE",
        /// Verdict 4: the kernel runs the same hook function again.
        #[doc(alias = "NF_REPEAT")]
        Repeat = 4 "REPEAT",
        /// Verdict 5: the packet skips the remaining functions of this hook, and goes on with the
        /// next hook.
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
