//! Reading in an asynchronous task, on any runtime.

use super::{Error, Handle};
use crate::transport::{PollTransport, Wait};
use crate::wire::Message;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

impl<T: PollTransport> Handle<T> {
    /// Reads one message, as [`read`](Handle::read) does, and lets other tasks run until there is
    /// one. It never times out.
    ///
    /// Dropping the future before it is ready loses nothing. For a time limit use the runtime's,
    /// for example `tokio::time::timeout`. Verdicts need no waiting, so tasks use
    /// [`set_verdict`](Handle::set_verdict), too.
    ///
    /// ```
    /// use ipq_core::{Handle, Verdict, transport::PollTransport, wire::Message};
    ///
    /// async fn accept_all(handle: &Handle<impl PollTransport>) -> Result<(), ipq_core::Error> {
    ///     let mut buffer = [0; 2048];
    ///     loop {
    ///         if let Message::Packet(packet) = handle.read_async(&mut buffer).await? {
    ///             handle.set_verdict(packet.packet_id(), Verdict::Accept, None)?;
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn read_async<'b>(&self, buffer: &'b mut [u8]) -> Result<Message<'b>, Error> {
        let read = poll_fn(|context| self.poll_read_datagram(context, buffer)).await?;
        self.parse(&buffer[..read])
    }

    /// Reads one datagram into `buffer` and checks it, as [`read_datagram`](Handle::read_datagram)
    /// does. If none is there, returns [`Poll::Pending`], and the task is woken when there may be
    /// one.
    pub fn poll_read_datagram(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.has_room(buffer.len())?;
        let received = ready!(self.transport.poll_receive(context, buffer));
        Poll::Ready(self.received(buffer, received, Wait::Forever))
    }
}
