//! What happens in the month, day by day.

use super::{
    FINANCE_FREEZES, HistoryError,
    catalogue::{self, News, release},
    company::{self, Person, is_office_hour},
    machine::{Machine, Way},
    stage::{Stage, digest, hours, person},
};
use jiff::Timestamp;
use refit_core::{
    control::{
        Actor, AdvisoryEntry, AgentInput, Bearer, ComplaintReceived, EnrolmentRecord, IdentityInput, Input, Installs,
        Observation, PersonId, Plain, PlanStatus, ReleaseEntry, Scope, SlotName, SourceAlarm, SourceRead,
        SourceTrouble, TokenId, TokenRecord,
    },
    policy::document::test::GateAnswer,
};
use refit_model::{AdvisoryId, DeviceId, TitleId};
use smol_str::{SmolStr, format_smolstr};
use std::collections::{BTreeMap, BTreeSet};

/// The month, on its way.
pub(super) struct Month {
    pub stage: Stage,
    files: BTreeMap<String, String>,
    people: Vec<Person>,
    machines: Vec<Machine>,
    /// Advisories of vendors' titles that are known by now.
    advisories: Vec<AdvisoryEntry>,
    /// The same of the archive's packages, and the packages themselves.
    of_packages: Vec<AdvisoryEntry>,
    archive: Vec<ReleaseEntry>,
    /// The copy of a server's disk, while it runs.
    copy: Option<Machine>,
    /// How much of the log the people at the desk have read.
    read: usize,
    said: u32,
    reads_people: bool,
}

/// Something that is done.
type Deed = fn(&mut Month) -> Result<(), HistoryError>;

/// Who keeps the endpoints: makes plans, and looks after rollouts.
fn mara() -> Actor {
    person("mara", &[Scope::Read, Scope::Plan, Scope::Apply, Scope::Rollouts, Scope::Brake, Scope::Admin])
}

/// Who answers for security: approves.
fn tomas() -> Actor {
    person("tomas", &[Scope::Read, Scope::Approve, Scope::Brake, Scope::Admin])
}

/// Who keeps the server.
fn ines() -> Actor {
    person("ines", &Scope::ALL)
}

/// What somebody does at a time, besides what comes every day.
const DEEDS: &[(&str, Deed)] = &[
    ("2026-06-01T00:01:00Z", |month| {
        month.stage.tell("a start", Input::Start { program: "1.0".into(), alive_until: None })?;
        month.stage.tell("settings", Input::SetApprovals(1))?;
        Ok(())
    }),
    ("2026-06-01T05:00:00Z", |month| {
        month.token("t-okta", "okta", "identity@acme.example", &[Scope::Posture])?;
        month.token("t-script", "old inventory script", "it@acme.example", &[Scope::Read])?;
        month.enrolment("e-june", "laptops in June")
    }),
    ("2026-06-01T13:00:00Z", |month| {
        let (id, plan) = month.stage.plan(&mara(), "plan-1", &month.files)?;
        month.stage.at(hours(month.stage.now, 1));
        month.stage.tell_as(&tomas(), "an approval", Input::Approve { plan: id.clone() })?;
        month.stage.apply(&mara(), id, &plan)
    }),
    // A spare one that nobody finds any more.
    ("2026-06-02T08:00:00Z", |month| month.enrols("win-12", "windows", "a spare laptop")),
    ("2026-06-03T09:00:00Z", |month| {
        month.publishes("acme-vpn", "4.8.1")?;
        let advisory = month.own_advisory(None);
        month.stage.tell("an advisory", Input::Advisories { source: "acme".into(), advisories: vec![advisory] })?;
        Ok(())
    }),
    // Somebody wants browsers without a day of rest; security does not.
    ("2026-06-04T10:00:00Z", |month| {
        let mut files = month.files.clone();
        month.edit(&mut files, "patch/browsers.yaml", "min_age: 1d", "min_age: 0h")?;
        month.stage.plan(&mara(), "plan-2", &files)?;
        Ok(())
    }),
    ("2026-06-04T15:00:00Z", |month| {
        let why = "The day of rest stopped a bad release in May; come back with a smaller canary.".into();
        let input = Input::Reject { plan: refit_core::control::PlanId::new("plan-2"), why };
        month.stage.tell_as(&tomas(), "a rejection", input)?;
        Ok(())
    }),
    // Finance's calendar, an exception for a fair, and sign-in that blocks from the middle of the month on.
    ("2026-06-05T09:00:00Z", |month| {
        let mut files = month.files.clone();
        let freezes = FINANCE_FREEZES.lines().skip_while(|line| !line.starts_with("freezes:")).skip(1);
        let freezes = freezes.fold("\nfreezes:\n".to_owned(), |text, line| text + line + "\n");
        month.edit(&mut files, "refit.yaml", "\nfreezes:\n", &freezes)?;
        month.edit(&mut files, "posture.yaml", "block_from: 2027-01-15", "block_from: 2026-06-15")?;
        files.insert("exceptions-june.yaml".to_owned(), FAIR.to_owned());
        let (id, plan) = month.stage.plan(&mara(), "plan-3", &files)?;
        month.stage.at(hours(month.stage.now, 2));
        month.stage.tell_as(&tomas(), "an approval", Input::Approve { plan: id.clone() })?;
        month.stage.apply(&mara(), id, &plan)?;
        month.files = files;
        Ok(())
    }),
    ("2026-06-08T08:00:00Z", |month| {
        month.people.push(Person {
            id: "p24",
            department: "Engineering",
            site: "Berlin",
            employment: "active",
            on_leave: false,
            first_day: Some("2026-06-08T00:00:00Z"),
            last_day: None,
        });
        month.hr()?;
        let laptop = company::of_the_joiner(month.stage.seed);
        month.machines.push(laptop);
        // Device management has it under an id of its own, until somebody sees that both are one.
        month.enrols("jamf-7731", "macos", "MacBook Pro of the new colleague")
    }),
    ("2026-06-09T09:00:00Z", |month| month.merges("jamf-7731", "mac-11")),
    ("2026-06-10T05:00:00Z", |month| month.changes("p16", |person| person.on_leave = true)),
    ("2026-06-10T11:00:00Z", |month| month.retires("win-12")),
    // Two that only look like one.
    ("2026-06-11T09:00:00Z", |month| {
        month.enrols("jamf-7802", "macos", "iMac in the foyer")?;
        month.merges("jamf-7802", "mac-04")
    }),
    ("2026-06-12T09:00:00Z", |month| {
        let device = DeviceId::new("jamf-7802");
        month.stage.tell_as(&tomas(), "a split", Input::Identity(IdentityInput::SplitDevice { device })).map(drop)
    }),
    ("2026-06-12T10:00:00Z", |month| {
        let why = "the token was refused: 401";
        month.reads("okta", 24, Some((SourceTrouble::Failed, why)))
    }),
    ("2026-06-12T14:00:00Z", |month| month.reads("okta", 24, None)),
    ("2026-06-12T15:00:00Z", |month| month.retires("jamf-7802")),
    ("2026-06-15T05:00:00Z", |month| month.changes("p19", |person| person.department = "Sales")),
    ("2026-06-15T09:00:00Z", |month| {
        let advisory = month.own_advisory(Some(month.stage.now));
        month.stage.tell("an advisory", Input::Advisories { source: "acme".into(), advisories: vec![advisory] })?;
        Ok(())
    }),
    ("2026-06-16T09:00:00Z", |month| month.assigns("win-11", "p24")),
    // HR's export breaks off after three people.
    ("2026-06-17T05:31:00Z", |month| {
        let why = "3 of 24 records are left, and no more than 5% may go at once";
        month.reads("workday", 24, Some((SourceTrouble::Shrunk, why)))
    }),
    ("2026-06-17T11:00:00Z", |month| {
        month.reads("workday", 25, None)?;
        month.hr()
    }),
    ("2026-06-18T10:00:00Z", |month| {
        let input = Input::Stop { why: "the archive's mirror answers with another's files".into() };
        month.stage.tell_as(&mara(), "the brake", input).map(drop)
    }),
    ("2026-06-18T10:40:00Z", |month| {
        let input = Input::GoOn { why: "it was a cache; the files are the signed ones".into() };
        month.stage.tell_as(&mara(), "the brake", input).map(drop)
    }),
    // Left on a train, and found.
    ("2026-06-18T15:00:00Z", |month| {
        let revoke = AgentInput::Revoke { device: DeviceId::new("lin-03"), why: "left on a train".into() };
        month.stage.tell_as(&tomas(), "a revocation", Input::Agents(revoke)).map(drop)
    }),
    ("2026-06-19T10:00:00Z", |month| month.joins("lin-03")),
    ("2026-06-19T16:00:00Z", |month| {
        month.changes("p15", |person| {
            person.employment = "left";
            person.last_day = Some("2026-06-19T00:00:00Z");
        })
    }),
    ("2026-06-20T09:00:00Z", |month| {
        month.people.retain(|person| person.id != "p90");
        month.stage.tell("erasing", Input::ErasePerson { person: PersonId::new("p90") }).map(drop)
    }),
    ("2026-06-22T05:00:00Z", |month| month.changes("p17", |person| person.on_leave = true)),
    // Somebody boots a copy of a server's disk.
    ("2026-06-22T14:00:00Z", |month| {
        month.copy = month.machines.iter().find(|machine| machine.id == "srv-02").map(Machine::copied);
        Ok(())
    }),
    ("2026-06-22T18:30:00Z", |month| {
        let archive = month.archive.clone();
        match month.copy.take() {
            Some(mut copy) => copy.report(&mut month.stage, &archive),
            None => Ok(()),
        }
    }),
    ("2026-06-23T09:00:00Z", |month| {
        let device = DeviceId::new("srv-02");
        let why = "the copy was for a test of backups, and is off".into();
        month.stage.tell_as(&tomas(), "a quarantine", Input::LiftQuarantine { device, why }).map(drop)
    }),
    ("2026-06-24T10:00:00Z", |month| {
        let (title, version) = chrome("149.0.7827.196");
        let why = "the preview of prints is blank for two people".into();
        month.stage.tell_as(&mara(), "a halt", Input::HaltRelease { title, version, platform: None, why }).map(drop)
    }),
    ("2026-06-25T09:00:00Z", |month| {
        let (title, version) = chrome("149.0.7827.196");
        let why = "it was the driver of the printer".into();
        month.stage.tell_as(&mara(), "a resumption", Input::ResumeRelease { title, version, platform: None, why })?;
        let token = TokenId::new("t-script");
        month.stage.tell_as(&tomas(), "a token", Input::RevokeToken { token })?;
        let enrolment = TokenId::new("e-june");
        let revoke = Input::Agents(AgentInput::RevokeEnrolment { enrolment });
        month.stage.tell_as(&tomas(), "an enrolment", revoke).map(drop)
    }),
    ("2026-06-27T09:00:00Z", |month| {
        let (title, version) = chrome("149.0.7827.200");
        let why = "three fixes before the quarter ends".into();
        month.stage.tell_as(&mara(), "hurry", Input::ExpediteRelease { title, version, platform: None, why }).map(drop)
    }),
    ("2026-06-30T13:00:00Z", |month| {
        let text = month.stage.put(b"The bank's page asks for my password again and again.".to_vec());
        let complaint = ComplaintReceived {
            device: DeviceId::new("win-04"),
            complaint: "c-1".into(),
            at: month.stage.now,
            title: Some("google-chrome".into()),
            text,
        };
        month.stage.tell("a complaint", Input::Agents(AgentInput::Complaint(complaint))).map(drop)
    }),
];

/// An exception of June.
const FAIR: &str = "\
exception: the fair in Hannover
software: [google-chrome]
where: person.department == \"Sales\" && person.site == \"Hannover\"
owner: sales-ops@acme.example
why: The stand's demonstration was recorded with this version; agreed with security on 2026-06-04.
due: 2026-06-20T18:00:00
until: 2026-06-20
";

fn chrome(version: &str) -> (TitleId, SmolStr) {
    (TitleId::new("google-chrome"), version.into())
}

/// What comes at a time.
enum Comes {
    News(News),
    Deed(Deed),
    /// The hour is over.
    Hour,
    /// Whoever is on, of the devices, by their place.
    CheckIn(usize),
    /// HR's system is read.
    Hr,
    /// The people at the desk look what waits for them.
    Desk,
    /// Monitoring says how devices do.
    Signals,
}

impl Month {
    pub fn new(stage: Stage, files: BTreeMap<String, String>) -> Result<Month, HistoryError> {
        let mut machines = company::machines(stage.seed);
        machines.iter_mut().filter(|machine| machine.id == "srv-02").for_each(Machine::counts);
        Ok(Month {
            stage,
            files,
            people: company::people(),
            machines,
            advisories: Vec::new(),
            of_packages: Vec::new(),
            archive: Vec::new(),
            copy: None,
            read: 0,
            said: 0,
            reads_people: true,
        })
    }

    /// Lives through the month.
    pub fn live(&mut self, ends: Timestamp) -> Result<(), HistoryError> {
        let begins = self.stage.now;
        let mut diary: Vec<(Timestamp, Comes)> = Vec::new();
        for (at, news) in catalogue::news()?.into_iter().filter(|(at, _)| *at < ends) {
            // What was published before is known from the first day on, once somebody listens.
            diary.push((at.max(hours(begins, 4)), Comes::News(news)));
        }
        for (at, deed) in DEEDS {
            diary.push((at.parse()?, Comes::Deed(*deed)));
        }
        // One laptop more comes in the month; until then its place is empty.
        let places = self.machines.len() + 1;
        let mut hour = begins;
        while hour < ends {
            let clock = hour.to_zoned(jiff::tz::TimeZone::UTC);
            for place in 0..places {
                let machine = self.machines.get(place);
                let is_server = machine.is_some_and(Machine::is_server);
                let is_on = if is_server { clock.hour() % 2 == 1 } else { is_office_hour(hour) };
                if is_on {
                    let minute = machine.map_or(company::minute(self.stage.seed, 40), |machine| machine.minute);
                    let at = hour.saturating_add(jiff::SignedDuration::from_mins(minute))?;
                    diary.push((at, Comes::CheckIn(place)));
                }
            }
            match clock.hour() {
                5 | 17 => diary.push((hours(hour, 0), Comes::Signals)),
                _ => {}
            }
            if clock.hour() == 5 {
                diary.push((hour.saturating_add(jiff::SignedDuration::from_mins(30))?, Comes::Hr));
            }
            if clock.hour() == 9 {
                diary.push((hour.saturating_add(jiff::SignedDuration::from_mins(55))?, Comes::Desk));
            }
            hour = hours(hour, 1);
            diary.push((hour, Comes::Hour));
        }
        diary.sort_by_key(|(at, _)| *at);
        for (at, comes) in diary {
            self.stage.at(at);
            let before = self.stage.state.seq;
            // What time alone changes is looked at every hour.
            let looks = matches!(comes, Comes::Hour);
            self.comes(comes)?;
            if looks || self.stage.state.seq != before {
                self.stage.settle()?;
            }
        }
        // Who was seen lately is written down, as when a server ends.
        self.stage.tell("the end", Input::End)?;
        Ok(())
    }

    fn comes(&mut self, comes: Comes) -> Result<(), HistoryError> {
        match comes {
            Comes::News(news) => self.learns(news),
            Comes::Deed(deed) => deed(self),
            Comes::Hour => self.stage.tell("a tick", Input::Tick).map(drop),
            Comes::CheckIn(place) => self.checks_in(place),
            Comes::Hr => {
                self.reads("workday", self.people.len() as u64, None)?;
                self.reads("okta", self.people.len() as u64, None)?;
                self.hr()
            }
            Comes::Desk => self.desk(),
            Comes::Signals => self.signals(),
        }
    }

    fn learns(&mut self, news: News) -> Result<(), HistoryError> {
        let (source, release, advisories) = match news {
            News::Exploited(ids) => return self.exploited(&ids),
            News::Package(release, mut advisories) => {
                self.archive.push(release);
                self.of_packages.append(&mut advisories);
                let content = self.stage.put(serde_json::to_vec(&self.of_packages)?);
                let advisories = self.of_packages.len() as u64;
                let distribution = "debian/bookworm".into();
                let input = Input::Matched { distribution, content, advisories };
                return self.stage.tell("matched advisories", input).map(drop);
            }
            News::Release(release, advisories) if release.title.as_str() == "google-chrome" => {
                ("chrome", release, advisories)
            }
            News::Release(release, advisories) => ("vendors", release, advisories),
        };
        let releases = Input::Releases { source: source.into(), releases: vec![release] };
        self.stage.tell("a release", releases)?;
        if !advisories.is_empty() {
            self.advisories.extend(advisories.iter().cloned());
            let input = Input::Advisories { source: source.into(), advisories };
            self.stage.tell("advisories", input)?;
        }
        Ok(())
    }

    /// CISA's catalogue is read: most of it concerns nothing that Acme has.
    fn exploited(&mut self, ids: &[SmolStr]) -> Result<(), HistoryError> {
        let now = self.stage.now;
        let mut listed = Vec::new();
        for advisory in self.advisories.iter_mut().filter(|advisory| ids.iter().any(|id| advisory.id.as_str() == id)) {
            advisory.kev = Some(now);
            listed.push(advisory.clone());
        }
        if !listed.is_empty() {
            self.stage.tell("a listing", Input::Advisories { source: "kev".into(), advisories: listed })?;
        }
        Ok(())
    }

    fn checks_in(&mut self, place: usize) -> Result<(), HistoryError> {
        let now = self.stage.now;
        let Some(mut machine) = self.machines.get(place).cloned() else { return Ok(()) };
        // Who works nights sleeps at noon: nothing is on that is away.
        if machine.is_away(now) || now < hours(super::BEGINS.parse()?, 6) {
            return Ok(());
        }
        if self.stage.state.device(&machine.device()).is_none() {
            self.joins(machine.id)?;
            machine.report(&mut self.stage, &self.archive)?;
            if let Some(person) = machine.person {
                self.assigns(machine.id, person)?;
            }
        } else {
            let id = machine.id;
            let quarantined = self.stage.state.device(&machine.device()).is_some_and(|it| it.quarantined.is_some());
            if !quarantined {
                machine.checks_in(&mut self.stage, &self.archive, |slot, version| way(id, slot, version, now))?;
            }
        }
        if let Some(known) = self.machines.get_mut(place) {
            *known = machine;
        }
        Ok(())
    }

    fn joins(&mut self, device: &'static str) -> Result<(), HistoryError> {
        let join = AgentInput::Join {
            enrolment: TokenId::new("e-june"),
            device: DeviceId::new(device),
            machine: digest(device.as_bytes()),
            name: Some(device.into()),
            agent: "1.0".into(),
            serial: digest(format!("{device} {}", self.stage.now).as_bytes()).chars().take(16).collect(),
            until: hours(self.stage.now, 24 * 90),
        };
        self.stage.tell("an enrolment", Input::Agents(join)).map(drop)
    }

    fn assigns(&mut self, device: &str, person: &str) -> Result<(), HistoryError> {
        let input = Input::Assign { device: DeviceId::new(device), person: Some(PersonId::new(person)) };
        self.stage.tell("an assignment", input).map(drop)
    }

    fn retires(&mut self, device: &str) -> Result<(), HistoryError> {
        self.stage.tell("retiring", Input::Retire { device: DeviceId::new(device) }).map(drop)
    }

    fn merges(&mut self, from: &str, into: &str) -> Result<(), HistoryError> {
        let merge = IdentityInput::MergeDevices { from: DeviceId::new(from), into: DeviceId::new(into) };
        self.stage.tell("a merge", Input::Identity(merge)).map(drop)
    }

    /// A device that only another system knows.
    fn enrols(&mut self, device: &str, platform: &str, name: &str) -> Result<(), HistoryError> {
        let input = Input::Enrol { device: DeviceId::new(device), name: Some(name.into()) };
        self.stage.tell("an enrolment", input)?;
        let said = Observation {
            device: DeviceId::new(device),
            source: "jamf".into(),
            observed: self.stage.now,
            facts: BTreeMap::from([
                ("device.kind".into(), Some(Plain::Text("desktop".into()))),
                ("device.platform".into(), Some(Plain::Text(platform.into()))),
            ]),
            installs: None::<Installs>,
            universe: None,
            check_in: None,
        };
        self.stage.tell("what Jamf says", Input::Observe(said)).map(drop)
    }

    fn publishes(&mut self, title: &str, version: &str) -> Result<(), HistoryError> {
        let release = release(TitleId::new(title), None, version, self.stage.now);
        let input = Input::Releases { source: "acme".into(), releases: vec![release] };
        self.stage.tell("a release", input).map(drop)
    }

    /// What Acme's own security team said of Acme's own program, and then took back.
    fn own_advisory(&self, withdrawn: Option<Timestamp>) -> AdvisoryEntry {
        AdvisoryEntry {
            id: AdvisoryId::new("ACME-2026-7"),
            title: TitleId::new("acme-vpn"),
            affected: vec!["<4.8.1".into()],
            known_at: self.stage.now,
            cvss: Some(6.5),
            epss: None,
            kev: None,
            ransomware: false,
            withdrawn,
            said_by: Vec::new(),
        }
    }

    fn token(&mut self, id: &str, name: &str, owner: &str, scopes: &[Scope]) -> Result<(), HistoryError> {
        let record = TokenRecord {
            // Of no secret: nobody can use it.
            hash: "0".repeat(64).into(),
            name: name.into(),
            owner: owner.into(),
            bearer: Bearer::Program,
            scopes: scopes.iter().copied().collect::<BTreeSet<_>>(),
            roles: BTreeSet::new(),
            requests_per_minute: None,
            expires: hours(self.stage.now, 24 * 180),
        };
        self.stage.tell_as(&ines(), "a token", Input::CreateToken { token: TokenId::new(id), record }).map(drop)
    }

    fn enrolment(&mut self, id: &str, name: &str) -> Result<(), HistoryError> {
        let record = EnrolmentRecord {
            hash: "0".repeat(64).into(),
            name: name.into(),
            made: self.stage.now,
            expires: hours(self.stage.now, 24 * 30),
            uses: 100,
            used: 0,
            revoked: None,
        };
        let create = AgentInput::CreateEnrolment { enrolment: TokenId::new(id), record };
        self.stage.tell_as(&tomas(), "an enrolment", Input::Agents(create)).map(drop)
    }

    /// Replaces one text in a file of the repository.
    fn edit(&self, files: &mut BTreeMap<String, String>, file: &str, from: &str, to: &str) -> Result<(), HistoryError> {
        let text = files.get_mut(file).filter(|text| text.contains(from));
        let what = || HistoryError::Policy(format!("{file} has no `{}`", from.trim()));
        let text = text.ok_or_else(what)?;
        *text = text.replacen(from, to, 1);
        Ok(())
    }

    fn changes(&mut self, id: &str, change: fn(&mut Person)) -> Result<(), HistoryError> {
        self.people.iter_mut().filter(|person| person.id == id).for_each(change);
        self.hr()
    }

    /// A source was read, or could not be.
    fn reads(
        &mut self,
        source: &str,
        records: u64,
        trouble: Option<(SourceTrouble, &str)>,
    ) -> Result<(), HistoryError> {
        if source == "workday" {
            self.reads_people = trouble.is_none();
        }
        let since = self.stage.now;
        let alarm = trouble.map(|(kind, why)| SourceAlarm { kind, since, why: why.into() });
        let purposes = BTreeMap::from([("person.on_leave".into(), "to leave people in peace".into())]);
        let read = SourceRead {
            source: source.into(),
            read: if alarm.is_none() { Some(since) } else { Some(hours(since, -24)) },
            records,
            alarm,
            was: None,
            set_aside: 0,
            uncovered: 0,
            purposes: if source == "workday" { purposes } else { BTreeMap::new() },
        };
        self.stage.tell("a reading", Input::SourceRead(read)).map(drop)
    }

    /// What HR says of everybody.
    fn hr(&mut self) -> Result<(), HistoryError> {
        if !self.reads_people {
            return Ok(());
        }
        for person in self.people.clone() {
            let mut values = BTreeMap::new();
            let mut says = |field: &'static str, value: Option<Plain>| {
                self.said += 1;
                let value = value.map(|value| (format_smolstr!("v{:06}", self.said), value));
                values.insert(SmolStr::new_static(field), value);
            };
            says("department", Some(Plain::Text(person.department.into())));
            says("site", Some(Plain::Text(person.site.into())));
            says("employment", Some(Plain::Text(person.employment.into())));
            says("on_leave", Some(Plain::Bool(person.on_leave)));
            says("first_day", person.first_day.map(|day| Plain::Text(day.into())));
            says("last_day", person.last_day.map(|day| Plain::Text(day.into())));
            let input = Input::ObservePerson {
                person: PersonId::new(person.id),
                source: "workday".into(),
                observed: self.stage.now,
                values,
            };
            self.stage.tell("what HR says", input)?;
        }
        Ok(())
    }

    /// Nothing crashes, as far as monitoring sees.
    fn signals(&mut self) -> Result<(), HistoryError> {
        if self.stage.state.policy.is_none() {
            return Ok(());
        }
        for (signal, servers) in [("crashes", false), ("error-rate", true)] {
            let ours = self.machines.iter().filter(|machine| machine.is_server() == servers);
            let known = ours.map(Machine::device).filter(|device| self.stage.state.device(device).is_some());
            let devices = known.map(|device| (device, false)).collect();
            let input = Input::Signal {
                source: "prometheus".into(),
                signal: signal.into(),
                at: self.stage.now,
                whole: true,
                devices,
            };
            self.stage.tell("a signal", input)?;
        }
        Ok(())
    }

    /// What waits for people is looked at on working days: questions of gates, and moves that a budget holds.
    fn desk(&mut self) -> Result<(), HistoryError> {
        let day = self.stage.now.to_zoned(jiff::tz::TimeZone::UTC);
        if day.weekday().to_monday_one_offset() > 5 {
            return Ok(());
        }
        let mut answers = Vec::new();
        for entry in self.stage.log.iter().skip(self.read).filter(|entry| entry.kind == "gate.asked") {
            let event = refit_core::control::decode(entry.kind, entry.version, &entry.body)?;
            if let refit_core::control::Event::GateAsked(asked) = event {
                answers.push(Input::AnswerGate {
                    title: asked.title,
                    version: asked.version,
                    rollout: Some(asked.rollout),
                    after: asked.after,
                    platform: asked.platform,
                    answer: Some(GateAnswer::Pass),
                    until: None,
                    why: Some("whoever has it is fine by it".into()),
                    found: None,
                });
            }
        }
        self.read = self.stage.log.len();
        for answer in answers {
            self.stage.tell_as(&mara(), "an answer", answer)?;
        }
        let waits = self
            .stage
            .state
            .plans
            .iter()
            .filter(|(id, plan)| plan.status == PlanStatus::Open && id.as_str().starts_with("held-"));
        let waits: Vec<_> = waits.map(|(id, _)| id.clone()).collect();
        for plan in waits {
            self.stage.tell_as(&tomas(), "an approval", Input::Approve { plan })?;
        }
        Ok(())
    }
}

/// What a device does with a release that it is given.
fn way(device: &str, slot: &SlotName, version: &str, now: Timestamp) -> Way {
    let until = |time: &str| time.parse::<Timestamp>().is_ok_and(|time| now < time);
    match (device, slot.title.as_str(), version) {
        // The two canaries with Windows: the browser starts, and closes at once.
        ("win-01" | "win-02", "google-chrome", "149.0.7827.155") => Way::Fails,
        // Somebody in IT does not want to lose the connection, for days.
        ("win-02", "acme-vpn", "4.8.1") if until("2026-06-16T06:00:00Z") => Way::PutsOff,
        ("mac-05", "macos", _) => Way::Fails,
        // Its person has forty tabs open, and closes none of them.
        ("win-09", "google-chrome", _) if !until("2026-06-16T06:00:00Z") => Way::PutsOff,
        _ => Way::Does,
    }
}
