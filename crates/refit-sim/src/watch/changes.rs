//! Invariants of changes on devices: what was really begun, where and when, held against the policy that was in force, the releases
//! on their way, and the person at the machine. They read policies as the simulation wrote them, and calendars by code of their own.
//! The time of windows, freezes and due times is what the device's clock says, to the second: that this is right, as far as it has to
//! be, is an invariant of its own (`no-change-without-time`).

use super::{Truth, bound::Bounds, fold::Fold};
use crate::{
    agent::Agent,
    policies::{Days, PolicySpec, TermsSpec, WindowSpec},
    quality::{platform, zone},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use refit_model::TitleId;
use refit_wire::{
    State,
    mandate::check::Step,
    state::{Action, Directive},
};
use smol_str::SmolStr;

/// A change that a device begins, and one of the states that ask for it.
struct Asked<'a> {
    state: &'a State,
    directive: &'a Directive,
    spec: &'a PolicySpec,
    terms: &'a TermsSpec,
    /// What the policy said under which the release was given: between a policy and the decisions under it the one before is in force.
    decided: Option<&'a TermsSpec>,
}

impl Asked<'_> {
    /// Whether it was given by a rollout.
    fn goes_through_rings(&self) -> bool {
        self.state.terms(self.directive).is_some_and(|terms| terms.rollout.is_some())
    }

    /// Where the device is; what nobody has heard of for long is in UTC again.
    fn zone(&self) -> TimeZone {
        let own = if self.state.timezone == "UTC" { "UTC" } else { zone(&self.state.device) };
        TimeZone::get(own).unwrap_or(TimeZone::UTC)
    }

    /// Whether the policy only says what it would do, and did so when the release was given.
    fn observes(&self) -> bool {
        self.terms.observes && self.decided.is_none_or(|terms| terms.observes)
    }

    /// Whether its due time may have carried it past a gate. The server's clock said so, which may be ahead.
    fn goes_ahead(&self, now: Timestamp) -> bool {
        let proceeds = self.terms.proceeds || self.decided.is_some_and(|terms| terms.proceeds);
        proceeds && self.directive.due.is_some_and(|due| due <= later(now, 3_600))
    }
}

/// What a device begins.
pub struct Begun<'a> {
    /// The device.
    pub agent: &'a Agent,
    /// What the log adds up to.
    pub fold: &'a Fold,
    /// What is so.
    pub truth: &'a Truth,
    /// Whom releases were given.
    pub bounds: &'a Bounds,
    /// What its clock says.
    pub wall: Timestamp,
    /// What time it is.
    pub now: Timestamp,
}

/// How long a state may be acted on without another answer, in seconds: a lease, and what clocks may differ by.
const LEASE: i64 = 3_600 + 1_800;

impl Begun<'_> {
    /// The states that ask for a step, of those that were confirmed with a lease that lasts. Nobody asks for what comes along.
    fn asked(&self, step: &Step) -> Vec<Asked<'_>> {
        let states = self.agent.image.ledger.lasting(self.wall).filter_map(|digest| self.truth.states.get(digest));
        let directives = states.filter(|state| state.device == self.agent.device).flat_map(|state| {
            let asks = state.directives.iter().filter(|directive| asks(directive, step));
            asks.map(move |directive| (state, directive))
        });
        let known = directives.filter_map(|(state, directive)| {
            let spec = self.truth.specs.get(&state.policy)?;
            let terms = spec.terms.get(state.terms(directive)?.policy.as_str())?;
            Some(Asked { state, directive, spec, terms, decided: self.decided(&directive.title) })
        });
        known.collect()
    }

    /// What the policy says of a title under which the device was last given something.
    fn decided(&self, title: &TitleId) -> Option<&TermsSpec> {
        let device = self.fold.devices.get(*self.fold.by_id.get(&self.agent.device)?)?;
        let published = device.published.values().find(|published| published.key.slot.title == *title)?;
        let spec = self.truth.specs.get(self.fold.revisions.get(&published.revision)?)?;
        spec.terms.get(published.key.policy.as_str())
    }

    /// What a step breaks: every state that asks for it has to forbid it.
    fn all(&self, step: &Step, forbids: impl Fn(&Asked<'_>) -> bool) -> bool {
        let asked = self.asked(step);
        !asked.is_empty() && asked.iter().all(forbids)
    }

    /// Nothing is installed but what a ring has been opened for in which the device is; who is on a halted release is in the first,
    /// past a gate that is inconclusive comes whom the policy lets go ahead at the due time, and what a policy without rings gave may
    /// stay given. What only observes opens nothing.
    pub fn inside_open_ring(&self, steps: &[Step]) -> Option<String> {
        // States of a log that was lost may be acted on for as long as their leases last.
        if self.truth.restored.is_some_and(|at| self.now.duration_since(at).as_secs() < LEASE) {
            return None;
        }
        if let Some(step) = steps.iter().find(|step| self.all(step, |asked| asked.observes())) {
            return Some(format!("{} begins {step:?}, and the policy only observes", self.agent.device));
        }
        let index = u32::try_from(*self.fold.by_id.get(&self.agent.device)?).ok()?;
        steps.iter().find_map(|step| {
            let version = step
                .after
                .as_ref()
                .filter(|_| self.all(step, |asked| asked.terms.rollout.is_some() && asked.goes_through_rings()))?;
            let title = self.asked(step).first().map(|asked| asked.directive.title.clone())?;
            let platform = platform(&self.agent.device);
            let open: Vec<_> = self.fold.releases.open(&title, version, &platform).collect();
            let member = open.iter().any(|ring| ring.members.as_ref().is_none_or(|members| members.contains(index)));
            let last = open.iter().any(|ring| ring.is_last());
            let first = open.iter().any(|ring| ring.is_first());
            let mut halted = self.fold.releases.ever_halted(&title).filter(|halted| *halted != version);
            let on_halted = halted.any(|halted| self.bounds.was_on(&title, halted, index));
            let ahead = first && !self.all(step, |asked| !asked.goes_ahead(self.now));
            let freely = self.bounds.was_given_freely(&title, version, index);
            let inside = member || last || (first && on_halted) || ahead || freely;
            (!inside).then(|| {
                let open: Vec<_> = open.iter().map(|ring| &ring.ring).collect();
                format!("{} begins {title} {version} from {:?}, and open are {open:?}", self.agent.device, step.before)
            })
        })
    }

    /// Nothing changes on days on which the organisation wants none.
    pub fn freezes_hold(&self, steps: &[Step]) -> Option<String> {
        let frozen = |asked: &Asked<'_>| {
            let zone = asked.zone();
            asked.spec.freezes.iter().any(|(from, to, yields)| {
                let yields = *yields && self.fold.exploited.contains(&asked.directive.title);
                let (start, end) = (midnight(*from, &zone), to.tomorrow().ok().and_then(|day| midnight(day, &zone)));
                let within = start.zip(end).is_some_and(|(start, end)| start <= self.wall && self.wall < end);
                within && !yields
            })
        };
        let step = steps.iter().find(|step| self.all(step, frozen))?;
        Some(format!("{}: {step:?} begins at {} inside a freeze", self.agent.device, self.wall))
    }

    /// Nothing changes outside its window, unless the person said so, or it is overdue and the window gives way.
    pub fn windows_hold(&self, steps: &[Step]) -> Option<String> {
        let shut = |asked: &Asked<'_>, version: Option<&SmolStr>| {
            let Some(window) = asked.terms.window else { return false };
            let zone = asked.zone();
            let overdue = asked.directive.due.is_some_and(|due| due <= self.wall);
            let agreed = self.agent.image.ledger.agreed(&asked.directive.title, version);
            !(agreed || (overdue && !window.waits) || is_open(window, &zone, self.wall))
        };
        let step = steps.iter().find(|step| self.all(step, |asked| shut(asked, step.after.as_ref())))?;
        let asked: Vec<_> =
            self.asked(step).iter().map(|it| (it.terms.window, it.directive.due, it.state.sequence)).collect();
        Some(format!(
            "{}: {step:?} begins at {} by its clock, outside its window: {asked:?}",
            self.agent.device, self.wall
        ))
    }

    /// Who is in the middle of something that the policy respects is left alone, until the time for that is over.
    pub fn busy_people_are_left_alone(&self, steps: &[Step]) -> Option<String> {
        let disturbs = |asked: &Asked<'_>| {
            let Some((respected, hours)) = &asked.terms.not_while else { return false };
            let busy = respected.iter().any(|what| self.agent.presence.busy.contains(what));
            let until = asked.directive.due.map(|due| later(due, hours * 3_600));
            busy && until.is_none_or(|until| self.wall < until)
        };
        let step = steps.iter().find(|step| self.all(step, disturbs))?;
        Some(format!("{}: {step:?} begins while the person is busy: {:?}", self.agent.device, self.agent.presence))
    }

    /// Of a halted release nothing begins on a device that has checked in since, nor on any once leases have run out.
    pub fn halted_touches_nobody(&self, steps: &[Step]) -> Option<String> {
        steps.iter().find_map(|step| {
            let version = step.after.as_ref()?;
            let title = self.asked(step).first().map(|asked| asked.directive.title.clone())?;
            let since = self.fold.releases.halted_since(&title, version, &platform(&self.agent.device))?;
            let heard = self.agent.image.ledger.heard_last()?;
            let late = heard > since || self.now.duration_since(since).as_secs() > LEASE;
            late.then(|| {
                format!(
                    "{} begins {title} {version} at {}, which is halted since {since}; it checked in at {heard}",
                    self.agent.device, self.now
                )
            })
        })
    }

    /// What came to a device is not forced on it once more: it is there.
    pub fn nobody_is_forced_twice(&self, steps: &[Step]) -> Option<String> {
        let again = |step: &&Step| {
            let came = self.agent.image.ledger.came(&step.package.name);
            came.is_some() && came == step.after.as_ref() && !self.asked(step).is_empty()
        };
        let step = steps.iter().find(again)?;
        Some(format!("{}: {step:?} begins, and it had come already", self.agent.device))
    }
}

fn asks(directive: &Directive, step: &Step) -> bool {
    let package = directive.action.package();
    let version = match &directive.action {
        Action::Upgrade(package) | Action::Install(package) => Some(&package.version),
        _ => None,
    };
    package.as_ref() == Some(&step.package) && version == step.after.as_ref()
}

/// Whether a window is open. It was opened yesterday, or the day before where a day has been skipped.
fn is_open(window: WindowSpec, zone: &TimeZone, now: Timestamp) -> bool {
    let today = zone.to_datetime(now).date();
    let days = std::iter::successors(Some(today.saturating_add(jiff::Span::new().days(1))), |day| day.yesterday().ok());
    let starts = days
        .take(4)
        .filter(|day| is_of(window.days, *day))
        .flat_map(|day| window.starts.iter().map(move |(hour, minute)| day.at(*hour, *minute, 0, 0)));
    starts.filter_map(|start| zone.to_ambiguous_timestamp(start).compatible().ok()).any(|start| {
        let end = later(start, window.minutes * 60);
        start <= now && now < end
    })
}

/// Whether a window opens on a day.
fn is_of(days: Days, day: Date) -> bool {
    let weekday = day.weekday();
    match days {
        Days::Every => true,
        Days::Weekdays => !matches!(weekday, Weekday::Saturday | Weekday::Sunday),
        Days::Saturdays => weekday == Weekday::Saturday,
        Days::Fortnightly => {
            // Weeks begin on Mondays; the first of January 2020 was a Wednesday.
            let monday = Date::constant(2019, 12, 30);
            let weeks = monday.until(day).map_or(0, |since| since.get_days()) / 7;
            weeks % 2 == 0 && matches!(weekday, Weekday::Wednesday | Weekday::Saturday)
        }
    }
}

fn midnight(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(day.at(0, 0, 0, 0)).compatible().ok()
}

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}
