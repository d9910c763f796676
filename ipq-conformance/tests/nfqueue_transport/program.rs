//! A program on a queue, and the host's sockets that send and receive packets.

use super::host::Host;
use ipq_core::transport::nfqueue::{NfQueue, Options};
use ipq_core::wire::{Abi, Envelope, Header, InterfaceName, Message, ModeRequest, PacketMetadata};
use ipq_core::{CopyMode, Errno, Error, Family, Handle, Hook, PacketId, Transport, Verdict, Wait};
use pretty_assertions::assert_eq;
use std::io::IoSlice;
use std::net::UdpSocket;
use std::time::Duration;

pub(crate) const SOON: Wait = Wait::For(Duration::from_secs(10));

/// A program that has a handle on a queue: queue 0 unless its options name another.
pub(crate) struct Program {
    pub(crate) handle: Handle<NfQueue>,
}

impl Program {
    pub(crate) fn new(family: Family) -> Self {
        Self::with(Options::new(family))
    }

    pub(crate) fn with(options: Options) -> Self {
        Self {
            handle: Handle::new(NfQueue::open_with(options).expect("a queue")),
        }
    }

    /// Adds a rule that queues the packets of `family` that this host sends, and opens a program
    /// that gets them whole.
    pub(crate) fn reading_output(host: &mut Host, family: Family) -> Self {
        Self::reading(host, family, Hook::Output)
    }

    /// Adds a rule that queues the packets of `family` at `hook`, and opens a program that gets
    /// them whole.
    pub(crate) fn reading(host: &mut Host, family: Family, hook: Hook) -> Self {
        host.queue_all(family, hook);
        let program = Self::new(family);
        program.handle.set_mode(CopyMode::Packet, 0).expect("mode PACKET");
        program
    }

    /// Reads a packet, and fails if none comes within 10 seconds. Returns its metadata and its
    /// bytes.
    pub(crate) fn packet(&self) -> (PacketMetadata, Vec<u8>) {
        let mut buffer = vec![0; 70_000];
        match self.handle.read(&mut buffer, SOON).expect("a message") {
            Message::Packet(packet) => (packet.metadata(), packet.payload().to_vec()),
            other => panic!("no packet: {other:?}"),
        }
    }

    /// Reads an answer without waiting, and fails if none is there. Returns its error number, its
    /// own header, and the bytes that it quotes.
    pub(crate) fn answer(&self) -> (Errno, Header, Vec<u8>) {
        let mut buffer = vec![0; 70_000];
        let read = self.handle.read_datagram(&mut buffer, Wait::Never).expect("an answer");
        assert_eq!(read % 4, 0, "a datagram is padded (ERR-3)");
        let header = Header::parse(&buffer, Abi::NATIVE).expect("a header");
        match Message::parse(&buffer[..read], Abi::NATIVE).expect("a message") {
            Message::Error(answer) => (answer.errno(), header, answer.quoted.to_vec()),
            other => panic!("no answer: {other:?}"),
        }
    }

    pub(crate) fn decide(&self, id: PacketId, verdict: Verdict) {
        self.handle.set_verdict(id, verdict, None).expect("a verdict");
    }

    #[track_caller]
    pub(crate) fn nothing(&self) {
        let mut buffer = vec![0; 70_000];
        let read = self.handle.read(&mut buffer, Wait::Never);
        assert!(matches!(read, Err(Error::TimedOut)), "{read:?}");
    }

    /// Sends a message of `head` and `payload`, and returns its bytes.
    pub(crate) fn send(&self, head: &[u8], payload: &[u8]) -> Vec<u8> {
        let parts = [head, payload].map(IoSlice::new);
        let message = [head, payload].concat();
        assert_eq!(self.handle.transport().send(&parts), Ok(message.len()));
        message
    }

    pub(crate) fn envelope(&self) -> Envelope {
        Envelope::request(self.handle.port_id())
    }
}

/// Returns two UDP sockets on `address`. The first is connected to the second, on which a receive
/// call waits 10 seconds at most.
pub(crate) fn sockets(address: &str) -> [UdpSocket; 2] {
    let sockets = [(); 2].map(|()| UdpSocket::bind((address, 0)).expect("a socket"));
    sockets[0]
        .connect(sockets[1].local_addr().expect("an address"))
        .expect("connected");
    sockets[1]
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a time-out");
    sockets
}

/// Waits for the next datagram, and returns its payload.
pub(crate) fn arrived(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 70_000];
    let length = socket.recv(&mut buffer).expect("a datagram");
    buffer.truncate(length);
    buffer
}

pub(crate) fn mode_of(mode: CopyMode) -> ModeRequest {
    ModeRequest { mode, range: 0 }
}

pub(crate) fn name(name: &str) -> InterfaceName {
    name.parse().expect("a name")
}
