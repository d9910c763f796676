//! The packet ids of a recorded kernel, and the ids that the world of the replay gave to the same
//! packets.

use super::frames::{message_type, packet_id_at, verdict_id_at};
use crate::world::{Capabilities, Capability, Step};
use ipq_core::wire::nfnetlink::PROTOCOL;
use ipq_core::wire::{Abi, MessageType};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

/// The bytes of a packet id in a frame: one word, with the size and byte order of the recording's
/// ABI.
type RawId = Vec<u8>;

/// The number of a netlink protocol, which tells the queue: `ip_queue` has one protocol for the
/// queue of IPv4, and another for that of IPv6.
type QueueProtocol = i32;

/// A map from recorded packet ids to those of the world of the replay.
///
/// Each id belongs to a queue: the one whose socket received the frame with the id, or sends the
/// verdict. In a world whose ids are counted numbers, the same id can be in the queues of both
/// families.
pub(super) struct Ids {
    abi: Abi,
    /// `true` if this world's ids are addresses in memory. Then no id is in two queues at once.
    /// `false` if each queue counts its ids.
    addresses: bool,
    /// For each recorded id, this world's id by queue. The last PACKET frame with the recorded id
    /// decides.
    own: HashMap<RawId, BTreeMap<QueueProtocol, RawId>>,
    /// The sockets that are open, by name. A socket to which a `duplicate` step gave a second
    /// descriptor has two names.
    sockets: HashMap<String, Rc<RefCell<Socket>>>,
}

struct Socket {
    protocol: QueueProtocol,
    /// The packet ids of the verdicts that were sent to the kernel and that no error has answered,
    /// in order: each as recorded, and as sent here. A verdict that succeeded stays until a later
    /// one is answered.
    sent: VecDeque<(RawId, RawId)>,
}

impl Ids {
    /// Returns an empty map for a recording with this ABI and a world with these capabilities.
    pub(super) fn new(abi: Abi, capabilities: &Capabilities) -> Self {
        Self {
            abi,
            addresses: capabilities.has(Capability::IdReuse),
            own: HashMap::new(),
            sockets: HashMap::new(),
        }
    }

    /// Returns whether the socket was opened for numbered queues, whose packet ids are the same on
    /// every kernel. `false` for a socket that is not known.
    pub(super) fn is_numbered(&self, socket: &str) -> bool {
        let socket = self.sockets.get(socket);
        socket.is_some_and(|socket| socket.borrow().protocol == i32::from(PROTOCOL))
    }

    pub(super) const fn abi(&self) -> Abi {
        self.abi
    }

    /// Returns the step as it is to be done in this world. An `ip_queue` verdict that a known
    /// socket sends to the kernel gets this world's packet id, if one is known for the recorded id;
    /// all else stays. Notes that a socket is opened, duplicated or closed, and that a verdict is
    /// sent.
    pub(super) fn rewrite(&mut self, step: &Step) -> Step {
        let mut step = step.clone();
        match &mut step {
            Step::Open { socket, protocol, .. } => {
                let opened = Socket {
                    protocol: *protocol,
                    sent: VecDeque::new(),
                };
                self.sockets.insert(socket.clone(), Rc::new(RefCell::new(opened)));
            }
            Step::Duplicate { socket, duplicate } => {
                if let Some(socket) = self.sockets.get(socket).cloned() {
                    self.sockets.insert(duplicate.clone(), socket);
                }
            }
            Step::Send {
                socket,
                to: None | Some(0),
                bytes,
            } if message_type(bytes, 4, self.abi) == Some(MessageType::Verdict) => {
                let at = verdict_id_at(self.abi);
                if let (Some(recorded), Some(socket)) = (bytes.get(at.clone()), self.sockets.get(socket)) {
                    let mut socket = socket.borrow_mut();
                    let recorded = recorded.to_vec();
                    let handed_out = self.own.get(&recorded);
                    let own = handed_out.and_then(|own| named_by(socket.protocol, own, self.addresses));
                    let own = own.unwrap_or(&recorded).clone();
                    let mut rewritten = bytes.to_vec();
                    rewritten[at].copy_from_slice(&own);
                    *bytes = rewritten.into();
                    socket.sent.push_back((recorded, own));
                }
            }
            // With the socket's last name, what it sent is forgotten: no error will answer it.
            Step::Close { socket } => drop(self.sockets.remove(socket)),
            _ => {}
        }
        step
    }

    /// Notes that two PACKET frames, which `socket` received in the recording and here, are about
    /// the same packet. Does nothing if a frame ends within the packet id, or if the socket is not
    /// known.
    pub(super) fn learn(&mut self, socket: &str, recorded: &[u8], seen: &[u8]) {
        let at = packet_id_at(self.abi);
        let ids = recorded.get(at.clone()).zip(seen.get(at));
        if let Some(((recorded, own), socket)) = ids.zip(self.sockets.get(socket)) {
            let by_queue = self.own.entry(recorded.to_vec()).or_default();
            by_queue.insert(socket.borrow().protocol, own.to_vec());
        }
    }

    /// Returns whether the ids `recorded` and `seen`, which two errors on `socket` quote, are those
    /// of one verdict that `socket` sent and that no error has answered. Both ids may be cut
    /// short. If there is such a verdict, forgets it and the earlier ones, since errors come in the
    /// order of the verdicts.
    pub(super) fn answer(&mut self, socket: &str, recorded: &[u8], seen: &[u8]) -> bool {
        let Some(socket) = self.sockets.get(socket) else {
            return false;
        };
        let Socket { sent, .. } = &mut *socket.borrow_mut();
        let answered = sent
            .iter()
            .position(|(id, own)| id.starts_with(recorded) && own.starts_with(seen));
        if let Some(answered) = answered {
            sent.drain(..=answered);
        }
        answered.is_some()
    }
}

/// Returns this world's id for a verdict to the queue of `protocol`, from the ids by queue in
/// `own`; `None` if there is none. If only the other family's queue has an id, returns that one
/// where ids are addresses, since this queue can't have the same address.
fn named_by(protocol: QueueProtocol, own: &BTreeMap<QueueProtocol, RawId>, addresses: bool) -> Option<&RawId> {
    own.get(&protocol).or_else(|| own.values().next().filter(|_| addresses))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Request;
    use bytes::Bytes;
    use ipq_core::{Family, PacketId, PortId, Verdict};
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    const ABI: Abi = Abi::LP64_LITTLE;

    fn open(family: Family) -> Step {
        Step::Open {
            socket: family.to_string(),
            protocol: family.netlink_protocol().into(),
            bind: Some(4242),
        }
    }

    fn verdict(family: Family, id: u64) -> Step {
        Step::Send {
            socket: family.to_string(),
            to: None,
            bytes: Request::verdict(PacketId(id), Verdict::Accept).bytes(ABI, PortId(4242)),
        }
    }

    /// Returns the beginning of a PACKET frame, up to the end of its packet id.
    fn packet(id: u64) -> Bytes {
        [[0; 16].as_slice(), &id.to_le_bytes()].concat().into()
    }

    /// Returns a map with a socket for each family. The sockets have read these packets: each with
    /// the recorded id and this world's.
    fn having_read(capabilities: &Capabilities, read: &[(Family, u64, u64)]) -> Ids {
        let mut ids = Ids::new(ABI, capabilities);
        for family in Family::ALL {
            assert_eq!(ids.rewrite(&open(family)), open(family));
        }
        for (family, recorded, own) in read {
            ids.learn(&family.to_string(), &packet(*recorded), &packet(*own));
        }
        ids
    }

    /// Returns `step` as it is by the socket's other descriptor, which is named `duplicate`.
    fn by_duplicate(step: Step) -> Step {
        match step {
            Step::Send { to, bytes, .. } => Step::Send {
                socket: "duplicate".into(),
                to,
                bytes,
            },
            other => other,
        }
    }

    #[test]
    fn a_duplicate_is_the_same_socket_and_outlives_the_other_name() {
        let mut ids = having_read(&Capabilities::default(), &[(Family::Ipv4, 1, 40)]);
        let socket = Family::Ipv4.to_string();
        let duplicate = Step::Duplicate {
            socket: socket.clone(),
            duplicate: "duplicate".into(),
        };
        assert_eq!(ids.rewrite(&duplicate), duplicate);
        // A packet that one has read is known to the other.
        ids.learn("duplicate", &packet(2), &packet(41));
        let sent = by_duplicate(verdict(Family::Ipv4, 1));
        assert_eq!(ids.rewrite(&sent), by_duplicate(verdict(Family::Ipv4, 40)));
        assert_eq!(ids.rewrite(&verdict(Family::Ipv4, 2)), verdict(Family::Ipv4, 41));
        // Either may read the errors.
        let quoted = |id: u64| id.to_le_bytes();
        assert!(ids.answer(&socket, &quoted(1), &quoted(40)));
        ids.rewrite(&Step::Close { socket: socket.clone() });
        assert!(!ids.answer(&socket, &quoted(2), &quoted(41)));
        assert!(ids.answer("duplicate", &quoted(2), &quoted(41)));
    }

    #[rstest]
    #[case::addresses([Capability::IdReuse].into_iter().collect())]
    #[case::numbers(Capabilities::default())]
    fn an_id_that_both_families_have_is_each_ones_own(#[case] capabilities: Capabilities) {
        let read = [(Family::Ipv4, 1, 40), (Family::Ipv6, 1, 60), (Family::Ipv4, 2, 41)];
        let mut ids = having_read(&capabilities, &read);
        for (family, recorded, own) in read {
            assert_eq!(ids.rewrite(&verdict(family, recorded)), verdict(family, own));
        }
    }

    /// Checks a verdict to the IPv4 queue with an id that only the IPv6 socket has read. Where ids
    /// are numbers, the id stays as recorded, since a packet of the IPv4 queue that was not read
    /// may have it.
    #[rstest]
    #[case::is_the_others_where_ids_are_addresses([Capability::IdReuse].into_iter().collect(), 60)]
    #[case::stays_where_ids_are_numbers(Capabilities::default(), 1000)]
    fn an_id_of_the_other_family(#[case] capabilities: Capabilities, #[case] own: u64) {
        let mut ids = having_read(&capabilities, &[(Family::Ipv6, 1000, 60)]);
        assert_eq!(ids.rewrite(&verdict(Family::Ipv4, 1000)), verdict(Family::Ipv4, own));
    }
}
