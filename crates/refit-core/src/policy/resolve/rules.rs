//! Who may ask for which exceptions.

use super::Resolver;
use crate::{
    policy::{
        diagnostic::Diagnostic,
        document::rules::{Decided, ExceptionRulesDocument, ExceptionTerm},
        load::{Documents, Written},
        repository::{ExceptionRule, Repository},
    },
    steps,
};
use jiff::SignedDuration;
use smol_str::SmolStr;

/// How long before its end notice of an exception is given, where the rule does not say.
pub const NOTICE: SignedDuration = SignedDuration::from_hours(3 * 24);

impl Resolver<'_> {
    pub(super) fn exception_rules(&mut self, documents: &Documents, repository: &Repository) -> Vec<ExceptionRule> {
        let mut rules = Vec::new();
        for written in self.unique(&documents.exception_rules, |rules| &rules.exception_rules, "exception_rules") {
            let document = &written.document;
            let software =
                document.software.as_ref().map(|lines| self.software(written, lines, repository)).map(|selectors| {
                    // A rule that names a title permits the packages that it means, as exceptions do.
                    repository.with_vendor_packages(selectors)
                });
            self.patterns(written, "askers", document.askers.as_deref());
            self.patterns(written, "approvers", document.approvers.as_deref());
            self.bounds(written, repository);
            let decided = document.decided.unwrap_or_default();
            let approvers: Vec<SmolStr> = match &document.approvers {
                Some(named) => named.iter().map(SmolStr::from).collect(),
                None => document.owner.iter().map(SmolStr::from).collect(),
            };
            self.deciders(written, decided, &approvers);
            // What is not read as a whole says something else than was meant.
            if !written.mistakes.is_empty() {
                continue;
            }
            rules.push(ExceptionRule {
                name: document.exception_rules.as_str().into(),
                origin: written.origin(steps![], self.files),
                owner: document.owner.as_deref().map(SmolStr::from),
                askers: document.askers.as_ref().map(|named| named.iter().map(SmolStr::from).collect()),
                software,
                terms: match &document.terms {
                    Some(terms) => terms.iter().copied().collect(),
                    None => ExceptionTerm::ALL.into_iter().collect(),
                },
                longest: document.longest.0,
                devices_most: document.devices_most.map(u64::from),
                decided,
                approvers,
                notice: document.notice.map_or(NOTICE, |notice| notice.0),
            });
        }
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        rules
    }

    fn patterns(&mut self, written: &Written<ExceptionRulesDocument>, field: &'static str, named: Option<&[String]>) {
        for (index, name) in named.unwrap_or_default().iter().enumerate() {
            let rest = name.strip_prefix('*').unwrap_or(name);
            if rest.contains('*') || name.trim().is_empty() {
                self.report(
                    Diagnostic::error("rules/no-name", "name that is none")
                        .at(written.place(steps![field, index]))
                        .label(format!("`{name}` is nobody: `*` stands at the beginning alone"))
                        .with_help("write a token's owner as `refit tokens list` shows it, or `*@acme.example`"),
                );
            }
        }
    }

    fn bounds(&mut self, written: &Written<ExceptionRulesDocument>, repository: &Repository) {
        let longest = written.document.longest;
        if written.is_replaced(steps!["longest"]) {
            return;
        }
        if longest.0.is_zero() {
            self.report(
                Diagnostic::error("rules/no-time", "exceptions that last no time")
                    .at(written.place(steps!["longest"]))
                    .label("nothing can be asked for")
                    .with_help("write for how long at most, such as `14d`; or leave the document out"),
            );
        }
        if let Some(limit) = repository.exceptions_longest.filter(|limit| longest.0 > *limit) {
            let limit = crate::policy::document::scalars::Duration(limit);
            self.report(
                Diagnostic::error("rules/longer-than-limit", "exceptions beyond the limit")
                    .at(written.place(steps!["longest"]))
                    .label(format!("`{longest}` is longer than the organization allows: {limit}"))
                    .with_note("`exceptions: { longest: … }` of the `organization:` document is the limit")
                    .with_help(format!("write `{limit}` at most")),
            );
        }
    }

    fn deciders(&mut self, written: &Written<ExceptionRulesDocument>, decided: Decided, approvers: &[SmolStr]) {
        if !written.mistakes.is_empty() {
            return;
        }
        match approvers {
            [] if decided == Decided::ByApprover => self.report(
                Diagnostic::error("rules/nobody-decides", "exceptions that nobody may grant")
                    .at(written.key_place(steps!["exception_rules"]))
                    .label("it names neither `approvers` nor an `owner`")
                    .with_help("write `approvers: [security@acme.example]`, or `decided: at_once`"),
            ),
            [one] if !one.starts_with('*') && decided == Decided::ByApprover => self.report(
                Diagnostic::warning("rules/one-approver", "one person where two may be needed")
                    .at(written.place(steps![if written.document.approvers.is_some() { "approvers" } else { "owner" }]))
                    .label(format!("only `{one}` may grant"))
                    .with_note("where something that is known to be exploited is open, two people have to grant it")
                    .with_help("name a second person in `approvers`"),
            ),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{
        check::trial::{mistakes, repository},
        document::rules::{Decided, ExceptionTerm},
    };
    use jiff::SignedDuration;

    fn codes(text: &str) -> String {
        let found = mistakes(text);
        found.lines().filter_map(|line| line.strip_prefix("error[")?.split(']').next()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_left_out_is_the_strict_default() {
        let text = "exception_rules: all\nowner: '*@acme.example'\nlongest: 14d\n";
        assert_eq!(mistakes(text), "");
        let repository = repository(text);
        let [rule] = repository.exception_rules.as_slice() else { panic!() };
        assert_eq!((rule.decided, rule.notice), (Decided::ByApprover, SignedDuration::from_hours(72)));
        assert_eq!(rule.terms.len(), ExceptionTerm::ALL.len());
        assert_eq!(rule.approvers, ["*@acme.example"]);
        assert!(rule.askers.is_none() && rule.software.is_none() && rule.devices_most.is_none());
        assert_eq!(rule.origin.line, 1);
    }

    #[test]
    fn rules_that_permit_nothing_or_too_much_are_refused() {
        assert_eq!(codes("exception_rules: a\nlongest: 14d\n"), "rules/nobody-decides");
        assert_eq!(codes("exception_rules: a\nlongest: 14d\ndecided: at_once\n"), "");
        assert_eq!(codes("exception_rules: a\nlongest: 0h\ndecided: at_once\n"), "rules/no-time");
        assert_eq!(
            codes("exception_rules: a\nlongest: 1d\ndecided: at_once\naskers: ['a*b', ' ']\n"),
            "rules/no-name rules/no-name"
        );
        assert_eq!(
            codes(
                "organization: acme\nexceptions: { longest: 10d }\n---\nexception_rules: a\nlongest: 14d\ndecided: at_once\n"
            ),
            "rules/longer-than-limit"
        );
        assert_eq!(
            codes("exception_rules: a\nlongest: 1d\ndecided: at_once\nsoftware: [fierfox]\n"),
            "policy/unknown-title"
        );
        // Without a longest time a rule is none.
        assert!(!codes("exception_rules: a\ndecided: at_once\n").is_empty());
        let twice = "exception_rules: a\nlongest: 1d\ndecided: at_once\n";
        assert_eq!(codes(&format!("{twice}---\n{twice}")), "policy/duplicate-name");
    }

    #[test]
    fn who_is_alone_can_not_decide_on_what_is_exploited() {
        let found = mistakes("exception_rules: a\nlongest: 14d\napprovers: [olga]\n");
        insta::assert_snapshot!(found, @r"
        warning[rules/one-approver]: one person where two may be needed
          policy.yaml:3:12
            approvers: [olga]
                       ^^^^^^ only `olga` may grant
          note: where something that is known to be exploited is open, two people have to grant it
          help: name a second person in `approvers`
        ");
    }
}
