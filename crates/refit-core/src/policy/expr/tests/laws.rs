//! Laws, on random expressions and random facts.

use super::*;
use crate::policy::expr::{Satisfiability, satisfiable};
use jiff::SignedDuration;
use proptest::prelude::*;

/// The fields of random expressions, with the values that their facts have.
const FIELDS: [(&str, &[&str]); 8] = [
    ("device.site", &["a", "b", "web1"]),
    ("person.department", &["a", "c", "web2"]),
    ("device.cores", &["0", "1", "2", "-1"]),
    ("exposure.cvss", &["0.0", "1.0", "2.5", "9.0"]),
    ("person.vip", &["true", "false"]),
    ("exposure.kev", &["true", "false"]),
    ("device.tags", &["[]", "[a]", "[a,b]", "[web1,web2,a]"]),
    ("person.groups", &["[]", "[c]", "[b,a,b]"]),
];

fn text() -> impl Strategy<Value = String> {
    let leaf =
        prop::sample::select(&["device.site", "person.department", "\"a\"", "'b'", "\"web1\"", "\"\"", "\"é\""][..]);
    leaf.prop_map(str::to_owned).prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} + {b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("(person.vip ? {a} : {b})")),
        ]
    })
}

fn whole() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(&["device.cores", "0", "1", "2", "-3", "size(device.tags)", "person.groups.size()"][..])
            .prop_map(str::to_owned),
        text().prop_map(|text| format!("size({text})")),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(&["+", "-", "*"][..]), inner.clone())
                .prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
            inner.prop_map(|a| format!("-({a})")),
        ]
    })
}

fn number() -> impl Strategy<Value = String> {
    prop::sample::select(&["exposure.cvss", "0.0", "1.0", "2.5", "(exposure.cvss + 1.5)", "(exposure.cvss * 2.0)"][..])
        .prop_map(str::to_owned)
}

fn list() -> impl Strategy<Value = String> {
    prop::sample::select(&["device.tags", "person.groups", "[\"a\", \"web1\"]", "[device.site, \"c\"]", "[]"][..])
        .prop_map(str::to_owned)
}

fn sign() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["==", "!=", "<", "<=", ">", ">="][..])
}

fn atom() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(&["true", "false", "person.vip", "exposure.kev", "person.vip == exposure.kev"][..])
            .prop_map(str::to_owned),
        (text(), sign(), text()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (whole(), sign(), whole()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (number(), sign(), number()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (number(), sign(), whole()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (text(), list()).prop_map(|(a, list)| format!("{a} in {list}")),
        whole().prop_map(|a| format!("{a} in [0, 2]")),
        (text(), prop::sample::select(&["startsWith", "endsWith", "contains"][..]), text())
            .prop_map(|(a, test, b)| format!("{a}.{test}({b})")),
        (list(), prop::sample::select(&["exists", "all", "exists_one"][..]), element())
            .prop_map(|(list, quantifier, condition)| format!("{list}.{quantifier}(t, {condition})")),
    ]
}

/// A condition on the element `t`.
fn element() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (sign(), text()).prop_map(|(sign, text)| format!("t {sign} {text}")),
        text().prop_map(|text| format!("t.startsWith({text})")),
        list().prop_map(|list| format!("t in {list}")),
        list().prop_map(|list| format!("{list}.exists(u, u == t)")),
        Just("person.vip".to_owned()),
    ];
    leaf.prop_recursive(1, 3, 2, |inner| {
        (inner.clone(), prop::sample::select(&["&&", "||"][..]), inner)
            .prop_map(|(a, sign, b)| format!("({a} {sign} {b})"))
    })
}

fn condition() -> impl Strategy<Value = String> {
    atom().prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("(({a}) ? ({b}) : ({c}))")),
        ]
    })
}

type Known = BTreeMap<FieldRef, Value>;

/// A value for every field.
fn everything() -> impl Strategy<Value = Known> {
    FIELDS
        .map(|(name, values)| prop::sample::select(values).prop_map(move |value| format!("{name}={value}")))
        .prop_map(|entries| facts(&entries.join(" ")))
}

/// Which fields are known.
fn some() -> impl Strategy<Value = [bool; 8]> {
    prop::array::uniform8(any::<bool>())
}

fn only(known: &Known, some: [bool; 8]) -> Known {
    known.iter().zip(some).filter(|(_, keep)| *keep).map(|((field, value), _)| (field.clone(), value.clone())).collect()
}

/// What the interpreter of the `cel` crate says; `None` for its errors.
fn oracle(expression: &str, known: &Known) -> Option<bool> {
    use cel::{Context, Program, Value as Cel};
    let mut roots: BTreeMap<&str, std::collections::HashMap<String, Cel>> = BTreeMap::new();
    for (field, value) in known {
        let value = match value {
            Value::Bool(truth) => (*truth).into(),
            Value::Int(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::Text(text) => text.to_string().into(),
            Value::List(items) => items.iter().map(SmolStr::to_string).collect::<Vec<_>>().into(),
            other => panic!("no such facts here: {other}"),
        };
        roots.entry(field.root.name()).or_default().insert(field.name.to_string(), value);
    }
    let mut context = Context::default();
    for (root, fields) in roots {
        context.add_variable_from_value(root, fields);
    }
    match Program::compile(expression).unwrap().execute(&context) {
        Ok(Cel::Bool(truth)) => Some(truth),
        Ok(other) => panic!("{expression}: {other:?}"),
        Err(_) => None,
    }
}

use smol_str::SmolStr;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(1500))]

    /// Where everything is known, an expression says what CEL says.
    #[test]
    fn known_facts_give_what_cel_gives(expression in condition(), known in everything()) {
        let ours = compiled(&expression).truth(&known, now());
        prop_assert_eq!(ours.known(), oracle(&expression, &known), "{} with {:?}", expression, known);
    }

    /// New facts never turn an answer into its opposite, nor take one back.
    #[test]
    fn more_facts_never_change_a_clear_answer(expression in condition(), known in everything(), keep in some()) {
        let expr = compiled(&expression);
        let (few, all) = (expr.truth(&only(&known, keep), now()), expr.truth(&known, now()));
        prop_assert!(few == Truth::Unknown || few == all, "{}: {:?} became {:?}", expression, few, all);
    }

    /// Facts that an unknown answer does not want can't make it clear.
    #[test]
    fn only_wanted_facts_matter(expression in condition(), known in everything(), keep in some()) {
        let expr = compiled(&expression);
        let few = only(&known, keep);
        let explanation = expr.explain(&few, now());
        prop_assert_eq!(explanation.truth, expr.truth(&few, now()));
        if explanation.truth.is_unknown() {
            prop_assert!(!explanation.wanting.is_empty());
            let mut more = known.clone();
            more.retain(|field, _| !explanation.wanting.contains(field));
            prop_assert_eq!(expr.truth(&more, now()), Truth::Unknown, "{} wants only {:?}", expression, explanation.wanting);
        }
    }

    /// Fields that were not looked at don't matter.
    #[test]
    fn what_was_not_looked_at_does_not_matter(expression in condition(), known in everything(), other in everything()) {
        let expr = compiled(&expression);
        let explanation = expr.explain(&known, now());
        let seen = |field: &FieldRef| explanation.seen.iter().any(|(name, _)| name == field);
        let changed = known.iter().map(|(field, value)| {
            let value = if seen(field) { value } else { &other[field] };
            (field.clone(), value.clone())
        });
        prop_assert_eq!(expr.truth(&changed.collect::<Known>(), now()), explanation.truth);
    }
}

proptest! {
    #![proptest_config(config(400))]

    /// An example is one, and where there is said to be none, no facts are one.
    #[test]
    fn examples_hold(one in condition(), other in condition(), wanted in any::<[bool; 2]>(), tries in prop::collection::vec(everything(), 30)) {
        let (one, other, fields) = (compiled(&one), compiled(&other), fields());
        let conditions = [(&one, wanted[0]), (&other, wanted[1])];
        let holds = |known: &Known, now| conditions.iter().all(|(expr, wanted)| expr.truth(known, now) == Truth::from(*wanted));
        match satisfiable(&conditions, &fields) {
            Satisfiability::Yes { example, now } => prop_assert!(holds(&example, now), "{example:?}"),
            Satisfiability::No => {
                for known in tries {
                    prop_assert!(!holds(&known, now()), "{} and {} do hold with {:?}", one.text(), other.text(), known);
                }
            }
            Satisfiability::Unknown => {}
        }
    }

    /// Until its next change an answer stays, and then it is another.
    #[test]
    fn answers_stay_until_their_next_change(expression in timed(), days in prop::array::uniform3(-40i64..40), midnight in any::<bool>(), zone in prop::option::of(prop::sample::select(&["Asia/Tokyo", "America/Santiago"][..])), probes in prop::collection::vec(0.0f64..1.0, 8)) {
        let expr = compiled(&expression);
        let fields = ["seen", "enrolled"].map(FieldRef::device).into_iter().chain([FieldRef::person("last_day")]);
        let hours = if midnight { 12 } else { 0 };
        let time = |days: i64| Value::Time(now() + SignedDuration::from_hours(24 * days + hours));
        let mut known: Known = fields.zip(days).map(|(field, days)| (field, time(days))).collect();
        known.extend(zone.map(|zone| (FieldRef::person("timezone"), Value::text(zone))));
        let (present, next) = (expr.truth(&known, now()), expr.next_change(&known, now()));
        let horizon = next.unwrap_or(now() + SignedDuration::from_hours(24 * 200));
        let span = horizon.duration_since(now());
        for probe in probes {
            let instant = now() + span.mul_f64(probe);
            if instant < horizon {
                prop_assert_eq!(expr.truth(&known, instant), present, "{} at {} before {}", expression, instant, horizon);
            }
        }
        if let Some(next) = next {
            prop_assert!(next > now());
            prop_assert_ne!(expr.truth(&known, next), present, "{} at {}", expression, next);
        }
    }
}

/// Conditions on times and durations.
fn timed() -> impl Strategy<Value = String> {
    let time = || {
        prop::sample::select(&["device.seen", "device.enrolled", "person.last_day", "timestamp(\"2026-12-01\")"][..])
    };
    let distance =
        (prop::sample::select(&["since", "until", "-since"][..]), time()).prop_map(|(f, time)| format!("{f}({time})"));
    let distance = prop_oneof![
        distance.clone(),
        (distance.clone(), distance.clone()).prop_map(|(a, b)| format!("({a} + {b})")),
        (distance, prop::sample::select(&["+", "-"][..]))
            .prop_map(|(a, sign)| format!("({a} {sign} duration(\"36h\"))")),
    ];
    let constant = (-40i64..40).prop_map(|days| format!("duration(\"{days}d\")"));
    let atom = prop_oneof![
        (distance.clone(), sign(), constant).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (distance.clone(), sign(), distance).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (time(), sign(), time()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
    ];
    atom.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("(({a}) ? ({b}) : ({c}))")),
        ]
    })
}
