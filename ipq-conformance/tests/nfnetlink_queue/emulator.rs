//! The emulator's side of the comparison.

use super::kernel::QUEUES;
use super::step::{Datagram, SOCKETS, Seen, Side, Step};
use ipq_conformance::world::topology::{TAP0, TAP1};
use ipq_core::wire::nfnetlink::PROTOCOL;
use ipq_core::{Errno, Family, Hook, PortId};
use ipq_sim::{ClientId, Kernel, Profile, Rule, SocketId};

/// The number of the protocol UDP.
const UDP: u8 = 17;

/// An emulated kernel, and a program's sockets on it.
pub(super) struct Emulator {
    kernel: Kernel,
    sockets: [Option<SocketId>; SOCKETS],
    refused: Option<i32>,
    buffer: Vec<u8>,
}

impl Emulator {
    pub(super) fn new(profile: &Profile) -> Self {
        let kernel = Kernel::builder().profile(*profile).build();
        let mut kernel = kernel.expect("the laboratory's devices have different names");
        for (family, queue) in Family::ALL.into_iter().zip(QUEUES) {
            let rule = Rule::numbered_queue(family, Hook::Forward, queue).protocol(UDP);
            kernel.add_rule(rule).expect("the kernel has numbered queues");
        }
        Self {
            kernel,
            sockets: [None; SOCKETS],
            refused: None,
            buffer: vec![0; 1 << 17],
        }
    }

    fn open(&mut self, port_id: PortId) -> Result<SocketId, Errno> {
        let socket = self.kernel.open(ClientId::FIRST, PROTOCOL.into())?;
        self.kernel.bind(socket, port_id)?;
        Ok(socket)
    }

    fn received(&mut self, socket: usize) -> Vec<Datagram> {
        let mut received = Vec::new();
        let Some(socket) = self.sockets[socket] else {
            return received;
        };
        loop {
            match self.kernel.receive(socket, &mut self.buffer) {
                Ok(datagram) => received.push(Datagram::without_time(&self.buffer[..datagram.copied])),
                Err(Errno::EAGAIN) => return received,
                Err(Errno(errno)) => received.push(Datagram::error(errno)),
            }
        }
    }
}

impl Side for Emulator {
    fn perform(&mut self, step: &Step, port_id: Option<PortId>) -> Option<PortId> {
        match step {
            Step::Open {
                socket,
                caps_answers,
                extends_answers,
            } => {
                self.perform(&Step::Close { socket: *socket }, None);
                let opened = self.open(port_id?).expect("a socket opens");
                self.kernel.set_cap_ack(opened, *caps_answers).expect("it is open");
                self.kernel.set_ext_ack(opened, *extends_answers).expect("it is open");
                self.sockets[*socket] = Some(opened);
            }
            Step::Close { socket } => {
                if let Some(socket) = self.sockets[*socket].take() {
                    self.kernel.close(socket);
                }
            }
            Step::Send { socket, datagram } => {
                if let Some(socket) = self.sockets[*socket] {
                    let sent = self.kernel.send(socket, &datagram.0);
                    self.refused = sent.err().map(|Errno(errno)| errno);
                }
            }
            Step::Arrive { frame, count } => {
                for _ in 0..*count {
                    self.kernel.inject(TAP0.name, frame.0.clone()).expect("a frame arrives");
                }
            }
            Step::Capability { held } => self.kernel.set_net_admin(ClientId::FIRST, *held),
            Step::Down => {
                for up in [false, true] {
                    self.kernel.set_link(TAP1.name, up).expect("the device is there");
                }
            }
        }
        port_id
    }

    fn look(&mut self, sockets: bool) -> Seen {
        let left = std::iter::from_fn(|| self.kernel.sniff(TAP1.name).expect("the device is there"));
        let left = left.map(|frame| Datagram(frame.to_bytes().to_vec())).collect();
        let text = self
            .kernel
            .numbered_queues_text()
            .expect("the kernel has numbered queues");
        Seen {
            refused: self.refused.take(),
            received: std::array::from_fn(|socket| if sockets { self.received(socket) } else { Vec::new() }),
            left,
            proc_text: Some(text.lines().map(str::to_owned).collect()),
        }
    }
}
