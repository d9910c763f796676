//! Captures that `ipq-sim run` reads. Every record of the file is fed to an emulated kernel, or has
//! a reason why not. Every packet that is fed is delivered or dropped.
//!
//! The input is the file. A checksum of its bytes decides the size of the pieces in which the file
//! is read.

use ipq_core::transport::unix::Unix;
use ipq_core::wire::{Envelope, Message, ModeRequest, VerdictRequest};
use ipq_core::{CopyMode, Family, Handle, Hook, PortId, Verdict, Wait};
use ipq_sim::programs::run::{self, CaptureEnd, NotFed, PacketReport, Record, Run, Summary};
use ipq_sim::{ClientId, DropReason, EntryPoint, Kernel, Profile, SocketId};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// About one input in this many is also run in the way of `ipq-sim run`. Such a run takes much
/// longer than the other checks.
const SELDOM: u32 = 512;

/// The most bytes that reading may hold beside the file, the records and their packets: buffers,
/// and the interfaces of a section.
const BUFFERS: u64 = 4 << 20;

/// The most bytes that a decompressor may hold in addition. The longest window fits twice.
const WINDOW: u64 = 300 << 20;

/// If the capture `bytes` can be read, checks that this takes bounded memory, and that the capture
/// has as many records and the same end when it is read in pieces of another size. Then feeds its
/// records to an emulated kernel, unless there are more than 65,536.
pub fn check(bytes: &[u8]) {
    let sum = bytes
        .iter()
        .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    let source = |size| {
        Box::new(Pieces {
            bytes: Cursor::new(bytes.to_vec()),
            size,
        })
    };
    let mut result = None;
    let held = allocation_counter::measure(|| result = Some(run::read_capture(source(1 + sum as usize % 4096))));
    let is_compressed = bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let Some(Ok((records, end))) = result else {
        return;
    };
    let packets: usize = records
        .iter()
        .flat_map(|record| &record.packet)
        .map(|packet| packet.data.len())
        .sum();
    // Vectors double when they grow.
    let kept = (3 * size_of::<Record>() * records.len() + packets) as u64;
    let most = BUFFERS + kept + bytes.len() as u64 + if is_compressed { WINDOW } else { 0 };
    assert!(
        held.bytes_max <= most,
        "{} bytes held for {}",
        held.bytes_max,
        bytes.len()
    );
    // The file reads the same in pieces of any size.
    let (whole, whole_end) = run::read_capture(source(usize::MAX)).expect("what was read once is read again");
    assert_eq!((whole.len(), &whole_end), (records.len(), &end));
    if let Some(expected) = classic(bytes) {
        assert_eq!((records.len(), &end), (expected, &CaptureEnd::Whole));
    }
    if records.len() > 1 << 16 {
        return;
    }
    feed(&records);
    if sum % SELDOM == 0 {
        run_whole(in_memory(bytes).as_ref(), &records);
    }
}

/// A source whose reads return at most `size` bytes.
struct Pieces {
    bytes: Cursor<Vec<u8>>,
    size: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.size.min(buffer.len());
        self.bytes.read(&mut buffer[..size])
    }
}

/// Returns the number of records in a file of the classic format in little-endian order, counted by
/// their lengths alone. `None` if the file is of another format, or does not end with a whole
/// record.
fn classic(bytes: &[u8]) -> Option<usize> {
    let word = |at: usize| -> Option<u32> { Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)) };
    if !matches!(word(0)?, 0xa1b2_c3d4 | 0xa1b2_3c4d) || bytes.len() < 24 {
        return None;
    }
    let (mut at, mut records) = (24, 0);
    while at != bytes.len() {
        let captured = word(at + 8)?;
        word(at + 12)?;
        records += 1;
        at = (at + 16)
            .checked_add(captured as usize)
            .filter(|at| *at <= bytes.len())?;
    }
    Some(records)
}

/// Feeds records to an emulated kernel, with a program that accepts or drops each packet. Checks
/// that each record is either fed or has a reason why not, and that each packet that was fed was
/// delivered or dropped.
fn feed(records: &[Record]) {
    let mut kernel = run::kernel(Profile::default(), Hook::Input).expect("a hook and a profile that there are");
    let sockets = Family::ALL.map(|family| listen(&mut kernel, family));
    let mut not_fed: BTreeMap<NotFed, u64> = BTreeMap::new();
    let mut fed = 0;
    for record in records {
        assert!(!record.time.to_string().is_empty());
        let error = match &record.packet {
            Ok(packet) => {
                assert!(packet.data.len() >= packet.family.header_length());
                let entrance = EntryPoint {
                    hook: Hook::Input,
                    incoming: "eth0",
                    outgoing: "eth1",
                    link_header: packet.link_header,
                };
                let entered = kernel.enter_at(entrance, packet.data.clone());
                fed += u64::from(entered.is_ok());
                answer(&mut kernel, sockets[packet.family as usize], record.time.units & 1 == 0);
                entered.err().map(|_| NotFed::Malformed)
            }
            Err(reason) => Some(*reason),
        };
        if let Some(reason) = error {
            assert!(!reason.to_string().is_empty());
            *not_fed.entry(reason).or_default() += 1;
        }
    }
    let accounting = kernel.accounting();
    assert!(accounting.balances());
    assert_eq!((accounting.entered, accounting.queued), (fed, 0));
    assert_eq!(fed + not_fed.values().sum::<u64>(), records.len() as u64);
    assert_eq!(accounting.delivered + accounting.dropped(), fed);
    assert!(!not_fed.contains_key(&NotFed::RunEnded));
}

/// Runs the capture in the way of `ipq-sim run`, with a program on another thread that accepts
/// everything. Checks the sums of the report. If no packet is undecided, also checks that a record
/// without a packet has the same reason as in `records`, and that of the others exactly those that
/// were fed have a fate.
fn run_whole(capture: &Path, records: &[Record]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("socket");
    let done = AtomicBool::new(false);
    let mut packets: Vec<PacketReport> = Vec::new();
    let report = std::thread::scope(|scope| {
        scope.spawn(|| accept_everything(&socket, &done));
        let run = Run::serving(capture, &socket).patience(Duration::from_secs(1));
        let report = run.go_watched(&mut packets);
        done.store(true, Ordering::Release);
        report.expect("what was read once is read again")
    });
    let Summary {
        records: total,
        not_fed,
        accepted,
        dropped,
        still_queued,
        ..
    } = &report.summary;
    assert_eq!((*total, packets.len()), (records.len() as u64, records.len()));
    assert!(
        packets
            .iter()
            .enumerate()
            .all(|(index, packet)| packet.index == index as u64)
    );
    let [not, lost] = [not_fed.values().sum::<u64>(), dropped.values().sum()];
    assert_eq!(*total, not + accepted + lost + still_queued);
    // The program may have had no time on this machine. If it opens a family a second late, that
    // family's packets are lost.
    if report.summary.undecided() > 0 {
        return;
    }
    assert!(
        dropped.keys().all(|reason| *reason == DropReason::NoListener),
        "{dropped:?}"
    );
    for (record, packet) in records.iter().zip(&packets) {
        match &record.packet {
            Err(reason) => assert_eq!(packet.record.packet.as_ref().err(), Some(reason)),
            Ok(_) => assert_eq!(packet.fate.is_some(), packet.record.packet.is_ok()),
        }
    }
}

/// Listens to both families' queues at `socket`, and accepts every packet, until `done` is set.
fn accept_everything(socket: &Path, done: &AtomicBool) {
    let mut buffer = vec![0; 1 << 17];
    let mut handles = Vec::new();
    while !done.load(Ordering::Acquire) {
        if let Some(family) = Family::ALL.get(handles.len())
            && let Ok(unix) = Unix::open(socket, *family)
        {
            let handle = Handle::new(unix);
            let _ = handle.set_mode(CopyMode::Packet, 0);
            handles.push(handle);
        }
        for handle in &handles {
            if let Ok(Message::Packet(packet)) = handle.read(&mut buffer, Wait::For(Duration::from_micros(200))) {
                let _ = handle.set_verdict(packet.packet_id(), Verdict::Accept, None);
            }
        }
    }
}

fn listen(kernel: &mut Kernel, family: Family) -> SocketId {
    let socket = kernel
        .open(ClientId::FIRST, family.netlink_protocol().into())
        .expect("a loaded module");
    kernel.bind(socket, PortId(1)).expect("a free port id");
    let mode = ModeRequest {
        mode: CopyMode::Packet,
        range: 0,
    };
    let abi = kernel.profile().abi;
    kernel
        .send(socket, &mode.head(abi, Envelope::request(PortId(1))))
        .expect("a short message");
    socket
}

/// Reads a packet from the socket and gives its verdict, ACCEPT if `accept` is `true` and DROP
/// otherwise. Does nothing if no packet is there to be read.
fn answer(kernel: &mut Kernel, socket: SocketId, accept: bool) {
    let abi = kernel.profile().abi;
    let mut buffer = vec![0; 1 << 17];
    let Ok(received) = kernel.receive(socket, &mut buffer) else {
        return;
    };
    assert_eq!(received.copied, received.length);
    let Ok(Message::Packet(packet)) = Message::parse(&buffer[..received.copied], abi) else {
        panic!("only packets come");
    };
    let verdict = VerdictRequest {
        verdict: if accept { Verdict::Accept } else { Verdict::Drop },
        packet_id: packet.packet_id(),
        data_len: 0,
    };
    kernel
        .send(socket, &verdict.head(abi, Envelope::request(PortId(1)), 0))
        .expect("a short message");
}

/// Returns the path of a file in memory that holds `bytes`. The next call on this thread overwrites
/// the file.
fn in_memory(bytes: &[u8]) -> String {
    use std::cell::RefCell;
    thread_local! {
        static FILE: RefCell<File> = RefCell::new(
            rustix::fs::memfd_create("capture", rustix::fs::MemfdFlags::CLOEXEC).expect("a file in memory").into()
        );
    }
    FILE.with_borrow_mut(|file| {
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(bytes))
            .expect("memory");
        format!("/proc/self/fd/{}", file.as_raw_fd())
    })
}
