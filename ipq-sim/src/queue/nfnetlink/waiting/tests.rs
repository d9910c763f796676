use super::*;
use pretty_assertions::assert_eq;
use proptest::prelude::*;

/// An action on the packets that wait.
#[derive(Clone, Debug)]
enum Action {
    Keep,
    /// Uses this many ids, and keeps no packet under them.
    Skip(u8),
    Take(usize),
    TakeOldest,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => Just(Action::Keep),
        1 => any::<u8>().prop_map(Action::Skip),
        4 => any::<usize>().prop_map(Action::Take),
        1 => Just(Action::TakeOldest),
    ]
}

/// Returns a queue without packets that has used this many ids.
fn after<T>(used: Arrival) -> Waiting<T> {
    Waiting {
        next: used + 1,
        oldest: used + 1,
        ..Waiting::new()
    }
}

fn in_order<T: Clone>(waiting: &Waiting<T>) -> Vec<(u32, T)> {
    waiting.in_order().map(|(id, item)| (id, item.clone())).collect()
}

proptest! {
    /// Does the same actions with a queue and with a list of packets. After each action, both must
    /// have the same packets in the same order. The item of a packet is its arrival.
    #[test]
    fn packets_are_found_and_leave_as_from_a_list(
        begin in prop_oneof![Just(0), Just((1 << 32) - 20), any::<u32>().prop_map(u64::from)],
        actions in prop::collection::vec(action(), 0..400),
    ) {
        let mut waiting = after(begin);
        let (mut list, mut used, mut longest) = (Vec::new(), begin, 0);
        for action in actions {
            match action {
                Action::Keep => {
                    used += 1;
                    prop_assert_eq!(waiting.use_id(), Some(used as u32));
                    waiting.keep(used as u32, used);
                    list.push((used as u32, used));
                }
                Action::Skip(count) => {
                    used += u64::from(count);
                    for _ in 0..count {
                        waiting.use_id();
                    }
                }
                Action::Take(choice) => {
                    let place = choice.checked_rem(list.len());
                    let (id, expected) = place.map_or((choice as u32, None), |place| {
                        let (id, item) = list.remove(place);
                        (id, Some(item))
                    });
                    prop_assert_eq!(waiting.take(id), expected);
                    prop_assert_eq!(waiting.take(id), None);
                }
                Action::TakeOldest => {
                    let expected = (!list.is_empty()).then(|| list.remove(0));
                    let taken = waiting.oldest().and_then(|id| Some((id, waiting.take(id)?)));
                    prop_assert_eq!(taken, expected);
                }
            }
            longest = longest.max(list.len());
            prop_assert!(waiting.table.len() <= SHORTEST.max(2 * SPARSE * longest));
            prop_assert_eq!((waiting.len(), waiting.last_id()), (list.len(), used as u32));
            prop_assert_eq!(in_order(&waiting), list.clone());
            for (id, item) in &list {
                prop_assert_eq!(waiting.get(*id), Some(item));
            }
        }
    }
}

#[test]
fn packets_in_the_order_of_arrival_need_no_more_places_than_they_are() {
    let mut waiting = Waiting::new();
    for arrival in 0..10 * SHORTEST {
        let id = waiting.use_id().unwrap();
        waiting.keep(id, arrival);
        if let Some(last) = arrival.checked_sub(SHORTEST - 1) {
            assert_eq!(waiting.oldest().and_then(|id| waiting.take(id)), Some(last));
        }
    }
    assert_eq!((waiting.table.len(), waiting.stragglers.len()), (SHORTEST, 0));
}

#[test]
fn a_packet_that_waits_while_ids_wrap_around_keeps_its_id_and_its_turn() {
    let mut waiting = Waiting::new();
    waiting.use_id();
    waiting.keep(1, "first");
    for displaced in [false, true] {
        waiting.next = (1 << 32) + 1;
        assert_eq!((waiting.use_id(), waiting.get(1)), (None, Some(&"first")));
        assert_eq!((waiting.stragglers.len() == 1, waiting.oldest()), (displaced, Some(1)));
        if !displaced {
            waiting.next = SHORTEST as u64 + 1;
            let id = waiting.use_id().unwrap();
            waiting.keep(id, "second");
        }
    }
    assert_eq!(in_order(&waiting), [(1, "first"), (SHORTEST as u32 + 1, "second")]);
    assert_eq!((waiting.take(1), waiting.take(1)), (Some("first"), None));
    assert_eq!(waiting.oldest(), Some(SHORTEST as u32 + 1));
}

#[test]
fn a_straggler_may_be_later_than_a_packet_whose_place_nobody_took() {
    let mut waiting = Waiting::new();
    for id in 1..SHORTEST as u32 + 3 {
        waiting.use_id();
        if let Some(item) = [(1, "first"), (2, "second"), (SHORTEST as u32 + 2, "third")]
            .iter()
            .find(|(of, _)| *of == id)
        {
            waiting.keep(id, item.1);
        }
    }
    assert_eq!((waiting.stragglers.len(), waiting.oldest()), (1, Some(1)));
    let items: Vec<_> = waiting.in_order().map(|(_, item)| *item).collect();
    assert_eq!(items, ["first", "second", "third"]);
}

#[test]
fn a_packet_is_kept_when_later_ones_have_come_and_gone() {
    let mut waiting = Waiting::new();
    let ids = [(); 3].map(|()| waiting.use_id().unwrap());
    waiting.keep(ids[1], "second");
    assert_eq!((waiting.oldest(), waiting.take(ids[1])), (Some(ids[1]), Some("second")));
    waiting.keep(ids[2], "third");
    assert_eq!(waiting.oldest(), Some(ids[2]));
    waiting.keep(ids[0], "first");
    assert_eq!((waiting.oldest(), waiting.len()), (Some(ids[0]), 2));
    assert_eq!(in_order(&waiting), [(ids[0], "first"), (ids[2], "third")]);
}

#[test]
fn an_id_that_was_never_used_is_nobodys() {
    let mut waiting = after::<()>(0);
    for id in [0, 1, u32::MAX] {
        assert_eq!(waiting.get(id), None);
        assert_eq!(waiting.take(id), None);
    }
    assert_eq!(waiting.oldest(), None);
}
