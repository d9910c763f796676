//! `vectors`: prints sample frames with the value of each field, a line of JSON each.

use super::{End, Failure, standard_output};
use std::io::Write;

pub(super) fn vectors() -> Result<End, Failure> {
    let mut output = standard_output();
    for vector in crate::vectors::all() {
        writeln!(output, "{vector}")?;
    }
    Ok(End::Good)
}
