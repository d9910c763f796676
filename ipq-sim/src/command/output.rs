//! Files that a run leaves, written while it is under way.

mod destination;
mod log;
mod pcap;
mod pcapng;

pub(super) use destination::Destination;

use super::Failure;
use indicatif::ProgressBar;
use ipq_sim::programs::run::{PacketReport, Progress, Watch};
use log::Log;
use pcap::PcapWriter;
use pcapng::PcapNgWriter;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// After how long what was written is seen by whoever reads along.
const FLUSHED_EVERY: Duration = Duration::from_millis(200);

/// What a run writes, and the bar on the terminal.
pub(super) struct Outputs<'a> {
    capture: Option<CaptureWriter>,
    log: Option<Log>,
    bar: ProgressBar,
    listening: &'a mut dyn FnMut(),
    flushed: Instant,
}

/// Packets are written in the format that the file's name says.
enum CaptureWriter {
    Pcap(PcapWriter),
    PcapNg(PcapNgWriter),
}

impl CaptureWriter {
    fn open(path: &Path) -> Result<Self, Failure> {
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

impl<'a> Outputs<'a> {
    /// Opens the files before the run, so that one that can't be written is known in time.
    pub(super) fn open(
        out: Option<&Path>,
        log: Option<&Path>,
        bar: ProgressBar,
        listening: &'a mut dyn FnMut(),
    ) -> Result<Self, Failure> {
        Ok(Self {
            capture: out.map(CaptureWriter::open).transpose()?,
            log: log.map(Destination::open).transpose()?.map(Log::new),
            bar,
            listening,
            flushed: Instant::now(),
        })
    }

    /// Writes what is left, and files that nothing was written to as well.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match &mut self.capture {
            Some(CaptureWriter::Pcap(writer)) => writer.flush()?,
            Some(CaptureWriter::PcapNg(writer)) => writer.flush()?,
            None => {}
        }
        if let Some(log) = &mut self.log {
            log.flush()?;
        }
        Ok(())
    }
}

impl Watch for Outputs<'_> {
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

    fn progress(&mut self, progress: Progress) -> io::Result<()> {
        (self.listening)();
        self.bar.set_position(progress.bytes_read);
        if self.flushed.elapsed() > FLUSHED_EVERY {
            self.bar.set_message(progress.done.to_string());
            self.flushed = Instant::now();
            if progress.done > 0 {
                self.finish()?;
            }
        }
        Ok(())
    }
}
