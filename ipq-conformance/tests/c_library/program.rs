//! A program that runs in the laboratory, and is killed when the test ends.

use super::c_library::INSTALLED;
use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

pub(super) struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Program {
    /// Starts the program with `arguments`, on the installed C library, and with `transport` as the
    /// value of `IPQ_TRANSPORT`. `None` leaves that variable unset.
    pub(super) fn start(program: &Path, transport: Option<&str>, arguments: &[&str]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("LD_LIBRARY_PATH", format!("{INSTALLED}/lib"))
            .env_remove("IPQ_TRANSPORT")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(transport) = transport {
            command.env("IPQ_TRANSPORT", transport);
        }
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            child,
            output: BufReader::new(output),
        })
    }

    /// Returns the next line that the program prints to standard output, without its line end. An
    /// error, with the program's standard error, if no line is left.
    pub(super) fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            return Err(format!("the program ended, and said {:?}", self.errors()?).into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Waits until the program has ended. Returns its exit status and what it printed to standard
    /// error.
    pub(super) fn end(mut self) -> Result<(ExitStatus, String), Box<dyn Error>> {
        let errors = self.errors()?;
        Ok((self.child.wait()?, errors))
    }

    /// Reads what the program prints to standard error until its end.
    fn errors(&mut self) -> io::Result<String> {
        let mut text = String::new();
        if let Some(errors) = &mut self.child.stderr {
            errors.read_to_string(&mut text)?;
        }
        Ok(text)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only if the program has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
