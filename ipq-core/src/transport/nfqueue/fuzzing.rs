//! The translation without a socket, as the fuzz targets try it. Built for them, and in tests so that it goes on building.

use super::alike::Alike;
use super::devices;
use super::message::{ParseError, Room, Writer};
use super::options::Options;
use super::packet::Device;
use super::request::{self, Action, Request, START};
use super::scattered::{self, BESIDE, FIXED, Origin};
use super::translation::{Received, Translated};
use crate::errno::Errno;
use crate::wire::{InterfaceName, PortId};

/// What became of a datagram from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inward {
    /// A frame of so many bytes for the program.
    Frame(usize),
    /// A packet of the other family, by its id.
    OtherFamily(u32),
    /// An answer, with a frame of so many bytes or none, and whether it says that the queue is not bound.
    Answer(Option<usize>, bool),
}

/// Receives `datagram` into `buffer`, with its start beside it, and translates it there.
pub fn inward(
    datagram: &[u8],
    buffer: &mut [u8],
    options: &Options,
    peer: PortId,
    permitted: bool,
) -> Result<Inward, ParseError> {
    let mut beside = [0xee; BESIDE];
    let received = Received {
        copied: scattered::fill(&mut beside, buffer, datagram),
        origin: Origin::Beside(&beside),
        length: datagram.len(),
        options,
        peer,
    };
    translate(&received, buffer, permitted)
}

/// The same with all of `datagram` in `buffer`, which has room for it, and begins with as many other bytes as `ahead` says, or as
/// there is room for.
pub fn inward_in_place(
    datagram: &[u8],
    ahead: usize,
    buffer: &mut [u8],
    options: &Options,
    peer: PortId,
    permitted: bool,
) -> Result<Inward, ParseError> {
    let at = ahead.min(FIXED).min(buffer.len().saturating_sub(datagram.len()));
    let received = Received {
        copied: datagram.len().min(buffer.len()),
        origin: Origin::Within(at),
        length: datagram.len(),
        options,
        peer,
    };
    scattered::write(buffer, datagram, at);
    translate(&received, buffer, permitted)
}

/// The same of a `datagram` that may be like `first`, which came before it: none if it is not.
#[must_use]
pub fn inward_alike(
    first: &[u8],
    datagram: &[u8],
    ahead: usize,
    buffer: &mut [u8],
    options: &Options,
) -> Option<Inward> {
    let mut alike = Alike::default();
    alike.begin(0);
    scattered::write(buffer, first, 0);
    let start = alike.start(buffer, 0)?;
    if let Ok(Inward::Frame(length)) = inward_in_place(first, 0, buffer, options, PortId::KERNEL, false) {
        alike.learn(&start, buffer.get(..length).unwrap_or_default(), options.family);
    }
    let at = ahead.min(FIXED);
    scattered::write(buffer, datagram, at);
    let known = alike.translate(buffer, at, datagram.len())?;
    Some(Inward::Frame(known.frame))
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

/// The datagram that stands for the `message` of a program; none if nothing is sent. `peer` is who has attached, or 0.
///
/// # Panics
///
/// If the message is found to be a usual verdict, and to be something else.
#[must_use]
pub fn outward(message: &[u8], options: &Options, peer: PortId) -> Option<Vec<u8>> {
    let start = &message[..message.len().min(START)];
    let (request, refused) = Request::screen(start, message.len())?;
    let is_bound = peer != PortId::KERNEL;
    let action = match refused {
        Some(errno) => Action::refuse_first(errno),
        None if is_bound && request.header.port_id != peer => Action::refuse(Errno::EBUSY),
        None => request.action(start, options),
    };
    let attaches = refused.is_none() && !is_bound;
    let usual = message
        .split_first_chunk()
        .and_then(|(start, following)| request::usual(start, following.len(), peer, options));
    let request = usual.map_or(request, |(usual, of_usual)| {
        assert_eq!((usual.header, of_usual), (request.header, action), "a usual verdict");
        usual
    });
    let following = &message[START.min(request.length())..request.length()];
    datagram(&request, start, following, action, attaches, options)
}

/// The datagram that stands for a message, with what follows its start in its place.
pub(super) fn datagram(
    request: &Request,
    start: &[u8],
    following: &[u8],
    action: Action,
    attaches: bool,
    options: &Options,
) -> Option<Vec<u8>> {
    let mut bytes = Room::new();
    let mut writer = Writer::new(&mut bytes);
    let cut = request::write(&mut writer, request, start, action, attaches, options)?;
    let (head, tail) = writer.written().split_at(cut);
    Some([head, following, tail].concat())
}

/// The devices that come in a datagram of events: index and name, or no name for one that is gone.
#[must_use]
pub fn devices(datagram: &[u8]) -> Vec<(u32, Option<InterfaceName>)> {
    devices::events(datagram)
        .map(|event| match event {
            devices::Event::Is(index, device) => (index, Some(device.name)),
            devices::Event::Gone(index) => (index, None),
        })
        .collect()
}
