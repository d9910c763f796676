use super::*;
use ipq_core::wire::nfnetlink::{attribute, command, flag};
use pretty_assertions::assert_eq;
use rstest::rstest;

const QUEUE: u16 = 7;
const OWNER: Sender = Sender {
    port_id: PortId(4242),
    net_admin: true,
    caps_answers: false,
    extends_answers: false,
};
const OTHER: Sender = Sender {
    port_id: PortId(4243),
    ..OWNER
};
const NONE: u8 = 0;
const META: u8 = 1;
const PACKET: u8 = 2;

/// Queues whose items are the packets' ids.
struct Bench(Queues<u32>);

impl std::ops::Deref for Bench {
    type Target = Queues<u32>;

    fn deref(&self) -> &Queues<u32> {
        &self.0
    }
}

impl std::ops::DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut Queues<u32> {
        &mut self.0
    }
}

fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut attribute = (content.len() as u16 + 4).to_ne_bytes().to_vec();
    attribute.extend(kind.to_ne_bytes());
    attribute.extend(content);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

fn number(kind: u16, number: u32) -> Vec<u8> {
    attribute(kind, &number.to_be_bytes())
}

/// Returns a message of type `kind` for a queue, which asks for an acknowledgement.
fn message(kind: u16, queue: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    let attributes = attributes.concat();
    let mut message = (20 + attributes.len() as u32).to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend([5, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    message.extend(queue.to_be_bytes());
    message.extend(attributes);
    message
}

impl Bench {
    fn new() -> Self {
        Self(Queues::new(Rules::LINUX_6_18))
    }

    /// Makes a namespace's queues, of which only `QUEUE` is bound: by `OWNER`, in this copy mode.
    fn listening(mode: u8) -> Self {
        let mut bench = Self::new();
        bench.bind(OWNER, QUEUE, mode);
        bench
    }

    /// Carries out the messages of a datagram. Returns the answers, and the items of the packets
    /// that left a queue by it, those of a verdict and those that UNBIND dropped.
    fn send(&mut self, sender: Sender, datagram: &[u8]) -> (Vec<Datagram>, Vec<u32>) {
        let (mut answers, mut items) = (Vec::new(), Vec::new());
        let rules = *self.rules();
        for step in Messages::of(datagram, sender, &rules) {
            let answer = match step {
                Step::Perform(request) => {
                    let mut taken = Vec::new();
                    let outcome = self.request(&request, sender, &mut taken);
                    let one = match outcome.released.map(|released| released.packets) {
                        Some(Packets::One(id)) => self.take(request.queue(), id).map(|item| (id, item)),
                        _ => None,
                    };
                    for (id, item) in one.into_iter().chain(taken) {
                        // Packets that UNBIND takes out have no id.
                        assert!(id == item || id == 0, "the item is the packet's own");
                        items.push(item);
                    }
                    outcome.answer
                }
                Step::Answer(answer) => Some(answer),
            };
            answers.extend(answer.map(|answer| answer.datagram(sender)));
        }
        (answers, items)
    }

    /// Sends a message that asks for an acknowledgement, and checks that it succeeds. Returns the
    /// items of the packets that left a queue by it.
    fn done(&mut self, sender: Sender, kind: u16, queue: u16, attributes: &[Vec<u8>]) -> Vec<u32> {
        let (answers, taken) = self.send(sender, &message(kind, queue, attributes));
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].head[16..20], [0; 4], "it succeeds");
        taken
    }

    fn set(&mut self, attributes: &[Vec<u8>]) {
        self.done(OWNER, message_type::CONFIG, QUEUE, attributes);
    }

    fn bind(&mut self, sender: Sender, queue: u16, mode: u8) {
        let attributes = [
            attribute(attribute::CONFIG_COMMAND, &[command::BIND, 0, 0, 2]),
            attribute(attribute::CONFIG_PARAMETERS, &[0, 0, 0, 0, mode]),
        ];
        self.done(sender, message_type::CONFIG, queue, &attributes);
    }

    /// Offers a packet of `length` bytes to a queue whose owner's receive buffer takes the message
    /// if `has_room` is `true`. Keeps the packet if it is queued. Returns the outcome, and the
    /// message about the packet, or `None` if none was made.
    fn offer_packet(&mut self, queue: u16, length: usize, has_room: bool) -> (Offer, Option<Datagram>) {
        let bytes = Bytes::from(vec![0x45; length]);
        let packet = QueuedPacket {
            family: 2,
            hook: 2,
            hw_protocol: 0x0800,
            incoming: 2,
            physical_incoming: 0,
            outgoing: 3,
            physical_outgoing: 0,
            mark: 0,
            priority: 0,
            hardware_address: None,
            arrived: None,
            owner: Some((1, 2)),
            checksum_state: 0,
            bytes: &bytes,
        };
        let mut told = None;
        let offer = self.offer(queue, &packet, |_, datagram| {
            told = Some(datagram);
            has_room
        });
        if let Offer::Queued { id } = offer {
            self.keep(queue, id, id);
        }
        (offer, told)
    }

    fn arrive(&mut self, queue: u16) -> Offer {
        self.offer_packet(queue, 36, true).0
    }
}

#[test]
fn a_queue_that_nobody_has_bound_has_neither_packets_nor_room() {
    let mut bench = Bench::new();
    assert!(!bench.has_bound() && !bench.has_room(QUEUE));
    assert_eq!((bench.length(QUEUE), bench.allocated(QUEUE, 36)), (None, 0));
    assert_eq!((bench.listener(QUEUE), bench.queued(QUEUE, 1)), (None, None));
    assert_eq!(bench.listened().next(), None);
    assert_eq!(bench.arrive(QUEUE), Offer::Refused(Refusal::NoListener));
    assert_eq!(bench.proc_text(), "");
}

/// NFQ-10. A queue has a listener in modes META and PACKET. In mode NONE it has none, and refuses
/// packets.
#[test]
fn the_owner_listens_in_each_mode_but_none() {
    let mut bench = Bench::listening(NONE);
    assert!(bench.has_bound() && bench.has_room(QUEUE));
    assert_eq!((bench.length(QUEUE), bench.listener(QUEUE)), (Some(0), None));
    assert_eq!(bench.listened().next(), None);
    assert_eq!(bench.arrive(QUEUE), Offer::Refused(Refusal::NoMode));
    bench.set(&[attribute(attribute::CONFIG_PARAMETERS, &[0, 0, 0, 0, META])]);
    bench.bind(OTHER, 300, PACKET);
    assert_eq!(bench.listener(QUEUE), Some(OWNER.port_id));
    assert_eq!(bench.listener(300), Some(OTHER.port_id));
    assert_eq!(bench.listened().collect::<Vec<_>>(), [QUEUE, 300]);
    assert_eq!(bench.arrive(QUEUE), Offer::Queued { id: 1 });
    assert_eq!((bench.length(QUEUE), bench.queued(QUEUE, 1)), (Some(1), Some(&1)));
    assert_eq!(bench.queued(QUEUE, 2), None);
}

/// NFQ-3, NFQ-4 and NFQ-12. A queue that has its maximum length refuses a packet and counts it, or
/// lets it pass uncounted if it has the flag fail-open. No id is used up.
#[rstest]
#[case::refuses(0, Offer::Refused(Refusal::Full), 1)]
#[case::fails_open(flag::FAIL_OPEN, Offer::Passed(Refusal::Full), 0)]
fn a_full_queue_refuses_or_passes(#[case] flags: u32, #[case] third: Offer, #[case] dropped: u32) {
    let mut bench = Bench::listening(PACKET);
    bench.set(&[
        number(attribute::CONFIG_MAX_LENGTH, 2),
        number(attribute::CONFIG_MASK, flag::FAIL_OPEN),
        number(attribute::CONFIG_FLAGS, flags),
    ]);
    for id in [1, 2] {
        assert!(bench.has_room(QUEUE));
        assert_eq!(bench.arrive(QUEUE), Offer::Queued { id });
    }
    assert!(!bench.has_room(QUEUE));
    assert_eq!(bench.arrive(QUEUE), third);
    let line = format!("    7   4242     2 2 65531 {dropped:5}     0        2  1\n");
    assert_eq!(bench.proc_text(), line);
}

/// NFQ-3 and NFQ-5. A packet that is refused because of the kernel's limit uses up an id.
#[test]
fn a_full_table_uses_up_an_id() {
    let rules = Rules {
        table_limit: Some(1),
        ..Rules::LINUX_6_18
    };
    let mut bench = Bench(Queues::new(rules));
    bench.bind(OWNER, QUEUE, META);
    assert!(bench.has_room(QUEUE));
    assert_eq!(bench.arrive(QUEUE), Offer::Queued { id: 1 });
    assert!(!bench.has_room(QUEUE));
    assert_eq!(bench.arrive(QUEUE), Offer::Refused(Refusal::TableFull));
    assert_eq!(
        bench.proc_text(),
        "    7   4242     1 1     0     1     0        2  1\n"
    );
    let decided = [0, 0, 0, 0, 0, 0, 0, 1];
    let taken = bench.done(
        OWNER,
        message_type::VERDICT,
        QUEUE,
        &[attribute(attribute::VERDICT_HEADER, &decided)],
    );
    assert_eq!(taken, [1]);
    assert_eq!(bench.arrive(QUEUE), Offer::Queued { id: 3 });
}

/// NFQ-3 and NFQ-12. A packet whose message the owner's receive buffer does not take is counted as
/// undelivered, and uses up an id.
#[test]
fn a_message_that_finds_no_room_is_counted_apart() {
    let mut bench = Bench::listening(PACKET);
    let (offer, told) = bench.offer_packet(QUEUE, 36, false);
    assert_eq!(offer, Offer::Refused(Refusal::Undeliverable));
    assert!(told.is_some());
    assert_eq!(
        bench.proc_text(),
        "    7   4242     0 2 65531     0     1        1  1\n"
    );
}

/// NFQ-101. `Queues::allocated` returns the number of bytes that the message about a packet then
/// really has allocated.
#[rstest]
#[case::meta(META, 0, 0, 500, 144)]
#[case::packet(PACKET, 0, 0, 500, 644)]
#[case::cut(PACKET, 100, 0, 500, 244)]
#[case::shorter_than_the_range(PACKET, 100, 0, 36, 180)]
#[case::with_its_owner(PACKET, 0, flag::OWNER, 36, 196)]
fn a_message_is_reckoned_before_it_is_made(
    #[case] mode: u8,
    #[case] range: u32,
    #[case] flags: u32,
    #[case] length: usize,
    #[case] allocated: usize,
) {
    for (rules, less) in [(Rules::LINUX_6_18, 0), (Rules::LINUX_6_1, 8)] {
        let mut bench = Bench(Queues::new(rules));
        bench.bind(OWNER, QUEUE, mode);
        bench.set(&[
            attribute(
                attribute::CONFIG_PARAMETERS,
                &[&range.to_be_bytes()[..], &[mode]].concat(),
            ),
            number(attribute::CONFIG_MASK, flag::OWNER),
            number(attribute::CONFIG_FLAGS, flags),
        ]);
        assert_eq!(bench.allocated(QUEUE, length), allocated - less);
        let (_, told) = bench.offer_packet(QUEUE, length, true);
        assert_eq!(told.map(|told| told.allocated), Some(allocated - less));
    }
}

#[test]
fn a_datagram_has_the_length_that_it_states() {
    let mut bench = Bench::listening(PACKET);
    let (answers, _) = bench.send(OTHER, &message(message_type::CONFIG, QUEUE, &[]));
    let (_, told) = bench.offer_packet(QUEUE, 37, true);
    for datagram in answers.iter().chain(&told) {
        let bytes = datagram.to_vec();
        assert_eq!(bytes.len(), datagram.len());
        assert_eq!(bytes[..4], (datagram.len() as u32).to_ne_bytes());
        assert!(bytes.starts_with(&datagram.head) && bytes.ends_with(&datagram.payload));
        assert!(!datagram.is_empty());
    }
    assert_eq!(told.map(|told| told.payload.len()), Some(37));
    let nothing = Datagram {
        head: Head::new(),
        payload: Bytes::new(),
        allocated: 0,
    };
    assert!(nothing.is_empty());
}

/// NFQ-7 and NFQ-14. The items come in the order of the queues in the /proc text, and queues of
/// another owner stay.
#[test]
fn a_closed_sockets_queues_are_emptied_in_the_order_of_the_text() {
    let mut bench = Bench::new();
    for queue in [1, 256, 16, 5] {
        let owner = if queue == 5 { OTHER } else { OWNER };
        bench.bind(owner, queue, META);
        bench.arrive(queue);
    }
    for _ in 0..2 {
        bench.arrive(256);
    }
    // 16 is in list 0. 1 and 256 are in list 1, and the newer comes first.
    let order = |bench: &Bench| {
        let text = bench.proc_text();
        let numbers = text.lines().map(|line| line[..5].trim().to_owned());
        numbers.collect::<Vec<_>>()
    };
    assert_eq!(order(&bench), ["16", "256", "1", "5"]);
    assert_eq!(bench.socket_closed(OWNER.port_id), [1, 1, 2, 3, 1]);
    assert_eq!(order(&bench), ["5"]);
    assert_eq!(bench.length(5), Some(1));
}

/// NFQ-9. Packets whose items meet a condition are taken out, oldest first, and the others stay.
#[test]
fn packets_are_taken_out_where_a_condition_holds() {
    let mut bench = Bench::listening(META);
    for _ in 0..4 {
        bench.arrive(QUEUE);
    }
    assert_eq!(bench.take_if(|id| id % 2 == 0), [2, 4]);
    assert_eq!(bench.length(QUEUE), Some(2));
    assert_eq!(bench.take_if(|_| false), [0_u32; 0]);
}

/// NFQ-46. A verdict whose VLAN attribute has 1 to 3 bytes fails with ERANGE (34). With none, or
/// with 4 or more, it succeeds.
#[rstest]
#[case(0, 0)]
#[case(1, 34)]
#[case(3, 34)]
#[case(4, 0)]
#[case(12, 0)]
fn a_nested_attribute_is_empty_or_has_room_for_another(#[case] length: usize, #[case] errno: i32) {
    let mut bench = Bench::listening(META);
    bench.arrive(QUEUE);
    bench.arrive(QUEUE);
    let accepted = [0, 0, 0, 1, 0, 0, 0, 2];
    let attributes = [
        attribute(attribute::VERDICT_HEADER, &accepted),
        attribute(attribute::VLAN, &vec![0; length]),
    ];
    let (answers, taken) = bench.send(OWNER, &message(message_type::VERDICT, QUEUE, &attributes));
    assert_eq!(answers[0].head[16..20], (-errno).to_ne_bytes());
    assert_eq!(taken, if errno == 0 { vec![2] } else { Vec::new() });
}
