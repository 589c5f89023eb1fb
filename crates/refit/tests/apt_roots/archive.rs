//! A real archive's root, more than a hundred packages behind.

use super::machine::equip;
use refit_testbed::{BaseRoot, Installed, Root, differences};
use std::collections::BTreeMap;

const POLICY: &str = "\
policy: all updates
mode: enforce
software: [os/security, \"os/*\"]
deadline: [{ if: exposure.kev, within: 2d }, { within: 30d }]
packages: { install_new: true, upgrade_others: true }
";

/// What a plan says of each package: the version that it will have, `None` where it goes.
fn planned(plan: &str) -> BTreeMap<String, Option<String>> {
    let plan: serde_json::Value = serde_json::from_str(plan).expect("a plan is JSON");
    let groups = plan["groups"].as_array().expect("a plan has groups");
    let items = groups.iter().flat_map(|group| group["changes"].as_array().expect("a group has changes"));
    items
        .map(|item| {
            let title = item["title"].as_str().expect("an item has a title");
            let name = title.strip_prefix("deb/").expect("a Debian package").to_owned();
            (name, item["to"].as_str().map(str::to_owned))
        })
        .collect()
}

/// What dpkg has, and had not before.
fn observed(before: &BTreeMap<String, Installed>, root: &Root) -> BTreeMap<String, Option<String>> {
    let changes = differences(before, &root.dpkg());
    changes
        .into_iter()
        .map(|(name, change)| {
            let after = change.after.inspect(|after| assert_eq!(after.status, "ii", "{name}"));
            (name, after.map(|after| after.version))
        })
        .collect()
}

#[test]
fn a_machine_far_behind_is_brought_up_to_date_exactly_as_planned() {
    let Some(base) = BaseRoot::behind() else { return };
    let mut root = Root::overlay(&base);
    equip(&mut root);
    root.write("/policy/patch.yaml", POLICY);
    root.bind(concat!(env!("CARGO_MANIFEST_DIR"), "/../refit-connect/snapshot"), "/srv/feeds");
    root.run("apt-mark", ["hold", "rsync"]).success();
    let edited = root.read("/etc/ssh/moduli").replacen('#', "# edited by hand\n#", 1);
    root.write("/etc/ssh/moduli", &edited);
    let configuration = root.read("/etc/redis/redis.conf") + "# edited by hand\n";
    root.write("/etc/redis/redis.conf", &configuration);

    root.run("refit", ["feeds", "sync", "--from", "/srv/feeds"]).success();
    root.run("refit", ["check", "policy"]).success();
    let before = root.dpkg();
    let shown = root.run("refit", ["plan", "policy", "--local", "--all", "--out", "plan.json"]).success();
    assert!(differences(&before, &root.dpkg()).is_empty(), "a plan changes nothing");
    let planned = planned(&root.read("/plan.json"));
    assert!(planned.len() >= 100, "{} packages: {shown}", planned.len());
    let has = |prefix: &str| planned.keys().any(|name| name.starts_with(prefix));
    assert!(has("linux-image-6") && has("libc6") && has("openssl"), "{:?}", planned.keys());
    assert!(!planned.contains_key("rsync"));

    let applied = root.run("refit", ["apply", "plan.json"]).success();
    assert_eq!(observed(&before, &root), planned, "{applied}");
    assert_eq!(root.read("/etc/ssh/moduli"), edited);
    assert_eq!(root.read("/etc/redis/redis.conf"), configuration);
    assert_eq!(root.run("dpkg", ["--audit"]).success().stdout, "");

    let again = root.run("refit", ["plan", "policy", "--local", "--detailed-exitcode"]).success();
    let again = again.says("Nothing to change now").says("deb/rsync").says("it is held");
    assert_eq!(again.stdout.matches("  · ").count(), 1, "only what is held is left: {again}");
}
