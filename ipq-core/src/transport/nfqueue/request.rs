//! From a MODE or VERDICT message to the nfnetlink message that stands for it.
//!
//! Whatever `ip_queue` would have answered must come back through the kernel's socket, so a message that gets an answer
//! leaves as exactly one nfnetlink message that will get one. What `ip_queue` refused and nfnetlink would not is sent as a
//! [`kind::BOUNCE`], which the kernel refuses whoever sends it, with what the answer is to be.
//!
//! Every message but a usual verdict carries the `ip_queue` message that it stands for, for the answer to quote: its beginning
//! as an attribute that no kernel knows, the rest as the replacement packet or as another such attribute. An acknowledgement
//! quotes a header only; so the header's port id, which no kernel looks at, holds the `ip_queue` message's length.
//!
//! A usual verdict says all that its message said, and is not acknowledged. Its header has the program's port id, and the
//! message's beginning is [told again](retold) where an answer quotes it.

use super::message::{ATTRIBUTE_ROOM, Writer, attribute, header_of, kind};
use super::options::Options;
use crate::errno::Errno;
use crate::wire::{
    Abi, CopyMode, Envelope, Flags, Header, MessageType, ModeRequest, Objection, PacketId, PortId, Screened, Verdict,
    VerdictRequest, WireError, screen,
};

/// The longest beginning that is looked at: the header and the union of MODE and VERDICT.
pub(super) const START: usize = Header::BYTES + Abi::NATIVE.request_bytes();

/// A message whose header was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) header: Header,
    /// Whether it goes along with what stands for it: all do but what is [`usual`].
    pub(super) carried: bool,
}

/// What is to be asked of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// To refuse, with this number.
    Refuse {
        errno: Errno,
        /// Whether `ip_queue` refused this before it looked at the sender's capability (MSG-2 to MSG-5).
        before_capability: bool,
    },
    /// To set the copy mode.
    Mode { mode: CopyMode, range: u32 },
    /// To give a verdict, which is not STOLEN and not unknown.
    Verdict {
        verdict: Verdict,
        id: u32,
        /// Whether what follows the message replaces the packet.
        replaces: bool,
    },
    /// To give a verdict on every packet up to this id. The message is the last of those that ask for it.
    VerdictUpTo { verdict: Verdict, id: u32 },
}

impl Action {
    /// Refuses what `ip_queue` refused before it looked at the sender's capability.
    pub(super) const fn refuse_first(errno: Errno) -> Self {
        Self::Refuse {
            errno,
            before_capability: true,
        }
    }

    /// Refuses what `ip_queue` refused after it had looked at the sender's capability.
    pub(super) const fn refuse(errno: Errno) -> Self {
        Self::Refuse {
            errno,
            before_capability: false,
        }
    }
}

/// What a message is that begins with `start`, and that `following` bytes follow, if it is what nearly all are: a verdict of the
/// peer's, whose success is silent, and which has nothing in it but the verdict and, if anything follows, a replacement. [`Request::screen`] and
/// [`Request::action`] say the same of it, and more of others.
#[inline]
pub(super) fn usual(
    start: &[u8; START],
    following: usize,
    peer: PortId,
    options: &Options,
) -> Option<(Request, Action)> {
    const NUMBER_END: usize = Header::BYTES + 4;
    const WORD_END: usize = Header::BYTES + Abi::NATIVE.word_bytes();
    let request = Request {
        header: Header {
            length: u32::try_from(START + following).ok()?,
            message_type: MessageType::Verdict,
            flags: Flags::REQUEST,
            sequence: 0,
            port_id: peer,
        },
        carried: false,
    };
    if peer == PortId::KERNEL || Header::parse(start, Abi::NATIVE)? != request.header {
        return None;
    }
    let (verdict, _) = VerdictRequest::parse(&start[Header::BYTES..], Abi::NATIVE).ok()?;
    let padded = start[NUMBER_END..WORD_END].iter().all(|byte| *byte == 0);
    if !padded || verdict.data_len != following as u64 {
        return None;
    }
    match request.verdict(verdict, options) {
        action @ Action::Verdict { replaces, .. } if replaces || following == 0 => Some((request, action)),
        _ => None,
    }
}

/// Which packet the verdict is on that begins with `start`, if it differs from `other` in nothing else. That is a [`usual`] one, and nothing
/// follows either.
#[inline]
pub(super) fn repeated(start: &[u8; START], other: &[u8; START]) -> Option<u32> {
    const ID: usize = Header::BYTES + Abi::NATIVE.word_bytes();
    const ID_END: usize = ID + Abi::NATIVE.word_bytes();
    if start[..ID] != other[..ID] || start[ID_END..] != other[ID_END..] {
        return None;
    }
    let (request, _) = VerdictRequest::parse(&start[Header::BYTES..], Abi::NATIVE).ok()?;
    u32::try_from(request.packet_id.0).ok()
}

/// The beginning of the [`usual`] message of a program with that port id, from the attribute that holds its verdict, and how many
/// bytes followed it.
pub(super) fn retold(port_id: PortId, header: [u8; 8], following: usize) -> [u8; START] {
    let [_, _, high, low, id @ ..] = header;
    let verdict = u16::from_be_bytes([high, low]).into();
    let request = VerdictRequest {
        verdict: Verdict::from_wire(verdict),
        packet_id: PacketId(u32::from_be_bytes(id).into()),
        data_len: following as u64,
    };
    let head = request.head(Abi::NATIVE, Envelope::request(port_id), following);
    *head.first_chunk().unwrap_or(&[0; START])
}

impl Request {
    /// Checks the header of a message of `length` bytes, of which `start` is the beginning (MSG-1 to
    /// MSG-4). Returns `None` if the queue ignores the message, and the error number if it refuses it.
    pub(super) fn screen(start: &[u8], length: usize) -> Option<(Self, Option<Errno>)> {
        let (header, refused) = match screen(start, length, Abi::NATIVE, Objection::response) {
            Screened::Ignored => return None,
            Screened::Refused(header, errno) => (header, Some(errno)),
            Screened::Passed(header) => (header, None),
        };
        Some((Self { header, carried: true }, refused))
    }

    /// The message's length in bytes, by its header.
    pub(super) const fn length(&self) -> usize {
        self.header.length as usize
    }

    /// What the header of the nfnetlink message has as its port id: the message's length if that is carried, and else whose it is.
    const fn length_or_port_id(&self) -> u32 {
        if self.carried {
            self.header.length
        } else {
            self.header.port_id.0
        }
    }

    /// How many bytes of the message follow its first [`START`].
    pub(super) const fn following(&self) -> usize {
        self.length().saturating_sub(START)
    }

    /// How many bytes of a packet, or of this message, the kernel may now send, if it may be any.
    pub(super) fn calls_for(&self, action: Action) -> Option<usize> {
        let asked = match action {
            Action::Mode {
                mode: CopyMode::Packet,
                range: 0,
            } => ATTRIBUTE_ROOM,
            Action::Mode { range, .. } => range as usize,
            _ => 0,
        };
        let bytes = asked.max(self.following()).min(ATTRIBUTE_ROOM);
        (bytes > 0).then_some(bytes)
    }

    /// What a message of the peer's asks for (MSG-7 to MSG-9, VER-1, VER-2, VER-5, VER-6).
    pub(super) fn action(&self, start: &[u8], options: &Options) -> Action {
        let body = start.get(Header::BYTES..self.length().min(START)).unwrap_or_default();
        let read = match self.header.message_type {
            MessageType::Mode => ModeRequest::parse(body, Abi::NATIVE).map(mode),
            MessageType::Verdict => {
                VerdictRequest::parse(body, Abi::NATIVE).map(|(request, _)| self.verdict(request, options))
            }
            _ => Ok(Action::refuse(Errno::EINVAL)),
        };
        read.unwrap_or_else(|_: WireError| Action::refuse(Errno::EINVAL))
    }

    #[inline]
    fn verdict(&self, request: VerdictRequest, options: &Options) -> Action {
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
}

/// An unknown mode is refused; the range counts in mode PACKET only, and is cut to 32 bits (MSG-8).
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

/// Writes what stands for `request`, whose first bytes are `start`, and returns where the message's bytes after those
/// belong in the datagram; they are not copied. `attaches` says that the queue is to be bound with it. `None`, and nothing
/// written, if the message is longer than nfnetlink can carry.
#[inline(always)]
pub(super) fn write(
    writer: &mut Writer<'_>,
    request: &Request,
    start: &[u8],
    action: Action,
    attaches: bool,
    options: &Options,
) -> Option<usize> {
    let following = request.following();
    if following > ATTRIBUTE_ROOM {
        return None;
    }
    let flags = request.header.flags;
    let mut rest = attribute::QUOTE;
    match action {
        Action::Mode { mode, range } => {
            begin(writer, kind::CONFIG, flags, request, options);
            if attaches {
                bind(writer, options);
            }
            parameters(writer, mode, range);
        }
        Action::Verdict { verdict, id, replaces } => {
            begin(writer, kind::VERDICT, flags, request, options);
            verdict_header(writer, verdict, id, options);
            if replaces {
                rest = attribute::PAYLOAD;
            }
        }
        Action::VerdictUpTo { verdict, id } => {
            begin(writer, kind::VERDICT_BATCH, flags, request, options);
            verdict_header(writer, verdict, id, options);
        }
        Action::Refuse {
            errno: Errno(number),
            before_capability,
        } => {
            let [a, b, c, d] = number.to_be_bytes();
            begin(writer, kind::BOUNCE, Flags::REQUEST, request, options);
            writer.attribute(attribute::DECISION, &[a, b, c, d, before_capability.into()]);
        }
    }
    if request.carried {
        let quoted = start.get(..request.length().min(START)).unwrap_or_default();
        writer.attribute(attribute::QUOTE, quoted);
    }
    if following > 0 {
        writer.attribute_of(rest, following);
    }
    writer.end(following);
    let cut = writer.length();
    if attaches && !matches!(action, Action::Mode { .. }) {
        writer.pad_after(following);
        bind_also(writer, options);
    }
    Some(cut)
}

/// What binds the queue after a message that does not: it comes second, so that where the sender lacks the capability, which
/// the kernel says once a datagram, the answer is the message's.
fn bind_also(writer: &mut Writer<'_>, options: &Options) {
    begin_own(writer, kind::CONFIG, options);
    bind(writer, options);
    parameters(writer, CopyMode::None, 0);
    writer.end(0);
}

/// Writes the datagram that drops a packet without anybody having asked for it, and without an answer if all goes well.
pub(super) fn drop_packet(writer: &mut Writer<'_>, id: u32, options: &Options) {
    begin_own(writer, kind::VERDICT, options);
    verdict_header(writer, Verdict::Drop, id, options);
    writer.end(0);
}

/// Begins what stands for a message of the program's.
fn begin(writer: &mut Writer<'_>, kind: u16, flags: Flags, request: &Request, options: &Options) {
    let header = header_of(kind, flags, request.header.sequence, request.length_or_port_id());
    writer.message(header, 0, options.queue_number);
}

/// Begins a message that nobody has asked for.
fn begin_own(writer: &mut Writer<'_>, kind: u16, options: &Options) {
    writer.message(header_of(kind, Flags::REQUEST, 0, 0), 0, options.queue_number);
}

/// A queue is bound with its options: those that were not asked for are left as the kernel has them.
fn bind(writer: &mut Writer<'_>, options: &Options) {
    const BIND: u8 = 1;
    const FAIL_OPEN: u32 = 1;
    const SEGMENTS_WHOLE: u32 = 4;
    writer.attribute(attribute::CONFIG_COMMAND, &[BIND, 0, 0, 0]);
    if let Some(packets) = options.max_length {
        writer.attribute(attribute::CONFIG_MAX_LENGTH, &packets.to_be_bytes());
    }
    let flag = |on: bool, flag: u32| if on { flag } else { 0 };
    let flags = flag(options.fail_open, FAIL_OPEN) | flag(options.segments_whole, SEGMENTS_WHOLE);
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

/// The header that `ip_queue` quoted in an acknowledgement, from the one that nfnetlink quotes. Only the peer's messages are
/// acknowledged.
pub(super) fn acknowledged(quoted: Header, peer: PortId) -> Option<Header> {
    let message_type = match quoted.message_type.to_wire() {
        kind::CONFIG => MessageType::Mode,
        kind::VERDICT | kind::VERDICT_BATCH => MessageType::Verdict,
        _ => return None,
    };
    Some(Header {
        length: quoted.port_id.0,
        message_type,
        port_id: peer,
        ..quoted
    })
}
