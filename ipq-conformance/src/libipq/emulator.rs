//! The emulator that is the kernel of a libipq under test.

use crate::child::Beside;
use bytes::Bytes;
use ipq_sim::Kernel;
use ipq_sim::programs::server::{Passed, Server};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// The emulator, and the server through which the libipq reaches it.
#[derive(Debug)]
pub(crate) struct Emulator<'e> {
    pub(crate) server: &'e mut Server,
    pub(crate) kernel: &'e mut Kernel,
}

impl<'e> Emulator<'e> {
    /// Serves the libipq without waiting, and adds the datagrams that it sent to `sent`.
    pub(crate) fn turn(&mut self, sent: &mut Vec<Bytes>) -> io::Result<()> {
        self.server.turn(self.kernel, Some(Duration::ZERO), &mut |passed| {
            if let Passed::FromProgram(datagram) = passed {
                sent.push(Bytes::copy_from_slice(datagram));
            }
        })
    }

    /// Returns a task that serves the libipq while it makes a call, and collects the datagrams that
    /// it sends.
    pub(super) fn beside_a_call(self) -> Serving<'e> {
        Serving {
            emulator: self,
            sent: Vec::new(),
        }
    }
}

/// The emulator, and the datagrams that the libipq has sent to it during a call.
pub(super) struct Serving<'e> {
    emulator: Emulator<'e>,
    sent: Vec<Bytes>,
}

impl Serving<'_> {
    /// Returns the datagrams that the libipq sent during the call, which is over.
    pub(super) fn sent(mut self) -> io::Result<Vec<Bytes>> {
        // Datagrams that were sent before the answer are there by now.
        self.turn()?;
        Ok(self.sent)
    }
}

impl Beside for Serving<'_> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.emulator.server.as_fd()
    }

    fn turn(&mut self) -> io::Result<()> {
        self.emulator.turn(&mut self.sent)
    }
}
