//! Methods for the host around the queue: texts in /proc, sysctls, capability, modules, rules,
//! devices, clock, and the accounting of packets.

use super::{CaseResult, ProcText, Subject, wrong_answer};
use crate::suite::Stopped;
use crate::world::{Account, Observation, Rule, Step};
use ipq_core::Family;
use std::time::Duration;

impl Subject {
    /// Reads the file of `family`'s queue in `/proc`, and returns its numbers. Fails if there is no
    /// such file, or if the text does not have the exact form of the world's kernel.
    #[track_caller]
    pub fn proc(&self, family: Family) -> Result<ProcText, Stopped> {
        let text = self.proc_text(family)?;
        ProcText::parse(&text, family, &self.machine().kernel).map_err(|error| Stopped::failed(error).details(text))
    }

    /// Reads the file of `family`'s queue in `/proc`, and returns its text. Fails if there is no
    /// such file.
    #[track_caller]
    pub fn proc_text(&self, family: Family) -> Result<String, Stopped> {
        self.text(&Step::Proc { family })
    }

    /// Expects that the queue holds `length` packets, according to its file in `/proc`.
    #[track_caller]
    pub fn expect_queue_length(&self, family: Family, length: u64) -> CaseResult {
        self.equal("the queue's length", &length, &self.proc(family)?.queue_length)
    }

    /// Writes the text `length` to the sysctl of the queue's maximum length.
    #[track_caller]
    pub fn set_maximum_length(&self, family: Family, length: &str) -> CaseResult {
        self.act(&Step::Sysctl {
            name: maximum_length(family).into(),
            value: length.into(),
        })
    }

    /// Reads the sysctl of the queue's maximum length, and returns its text. Fails if there is no
    /// such sysctl.
    #[track_caller]
    pub fn maximum_length(&self, family: Family) -> Result<String, Stopped> {
        self.text(&Step::ReadSysctl {
            name: maximum_length(family).into(),
        })
    }

    /// Makes the process regain `CAP_NET_ADMIN` if `held`, and otherwise give it up.
    #[track_caller]
    pub fn set_net_admin(&self, held: bool) -> CaseResult {
        self.act(&Step::NetAdmin { held })
    }

    /// Loads the module of `family`'s queue if `loaded`, and otherwise unloads it.
    #[track_caller]
    pub fn set_module(&self, family: Family, loaded: bool) -> CaseResult {
        self.act(&Step::Module { family, loaded })
    }

    /// Adds a netfilter rule at the end of its chain. Returns `false` if the kernel refuses the
    /// rule, for example because the table has no such chain.
    #[track_caller]
    pub fn add_rule(&self, rule: Rule) -> Result<bool, Stopped> {
        let step = Step::AddRule { rule };
        match self.step(&step)? {
            Observation::Rule { added } => Ok(added),
            other => Err(wrong_answer(&step, &other)),
        }
    }

    /// Sets a device up, or down if `up` is `false`.
    #[track_caller]
    pub fn set_link(&self, device: &str, up: bool) -> CaseResult {
        self.act(&Step::Link {
            device: device.into(),
            up,
        })
    }

    /// Moves the world's clock forward.
    #[track_caller]
    pub fn advance(&self, by: Duration) -> CaseResult {
        self.act(&Step::Advance { by })
    }

    /// Returns the time on the world's clock since the case began.
    #[track_caller]
    pub fn clock(&self) -> Result<Duration, Stopped> {
        match self.step(&Step::Clock)? {
            Observation::Clock { since_begin } => Ok(since_begin),
            other => Err(wrong_answer(&Step::Clock, &other)),
        }
    }

    /// Returns the numbers of packets since the case began that entered, were delivered, are queued
    /// and were dropped. Fails unless the last three together are as many as entered.
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

/// Returns the name of the sysctl of a queue's maximum length (PKT-2).
const fn maximum_length(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "net.ipv4.ip_queue_maxlen",
        Family::Ipv6 => "net.ipv6.ip6_queue_maxlen",
    }
}
