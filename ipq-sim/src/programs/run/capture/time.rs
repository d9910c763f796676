//! The time at which a packet was captured, in the unit of the capture.

use std::fmt;
use std::time::Duration;

/// A time of a capture: a number of units of its clock, from 1970-01-01 00:00 UTC plus the clock's
/// offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureTime {
    /// The number of units of the clock.
    pub units: u64,
    /// The length of a unit, and the seconds that are added to the time.
    pub clock: CaptureClock,
}

/// The clock of an interface of a capture: the unit and the offset of its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaptureClock {
    /// The unit in seconds, in the code of pcapng's option `if_tsresol`: 10 to the power of minus
    /// this number, or, if the highest bit is set, 2 to the power of minus the other bits.
    pub resolution: u8,
    /// The number of seconds that is added to each time, and may be negative.
    pub offset: i64,
}

impl CaptureClock {
    /// The clock with microseconds and no offset, which both formats use unless a file states
    /// another.
    pub const MICROSECONDS: Self = Self::decimal(6);
    /// The clock with nanoseconds and no offset, which a pcap file of the nanosecond magic number
    /// uses.
    pub const NANOSECONDS: Self = Self::decimal(9);

    const fn decimal(digits: u8) -> Self {
        Self {
            resolution: digits,
            offset: 0,
        }
    }

    /// Returns the number of units in a second. Returns `None` if the number has more than 64 bits.
    fn units_in_a_second(self) -> Option<u64> {
        match self.resolution {
            power @ ..0x80 => 10_u64.checked_pow(power.into()),
            power => 1_u64.checked_shl(u32::from(power & 0x7f)),
        }
    }

    /// Returns the number of digits after the point with which a time in seconds is written, at
    /// most 9.
    fn digits(self) -> usize {
        match self.resolution {
            power @ ..0x80 => usize::from(power).min(9),
            power => usize::from(power & 0x7f).min(9),
        }
    }
}

impl Default for CaptureClock {
    fn default() -> Self {
        Self::MICROSECONDS
    }
}

impl CaptureTime {
    /// Returns the time since 1970-01-01 00:00 UTC, cut to whole nanoseconds. Returns 0 for an
    /// earlier time, and about the greatest [`Duration`] for a later one than it can hold.
    #[must_use]
    pub fn since_epoch(self) -> Duration {
        let (seconds, nanoseconds) = match self.clock.units_in_a_second() {
            Some(in_a_second) => {
                let fraction = u128::from(self.units % in_a_second) * 1_000_000_000 / u128::from(in_a_second);
                (self.units / in_a_second, fraction as u32)
            }
            // With so small a unit, 64 bits of units make less than a second.
            None => (0, 0),
        };
        match seconds.checked_add_signed(self.clock.offset) {
            Some(seconds) => Duration::new(seconds, nanoseconds),
            None if self.clock.offset < 0 => Duration::ZERO,
            None => Duration::new(u64::MAX, nanoseconds),
        }
    }
}

impl fmt::Display for CaptureTime {
    /// Writes the seconds since 1970-01-01 00:00 UTC, with as many digits as the capture has, at
    /// most 9.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.since_epoch();
        let digits = self.clock.digits();
        if digits == 0 {
            return write!(f, "{}", time.as_secs());
        }
        let fraction = time.subsec_nanos() / 10_u32.pow(9 - digits as u32);
        write!(f, "{}.{fraction:0digits$}", time.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[rstest]
    #[case::microseconds(6, 0, 1_000_000_007, "1000.000007")]
    #[case::nanoseconds(9, 0, 1_000_000_007, "1.000000007")]
    #[case::seconds(0, 5, 7, "12")]
    #[case::parts_of_1024(0x8a, 0, 1024 + 512, "1.500000000")]
    #[case::picoseconds(12, 0, 1_500_000_000_000, "1.500000000")]
    #[case::finer_than_64_bits_can_count(0xff, 3, u64::MAX, "3.000000000")]
    #[case::before_1970(6, -10, 7_000_000, "0.000000")]
    #[case::later_than_can_be_counted(0, 1, u64::MAX, "18446744073709551615")]
    fn a_time_is_shown_with_the_digits_that_it_has(
        #[case] resolution: u8,
        #[case] offset: i64,
        #[case] units: u64,
        #[case] shown: &str,
    ) {
        let clock = CaptureClock { resolution, offset };
        assert_eq!(CaptureTime { units, clock }.to_string(), shown);
    }
}
