//! From a message of the program's to the nfnetlink message that stands for it.
//!
//! Each message that gets an answer from `ip_queue` becomes one nfnetlink message that gets one
//! answer from the kernel. So the answers come in the order of the messages. A message that is
//! found here to be refused by `ip_queue`'s rules becomes a [`quote::REJECT_PROBE`]: the kernel
//! refuses the probe, and an attribute in it says how `ip_queue` refused the message.
//!
//! An answer quotes the nfnetlink message, and the program expects its own message quoted. So the
//! nfnetlink message has the program's message *embedded*: its head in an attribute of our own, and
//! the rest as the replacement packet or in another such attribute. An acknowledgement quotes a
//! header only, so the header's port id, which no kernel looks at, holds the length of the embedded
//! message.
//!
//! A *plain* verdict (see [`fast::plain`](super::super::fast::plain)) is not embedded: all that it
//! said is in the verdict attribute, from which [`rebuild`] makes its head again. Its header has
//! the program's port id.

use super::quote;
use crate::errno::Errno;
use crate::transport::AT_ONCE;
use crate::transport::nfqueue::options::Options;
use crate::wire::nfnetlink::{self, LONGEST_CONTENT, attribute, command, flag, message_type};
use crate::wire::{
    Abi, CopyMode, Envelope, Flags, Header, MessageType, ModeRequest, Objection, PacketId, PortId, Screened, Verdict,
    VerdictRequest, WireError, screen,
};

/// The size in bytes of a message's head: the header, and MODE or VERDICT without a payload.
pub(crate) const HEAD_BYTES: usize = Header::BYTES + Abi::NATIVE.request_bytes();

/// The size of a [`Room`] in bytes: enough for the nfnetlink messages of 64 messages of the
/// program's, without their payloads, and for what binds the queue. But for that, each of the 64
/// needs at most the 80 bytes of a verdict with an embedded head, and 3 of padding.
const DATAGRAM_BYTES: usize = AT_ONCE * 84 + 256;

/// Room for the datagram of up to 64 messages of the program's, without their payloads.
pub(crate) type Room = nfnetlink::Room<DATAGRAM_BYTES>;

/// A writer of a datagram into a [`Room`].
pub(crate) type Writer<'r> = nfnetlink::Writer<'r, DATAGRAM_BYTES>;

/// A message that a program sent: its parsed header, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) header: Header,
    /// `true` if the message's head goes to the kernel inside the nfnetlink message that stands for
    /// it. That of a plain verdict does not.
    pub(crate) embedded: bool,
}

/// What the kernel is asked to do for a message of the program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Refuse the message, as `ip_queue` did.
    Refuse {
        errno: Errno,
        /// `true` if `ip_queue` refused the message before it checked the capability (MSG-2 to
        /// MSG-4).
        before_capability: bool,
    },
    /// Set the copy mode, and the copy range to `range` bytes.
    Mode { mode: CopyMode, range: u32 },
    /// Give a verdict, which is neither STOLEN nor unknown.
    Verdict {
        verdict: Verdict,
        id: u32,
        /// `true` if the bytes that follow the message's head replace the packet.
        replaces: bool,
    },
    /// Give the same verdict on every queued packet up to the packet with this id. This stands for
    /// several plain verdicts.
    VerdictUpTo { verdict: Verdict, id: u32 },
}

/// A message, and what the kernel is asked to do for it. `G` is held while a message that attaches
/// is sent.
pub(crate) struct Decided<G> {
    pub(crate) request: Request,
    pub(crate) action: Action,
    /// The guard to hold until the message is sent; `None` if the message does not attach.
    pub(crate) attaching: Option<G>,
}

impl Action {
    /// Returns a refusal with this error number that `ip_queue` gave before it checked the
    /// capability.
    pub(crate) const fn refuse_first(errno: Errno) -> Self {
        Self::Refuse {
            errno,
            before_capability: true,
        }
    }

    /// Returns a refusal with this error number that `ip_queue` gave after it had checked the
    /// capability.
    pub(crate) const fn refuse(errno: Errno) -> Self {
        Self::Refuse {
            errno,
            before_capability: false,
        }
    }
}

impl Request {
    /// Checks the header of a message of `length` bytes (MSG-1 to MSG-4). `head` holds the
    /// message's first bytes, at most [`HEAD_BYTES`]. Returns `None` if the queue ignores the
    /// message. Otherwise returns the message, marked as embedded, and the error number if the
    /// queue refuses it, or `None` if its header is in order.
    pub(crate) fn screen(head: &[u8], length: usize) -> Option<(Self, Option<Errno>)> {
        let (header, refused) = match screen(head, length, Abi::NATIVE, Objection::response) {
            Screened::Ignored => return None,
            Screened::Refused(header, errno) => (header, Some(errno)),
            Screened::Passed(header) => (header, None),
        };
        let request = Self { header, embedded: true };
        Some((request, refused))
    }

    /// Returns the message's length in bytes, as its header states it.
    pub(crate) const fn length(&self) -> usize {
        self.header.length as usize
    }

    /// Returns the number of bytes that follow the message's first [`HEAD_BYTES`].
    pub(crate) const fn following(&self) -> usize {
        self.length().saturating_sub(HEAD_BYTES)
    }

    /// Returns what the kernel is asked to do for a message of the peer's: to set a mode, to give a
    /// verdict, or to refuse the message (MSG-7 to MSG-9, VER-1, VER-2, VER-5, VER-6). A message of
    /// another type than MODE or VERDICT, or with too short a body, is refused with EINVAL. `head`
    /// holds the message's first bytes.
    pub(crate) fn action(&self, head: &[u8], options: &Options) -> Action {
        let body = head
            .get(Header::BYTES..self.length().min(HEAD_BYTES))
            .unwrap_or_default();
        let read = match self.header.message_type {
            MessageType::Mode => ModeRequest::parse(body, Abi::NATIVE).map(mode),
            MessageType::Verdict => {
                VerdictRequest::parse(body, Abi::NATIVE).map(|(request, _)| self.verdict(request, options))
            }
            _ => Ok(Action::refuse(Errno::EINVAL)),
        };
        read.unwrap_or_else(|_: WireError| Action::refuse(Errno::EINVAL))
    }

    /// Returns the action that the peer's verdict asks for: to refuse STOLEN and unknown values
    /// with EINVAL and an id of more than 32 bits with ENOENT, and else to give the verdict (VER-1,
    /// VER-2). The bytes after the message's head replace the packet if they are as many as
    /// `data_len` says and at least the family's fixed header. If not, the verdict holds without
    /// them (VER-5, VER-6).
    #[inline]
    pub(crate) fn verdict(&self, request: VerdictRequest, options: &Options) -> Action {
        let VerdictRequest {
            verdict,
            packet_id: PacketId(id),
            data_len,
        } = request;
        if matches!(verdict, Verdict::Stolen | Verdict::Unknown(_)) {
            return Action::refuse(Errno::EINVAL);
        }
        // nfnetlink's ids have 32 bits, so no queued packet has a longer one.
        let Ok(id) = u32::try_from(id) else {
            return Action::refuse(Errno::ENOENT);
        };
        let following = self.following();
        Action::Verdict {
            verdict,
            id,
            replaces: data_len == following as u64 && following >= options.family.header_length(),
        }
    }

    /// Returns the most bytes of content that the kernel may put into one datagram because of this
    /// message. For a message that sets mode PACKET these are the bytes of a packet: as many as its
    /// range, or [`LONGEST_CONTENT`] for range 0. For every message they are also the bytes after
    /// its head, which an answer may quote. The greater number counts, but at most
    /// [`LONGEST_CONTENT`]. Returns `None` if it is 0.
    pub(crate) fn bytes_to_come(&self, action: Action) -> Option<usize> {
        let asked = match action {
            Action::Mode {
                mode: CopyMode::Packet,
                range: 0,
            } => LONGEST_CONTENT,
            Action::Mode { range, .. } => range as usize,
            _ => 0,
        };
        let bytes = asked.max(self.following()).min(LONGEST_CONTENT);
        (bytes > 0).then_some(bytes)
    }

    /// Returns the port id for the nfnetlink message's header: the length of an embedded message,
    /// or the sender of a plain verdict.
    const fn length_or_port_id(&self) -> PortId {
        if self.embedded {
            PortId(self.header.length)
        } else {
            self.header.port_id
        }
    }
}

/// Returns the action that a MODE message asks for. An unknown mode is refused with EINVAL. In mode
/// PACKET the low 32 bits of the range count; in the other modes the range becomes 0 (MSG-8).
fn mode(request: ModeRequest) -> Action {
    match request.mode {
        CopyMode::None | CopyMode::Meta => Action::Mode {
            mode: request.mode,
            range: 0,
        },
        CopyMode::Packet => Action::Mode {
            mode: request.mode,
            range: request.range as u32,
        },
        CopyMode::Unknown(_) => Action::refuse(Errno::EINVAL),
    }
}

/// Writes the nfnetlink message that stands for `request` and asks for `action`. The bytes that
/// follow its `head` are not copied: returns the offset in the datagram at which they belong. If
/// `attaches`, also binds the queue, in a mode message itself and after any other message in a
/// second one.
///
/// Returns `None`, and writes nothing, if more than [`LONGEST_CONTENT`] bytes follow the head,
/// which nfnetlink can't carry.
#[inline(always)]
pub(crate) fn write(
    writer: &mut Writer<'_>,
    request: &Request,
    head: &[u8],
    action: Action,
    attaches: bool,
    options: &Options,
) -> Option<usize> {
    let following = request.following();
    if following > LONGEST_CONTENT {
        return None;
    }
    let flags = request.header.flags;
    let mut tail = quote::EMBEDDED;
    match action {
        Action::Mode { mode, range } => {
            begin(writer, message_type::CONFIG, flags, request, options);
            if attaches {
                bind(writer, options);
            }
            parameters(writer, mode, range);
        }
        Action::Verdict { verdict, id, replaces } => {
            begin(writer, message_type::VERDICT, flags, request, options);
            verdict_header(writer, verdict, id, options);
            if replaces {
                tail = attribute::PAYLOAD;
            }
        }
        Action::VerdictUpTo { verdict, id } => {
            begin(writer, message_type::VERDICT_BATCH, flags, request, options);
            verdict_header(writer, verdict, id, options);
        }
        Action::Refuse {
            errno: Errno(number),
            before_capability,
        } => {
            let [a, b, c, d] = number.to_be_bytes();
            begin(writer, quote::REJECT_PROBE, Flags::REQUEST, request, options);
            writer.attribute(quote::REFUSAL, &[a, b, c, d, before_capability.into()]);
        }
    }
    if request.embedded {
        let head = head.get(..request.length().min(HEAD_BYTES)).unwrap_or_default();
        writer.attribute(quote::EMBEDDED, head);
    }
    if following > 0 {
        writer.attribute_header(tail, following);
    }
    writer.end(following);
    let cut = writer.length();
    if attaches && !matches!(action, Action::Mode { .. }) {
        writer.pad(following);
        bind_also(writer, options);
    }
    Some(cut)
}

/// Writes a message of the transport's own that binds the queue in mode NONE. It follows a message
/// that can't bind, such as a verdict, in the same datagram. It comes second, since a kernel
/// answers only the first message of a sender without the capability.
fn bind_also(writer: &mut Writer<'_>, options: &Options) {
    begin_own(writer, message_type::CONFIG, options);
    bind(writer, options);
    parameters(writer, CopyMode::None, 0);
    writer.end(0);
}

/// Writes a message that drops the packet `id`, of the transport's own accord. The kernel answers
/// it only if that fails.
pub(crate) fn drop_packet(writer: &mut Writer<'_>, id: u32, options: &Options) {
    begin_own(writer, message_type::VERDICT, options);
    verdict_header(writer, Verdict::Drop, id, options);
    writer.end(0);
}

/// Begins the nfnetlink message that stands for `request`.
fn begin(writer: &mut Writer<'_>, message_type: u16, flags: Flags, request: &Request, options: &Options) {
    let envelope = Envelope {
        flags,
        sequence: request.header.sequence,
        port_id: request.length_or_port_id(),
    };
    writer.message(message_type, envelope, 0, options.queue_number);
}

/// Begins an nfnetlink message that no program has asked for.
fn begin_own(writer: &mut Writer<'_>, message_type: u16, options: &Options) {
    let envelope = Envelope::request(PortId::KERNEL);
    writer.message(message_type, envelope, 0, options.queue_number);
}

/// Writes the attributes that bind the queue with its options. An option that is not set is not
/// written, so the kernel's value stays.
fn bind(writer: &mut Writer<'_>, options: &Options) {
    writer.attribute(attribute::CONFIG_COMMAND, &[command::BIND, 0, 0, 0]);
    if let Some(packets) = options.max_length {
        writer.attribute(attribute::CONFIG_MAX_LENGTH, &packets.to_be_bytes());
    }
    let choose = |on: bool, flag: u32| if on { flag } else { 0 };
    let flags = choose(options.fail_open, flag::FAIL_OPEN) | choose(options.segments_whole, flag::WHOLE_SEGMENTS);
    if flags != 0 {
        writer.attribute(attribute::CONFIG_MASK, &flags.to_be_bytes());
        writer.attribute(attribute::CONFIG_FLAGS, &flags.to_be_bytes());
    }
}

fn parameters(writer: &mut Writer<'_>, mode: CopyMode, range: u32) {
    let [a, b, c, d] = range.to_be_bytes();
    writer.attribute(attribute::CONFIG_PARAMETERS, &[a, b, c, d, mode.to_wire()]);
}

fn verdict_header(writer: &mut Writer<'_>, verdict: Verdict, id: u32, options: &Options) {
    // The upper half of a QUEUE verdict is the number of the queue to go to: this one again.
    let upper = match verdict {
        Verdict::Queue => u32::from(options.queue_number) << 16,
        _ => 0,
    };
    let [verdict, id] = [(upper | verdict.to_wire()).to_be_bytes(), id.to_be_bytes()];
    writer.attribute(attribute::VERDICT_HEADER, [verdict, id].as_flattened());
}

/// Makes the head of a plain verdict again: from the content of the attribute that holds the
/// verdict, the sender's port id, and the number of bytes that followed the head.
pub(crate) fn rebuild(port_id: PortId, verdict_header: [u8; 8], following: usize) -> [u8; HEAD_BYTES] {
    let [_, _, high, low, id @ ..] = verdict_header;
    let verdict = u16::from_be_bytes([high, low]).into();
    let request = VerdictRequest {
        verdict: Verdict::from_wire(verdict),
        packet_id: PacketId(u32::from_be_bytes(id).into()),
        data_len: following as u64,
    };
    let head = request.head(Abi::NATIVE, Envelope::request(port_id), following);
    *head.first_chunk().unwrap_or(&[0; HEAD_BYTES])
}

/// Returns the header of the program's message that the kernel acknowledges, made from the header
/// `quoted` of the nfnetlink message. Its type is MODE for CONFIG, and VERDICT for VERDICT or a
/// batch of verdicts. Its length is what `quoted` holds as the port id. Its port id is `peer`,
/// since only the peer's messages are acknowledged. Returns `None` if `quoted` has another type.
pub(crate) fn acknowledged(quoted: Header, peer: PortId) -> Option<Header> {
    let message_type = match quoted.message_type.to_wire() {
        message_type::CONFIG => MessageType::Mode,
        message_type::VERDICT | message_type::VERDICT_BATCH => MessageType::Verdict,
        _ => return None,
    };
    Some(Header {
        length: quoted.port_id.0,
        message_type,
        port_id: peer,
        ..quoted
    })
}
