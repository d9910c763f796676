//! Draws results as a picture.

use crate::results::{Contender, Report, Workload};
use std::fmt::Write;

/// The distance of the bars from the left, in the picture's units.
const BARS: f64 = 250.0;
/// The length that a workload's greatest cost is drawn with, which is the upper bound of a
/// contender's middle half. Other costs of the workload are drawn in proportion.
const LONGEST: f64 = 360.0;
const WIDTH: f64 = BARS + LONGEST + 110.0;
const LINE: f64 = 22.0;
/// The style in CSS: greys and a blue that stand out from a white page as well as from a black one.
const STYLE: &str = "text { font: 13px sans-serif; fill: #808080 } .title { font-weight: bold } \
    rect { fill: #808080; fill-opacity: 0.5 } .ours { fill: #3b82f6; fill-opacity: 0.8 } line { stroke: #808080; stroke-width: 3 }";

/// Returns a report as a picture in SVG: for each contender that ran, a bar with its median cost,
/// and a line over the middle half of its passes. Contenders that `is_ours` chooses have another
/// colour.
pub(crate) fn plot(report: &Report, is_ours: impl Fn(&Contender) -> bool) -> String {
    let mut body = String::new();
    let mut top = LINE;
    for workload in &report.workloads {
        let _ = writeln!(
            body,
            r#"<text class="title" x="8" y="{top}">{}, {}</text>"#,
            escaped(&workload.name),
            escaped(&workload.unit)
        );
        top += LINE;
        let longest = longest(workload);
        for contender in &workload.contenders {
            if let Some(bar) = bar(contender, top, longest, is_ours(contender)) {
                body.push_str(&bar);
                top += LINE;
            }
        }
        top += LINE / 2.0;
    }
    let _ = writeln!(
        body,
        r#"<text x="8" y="{top}">{}</text>"#,
        escaped(&report.machine.to_string())
    );
    let height = top + LINE / 2.0;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">
<style>{STYLE}</style>
{body}</svg>
"#
    )
}

fn longest(workload: &Workload) -> f64 {
    let costs = workload.contenders.iter().filter_map(Contender::cost);
    costs.map(|cost| cost.upper).fold(f64::MIN_POSITIVE, f64::max)
}

fn bar(contender: &Contender, top: f64, longest: f64, ours: bool) -> Option<String> {
    let cost = contender.cost()?;
    let length = |value: f64| value / longest * LONGEST;
    let class = if ours { r#" class="ours""# } else { "" };
    let (name, width) = (escaped(&contender.name), length(cost.median));
    let [lower, upper] = [cost.lower, cost.upper].map(|value| BARS + length(value));
    let (above, middle, after) = (top - 13.0, top - 5.0, upper + 6.0);
    Some(format!(
        r#"<text x="{end}" y="{top}" text-anchor="end">{name}</text>
<rect{class} x="{BARS}" y="{above:.1}" width="{width:.1}" height="16"/>
<line x1="{lower:.1}" y1="{middle:.1}" x2="{upper:.1}" y2="{middle:.1}"/>
<text x="{after:.1}" y="{top}">{median:.0}</text>
"#,
        end = BARS - 8.0,
        median = cost.median,
    ))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::report;
    use pretty_assertions::assert_eq;

    #[test]
    fn who_ran_has_a_bar_and_ours_is_in_colour() {
        let picture = plot(&report(), |contender| contender.name == "ours");
        assert_eq!(picture.matches("<rect").count(), 3);
        assert_eq!(picture.matches(r#"<rect class="ours""#).count(), 1);
        assert!(picture.contains("theirs &amp; others'"), "{picture}");
        assert!(!picture.contains("absent"), "{picture}");
    }
}
