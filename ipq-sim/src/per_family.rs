//! One value for each of IPv4 and IPv6.

use ipq_core::Family;
use std::ops::{Index, IndexMut};

/// A value for each family of the internet protocol, found by the family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerFamily<T>([T; 2]);

impl<T> PerFamily<T> {
    pub(crate) const fn new(ipv4: T, ipv6: T) -> Self {
        Self([ipv4, ipv6])
    }

    /// Calls `value` with IPv4 and then with IPv6, and returns the two results.
    pub(crate) fn of(value: impl FnMut(Family) -> T) -> Self {
        Self(Family::ALL.map(value))
    }

    /// Returns the values with their families, IPv4's first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Family, &T)> {
        Family::ALL.into_iter().zip(&self.0)
    }

    /// Returns the values with their families, IPv4's first, for the caller to change.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Family, &mut T)> {
        Family::ALL.into_iter().zip(&mut self.0)
    }

    /// Exchanges the values of the two families. Only a seeded fault needs this; no kernel does it.
    #[cfg(feature = "seeded-faults")]
    pub(crate) const fn swap(&mut self) {
        self.0.swap(0, 1);
    }
}

impl<T> Index<Family> for PerFamily<T> {
    type Output = T;

    fn index(&self, family: Family) -> &T {
        &self.0[family as usize]
    }
}

impl<T> IndexMut<Family> for PerFamily<T> {
    fn index_mut(&mut self, family: Family) -> &mut T {
        &mut self.0[family as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn each_family_has_its_own_value() {
        let mut names = PerFamily::of(|family| family.to_string());
        names[Family::Ipv6].push('!');
        assert_eq!([&names[Family::Ipv4], &names[Family::Ipv6]], ["IPv4", "IPv6!"]);
        for (family, name) in names.iter_mut() {
            *name = format!("{family}?");
        }
        let all: Vec<_> = names.iter().map(|(family, name)| (family, name.as_str())).collect();
        assert_eq!(all, [(Family::Ipv4, "IPv4?"), (Family::Ipv6, "IPv6?")]);
    }
}
