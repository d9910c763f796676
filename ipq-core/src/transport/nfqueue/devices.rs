//! What there is to know of the network devices, so that no packet costs a system call for the names of its devices.
//!
//! A second netlink socket hears of every device that comes, changes or goes. It is looked at when the queue has run empty,
//! when a packet names an unknown device, and at every 256th packet in between; so a program that keeps up sees each
//! renaming at once, and one that lags behind sees it 256 packets later at the most. (Threads that read from one queue together
//! may count a packet twice or not at all, and look as much sooner or later.) No lock is held while anything waits.

use super::message::Attributes;
use super::packet::Device;
use crate::errno::Errno;
use crate::transport::netlink::{Bind, Netlink, SocketError};
use crate::transport::{Transport, TransportError, Wait};
use crate::wire::{Abi, Flags, Header, InterfaceName, MessageType, PortId};
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

/// The devices of the network namespace that this was opened in.
#[derive(Debug)]
pub(super) struct Devices {
    events: Netlink,
    known: RwLock<BTreeMap<u32, Device>>,
    /// How often anything of what is known has changed.
    changes: AtomicU32,
    /// Where events are received: one reader at a time.
    received: Mutex<Box<[u8]>>,
    datagrams: AtomicU32,
    queue_ran_empty: AtomicBool,
}

impl Devices {
    /// How many datagrams may go by without a look at the events.
    const UNLOOKED: u32 = 256;
    /// More than the kernel puts into one datagram of events.
    const RECEIVED: usize = 32 << 10;

    /// Begins to listen, and then asks for all devices that there are.
    pub(super) fn open() -> Result<Self, Errno> {
        const ROUTE: u8 = 0;
        const LINK_GROUP: u32 = 1;
        let events = Netlink::with_groups(ROUTE, Bind::KernelChoice, LINK_GROUP).map_err(SocketError::errno)?;
        let devices = Self {
            events,
            known: RwLock::default(),
            changes: AtomicU32::new(0),
            received: Mutex::new(vec![0; Self::RECEIVED].into()),
            datagrams: AtomicU32::new(0),
            queue_ran_empty: AtomicBool::new(false),
        };
        devices.ask_for_all()?;
        devices.look();
        Ok(devices)
    }

    /// Says that the queue had no packet: before the next is translated, there may have been events.
    pub(super) fn queue_ran_empty(&self) {
        self.queue_ran_empty.store(true, Ordering::Relaxed);
    }

    /// Says that so many datagrams came, which may be packets, and are not translated yet.
    pub(super) fn datagrams_came(&self, count: u32) {
        // Not an atomic addition, which waits for whatever the kernel has just written.
        let before = self.datagrams.load(Ordering::Relaxed);
        let after = before.wrapping_add(count);
        self.datagrams.store(after, Ordering::Relaxed);
        let due = before / Self::UNLOOKED != after / Self::UNLOOKED;
        // A look costs less than a swap, and nearly always there is nothing to swap.
        let ran_empty =
            || self.queue_ran_empty.load(Ordering::Relaxed) && self.queue_ran_empty.swap(false, Ordering::Relaxed);
        if due || ran_empty() {
            self.look();
        }
    }

    /// How often what [`get`](Self::get) says may have changed.
    pub(super) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Relaxed)
    }

    /// The devices with these indices; without a name where there is none.
    pub(super) fn get(&self, indices: [u32; 2]) -> [Device; 2] {
        let (devices, all_known) = self.known(indices);
        if all_known {
            return devices;
        }
        self.look();
        self.known(indices).0
    }

    /// The same without a look at the events, and whether all are known.
    fn known(&self, [incoming, outgoing]: [u32; 2]) -> ([Device; 2], bool) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut all_known = true;
        let mut find = |index| {
            if index == 0 {
                return Device::default();
            }
            let device = known.get(&index).copied();
            all_known &= device.is_some();
            device.unwrap_or_default()
        };
        ([find(incoming), find(outgoing)], all_known)
    }

    /// Takes in the events that have come.
    fn look(&self) {
        let mut received = self.received();
        loop {
            match self.events.receive(&mut received, Wait::Never) {
                Ok(datagram) if datagram.sender == PortId::KERNEL && datagram.length == datagram.copied => {
                    let events = events(received.get(..datagram.copied).unwrap_or_default());
                    self.change(|known| {
                        for event in events {
                            match event {
                                Event::Is(index, device) => known.insert(index, device),
                                Event::Gone(index) => known.remove(&index),
                            };
                        }
                    });
                }
                // Not the kernel's, or longer than any that was ever seen.
                Ok(_) => {}
                // Events were lost, so everything is asked for anew. If that fails, unknown devices will have no name.
                Err(TransportError::Overrun) => {
                    self.change(BTreeMap::clear);
                    let _ = self.ask_for_all();
                }
                Err(_) => return,
            }
        }
    }

    /// Changes what is known, and counts that while nobody else can read it: who hears of the change can't read what was before it.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<u32, Device>)) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut known);
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    fn received(&self) -> MutexGuard<'_, Box<[u8]>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for an event for each device. The kernel puts them up for reading before it returns.
    fn ask_for_all(&self) -> Result<(), Errno> {
        const GET_LINK: u16 = 18;
        const DUMP: Flags = Flags(0x300);
        let request = Header {
            length: 32,
            message_type: MessageType::Unknown(GET_LINK),
            flags: Flags::REQUEST | DUMP,
            sequence: 1,
            port_id: PortId::KERNEL,
        };
        let header = request.write(Abi::NATIVE);
        let parts = [&header[..], &[0; 16]].map(IoSlice::new);
        match self.events.send(&parts) {
            Ok(_) => Ok(()),
            Err(TransportError::System(errno)) => Err(errno),
            Err(_) => Err(Errno::EIO),
        }
    }
}

/// What an event says of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Is(u32, Device),
    Gone(u32),
}

/// The events in a datagram. What is damaged, and what is about something else, is passed over.
pub(super) fn events(mut datagram: &[u8]) -> impl Iterator<Item = Event> + '_ {
    std::iter::from_fn(move || {
        loop {
            let header = Header::parse(datagram, Abi::NATIVE)?;
            let length = (header.length as usize).max(Header::BYTES);
            let message = datagram.get(..length)?;
            datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
            if let Some(event) = event(header.message_type.to_wire(), message) {
                return Some(event);
            }
        }
    })
}

fn event(message_type: u16, message: &[u8]) -> Option<Event> {
    const NEW_LINK: u16 = 16;
    const DEL_LINK: u16 = 17;
    const BODY: usize = Header::BYTES + 16;
    const NAME: u16 = 3;
    let &[family, _, type_low, type_high, index @ .., _, _, _, _, _, _, _, _] =
        message.get(Header::BYTES..).and_then(<[u8]>::first_chunk::<16>)?;
    // Bridges and others tell of their ports in messages of the same type, with a family of their own.
    if family != 0 {
        return None;
    }
    let index = u32::from_ne_bytes(index);
    match message_type {
        DEL_LINK => Some(Event::Gone(index)),
        NEW_LINK => {
            let mut attributes = Attributes::new(message, BODY, message.len());
            let name = attributes.find_map(|found| found.ok().filter(|found| found.kind == NAME))?;
            let name = message.get(name.content.start..name.content.start + name.content.length)?;
            let mut field = [0; InterfaceName::WIRE_BYTES];
            let count = name.len().min(field.len());
            field[..count].copy_from_slice(&name[..count]);
            let device = Device {
                name: InterfaceName::from_wire(field),
                hw_type: u16::from_ne_bytes([type_low, type_high]),
            };
            Some(Event::Is(index, device))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_device_that_is_not_known_yet_is_looked_for() {
        let devices = Devices::open().expect("netlink sockets");
        for indices in [[1, 0], [0, 1]] {
            devices.known.write().expect("nobody panicked").clear();
            devices.ask_for_all().expect("asked");
            let names = devices.get(indices).map(|device| device.name.to_string());
            assert_eq!(names.concat(), "lo");
        }
    }
}
