//! See `ipq_fuzz::queue`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ipq_fuzz::queue::check(bytes));
