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
