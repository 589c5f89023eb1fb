//! Holding what a package manager would do against the mandate.

use super::{Beyond, Mandate, PolicyPermit, TitlePermit, Verb};
use crate::state::{Action, Directive, PackageName, System};
use refit_model::{TitleId, Version};
use smol_str::SmolStr;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What a package manager would do to one package, by its own simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The package.
    pub package: PackageName,
    /// The installed version; `None` where it is not there.
    pub before: Option<SmolStr>,
    /// The version afterwards; `None` where it would go.
    pub after: Option<SmolStr>,
    /// The fingerprints of the keys that sign the source that it would come from; none where it is not signed.
    pub keys: BTreeSet<SmolStr>,
}

/// A directive, and the policy that its terms name.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The directive.
    pub directive: &'a Directive,
    /// The policy.
    pub policy: &'a str,
}

/// Something that the mandate does not permit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The package, or the directive where it has none.
    pub subject: SmolStr,
    /// What is wrong.
    pub what: Wrong,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Wrong {
    /// The title is not in the mandate.
    #[error("the mandate does not name the title `{0}`")]
    UnknownTitle(TitleId),
    /// The policy is not in the mandate, or not one that may ask for this.
    #[error("the policy `{0}` may not ask for it")]
    OtherPolicy(SmolStr),
    /// The title is another package.
    #[error("`{title}` is {}, not this package", permitted.join(" or "))]
    OtherPackage {
        /// The title.
        title: TitleId,
        /// The packages that it is.
        permitted: Vec<String>,
    },
    /// It may not be done.
    #[error("the mandate does not permit to {0} it")]
    Verb(Word),
    /// Nobody asked for it, and the policies do not permit it as a consequence.
    #[error("nobody asked for it, and no policy here permits to {0} other packages")]
    NotAsked(Word),
    /// It comes from elsewhere.
    #[error("it would come from a source signed by {}, which the mandate does not permit for it", keys_in_words(.0))]
    Source(BTreeSet<SmolStr>),
    /// The version is not the one that was asked for.
    #[error("{found} would be installed, and {asked} was asked for")]
    OtherVersion {
        /// The version of the directive.
        asked: SmolStr,
        /// The version of the simulation.
        found: SmolStr,
    },
    /// The version is below what may be.
    #[error("{found} is below {floor}, the lowest that may be installed here")]
    BelowFloor {
        /// The version.
        found: SmolStr,
        /// The floor.
        floor: SmolStr,
    },
    /// A version can't be read.
    #[error("`{0}` is no version")]
    NoVersion(SmolStr),
}

/// A verb in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word(pub Verb);

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Verb::Upgrade => "upgrade",
            Verb::Install => "install",
            Verb::Remove => "remove",
            Verb::Downgrade => "downgrade",
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.what)
    }
}

fn keys_in_words(keys: &BTreeSet<SmolStr>) -> String {
    if keys.is_empty() {
        return "nobody".into();
    }
    keys.iter().map(SmolStr::as_str).collect::<Vec<_>>().join(" and ")
}

/// The lowest versions that may be installed on a device: the highest that have run on it.
pub type Floors = BTreeMap<PackageName, SmolStr>;

impl Mandate {
    /// Whether one directive may be carried out at all, before anything is simulated.
    pub fn check_directive(&self, asked: Asked<'_>) -> Result<(), Violation> {
        let wrong = |what| {
            let subject = asked.directive.action.package().map_or(asked.directive.id.clone(), |package| package.name);
            Err(Violation { subject, what })
        };
        if !self.policies.contains_key(asked.policy) {
            return wrong(Wrong::OtherPolicy(asked.policy.into()));
        }
        let (package, verb) = match &asked.directive.action {
            Action::Upgrade(package) if package.downgrade => (asked.directive.action.package(), Verb::Downgrade),
            Action::Upgrade(_) => (asked.directive.action.package(), Verb::Upgrade),
            Action::Install(_) => (asked.directive.action.package(), Verb::Install),
            Action::Remove(_) => (asked.directive.action.package(), Verb::Remove),
            // They change no package. Limits on them are kept where they happen.
            Action::Hold { .. } | Action::Restart | Action::Notify { .. } => return Ok(()),
        };
        let Some(package) = package else { return Ok(()) };
        match self.permit(&asked.directive.title, &package, asked.policy, verb) {
            Ok(_) => Ok(()),
            Err(what) => wrong(what),
        }
    }

    /// Everything in a simulated transaction that the mandate does not permit; nothing where all of it may happen.
    ///
    /// `asked` are the directives that the transaction carries out, `floors` what has run on the device.
    pub fn check(&self, asked: &[Asked<'_>], steps: &[Step], floors: &Floors) -> Vec<Violation> {
        let beyond = asked.iter().filter_map(|asked| self.policies.get(asked.policy)).fold(
            Beyond::default(),
            |sum, PolicyPermit { beyond, .. }| Beyond {
                upgrade_others: sum.upgrade_others || beyond.upgrade_others,
                install_new: sum.install_new || beyond.install_new,
                remove: sum.remove || beyond.remove,
            },
        );
        let mut found: Vec<Violation> = asked.iter().filter_map(|asked| self.check_directive(*asked).err()).collect();
        for step in steps {
            let of_step = asked.iter().find(|asked| asked.directive.action.package().as_ref() == Some(&step.package));
            let checked = match of_step {
                Some(asked) => self.check_asked(*asked, step, floors),
                None => self.check_consequence(asked, step, beyond, floors),
            };
            if let Err(what) = checked {
                found.push(Violation { subject: step.package.name.clone(), what });
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// A step that a directive asks for.
    fn check_asked(&self, asked: Asked<'_>, step: &Step, floors: &Floors) -> Result<(), Wrong> {
        let verb = verb(step)?;
        let permit = |verb| self.permit(&asked.directive.title, &step.package, asked.policy, verb);
        // The version that is there is brought again where it is not well: an upgrade that was broken off half-way. Whoever may upgrade
        // may finish that.
        let is_again = verb == Verb::Install && step.before.is_some();
        let sources = permit(verb).or_else(|wrong| permit(Verb::Upgrade).ok().filter(|_| is_again).ok_or(wrong))?;
        let wanted = match &asked.directive.action {
            Action::Upgrade(package) | Action::Install(package) => Some(&package.version),
            _ => None,
        };
        match (wanted, &step.after) {
            (Some(asked), Some(found)) if asked != found => {
                return Err(Wrong::OtherVersion { asked: asked.clone(), found: found.clone() });
            }
            (None, Some(_)) => return Err(Wrong::NotAsked(Word(verb))),
            (Some(_), None) => return Err(Wrong::NotAsked(Word(Verb::Remove))),
            _ => {}
        }
        let Some(after) = &step.after else { return Ok(()) };
        self.check_source(&sources, step)?;
        let floor = self.titles.get(&asked.directive.title).and_then(|permit| permit.floors.get(&step.package.system));
        not_below(step.package.system, after, floor)?;
        if verb == Verb::Downgrade { Ok(()) } else { not_below(step.package.system, after, floors.get(&step.package)) }
    }

    /// A step that no directive asks for: it may only follow from those that do.
    fn check_consequence(
        &self,
        asked: &[Asked<'_>],
        step: &Step,
        beyond: Beyond,
        floors: &Floors,
    ) -> Result<(), Wrong> {
        let verb = verb(step)?;
        let permitted = match verb {
            Verb::Upgrade => beyond.upgrade_others,
            Verb::Install => beyond.install_new,
            Verb::Remove => beyond.remove,
            Verb::Downgrade => false,
        };
        if !permitted {
            return Err(Wrong::NotAsked(Word(verb)));
        }
        let Some(after) = &step.after else { return Ok(()) };
        // It has to come from where what was asked for may come from.
        let sources: BTreeSet<&str> = asked
            .iter()
            .flat_map(|asked| self.sources_for(&asked.directive.title, asked.policy, step.package.system))
            .collect();
        self.check_source(&sources, step)?;
        not_below(step.package.system, after, floors.get(&step.package))
    }

    /// The sources that a title's package may come from, if the policy may ask for this.
    fn permit<'a>(
        &'a self,
        title: &TitleId,
        package: &PackageName,
        policy_name: &str,

        verb: Verb,
    ) -> Result<BTreeSet<&'a str>, Wrong> {
        let by_name = self.titles.get(title);
        if let Some(permit) = by_name.filter(|permit| permit.policies.contains(policy_name)) {
            if !permit.packages.contains(package) {
                let permitted = permit.packages.iter().map(|package| format!("`{}`", package.name)).collect();
                return Err(Wrong::OtherPackage { title: title.clone(), permitted });
            }
            if permit.verbs.contains(&verb) {
                return Ok(permit.sources.iter().map(SmolStr::as_str).collect());
            }
            return Err(Wrong::Verb(Word(verb)));
        }
        // A distribution's package is its own title: `deb/openssl` is `openssl` to dpkg, of whichever architecture.
        let own_name = package.name.split(':').next().unwrap_or_default();
        let is_own = title.package() == Some((package.system.namespace(), own_name));
        let of_distribution: Vec<_> =
            self.distributions.iter().filter(|permit| permit.covers(package.system, policy_name, own_name)).collect();
        match (of_distribution.is_empty(), by_name) {
            (true, None) => return Err(Wrong::UnknownTitle(title.clone())),
            (true, Some(_)) => return Err(Wrong::OtherPolicy(policy_name.into())),
            _ => {}
        }
        if !is_own {
            return match title.package() {
                Some((_, name)) => {
                    Err(Wrong::OtherPackage { title: title.clone(), permitted: vec![format!("`{name}`")] })
                }
                None => Err(Wrong::UnknownTitle(title.clone())),
            };
        }
        if verb != Verb::Upgrade {
            return Err(Wrong::Verb(Word(verb)));
        }
        Ok(of_distribution.iter().flat_map(|permit| permit.sources.iter().map(SmolStr::as_str)).collect())
    }

    /// The sources of whatever permits a policy to ask for a title.
    fn sources_for<'a>(&'a self, title: &'a TitleId, policy: &'a str, system: System) -> impl Iterator<Item = &'a str> {
        let named = self.titles.get(title).filter(move |permit: &&TitlePermit| permit.policies.contains(policy));
        let name = title.package().filter(|(namespace, _)| *namespace == system.namespace()).map(|(_, name)| name);
        let distributions = self
            .distributions
            .iter()
            .filter(move |permit| name.is_some_and(|name| permit.covers(system, policy, name)));
        let sources = named.into_iter().flat_map(|permit| &permit.sources);
        sources.chain(distributions.flat_map(|permit| &permit.sources)).map(SmolStr::as_str)
    }

    /// Whether a step's package comes from one of some sources.
    fn check_source(&self, sources: &BTreeSet<&str>, step: &Step) -> Result<(), Wrong> {
        let signed = |name: &&str| {
            let source = self.sources.get(*name).filter(|source| source.system == step.package.system);
            source.is_some_and(|source| !source.keys.is_disjoint(&step.keys))
        };
        if sources.iter().any(signed) { Ok(()) } else { Err(Wrong::Source(step.keys.clone())) }
    }
}

/// What a step does. To install the same version again is to install; where a directive asks for it, who may upgrade may do so too.
fn verb(step: &Step) -> Result<Verb, Wrong> {
    let (before, after) = match (&step.before, &step.after) {
        (_, None) => return Ok(Verb::Remove),
        (None, Some(_)) => return Ok(Verb::Install),
        (Some(before), Some(after)) => (before, after),
    };
    Ok(match compare(step.package.system, after, before)? {
        Ordering::Less => Verb::Downgrade,
        Ordering::Equal => Verb::Install,
        Ordering::Greater => Verb::Upgrade,
    })
}

fn not_below(system: System, version: &SmolStr, floor: Option<&SmolStr>) -> Result<(), Wrong> {
    match floor {
        Some(floor) if compare(system, version, floor)? == Ordering::Less => {
            Err(Wrong::BelowFloor { found: version.clone(), floor: floor.clone() })
        }
        _ => Ok(()),
    }
}

fn compare(system: System, a: &SmolStr, b: &SmolStr) -> Result<Ordering, Wrong> {
    let read = |text: &SmolStr| {
        Version::parse(system.scheme(), text).map_err(|_| Wrong::NoVersion(text.chars().take(80).collect()))
    };
    read(a)?.compare(&read(b)?).ok_or_else(|| Wrong::NoVersion(b.clone()))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::*, *};
    use crate::state::Package;

    fn directive(title: &str, action: Action) -> Directive {
        Directive {
            id: "x".into(),
            title: TitleId::new(title),
            branch: None,
            action,
            due: None,
            closes: Vec::new(),
            grace_seconds: 0,
            terms: 0,
        }
    }

    fn package(name: &str, version: &str) -> Package {
        Package { system: System::Deb, name: name.into(), version: version.into(), downgrade: false }
    }

    fn step(name: &str, before: Option<&str>, after: Option<&str>, key: &str) -> Step {
        Step {
            package: PackageName { system: System::Deb, name: name.into() },
            before: before.map(Into::into),
            after: after.map(Into::into),
            keys: Some(key).filter(|key| !key.is_empty()).map(SmolStr::new).into_iter().collect(),
        }
    }

    /// What the mandate says of one directive and its transaction.
    fn says(mandate: &Mandate, policy: &str, title: &str, action: Action, steps: &[Step]) -> Vec<String> {
        let floors = Floors::from([(PackageName { system: System::Deb, name: "openssl".into() }, "3.0.11-1".into())]);
        let directive = directive(title, action);
        let asked = [Asked { directive: &directive, policy }];
        mandate.check(&asked, steps, &floors).iter().map(ToString::to_string).collect()
    }

    fn chrome(version: &str) -> Action {
        Action::Upgrade(package("google-chrome-stable", version))
    }

    fn openssl(version: &str) -> Action {
        Action::Upgrade(package("openssl", version))
    }

    const NOTHING: [String; 0] = [];

    #[test]
    fn what_is_permitted_passes() {
        let mandate = mandate();
        let steps = [step("google-chrome-stable", Some("129.0-1"), Some("130.0-1"), GOOGLE)];
        assert_eq!(says(&mandate, "browsers", "google-chrome", chrome("130.0-1"), &steps), NOTHING);
        let steps = [step("openssl", Some("3.0.11-1"), Some("3.0.15-1"), DEBIAN)];
        assert_eq!(says(&mandate, "linux", "deb/openssl", openssl("3.0.15-1"), &steps), NOTHING);
        let foreign = Action::Upgrade(package("openssl:i386", "3.0.15-1"));
        let steps = [step("openssl:i386", Some("3.0.11-1"), Some("3.0.15-1"), DEBIAN)];
        assert_eq!(says(&mandate, "linux", "deb/openssl", foreign, &steps), NOTHING);
    }

    #[test]
    fn an_unknown_title_is_refused() {
        let steps = [step("nmap", Some("7.0-1"), Some("7.1-1"), DEBIAN)];
        let said = says(&mandate(), "browsers", "nmap", Action::Upgrade(package("nmap", "7.1-1")), &steps);
        assert_eq!(said, ["nmap: the mandate does not name the title `nmap`"]);
        // Not even by a policy that may upgrade all of the distribution: the title is none of its packages.
        let said = says(&mandate(), "linux", "nmap", Action::Upgrade(package("nmap", "7.1-1")), &steps);
        assert_eq!(said, ["nmap: the mandate does not name the title `nmap`"]);
    }

    #[test]
    fn a_distributions_packages_may_be_upgraded_and_nothing_else() {
        let install = Action::Install(package("nmap", "7.1-1"));
        let steps = [step("nmap", None, Some("7.1-1"), DEBIAN)];
        assert_eq!(
            says(&mandate(), "linux", "deb/nmap", install, &steps),
            ["nmap: the mandate does not permit to install it"]
        );
        let remove = Action::Remove(PackageName { system: System::Deb, name: "openssl".into() });
        let steps = [step("openssl", Some("3.0.11-1"), None, "")];
        assert_eq!(
            says(&mandate(), "linux", "deb/openssl", remove, &steps),
            ["openssl: the mandate does not permit to remove it"]
        );
    }

    #[test]
    fn an_upgrade_that_was_broken_off_is_finished_by_whoever_may_upgrade() {
        let again = |key: &str| [step("openssl", Some("3.0.15-1"), Some("3.0.15-1"), key)];
        assert_eq!(says(&mandate(), "linux", "deb/openssl", openssl("3.0.15-1"), &again(DEBIAN)), NOTHING);
        // From nowhere else, not below what has run, and nobody else's packages.
        assert_eq!(says(&mandate(), "linux", "deb/openssl", openssl("3.0.15-1"), &again(GOOGLE)).len(), 1);
        let below = [step("openssl", Some("3.0.10-1"), Some("3.0.10-1"), DEBIAN)];
        assert_eq!(says(&mandate(), "linux", "deb/openssl", openssl("3.0.10-1"), &below).len(), 1);
        let curl = step("curl", Some("7.88.1-1"), Some("7.88.1-1"), DEBIAN);
        let steps = [step("openssl", Some("3.0.11-1"), Some("3.0.15-1"), DEBIAN), curl];
        assert_eq!(
            says(&mandate(), "browsers", "google-chrome", chrome("130.0-1"), &steps[1..]),
            ["curl: nobody asked for it, and no policy here permits to install other packages"]
        );
        // Who may only remove may not.
        let mut mandate = mandate();
        mandate.titles.values_mut().for_each(|permit| permit.verbs = [Verb::Remove].into());
        let steps = [step("google-chrome-stable", Some("130.0-1"), Some("130.0-1"), GOOGLE)];
        let said = says(&mandate, "browsers", "google-chrome", chrome("130.0-1"), &steps);
        let refused = |verb: &str| format!("google-chrome-stable: the mandate does not permit to {verb} it");
        assert_eq!(said, ["upgrade", "install"].map(refused));
    }

    #[test]
    fn a_part_of_a_distribution_is_no_more_than_that_part() {
        let mut mandate = mandate();
        mandate.distributions[0].prefixes = ["linux-image-".into()].into();
        let upgrade = |name: &str| Action::Upgrade(package(name, "6.1-2"));
        let steps = [step("linux-image-amd64", Some("6.1-1"), Some("6.1-2"), DEBIAN)];
        let said = says(&mandate, "linux", "deb/linux-image-amd64", upgrade("linux-image-amd64"), &steps);
        assert_eq!(said, NOTHING);
        let steps = [step("openssl", Some("3.0.11-1"), Some("3.0.15-1"), DEBIAN)];
        let said = says(&mandate, "linux", "deb/openssl", openssl("3.0.15-1"), &steps);
        assert_eq!(said, ["openssl: the mandate does not name the title `deb/openssl`"]);
    }

    #[test]
    fn a_title_that_is_said_to_be_another_package_is_refused() {
        let steps = [step("netcat", None, Some("1.0-1"), GOOGLE)];
        let said = says(&mandate(), "browsers", "google-chrome", Action::Install(package("netcat", "1.0-1")), &steps);
        assert_eq!(said, ["netcat: `google-chrome` is `google-chrome-stable`, not this package"]);
        let steps = [step("netcat", Some("0.9-1"), Some("1.0-1"), DEBIAN)];
        let said = says(&mandate(), "linux", "deb/openssl", Action::Upgrade(package("netcat", "1.0-1")), &steps);
        assert_eq!(said, ["netcat: `deb/openssl` is `openssl`, not this package"]);
    }

    #[test]
    fn an_extra_package_is_refused_unless_the_policy_permits_it() {
        let asked = step("openssl", Some("3.0.11-1"), Some("3.0.15-1"), DEBIAN);
        let steps =
            [asked.clone(), step("backdoor", None, Some("1.0-1"), DEBIAN), step("sudo", Some("1.9-1"), None, "")];
        let said = says(&mandate(), "linux", "deb/openssl", openssl("3.0.15-1"), &steps);
        assert_eq!(
            said,
            [
                "backdoor: nobody asked for it, and no policy here permits to install other packages",
                "sudo: nobody asked for it, and no policy here permits to remove other packages",
            ]
        );
        let mut wider = mandate();
        wider.policies.get_mut("linux").unwrap().beyond.install_new = true;
        let steps = [asked, step("linux-image-6", None, Some("6.1-1"), DEBIAN)];
        assert_eq!(says(&wider, "linux", "deb/openssl", openssl("3.0.15-1"), &steps), NOTHING);
        // It has to come from the same sources all the same.
        let steps = [step("linux-image-6", None, Some("6.1-1"), GOOGLE)];
        assert_eq!(says(&wider, "linux", "deb/openssl", openssl("3.0.15-1"), &steps).len(), 1);
    }

    #[test]
    fn an_added_source_is_refused() {
        for (key, by) in [(EVIL, EVIL), ("", "nobody"), (GOOGLE, GOOGLE)] {
            let steps = [step("openssl", Some("3.0.11-1"), Some("3.0.15-1"), key)];
            let said = says(&mandate(), "linux", "deb/openssl", openssl("3.0.15-1"), &steps);
            let expected = format!(
                "openssl: it would come from a source signed by {by}, which the mandate does not permit for it"
            );
            assert_eq!(said, [expected]);
        }
    }

    #[test]
    fn a_version_below_a_floor_or_below_what_has_run_is_refused() {
        let steps = [step("google-chrome-stable", Some("100.0-1"), Some("110.0-1"), GOOGLE)];
        let said = says(&mandate(), "browsers", "google-chrome", chrome("110.0-1"), &steps);
        assert_eq!(said, ["google-chrome-stable: 110.0-1 is below 120.0-1, the lowest that may be installed here"]);
        // Somebody has brought it down by hand: what has run before stays the floor.
        let steps = [step("openssl", Some("3.0.1-1"), Some("3.0.5-1"), DEBIAN)];
        let said = says(&mandate(), "linux", "deb/openssl", openssl("3.0.5-1"), &steps);
        assert_eq!(said, ["openssl: 3.0.5-1 is below 3.0.11-1, the lowest that may be installed here"]);
        let steps = [step("openssl", Some("3.0.11-1"), Some("3.0.5-1"), DEBIAN)];
        let said = says(&mandate(), "linux", "deb/openssl", openssl("3.0.5-1"), &steps);
        assert_eq!(said, ["openssl: the mandate does not permit to downgrade it"]);
    }

    #[test]
    fn another_version_than_was_asked_for_is_refused() {
        let steps = [step("openssl", Some("3.0.11-1"), Some("3.0.16-1"), DEBIAN)];
        let said = says(&mandate(), "linux", "deb/openssl", openssl("3.0.15-1"), &steps);
        assert_eq!(said, ["openssl: 3.0.16-1 would be installed, and 3.0.15-1 was asked for"]);
    }

    #[test]
    fn a_policy_asks_only_for_what_is_its_own() {
        let steps = [step("google-chrome-stable", Some("129.0-1"), Some("130.0-1"), GOOGLE)];
        let said = says(&mandate(), "evil", "google-chrome", chrome("130.0-1"), &steps);
        assert_eq!(said, ["google-chrome-stable: the policy `evil` may not ask for it"]);
    }

    #[test]
    fn what_is_no_version_is_refused() {
        let steps = [step("openssl", Some("3.0.11-1"), Some("3.0_15"), DEBIAN)];
        assert_eq!(
            says(&mandate(), "linux", "deb/openssl", openssl("3.0_15"), &steps),
            ["openssl: `3.0_15` is no version"]
        );
    }
}
