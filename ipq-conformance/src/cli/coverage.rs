//! `coverage`: the requirements, the cases that check them, and the seeded faults with the cases
//! that found them.

use super::{End, Failure, standard_output, unable};
use crate::suite::cases;
use crate::suite::requirements::Coverage;
use std::io::Write;

pub(super) fn coverage() -> Result<End, Failure> {
    let coverage = Coverage::of(&cases::every()).map_err(unable)?;
    let mut output = standard_output();
    for row in &coverage.rows {
        let id = row.requirement.id;
        let mark = if row.is_covered() { ' ' } else { '!' };
        let cases = if row.cases.is_empty() {
            "no case".to_owned()
        } else {
            row.cases.join(", ")
        };
        writeln!(output, "{mark} {id:<8} {}", row.requirement.text)?;
        writeln!(output, "           checked by {cases}")?;
        for fault in &row.faults {
            let found = if fault.cases.is_empty() {
                "nothing has found it".to_owned()
            } else {
                format!("found by {}", fault.cases.join(", "))
            };
            writeln!(
                output,
                "           fault {}: {}; {found}",
                fault.fault, fault.description
            )?;
        }
        if let Some(reason) = &row.reason {
            writeln!(output, "           no fault: {reason}")?;
        }
    }
    let total = coverage.rows.len();
    let excused = coverage.rows.iter().filter(|row| row.reason.is_some()).count();
    let uncovered: Vec<_> = coverage.uncovered().map(|row| row.requirement.id).collect();
    let proven = total - excused - uncovered.len();
    writeln!(
        output,
        "\n{total} requirements: {proven} whose seeded fault a citing case has found, {excused} with a reason, {} not covered",
        uncovered.len()
    )?;
    if uncovered.is_empty() {
        return Ok(End::Good);
    }
    writeln!(output, "not covered: {}", uncovered.join(", "))?;
    Ok(End::Bad)
}
