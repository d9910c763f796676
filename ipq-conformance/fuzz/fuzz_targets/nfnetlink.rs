//! See `ipq_fuzz::nfnetlink`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ipq_fuzz::nfnetlink::check(bytes));
