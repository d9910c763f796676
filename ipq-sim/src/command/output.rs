//! The output files of a run, which are written during the run.

mod destination;
mod log;
mod pcap;
mod pcapng;
mod trace;
mod writer;

use super::Failure;
use clap::Args;
use destination::{Destination, STANDARD_OUTPUT};
use indicatif::ProgressBar;
use ipq_sim::programs::run::{OwnPacket, PacketReport, Progress, TracedMessage, Watch};
use log::Log;
use pcap::PcapWriter;
use pcapng::PcapNgWriter;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use trace::Trace;
use writer::{CaptureWriter, Files, Writer};

/// The least time between two flushes of the outputs during a run.
const FLUSHED_EVERY: Duration = Duration::from_millis(200);

/// Where a run writes what, `-` being standard output.
#[derive(Args)]
pub(super) struct OutputArguments {
    /// The file for the packets, as raw IP with the capture's times. A name that ends in `.pcapng`
    /// gets every packet that was fed, with its verdict (0 let through, 2 dropped, as traffic
    /// control numbers them) and a comment if it was changed or dropped, or if the verdict was
    /// refused. Any other name, and `-` for standard output, gets a pcap of the packets that got
    /// through.
    #[arg(long, value_name = "OUT", requires = "pcap")]
    out: Option<PathBuf>,
    /// The file for what became of each packet, a JSON object a line. ipq-sim/docs/log.md in the
    /// repository has a table of its keys.
    #[arg(long, value_name = "LOG.jsonl", requires = "pcap")]
    log: Option<PathBuf>,
    /// The file for every netlink message, as a capture that Wireshark and tshark open.
    #[arg(long, value_name = "TRACE.pcap", requires = "pcap")]
    trace: Option<PathBuf>,
}

impl OutputArguments {
    /// Returns `true` if one of the outputs goes to standard output.
    pub(super) fn use_standard_output(&self) -> bool {
        self.paths().any(|path| path.as_os_str() == STANDARD_OUTPUT)
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.out, &self.log, &self.trace]
            .into_iter()
            .flatten()
            .map(|path| &**path)
    }

    /// Checks the paths of the outputs. Fails with `OverCapture` if an output is the same as the
    /// capture that is read, and with `Twice` if two outputs are the same, as [`is_same`] says.
    fn check(&self, capture: Option<&Path>) -> Result<(), Failure> {
        // A capture `-` is standard input, and an output `-` is standard output: they are not the
        // same file.
        let capture = capture.filter(|capture| capture.as_os_str() != STANDARD_OUTPUT);
        let mut seen: Vec<&Path> = Vec::new();
        for path in self.paths() {
            if capture.is_some_and(|capture| is_same(capture, path)) {
                return Err(Failure::OverCapture(path.to_owned()));
            }
            if seen.iter().any(|other| is_same(other, path)) {
                return Err(Failure::Twice(path.to_owned()));
            }
            seen.push(path);
        }
        Ok(())
    }
}

/// Returns `true` if both paths name the same regular file, or if they are equal and nothing exists
/// there, as for standard output (`-`).
fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
    match (file(one), file(other)) {
        (Some(one), Some(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        (None, None) => one == other && !one.exists(),
        _ => false,
    }
}

/// The watcher of a run: writes the output files, moves the progress bar on the terminal, and calls
/// `listening` whenever the run reports progress.
pub(super) struct Outputs<'a> {
    /// `None` if neither `--out` nor `--log` was given.
    writer: Option<Writer>,
    trace: Option<Trace>,
    bar: ProgressBar,
    listening: &'a mut dyn FnMut(),
    flushed: Instant,
}

impl<'a> Outputs<'a> {
    /// Opens the output files, and starts the thread that writes those other than the trace, if
    /// there are any. Called before the run, so that a file that can't be written stops the command
    /// before the program starts. Fails, too, if an output is the capture, if two outputs are the
    /// same file, if a capture would go to a terminal, or if no thread can be started.
    pub(super) fn open(
        arguments: &OutputArguments,
        capture: Option<&Path>,
        bar: ProgressBar,
        listening: &'a mut dyn FnMut(),
    ) -> Result<Self, Failure> {
        arguments.check(capture)?;
        let trace = arguments.trace.as_deref().map(Destination::open_for_bytes);
        let log = arguments.log.as_deref().map(Destination::open);
        let files = Files {
            capture: arguments.out.as_deref().map(CaptureWriter::open).transpose()?,
            log: log.transpose()?.map(Log::new),
        };
        let writes = files.capture.is_some() || files.log.is_some();
        Ok(Self {
            writer: writes.then(|| Writer::start(files)).transpose()?,
            trace: trace.transpose()?.map(Trace::new),
            bar,
            listening,
            flushed: Instant::now(),
        })
    }

    /// Writes and flushes all that is left, and waits until it is written. A file to which nothing
    /// was written loses its earlier content, and gets the header of its format, if the format has
    /// one. Fails with the first error of writing.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Writer::finish)?;
        self.trace.as_mut().map_or(Ok(()), Trace::flush)
    }

    /// Flushes the trace, and tells the thread of the other outputs to flush those, without waiting
    /// for their flush. A reader who follows a file then sees what is new.
    fn flush(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Writer::flush)?;
        self.trace.as_mut().map_or(Ok(()), Trace::flush)
    }
}

impl Watch for Outputs<'_> {
    fn packet(&mut self, packet: PacketReport) -> io::Result<()> {
        match &mut self.writer {
            Some(writer) => writer.packet(packet),
            None => Ok(()),
        }
    }

    fn own_packet(&mut self, packet: OwnPacket) -> io::Result<()> {
        match &mut self.writer {
            Some(writer) => writer.own_packet(packet),
            None => Ok(()),
        }
    }

    fn traces(&self) -> bool {
        self.trace.is_some()
    }

    fn message(&mut self, message: TracedMessage<'_>) -> io::Result<()> {
        match &mut self.trace {
            Some(trace) => trace.message(&message),
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
                self.flush()?;
            }
        }
        Ok(())
    }
}
