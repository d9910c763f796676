//! A queue's refusal of a message, in words.

use super::Handle;
use crate::errno::Errno;
use crate::transport::Transport;
use std::borrow::Cow;
use std::fmt;

/// An error number that a queue answered with, and perhaps advice about it.
///
/// Its `Debug` output is the same sentence as its `Display` output, so that a `main` which returns
/// it prints that.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error number in the queue's answer.
    pub errno: Errno,
    /// Advice about the error: what it means here, or what to do about it. `None` if there is none.
    pub advice: Option<Cow<'static, str>>,
}

impl<T: Transport> Handle<T> {
    /// Explains an error number that the queue answered with: returns it with the advice that the
    /// transport has about it, if any.
    ///
    /// ```
    /// use ipq_core::{Errno, Handle, Transport};
    ///
    /// fn tell(handle: &Handle<impl Transport>) {
    ///     eprintln!("{}", handle.explain(Errno::EPERM));
    /// }
    /// ```
    #[must_use]
    pub fn explain(&self, errno: Errno) -> Refusal {
        let advice = self.transport().explain(errno);
        Refusal { errno, advice }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.errno.text(), self.errno.name()) {
            (Some(text), Some(name)) => write!(f, "{text} ({name})")?,
            _ => write!(f, "{}", self.errno)?,
        }
        match &self.advice {
            Some(advice) => write!(f, ": {advice}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for Refusal {}
