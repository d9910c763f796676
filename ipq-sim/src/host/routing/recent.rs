//! A memory of the last route of an arriving IPv4 packet. Packets of one flow follow each other, so
//! the next packet mostly takes the same route.

use crate::books::DropReason;
use crate::host::network::Route;
use std::cell::Cell;
use std::net::Ipv4Addr;

/// The route of the IPv4 packet that arrived last, with its source and destination. The route holds
/// until a device goes up or down.
#[derive(Default)]
pub(in crate::host) struct RecentRoute(Cell<Option<Found>>);

/// A source, a destination, and the route or the reason to drop that was found for them.
type Found = ([Ipv4Addr; 2], Result<Route, DropReason>);

impl RecentRoute {
    /// Returns the route between two addresses. If the remembered route is between others, calls
    /// `find` and remembers what that returns.
    #[inline]
    pub(super) fn or_find(
        &self,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        find: impl FnOnce() -> Result<Route, DropReason>,
    ) -> Result<Route, DropReason> {
        let addresses = [source, destination];
        match self.0.get() {
            Some((known, route)) if known == addresses => route,
            _ => {
                let route = find();
                self.0.set(Some((addresses, route)));
                route
            }
        }
    }

    /// Forgets the remembered route.
    pub(in crate::host) fn forget(&self) {
        self.0.set(None);
    }
}
