//! What of a system's records is sensitive: the kind of somebody's leave, for instance. Of it the answer alone is kept that policies need, with the
//! purpose that it is for ([why so](../../../../../../docs/decisions/0179-of-what-is-sensitive-the-answer-is-kept.md)).
//!
//! A document marks what is read ([`RecordsDocument::sensitive`]), or a fact ([`DetailedSourceDocument::purpose`]). Whatever reads it may ask
//! about it, and keep what the connector itself calls the answer; what would keep a part of it as the system writes it is refused here.

use super::{Compiler, Path, join};
use crate::facts::Kind;
use crate::facts::mapping::document::{DetailedSourceDocument, RecordsDocument};
use crate::facts::mapping::expr::{Expr, Names};
use crate::policy::syntax::Step;
use smol_str::SmolStr;

/// A place that is sensitive, and what for its answer is kept.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Index of the name, and JSON pointer from there.
    place: (usize, String),
    purpose: SmolStr,
}

/// The places of the names, as [`Names::ITEM`] has them.
const RECORD: usize = 0;
const PARENT: usize = 1;
const ITEM: usize = 2;
const PAYLOAD: usize = 3;

impl<'c> Compiler<'c> {
    /// Notes what a kind of records marks as sensitive; it stays so until the next kind. `each` is the list that the records are entries of.
    pub(super) fn note_sensitive(&mut self, kind: &'c RecordsDocument, each: Option<&Expr>, at: &[Step<'c>]) {
        for (text, purpose) in &kind.sensitive {
            let path: Path<'_> = join(&join(at, "sensitive"), text.as_str());
            let purpose = purpose.as_deref().map(str::trim).unwrap_or_default();
            if purpose.is_empty() {
                self.no_purpose(&path);
            }
            match Expr::compile(text, Names::RECORD).ok().and_then(|expr| expr.place()) {
                Some(place) => self.marks.push(Mark { place, purpose: purpose.into() }),
                None => {
                    let label = "this names no part of a record".to_owned();
                    let help = "write a part as expressions do, such as `record.leave.kind`".to_owned();
                    self.report_key("connector/sensitive", "no part of a record", &path, label).help = Some(help);
                }
            }
        }
        // The same values are reached through what the records are a part of.
        let Some(purpose) = self.marks.first().map(|mark| mark.purpose.clone()) else { return };
        let around = each.map(Expr::reads).unwrap_or_default().into_iter().filter(|(name, _)| *name == RECORD);
        let around = around.map(|(_, path)| (PARENT, path));
        let places = around.chain(kind.from.iter().map(|pointer| (PAYLOAD, pointer.clone())));
        self.marks.extend(places.map(|place| Mark { place, purpose: purpose.clone() }));
    }

    /// Notes that `item` is an entry of a list, which is sensitive where the list is; without a list it is the record itself. How many
    /// marks there were, which count again outside.
    pub(super) fn within(&mut self, each: Option<&Expr>) -> usize {
        let outside = self.marks.len();
        let inside: Vec<Mark> = match each {
            Some(each) => {
                let purpose = self.touched(each).cloned();
                purpose.map(|purpose| Mark { place: (ITEM, String::new()), purpose }).into_iter().collect()
            }
            None => {
                let of_record = self.marks.iter().filter(|mark| mark.place.0 == RECORD);
                of_record.map(|mark| Mark { place: (ITEM, mark.place.1.clone()), ..mark.clone() }).collect()
            }
        };
        self.marks.extend(inside);
        outside
    }

    /// Where an expression reads something that is marked: what for its answer is kept.
    pub(super) fn touched(&self, expr: &Expr) -> Option<&SmolStr> {
        let reads = if self.marks.is_empty() { Vec::new() } else { expr.reads() };
        let mark = self.marks.iter().find(|mark| reads.iter().any(|place| overlap(place, &mark.place)));
        mark.map(|mark| &mark.purpose)
    }

    /// What for the answer of a value is kept, where that is sensitive; and whether what no map covers is none, since it would be what the system
    /// writes. `mapped` is whether there is a map at all.
    pub(super) fn purpose(
        &mut self,
        source: &DetailedSourceDocument,
        expr: Option<&mut Expr>,
        kind: Kind,
        mapped: bool,
        path: &[Step<'_>],
        from: &[Step<'_>],
    ) -> (Option<SmolStr>, bool) {
        let own = source.purpose.as_deref().map(str::trim);
        if own.is_some_and(str::is_empty) {
            self.no_purpose(&join(path, "purpose"));
        }
        let Some(expr) = expr else { return (None, false) };
        let purpose = own.map(SmolStr::new).or_else(|| self.touched(expr).cloned());
        if purpose.is_none() {
            return (None, false);
        }
        // Of a fact that is marked itself everything is sensitive that it is read from.
        let hands_on = match own {
            Some(_) => expr.hands_on(&|_| true),
            None => self.hands_on(expr),
        };
        expr.mark_sensitive();
        // True, false and a time are answers, whatever they are read from.
        let only_mapped = hands_on && !matches!(kind, Kind::Bool | Kind::Time);
        if only_mapped && !mapped {
            self.would_be_kept(
                from,
                "the fact would be what the system writes of it",
                "say with `values:` what is kept of it, or keep an answer alone, such as `contains(lower(record.status), \"leave\")`",
            );
        }
        (purpose, only_mapped)
    }

    /// Refuses what would be kept as it is written: keys, ids, what is installed.
    pub(super) fn keeps_nothing_sensitive(&mut self, expr: Option<&Expr>, path: &[Step<'_>]) {
        if expr.is_some_and(|expr| expr.is_sensitive() && self.hands_on(expr)) {
            let label = "this is kept as the system writes it";
            self.would_be_kept(path, label, "read it from something that is not sensitive, or leave it out");
        }
    }

    fn hands_on(&self, expr: &Expr) -> bool {
        expr.hands_on(&|place| self.marks.iter().any(|mark| overlap(place, &mark.place)))
    }

    fn would_be_kept(&mut self, path: &[Step<'_>], label: &str, help: &str) {
        let found = self.report("connector/sensitive", "what is sensitive would be kept", path, label.to_owned());
        found.help = Some(help.to_owned());
    }

    fn no_purpose(&mut self, path: &[Step<'_>]) {
        let label = "nothing says what the answer is for".to_owned();
        let help = "say what policies need it for, such as `Nothing is forced on whoever is away.`; what nobody needs is not read";
        self.report_key("connector/no-purpose", "sensitive, and without a purpose", path, label).help =
            Some(help.to_owned());
    }
}

/// Whether one of two places is the other, or a part of it.
fn overlap(a: &(usize, String), b: &(usize, String)) -> bool {
    let (short, long) = if a.1.len() <= b.1.len() { (&a.1, &b.1) } else { (&b.1, &a.1) };
    a.0 == b.0 && long.strip_prefix(short.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
