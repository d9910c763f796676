//! Measures a program on this kernel's queue. UDP datagrams go over the loopback of a network
//! namespace, are queued at INPUT, and have to arrive.

use crate::clocks::Clocks;
use crate::measure::{Failed, Measured, Task};
use crate::sys::{MOST, receive_many, set_receive_buffer};
use ipq_conformance::laboratory::{Laboratory, Place, Queues};
use ipq_conformance::world::{Protocol, Rule, Table};
use ipq_core::{Family, Hook};
use rustix::net::{self, MMsgHdr, SendAncillaryBuffer, SendFlags, sockopt};
use rustix::thread::{sched_getaffinity, sched_setaffinity};
use std::io::IoSlice;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// The most packets that are sent and have not yet arrived. The receive buffers that an
/// unprivileged process gets may be too small for many more.
const ON_THE_WAY: u64 = 128;
const QUEUE: u16 = 0;
/// The length of the headers of IPv4 and UDP.
const HEADERS: usize = 28;
/// The longest time that is waited for the program to listen, and then for the next packet to
/// arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// A network namespace with a rule that sends arriving UDP packets to the queue.
pub(crate) struct Kernel {
    _laboratory: Laboratory,
}

impl Kernel {
    /// Moves this process, which must have one thread, into namespaces of its own, and sets the
    /// rule. The error says why it can't.
    pub(crate) fn set_up() -> Result<Self, String> {
        let set_up = || -> Result<Self, Failed> {
            let processors = sched_getaffinity(None)?;
            let laboratory = Laboratory::set_up(Place::Private)?;
            // The laboratory stays on one processor; the measured programs may use all.
            sched_setaffinity(None, &processors)?;
            let rule = Rule::queue(Family::Ipv4, Table::Filter, Hook::Input, Some(Protocol::UDP));
            let queues = Queues::Numbered {
                ipv4: QUEUE,
                ipv6: QUEUE,
            };
            laboratory.set_rules(&[rule], queues)?;
            Ok(Self {
                _laboratory: laboratory,
            })
        };
        set_up().map_err(|error| error.to_string())
    }

    /// Starts `program`, which loads the libipq.so in the directory `library`. Sends the task's
    /// packets through the queue that the program listens to, and returns what that cost.
    #[expect(clippy::unused_self, reason = "the namespace and its rule must be there")]
    pub(crate) fn run(&self, program: &Path, library: &Path, task: &Task) -> Result<Measured, Failed> {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        set_receive_buffer(receiver.as_raw_fd(), 4 << 20)?;
        sockopt::set_socket_timeout(&receiver, sockopt::Timeout::Recv, Some(PATIENCE))?;
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        sender.connect(receiver.local_addr()?)?;

        let clocks = Clocks::start()?;
        let listener = Listener::start(program, library)?;
        let arrived = carry(&sender, &receiver, task)?;
        // The listener's time counts when it has ended.
        drop(listener);
        Ok(Measured {
            times: clocks.times()?,
            lost: task.packets - arrived,
        })
    }
}

/// Sends all packets, and returns the number of those that arrived. Stops if none arrives for 5
/// seconds, and then returns the number so far.
fn carry(sender: &UdpSocket, receiver: &UdpSocket, task: &Task) -> Result<u64, Failed> {
    let payload = vec![0; task.length - HEADERS];
    let parts = [IoSlice::new(&payload)];
    let mut buffers = vec![vec![0; task.length]; MOST];
    let mut lengths = [0; MOST];
    let (mut sent, mut arrived) = (0, 0);
    while arrived < task.packets {
        while sent < task.packets && sent - arrived <= ON_THE_WAY - MOST as u64 {
            let count = (task.packets - sent).min(MOST as u64);
            let mut controls: Vec<_> = (0..count).map(|_| SendAncillaryBuffer::default()).collect();
            let mut headers: Vec<_> = controls
                .iter_mut()
                .map(|control| MMsgHdr::new(&parts, control))
                .collect();
            sent += net::sendmmsg(sender, &mut headers, SendFlags::empty())? as u64;
        }
        match receive_many(receiver.as_fd(), &mut buffers, &mut lengths) {
            Ok(count) => arrived += count as u64,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(arrived)
}

/// A running program that listens to the queue. Dropping this kills it.
struct Listener(Child);

impl Listener {
    fn start(program: &Path, library: &Path) -> Result<Self, Failed> {
        let child = Command::new(program)
            .env("IPQ_TRANSPORT", format!("nfqueue:4={QUEUE},receive-buffer=4194304"))
            .env("LD_LIBRARY_PATH", library)
            .spawn()?;
        let mut listener = Self(child);
        let deadline = Instant::now() + PATIENCE;
        while !has_mode(&std::fs::read_to_string("/proc/self/net/netfilter/nfnetlink_queue")?) {
            if let Some(status) = listener.0.try_wait()? {
                return Err(format!("{} ended: {status}", program.display()).into());
            }
            if Instant::now() > deadline {
                return Err("the program has not bound its queue".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(listener)
    }
}

/// Returns whether a line of the kernel's list of queues, `/proc/net/netfilter/nfnetlink_queue`, has
/// a copy mode (its fourth number) other than NONE, which is 0.
fn has_mode(queues: &str) -> bool {
    let mut modes = queues.lines().filter_map(|line| line.split_whitespace().nth(3));
    modes.any(|mode| mode != "0")
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Both fail only if the process is over already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
