//! From what feeds say of a package to findings about one version of it.

use crate::feeds::{
    installed::InstalledPackage,
    kind::FeedKind,
    statement::{Bounds, End, Statement, Verdict, WhyOpen},
};
use refit_model::{Scheme, Version};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// All that feeds say of one package, the most trusted feed first.
pub(super) struct Said<'a> {
    statements: Vec<Spoken<'a>>,
    by_id: BTreeMap<&'a str, Vec<usize>>,
}

/// A statement, who made it, and its parsed ranges; `None` where one has a bound that is no version.
type Spoken<'a> = (FeedKind, Statement<&'a str>, Option<Vec<Span>>);

/// What is compared: a version, and the package, where it is one, for its module stream.
pub(super) struct Subject<'a> {
    pub version: &'a Version,
    pub package: Option<&'a InstalledPackage>,
}

/// One vulnerability, as it concerns the subject.
pub(super) struct Finding<'a> {
    pub id: &'a str,
    pub outcome: Outcome<'a>,
    /// Seconds since 1970.
    pub withdrawn: Option<i64>,
    pub said_by: BTreeSet<FeedKind>,
}

/// How a vulnerability concerns the subject. One that does not gives no finding.
pub(super) enum Outcome<'a> {
    /// It is affected, and a later version is not.
    Affected(Vec<Bounds<&'a str>>),
    /// It is affected, and so is every later version so far.
    Open(WhyOpen),
    /// The distribution holds it to be no security problem of the package.
    Unimportant,
    /// The feeds do not say.
    Undetermined,
}

/// A range whose ends have been parsed, once for all the packages of a source.
struct Span {
    introduced: Option<Rc<Version>>,
    end: SpanEnd,
}

enum SpanEnd {
    Fixed(Rc<Version>),
    Last(Rc<Version>),
    Never,
}

impl<'a> Said<'a> {
    /// Puts statements in order. `speakers` come in the order in which they are believed.
    pub fn new(speakers: Vec<(FeedKind, Vec<Statement<&'a str>>)>, scheme: Scheme) -> Said<'a> {
        let mut said = Said { statements: Vec::new(), by_id: BTreeMap::new() };
        // One upload fixes many vulnerabilities: each version is parsed once.
        let mut parsed = BTreeMap::new();
        let mut version = |text: &'a str| -> Option<Rc<Version>> {
            parsed.entry(text).or_insert_with(|| Version::parse(scheme, text).ok().map(Rc::new)).clone()
        };
        for (kind, statement) in speakers.into_iter().flat_map(|(kind, list)| list.into_iter().map(move |s| (kind, s)))
        {
            let number = said.statements.len();
            for id in &statement.ids {
                said.by_id.entry(id).or_default().push(number);
            }
            let spans = match &statement.verdict {
                Verdict::Affected(bounds) => bounds.iter().map(|bounds| Span::of(bounds, &mut version)).collect(),
                Verdict::NotAffected | Verdict::Open(_) | Verdict::Undetermined => Some(Vec::new()),
            };
            said.statements.push((kind, statement, spans));
        }
        said
    }

    /// Whether no feed says anything.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The findings about a subject, or about any version at all, by id.
    pub fn findings<'s>(&'s self, subject: Option<&'s Subject<'s>>) -> impl Iterator<Item = Finding<'a>> + 's {
        self.by_id.iter().filter_map(move |(id, numbers)| self.finding(id, numbers, subject))
    }

    /// The most trusted feed that knows decides; one that leaves the question open, or has no fixed version yet, gives way
    /// to another that has one.
    fn finding(&self, id: &'a str, numbers: &[usize], subject: Option<&Subject<'_>>) -> Option<Finding<'a>> {
        let package = subject.and_then(|subject| subject.package);
        let mut said_by = BTreeSet::new();
        let mut unimportant = false;
        let mut undecided: Option<Outcome<'a>> = None;
        let mut stream_unknown = false;
        let mut concerning = Vec::new();
        for number in numbers {
            let Some((kind, statement, spans)) = self.statements.get(*number) else { continue };
            match package.map_or(Stream::Same, |package| Stream::of(package, statement)) {
                Stream::Same => concerning.push((*kind, statement, spans)),
                Stream::Other => {}
                Stream::Unknown => {
                    stream_unknown = true;
                    said_by.insert(*kind);
                }
            }
        }
        // What is withdrawn counts only where nothing else is said.
        let withdrawn = concerning.iter().map(|(_, statement, _)| statement.withdrawn).collect::<Option<Vec<_>>>();
        let withdrawn = withdrawn.and_then(|times| times.into_iter().max());
        if withdrawn.is_none() {
            concerning.retain(|(_, statement, _)| statement.withdrawn.is_none());
        }
        let finding = |outcome, said_by| Some(Finding { id, outcome, withdrawn, said_by });
        for same_rank in concerning.chunk_by(|a, b| a.0.rank() == b.0.rank()) {
            let mut bounds = Vec::new();
            let mut spans: Vec<&Span> = Vec::new();
            let (mut judged, mut affected, mut not_affected) = (true, false, false);
            for (kind, statement, parsed) in same_rank {
                unimportant |= statement.unimportant;
                match &statement.verdict {
                    Verdict::Affected(said) => {
                        affected = true;
                        said_by.insert(*kind);
                        bounds.extend(said.iter().cloned());
                        match parsed {
                            Some(parsed) => spans.extend(parsed),
                            None => judged = false,
                        }
                    }
                    Verdict::NotAffected => not_affected = true,
                    Verdict::Open(why) => {
                        said_by.insert(*kind);
                        undecided = Some(match undecided {
                            Some(outcome @ Outcome::Open(_)) => outcome,
                            _ => Outcome::Open(*why),
                        });
                    }
                    Verdict::Undetermined => {
                        said_by.insert(*kind);
                        undecided.get_or_insert(Outcome::Undetermined);
                    }
                }
            }
            if affected {
                let outcome = if !judged {
                    Outcome::Undetermined
                } else {
                    match subject {
                        None => Outcome::Affected(bounds),
                        Some(subject) => match spans.iter().find(|span| span.holds(subject.version)) {
                            None => return None,
                            Some(span) if matches!(span.end, SpanEnd::Never) => Outcome::Open(WhyOpen::NoFixYet),
                            Some(_) => Outcome::Affected(bounds),
                        },
                    }
                };
                said_by.extend(self.agreeing(numbers));
                return finding(if unimportant { Outcome::Unimportant } else { outcome }, said_by);
            }
            if not_affected {
                return None;
            }
        }
        match undecided {
            Some(_) if unimportant => finding(Outcome::Unimportant, said_by),
            Some(outcome) => finding(outcome, said_by),
            None if stream_unknown => finding(Outcome::Undetermined, said_by),
            None => None,
        }
    }

    /// The feeds that say that some version is affected.
    fn agreeing(&self, numbers: &[usize]) -> impl Iterator<Item = FeedKind> {
        let statements = numbers.iter().filter_map(|number| self.statements.get(*number));
        statements.filter(|(_, statement, _)| matches!(statement.verdict, Verdict::Affected(_))).map(|(kind, ..)| *kind)
    }
}

impl Span {
    fn of<'a>(bounds: &Bounds<&'a str>, version: &mut impl FnMut(&'a str) -> Option<Rc<Version>>) -> Option<Span> {
        let introduced = match bounds.introduced {
            Some(text) => Some(version(text)?),
            None => None,
        };
        let end = match &bounds.end {
            End::Fixed(text) => SpanEnd::Fixed(version(text)?),
            End::Last(text) => SpanEnd::Last(version(text)?),
            End::Never => SpanEnd::Never,
        };
        Some(Span { introduced, end })
    }

    fn holds(&self, version: &Version) -> bool {
        let begun = self.introduced.as_ref().is_none_or(|introduced| *version >= **introduced);
        let ended = match &self.end {
            SpanEnd::Fixed(fixed) => *version >= **fixed,
            SpanEnd::Last(last) => *version > **last,
            SpanEnd::Never => false,
        };
        begun && !ended
    }
}

/// Whether a statement is about the module stream that is installed.
enum Stream {
    Same,
    Other,
    Unknown,
}

impl Stream {
    fn of(package: &InstalledPackage, statement: &Statement<&str>) -> Stream {
        let modular = package.module.is_some() || package.build.version.contains(".module");
        match (&package.module, statement.module) {
            (_, None) if !modular => Stream::Same,
            // An RPM outside of modules is never a module's, nor the other way round.
            (_, None) => Stream::Other,
            (None, Some(_)) if !modular => Stream::Other,
            (None, Some(_)) | (Some(_), Some("")) => Stream::Unknown,
            (Some(installed), Some(stream)) if installed == stream => Stream::Same,
            (Some(_), Some(_)) => Stream::Other,
        }
    }
}
