//! IPv4 and IPv6 side by side (EVT-3).

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
