//! The thread that writes the reports on packets, so that the run goes on while files are written.

use super::super::Failure;
use super::{Destination, Log, PcapNgWriter, PcapWriter};
use ipq_sim::programs::run::{OwnPacket, PacketReport};
use std::io;
use std::mem;
use std::panic;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

/// The number of packets at which a batch is handed to the thread.
const BATCH: usize = 256;
/// The number of bytes of packets at which a batch is handed to the thread.
const BATCH_BYTES: usize = 1 << 18;

/// The most batches that wait for the thread. Handing over a further one blocks until the thread
/// takes one of them.
const WAITING: usize = 4;

/// Hands the reports on packets to the thread that writes them, in batches.
pub(super) struct Writer {
    batch: Vec<Report>,
    bytes: usize,
    thread: Option<Thread>,
}

struct Thread {
    batches: SyncSender<Batch>,
    ended: JoinHandle<io::Result<()>>,
}

struct Batch {
    reports: Vec<Report>,
    /// `true` if the files are to be flushed after these reports are written.
    is_flushed: bool,
}

/// A report that is to be written.
enum Report {
    Packet(PacketReport),
    Own(OwnPacket),
}

/// The files that the thread writes: the packets, the log, or both.
pub(super) struct Files {
    pub(super) capture: Option<CaptureWriter>,
    pub(super) log: Option<Log>,
}

/// The writer of the packets, in one of two formats: pcapng if the file's name ends in `.pcapng`,
/// in small or capital letters, and otherwise pcap.
pub(super) enum CaptureWriter {
    Pcap(PcapWriter),
    PcapNg(PcapNgWriter),
}

impl CaptureWriter {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let destination = Destination::open_for_bytes(path)?;
        let is_pcapng = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("pcapng"));
        Ok(if is_pcapng {
            Self::PcapNg(PcapNgWriter::new(destination))
        } else {
            Self::Pcap(PcapWriter::new(destination))
        })
    }
}

impl Writer {
    /// Starts the thread that writes reports to `files`. Fails with `Thread` if the system can't
    /// start one.
    pub(super) fn start(files: Files) -> Result<Self, Failure> {
        let (batches, theirs) = sync_channel(WAITING);
        let ended = Builder::new()
            .name("outputs".to_owned())
            .spawn(move || files.write(&theirs))
            .map_err(Failure::Thread)?;
        Ok(Self {
            batch: Vec::new(),
            bytes: 0,
            thread: Some(Thread { batches, ended }),
        })
    }

    /// Adds a report to the batch. Hands the batch to the thread if it is full, and blocks as long
    /// as four batches wait for the thread already. Fails with the thread's error if the thread has
    /// ended by one, on an earlier batch.
    pub(super) fn packet(&mut self, packet: PacketReport) -> io::Result<()> {
        self.bytes += packet.bytes();
        self.take(Report::Packet(packet))
    }

    /// Adds a packet that the program sent itself to the batch, as [`packet`](Self::packet) does
    /// with a report, and fails as that does.
    pub(super) fn own_packet(&mut self, packet: OwnPacket) -> io::Result<()> {
        self.bytes += packet.packet.as_ref().map_or(0, bytes::Bytes::len);
        self.take(Report::Own(packet))
    }

    fn take(&mut self, report: Report) -> io::Result<()> {
        self.batch.push(report);
        if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES {
            self.hand_over(false)
        } else {
            Ok(())
        }
    }

    /// Hands the reports so far to the thread, which flushes the files after them. Does not wait
    /// for the flush. Fails if the thread has ended by an error.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.hand_over(true)
    }

    /// Has all reports written and the files flushed, and waits for that. The thread ends. Fails
    /// with the first error that the thread met.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.end()
    }

    fn hand_over(&mut self, is_flushed: bool) -> io::Result<()> {
        self.bytes = 0;
        let reports = mem::take(&mut self.batch);
        match &self.thread {
            Some(thread) if thread.batches.send(Batch { reports, is_flushed }).is_err() => self.end(),
            _ => Ok(()),
        }
    }

    /// Waits for the thread's end, which comes when all batches handed over are written, or with an
    /// error. Returns that error. Does nothing if the thread's end was waited for before.
    fn end(&mut self) -> io::Result<()> {
        let Some(Thread { batches, ended }) = self.thread.take() else {
            return Ok(());
        };
        drop(batches);
        ended.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    }
}

/// Writes the reports that are not written yet, as after a run that failed, and ignores errors.
/// Files for which there are no reports keep their content.
impl Drop for Writer {
    fn drop(&mut self) {
        // The user is told why the run failed, not that its outputs can't be written either.
        let _ = self.hand_over(false);
        let _ = self.end();
    }
}

impl Files {
    fn write(mut self, batches: &Receiver<Batch>) -> io::Result<()> {
        for Batch { reports, is_flushed } in batches {
            reports.iter().try_for_each(|report| match report {
                Report::Packet(packet) => self.packet(packet),
                Report::Own(packet) => self.own_packet(packet),
            })?;
            if is_flushed {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn packet(&mut self, packet: &PacketReport) -> io::Result<()> {
        match &mut self.capture {
            Some(CaptureWriter::Pcap(writer)) => writer.packet(packet)?,
            Some(CaptureWriter::PcapNg(writer)) => writer.packet(packet)?,
            None => {}
        }
        match &mut self.log {
            Some(log) => log.packet(packet),
            None => Ok(()),
        }
    }

    fn own_packet(&mut self, packet: &OwnPacket) -> io::Result<()> {
        match &mut self.capture {
            Some(CaptureWriter::Pcap(writer)) => writer.own_packet(packet)?,
            Some(CaptureWriter::PcapNg(writer)) => writer.own_packet(packet)?,
            None => {}
        }
        match &mut self.log {
            Some(log) => log.own_packet(packet),
            None => Ok(()),
        }
    }

    /// Flushes the files. A file to which nothing was written loses its earlier content, and a
    /// capture gets its header.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.capture {
            Some(CaptureWriter::Pcap(writer)) => writer.flush()?,
            Some(CaptureWriter::PcapNg(writer)) => writer.flush()?,
            None => {}
        }
        match &mut self.log {
            Some(log) => log.flush(),
            None => Ok(()),
        }
    }
}
