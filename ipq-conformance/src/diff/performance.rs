//! Carries out a plan in a world, and writes down what the world answers.

use super::plan::{Action, Envelope, Plan, Replacement, Slot};
use crate::recording::RecordedStep;
use crate::replay::ReplayError;
use crate::suite::{PORT_IDS, Packet, Request};
use crate::world::topology::{LO, TAP0, TAP1};
use crate::world::{Observation, Received, Setup, Step, World};
use bytes::Bytes;
use ipq_core::wire::{Abi, Message};
use ipq_core::{Family, PacketId, PortId, Verdict};

/// The most frames that are read from each socket and each device at the end.
const MOST_LEFT: usize = 200;
/// The size of a receive buffer that holds every message, in bytes.
const FRAME_BYTES: usize = 1 << 17;

/// Begins the fresh `world`, carries out `plan`, reads the frames that are left, and ends the
/// world. From each socket and device at most 200 frames are read at the end. Returns the steps
/// that were done, with the world's answers.
pub(super) fn perform(plan: &Plan, setup: &Setup, world: &mut dyn World) -> Result<Vec<RecordedStep>, ReplayError> {
    let abi = world.describe().machine.abi;
    let begun = world.begin(setup);
    begun.map_err(|error| ReplayError::World { step: None, error })?;
    let mut performance = Performance {
        world,
        abi,
        open: Vec::new(),
        down: Vec::new(),
        net_admin: true,
        numbered: Vec::new(),
        packets: Vec::new(),
        steps: Vec::new(),
    };
    for action in &plan.actions {
        performance.act(action)?;
    }
    performance.end()?;
    let steps = performance.steps;
    world.end().map_err(|error| ReplayError::World {
        step: Some(steps.len()),
        error,
    })?;
    Ok(steps)
}

struct Performance<'w> {
    world: &'w mut dyn World,
    abi: Abi,
    open: Vec<Slot>,
    /// The devices that an [`Action::Link`] has set down, and none has set up again.
    down: Vec<&'static str>,
    /// `true` if the world's process has `CAP_NET_ADMIN`: at the beginning, and then as the plan's
    /// steps set it.
    net_admin: bool,
    /// The names of the sockets that an [`Action::Step`] has opened, or tried to, and none has
    /// closed.
    numbered: Vec<String>,
    /// The packets that were read, in order, each with the slot that read it. Closing a socket
    /// removes those of its family.
    packets: Vec<(Slot, PacketId, Bytes)>,
    steps: Vec<RecordedStep>,
}

impl Performance<'_> {
    fn act(&mut self, action: &Action) -> Result<(), ReplayError> {
        match *action {
            Action::Open(slot) => self.open(slot),
            Action::Close(slot) => self.close(slot),
            Action::Send { slot, ref request } => self.send(slot, request),
            Action::Verdict {
                slot,
                age,
                verdict,
                replacement,
                envelope,
            } => self.verdict(slot, age, verdict, replacement, envelope),
            Action::Receive { slot, size } => self.receive(slot, size).map(drop),
            Action::Inject {
                device,
                ref frame,
                count,
            } => self.do_step(Step::Inject {
                device: device.name.into(),
                frame: frame.clone(),
                count,
            }),
            Action::Output(ref packet) => self.output(packet),
            Action::Sniff(device) => self.sniff(device.name).map(drop),
            Action::Link { device, up } => self.link(device.name, up),
            Action::NetAdmin { held } => {
                self.net_admin = held;
                self.do_step(Step::NetAdmin { held })
            }
            Action::Step(ref step) => self.given(step),
        }
    }

    /// Does a step unchanged. Skips it if its socket is not open, if it opens a socket that is
    /// open, or if it sets a device up or down without `CAP_NET_ADMIN`.
    fn given(&mut self, step: &Step) -> Result<(), ReplayError> {
        let is_open = |name: &str| self.numbered.iter().any(|open| open == name);
        match step {
            Step::Open { socket, .. } if !is_open(socket) => self.numbered.push(socket.clone()),
            Step::Close { socket } if is_open(socket) => self.numbered.retain(|open| open != socket),
            Step::Open { .. } => return Ok(()),
            Step::Link { .. } if !self.net_admin => return Ok(()),
            Step::NetAdmin { held } => self.net_admin = *held,
            step if step.socket().is_some_and(|name| !is_open(name)) => return Ok(()),
            _ => {}
        }
        self.do_step(step.clone())
    }

    /// Opens the slot's socket, unless it is open. Does nothing without `CAP_NET_ADMIN`, since
    /// kernels differ on whether a socket opened without it may send later.
    fn open(&mut self, slot: Slot) -> Result<(), ReplayError> {
        if self.open.contains(&slot) || !self.net_admin {
            return Ok(());
        }
        let seen = self.step(Step::Open {
            socket: name(slot).into(),
            protocol: slot.family().netlink_protocol().into(),
            bind: Some(port_id(slot).0),
        })?;
        if matches!(seen, Observation::Open { failed_at: None, .. }) {
            self.open.push(slot);
        }
        Ok(())
    }

    fn close(&mut self, slot: Slot) -> Result<(), ReplayError> {
        if !self.open.contains(&slot) {
            return Ok(());
        }
        self.open.retain(|other| *other != slot);
        self.packets.retain(|(other, ..)| other.family() != slot.family());
        self.do_step(Step::Close {
            socket: name(slot).into(),
        })
    }

    /// Sends a packet from this host to itself. Does nothing without `CAP_NET_ADMIN`, or while tap0
    /// is down: a device that is down has no IPv6 address to send to.
    fn output(&mut self, packet: &Packet) -> Result<(), ReplayError> {
        if !self.net_admin || self.down.contains(&TAP0.name) {
            return Ok(());
        }
        self.do_step(Step::Output {
            device: LO.into(),
            packet: packet.clone().to_host().ip(),
        })
    }

    fn link(&mut self, device: &'static str, up: bool) -> Result<(), ReplayError> {
        if !self.net_admin {
            return Ok(());
        }
        self.down.retain(|name| *name != device);
        self.down.extend((!up).then_some(device));
        self.do_step(Step::Link {
            device: device.into(),
            up,
        })
    }

    fn end(&mut self) -> Result<(), ReplayError> {
        for slot in Slot::ALL {
            self.exhaust(|this| this.receive(slot, FRAME_BYTES))?;
        }
        for socket in self.numbered.clone() {
            let receive = Step::Receive {
                socket,
                size: FRAME_BYTES,
            };
            self.exhaust(|this| Ok(this.step(receive.clone())? != Observation::Receive(Received::Nothing)))?;
        }
        for device in [TAP0, TAP1] {
            self.exhaust(|this| this.sniff(device.name))?;
        }
        Ok(())
    }

    /// Calls `take` until it returns `false`, at most [`MOST_LEFT`] times.
    fn exhaust(&mut self, mut take: impl FnMut(&mut Self) -> Result<bool, ReplayError>) -> Result<(), ReplayError> {
        let mut left = MOST_LEFT;
        while left > 0 && take(self)? {
            left -= 1;
        }
        Ok(())
    }

    fn verdict(
        &mut self,
        slot: Slot,
        age: usize,
        verdict: Verdict,
        replacement: Replacement,
        envelope: Envelope,
    ) -> Result<(), ReplayError> {
        let mut of_this_queue = self
            .packets
            .iter()
            .rev()
            .filter(|(other, ..)| other.family() == slot.family());
        let Some((_, id, packet)) = of_this_queue.nth(age).cloned() else {
            return Ok(());
        };
        let request = Request::verdict(id, verdict)
            .flags(envelope.flags)
            .sequence(envelope.sequence);
        let last = packet.len().saturating_sub(1);
        let request = match replacement {
            Replacement::None => request,
            Replacement::Changed => request.replacement(&changed_at(&packet, last)),
            Replacement::OtherHops => {
                let at = match slot.family() {
                    Family::Ipv4 => 8,
                    Family::Ipv6 => 7,
                };
                request.replacement(&changed_at(&packet, at))
            }
            Replacement::OtherService => request.replacement(&changed_at(&packet, 1)),
            Replacement::Longer(bytes) => request.replacement(&[&packet[..], &vec![0x77; bytes]].concat()),
            Replacement::Shorter(bytes) => request.replacement(&packet[..packet.len().saturating_sub(bytes)]),
            Replacement::Stub(bytes) => request.replacement(&vec![0x45; bytes.min(19)]),
            Replacement::Cut => request
                .replacement(&changed_at(&packet, last))
                .data_len(packet.len() as u64 + 1),
        };
        self.send(slot, &request)
    }

    fn send(&mut self, slot: Slot, request: &Request) -> Result<(), ReplayError> {
        if !self.open.contains(&slot) {
            return Ok(());
        }
        let bytes = request.bytes(self.abi, port_id(slot));
        self.do_step(Step::Send {
            socket: name(slot).into(),
            to: None,
            bytes,
        })
    }

    /// Receives from the slot's socket, and keeps the packet of a packet message. Returns `false`
    /// if nothing came or the socket is not open; a receive call that fails gives `true`.
    fn receive(&mut self, slot: Slot, size: usize) -> Result<bool, ReplayError> {
        if !self.open.contains(&slot) {
            return Ok(false);
        }
        let seen = self.step(Step::Receive {
            socket: name(slot).into(),
            size,
        })?;
        if let Observation::Receive(Received::Frame { bytes, .. }) = &seen
            && let Ok(Message::Packet(packet)) = Message::parse(bytes, self.abi)
        {
            let payload = Bytes::copy_from_slice(packet.payload());
            self.packets.push((slot, packet.packet_id(), payload));
        }
        Ok(seen != Observation::Receive(Received::Nothing))
    }

    /// Takes a frame that left by a device. Returns `false` if there was none.
    fn sniff(&mut self, device: &str) -> Result<bool, ReplayError> {
        let seen = self.step(Step::Sniff { device: device.into() })?;
        Ok(matches!(seen, Observation::Sniff { frame: Some(_) }))
    }

    fn do_step(&mut self, step: Step) -> Result<(), ReplayError> {
        self.step(step).map(drop)
    }

    fn step(&mut self, step: Step) -> Result<Observation, ReplayError> {
        let seen = self.world.step(&step).map_err(|error| ReplayError::World {
            step: Some(self.steps.len() + 1),
            error,
        })?;
        self.steps.push(RecordedStep {
            step,
            seen: seen.clone(),
        });
        Ok(seen)
    }
}

/// Returns the packet with the byte at `at` changed; unchanged if it has no such byte.
fn changed_at(packet: &[u8], at: usize) -> Vec<u8> {
    let mut changed = packet.to_vec();
    if let Some(byte) = changed.get_mut(at) {
        *byte ^= 0x5a;
    }
    changed
}

const fn name(slot: Slot) -> &'static str {
    match slot {
        Slot::Ipv4 => "a",
        Slot::Ipv6 => "b",
        Slot::SecondIpv4 => "c",
    }
}

const fn port_id(slot: Slot) -> PortId {
    PORT_IDS[slot as usize]
}
