//! The listeners that use `ipq-core`'s handle on its transport `nfqueue`.

use crate::listener::{Failed, Listener, MAX_LENGTH, QUEUE, RANGE, RECEIVE_BUFFER, Way};
use crate::task::Task;
use ipq_core::handle::{Buffers, Decision};
use ipq_core::transport::nfqueue::{NfQueue, Options};
use ipq_core::wire::{MessageMut, PacketMut};
use ipq_core::{Family, Handle, Transport, Verdict, Wait};

/// The beginning of the names of all listeners in this file.
pub(crate) const NAME: &str = "ipq";

pub(crate) const WAYS: &[Way] = &[
    Way {
        name: "ipq, one by one",
        replaces: true,
        open: |task| Ok(Box::new(OneByOne::open(task)?)),
    },
    Way {
        name: "ipq, one by one, in functions",
        replaces: true,
        open: |task| Ok(Box::new(InFunctions(OneByOne::open(task)?))),
    },
    Way {
        name: "ipq, 32 and 32 coalesced",
        replaces: true,
        open: |task| Ok(Box::new(Many::open(task, 32, false)?)),
    },
    Way {
        name: "ipq, 32 and batch verdicts",
        replaces: false,
        open: |task| Ok(Box::new(Many::open(task, 32, true)?)),
    },
    Way {
        name: "ipq, 64 and batch verdicts",
        replaces: false,
        open: |task| Ok(Box::new(Many::open(task, 64, true)?)),
    },
];

/// A listener that reads one packet, and then gives its verdict.
struct OneByOne {
    handle: Handle<NfQueue>,
    replace: bool,
    buffer: Vec<u8>,
}

impl OneByOne {
    fn open(task: Task) -> Result<Self, Failed> {
        let handle = open(task, false)?;
        Ok(Self {
            buffer: vec![0; handle.buffer_for(RANGE.into())],
            replace: task.replace,
            handle,
        })
    }
}

impl Listener for OneByOne {
    fn take(&mut self, packets: u64) -> Result<u64, Failed> {
        for _ in 0..packets {
            let MessageMut::Packet(packet) = self.handle.read_mut(&mut self.buffer, Wait::Forever)? else {
                return Err("the queue sent what is no packet".into());
            };
            let id = packet.packet_id();
            let replacement = self.replace.then(|| changed(packet));
            self.handle.set_verdict(id, Verdict::Accept, replacement)?;
        }
        Ok(packets)
    }
}

/// A listener like [`OneByOne`], in the shape that most programs have: one function reads, and
/// another gives the verdict.
struct InFunctions(OneByOne);

impl Listener for InFunctions {
    fn take(&mut self, packets: u64) -> Result<u64, Failed> {
        let OneByOne {
            handle,
            replace,
            buffer,
        } = &mut self.0;
        for _ in 0..packets {
            let packet = read(handle, buffer)?;
            decide(handle, packet, *replace)?;
        }
        Ok(packets)
    }
}

#[inline(never)]
fn read<'b>(handle: &Handle<NfQueue>, buffer: &'b mut [u8]) -> Result<PacketMut<'b>, Failed> {
    match handle.read_mut(buffer, Wait::Forever)? {
        MessageMut::Packet(packet) => Ok(packet),
        MessageMut::Other(_) => Err("the queue sent what is no packet".into()),
    }
}

#[inline(never)]
fn decide(handle: &Handle<NfQueue>, packet: PacketMut<'_>, replace: bool) -> Result<(), Failed> {
    let id = packet.packet_id();
    let replacement = replace.then(|| changed(packet));
    handle.set_verdict(id, Verdict::Accept, replacement)?;
    Ok(())
}

/// A listener that reads many packets in one call, and gives their verdicts in one call.
struct Many {
    handle: Handle<NfQueue>,
    replace: bool,
    buffers: Buffers,
}

impl Many {
    /// Opens a listener that reads up to `packets` packets at a time. With `batch_verdicts`, one
    /// message to the kernel may stand for several verdicts.
    fn open(task: Task, packets: usize, batch_verdicts: bool) -> Result<Self, Failed> {
        let handle = open(task, batch_verdicts)?;
        Ok(Self {
            buffers: Buffers::new(packets, handle.buffer_for(RANGE.into())),
            replace: task.replace,
            handle,
        })
    }
}

impl Listener for Many {
    fn take(&mut self, packets: u64) -> Result<u64, Failed> {
        let mut taken = 0;
        while taken < packets {
            let mut messages = self.handle.read_many(&mut self.buffers, Wait::Forever)?;
            taken += messages.len() as u64;
            let mut wrong = 0;
            let decisions = std::iter::from_fn(|| messages.next_mut()).filter_map(|message| {
                let Ok(MessageMut::Packet(packet)) = message else {
                    wrong += 1;
                    return None;
                };
                let decision = Decision::new(packet.packet_id(), Verdict::Accept);
                let replacement = self.replace.then(|| changed(packet));
                Some(Decision {
                    replacement,
                    ..decision
                })
            });
            let mut unsent = 0;
            self.handle.set_verdicts(decisions, |_, _| unsent += 1);
            if wrong + unsent > 0 {
                return Err(format!("{wrong} messages were no packets, {unsent} verdicts could not be sent").into());
            }
        }
        Ok(taken)
    }
}

pub(crate) fn open(task: Task, batch_verdicts: bool) -> Result<Handle<NfQueue>, Failed> {
    let handle = Handle::new(NfQueue::open_with(Options {
        queue_number: QUEUE,
        max_length: Some(MAX_LENGTH),
        batch_verdicts,
        ..Options::new(Family::Ipv4)
    })?);
    handle.transport().set_receive_buffer(RECEIVE_BUFFER)?;
    handle.set_mode(task.mode(), RANGE.into())?;
    Ok(handle)
}

/// Returns the packet with its last byte changed.
fn changed(packet: PacketMut<'_>) -> &[u8] {
    let bytes = packet.into_payload();
    if let Some(last) = bytes.last_mut() {
        *last ^= 0xff;
    }
    bytes
}
