//! The settings after `nfqueue:` in `IPQ_TRANSPORT`, for programs that can't be changed.

use crate::family::Family;
use crate::transport::nfqueue::{InvalidQueueNumbers, Options, QueueNumbers};
use std::num::ParseIntError;
use std::str::FromStr;

/// The settings of an nfnetlink queue that follow `nfqueue:` in `IPQ_TRANSPORT`, with commas
/// between them. No setting may be there twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// `4=NUMBER` and `6=NUMBER`: the queue number of each family, by default 0.
    numbers: QueueNumbers,
    /// `max-length=PACKETS`: the most packets that the queue holds; `None` leaves the kernel's
    /// default.
    max_length: Option<u32>,
    /// `receive-buffer=BYTES`: the size of the socket's receive buffer; `None` leaves the system's
    /// default.
    pub(super) receive_buffer: Option<u32>,
    /// `fail-open`: a packet that finds the queue or the socket's receive buffer full goes on as if
    /// it had been accepted.
    fail_open: bool,
    /// `gso`: a packet that the device is to cut into segments is queued whole, not as its
    /// segments.
    segments_whole: bool,
}

impl Settings {
    /// Returns the options for the queue of `family`. They hold all settings but the size of the
    /// receive buffer, which is set after the queue was opened.
    pub(super) fn options(&self, family: Family) -> Options {
        Options {
            queue_number: self.numbers.of(family),
            max_length: self.max_length,
            fail_open: self.fail_open,
            segments_whole: self.segments_whole,
            ..Options::new(family)
        }
    }
}

/// A mistake in the settings after `nfqueue:` in `IPQ_TRANSPORT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidSetting {
    #[error(
        "\"{0}\" is no setting of nfqueue: write 4=NUMBER, 6=NUMBER, max-length=PACKETS, receive-buffer=BYTES, \
         fail-open or gso, with commas between them"
    )]
    Unknown(String),
    #[error("{0} is there twice: write it once")]
    Twice(String),
    #[error(transparent)]
    QueueNumber(InvalidQueueNumbers),
    #[error(
        "\"{value}\" is no value of {name}, which is a number from 0 to {}: {reason}",
        u32::MAX
    )]
    Number {
        name: &'static str,
        value: String,
        reason: ParseIntError,
    },
}

impl FromStr for Settings {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, InvalidSetting> {
        let mut settings = Self::default();
        let mut numbers = Vec::new();
        let mut seen = Vec::new();
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (part, None),
            };
            match (name, value) {
                ("4" | "6", Some(_)) => numbers.push(part),
                ("max-length", Some(value)) => settings.max_length = Some(number("max-length", value)?),
                ("receive-buffer", Some(value)) => settings.receive_buffer = Some(number("receive-buffer", value)?),
                ("fail-open", None) => settings.fail_open = true,
                ("gso", None) => settings.segments_whole = true,
                _ => return Err(InvalidSetting::Unknown(part.to_owned())),
            }
            if seen.contains(&name) {
                return Err(InvalidSetting::Twice(name.to_owned()));
            }
            seen.push(name);
        }
        settings.numbers = numbers.join(",").parse().map_err(InvalidSetting::QueueNumber)?;
        Ok(settings)
    }
}

fn number(name: &'static str, value: &str) -> Result<u32, InvalidSetting> {
    value.parse().map_err(|reason| InvalidSetting::Number {
        name,
        value: value.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[test]
    fn all_settings_are_read_in_any_order() {
        let settings: Settings = "gso,6=7,max-length=8192,receive-buffer=4194304,4=5,fail-open"
            .parse()
            .expect("settings");
        assert_eq!(settings.receive_buffer, Some(4_194_304));
        for (family, queue_number) in [(Family::Ipv4, 5), (Family::Ipv6, 7)] {
            let expected = Options {
                queue_number,
                max_length: Some(8192),
                fail_open: true,
                segments_whole: true,
                ..Options::new(family)
            };
            assert_eq!(settings.options(family), expected);
        }
    }

    #[test]
    fn without_settings_everything_is_as_the_kernel_has_it() {
        let settings: Settings = "".parse().expect("settings");
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.options(Family::Ipv6), Options::new(Family::Ipv6));
    }

    #[rstest]
    #[case::no_setting(
        "fail_open",
        "\"fail_open\" is no setting of nfqueue: write 4=NUMBER, 6=NUMBER, max-length=PACKETS, receive-buffer=BYTES, \
         fail-open or gso, with commas between them"
    )]
    #[case::nothing_after_the_comma(
        "gso,",
        "\"\" is no setting of nfqueue: write 4=NUMBER, 6=NUMBER, max-length=PACKETS, receive-buffer=BYTES, \
         fail-open or gso, with commas between them"
    )]
    #[case::a_value_too_many(
        "gso=1",
        "\"gso=1\" is no setting of nfqueue: write 4=NUMBER, 6=NUMBER, max-length=PACKETS, receive-buffer=BYTES, \
         fail-open or gso, with commas between them"
    )]
    #[case::twice("max-length=1,max-length=2", "max-length is there twice: write it once")]
    #[case::a_queue_number_too_large(
        "4=65536",
        "\"65536\" is no queue number, which is 0 to 65535: number too large to fit in target type"
    )]
    #[case::a_length_too_large(
        "max-length=4294967296",
        "\"4294967296\" is no value of max-length, which is a number from 0 to 4294967295: number too large to fit in \
         target type"
    )]
    #[case::bytes_with_a_unit(
        "receive-buffer=4M",
        "\"4M\" is no value of receive-buffer, which is a number from 0 to 4294967295: invalid digit found in string"
    )]
    fn a_wrong_setting_says_what_is_right(#[case] text: &str, #[case] expected: &str) {
        let error = text.parse::<Settings>().expect_err("no settings");
        assert_eq!(error.to_string(), expected);
    }
}
