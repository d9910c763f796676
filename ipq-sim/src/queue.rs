//! Queues for packets that wait for a program's verdict.

pub(crate) mod entries;
pub(crate) mod ip_queue;
pub mod nfnetlink;
pub(crate) mod proc_text;
