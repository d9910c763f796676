//! The destination of an output: a file, or standard output.

use super::super::Failure;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

/// The name that stands for standard output.
pub(super) const STANDARD_OUTPUT: &str = "-";

/// An output file, or standard output, with a buffer for what is written. A file keeps its earlier
/// content until the first write or flush.
pub(super) struct Destination {
    path: PathBuf,
    file: BufWriter<File>,
    has_begun: bool,
}

impl Destination {
    /// Opens the output at `path`, `-` being standard output. Creates the file if it does not
    /// exist, and keeps the content of a file that does. Called before the run, so that a file that
    /// can't be written is known in time.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = if path.as_os_str() == STANDARD_OUTPUT {
            io::stdout().as_fd().try_clone_to_owned().map(File::from)
        } else {
            File::options().write(true).create(true).truncate(false).open(path)
        };
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 20, file.map_err(|source| failed(path, source))?),
            has_begun: false,
        })
    }

    /// Opens the output at `path` for a binary format, as [`open`](Self::open) does for a text.
    /// Fails with `Terminal` if the output is a terminal.
    pub(super) fn open_for_bytes(path: &Path) -> Result<Self, Failure> {
        let destination = Self::open(path)?;
        if destination.file.get_ref().is_terminal() {
            return Err(Failure::Terminal);
        }
        Ok(destination)
    }

    /// Calls `write` with the output's buffer. Before the first write or flush, empties the output
    /// if it is a regular file other than standard output, and calls `begin`, which writes the
    /// header. Fails with an error that names the output's path.
    pub(super) fn write(
        &mut self,
        begin: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> io::Result<()> {
        let written = if self.has_begun {
            write(&mut self.file)
        } else {
            self.has_begun = true;
            self.truncate()
                .and_then(|()| begin(&mut self.file))
                .and_then(|()| write(&mut self.file))
        };
        written.map_err(|source| io::Error::other(failed(&self.path, source)))
    }

    /// Empties the output if it is a regular file. Leaves pipes and terminals alone, which have no
    /// length, and standard output, whatever it is.
    fn truncate(&self) -> io::Result<()> {
        let file = self.file.get_ref();
        let metadata = file.metadata()?;
        // An empty file is left alone: what is cut, ext4 writes to the disk when it is closed.
        if self.path.as_os_str() != STANDARD_OUTPUT && metadata.is_file() && metadata.len() > 0 {
            file.set_len(0)?;
        }
        Ok(())
    }

    /// Hands all buffered bytes to the system. Before the first write or flush, empties the output
    /// if it is a regular file other than standard output, and calls `begin`, which writes the
    /// header. Fails with an error that names the output's path.
    pub(super) fn flush(&mut self, begin: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
        self.write(begin, Write::flush)
    }
}

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::Output {
        path: path.to_owned(),
        source,
    }
}
