//! JSON output against docs/reference/json.md: every field that is printed is documented.

use super::machine::{EVERYTHING, Machine};
use refit_testbed::{BaseRoot, scenarios};
use serde_json::Value;
use std::collections::BTreeSet;

/// The examples under a heading of the page.
fn documented(heading: &str) -> Vec<Value> {
    let page = include_str!("../../../../docs/reference/json.md");
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let examples = section.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    examples.map(|text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))).collect()
}

/// The fields of a value, as paths; what is in a list counts as one thing.
fn fields(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| fields(item, at, found)),
        Value::Object(object) => {
            for (name, value) in object {
                let path = format!("{at}.{name}");
                // How a decision came about is documented where its types are.
                if name != "derivation" {
                    fields(value, &path, found);
                }
                found.insert(path);
            }
        }
        _ => {}
    }
}

fn fields_of<'a>(values: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    values.into_iter().for_each(|value| fields(value, "", &mut found));
    found
}

/// Every field that was printed is in an example, and every field at the top of an example is printed.
#[track_caller]
fn is_documented(heading: &str, printed: &[String]) {
    let printed: Vec<Value> = printed.iter().map(|text| serde_json::from_str(text).expect("one JSON value")).collect();
    let (printed, documented) = (fields_of(&printed), fields_of(&documented(heading)));
    let unknown: Vec<_> = printed.difference(&documented).filter(|path| !path.starts_with(".goal.")).collect();
    assert!(unknown.is_empty(), "{heading}: printed and not documented: {unknown:?}");
    let top = |path: &&String| path.matches('.').count() == 1;
    let gone: Vec<_> = documented.difference(&printed).filter(top).collect();
    assert!(gone.is_empty(), "{heading}: documented and not printed: {gone:?}");
}

#[test]
fn what_is_printed_is_documented() {
    let Some(base) = BaseRoot::minimal() else { return };
    let machine = Machine::new(scenarios::edited_conffile(&base), EVERYTHING);
    let json = |words: &str| {
        let words: Vec<&str> = words.split(' ').chain(["--json"]).collect();
        machine.root().run("refit", words).stdout
    };
    machine.root().write("/feeds/kev/known_exploited_vulnerabilities.json", concat!(
        r#"{"title": "t", "catalogVersion": "2026.08.21", "dateReleased": "2026-08-21T17:46:43Z", "count": 1, "vulnerabilities": ["#,
        r#"{"cveID": "CVE-2026-1111", "dateAdded": "2026-08-21", "dueDate": "2026-08-28", "knownRansomwareCampaignUse": "Unknown"}]}"#
    ));
    is_documented("`feeds sync`", &[json("feeds sync --from feeds"), json("feeds list")]);
    is_documented("`inventory`", &[json("inventory")]);
    is_documented("`exposures`", &[json("exposures --policy policy --unfixed")]);
    is_documented("`explain`", &[json("explain local alpha --policy policy")]);
    is_documented("`plan`", &[json("plan policy --local --fact device.tags=canary --out plan.json")]);
    is_documented("`check`", &[json("check policy")]);
    is_documented("`apply`", &[json("apply plan.json"), json("apply plan.json")]);
}
