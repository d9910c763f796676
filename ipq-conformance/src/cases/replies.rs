//! Errors and acknowledgements (ERR).

use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
