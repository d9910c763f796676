//! An emulated kernel for programs that are started elsewhere.

use super::{FeedArguments, KernelArguments, feed, interruption};
use clap::Args;
use ipq_sim::run::{self, Run, RunError};
use ipq_sim::server::Server;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[derive(Args)]
pub(super) struct ServeArguments {
    /// Where programs find the emulator.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// A capture whose packets are fed as soon as a program is there. Without one, programs find an empty queue.
    #[arg(long, value_name = "IN.pcap")]
    pcap: Option<PathBuf>,
    #[command(flatten)]
    feed: FeedArguments,
    #[command(flatten)]
    kernel: KernelArguments,
}

/// Serves until the capture is through, or until it is interrupted.
pub(super) fn serve(arguments: &ServeArguments) -> Result<ExitCode, RunError> {
    eprintln!("IPQ_TRANSPORT=unix:{}", arguments.socket.display());
    if let Some(capture) = &arguments.pcap {
        let run = Run::serving(capture, &arguments.socket);
        return feed(run, &arguments.feed, &arguments.kernel);
    }
    let interrupted = interruption()?;
    let mut kernel = run::kernel(arguments.kernel.profile(), arguments.kernel.hook.into())?;
    let mut server = Server::listen(&arguments.socket)?;
    while !interrupted.load(Ordering::Relaxed) {
        server.turn(&mut kernel, Some(Duration::from_secs(1)), &mut |_| {})?;
        kernel.take_events();
    }
    Ok(ExitCode::SUCCESS)
}
