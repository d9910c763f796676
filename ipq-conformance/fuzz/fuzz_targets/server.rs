//! See `ipq_fuzz::server`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ipq_fuzz::server::check(bytes));
