//! A test that sends many packets through queues and accounts for each. It left the host with the
//! bytes that its verdict asked for, was dropped by its verdict, or was lost because the queue or
//! the socket's receive buffer was full. Those of the kernel's counts that can be compared have to
//! be those of this program.

use super::QUEUES;
use bytes::Bytes;
use ipq_conformance::laboratory::{Laboratory, LaboratoryError, Queues};
use ipq_conformance::suite::Packet;
use ipq_conformance::world::topology::{TAP0, TAP1};
use ipq_conformance::world::{Protocol, Rule, Table};
use ipq_core::transport::nfqueue::{NfQueue, Options};
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Error, Family, Handle, Hook, PacketId, Transport, Verdict, Wait};
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::time::Instant;

/// The environment variable with the number of packets; [`FEW_PACKETS`] if it is not set.
const PACKETS: &str = "IPQ_PACKETS";
const FEW_PACKETS: u64 = 20_000;
/// The number of packets that may leave by `tap1` before their frames are taken. More might not fit
/// into the buffer from which they are taken.
const VERDICTS_AT_A_TIME: usize = 64;
const FRAME_BYTES: usize = 1 << 16;
const ETHERNET_HEADER_BYTES: usize = 14;

pub(super) fn accounts_for_every_packet(laboratory: &mut Laboratory) -> Result<(), LaboratoryError> {
    let packets = std::env::var(PACKETS).map_or(FEW_PACKETS, |number| number.parse().expect("a number of packets"));
    let rule = |family| Rule::queue(family, Table::Filter, Hook::Forward, Some(Protocol::UDP));
    laboratory.set_rules(&Family::ALL.map(rule), QUEUES)?;
    let begun = Instant::now();
    let tenth = packets / 10;

    let in_ipv6 = Part::in_step(Family::Ipv6, 4 * tenth).run(laboratory)?;
    for device in [TAP0.name, TAP1.name] {
        let off = fs::write(format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6"), "1");
        off.expect("the namespace is our own");
    }
    let in_ipv4 = Part::in_step(Family::Ipv4, packets - 6 * tenth).run(laboratory)?;
    let into_a_full_queue = Part {
        burst: 160,
        max_length: Some(100),
        ..Part::in_step(Family::Ipv4, tenth)
    }
    .run(laboratory)?;
    let to_a_slow_reader = Part {
        burst: 640,
        receive_buffer: Some(1 << 16),
        ..Part::in_step(Family::Ipv4, tenth)
    }
    .run(laboratory)?;

    for nothing_lost in [in_ipv6, in_ipv4] {
        assert_eq!((nothing_lost.queue_dropped, nothing_lost.user_dropped), (0, 0));
    }
    assert!(into_a_full_queue.queue_dropped > 0 && into_a_full_queue.user_dropped == 0);
    assert!(to_a_slow_reader.user_dropped > 0 && to_a_slow_reader.queue_dropped == 0);
    let all = [in_ipv6, in_ipv4, into_a_full_queue, to_a_slow_reader]
        .into_iter()
        .sum::<Tally>();
    assert_eq!(all.entered, packets);
    eprintln!(
        "{} packets in {:.1} s: {} left (of them {} replaced), {} dropped by verdict, {} lost to a full queue, {} lost to a full buffer",
        all.entered,
        begun.elapsed().as_secs_f64(),
        all.delivered,
        all.replaced,
        all.dropped,
        all.queue_dropped,
        all.user_dropped
    );
    Ok(())
}

/// A part of the test: the number of its packets, which are of one family, and the limits of the
/// queue that they go through.
struct Part {
    family: Family,
    packets: u64,
    /// The greatest number of packets that arrive before the program reads again.
    burst: u32,
    max_length: Option<u32>,
    receive_buffer: Option<usize>,
}

/// The number of packets by their fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    entered: u64,
    delivered: u64,
    /// The number of delivered packets that were replaced.
    replaced: u64,
    dropped: u64,
    queue_dropped: u64,
    user_dropped: u64,
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, one| Self {
            entered: sum.entered + one.entered,
            delivered: sum.delivered + one.delivered,
            replaced: sum.replaced + one.replaced,
            dropped: sum.dropped + one.dropped,
            queue_dropped: sum.queue_dropped + one.queue_dropped,
            user_dropped: sum.user_dropped + one.user_dropped,
        })
    }
}

impl Part {
    /// Returns a part whose packets arrive 64 at a time, so few that there is room for all of them.
    const fn in_step(family: Family, packets: u64) -> Self {
        Self {
            family,
            packets,
            burst: 64,
            max_length: None,
            receive_buffer: None,
        }
    }

    fn run(&self, laboratory: &mut Laboratory) -> Result<Tally, LaboratoryError> {
        let Queues::Numbered { ipv4, ipv6 } = QUEUES else {
            unreachable!("the queues have numbers")
        };
        let queue_number = match self.family {
            Family::Ipv4 => ipv4,
            Family::Ipv6 => ipv6,
        };
        let queue = NfQueue::open_with(Options {
            queue_number,
            max_length: self.max_length,
            ..Options::new(self.family)
        });
        let queue = queue.expect("the queue is there");
        if let Some(bytes) = self.receive_buffer {
            queue.set_receive_buffer(bytes).expect("a buffer can be made smaller");
        }
        let handle = Handle::new(queue);
        handle.set_mode(CopyMode::Packet, 0).expect("it can be sent");
        let before = Counters::read();
        let mut filter = Filter {
            handle,
            laboratory,
            family: self.family,
            random: fastrand::Rng::with_seed(self.packets),
            last_id: 0,
            expected: VecDeque::new(),
            tally: Tally::default(),
        };
        while filter.tally.entered < self.packets {
            // The last packet comes alone, so that its id shows how many were lost before it.
            let left = self.packets - filter.tally.entered;
            filter.let_arrive(u64::from(self.burst).min(left.saturating_sub(1)).max(1))?;
        }
        // Packets that found the queue full never got an id.
        filter.tally.queue_dropped = filter.tally.entered - filter.last_id;
        let Filter { handle, tally, .. } = filter;
        self.check(tally, &handle, before);
        Ok(tally)
    }

    /// Checks that the counts in `tally` add up to the packets that arrived, and that the kernel
    /// counts the same: at the queue, if this process may read that, at the first device, and with
    /// IPv4 at the second. `before` are the devices' earlier counters.
    fn check(&self, tally: Tally, handle: &Handle<NfQueue>, before: Counters) {
        let lost = tally.queue_dropped + tally.user_dropped;
        assert_eq!(tally.entered, tally.delivered + tally.dropped + lost, "{tally:?}");
        match handle.transport().statistics() {
            Ok(statistics) => {
                let statistics = statistics.expect("the queue is in the table");
                assert_eq!(statistics.queue_length, 0, "{statistics:?}");
                assert_eq!(statistics.queue_dropped, tally.queue_dropped, "{statistics:?}");
                assert_eq!(statistics.user_dropped, tally.user_dropped, "{statistics:?}");
            }
            // Only the system's own root may read the table, also in a namespace of one's own.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                eprintln!("the kernel's table of queues is not compared, since only root may read it");
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(
            handle.overruns() > 0,
            tally.user_dropped > 0,
            "{} overruns",
            handle.overruns()
        );
        let now = Counters::read();
        assert_eq!(now.arrived - before.arrived, tally.entered, "what tap0 received");
        // With IPv6 the host also sends multicast listener reports.
        if self.family == Family::Ipv4 {
            assert_eq!(now.left - before.left, tally.delivered, "what tap1 sent");
        }
    }
}

/// A program that makes packets arrive, gives them random verdicts, and checks what leaves.
struct Filter<'l> {
    handle: Handle<NfQueue>,
    laboratory: &'l mut Laboratory,
    family: Family,
    random: fastrand::Rng,
    /// The id of the last packet that was read; 0 before the first. The kernel numbers the packets
    /// from 1. One that finds no room in the queue gets no number, and one that finds no room in
    /// the receive buffer gets one.
    last_id: u64,
    /// The frames that still have to leave by `tap1`, in order.
    expected: VecDeque<Bytes>,
    tally: Tally,
}

impl Filter<'_> {
    /// Makes `count` equal packets arrive. Then reads packets until none is left, gives each a
    /// verdict, and checks what leaves.
    fn let_arrive(&mut self, count: u64) -> Result<(), LaboratoryError> {
        let number = self.tally.entered as u16;
        let payload = vec![number as u8; self.random.usize(..200)];
        let sent = Packet::udp(self.family).identification(number).payload(payload);
        let taken = self.laboratory.inject(TAP0.name, &sent.frame(), count as u32)?;
        taken.expect("the device takes them");
        self.tally.entered += count;
        let unchanged = sent.forwarded().frame();
        let mut buffer = vec![0; FRAME_BYTES];
        loop {
            match self.handle.read(&mut buffer, Wait::Never) {
                Ok(Message::Packet(packet)) => {
                    let id = packet.packet_id();
                    assert_eq!(packet.payload(), &unchanged[ETHERNET_HEADER_BYTES..], "packet {id:?}");
                    self.judge(id, &unchanged);
                    if self.expected.len() >= VERDICTS_AT_A_TIME {
                        self.watch()?;
                    }
                }
                Err(Error::TimedOut) => break,
                Err(Error::Overrun) => {}
                other => panic!("{other:?}"),
            }
        }
        self.watch()?;
        Ok(())
    }

    /// Gives a packet a random verdict: ACCEPT, DROP, or a replacement with ACCEPT or STOP. Counts
    /// the ids between the last packet's and this one's as packets that found no room in the
    /// receive buffer.
    fn judge(&mut self, id: PacketId, unchanged: &Bytes) {
        self.tally.user_dropped += id.0 - self.last_id - 1;
        self.last_id = id.0;
        let length = unchanged.len() - ETHERNET_HEADER_BYTES - Packet::udp(self.family).payload([]).ip().len();
        let other_length = match self.random.u32(..100) {
            0..45 => return self.let_leave(id, Verdict::Accept, None, unchanged.clone()),
            45..60 => {
                self.tally.dropped += 1;
                let sent = self.handle.set_verdict(id, Verdict::Drop, None);
                sent.expect("it can be sent");
                return;
            }
            60..70 => length,
            70..85 => length + self.random.usize(1..40),
            _ => length.saturating_sub(self.random.usize(1..40)),
        };
        let payload = vec![id.0 as u8; other_length];
        let replacement = Packet::udp(self.family)
            .ttl(63)
            .identification(id.0 as u16)
            .payload(payload)
            .ip();
        let verdict = if self.random.bool() {
            Verdict::Accept
        } else {
            Verdict::Stop
        };
        self.tally.replaced += 1;
        self.let_leave(
            id,
            verdict,
            Some(&replacement),
            [&unchanged[..ETHERNET_HEADER_BYTES], &replacement].concat().into(),
        );
    }

    fn let_leave(&mut self, id: PacketId, verdict: Verdict, replacement: Option<&[u8]>, expected: Bytes) {
        let sent = self.handle.set_verdict(id, verdict, replacement);
        sent.expect("it can be sent");
        self.expected.push_back(expected);
    }

    /// Takes the frames that left by `tap1`, and counts them. Panics unless they are those of
    /// `expected`, all of them and in order.
    fn watch(&mut self) -> Result<(), LaboratoryError> {
        self.laboratory.settle()?;
        while let Some(frame) = self.laboratory.sniff(TAP1.name)? {
            let expected = self.expected.pop_front();
            assert_eq!(expected.as_deref(), Some(&frame[..]), "frame {}", self.tally.delivered);
            self.tally.delivered += 1;
        }
        assert_eq!(self.expected.len(), 0, "some never left");
        Ok(())
    }
}

/// The packet counters of the devices.
#[derive(Clone, Copy)]
struct Counters {
    /// The packets that `tap0` received.
    arrived: u64,
    /// The packets that `tap1` sent.
    left: u64,
}

impl Counters {
    fn read() -> Self {
        let table = fs::read_to_string("/proc/self/net/dev").expect("the kernel has it");
        let column = |device: &str, column: usize| {
            let mut lines = table.lines().map(str::trim_start);
            let columns = lines.find_map(|line| line.strip_prefix(device)?.strip_prefix(':'));
            let packets = columns.and_then(|columns| columns.split_whitespace().nth(column)?.parse().ok());
            packets.expect("the device has a line of numbers")
        };
        Self {
            arrived: column(TAP0.name, 1),
            left: column(TAP1.name, 9),
        }
    }
}
