//! The interface through which an implementation of libipq is judged.
//!
//! A case calls through [`Client`]. There are two clients:
//!
//! - `ipq-core`'s handle over a socket of the world, in every world. It has no errno.
//! - A library for C, or a program in any language, called in a process of its own: see
//!   [`libipq`](crate::libipq). A crash or a hang there is a failure of the libipq, and harms no
//!   other case.
//!
//! A case that passes with both has shown that both do the same.

mod handle;

pub(crate) use handle::RustClient;

use super::Stopped;
use crate::world::{Call, Returned};

/// Calls a libipq.
pub trait Client {
    /// Makes a call. The error says why the call could not be made, or did not return.
    fn call(&self, call: &Call) -> Result<Returned, Stopped>;
}
