//! The trait by which a caller follows a run while it is under way.

use super::outcome::PacketReport;
use super::own::OwnPacket;
use std::io;

/// Follows a run: the run calls these methods. An error that a method returns ends the run.
pub trait Watch {
    /// Called once for each record of the capture that is read: when its packet has its fate or is
    /// known not to be fed, and the records before it have been reported; at the latest at the end
    /// of the run. There is one exception to the order. A packet without a fate lets later records
    /// come first once more than 16,384 packets with a fate, more than 16 MiB of such packets (as
    /// they were in the capture, and as they got through), or more than 65,536 records that can't
    /// be fed are held back behind it.
    fn packet(&mut self, packet: PacketReport) -> io::Result<()> {
        let _ = packet;
        Ok(())
    }

    /// Called when the program has sent a packet by a raw socket of its own. At that time
    /// [`packet`](Self::packet) has, as a rule, been called for the records before the first packet
    /// that was fed and has no fate, and not for that packet.
    fn own_packet(&mut self, packet: OwnPacket) -> io::Result<()> {
        let _ = packet;
        Ok(())
    }

    /// Returns `true` if the run is to call [`message`](Self::message).
    fn traces(&self) -> bool {
        false
    }

    /// Called for each netlink datagram between a program and the kernel until the run is over, if
    /// [`traces`](Self::traces) returns `true`.
    fn message(&mut self, message: TracedMessage<'_>) -> io::Result<()> {
        let _ = message;
        Ok(())
    }

    /// Called many times a second, with the progress of the run so far.
    fn progress(&mut self, progress: Progress) -> io::Result<()> {
        let _ = progress;
        Ok(())
    }
}

/// A netlink datagram between a program and the kernel.
#[derive(Clone, Copy, Debug)]
pub struct TracedMessage<'a> {
    /// The netlink protocol of the program's socket.
    pub protocol: i32,
    /// `true` if the datagram goes to the kernel, `false` if it goes to the program.
    pub to_kernel: bool,
    /// The bytes of the datagram, in parts that follow one another. Some of the parts may be empty.
    pub parts: [&'a [u8]; 3],
}

/// How far a run has come, in records and in bytes of the capture.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The number of records of the capture that are done with: the packet was delivered or
    /// dropped, or can't be fed.
    pub done: u64,
    /// The number of bytes of the capture's file that have been read, before decompression.
    pub bytes_read: u64,
}

/// Ignores everything that is reported.
impl Watch for () {}

/// Keeps the report on each record, in the order in which they come.
impl Watch for Vec<PacketReport> {
    fn packet(&mut self, packet: PacketReport) -> io::Result<()> {
        self.push(packet);
        Ok(())
    }
}
