//! The translation without a socket, for the fuzz targets. It is built in tests too, so that it
//! goes on building.

use super::devices;
use super::fast::plain;
use super::fast::template::TemplateCache;
use super::options::Options;
use super::socket::Device;
use super::translate::datagram::{Received, Translated};
use super::translate::headroom::{self, BOUNCE_BYTES, FRAME_HEAD, Origin};
use super::translate::request::{self, Action, HEAD_BYTES, Request, Room, Writer};
use crate::errno::Errno;
use crate::wire::nfnetlink::ParseError;
use crate::wire::{InterfaceName, PortId};

/// The result of translating a datagram from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inward {
    /// A frame of this many bytes for the program.
    Frame(usize),
    /// A packet of the other family, with this id.
    OtherFamily(u32),
    /// An answer: the length of its frame, if it has one, and `true` if it says that this socket
    /// has not bound the queue.
    Answer(Option<usize>, bool),
}

/// Receives `datagram`, its first 512 bytes into a bounce buffer and the rest into `buffer`, and
/// translates it to a frame in `buffer`. `permitted` is `true` if the program has the capability.
pub fn inward(
    datagram: &[u8],
    buffer: &mut [u8],
    options: &Options,
    peer: PortId,
    permitted: bool,
) -> Result<Inward, ParseError> {
    let mut bounce = [0xee; BOUNCE_BYTES];
    let received = Received {
        copied: headroom::fill(&mut bounce, buffer, datagram),
        origin: Origin::Bounced(&bounce),
        length: datagram.len(),
        options,
        peer,
    };
    translate(&received, buffer, permitted)
}

/// Receives `datagram` into `buffer`, and translates it to a frame there. It is received after
/// `headroom` bytes, at most as many as a PACKET frame's fixed part has, and after fewer if it
/// would not fit.
pub fn inward_in_place(
    datagram: &[u8],
    headroom: usize,
    buffer: &mut [u8],
    options: &Options,
    peer: PortId,
    permitted: bool,
) -> Result<Inward, ParseError> {
    let at = headroom
        .min(FRAME_HEAD)
        .min(buffer.len().saturating_sub(datagram.len()));
    let received = Received {
        copied: datagram.len().min(buffer.len()),
        origin: Origin::InBuffer(at),
        length: datagram.len(),
        options,
        peer,
    };
    headroom::write(buffer, datagram, at);
    translate(&received, buffer, permitted)
}

/// Makes a template of the datagram `first`, and translates `datagram` by it. Returns `None` if
/// `first` gives no template, or if the template can't translate `datagram`.
#[must_use]
pub fn inward_by_template(
    first: &[u8],
    datagram: &[u8],
    headroom: usize,
    buffer: &mut [u8],
    options: &Options,
) -> Option<Inward> {
    let mut templates = TemplateCache::default();
    templates.begin(0);
    headroom::write(buffer, first, 0);
    let prefix = templates.prefix_to_insert(buffer, 0)?;
    if let Ok(Inward::Frame(length)) = inward_in_place(first, 0, buffer, options, PortId::KERNEL, false) {
        templates.insert(&prefix, buffer.get(..length).unwrap_or_default(), options.family);
    }
    let at = headroom.min(FRAME_HEAD);
    headroom::write(buffer, datagram, at);
    let matched = templates.translate(buffer, at, datagram.len())?;
    Some(Inward::Frame(matched.frame))
}

fn translate(received: &Received<'_>, buffer: &mut [u8], permitted: bool) -> Result<Inward, ParseError> {
    let device = |index| Device {
        name: InterfaceName::from_wire([index as u8; 16]),
        hw_type: index as u16,
    };
    let devices = |indices: [u32; 2]| indices.map(device);
    Ok(match received.translate(buffer, devices, || permitted)? {
        Translated::Packet { frame, .. } => Inward::Frame(frame),
        Translated::OtherFamily(id) => Inward::OtherFamily(id),
        Translated::Answer { frame, attach_failed } => Inward::Answer(frame, attach_failed),
    })
}

/// Returns the nfnetlink datagram that stands for the `message` of a program. Returns `None` if
/// nothing is sent. `peer` is the port id that has attached, or 0.
///
/// # Panics
///
/// If the fast path takes the message for a plain verdict, and the slow path for something else.
#[must_use]
pub fn outward(message: &[u8], options: &Options, peer: PortId) -> Option<Vec<u8>> {
    let head = &message[..message.len().min(HEAD_BYTES)];
    let (request, refused) = Request::screen(head, message.len())?;
    let is_bound = peer != PortId::KERNEL;
    let action = match refused {
        Some(errno) => Action::refuse_first(errno),
        None if is_bound && request.header.port_id != peer => Action::refuse(Errno::EBUSY),
        None => request.action(head, options),
    };
    let attaches = refused.is_none() && !is_bound;
    let plain = message
        .split_first_chunk()
        .and_then(|(head, tail)| plain::plain(head, tail.len(), peer, options));
    let request = plain.map_or(request, |(plain, its_action)| {
        assert_eq!((plain.header, its_action), (request.header, action), "a plain verdict");
        plain
    });
    let tail = &message[HEAD_BYTES.min(request.length())..request.length()];
    datagram(&request, head, tail, action, attaches, options)
}

/// Returns the nfnetlink datagram that asks the kernel for `action`, on behalf of a message with
/// this `head` and this `tail`. Returns `None` if the tail is longer than nfnetlink can carry.
pub(super) fn datagram(
    request: &Request,
    head: &[u8],
    tail: &[u8],
    action: Action,
    attaches: bool,
    options: &Options,
) -> Option<Vec<u8>> {
    let mut room = Room::new();
    let mut writer = Writer::new(&mut room);
    let cut = request::write(&mut writer, request, head, action, attaches, options)?;
    let (before, after) = writer.written()?.split_at(cut);
    Some([before, tail, after].concat())
}

/// Returns the devices in a datagram of events: index and name, or no name for one that is gone.
#[must_use]
pub fn devices(datagram: &[u8]) -> Vec<(u32, Option<InterfaceName>)> {
    devices::events(datagram)
        .map(|event| match event {
            devices::Event::Is(index, device) => (index, Some(device.name)),
            devices::Event::Gone(index) => (index, None),
        })
        .collect()
}
