//! Deadlines against the pace of rings, minimum ages, snapshots and windows: whether a device of the last ring can be done in
//! time, if every gate passes as early as it may.
//!
//! The clock of an entry starts at the earliest with the publication of the release that helps. From there a release has to
//! become old enough, and each ring before the device's has to soak, and to be watched for as long as silence takes to show where
//! its gate asks for that: if that alone takes as long as the deadline gives, nobody in that ring will ever be in time, which is an
//! error, but for `at_due: proceed`, which lets them go ahead. What may add to it, a snapshot that has just been taken or a window
//! that has just shut, is a warning.

use super::{deadlines::implies, subject::Subject, subject::length, windows::rhythm};
use crate::{
    policy::{
        diagnostic::{Diagnostic, Place},
        document::policy::{AfterDue, AtDue, Presence},
        expr::Satisfiability,
        repository::{Deadline, Gate, Policy, Ring, Rollout, UsedWindow},
    },
    steps,
};
use jiff::SignedDuration;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for policy in subject.repository.policies.iter().filter(|policy| policy.presence != Presence::Forbidden) {
        let ways = policy.deadline.iter().map(|entry| Way::of(subject, policy, entry));
        for (index, way) in ways.enumerate() {
            let place = || subject.term_place(policy, steps!["deadline", index, "within"]);
            found.extend(way.judge(subject, place));
        }
    }
}

/// How a release gets to the devices for which one entry counts.
struct Way<'a> {
    policy: &'a Policy,
    within: SignedDuration,
    at_due: AtDue,
    min_age: SignedDuration,
    rollout: Option<&'a Rollout>,
    /// A snapshot that has just been taken is followed by the next after so long.
    every: Option<SignedDuration>,
}

/// What a ring before the last takes at the least.
struct Stage<'a> {
    ring: &'a str,
    takes: SignedDuration,
    /// Whether it soaks for less: silence takes longer to show.
    watched: bool,
}

impl<'a> Stage<'a> {
    fn of(gate: Option<&Gate>, ring: &'a Ring) -> Stage<'a> {
        let takes = gate.map_or(ring.soak, |gate| gate.takes(ring.soak));
        Stage { ring: &ring.name, takes, watched: takes > ring.soak }
    }
}

fn silence_takes(gate: &Gate) -> String {
    format!(
        "gate `{}` asks for `silence`: as many devices as have to report have to be seen {} (`silent_after`) after the change",
        gate.name,
        length(gate.silent_after)
    )
}

impl<'a> Way<'a> {
    fn of(subject: &Subject<'a>, policy: &'a Policy, entry: &'a Deadline) -> Way<'a> {
        // Of all entries that surely count beside this one, the one due first that names something gives it (rule 6).
        let mut beside: Vec<&Deadline> = policy
            .deadline
            .iter()
            .filter(|other| std::ptr::eq(*other, entry) || implies(subject, entry, other))
            .collect();
        beside.sort_by_key(|other| other.within);
        let named = beside.iter().find_map(|other| other.rollout.as_ref());
        let min_age = beside.iter().find_map(|other| other.min_age).unwrap_or(policy.min_age);
        let proceeds = beside.iter().any(|other| other.within <= entry.within && other.at_due == AtDue::Proceed);
        let rollout = named.or(policy.rollout.as_ref()).and_then(|name| subject.repository.rollouts.get(name));
        Way {
            policy,
            within: entry.within,
            at_due: if proceeds { AtDue::Proceed } else { entry.at_due },
            min_age,
            rollout,
            every: policy.snapshot_every.filter(|_| named.is_none()),
        }
    }

    fn judge(&self, subject: &Subject<'_>, place: impl Fn() -> Option<Place>) -> Option<Diagnostic> {
        if self.min_age > SignedDuration::ZERO && self.min_age >= self.within {
            return Some(self.before_the_age(place()?));
        }
        let rings: SignedDuration = self.stages().map(|stage| stage.takes).sum();
        let needed = self.min_age + rings;
        if rings > SignedDuration::ZERO && needed >= self.within {
            return Some(match self.at_due {
                AtDue::Proceed => self.goes_ahead(place()?, needed),
                AtDue::Ask | AtDue::Wait => self.before_the_ring(place()?, needed),
            });
        }
        let shut = self.policy.window.as_ref().filter(|window| self.waits(subject, window)).and_then(|window| {
            let shut = rhythm(subject, &window.name, &window.window).shut?;
            Some((window, shut))
        });
        let worst =
            needed + self.every.unwrap_or(SignedDuration::ZERO) + shut.map_or(SignedDuration::ZERO, |(_, shut)| shut);
        if worst > needed && worst >= self.within {
            return Some(self.perhaps_late(place()?, shut, worst));
        }
        None
    }

    /// The rings before the last that take time.
    fn stages(&self) -> impl Iterator<Item = Stage<'a>> + use<'a> {
        let gate = self.rollout.and_then(|rollout| rollout.gate.as_ref());
        let rings = self.rollout.map_or(&[][..], |rollout| &rollout.rings);
        let before_the_last = rings.split_last().map_or(&[][..], |(_, before)| before);
        before_the_last.iter().map(move |ring| Stage::of(gate, ring)).filter(|stage| !stage.takes.is_zero())
    }

    /// The gate because of whose `silence` a ring takes longer than it soaks.
    fn watching(&self) -> Option<&'a Gate> {
        self.rollout.and_then(|rollout| rollout.gate.as_ref()).filter(|_| self.stages().any(|stage| stage.watched))
    }

    /// Whether a due time leaves the window shut, for some of the devices.
    fn waits(&self, subject: &Subject<'_>, window: &UsedWindow) -> bool {
        match window.after_due {
            Some(after_due) => after_due == AfterDue::Wait,
            None => {
                let server = subject.all_hold([self.policy.condition.as_deref(), subject.server.as_deref()]);
                server != Satisfiability::No
            }
        }
    }

    fn sum(&self, more: &[(String, SignedDuration)]) -> String {
        let age = (!self.min_age.is_zero()).then(|| ("min_age".to_owned(), self.min_age));
        let stages = self.stages().map(|stage| {
            let what = if stage.watched { "is watched for silence" } else { "soaks" };
            (format!("{} {what}", stage.ring), stage.takes)
        });
        let parts: Vec<(String, SignedDuration)> = age.into_iter().chain(stages).chain(more.iter().cloned()).collect();
        let total: SignedDuration = parts.iter().map(|(_, part)| *part).sum();
        let named: Vec<String> = parts.iter().map(|(name, part)| format!("{name} {}", length(*part))).collect();
        if parts.len() == 1 { named.join("") } else { format!("{} = {}", named.join(" + "), length(total)) }
    }

    fn last_ring(&self) -> (&'a str, &'a str) {
        let rollout = self.rollout.map_or("", |rollout| rollout.name.as_str());
        let ring = self.rollout.and_then(|rollout| rollout.rings.last()).map_or("", |ring| ring.name.as_str());
        (rollout, ring)
    }

    fn before_the_age(&self, place: Place) -> Diagnostic {
        Diagnostic::error("policy/deadline-before-age", "deadline before the release may be installed")
            .at(place)
            .label(format!(
                "due after {}, but a release has to be out for {} first",
                length(self.within),
                length(self.min_age)
            ))
            .with_help("waive the age here with `min_age: 0h`, or allow more time")
    }

    fn before_the_ring(&self, place: Place, needed: SignedDuration) -> Diagnostic {
        let (rollout, ring) = self.last_ring();
        let mut diagnostic = Diagnostic::error("policy/deadline-before-ring", "deadline that the rings cannot meet")
            .at(place)
            .label(format!(
                "due after {}, but ring `{ring}` of `{rollout}` opens after {}",
                length(self.within),
                length(needed)
            ))
            .with_note(format!("{}, from the publication, if every gate passes at once", self.sum(&[])));
        let late = self.late_rings();
        if late.len() > 1 {
            diagnostic = diagnostic.with_note(format!("too late for {}", super::subject::enumeration(late)));
        }
        let shorten = match self.watching() {
            Some(gate) => {
                diagnostic = diagnostic.with_note(silence_takes(gate));
                format!("give gate `{}` a shorter `silent_after`, or the rollout a gate without `silence`", gate.name)
            }
            None => "shorten soaks".to_owned(),
        };
        diagnostic.with_help(format!(
            "name a faster `rollout` in this entry, {shorten}, allow more time, or let devices go ahead with `at_due: proceed`",
        ))
    }

    /// The rings that open too late, with when they do.
    fn late_rings(&self) -> Vec<String> {
        let mut at = self.min_age;
        let mut late = Vec::new();
        let gate = self.rollout.and_then(|rollout| rollout.gate.as_ref());
        for ring in self.rollout.into_iter().flat_map(|rollout| &rollout.rings) {
            if at >= self.within {
                late.push(format!("{} ({})", ring.name, length(at)));
            }
            at += Stage::of(gate, ring).takes;
        }
        late
    }

    fn goes_ahead(&self, place: Place, needed: SignedDuration) -> Diagnostic {
        let (rollout, ring) = self.last_ring();
        let diagnostic = Diagnostic::note("policy/ahead-of-ring", "devices go ahead of their ring")
            .at(place)
            .label(format!(
                "due after {}; ring `{ring}` of `{rollout}` opens after {}, so `at_due: proceed` decides there",
                length(self.within),
                length(needed)
            ))
            .with_note(format!("{}, from the publication, if every gate passes at once", self.sum(&[])));
        match self.watching() {
            Some(gate) => diagnostic.with_note(silence_takes(gate)),
            None => diagnostic,
        }
    }

    fn perhaps_late(
        &self,
        place: Place,
        shut: Option<(&UsedWindow, SignedDuration)>,
        worst: SignedDuration,
    ) -> Diagnostic {
        let mut more = Vec::new();
        more.extend(self.every.map(|every| ("next snapshot".to_owned(), every)));
        more.extend(shut.map(|(window, shut)| (format!("`{}` shut for up to", window.name), shut)));
        let mut diagnostic = Diagnostic::warning("policy/deadline-tight", "deadline that is met only with luck")
            .at(place)
            .label(format!("due after {}, but it can take {}", length(self.within), length(worst)))
            .with_note(format!("{}, from the publication, if every gate passes at once", self.sum(&more)));
        if shut.is_some_and(|(window, _)| window.after_due.is_none()) {
            diagnostic =
                diagnostic.with_note("servers wait for a window also after the due time, unless told otherwise");
        }
        match (self.every, shut) {
            (Some(_), _) => diagnostic.with_help("take snapshots more often (`every`), or allow more time"),
            (None, Some((window, _))) => diagnostic.with_help(format!(
                "open the window more often, allow more time, or write `window: {{ use: {}, after_due: run }}`",
                window.name
            )),
            (None, None) => diagnostic,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] =
        &["policy/deadline-before-age", "policy/deadline-before-ring", "policy/ahead-of-ring", "policy/deadline-tight"];

    const ORGANIZATION: &str = r#"
organization: acme
rollouts:
  standard:
    rings:
      - { name: canary, where: person.department == "IT", soak: 1d }
      - { name: early, share: 10%, soak: 2d }
      - { name: broad, share: 50%, soak: 2d }
      - { name: rest }
  fast:
    rings:
      - { name: canary, where: person.department == "IT", soak: 2h }
      - { name: rest }
windows:
  overnight: { rrule: "FREQ=DAILY;BYHOUR=19", lasts: 10h }
  monthly: { rrule: "FREQ=MONTHLY;BYDAY=2TU;BYHOUR=2", lasts: 4h }
---
"#;

    fn policy(text: &str) -> String {
        found(CODES, &format!("{ORGANIZATION}policy: browsers\nsoftware: [firefox]\n{text}"))
    }

    #[test]
    fn a_deadline_before_the_last_ring_opens_is_an_error_with_the_arithmetic() {
        assert_snapshot!(policy(r#"
min_age: 1d
rollout: standard
deadline:
  - { if: exposure.kev, within: 2d }
  - { within: 14d }
"#), @r#"
error[policy/deadline-before-ring]: deadline that the rings cannot meet
  policy.yaml:24:33
      - { if: exposure.kev, within: 2d }
                                    ^^ due after 2d, but ring `rest` of `standard` opens after 6d
  note: min_age 1d + canary soaks 1d + early soaks 2d + broad soaks 2d = 6d, from the publication, if every gate passes at once
  note: too late for early (2d), broad (4d) and rest (6d)
  help: name a faster `rollout` in this entry, shorten soaks, allow more time, or let devices go ahead with `at_due: proceed`
"#);
    }

    /// The fast rollout, whose rings soak for hours, with a gate.
    fn gated(gate: &str, deadline: &str) -> String {
        let organization = ORGANIZATION.replace("  fast:\n", "  fast:\n    gate: urgent\n");
        let organization = organization.replace("windows:", &format!("gates: {{ urgent: {gate} }}\nwindows:"));
        let policy = format!("policy: browsers\nsoftware: [firefox]\nrollout: fast\ndeadline: [{deadline}]\n");
        found(CODES, &format!("{organization}{policy}"))
    }

    #[test]
    fn a_ring_takes_as_long_as_silence_takes_to_show() {
        assert_snapshot!(gated("{ enough: 90%, silence: 1% }", "{ within: 1d }"), @r#"
error[policy/deadline-before-ring]: deadline that the rings cannot meet
  policy.yaml:23:22
    deadline: [{ within: 1d }]
                         ^^ due after 1d, but ring `rest` of `fast` opens after 1d
  note: canary is watched for silence 1d, from the publication, if every gate passes at once
  note: gate `urgent` asks for `silence`: as many devices as have to report have to be seen 1d (`silent_after`) after the change
  help: name a faster `rollout` in this entry, give gate `urgent` a shorter `silent_after`, or the rollout a gate without `silence`, allow more time, or let devices go ahead with `at_due: proceed`
"#);
        assert_snapshot!(gated("{ enough: 90%, silence: 1%, silent_after: 5h }", "{ within: 5h, at_due: proceed }"), @r#"
note[policy/ahead-of-ring]: devices go ahead of their ring
  policy.yaml:23:22
    deadline: [{ within: 5h, at_due: proceed }]
                         ^^ due after 5h; ring `rest` of `fast` opens after 5h, so `at_due: proceed` decides there
  note: canary is watched for silence 5h, from the publication, if every gate passes at once
  note: gate `urgent` asks for `silence`: as many devices as have to report have to be seen 5h (`silent_after`) after the change
"#);
        // Where nobody asks for silence, or a ring soaks for longer, it takes what it soaks.
        assert_eq!(gated("{ enough: 90%, reports: 1% }", "{ within: 3h }"), "");
        assert_eq!(gated("{ enough: 90%, silence: 1%, silent_after: 1h }", "{ within: 3h }"), "");
    }

    #[test]
    fn a_faster_rollout_without_the_age_meets_it() {
        assert_eq!(
            policy(
                r#"
min_age: 1d
rollout: standard
deadline:
  - { if: exposure.kev, within: 2d, min_age: 0h, rollout: fast }
  - { within: 14d }
"#
            ),
            ""
        );
    }

    #[test]
    fn where_devices_may_proceed_it_is_only_worth_knowing() {
        assert_snapshot!(policy(r#"
rollout: standard
deadline: [{ within: 4d, at_due: proceed }]
"#), @r#"
note[policy/ahead-of-ring]: devices go ahead of their ring
  policy.yaml:22:22
    deadline: [{ within: 4d, at_due: proceed }]
                         ^^ due after 4d; ring `rest` of `standard` opens after 5d, so `at_due: proceed` decides there
  note: canary soaks 1d + early soaks 2d + broad soaks 2d = 5d, from the publication, if every gate passes at once
"#);
    }

    #[test]
    fn nothing_is_installed_before_it_is_old_enough_not_even_where_devices_may_proceed() {
        assert_snapshot!(policy(r#"
min_age: 3d
deadline: [{ if: exposure.kev, within: 2d, at_due: proceed }, { within: 14d }]
"#), @r#"
error[policy/deadline-before-age]: deadline before the release may be installed
  policy.yaml:22:40
    deadline: [{ if: exposure.kev, within: 2d, at_due: proceed }, { within: 14d }]
                                           ^^ due after 2d, but a release has to be out for 3d first
  help: waive the age here with `min_age: 0h`, or allow more time
"#);
    }

    #[test]
    fn the_terms_of_an_entry_that_counts_too_are_taken_into_account() {
        // Whatever is in KEV is also under the entry without a condition, which is due first and names the fast rollout.
        assert_eq!(
            policy(
                r#"
rollout: standard
deadline: [{ if: exposure.kev, within: 4d }, { within: 3d, rollout: fast }]
"#
            ),
            ""
        );
    }

    #[test]
    fn a_snapshot_that_has_just_been_taken_may_come_too_late() {
        assert_snapshot!(policy(r#"
rollout: { use: standard, every: 7d }
deadline: [{ within: 7d }]
"#), @r#"
warning[policy/deadline-tight]: deadline that is met only with luck
  policy.yaml:22:22
    deadline: [{ within: 7d }]
                         ^^ due after 7d, but it can take 12d
  note: canary soaks 1d + early soaks 2d + broad soaks 2d + next snapshot 7d = 12d, from the publication, if every gate passes at once
  help: take snapshots more often (`every`), or allow more time
"#);
        assert_eq!(policy("rollout: { use: standard, every: 1d }\ndeadline: [{ within: 7d }]\n"), "");
    }

    #[test]
    fn a_window_that_opens_less_often_than_the_deadline_is_found_where_it_waits() {
        assert_snapshot!(policy(r#"
where: device.kind == "server"
window: monthly
deadline: [{ within: 14d }]
"#), @r#"
warning[policy/deadline-tight]: deadline that is met only with luck
  policy.yaml:23:22
    deadline: [{ within: 14d }]
                         ^^^ due after 14d, but it can take 34d20h
  note: `monthly` shut for up to 34d20h, from the publication, if every gate passes at once
  note: servers wait for a window also after the due time, unless told otherwise
  help: open the window more often, allow more time, or write `window: { use: monthly, after_due: run }`
"#);
        assert_eq!(policy("window: { use: monthly, after_due: run }\ndeadline: [{ within: 14d }]\n"), "");
        assert_eq!(policy("where: device.kind == \"laptop\"\nwindow: monthly\ndeadline: [{ within: 14d }]\n"), "");
        assert_eq!(policy("window: overnight\nrollout: standard\ndeadline: [{ within: 7d }]\n"), "");
    }
}
