//! Message and attribute types that only this transport uses. They are no part of the protocol: no
//! kernel knows them.
//!
//! A kernel ignores an attribute whose type it does not know, and refuses a message whose type it
//! does not know. When it refuses a message, its answer quotes the whole message. So the `ip_queue`
//! message that an nfnetlink message stands for comes back with the refusal, and the transport need
//! not keep it meanwhile.

/// A message type that every kernel refuses, whoever sends it: it is in the queue subsystem, and
/// names no message of it. The transport sends such a message in place of one that it has found to
/// be refused by `ip_queue`'s rules.
pub(crate) const REJECT_PROBE: u16 = 0x03ff;

/// The type of an attribute that holds bytes of the program's `ip_queue` message.
pub(crate) const EMBEDDED: u16 = 0x3f01;

/// The type of the attribute with which a [`REJECT_PROBE`] says how `ip_queue` refused the message:
/// the error number (u32), and 1 if it did so before it checked the capability, else 0 (u8).
pub(crate) const REFUSAL: u16 = 0x3f02;
