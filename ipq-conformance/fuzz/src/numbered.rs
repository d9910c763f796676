//! The emulated kernel's numbered queues (`nfnetlink_queue`), which are fed raw datagrams, packets
//! and other events.
//!
//! The first byte of the input chooses the kernel and its rules. Then comes a list of actions, as
//! [`Action`] describes them. After each action the accounting must balance, and the text in
//! `/proc` must agree with it. The memory that is held must be bounded by what came in.

use crate::input::{Input, Output};
use ipq_conformance::suite::{Packet, QueueRequest};
use ipq_core::wire::nfnetlink::PROTOCOL;
use ipq_core::{Family, Hook, PortId};
use ipq_sim::{ClientId, Kernel, NumberedQueue, Profile, Rule, SocketId, Spread, Target};

/// The number of sockets in a run.
const SOCKETS: usize = 4;
/// The profiles of kernels that have numbered queues.
const PROFILES: [Profile; 2] = [Profile::LINUX_6_18_X86_64, Profile::LINUX_6_1_X86_64];

/// An action. Its number is in the input first, and then its values. A value is a byte unless a
/// size is given; byte strings come after their length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Action {
    /// Sends a datagram as it is. Values: the socket, whether the kernel's address is given, the
    /// bytes.
    Send,
    /// Binds a queue in a copy mode. Values: the socket, the queue, the mode, the range (u32).
    Bind,
    /// Gives a verdict. Values: the socket, the queue, whether it is a batch verdict, the value
    /// (u32), the packet id, the replacement.
    Verdict,
    /// Changes a queue's settings. Values: the socket, the queue, the maximum length (u16), the
    /// flags, their mask.
    Set,
    /// Makes a UDP packet arrive on tap0. Values: whether it is IPv6, its length (u16), its type of
    /// service.
    Packet,
    /// Makes a frame arrive. Values: the device, the bytes.
    Frame,
    /// Makes this host send a packet. Value: the bytes.
    Output,
    /// Reads a datagram. Values: the socket, the size of the buffer (u16).
    Receive,
    /// Closes a socket, and opens another in its place. Values: the socket, the port id (u32).
    Reopen,
    /// Sets options of a socket. Values: the socket, the options as bits, the receive buffer (u16).
    Options,
    /// Sets a device down or up. Values: the device, whether it is up.
    Link,
    /// Gives `CAP_NET_ADMIN` to the program that has the sockets, or takes it away. Value: whether
    /// the program has it.
    Capability,
}

impl Action {
    const ALL: [Self; 12] = [
        Self::Send,
        Self::Bind,
        Self::Verdict,
        Self::Set,
        Self::Packet,
        Self::Frame,
        Self::Output,
        Self::Receive,
        Self::Reopen,
        Self::Options,
        Self::Link,
        Self::Capability,
    ];

    pub(crate) fn begin(self, output: &mut Output) -> &mut Output {
        output.u8(self as u8)
    }
}

/// Checks the numbered queues of an emulated kernel while the actions in `bytes` are carried out,
/// 4096 at most.
pub fn check(bytes: &[u8]) {
    let mut actions = 0;
    let held = allocation_counter::measure(|| {
        let mut input = Input::new(bytes);
        let mut run = Run::new(&mut input);
        while !input.is_empty() && actions < 4096 {
            run.act(&mut input);
            run.balance();
            actions += 1;
        }
    });
    // The bound is the room of a machine; several times what came in, since an answer quotes a
    // message; and for each action the longest packet and what is noted of it.
    let most = (1 << 19) + 64 * bytes.len() as u64 + 4096 * actions;
    assert!(
        held.bytes_max <= most,
        "{} bytes held after {actions} actions and {} bytes",
        held.bytes_max,
        bytes.len()
    );
}

struct Run {
    kernel: Kernel,
    sockets: [SocketId; SOCKETS],
    buffer: Vec<u8>,
}

impl Run {
    fn new(input: &mut Input<'_>) -> Self {
        let choice = input.u8();
        let kernel = Kernel::builder()
            .profile(PROFILES[usize::from(choice & 1)])
            .keep_fates(64);
        let mut kernel = kernel.build().expect("the laboratory's devices have different names");
        for (family, first) in [(Family::Ipv4, 0), (Family::Ipv6, 1)] {
            let queues = NumberedQueue {
                first,
                last: if choice & 2 == 0 { first } else { 3 },
                spread: if choice & 4 == 0 {
                    Spread::Balance
                } else {
                    Spread::Processors
                },
                bypass: choice & 8 != 0,
            };
            for hook in [Hook::Prerouting, Hook::Forward, Hook::Output] {
                let rule = Rule::queue(family, hook).protocol(17);
                let target = Target::NumberedQueue(queues);
                kernel
                    .add_rule(Rule { target, ..rule })
                    .expect("the kernel has numbered queues");
            }
        }
        let sockets = std::array::from_fn(|_| {
            let socket = kernel.open(ClientId::FIRST, PROTOCOL.into()).expect("a socket opens");
            kernel.bind(socket, PortId::KERNEL).expect("the kernel finds a port id");
            socket
        });
        Self {
            kernel,
            sockets,
            buffer: vec![0; 1 << 16],
        }
    }

    fn socket(&self, input: &mut Input<'_>) -> SocketId {
        self.sockets[usize::from(input.u8()) % SOCKETS]
    }

    fn act(&mut self, input: &mut Input<'_>) {
        let action = Action::ALL[usize::from(input.u8()) % Action::ALL.len()];
        match action {
            Action::Send => {
                let (socket, addressed) = (self.socket(input), input.u8() & 1 != 0);
                let bytes = input.bytes();
                let _ = if addressed {
                    self.kernel.send_to(socket, PortId::KERNEL, bytes)
                } else {
                    self.kernel.send(socket, bytes)
                };
            }
            Action::Bind => {
                let (socket, queue) = (self.socket(input), input.u8().into());
                let request = QueueRequest::bind(queue).mode(input.u8(), input.u32());
                let _ = self.kernel.send(socket, &request.bytes());
            }
            Action::Verdict => {
                let (socket, queue, several) = (self.socket(input), input.u8().into(), input.u8() & 1 != 0);
                let (value, id) = (input.u32(), input.u8().into());
                let request = if several {
                    QueueRequest::verdict_up_to(queue, value, id)
                } else {
                    QueueRequest::verdict(queue, value, id)
                };
                let payload = input.bytes();
                let request = if payload.is_empty() {
                    request
                } else {
                    request.payload(payload)
                };
                let _ = self.kernel.send(socket, &request.bytes());
            }
            Action::Set => {
                let (socket, queue) = (self.socket(input), input.u8().into());
                let request = QueueRequest::config(queue).maximum_length(input.u16().into());
                let request = request.queue_flags(input.u8().into(), input.u8().into());
                let _ = self.kernel.send(socket, &request.bytes());
            }
            Action::Packet => {
                let family = if input.u8() & 1 == 0 {
                    Family::Ipv4
                } else {
                    Family::Ipv6
                };
                let packet = Packet::udp(family)
                    .length(usize::from(input.u16()) % 2000)
                    .tos(input.u8());
                self.kernel.inject("tap0", packet.frame()).expect("a frame arrives");
            }
            Action::Frame => {
                let device = ["tap0", "tap1"][usize::from(input.u8() & 1)];
                let _ = self.kernel.inject(device, input.bytes().to_vec());
            }
            Action::Output => {
                let _ = self.kernel.output(input.bytes().to_vec());
            }
            Action::Receive => {
                let socket = self.socket(input);
                let room = usize::from(input.u16());
                if let Ok(datagram) = self.kernel.receive(socket, &mut self.buffer[..room]) {
                    assert!(datagram.copied <= room && datagram.copied <= datagram.length);
                    assert_eq!(datagram.sender, PortId::KERNEL);
                }
            }
            Action::Reopen => {
                let place = usize::from(input.u8()) % SOCKETS;
                self.kernel.close(self.sockets[place]);
                let socket = self
                    .kernel
                    .open(ClientId::FIRST, PROTOCOL.into())
                    .expect("a socket opens");
                let _ = self.kernel.bind(socket, PortId(input.u32()));
                self.sockets[place] = socket;
            }
            Action::Options => {
                let (socket, bits) = (self.socket(input), input.u8());
                let set = self.kernel.set_cap_ack(socket, bits & 1 != 0);
                let set = set.and_then(|()| self.kernel.set_ext_ack(socket, bits & 2 != 0));
                let set = set.and_then(|()| self.kernel.set_no_enobufs(socket, bits & 4 != 0));
                set.expect("the socket is open");
                let _ = self.kernel.set_receive_buffer(socket, input.u16().into());
            }
            Action::Link => {
                let device = ["tap0", "tap1"][usize::from(input.u8() & 1)];
                let up = input.u8() & 1 != 0;
                self.kernel.set_link(device, up).expect("the device is there");
            }
            Action::Capability => self.kernel.set_net_admin(ClientId::FIRST, input.u8() & 1 != 0),
        }
        for device in ["tap0", "tap1"] {
            while self.kernel.sniff(device).expect("the device is there").is_some() {}
        }
    }

    /// Checks that entered = delivered + dropped + queued, and that the numbers of waiting packets
    /// in `/proc` add up to queued.
    fn balance(&self) {
        let books = self.kernel.accounting();
        assert!(books.balances(), "{books:?}");
        let text = self
            .kernel
            .numbered_queues_text()
            .expect("the kernel has numbered queues");
        let waiting: u64 = text
            .lines()
            .map(|line| {
                let mut columns = line.split_whitespace();
                let column = columns.nth(2).and_then(|column| column.parse::<u64>().ok());
                column.expect("a line has the number of packets")
            })
            .sum();
        assert_eq!(waiting, books.queued, "{text}");
    }
}
