//! Following a run while it is under way.

use super::outcome::PacketReport;
use std::io;

/// Follows a run. An error of any method ends the run.
pub trait Watch {
    /// A record of the capture has been dealt with. Records come in the capture's order; but a packet whose verdict is overdue lets
    /// others pass, after 16 384 of them or 16 MiB.
    fn packet(&mut self, packet: &PacketReport) -> io::Result<()> {
        let _ = packet;
        Ok(())
    }

    /// Called now and then.
    fn progress(&mut self, progress: Progress) -> io::Result<()> {
        let _ = progress;
        Ok(())
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// How many records of the capture have been dealt with.
    pub done: u64,
    /// How many bytes of the capture's file have been read.
    pub bytes_read: u64,
}

/// Follows nothing.
impl Watch for () {}

/// Keeps what became of each packet.
impl Watch for Vec<PacketReport> {
    fn packet(&mut self, packet: &PacketReport) -> io::Result<()> {
        self.push(packet.clone());
        Ok(())
    }
}
