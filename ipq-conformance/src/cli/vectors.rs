//! `vectors`: prints sample frames, a line of JSON each, with the meaning of the frame or the rule
//! that it breaks.

use super::{End, Failure, standard_output};
use std::io::Write;

pub(super) fn vectors() -> Result<End, Failure> {
    let mut output = standard_output();
    for vector in crate::vectors::all() {
        writeln!(output, "{vector}")?;
    }
    Ok(End::Good)
}
