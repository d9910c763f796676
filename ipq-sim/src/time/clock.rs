//! The clock of the emulated kernel.

use crate::time::monitor::since_1970;
use ipq_core::wire::Timestamp;
use std::time::Duration;

/// A clock that counts from 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// A clock that stands still until it is set forward.
    Virtual(Duration),
    /// The system's clock.
    Real,
}

impl Clock {
    /// The default beginning of virtual time: 2012-05-20 22:29 UTC, the day that Linux 3.4 came
    /// out.
    pub(crate) const EPOCH: Duration = Duration::from_mins(22_292_549);

    pub(crate) fn now(self) -> Duration {
        match self {
            Self::Virtual(now) => now,
            Self::Real => since_1970(),
        }
    }
}

/// The time of a packet's arrival, in microseconds since 1970; 0 if the packet was not stamped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ArrivalTime(u64);

impl ArrivalTime {
    pub(crate) fn at(now: Duration) -> Self {
        let seconds = now.as_secs().saturating_mul(1_000_000);
        Self(seconds.saturating_add(now.subsec_micros().into()))
    }
}

/// Converts the time to a frame's time stamp of seconds and microseconds.
impl From<ArrivalTime> for Timestamp {
    fn from(ArrivalTime(microseconds): ArrivalTime) -> Self {
        Self {
            seconds: (microseconds / 1_000_000).cast_signed(),
            microseconds: (microseconds % 1_000_000).cast_signed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[rstest]
    #[case::the_beginning(Duration::ZERO, 0, 0)]
    #[case::the_day_of_linux_3_4(Clock::EPOCH, 1_337_552_940, 0)]
    #[case::the_last_second_of_32_bits(Duration::new(0x7fff_ffff, 999_999_999), 0x7fff_ffff, 999_999)]
    #[case::after_2106(Duration::from_secs(0x1_0000_0000), 0x1_0000_0000, 0)]
    #[case::the_end(Duration::MAX, 18_446_744_073_709, 551_615)]
    fn a_timestamp_has_seconds_and_microseconds(
        #[case] now: Duration,
        #[case] seconds: i64,
        #[case] microseconds: i64,
    ) {
        let timestamp = Timestamp::from(ArrivalTime::at(now));
        assert_eq!(timestamp, Timestamp { seconds, microseconds });
    }

    #[test]
    fn virtual_time_stands_still_and_real_time_does_not_run_back() {
        let clock = Clock::Virtual(Clock::EPOCH);
        assert_eq!((clock.now(), clock.now()), (Clock::EPOCH, Clock::EPOCH));
        assert!(Clock::Real.now() > Clock::EPOCH);
    }
}
