//! Rules as text, in the syntax of iptables.

use super::matches::{Addresses, Condition, DeviceName, Mark, Matches, Ports};
use super::{NumberedQueue, Rule, Spread, Table, Target};
use ipq_core::{Family, Hook};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// The options that a rule's text may have, without their longer names, for error messages.
const OPTIONS: &str = "-A, -t, -4, -6, -p, -s, -d, -i, -o, -m, --sport, --dport, --sports, --dports, --mark, and -j with \
                       --queue-num, --queue-balance, --queue-bypass, --queue-cpu-fanout or --set-mark";
/// The matches that a rule's text may have, for error messages.
const MATCHES: &str = "tcp, udp, udplite, multiport or mark";
/// The targets that a rule's text may have, for error messages.
const TARGETS: &str = "NFQUEUE, QUEUE or MARK";

/// The error in the text of a rule.
///
/// Its `Debug` output is the same sentence as its `Display` output.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleTextError {
    /// This word stands where an option must stand, and is no option that a rule may have.
    #[error("a rule has no {0} here: it may have {OPTIONS}")]
    Option(String),
    /// This word stands where an option must stand, and is `sudo` or a command of iptables, as at
    /// the beginning of a pasted rule.
    #[error("leave {0} out: a rule begins with its options, as in '-p udp --dport 53 -j NFQUEUE --queue-num 2'")]
    Command(String),
    /// This option comes twice, or after another that it excludes, as `--sports` after `--sport`.
    #[error("{0} comes twice")]
    Twice(String),
    /// The text ends after this option, which needs a value, or after `!`.
    #[error("nothing follows {0}")]
    NoValue(String),
    /// An option has a value that it can't have.
    #[error("{option} {value}: expected {expected}")]
    Value {
        /// The name of the option.
        option: String,
        /// The value that the text gives the option.
        value: String,
        /// The values that the option may have.
        expected: &'static str,
    },
    /// This word comes after `!`, and is no option that can be inverted.
    #[error("! can't stand before {0}: it inverts -s, -d, -i, -o, --sport, --dport, --sports, --dports and --mark")]
    Inverted(String),
    /// The rule has no target.
    #[error("the rule has no target: end it with -j NFQUEUE --queue-num N, or with -j QUEUE or -j MARK")]
    NoTarget,
    /// The target MARK comes without `--set-mark`.
    #[error("-j MARK needs --set-mark VALUE")]
    NoMark,
    /// An option of one target comes with another target.
    #[error("{option} belongs to the target {target}")]
    OtherTarget {
        /// The name of the option.
        option: &'static str,
        /// The name of the target that has the option.
        target: &'static str,
    },
    /// The target NFQUEUE has both `--queue-num` and `--queue-balance`.
    #[error("--queue-num and --queue-balance exclude each other: leave one out")]
    NumberAndBalance,
    /// `--queue-cpu-fanout` comes without `--queue-balance`, although it spreads packets over
    /// several queues.
    #[error("--queue-cpu-fanout needs --queue-balance FIRST:LAST")]
    FanoutOfOne,
    /// A condition on ports comes without `-p`, or with a protocol that its option does not go
    /// with.
    #[error("{option} needs {protocols}")]
    NoPorts {
        /// The name of the option with the condition.
        option: &'static str,
        /// The protocols that the option goes with.
        protocols: &'static str,
    },
    /// An option of the match multiport or mark comes before the match, or without it.
    #[error("{option} needs -m {name} before it")]
    NoMatch {
        /// The name of the option.
        option: String,
        /// The name of the match that has the option.
        name: &'static str,
    },
    /// The rule's addresses and its `-4` or `-6` are not all of one family.
    #[error("a rule is about IPv4 or IPv6, and not both: its addresses and -4 or -6 differ")]
    Families,
    /// The rule's `-A` names another chain than that of the hook that the rule is for.
    #[error("packets enter at {hook}, where the chain {chain} is not asked: leave -A out, or choose its hook")]
    Chain {
        /// The name of the chain after `-A`.
        chain: String,
        /// The hook that the rule is for.
        hook: Hook,
    },
    /// The rule has `-i` at OUTPUT or POSTROUTING, or `-o` at PREROUTING or INPUT.
    #[error("a packet at {hook} has no device for {option}")]
    Device {
        /// The option: `-i` or `-o`.
        option: &'static str,
        /// The hook that the rule is for.
        hook: Hook,
    },
}

impl fmt::Debug for RuleTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Rule {
    /// Parses a rule in the syntax of iptables for the chain of that hook, such as `-p udp --dport
    /// 53 -j NFQUEUE --queue-num 2`. Returns one rule for the family that `-4`, `-6` or an address
    /// says, or else one for each family, IPv4 first. Unless the text names a table, the rule is in
    /// that of [`Rule::queue`]. If the table that it names has no such chain, adding the rule
    /// fails, not parsing it.
    ///
    /// The text may have `-4`, `-6`, `-t`, `-A` with the hook's name, `-p`, `-s`, `-d`, `-i`, `-o`,
    /// the matches tcp, udp, udplite, multiport and mark, and the targets NFQUEUE, QUEUE and MARK.
    /// A long option and its value may be one word, as `--dport=53`. A `!` before a condition
    /// inverts it, but not before `-p`. NFQUEUE without a number is queue 0.
    pub fn parse(chain: Hook, text: &str) -> Result<Vec<Self>, RuleTextError> {
        let mut draft = Draft::default();
        let mut words = Words {
            rest: text.split_whitespace(),
            attached: None,
        };
        while let Some(word) = words.rest.next() {
            let (word, inverted) = match word {
                "!" => (words.value("!")?, true),
                word => (word, false),
            };
            let word = words.detach(word);
            draft.take(word, inverted, &mut words)?;
            words.check_no_value(word)?;
        }
        draft.finish(chain)
    }
}

/// The words of a rule's text that are still to be read.
struct Words<'a> {
    rest: std::str::SplitWhitespace<'a>,
    /// The value that the last option has after `=`, and that has not been read yet.
    attached: Option<&'a str>,
}

impl<'a> Words<'a> {
    fn value(&mut self, option: &str) -> Result<&'a str, RuleTextError> {
        let value = self.attached.take().or_else(|| self.rest.next());
        value.ok_or_else(|| RuleTextError::NoValue(option.to_owned()))
    }

    /// Splits a word such as `--dport=53`: returns `--dport`, and keeps `53` as the value of that
    /// option. Returns any other word as it is.
    fn detach(&mut self, word: &'a str) -> &'a str {
        match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                self.attached = Some(value);
                name
            }
            _ => word,
        }
    }

    /// Fails if the option had a value after `=` that nobody has read.
    fn check_no_value(&self, option: &str) -> Result<(), RuleTextError> {
        self.attached.map_or(Ok(()), |value| {
            Err(RuleTextError::Value {
                option: option.to_owned(),
                value: value.to_owned(),
                expected: "no value",
            })
        })
    }

    fn parsed<T>(
        &mut self,
        option: &str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, RuleTextError> {
        let value = self.value(option)?;
        parse(value).ok_or_else(|| RuleTextError::Value {
            option: option.to_owned(),
            value: value.to_owned(),
            expected,
        })
    }
}

/// Returns the short name of an option that states a condition on packets and can be inverted.
/// Returns `None` for any other option.
fn condition(option: &str) -> Option<&'static str> {
    Some(match option {
        "-s" | "--source" | "--src" => "-s",
        "-d" | "--destination" | "--dst" => "-d",
        "-i" | "--in-interface" => "-i",
        "-o" | "--out-interface" => "-o",
        "--sport" | "--source-port" => "--sport",
        "--dport" | "--destination-port" => "--dport",
        "--sports" | "--source-ports" => "--sports",
        "--dports" | "--destination-ports" => "--dports",
        "--mark" => "--mark",
        _ => return None,
    })
}

/// The parts of a rule's text that have been read so far.
#[derive(Default)]
struct Draft {
    family: Option<Family>,
    chain: Option<String>,
    table: Option<Table>,
    protocol: Option<u8>,
    matches: Matches,
    has_multiport: bool,
    has_mark: bool,
    target: Option<&'static str>,
    number: Option<u16>,
    balance: Option<(u16, u16)>,
    bypass: Option<()>,
    fanout: Option<()>,
    set_mark: Option<u32>,
}

impl Draft {
    /// Reads the option `word`, and its value from `words`, into the draft. `inverted` is `true`
    /// after `!`. Fails, among others, if the word is no option, or if its value is wrong or
    /// missing.
    fn take(&mut self, word: &str, inverted: bool, words: &mut Words<'_>) -> Result<(), RuleTextError> {
        if let Some(condition) = condition(word) {
            return self.take_condition(condition, word, inverted, words);
        }
        if inverted {
            return Err(RuleTextError::Inverted(word.to_owned()));
        }
        match word {
            "-4" | "--ipv4" => self.be_of(Family::Ipv4),
            "-6" | "--ipv6" => self.be_of(Family::Ipv6),
            "-A" | "--append" => put(&mut self.chain, word, words.value(word)?.to_owned()),
            "-t" | "--table" => {
                let table = words.parsed(word, "mangle or filter", |name| match name {
                    "mangle" => Some(Table::Mangle),
                    "filter" => Some(Table::Filter),
                    _ => None,
                })?;
                put(&mut self.table, word, table)
            }
            "-p" | "--protocol" => {
                let protocol = words.parsed(
                    word,
                    "a protocol's number, or a name such as tcp, udp or icmp",
                    protocol,
                )?;
                put(&mut self.protocol, word, protocol)
            }
            "-m" | "--match" => {
                match words.value(word)? {
                    "tcp" | "udp" | "udplite" => {}
                    "multiport" => self.has_multiport = true,
                    "mark" => self.has_mark = true,
                    name => {
                        return Err(RuleTextError::Value {
                            option: word.to_owned(),
                            value: name.to_owned(),
                            expected: MATCHES,
                        });
                    }
                }
                Ok(())
            }
            "-j" | "--jump" => {
                let known = ["NFQUEUE", "QUEUE", "MARK"];
                let target = words.parsed(word, TARGETS, |name| known.into_iter().find(|known| *known == name))?;
                put(&mut self.target, word, target)
            }
            "--queue-num" => {
                let number = words.parsed(word, "a number from 0 to 65535", |number| number.parse().ok())?;
                put(&mut self.number, word, number)
            }
            "--queue-balance" => {
                let balance = words.parsed(word, "FIRST:LAST, two numbers from 0 to 65535", |text| {
                    range(text).filter(|(first, last)| first < last)
                })?;
                put(&mut self.balance, word, balance)
            }
            "--queue-bypass" => put(&mut self.bypass, word, ()),
            "--queue-cpu-fanout" => put(&mut self.fanout, word, ()),
            "--set-mark" => {
                let mark = words.parsed(word, "a number of 32 bits, such as 0x10", number)?;
                put(&mut self.set_mark, word, mark)
            }
            _ if is_command(word) => Err(RuleTextError::Command(word.to_owned())),
            _ => Err(RuleTextError::Option(word.to_owned())),
        }
    }

    /// Reads the value of a condition from `words` into the draft. `condition` is the option's
    /// short name, and `word` the name in the text. An address also decides the rule's family.
    fn take_condition(
        &mut self,
        condition: &'static str,
        word: &str,
        inverted: bool,
        words: &mut Words<'_>,
    ) -> Result<(), RuleTextError> {
        const ADDRESS: &str = "an address, with a prefix's length or not, such as 10.0.0.0/8 or 2001:db8::1";
        const DEVICE: &str = "a device's name of at most 15 bytes, such as eth0 or eth+";
        const PORT: &str = "a port or a range, such as 53 or 1024:2047";
        const PORTS: &str = "at most 15 ports, a range counting as two, such as 53,80,1024:2047";
        const MARK: &str = "VALUE or VALUE/MASK, such as 0x1/0xff";
        let matches = &mut self.matches;
        match condition {
            "-s" | "-d" => {
                let wanted = words.parsed(word, ADDRESS, addresses)?;
                let slot = if condition == "-s" {
                    &mut matches.source
                } else {
                    &mut matches.destination
                };
                put(slot, word, Condition { wanted, inverted })?;
                let is_ipv4 = wanted.network.is_ipv4();
                self.be_of(if is_ipv4 { Family::Ipv4 } else { Family::Ipv6 })
            }
            "-i" | "-o" => {
                let wanted = words.parsed(word, DEVICE, device)?;
                let slot = if condition == "-i" {
                    &mut matches.incoming
                } else {
                    &mut matches.outgoing
                };
                put(slot, word, Condition { wanted, inverted })
            }
            "--mark" => {
                require(self.has_mark, word, "mark")?;
                let wanted = words.parsed(word, MARK, mark)?;
                put(&mut matches.mark, word, Condition { wanted, inverted })
            }
            _ => {
                let is_multiport = matches!(condition, "--sports" | "--dports");
                if is_multiport {
                    require(self.has_multiport, word, "multiport")?;
                }
                let expected = if is_multiport { PORTS } else { PORT };
                let wanted = words.parsed(word, expected, |text| ports(text, is_multiport))?;
                let slot = if matches!(condition, "--sport" | "--sports") {
                    &mut matches.source_ports
                } else {
                    &mut matches.destination_ports
                };
                put(slot, word, Condition { wanted, inverted })
            }
        }
    }

    /// Notes the family that the rule is for. Fails with `Families` if the other family was noted
    /// before.
    fn be_of(&mut self, family: Family) -> Result<(), RuleTextError> {
        if self.family.is_some_and(|other| other != family) {
            return Err(RuleTextError::Families);
        }
        self.family = Some(family);
        Ok(())
    }

    /// Checks the draft as a whole: its chain, ports, devices and target. Returns a rule for the
    /// chain of that hook for each family that the draft is for, IPv4 first.
    fn finish(self, chain: Hook) -> Result<Vec<Rule>, RuleTextError> {
        if let Some(name) = self.chain.as_ref().filter(|name| **name != chain.to_string()) {
            let (chain, hook) = (name.clone(), chain);
            return Err(RuleTextError::Chain { chain, hook });
        }
        self.check_ports()?;
        let no_device = [
            ("-i", self.matches.incoming, [Hook::Output, Hook::Postrouting]),
            ("-o", self.matches.outgoing, [Hook::Prerouting, Hook::Input]),
        ];
        for (option, condition, hooks) in no_device {
            if condition.is_some() && hooks.contains(&chain) {
                return Err(RuleTextError::Device { option, hook: chain });
            }
        }
        let target = self.target()?;
        let matches = (self.matches != Matches::default()).then_some(self.matches);
        let families = Family::ALL.into_iter();
        let families = families.filter(|family| self.family.is_none_or(|only| only == *family));
        let rules = families.map(|family| {
            let usual = Rule::queue(family, chain);
            Rule {
                table: self.table.unwrap_or(usual.table),
                // Protocol number 0 stands for all protocols.
                protocol: self.protocol.filter(|protocol| *protocol != 0),
                matches,
                target,
                ..usual
            }
        });
        Ok(rules.collect())
    }

    fn check_ports(&self) -> Result<(), RuleTextError> {
        let sides = [self.matches.source_ports, self.matches.destination_ports];
        for (condition, one, several) in [(sides[0], "--sport", "--sports"), (sides[1], "--dport", "--dports")] {
            let Some(condition) = condition else { continue };
            let (option, allowed, protocols) = if condition.wanted.is_multiport {
                (several, WITH_PORTS, "-p tcp, udp, udplite, sctp or dccp")
            } else {
                (
                    one,
                    &WITH_PORTS[..3],
                    "-p tcp, udp or udplite; -m multiport goes with others, too",
                )
            };
            if !self.protocol.is_some_and(|protocol| allowed.contains(&protocol)) {
                return Err(RuleTextError::NoPorts { option, protocols });
            }
        }
        Ok(())
    }

    fn target(&self) -> Result<Target, RuleTextError> {
        let target = self.target.ok_or(RuleTextError::NoTarget)?;
        let options = [
            ("--queue-num", "NFQUEUE", self.number.is_some()),
            ("--queue-balance", "NFQUEUE", self.balance.is_some()),
            ("--queue-bypass", "NFQUEUE", self.bypass.is_some()),
            ("--queue-cpu-fanout", "NFQUEUE", self.fanout.is_some()),
            ("--set-mark", "MARK", self.set_mark.is_some()),
        ];
        let strange = options.into_iter().find(|(_, of, is_there)| *is_there && *of != target);
        if let Some((option, target, _)) = strange {
            return Err(RuleTextError::OtherTarget { option, target });
        }
        Ok(match target {
            "MARK" => Target::Mark(self.set_mark.ok_or(RuleTextError::NoMark)?),
            "QUEUE" => Target::Queue,
            _ => {
                let number = self.number.unwrap_or_default();
                let (first, last) = match self.balance {
                    Some(_) if self.number.is_some() => return Err(RuleTextError::NumberAndBalance),
                    Some(balance) => balance,
                    None if self.fanout.is_some() => return Err(RuleTextError::FanoutOfOne),
                    None => (number, number),
                };
                Target::NumberedQueue(NumberedQueue {
                    first,
                    last,
                    spread: if self.fanout.is_some() {
                        Spread::Processors
                    } else {
                        Spread::Balance
                    },
                    bypass: self.bypass.is_some(),
                })
            }
        })
    }
}

/// Returns `true` if the word is the name or path of `sudo` or of a command of iptables.
fn is_command(word: &str) -> bool {
    let name = word.rsplit_once('/').map_or(word, |(_, name)| name);
    name == "sudo" || name.starts_with("iptables") || name.starts_with("ip6tables")
}

/// Puts an option's value into `slot`. Fails with `Twice` if the slot already had a value.
fn put<T>(slot: &mut Option<T>, option: &str, value: T) -> Result<(), RuleTextError> {
    if slot.replace(value).is_some() {
        return Err(RuleTextError::Twice(option.to_owned()));
    }
    Ok(())
}

fn require(has: bool, option: &str, name: &'static str) -> Result<(), RuleTextError> {
    let option = || option.to_owned();
    has.then_some(())
        .ok_or_else(|| RuleTextError::NoMatch { option: option(), name })
}

/// The numbers of the protocols with ports: TCP, UDP and UDP-Lite, which have matches of their own
/// here, then SCTP and DCCP, whose ports only multiport matches here.
const WITH_PORTS: &[u8] = &[6, 17, 136, 132, 33];

/// The names of protocols, with their numbers in IP headers. The name `all` stands for every
/// protocol, and has the number 0.
const PROTOCOLS: [(&str, u8); 12] = [
    ("all", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("sctp", 132),
    ("udplite", 136),
];

fn protocol(text: &str) -> Option<u8> {
    let name = if text == "ipv6-icmp" { "icmpv6" } else { text };
    let named = PROTOCOLS.iter().find(|(known, _)| *known == name);
    named.map(|(_, number)| *number).or_else(|| text.parse().ok())
}

fn addresses(text: &str) -> Option<Addresses> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let network = IpAddr::from_str(address).ok()?;
    let longest = if network.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => longest,
        Some(prefix) => prefix
            .parse()
            .ok()
            .or_else(|| prefix_of_mask(prefix).filter(|_| network.is_ipv4()))?,
    };
    (prefix <= longest).then_some(Addresses { network, prefix })
}

/// Returns the prefix length of a mask such as 255.255.0.0. Returns `None` if the text is no such
/// mask.
fn prefix_of_mask(text: &str) -> Option<u8> {
    let mask = text.parse::<Ipv4Addr>().ok()?.to_bits();
    (mask.leading_ones() == mask.count_ones()).then_some(mask.leading_ones() as u8)
}

fn device(text: &str) -> Option<DeviceName> {
    let (name, is_prefix) = match text.strip_suffix('+') {
        Some(name) => (name, true),
        None => (text, false),
    };
    Some(DeviceName {
        name: name.parse().ok()?,
        is_prefix,
    })
}

fn ports(text: &str, is_multiport: bool) -> Option<Ports> {
    let port = |text: &str| range(text).or_else(|| text.parse().ok().map(|port| (port, port)));
    if !is_multiport {
        return Ports::new(&[port(text)?], false);
    }
    let ranges = text.split(',').map(port).collect::<Option<Vec<_>>>()?;
    let counted: usize = ranges.iter().map(|(first, last)| 1 + usize::from(first != last)).sum();
    (counted <= Ports::MOST).then(|| Ports::new(&ranges, true)).flatten()
}

/// Parses a range of two numbers with a colon between them. The first may be the greater one.
/// Returns `None` if the text is no such range.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once(':')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn mark(text: &str) -> Option<Mark> {
    let (value, mask) = match text.split_once('/') {
        Some((value, mask)) => (value, number(mask)?),
        None => (text, u32::MAX),
    };
    Some(Mark {
        value: number(value)?,
        mask,
    })
}

/// Parses a number of 32 bits, in decimal or, after `0x`, in hexadecimal. Returns `None` if the
/// text is no such number.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
