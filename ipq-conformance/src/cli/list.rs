//! `list`: prints all cases, or those that its arguments choose.

use super::{End, Failure, ListArguments, standard_output, suggest, unable};
use crate::suite::{Case, Filter, Topic, cases};
use crate::world::Capability;
use serde::Serialize;
use std::io::Write;

pub(super) fn list(arguments: &ListArguments) -> Result<End, Failure> {
    suggest::refuse_unknown(&arguments.choice.filters, &[])?;
    let filter = Filter::new(&arguments.choice.filters, &arguments.choice.levels(), true);
    let all = cases::every();
    let chosen = all.iter().filter(|case| filter.chooses(case));
    let mut output = standard_output();
    let mut count = 0;
    for case in chosen {
        count += 1;
        if arguments.json {
            writeln!(output, "{}", as_json(case).map_err(unable)?)?;
        } else {
            writeln!(output, "{:<42} {:<7} {}", case.id, case.level, case.title)?;
        }
    }
    if count == 0 {
        eprintln!("ipq-conformance: no case of that choice has such a level; `ipq-conformance list` shows all");
        return Ok(End::Nothing);
    }
    Ok(End::Good)
}

#[derive(Serialize)]
struct CaseLine<'a> {
    id: &'a str,
    title: &'a str,
    topic: Option<&'a str>,
    level: &'a str,
    requirements: &'a [&'a str],
    needs: Vec<&'a str>,
}

fn as_json(case: &Case) -> serde_json::Result<String> {
    serde_json::to_string(&CaseLine {
        id: case.id,
        title: case.title,
        topic: case.topic().map(Topic::name),
        level: case.level.name(),
        requirements: case.requirements,
        needs: case.needs.iter().copied().map(Capability::name).collect(),
    })
}
