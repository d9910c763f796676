//! The suite in a virtual machine, on any kernel: one with the historical `ip_queue`, or one of today's.
//!
//! The machine's memory holds everything: a kernel, and a file system with this program as its first process. What the program
//! reports comes out by the serial line, between two marks, and after it the exit status. What comes without them is the
//! kernel's own, and is shown when the machine ends in another way than it should.

mod guest;
mod initramfs;
mod modules;
mod program;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

pub use guest::run_if_first_process;
pub use initramfs::InitramfsError;
pub use modules::ModulesError;
pub use program::ProgramError;

const EMULATOR: &str = "qemu-system-x86_64";
/// What the first process says before the report and after it, on lines of their own; the exit status follows the latter.
const BEGIN_MARK: &str = "=== ipq-conformance begins ===";
const END_MARK: &str = "=== ipq-conformance ends: ";
/// What begins a line that the suite wrote to its standard error.
const ERROR_MARK: &str = "\u{2}";
/// How many of the lines that are no report are kept.
const LAST_LINES: usize = 40;

/// What to boot, and how.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel, as a bzImage.
    pub kernel: PathBuf,
    /// Where its modules are, if it has what the suite needs as such: the folder `lib/modules/VERSION`.
    pub modules: Option<PathBuf>,
    /// What executes it.
    pub accelerator: Accelerator,
    /// How long it may take.
    pub time_limit: Duration,
    /// What the suite is told on its command line.
    pub arguments: Vec<String>,
}

/// What executes the machine's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The emulator alone: slow, and possible everywhere.
    Tcg,
    /// The processor, with the kernel's help.
    Kvm,
}

impl Accelerator {
    const fn name(self) -> &'static str {
        match self {
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        }
    }
}

impl Machine {
    /// Boots it, copies the report to `output` as it comes, and returns the suite's exit status.
    pub fn run(&self, output: &mut impl Write) -> Result<u8, MachineError> {
        let program = program::static_program()?;
        let modules = self
            .modules
            .as_deref()
            .map(modules::needed)
            .transpose()?
            .unwrap_or_default();
        let initramfs = initramfs::build(&program, &modules, &self.arguments)?;
        self.boot(&mut self.emulator(initramfs.path()), output)
    }

    fn emulator(&self, initramfs: &Path) -> Command {
        let mut command = Command::new(EMULATOR);
        command
            .args(["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"])
            .args(["-m", "512", "-accel", self.accelerator.name()])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(initramfs)
            // A panic reboots at once, which ends the emulator.
            .args(["-append", "console=ttyS0 quiet panic=-1 rdinit=/init"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts what executes the machine, and ends it when the report is over, or the time.
    fn boot(&self, emulator: &mut Command, output: &mut impl Write) -> Result<u8, MachineError> {
        let mut emulator = Emulator(emulator.spawn().map_err(MachineError::Emulator)?);
        let Some(mut lines) = emulator.0.stdout.take() else {
            return Err(MachineError::Emulator(io::Error::other("it has no output")));
        };
        let mut console = Console::default();
        let deadline = Instant::now() + self.time_limit;
        let mut unread = Vec::new();
        while let Some(line) = next_line(&mut lines, &mut unread, deadline).map_err(|error| console.broken(error))? {
            if let Some(status) = console.take_line(&line, output)? {
                return Ok(status);
            }
        }
        let mut words = String::new();
        if let Some(errors) = emulator.0.stderr.take() {
            errors.take(4096).read_to_string(&mut words)?;
        }
        console.last_lines.extend(words.lines().map(str::to_owned));
        Err(MachineError::Ended {
            last_lines: console.last_lines(),
        })
    }
}

/// The next line of `from`, without its end; `None` after the last.
fn next_line(from: &mut ChildStdout, unread: &mut Vec<u8>, deadline: Instant) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<_> = unread.drain(..=end).collect();
            return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
        }
        let remaining = deadline.saturating_duration_since(Instant::now());
        // However much it says.
        if remaining.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let timeout = Timespec::try_from(remaining).map_err(io::Error::other)?;
        let mut pipes = [PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN)];
        if poll(&mut pipes, Some(&timeout))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut piece = [0; 4096];
        match from.read(&mut piece)? {
            0 => return Ok(None),
            length => unread.extend_from_slice(&piece[..length]),
        }
    }
}

/// What the serial line has said.
#[derive(Default)]
struct Console {
    last_lines: VecDeque<String>,
    reporting: bool,
}

impl Console {
    /// Passes a line of the report on; returns the exit status when the report is over.
    fn take_line(&mut self, line: &str, output: &mut impl Write) -> io::Result<Option<u8>> {
        if let Some(status) = line.strip_prefix(END_MARK) {
            return Ok(status.trim_end_matches([' ', '=']).parse().ok());
        }
        if let Some(line) = line.strip_prefix(ERROR_MARK) {
            eprintln!("{line}");
        } else if self.reporting {
            writeln!(output, "{line}")?;
        } else if line.ends_with(BEGIN_MARK) {
            self.reporting = true;
            return Ok(None);
        }
        if self.last_lines.len() == LAST_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(line.to_owned());
        Ok(None)
    }

    /// Why nothing more can be had from the serial line.
    fn broken(&self, error: io::Error) -> MachineError {
        match error.kind() {
            io::ErrorKind::TimedOut if self.last_lines.is_empty() => MachineError::Silent,
            io::ErrorKind::TimedOut => MachineError::TimedOut {
                last_lines: self.last_lines(),
            },
            _ => MachineError::Io(error),
        }
    }

    fn last_lines(&self) -> String {
        let lines: Vec<_> = self.last_lines.iter().map(|line| format!("    {line}")).collect();
        lines.join("\n")
    }
}

/// Is killed when this is dropped: it holds nothing that has to be saved.
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        // Both fail only if it is over already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Why there is no report from a machine. None of these says anything about what was to be tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The emulator could not be started.
    #[error("{EMULATOR} can't be started ({0}): install it (on Debian the package qemu-system-x86)")]
    Emulator(#[source] io::Error),
    /// There is no program that could run in it.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The kernel's modules could not be packed.
    #[error(transparent)]
    Modules(#[from] ModulesError),
    /// The file system could not be written.
    #[error(transparent)]
    Initramfs(#[from] InitramfsError),
    /// It took too long.
    #[error(
        "broken: the machine is over its time limit; --time-limit gives it more. The last lines were:\n{last_lines}"
    )]
    TimedOut {
        /// What the serial line said last.
        last_lines: String,
    },
    /// It took too long, and nothing came by the serial line.
    #[error(
        "broken: the machine has said nothing up to its time limit. If it is KVM that does not get on, as in some virtual machines \
         that have it, --accel tcg does without"
    )]
    Silent,
    /// It ended without a report's end.
    #[error(
        "broken: the machine ended before the suite did: the kernel does not boot here, or it panicked. The last lines were:\n\
         {last_lines}"
    )]
    Ended {
        /// What the serial line said last.
        last_lines: String,
    },
    /// What it said could not be read or passed on.
    #[error("the machine's report can't be passed on: {0}")]
    Io(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::PipeReader;

    #[test]
    fn only_what_is_between_the_marks_is_the_report() {
        let mut console = Console::default();
        let mut report = Vec::new();
        for line in ["Linux version 3.4", BEGIN_MARK, "12 passed"] {
            assert_eq!(console.take_line(line, &mut report).expect("it is written"), None);
        }
        let end = format!("{END_MARK}3 ===");
        assert_eq!(console.take_line(&end, &mut report).expect("it is written"), Some(3));
        assert_eq!(report, b"12 passed\n");
        assert_eq!(console.last_lines(), "    Linux version 3.4\n    12 passed");
    }

    fn machine() -> Machine {
        Machine {
            kernel: "bzImage".into(),
            modules: None,
            accelerator: Accelerator::Tcg,
            time_limit: Duration::ZERO,
            arguments: Vec::new(),
        }
    }

    /// A program that says what it reads, and never ends by itself while somebody may write to `input`.
    fn endless(input: PipeReader) -> Command {
        let mut command = Command::new("cat");
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Waits until it is as it has to be, or has an error.
    fn wait_for(awaited: PollFd<'_>) {
        let patience = Timespec { tv_sec: 60, tv_nsec: 0 };
        assert_eq!(poll(&mut [awaited], Some(&patience)), Ok(1), "it never is");
    }

    #[test]
    fn a_machine_that_outlives_its_time_limit_is_ended() {
        let (input, held) = io::pipe().expect("there are pipes");
        let mut emulator = endless(input);
        let ended = machine().boot(&mut emulator, &mut Vec::new());
        assert!(matches!(ended, Err(MachineError::Silent)), "{ended:?}");
        drop(emulator);
        // Nobody reads from it any more.
        wait_for(PollFd::new(&held, PollFlags::empty()));
    }

    #[test]
    fn a_machine_that_goes_on_talking_is_over_its_time_limit_all_the_same() {
        let (input, mut held) = io::pipe().expect("there are pipes");
        let mut machine = endless(input).spawn().map(Emulator).expect("it can be started");
        let mut lines = machine.0.stdout.take().expect("it has an output");
        held.write_all(b"Linux version 3.4\n").expect("it reads");
        wait_for(PollFd::new(&lines, PollFlags::IN));
        let late = next_line(&mut lines, &mut Vec::new(), Instant::now()).expect_err("its time is over");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_machine_that_hangs_is_broken() {
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let mut console = Console::default();
        assert!(matches!(console.broken(late()), MachineError::Silent));
        console
            .take_line("Linux version 3.4", &mut Vec::new())
            .expect("it is written");
        let error = console.broken(late()).to_string();
        assert!(
            error.starts_with("broken: the machine is over its time limit; --time-limit gives it more.")
                && error.ends_with("\n    Linux version 3.4"),
            "{error}"
        );
    }
}
