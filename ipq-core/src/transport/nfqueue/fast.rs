//! Fast paths. Each has a slow twin that defines it: the fast path does what the twin does, or
//! declines, and leaves the work to the twin. ([`coalesced`] names two exceptions.) Tests compare
//! the two.
//!
//! | fast path | slow twin | tests that compare them |
//! |---|---|---|
//! | [`plain::plain`] and [`plain::repeats`]: a verdict of the peer's that asks for no acknowledgement | [`Request::screen`] and [`Request::action`] | `tests::outward`, `tests::round_trip`, `fast::coalesced::tests`, fuzz target `nfnetlink` |
//! | [`template::TemplateCache::translate`]: a packet with the attributes of one before | [`Received::translate`] | `tests::templates`, fuzz target `nfnetlink` |
//! | [`coalesced::Batch`]: many messages in a datagram, one verdict for several packets | each message sent by itself | `fast::coalesced::tests` |
//!
//! [`outstanding`] is the list of packets that lets one verdict stand for several.
//!
//! [`Request::screen`]: super::translate::request::Request::screen
//! [`Request::action`]: super::translate::request::Request::action
//! [`Received::translate`]: super::translate::datagram::Received::translate

pub(crate) mod coalesced;
pub(crate) mod outstanding;
pub(crate) mod plain;
pub(crate) mod template;
