//! The options that a queue is opened with.

use crate::family::Family;
use crate::wire::PortId;
use std::num::ParseIntError;
use std::str::FromStr;

/// The options that a queue is opened with.
///
/// ```
/// use ipq_core::{Family, transport::nfqueue::Options};
///
/// let options = Options { queue_number: 6, ..Options::new(Family::Ipv6) };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The family of the packets that the program wants. Packets of any other family that come to
    /// the same queue are dropped.
    pub family: Family,
    /// The queue's number. A rule with `-j QUEUE` puts packets of both families into queue 0, the
    /// default; a rule with `-j NFQUEUE --queue-num` names another queue.
    pub queue_number: u16,
    /// The port id in requests. By default it is the process id (LIB-1). The socket's own port id
    /// is one that the kernel chooses.
    pub port_id: PortId,
    /// The most packets that the queue holds: the kernel drops the next (PKT-2), unless
    /// [`fail_open`](Self::fail_open) is set. `None` leaves the kernel's default, 1024.
    pub max_length: Option<u32>,
    /// If `true`, a packet that finds the queue or the socket's receive buffer full goes on as if
    /// it had been accepted. By default such a packet is dropped, as by `ip_queue`.
    #[doc(alias = "NFQA_CFG_F_FAIL_OPEN")]
    pub fail_open: bool,
    /// If `true`, a packet that the device is to cut into segments is queued whole, with up to
    /// 65,535 bytes and checksums still to be filled in. By default its segments are queued, as by
    /// `ip_queue` (PKT-5).
    #[doc(alias = "NFQA_CFG_F_GSO")]
    pub segments_whole: bool,
    /// If `true`, one verdict may stand for several packets, among verdicts that are sent many at
    /// once: equal verdicts without a replacement, on the oldest packets that the program has read
    /// and not decided about, in order. A packet that is held back, and those after it, get
    /// verdicts of their own.
    ///
    /// That costs less, and gives something up: a packet that was already gone, for example with
    /// its device, is not reported (ENOENT, VER-2). By default each packet has its own verdict.
    #[doc(alias = "NFQNL_MSG_VERDICT_BATCH")]
    pub batch_verdicts: bool,
}

impl Options {
    /// Returns the options of queue 0 for `family`, with which the queue behaves as `ip_queue` did.
    #[must_use]
    pub fn new(family: Family) -> Self {
        Self {
            family,
            queue_number: 0,
            port_id: PortId(std::process::id()),
            max_length: None,
            fail_open: false,
            segments_whole: false,
            batch_verdicts: false,
        }
    }
}

/// The queue number of each family, which can be read from a text. `4=0,6=1` gives IPv4 queue 0 and
/// IPv6 queue 1. A family that the text does not name has queue 0, so an empty text gives both
/// families queue 0.
///
/// ```
/// use ipq_core::{Family, transport::nfqueue::QueueNumbers};
///
/// let numbers: QueueNumbers = "4=0,6=1".parse()?;
/// assert_eq!(numbers.of(Family::Ipv6), 1);
/// # Ok::<(), ipq_core::transport::nfqueue::InvalidQueueNumbers>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueNumbers {
    /// The number of IPv4's queue.
    pub ipv4: u16,
    /// The number of IPv6's queue.
    pub ipv6: u16,
}

/// An error in a text that gives the queue number of each family.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidQueueNumbers {
    /// One of the parts that the commas separate does not begin with `4=` or `6=`.
    #[error("\"{0}\" is no queue number of a family: write 4=NUMBER or 6=NUMBER, with a comma between them")]
    Part(String),
    /// The text after the `=` is no number from 0 to 65535.
    #[error("\"{text}\" is no queue number, which is 0 to 65535: {reason}")]
    Number {
        /// The text after the `=`.
        text: String,
        /// The parser's reason.
        reason: ParseIntError,
    },
}

impl QueueNumbers {
    /// Returns the number of `family`'s queue.
    #[must_use]
    pub const fn of(self, family: Family) -> u16 {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
    }
}

impl FromStr for QueueNumbers {
    type Err = InvalidQueueNumbers;

    fn from_str(text: &str) -> Result<Self, InvalidQueueNumbers> {
        let mut numbers = Self::default();
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let (target, number) = match part.split_once('=') {
                Some(("4", number)) => (&mut numbers.ipv4, number),
                Some(("6", number)) => (&mut numbers.ipv6, number),
                _ => return Err(InvalidQueueNumbers::Part(part.to_owned())),
            };
            *target = number.parse().map_err(|reason| InvalidQueueNumbers::Number {
                text: number.to_owned(),
                reason,
            })?;
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[rstest]
    #[case("", 0, 0)]
    #[case("4=7", 7, 0)]
    #[case("6=1", 0, 1)]
    #[case("4=0,6=65535", 0, 65_535)]
    fn queue_numbers_are_read(#[case] text: &str, #[case] ipv4: u16, #[case] ipv6: u16) {
        assert_eq!(text.parse(), Ok(QueueNumbers { ipv4, ipv6 }));
    }

    #[rstest]
    #[case(
        "1",
        "\"1\" is no queue number of a family: write 4=NUMBER or 6=NUMBER, with a comma between them"
    )]
    #[case(
        "4=0,",
        "\"\" is no queue number of a family: write 4=NUMBER or 6=NUMBER, with a comma between them"
    )]
    #[case(
        "5=0",
        "\"5=0\" is no queue number of a family: write 4=NUMBER or 6=NUMBER, with a comma between them"
    )]
    #[case(
        "4=65536",
        "\"65536\" is no queue number, which is 0 to 65535: number too large to fit in target type"
    )]
    fn other_texts_are_refused_and_say_why(#[case] text: &str, #[case] expected: &str) {
        let error = text.parse::<QueueNumbers>().expect_err("no queue numbers");
        assert_eq!(error.to_string(), expected);
    }
}
