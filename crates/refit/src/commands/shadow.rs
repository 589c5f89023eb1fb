//! `refit shadow`: where another tool, which still does the work, and the policies differ.

use crate::{
    Exit, Refused,
    cli::{Cli, ShadowArgs},
    repository::{self, counted},
    terminal, worlds,
};
use anyhow::{Context, Result};
use jiff::Timestamp;
use refit_core::{
    cohorts::as_if_open,
    facts::mapping::{decoded, document::PayloadKind},
    policy::{
        document::policy::{Mode, PolicyDocument},
        load::Documents,
        repository::Repository,
    },
    world::Applied,
};
use refit_model::{DeviceId, TitleId};
use refit_targets::shadow::{
    Compared, Devices, Difference, Kind, Shadow,
    report::{self, Besides, Row, Unread},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::ErrorKind,
    path::Path,
};

/// So large a report may be.
const LARGEST: u64 = 512 << 20;

/// `refit shadow --json`
#[derive(Serialize)]
struct Shown<'c> {
    reported: Timestamp,
    #[serde(flatten)]
    compared: &'c Compared,
    unread: &'c [Unread],
}

pub fn run(cli: &Cli, args: &ShadowArgs) -> Result<Exit> {
    let folder = repository::given_or_here(args.policy.as_deref())?;
    let mut read = repository::read_in_order(&folder)?;
    enforce(&mut read.repository, &read.documents);
    let repository = &read.repository;
    let (rows, mut unread) = rows(args)?;
    let names = Names::read(args, repository)?;
    let (by_device, titles) = names.resolve(repository, &rows, &mut unread);
    let reported = args.reported.unwrap_or(names.now);
    let only: Option<Option<DeviceId>> = args.device.as_deref().map(|name| names.devices.find(name).cloned());
    let mut world = names.world;
    if let Some(ring) = &args.opened
        && as_if_open(&mut world, repository, ring, reported) == 0
    {
        return Err(Refused::usage(format!("`--opened {ring}`: no rollout has a ring of this name")));
    }
    world.applied = Applied { all: args.applied, ..Applied::default() };
    let shadow = Shadow { repository, world: &world, reported, tolerance: args.tolerance };
    let mut compared = Compared::default();
    worlds::each(&args.world, &repository.fields, |device, _| {
        // A report of one device says nothing of the others.
        if only.as_ref().is_some_and(|only| only.as_ref() != Some(&device.id)) {
            return;
        }
        let rows = by_device.get(&device.id).map(Vec::as_slice).unwrap_or_default();
        shadow.device(device, rows, &titles, &mut compared);
    })?;
    unread.sort();
    if cli.json {
        terminal::json(&Shown { reported, compared: &compared, unread: &unread })?;
    } else {
        terminal::print(&shown(&compared))?;
        for Unread { place, why } in &unread {
            terminal::note(format!("{}  {place}: {why}", terminal::paint(terminal::URGENT, "not read")));
        }
    }
    Ok(match (unread.is_empty(), compared.differences.is_empty()) {
        // A report that is read in part is no report: somebody has to look.
        (false, _) => Exit::No,
        (true, false) if args.detailed_exitcode => Exit::Changes,
        (true, _) => Exit::Done,
    })
}

/// Policies that do not say what is done about them are looked at as if they acted: before that day is what this is for.
fn enforce(repository: &mut Repository, documents: &Documents) {
    let written: BTreeMap<&str, &PolicyDocument> =
        documents.policies.iter().map(|written| (written.document.policy.as_str(), &written.document)).collect();
    for policy in &mut repository.policies {
        let mut document = written.get(policy.name.as_str());
        let mut steps = 0;
        // A policy that extends another has its mode; a circle of them was refused when they were read.
        while let Some(known) = document.filter(|known| known.mode.is_none()).filter(|_| steps < written.len()) {
            document = known.extends.as_deref().and_then(|name| written.get(name));
            steps += 1;
        }
        if document.is_none_or(|known| known.mode.is_none()) {
            policy.mode = Mode::Enforce;
        }
    }
}

fn rows(args: &ShadowArgs) -> Result<(Vec<Row>, Vec<Unread>)> {
    let besides = Besides { device: args.device.as_deref(), title: args.title.as_deref() };
    let (mut rows, mut unread) = (Vec::new(), Vec::new());
    for file in &args.reports {
        let name = file.display().to_string();
        let text = text(file)?;
        let report = report::read(&name, &text, besides).map_err(|why| Refused::usage(format!("{name}: {why}")))?;
        rows.extend(report.rows);
        unread.extend(report.unread);
    }
    Ok((rows, unread))
}

fn text(file: &Path) -> Result<String> {
    let name = || file.display().to_string();
    let metadata = match file.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Refused::usage(format!("there is no file `{}`", name())));
        }
        metadata => metadata.with_context(name)?,
    };
    if metadata.len() > LARGEST {
        return Err(Refused::no(format!("{}: it is larger than {} MiB, which no report is", name(), LARGEST >> 20)));
    }
    let bytes = fs::read(file).with_context(name)?;
    Ok(decoded(PayloadKind::Csv, &bytes).into_owned())
}

/// What is reported, by device.
type Reported<'r> = BTreeMap<DeviceId, Vec<(TitleId, &'r Row)>>;

/// A fleet by the names of its devices.
struct Names {
    devices: Devices,
    world: refit_core::world::World,
    now: Timestamp,
}

impl Names {
    fn read(args: &ShadowArgs, repository: &Repository) -> Result<Names> {
        if args.world == Path::new("-") {
            return Err(Refused::usage(
                "`--world -`: the fleet is read twice here, and standard input can be read once",
            ));
        }
        let mut devices = Devices::default();
        worlds::each(&args.world, &repository.fields, |device, _| devices.add(device))?;
        let (_, world, now, _) = worlds::one(&args.world, &repository.fields, &DeviceId::new(""))?;
        Ok(Names { devices, world, now })
    }

    /// Rows by device, and the titles that are reported at all. What has no device or no title here is not read.
    fn resolve<'r>(
        &self,
        repository: &Repository,
        rows: &'r [Row],
        unread: &mut Vec<Unread>,
    ) -> (Reported<'r>, BTreeSet<TitleId>) {
        let mut by_device = Reported::new();
        let mut titles = BTreeSet::new();
        for row in rows {
            let mut not_read = |why: String| unread.push(Unread { place: row.place.clone(), why });
            let Some(title) = report::title(repository, &row.title) else {
                not_read(format!("no title is called `{}` here", row.title));
                continue;
            };
            let Some(device) = self.devices.find(&row.device) else {
                not_read(format!("no device, or more than one, is called `{}` in the fleet", row.device));
                continue;
            };
            titles.insert(title.clone());
            by_device.entry(device.clone()).or_default().push((title, row));
        }
        (by_device, titles)
    }
}

fn shown(compared: &Compared) -> String {
    let mut text = String::new();
    for difference in &compared.differences {
        let Difference { device, title, kind, other, refit, policy, why, place } = difference;
        let kind = match kind {
            Kind::Earlier => "earlier",
            Kind::Later => "later",
            Kind::RefitNever => "never by Refit",
            Kind::OtherNever => "never by the other",
            Kind::OtherVersion => "other version",
        };
        text += &format!("{device}  {title}  {}\n", terminal::paint(terminal::CHANGE, kind));
        let place =
            if place.is_empty() { String::new() } else { terminal::paint(terminal::FAINT, format!("  {place}")) };
        text += &format!("    other: {other}{place}\n    Refit: {refit}\n");
        if let Some(policy) = policy {
            text += &format!("    policy: {policy}\n");
        }
        for why in why {
            text += &format!("    because: {why}\n");
        }
    }
    let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
    for difference in &compared.differences {
        *kinds.entry(difference.kind).or_default() += 1;
    }
    let of = |kind| kinds.get(&kind).copied().unwrap_or(0);
    text += &format!(
        "{} the same, {} ({} earlier, {} later, {} never by Refit, {} never by the other, {} to another version)\n",
        compared.same,
        counted(compared.differences.len(), "difference"),
        of(Kind::Earlier),
        of(Kind::Later),
        of(Kind::RefitNever),
        of(Kind::OtherNever),
        of(Kind::OtherVersion),
    );
    for (why, times) in &compared.skipped {
        text += &format!("{times} not compared: {why}\n");
    }
    text
}
