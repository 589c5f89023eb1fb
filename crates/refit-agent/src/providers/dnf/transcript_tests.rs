use super::*;
use crate::providers::{Manager, installs::Installs};

fn inventory() -> Inventory {
    Inventory {
        installs: Installs {
            manager: Manager::Dnf,
            architecture: "x86_64".into(),
            packages: BTreeMap::new(),
            unreadable: Vec::new(),
        },
        duplicates: BTreeMap::new(),
        cut_short: Default::default(),
        bytes: BTreeMap::new(),
    }
}

fn read(text: &str) -> (Transcript, Vec<(String, Step)>) {
    let mut transcript = Transcript::default();
    let steps = text.lines().filter_map(|line| transcript.take(&inventory(), line));
    let steps = steps.map(|(title, step)| (title.to_string(), step)).collect();
    (transcript, steps)
}

#[test]
fn a_failing_script_belongs_to_its_package() {
    let (transcript, steps) = read(include_str!("testdata/apply-failing-post.txt"));
    assert!(steps.contains(&("rpm/alpha".into(), Step::Configure)), "{steps:?}");
    assert_eq!(transcript.failed_script("alpha-2.0-1.noarch"), Some("post"));
    let about = transcript.about(&"rpm/alpha".into()).unwrap().join("\n");
    assert!(about.contains("alpha: cannot migrate"), "{about}");
    assert!(!transcript.about(&"rpm/beta".into()).unwrap().join("\n").contains("migrate"));
}

#[test]
fn kept_and_replaced_configuration_files_are_told_apart() {
    let text = "Running transaction\nwarning: /etc/a.conf created as /etc/a.conf.rpmnew\nwarning: /etc/b.conf saved as /etc/b.conf.rpmsave\n";
    let (transcript, _) = read(text);
    assert_eq!(transcript.kept_conffiles(), ["/etc/a.conf"]);
    assert_eq!(transcript.replaced_conffiles(), ["/etc/b.conf"]);
}
