//! What systems list as installed.

use super::*;
use refit_core::facts::mapping::Install;

/// A laptop of which device management lists what is installed.
fn managed_laptop(version: &str) -> Record {
    let install = |bundle: Option<&str>, name: &str, version: &str| Install {
        bundle_id: bundle.map(Into::into),
        name: Some(name.into()),
        plain_name: Some(name.to_lowercase().into()),
        version: Some(version.into()),
        ..Install::default()
    };
    Record {
        installs: vec![
            install(Some("com.acme.Editor"), "Editor.app", version),
            install(Some("com.acme.Editor"), "Editor copy.app", "1.9.0"),
            install(Some("com.other.editor"), "Editor", "0.1.0"),
            install(None, "Acme Viewer", "7.0.0"),
            install(None, "Viewer of somebody", "1.0.0"),
            install(None, "Viewer", "no version at all"),
        ],
        installs_complete: true,
        ..laptop("m-1", SERIAL, &[("device.site", "Kiel")])
    }
}

#[test]
fn what_device_management_lists_counts_until_an_agent_speaks_for_the_device() {
    let mut company = Company::new();
    let named = POLICY.replace("name: Editor\n", "name: Editor\nidentifiers: { bundle_id: [com.acme.editor] }\n");
    company.shell.apply(&(named + "---\ntitle: viewer\nname: Viewer\nvendor: Acme\nscheme: semver\n"));
    let installs = |company: &Company, device: &str| {
        let record = company.shell.state.device(&DeviceId::new(device)).unwrap();
        let said = record.installs.iter().map(|(slot, installed)| format!("{} {}", slot.title, installed.version));
        (said.collect::<Vec<_>>(), record.seen_by.to_string())
    };
    company.reads("mdm", vec![managed_laptop("1.0.0")]);
    let told = |list: &[&str], by: &str| (list.iter().map(ToString::to_string).collect::<Vec<_>>(), by.to_owned());
    assert_eq!(installs(&company, "m-1-0"), told(&["editor 1.0.0", "viewer 7.0.0"], "mdm"));
    assert_eq!(company.shell.replayed().devices, company.shell.state.devices);
    // What a system has heard is no sign of the device now.
    assert!(company.shell.state.seen_since.is_empty());
    company.goes_on();
    assert!(company.published("m-1-0").is_some(), "policies decide of it");
    company.hours(1);
    company.reads("mdm", vec![managed_laptop("2.0.0")]);
    assert_eq!(installs(&company, "m-1-0"), told(&["editor 1.9.0", "viewer 7.0.0"], "mdm"), "the oldest copy counts");
    // What it heard of the device five days ago is no return from an absence.
    let heard = company.shell.now;
    company.hours(24 * 5);
    company.reads("mdm", vec![Record { observed: Some(heard), ..managed_laptop("1.8.0") }]);
    assert_eq!(installs(&company, "m-1-0"), told(&["editor 1.8.0", "viewer 7.0.0"], "mdm"));
    let record = company.shell.state.device(&DeviceId::new("m-1-0")).unwrap();
    assert_eq!((record.seen, record.absences.len()), (heard, 0));
    // Another system that differs is not heard in turns.
    company.reads("cmdb", vec![Record { id: "c-1".into(), ..managed_laptop("1.0.0") }]);
    assert_eq!(installs(&company, "m-1-0"), told(&["editor 1.8.0", "viewer 7.0.0"], "mdm"));
    // Where what the first one says is too old to count, the other is.
    company.hours(24 * 14);
    company.reads("cmdb", vec![Record { id: "c-1".into(), ..managed_laptop("1.0.0") }]);
    assert_eq!(installs(&company, "m-1-0"), told(&["editor 1.0.0", "viewer 7.0.0"], "cmdb"));
    // It was heard of after weeks. For how long it was in use since then nobody can say, so that no grace begins.
    assert!(company.shell.state.device(&DeviceId::new("m-1-0")).unwrap().absences.is_empty());
    // Its agent speaks for itself, and what systems say of it otherwise stays.
    company.hours(1);
    company.joins("a1", SERIAL);
    company.follow();
    assert_eq!(installs(&company, "m-1-0"), told(&["editor 1.0.0"], "agent"));
    assert!(company.facts("m-1-0").contains(&"site by mdm: Kiel".to_owned()), "{:?}", company.facts("m-1-0"));
    company.hours(1);
    company.reads("mdm", vec![managed_laptop("1.5.0")]);
    assert_eq!(installs(&company, "m-1-0"), told(&["editor 1.0.0"], "agent"));
    // A list that leaves things out says nothing of what is not in it, and is not taken.
    company.reads(
        "scanner",
        vec![Record { installs_complete: false, ..Record { id: "s-9".into(), ..managed_laptop("1.0.0") } }],
    );
    let mut other = managed_laptop("1.0.0");
    (other.id, other.installs_complete, other.keys) = ("s-10".into(), false, vec![key(KeyKind::Serial, "OTHER123")]);
    company.reads("scanner", vec![other]);
    assert_eq!(installs(&company, "s-10-0").0, [""; 0]);
}

/// A device of which a system says what is installed.
fn listed(id: &str, serial: &str, os: &str, installs: Vec<Install>) -> Record {
    Record { installs, installs_complete: true, ..laptop(id, serial, &[("device.os", os)]) }
}

#[test]
fn a_title_is_known_by_package_product_code_and_display_name() {
    let mut company = Company::new();
    let titles = "---
title: chat
name: Acme Chat
scheme: generic
identifiers: { winget: [Acme.Chat], brew: [acme-chat], msix: [AcmeChat_8wekyb3d8bbwe] }
---
title: viewer
name: Viewer
vendor: Acme
identifiers: { product_code: ['{A499DD5E-8DC5-4AD2-911A-BCD0263295E9}'], display_name: [Acme Document Viewer] }
---
title: draw
name: Draw
---
title: paint
name: Paint
identifiers: { display_name: [Draw] }
";
    company.shell.apply(&(POLICY.to_owned() + titles));
    let version = |version: &str| Install { version: Some(version.into()), ..Install::default() };
    let package = |name: &str| Install { package: Some(name.into()), ..version("1.2.0") };
    let named = |plain: &str, at: &str| Install { plain_name: Some(plain.into()), ..version(at) };
    let code = |code: &str, plain: &str| Install { product_code: Some(code.into()), ..named(plain, "2.0") };
    company.reads(
        "inventory",
        vec![
            listed(
                "w-1",
                "PF3KX2M1",
                "windows",
                vec![package("acme.CHAT"), code("a499dd5e-8dc5-4ad2-911a-bcd0263295e9", "x")],
            ),
            listed("w-2", "PF3KX2M2", "windows", vec![package("AcmeChat_8wekyb3d8bbwe")]),
            listed(
                "w-3",
                "PF3KX2M3",
                "windows",
                vec![named("acmechat", "3"), code("{B499DD5E-8DC5-4AD2-911A-BCD0263295E9}", "acme document viewer")],
            ),
            listed("w-4", "PF3KX2M4", "windows", vec![named("draw", "1"), named("AcmeChat_short", "1")]),
            listed("m-1", "C02XK1AD", "macos", vec![package("acme-chat")]),
            // What a distribution builds is its own package, and no title of that name.
            listed(
                "d-1",
                "PF3KX2M5",
                "debian",
                vec![package("openssl:amd64"), package("no name"), named("viewer", "1")],
            ),
            listed("r-1", "PF3KX2M6", "rocky", vec![package("openssl")]),
        ],
    );
    let installed = |id: &str| {
        let record = company.shell.state.device(&DeviceId::new(id)).unwrap();
        let said = record.installs.iter().map(|(slot, installed)| format!("{} {}", slot.title, installed.version));
        said.collect::<Vec<_>>().join(", ")
    };
    let all = ["w-1-0", "w-2-0", "w-3-0", "w-4-0", "m-1-0", "d-1-0", "r-1-0"].map(installed);
    assert_eq!(
        all,
        [
            "chat 1.2.0, viewer 2.0",
            "chat 1.2.0",
            "chat 3, viewer 2.0",
            "",
            "chat 1.2.0",
            "deb/openssl 1.2.0",
            "rpm/openssl 1.2.0",
        ]
    );
}

/// An operating system says by itself which one it is.
fn says_system(company: &mut Company, device: &str, version: &str) -> Vec<Event> {
    let branch = version.split('.').next().map(refit_model::BranchName::new);
    company.shell.tell(Input::Observe(Observation {
        device: DeviceId::new(device),
        source: "apple-declarative".into(),
        observed: company.shell.now,
        facts: BTreeMap::from([("device.os_version".into(), Some(Plain::Text(version.into())))]),
        installs: Some(Installs::System(refit_core::control::InstallEntry { branch, ..entry("macos", version) })),
        universe: None,
        check_in: None,
    }))
}

#[test]
fn an_operating_system_says_by_itself_what_runs_and_leaves_the_rest_to_others() {
    let mut company = Company::new();
    let named = POLICY.replace("name: Editor\n", "name: Editor\nidentifiers: { bundle_id: [com.acme.editor] }\n");
    company.shell.apply(&(named + "---\ntitle: macos\nname: macOS\nkind: os\nscheme: apple\n"));
    let stands = |company: &Company| {
        let record = company.shell.state.device(&DeviceId::new("m-1-0")).unwrap();
        let said = record.installs.iter().map(|(slot, installed)| format!("{slot} {}", installed.version));
        (said.collect::<Vec<_>>().join(", "), record.seen_by.to_string(), record.seen == company.shell.now)
    };
    let is = |list: &str, by: &str, seen: bool| (list.to_owned(), by.to_owned(), seen);
    // The inventory knows the device, and lists nothing yet.
    company.reads("mdm", vec![laptop("m-1", SERIAL, &[("device.site", "Kiel")])]);
    company.hours(1);
    says_system(&mut company, "m-1-0", "15.7");
    assert_eq!(stands(&company), is("macos@15 15.7", "apple-declarative", true));
    assert!(!company.shell.state.seen_since.is_empty(), "it is a sign of the device");
    company.hours(1);
    // Another branch takes the place of the former.
    says_system(&mut company, "m-1-0", "26.0");
    assert_eq!(stands(&company), is("macos@26 26.0", "apple-declarative", true));
    assert!(says_system(&mut company, "m-1-0", "26.0").is_empty());
    // Then the inventory lists programs: it speaks for them from then on, and not for the system.
    company.hours(1);
    company.reads("mdm", vec![managed_laptop("1.0.0")]);
    assert_eq!(stands(&company), is("editor 1.0.0, macos@26 26.0", "mdm", true));
    company.hours(1);
    says_system(&mut company, "m-1-0", "26.1");
    assert_eq!(stands(&company), is("editor 1.0.0, macos@26 26.1", "mdm", false));
    company.reads("mdm", vec![managed_laptop("1.1.0")]);
    assert_eq!(stands(&company), is("editor 1.1.0, macos@26 26.1", "mdm", true));
    company.hours(25);
    company.reads("mdm", vec![managed_laptop("1.1.0")]);
    assert_eq!(company.shell.state.device(&DeviceId::new("m-1-0")).unwrap().absences, []);
    // An agent speaks for all of it.
    company.hours(1);
    company.joins("a1", SERIAL);
    company.follow();
    company.hours(1);
    says_system(&mut company, "m-1-0", "26.2");
    assert_eq!(stands(&company), is("editor 1.0.0", "agent", false));
    assert_eq!(company.shell.replayed().devices, company.shell.state.devices);
}
