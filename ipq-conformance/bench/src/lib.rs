//! Results of measuring several ways to do the same thing: numbers, a table, a plot, and a page
//! that keeps them.
//!
//! The benches that measure time share this crate. A measurement is a number of passes. In each
//! pass every contender has its turn, one after the other, so that the machine's other load affects
//! all of them alike. Ratios are taken within a pass.

#![allow(
    clippy::cast_precision_loss,
    reason = "numbers of packets and nanoseconds are far below where an f64 rounds"
)]
#![forbid(unsafe_code)]

mod machine;
mod page;
mod plot;
mod results;
mod statistics;
mod table;

pub use machine::Machine;
pub use page::{PageError, save};
pub use results::{Contender, Report, Workload};
pub use statistics::{Spread, ratios};
pub use table::table;
