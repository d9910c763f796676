//! Programs for nfnetlink's queues as they stand, started by the command without a privilege on a
//! capture of 240 packets: with the client libraries that people use, and from a distribution.
//!
//! A test is skipped, with the reason, where its library or tool is missing; the reason names the
//! command that installs it.

#![cfg(target_os = "linux")]

#[path = "../support/c_library.rs"]
mod c_library;
#[path = "../support/launching.rs"]
mod launching;
mod libraries;
#[path = "../support/pcap.rs"]
mod pcap;
mod running;
mod sender;
mod tools;
