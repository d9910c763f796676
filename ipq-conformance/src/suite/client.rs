//! The seam at which an implementation of libipq is judged.
//!
//! A case calls through [`Client`]. There are two clients:
//!
//! - `ipq-core`'s handle over a socket of the world, in every world. It has no errno.
//! - A library for C, loaded and called by a process of its own: see [`libipq`](crate::libipq).
//!   Whatever crashes or hangs there is a failure of the library, and harms no other case.
//!
//! So a case that passes with both has shown both to do the same.

mod handle;

pub(crate) use handle::RustClient;

use super::Stopped;
use crate::world::{Call, Returned};

/// Calls a libipq.
pub trait Client {
    /// Makes a call. An error says what kept the call from being made, or from returning.
    fn call(&self, call: &Call) -> Result<Returned, Stopped>;
}
