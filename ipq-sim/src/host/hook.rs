//! The hooks that a packet passes.

use ipq_core::Hook;

/// One of the five hooks. A frame's [`Hook`] can also hold a number that is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookPoint {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

impl HookPoint {
    pub(crate) const fn named(hook: Hook) -> Option<Self> {
        Some(match hook {
            Hook::Prerouting => Self::Prerouting,
            Hook::Input => Self::Input,
            Hook::Forward => Self::Forward,
            Hook::Output => Self::Output,
            Hook::Postrouting => Self::Postrouting,
            Hook::Unknown(_) => return None,
        })
    }
}

impl From<HookPoint> for Hook {
    fn from(point: HookPoint) -> Self {
        match point {
            HookPoint::Prerouting => Self::Prerouting,
            HookPoint::Input => Self::Input,
            HookPoint::Forward => Self::Forward,
            HookPoint::Output => Self::Output,
            HookPoint::Postrouting => Self::Postrouting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn each_hook_is_a_point_in_its_place_and_a_number_that_means_none_is_not() {
        for (place, hook) in Hook::ALL.iter().enumerate() {
            let point = HookPoint::named(*hook).unwrap();
            assert_eq!((Hook::from(point), point as usize), (*hook, place));
        }
        assert_eq!(HookPoint::named(Hook::Unknown(2)), None);
    }
}
