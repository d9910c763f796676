//! Tests unchanged programs for nfnetlink's queues, with the client libraries that people use and
//! from a distribution. The command starts them, without privileges, on a capture of 240 packets.
//!
//! A test is skipped, with the reason, if its library or a tool is missing, or if programs can't be
//! launched by seccomp. With `IPQ_REQUIRE_C=1` it fails instead if a tool or library that a program
//! in C needs is missing.

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
