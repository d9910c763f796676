//! Tests an asynchronous program on tokio: on an emulator in memory, where the program is a task
//! beside the test, and on one that is served at a path, where tokio watches the descriptor.

mod support;

use ipq_core::transport::PollTransport;
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Error, Family, Handle, Hook, Verdict};
use ipq_sim::{DropReason, Fate, Kernel, PacketSerial, Rule};
use pretty_assertions::assert_eq;
use support::frame;

/// The program under test: drops every second packet. Returns the number of packets once no more
/// can come.
async fn every_second(handle: &Handle<impl PollTransport>) -> Result<u32, Error> {
    handle.set_mode(CopyMode::Meta, 0)?;
    let mut buffer = [0; 2048];
    let mut count = 0;
    loop {
        match handle.read_async(&mut buffer).await {
            Ok(Message::Packet(packet)) => {
                count += 1;
                let verdict = if count % 2 == 0 { Verdict::Drop } else { Verdict::Accept };
                handle.set_verdict(packet.packet_id(), verdict, None)?;
            }
            Ok(_) => {}
            Err(Error::EndOfFile | Error::Receive(_)) => return Ok(count),
            Err(error) => return Err(error),
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_program_is_a_task_beside_the_test_that_feeds_it() {
    let sim = Kernel::builder().simulate().expect("a kernel");
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).expect("a rule");
    let handle = sim.open(Family::Ipv4).expect("a handle");
    let socket = handle.transport().socket();
    let test = async {
        while !sim.with(|kernel| kernel.has_listener(Family::Ipv4)) {
            tokio::task::yield_now().await;
        }
        for _ in 0..3 {
            let pair: [PacketSerial; 2] = [(); 2].map(|()| sim.inject("tap0", frame(8)).expect("a packet"));
            assert_eq!(pair.map(|packet| sim.fate(packet)), [const { Some(Fate::Queued) }; 2]);
            while sim.fate(pair[1]) == Some(Fate::Queued) {
                tokio::task::yield_now().await;
            }
            assert!(matches!(sim.fate(pair[0]), Some(Fate::Sent { .. })));
            assert_eq!(sim.fate(pair[1]), Some(Fate::Dropped(DropReason::Verdict)));
        }
        sim.with(|kernel| kernel.close(socket));
    };
    let (count, ()) = tokio::join!(every_second(&handle), test);
    assert_eq!(count, Ok(6));
}

#[cfg(target_os = "linux")]
mod in_another_process {
    use super::*;
    use ipq_core::transport::tokio::Watched;
    use ipq_core::transport::unix::Unix;
    use ipq_core::{PacketId, Transport, TransportError, Wait};
    use ipq_sim::Profile;
    use ipq_sim::programs::run;
    use ipq_sim::programs::server::Server;
    use pretty_assertions::assert_eq;
    use std::path::PathBuf;
    use std::time::Duration;
    use support::at_input;

    const PACKETS: u32 = 50;

    #[test]
    fn tokio_watches_the_descriptor() {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("asynchronous");
        let mut kernel = run::kernel(Profile::default(), Hook::Input).expect("a kernel");
        let mut server = Server::listen(&path).expect("a server");
        let program = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let unix = Unix::open(&path, Family::Ipv4).expect("a handle");
                let handle = Handle::new(Watched::new(unix).expect("tokio takes it"));
                let mut buffer = [0; 64];
                let nothing = tokio::time::timeout(Duration::from_millis(1), handle.read_async(&mut buffer));
                assert!(nothing.await.is_err(), "nobody has attached, so nothing comes");
                assert_eq!(
                    handle.transport().receive(&mut buffer, Wait::Never),
                    Err(TransportError::TimedOut)
                );
                handle.set_verdict(PacketId(1), Verdict::Accept, None).expect("sent");
                every_second(&handle).await
            })
        });
        let mut left = PACKETS;
        while left > 0 || kernel.accounting().queued > 0 {
            server
                .turn(&mut kernel, Some(Duration::from_millis(1)), &mut |_| {})
                .expect("a turn");
            if left > 0 && kernel.has_listener(Family::Ipv4) {
                left -= 1;
                kernel.enter_at(at_input(), frame(8)[14..].to_vec()).expect("a packet");
            }
        }
        drop(server);
        assert_eq!(program.join().expect("no panic"), Ok(PACKETS));
        let accounting = kernel.accounting();
        assert_eq!(
            (accounting.delivered, accounting.entered),
            (u64::from(PACKETS / 2), u64::from(PACKETS))
        );
    }
}
