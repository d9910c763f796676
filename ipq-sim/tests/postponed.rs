//! In a long queue verdicts are carried out together. A program on a `Sim` is told what it would be told if each were carried out at
//! once, as a `Kernel` does by itself.

mod support;

use bytes::Bytes;
use etherparse::PacketBuilder;
use ipq_core::handle::Decision;
use ipq_core::transport::TransportError;
use ipq_core::wire::{Abi, Envelope, Flags, Message, ModeRequest, VerdictRequest};
use ipq_core::{CopyMode, Errno, Family, Handle, Hook, PacketId, PortId, Transport, Verdict, Wait};
use ipq_sim::{ClientId, IdReuse, Kernel, OutgoingFrame, Rule, Sim, SimTransport, SocketId};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use std::io::IoSlice;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake};
use support::{frame, next};

const PORT_ID: PortId = PortId(4242);
const ABI: Abi = Abi::LP64_LITTLE;
/// So many that verdicts wait for each other, and so few that they would not.
const LONG: usize = 5000;
const SHORT: usize = 40;

/// Has a kernel queue what it forwards, and queue it again where it leaves.
fn prepare(kernel: &mut Kernel) {
    for family in Family::ALL {
        for hook in [Hook::Forward, Hook::Postrouting] {
            kernel.add_rule(Rule::queue(family, hook)).unwrap();
        }
        kernel.set_maximum_length(family, u32::MAX);
    }
    kernel.keep_journal();
}

/// A UDP packet in an Ethernet frame that is forwarded.
fn frame_of(family: Family, payload: usize) -> Vec<u8> {
    if family == Family::Ipv4 {
        return frame(payload);
    }
    let address = |network| [0xfd, 0, 0, network, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0x20, 1], [2, 0, 0, 0, 0x10, 1])
        .ipv6(address(1), address(2), 64)
        .udp(4000, 5000)
        .write(&mut frame, &vec![0x55; payload])
        .unwrap();
    frame
}

/// The same program on two kernels.
struct Both {
    sim: Sim,
    /// By family, as all that follows but the kernel.
    handles: [Handle<SimTransport>; 2],
    kernel: Kernel,
    sockets: [SocketId; 2],
    ids: [Vec<PacketId>; 2],
}

impl Both {
    /// With a long queue of IPv4 and a short one of IPv6, of which every frame has been read.
    fn new(reuse: IdReuse) -> Self {
        let sim = Kernel::builder().id_reuse(reuse).simulate().unwrap();
        sim.with(prepare);
        let handles = Family::ALL.map(|family| sim.open(family).unwrap());
        let mut kernel = Kernel::builder().id_reuse(reuse).build().unwrap();
        prepare(&mut kernel);
        let process_id = PortId(kernel.process_id(ClientId::FIRST));
        let sockets = Family::ALL.map(|family| {
            let socket = kernel.open(ClientId::FIRST, family.netlink_protocol().into()).unwrap();
            kernel.bind(socket, process_id).unwrap();
            socket
        });
        let mut both = Self {
            sim,
            handles,
            kernel,
            sockets,
            ids: Default::default(),
        };
        for (family, length) in Family::ALL.into_iter().zip([LONG, SHORT]) {
            both.mode(family, CopyMode::Meta);
            for _ in 0..length {
                both.inject(family, 8);
                both.read(family);
            }
            assert_eq!(both.ids[family as usize].len(), length);
        }
        both
    }

    fn envelope(flags: Flags) -> Envelope {
        Envelope {
            flags,
            ..Envelope::request(PORT_ID)
        }
    }

    fn send(&mut self, family: Family, message: &[u8]) {
        let sent = self.handles[family as usize].transport().send(&[IoSlice::new(message)]);
        let expected = self.kernel.send(self.sockets[family as usize], message);
        assert_eq!(sent, expected.map_err(TransportError::System));
    }

    fn mode(&mut self, family: Family, mode: CopyMode) {
        let head = ModeRequest { mode, range: 0 }.head(ABI, Self::envelope(Flags::REQUEST));
        self.send(family, &head);
    }

    fn verdict(&mut self, family: Family, packet_id: PacketId, verdict: Verdict, flags: Flags, replacement: &[u8]) {
        let request = VerdictRequest {
            verdict,
            packet_id,
            data_len: replacement.len() as u64,
        };
        let head = request.head(ABI, Self::envelope(flags), replacement.len());
        self.send(family, &[&head, replacement].concat());
    }

    fn inject(&mut self, family: Family, payload: usize) {
        let frame = Bytes::from(frame_of(family, payload));
        let serial = self.sim.inject("tap0", frame.clone());
        assert_eq!(serial, self.kernel.inject("tap0", frame));
    }

    /// Reads what comes next, and keeps the id if it is a packet.
    fn read(&mut self, family: Family) {
        let (mut buffer, mut expected) = ([0; 2048], [0; 2048]);
        let handle = &self.handles[family as usize];
        let received = handle.transport().receive(&mut buffer, Wait::Never);
        let wanted = self.kernel.receive(self.sockets[family as usize], &mut expected);
        let wanted = wanted.map_err(|errno| match errno {
            Errno::EAGAIN => TransportError::TimedOut,
            Errno::ENOBUFS => TransportError::Overrun,
            other => TransportError::System(other),
        });
        assert_eq!(received, wanted);
        assert_eq!(&buffer[..], &expected[..]);
        if let Ok(received) = received
            && let Ok(Message::Packet(packet)) = Message::parse(&buffer[..received.copied], ABI)
        {
            self.ids[family as usize].push(packet.packet_id());
        }
    }

    fn left(&mut self) {
        let frame = |frame: Option<OutgoingFrame>| frame.map(|frame| frame.to_bytes());
        let left = frame(self.sim.sniff("tap1").unwrap());
        assert_eq!(left, frame(self.kernel.sniff("tap1").unwrap()));
    }

    fn link(&mut self, up: bool) {
        self.sim.with(|kernel| kernel.set_link("tap0", up)).unwrap();
        self.kernel.set_link("tap0", up).unwrap();
    }

    fn look(&mut self) {
        assert!(format!("{:?}", self.sim).contains(&format!("{:?}", self.kernel.accounting())));
        assert_eq!(self.sim.accounting(), *self.kernel.accounting());
        for family in Family::ALL {
            let text = self.sim.with(|kernel| kernel.proc_text(family));
            assert_eq!(text, self.kernel.proc_text(family));
        }
        assert_eq!(self.sim.with(Kernel::take_events), self.kernel.take_events());
    }
}

#[derive(Clone, Copy, Debug)]
enum Action {
    /// A verdict on one of the packets that were read; of those that were read last, if that is set.
    Verdict {
        which: usize,
        last: bool,
        verdict: Verdict,
    },
    /// The same with a replacement, or with a wish to be told of success.
    Replaced(usize),
    Acknowledged(usize),
    /// On a packet that was not read: its id is so many entries behind the last one's.
    Guessed(u64),
    Mode(CopyMode),
    Inject,
    Read,
    Left,
    Link(bool),
    Look,
}

fn action() -> impl Strategy<Value = Action> {
    let verdicts = [
        Verdict::Accept,
        Verdict::Accept,
        Verdict::Accept,
        Verdict::Drop,
        Verdict::Queue,
        Verdict::Repeat,
        Verdict::Stop,
        Verdict::Stolen,
    ];
    let verdict = (0..LONG, any::<bool>(), prop::sample::select(verdicts.to_vec()));
    prop_oneof![
        60 => verdict.prop_map(|(which, last, verdict)| Action::Verdict { which, last, verdict }),
        1 => (0..LONG).prop_map(Action::Replaced),
        1 => (0..LONG).prop_map(Action::Acknowledged),
        2 => (0..4_u64).prop_map(Action::Guessed),
        1 => prop::sample::select(vec![CopyMode::Meta, CopyMode::Packet]).prop_map(Action::Mode),
        1 => Just(Action::Inject),
        3 => Just(Action::Read),
        1 => Just(Action::Left),
        1 => any::<bool>().prop_map(Action::Link),
        1 => Just(Action::Look),
    ]
}

impl Both {
    fn id(&self, family: Family, which: usize, last: bool) -> PacketId {
        let ids = &self.ids[family as usize];
        let which = if last { ids.len() - 1 - which % 8 } else { which };
        ids[which % ids.len()]
    }

    fn act(&mut self, family: Family, action: Action) {
        match action {
            Action::Verdict { which, last, verdict } => {
                self.verdict(family, self.id(family, which, last), verdict, Flags::REQUEST, &[]);
            }
            Action::Replaced(which) => {
                let id = self.id(family, which, false);
                self.verdict(family, id, Verdict::Accept, Flags::REQUEST, &[0x45; 60]);
            }
            Action::Acknowledged(which) => {
                let id = self.id(family, which, false);
                self.verdict(family, id, Verdict::Drop, Flags::REQUEST | Flags::ACK, &[]);
            }
            Action::Guessed(behind) => {
                // Entries are as far apart as the ids of the first two packets.
                let ids = &self.ids[family as usize];
                let distance = ids[1].0 - ids[0].0;
                let newest = ids.iter().max().copied().unwrap_or_default();
                let guess = PacketId(newest.0 + behind * distance);
                self.verdict(family, guess, Verdict::Drop, Flags::REQUEST, &[]);
            }
            Action::Mode(mode) => self.mode(family, mode),
            Action::Inject => self.inject(family, 300),
            Action::Read => self.read(family),
            Action::Left => self.left(),
            Action::Link(up) => self.link(up),
            Action::Look => self.look(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn nobody_can_tell_when_a_verdict_is_carried_out(
        reuse in prop::sample::select(vec![IdReuse::LastFreedFirst, IdReuse::Never]),
        actions in prop::collection::vec((any::<bool>(), action()), 1..200),
    ) {
        let mut both = Both::new(reuse);
        for (ipv6, action) in actions {
            both.act(if ipv6 { Family::Ipv6 } else { Family::Ipv4 }, action);
        }
        both.look();
        for family in Family::ALL {
            for _ in 0..300 {
                both.read(family);
                both.left();
            }
        }
    }
}

/// A verdict on a packet that one before it has queued again.
#[test]
fn a_verdict_finds_what_the_one_before_it_did() {
    let mut both = Both::new(IdReuse::LastFreedFirst);
    let ids = &both.ids[Family::Ipv4 as usize];
    let (id, newest) = (ids[100], ids[LONG - 1]);
    let next = PacketId(newest.0 + (ids[1].0 - ids[0].0));
    both.verdict(Family::Ipv4, id, Verdict::Queue, Flags::REQUEST, &[]);
    both.verdict(Family::Ipv4, next, Verdict::Drop, Flags::REQUEST, &[]);
    both.look();
    assert_eq!(
        both.sim.with(|kernel| kernel.queue_length(Family::Ipv4)),
        Some(LONG - 1)
    );
}

/// What a call returns is a matter of some faults.
#[cfg(feature = "seeded-faults")]
#[test]
fn a_fault_is_seen_in_the_call_that_commits_it() {
    let mut both = Both::new(IdReuse::LastFreedFirst);
    let fault = ipq_sim::Fault::SentCountShort;
    both.sim.with(|kernel| kernel.seed_fault(fault));
    both.kernel.seed_fault(fault);
    for place in [100, 3000] {
        both.verdict(Family::Ipv4, both.ids[0][place], Verdict::Drop, Flags::REQUEST, &[]);
    }
    both.look();
}

/// Many at a time, in any order, come to what they come to one by one.
#[test]
fn many_verdicts_are_carried_out_when_somebody_looks() {
    let both = Both::new(IdReuse::LastFreedFirst);
    for chunk in both.ids[0].chunks(700).rev() {
        let decisions = chunk.iter().rev().map(|id| Decision::new(*id, Verdict::Drop));
        both.handles[0].set_verdicts(decisions, |decision, error| panic!("{decision:?}: {error}"));
    }
    assert_eq!(both.sim.with(|kernel| kernel.queue_length(Family::Ipv4)), Some(0));
    assert_eq!(both.sim.accounting().dropped(), LONG as u64);
}

/// Other threads may look at any time.
#[test]
fn on_a_kernel_of_several_threads_verdicts_are_carried_out_at_once() {
    let sim = Kernel::builder().share().unwrap();
    sim.with(prepare);
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Meta, 0).unwrap();
    let mut ids = Vec::new();
    for _ in 0..LONG {
        sim.inject("tap0", frame(8)).unwrap();
        ids.push(next(&handle, Wait::Never).unwrap());
    }
    for (count, id) in (1..).zip(ids.into_iter().step_by(700)) {
        handle.set_verdict(id, Verdict::Drop, None).unwrap();
        assert_eq!(sim.accounting().dropped(), count);
    }
}

/// Whoever waits to be woken is woken by the call that brings it.
#[test]
fn a_task_that_waits_for_what_a_verdict_brings_is_woken_at_once() {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let both = Both::new(IdReuse::LastFreedFirst);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let mut buffer = [0; 256];
    let mut reading = pin!(both.handles[0].read_async(&mut buffer));
    let waker = Arc::clone(&woken).into();
    assert!(reading.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    both.handles[0]
        .set_verdict(both.ids[0][100], Verdict::Queue, None)
        .unwrap();
    assert!(woken.0.load(Ordering::Relaxed));
}
