//! A kernel, and a program that listens to its IPv4 queue.

use ipq_core::wire::{Abi, Envelope, Message, ModeRequest, VerdictRequest};
use ipq_core::{CopyMode, Errno, PacketId, PortId, Verdict};
use ipq_sim::{ClientId, Kernel, PacketSerial, SocketId};

/// The port id that the program binds.
pub(crate) const PORT_ID: PortId = PortId(4242);

const ABI: Abi = Abi::LP64_LITTLE;

/// A kernel, and a program's socket.
pub(crate) struct Listener {
    pub(crate) kernel: Kernel,
    pub(crate) socket: SocketId,
}

impl Listener {
    /// Opens and binds a socket, which sends nothing yet.
    pub(crate) fn bound(mut kernel: Kernel) -> Self {
        let socket = kernel.open(ClientId::FIRST, 3).unwrap();
        kernel.bind(socket, PORT_ID).unwrap();
        Self { kernel, socket }
    }

    /// Opens and binds a socket, and attaches it in a mode, with range 0.
    pub(crate) fn attached(kernel: Kernel, mode: CopyMode) -> Self {
        let mut listener = Self::bound(kernel);
        assert_eq!(listener.send(&mode_message(PORT_ID, mode)), None);
        listener
    }

    /// Sends a message. Returns the error number of the reply, if one comes.
    pub(crate) fn send(&mut self, message: &[u8]) -> Option<Errno> {
        self.kernel.send(self.socket, message).unwrap();
        let mut buffer = [0; 4096];
        let received = self.kernel.receive(self.socket, &mut buffer).ok()?;
        match Message::parse(&buffer[..received.copied], ABI).unwrap() {
            Message::Error(error) => Some(error.errno()),
            other => panic!("{other:?} is no reply"),
        }
    }

    /// Reads the packet that comes next. Returns its id.
    pub(crate) fn read(&mut self) -> PacketId {
        let mut buffer = [0; 4096];
        let received = self.kernel.receive(self.socket, &mut buffer).unwrap();
        match Message::parse(&buffer[..received.copied], ABI) {
            Ok(Message::Packet(packet)) => packet.packet_id(),
            other => panic!("{other:?} is no packet"),
        }
    }

    /// Gives a verdict, with `payload` after it. Returns the error number of the reply, if one
    /// comes.
    pub(crate) fn decide(&mut self, packet_id: PacketId, verdict: Verdict, payload: &[u8]) -> Option<Errno> {
        self.send(&verdict_message(packet_id, verdict, payload))
    }

    /// Lets a packet arrive on `tap0`, and reads it. Returns its name and its id.
    pub(crate) fn queued(&mut self, packet: &[u8]) -> (PacketSerial, PacketId) {
        let serial = self.kernel.inject_packet("tap0", packet).unwrap();
        (serial, self.read())
    }
}

/// A message that asks for a mode, with range 0.
pub(crate) fn mode_message(port_id: PortId, mode: CopyMode) -> Vec<u8> {
    let request = ModeRequest { mode, range: 0 };
    request.head(ABI, Envelope::request(port_id)).to_vec()
}

/// A verdict with `payload` after it, whose length it states.
pub(crate) fn verdict_message(packet_id: PacketId, verdict: Verdict, payload: &[u8]) -> Vec<u8> {
    let request = VerdictRequest {
        verdict,
        packet_id,
        data_len: payload.len() as u64,
    };
    let head = request.head(ABI, Envelope::request(PORT_ID), payload.len());
    [&head, payload].concat()
}
