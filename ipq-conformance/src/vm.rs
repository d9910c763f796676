//! The suite in a virtual machine, on a kernel for x86-64 with the historical `ip_queue` or with
//! nfnetlink queues.
//!
//! The machine's memory holds everything: a kernel, and a file system with this program as its
//! first process. The program's report comes by the serial line between two marks, followed by the
//! exit status. Lines of the suite's standard error have a mark of their own. The lines before the
//! report come from the kernel. If the machine does not end as it should, the last lines of any
//! kind are shown.

mod guest;
mod initramfs;
mod modules;
mod program;

use crate::waiting;
use std::collections::VecDeque;
use std::fs::File;
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
/// The mark before the report, at the end of a line.
const BEGIN_MARK: &str = "=== ipq-conformance begins ===";
/// The mark after the report, at the beginning of a line. The suite's exit status follows it.
const END_MARK: &str = "=== ipq-conformance ends: ";
/// The mark before each line that the suite wrote to its standard error.
const ERROR_MARK: &str = "\u{2}";
/// The most lines of the serial line that are kept for error messages: the last ones.
const LAST_LINES: usize = 40;

/// A virtual machine to boot in QEMU for one run of the suite.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The path of the kernel, a bzImage.
    pub kernel: PathBuf,
    /// The path of the folder `lib/modules/VERSION` with the kernel's modules; `None` if everything
    /// that the suite needs is built into the kernel.
    pub modules: Option<PathBuf>,
    /// The way in which QEMU executes the machine.
    pub accelerator: Accelerator,
    /// The longest time from the start of QEMU to the end of the report.
    pub time_limit: Duration,
    /// The suite's arguments in the machine, such as `run` and its options.
    pub arguments: Vec<String>,
}

/// The way in which QEMU executes the code of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's software emulation, TCG, executes the machine's code: slow, and possible without KVM.
    Tcg,
    /// The processor executes the machine's code, through KVM in the kernel that QEMU runs on.
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
    /// Boots the machine, and copies the report to `output` line by line as it comes. What the
    /// suite writes to its standard error goes to that of this process. Returns the suite's exit
    /// status, whatever it is. Fails if the machine can't be made or started, or does not reach the
    /// end of the report, or if the report can't be written to `output`.
    pub fn run(&self, output: &mut impl Write) -> Result<u8, MachineError> {
        self.check()?;
        let modules = self
            .modules
            .as_deref()
            .map(modules::needed)
            .transpose()?
            .unwrap_or_default();
        // The program may have to be built, so what can be refused at once comes first.
        let program = program::static_program()?;
        let initramfs = initramfs::build(&program, &modules, &self.arguments)?;
        self.boot(&mut self.emulator(initramfs.path()), output)
    }

    /// Fails unless the machine's kernel is a file that can be opened, and QEMU can be started.
    fn check(&self) -> Result<(), MachineError> {
        let kernel = File::open(&self.kernel).and_then(|kernel| kernel.metadata());
        let no_kernel = |source| MachineError::Kernel {
            path: self.kernel.clone(),
            source,
        };
        if kernel.map_err(no_kernel)?.is_dir() {
            return Err(no_kernel(io::ErrorKind::IsADirectory.into()));
        }
        let mut emulator = Command::new(EMULATOR);
        let emulator = emulator.arg("--version").stdin(Stdio::null()).output();
        emulator.map(drop).map_err(MachineError::Emulator)
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
            // A kernel that panics reboots at once, which ends the emulator.
            .args(["-append", "console=ttyS0 quiet panic=-1 rdinit=/init"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs QEMU by the command `emulator`, and kills it when the report is over or the time limit
    /// has passed. Copies the report to `output`, and returns the suite's exit status. Fails, among
    /// others, if QEMU ends, or the time limit passes, before the end of the report.
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

/// Returns the next line of `from`, without white space at its end; `None` at the end of the
/// output, even if part of a line is left. Fails with `TimedOut` if no whole line came before
/// `deadline`. `unread` keeps the bytes after the line for the next call.
fn next_line(from: &mut ChildStdout, unread: &mut Vec<u8>, deadline: Instant) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<_> = unread.drain(..=end).collect();
            return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
        }
        // The deadline also holds while a line goes on and on.
        if Instant::now() >= deadline || !waiting::is_readable_by(from.as_fd(), deadline)? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut piece = [0; 4096];
        match from.read(&mut piece)? {
            0 => return Ok(None),
            length => unread.extend_from_slice(&piece[..length]),
        }
    }
}

/// The state of the serial line: the last lines, and whether the report has begun.
#[derive(Default)]
struct Console {
    last_lines: VecDeque<String>,
    reporting: bool,
}

impl Console {
    /// Takes a line of the serial line. A line of the report goes to `output`, and one of the
    /// suite's standard error to that of this process; other lines go nowhere. Returns the exit
    /// status if the line ends the report; otherwise `None`. Keeps each line but the marks of the
    /// report among the last lines. Fails with `Status` if the line ends the report, and its status
    /// is no number from 0 to 255.
    fn take_line(&mut self, line: &str, output: &mut impl Write) -> Result<Option<u8>, MachineError> {
        if let Some(status) = line.strip_prefix(END_MARK) {
            let status = status.trim_end_matches([' ', '=']).parse();
            return status
                .map(Some)
                .map_err(|_| MachineError::Status { line: line.to_owned() });
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

    /// Returns the machine's error for an error in reading from the serial line: for a time-out
    /// `Silent` if no line came, and otherwise `TimedOut` with the last lines; for any other error
    /// `Io`.
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

/// QEMU's process. Dropping this value kills the process.
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        // Both fail only if the process is over already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The reason why a machine gave no report, or not a whole one. None of these errors counts as a
/// failure of the kernel under test.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The kernel's file can't be opened, or is a folder.
    #[error("{} can't be read ({source}): name a kernel's bzImage with --kernel", .path.display())]
    Kernel {
        /// The kernel's path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// QEMU could not be started, or has no output to read.
    #[error("{EMULATOR} can't be started ({0}): install it (on Debian the package qemu-system-x86)")]
    Emulator(#[source] io::Error),
    /// There is no program that could run in the machine.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A module that the suite needs is missing, or the modules could not be read.
    #[error(transparent)]
    Modules(#[from] ModulesError),
    /// The machine's file system could not be made.
    #[error(transparent)]
    Initramfs(#[from] InitramfsError),
    /// The machine took longer than its time limit, and at least one line came by the serial line.
    #[error(
        "broken: the machine is over its time limit; --time-limit gives it more. The last lines were:\n{last_lines}"
    )]
    TimedOut {
        /// The last lines of the serial line, 40 at most.
        last_lines: String,
    },
    /// The machine took longer than its time limit, and no line came by the serial line.
    #[error(
        "broken: the machine has said nothing up to its time limit. If it is KVM that does not get on, as in some virtual machines \
         that have it, --accel tcg does without"
    )]
    Silent,
    /// QEMU ended before the end of the report: for example, the kernel panicked, or QEMU refused
    /// to run the machine.
    #[error(
        "broken: the machine ended before the suite did: the kernel does not boot here, or it panicked. The last lines were:\n\
         {last_lines}"
    )]
    Ended {
        /// The last lines of the serial line, 40 at most, and then the first 4 KiB of what QEMU
        /// wrote to its standard error.
        last_lines: String,
    },
    /// The line that ends the report has no exit status that can be read.
    #[error("broken: the report ends with no exit status from 0 to 255, but with the line {line:?}")]
    Status {
        /// The line.
        line: String,
    },
    /// The serial line could not be read, or the report could not be written to the output.
    #[error("the machine's report can't be passed on: {0}")]
    Io(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::io::PipeReader;

    #[test]
    fn only_what_is_between_the_marks_is_the_report() {
        let mut console = Console::default();
        let mut report = Vec::new();
        for line in ["Linux version 3.4", BEGIN_MARK, "12 passed"] {
            assert_eq!(console.take_line(line, &mut report).expect("it is taken"), None);
        }
        let end = format!("{END_MARK}3 ===");
        assert_eq!(console.take_line(&end, &mut report).expect("it is taken"), Some(3));
        assert_eq!(report, b"12 passed\n");
        assert_eq!(console.last_lines(), "    Linux version 3.4\n    12 passed");
    }

    #[test]
    fn an_end_without_a_status_is_an_error_that_quotes_it() {
        for status in ["", "256", "3 =[    1.5] eth0"] {
            let line = format!("{END_MARK}{status}");
            let error = Console::default()
                .take_line(&line, &mut Vec::new())
                .expect_err("there is no status");
            assert!(error.to_string().ends_with(&format!("the line {line:?}")), "{error}");
        }
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

    /// Returns a program that repeats its input, and does not end while somebody may write to
    /// `input`.
    fn endless(input: PipeReader) -> Command {
        let mut command = Command::new("cat");
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Waits until poll reports an event of `awaited`: one that it asks for, an error or a hang-up.
    /// Panics if none comes in a minute.
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
        // Nobody reads from the pipe any more.
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
    fn a_machine_without_a_kernel_is_refused_before_anything_is_built() {
        for kernel in ["/nowhere/bzImage", "/"] {
            let machine = Machine {
                kernel: kernel.into(),
                modules: Some("/nowhere/modules".into()),
                ..machine()
            };
            let refused = machine.run(&mut Vec::new()).expect_err("there is no such kernel");
            let words = refused.to_string();
            assert!(
                words.starts_with(&format!("{kernel} can't be read (")) && words.contains("bzImage"),
                "{words}"
            );
        }
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
