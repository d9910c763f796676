//! The worlds that come with the suite: the emulator, today's kernel, a kernel with `ip_queue`,
//! programs over a pipe, and the emulator with a libipq under test.

#[cfg(all(target_os = "linux", feature = "libipq"))]
mod client;
#[cfg(all(target_os = "linux", feature = "exec"))]
pub mod exec;
#[cfg(all(target_os = "linux", feature = "laboratory"))]
mod real;
mod sim;

#[cfg(all(target_os = "linux", feature = "libipq"))]
pub use client::ClientFactory;
#[cfg(all(target_os = "linux", feature = "laboratory"))]
pub use real::{IpQueueFactory, NfQueueFactory};
pub use sim::{SimFactory, SimWorld};

use crate::world::{Observation, Received, WorldError, WorldFactory};
use ipq_core::Errno;
use ipq_core::wire::{Abi, Header, MessageType};
use std::sync::Arc;

/// Returns a factory for each world that needs no argument: the emulator, and with the feature
/// `laboratory` on Linux `nfqueue` and `ip_queue`, the worlds of this machine's kernel.
#[must_use]
pub fn all() -> Vec<Arc<dyn WorldFactory>> {
    vec![
        Arc::new(SimFactory::default()),
        #[cfg(all(target_os = "linux", feature = "laboratory"))]
        Arc::new(NfQueueFactory),
        #[cfg(all(target_os = "linux", feature = "laboratory"))]
        Arc::new(IpQueueFactory),
    ]
}

/// If this program was started to serve a world of a real kernel, or a library for C, serves it and
/// ends the process. Otherwise does nothing.
///
/// The suite starts this program once more to have such a world in a process of its own. So a
/// program that creates such a world calls this function first of all, before it has a second
/// thread.
#[cfg(all(target_os = "linux", any(feature = "laboratory", feature = "libipq")))]
pub fn serve_if_asked() {
    #[cfg(feature = "libipq")]
    crate::libipq::serve_if_asked();
    #[cfg(feature = "laboratory")]
    real::serve_if_asked();
}

/// Receives until nothing is left, or an error other than ENOBUFS comes. Returns an
/// [`Observation::Drain`]: the number of datagrams, of `ip_queue` PACKET messages among them, and
/// of datagrams before the first ENOBUFS. `receive` makes one receive call; its argument is the
/// size of the buffer, always that of a netlink header. Fails if `receive` does.
fn drain(abi: Abi, mut receive: impl FnMut(usize) -> Result<Received, WorldError>) -> Result<Observation, WorldError> {
    let (mut frames, mut packets, mut enobufs_before_frame) = (0, 0, None);
    loop {
        match receive(Header::BYTES)? {
            Received::Error { errno } if errno == i64::from(Errno::ENOBUFS.0) => {
                enobufs_before_frame.get_or_insert(frames);
            }
            // Any other error may come again and again, so it ends the loop.
            Received::Nothing | Received::Error { .. } => break,
            Received::Frame { bytes, .. } => {
                frames += 1;
                let header = Header::parse(&bytes, abi);
                if header.is_some_and(|header| header.message_type == MessageType::Packet) {
                    packets += 1;
                }
            }
        }
    }
    Ok(Observation::Drain {
        frames,
        packets,
        enobufs_before_frame,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    fn error(Errno(errno): Errno) -> Received {
        Received::Error { errno: errno.into() }
    }

    fn frame(message_type: MessageType) -> Received {
        let [length, kind] = [
            16_u32.to_ne_bytes().to_vec(),
            message_type.to_wire().to_ne_bytes().to_vec(),
        ];
        Received::Frame {
            bytes: [length, kind, vec![0; 10]].concat().into(),
            sender: 0,
        }
    }

    #[rstest]
    #[case::nothing(Received::Nothing)]
    #[case::an_error_that_may_stay(error(Errno::EIO))]
    fn what_is_drained_is_counted_to_its_end(#[case] end: Received) {
        let received = [
            frame(MessageType::Packet),
            error(Errno::ENOBUFS),
            frame(MessageType::Error),
            error(Errno::ENOBUFS),
            frame(MessageType::Packet),
            end,
        ];
        let mut received = received.into_iter();
        let drained = drain(Abi::NATIVE, |_| Ok(received.next().expect("nobody asks after the end")));
        let expected = Observation::Drain {
            frames: 3,
            packets: 2,
            enobufs_before_frame: Some(1),
        };
        assert_eq!(drained, Ok(expected));
    }

    #[test]
    fn what_the_world_can_not_do_ends_a_drain() {
        let broken = WorldError::Broken("no power".into());
        assert_eq!(drain(Abi::NATIVE, |_| Err(broken.clone())), Err(broken));
    }
}
