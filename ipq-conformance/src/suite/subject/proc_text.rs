//! The text of the file of an `ip_queue` in `/proc`, as numbers.

use crate::suite::kernels;
use ipq_core::Family;

/// The numbers in `/proc/net/ip_queue` or `ip6_queue` (PROC-1). Three more numbers, which only
/// kernels before 2.4.18 have, are left out. A negative number of a kernel before 2.6.10 is kept as
/// its two's complement in 64 bits. The labels below are those from 2.4.18 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcText {
    /// "Peer PID": the port id of the peer; 0 if there is no peer.
    pub peer: u64,
    /// "Copy mode": the number of the copy mode, 0 NONE, 1 META or 2 PACKET.
    pub copy_mode: u64,
    /// "Copy range": the copy range in bytes.
    pub copy_range: u64,
    /// "Queue length": the number of queued packets.
    pub queue_length: u64,
    /// "Queue max. length": the most packets that the queue holds.
    pub maximum_length: u64,
    /// "Queue dropped": the number of packets that found the queue full (PKT-2); 0 on kernels
    /// before 2.6.10, which do not say.
    pub queue_dropped: u64,
    /// "Netlink dropped", or "Netfilter dropped" for IPv6: the number of packets that could not be
    /// handed to the peer (PKT-3); 0 on kernels before 2.6.10, which do not say.
    pub peer_dropped: u64,
}

impl ProcText {
    /// Parses the eight lines of kernels before 2.4.18, or the five of kernels before 2.6.10. Fails
    /// if the text has another number of lines, or if a line is not its label followed by a number.
    /// A negative number becomes its two's complement in 64 bits.
    fn parse_older(text: &str, kernel: &str) -> Result<Self, String> {
        let labels: &[&str] = if kernels::is_before(kernel, "2.4.18") {
            &[
                "Peer pid            : ",
                "Peer died           : ",
                "Peer copy mode      : ",
                "Peer copy range     : ",
                "Queue length        : ",
                "Queue max. length   : ",
                "Queue flushing      : ",
                "Queue terminate     : ",
            ]
        } else {
            &[
                "Peer PID          : ",
                "Copy mode         : ",
                "Copy range        : ",
                "Queue length      : ",
                "Queue max. length : ",
            ]
        };
        let values: Vec<i64> = text
            .lines()
            .zip(labels)
            .map(|(line, label)| {
                let value = line
                    .strip_prefix(label)
                    .ok_or_else(|| format!("{line:?} is no {label:?}"))?;
                value.parse().map_err(|_| format!("{line:?} ends with no number"))
            })
            .collect::<Result<_, String>>()?;
        if text.lines().count() != labels.len() {
            return Err(format!("the text has not {} lines", labels.len()));
        }
        let value = |place: usize| values.get(place).copied().unwrap_or_default().cast_unsigned();
        let skipped = usize::from(labels.len() == 8);
        Ok(Self {
            peer: value(0),
            copy_mode: value(1 + skipped),
            copy_range: value(2 + skipped),
            queue_length: value(3 + skipped),
            maximum_length: value(4 + skipped),
            queue_dropped: 0,
            peer_dropped: 0,
        })
    }

    /// Parses the text of a kernel with the version `kernel`. From 2.6.10 on the text must be
    /// exactly the seven lines of PROC-1, of which `family` decides the last label. Kernels before
    /// 2.4.18 have eight lines, and those before 2.6.10 five. The error says which line is wrong or
    /// missing, or that the number of lines is wrong.
    pub(super) fn parse(text: &str, family: Family, kernel: &str) -> Result<Self, String> {
        if kernels::is_before(kernel, "2.6.10") {
            return Self::parse_older(text, kernel);
        }
        let labels = [
            "Peer PID          : ",
            "Copy mode         : ",
            "Copy range        : ",
            "Queue length      : ",
            "Queue max. length : ",
            "Queue dropped     : ",
            match family {
                Family::Ipv4 => "Netlink dropped   : ",
                Family::Ipv6 => "Netfilter dropped : ",
            },
        ];
        let mut values = [0; 7];
        let mut rest = text;
        for (label, value) in labels.iter().zip(&mut values) {
            let after = rest.strip_prefix(label);
            let after = after.ok_or_else(|| format!("the text does not go on with {label:?}"))?;
            let (number, following) = after.split_once('\n').ok_or_else(|| format!("{label:?} has no end"))?;
            *value = number
                .parse()
                .map_err(|_| format!("{label:?} is {number:?}, which is no number"))?;
            rest = following;
        }
        if !rest.is_empty() {
            return Err("the text has more than seven lines".into());
        }
        let [
            peer,
            copy_mode,
            copy_range,
            queue_length,
            maximum_length,
            queue_dropped,
            peer_dropped,
        ] = values;
        Ok(Self {
            peer,
            copy_mode,
            copy_range,
            queue_length,
            maximum_length,
            queue_dropped,
            peer_dropped,
        })
    }
}
