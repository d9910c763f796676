//! Events of the crate `tracing`: what a handle sends, reads and fails at.
//!
//! The target is `ipq_core::handle`. Packets, verdicts, acknowledgements and time-outs are of level
//! TRACE. Copy modes, refusals, unexpected messages and most errors are of level DEBUG. Overruns
//! are of level WARN, since packets were lost.

use super::Error;
use crate::errno::Errno;
use crate::wire::{CopyMode, Message, MessageMut, PacketMessage, PortId, VerdictRequest};
use tracing::{debug, trace, warn};

const TARGET: &str = "ipq_core::handle";

pub(super) fn set_mode(port: PortId, mode: CopyMode, range: u64) {
    debug!(target: TARGET, port_id = port.0, ?mode, range, "set the copy mode");
}

pub(super) fn gave(port: PortId, request: VerdictRequest) {
    trace!(
        target: TARGET,
        port_id = port.0,
        packet_id = request.packet_id.0,
        verdict = ?request.verdict,
        replaced_by = request.data_len,
        "gave a verdict"
    );
}

pub(super) fn read(port: PortId, message: &Message<'_>) {
    match message {
        Message::Packet(message) => packet(port, message),
        Message::Error(answer) if answer.errno() == Errno(0) => {
            trace!(target: TARGET, port_id = port.0, "read an acknowledgement");
        }
        Message::Error(answer) => {
            debug!(target: TARGET, port_id = port.0, errno = %answer.errno(), "a message was refused");
        }
        other => {
            let message_type = other.message_type();
            debug!(target: TARGET, port_id = port.0, %message_type, "read an unexpected message");
        }
    }
}

pub(super) fn read_mut(port: PortId, message: &MessageMut<'_>) {
    match message {
        MessageMut::Packet(message) => packet(port, &message.message()),
        MessageMut::Other(message) => read(port, message),
    }
}

fn packet(port: PortId, message: &PacketMessage<'_>) {
    trace!(
        target: TARGET,
        port_id = port.0,
        packet_id = message.packet_id().0,
        bytes = message.payload().len(),
        "read a packet"
    );
}

pub(super) fn failed(port: PortId, error: Error) {
    match error {
        // A loop that waits for a while each time reads nothing most of the time.
        Error::TimedOut => trace!(target: TARGET, port_id = port.0, "nothing came"),
        Error::Overrun => warn!(target: TARGET, port_id = port.0, "packets were lost: the receive buffer overran"),
        error => debug!(target: TARGET, port_id = port.0, %error, "failed"),
    }
}
