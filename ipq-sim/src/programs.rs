//! Programs of other processes on an emulated kernel.
//!
//! | module | what it does |
//! |---|---|
//! | [`run`] | starts a program and feeds it the packets of a capture |
//! | [`server`] | gives programs in other processes their emulated sockets |
//!
//! Both need Linux and the feature `run`.

mod installed;
pub mod run;
pub mod server;

pub use installed::installed;
