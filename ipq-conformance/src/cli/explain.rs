//! `explain`: the text of a case or of a requirement.

use super::{End, Failure, standard_output, unable};
use crate::suite::requirements::{Coverage, Requirement};
use crate::suite::{Case, cases, kernels};
use crate::world::Capability;
use std::io::Write;

pub(super) fn explain(id: &str) -> Result<End, Failure> {
    let all = cases::every();
    if let Some(case) = all.iter().find(|case| case.id == id) {
        explain_case(case)?;
    } else if let Some(requirement) = Requirement::named(id) {
        explain_requirement(requirement, &all)?;
    } else {
        let near = all
            .iter()
            .map(|case| case.id)
            .filter(|known| known.contains(id))
            .take(5);
        let near: Vec<_> = near.collect();
        let hint = if near.is_empty() {
            "`ipq-conformance list` shows the cases, `ipq-conformance coverage` the requirements".to_owned()
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        return Err(unable(format_args!(
            "{id:?} is the id of no case and of no requirement: {hint}"
        )));
    }
    Ok(End::Good)
}

fn explain_case(case: &Case) -> Result<(), Failure> {
    let mut output = standard_output();
    writeln!(output, "{}\n\n  {}.\n", case.id, case.title)?;
    writeln!(output, "  level  {}", case.level)?;
    if let Some(range) = kernels::range(case.id) {
        writeln!(output, "  for    {range}")?;
    }
    for capability in case.needs {
        writeln!(
            output,
            "  needs  {capability}: a world that {}",
            capability.description()
        )?;
    }
    writeln!(output, "\nIt checks:")?;
    for id in case.requirements {
        let text = Requirement::named(id).map_or("", |requirement| requirement.text);
        writeln!(output, "  {id:<8} {text}")?;
    }
    let client = if case.needs.contains(&Capability::CLibrary) {
        "--client dlopen:PATH "
    } else {
        ""
    };
    writeln!(output, "\nRun it: ipq-conformance run {client}{}", case.id)?;
    Ok(())
}

fn explain_requirement(requirement: Requirement, cases: &[Case]) -> Result<(), Failure> {
    let mut output = standard_output();
    writeln!(output, "{}\n\n  {}\n", requirement.id, requirement.text)?;
    let coverage = Coverage::of(cases).map_err(unable)?;
    let Some(row) = coverage.rows.iter().find(|row| row.requirement == requirement) else {
        return Ok(());
    };
    if row.cases.is_empty() {
        writeln!(output, "No case cites it.")?;
    } else {
        writeln!(output, "Cases that check it:")?;
    }
    for case in cases.iter().filter(|case| row.cases.contains(&case.id)) {
        writeln!(output, "  {:<42} {}", case.id, case.title)?;
        if let Some(range) = kernels::range(case.id) {
            writeln!(output, "  {:<42} for {range}", "")?;
        }
    }
    for fault in &row.faults {
        let found = if fault.cases.is_empty() {
            "nothing".to_owned()
        } else {
            fault.cases.join(", ")
        };
        writeln!(
            output,
            "\nWhen the emulator of {} breaks it ({}), {found} fails.",
            fault.kernel, fault.description
        )?;
    }
    if let Some(reason) = &row.reason {
        writeln!(output, "\nNo fault of the emulator breaks it. {reason}")?;
    }
    Ok(())
}
