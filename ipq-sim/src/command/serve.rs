//! The subcommand `serve`: an emulated kernel for programs that are started elsewhere.

use super::{Failure, FeedArguments, KernelArguments, feed, interruption, tell};
use clap::Args;
use ipq_core::wire::Abi;
use ipq_sim::programs::run::{self, Run, RunError};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[derive(Args)]
pub(super) struct ServeArguments {
    /// The path of the socket where programs find the emulator.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// A capture whose packets are fed as soon as a program is there. Without one, programs find an
    /// empty queue.
    #[arg(long, value_name = "IN.pcap")]
    pcap: Option<PathBuf>,
    #[command(flatten)]
    feed: FeedArguments,
    #[command(flatten)]
    kernel: KernelArguments,
}

/// Serves an emulated kernel on the socket at the path of the arguments. With a capture, feeds its
/// packets to the programs that connect, and returns the run's exit status when the run is over.
/// Without one, serves until SIGINT or SIGTERM, and returns success. Once programs can connect,
/// prints the `IPQ_TRANSPORT` for them on standard error.
pub(super) fn serve(arguments: &ServeArguments) -> Result<ExitCode, Failure> {
    let mut told = false;
    // A script may start its program when it has read this line.
    let mut listening = || {
        if !std::mem::replace(&mut told, true) {
            tell(format_args!("IPQ_TRANSPORT=unix:{}\n", arguments.socket.display()));
        }
    };
    if let Some(capture) = &arguments.pcap {
        let run = Run::serving(capture, &arguments.socket);
        return feed(run, capture, &arguments.feed, &arguments.kernel, &mut listening);
    }
    let interrupted = interruption()?;
    let profile = arguments.kernel.profile(Abi::NATIVE.word)?;
    let mut kernel = run::kernel(profile, arguments.kernel.hook.into())?;
    let mut server = run::listen(&arguments.socket)?;
    listening();
    while !interrupted.load(Ordering::Relaxed) {
        let turned = server.turn(&mut kernel, Some(Duration::from_secs(1)), &mut |_| {});
        turned.map_err(RunError::Socket)?;
        kernel.take_events();
    }
    Ok(ExitCode::SUCCESS)
}
