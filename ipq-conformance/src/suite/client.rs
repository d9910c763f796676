//! The interface through which cases call the implementation of libipq under test.
//!
//! A case makes its calls through a [`Client`]. There are two kinds:
//!
//! - `ipq-core`'s handle over a socket of the world, in worlds without a libipq of their own. It
//!   has no errno.
//! - A library for C, or a program in any language, called in a process of its own: see
//!   [`libipq`](crate::libipq). A crash or a hang in that process is a failure of the libipq, and
//!   harms no other case.
//!
//! A case that passes with both has shown that both do what the case checks.

mod handle;

pub(crate) use handle::RustClient;

use super::Stopped;
use crate::world::{Call, Returned};

/// A way to call the libipq under test.
pub trait Client {
    /// Makes a call, and returns its results. The error says why there are none, for example that
    /// the call could not be made, or did not return.
    fn call(&self, call: &Call) -> Result<Returned, Stopped>;
}
