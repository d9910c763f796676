use super::*;
use pretty_assertions::assert_eq;
use proptest::prelude::*;

/// An action on packets that wait. Packets are chosen from those there are.
#[derive(Clone, Debug)]
enum Action {
    Keep,
    /// Uses so many ids for nothing.
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

/// Returns an empty queue that has used so many ids.
fn after(used: Arrival) -> Waiting {
    Waiting {
        next: used + 1,
        ..Waiting::new()
    }
}

proptest! {
    #[test]
    fn packets_are_found_and_leave_as_from_a_list(
        begin in prop_oneof![Just(0), Just((1 << 32) - 20), any::<u32>().prop_map(u64::from)],
        actions in prop::collection::vec(action(), 0..400),
    ) {
        let mut waiting = after(begin);
        let (mut list, mut used, mut kept, mut longest) = (Vec::new(), begin, 0, 0);
        for action in actions {
            match action {
                Action::Keep => {
                    used += 1;
                    kept += 1;
                    let (id, entry) = (used as u32, Entry::last_of(kept));
                    prop_assert_eq!(waiting.use_id(), Some(id));
                    prop_assert_eq!(waiting.keep(id, entry), None);
                    list.push((id, entry));
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
                        let (id, entry) = list.remove(place);
                        (id, Some(entry))
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
            prop_assert!(waiting.window.len() <= SPARSE * longest + SHORT + 1);
            prop_assert_eq!((waiting.len(), waiting.last_id()), (list.len(), used as u32));
            prop_assert_eq!(waiting.in_order().collect::<Vec<_>>(), list.clone());
            for (id, entry) in &list {
                prop_assert_eq!(waiting.get(*id), Some(*entry));
            }
        }
    }
}

#[test]
fn a_packet_that_waits_while_ids_wrap_around_keeps_its_id_and_its_turn() {
    let [first, second, third] = [1, 2, 3].map(Entry::last_of);
    let mut waiting = Waiting::new();
    waiting.use_id();
    waiting.keep(1, first);
    for _ in 0..=SHORT + SPARSE {
        waiting.use_id();
    }
    assert_eq!((waiting.window.len(), waiting.stragglers.len()), (1, 1));
    (waiting.next, waiting.window) = (1 << 32, VecDeque::new());
    assert_eq!(waiting.use_id(), Some(0));
    waiting.keep(0, second);
    assert_eq!((waiting.use_id(), waiting.get(1)), (None, Some(first)));
    assert_eq!(waiting.use_id(), Some(2));
    waiting.keep(2, third);
    let all = [(1, first), (0, second), (2, third)];
    assert_eq!(waiting.in_order().collect::<Vec<_>>(), all);
    assert_eq!((waiting.take(1), waiting.take(1)), (Some(first), None));
    assert_eq!(waiting.oldest(), Some(0));
}

#[test]
fn a_packet_is_kept_when_others_have_come_and_gone() {
    let [first, second, third, again] = [1, 2, 3, 4].map(Entry::last_of);
    let mut waiting = Waiting::new();
    let ids = [(); 3].map(|()| waiting.use_id().unwrap());
    waiting.keep(ids[1], second);
    assert_eq!(waiting.take(ids[1]), Some(second));
    waiting.keep(ids[2], third);
    assert_eq!(waiting.keep(ids[0], first), None);
    assert_eq!(waiting.keep(ids[0], again), Some(first));
    assert_eq!(waiting.len(), 2);
    assert_eq!(
        waiting.in_order().collect::<Vec<_>>(),
        [(ids[0], again), (ids[2], third)]
    );
}

#[test]
fn an_id_that_was_never_used_is_nobodys() {
    let mut waiting = after(0);
    for id in [0, 1, u32::MAX] {
        assert_eq!((waiting.get(id), waiting.take(id)), (None, None));
    }
    assert_eq!(waiting.oldest(), None);
}
