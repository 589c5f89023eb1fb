//! What was changed by hand in other systems: written down when it is news, and told to others when it comes and when it goes.

use super::shell::Shell;
use imbl::Vector;
use refit_core::{
    business::{Data, Kind, derive},
    control::{DriftHand, DriftedObject, Event, Input, TargetObserved},
};

fn drifted(object: &str, field: &str) -> DriftedObject {
    DriftedObject { object: object.into(), hand: DriftHand::Changed, fields: vec![field.into()] }
}

fn found(shell: &Shell, drifted: &[DriftedObject]) -> TargetObserved {
    TargetObserved {
        target: "windows".into(),
        kind: "intune".into(),
        observed: Some(shell.now),
        drifted: drifted.to_vec(),
        undone: Vec::new(),
        trouble: None,
        was: Vec::new(),
    }
}

/// What others are told of what follows from an observation, with the objects.
fn told(shell: &mut Shell, said: TargetObserved) -> (usize, Vec<(Kind, Vec<String>)>) {
    let events = shell.tell(Input::TargetObserved(said));
    let told = events.iter().flat_map(|event: &Event| derive(event, &Vector::new())).map(|derived| {
        let Data::Target(data) = derived.data else { panic!("{:?}", derived.data) };
        assert_eq!(derived.subject.as_deref(), Some("windows"));
        (derived.kind, data.objects.into_iter().map(|it| format!("{} {}", it.object, it.fields.join(","))).collect())
    });
    (events.len(), told.collect())
}

#[test]
fn what_was_changed_by_hand_is_told_once_and_told_again_when_it_is_gone() {
    let mut shell = Shell::new("2026-11-27T10:00:00Z");
    let said = found(&shell, &[]);
    assert_eq!(told(&mut shell, said), (1, vec![]));
    let ring = [drifted("update ring refit-a", "qualityUpdatesPaused")];
    let said = found(&shell, &ring);
    let news = vec![(Kind::TargetDrifted, vec!["update ring refit-a qualityUpdatesPaused".to_owned()])];
    assert_eq!(told(&mut shell, said), (1, news));
    assert_eq!(shell.state.targets["windows"].drifted, ring);
    // The same is no news, and is confirmed four times a day.
    shell.wait(1);
    let said = found(&shell, &ring);
    assert_eq!(told(&mut shell, said), (0, vec![]));
    shell.wait(6);
    let said = found(&shell, &ring);
    assert_eq!(told(&mut shell, said), (1, vec![]));
    // Something else as well is.
    let more = [ring[0].clone(), drifted("group refit-a", "members")];
    let said = found(&shell, &more);
    assert_eq!(told(&mut shell, said).1.len(), 1);
    let said = found(&shell, &[]);
    let (written, news) = told(&mut shell, said);
    assert_eq!((written, news.len(), news[0].0, news[0].1.len()), (1, 1, Kind::TargetRestored, 2));
    let said = found(&shell, &[]);
    assert_eq!(told(&mut shell, said), (0, vec![]));
}

#[test]
fn what_is_undone_at_once_is_told_as_both() {
    let mut shell = Shell::new("2026-11-27T10:00:00Z");
    let ring = drifted("update ring refit-a", "qualityUpdatesPaused");
    let undone = || TargetObserved { undone: vec![ring.clone()], ..found(&Shell::new("2026-11-27T10:00:00Z"), &[]) };
    let kinds = |told: Vec<(Kind, Vec<String>)>| told.into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    assert_eq!(kinds(told(&mut shell, undone()).1), [Kind::TargetDrifted, Kind::TargetRestored]);
    // Each time anew.
    assert_eq!(kinds(told(&mut shell, undone()).1), [Kind::TargetDrifted, Kind::TargetRestored]);
    // What was known already is only told to be gone.
    let said = found(&shell, std::slice::from_ref(&ring));
    told(&mut shell, said);
    assert_eq!(kinds(told(&mut shell, undone()).1), [Kind::TargetRestored]);
}

#[test]
fn of_a_system_that_can_not_be_looked_at_what_was_known_stays() {
    let mut shell = Shell::new("2026-11-27T10:00:00Z");
    let ring = [drifted("update ring refit-a", "qualityUpdatesPaused")];
    let said = found(&shell, &ring);
    told(&mut shell, said);
    let down = |why: &str| TargetObserved {
        observed: None,
        trouble: Some(why.into()),
        ..found(&Shell::new("2026-11-27T10:00:00Z"), &[])
    };
    assert_eq!(told(&mut shell, down("status 503")), (1, vec![]));
    let known = &shell.state.targets["windows"];
    assert_eq!((&known.drifted[..], known.observed.is_some()), (&ring[..], true));
    // Other words for the same trouble are none.
    assert_eq!(told(&mut shell, down("status 502")), (0, vec![]));
    let said = found(&shell, &ring);
    assert_eq!(told(&mut shell, said), (1, vec![]));
    assert_eq!(shell.state.targets["windows"].trouble, None);
}
