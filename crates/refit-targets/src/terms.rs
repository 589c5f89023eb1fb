//! The terms of a policy that exceptions may replace besides due times and ranges: its window, and when it restarts the machine.

use refit_core::{
    cohorts::{Cohort, Place},
    policy::{
        document::policy::{AfterDue, RestartMode},
        repository::{Exception, Policy, Repository, Selector, UsedWindow},
    },
};
use smol_str::SmolStr;

/// The terms that count for some devices.
#[derive(Clone, Debug)]
pub struct Terms<'r> {
    /// When changes may be made.
    pub window: Option<&'r UsedWindow>,
    /// What the due time does to the window.
    pub after_due: AfterDue,
    /// When the machine is restarted.
    pub reboot: Option<RestartMode>,
    /// What exceptions make of window and restart, in words; `None` where they are the policy's own.
    pub excepted: Option<SmolStr>,
    /// What they make of the window alone.
    pub excepted_window: Option<SmolStr>,
    /// The exceptions for these devices that speak of what the policy takes.
    pub exceptions: Vec<&'r Exception>,
}

/// How much of what a policy takes of a namespace an exception speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    /// Nothing.
    None,
    /// Some of it.
    Some,
    /// All of it.
    All,
}

impl<'r> Terms<'r> {
    /// Those of a policy where no exception acts.
    pub fn own(policy: &'r Policy, place: &Place) -> Terms<'r> {
        Terms::with(policy, place, None, None, Vec::new())
    }

    /// Those of the devices of a cohort.
    pub fn of_cohort(repository: &'r Repository, policy: &'r Policy, cohort: &Cohort) -> Terms<'r> {
        let exception = cohort.excepted.window.and_then(|place| repository.exceptions.get(place));
        let exceptions = cohort.place.exceptions.iter().filter_map(|number| repository.exceptions.get(*number));
        Terms::with(policy, &cohort.place, exception, cohort.excepted.restart, exceptions.collect())
    }

    /// Those of machines with packages, which have one timer and one way to restart: what exceptions except by `unless` is not looked at.
    /// An error names the exception that gives some of the packages a window of their own.
    pub fn of_packages(
        repository: &'r Repository,
        policy: &'r Policy,
        place: &Place,
        namespace: &str,
    ) -> Result<Terms<'r>, &'r Exception> {
        let exceptions = place.exceptions.iter().filter_map(|number| repository.exceptions.get(*number));
        let acting: Vec<(&Exception, Share)> = exceptions
            .map(|exception| (exception, share(&policy.software, &exception.software, namespace)))
            .filter(|(_, share)| *share != Share::None)
            .collect();
        let window = acting.iter().find(|(exception, _)| exception.window.is_some());
        if let Some((exception, Share::Some)) = window {
            return Err(*exception);
        }
        let own = own_reboot(policy);
        let restart = acting.iter().find_map(|(exception, share)| match (exception.restart, share) {
            // Where some packages ask first, the machine does.
            (Some(RestartMode::AtDue), Share::Some) => own,
            (mode, _) => mode,
        });
        let window = window.map(|(exception, _)| *exception);
        Ok(Terms::with(policy, place, window, restart, acting.into_iter().map(|(exception, _)| exception).collect()))
    }

    fn with(
        policy: &'r Policy,
        place: &Place,
        exception: Option<&'r Exception>,
        restart: Option<RestartMode>,
        exceptions: Vec<&'r Exception>,
    ) -> Terms<'r> {
        let own = own_reboot(policy);
        let window = exception.and_then(|exception| exception.window.as_ref()).or(policy.window.as_ref());
        let by_window = exception.map(|exception| SmolStr::from(format!("window of exception {}", exception.name)));
        let by_restart = restart.filter(|restart| own != Some(*restart)).map(|restart| match restart {
            RestartMode::Ask => "restart: ask by an exception",
            RestartMode::AtDue => "restart: at_due by an exception",
            RestartMode::Never => "restart: never by an exception",
        });
        let excepted: Vec<&str> = by_window.as_deref().into_iter().chain(by_restart).collect();
        Terms {
            window,
            after_due: window.map_or(AfterDue::Run, |window| window.after_due(place.may_be_server)),
            reboot: restart.or(own),
            excepted: (!excepted.is_empty()).then(|| excepted.join(", ").into()),
            excepted_window: by_window,
            exceptions,
        }
    }
}

fn own_reboot(policy: &Policy) -> Option<RestartMode> {
    policy.experience.reboot.as_ref().map(|reboot| reboot.mode)
}

/// How much of the packages of a namespace that a policy takes an exception speaks of, by the lines of both.
fn share(policy: &[Selector], exception: &[Selector], namespace: &str) -> Share {
    let taken = policy.iter().filter(|selector| match selector {
        Selector::Title(title) => title.package().is_some_and(|(space, _)| space == namespace),
        Selector::Packages { namespace: space, .. } => space == namespace,
        Selector::OsAll | Selector::OsSecurity => true,
    });
    let (mut all, mut some) = (true, false);
    for selector in taken {
        all &= exception.iter().any(|other| covers(other, selector, namespace));
        some |= exception.iter().any(|other| selector.common(other, namespace).is_some());
    }
    match (all, some) {
        (_, false) => Share::None,
        (true, true) => Share::All,
        (false, true) => Share::Some,
    }
}

/// Whether a selector takes all that another takes of the packages of a namespace.
fn covers(selector: &Selector, other: &Selector, namespace: &str) -> bool {
    match selector {
        Selector::OsAll => true,
        Selector::OsSecurity | Selector::Title(_) => selector == other,
        Selector::Packages { namespace: space, prefix } => {
            let start = match other {
                Selector::Packages { prefix, .. } => Some(prefix.as_str()),
                Selector::Title(title) => title.package().map(|(_, name)| name),
                Selector::OsAll | Selector::OsSecurity => Some(""),
            };
            space == namespace && start.is_some_and(|start| start.starts_with(prefix.as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(policy: &[&str], exception: &[&str]) -> Share {
        let selectors = |lines: &[&str]| lines.iter().map(|line| Selector::parse(line)).collect::<Vec<_>>();
        share(&selectors(policy), &selectors(exception), "deb")
    }

    #[test]
    fn an_exception_speaks_of_all_packages_of_a_policy_or_of_some() {
        for (policy, exception, expected) in [
            (&["os/*"][..], &["os/*"][..], Share::All),
            (&["os/security"], &["os/*"], Share::All),
            (&["os/*"], &["os/security"], Share::Some),
            (&["os/*"], &["deb/*"], Share::All),
            (&["os/*"], &["deb/openssl"], Share::Some),
            (&["deb/openssl"], &["deb/openssl"], Share::All),
            (&["deb/openssl"], &["deb/curl"], Share::None),
            (&["deb/openssl", "deb/curl"], &["deb/curl"], Share::Some),
            (&["deb/linux-*"], &["deb/linux-image-*"], Share::Some),
            (&["deb/linux-image-*"], &["deb/linux-*"], Share::All),
            (&["os/*"], &["rpm/openssl"], Share::None),
            (&["rpm/openssl"], &["os/*"], Share::None),
            // Nobody knows by its name what a security archive has.
            (&["deb/openssl"], &["os/security"], Share::Some),
            (&["os/security", "google-chrome"], &["google-chrome"], Share::None),
        ] {
            assert_eq!(told(policy, exception), expected, "{policy:?} {exception:?}");
        }
    }
}
