//! See `ipq_fuzz::numbered`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ipq_fuzz::numbered::check(bytes));
