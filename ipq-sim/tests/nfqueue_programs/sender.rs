//! Tests a program that looks at the sender of each datagram, and one that may have few
//! descriptors.

use crate::libraries::compiled;
use crate::running::{PACKETS, accepted, all_packets, run};

#[test]
fn recvfrom_says_that_the_kernel_sent_it_whatever_way_it_is_called() {
    if let Some(program) = compiled("sender") {
        let ran = run("sender", &all_packets(), &[], &[&program, "11"]);
        let fates = (0..PACKETS).map(|_| accepted(None)).collect::<Vec<_>>();
        ran.assert(&fates, &all_packets());
    }
}

#[test]
fn a_program_that_may_have_few_descriptors_gets_a_low_one() {
    if let Some(program) = compiled("old") {
        let line = format!("ulimit -n 64 && exec {program} 12");
        let ran = run("few", &all_packets(), &[], &["sh", "-c", &line]);
        assert!(ran.errors.contains("packets went to queue 12"), "{}", ran.errors);
        assert_eq!(ran.log.len(), PACKETS as usize, "{}", ran.errors);
        assert_eq!(ran.status, Some(0), "{}", ran.errors);
    }
}
