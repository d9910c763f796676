//! Time, fates, and what else only an emulator knows.

use super::{CaseResult, Subject, wrong_answer};
use crate::outcome::Stopped;
use crate::step::{Account, Observation, Step};
use std::time::Duration;

impl Subject {
    /// Time passes.
    #[track_caller]
    pub fn advance(&self, by: Duration) -> CaseResult {
        self.act(&Step::Advance { by })
    }

    /// How much time has passed since the case began.
    #[track_caller]
    pub fn clock(&self) -> Result<Duration, Stopped> {
        match self.step(&Step::Clock)? {
            Observation::Clock { since_begin } => Ok(since_begin),
            other => Err(wrong_answer(&Step::Clock, &other)),
        }
    }

    /// What has become of every packet. That they add up is checked here.
    #[track_caller]
    pub fn account(&self) -> Result<Account, Stopped> {
        match self.step(&Step::Account)? {
            Observation::Account(account) => {
                let dropped: u64 = account.dropped.values().sum();
                let known = account.delivered + account.queued + dropped;
                self.equal("packets with a fate, of those that entered", &account.entered, &known)?;
                Ok(account)
            }
            other => Err(wrong_answer(&Step::Account, &other)),
        }
    }
}
