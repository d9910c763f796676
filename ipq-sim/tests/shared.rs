//! Tests a kernel that several threads share: waits take real time, and end.
//!
//! No test sleeps. In most, a thread waits for what another thread does, and would hang if it were
//! not woken.

mod support;

use ipq_core::{CopyMode, Error, Family, Handle, Hook, TransportError, Verdict, Wait};
use ipq_sim::{DropReason, Kernel, Rule, Shared, SharedSim, SimTransport};
use pretty_assertions::assert_eq;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use support::{frame, next};

fn listening() -> (SharedSim, Handle<SimTransport<Shared>>) {
    let sim = Kernel::builder().share().unwrap();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    (sim, handle)
}

#[test]
fn kernel_and_handles_go_from_thread_to_thread() {
    fn movable<T: Send + Sync>(_: &T) {}
    let (sim, handle) = listening();
    movable(&sim);
    movable(&handle);
}

#[test]
fn a_time_out_is_real_and_not_early() {
    let (_sim, handle) = listening();
    let (began, pause) = (Instant::now(), Duration::from_millis(30));
    assert_eq!(next(&handle, Wait::For(pause)), Err(Error::TimedOut));
    assert!(began.elapsed() >= pause);
    assert_eq!(next(&handle, Wait::Never), Err(Error::TimedOut));
}

#[test]
fn each_of_many_packets_wakes_the_reader() {
    let (sim, handle) = listening();
    let (seen, seen_by_us) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                seen.send(next(&handle, Wait::Forever).is_ok()).unwrap();
            }
        });
        for _ in 0..100 {
            sim.inject("tap0", frame(8)).unwrap();
            assert_eq!(seen_by_us.recv(), Ok(true));
        }
    });
}

#[test]
fn a_read_that_waits_for_ever_ends_when_its_socket_is_closed() {
    let (sim, handle) = listening();
    let socket = handle.transport().socket();
    thread::scope(|scope| {
        let reader = scope.spawn(|| next(&handle, Wait::Forever));
        // The reader may wait already or come later: in both cases it gets the error.
        sim.with(|kernel| kernel.close(socket));
        assert_eq!(reader.join().unwrap(), Err(Error::Receive(TransportError::Closed)));
    });
}

#[test]
fn an_overrun_wakes_the_reader() {
    let (sim, handle) = listening();
    sim.with(|kernel| kernel.set_receive_buffer(handle.transport().socket(), 0))
        .unwrap();
    // The smallest receive buffer takes fewer than five datagrams, so the last one overruns it.
    for _ in 0..5 {
        sim.inject("tap0", frame(8)).unwrap();
    }
    thread::scope(|scope| {
        let reader = scope.spawn(|| next(&handle, Wait::Forever));
        assert_eq!(reader.join().unwrap(), Err(Error::Overrun));
    });
}

#[test]
fn what_was_put_off_comes_to_a_reader_that_waits_for_ever() {
    let (sim, handle) = listening();
    thread::scope(|scope| {
        let reader = scope.spawn(|| next(&handle, Wait::Forever));
        let put_off = |kernel: &mut Kernel| kernel.inject_later(Duration::from_millis(20), "tap0", frame(8));
        sim.with(put_off).unwrap();
        assert!(reader.join().unwrap().is_ok());
    });
}

#[test]
fn one_thread_reads_another_gives_verdicts_and_a_third_injects() {
    const PACKETS: u64 = 2000;
    let (sim, handle) = listening();
    let (to_judge, judged) = mpsc::channel();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for _ in 0..PACKETS {
                to_judge.send(next(&handle, Wait::Forever).unwrap()).unwrap();
            }
        });
        let judge = scope.spawn(|| {
            for (number, id) in (0..PACKETS).zip(judged) {
                let verdict = if number % 2 == 0 {
                    Verdict::Accept
                } else {
                    Verdict::Drop
                };
                handle.set_verdict(id, verdict, None).unwrap();
            }
        });
        for _ in 0..PACKETS {
            // Packets are injected no faster than they are judged: the queue holds 1024, and the
            // receive buffer fewer.
            while sim.accounting().queued > 100 {
                thread::yield_now();
            }
            sim.inject("tap0", frame(8)).unwrap();
        }
        reader.join().unwrap();
        judge.join().unwrap();
    });
    let accounting = sim.accounting();
    assert!(accounting.balances());
    assert_eq!(accounting.delivered, PACKETS / 2);
    assert_eq!(accounting.dropped_for(DropReason::Verdict), PACKETS / 2);
    assert_eq!(
        next(&handle, Wait::Never),
        Err(Error::TimedOut),
        "no verdict was refused"
    );
}

#[test]
fn a_thread_that_panics_leaves_the_kernel_to_the_others() {
    let (sim, handle) = listening();
    let panicked = thread::scope(|scope| scope.spawn(|| sim.with(|_| panic!("on purpose"))).join());
    assert!(panicked.is_err());
    sim.inject("tap0", frame(8)).unwrap();
    assert!(next(&handle, Wait::Forever).is_ok());
}
