//! Manual pages and shell completions, made from the command line's own description.

use super::{CommandLine, Failure};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io;
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

/// Writes a page for the command, and one for each of its subcommands.
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

/// Prints the script that a shell reads.
pub(super) fn print_completions(arguments: &CompletionsArguments) -> ExitCode {
    let mut command = CommandLine::command();
    clap_complete::generate(arguments.shell, &mut command, "ipq-sim", &mut io::stdout());
    ExitCode::SUCCESS
}
