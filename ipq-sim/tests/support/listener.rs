//! A program that listens to the IPv4 queue of an emulated kernel, for tests.

use ipq_core::wire::{Abi, Envelope, Message, ModeRequest, VerdictRequest};
use ipq_core::{CopyMode, Errno, PacketId, PortId, Verdict};
use ipq_sim::{ClientId, Kernel, PacketSerial, SocketId};

/// The port id to which the program's socket is bound.
pub(crate) const PORT_ID: PortId = PortId(4242);

const ABI: Abi = Abi::LP64_LITTLE;

/// An emulated kernel, and the socket of a program there.
pub(crate) struct Listener {
    pub(crate) kernel: Kernel,
    pub(crate) socket: SocketId,
}

impl Listener {
    /// Opens a socket for the IPv4 queue and binds it to [`PORT_ID`]. The socket sends nothing yet.
    pub(crate) fn bound(mut kernel: Kernel) -> Self {
        let socket = kernel.open(ClientId::FIRST, 3).unwrap();
        kernel.bind(socket, PORT_ID).unwrap();
        Self { kernel, socket }
    }

    /// Opens and binds a socket for the IPv4 queue, and sets the copy mode, with range 0. So the
    /// socket is the queue's peer.
    pub(crate) fn attached(kernel: Kernel, mode: CopyMode) -> Self {
        let mut listener = Self::bound(kernel);
        assert_eq!(listener.send(&mode_message(PORT_ID, mode)), None);
        listener
    }

    /// Sends a message, and reads the reply if one comes. Returns the reply's error number, which
    /// is 0 for an acknowledgement.
    pub(crate) fn send(&mut self, message: &[u8]) -> Option<Errno> {
        self.kernel.send(self.socket, message).unwrap();
        let mut buffer = [0; 4096];
        let received = self.kernel.receive(self.socket, &mut buffer).ok()?;
        match Message::parse(&buffer[..received.copied], ABI).unwrap() {
            Message::Error(error) => Some(error.errno()),
            other => panic!("{other:?} is no reply"),
        }
    }

    /// Reads the next packet message. Returns the packet id.
    pub(crate) fn read(&mut self) -> PacketId {
        let mut buffer = [0; 4096];
        let received = self.kernel.receive(self.socket, &mut buffer).unwrap();
        match Message::parse(&buffer[..received.copied], ABI) {
            Ok(Message::Packet(packet)) => packet.packet_id(),
            other => panic!("{other:?} is no packet"),
        }
    }

    /// Sends a verdict, with `payload` after it. Returns the error number of the reply, if one
    /// comes.
    pub(crate) fn decide(&mut self, packet_id: PacketId, verdict: Verdict, payload: &[u8]) -> Option<Errno> {
        self.send(&verdict_message(packet_id, verdict, payload))
    }

    /// Lets a packet arrive on `tap0`, and reads its message. Returns its serial number and its
    /// packet id.
    pub(crate) fn queued(&mut self, packet: &[u8]) -> (PacketSerial, PacketId) {
        let serial = self.kernel.inject_packet("tap0", packet).unwrap();
        (serial, self.read())
    }
}

/// Returns a mode message with range 0.
pub(crate) fn mode_message(port_id: PortId, mode: CopyMode) -> Vec<u8> {
    let request = ModeRequest { mode, range: 0 };
    request.head(ABI, Envelope::request(port_id)).to_vec()
}

/// Returns a verdict message with `payload` after it, whose length it states.
pub(crate) fn verdict_message(packet_id: PacketId, verdict: Verdict, payload: &[u8]) -> Vec<u8> {
    let request = VerdictRequest {
        verdict,
        packet_id,
        data_len: payload.len() as u64,
    };
    let head = request.head(ABI, Envelope::request(PORT_ID), payload.len());
    [&head, payload].concat()
}
