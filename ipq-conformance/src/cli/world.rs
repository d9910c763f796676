//! `world`: serves a world of this suite to another process, over standard input and output.

use super::run::emulated_kernel;
use super::{End, Failure, WorldArguments, find_world, unable};
use crate::world::WorldFactory;
use crate::worlds::exec;
use std::io;
use std::sync::Arc;

pub(super) fn serve(worlds: &[Arc<dyn WorldFactory>], arguments: &WorldArguments) -> Result<End, Failure> {
    let factory = match &arguments.kernel {
        Some(kernel) => emulated_kernel(kernel)?,
        None => find_world(worlds, &arguments.world)?,
    };
    exec::serve(factory.as_ref(), io::stdin().lock(), io::stdout().lock()).map_err(unable)?;
    Ok(End::Good)
}
