use super::*;
use crate::host::hook::HookPoint;
use crate::profile::Profile;
use crate::time::clock::ArrivalTime;
use ipq_core::wire::{EtherType, Flags, HardwareAddress, InterfaceName, Message, WordSize};
use ipq_core::{CopyMode, Verdict};
use pretty_assertions::assert_eq;
use rstest::rstest;

const RULES: &Behaviour = &Profile::LINUX_3_4_10_X86_64.behaviour;
const PEER: PortId = PortId(4242);
const OTHER: PortId = PortId(4243);

/// A queue, and the allocator that its entries come from.
struct Bench {
    queue: IpQueue<&'static str>,
    records: Records,
}

impl std::ops::Deref for Bench {
    type Target = IpQueue<&'static str>;

    fn deref(&self) -> &Self::Target {
        &self.queue
    }
}

impl std::ops::DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.queue
    }
}

impl Bench {
    fn of(profile: &Profile) -> Self {
        Self {
            queue: IpQueue::new(Family::Ipv4, profile, IdReuse::LastFreedFirst),
            records: Records::new(&profile.behaviour.queueing),
        }
    }

    fn request<'a>(&mut self, datagram: &'a [u8], sender: Sender) -> Outcome<'a, &'static str> {
        self.queue.request(datagram, sender, RULES, &mut self.records)
    }

    fn free(&mut self, slot: Slot) {
        self.queue.free(slot, &mut self.records);
    }

    fn offer(
        &mut self,
        packet: &Bytes,
        deliver: impl FnOnce(PortId, Datagram) -> Result<(), Undelivered>,
    ) -> Result<Slot, Refusal> {
        self.queue.offer(details(), packet, RULES, &mut self.records, deliver)
    }

    fn socket_closed(&mut self, port_id: PortId) -> Vec<&'static str> {
        self.queue.socket_closed(port_id, &mut self.records)
    }
}

fn queue() -> Bench {
    Bench::of(&Profile::LINUX_3_4_10_X86_64)
}

fn request() -> Envelope {
    Envelope::request(PEER)
}

fn mode(mode: CopyMode, range: u64, envelope: Envelope) -> Vec<u8> {
    ModeRequest { mode, range }.head(Abi::LP64_LITTLE, envelope).to_vec()
}

fn verdict(packet_id: PacketId, verdict: Verdict, payload: &[u8]) -> Vec<u8> {
    let request_ = VerdictRequest {
        verdict,
        packet_id,
        data_len: payload.len() as u64,
    };
    let head = request_.head(Abi::LP64_LITTLE, request(), payload.len());
    [&head[..], payload].concat()
}

/// Gives the queue a message from port id 99, whose program has `CAP_NET_ADMIN`. Returns the error
/// number of the answer, or `None` if there is no answer. If the message is a verdict on a queued
/// packet, takes the packet out.
fn answer(queue: &mut Bench, datagram: &[u8]) -> Option<Errno> {
    answer_to(queue, datagram, true).map(|(_, errno)| errno)
}

fn answer_to(queue: &mut Bench, datagram: &[u8], net_admin: bool) -> Option<(PortId, Errno)> {
    let sender = Sender {
        port_id: PortId(99),
        net_admin,
    };
    let outcome = queue.request(datagram, sender);
    if let Some(released) = outcome.released {
        assert!(queue.take(released.slot).is_some());
        queue.free(released.slot);
    }
    let (to, reply) = queue.reply(outcome.answer?, sender, RULES.replies);
    let bytes = bytes_of(&reply);
    match Message::parse(&bytes, Abi::LP64_LITTLE) {
        Ok(Message::Error(error)) => Some((to, error.errno())),
        other => panic!("{other:?} is no answer"),
    }
}

fn bytes_of(datagram: &Datagram) -> Vec<u8> {
    let mut bytes = [&datagram.head[..], &datagram.payload].concat();
    bytes.resize(datagram.len(), 0);
    bytes
}

fn details() -> PacketDetails {
    PacketDetails {
        mark: 7,
        arrival_time: ArrivalTime::default(),
        hook: HookPoint::Forward,
        indev: "tap0".parse().unwrap(),
        outdev: InterfaceName::NONE,
        protocol: EtherType::IPV4,
        hw_type: 1,
        hw_address: HardwareAddress::from([2, 0, 0, 0, 0x20, 1]),
    }
}

/// Offers a packet of 10 bytes to the queue, and puts `item` into its entry if the queue accepts
/// it. Returns the packet's id and the payload that its frame carries. Fails with the reason if the
/// queue refuses the packet.
fn queued(queue: &mut Bench, item: &'static str) -> Result<(PacketId, Vec<u8>), Refusal> {
    let mut seen = None;
    let packet = Bytes::from_static(b"0123456789");
    let slot = queue.offer(&packet, |to, frame| {
        assert_eq!(to, PEER);
        let bytes = bytes_of(&frame);
        let Ok(Message::Packet(packet)) = Message::parse(&bytes, Abi::LP64_LITTLE) else {
            panic!("{bytes:02x?} is no packet");
        };
        seen = Some((packet.packet_id(), packet.payload().to_vec()));
        Ok(())
    })?;
    queue.keep(slot, item);
    Ok(seen.unwrap())
}

fn listening() -> Bench {
    let mut queue = queue();
    assert_eq!(answer(&mut queue, &mode(CopyMode::Packet, 0, request())), None);
    queue
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    Silence,
    Answer(Errno),
}

/// Each message fails a check, and most of them fail later ones, too. What happens must be what the
/// first of these checks demands, and the queue must not get a peer.
#[rstest]
#[case::no_header(&[0; 15], Reaction::Silence)]
#[case::length_under_16(&[15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Reaction::Silence)]
#[case::length_over_the_datagrams(&[17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Reaction::Silence)]
#[case::port_id_0(&[16, 0, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0], Reaction::Answer(Errno::EINVAL))]
#[case::port_id_negative(&[16, 0, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0, 1, 0, 0, 0x80], Reaction::Answer(Errno::EINVAL))]
#[case::no_request(&[16, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 1, 0, 0, 0], Reaction::Answer(Errno::EINVAL))]
#[case::multi(&[16, 0, 0, 0, 0, 0, 0x23, 0, 0, 0, 0, 0, 1, 0, 0, 0], Reaction::Answer(Errno::EINVAL))]
#[case::truncated(&[16, 0, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0, 1, 0, 0, 0], Reaction::Answer(Errno::ECOMM))]
#[case::type_0(&[16, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0], Reaction::Answer(Errno::EINVAL))]
#[case::type_too_high(&[16, 0, 0, 0, 0x14, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0], Reaction::Answer(Errno::EINVAL))]
#[case::control_type(&[16, 0, 0, 0, 1, 0, 5, 0, 0, 0, 0, 0, 1, 0, 0, 0], Reaction::Silence)]
#[case::last_control_type(&[16, 0, 0, 0, 0x10, 0, 5, 0, 0, 0, 0, 0, 1, 0, 0, 0], Reaction::Silence)]
#[case::no_capability(&[16, 0, 0, 0, 0x11, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0], Reaction::Answer(Errno::EPERM))]
fn the_first_check_that_fails_decides_and_nothing_is_attached(#[case] datagram: &[u8], #[case] expected: Reaction) {
    let mut queue = queue();
    let reaction = match answer_to(&mut queue, datagram, false) {
        None => Reaction::Silence,
        Some((to, errno)) => {
            assert_eq!(to, PortId(99), "to the socket that sent it");
            Reaction::Answer(errno)
        }
    };
    assert_eq!(reaction, expected);
    assert!(!queue.has_peer());
}

#[rstest]
#[case::refused_mode(&mode(CopyMode::Unknown(3), 0, Envelope::request(PEER)), Errno::EINVAL)]
#[case::unknown_packet(&verdict(PacketId(1), Verdict::Accept, &[]), Errno::ENOENT)]
#[case::short_body(&[16, 0, 0, 0, 0x12, 0, 1, 0, 0, 0, 0, 0, 0x92, 0x10, 0, 0], Errno::EINVAL)]
#[case::packet(&[16, 0, 0, 0, 0x13, 0, 1, 0, 0, 0, 0, 0, 0x92, 0x10, 0, 0], Errno::EINVAL)]
fn a_message_attaches_though_its_body_is_refused(#[case] datagram: &[u8], #[case] expected: Errno) {
    let mut queue = queue();
    assert_eq!(answer(&mut queue, datagram), Some(expected));
    assert_eq!(queue.status().peer, PEER);
    let other = mode(CopyMode::Meta, 0, Envelope::request(OTHER));
    assert_eq!(answer(&mut queue, &other), Some(Errno::EBUSY));
    assert_eq!(queue.status().mode, CopyMode::None);
}

#[rstest]
#[case::none(CopyMode::None, 5, Some((CopyMode::None, 0)))]
#[case::meta(CopyMode::Meta, 5, Some((CopyMode::Meta, 0)))]
#[case::some(CopyMode::Packet, 5, Some((CopyMode::Packet, 5)))]
#[case::most(CopyMode::Packet, 65_535, Some((CopyMode::Packet, 65_535)))]
#[case::clamped(CopyMode::Packet, 65_536, Some((CopyMode::Packet, 65_535)))]
#[case::cut_and_clamped(CopyMode::Packet, 0xffff_ffff, Some((CopyMode::Packet, 65_535)))]
#[case::cut(CopyMode::Packet, 0x1_0000_0000, Some((CopyMode::Packet, 0)))]
#[case::cut_to_little(CopyMode::Packet, 0x7_0000_0009, Some((CopyMode::Packet, 9)))]
#[case::unknown(CopyMode::Unknown(255), 5, None)]
fn a_mode_is_set_with_its_range_or_not_at_all(
    #[case] wanted: CopyMode,
    #[case] range: u64,
    #[case] expected: Option<(CopyMode, u32)>,
) {
    let mut queue = queue();
    answer(&mut queue, &mode(CopyMode::Packet, 77, request()));
    let refused = answer(&mut queue, &mode(wanted, range, request()));
    assert_eq!(refused, expected.is_none().then_some(Errno::EINVAL));
    let status = queue.status();
    assert_eq!((status.mode, status.range), expected.unwrap_or((CopyMode::Packet, 77)));
}

#[test]
fn success_is_acknowledged_if_it_was_asked_for_with_the_requests_header() {
    let mut queue = queue();
    let envelope = Envelope {
        flags: Flags::REQUEST | Flags::ACK,
        sequence: 0x1234,
        port_id: PEER,
    };
    let datagram = mode(CopyMode::Meta, 0, envelope);
    let sender = Sender {
        port_id: PortId(99),
        net_admin: true,
    };
    let answer = queue.request(&datagram, sender).answer.unwrap();
    let (to, reply) = queue.reply(answer, sender, RULES.replies);
    let mut expected = vec![36, 0, 0, 0, 2, 0, 0, 0, 0x34, 0x12, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0];
    expected.extend(&datagram[..16]);
    assert_eq!((to, bytes_of(&reply)), (PortId(99), expected));
}

#[test]
fn an_error_quotes_the_message_to_its_odd_end_and_is_padded() {
    let mut queue = queue();
    let datagram = [
        17, 0, 0, 0, 0x12, 0, 1, 0, 9, 0, 0, 0, 0x92, 0x10, 0, 0, 0xaa, 0xbb, 0xcc,
    ];
    let sender = Sender {
        port_id: PortId(99),
        net_admin: true,
    };
    let answer = queue.request(&datagram, sender).answer.unwrap();
    let (_, reply) = queue.reply(answer, sender, RULES.replies);
    let mut expected = vec![37, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 99, 0, 0, 0, 0xea, 0xff, 0xff, 0xff];
    expected.extend(&datagram[..17]);
    expected.extend([0; 3]);
    assert_eq!(bytes_of(&reply), expected);
}

#[test]
fn what_follows_the_first_message_is_not_looked_at() {
    let mut queue = queue();
    let two = [mode(CopyMode::Meta, 0, request()), mode(CopyMode::Packet, 9, request())];
    assert_eq!(answer(&mut queue, &two.concat()), None);
    assert_eq!(queue.status().mode, CopyMode::Meta);
}

#[rstest]
#[case::meta(CopyMode::Meta, 0, b"")]
#[case::whole(CopyMode::Packet, 0, b"0123456789")]
#[case::a_part(CopyMode::Packet, 3, b"012")]
#[case::to_the_byte(CopyMode::Packet, 10, b"0123456789")]
#[case::more_than_there_is(CopyMode::Packet, 11, b"0123456789")]
fn a_packet_is_copied_as_far_as_the_mode_says(#[case] wanted: CopyMode, #[case] range: u64, #[case] expected: &[u8]) {
    let mut queue = queue();
    answer(&mut queue, &mode(wanted, range, request()));
    let (_, payload) = queued(&mut queue, "a").unwrap();
    assert_eq!(payload, expected);
}

#[test]
fn a_packet_is_refused_in_the_order_of_the_checks_and_counted_where_it_should_be() {
    let refused = |queue: &mut Bench| {
        let refusal = queue.offer(&Bytes::new(), |_, _| Err(Undelivered::NoSocket)).err();
        let status = queue.status();
        (refusal, status.dropped_when_full, status.dropped_undelivered)
    };
    let mut queue = queue();
    queue.set_maximum_length(0);
    assert_eq!(refused(&mut queue), (Some(Refusal::NoListener), 0, 0));
    answer(&mut queue, &mode(CopyMode::None, 0, request()));
    assert_eq!(
        refused(&mut queue),
        (Some(Refusal::NoListener), 0, 0),
        "a peer that wants nothing"
    );
    answer(&mut queue, &mode(CopyMode::Meta, 0, request()));
    assert_eq!(refused(&mut queue), (Some(Refusal::Full), 1, 0));
    queue.set_maximum_length(1);
    assert_eq!(refused(&mut queue), (Some(Refusal::Undeliverable), 1, 1));
    queued(&mut queue, "a").unwrap();
    assert_eq!(refused(&mut queue), (Some(Refusal::Full), 2, 1));
    queue.set_maximum_length((-1_i32).cast_unsigned());
    assert!(queued(&mut queue, "b").is_ok(), "compared as unsigned");
}

#[test]
fn a_refused_packet_gives_its_id_back() {
    let mut queue = listening();
    let (first, _) = queued(&mut queue, "a").unwrap();
    queue.set_maximum_length(1);
    assert_eq!(queued(&mut queue, "b"), Err(Refusal::Full));
    queue.set_maximum_length(2);
    let (second, _) = queued(&mut queue, "c").unwrap();
    let distance = second.0 - first.0;
    assert_eq!(distance, Profile::LINUX_3_4_10_X86_64.entry_bytes, "no id was skipped");
}

#[rstest]
#[case(Verdict::Stolen)]
#[case(Verdict::Unknown(6))]
#[case(Verdict::Unknown(0x0001_0001))]
fn a_verdict_that_is_none_leaves_the_packet_queued(#[case] wrong: Verdict) {
    let mut queue = listening();
    let (id, _) = queued(&mut queue, "a").unwrap();
    assert_eq!(
        answer(&mut queue, &verdict(PacketId(1), wrong, &[])),
        Some(Errno::EINVAL),
        "before the id"
    );
    assert_eq!(answer(&mut queue, &verdict(id, wrong, &[])), Some(Errno::EINVAL));
    assert_eq!(queue.status().length, 1);
}

#[rstest]
#[case::all(10, 10, true)]
#[case::none(0, 0, false)]
#[case::none_stated(0, 10, false)]
#[case::less_stated(9, 10, false)]
#[case::more_stated(11, 10, false)]
#[case::nothing_there(10, 0, false)]
fn a_payload_counts_if_it_is_as_long_as_stated(#[case] stated: u64, #[case] there: usize, #[case] counts: bool) {
    let mut queue = listening();
    let (packet_id, _) = queued(&mut queue, "a").unwrap();
    let payload = vec![0x45; there];
    let head = VerdictRequest {
        verdict: Verdict::Accept,
        packet_id,
        data_len: stated,
    }
    .head(Abi::LP64_LITTLE, request(), there);
    let datagram = [&head[..], &payload].concat();
    let sender = Sender {
        port_id: PEER,
        net_admin: true,
    };
    let outcome = queue.request(&datagram, sender);
    let released = outcome.released.unwrap();
    assert_eq!(released.packet_id, packet_id);
    assert_eq!(released.replacement, counts.then_some(&payload[..]));
    assert!(outcome.answer.is_none());
    assert_eq!(queue.take(released.slot), Some("a"));
    assert_eq!(queue.status().length, 0);
}

#[test]
fn verdicts_come_in_any_order_and_each_takes_its_packet_once() {
    let mut queue = listening();
    let ids = ["a", "b", "c"].map(|item| queued(&mut queue, item).unwrap().0);
    for (id, length) in [(ids[1], 2), (ids[2], 1), (ids[0], 0)] {
        assert_eq!(answer(&mut queue, &verdict(id, Verdict::Drop, &[])), None);
        assert_eq!(queue.status().length, length);
        assert_eq!(
            answer(&mut queue, &verdict(id, Verdict::Drop, &[])),
            Some(Errno::ENOENT)
        );
    }
}

#[test]
fn only_the_peers_end_resets_and_the_counters_stay() {
    let mut queue = listening();
    queue.set_maximum_length(2);
    for item in ["a", "b"] {
        queued(&mut queue, item).unwrap();
    }
    assert_eq!(queued(&mut queue, "c"), Err(Refusal::Full));
    assert!(queue.socket_closed(OTHER).is_empty());
    assert_eq!(queue.status().length, 2);
    assert_eq!(queue.socket_closed(PEER), ["a", "b"]);
    assert_eq!(
        queue.status(),
        Status {
            peer: PortId::KERNEL,
            peer_died: false,
            mode: CopyMode::None,
            range: 0,
            length: 0,
            maximum_length: 2,
            dropped_when_full: 1,
            dropped_undelivered: 0,
        }
    );
    assert!(queue.socket_closed(PEER).is_empty());
}

#[test]
fn a_count_of_refused_packets_goes_on_at_0_after_its_highest_value() {
    let mut behaviour = *RULES;
    behaviour.queueing.no_listener = Counted::Counted;
    let Bench { mut queue, mut records } = queue();
    queue.dropped_when_full = u32::MAX;
    let offer = queue.offer(details(), &Bytes::new(), &behaviour, &mut records, |_, _| Ok(()));
    assert_eq!(offer.err(), Some(Refusal::NoListener));
    assert_eq!(queue.dropped_when_full, 0);
}

#[test]
fn ids_after_a_reset_begin_with_the_youngest_and_outlive_the_module() {
    let mut queue = listening();
    let ids = ["a", "b", "c"].map(|item| queued(&mut queue, item).unwrap().0);
    queue.queue.reset(&mut queue.records);
    let mut queue = Bench {
        queue: queue.queue.renewed(&Profile::LINUX_3_4_10_X86_64),
        records: queue.records,
    };
    answer(&mut queue, &mode(CopyMode::Meta, 0, request()));
    let again = ["d", "e", "f"].map(|item| queued(&mut queue, item).unwrap().0);
    assert_eq!(again, [ids[2], ids[1], ids[0]]);
}

#[test]
fn an_i386_kernel_has_smaller_messages() {
    let profile = Profile::LINUX_3_4_10_I386;
    assert_eq!(profile.abi.word, WordSize::Four);
    let mut queue = Bench::of(&profile);
    let sender = Sender {
        port_id: PEER,
        net_admin: true,
    };
    let mode = ModeRequest {
        mode: CopyMode::Packet,
        range: 9,
    };
    let datagram = mode.head(profile.abi, request());
    assert_eq!(datagram.len(), 28);
    assert!(queue.request(&datagram, sender).answer.is_none());
    assert_eq!(queue.status().range, 9);
}
