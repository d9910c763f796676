//! Tests of threads that share one kernel. A scheduler decides at each lock, wait and wake which
//! thread goes on.
//!
//! Each scenario is tried with 2,000 random schedules, with 2,000 that change the priorities of the
//! threads at most twice, and with up to 20,000 systematic ones, which for some scenarios are all
//! that there are. The schedules are the same in each run of the tests. `IPQ_SCHEDULES` sets
//! another number of the first two kinds, and `IPQ_SCHEDULE_SEED` chooses others of them. A
//! schedule that fails is printed. If that text is in `IPQ_SCHEDULE`, each scenario is run with
//! that schedule alone, except where the locks are given a defect.

use super::Shared;
use crate::time::monitor::{Flaw, restart};
use crate::{Accounting, ClientId, DropReason, Fate, Kernel, PacketSerial, Rule, SharedSim, SimTransport};
use bytes::Bytes;
use ipq_core::transport::PollTransport;
use ipq_core::wire::{Message, PacketId};
use ipq_core::{CopyMode, Errno, Error, Family, Handle, Hook, PortId, TransportError, Verdict, Wait};
use pretty_assertions::assert_eq;
use rstest::rstest;
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::mpsc;
use shuttle::{Config, Runner, thread};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

/// The greatest number of systematic schedules that are tried for a scenario. Each differs from the
/// one before as late as possible.
const IN_ORDER: usize = 20_000;

const SECOND: Duration = Duration::from_secs(1);

type SharedHandle = Handle<SimTransport<Shared>>;

#[rstest]
#[case::closing_ends_a_wait(closing_ends_a_wait)]
#[case::the_end_of_the_kernel_ends_a_wait(the_end_of_the_kernel_ends_a_wait)]
#[case::a_kernel_that_ends_leaves_what_had_come(a_kernel_that_ends_leaves_what_had_come)]
#[case::a_wait_outlives_the_module(a_wait_outlives_the_module)]
#[case::a_wait_without_a_module_times_out(a_wait_without_a_module_times_out)]
#[case::two_readers_of_one_handle(two_readers_of_one_handle)]
#[case::handles_of_both_families(handles_of_both_families)]
#[case::reader_judge_and_injectors(reader_judge_and_injectors)]
#[case::verdicts_race_with_the_reset(verdicts_race_with_the_reset)]
#[case::a_time_out_races_with_an_arrival(a_time_out_races_with_an_arrival)]
#[case::what_was_put_off_comes_to_who_waits(what_was_put_off_comes_to_who_waits)]
#[case::what_another_caught_up_with_wakes(what_another_caught_up_with_wakes)]
#[case::a_panic_after_a_change_wakes(a_panic_after_a_change_wakes)]
#[case::an_overrun_wakes(an_overrun_wakes)]
#[case::a_task_is_woken(a_task_is_woken)]
fn holds_in_every_schedule(#[case] scenario: fn()) {
    try_schedules(scenario, None);
}

/// Checks that a scenario fails in at least one schedule if the locks have the defect `flaw`.
#[rstest]
#[case::waits_late(Flaw::WaitsLate, closing_ends_a_wait)]
#[case::waits_late(Flaw::WaitsLate, the_end_of_the_kernel_ends_a_wait)]
#[case::waits_late(Flaw::WaitsLate, what_was_put_off_comes_to_who_waits)]
#[case::waits_late(Flaw::WaitsLate, reader_judge_and_injectors)]
#[case::wakes_one(Flaw::WakesOne, two_readers_of_one_handle)]
#[case::wakes_one(Flaw::WakesOne, handles_of_both_families)]
#[case::wakes_none(Flaw::WakesNone, a_wait_outlives_the_module)]
#[case::wakes_none(Flaw::WakesNone, a_panic_after_a_change_wakes)]
#[case::wakes_none(Flaw::WakesNone, an_overrun_wakes)]
#[case::never_times_out(Flaw::NeverTimesOut, a_time_out_races_with_an_arrival)]
#[case::never_times_out(Flaw::NeverTimesOut, a_wait_without_a_module_times_out)]
#[case::never_times_out(Flaw::NeverTimesOut, what_was_put_off_comes_to_who_waits)]
fn a_flaw_of_the_locks_is_found(#[case] flaw: Flaw, #[case] scenario: fn()) {
    let found = catch_unwind(|| try_schedules(scenario, Some(flaw)));
    assert!(
        found.is_err(),
        "no schedule found that the locks have the flaw {flaw:?}"
    );
}

/// Runs a scenario once for each of its schedules. If `flaw` is given, the locks have that defect,
/// and the systematic schedules are left out. Panics, and prints the schedule, if one of the
/// scenario's threads panics or if none can go on.
fn try_schedules(scenario: fn(), flaw: Option<Flaw>) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let run = move || {
        restart(flaw);
        scenario();
    };
    if let (Ok(schedule), None) = (std::env::var("IPQ_SCHEDULE"), flaw) {
        return shuttle::replay(run, &schedule);
    }
    let schedules = number("IPQ_SCHEDULES").unwrap_or(2000) as usize;
    let seed = number("IPQ_SCHEDULE_SEED").unwrap_or(0);
    let run_with = |scheduler: Box<dyn Scheduler + Send>| {
        let tried = Runner::new(scheduler, Config::default()).run(run);
        println!("{tried} schedules");
    };
    run_with(Box::new(RandomScheduler::new_from_seed(seed, schedules)));
    run_with(Box::new(PctScheduler::new_from_seed(seed, 3, schedules)));
    if flaw.is_none() {
        run_with(Box::new(DfsScheduler::new(Some(IN_ORDER), false)));
    }
}

// Scenarios: closing.

fn closing_ends_a_wait() {
    let (sim, handle) = listening();
    let socket = handle.transport().socket();
    let reader = spawn(move || next(&handle, Wait::Forever));
    sim.with(|kernel| kernel.close(socket));
    assert_eq!(reader.join().unwrap(), closed());
}

fn the_end_of_the_kernel_ends_a_wait() {
    let (sim, handle) = listening();
    let other = sim.clone();
    let reader = spawn(move || (next(&handle, Wait::Forever), handle.set_mode(CopyMode::Meta, 0)));
    let dropping = spawn(move || drop(other));
    drop(sim);
    dropping.join().unwrap();
    assert_eq!(
        reader.join().unwrap(),
        (closed(), Err(Error::Send(TransportError::Closed)))
    );
}

fn a_kernel_that_ends_leaves_what_had_come() {
    let (sim, handle) = listening();
    let reader = spawn(move || [(); 3].map(|()| next(&handle, Wait::Forever).is_ok()));
    inject(&sim, 1);
    inject(&sim, 2);
    drop(sim);
    assert_eq!(reader.join().unwrap(), [true, true, false]);
}

fn a_wait_outlives_the_module() {
    let (sim, handle) = listening();
    let handle = Arc::new(handle);
    let reader = spawn({
        let handle = Arc::clone(&handle);
        move || next(&handle, Wait::Forever)
    });
    sim.with(|kernel| kernel.unload(Family::Ipv4));
    assert_eq!(
        handle.set_mode(CopyMode::Packet, 0),
        Err(Error::Send(TransportError::System(Errno::ECONNREFUSED)))
    );
    sim.with(|kernel| kernel.load(Family::Ipv4));
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    inject(&sim, 1);
    assert!(reader.join().unwrap().is_ok());
}

fn a_wait_without_a_module_times_out() {
    let (sim, handle) = listening();
    let reader = spawn(move || next(&handle, Wait::For(SECOND)));
    let unloading = spawn({
        let sim = sim.clone();
        move || sim.with(|kernel| kernel.unload(Family::Ipv4))
    });
    assert_eq!(reader.join().unwrap(), Err(Error::TimedOut));
    unloading.join().unwrap();
}

// Scenarios: several threads.

fn two_readers_of_one_handle() {
    let (sim, handle) = listening();
    let handle = Arc::new(handle);
    let readers = [(); 2].map(|()| {
        let handle = Arc::clone(&handle);
        spawn(move || {
            let mut ids = Vec::new();
            loop {
                match next(&handle, Wait::Forever) {
                    Ok(id) => ids.push(id),
                    ended => return (ids, ended),
                }
            }
        })
    });
    inject(&sim, 1);
    inject(&sim, 2);
    drop(sim);
    let [first, second] = readers.map(|reader| reader.join().unwrap());
    assert_eq!((first.1, second.1), (closed(), closed()));
    let ids = [first.0, second.0].concat();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

fn handles_of_both_families() {
    let (sim, first) = listening();
    let second = sim.open(Family::Ipv6).unwrap();
    let socket = second.transport().socket();
    let first = spawn(move || next(&first, Wait::Forever));
    let second = spawn(move || next(&second, Wait::Forever));
    inject(&sim, 1);
    assert!(first.join().unwrap().is_ok());
    sim.with(|kernel| kernel.close(socket));
    assert_eq!(second.join().unwrap(), closed());
}

fn reader_judge_and_injectors() {
    const EACH: u64 = 3;
    let (sim, handle) = listening();
    let handle = Arc::new(handle);
    let (to_judge, judged) = mpsc::channel();
    let reader = spawn({
        let handle = Arc::clone(&handle);
        move || {
            for _ in 0..2 * EACH {
                to_judge.send(next(&handle, Wait::Forever).unwrap()).unwrap();
            }
        }
    });
    let judge = spawn({
        let handle = Arc::clone(&handle);
        move || {
            for (number, id) in judged.iter().enumerate() {
                let verdict = [Verdict::Accept, Verdict::Drop][number % 2];
                handle.set_verdict(id, verdict, None).unwrap();
            }
        }
    });
    let injectors = [0, 1].map(|injector| {
        let sim = sim.clone();
        spawn(move || {
            for number in 0..EACH {
                inject(&sim, injector * EACH + number);
            }
        })
    });
    for thread in injectors.into_iter().chain([reader, judge]) {
        thread.join().unwrap();
    }
    let accounting = balanced(&sim);
    assert_eq!(
        (accounting.entered, accounting.delivered, accounting.queued),
        (2 * EACH, EACH, 0)
    );
    assert_eq!(accounting.dropped_for(DropReason::Verdict), EACH);
    assert_eq!(next(&handle, Wait::Never), Err(Error::TimedOut));
}

/// Closes the socket of a handle while two threads read packets and give verdicts by it. Checks
/// that each packet has one fate: delivered, or dropped since its peer closed the socket.
fn verdicts_race_with_the_reset() {
    let (sim, handle) = listening();
    let handle = Arc::new(handle);
    let packets = [1, 2].map(|number| inject(&sim, number));
    let judges = [(); 2].map(|()| {
        let handle = Arc::clone(&handle);
        spawn(move || {
            if let Ok(id) = next(&handle, Wait::Forever) {
                let _ = handle.set_verdict(id, Verdict::Accept, None);
            }
        })
    });
    let socket = handle.transport().socket();
    sim.with(|kernel| kernel.close(socket));
    for judge in judges {
        judge.join().unwrap();
    }
    let accounting = balanced(&sim);
    assert_eq!(accounting.delivered + accounting.dropped_for(DropReason::PeerClosed), 2);
    for packet in packets {
        assert!(!matches!(sim.fate(packet), None | Some(Fate::Queued)));
    }
}

// Scenarios: time.

fn a_time_out_races_with_an_arrival() {
    let (sim, handle) = listening();
    let reader = spawn(move || {
        let in_time = next(&handle, Wait::For(SECOND));
        // A packet that came too late for the first read is there for the second.
        let late = match in_time {
            Ok(_) => next(&handle, Wait::For(SECOND)),
            Err(_) => next(&handle, Wait::Forever),
        };
        (in_time, late)
    });
    let packet = inject(&sim, 1);
    let one = matches!(
        reader.join().unwrap(),
        (Ok(_), Err(Error::TimedOut)) | (Err(Error::TimedOut), Ok(_))
    );
    assert!(one, "one of two reads gets the packet");
    assert_eq!(sim.fate(packet), Some(Fate::Dropped(DropReason::PeerClosed)));
}

fn what_was_put_off_comes_to_who_waits() {
    let (sim, handle) = listening();
    let began = sim.now();
    let reader = spawn(move || next(&handle, Wait::Forever));
    put_off(&sim, 2 * SECOND, 2);
    put_off(&sim, SECOND, 1);
    assert!(reader.join().unwrap().is_ok());
    assert!(sim.now() >= began + SECOND);
}

/// Puts a frame off by a second. One thread waits for its packet without a time-out, and another
/// waits for a second, at another handle. Whichever of them makes the kernel let the frame arrive,
/// the first thread must be woken and read the packet.
fn what_another_caught_up_with_wakes() {
    let (sim, handle) = listening();
    let other = sim.open_as(ClientId::FIRST, Family::Ipv4, PortId(7)).unwrap();
    put_off(&sim, SECOND, 1);
    let reader = spawn(move || next(&handle, Wait::Forever));
    let waiter = spawn(move || next(&other, Wait::For(SECOND)));
    assert!(reader.join().unwrap().is_ok());
    assert_eq!(waiter.join().unwrap(), Err(Error::TimedOut));
}

// Scenarios: wakes.

fn a_panic_after_a_change_wakes() {
    let (sim, handle) = listening();
    let reader = spawn(move || next(&handle, Wait::Forever));
    let panicking = || {
        sim.with(|kernel| {
            kernel.inject("tap0", frame(1)).unwrap();
            resume_unwind(Box::new("on purpose"));
        });
    };
    assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
    assert!(reader.join().unwrap().is_ok());
}

fn an_overrun_wakes() {
    let (sim, handle) = listening();
    let socket = handle.transport().socket();
    sim.with(|kernel| kernel.set_receive_buffer(socket, 0)).unwrap();
    let reader = spawn(move || {
        (0..8)
            .map(|_| next(&handle, Wait::Forever))
            .any(|read| read == Err(Error::Overrun))
    });
    sim.with(|kernel| {
        for number in 0..8 {
            kernel.inject("tap0", frame(number)).unwrap();
        }
    });
    assert!(reader.join().unwrap());
}

fn a_task_is_woken() {
    let (sim, handle) = listening();
    let reader = spawn(move || {
        let mut lengths = Vec::new();
        loop {
            let mut buffer = [0; 256];
            match shuttle::future::block_on(poll_fn(|context| handle.transport().poll_receive(context, &mut buffer))) {
                Ok(datagram) => lengths.push(datagram.length),
                Err(error) => return (lengths, error),
            }
        }
    });
    inject(&sim, 1);
    inject(&sim, 2);
    drop(sim);
    assert_eq!(reader.join().unwrap(), (vec![148; 2], TransportError::Closed));
}

// Parts of the scenarios.

fn listening() -> (SharedSim, SharedHandle) {
    let sim = Kernel::builder().share().unwrap();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    (sim, handle)
}

fn spawn<T: Send + 'static>(action: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn(action)
}

/// Reads the next message, which must be a packet, and returns its packet id.
fn next(handle: &SharedHandle, wait: Wait) -> Result<PacketId, Error> {
    let mut buffer = [0; 256];
    match handle.read(&mut buffer, wait)? {
        Message::Packet(packet) => Ok(packet.packet_id()),
        other => panic!("{other:?} came instead of a packet"),
    }
}

fn closed<T>() -> Result<T, Error> {
    Err(Error::Receive(TransportError::Closed))
}

fn inject(sim: &SharedSim, number: u64) -> PacketSerial {
    sim.inject("tap0", frame(number)).unwrap()
}

fn put_off(sim: &SharedSim, by: Duration, number: u64) {
    sim.with(|kernel| kernel.inject_later(by, "tap0", frame(number)))
        .unwrap();
}

/// Returns an Ethernet frame with an IPv4 packet of 36 bytes to be forwarded: UDP with `number` as
/// its payload, big-endian.
fn frame(number: u64) -> Bytes {
    let ethernet = [2, 0, 0, 0, 0x10, 1, 2, 0, 0, 0, 0x20, 1, 8, 0];
    let ip = [0x45, 0, 0, 36, 0, 9, 0, 0, 64, 17, 0x66, 0xba, 10, 1, 0, 2, 10, 2, 0, 2];
    let udp = [0x0f, 0xa0, 0x13, 0x88, 0, 16, 0, 0];
    [&ethernet[..], &ip, &udp, &number.to_be_bytes()].concat().into()
}

fn balanced(sim: &SharedSim) -> Accounting {
    let accounting = sim.accounting();
    assert!(accounting.balances(), "{accounting:?}");
    accounting
}
