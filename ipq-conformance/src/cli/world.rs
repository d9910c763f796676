//! `world`: a world of this suite, for another process.

use super::{End, Failure, find_world, unable};
use crate::world::WorldFactory;
use crate::worlds::exec;
use std::io;
use std::sync::Arc;

pub(super) fn serve(worlds: &[Arc<dyn WorldFactory>], name: &str) -> Result<End, Failure> {
    let factory = find_world(worlds, name)?;
    exec::serve(factory.as_ref(), io::stdin().lock(), io::stdout().lock()).map_err(unable)?;
    Ok(End::Good)
}
