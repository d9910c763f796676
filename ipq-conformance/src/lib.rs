//! A conformance suite for `ip_queue`.
