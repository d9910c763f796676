//! The matrix: a row for each case, a column for each world, and a reason for every cell that is
//! not green.
//!
//! A column holds the results of a run in one world: a run of this program, through a
//! [`Collector`], or a run that was saved as JSON lines, perhaps on another machine, through
//! [`Results`]. Columns may be of different versions of the suite or of different cases; the matrix
//! then says so.

mod html;
mod markdown;
mod recordings;
mod results;
mod text;

pub use recordings::Replays;
pub use results::{Collector, MOST_CASES, MOST_LINE_BYTES, Results, ResultsError, ResultsProblem};

use crate::report::{Environment, VERSION};
use crate::suite::{Case, Level, Outcome};
use results::Tried;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The results of cases in several worlds, one column for each world. A column may lack cases that
/// another has.
#[derive(Clone, Debug)]
pub struct Matrix {
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// Sentences for the reader: that columns are of different versions, lack cases, or describe a
    /// case otherwise.
    notes: Vec<String>,
    /// The results of replaying recorded kernels on the emulator.
    recordings: Vec<Replays>,
}

/// A column of the matrix: the results in one world.
#[derive(Clone, Debug)]
struct Column {
    /// The column's name: the world's. The kernel is added if another column has the same world.
    /// The file is added, too, if another has the same world and kernel, and the column's number if
    /// even the files are the same.
    name: String,
    source: Option<String>,
    environment: Environment,
    counts: BTreeMap<State, usize>,
    out_of_date: Vec<String>,
}

/// A row of the matrix: a case, with its result in each column.
#[derive(Clone, Debug)]
struct Row {
    id: String,
    title: String,
    topic: String,
    level: Level,
    requirements: Vec<String>,
    /// The cells, one for each column, in the order of the columns.
    cells: Vec<Cell>,
}

/// The result of a case in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    state: State,
    /// The reason for the state; `None` if the case passed.
    reason: Option<String>,
    details: Option<String>,
    transcript: Option<String>,
}

/// The state of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// The case was run, with this outcome.
    Run(Outcome),
    /// The column has no result for the case.
    NotRun,
}

impl State {
    const ALL: [Self; 7] = [
        Self::Run(Outcome::Passed),
        Self::Run(Outcome::Failed),
        Self::Run(Outcome::Skipped),
        Self::Run(Outcome::Broken),
        Self::Run(Outcome::ExpectedDifference),
        Self::Run(Outcome::UnexpectedPass),
        Self::NotRun,
    ];

    /// Returns the state's sign, for readers who scan a column.
    const fn symbol(self) -> &'static str {
        match self {
            Self::Run(Outcome::Passed) => "✓",
            Self::Run(Outcome::Failed) => "✗",
            Self::Run(Outcome::Skipped) => "–",
            Self::Run(Outcome::Broken) => "!",
            Self::Run(Outcome::ExpectedDifference) => "≠",
            Self::Run(Outcome::UnexpectedPass) => "?",
            Self::NotRun => "·",
        }
    }

    fn words(self) -> String {
        match self {
            Self::Run(outcome) => outcome.to_string(),
            Self::NotRun => "not run".to_owned(),
        }
    }

    /// Returns what the state means, as the legend says it.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Run(Outcome::Passed) => "what has to hold holds",
            Self::Run(Outcome::Failed) => "it does not: the implementation is wrong",
            Self::Run(Outcome::Skipped) => "the world lacks what it takes, or the case is for other kernels",
            Self::Run(Outcome::Broken) => "the laboratory or the case went wrong",
            Self::Run(Outcome::ExpectedDifference) => "it does not hold, and a listed reason says why",
            Self::Run(Outcome::UnexpectedPass) => "it holds, although a listed reason says that it can't",
            Self::NotRun => "these results do not have the case",
        }
    }
}

impl Matrix {
    /// Builds a matrix of `columns`, with a row for each case that any column has. Rows are in the
    /// order of `suite`. Cases that `suite` lacks come last, in the order in which the columns have
    /// them.
    #[must_use]
    pub fn new(columns: Vec<Results>, suite: &[Case]) -> Self {
        let names = names(&columns);
        let (rows, differing) = rows(&columns, &names, suite);
        let columns = columns.into_iter().zip(names).enumerate();
        let columns: Vec<_> = columns
            .map(|(index, (results, name))| Column::new(name, results, rows.iter().map(|row| &row.cells[index])))
            .collect();
        let notes = notes(&columns).into_iter().chain(differing).collect();
        Self {
            columns,
            rows,
            notes,
            recordings: Vec::new(),
        }
    }

    /// Returns this matrix with these results of replaying recordings, in place of any earlier
    /// ones.
    #[must_use]
    pub fn with_recordings(self, recordings: Vec<Replays>) -> Self {
        Self { recordings, ..self }
    }

    /// Returns whether the matrix shows no trouble: no case failed, is broken or passed
    /// unexpectedly, no recorded scenario differs without a listed reason, and each pattern in the
    /// lists of known differences matches a case.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let bad = |state: &State| matches!(state, State::Run(outcome) if outcome.is_bad());
        self.columns
            .iter()
            .all(|column| column.out_of_date.is_empty() && !column.counts.keys().any(bad))
            && self.recordings.iter().all(|replays| replays.different == 0)
    }

    /// Returns a line for people: the numbers of cases and worlds; for each column, the number of
    /// cases with each bad outcome, and whether its list of known differences has a pattern that
    /// matches no case; and the number of recorded scenarios that differ without a listed reason.
    #[must_use]
    pub fn summary(&self) -> String {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let (cases, worlds) = (self.rows.len(), self.columns.len());
        let mut parts = vec![format!(
            "{cases} case{} in {worlds} world{}",
            plural(cases),
            plural(worlds)
        )];
        for column in &self.columns {
            for (state, count) in &column.counts {
                if let State::Run(outcome) = state
                    && outcome.is_bad()
                {
                    parts.push(format!("{count} {outcome} in {}", column.name));
                }
            }
            if !column.out_of_date.is_empty() {
                parts.push(format!("known differences of {} are out of date", column.name));
            }
        }
        let different: usize = self.recordings.iter().map(|replays| replays.different).sum();
        if different > 0 {
            parts.push(format!("{different} recorded scenario{} differ", plural(different)));
        }
        parts.join("; ")
    }

    /// Returns whether every case was skipped or not run in every world.
    #[must_use]
    pub fn nothing_ran(&self) -> bool {
        let idle = |state: &State| matches!(state, State::Run(Outcome::Skipped) | State::NotRun);
        self.columns.iter().all(|column| column.counts.keys().all(idle))
    }

    /// Iterates over the groups of rows that stand together and have the same topic, in order.
    fn topics(&self) -> impl Iterator<Item = &[Row]> {
        self.rows.chunk_by(|one, next| one.topic == next.topic)
    }

    /// Returns the reasons of all cells, each once, in order of appearance, row by row, and
    /// numbered from 1.
    fn reasons(&self) -> Reasons<'_> {
        let mut reasons = Reasons::default();
        for reason in self
            .rows
            .iter()
            .flat_map(|row| &row.cells)
            .filter_map(|cell| cell.reason.as_deref())
        {
            let next = reasons.list.len() + 1;
            reasons.numbers.entry(reason).or_insert_with(|| {
                reasons.list.push(reason);
                next
            });
        }
        reasons
    }

    /// Returns the days on which the columns were run, in words: `on` a day, or `from` the first
    /// `to` the last. `None` if no column has a date.
    fn days(&self) -> Option<String> {
        let dates = self
            .columns
            .iter()
            .filter_map(|column| column.environment.date.as_deref());
        // A date comes from a file, and may be anything.
        let days: BTreeSet<_> = dates.filter_map(|date| date.split('T').next()).collect();
        match (days.first()?, days.last()?) {
            (first, last) if first == last => Some(format!("on {first}")),
            (first, last) => Some(format!("from {first} to {last}")),
        }
    }

    /// Returns the matrix's title: the numbers of cases and of worlds.
    fn title(&self) -> String {
        let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        format!(
            "{} in {}",
            count(self.rows.len(), "case"),
            count(self.columns.len(), "world")
        )
    }
}

#[derive(Default)]
struct Reasons<'m> {
    list: Vec<&'m str>,
    numbers: HashMap<&'m str, usize>,
}

impl Reasons<'_> {
    fn number(&self, cell: &Cell) -> Option<usize> {
        self.numbers.get(cell.reason.as_deref()?).copied()
    }
}

impl Column {
    fn new<'c>(name: String, results: Results, cells: impl Iterator<Item = &'c Cell>) -> Self {
        let mut counts = BTreeMap::new();
        for cell in cells {
            *counts.entry(cell.state).or_default() += 1;
        }
        Self {
            name,
            source: results.source,
            environment: results.environment,
            counts,
            out_of_date: results.out_of_date,
        }
    }

    /// Returns the number of cells in each state that the column has, in words.
    fn tally(&self) -> String {
        let counts = self
            .counts
            .iter()
            .map(|(state, count)| format!("{count} {}", state.words()));
        counts.collect::<Vec<_>>().join(", ")
    }

    /// Returns the machine in words: `Linux`, the version and the architecture.
    fn machine(&self) -> String {
        let Environment { kernel, arch, .. } = &self.environment;
        format!("Linux {kernel} {arch}")
    }
}

/// Returns a name for each column, in order: the world's name; if that is not unique, with the
/// kernel, then with the file, too, and at last with the column's number.
fn names(columns: &[Results]) -> Vec<String> {
    let world = |results: &Results| results.environment.world.clone();
    let kernel = |results: &Results| format!("{} {}", results.environment.world, results.environment.kernel);
    let file = |results: &Results| {
        format!(
            "{} ({})",
            kernel(results),
            results.source.as_deref().unwrap_or("this run")
        )
    };
    let forms: [&dyn Fn(&Results) -> String; 3] = [&world, &kernel, &file];
    let name = |(index, results): (usize, &Results)| {
        let unique = forms.iter().find(|form| {
            let same = |(other, others): (usize, &Results)| other == index || form(others) != form(results);
            columns.iter().enumerate().all(same)
        });
        unique.map_or_else(|| format!("{} #{}", file(results), index + 1), |form| form(results))
    };
    columns.iter().enumerate().map(name).collect()
}

/// Returns a row for each case that any column has: first the cases of `suite`, in its order, then
/// the others, in the order in which the columns have them. The first column with a case describes
/// it.
///
/// Also returns sentences about differing descriptions, row by row: one for each column that gives
/// a case another level or other requirements.
fn rows(columns: &[Results], names: &[String], suite: &[Case]) -> (Vec<Row>, Vec<String>) {
    let by_id: Vec<HashMap<&str, &Tried>> = columns
        .iter()
        .map(|results| results.cases.iter().map(|case| (case.id.as_str(), case)).collect())
        .collect();
    let places: HashMap<&str, usize> = suite.iter().enumerate().map(|(place, case)| (case.id, place)).collect();
    let mut seen = HashSet::new();
    let cases = columns.iter().flat_map(|results| &results.cases);
    let mut first: Vec<&Tried> = cases.filter(|case| seen.insert(case.id.as_str())).collect();
    first.sort_by_key(|case| places.get(case.id.as_str()).copied().unwrap_or(usize::MAX));

    let mut differing = Vec::new();
    let rows = first.into_iter().map(|case| {
        let cells = columns.iter().zip(&by_id).zip(names).map(|((results, by_id), name)| {
            let Some(tried) = by_id.get(case.id.as_str()) else {
                return Cell::not_run(case, results, places.contains_key(case.id.as_str()));
            };
            if !tried.is_described_as(case) {
                differing.push(format!(
                    "{} is of level {} and checks {} in {name}",
                    case.id,
                    tried.level,
                    tried.requirements.join(", "),
                ));
            }
            Cell {
                state: State::Run(tried.outcome),
                reason: tried.why(),
                details: tried.details.clone(),
                transcript: tried.transcript.clone(),
            }
        });
        Row {
            id: case.id.clone(),
            title: case.title.clone(),
            topic: case.topic.clone(),
            level: case.level,
            requirements: case.requirements.clone(),
            cells: cells.collect(),
        }
    });
    (rows.collect(), differing)
}

impl Tried {
    fn is_described_as(&self, other: &Self) -> bool {
        self.level == other.level && self.requirements == other.requirements
    }

    fn why(&self) -> Option<String> {
        let unsaid = || "these results give no reason".to_owned();
        (self.outcome != Outcome::Passed).then(|| self.reason.clone().unwrap_or_else(unsaid))
    }
}

impl Cell {
    /// Returns the cell of a case that `results` lack, with the likeliest reason for that.
    fn not_run(case: &Tried, results: &Results, in_suite: bool) -> Self {
        let suite = &results.environment.suite;
        let quirks = || results.cases.iter().any(|case| case.level == Level::Quirk);
        let reason = if *suite != VERSION {
            format!("not among these results, which are of suite {suite}")
        } else if !in_suite {
            format!("suite {suite} has no such case")
        } else if case.level == Level::Quirk && !quirks() {
            "not among these results: a quirk, which `run` leaves out without --strict".to_owned()
        } else {
            "not among these results: it was not chosen, or not there yet".to_owned()
        };
        Self {
            state: State::NotRun,
            reason: Some(reason),
            details: None,
            transcript: None,
        }
    }
}

/// Returns sentences for the notes: one if the columns are of different versions of the suite, then
/// one for each column that lacks cases that another column has.
fn notes(columns: &[Column]) -> Vec<String> {
    let mut notes = Vec::new();
    let versions: BTreeSet<_> = columns.iter().map(|column| column.environment.suite.as_str()).collect();
    if versions.len() > 1 {
        let of = |column: &Column| format!("{} of {}", column.name, column.environment.suite);
        let columns: Vec<_> = columns.iter().map(of).collect();
        notes.push(format!(
            "the columns are of different versions of the suite: {}",
            columns.join(", ")
        ));
    }
    for column in columns {
        if let Some(missing) = column.counts.get(&State::NotRun) {
            let cases = if *missing == 1 { "case" } else { "cases" };
            notes.push(format!(
                "{} has no result of {missing} {cases} that another column has",
                column.name
            ));
        }
    }
    notes
}

#[cfg(test)]
mod tests;
