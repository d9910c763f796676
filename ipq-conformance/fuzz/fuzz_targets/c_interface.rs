//! See `ipq_fuzz::c_interface`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ipq_fuzz::c_interface::check(bytes));
