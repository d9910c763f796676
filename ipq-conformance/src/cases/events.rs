//! Devices that go down, and modules that are unloaded (EVT).

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
