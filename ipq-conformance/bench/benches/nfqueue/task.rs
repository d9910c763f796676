//! The tasks that are measured, and the packets that arrive for each.

use ipq_conformance::suite::Packet;
use ipq_core::CopyMode;
use std::str::FromStr;

/// What a listener does with each packet. On the listener's command line this is two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// `true` if the listener gets no packet bytes, but only the metadata: copy mode META.
    pub(crate) meta: bool,
    /// `true` if the listener replaces each packet by itself with the last byte changed.
    pub(crate) replace: bool,
}

impl Task {
    pub(crate) const fn mode(self) -> CopyMode {
        if self.meta { CopyMode::Meta } else { CopyMode::Packet }
    }

    pub(crate) const fn words(self) -> [&'static str; 2] {
        [
            if self.meta { "meta" } else { "packet" },
            if self.replace { "replace" } else { "accept" },
        ]
    }
}

impl FromStr for Task {
    type Err = String;

    fn from_str(words: &str) -> Result<Self, String> {
        let all = [(false, false), (true, false), (false, true), (true, true)];
        let mut tasks = all.iter().map(|&(meta, replace)| Self { meta, replace });
        tasks
            .find(|task| task.words().join(" ") == words)
            .ok_or_else(|| format!("\"{words}\" is no task"))
    }
}

/// The time at which packets arrive for a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// This many packets arrive before the listener begins, in each round. The processor that the
    /// listener runs on sends them.
    Before(u32),
    /// Packets arrive while the listener works. Another processor sends them.
    Meanwhile,
}

/// A task, its packets and the time at which they arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) task: Task,
    /// The length of each packet in bytes, from its network header on.
    pub(crate) length: usize,
    pub(crate) arrival: Arrival,
}

/// The number of packets that wait for a listener that has fallen behind. The queue has room for so
/// many, and so has the device that they leave by, if it is a TAP device.
pub(crate) const FELL_BEHIND: u32 = 480;
/// The number of packets that wait for a listener that keeps up. A listener that takes many packets
/// in a call takes all of them at once.
const KEEPS_UP: u32 = 32;

const ACCEPT: Task = Task {
    meta: false,
    replace: false,
};

pub(crate) const LOADS: &[Load] = &[
    Load {
        name: "ACCEPT, 1400 bytes",
        task: ACCEPT,
        length: 1400,
        arrival: Arrival::Before(FELL_BEHIND),
    },
    Load {
        name: "ACCEPT, 1400 bytes, 32 at a time",
        task: ACCEPT,
        length: 1400,
        arrival: Arrival::Before(KEEPS_UP),
    },
    Load {
        name: "ACCEPT, META, 64 bytes",
        task: Task { meta: true, ..ACCEPT },
        length: 64,
        arrival: Arrival::Before(FELL_BEHIND),
    },
    Load {
        name: "replacement, 1400 bytes",
        task: Task {
            replace: true,
            ..ACCEPT
        },
        length: 1400,
        arrival: Arrival::Before(FELL_BEHIND),
    },
    Load {
        name: "ACCEPT, 1400 bytes, sent by the other processor meanwhile",
        task: ACCEPT,
        length: 1400,
        arrival: Arrival::Meanwhile,
    },
];

impl Load {
    /// Returns the packet that arrives, and the bytes of the frame that should leave.
    pub(crate) fn packet(&self) -> (Packet, Vec<u8>) {
        let packet = Packet::udp4().length(self.length);
        let mut left = packet.clone().forwarded().frame().to_vec();
        if let Some(last) = left.last_mut().filter(|_| self.task.replace) {
            *last ^= 0xff;
        }
        (packet, left)
    }
}
