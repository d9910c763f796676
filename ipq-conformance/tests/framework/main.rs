//! The suite's framework, tried on worlds whose answers are known.

mod captures;
mod command_line;
mod decode;
mod diff;
mod emulator;
mod faults;
mod kernels;
mod matrix;
mod page;
mod recording_format;
mod replay;
mod reports;
mod runner;
mod sample_cases;
mod support;
mod wireshark;
