//! Tests that a program which the command started can't reach a queue of this machine, not even as
//! root with a rule that queues real traffic.
//!
//! The test runs in a network namespace of its own, so that it needs no privileges. It is skipped,
//! with the reason, if there can be no namespace or a tool is missing. With `IPQ_REQUIRE_C=1` it
//! fails instead if `make`, `pkg-config` or `cc` does not work.

#![cfg(target_os = "linux")]

#[path = "support/c_library.rs"]
mod c_library;
#[path = "support/launching.rs"]
mod launching;
#[path = "support/pcap.rs"]
mod pcap;

use c_library::{LIBRARY, compiled, have, missing_optional, skipped};
use launching::{capture, source};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::process::Command;

/// The arguments of `unshare` for a shell that is root in new user and network namespaces.
const NAMESPACE: [&str; 5] = ["--map-root-user", "--net", "--", "sh", "-c"];

/// A script that succeeds if the namespace has what [`SCRIPT`] needs.
const PROBE: &str = "ip link set lo up && bash -c true && awk 1 /proc/net/netfilter/nfnetlink_queue && \
    { iptables-legacy -t mangle -A INPUT -p udp -j QUEUE || iptables -t mangle -A INPUT -p udp -j QUEUE; }";

/// A script that queues UDP packets to port 9, and counts those that get through. It sends such
/// packets while the program runs alone, and then while the command runs the program. It prints how
/// many got through each time, and how many bound queues three looks found under the command.
const SCRIPT: &str = r#"
set -e
ip link set lo up
for tables in iptables-legacy iptables; do
  $tables -t mangle -A INPUT -p udp --dport 9 -j QUEUE && break
done
$tables -A INPUT -p udp --dport 9
traffic() { bash -c 'for n in 1 2 3 4 5 6 7 8; do echo x >/dev/udp/127.0.0.1/9; sleep 0.02; done 2>/dev/null'; }
through() { $tables -L INPUT -vnx | awk '/dpt:9/ { print $1 }'; }
bound() { wc -l </proc/net/netfilter/nfnetlink_queue; }

"$PROGRAM" & alone=$!
while [ "$(bound)" = 0 ]; do kill -0 $alone; done
traffic
kill $alone
wait $alone || :
echo "alone: $(through) through"

before=$(through)
"$COMMAND" run --launcher "$LAUNCHER" --library "$LD_LIBRARY_PATH" --rate 50 --patience 5 --pcap "$CAPTURE" -- "$PROGRAM" 2>/dev/null & run=$!
queues=0
for round in 1 2 3; do traffic; queues=$((queues + $(bound))); done
kill -INT $run 2>/dev/null || :
wait $run || :
echo "run by the command: $(($(through) - before)) through, $queues queues bound"
"#;

#[rstest]
fn a_program_that_clears_its_environment_takes_none_of_the_machines_packets(
    #[values("seccomp", "transport")] launcher: &str,
) {
    let probe = [&NAMESPACE[..], &[PROBE]].concat();
    if !have(&[]) || skipped(missing_optional("unshare", &probe)) {
        return;
    }
    let output = Command::new("unshare")
        .args(NAMESPACE)
        .arg(SCRIPT)
        .env("PROGRAM", compiled(&source("clearenv.c"), &[]))
        .env("COMMAND", env!("CARGO_BIN_EXE_ipq-sim"))
        .env("CAPTURE", capture())
        .env("LAUNCHER", launcher)
        .env("LD_LIBRARY_PATH", LIBRARY.join("lib"))
        .env_remove("IPQ_TRANSPORT")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        printed, "alone: 8 through\nrun by the command: 0 through, 0 queues bound\n",
        "{errors}"
    );
}
