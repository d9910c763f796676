//! Captures: the packets of a pcap or pcapng file, and why some records are not fed.
//!
//! A capture is read as it comes, by a thread of its own, which reads ahead by a bounded number of
//! bytes: [`Capture`]. The longest part that is read as a whole is no longer than any frame around
//! a packet ([`input::LONGEST_PART`]); all else is skipped.
//!
//! | module | what it does |
//! |---|---|
//! | `input` | bytes of files and pipes, decompressed |
//! | `classic`, `pcapng` | records of the two formats |
//! | `link` | the packet in a frame |
//! | `reader` | from bytes to [`Record`]s |
//! | `frames` | frames as they are, for those who read captures of anything else than packets |

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
use reader::Reader;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// One record of a capture.
#[derive(Clone, Debug)]
pub struct Record {
    /// The time at which the packet was captured.
    pub time: CaptureTime,
    /// The record's packet, or the reason why none can be fed.
    pub packet: Result<Packet, NotFed>,
}

/// An IP packet of a capture.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The packet's family.
    pub family: Family,
    /// The packet's bytes, from the network header to the end that the header states.
    pub data: Bytes,
    /// The Ethernet header before the packet, without tags; for Wi-Fi, the one that the packet
    /// would have on Ethernet. `None` for other link layers.
    pub link_header: Option<[u8; 14]>,
}

/// The way in which a capture ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptureEnd {
    /// The capture ended after its last record.
    Whole,
    /// The capture ended within a record, as it does if its writer was killed.
    WithinRecord,
    /// The capture has bytes that the format does not allow, or that can't be read. The text says
    /// more.
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

/// The reason why a capture can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The file can't be opened.
    #[error("{} can't be opened: {source}", .path.display())]
    Open {
        /// The capture's path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is no capture.
    #[error("{} is no pcap or pcapng file: {reason}", .path.display())]
    Format {
        /// The capture's path.
        path: PathBuf,
        /// The fault in the file.
        reason: String,
    },
}

/// The most bytes of records that the reading thread reads ahead.
const AHEAD: usize = 1 << 20;

/// The longest file, in bytes, that is read to its end even if the run has ended before.
const SMALL: u64 = 64 << 20;

/// The number of bytes that a record counts for, beside its packet's bytes.
const RECORD: usize = size_of::<Record>();

/// A capture that is being read.
pub(super) struct Capture {
    shared: Arc<Shared>,
    /// The records that were taken from the thread, and are returned next.
    records: VecDeque<Record>,
    end: Option<CaptureEnd>,
    read: Arc<AtomicU64>,
    /// `true` if the file is short, so that it is read to its end even after the run.
    is_small: bool,
}

/// The state that the reading thread and the capture share.
struct Shared {
    state: Mutex<State>,
    /// Notified when records have been taken, so that there is room for others.
    room: Condvar,
    /// Readable when there are records to take.
    some: OwnedFd,
}

#[derive(Default)]
struct State {
    records: VecDeque<Record>,
    /// The number of bytes that the shared records count for.
    bytes: usize,
    end: Option<CaptureEnd>,
    /// `true` once nobody takes records any more.
    is_closed: bool,
}

impl Capture {
    /// Opens a capture, and begins to read it. `-` is standard input.
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
            is_small: std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= SMALL),
        })
    }

    /// Returns the next record, if it has been read. If this is `None`, [`end`](Self::end) says
    /// whether another record will come.
    pub(super) fn peek(&mut self) -> Option<&Record> {
        if self.records.is_empty() && self.end.is_none() {
            self.take();
        }
        self.records.front()
    }

    /// Removes and returns the next record; `None` if it has not been read yet.
    pub(super) fn next(&mut self) -> Option<Record> {
        self.peek()?;
        self.records.pop_front()
    }

    /// Waits for the next record, after the run has ended, and returns it. Returns `None` at the
    /// end of the capture, and if reading the rest could take long, or for ever.
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
            // An interrupted wait is tried again.
            let _ = poll(&mut some, None);
        }
    }

    /// Returns how the capture ended; `None` until all its records have been taken.
    pub(super) fn end(&self) -> Option<&CaptureEnd> {
        self.end.as_ref().filter(|_| self.records.is_empty())
    }

    /// Returns the number of bytes of the file that have been read.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    fn take(&mut self) {
        let mut state = self.shared.lock();
        // A failure does not matter if there is nothing to read.
        let _ = rustix::io::read(&self.shared.some, &mut [0; 8]);
        std::mem::swap(&mut self.records, &mut state.records);
        state.bytes = 0;
        self.end = state.end.take();
        self.shared.room.notify_one();
    }
}

impl AsFd for Capture {
    /// Returns a descriptor that becomes readable when there is a record or the end.
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

    /// Reads the capture to its end, or until nobody takes records any more.
    fn fill(&self, mut reader: Reader) {
        let mut batch = VecDeque::new();
        let mut bytes = 0;
        loop {
            // The records that are there are handed over before the thread waits for more.
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

    /// Waits until there is room, and hands the records over. Returns `false` if nobody takes
    /// records any more.
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

/// Reads a whole capture and runs nothing: for tests and fuzz targets alone.
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
