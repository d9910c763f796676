//! Tests of the suite's framework, among others of the runner, the reports, the recordings, the
//! seeded faults, and the emulator as a world, which is what cases run against.

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
