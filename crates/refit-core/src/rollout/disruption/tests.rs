use super::*;
use proptest::prelude::*;

type Book = BTreeMap<Holder, Lease>;

impl Leases for Book {
    fn of_group<'l>(&'l self, group: &Group) -> impl Iterator<Item = (&'l Holder, &'l Lease)> {
        let group = group.clone();
        self.iter().filter(move |(_, lease)| lease.has(&group))
    }
}

fn place(value: &str, most: Most) -> Place {
    Place {
        group: Group::new("device.cluster", value),
        most,
        settle_seconds: 60,
        drain: None,
        health: None,
        signal: None,
    }
}

fn with_hooks(drain: &str, health: &str) -> Place {
    Place { drain: Some(drain.into()), health: Some(health.into()), ..place("db", Most::Of(1)) }
}

fn holder(number: u32) -> Holder {
    Holder::Device(DeviceId::new(format!("d{number}")))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn alone() -> Around {
    Around { silent: BTreeMap::new(), present: 1 }
}

#[test]
fn a_no_says_who_has_the_group_and_since_when() {
    let mut book = Book::new();
    book.insert(holder(2), Lease::taken(BTreeSet::from([place("db", Most::Of(2))]), at(0), 1));
    let silent = Around { silent: BTreeMap::from([(DeviceId::new("d3"), at(-90))]), present: 3 };
    let no = book.ask(&holder(1), &[(place("db", Most::Of(2)), silent.clone())]).unwrap_err();
    assert_eq!((no.most, no.group.to_string()), (2, "device.cluster=db".to_owned()));
    assert_eq!(
        no.away,
        [Away { since: at(-90), who: holder(3), silent: true }, Away { since: at(0), who: holder(2), silent: false },]
    );
    // One that has a lease and is silent is away once; whoever asks is not away by being silent itself.
    let silent =
        Around { silent: BTreeMap::from([(DeviceId::new("d2"), at(5)), (DeviceId::new("d1"), at(5))]), ..silent };
    assert_eq!(book.ask(&holder(1), &[(place("db", Most::Of(2)), silent)]), Ok(()));
}

#[test]
fn who_was_promised_to_be_alone_is() {
    let mut book = Book::new();
    book.insert(holder(2), Lease::taken(BTreeSet::from([place("db", Most::Of(1))]), at(0), 1));
    let no = book.ask(&holder(1), &[(place("db", Most::Of(3)), alone())]).unwrap_err();
    assert_eq!(no.most, 1);
}

#[test]
fn a_person_keeps_one_device_and_one_that_is_alone_is_not_limited() {
    let of_anna = Place { group: Group::new(Group::PERSON, "anna"), ..place("", Most::AllButOne) };
    let mut book = Book::new();
    let three = || Around { silent: BTreeMap::new(), present: 3 };
    assert_eq!(book.ask(&holder(1), &[(of_anna.clone(), alone())]), Ok(()));
    for number in [1, 2] {
        assert_eq!(book.ask(&holder(number), &[(of_anna.clone(), three())]), Ok(()));
        book.insert(holder(number), Lease::taken(BTreeSet::from([of_anna.clone()]), at(0), 1));
    }
    assert_eq!(book.ask(&holder(3), &[(of_anna, three())]).unwrap_err().most, 2);
}

#[test]
fn a_session_goes_from_its_hooks_to_its_hooks() {
    let mut lease = Lease::taken(BTreeSet::from([with_hooks("lb", "probe")]), at(0), 1);
    let places = lease.places.clone();
    assert!(!lease.permits(&places), "nothing begins before the hook has agreed");
    lease.drained("another").unwrap();
    assert!(!lease.permits(&places));
    lease.drained("lb").unwrap();
    assert!(lease.permits(&places));
    assert!(lease.drained("lb").is_err() && lease.healthy("probe").is_err() && lease.checked(at(100)).is_err());
    lease.ended(at(100), true).unwrap();
    assert!(!lease.permits(&places), "what has ended begins nothing more");
    assert!(!lease.is_over(at(1_000)), "a hook has to agree");
    lease.checked(at(100)).unwrap();
    assert_eq!(lease.asks(), Some((Question::Health, &BTreeSet::from(["probe".into()]))));
    // The probe may have put it back: nothing begins before it is drained again.
    lease.resumed().unwrap();
    assert!(!lease.permits(&places));
    assert_eq!(lease.asks(), Some((Question::Drain, &BTreeSet::from(["lb".into()]))));
    lease.drained("lb").unwrap();
    assert!(lease.permits(&places));
    lease.ended(at(200), true).unwrap();
    lease.checked(at(100)).unwrap();
    lease.healthy("probe").unwrap();
    assert!(lease.is_over(at(200)));
}

#[test]
fn what_went_on_before_hooks_were_asked_again_still_did() {
    let mut lease = Lease::taken(BTreeSet::from([with_hooks("lb", "probe")]), at(0), 1);
    lease.drained("lb").unwrap();
    assert!(lease.resumed_at_once().is_err());
    lease.ended(at(100), true).unwrap();
    lease.resumed_at_once().unwrap();
    assert_eq!(lease.phase, Phase::Session);
}

#[test]
fn what_has_changed_nothing_has_nothing_to_settle() {
    for (changed, over) in [(true, false), (false, true)] {
        let mut lease = Lease::taken(BTreeSet::from([place("db", Most::Of(1))]), at(0), 1);
        lease.ended(at(0), changed).unwrap();
        assert_eq!((lease.is_over(at(59)), lease.is_over(at(60))), (over, true));
    }
}

#[test]
fn what_is_given_back_by_hand_counts_until_nothing_can_begin_any_more() {
    let mut lease = Lease::taken(BTreeSet::from([place("db", Most::Of(1))]), at(0), 1);
    lease.withdrawn(at(50), "it is dead".into()).unwrap();
    let places = lease.places.clone();
    assert!(!lease.permits(&places) && !lease.is_over(at(49)) && lease.is_over(at(50)));
    assert!(lease.resumed().is_err() && lease.ended(at(9), true).is_err());
}

/// One thing that happens to a group.
#[derive(Clone, Debug)]
enum Move {
    Ask { who: u32, clusters: Vec<u32> },
    Drained(u32),
    Ended(u32),
    Resumed(u32),
    Checked(u32),
    Healthy(u32),
    Withdrawn(u32),
    GiveBack(u32),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let who = || 0..6_u32;
    let one = prop_oneof![
        4 => (who(), prop::collection::vec(0..3_u32, 1..3)).prop_map(|(who, clusters)| Move::Ask { who, clusters }),
        2 => who().prop_map(Move::Drained),
        2 => who().prop_map(Move::Ended),
        1 => who().prop_map(Move::Resumed),
        1 => who().prop_map(Move::Checked),
        1 => who().prop_map(Move::Healthy),
        1 => who().prop_map(Move::Withdrawn),
        2 => who().prop_map(Move::GiveBack),
    ];
    prop::collection::vec(one, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    // Whatever is asked in whatever order: nobody exceeds what was promised to anybody in the group, a lease of several groups is of
    // all of them or of none, and a lease that is given back was over.
    #[test]
    fn a_group_never_has_more_away_than_any_of_its_terms_say(
        most in prop::collection::vec(1..4_u32, 3), hooked in prop::collection::vec(any::<bool>(), 3),
        silent in prop::collection::btree_set(0..6_u32, 0..3), moves in moves()
    ) {
        let mut book = Book::new();
        let place = |cluster: u32| Place {
            drain: hooked[cluster as usize].then(|| "lb".into()),
            health: hooked[cluster as usize].then(|| "probe".into()),
            ..place(&format!("c{cluster}"), Most::Of(most[cluster as usize]))
        };
        let around = || Around {
            silent: silent.iter().map(|number| (DeviceId::new(format!("d{number}")), at(0))).collect(),
            present: 6,
        };
        for (step, one) in moves.into_iter().enumerate() {
            let now = at(step as i64 * 30);
            let mut with = |who: u32, change: &dyn Fn(&mut Lease) -> Result<(), NotNow>| {
                let known = book.get_mut(&holder(who));
                let before = known.as_deref().cloned();
                if let Some(lease) = known
                    && change(lease).is_err()
                {
                    // A transition that is none changes nothing.
                    assert_eq!(Some(&*lease), before.as_ref());
                }
            };
            match one {
                Move::Ask { who, clusters } => {
                    let asked: Vec<_> = clusters.iter().map(|cluster| (place(*cluster), around())).collect();
                    let places: BTreeSet<Place> = asked.iter().map(|(place, _)| place.clone()).collect();
                    match book.ask(&holder(who), &asked) {
                        Ok(()) => match book.get_mut(&holder(who)) {
                            Some(lease) => drop(lease.extended(&places)),
                            None => drop(book.insert(holder(who), Lease::taken(places, now, step as u64))),
                        },
                        Err(no) => {
                            prop_assert!(no.away.len() >= no.most as usize);
                            prop_assert!(no.away.iter().all(|away| away.who != holder(who)));
                        }
                    }
                }
                Move::Drained(who) => with(who, &|lease| lease.drained("lb")),
                Move::Ended(who) => with(who, &|lease| lease.ended(now, true)),
                Move::Resumed(who) => with(who, &|lease| lease.resumed()),
                Move::Checked(who) => with(who, &|lease| lease.checked(at(100))),
                Move::Healthy(who) => with(who, &|lease| lease.healthy("probe")),
                Move::Withdrawn(who) => with(who, &|lease| lease.withdrawn(now, "why".into())),
                Move::GiveBack(who) => {
                    if book.get(&holder(who)).is_some_and(|lease| lease.is_over(now)) {
                        book.remove(&holder(who));
                    }
                }
            }
            for cluster in 0..3_u32 {
                let of = book.of_group(&place(cluster).group).count();
                prop_assert!(of <= most[cluster as usize] as usize, "{of} of c{cluster}");
            }
            for lease in book.values() {
                let draining = matches!(&lease.phase, Phase::Draining { yet } if !yet.is_empty());
                prop_assert_eq!(lease.permits(&BTreeSet::new()), lease.phase == Phase::Session);
                prop_assert!(!draining || !lease.permits(&lease.places));
            }
        }
    }
}
