#![doc = include_str!("../docs/protocol.md")]

pub mod nfnetlink_queue;
