//! The JSON forms of `ipq-core` types in steps and rules, for worlds in other processes.

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
