//! Munki: a repository of the usual shape, and a Munki of our own that follows the wiki and `updatecheck`.

use crate::support::{
    Answer, DEVICES, catalog, decided, device, files, fixture, install, left_out, now, release, repository, today,
    zones,
};
use jiff::civil::DateTime;
use plist::{Dictionary, Value};
use refit_core::world::World;
use refit_model::Scheme;
use refit_targets::import::{Imported, munki::import};
use refit_worlds::Rng;
use std::collections::BTreeMap;

/// Items of the repository: what the title is called here, its scheme, and the versions that Macs may have.
const TITLES: [(&str, &str, Scheme, &[&str]); 8] = [
    (
        "GoogleChrome",
        "google-chrome",
        Scheme::Chrome,
        &["129.0.6668.58", "130.0.6723.58", "131.0.6778.70", "132.0.6834.57"],
    ),
    ("AcmeVPN", "acmevpn", Scheme::Generic, &["3.9", "4.0.9", "4.1", "4.2", "5.0"]),
    ("Helper", "helper", Scheme::Generic, &["1.8", "1.9", "2.0"]),
    ("LabSuite", "labsuite", Scheme::Generic, &["7.2", "7.3"]),
    ("OldTool", "oldtool", Scheme::Generic, &["0.9", "1.0"]),
    ("Kept", "kept", Scheme::Generic, &["1.0"]),
    ("Seasonal", "seasonal", Scheme::Generic, &["0.9"]),
    ("Zoom", "zoom", Scheme::Generic, &["6.1.0", "6.2.5"]),
];

fn imported() -> Imported {
    import(&files("munki"), &catalog(), today())
}

/// A Mac as Munki sees it.
struct Mac {
    manifest: &'static str,
    os: &'static str,
    arch: &'static str,
    laptop: bool,
    installed: BTreeMap<&'static str, &'static str>,
}

/// What Munki would do of an item.
#[derive(Clone, Debug, PartialEq)]
enum Action {
    Install { version: String, forced: Option<DateTime> },
    Remove,
    Nothing,
}

/// Munki, as its wiki describes it.
struct Munki {
    catalogs: BTreeMap<String, Vec<Dictionary>>,
    manifests: BTreeMap<String, Dictionary>,
}

impl Munki {
    fn new() -> Munki {
        let read = |path: &str| Value::from_file(fixture(path)).unwrap();
        let catalog = |name: &str| {
            let Value::Array(items) = read(&format!("munki/catalogs/{name}")) else { panic!("{name} is no catalog") };
            (name.to_owned(), items.into_iter().map(|item| item.into_dictionary().unwrap()).collect())
        };
        let manifest =
            |name: &str| (name.to_owned(), read(&format!("munki/manifests/{name}")).into_dictionary().unwrap());
        let manifests = ["site_default", "testers", "C02ZX1234567", "lab", "includes/common"];
        Munki { catalogs: ["production", "testing"].map(catalog).into(), manifests: manifests.map(manifest).into() }
    }

    /// What happens to each item that is named.
    fn check(&self, mac: &Mac) -> BTreeMap<String, Action> {
        let mut done = BTreeMap::new();
        for list in ["managed_installs", "managed_uninstalls", "managed_updates"] {
            self.process(&self.manifests[mac.manifest], list, &[], mac, &mut done);
        }
        done
    }

    fn process(
        &self,
        manifest: &Dictionary,
        list: &str,
        parents: &[String],
        mac: &Mac,
        done: &mut BTreeMap<String, Action>,
    ) {
        let own = strings(manifest, "catalogs");
        let catalogs = if own.is_empty() { parents.to_vec() } else { own };
        for name in strings(manifest, "included_manifests") {
            if let Some(included) = self.manifests.get(&name) {
                self.process(included, list, &catalogs, mac, done);
            }
        }
        for item in manifest.get("conditional_items").and_then(Value::as_array).into_iter().flatten() {
            let item = item.as_dictionary().unwrap();
            let holds = match item.get("condition").unwrap().as_string().unwrap() {
                "machine_type == \"desktop\" AND arch == \"arm64\"" => !mac.laptop && mac.arch == "arm64",
                // It is November.
                "date > CAST(\"2026-12-01T00:00:00Z\", \"NSDate\")" => false,
                other => panic!("{other}"),
            };
            if holds {
                self.process(item, list, &catalogs, mac, done);
            }
        }
        for reference in strings(manifest, list) {
            let (name, version) = match reference.split_once('-') {
                Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
                None => (reference, None),
            };
            if done.contains_key(&name) {
                continue;
            }
            let installed = mac.installed.get(name.as_str()).copied();
            let found = self.detail(&name, version.as_deref(), &catalogs, mac);
            let action = match (list, found) {
                (_, None) => continue,
                ("managed_uninstalls", Some(item)) if item.get("uninstallable") != Some(&Value::Boolean(true)) => {
                    continue;
                }
                ("managed_uninstalls", Some(_)) if installed.is_some() => Action::Remove,
                ("managed_uninstalls", Some(_)) => Action::Nothing,
                ("managed_updates", Some(_)) if installed.is_none() => Action::Nothing,
                (_, Some(item)) => {
                    let version = item.get("version").unwrap().as_string().unwrap();
                    if installed.is_some_and(|installed| numbers(installed) >= numbers(version)) {
                        Action::Nothing
                    } else {
                        // A date of a property list, read as what the clock on the wall shows.
                        let date = item.get("force_install_after_date").and_then(Value::as_date);
                        let forced = date.map(|date| date.to_xml_format().trim_end_matches('Z').parse().unwrap());
                        Action::Install { version: version.to_owned(), forced }
                    }
                }
            };
            done.insert(name, action);
        }
    }

    /// The newest item of the first catalog that has one for this Mac.
    fn detail(&self, name: &str, version: Option<&str>, catalogs: &[String], mac: &Mac) -> Option<&Dictionary> {
        for catalog in catalogs {
            let text = |item: &Dictionary, key: &str| item.get(key).and_then(Value::as_string).map(str::to_owned);
            let suits = |item: &&Dictionary| {
                text(item, "name").as_deref() == Some(name)
                    && version.is_none_or(|version| text(item, "version").as_deref() == Some(version))
                    && text(item, "minimum_os_version").is_none_or(|minimum| numbers(mac.os) >= numbers(&minimum))
                    && (item.get("supported_architectures").is_none()
                        || strings(item, "supported_architectures").iter().any(|arch| arch == mac.arch))
            };
            let newest =
                self.catalogs[catalog].iter().filter(suits).max_by_key(|item| numbers(&text(item, "version").unwrap()));
            if newest.is_some() {
                return newest;
            }
        }
        None
    }
}

fn strings(dictionary: &Dictionary, key: &str) -> Vec<String> {
    let list = dictionary.get(key).and_then(Value::as_array).into_iter().flatten();
    list.map(|entry| entry.as_string().unwrap().to_owned()).collect()
}

/// A version as numbers, without the noughts at its end.
fn numbers(version: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = version.split('.').map(|part| part.parse().unwrap()).collect();
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}

#[test]
fn two_hundred_macs_get_what_munki_would_give_them() {
    let repository = repository(&imported(), &[]);
    let releases = TITLES.iter().flat_map(|(_, title, scheme, versions)| {
        versions.iter().map(move |version| release(title, *scheme, None, version, "2026-06-01T00:00:00Z", false))
    });
    let world = World::new(releases.collect(), Vec::new());
    let munki = Munki::new();
    let zones = zones();
    let (mut forced, mut removed, mut moved) = (0, 0, 0);
    for number in 0..DEVICES {
        let mut rng = Rng::stream(7, "mac", number);
        let mut installed = BTreeMap::new();
        for (item, _, _, versions) in TITLES {
            if rng.permille(700) {
                installed.insert(item, rng.of(versions).unwrap());
            }
        }
        let mac = Mac {
            manifest: rng.of(&["site_default", "testers", "C02ZX1234567", "lab"]).unwrap(),
            os: rng.of(&["12.7.6", "13.0", "13.6.1", "14.0", "14.5", "15.1"]).unwrap(),
            arch: rng.of(&["arm64", "x86_64"]).unwrap(),
            laptop: rng.permille(500),
            installed,
        };
        let zone = &zones[rng.below(zones.len())];
        let facts = [
            ("device.platform", "macos"),
            ("device.os_version", mac.os),
            ("device.arch", if mac.arch == "arm64" { "arm64" } else { "amd64" }),
            ("device.kind", if mac.laptop { "laptop" } else { "desktop" }),
            ("device.munki_manifest", mac.manifest),
        ];
        let mut device = device(&format!("mac-{number}"), zone, &facts, &[]);
        let actions = munki.check(&mac);
        for (item, title, scheme, _) in TITLES {
            device.installs.extend(mac.installed.get(item).map(|version| install(title, scheme, None, version)));
        }
        for (item, title, ..) in TITLES {
            let expected = match actions.get(item).cloned().unwrap_or(Action::Nothing) {
                Action::Nothing => None,
                Action::Remove => Some(Answer { version: None, due: None }),
                Action::Install { version, forced } => {
                    let due = forced.map(|at| zone.to_ambiguous_timestamp(at).compatible().unwrap());
                    Some(Answer { version: Some(version), due })
                }
            };
            moved += u32::from(expected.is_some());
            removed += u32::from(expected.as_ref().is_some_and(|it| it.version.is_none()));
            forced += u32::from(expected.as_ref().is_some_and(|it| it.due.is_some()));
            let slots = refit_core::decide::decide_title(
                &repository,
                &world,
                &device,
                &refit_model::TitleId::new(title),
                now(),
            );
            // What is neither there nor asked for has no slot.
            let answer = if slots.is_empty() { None } else { decided(&repository, &world, &device, title, now()) };
            assert_eq!(answer, expected, "{item} on {} ({}, {}, {})", device.id, mac.manifest, mac.os, mac.arch);
        }
    }
    assert!(forced > 50 && removed > 50 && moved > 400, "{forced} {removed} {moved}: the test shows little");
}

#[test]
fn what_munki_does_and_policies_do_not_is_listed() {
    let left_out = left_out(&imported());
    for line in [
        "manifests/site_default | optional_installs",
        "manifests/lab | included_manifests",
        "manifests/lab | conditional_items: date > CAST(\"2026-12-01T00:00:00Z\", \"NSDate\")",
        "manifests/includes/common | managed_installs: Nothing",
        "manifests/includes/common | managed_uninstalls: Kept",
        "catalogs/production: ZoomPlugin 1.1 | update_for",
        "catalogs/production: Zoom 6.2.5 | autoremove",
        "catalogs/testing: GoogleChrome 131.0.6778.70 | force_install_after_date",
    ] {
        assert!(left_out.iter().any(|it| it == line), "{line}\n{left_out:#?}");
    }
}

#[test]
fn a_repository_without_catalogs_is_read_from_its_items() {
    let mut files = files("munki");
    let in_catalogs = import(&files, &catalog(), today());
    files.retain(|file| !file.path.starts_with("catalogs/"));
    for catalog in ["production", "testing"] {
        let Value::Array(items) = Value::from_file(fixture(&format!("munki/catalogs/{catalog}"))).unwrap() else {
            panic!()
        };
        for item in items {
            let name = |key: &str| item.as_dictionary().unwrap().get(key).unwrap().as_string().unwrap().to_owned();
            let path = format!("pkgsinfo/{}-{}.plist", name("name"), name("version"));
            let mut bytes = Vec::new();
            item.to_writer_xml(&mut bytes).unwrap();
            let file = refit_targets::import::File { path, text: String::from_utf8(bytes).unwrap() };
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    let in_items = import(&files, &catalog(), today());
    let terms = |imported: &Imported| -> Vec<(String, &'static str, serde_json::Value)> {
        let lines = imported.documents.iter().flat_map(|document| {
            document.lines.iter().map(|line| (document.name().to_owned(), line.key, line.value.clone()))
        });
        lines.collect()
    };
    assert_eq!(terms(&in_items), terms(&in_catalogs));
}

#[test]
fn the_documents_say_where_each_line_comes_from() {
    let imported = imported();
    let chrome = imported.documents.iter().find(|it| it.name().starts_with("munki: GoogleChrome 131")).unwrap();
    let yaml = Imported { documents: vec![chrome.clone()], ..Imported::default() }.yaml(None);
    assert_eq!(
        yaml,
        "policy: \"munki: GoogleChrome 131.0.6778.70 for testers\"\n\
         where: \"device.platform == \\\"macos\\\" && device.munki_manifest == \\\"testers\\\"\"  # manifests: testers\n\
         software: [google-chrome]  # manifests/testers: managed_installs\n\
         presence: required  # manifests/testers: managed_installs\n\
         target: \"=131.0.6778.70\"  # catalogs/testing: GoogleChrome 131.0.6778.70\n\
         experience: { relaunch: { mode: at_due } }  # catalogs/testing: GoogleChrome 131.0.6778.70: force_install_after_date\n"
    );
}

#[test]
fn manifests_that_include_one_another_come_to_an_end() {
    let manifest = |name: &str, includes: &[String]| {
        let list: String = includes.iter().map(|name| format!("<string>{name}</string>")).collect();
        let text = format!(
            "<plist><dict><key>catalogs</key><array><string>production</string></array><key>included_manifests</key><array>{list}</array>\
             <key>managed_installs</key><array><string>Helper</string></array></dict></plist>"
        );
        refit_targets::import::File { path: format!("manifests/{name}"), text }
    };
    let mut files = files("munki");
    // Each includes the next twice, and the last the first: as often as a tree of forty floors has leaves.
    for number in 0..40 {
        let next = format!("floor-{}", (number + 1) % 40);
        files.push(manifest(&format!("floor-{number}"), &[next.clone(), next]));
    }
    files.push(manifest("house", &["floor-0".to_owned()]));
    // And a chain that is longer than any stack.
    for number in 0..5_000 {
        files.push(manifest(&format!("link-{number}"), &[format!("link-{}", number + 1)]));
    }
    let left_out = left_out(&import(&files, &catalog(), today()));
    assert!(
        left_out.iter().any(|it| it.starts_with("manifests/floor-") && it.ends_with("included_manifests")),
        "{left_out:#?}"
    );
    assert!(
        left_out.iter().any(|it| it.starts_with("manifests/link-") && it.ends_with("included_manifests")),
        "{left_out:#?}"
    );
}
