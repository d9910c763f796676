//! The serde forms of `ipq-core`'s `Family` and `Hook`, for steps and rules that are sent as JSON
//! to the process of a real kernel's world.

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
