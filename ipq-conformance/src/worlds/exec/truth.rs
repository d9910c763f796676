//! Answers that can't be true, whatever the implementation does.

use crate::world::{Observation, Received, Step};

/// Returns a sentence about what can't be true in `seen` as the answer to `step`; `None` if nothing
/// is impossible. Finds an open or a send whose errno and result contradict each other, and an open
/// that bound a socket but gives no port id, or gives one without a bind. Also finds a send of more
/// bytes than the datagram has, a receive of more bytes than the buffer has, and a drain with more
/// PACKET messages than datagrams, or more datagrams before ENOBUFS than in all.
pub(super) fn impossible(step: &Step, seen: &Observation) -> Option<String> {
    match (step, seen) {
        (
            Step::Open { bind, .. },
            Observation::Open {
                failed_at,
                errno,
                port_id,
            },
        ) => {
            if failed_at.is_some() != (*errno != 0) {
                return Some("an open that failed has an errno, and one that did not has errno 0".to_owned());
            }
            let bound = failed_at.is_none() && bind.is_some();
            (bound != port_id.is_some()).then(|| "a socket has a port id if it was bound, and only then".to_owned())
        }
        (Step::Send { bytes, .. }, Observation::Send { sent, errno }) => {
            let length = bytes.len();
            if (*sent < 0) != (*errno != 0) {
                return Some("a send that failed is -1 with an errno, and one that did not has errno 0".to_owned());
            }
            let more = usize::try_from(*sent).is_ok_and(|sent| sent > length);
            more.then(|| format!("{sent} bytes of a datagram of {length} can't be sent"))
        }
        (Step::Receive { size, .. }, Observation::Receive(Received::Frame { bytes, .. })) => (bytes.len() > *size)
            .then(|| format!("a receive call with room for {size} bytes can't return {}", bytes.len())),
        (
            _,
            Observation::Drain {
                frames,
                packets,
                enobufs_before_frame,
            },
        ) => (packets.max(&enobufs_before_frame.unwrap_or_default()) > frames).then(|| {
            format!("of {frames} frames there can't be {packets} PACKET messages, or ENOBUFS later than the last")
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::OpenStage;
    use rstest::rstest;

    fn open(bind: Option<u32>) -> Step {
        Step::Open {
            socket: "a".into(),
            protocol: 3,
            bind,
        }
    }

    fn opened(failed_at: Option<OpenStage>, errno: i64, port_id: Option<i64>) -> Observation {
        Observation::Open {
            failed_at,
            errno,
            port_id,
        }
    }

    fn send() -> Step {
        Step::Send {
            socket: "a".into(),
            to: None,
            bytes: vec![0; 40].into(),
        }
    }

    fn receive() -> Step {
        Step::Receive {
            socket: "a".into(),
            size: 2,
        }
    }

    fn frame(length: usize) -> Observation {
        Observation::Receive(Received::Frame {
            bytes: vec![0; length].into(),
            sender: 0,
        })
    }

    fn drained(packets: i64, enobufs_before_frame: Option<i64>) -> Observation {
        Observation::Drain {
            frames: 3,
            packets,
            enobufs_before_frame,
        }
    }

    #[rstest]
    #[case::opened(open(Some(0)), opened(None, 0, Some(5)), true)]
    #[case::opened_without_a_bind(open(None), opened(None, 0, None), true)]
    #[case::opened_with_an_errno(open(Some(0)), opened(None, 5, Some(5)), false)]
    #[case::a_port_id_that_nobody_gave(open(None), opened(None, 0, Some(5)), false)]
    #[case::bound_to_nothing(open(Some(0)), opened(None, 0, None), false)]
    #[case::refused(open(Some(9)), opened(Some(OpenStage::Bind), 98, None), true)]
    #[case::refused_without_an_errno(open(Some(9)), opened(Some(OpenStage::Bind), 0, None), false)]
    #[case::refused_and_bound(open(Some(9)), opened(Some(OpenStage::Socket), 93, Some(9)), false)]
    #[case::sent(send(), Observation::Send { sent: 40, errno: 0 }, true)]
    #[case::sent_in_part(send(), Observation::Send { sent: 0, errno: 0 }, true)]
    #[case::not_sent(send(), Observation::Send { sent: -1, errno: 90 }, true)]
    #[case::sent_and_failed(send(), Observation::Send { sent: 40, errno: 90 }, false)]
    #[case::more_than_there_was(send(), Observation::Send { sent: 41, errno: 0 }, false)]
    #[case::as_much_as_fits(receive(), frame(2), true)]
    #[case::more_than_fits(receive(), frame(3), false)]
    #[case::all_are_packets(Step::Drain { socket: "a".into() }, drained(3, Some(3)), true)]
    #[case::more_packets_than_frames(Step::Drain { socket: "a".into() }, drained(4, None), false)]
    #[case::an_overrun_after_the_end(Step::Drain { socket: "a".into() }, drained(0, Some(4)), false)]
    fn an_answer_can_be_true(#[case] step: Step, #[case] seen: Observation, #[case] can: bool) {
        assert_eq!(impossible(&step, &seen).is_none(), can);
    }
}
