//! The worlds that come with the suite.

mod sim;

pub use sim::{SimFactory, SimWorld};
