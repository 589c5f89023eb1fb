//! Reads the six systems through their connectors, and tells the registry.

use super::made::{Account, Company, Entry};
use super::payloads::{self, time};
use refit_core::{
    facts::{
        Fields,
        identity::{Change, RecordId, Registry, Sighting},
        mapping::{Connector, KeyKind, Maps, load, read},
    },
    policy::{diagnostic::Files, syntax::Limits},
};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

pub const SYSTEMS: [&str; 6] = ["workday", "okta", "entra-id", "jamf-pro", "intune", "csv"];
const PAGE: usize = 500;

pub struct Reader {
    connectors: BTreeMap<&'static str, Connector>,
    /// What the reading before had, by system.
    known: BTreeMap<&'static str, BTreeSet<RecordId>>,
    next: u64,
}

impl Reader {
    pub fn new() -> Reader {
        let connector = |name: &'static str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors").join(name).join("connector.yaml");
            let (mut files, limits) = (Files::default(), Limits::default());
            let file = files.add(name.to_owned(), &fs::read(path).unwrap(), &limits).unwrap();
            (name, load(&files, file, &Fields::builtin(), &limits).0.unwrap())
        };
        Reader { connectors: SYSTEMS.into_iter().map(connector).collect(), known: BTreeMap::new(), next: 0 }
    }

    /// Reads everything.
    pub fn full(&mut self, company: &Company, registry: &mut Registry, day: i64) -> Vec<Change> {
        let mut changes = Vec::new();
        for system in SYSTEMS {
            let said = self.sightings(company, system, day, |_| true, |_| true);
            let now: BTreeSet<RecordId> = said.iter().map(|sighting| sighting.record.clone()).collect();
            let before = self.known.insert(system, now.clone()).unwrap_or_default();
            changes.extend(self.tell(registry, said, day));
            changes.extend(registry.gone(before.difference(&now)));
        }
        changes
    }

    /// Reads everything backwards, in small pieces, system by system in another order.
    pub fn turned(&mut self, company: &Company, registry: &mut Registry, day: i64) {
        for system in SYSTEMS.into_iter().rev() {
            let mut said = self.sightings(company, system, day, |_| true, |_| true);
            said.reverse();
            for piece in said.chunks(97) {
                self.tell(registry, piece.to_vec(), day);
            }
        }
    }

    /// What all systems say.
    #[allow(dead_code, reason = "the benchmark has it")]
    pub fn all(&self, company: &Company, day: i64) -> Vec<Sighting> {
        SYSTEMS.into_iter().flat_map(|system| self.sightings(company, system, day, |_| true, |_| true)).collect()
    }

    /// Some records only, as systems give what has changed: each has another hostname, or name.
    #[allow(dead_code, reason = "the benchmark has it")]
    pub fn changed(&self, company: &Company, day: i64, one_in: usize) -> Vec<Sighting> {
        let chosen = |truth: usize| truth.is_multiple_of(one_in);
        let some = |system| self.sightings(company, system, day, |it| chosen(it.truth), |it| chosen(it.truth));
        let mut said: Vec<Sighting> = SYSTEMS.into_iter().flat_map(some).collect();
        for sighting in &mut said {
            for key in sighting.keys.iter_mut().filter(|key| matches!(key.kind, KeyKind::Hostname | KeyKind::Name)) {
                key.value = format!("{} 2", key.value).into();
            }
        }
        said
    }

    pub fn tell(&mut self, registry: &mut Registry, said: Vec<Sighting>, day: i64) -> Vec<Change> {
        registry.observe(said, time(day), |_, _| {
            self.next += 1;
            SmolStr::new(format!("e{:08}", self.next))
        })
    }

    fn sightings(
        &self,
        company: &Company,
        system: &str,
        day: i64,
        account: impl Fn(&Account) -> bool,
        entry: impl Fn(&Entry) -> bool,
    ) -> Vec<Sighting> {
        let connector = &self.connectors[system];
        let mut said = Vec::new();
        let mut page = |text: String, count: usize| {
            let reading = read(connector, &text, &Maps::new()).unwrap_or_else(|why| panic!("{system}: {why:?}"));
            assert_eq!(reading.records.len(), count, "{system}: {:?}", reading.quarantined.first());
            said.extend(reading.records.iter().map(|record| Sighting::of(system, record, time(day))));
        };
        let accounts: Vec<&Account> =
            company.accounts.iter().filter(|it| it.system == system && !it.removed && account(it)).collect();
        for piece in accounts.chunks(PAGE) {
            page(payloads::accounts(system, piece), piece.len());
        }
        let entries: Vec<&Entry> =
            company.entries.iter().filter(|it| it.system == system && !it.removed && entry(it)).collect();
        for piece in entries.chunks(PAGE) {
            page(payloads::entries(company, system, piece), piece.len());
        }
        said
    }
}
