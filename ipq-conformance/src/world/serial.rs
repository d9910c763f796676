//! How the types of `ipq-core` that steps and rules are made of are written down, where a world is in another process.

use ipq_core::{Family, Hook};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(remote = "Family")]
pub(crate) enum FamilyForm {
    Ipv4,
    Ipv6,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Hook")]
pub(crate) enum HookForm {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    Unknown(u32),
}
