//! `explain`: the text of a case or of a requirement, or the list of requirements.

use super::{End, Failure, standard_output, suggest, unable};
use crate::suite::requirements::{Coverage, Requirement, page};
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
        let requirements = Requirement::all();
        let requirements = requirements.iter().map(|requirement| requirement.id);
        let known = requirements.chain(all.iter().map(|case| case.id));
        let otherwise = "`ipq-conformance list` shows the cases, `ipq-conformance explain` the requirements";
        return Err(unable(format_args!(
            "no case and no requirement has the id {id:?}; {}",
            suggest::hint(id, known, otherwise)
        )));
    }
    Ok(End::Good)
}

/// Prints the id and the text of every requirement.
pub(super) fn list() -> Result<End, Failure> {
    let mut output = standard_output();
    for Requirement { id, text } in Requirement::all() {
        writeln!(output, "{id:<8} {text}")?;
    }
    writeln!(
        output,
        "\n`ipq-conformance explain VER-3` names the cases that check a requirement, `ipq-conformance list` lists the cases."
    )?;
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
    writeln!(output, "Its page: {}\n", page(requirement.id))?;
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
        let found = match &fault.cases[..] {
            [] => "no case fails".to_owned(),
            [case] => format!("{case} fails"),
            cases => format!("{} fail", cases.join(", ")),
        };
        writeln!(
            output,
            "\nWhen the emulator of {} breaks it ({}), {found}.",
            fault.kernel, fault.description
        )?;
    }
    if let Some(reason) = &row.reason {
        writeln!(output, "\nNo fault of the emulator breaks it. {reason}")?;
    }
    Ok(())
}
