//! The length of the queue, and sizes at their ends.

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
