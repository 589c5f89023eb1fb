//! Targets whose configuration is files, with folders in memory: what is found, what is done, what is left alone.

use crate::company::{cohorts, compiled, device, devices, now, objects, repository};
use refit_core::world::Device;
use refit_model::Scheme;
use refit_targets::{
    Change, Compiled, Desired, Identity, Offered, Removals, Target, compile,
    files::{BrokenOff, FolderPlan, Hand, LayError, Memory, Placed, Rules, Texts, laid, plan},
    registry,
    targets::munki::Items,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const POLICIES: &str = "policy: browsers\nsoftware: [google-chrome, firefox, microsoft-edge]\nrollout: standard\nwindow: overnight\n\
                        deadline: [{ within: 14d }]\nexperience: { relaunch: { mode: at_due } }\n---\n\
                        policy: macos\nsoftware: [macos]\ndeadline: [{ within: 14d }]\nexperience: { reboot: { mode: at_due } }\n---\n\
                        policy: packages\nsoftware: [\"os/security\"]\nwindow: overnight\ndeadline: [{ within: 14d }]\n---\n\
                        block: bad openssl\ntitle: deb/openssl\nreleases: \"=3.0.2-1\"\n---\n\
                        block: worse openssl\ntitle: rpm/openssl\nreleases: \">=3.0.2\"\n";

/// The company, and a laptop of Linux with two browsers.
fn everybody() -> Vec<Device> {
    let facts =
        [("device.platform", "linux"), ("device.os", "debian"), ("device.kind", "laptop"), ("device.tags", "rest")];
    let installs =
        [(Scheme::Chrome, "google-chrome", "130.0.6723.58", None), (Scheme::Generic, "firefox", "131.0", None)];
    let mut devices = devices();
    devices.push(device("deb-2", "UTC", &facts, &installs));
    devices
}

fn all(documents: &str) -> Compiled {
    let repository = repository("", documents);
    let cohorts = cohorts(&repository, &everybody(), Some("rest"), now());
    let items = "<plist version=\"1.0\"><array><dict><key>name</key><string>GoogleChrome</string><key>version</key>\
                 <string>131.0.6778.70</string><key>installed_size</key><real>1.5</real></dict></array></plist>";
    let offered = Offered { munki: Some(Items::parse(items).unwrap()), ..Offered::default() };
    compile(&repository, &cohorts, &offered, &BTreeMap::new())
}

fn target(kind: &str) -> &'static dyn Target {
    *registry().iter().find(|target| target.kind() == kind).unwrap()
}

fn desired<'c>(compiled: &'c Compiled, target: &str) -> &'c Desired {
    &compiled.targets.iter().find(|plan| plan.name == target).unwrap().desired
}

/// A folder, and what is remembered of it.
struct Folder {
    target: &'static dyn Target,
    texts: Texts,
    memory: Memory,
}

impl Folder {
    fn new(kind: &str) -> Folder {
        Folder { target: target(kind), texts: Texts::new(), memory: Memory::default() }
    }

    fn with(mut self, path: &str, text: &str) -> Folder {
        self.write(path, text);
        self
    }

    fn write(&mut self, path: &str, text: &str) {
        self.texts.insert(path.to_owned(), Ok(text.to_owned()));
    }

    fn text(&self, path: &str) -> &str {
        self.texts[path].as_ref().unwrap()
    }

    fn plan(&self, laid: &BTreeMap<String, Placed>, rules: Rules) -> FolderPlan {
        plan(self.target, laid, self.memory.clone(), &self.texts, rules)
    }

    /// Does the first steps of a plan, and remembers it as a run does that ends there.
    fn does(&mut self, plan: &FolderPlan, steps: usize) {
        for step in plan.steps.iter().take(steps) {
            match &step.text {
                Some(text) => drop(self.texts.insert(step.path.clone(), Ok(text.clone()))),
                None => drop(self.texts.remove(&step.path)),
            }
        }
        let memory = if steps < plan.steps.len() { plan.begun() } else { plan.done() };
        // As it is after it was written down and read.
        self.memory = serde_json::from_value(json!(memory)).unwrap();
    }

    fn applies(&mut self, laid: &BTreeMap<String, Placed>, rules: Rules) -> FolderPlan {
        let plan = self.plan(laid, rules);
        self.does(&plan, plan.steps.len());
        plan
    }
}

const REPORT: Rules = Rules { revert: false, take: false };
const REVERT: Rules = Rules { revert: true, take: false };
const TAKE: Rules = Rules { revert: false, take: true };

/// Changes in short: `+ name`.
fn told(plan: &FolderPlan) -> Vec<String> {
    let sign = |change: &Change| match change {
        Change::Add { .. } => '+',
        Change::Update { .. } => '~',
        Change::Remove { .. } => '-',
    };
    plan.changes.iter().map(|change| format!("{} {}", sign(change), change.id().name)).collect()
}

/// What is found in short: who, and what was done to it.
fn by_hand(plan: &FolderPlan) -> Vec<(&str, &Hand, bool)> {
    plan.by_hand.iter().map(|it| (it.id.name.as_str(), &it.hand, it.undone)).collect()
}

#[test]
fn every_file_is_read_back_as_what_it_is() {
    let plan = all(POLICIES);
    let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for plan in &plan.targets {
        let Some(files) = plan.target.files() else { continue };
        for (id, object) in &plan.desired.objects {
            let document = plan.target.document(object);
            assert_eq!(files.identity(&document.path).as_ref(), Some(id), "{}", document.path);
            assert_eq!(files.fields(&id.kind, &document.text), Ok(object.fields.clone()), "{}", document.text);
            *kinds.entry((plan.target.kind(), id.kind.as_str())).or_default() += 1;
        }
    }
    let kinds: Vec<(&str, &str)> = kinds.into_keys().collect();
    assert_eq!(
        kinds,
        [
            ("apple-declarative", "declaration"),
            ("apt", "apt preferences"),
            ("apt", "apt.conf"),
            ("apt", "timer drop-in"),
            ("browser-policies", "managed preferences"),
            ("browser-policies", "policy file"),
            ("browser-policies", "registry policies"),
            ("dnf", "automatic.conf"),
            ("dnf", "timer drop-in"),
            ("munki", "manifest"),
            ("munki", "pkginfo"),
        ]
    );
}

#[test]
fn what_others_wrote_is_none_of_refits() {
    for (kind, path) in [
        ("apt", "refit-a/etc/apt/apt.conf.d/50unattended-upgrades"),
        ("apt", "theirs/etc/apt/apt.conf.d/52refit-unattended-upgrades"),
        ("munki", "manifests/site_default"),
        ("munki", "manifests/refit/more/a"),
        ("munki", "pkgsinfo/refit"),
        ("munki", "pkgs/refit/a.plist"),
        ("apple-declarative", "acme.enforce.json"),
        ("browser-policies", "com.google.Chrome.plist"),
        ("browser-policies", "etc_firefox_policies_policies.json"),
    ] {
        assert_eq!(target(kind).files().unwrap().identity(path), None, "{path}");
    }
}

#[test]
fn what_is_written_stays_as_it_is_and_goes_when_nobody_asks() {
    let (one, none) = (all(POLICIES), all("policy: none\nmode: observe\nsoftware: [slack]\n"));
    for (name, kind) in [
        ("macs", "apple-declarative"),
        ("debian", "apt"),
        ("browsers", "browser-policies"),
        ("fedora", "dnf"),
        ("munki", "munki"),
    ] {
        let wanted = laid(target(kind), desired(&one, name), false).unwrap();
        let mut folder = Folder::new(kind);
        let first = folder.applies(&wanted, REPORT);
        assert!(!first.steps.is_empty() && first.changes.len() == wanted.len(), "{kind}");
        let again = folder.plan(&wanted, REPORT);
        assert_eq!((&again.changes, &again.steps, again.done()), (&vec![], &vec![], folder.memory.clone()), "{kind}");
        let nothing = laid(target(kind), desired(&none, name), false).unwrap();
        assert!(nothing.is_empty(), "{kind}");
        let gone = folder.applies(&nothing, REPORT);
        assert!(gone.changes.iter().all(|change| matches!(change, Change::Remove { .. })), "{kind}");
        assert!(folder.texts.is_empty() && folder.memory == Memory::default(), "{kind}: {:?}", folder.texts.keys());
    }
}

#[test]
fn a_run_that_is_broken_off_anywhere_is_carried_on() {
    let old = all(&POLICIES.replace("[google-chrome, firefox, microsoft-edge]", "[google-chrome]"));
    let new =
        POLICIES.replace("within: 14d", "within: 9d").replace("overnight", "weekly").replace("3.0.2-1", "3.0.3-1");
    let new = all(&new);
    for (name, kind) in
        [("macs", "apple-declarative"), ("debian", "apt"), ("browsers", "browser-policies"), ("munki", "munki")]
    {
        let (before, after) =
            (laid(target(kind), desired(&old, name), false), laid(target(kind), desired(&new, name), false));
        let (before, after) = (before.unwrap(), after.unwrap());
        let mut whole = Folder::new(kind);
        whole.applies(&before, REPORT);
        let count = whole.plan(&after, REPORT).steps.len();
        whole.applies(&after, REPORT);
        assert!(count > 1, "{kind}: {count}");
        for stop in 0..count {
            let mut folder = Folder::new(kind);
            folder.applies(&before, REPORT);
            let plan = folder.plan(&after, REPORT);
            folder.does(&plan, stop);
            let rest = folder.plan(&after, REPORT);
            assert_eq!(rest.broken_off, Some(BrokenOff { done: stop, of: count }), "{kind}");
            assert_eq!(rest.steps, plan.steps[stop..], "{kind}: stopped after {stop}");
            assert!(rest.by_hand.is_empty() && rest.not_written.is_empty(), "{kind}: {:?}", rest.by_hand);
            folder.applies(&after, REPORT);
            assert_eq!((&folder.texts, &folder.memory), (&whole.texts, &whole.memory), "{kind}: stopped after {stop}");
        }
    }
}

#[test]
fn what_was_changed_by_hand_is_shown_or_undone() {
    let plan = all(POLICIES);
    let wanted = laid(target("apt"), desired(&plan, "debian"), false).unwrap();
    let mut folder = Folder::new("apt");
    folder.applies(&wanted, REPORT);
    let written = folder.texts.clone();
    let paths: Vec<String> = written.keys().cloned().collect();
    let [configuration, pins, timer] = &paths[..] else { panic!("{paths:?}") };
    let changed = folder.text(configuration).replace("Unattended-Upgrade \"1\"", "Unattended-Upgrade \"0\"");
    folder.write(configuration, &changed);
    folder.write(pins, "Package: everything\n");
    folder.texts.remove(timer);
    let report = folder.plan(&wanted, REPORT);
    assert_eq!((told(&report).len(), report.steps.len()), (0, 0));
    assert!(report.leaves_something());
    assert!(matches!(&report.by_hand[1].hand, Hand::Changed | Hand::Damaged(_)));
    let hands = by_hand(&report);
    assert_eq!(hands.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), paths);
    assert!(matches!(hands[0].1, Hand::Changed) && matches!(hands[2].1, Hand::TakenAway));
    let field = &report.by_hand[0].fields[0];
    assert_eq!(
        (field.path.as_str(), &field.before, &field.after),
        ("APT::Periodic::Unattended-Upgrade", &Some(json!("1")), &Some(json!("0")))
    );
    let revert = folder.applies(&wanted, REVERT);
    assert!(revert.by_hand.iter().all(|it| it.undone) && revert.by_hand.len() == 3 && !revert.leaves_something());
    assert_eq!(folder.texts, written);
    assert!(folder.plan(&wanted, REPORT).by_hand.is_empty());
}

#[test]
fn what_was_changed_by_hand_goes_only_where_that_is_undone() {
    let plan = all(POLICIES);
    let wanted = laid(target("munki"), desired(&plan, "munki"), false).unwrap();
    let mut folder = Folder::new("munki");
    folder.applies(&wanted, REPORT);
    let path = folder.texts.keys().find(|path| path.starts_with("manifests/")).unwrap().clone();
    let changed = folder.text(&path).replace("managed_updates", "managed_installs");
    folder.write(&path, &changed);
    let nothing = BTreeMap::new();
    folder.applies(&nothing, REPORT);
    assert_eq!(folder.texts.keys().collect::<Vec<_>>(), [&path]);
    folder.applies(&nothing, REVERT);
    assert!(folder.texts.is_empty() && folder.memory == Memory::default());
}

#[test]
fn what_goes_is_counted_by_what_refit_wrote_and_not_by_what_others_have_there() {
    let plan = all(POLICIES);
    let wanted = laid(target("munki"), desired(&plan, "munki"), false).unwrap();
    let theirs = "<plist version=\"1.0\"><dict><key>catalogs</key><array/></dict></plist>";
    let mut folder = Folder::new("munki").with("manifests/refit/mine", theirs);
    assert_eq!(folder.plan(&wanted, REPORT).removals(&BTreeSet::new()), Removals::default());
    folder.applies(&wanted, REPORT);
    let gone = folder.plan(&BTreeMap::new(), REPORT).removals(&BTreeSet::new());
    assert_eq!((gone.before, gone.going.len(), gone.lost), (wanted.len(), wanted.len(), wanted.len()));
    assert!(gone.clone().check(None).is_err() && gone.check(Some(wanted.len())).is_ok());
    // What goes because all that its policies ask for is held or halted never has to be permitted.
    let stopped: BTreeSet<_> = wanted.values().flat_map(|placed| placed.object.policies()).collect();
    assert_eq!(folder.plan(&BTreeMap::new(), REPORT).removals(&stopped).lost, 0);
    // One that was changed by hand stays, and is not counted among those that go.
    let path = folder.texts.keys().find(|path| path.starts_with("pkgsinfo/")).unwrap().clone();
    let changed = folder.text(&path).replace("refit-", "refit-x-");
    folder.write(&path, &changed);
    assert_eq!(folder.plan(&BTreeMap::new(), REPORT).removals(&BTreeSet::new()).lost, wanted.len() - 1);
    assert_eq!(folder.plan(&BTreeMap::new(), REVERT).removals(&BTreeSet::new()).lost, wanted.len());
}

#[test]
fn a_file_that_refit_did_not_write_is_never_taken_away() {
    let plan = all(POLICIES);
    let wanted = laid(target("munki"), desired(&plan, "munki"), false).unwrap();
    let theirs = "<plist version=\"1.0\"><dict><key>catalogs</key><array/></dict></plist>";
    let mut folder = Folder::new("munki").with("manifests/refit/mine", theirs).with("manifests/site_default", theirs);
    for rules in [REPORT, REVERT] {
        let plan = folder.applies(&wanted, rules);
        assert_eq!(plan.not_written, ["manifests/refit/mine"]);
        folder.applies(&BTreeMap::new(), rules);
        assert_eq!(folder.texts.keys().collect::<Vec<_>>(), ["manifests/refit/mine", "manifests/site_default"]);
    }
    // Not even one in the place of an object of Refit's is changed, unless somebody says that it is to be undone.
    let place = wanted.keys().find(|path| path.starts_with("manifests/")).unwrap();
    folder.write(place, theirs);
    let plan = folder.applies(&wanted, REPORT);
    assert_eq!(by_hand(&plan), [(place.as_str(), &Hand::NotWritten, false)]);
    assert_eq!(folder.text(place), theirs);
    folder.applies(&wanted, REVERT);
    assert_ne!(folder.text(place), theirs);
}

#[test]
fn what_is_there_already_is_remembered_without_being_written() {
    let plan = all(POLICIES);
    let wanted = laid(target("apt"), desired(&plan, "debian"), false).unwrap();
    let mut folder = Folder::new("apt");
    folder.applies(&wanted, REPORT);
    let known = std::mem::take(&mut folder.memory);
    let again = folder.plan(&wanted, REPORT);
    assert_eq!((&again.steps, &again.by_hand, again.done()), (&vec![], &vec![], known));
}

/// `automatic.conf` as dnf 4 comes with it, in short, with what an administrator has added.
const AUTOMATIC: &str = "[commands]\n#  What kind of upgrade to perform:\nupgrade_type = default\nrandom_sleep = 0\n\
                         network_online_timeout = 60\ndownload_updates = yes\napply_updates = no\n\n\
                         [emitters]\nemit_via = email\n\n[email]\nemail_to = ops@acme.example\n";

#[test]
fn what_others_set_in_a_file_of_theirs_is_left_or_taken_over_and_given_back() {
    let plan = all(POLICIES);
    let wanted = laid(target("dnf"), desired(&plan, "fedora"), true).unwrap();
    let path = "etc/dnf/automatic.conf";
    let mut folder = Folder::new("dnf").with(path, AUTOMATIC);
    let refused = folder.applies(&wanted, REPORT);
    assert_eq!(told(&refused), ["+ /etc/systemd/system/dnf-automatic.timer.d/refit.conf"]);
    let fields: Vec<&str> = refused.foreign.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["commands.apply_updates", "commands.upgrade_type", "emitters.emit_via"]);
    assert!(refused.leaves_something() && folder.text(path) == AUTOMATIC);
    let taken = folder.applies(&wanted, TAKE);
    assert_eq!(told(&taken), ["~ /etc/dnf/automatic.conf"]);
    let text = folder.text(path);
    assert!(
        text.contains("email_to = ops@acme.example") && text.contains("#  What kind of upgrade to perform:"),
        "{text}"
    );
    assert!(text.contains("upgrade_type = security\n") && text.contains("excludepkgs = openssl\n"), "{text}");
    // What was taken over is Refit's from then on.
    assert!(folder.plan(&wanted, REPORT).steps.is_empty());
    // What others write beside it is theirs, and no change by hand.
    folder.write(path, &folder.text(path).replace("ops@", "root@"));
    assert!(folder.plan(&wanted, REPORT).by_hand.is_empty());
    folder.write(path, &folder.text(path).replace("upgrade_type = security", "upgrade_type = default"));
    assert_eq!(by_hand(&folder.plan(&wanted, REPORT)), [("/etc/dnf/automatic.conf", &Hand::Changed, false)]);
    folder.applies(&wanted, REVERT);
    folder.applies(&BTreeMap::new(), REPORT);
    assert_eq!(folder.text(path), AUTOMATIC.replace("ops@", "root@"));
    assert_eq!(folder.memory, Memory::default());
}

#[test]
fn a_shared_file_that_was_not_there_goes_again() {
    let plan = all(POLICIES);
    let wanted = laid(target("dnf"), desired(&plan, "fedora"), true).unwrap();
    let mut folder = Folder::new("dnf");
    folder.applies(&wanted, REPORT);
    assert!(folder.text("etc/dnf/automatic.conf").contains("apply_updates = yes"));
    folder.applies(&BTreeMap::new(), REPORT);
    assert!(folder.texts.is_empty(), "{:?}", folder.texts);
}

#[test]
fn a_run_on_a_shared_file_is_carried_on() {
    let plan = all(POLICIES);
    let wanted = laid(target("dnf"), desired(&plan, "fedora"), true).unwrap();
    let mut folder = Folder::new("dnf").with("etc/dnf/automatic.conf", AUTOMATIC);
    let steps = folder.plan(&wanted, TAKE);
    folder.does(&steps, 1);
    let rest = folder.applies(&wanted, TAKE);
    assert_eq!(rest.broken_off, Some(BrokenOff { done: 1, of: 2 }));
    assert_eq!(rest.steps.len(), 1);
    // What was there first is not forgotten on the way.
    folder.applies(&BTreeMap::new(), REPORT);
    assert!(folder.text("etc/dnf/automatic.conf").contains("apply_updates = no"));
}

#[test]
fn policies_of_firefox_that_others_set_stay() {
    let plan = all(POLICIES);
    let mut linux = desired(&plan, "browsers").clone();
    linux.objects.retain(|id, _| id.kind == "policy file");
    let wanted = laid(target("browser-policies"), &linux, true).unwrap();
    let path = "etc/firefox/policies/policies.json";
    let theirs = r#"{ "policies": { "DisableTelemetry": true } }"#;
    let mut folder = Folder::new("browser-policies").with(path, theirs);
    folder.applies(&wanted, REPORT);
    let policies: serde_json::Value = serde_json::from_str(folder.text(path)).unwrap();
    assert_eq!(policies["policies"]["DisableTelemetry"], true);
    assert!(policies["policies"]["RelaunchRequired"]["NotificationPeriodHours"].is_number(), "{policies}");
    assert!(folder.text("etc/opt/chrome/policies/managed/refit.json").contains("RelaunchNotification"));
    folder.applies(&BTreeMap::new(), REPORT);
    let left: serde_json::Value = serde_json::from_str(folder.text(path)).unwrap();
    assert_eq!(left, serde_json::from_str::<serde_json::Value>(theirs).unwrap());
    assert_eq!(folder.texts.len(), 1);
    // What can't be read is not written over.
    folder.write(path, "{ // commented\n}");
    let plan = folder.applies(&wanted, TAKE);
    assert_eq!(plan.unreadable[0].0, path);
    assert!(plan.leaves_something() && folder.text(path) == "{ // commented\n}");
}

#[test]
fn a_root_takes_the_files_of_one_group() {
    let tagged = "policy: packages\nsoftware: [\"os/security\"]\nwhere: '\"canary\" in device.tags'\ndeadline: [{ within: 14d }]\n---\n\
                  policy: the others\npriority: -1\nsoftware: [\"os/*\"]\ndeadline: [{ within: 14d }]\n";
    let facts =
        |tag| [("device.platform", "linux"), ("device.os", "debian"), ("device.kind", "server"), ("device.tags", tag)];
    let installs = [(Scheme::Dpkg, "deb/openssl", "3.0.1-1", None)];
    let machines = [device("a", "UTC", &facts("canary"), &installs), device("b", "UTC", &facts("rest"), &installs)];
    let repository = repository("", tagged);
    let cohorts = cohorts(&repository, &machines, Some("rest"), now());
    let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
    let refused = laid(target("apt"), desired(&plan, "debian"), true);
    assert!(matches!(refused, Err(LayError::Twice { .. })), "{refused:?}");
    assert!(laid(target("apt"), desired(&plan, "debian"), false).is_ok());
    let plan = compiled(&crate::company::repository("", POLICIES));
    let no_place = laid(target("munki"), desired(&plan, "munki"), true).unwrap_err();
    assert!(no_place.to_string().contains("has no place in the root of a machine"), "{no_place}");
    assert_eq!(laid(target("intune"), desired(&plan, "windows"), false), Err(LayError::NoFiles));
    assert!(objects(&plan, "munki").keys().all(Identity::is_owned));
}
