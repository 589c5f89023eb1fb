//! Texts that want to do harm: bounded time, bounded memory, no panic.

use super::*;
use crate::policy::expr::{Satisfiability, TEXT_BYTES_MAX, satisfiable};
use proptest::prelude::*;

fn refused(text: &str) -> String {
    let errors = compile(text, &Scope::exposure(&fields())).expect_err("refused");
    errors.iter().map(|error| error.code).next().unwrap_or_default().to_owned()
}

/// `part` repeated up to the longest allowed text.
fn long(head: &str, part: &str, separator: &str, tail: &str) -> String {
    let room = TEXT_BYTES_MAX - head.len() - tail.len();
    let count = (room + separator.len()) / (part.len() + separator.len());
    format!("{head}{}{tail}", vec![part; count].join(separator))
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    assert_eq!(refused(&"!".repeat(TEXT_BYTES_MAX + 1)), "expr/too-complex");
    assert_eq!(refused(&"(".repeat(100_000_000 / 100)), "expr/too-complex");
}

#[test]
fn deep_nesting_is_refused() {
    for (open, inner, close) in [("(", "true", ")"), ("[", "1", "]"), ("!(", "true", ")"), ("size([", "1", "])")] {
        let text = format!("{}{inner}{}", open.repeat(1000), close.repeat(1000));
        assert_eq!(refused(&text), "expr/too-complex", "{open}");
    }
    assert_eq!(refused(&long("1 == ", "1", "+", "")), "expr/too-complex");
    assert_eq!(refused(&long("", "true", " == ", "")), "expr/too-complex");
    assert_eq!(refused(&long("device", ".a", "", "")), "expr/too-complex");
    assert_eq!(refused(&long("device.tags", "[0]", "", "")), "expr/too-complex");
    assert_eq!(refused(&long("device.site", ".lowerAscii()", "", " == \"a\"")), "expr/too-complex");
    assert_eq!(refused(&long("", "true ? true : ", "", "true")), "expr/too-complex");
    assert_eq!(refused(&format!("{}true{}", "true ? ".repeat(500), " : true".repeat(500))), "expr/too-complex");
    assert_eq!(refused(&"(".repeat(8000)), "expr/syntax");
    assert_eq!(refused(&"[{(".repeat(2000)), "expr/syntax");
}

#[test]
fn what_is_just_within_the_limits_works() {
    let texts = [
        format!("{}true{}", "(".repeat(40), ")".repeat(40)),
        format!("1{} == 41", " + 1".repeat(40)),
        format!("{}true", "!".repeat(8000)),
        format!("{}1 < 2", "-".repeat(8000)),
        long("", "true", "&&", ""),
        long("", "person.vip", "||", ""),
        long("device.cores in [", "1", ",", "]"),
        long("(", "true", "||", ") && true"),
    ];
    // Half of what a thread has by default, without optimisation.
    let small_stack = std::thread::Builder::new().stack_size(1024 * 1024);
    let work = move || {
        for text in texts {
            let expr = compiled(&text);
            let explanation = expr.explain(&facts("person.vip=false device.cores=1"), now());
            assert_eq!(explanation.truth.is_true(), !text.starts_with("person"), "{}", &text[..20]);
            assert_eq!(expr.next_change(&facts(""), now()), None);
            let satisfied = satisfiable(&[(&expr, true)], &fields());
            assert!(matches!(satisfied, Satisfiability::Yes { .. }), "{}", &text[..20]);
        }
    };
    small_stack.spawn(work).unwrap().join().unwrap();
}

#[test]
fn quantifiers_over_long_lists_give_up() {
    let expr = compiled("device.tags.exists(a, person.groups.exists(b, a == b))");
    let list = |prefix: &str, count: usize| Value::list((0..count).map(|i| format!("{prefix}{i}")));
    let facts = |count| {
        BTreeMap::from([(FieldRef::device("tags"), list("a", count)), (FieldRef::person("groups"), list("b", count))])
    };
    assert_eq!(expr.truth(&facts(100), now()), Truth::False);
    assert_eq!(expr.truth(&facts(3000), now()), Truth::Unknown);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any text is refused or compiled, and findings lie in the text.
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,60}") {
        check_findings(&text);
    }

    /// Texts made of the right words get further into the parser and the checker.
    #[test]
    fn arbitrary_words_never_panic(words in prop::collection::vec(prop::sample::select(WORDS), 0..25)) {
        check_findings(&words.concat());
        check_findings(&words.join(" "));
    }
}

const WORDS: &[&str] = &[
    "device",
    "person",
    "exposure",
    ".",
    "tags",
    "site",
    "os_version",
    "kev",
    "cvss",
    "first_day",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "==",
    "!=",
    "<",
    ">=",
    "&&",
    "||",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "?",
    ":",
    ",",
    "in",
    "exists",
    "all",
    "size",
    "has",
    "since",
    "duration",
    "timestamp",
    "matches",
    "\"a\"",
    "\"14d\"",
    "'x",
    "\"",
    "1",
    "2.5",
    "0x1F",
    "1e9",
    "3u",
    "b\"a\"",
    "r\"\\d\"",
    "\"\\u00e9\"",
    "\"\\q\"",
    "true",
    "false",
    "null",
    "t",
    "é",
    "\n",
    "// c\n",
    "`",
    "and",
    "=",
    "&",
    "return",
    "1.",
    ".5",
    "'''",
    "\"\"\"",
];

fn check_findings(text: &str) {
    let fields = fields();
    match compile(text, &Scope::exposure(&fields)) {
        Ok(expr) => {
            let _ = expr.explain(&facts(""), now());
        }
        Err(errors) => {
            assert!(errors.iter().any(|error| error.is_error()));
            for error in errors {
                assert!(text.get(error.range.clone()).is_some(), "{text:?}: {error:?}");
            }
        }
    }
}
