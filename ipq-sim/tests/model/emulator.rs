//! The emulator under test, driven by the steps that the model gets, too.

use crate::model::{id_in, named};
use crate::step::{Answer, DEVICES, Reason, Setup, SocketView, Step, View};
use ipq_core::wire::{Abi, Hook, PacketId};
use ipq_core::{Errno, Family, PortId};
use ipq_sim::{ClientId, DropReason, Kernel, Profile, Rule, SocketId, Table, Target};

/// The size of the buffer for one receive call, in bytes: more than the longest datagram has.
const BUFFER_BYTES: usize = 1 << 18;

#[cfg(feature = "seeded-faults")]
thread_local! {
    /// The fault that the emulators of this thread are made with. `None` for no fault.
    pub(crate) static FAULT: std::cell::Cell<Option<ipq_sim::Fault>> = const { std::cell::Cell::new(None) };
}

pub(crate) struct Emulator {
    kernel: Kernel,
    abi: Abi,
    sockets: Vec<(usize, SocketId)>,
    /// The packet ids that [`Step::Receive`] has read, in order.
    seen: Vec<PacketId>,
    buffer: Vec<u8>,
}

impl Emulator {
    pub(crate) fn new(setup: &Setup) -> Self {
        let profile = Profile::by_name(setup.kernel).expect("the emulator has that profile");
        let builder = Kernel::builder().profile(profile).process_id(setup.process_id);
        #[cfg(feature = "seeded-faults")]
        let builder = match FAULT.get() {
            Some(fault) => builder.fault(fault),
            None => builder,
        };
        let mut kernel = builder.build().unwrap();
        for rule in &setup.rules {
            let rule = Rule {
                family: rule.family,
                table: if rule.filter { Table::Filter } else { Table::Mangle },
                chain: Hook::from_wire(rule.hook),
                protocol: rule.protocol,
                matches: None,
                target: rule.mark.map_or(Target::Queue, Target::Mark),
            };
            kernel.add_rule(rule).unwrap();
        }
        Self {
            kernel,
            abi: profile.abi,
            sockets: Vec::new(),
            seen: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
        }
    }

    /// Returns the bytes that a step sends to the emulator, with the emulator's packet id where the
    /// step names a packet that was read. Returns `None` if the step sends nothing.
    pub(crate) fn sent(&self, step: &Step) -> Option<Vec<u8>> {
        match step {
            Step::Send { bytes, names, .. } => Some(named(bytes, names.map(|number| self.seen[number]), self.abi)),
            _ => None,
        }
    }

    pub(crate) fn step(&mut self, step: &Step) -> Answer {
        match step {
            Step::Open { socket, protocol, bind } => self.open(*socket, *protocol, *bind),
            Step::Bind { socket, port_id } => {
                let id = self.socket(*socket);
                let errno = self.kernel.bind(id, PortId(*port_id)).err().map_or(0, |errno| errno.0);
                let port_id = self.kernel.port_id(id).unwrap_or_default().0;
                Answer::Bind { errno, port_id }
            }
            Step::Close { socket } => {
                let id = self.socket(*socket);
                self.sockets.retain(|(_, open)| *open != id);
                self.kernel.close(id);
                Answer::Done
            }
            Step::Send { socket, to, .. } => {
                let bytes = self.sent(step).unwrap_or_default();
                let id = self.socket(*socket);
                let sent = match to {
                    Some(to) => self.kernel.send_to(id, PortId(*to), &bytes),
                    None => self.kernel.send(id, &bytes),
                };
                let failed = |Errno(errno)| Answer::Send { sent: -1, errno };
                sent.map_or_else(failed, |sent| Answer::Send {
                    sent: sent.try_into().unwrap(),
                    errno: 0,
                })
            }
            Step::Receive { socket, size } => {
                let answer = self.receive(*socket, *size);
                if let Answer::Frame { bytes, sender: 0 } = &answer {
                    self.seen.extend(id_in(bytes, self.abi));
                }
                answer
            }
            Step::Drain { socket } => self.drain(*socket),
            Step::ReceiveBuffer { socket, bytes } => Answer::BufferSize {
                actual: self.kernel.set_receive_buffer(self.socket(*socket), *bytes).unwrap(),
            },
            Step::NoEnobufs { socket } => {
                self.kernel.set_no_enobufs(self.socket(*socket), true).unwrap();
                Answer::Done
            }
            Step::SocketError { socket } => Answer::SocketError {
                errno: self
                    .kernel
                    .take_error(self.socket(*socket))
                    .unwrap()
                    .map_or(0, |errno| errno.0),
            },
            Step::Inject { device, frame, count } => {
                for _ in 0..*count {
                    self.kernel.inject(DEVICES[*device], frame.clone()).unwrap();
                }
                Answer::Done
            }
            Step::Output { packet } => {
                self.kernel.output(packet.clone()).unwrap();
                Answer::Done
            }
            Step::Sniff { device } => Answer::Sniff {
                frame: self
                    .kernel
                    .sniff(DEVICES[*device])
                    .unwrap()
                    .map(|frame| frame.to_bytes().to_vec()),
            },
            Step::Proc { family } => Answer::Text(self.kernel.proc_text(*family)),
            Step::Sysctl { family, value } => {
                self.kernel.set_maximum_length(*family, value.cast_unsigned());
                Answer::Done
            }
            Step::ReadSysctl { family } => {
                let length = self.kernel.maximum_length(*family);
                Answer::Text(length.map(|length| length.cast_signed().to_string()))
            }
            Step::Link { device, up } => {
                self.kernel.set_link(DEVICES[*device], *up).unwrap();
                Answer::Done
            }
            Step::NetAdmin { held } => {
                self.kernel.set_net_admin(ClientId::FIRST, *held);
                Answer::Done
            }
            Step::Module { family, loaded: true } => {
                self.kernel.load(*family);
                Answer::Done
            }
            Step::Module { family, loaded: false } => {
                self.kernel.unload(*family);
                Answer::Done
            }
            Step::Advance { by } => {
                self.kernel.advance(*by);
                Answer::Done
            }
            Step::Look(look) => unreachable!("{look:?} is part of the view"),
        }
    }

    pub(crate) fn view(&self) -> View {
        let accounting = self.kernel.accounting();
        assert!(accounting.balances(), "{accounting:?}");
        let socket = |(number, id): &(usize, SocketId)| SocketView {
            socket: *number,
            port_id: self.kernel.port_id(*id).unwrap_or_default().0,
            readable: self.kernel.is_readable(*id),
            error: self.kernel.has_error(*id),
        };
        let lengths = Family::ALL.map(|family| self.kernel.queue_length(family).unwrap_or(0) as u64);
        assert_eq!(accounting.queued, lengths.iter().sum::<u64>(), "{accounting:?}");
        let mut dropped = [0; Reason::COUNT];
        for reason in DropReason::ALL {
            match named_by(*reason) {
                Some(named) => dropped[named as usize] += accounting.dropped_for(*reason),
                None => assert_eq!(accounting.dropped_for(*reason), 0, "{reason}"),
            }
        }
        View {
            now: self.kernel.now(),
            proc: Family::ALL.map(|family| self.kernel.proc_text(family)),
            entered: accounting.entered,
            delivered: accounting.delivered,
            queued: accounting.queued,
            dropped,
            sockets: self.sockets.iter().map(socket).collect(),
        }
    }

    fn open(&mut self, number: usize, protocol: i32, bind: Option<u32>) -> Answer {
        let failed = |failed_at, Errno(errno)| Answer::Open {
            failed_at: Some(failed_at),
            errno,
            port_id: None,
        };
        let id = match self.kernel.open(ClientId::FIRST, protocol) {
            Ok(id) => id,
            Err(errno) => return failed("socket", errno),
        };
        self.sockets.push((number, id));
        match bind.map(|wanted| self.kernel.bind(id, PortId(wanted))) {
            Some(Err(errno)) => failed("bind", errno),
            Some(Ok(_)) | None => Answer::Open {
                failed_at: None,
                errno: 0,
                port_id: self.kernel.port_id(id).map(|port_id| port_id.0),
            },
        }
    }

    fn receive(&mut self, socket: usize, size: usize) -> Answer {
        let id = self.socket(socket);
        let size = size.min(self.buffer.len());
        match self.kernel.receive(id, &mut self.buffer[..size]) {
            Ok(received) => {
                assert!(received.length <= BUFFER_BYTES);
                Answer::Frame {
                    bytes: self.buffer[..received.copied].to_vec(),
                    sender: received.sender.0,
                }
            }
            Err(Errno::EAGAIN) => Answer::Nothing,
            Err(Errno(errno)) => Answer::Error { errno },
        }
    }

    fn drain(&mut self, socket: usize) -> Answer {
        let (mut frames, mut packets, mut enobufs_before_frame) = (0, 0, None);
        loop {
            match self.receive(socket, usize::MAX) {
                Answer::Frame { bytes, .. } => {
                    frames += 1;
                    packets += usize::from(bytes.get(4..6) == Some(&[0x13, 0]));
                }
                Answer::Error { .. } => enobufs_before_frame = Some(frames),
                _ => {
                    return Answer::Drain {
                        frames,
                        packets,
                        enobufs_before_frame,
                    };
                }
            }
        }
    }

    fn socket(&self, number: usize) -> SocketId {
        let (_, id) = self
            .sockets
            .iter()
            .find(|(open, _)| *open == number)
            .expect("the socket is open");
        *id
    }
}

/// Returns the model's name of a reason. Returns `None` for a reason that no kernel with `ip_queue`
/// has.
pub(crate) fn named_by(reason: DropReason) -> Option<Reason> {
    Some(match reason {
        DropReason::Verdict => Reason::Verdict,
        DropReason::NoListener => Reason::NoListener,
        DropReason::QueueFull => Reason::QueueFull,
        DropReason::Undeliverable => Reason::Undeliverable,
        DropReason::PeerClosed => Reason::PeerClosed,
        DropReason::PeerReplaced => Reason::PeerReplaced,
        DropReason::DeviceDown => Reason::DeviceDown,
        DropReason::ModuleUnloaded => Reason::ModuleUnloaded,
        DropReason::ReplacementTooLong => Reason::ReplacementTooLong,
        DropReason::ReplacementTooShort => return None,
        DropReason::NotReroutable => Reason::NotReroutable,
        DropReason::NotIp => Reason::NotIp,
        DropReason::OtherHost => Reason::OtherHost,
        DropReason::Malformed => Reason::Malformed,
        DropReason::Martian => Reason::Martian,
        DropReason::NoRoute => Reason::NoRoute,
        DropReason::HopLimit => Reason::HopLimit,
        DropReason::TooLong => Reason::TooLong,
        DropReason::Unassembled => Reason::Unassembled,
        DropReason::NoNeighbour => Reason::NoNeighbour,
    })
}
