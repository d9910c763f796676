//! The listener that uses the crate `nfq`.

use crate::listener::{Failed, Listener, MAX_LENGTH, QUEUE, RANGE, RECEIVE_BUFFER, Way};
use crate::sys;
use crate::task::Task;
use nfq::{Queue, Verdict};
use std::fs::File;
use std::os::fd::AsRawFd;

pub(crate) const NAME: &str = "nfq (crate)";

pub(crate) const WAYS: &[Way] = &[Way {
    name: NAME,
    replaces: true,
    open: |task| Ok(Box::new(Crate::open(task)?)),
}];

struct Crate {
    queue: Queue,
    replace: bool,
}

impl Crate {
    fn open(task: Task) -> Result<Self, Failed> {
        // The crate does not tell its descriptor. It gets the next free number.
        let next = File::open("/dev/null")?.as_raw_fd();
        let mut queue = Queue::open()?;
        sys::set_receive_buffer(next, RECEIVE_BUFFER)?;
        queue.bind(QUEUE)?;
        queue.set_queue_max_len(QUEUE, MAX_LENGTH)?;
        queue.set_copy_range(QUEUE, if task.meta { 0 } else { RANGE })?;
        Ok(Self {
            queue,
            replace: task.replace,
        })
    }
}

impl Listener for Crate {
    fn take(&mut self, packets: u64) -> Result<u64, Failed> {
        for _ in 0..packets {
            let mut message = self.queue.recv()?;
            if self.replace
                && let Some(last) = message.get_payload_mut().last_mut()
            {
                *last ^= 0xff;
            }
            message.set_verdict(Verdict::Accept);
            self.queue.verdict(message)?;
        }
        Ok(packets)
    }
}
