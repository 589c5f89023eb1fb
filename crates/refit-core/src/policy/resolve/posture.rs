//! What whoever asks before somebody is let in is answered.

use super::Resolver;
use crate::{
    policy::{
        diagnostic::Diagnostic,
        document::posture::{AnswersDocument, PostureDocument, StrategyName},
        load::{Documents, Written},
        repository::{Answers, Posture, Strategy},
    },
    steps,
};
use jiff::SignedDuration;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The shortest time for which answers may be kept: everybody would ask at every step else.
const KEEP_LEAST: SignedDuration = SignedDuration::from_secs(10);
/// The longest: a policy change that nobody hears of within a day is none.
const KEEP_MOST: SignedDuration = SignedDuration::from_hours(24);

impl Resolver<'_> {
    pub(super) fn postures(&mut self, documents: &Documents) -> Vec<Posture> {
        let mut postures = Vec::new();
        // Who is answered by which one already; `None` is whoever is not named.
        let mut answered: BTreeMap<Option<&str>, &str> = BTreeMap::new();
        for written in self.unique(&documents.postures, |posture| &posture.posture, "posture") {
            let document = &written.document;
            let name = document.posture.as_str();
            match &document.callers {
                None => {
                    if let Some(other) = answered.insert(None, name) {
                        self.twice(written, name, other, "callers", "whoever is not named");
                    }
                }
                Some(callers) => {
                    for caller in callers {
                        if let Some(other) = answered.insert(Some(caller.as_str()), name) {
                            self.twice(written, name, other, "callers", &format!("`{caller}`"));
                        }
                    }
                }
            }
            let strategy = self.strategy(written);
            self.keep(written);
            let plain = Posture::default();
            // What is not read as a whole says something else than was meant.
            if !written.mistakes.is_empty() {
                continue;
            }
            postures.push(Posture {
                name: name.into(),
                origin: Some(written.origin(steps![], self.files)),
                owner: document.owner.as_deref().map(SmolStr::from),
                why: document.why.as_deref().map(SmolStr::from),
                callers: document.callers.iter().flatten().map(SmolStr::from).collect(),
                strategy,
                tolerate: document.tolerate.map_or(plain.tolerate, |tolerate| tolerate.0),
                held: document.held.unwrap_or(plain.held),
                devices: document.devices.unwrap_or(plain.devices),
                keep: document.keep.map_or(plain.keep, |keep| keep.0.clamp(KEEP_LEAST, KEEP_MOST)),
                answers: document.answers.as_ref().map_or(plain.answers, answers),
            });
        }
        postures.sort_by(|a, b| a.name.cmp(&b.name));
        postures
    }

    fn twice(&mut self, written: &Written<PostureDocument>, name: &str, other: &str, at: &str, who: &str) {
        let diagnostic = Diagnostic::error("posture/two-answers", "two answers for one who asks");
        let label = match other == name {
            true => format!("{who} is named twice"),
            false => format!("{who} is answered by `{other}` already"),
        };
        self.report(
            diagnostic.at(written.place(steps![at])).label(label).with_help("name each token in one `posture:` alone"),
        );
    }

    fn strategy(&mut self, written: &Written<PostureDocument>) -> Strategy {
        let document = &written.document;
        match (document.strategy.unwrap_or_default(), document.block_from) {
            (StrategyName::WarnThenBlock, Some(day)) => Strategy::WarnThenBlock(day),
            (StrategyName::WarnThenBlock, None) => {
                if written.mistakes.is_empty() {
                    self.report(
                        Diagnostic::error("posture/no-day", "blocking that begins on no day")
                            .at(written.place(steps!["strategy"]))
                            .label("`warn_then_block` needs the day on which blocking begins")
                            .with_help("write `block_from: 2027-01-15` beside it"),
                    );
                }
                Strategy::Warn
            }
            (strategy, day) => {
                if day.is_some() && written.mistakes.is_empty() {
                    self.report(
                        Diagnostic::error("posture/idle-day", "day on which nothing begins")
                            .at(written.key_place(steps!["block_from"]))
                            .label("only with `strategy: warn_then_block` does blocking begin on a day")
                            .with_help("write `strategy: warn_then_block`, or leave the day out"),
                    );
                }
                match strategy {
                    StrategyName::Warn => Strategy::Warn,
                    StrategyName::Block => Strategy::Block,
                    StrategyName::Tell | StrategyName::WarnThenBlock => Strategy::Tell,
                }
            }
        }
    }

    fn keep(&mut self, written: &Written<PostureDocument>) {
        let Some(keep) = written.document.keep.filter(|_| !written.is_replaced(steps!["keep"])) else { return };
        if !(KEEP_LEAST..=KEEP_MOST).contains(&keep.0) {
            self.report(
                Diagnostic::error("posture/keep", "answers that are kept for too short or too long")
                    .at(written.place(steps!["keep"]))
                    .label(format!("`{keep}` is not between 10s and 1d")),
            );
        }
    }
}

fn answers(document: &AnswersDocument) -> Answers {
    let plain = Answers::default();
    Answers {
        unknown_device: document.unknown_device.unwrap_or(plain.unknown_device),
        unknown_person: document.unknown_person.unwrap_or(plain.unknown_person),
        no_device: document.no_device.unwrap_or(plain.no_device),
        starting: document.starting.unwrap_or(plain.starting),
        quarantined: document.quarantined.unwrap_or(plain.quarantined),
        stale: document.stale.unwrap_or(plain.stale),
        read_only: document.read_only.unwrap_or(plain.read_only),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{
        check::trial::{mistakes, repository},
        document::{
            posture::{Access, AccessOrKnown, HeldUpdates, HowMany},
            scalars::Day,
        },
        repository::{Answers, Posture, Strategy},
    };
    use jiff::SignedDuration;

    #[test]
    fn what_is_left_out_is_the_default() {
        let text = "posture: sign-in\n";
        assert_eq!(mistakes(text), "");
        let repository = repository(text);
        let written = repository.posture("anybody").unwrap();
        assert_eq!(written.origin.as_ref().map(|origin| origin.line), Some(1));
        let plain = Posture { name: "sign-in".into(), origin: written.origin.clone(), ..Posture::default() };
        assert_eq!(*written, plain);
    }

    #[test]
    fn everything_that_is_written_counts() {
        let text = "
posture: sign-in
owner: identity@acme.example
why: Nobody works with known holes.
callers: [okta]
strategy: warn_then_block
block_from: 2027-01-15
tolerate: 2d
held: count
devices: any
keep: 1m
answers:
  unknown_device: allow
  unknown_person: warn
  no_device: block
  starting: block
  quarantined: as_known
  stale: block
  read_only: allow
---
posture: everybody else
";
        assert_eq!(mistakes(text), "");
        let repository = repository(text);
        assert_eq!(repository.posture("vpn").unwrap().name, "everybody else");
        let okta = repository.posture("okta").unwrap();
        assert_eq!(okta.strategy, Strategy::WarnThenBlock(Day::parse("2027-01-15").unwrap()));
        assert_eq!((okta.tolerate, okta.keep), (SignedDuration::from_hours(48), SignedDuration::from_mins(1)));
        assert_eq!((okta.held, okta.devices), (HeldUpdates::Count, HowMany::Any));
        let answers = Answers {
            unknown_device: Access::Allow,
            unknown_person: Access::Warn,
            no_device: Access::Block,
            starting: Access::Block,
            quarantined: AccessOrKnown::AsKnown,
            stale: AccessOrKnown::Block,
            read_only: AccessOrKnown::Allow,
        };
        assert_eq!(okta.answers, answers);
        assert_eq!(okta.owner.as_deref(), Some("identity@acme.example"));
    }

    #[test]
    fn whoever_asks_has_one_answer() {
        let codes = |text: &str| {
            let found = mistakes(text);
            found
                .lines()
                .filter_map(|line| line.strip_prefix("error[")?.split(']').next())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(codes("posture: a\n---\nposture: b\n"), "posture/two-answers");
        assert_eq!(
            codes("posture: a\ncallers: [okta]\n---\nposture: b\ncallers: [okta, vpn]\n"),
            "posture/two-answers"
        );
        assert_eq!(codes("posture: a\ncallers: [okta]\n---\nposture: b\ncallers: [vpn]\n---\nposture: c\n"), "");
        assert_eq!(codes("posture: a\ncallers: [okta]\n---\nposture: a\n"), "policy/duplicate-name");
        assert_eq!(codes("posture: a\nstrategy: warn_then_block\n"), "posture/no-day");
        assert_eq!(codes("posture: a\nstrategy: block\nblock_from: 2027-01-15\n"), "posture/idle-day");
        assert_eq!(codes("posture: a\nkeep: 1s\n"), "posture/keep");
        // Where nothing at all is known there is nothing to go by.
        assert!(!codes("posture: a\nanswers: { unknown_device: as_known }\n").is_empty());
        assert!(!codes("posture: a\ncallers: []\n").is_empty());
    }
}
