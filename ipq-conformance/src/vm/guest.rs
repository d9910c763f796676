//! The first process of the machine: it prepares the file system, runs the suite, and ends the
//! machine.

use super::{BEGIN_MARK, END_MARK, ERROR_MARK};
use rustix::fs::{CWD, FileType, Mode, mkdirat, mknodat};
use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, init_module, reboot};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// The name of the file in the root folder with the suite's arguments, one a line.
pub(super) const ARGUMENTS: &str = "ipq-arguments";
/// The name of the folder of modules in the root folder. They are loaded in the order of their file
/// names.
pub(super) const MODULES: &str = "ipq-modules";

/// Runs the suite, ends the machine, and never returns, if this is the first process of the suite's
/// virtual machine: process 1, with the file of arguments in the root folder. Otherwise does
/// nothing. If the machine can't be made ready, the reason stands in place of the report, and the
/// exit status in the mark after it is 2.
pub fn run_if_first_process() {
    if std::process::id() != 1 || !Path::new("/").join(ARGUMENTS).exists() {
        return;
    }
    println!("\n{BEGIN_MARK}");
    let status = run().unwrap_or_else(|error| {
        println!("the machine can't be made ready: {error}");
        2
    });
    println!("{END_MARK}{status} ===");
    // The serial line has a buffer, which must be empty before the machine ends.
    let _ = rustix::termios::tcdrain(io::stdout());
    // If this fails, the process ends, which makes the kernel panic and so ends the machine, too.
    let _ = reboot(RebootCommand::Restart);
    std::process::exit(i32::from(status));
}

fn run() -> io::Result<u8> {
    for (path, kind) in [("/proc", "proc"), ("/sys", "sysfs"), ("/tmp", "tmpfs")] {
        make_folder(path)?;
        mount(kind, path, kind, MountFlags::empty(), None)?;
    }
    make_folder("/dev/net")?;
    let tun = rustix::fs::makedev(10, 200);
    mknodat(
        CWD,
        "/dev/net/tun",
        FileType::CharacterDevice,
        Mode::RUSR | Mode::WUSR,
        tun,
    )?;
    load_modules()?;
    let arguments = fs::read_to_string(Path::new("/").join(ARGUMENTS))?;
    // The suite writes to pipes: on a terminal it would write colours and a moving bar.
    let mut suite = Command::new("/proc/self/exe")
        .args(arguments.lines())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (report, errors) = (suite.stdout.take(), suite.stderr.take());
    let errors = thread::spawn(move || errors.map(|errors| pass_on(errors, ERROR_MARK)));
    report.map(|report| pass_on(report, "")).transpose()?;
    let status = suite.wait()?;
    // An error here is lost with the machine.
    let _ = errors.join();
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2))
}

/// Copies `lines` to standard output, which is the serial line, until they end. Writes each line as
/// a whole, with `mark` before it.
fn pass_on(lines: impl Read, mark: &str) -> io::Result<()> {
    let mut lines = BufReader::new(lines);
    let mut line = mark.as_bytes().to_vec();
    while lines.read_until(b'\n', &mut line)? > 0 {
        io::stdout().lock().write_all(&line)?;
        line.truncate(mark.len());
    }
    Ok(())
}

fn make_folder(path: &str) -> io::Result<()> {
    match mkdirat(CWD, path, Mode::RWXU) {
        Err(rustix::io::Errno::EXIST) => Ok(()),
        made => Ok(made?),
    }
}

fn load_modules() -> io::Result<()> {
    let Ok(folder) = fs::read_dir(Path::new("/").join(MODULES)) else {
        return Ok(());
    };
    let mut paths: Vec<_> = folder
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    for path in paths {
        let loaded = init_module(&fs::read(&path)?, c"");
        loaded.map_err(|error| io::Error::other(format!("module {}: {error}", path.display())))?;
    }
    Ok(())
}
