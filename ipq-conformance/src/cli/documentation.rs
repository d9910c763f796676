//! Manual pages and shell completions, made from the command line's own description.

use super::{Command, End, Failure, unable};
use clap::CommandFactory;
use clap_complete::Shell;
use std::fs;
use std::path::Path;

/// Writes a manual page for the program, and one for each of its commands, into `directory`, which
/// is created if it is missing.
pub(super) fn write_manual(directory: &Path) -> Result<End, Failure> {
    let command = Command::command().disable_help_subcommand(true);
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command, directory))
        .map_err(|error| unable(format_args!("{} can't be written: {error}", directory.display())))?;
    Ok(End::Good)
}

/// Prints the completion script for a shell to standard output.
pub(super) fn print_completions(shell: Shell) -> Result<End, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Command::command(), "ipq-conformance", &mut script);
    std::io::Write::write_all(&mut super::standard_output(), &script)?;
    Ok(End::Good)
}
