//! Takes many datagrams from a socket with one system call, and tells how many bytes are unread.

use crate::sys::{self, AT_ONCE};
use std::io::{self, IoSliceMut};
use std::os::fd::BorrowedFd;

/// The number of bytes between the rooms of two datagrams, which keeps the rooms on different cache
/// lines.
const APART: usize = 4096 + 64;

/// Room for the datagrams that one call of [`receive`](Self::receive) takes. A page of the room
/// takes memory only once bytes were written to it.
pub struct Inbox {
    bytes: Vec<u8>,
    longest: usize,
    lengths: [usize; AT_ONCE],
    count: usize,
}

impl Inbox {
    /// The most datagrams that one call of [`receive`](Self::receive) takes: 32.
    pub const AT_ONCE: usize = AT_ONCE;

    /// Makes room for [`AT_ONCE`](Self::AT_ONCE) datagrams of at most `longest` bytes each.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self {
            bytes: vec![0; (longest + APART) * AT_ONCE],
            longest,
            lengths: [0; AT_ONCE],
            count: 0,
        }
    }

    /// Takes the datagrams that wait in the socket, at most [`AT_ONCE`](Self::AT_ONCE), and returns
    /// their number. They replace the datagrams of the call before. Fails with `WouldBlock` if none
    /// waits; the inbox is empty after any failure. Once the peer has closed its end, empty
    /// datagrams come after those that wait.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.count = 0;
        let mut places: Vec<_> = self
            .bytes
            .chunks_mut(self.longest + APART)
            .map(|place| IoSliceMut::new(&mut place[..self.longest]))
            .collect();
        self.count = sys::receive_many(socket, &mut places, &mut self.lengths)?;
        Ok(self.count)
    }

    /// Returns the datagrams that the last [`receive`](Self::receive) took, in order. A datagram
    /// that was longer than its room is `None`.
    pub fn datagrams(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.bytes
            .chunks(self.longest + APART)
            .zip(self.lengths)
            .take(self.count)
            .map(|(place, length)| place[..self.longest].get(..length))
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("longest", &self.longest)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Returns the number of bytes that were sent on a Unix socket and that the other end has not read
/// yet. For each datagram the kernel counts the memory that it allocated, not the datagram's
/// length.
pub fn unread(socket: BorrowedFd<'_>) -> io::Result<usize> {
    sys::unread(socket)
}
