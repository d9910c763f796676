//! Netlink messages of a capture: pcap or pcapng, of the link type NETLINK.

use super::{Contents, Frame};
use ipq_sim::pcapng::{link, netlink_header};
use ipq_sim::programs::run::{self, CaptureEnd, Frames};
use std::io::Cursor;

/// The length of the link-layer header before each netlink message, in bytes.
const HEADER_BYTES: usize = 16;

/// Returns whether a file begins as a pcap or pcapng capture does.
pub(super) fn begins(file: &[u8]) -> bool {
    let Some(first) = file.first_chunk::<4>() else {
        return false;
    };
    let classic = [0xa1b2_c3d4, 0xa1b2_3c4d_u32];
    *first == [0x0a, 0x0d, 0x0d, 0x0a]
        || classic.contains(&u32::from_be_bytes(*first))
        || classic.contains(&u32::from_le_bytes(*first))
}

/// Returns the netlink messages of a capture, and the number of other records. For a capture that
/// is damaged after its file header, returns what comes before the damage, and describes the
/// damage. A damaged file header is an error.
pub(super) fn frames(file: &[u8]) -> Result<Contents, String> {
    let mut frames = Frames::new(Cursor::new(file.to_vec()))
        .map_err(|_| "its header is damaged: capture again, or `editcap` may be able to mend it".to_owned())?;
    let mut read = Contents::default();
    for number in 1.. {
        match frames.read() {
            Ok(frame) => match message(number, &frame) {
                Some(message) => read.frames.push(message),
                None => read.others += 1,
            },
            Err(end) => {
                read.damage = damage(&end, number - 1);
                break;
            }
        }
    }
    Ok(read)
}

/// Returns the text that reports a capture as damaged after its record `number`, the last that
/// could be read; `None` if the capture is whole.
fn damage(end: &CaptureEnd, number: usize) -> Option<String> {
    let what = match end {
        CaptureEnd::Whole => return None,
        CaptureEnd::WithinRecord => "the capture ends within the record".to_owned(),
        CaptureEnd::Damaged(reason) => format!("the capture is damaged ({reason})"),
    };
    Some(format!(
        "{what} after number {number}: what comes before is shown; capture again for the rest"
    ))
}

/// Returns the netlink message in the record `number` of a capture; `None` if its link type is not
/// NETLINK, or if the link-layer header is not whole.
fn message(number: usize, frame: &run::Frame) -> Option<Frame> {
    if frame.link != Some(link::NETLINK) {
        return None;
    }
    let (header, bytes) = frame.bytes.split_first_chunk::<HEADER_BYTES>()?;
    let protocol = u16::from_be_bytes([header[14], header[15]]);
    Some(Frame {
        number,
        time: frame.time.map(run::CaptureTime::since_epoch),
        to_kernel: Some(header[..2] == netlink_header(true, protocol)[..2]),
        protocol: Some(protocol),
        bytes: bytes.to_vec(),
        cut: (frame.bytes.len() < frame.length as usize).then(|| {
            format!(
                "the capture kept {} of its {} bytes: capture with -s 0",
                frame.bytes.len(),
                frame.length
            )
        }),
    })
}
