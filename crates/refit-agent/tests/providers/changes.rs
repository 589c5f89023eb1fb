//! Changes that go well, and those that are held.

use crate::machine::{Machine, results};
use refit_testbed::family::{Family, Software};
use serde_json::json;

fn alpha(version: &str) -> Software {
    Software::new("alpha", version)
}

pub fn an_upgrade_is_exact_and_the_second_simulation_is_empty(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0"), Software::new("beta", "1.0")]) else { return };
    machine.device.offer([alpha("2.0"), Software::new("beta", "2.0")]);
    let change = [machine.change("alpha", Some("2.0"))];
    let changed = machine.changed(|| {
        let answer = machine.ask("apply", &change);
        let receipt = answer.ok();
        assert_eq!(receipt["succeeded"], true, "{receipt:#}");
        assert_eq!(results(receipt), [("alpha".to_owned(), "done".to_owned())].into());
        assert_eq!(receipt["problems"], json!([]));
    });
    assert_eq!(changed, ["alpha: 1.0 -> 2.0"]);
    let again = machine.ask("simulate", &change);
    assert_eq!(again.ok()["packages"], json!({}));
    assert_eq!(machine.changed(|| drop(machine.ask("apply", &change))), [] as [&str; 0]);
}

pub fn a_simulation_names_what_comes_along_with_its_repository_and_key(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0")]) else { return };
    machine.device.offer([alpha("2.0").needs("library"), Software::new("library", "1.0")]);
    let change = [machine.change("alpha", Some("2.0"))];
    let answer = machine.ask("simulate", &change);
    let simulated = answer.ok();
    let of = |name: &str| &simulated["packages"][family.title(name)];
    assert_eq!((&of("alpha")["kind"], &of("alpha")["named"]), (&json!("upgrade"), &json!(true)), "{simulated:#}");
    assert_eq!((&of("library")["kind"], &of("library")["named"]), (&json!("install"), &json!(false)), "{simulated:#}");
    assert_eq!(of("alpha")["from"], family.version("1.0"));
    assert_eq!(of("alpha")["to"], family.version("2.0"));
    assert_eq!(simulated["packages"].as_object().unwrap().len(), 2);
    for name in ["alpha", "library"] {
        let position = usize::try_from(of(name)["repositories"][0].as_u64().unwrap()).unwrap();
        let repository = &simulated["repositories"][position];
        assert_eq!(repository["keys"], json!([machine.device.fingerprint()]), "{repository:#}");
        assert_eq!(repository["health"], "good");
        assert!(["all", "noarch"].contains(&of(name)["architecture"].as_str().unwrap()));
    }
    let changed = machine.changed(|| {
        assert_eq!(machine.ask("apply", &change).ok()["succeeded"], true);
    });
    assert_eq!(changed, ["alpha: 1.0 -> 2.0", "library: none -> 1.0"]);
}

pub fn what_was_not_simulated_is_not_made(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0")]) else { return };
    machine.device.offer([alpha("2.0").needs("library"), Software::new("library", "1.0")]);
    let changed = machine.changed(|| {
        let answer = machine.ask("apply only what is named", &[machine.change("alpha", Some("2.0"))]);
        assert!(answer.error().contains("would no longer do what was planned: library: not planned"), "{answer:?}");
    });
    assert_eq!(changed, [] as [&str; 0]);
}

pub fn a_removal_is_exact(family: Family) {
    let installed = [alpha("1.0"), Software::new("beta", "1.0"), Software::new("gamma", "1.0").needs("beta")];
    let Some(machine) = Machine::new(family, installed) else { return };
    let changed = machine.changed(|| {
        let answer = machine.ask("apply", &[machine.change("alpha", None)]);
        assert_eq!(answer.ok()["succeeded"], true, "{answer:?}");
    });
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(changed[0].starts_with("alpha: 1.0 -> "), "{changed:?}");
    // What needs it would go too, or the removal is refused: in no case is it kept quiet.
    let answer = machine.ask("simulate", &[machine.change("beta", None)]);
    match answer.0.get("ok") {
        Some(simulated) => assert_eq!(simulated["packages"][family.title("gamma")]["kind"], "remove", "{simulated:#}"),
        None => assert!(answer.error().contains("gamma"), "{answer:?}"),
    }
}

pub fn a_downgrade_is_made_where_it_is_named(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0")]) else { return };
    machine.device.offer([alpha("2.0")]);
    machine.ask("apply", &[machine.change("alpha", Some("2.0"))]).ok();
    let change = [machine.change("alpha", Some("1.0"))];
    let answer = machine.ask("simulate", &change);
    assert_eq!(answer.ok()["packages"][family.title("alpha")]["kind"], "downgrade");
    let changed = machine.changed(|| {
        assert_eq!(machine.ask("apply", &change).ok()["succeeded"], true);
    });
    assert_eq!(changed, ["alpha: 2.0 -> 1.0"]);
}

pub fn a_held_package_is_shown_and_refused(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0"), Software::new("beta", "1.0")]) else { return };
    machine.device.offer([alpha("2.0"), Software::new("beta", "2.0")]);
    machine.device.hold("alpha");
    let held = machine.install("alpha");
    assert!(held["held"].as_str().is_some_and(|why| why.contains("release")), "{held:#}");
    assert_eq!(machine.install("beta")["held"], json!(null));
    let changed = machine.changed(|| {
        let both = [machine.change("alpha", Some("2.0")), machine.change("beta", Some("2.0"))];
        let answer = machine.ask("apply", &both);
        assert!(answer.error().contains("alpha is held"), "{answer:?}");
    });
    assert_eq!(changed, [] as [&str; 0]);
}

pub fn an_edited_configuration_file_is_kept(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0").config("colour=red\n")]) else { return };
    machine.device.root().write("/etc/alpha.conf", "colour=mine\n");
    machine.device.offer([alpha("2.0").config("colour=blue\n")]);
    let answer = machine.ask("apply", &[machine.change("alpha", Some("2.0"))]);
    let receipt = answer.ok();
    assert_eq!(receipt["succeeded"], true, "{receipt:#}");
    assert_eq!(receipt["kept_conffiles"], json!(["/etc/alpha.conf"]), "{receipt:#}");
    assert_eq!(machine.device.root().read("/etc/alpha.conf"), "colour=mine\n");
    let new = if family == Family::Apt { "/etc/alpha.conf.dpkg-dist" } else { "/etc/alpha.conf.rpmnew" };
    assert_eq!(machine.device.root().read(new), "colour=blue\n");
}

pub fn what_is_offered_is_told_with_the_candidate(family: Family) {
    let Some(machine) = Machine::new(family, [alpha("1.0")]) else { return };
    machine.device.publish([alpha("2.0")]);
    assert_eq!(machine.faults(), [] as [&str; 0]);
    assert_eq!(machine.offered("alpha"), ["2.0", "1.0"]);
    let answer = machine.ask("available", &[]);
    let newest = &answer.ok()["packages"][family.title("alpha")][0];
    assert_eq!((&newest["candidate"], &newest["withheld"]), (&json!(true), &json!(null)), "{newest:#}");
    let position = usize::try_from(newest["repositories"][0].as_u64().unwrap()).unwrap();
    assert_eq!(answer.ok()["repositories"][position]["keys"], json!([machine.device.fingerprint()]));
}

/// Debian's packages leave a marker; rpm's are known by their names.
pub fn a_restart_of_the_machine_is_noticed(family: Family) {
    let name = if family == Family::Apt { "alpha" } else { "systemd" };
    let Some(machine) = Machine::new(family, [Software::new(name, "1.0"), Software::new("beta", "1.0")]) else {
        return;
    };
    let marker = "mkdir -p /run; touch /run/reboot-required; echo alpha >>/run/reboot-required.pkgs";
    let next = Software::new(name, "2.0");
    machine.device.offer([if family == Family::Apt { next.after(marker) } else { next }, Software::new("beta", "2.0")]);
    let answer = machine.ask("apply", &[machine.change("beta", Some("2.0"))]);
    assert_eq!(answer.ok()["needed"]["reboot"], json!([]), "{answer:?}");
    let answer = machine.ask("apply", &[machine.change(name, Some("2.0"))]);
    let reasons = answer.ok()["needed"]["reboot"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason.as_str().unwrap().contains(name)), "{answer:?}");
}

pub fn what_is_not_permitted_is_left_out_and_the_rest_is_kept(family: Family) {
    let installed = ["alpha", "beta", "gamma", "delta"].map(|name| Software::new(name, "1.0"));
    let Some(machine) = Machine::new(family, installed) else { return };
    machine.device.offer([
        alpha("2.0"),
        Software::new("beta", "2.0").needs("library"),
        Software::new("library", "1.0"),
        Software::new("gamma", "2.0"),
        Software::new("delta", "2.0").needs("library"),
    ]);
    let wanted = ["alpha", "beta", "gamma"].map(|name| machine.change(name, Some("2.0")));
    let narrow = |wanted: &[serde_json::Value], installs: bool| {
        machine.ask_with(json!({ "verb": "narrow", "changes": wanted, "installs": installs }))
    };
    let answer = narrow(&wanted, false);
    let library = family.version("1.0");
    let titles = |names: &[&str]| json!(names.iter().map(|name| family.title(name)).collect::<Vec<_>>());
    assert_eq!(answer.ok()["actions"], titles(&["alpha", "gamma"]), "{answer:?}");
    let why = format!("beta: it needs to install library {library}, which is not permitted");
    assert_eq!(answer.ok()["dropped"], json!([why]));
    // Where it is permitted, all go, and what comes along is known to be for the sake of the one that was asked for.
    let answer = narrow(&[machine.change("beta", Some("2.0"))], true);
    assert_eq!(answer.ok()["actions"], titles(&["beta", "library"]), "{answer:?}");
    assert_eq!(answer.ok()["needed_by"][family.title("library")], titles(&["beta"]));
    assert_eq!(narrow(&wanted, true).ok()["actions"], titles(&["alpha", "beta", "gamma", "library"]));
}

pub fn what_is_held_or_not_to_be_had_is_left_out(family: Family) {
    let installed = ["alpha", "beta", "gamma"].map(|name| Software::new(name, "1.0"));
    let Some(machine) = Machine::new(family, installed) else { return };
    machine.device.offer([alpha("2.0"), Software::new("beta", "2.0"), Software::new("gamma", "2.0").needs("nowhere")]);
    machine.device.hold("alpha");
    let wanted = ["alpha", "beta", "gamma"].map(|name| machine.change(name, Some("2.0")));
    let answer = machine.ask_with(json!({ "verb": "narrow", "changes": wanted }));
    assert_eq!(answer.ok()["actions"], json!([family.title("beta")]), "{answer:?}");
    let dropped: Vec<&str> = answer.ok()["dropped"].as_array().unwrap().iter().filter_map(|it| it.as_str()).collect();
    assert!(dropped[0].starts_with("alpha: it is held ("), "{dropped:?}");
    assert!(dropped[1].starts_with("gamma: what gamma asks for could not be met: "), "{dropped:?}");
    assert!(dropped[1].contains("nowhere"), "{dropped:?}");
    let gone = [machine.change("beta", Some("3.0"))];
    let answer = machine.ask_with(json!({ "verb": "narrow", "changes": gone }));
    assert_eq!(answer.ok()["dropped"], json!(["beta: no source has this version"]));
}
