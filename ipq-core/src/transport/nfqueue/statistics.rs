//! Counters of a queue.

use std::io;

/// A queue's length and counters of lost packets: three from the kernel's table
/// `/proc/net/netfilter/nfnetlink_queue`, and one from this transport. The number of overruns that
/// the program was told of is elsewhere: [`Handle::overruns`](crate::Handle::overruns).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// The number of packets that wait for a verdict.
    pub queue_length: u64,
    /// The number of packets that were dropped because the queue was full (PKT-2).
    pub queue_dropped: u64,
    /// The number of packets that were dropped because they could not be delivered to the socket
    /// that has bound the queue (PKT-3).
    pub user_dropped: u64,
    /// The number of packets that came to this transport from the queue and were dropped since they
    /// are not of its family.
    pub other_family_dropped: u64,
}

/// Finds the line of the queue `queue_number` in `text`, the kernel's table, and returns the
/// queue's length and its two counters. The table does not have `other_family_dropped`, which is 0
/// here. Returns `None` if the queue has no line, and an error if a column that is needed is
/// missing or no number, in that line or one before it. The columns are number, port id, length,
/// copy mode, copy range, queue dropped, user dropped, last id, 1.
pub(super) fn parse(text: &str, queue_number: u16) -> io::Result<Option<Statistics>> {
    for line in text.lines() {
        let mut columns = line.split_whitespace();
        let mut column = |skipped: usize| {
            let number = columns.nth(skipped).and_then(|column| column.parse::<u64>().ok());
            number.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "this is no table of nfnetlink queues"))
        };
        if column(0)? == u64::from(queue_number) {
            return Ok(Some(Statistics {
                queue_length: column(1)?,
                queue_dropped: column(2)?,
                user_dropped: column(0)?,
                other_family_dropped: 0,
            }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    const TABLE: &str =
        "    0   1020     3 2 65531     4     5        9  1\n    7 -4097     0 1     0     0     0        0  1\n";

    #[test]
    fn a_queues_line_is_found_by_its_number() {
        let queue = |number| parse(TABLE, number).expect("a table");
        let expected = Statistics {
            queue_length: 3,
            queue_dropped: 4,
            user_dropped: 5,
            other_family_dropped: 0,
        };
        assert_eq!(queue(0), Some(expected));
        assert_eq!(queue(7), Some(Statistics::default()));
        assert_eq!(queue(1), None);
    }

    #[test]
    fn another_table_is_not_read_as_this_one() {
        for text in ["Peer PID : 0", "0 1 2", "0 1 2 3 4 5 many"] {
            assert_eq!(parse(text, 0).expect_err(text).kind(), io::ErrorKind::InvalidData);
        }
    }
}
