//! Reading a world, one line after the other.

use super::{
    FORMAT, VERSION,
    line::{AdvisoryLine, DeviceLine, Head, InstallLine, OfKind, SlotLine, TitleLine, UniverseLine, ValueLine},
};
use jiff::{Timestamp, tz::TimeZone};
use refit_core::{
    facts::{Fact, FieldRef, Fields, Value},
    world::{Absence, Device, Install, SlotKey, World},
};
use refit_model::{Advisory, Offer, Release, Scheme, TitleId, Version};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    io::{self, BufRead, Read as _},
};

/// The longest line that is read, in bytes: a machine with 10,000 packages needs a hundredth of it.
const LINE_MAX: u64 = 16 << 20;
/// How much of a line an error repeats, in characters.
const SHOWN_MAX: usize = 160;

/// Reads a world: what is so of titles at once, then devices one by one, as an iterator.
pub struct WorldReader<R> {
    lines: Lines<R>,
    now: Timestamp,
    world: World,
    /// All releases, by number.
    releases: Vec<Release>,
    universes: Vec<BTreeMap<TitleId, Vec<(Version, Offer)>>>,
    zones: BTreeMap<String, TimeZone>,
    fields: Fields,
    /// The first line of devices, which ends what is so of titles.
    ahead: Option<String>,
    /// Whether an error ended the reading.
    broken: bool,
}

/// Why a file is no world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// It can't be read.
    #[error("line {line} can't be read: {error}")]
    Io {
        /// The line, from 1 on.
        line: u64,
        /// What the system says.
        error: io::Error,
    },
    /// Something is written that makes no sense there.
    #[error("line {line}, column {column}: {why}\n  {text}")]
    Line {
        /// The line, from 1 on.
        line: u64,
        /// The byte of the line, from 1 on.
        column: usize,
        /// What is wrong, and what to write instead.
        why: String,
        /// The line; cut where it is long.
        text: String,
    },
}

struct Lines<R> {
    input: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The next line that is not empty, without its end.
    fn next(&mut self) -> Result<Option<String>, WorldError> {
        loop {
            self.number += 1;
            let mut bytes = Vec::new();
            let read = self.input.by_ref().take(LINE_MAX + 1).read_until(b'\n', &mut bytes);
            let read = read.map_err(|error| WorldError::Io { line: self.number, error })?;
            if read == 0 {
                return Ok(None);
            }
            if bytes.len() as u64 > LINE_MAX {
                let text = String::from_utf8_lossy(bytes.get(..SHOWN_MAX).unwrap_or_default()).into_owned();
                return Err(self.wrong(1, format!("the line is longer than {} MiB", LINE_MAX >> 20), &text));
            }
            let text = match String::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) => {
                    let column = error.utf8_error().valid_up_to() + 1;
                    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                    return Err(self.wrong(column, "the line is not UTF-8", &text));
                }
            };
            let text = text.trim_end();
            if !text.is_empty() {
                return Ok(Some(text.to_owned()));
            }
        }
    }

    fn wrong(&self, column: usize, why: impl Into<String>, text: &str) -> WorldError {
        // What is wrong should be in what is shown.
        let from =
            text.char_indices().map(|(at, _)| at).take_while(|at| at + SHOWN_MAX / 2 < column).last().unwrap_or(0);
        let from = if text.chars().count() <= SHOWN_MAX { 0 } else { from };
        let shown = text.get(from..).unwrap_or_default();
        let cut: String = shown.chars().take(SHOWN_MAX).collect();
        let (before, after) = (if from > 0 { "…" } else { "" }, if cut.len() < shown.len() { "…" } else { "" });
        WorldError::Line { line: self.number, column, why: why.into(), text: format!("{before}{cut}{after}") }
    }

    fn parse<T: DeserializeOwned>(&self, text: &str) -> Result<T, WorldError> {
        serde_json::from_str(text).map_err(|error| {
            let why = error.to_string();
            let why = match error.is_eof() {
                true => "the line ends too early: was the file cut off?".to_owned(),
                false => why.split(" at line ").next().unwrap_or(&why).to_owned(),
            };
            self.wrong(error.column(), why, text)
        })
    }
}

/// The first key of a JSON object: what kind of line it is.
fn first_key(text: &str) -> Option<&str> {
    let rest = text.trim_start().strip_prefix('{')?.trim_start().strip_prefix('"')?;
    rest.split('"').next()
}

impl<R: BufRead> WorldReader<R> {
    /// Reads everything up to the first device. Fields of facts are `fields`: Refit's own, and those of the organisation.
    pub fn new(input: R, fields: Fields) -> Result<Self, WorldError> {
        let mut lines = Lines { input, number: 0 };
        let head: Head = match lines.next()? {
            Some(text) if first_key(&text) == Some("format") => lines.parse(&text)?,
            other => {
                let why =
                    format!("a world begins with a line such as {{\"format\":\"{FORMAT}\",\"version\":{VERSION},…}}");
                return Err(lines.wrong(1, why, &other.unwrap_or_default()));
            }
        };
        if head.format != FORMAT || head.version != VERSION {
            let why = format!(
                "this is `{}` in version {}; this Refit reads `{FORMAT}` in version {VERSION}",
                head.format, head.version
            );
            return Err(lines.wrong(1, why, ""));
        }
        let (mut releases, mut advisories, mut universes, mut ahead) = (Vec::new(), Vec::new(), Vec::new(), None);
        while let Some(text) = lines.next()? {
            match first_key(&text) {
                Some("title") => {
                    let title: TitleLine = lines.parse(&text)?;
                    for release in title.releases {
                        let version = version(&lines, title.scheme, &release.version, &text)?;
                        let (title, branch) = (title.title.clone(), release.branch);
                        let (published, security) = (release.published, release.security);
                        releases.push(Release { title, branch, version, published, security });
                    }
                }
                Some("advisory") => advisories.push(advisory(&lines, &text)?),
                Some("universe") => universes.push(universe(&lines, &text)?),
                Some("device") => {
                    ahead = Some(text);
                    break;
                }
                _ => return Err(unknown(&lines, &text)),
            }
        }
        let world = World::new(releases.clone(), advisories);
        let (now, zones) = (head.now, BTreeMap::new());
        Ok(Self { lines, now, world, releases, universes, zones, fields, ahead, broken: false })
    }

    /// The time at which the fleet is as it is.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Releases and advisories.
    pub fn world(&self) -> &World {
        &self.world
    }

    fn next_device(&mut self) -> Result<Option<Device>, WorldError> {
        loop {
            let text = match self.ahead.take() {
                Some(text) => text,
                None => match self.lines.next()? {
                    Some(text) => text,
                    None => return Ok(None),
                },
            };
            match first_key(&text) {
                Some("device") => return self.device(&text).map(Some),
                Some("universe") => self.universes.push(universe(&self.lines, &text)?),
                _ => return Err(unknown(&self.lines, &text)),
            }
        }
    }

    fn device(&mut self, text: &str) -> Result<Device, WorldError> {
        let line: DeviceLine = self.lines.parse(text)?;
        let at = |key: &str| text.find(key).map_or(1, |at| at + 1);
        let mut device = Device::new(line.device, line.seen);
        device.seen_by = line.seen_by;
        device.enrolled = line.enrolled;
        device.identity_in_doubt = line.identity_in_doubt;
        if let Some(name) = line.zone {
            let zone = match self.zones.get(name.as_str()) {
                Some(zone) => zone.clone(),
                None => {
                    let zone = TimeZone::get(&name).map_err(|_| {
                        self.lines.wrong(at("\"zone\""), format!("there is no time zone `{name}`"), text)
                    })?;
                    self.zones.insert(name.to_string(), zone.clone());
                    zone
                }
            };
            device.timezone = Some(zone);
        }
        if line.universe > 0 {
            let known = self.universes.get(line.universe as usize - 1).cloned();
            device.offers = known.ok_or_else(|| {
                let why = format!("no line before this one is universe {}", line.universe);
                self.lines.wrong(at("\"universe\""), why, text)
            })?;
        }
        for said in line.facts {
            for (name, value) in said.values {
                let field: FieldRef = name.parse().map_err(|_| {
                    self.lines.wrong(
                        at(&name),
                        format!("`{name}` is no field: write `device.` or `person.` and a name"),
                        text,
                    )
                })?;
                let kind = self.fields.get(&field).map(|field| field.kind);
                let known = value_of(value).and_then(|value| match kind {
                    Some(kind) => value.into_kind(kind),
                    None => Some(value),
                });
                let value = known.ok_or_else(|| {
                    let wanted = kind.map_or("a value", |kind| kind.described());
                    self.lines.wrong(at(&name), format!("`{name}` is not {wanted}"), text)
                })?;
                device.facts.insert(field, Fact { value, source: said.source.clone(), observed: said.observed });
            }
        }
        for (since, numbers) in line.installs {
            let since = match since {
                None => None,
                Some(seconds) => Some(Timestamp::from_second(seconds).map_err(|_| {
                    self.lines.wrong(at("\"installs\""), format!("{seconds} seconds since 1970 are no time"), text)
                })?),
            };
            for number in numbers {
                let release = self.releases.get(number as usize).ok_or_else(|| {
                    let why = format!("there is no release {number}: the titles above have {}", self.releases.len());
                    self.lines.wrong(at("\"installs\""), why, text)
                })?;
                device.installs.push(Install {
                    title: release.title.clone(),
                    branch: release.branch.clone(),
                    profile: None,
                    version: release.version.clone(),
                    since,
                });
            }
        }
        for InstallLine { title, branch, profile, version: written, scheme, since } in line.also {
            let version = version(&self.lines, scheme, &written, text)?;
            device.installs.push(Install { title, branch, profile, version, since });
        }
        let absences = line.absences.into_iter();
        device.absences.extend(absences.map(|(away, back, used)| Absence { away, back, used }));
        for (SlotLine { title, branch, profile }, since) in line.spells {
            device.spells.insert(SlotKey { title, branch, profile }, since);
        }
        Ok(device)
    }
}

/// Devices, in the order of lines. Nothing comes after an error.
impl<R: BufRead> Iterator for WorldReader<R> {
    type Item = Result<Device, WorldError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let next = self.next_device();
        self.broken = next.is_err();
        next.transpose()
    }
}

fn unknown<R: BufRead>(lines: &Lines<R>, text: &str) -> WorldError {
    let why = "a line begins with `title`, `advisory`, `universe` or `device`; those of titles and advisories come before devices";
    lines.wrong(1, why, text)
}

fn version<R: BufRead>(lines: &Lines<R>, scheme: Scheme, written: &str, text: &str) -> Result<Version, WorldError> {
    let at = text.find(&format!("\"{written}\"")).map_or(1, |at| at + 1);
    Version::parse(scheme, written).map_err(|error| lines.wrong(at, error.to_string(), text))
}

fn advisory<R: BufRead>(lines: &Lines<R>, text: &str) -> Result<Advisory, WorldError> {
    let AdvisoryLine { advisory: entry, upstream, scheme } = lines.parse(text)?;
    let read = entry.read(scheme).map_err(|error| {
        let at = text.find("\"affected\"").map_or(1, |at| at + 1);
        lines.wrong(at, error.to_string(), text)
    })?;
    Ok(Advisory { upstream, ..read })
}

fn universe<R: BufRead>(lines: &Lines<R>, text: &str) -> Result<BTreeMap<TitleId, Vec<(Version, Offer)>>, WorldError> {
    let line: UniverseLine = lines.parse(text)?;
    let mut universe = BTreeMap::new();
    for (title, list) in line.universe {
        let list = list.into_iter().map(|(written, scheme, since)| {
            Ok((version(lines, scheme, &written, text)?, since.map_or(Offer::Never, Offer::Since)))
        });
        universe.insert(title, list.collect::<Result<_, _>>()?);
    }
    Ok(universe)
}

fn value_of(line: ValueLine) -> Option<Value> {
    Some(match line {
        ValueLine::Bool(truth) => Value::Bool(truth),
        ValueLine::Int(number) => Value::Int(number),
        ValueLine::Float(number) => Value::Float(number),
        ValueLine::Text(text) => Value::Text(text),
        ValueLine::List(items) => Value::List(items),
        ValueLine::Of(OfKind::Time(time)) => Value::Time(time),
        ValueLine::Of(OfKind::Version(text)) => Value::Version(Version::parse(Scheme::Generic, &text).ok()?),
    })
}
