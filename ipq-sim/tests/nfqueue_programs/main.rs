//! Tests unchanged programs for nfnetlink's queues, with the client libraries that people use and
//! from a distribution. The command starts them, without privileges, on a capture of 240 packets.
//!
//! A test is skipped if its library or tool is missing. It prints the reason and the command that
//! installs what is missing.

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
