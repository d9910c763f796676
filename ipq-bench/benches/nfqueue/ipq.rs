//! `ipq-core`'s handle on its transport `nfqueue`.

use crate::listener::{Failed, Listener, MAX_LENGTH, QUEUE, RECEIVE_BUFFER, Way};
use crate::task::Task;
use ipq_core::transport::nfqueue::{NfQueue, Options};
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Family, Handle, Transport, Verdict, Wait};

/// What the names of all of them begin with.
pub(crate) const NAME: &str = "ipq";

pub(crate) const WAYS: &[Way] = &[Way {
    name: "ipq, one by one",
    replaces: true,
    open: |task| Ok(Box::new(OneByOne::open(task)?)),
}];

/// A message read, a verdict given.
struct OneByOne {
    handle: Handle<NfQueue>,
    replace: bool,
    buffer: Vec<u8>,
    changed: Vec<u8>,
}

impl OneByOne {
    fn open(task: Task) -> Result<Self, Failed> {
        let handle = open(task)?;
        Ok(Self {
            buffer: vec![0; handle.buffer_for(0)],
            changed: Vec::new(),
            replace: task.replace,
            handle,
        })
    }
}

impl Listener for OneByOne {
    fn take(&mut self, packets: u64) -> Result<u64, Failed> {
        for _ in 0..packets {
            let Message::Packet(packet) = self.handle.read(&mut self.buffer, Wait::Forever)? else {
                return Err("the queue sent what is no packet".into());
            };
            let replacement = self.replace.then(|| change(packet.payload(), &mut self.changed));
            self.handle
                .set_verdict(packet.packet_id(), Verdict::Accept, replacement)?;
        }
        Ok(packets)
    }
}

fn open(task: Task) -> Result<Handle<NfQueue>, Failed> {
    let handle = Handle::new(NfQueue::open_with(Options {
        queue_number: QUEUE,
        max_length: Some(MAX_LENGTH),
        ..Options::new(Family::Ipv4)
    })?);
    handle.transport().set_receive_buffer(RECEIVE_BUFFER)?;
    let mode = if task.meta { CopyMode::Meta } else { CopyMode::Packet };
    handle.set_mode(mode, 0)?;
    Ok(handle)
}

/// The packet with its last byte changed.
fn change<'a>(payload: &[u8], changed: &'a mut Vec<u8>) -> &'a [u8] {
    changed.clear();
    changed.extend_from_slice(payload);
    if let Some(last) = changed.last_mut() {
        *last ^= 0xff;
    }
    changed
}
