//! Receive buffers that are full (SOCK-4, SOCK-5, PKT-3).

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
