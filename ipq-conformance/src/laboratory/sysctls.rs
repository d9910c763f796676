//! The sysctls of a laboratory. Most of them let the host forward packets, or keep it, as far as
//! sysctls can, from answering and from sending anything of its own accord.

use super::{LaboratoryError, Place};
use std::fs;
use std::io::ErrorKind;

/// The names, with slashes, and the values of the sysctls. Some kernels lack those that are marked
/// `Sometimes`.
const SETTINGS: &[(&str, &str, Presence)] = &[
    ("net/ipv4/ip_forward", "1", Presence::Always),
    ("net/ipv4/icmp_echo_ignore_all", "1", Presence::Always),
    ("net/ipv4/conf/all/rp_filter", "0", Presence::Always),
    ("net/ipv4/conf/default/rp_filter", "0", Presence::Always),
    ("net/ipv4/conf/all/send_redirects", "0", Presence::Always),
    ("net/ipv4/conf/default/send_redirects", "0", Presence::Always),
    ("net/ipv6/conf/all/forwarding", "1", Presence::Always),
    ("net/ipv6/conf/default/accept_dad", "0", Presence::Always),
    ("net/ipv6/conf/default/dad_transmits", "0", Presence::Always),
    ("net/ipv6/conf/default/accept_ra", "0", Presence::Always),
    ("net/ipv6/conf/default/autoconf", "0", Presence::Always),
    ("net/ipv6/conf/default/router_solicitations", "0", Presence::Always),
    // Older kernels lack this setting.
    ("net/ipv6/icmp/echo_ignore_all", "1", Presence::Sometimes),
];

/// The sysctls outside network namespaces, with the values that the recorded kernels had.
const SYSTEM_SETTINGS: &[(&str, &str, Presence)] = &[
    ("net/core/rmem_max", "1572864", Presence::Always),
    ("net/core/rmem_default", "196608", Presence::Always),
    // This setting exists up to Linux 3.4.
    ("net/ipv4/ip_queue_maxlen", "1024", Presence::Sometimes),
    ("net/ipv6/ip6_queue_maxlen", "1024", Presence::Sometimes),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Always,
    Sometimes,
}

/// Writes the sysctls of the current network namespace, and for [`Place::Initial`] those outside
/// namespaces. Must be called before the devices are created. A missing sysctl is an error unless
/// it is marked `Sometimes`.
pub(super) fn apply(place: Place) -> Result<(), LaboratoryError> {
    let of_the_system = match place {
        Place::Private => &[],
        Place::Initial => SYSTEM_SETTINGS,
    };
    for (name, value, presence) in SETTINGS.iter().chain(of_the_system) {
        match write(name, value) {
            Err(LaboratoryError::Failed { source, .. })
                if *presence == Presence::Sometimes && source.kind() == ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(())
}

/// The sysctls as they were when they were read, to be restored later.
#[derive(Clone, Debug)]
pub(super) struct Saved(Vec<(&'static str, String)>);

impl Saved {
    /// Reads all sysctls that a laboratory sets, apart from those that can't be read, such as those
    /// that this kernel lacks.
    pub(super) fn read() -> Self {
        let settings = SETTINGS.iter().chain(SYSTEM_SETTINGS);
        let values = settings.filter_map(|(name, ..)| Some((*name, fs::read_to_string(path(name)).ok()?)));
        Self(values.collect())
    }

    /// Restores all sysctls. Goes on after a failure, and returns the first.
    pub(super) fn restore(&self) -> Result<(), LaboratoryError> {
        let results = self.0.iter().map(|(name, value)| write(name, value.trim_end()));
        results.fold(Ok(()), Result::and)
    }
}

/// Writes `value` to the sysctl `name`, which has slashes between its parts: `net/ipv4/ip_forward`.
pub(super) fn write(name: &str, value: &str) -> Result<(), LaboratoryError> {
    let written = fs::write(path(name), value);
    written.map_err(|source| LaboratoryError::Failed {
        what: format!("write {value} to the sysctl {name}"),
        source: source.into(),
    })
}

fn path(name: &str) -> String {
    format!("/proc/sys/{name}")
}
