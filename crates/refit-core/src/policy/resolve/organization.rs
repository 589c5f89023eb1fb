//! What the organization says for all policies: fields, whom to believe, rollouts, windows, freezes.

use super::{Resolver, Scope};
use crate::policy::{
    diagnostic::{Diagnostic, did_you_mean},
    document::{
        organization::{FieldType, FreezeDocument, OrganizationDocument, SignalDocument},
        scalars::{Duration, Expression},
    },
    expr::Compiler,
    load::{Documents, Written},
    repository::{Freeze, Gate, Monitoring, Ring, Rollout, Signal, SignalQuery},
    syntax::Step,
};
use crate::{
    calendar::Window,
    facts::{Authority, FieldRef, Fields, Kind, Place, Staleness, Zones, zone_name},
    steps,
};
use jiff::{SignedDuration, tz};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

impl Resolver<'_> {
    pub(super) fn single_organization<'d>(
        &mut self,
        documents: &'d Documents,
    ) -> Option<&'d Written<OrganizationDocument>> {
        let (first, others) = documents.organizations.split_first()?;
        let origin = first.origin(steps![], self.files);
        for other in others {
            self.report(
                Diagnostic::error("policy/second-organization", "second organization")
                    .at(other.key_place(steps!["organization"]))
                    .label("a repository has one `organization:` document")
                    .with_note(format!("the first is in {}:{}", origin.file, origin.line))
                    .with_help("move what it says to the first one"),
            );
        }
        Some(first)
    }

    pub(super) fn fields(&mut self, documents: &Documents, written: &Written<OrganizationDocument>) -> Fields {
        let mut fields = Fields::builtin();
        for (name, kind) in &written.document.fields {
            if let Err(error) = fields.add(name, kind_of(*kind)) {
                self.report(
                    Diagnostic::error("policy/bad-field", "not a field that can be added")
                        .at(written.key_place(steps!["fields", name]))
                        .label(error.to_string()),
                );
            }
        }
        for (name, values) in &written.document.values {
            let values = values.iter().map(SmolStr::new);
            let added = name.parse::<FieldRef>().and_then(|field| fields.add_values(&field, values));
            if let Err(error) = added {
                self.report(
                    Diagnostic::error("policy/unknown-field", "unknown field")
                        .at(written.key_place(steps!["values", name]))
                        .label(error.to_string()),
                );
            }
        }
        for source in &documents.sources {
            for (name, map) in &source.document.maps {
                let values = map.values().map(SmolStr::new);
                let added = name.parse::<FieldRef>().and_then(|field| fields.add_values(&field, values));
                if let Err(error) = added {
                    self.report(
                        Diagnostic::error("policy/unknown-field", "unknown field")
                            .at(source.key_place(steps!["maps", name]))
                            .label(error.to_string()),
                    );
                }
            }
        }
        fields
    }

    pub(super) fn authority(&mut self, written: &Written<OrganizationDocument>, fields: &Fields) -> Authority {
        let mut authority = Authority::default();
        for (name, sources) in &written.document.authority {
            match name.parse::<FieldRef>() {
                Ok(field) if fields.get(&field).is_some() => {
                    authority.order.insert(field, sources.iter().map(SmolStr::new).collect());
                }
                _ => {
                    let names: Vec<String> = fields.iter().map(|field| field.name.to_string()).collect();
                    let mut diagnostic = Diagnostic::error("policy/unknown-field", "unknown field")
                        .at(written.key_place(steps!["authority", name]))
                        .label(format!("there is no field `{name}`"));
                    if let Some(near) = did_you_mean(name, names.iter().map(String::as_str)) {
                        diagnostic = diagnostic.with_help(format!("did you mean `{near}`?"));
                    }
                    self.report(diagnostic);
                }
            }
        }
        authority
    }

    pub(super) fn zones(&mut self, written: &Written<OrganizationDocument>) -> Zones {
        let mut zones = Zones::default();
        let Some(document) = &written.document.time_zones else { return zones };
        let places = [("sites", Place::Site, &document.sites), ("countries", Place::Country, &document.countries)];
        for (key, kind, places) in places {
            for (place, zone) in places {
                match zone_name(zone) {
                    Some(zone) => zones.add(kind, place, zone),
                    None => self.unknown_zone(zone, written.place(steps!["time_zones", key, place])),
                }
            }
        }
        if let Some(zone) = &document.otherwise {
            match zone_name(zone) {
                Some(zone) => zones.set_otherwise(zone),
                None => self.unknown_zone(zone, written.place(steps!["time_zones", "otherwise"])),
            }
        }
        zones
    }

    fn unknown_zone(&mut self, zone: &str, at: crate::policy::diagnostic::Place) {
        let names: Vec<String> = tz::db().available().map(|name| name.as_str().to_owned()).collect();
        let diagnostic = Diagnostic::error("policy/unknown-time-zone", "unknown time zone")
            .at(at)
            .label(format!("there is no time zone `{zone}`"));
        let near = did_you_mean(zone, names.iter().map(String::as_str));
        self.report(diagnostic.with_help(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write it as the IANA database does: `Europe/Berlin`".to_owned(),
        }));
    }

    pub(super) fn windows(&mut self, written: &Written<OrganizationDocument>) -> BTreeMap<SmolStr, Window> {
        let mut windows = BTreeMap::new();
        for (name, document) in &written.document.windows {
            match Window::parse(&document.rrule, document.lasts.0) {
                Ok(window) => {
                    windows.insert(SmolStr::new(name), window);
                }
                Err(error) => {
                    self.bad_windows.insert(name.into());
                    self.report(
                        Diagnostic::error("policy/bad-window", "not a window")
                            .at(written.place(steps!["windows", name, "rrule"]))
                            .label(error.to_string())
                            .with_help("write a recurrence rule (RFC 5545), such as `FREQ=DAILY;BYHOUR=19`"),
                    );
                }
            }
        }
        windows
    }

    pub(super) fn rollouts(
        &mut self,
        written: &Written<OrganizationDocument>,
        compiler: &mut Compiler<'_>,
    ) -> BTreeMap<SmolStr, Rollout> {
        let gates: Vec<&str> = written.document.gates.keys().map(String::as_str).collect();
        let mut rollouts = BTreeMap::new();
        for (name, document) in &written.document.rollouts {
            let gate = document.gate.as_ref().and_then(|gate| {
                let found = written.document.gates.get(gate);
                if found.is_none() {
                    self.unknown_name("gate", gate, &gates, written.place(steps!["rollouts", name, "gate"]));
                }
                found.map(|found| {
                    let plain = Gate::named(gate);
                    let signal =
                        |it: &SignalDocument| Signal { name: it.name.as_str().into(), source: it.from.as_str().into() };
                    Gate {
                        failure_rate: found.failure_rate.map_or(plain.failure_rate, |share| share.0),
                        confidence: found.confidence.map_or(plain.confidence, |share| share.0),
                        enough: found.enough.map(|share| share.0),
                        silence: found.silence.map(|share| share.0),
                        silent_after: found.silent_after.map_or(plain.silent_after, |duration| duration.0),
                        reports: found.reports.map(|share| share.0),
                        patience: found.patience.map(|duration| duration.0),
                        signals: found.signals.iter().map(signal).collect(),
                        ..plain
                    }
                })
            });
            let mut names = BTreeSet::new();
            let mut rings = Vec::new();
            for (index, ring) in document.rings.iter().enumerate() {
                if !names.insert(ring.name.as_str()) {
                    self.report(
                        Diagnostic::error("policy/duplicate-name", "duplicate name")
                            .at(written.place(steps!["rollouts", name, "rings", index, "name"]))
                            .label("there is already a ring of this name in this rollout"),
                    );
                    continue;
                }
                let path = ["rollouts", name, "rings"];
                let at: Vec<Step<'_>> =
                    path.iter().map(|key| Step::Key(key)).chain([Step::Index(index), Step::Key("where")]).collect();
                let condition = ring
                    .condition
                    .as_ref()
                    .and_then(|text| self.condition(written, &at, text, compiler, Scope::Device));
                rings.push(Ring {
                    name: ring.name.as_str().into(),
                    condition,
                    share: ring.share,
                    soak: ring.soak.map_or(SignedDuration::ZERO, |soak| soak.0),
                    approval: ring.approval.as_deref().map(SmolStr::from),
                });
            }
            rollouts.insert(SmolStr::new(name), Rollout { name: name.as_str().into(), gate, rings });
        }
        rollouts
    }

    pub(super) fn freezes(
        &mut self,
        written: &Written<OrganizationDocument>,
        compiler: &mut Compiler<'_>,
    ) -> Vec<Freeze> {
        let mut freezes = Vec::new();
        let mut names = BTreeSet::new();
        for (index, document) in written.document.freezes.iter().enumerate() {
            let FreezeDocument { name, from, to, condition, unless } = document;
            if !names.insert(name.as_str()) {
                self.report(
                    Diagnostic::error("policy/duplicate-name", "duplicate name")
                        .at(written.place(steps!["freezes", index, "name"]))
                        .label("there is already a freeze of this name"),
                );
            }
            let read_both = ["from", "to"].iter().all(|day| !written.is_replaced(steps!["freezes", index, *day]));
            if to < from && read_both {
                self.report(
                    Diagnostic::error("policy/bad-freeze", "freeze that ends before it begins")
                        .at(written.place(steps!["freezes", index, "to"]))
                        .label(format!("before its first day, {from}")),
                );
            }
            let mut read = |text: &Option<Expression>, key, scope| {
                text.as_ref().map(|text| self.condition(written, steps!["freezes", index, key], text, compiler, scope))
            };
            let (condition, unless) =
                (read(condition, "where", Scope::Device), read(unless, "unless", Scope::Exposure));
            // A freeze whose condition can't be read would hold everybody.
            let (None | Some(Some(_)), None | Some(Some(_))) = (&condition, &unless) else { continue };
            if to < from {
                continue;
            }
            freezes.push(Freeze {
                name: name.as_str().into(),
                from: *from,
                to: *to,
                condition: condition.flatten(),
                unless: unless.flatten(),
                origin: written.origin(steps!["freezes", index], self.files),
            });
        }
        freezes
    }
}

pub(super) fn kind_of(kind: FieldType) -> Kind {
    match kind {
        FieldType::Bool => Kind::Bool,
        FieldType::Int => Kind::Int,
        FieldType::Float => Kind::Float,
        FieldType::Text => Kind::Text,
        FieldType::Time => Kind::Time,
        FieldType::Version => Kind::Version,
        FieldType::List => Kind::List,
    }
}

pub(super) fn staleness(documents: &Documents) -> Staleness {
    let mut staleness = Staleness::default();
    for source in &documents.sources {
        if let Some(Duration(limit)) = source.document.stale_after {
            staleness.stale_after.insert(source.document.source.as_str().into(), limit);
        }
    }
    staleness
}

/// How often a monitoring system is asked where nothing is said.
const EVERY: SignedDuration = SignedDuration::from_mins(5);

/// Monitoring systems with what they are asked.
pub(super) fn monitoring(documents: &Documents) -> BTreeMap<SmolStr, Monitoring> {
    let asked = documents.sources.iter().filter(|source| !source.document.signals.is_empty());
    let monitoring = asked.map(|source| {
        let signals = source.document.signals.iter().map(|(name, signal)| {
            let device = signal.device.as_deref().unwrap_or("instance").into();
            (name.as_str().into(), SignalQuery { query: signal.query.clone(), device })
        });
        let every = source.document.every.map_or(EVERY, |every| every.0);
        (source.document.source.as_str().into(), Monitoring { every, signals: signals.collect() })
    });
    monitoring.collect()
}
