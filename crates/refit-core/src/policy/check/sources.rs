//! Names of sources and fields in the organisation's own document, and limits that let nothing through.

use super::subject::Subject;
use crate::{
    facts::FieldRef,
    policy::diagnostic::{Diagnostic, did_you_mean},
    steps,
};

/// Sources that are always there: Refit's own agent, and what people enter in Refit itself.
const BUILTIN: [&str; 2] = ["agent", "refit"];

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    authority_and_signals(subject, found);
    health(subject, found);
    budgets(subject, found);
    disruption(subject, found);
}

fn authority_and_signals(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let Some(organization) = subject.organization else { return };
    let declared: Vec<&str> = subject.documents.sources.iter().map(|source| source.document.source.as_str()).collect();
    if declared.is_empty() {
        // The sources may be described elsewhere; without any, nothing can be called unknown.
        return;
    }
    let unknown = |name: &str| !declared.contains(&name) && !BUILTIN.contains(&name);
    let help = |diagnostic: Diagnostic, name: &str| match did_you_mean(name, declared.iter().copied()) {
        Some(near) => diagnostic.with_help(format!("did you mean `{near}`?")),
        None => diagnostic.with_help(format!("add a `source: {name}` document")),
    };
    for (field, sources) in &organization.document.authority {
        for (index, name) in sources.iter().enumerate().filter(|(_, name)| unknown(name)) {
            let warning = Diagnostic::warning("policy/unknown-source", "unknown source")
                .at(organization.place(steps!["authority", field, index]))
                .label(format!("no `source:` document is named `{name}`"));
            found.push(help(warning, name));
        }
    }
    for (gate, document) in &organization.document.gates {
        for (index, signal) in document.signals.iter().enumerate().filter(|(_, signal)| unknown(&signal.from)) {
            let error = Diagnostic::error("policy/unknown-source", "unknown source")
                .at(organization.place(steps!["gates", gate, "signals", index, "from"]))
                .label(format!("no `source:` document is named `{}`, so the gate would wait for ever", signal.from));
            found.push(help(error, &signal.from));
        }
        for (index, signal) in document.signals.iter().enumerate() {
            let source = subject.documents.sources.iter().find(|source| source.document.source == signal.from);
            let Some(asked) = source.map(|source| &source.document.signals).filter(|asked| !asked.is_empty()) else {
                // What it says is posted.
                continue;
            };
            if !asked.contains_key(&signal.name) {
                let error = Diagnostic::error("policy/unknown-signal", "unknown signal")
                    .at(organization.place(steps!["gates", gate, "signals", index, "name"]))
                    .label(format!("`{}` is not asked for it, so the gate would wait for ever", signal.from));
                found.push(match did_you_mean(&signal.name, asked.keys().map(String::as_str)) {
                    Some(near) => error.with_help(format!("did you mean `{near}`?")),
                    None => error.with_help(format!("add it to `signals:` of `source: {}`", signal.from)),
                });
            }
        }
    }
}

/// Signals that groups wait for.
fn health(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let sources = &subject.documents.sources;
    for policy in subject.repository.policies.iter().filter(|policy| subject.says_itself(policy, "disruption")) {
        let Some(signal) = policy.disruption.as_ref().and_then(|disruption| disruption.signal()) else { continue };
        let place = |key: &'static str| subject.term_place(policy, steps!["disruption", "health", key]);
        let source = sources.iter().find(|source| source.document.source == signal.from);
        let wrong = match source.map(|source| &source.document.signals) {
            // The sources may be described elsewhere.
            None if sources.is_empty() || BUILTIN.contains(&signal.from.as_str()) => continue,
            None => {
                let near = did_you_mean(&signal.from, sources.iter().map(|source| source.document.source.as_str()));
                let label =
                    format!("no `source:` document is named `{}`, so no device would ever be well", signal.from);
                let help = near.map_or_else(
                    || format!("add a `source: {}` document", signal.from),
                    |near| format!("did you mean `{near}`?"),
                );
                ("policy/unknown-source", "unknown source", place("from"), label, help)
            }
            // What it says is posted.
            Some(asked) if asked.is_empty() || asked.contains_key(&signal.signal) => continue,
            Some(asked) => {
                let near = did_you_mean(&signal.signal, asked.keys().map(String::as_str));
                let label = format!("`{}` is not asked for it, so no device would ever be well", signal.from);
                let help = near.map_or_else(
                    || format!("add it to `signals:` of `source: {}`", signal.from),
                    |near| format!("did you mean `{near}`?"),
                );
                ("policy/unknown-signal", "unknown signal", place("signal"), label, help)
            }
        };
        let (code, title, Some(place), label, help) = wrong else { continue };
        found.push(Diagnostic::error(code, title).at(place).label(label).with_help(help));
    }
}

fn budgets(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let Some(organization) = subject.organization else { return };
    for (index, budget) in organization.document.budgets.iter().enumerate() {
        if let Some(by) = &budget.by {
            let field = by.parse::<FieldRef>().ok().filter(|field| subject.repository.fields.get(field).is_some());
            if field.is_none() {
                let names: Vec<String> = subject.repository.fields.iter().map(|field| field.name.to_string()).collect();
                let mut error = Diagnostic::error("policy/unknown-field", "unknown field")
                    .at(organization.place(steps!["budgets", index, "by"]))
                    .label(format!("there is no field `{by}`"));
                if let Some(near) = did_you_mean(by, names.iter().map(String::as_str)) {
                    error = error.with_help(format!("did you mean `{near}`?"));
                }
                found.push(error);
            }
        }
        if budget.at_most.0 <= 0.0 {
            found.push(
                Diagnostic::error("policy/empty-budget", "budget that lets nothing through")
                    .at(organization.place(steps!["budgets", index, "at_most"]))
                    .label("no device could ever be changed")
                    .with_help("allow a share, or remove the budget; to stop everything use `refit halt`"),
            );
        }
    }
}

fn disruption(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for policy in &subject.repository.policies {
        if policy.disruption.as_ref().is_some_and(|disruption| disruption.max_unavailable == 0)
            && subject.says_itself(policy, "disruption")
            && let Some(place) = subject.term_place(policy, steps!["disruption", "max_unavailable"])
        {
            found.push(
                Diagnostic::error("policy/no-disruption", "disruption limit that lets nothing through")
                    .at(place)
                    .label("no device of a group could ever be changed")
                    .with_help("allow at least 1"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::trial::found;
    use insta::assert_snapshot;

    const CODES: &[&str] = &[
        "policy/unknown-source",
        "policy/unknown-signal",
        "policy/unknown-field",
        "policy/empty-budget",
        "policy/no-disruption",
    ];

    #[test]
    fn sources_and_fields_have_to_be_there() {
        assert_snapshot!(found(CODES, r#"
organization: acme
authority:
  person.department: [workday, okta]
  device.os_version: [agent, jamf]
gates:
  default: { signals: [{ name: crashes, from: promethius, no_worse_than: control }] }
budgets:
  - { per: 24h, at_most: 0%, of: devices }
  - { per: 24h, at_most: 5%, of: devices, by: person.departement }
---
source: workday
---
source: jamf
---
source: prometheus
---
policy: servers
software: [firefox]
disruption: { group_by: device.cluster, max_unavailable: 0 }
"#), @r#"
warning[policy/unknown-source]: unknown source
  policy.yaml:4:32
      person.department: [workday, okta]
                                   ^^^^ no `source:` document is named `okta`
  help: add a `source: okta` document

error[policy/unknown-source]: unknown source
  policy.yaml:7:47
      default: { signals: [{ name: crashes, from: promethius, no_worse_than: control }] }
                                                  ^^^^^^^^^^ no `source:` document is named `promethius`, so the gate would wait for ever
  help: did you mean `prometheus`?

error[policy/empty-budget]: budget that lets nothing through
  policy.yaml:9:26
      - { per: 24h, at_most: 0%, of: devices }
                             ^^ no device could ever be changed
  help: allow a share, or remove the budget; to stop everything use `refit halt`

error[policy/unknown-field]: unknown field
  policy.yaml:10:47
      - { per: 24h, at_most: 5%, of: devices, by: person.departement }
                                                  ^^^^^^^^^^^^^^^^^^ there is no field `person.departement`
  help: did you mean `person.department`?

error[policy/no-disruption]: disruption limit that lets nothing through
  policy.yaml:20:58
    disruption: { group_by: device.cluster, max_unavailable: 0 }
                                                             ^ no device of a group could ever be changed
  help: allow at least 1
"#);
    }

    #[test]
    fn a_signal_that_its_source_is_not_asked_for_is_an_error() {
        assert_snapshot!(found(CODES, r#"
organization: acme
gates:
  default:
    signals:
      - { name: crashs, from: prometheus, no_worse_than: control }
      - { name: crashes, from: prometheus, no_worse_than: control }
      - { name: posted, from: helpdesk, no_worse_than: control }
---
source: helpdesk
---
source: prometheus
every: 1m
signals: { crashes: { query: 'increase(crashes_total[1h]) > bool 3', device: host } }
"#), @r#"
error[policy/unknown-signal]: unknown signal
  policy.yaml:6:17
          - { name: crashs, from: prometheus, no_worse_than: control }
                    ^^^^^^ `prometheus` is not asked for it, so the gate would wait for ever
  help: did you mean `crashes`?
"#);
    }

    #[test]
    fn without_sources_nothing_is_unknown() {
        assert_eq!(
            found(
                CODES,
                r#"
organization: acme
authority: { person.department: [workday, okta] }
gates: { default: { signals: [{ name: crashes, from: prometheus, no_worse_than: control }] } }
budgets: [{ per: 24h, at_most: 5%, of: devices, by: person.department }]
"#
            ),
            ""
        );
    }

    #[test]
    fn a_group_waits_for_a_signal_that_somebody_gives() {
        let policy = |from: &str, signal: &str| {
            format!(
                "source: prometheus\nconnector: prometheus\nsignals: {{ unhealthy: {{ query: 'up < bool 1', device: instance }} }}\n---\npolicy: servers\nsoftware: [deb/server]\ndisruption: {{ group_by: device.cluster, max_unavailable: 1, health: {{ signal: {signal}, from: {from} }} }}\ndeadline: [{{ within: 7d }}]\n"
            )
        };
        assert_eq!(found(CODES, &policy("prometheus", "unhealthy")), "");
        let shown = found(CODES, &policy("promethius", "unhealthy"));
        assert!(
            shown.contains("no device would ever be well") && shown.contains("did you mean `prometheus`?"),
            "{shown}"
        );
        let shown = found(CODES, &policy("prometheus", "unhealty"));
        assert!(
            shown.contains("error[policy/unknown-signal]") && shown.contains("did you mean `unhealthy`?"),
            "{shown}"
        );
    }
}
