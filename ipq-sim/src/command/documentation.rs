//! Manual pages and shell completions, made from the command line's own description.

use super::{CommandLine, Failure};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct ManualArguments {
    /// The directory that the pages are written to, such as /usr/local/share/man/man1.
    directory: PathBuf,
}

#[derive(Args)]
pub(super) struct CompletionsArguments {
    /// The shell.
    shell: Shell,
}

/// Writes a manual page for the command, and one for each of its subcommands, into the directory of
/// the arguments. Creates the directory if it does not exist.
pub(super) fn write_manual(arguments: &ManualArguments) -> Result<ExitCode, Failure> {
    let directory = &arguments.directory;
    let written = std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(CommandLine::command().disable_help_subcommand(true), directory));
    written.map_err(|source| Failure::Output {
        path: directory.clone(),
        source,
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a shell's completion script on standard output.
pub(super) fn print_completions(arguments: &CompletionsArguments) -> Result<ExitCode, Failure> {
    // The script goes to memory first: the generator panics where it can't write.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "ipq-sim", &mut script);
    let written = io::stdout().write_all(&script).and_then(|()| io::stdout().flush());
    written.map_err(|source| Failure::Output {
        path: "standard output".into(),
        source,
    })?;
    Ok(ExitCode::SUCCESS)
}
