//! The worlds that come with the suite.

#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod ip_queue;
#[cfg(target_os = "linux")]
mod nfqueue;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod real;
mod sim;

#[cfg(target_os = "linux")]
pub use client::ClientFactory;
#[cfg(target_os = "linux")]
pub use ip_queue::IpQueueFactory;
#[cfg(target_os = "linux")]
pub use nfqueue::NfQueueFactory;
pub use sim::{SimFactory, SimWorld};

use crate::world::WorldFactory;
use std::sync::Arc;

/// Every kind of world that there is.
#[must_use]
pub fn all() -> Vec<Arc<dyn WorldFactory>> {
    vec![
        Arc::new(SimFactory::default()),
        #[cfg(target_os = "linux")]
        Arc::new(NfQueueFactory),
        #[cfg(target_os = "linux")]
        Arc::new(IpQueueFactory),
    ]
}

/// Serves a world of a real kernel, or a library for C, and ends the process, if that is what this program was started for.
///
/// Such a thing is in a process of its own, which is this program once more. So a program that makes one calls this before
/// anything else, above all before it has a second thread.
#[cfg(target_os = "linux")]
pub fn serve_if_asked() {
    crate::client::serve_if_asked();
    let Some(world) = process::asked_for() else { return };
    let served = match world.as_str() {
        nfqueue::NAME => process::serve::<nfqueue::Running>(),
        ip_queue::NAME => process::serve::<ip_queue::Running>(),
        _ => Err(std::io::Error::other(format!(
            "there is no world {world:?} of a real kernel"
        ))),
    };
    match served {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}
