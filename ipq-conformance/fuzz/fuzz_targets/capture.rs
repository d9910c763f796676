//! See `ipq_fuzz::capture`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ipq_fuzz::capture::check(bytes));
