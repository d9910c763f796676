//! The table of network devices, so that a packet's device names cost no system call.
//!
//! A netlink socket of its own hears of every device that comes, changes or goes. It is read at the
//! first datagram after the queue was found empty, at every 256th datagram, and when a packet names
//! an unknown device. So a program that keeps up sees each renaming at once, and one that lags
//! behind sees it at most 256 datagrams later. (Threads that read from one queue together may count
//! a datagram twice or not at all, and read the events that much sooner or later.) No lock is held
//! while anything waits.

use super::socket::{Device, DeviceTable};
use crate::errno::Errno;
use crate::transport::netlink::{Bind, Netlink, SocketError};
use crate::transport::{Transport, TransportError, Wait};
use crate::wire::nfnetlink::Attributes;
use crate::wire::{Abi, Flags, Header, InterfaceName, MessageType, PortId};
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

/// A table of the network devices in the network namespace where the table was opened, by their
/// indices.
#[derive(Debug)]
pub struct Devices {
    events: Netlink,
    known: RwLock<BTreeMap<u32, Device>>,
    /// A number that goes up with each change of `known`.
    generation: AtomicU32,
    /// The buffer for events, for one reader at a time.
    received: Mutex<Box<[u8]>>,
    datagrams: AtomicU32,
    queue_ran_empty: AtomicBool,
}

impl Devices {
    /// The number of datagrams after which the device events are read at the latest.
    const INTERVAL: u32 = 256;
    /// The size of the buffer for events, in bytes: more than the kernel puts into one datagram.
    const RECEIVED: usize = 32 << 10;

    /// Opens a table: starts to listen for device events, asks for all devices, and reads the
    /// answers.
    pub(super) fn open() -> Result<Self, Errno> {
        const ROUTE: u8 = 0;
        const LINK_GROUP: u32 = 1;
        let events = Netlink::with_groups(ROUTE, Bind::KernelChoice, LINK_GROUP).map_err(SocketError::errno)?;
        let devices = Self {
            events,
            known: RwLock::default(),
            generation: AtomicU32::new(0),
            received: Mutex::new(vec![0; Self::RECEIVED].into()),
            datagrams: AtomicU32::new(0),
            queue_ran_empty: AtomicBool::new(false),
        };
        devices.ask_for_all()?;
        devices.read_events();
        Ok(devices)
    }

    /// Returns the devices with these indices, and `true` if both are known. A device that is not
    /// known has no name. Index 0 stands for no device, and counts as known.
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

    /// Reads the device events that have come, without waiting, and changes the table by them. If
    /// the kernel lost events, empties the table and asks for all devices.
    fn read_events(&self) {
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
                // The datagram is not the kernel's, or longer than the buffer.
                Ok(_) => {}
                // Events were lost, so all devices are asked for again. If that fails, unknown
                // devices have no name.
                Err(TransportError::Overrun) => {
                    self.change(BTreeMap::clear);
                    let _ = self.ask_for_all();
                }
                Err(_) => return,
            }
        }
    }

    /// Changes the table, and counts the change before anybody can read the table again. So a
    /// reader who knows the new generation never sees the old table.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<u32, Device>)) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut known);
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    fn received(&self) -> MutexGuard<'_, Box<[u8]>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the kernel for an event for each device. The first events are queued before this
    /// returns, and more with each read, so that reading without a wait gets all.
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

impl DeviceTable for Devices {
    fn queue_ran_empty(&self) {
        self.queue_ran_empty.store(true, Ordering::Relaxed);
    }

    fn datagrams_came(&self, count: u32) {
        // Not an atomic addition: that would wait for the stores that the kernel has just made.
        let before = self.datagrams.load(Ordering::Relaxed);
        let after = before.wrapping_add(count);
        self.datagrams.store(after, Ordering::Relaxed);
        let due = before / Self::INTERVAL != after / Self::INTERVAL;
        // A load costs less than a swap, and nearly always there is nothing to swap.
        let ran_empty =
            || self.queue_ran_empty.load(Ordering::Relaxed) && self.queue_ran_empty.swap(false, Ordering::Relaxed);
        if due || ran_empty() {
            self.read_events();
        }
    }

    fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    fn get(&self, indices: [u32; 2]) -> [Device; 2] {
        let (devices, all_known) = self.known(indices);
        if all_known {
            return devices;
        }
        self.read_events();
        self.known(indices).0
    }
}

/// What an event says about a network device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// There is a device with this index: it is new, has changed, or was asked for. The second
    /// field is its name and type.
    Is(u32, Device),
    /// There is no device with this index any more.
    Gone(u32),
}

/// Iterates over the device events in a datagram. Passes over other messages. Ends at a message
/// whose header is cut or states more bytes than are left.
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
    // Bridges and others tell of their ports in messages of this type too, with their own family.
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
    fn an_unknown_device_is_looked_for() {
        let devices = Devices::open().expect("netlink sockets");
        for indices in [[1, 0], [0, 1]] {
            devices.known.write().expect("nobody panicked").clear();
            devices.ask_for_all().expect("asked");
            let names = devices.get(indices).map(|device| device.name.to_string());
            assert_eq!(names.concat(), "lo");
        }
    }
}
