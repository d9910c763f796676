#![doc = include_str!("../../docs/nfnetlink_queue.md")]
