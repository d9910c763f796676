//! Captures: reads the IP packets of a pcap or pcapng file, and says why other records hold none to
//! feed.
//!
//! A [`Capture`] is read by a thread of its own, while the run goes on. The thread reads ahead by a
//! bounded number of bytes. Of each record only the first [`input::LONGEST_PART`] bytes are looked
//! at, more than an IP packet and the headers before it take; the rest is skipped.
//!
//! | module | what it does |
//! |---|---|
//! | `input` | bytes of files and pipes, decompressed |
//! | `classic`, `pcapng` | records of the two formats |
//! | `link` | finds the packet in a frame |
//! | `reader` | makes [`Record`]s of bytes |
//! | `frames` | the frames themselves, for callers that look for anything else than IP packets |
//! | `reason` | the reasons why a record is not fed |
//! | `time` | the times and clocks of captures |

mod classic;
mod frames;
mod input;
mod link;
mod pcapng;
mod reader;
mod reason;
#[cfg(test)]
mod tests;
mod time;

pub use frames::{Frame, Frames};
pub use reason::NotFed;
pub use time::{CaptureClock, CaptureTime};

use bytes::Bytes;
use input::Input;
pub(super) use input::STANDARD_INPUT;
use ipq_core::Family;
pub(super) use link::in_ethernet;
use reader::Reader;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// One record of a capture: the time, and the packet or the reason why there is none to feed.
#[derive(Clone, Debug)]
pub struct Record {
    /// The time at which the frame was captured: 0 units if the record states none.
    pub time: CaptureTime,
    /// The packet to feed, or the reason why the record has none.
    pub packet: Result<Packet, NotFed>,
}

/// An IP packet of a capture.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The packet's family.
    pub family: Family,
    /// The packet's bytes, from its IP header to the end that the header states. A packet that was
    /// captured before the network card cut it into segments (offloading) may have stated length 0;
    /// here its header states its real length.
    pub data: Bytes,
    /// The Ethernet header of the packet's frame, with the packet's `EtherType` and without tags.
    /// For Wi-Fi, the header that the packet would have on Ethernet. `None` for other link layers.
    pub link_header: Option<[u8; 14]>,
}

/// The way in which a capture ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptureEnd {
    /// The capture ended after its last record.
    Whole,
    /// The capture ended within a record or a block, as happens if its writer was killed, or a
    /// compressed capture ended within its compressed data.
    WithinRecord,
    /// The reader met bytes that the format or its own limits do not allow, or could not read on.
    /// The text says what is wrong.
    Damaged(String),
}

impl fmt::Display for CaptureEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the capture is whole"),
            Self::WithinRecord => f.write_str("the capture ends within a record; those before were fed"),
            Self::Damaged(reason) => write!(
                f,
                "the capture is damaged, and only the records before were fed: {reason}"
            ),
        }
    }
}

/// The reason why a capture can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The file can't be opened, its first bytes can't be read, or the system refuses what the
    /// reading thread needs.
    #[error("{} can't be opened: {source}", .path.display())]
    Open {
        /// The capture's path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is no pcap file of version 2 and no pcapng file of version 1, or its header can't
    /// be read or decompressed.
    #[error("{} is no pcap or pcapng file: {reason}", .path.display())]
    Format {
        /// The capture's path.
        path: PathBuf,
        /// What is wrong with the file's beginning.
        reason: String,
    },
}

/// The reading thread waits while the records that it has handed over, and that were not taken,
/// count for this number of bytes or more.
const AHEAD: usize = 1 << 20;

/// The greatest length, in bytes, of a file that is read to its end even if the run ends before.
const SMALL: u64 = 64 << 20;

/// The number of bytes that a record counts for in [`AHEAD`], in addition to its packet's bytes.
const RECORD: usize = size_of::<Record>();

/// A capture that a thread of its own is reading.
pub(super) struct Capture {
    shared: Arc<Shared>,
    /// The records that were taken from the thread, and not returned yet.
    records: VecDeque<Record>,
    end: Option<CaptureEnd>,
    read: Arc<AtomicU64>,
    /// `true` if the capture is a regular file of at most [`SMALL`] bytes, and not standard input,
    /// so that it is read to its end even after the run.
    is_small: bool,
}

/// The state that the reading thread and the [`Capture`] share.
struct Shared {
    state: Mutex<State>,
    /// Notified when records have been taken, or when the [`Capture`] is dropped.
    room: Condvar,
    /// An eventfd that is readable when there are records, or the end, to take.
    some: OwnedFd,
}

#[derive(Default)]
struct State {
    records: VecDeque<Record>,
    /// The number of bytes that `records` count for in [`AHEAD`].
    bytes: usize,
    end: Option<CaptureEnd>,
    /// `true` once the [`Capture`] has been dropped.
    is_closed: bool,
}

impl Capture {
    /// Opens the capture at `path`, reads its header, and starts the thread that reads the rest.
    /// The path `-` stands for standard input.
    pub(super) fn open(path: &Path) -> Result<Self, CaptureError> {
        let read = Arc::new(AtomicU64::new(0));
        let input = Input::open(path, Arc::clone(&read))?;
        let reader = Reader::new(input).map_err(|reason| CaptureError::Format {
            path: path.to_owned(),
            reason,
        })?;
        let failed = |source: std::io::Error| CaptureError::Open {
            path: path.to_owned(),
            source,
        };
        let some = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|error| failed(error.into()))?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            room: Condvar::new(),
            some,
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("capture".to_owned());
        thread.spawn(move || theirs.fill(reader)).map_err(failed)?;
        Ok(Self {
            shared,
            records: VecDeque::new(),
            end: None,
            read,
            is_small: path.as_os_str() != STANDARD_INPUT
                && std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= SMALL),
        })
    }

    /// Returns the next record, and leaves it in the capture. Returns `None` if the next record has
    /// not been read yet, or if the capture has ended, which [`end`](Self::end) tells apart.
    pub(super) fn peek(&mut self) -> Option<&Record> {
        if self.records.is_empty() && self.end.is_none() {
            self.take();
        }
        self.records.front()
    }

    /// Removes and returns the next record. Returns `None` if it has not been read yet, or if the
    /// capture has ended.
    pub(super) fn next(&mut self) -> Option<Record> {
        self.peek()?;
        self.records.pop_front()
    }

    /// Waits for the next record, once the run has ended, and removes and returns it. Returns
    /// `None` at the end of the capture. Returns `None` at once if the capture is standard input,
    /// or no regular file of at most [`SMALL`] bytes: reading the rest could take long, or for
    /// ever.
    pub(super) fn next_unfed(&mut self) -> Option<Record> {
        if !self.is_small {
            return None;
        }
        loop {
            if let Some(record) = self.next() {
                return Some(record);
            }
            if self.end.is_some() {
                return None;
            }
            let mut some = [PollFd::new(&self.shared.some, PollFlags::IN)];
            // An interrupted wait begins again.
            let _ = poll(&mut some, None);
        }
    }

    /// Returns how the capture ended, once that is known and all its records were taken from it.
    /// Returns `None` before.
    pub(super) fn end(&self) -> Option<&CaptureEnd> {
        self.end.as_ref().filter(|_| self.records.is_empty())
    }

    /// Returns the number of bytes of the file that have been read, before decompression.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    fn take(&mut self) {
        let mut state = self.shared.lock();
        // The eventfd is non-blocking: reading fails, which does not matter, if nothing was
        // written.
        let _ = rustix::io::read(&self.shared.some, &mut [0; 8]);
        std::mem::swap(&mut self.records, &mut state.records);
        state.bytes = 0;
        self.end = state.end.take();
        self.shared.room.notify_one();
    }
}

impl AsFd for Capture {
    /// Returns a descriptor that becomes readable when the thread has handed over records or the
    /// end.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.some.as_fd()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.room.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the capture to its end, or until the [`Capture`] is dropped, and hands the records
    /// over in batches.
    fn fill(&self, mut reader: Reader) {
        let mut batch = VecDeque::new();
        let mut bytes = 0;
        loop {
            // The records of the batch are handed over before the thread waits for more of the
            // file.
            if !batch.is_empty() && (bytes >= AHEAD / 4 || !reader.has_whole_record()) {
                if !self.hand_over(&mut batch, bytes, None) {
                    return;
                }
                bytes = 0;
            }
            match reader.next() {
                Ok(record) => {
                    bytes += RECORD + record.packet.as_ref().map_or(0, |packet| packet.data.len());
                    batch.push_back(record);
                }
                Err(end) => {
                    self.hand_over(&mut batch, bytes, Some(end));
                    return;
                }
            }
        }
    }

    /// Waits while [`AHEAD`] bytes or more were handed over and not taken. Then moves all records
    /// of `batch`, which count for `bytes`, and the `end` to the shared state. Returns `false` if
    /// the [`Capture`] has been dropped, which also ends the wait.
    fn hand_over(&self, batch: &mut VecDeque<Record>, bytes: usize, end: Option<CaptureEnd>) -> bool {
        let mut state = self.lock();
        while state.bytes >= AHEAD && !state.is_closed {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let was_empty = state.records.is_empty();
        state.records.append(batch);
        state.bytes += bytes;
        state.end = end;
        if was_empty {
            let _ = rustix::io::write(&self.some, &1_u64.to_ne_bytes());
        }
        !state.is_closed
    }
}

/// Reads a whole capture from `source` without running anything: for tests and fuzz targets alone.
/// Returns its records and how it ended, or why it is no capture.
#[cfg(any(test, fuzzing))]
pub(super) fn read_all(source: Box<dyn std::io::Read + Send>) -> Result<(Vec<Record>, CaptureEnd), String> {
    let input = Input::new(source).map_err(|error| error.to_string())?;
    let mut reader = Reader::new(input)?;
    let mut records = Vec::new();
    loop {
        match reader.next() {
            Ok(record) => records.push(record),
            Err(end) => return Ok((records, end)),
        }
    }
}
