//! Writes results as text.

use crate::results::{Contender, Report, Workload};
use crate::statistics::Spread;
use std::fmt::Write;

/// Returns a report as plain text: the machine, the command and the method, and then a table of the
/// contenders for each workload.
#[must_use]
pub fn table(report: &Report) -> String {
    let mut text = format!("{}\n{}\n{}\n", report.machine, report.command, report.method);
    for workload in &report.workloads {
        text.push('\n');
        text.push_str(&table_of(workload));
    }
    text
}

fn table_of(workload: &Workload) -> String {
    let titles = workload.references.iter().map(|reference| format!("to {reference}"));
    let mut rows = vec![
        [workload.name.clone(), workload.unit.clone()]
            .into_iter()
            .chain(titles)
            .chain(workload.counts_packets().then(|| "lost".to_owned()))
            .collect::<Vec<_>>(),
    ];
    rows.extend(workload.contenders.iter().map(|contender| row(workload, contender)));
    aligned(&rows)
}

fn row(workload: &Workload, contender: &Contender) -> Vec<String> {
    let name = format!("  {}", contender.name);
    if let Some(reason) = &contender.skipped {
        return vec![name, format!("skipped: {reason}")];
    }
    let shown = |spread: Option<Spread>, digits: usize| {
        spread.map_or_else(|| "-".to_owned(), |spread| format!("{spread:.digits$}"))
    };
    let ratios = workload
        .references
        .iter()
        .map(|to| shown(workload.ratio(contender, to), 2));
    [name, shown(contender.cost(), 0)]
        .into_iter()
        .chain(ratios)
        .chain((contender.packets > 0).then(|| format!("{} of {}", contender.lost, contender.packets)))
        .collect()
}

/// Returns rows as lines with aligned columns. The last cell of a row does not widen its column.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter(|row| row.len() > column + 1);
        cells.map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, &width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::machine::Machine;
    use pretty_assertions::assert_eq;

    pub(crate) fn report() -> Report {
        let contender = |name: &str, passes: &[f64], lost| Contender {
            passes: passes.to_vec(),
            packets: 3000,
            lost,
            ..Contender::named(name)
        };
        Report {
            machine: Machine {
                date: "2026-11-24".into(),
                kernel: "Linux 6.18 x86_64".into(),
                processor: "CPU".into(),
                processors: 2,
                virtual_machine: true,
            },
            command: "cargo bench".into(),
            method: "Carefully.".into(),
            workloads: vec![Workload {
                name: "ACCEPT".into(),
                unit: "CPU ns per packet".into(),
                references: vec!["theirs".into()],
                contenders: vec![
                    contender("theirs & others'", &[2000.0, 2100.0, 2200.0], 0),
                    contender("theirs", &[1000.0, 1100.0, 1200.0], 0),
                    Contender {
                        skipped: Some("it is not here".into()),
                        ..Contender::named("absent")
                    },
                    contender("ours", &[500.0, 550.0, 600.0], 7),
                ],
            }],
        }
    }

    #[test]
    fn a_table_has_the_machine_and_a_line_for_each() {
        let expected = "\
2026-11-24, Linux 6.18 x86_64, 2 x CPU, a virtual machine
cargo bench
Carefully.

ACCEPT              CPU ns per packet    to theirs            lost
  theirs & others'  2100 (2050 to 2150)  1.91 (1.87 to 1.95)  0 of 3000
  theirs            1100 (1050 to 1150)  1.00 (1.00 to 1.00)  0 of 3000
  absent            skipped: it is not here
  ours              550 (525 to 575)     0.50 (0.50 to 0.50)  7 of 3000
";
        assert_eq!(table(&report()), expected);
    }
}
