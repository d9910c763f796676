//! Tests the handles of asynchronous programs: a task is woken when something has come for it.

mod support;

use ipq_core::transport::PollTransport;
use ipq_core::{CopyMode, Family, Handle, Hook, TransportError, Wait};
use ipq_sim::{Kernel, Rule, Sim, SimTransport};
use pretty_assertions::assert_eq;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use support::{frame, next};

/// A waker that counts how often its task was woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn listening() -> (Sim, Handle<SimTransport>) {
    let sim = Kernel::builder().simulate().unwrap();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    (sim, handle)
}

/// Polls the handle once. Returns the length of a datagram, or why there is none.
fn poll(handle: &Handle<SimTransport>, task: &Arc<Task>) -> Poll<Result<usize, TransportError>> {
    let waker = Waker::from(Arc::clone(task));
    let mut buffer = [0; 4096];
    handle
        .transport()
        .poll_receive(&mut Context::from_waker(&waker), &mut buffer)
        .map_ok(|datagram| datagram.length)
}

#[test]
fn a_task_is_woken_by_a_packet_and_then_finds_it() {
    let (sim, handle) = listening();
    let task = Arc::default();
    assert_eq!(poll(&handle, &task), Poll::Pending);
    assert_eq!(task.woken(), 0);
    sim.inject("tap0", frame(8)).unwrap();
    assert_eq!(task.woken(), 1);
    sim.inject("tap0", frame(8)).unwrap();
    assert_eq!(task.woken(), 1, "it knows already");
    assert_eq!(poll(&handle, &task), Poll::Ready(Ok(112 + 36)));
    assert!(
        next(&handle, Wait::Never).is_ok(),
        "a task may also read without waiting"
    );
    assert_eq!(poll(&handle, &task), Poll::Pending);
}

#[test]
fn the_task_that_polled_last_is_woken() {
    let (sim, handle) = listening();
    let (first, last) = (Arc::default(), Arc::default());
    assert_eq!(poll(&handle, &first), Poll::Pending);
    assert_eq!(poll(&handle, &last), Poll::Pending);
    sim.inject("tap0", frame(8)).unwrap();
    assert_eq!((first.woken(), last.woken()), (0, 1));
}

#[test]
fn a_task_is_told_of_an_overrun_before_its_frames() {
    let (sim, handle) = listening();
    sim.with(|kernel| kernel.set_receive_buffer(handle.transport().socket(), 0))
        .unwrap();
    for _ in 0..5 {
        sim.inject("tap0", frame(8)).unwrap();
    }
    let task = Arc::default();
    assert_eq!(poll(&handle, &task), Poll::Ready(Err(TransportError::Overrun)));
    assert_eq!(poll(&handle, &task), Poll::Ready(Ok(148)));
}

#[test]
fn a_task_is_woken_by_what_was_put_off_and_by_the_end() {
    let (sim, handle) = listening();
    let task = Arc::default();
    sim.with(|kernel| kernel.inject_later(Duration::from_secs(5), "tap0", frame(8)))
        .unwrap();
    assert_eq!(poll(&handle, &task), Poll::Pending);
    sim.advance(Duration::from_secs(4));
    assert_eq!(task.woken(), 0);
    sim.advance(Duration::from_secs(1));
    assert_eq!(task.woken(), 1);
    assert_eq!(poll(&handle, &task), Poll::Ready(Ok(148)));

    assert_eq!(poll(&handle, &task), Poll::Pending);
    sim.with(|kernel| kernel.close(handle.transport().socket()));
    assert_eq!(task.woken(), 2);
    assert_eq!(poll(&handle, &task), Poll::Ready(Err(TransportError::Closed)));
}
