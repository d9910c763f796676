//! The laboratory's namespaces. The laboratory disturbs nobody in them, and vanishes with its
//! process.

use super::{LaboratoryError, sys};
use rustix::process::{getegid, geteuid};
use std::fs;
use std::io;

/// Moves this process, which must have one thread only, into a network namespace of its own. An
/// ordinary user's process also enters a user namespace, in which it has all privileges, and a
/// mount namespace.
pub(super) fn enter_private() -> Result<(), LaboratoryError> {
    let forbidden = |source: io::Error| LaboratoryError::NamespacesForbidden { source: source.into() };
    if sys::unshare(sys::CLONE_NEWNET).is_ok() {
        return Ok(());
    }
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    sys::unshare(sys::CLONE_NEWUSER | sys::CLONE_NEWNET | sys::CLONE_NEWNS).map_err(forbidden)?;
    // Without this an ordinary user may not map a group. Kernels before 3.19 have neither the file
    // nor the rule.
    match fs::write("/proc/self/setgroups", "deny") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(forbidden(error)),
        _ => {}
    }
    fs::write("/proc/self/uid_map", format!("0 {user} 1")).map_err(forbidden)?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1")).map_err(forbidden)
}
