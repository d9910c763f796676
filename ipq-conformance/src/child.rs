//! A child process that answers each line with a line.
//!
//! Worlds of real kernels, libraries for C and programs in other languages all run in a child
//! process. The child reads each request as a line from its standard input, and writes the answer
//! as a line to its standard output. This module has both ends of the exchange: [`Child`] asks,
//! [`answer`] replies.
//!
//! A child may crash, hang, print without end, or leave its input unread. No request to such a
//! child should block the parent for much longer than the request's time limit.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde::Serialize;
#[cfg(any(feature = "laboratory", feature = "libipq"))]
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
#[cfg(feature = "laboratory")]
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

/// The number of bytes that a child may write without a line feed: 16 MiB.
pub(crate) const LONGEST_LINE: usize = 1 << 24;
/// The number of bytes that a pipe of Linux holds, unless it was made larger: 64 KiB.
const PIPE_BYTES: usize = 1 << 16;
/// The most bytes of a child's standard error that are kept for [`Child::take_printed`]: 16 KiB.
const MOST_PRINTED: usize = 1 << 14;

/// Returns a command that starts this program once more, with the two arguments `argument` and
/// `name`.
#[cfg(any(feature = "laboratory", feature = "libipq"))]
pub(crate) fn this_program(argument: &str, name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(argument).arg(name);
    command
}

/// Returns the second argument of this program if its first is `argument`, as [`this_program`]
/// passes them; otherwise `None`. A missing second argument is an empty name.
#[cfg(any(feature = "laboratory", feature = "libipq"))]
pub(crate) fn asked_for(argument: &str) -> Option<OsString> {
    let mut arguments = std::env::args_os().skip(1);
    let serves = arguments.next().is_some_and(|first| first == argument);
    serves.then(|| arguments.next().unwrap_or_default())
}

/// Writes an answer to standard output as one line of JSON, and flushes it.
#[cfg(any(feature = "laboratory", feature = "libipq"))]
pub(crate) fn answer(answer: &impl Serialize) -> io::Result<()> {
    let mut output = io::stdout().lock();
    serde_json::to_writer(&mut output, answer)?;
    output.write_all(b"\n")?;
    output.flush()
}

/// Ends this process, which has served its parent: with exit status 0 for `Ok`. For an error,
/// prints the error to standard error, and the exit status is 2.
#[cfg(any(feature = "laboratory", feature = "libipq"))]
pub(crate) fn exit(served: io::Result<()>) -> ! {
    match served {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}

/// A task of the parent that goes on while the parent waits for its child.
pub(crate) trait Beside {
    /// Returns a descriptor that becomes readable when the task has something to do.
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// Does all work of the task that needs no waiting.
    fn turn(&mut self) -> io::Result<()>;
}

/// A child process, as its parent sees it. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    /// The pipe to the child's standard input; `None` once it is closed.
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// The pipe from the child's standard error; `None` after its end.
    errors: Option<ChildStderr>,
    unread: Vec<u8>,
    printed: Vec<u8>,
}

/// The result of waiting for a line from a child.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The child wrote this line, given without its line feed.
    Read(Vec<u8>),
    /// The child closed its standard output before a whole line came.
    Ended,
    /// No whole line came within the time limit.
    Late,
    /// The child wrote more than [`LONGEST_LINE`] bytes without a line feed.
    TooLong,
}

impl Child {
    /// Starts a child process with pipes for its three standard streams. Writing to the child never
    /// blocks.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let command = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(io::Error::other("the process has no pipes"));
        };
        // A child that does not read must not block the parent's write.
        fcntl_setfl(&input, fcntl_getfl(&input)? | OFlags::NONBLOCK)?;
        Ok(Self {
            process: child,
            input: Some(input),
            output,
            errors: Some(errors),
            unread: Vec::new(),
            printed: Vec::new(),
        })
    }

    /// Sends a request as one line of JSON, and reads the line that answers it, waiting `patience`
    /// at most. Fails, among others, if a pipe or the task `beside` fails; that the child ends, is
    /// late or writes a line without end is a result.
    ///
    /// The task `beside`, if given, is served meanwhile.
    pub(crate) fn ask(
        &mut self,
        request: &impl Serialize,
        patience: Duration,
        beside: Option<&mut dyn Beside>,
    ) -> io::Result<Line> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.exchange(&line, patience, beside)
    }

    /// Reads a line that the child writes without a request, waiting `patience` at most.
    #[cfg(any(test, feature = "libipq"))]
    pub(crate) fn read_line(&mut self, patience: Duration) -> io::Result<Line> {
        self.exchange(&[], patience, None)
    }

    fn exchange(
        &mut self,
        mut unsent: &[u8],
        patience: Duration,
        mut beside: Option<&mut dyn Beside>,
    ) -> io::Result<Line> {
        let deadline = Instant::now() + patience;
        let mut searched = 0;
        loop {
            if let Some(end) = self.unread[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.unread.split_off(searched + end + 1);
                let mut line = std::mem::replace(&mut self.unread, rest);
                line.pop();
                self.read_errors()?;
                return Ok(Line::Read(line));
            }
            searched = self.unread.len();
            if searched > LONGEST_LINE {
                return Ok(Line::TooLong);
            }
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return Ok(Line::Late);
            }
            self.wait(!unsent.is_empty(), beside.as_deref(), remaining)?;
            if let Some(beside) = &mut beside {
                beside.turn()?;
            }
            self.read_errors()?;
            self.write_some(&mut unsent)?;
            if readable(self.output.as_fd())? {
                let mut piece = [0; 8192];
                match self.output.read(&mut piece)? {
                    0 => return Ok(Line::Ended),
                    length => self.unread.extend_from_slice(&piece[..length]),
                }
            }
        }
    }

    /// Waits until the child has written something or closed a stream, or the task `beside` has
    /// work to do, or `at_most` has passed. With `writes`, room in the child's input ends the wait,
    /// too. A signal also ends it.
    fn wait(&self, writes: bool, beside: Option<&dyn Beside>, at_most: Duration) -> io::Result<()> {
        let mut awaited = vec![PollFd::from_borrowed_fd(self.output.as_fd(), PollFlags::IN)];
        if let Some(input) = self.input.as_ref().filter(|_| writes) {
            awaited.push(PollFd::from_borrowed_fd(input.as_fd(), PollFlags::OUT));
        }
        let errors = self.errors.as_ref().map(AsFd::as_fd);
        let descriptors = errors.into_iter().chain(beside.map(|beside| beside.descriptor()));
        awaited.extend(descriptors.map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN)));
        let timeout = Timespec::try_from(at_most).map_err(io::Error::other)?;
        match poll(&mut awaited, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes as much of `unsent` as the child's input takes now, and shortens `unsent` by what was
    /// written. Drops all of it without an error if the child reads no more.
    fn write_some(&mut self, unsent: &mut &[u8]) -> io::Result<()> {
        while let Some(input) = self.input.as_mut().filter(|_| !unsent.is_empty()) {
            match input.write(unsent) {
                Ok(written) => *unsent = &unsent[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The child is gone or reads no more. The next read finds that out.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => *unsent = &[],
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads without waiting what the child has printed to standard error, but not much more than a
    /// pipe holds: a child that prints without end must not keep its parent here. Keeps 16 KiB
    /// until the next [`take_printed`](Self::take_printed), and drops the rest.
    fn read_errors(&mut self) -> io::Result<()> {
        let mut left = PIPE_BYTES;
        while let Some(errors) = self.errors.as_mut().filter(|_| left > 0)
            && readable(errors.as_fd())?
        {
            let mut piece = [0; 4096];
            match errors.read(&mut piece)? {
                0 => self.errors = None,
                length => {
                    left = left.saturating_sub(length);
                    let room = MOST_PRINTED - self.printed.len();
                    self.printed.extend_from_slice(&piece[..length.min(room)]);
                }
            }
        }
        Ok(())
    }

    /// Returns whether the child has written to its standard output more than the lines that were
    /// read from it. The end of the output does not count.
    #[cfg(any(test, feature = "exec"))]
    pub(crate) fn has_unread(&self) -> io::Result<bool> {
        if !self.unread.is_empty() {
            return Ok(true);
        }
        let mut polled = [PollFd::from_borrowed_fd(self.output.as_fd(), PollFlags::IN)];
        poll(&mut polled, Some(&Timespec::default()))?;
        // The end of the output alone is no line.
        Ok(polled[0].revents().contains(PollFlags::IN))
    }

    /// Takes and returns what the child has printed to standard error since the last call, but no
    /// more than the first 16 KiB.
    pub(crate) fn take_printed(&mut self) -> String {
        let printed = String::from_utf8_lossy(&self.printed).into_owned();
        self.printed.clear();
        printed
    }

    /// Closes the child's standard input, which tells it to end.
    #[cfg(feature = "exec")]
    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits for the child to end, and returns its exit status. If `line` is [`Line::Ended`], the
    /// child has 5 seconds to end by itself, and is killed after that; otherwise it is killed at
    /// once.
    pub(crate) fn end(&mut self, line: &Line) -> io::Result<ExitStatus> {
        if *line != Line::Ended {
            // The child may be over already.
            let _ = self.process.kill();
        }
        let status = self.wait_for_end()?;
        self.read_errors()?;
        Ok(status)
    }

    /// Kills the child, and returns before its end, for which a thread waits. Blocks only while 16
    /// other children are waiting for that thread.
    #[cfg(feature = "laboratory")]
    pub(crate) fn leave(mut self) {
        /// The way to the thread that drops children, which waits for the end of each.
        static LEFT: LazyLock<mpsc::SyncSender<Child>> = LazyLock::new(|| {
            let (sender, left) = mpsc::sync_channel(16);
            std::thread::spawn(move || left.into_iter().for_each(drop));
            sender
        });
        // Fails only if the child is over already.
        let _ = self.process.kill();
        // Without the thread, the child comes back with the error, and is dropped here.
        let _ = LEFT.send(self);
    }

    /// Waits until the child has ended, and returns its exit status. Kills it after 5 seconds.
    fn wait_for_end(&mut self) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + GRACE;
        let mut pause = Duration::from_micros(20);
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        self.process.wait()
    }
}

/// The time for which a child may live on after it closed its standard output.
const GRACE: Duration = Duration::from_secs(5);

fn readable(descriptor: BorrowedFd<'_>) -> io::Result<bool> {
    let mut polled = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    match poll(&mut polled, Some(&Timespec::default())) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only if the process is over already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::sync::mpsc;
    use std::thread;

    const SOON: Duration = Duration::from_millis(50);
    const PATIENCE: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Child {
        Child::spawn(Command::new("sh").args(["-c", script])).expect("a shell can be started")
    }

    #[rstest]
    #[case::an_answer("read line; echo \"got $line\"", PATIENCE, Line::Read(b"got 7".to_vec()))]
    #[case::an_end("exit 3", PATIENCE, Line::Ended)]
    #[case::a_hang("exec sleep 60", SOON, Line::Late)]
    #[case::half_a_line("printf half; exec sleep 60", SOON, Line::Late)]
    #[case::half_a_line_at_the_end("printf half", PATIENCE, Line::Ended)]
    fn an_answer_is_told_from_its_absence(#[case] script: &str, #[case] patience: Duration, #[case] expected: Line) {
        let mut child = shell(script);
        let line = child.ask(&7, patience, None).expect("the pipes are there");
        assert_eq!(line, expected);
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut child = shell("exec tr '\\0' x </dev/zero");
        assert_eq!(child.read_line(PATIENCE).expect("the pipes are there"), Line::TooLong);
    }

    #[test]
    fn a_child_that_reads_nothing_does_not_block_its_parent() {
        let mut child = shell("exec sleep 60");
        let long = "x".repeat(1 << 20);
        assert_eq!(child.ask(&long, SOON, None).expect("the pipes are there"), Line::Late);
    }

    #[test]
    fn a_child_that_prints_without_end_is_read_and_a_part_is_kept() {
        let mut child = shell("head -c 1000000 /dev/zero | tr '\\0' x >&2; read line; echo done");
        let line = child.ask(&1, PATIENCE, None).expect("the pipes are there");
        assert_eq!(line, Line::Read(b"done".to_vec()));
        assert_eq!(child.take_printed(), "x".repeat(MOST_PRINTED));
        assert_eq!(child.take_printed(), "");
    }

    #[test]
    #[cfg(feature = "laboratory")]
    fn a_child_that_is_left_is_killed_and_waited_for() {
        let child = Child::spawn(Command::new("sleep").arg("60")).expect("there is such a command");
        let process = format!("/proc/{}", child.process.id());
        child.leave();
        // It is gone when it was waited for, and not before.
        let deadline = Instant::now() + PATIENCE;
        while std::path::Path::new(&process).exists() {
            assert!(Instant::now() < deadline, "the child lives on, or nobody waited for it");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_child_that_prints_faster_than_it_is_read_is_heard_all_the_same() {
        let mut child = shell("read line; echo done");
        let endless = File::open("/dev/zero").expect("every system has it");
        child.errors = Some(OwnedFd::from(endless).into());
        let (answered, answers) = mpsc::channel();
        thread::spawn(move || answered.send(child.ask(&1, PATIENCE, None)));
        let line = answers.recv_timeout(2 * PATIENCE).expect("the parent goes on");
        assert_eq!(line.expect("the pipes are there"), Line::Read(b"done".to_vec()));
    }

    #[rstest]
    #[case::by_itself("exit 3", Line::Ended, Some(3))]
    #[case::by_force("exec sleep 60", Line::Late, None)]
    fn the_end_of_a_child_has_a_status(#[case] script: &str, #[case] line: Line, #[case] code: Option<i32>) {
        let mut child = shell(script);
        assert_eq!(child.end(&line).expect("it is a child").code(), code);
    }
}
