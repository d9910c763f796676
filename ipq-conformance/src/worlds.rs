//! The worlds that come with the suite.

mod sim;

pub use sim::{SimFactory, SimWorld};

use crate::world::WorldFactory;
use std::sync::Arc;

/// Every kind of world that there is.
#[must_use]
pub fn all() -> Vec<Arc<dyn WorldFactory>> {
    vec![Arc::new(SimFactory::default())]
}
