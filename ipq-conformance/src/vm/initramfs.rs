//! The machine's file system: an archive that the kernel unpacks into memory.

use super::guest::{ARGUMENTS, MODULES};
use super::modules::Module;
use cpio::newc::{Builder, ModeFileType, trailer};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The error for a file system that could not be made: the temporary file could not be created or
/// written, or the program could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the machine's file system can't be made: {path}: {source}", path = .path.display())]
pub struct InitramfsError {
    path: PathBuf,
    source: io::Error,
}

/// Writes a file system for the kernel to a temporary file: the program at the path `program` as
/// the first process, `modules` in the order in which they are loaded, the suite's `arguments`, and
/// the devices `console`, `null` and `urandom`. The file is deleted when the result is dropped.
pub(super) fn build(
    program: &Path,
    modules: &[Module],
    arguments: &[String],
) -> Result<tempfile::NamedTempFile, InitramfsError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| InitramfsError { path, source }
    };
    let init = fs::read(program).map_err(failed(program))?;
    let file = tempfile::NamedTempFile::new().map_err(failed(&std::env::temp_dir()))?;
    let mut archive = Archive {
        output: BufWriter::new(&file),
        inode: 1,
    };
    let written = failed(file.path());
    let mut add = || {
        archive.folder("dev")?;
        // The console is the first process's input and output.
        archive.device("dev/console", 5, 1)?;
        archive.device("dev/null", 1, 3)?;
        archive.device("dev/urandom", 1, 9)?;
        archive.file("init", &init)?;
        archive.file(ARGUMENTS, (arguments.join("\n") + "\n").as_bytes())?;
        archive.folder(MODULES)?;
        for (number, module) in modules.iter().enumerate() {
            archive.file(&format!("{MODULES}/{number:03}-{}.ko", module.name), &module.bytes)?;
        }
        trailer(&mut archive.output)?.flush()
    };
    add().map_err(written)?;
    drop(archive);
    Ok(file)
}

struct Archive<W> {
    output: W,
    inode: u32,
}

impl<W: Write> Archive<W> {
    fn folder(&mut self, name: &str) -> io::Result<()> {
        self.entry(name, 0o755, ModeFileType::Directory, (0, 0), &[])
    }

    fn device(&mut self, name: &str, major: u32, minor: u32) -> io::Result<()> {
        self.entry(name, 0o600, ModeFileType::Char, (major, minor), &[])
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.entry(name, 0o755, ModeFileType::Regular, (0, 0), bytes)
    }

    fn entry(
        &mut self,
        name: &str,
        mode: u32,
        kind: ModeFileType,
        (major, minor): (u32, u32),
        bytes: &[u8],
    ) -> io::Result<()> {
        let entry = Builder::new(name)
            .ino(self.inode)
            .mode(mode)
            .set_mode_file_type(kind)
            .rdev_major(major)
            .rdev_minor(minor);
        self.inode += 1;
        let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut writer = entry.write(&mut self.output, size);
        writer.write_all(bytes)?;
        writer.finish().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_can_not_be_read_is_named() {
        let error = build(Path::new("/no/program"), &[], &[]).expect_err("there is none");
        assert_eq!(error.path, Path::new("/no/program"));
    }
}
