//! Munki's items and manifests.

use crate::company::{cohorts, compiled, devices, now, objects, repository};
use refit_targets::{
    Compiled, Object, Offered, Target as _, compile,
    targets::munki::{Items, Munki},
};
use serde_json::json;
use std::collections::BTreeMap;

const CHROME: &str = "policy: browsers\nsoftware: [google-chrome]\nrollout: standard\ndeadline: [{ within: 14d }]\n\
                      experience: { relaunch: { mode: at_due } }\n";

/// A catalog as `makecatalogs` writes it, by the keys of Munki's wiki.
const ALL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><array>
<dict><key>name</key><string>GoogleChrome</string><key>version</key><string>131.0.6778.70</string>
<key>catalogs</key><array><string>testing</string></array>
<key>force_install_after_date</key><date>2020-01-01T00:00:00Z</date>
<key>installer_item_location</key><string>apps/GoogleChrome-131.0.6778.70.dmg</string>
<key>installer_item_size</key><integer>231044</integer><key>uninstallable</key><true/></dict>
</array></plist>"#;

fn with_items(documents: &str, items: &str) -> Compiled {
    let repository = repository("", documents);
    let cohorts = cohorts(&repository, &devices(), Some("rest"), now());
    let offered = Offered { munki: Some(Items::parse(items).unwrap()), ..Offered::default() };
    compile(&repository, &cohorts, &offered, &BTreeMap::new())
}

fn of_kind<'c>(plan: &'c Compiled, kind: &str) -> Vec<&'c Object> {
    objects(plan, "munki").values().filter(|object| object.id.kind == kind).collect()
}

#[test]
fn a_group_has_a_copy_of_the_item_with_its_own_catalog_and_date() {
    let plan = with_items(CHROME, ALL);
    let mut dates: Vec<String> = of_kind(&plan, "pkginfo")
        .iter()
        .map(|object| object.fields["force_install_after_date"]["$date"].as_str().unwrap().to_owned())
        .collect();
    dates.sort();
    // 131 came out on 16 November at midnight UTC, which is the evening before in New York.
    assert_eq!(dates, ["2026-11-29T19:00:00Z", "2026-11-30T01:00:00Z"]);
    for object in of_kind(&plan, "pkginfo") {
        assert_eq!(object.fields["installer_item_location"], "apps/GoogleChrome-131.0.6778.70.dmg");
        assert_ne!(object.fields["catalogs"], json!(["testing"]));
    }
    let asked: Vec<&serde_json::Value> =
        of_kind(&plan, "manifest").iter().map(|object| &object.fields["managed_updates"]).collect();
    assert_eq!(asked, [&json!(["GoogleChrome"]), &json!(["GoogleChrome"])]);
}

#[test]
fn what_the_repository_does_not_have_is_awaited() {
    let plan = with_items(CHROME, &ALL.replace("131.0.6778.70", "130.0.6723.58"));
    assert!(objects(&plan, "munki").is_empty());
    let desired = &plan.targets.iter().find(|plan| plan.name == "munki").unwrap().desired;
    assert_eq!(desired.awaiting.iter().map(|it| it.devices).sum::<u64>(), 2);
    assert_eq!(desired.awaiting[0].owner, "endpoint@acme.example");
}

/// Another item of the repository.
fn item(name: &str, version: &str, catalog: &str, more: &str) -> String {
    format!(
        "<dict><key>name</key><string>{name}</string><key>version</key><string>{version}</string>\
         <key>catalogs</key><array><string>{catalog}</string></array>{more}</dict>"
    )
}

/// The catalog with an item that requires others, and with more items.
fn requiring(references: &[&str], more: &[String]) -> String {
    let requires = |names: &[&str]| names.iter().map(|name| format!("<string>{name}</string>")).collect::<String>();
    ALL.replace(
        "<key>installer_item_size</key>",
        &format!("<key>requires</key><array>{}</array><key>installer_item_size</key>", requires(references)),
    )
    .replace("</array></plist>", &format!("{}</array></plist>", more.concat()))
}

#[test]
fn what_an_item_requires_is_in_the_catalog_of_the_group() {
    let base = "<key>requires</key><array><string>Base</string><string>GoogleChrome</string></array>";
    let more = [
        item("Helper", "2.0", "testing", base),
        item("Helper", "3.0", "testing", base),
        item("Base", "1.9", "testing", "<key>force_install_after_date</key><date>2020-01-01T00:00:00Z</date>"),
        item("Base", "1.10", "testing", ""),
        item("Base", "1.8", "testing", "<key>maximum_os_version</key><string>14.9</string>"),
        item("Base", "2.0", "production", ""),
        item("Rosetta", "1.0", "production", ""),
        item("Unneeded", "1.0", "testing", ""),
        item(
            "Base",
            "9.0",
            "testing",
            &format!("<key>notes</key><string>{}</string>", refit_targets::targets::munki::NOTE),
        ),
    ];
    let plan = with_items(CHROME, &requiring(&["Helper-2.0", "Rosetta"], &more));
    let catalog = of_kind(&plan, "manifest")[0].fields["catalogs"].clone();
    let there: Vec<&Object> =
        of_kind(&plan, "pkginfo").into_iter().filter(|object| object.fields["catalogs"] == catalog).collect();
    let mut named: Vec<String> = there
        .iter()
        .map(|object| {
            format!("{} {}", object.fields["name"].as_str().unwrap(), object.fields["version"].as_str().unwrap())
        })
        .collect();
    named.sort();
    // Of its own catalogs, the newest for each kind of Mac; another catalog's where its own have none.
    assert_eq!(named, ["Base 1.10", "Base 1.8", "GoogleChrome 131.0.6778.70", "Helper 2.0", "Rosetta 1.0"]);
    for object in there {
        assert!(object.id.is_owned() && object.fields["notes"] == refit_targets::targets::munki::NOTE);
        assert_eq!(object.fields["unattended_install"], true);
        let dated = object.fields.contains_key("force_install_after_date");
        assert_eq!(dated, object.fields["name"] == "GoogleChrome");
    }
    let asked: Vec<&serde_json::Value> =
        of_kind(&plan, "manifest").iter().map(|object| &object.fields["managed_updates"]).collect();
    assert_eq!(asked, [&json!(["GoogleChrome"]), &json!(["GoogleChrome"])]);
}

#[test]
fn what_is_required_and_not_there_is_awaited() {
    let helper = item("Helper", "2.0", "testing", "<key>requires</key><array><string>Base-4</string></array>");
    let plan = with_items(CHROME, &requiring(&["Helper", "Rosetta"], &[helper]));
    assert!(objects(&plan, "munki").is_empty());
    let desired = &plan.targets.iter().find(|plan| plan.name == "munki").unwrap().desired;
    let mut missing: Vec<&str> = desired.awaiting.iter().map(|it| it.missing.as_str()).collect();
    missing.sort_unstable();
    missing.dedup();
    assert_eq!(
        missing,
        [
            "the repository has no item Base-4, which Helper 2.0 requires",
            "the repository has no item Rosetta, which GoogleChrome 131.0.6778.70 requires"
        ]
    );
    assert!(desired.awaiting.iter().all(|it| it.owner == "endpoint@acme.example"));
}

#[test]
fn where_a_policy_only_notifies_people_choose() {
    let plan = with_items(&format!("{CHROME}mode: notify\n"), ALL);
    for manifest in of_kind(&plan, "manifest") {
        assert_eq!(manifest.fields["optional_installs"], json!(["GoogleChrome"]));
        assert!(!manifest.fields.contains_key("managed_updates"));
    }
    for object in of_kind(&plan, "pkginfo") {
        assert!(!object.fields.contains_key("force_install_after_date") && object.moves.is_empty());
        assert_eq!(object.fields["unattended_install"], false);
    }
    // What would have to go stays.
    let gone =
        "policy: gone\nsoftware: [google-chrome]\npresence: forbidden\nmode: notify\ndeadline: [{ within: 14d }]\n";
    let plan = with_items(gone, ALL);
    assert!(objects(&plan, "munki").is_empty());
    assert_eq!(plan.targets.iter().find(|plan| plan.name == "munki").unwrap().desired.lost.len(), 1);
}

#[test]
fn the_window_of_an_exception_moves_the_forced_moment() {
    let exception = "---\nexception: studio\nsoftware: [google-chrome]\nwindow: { use: weekly, after_due: wait }\n\
                     unless: exposure.cvss > 9.9\nuntil: 2026-12-31\n";
    let dates = |exception: &str| {
        let plan = with_items(&format!("{CHROME}{exception}"), ALL);
        let of = |object: &&Object| object.fields["force_install_after_date"]["$date"].as_str().unwrap().to_owned();
        let mut dates: Vec<String> = of_kind(&plan, "pkginfo").iter().map(of).collect();
        dates.sort();
        dates
    };
    // The due times are on Monday and Sunday; 130 is exploited, which keeps the policy's terms unless the exception says otherwise.
    assert_eq!(dates(exception), ["2026-12-06T02:00:00Z", "2026-12-06T02:00:00Z"]);
    let spares = exception.replace("unless: exposure.cvss > 9.9\n", "");
    assert_eq!(dates(&spares), ["2026-11-29T19:00:00Z", "2026-11-30T01:00:00Z"]);
}

#[test]
fn what_has_to_go_is_taken_away() {
    let plan =
        with_items("policy: gone\nsoftware: [google-chrome]\npresence: forbidden\ndeadline: [{ within: 14d }]\n", ALL);
    assert!(of_kind(&plan, "pkginfo").is_empty());
    let manifests = of_kind(&plan, "manifest");
    assert_eq!(manifests[0].fields["managed_uninstalls"], json!(["GoogleChrome"]));
    // There is no item in a catalog of the group: Munki has to look in those of the Mac.
    assert!(!manifests[0].fields.contains_key("catalogs"));
}

#[test]
fn files_are_property_lists() {
    let plan = with_items(CHROME, ALL);
    let documents = objects(&plan, "munki").values().map(|object| Munki.document(object));
    let text: String = documents.map(|document| format!("== {}\n{}", document.path, document.text)).collect();
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_no_catalog_is_refused() {
    for text in
        ["", "{}", "<plist version=\"1.0\"><dict/></plist>", "<plist version=\"1.0\"><array><dict/></array></plist>"]
    {
        assert!(Items::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_title_that_two_targets_would_move_is_an_error() {
    let plan = compiled(&repository("", CHROME));
    let twice = plan.twice.iter().find(|it| it.other == "munki").unwrap_or_else(|| panic!("{:?}", plan.twice));
    assert_eq!(
        (twice.title.as_str(), twice.one.as_str(), twice.other.as_str(), twice.devices),
        ("google-chrome", "browsers", "munki", 2)
    );
    let text = refit_targets::render::render(&plan, false);
    assert!(
        text.contains("error: google-chrome would be moved twice on 2 devices, by browsers and by munki"),
        "{text}"
    );
}
