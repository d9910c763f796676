#!/usr/bin/env bash
# The Rust crate nfq 0.2.5 throws away packets that are queued when a program changes an option.
#
# Every configuration call (here `set_queue_max_len`) sends a request and then reads messages until
# the acknowledgement comes. Messages of packets that come before it are read and forgotten: `recv`
# never returns them, so they get no verdict and wait in the kernel until the queue is closed. One
# would guess that they are kept for the next `recv`, as libnetfilter_queue calls them back.
#
# Needs root, iptables and cargo. Seen on Linux 6.18 with nfq 0.2.5:
#   before the option was changed: 100 packets wait in the kernel
#   recv returned 0 of 100 packets; 100 still wait in the kernel, and no call will return them
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "skipped: needs root for a network namespace and a rule"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "discards"
version = "0.0.0"
edition = "2021"
[dependencies]
nfq = "=0.2.5"
TOML
cat >src/main.rs <<'RUST'
use std::net::UdpSocket;

const PACKETS: usize = 100;

/// The third column of /proc/net/netfilter/nfnetlink_queue: how many packets wait for a verdict.
fn waiting() -> String {
    let text = std::fs::read_to_string("/proc/net/netfilter/nfnetlink_queue").expect("the queue's statistics");
    text.split_whitespace().nth(2).expect("a queue").to_owned()
}

fn main() -> std::io::Result<()> {
    let mut queue = nfq::Queue::open()?;
    queue.bind(0)?;
    queue.set_nonblocking(true);
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    for _ in 0..PACKETS {
        socket.send_to(b"packet", "127.0.0.1:9")?;
    }
    println!("before the option was changed: {} packets wait in the kernel", waiting());
    queue.set_nonblocking(false);
    queue.set_queue_max_len(0, 2048)?;
    queue.set_nonblocking(true);
    let mut returned = 0;
    while queue.recv().is_ok() {
        returned += 1;
    }
    println!(
        "recv returned {returned} of {PACKETS} packets; {} still wait in the kernel, and no call will return them",
        waiting()
    );
    Ok(())
}
RUST
cargo build --quiet
unshare --net bash -ec '
    ip link set lo up
    iptables -A OUTPUT -p udp --dport 9 -j NFQUEUE --queue-num 0
    target/debug/discards' | tee seen
diff seen - <<'EXPECTED'
before the option was changed: 100 packets wait in the kernel
recv returned 0 of 100 packets; 100 still wait in the kernel, and no call will return them
EXPECTED
