//! What time it is in the emulated kernel.

use ipq_core::wire::Timestamp;
use std::time::{Duration, SystemTime};

/// Time since 1970-01-01 00:00 UTC: one's own, or the real one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// Stands still until it is set forward.
    Virtual(Duration),
    /// The system's.
    Real,
}

impl Clock {
    /// Where virtual time begins unless it is set: the day that Linux 3.4 came out, 2012-05-20 22:29 UTC.
    pub(crate) const EPOCH: Duration = Duration::from_mins(22_292_549);

    pub(crate) fn now(self) -> Duration {
        match self {
            Self::Virtual(now) => now,
            Self::Real => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }
}

/// The time as frames carry it.
pub(crate) fn timestamp(now: Duration) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        microseconds: i64::from(now.subsec_micros()),
    }
}
