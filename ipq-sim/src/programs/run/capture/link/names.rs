//! Names of the link types and protocols in which no IP packet is looked for, by their numbers in
//! captures.

/// Returns a link type's name, as a rule that of the list of tcpdump.org. Knows some of the types
/// in which no IP packet is looked for, and returns `None` for all others.
pub(crate) fn link_type(number: u16) -> Option<&'static str> {
    Some(match number {
        3 => "AX25",
        6 => "IEEE802_5",
        7 => "ARCNET_BSD",
        8 => "SLIP",
        10 => "FDDI",
        107 => "FRELAY",
        114 => "LTALK",
        117 => "PFLOG",
        119 => "IEEE802_11_PRISM",
        122 => "IP_OVER_FC",
        123 => "SUNATM",
        129 => "ARCNET_LINUX",
        138 => "APPLE_IP_OVER_IEEE1394",
        143 => "DOCSIS",
        144 => "LINUX_IRDA",
        147..=162 => "USER",
        163 => "IEEE802_11_AVS",
        187 => "BLUETOOTH_HCI_H4",
        189 => "USB_LINUX",
        192 => "PPI",
        195 => "IEEE802_15_4_WITHFCS",
        201 => "BLUETOOTH_HCI_H4_WITH_PHDR",
        209 => "IPMB_LINUX",
        220 => "USB_LINUX_MMAPPED",
        224 => "FC_2",
        226 => "IPNET",
        227 => "CAN_SOCKETCAN",
        230 => "IEEE802_15_4_NOFCS",
        231 => "DBUS",
        240 => "NETANALYZER",
        247 => "INFINIBAND",
        249 => "USBPCAP",
        251 => "BLUETOOTH_LE_LL",
        252 => "WIRESHARK_UPPER_PDU",
        253 => "NETLINK",
        254 => "BLUETOOTH_LINUX_MONITOR",
        256 => "BLUETOOTH_LE_LL_WITH_PHDR",
        258 => "PKTAP",
        266 => "USB_DARWIN",
        271 => "VSOCK",
        272 => "NORDIC_BLE",
        283 => "IEEE802_15_4_TAP",
        _ => return None,
    })
}

/// Returns the name of the protocol whose `EtherType` is `number`. Knows some of the protocols in
/// which no IP packet is looked for, and returns `None` for all others.
pub(crate) fn ether_type(number: u16) -> Option<&'static str> {
    Some(match number {
        0x0806 => "ARP",
        0x0842 => "Wake-on-LAN",
        0x4305 => "B.A.T.M.A.N.",
        0x6558 => "Ethernet in another protocol",
        0x8035 => "RARP",
        0x809b => "AppleTalk",
        0x8137 => "IPX",
        0x8809 => "Ethernet slow protocols (LACP)",
        0x8863 => "PPPoE discovery",
        0x888e => "EAPOL",
        0x8892 => "PROFINET",
        0x88a4 => "EtherCAT",
        0x88cc => "LLDP",
        0x88e1 => "HomePlug AV",
        0x88e5 => "MACsec",
        0x88f7 => "PTP",
        0x8902 => "connectivity fault management",
        0x8906 => "FCoE",
        0x8915 => "RoCE",
        0x893a => "IEEE 1905.1",
        0x9000 => "Ethernet loopback",
        _ => return None,
    })
}

/// Returns the name of the protocol whose number in PPP is `number`. Knows some of the protocols in
/// which no IP packet is looked for, and returns `None` for all others.
pub(crate) fn ppp(number: u16) -> Option<&'static str> {
    Some(match number {
        0x002d | 0x002f => "PPP: TCP/IP with compressed headers",
        0x003d => "PPP multilink",
        0x00fd => "PPP: compressed",
        0x8021 => "PPP: IPCP",
        0x8057 => "PPP: IPV6CP",
        0x80fd => "PPP: CCP",
        0xc021 => "PPP: LCP",
        0xc023 => "PPP: PAP",
        0xc025 => "PPP: link quality report",
        0xc223 => "PPP: CHAP",
        _ => return None,
    })
}

/// Returns the name of the protocol whose service access point of IEEE 802.2 is `number`. Knows
/// some of the protocols in which no IP packet is looked for, and returns `None` for all others.
pub(crate) fn service(number: u8) -> Option<&'static str> {
    Some(match number {
        0x42 => "STP",
        0xf0 => "NetBIOS",
        0xfe => "OSI (IS-IS)",
        0xe0 | 0xff => "IPX",
        _ => return None,
    })
}
