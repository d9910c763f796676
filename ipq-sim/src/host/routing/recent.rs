//! A memory of the last route that was found for an arriving IPv4 packet. Packets of one flow
//! follow each other, so the next packet mostly takes the same route.

use crate::books::DropReason;
use crate::host::network::Route;
use std::cell::Cell;
use std::net::Ipv4Addr;

/// The route, or the reason to drop, that was found last for an arriving IPv4 packet, with the
/// packet's source and destination. It holds until a device is set up or down.
#[derive(Default)]
pub(in crate::host) struct RecentRoute(Cell<Option<Found>>);

/// A source, a destination, and the route or the reason to drop that was found for them.
type Found = ([Ipv4Addr; 2], Result<Route, DropReason>);

impl RecentRoute {
    /// Returns what is remembered for these two addresses: a route, or the reason to drop. If
    /// nothing is, calls `find`, remembers what that returns in place of what was remembered, and
    /// returns it.
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
