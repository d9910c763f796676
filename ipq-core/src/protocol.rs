#![doc = include_str!("../docs/protocol.md")]
