//! How long reading, resolving and checking a policy repository takes: `cargo run --release -p refit-core --example check_timing`.
//!
//! With a number and a folder (`-- 10000 /tmp/policies`) it writes the generated repository there instead, for `refit check`.

use refit_core::policy::{
    check::{CheckWorld, check},
    diagnostic::{Files, Severity, render},
    load::load,
    resolve::{Titles, resolve, resolve_titles},
    syntax::Limits,
};
use std::{fmt::Write, path::Path, time::Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [count, folder] = arguments.as_slice() {
        let Ok(count) = count.parse() else { return eprintln!("`{count}` is no number of documents") };
        if let Err(error) = write(count, Path::new(folder)) {
            eprintln!("{folder}: {error}");
        }
        return;
    }
    println!("{:>9} {:>9} {:>9} {:>9} {:>9}   findings", "documents", "load", "resolve", "check", "total");
    for count in [100, 1_000, 10_000] {
        // The best of several: what the machine can do when it does nothing else.
        let mut best: Option<[f64; 3]> = None;
        let mut findings = 0;
        for _ in 0..5 {
            let (times, found) = measure(count);
            findings = found;
            if best.is_none_or(|best| times.iter().sum::<f64>() < best.iter().sum()) {
                best = Some(times);
            }
        }
        let [load, resolve, check] = best.unwrap_or_default();
        let total = load + resolve + check;
        println!("{count:>9} {load:>6.1} ms {resolve:>6.1} ms {check:>6.1} ms {total:>6.1} ms   {findings}");
    }
}

/// Milliseconds of loading, resolving and checking, and how many errors and warnings there were.
fn measure(count: usize) -> ([f64; 3], usize) {
    let mut files = Files::default();
    for (name, text) in generate(count) {
        if let Err(refused) = files.add(name, text.as_bytes(), &Limits::default()) {
            eprintln!("{}", render(&refused, &files));
        }
    }
    let catalog = titles();
    let start = Instant::now();
    let (documents, mut found) = load(&files, &Limits::default());
    let loaded = start.elapsed();
    let (repository, unresolved) = resolve(&documents, &files, &catalog);
    let resolved = start.elapsed();
    let now = "2026-11-24T12:00:00Z".parse().unwrap_or_default();
    let checked = check(&documents, &files, &repository, &CheckWorld::default(), now);
    let total = start.elapsed();
    found.extend(unresolved);
    found.extend(checked);
    let bad: Vec<_> = found.iter().filter(|found| found.severity > Severity::Note).collect();
    for finding in bad.iter().take(3) {
        eprintln!("{}", render(finding, &files));
    }
    let millis = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    ([millis(loaded), millis(resolved - loaded), millis(total - resolved)], bad.len())
}

fn write(count: usize, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    generate(count).into_iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text))
}

fn titles() -> Titles {
    let mut files = Files::default();
    let text: Vec<String> = TITLES.iter().map(|title| format!("title: {title}\n")).collect();
    let _ = files.add("titles.yaml", text.join("---\n").as_bytes(), &Limits::default());
    let (documents, _) = load(&files, &Limits::default());
    resolve_titles(&documents, &files).0
}

const TITLES: [&str; 8] =
    ["google-chrome", "firefox", "microsoft-edge", "zoom", "slack", "7-zip", "git", "visual-studio-code"];

/// A repository of that many documents as large organisations write them: policies by title and site, exceptions, blocks; a
/// hundred documents to a file.
fn generate(count: usize) -> Vec<(String, String)> {
    let mut files = vec![("refit.yaml".to_owned(), ORGANIZATION.to_owned())];
    let mut document = 1;
    while document < count {
        let mut text = String::new();
        for _ in 0..100 {
            if document >= count {
                break;
            }
            if !text.is_empty() {
                text += "---\n";
            }
            let _ = text.write_str(&one(document));
            document += 1;
        }
        files.push((format!("policies-{:05}.yaml", document - 1), text));
    }
    files
}

fn one(n: usize) -> String {
    // Exceptions and blocks are about what the policy before them names.
    let policy = if matches!(n % 20, 7 | 13) { n - 1 } else { n };
    let (title, site) = (TITLES[policy % TITLES.len()], policy / TITLES.len());
    match n % 20 {
        7 => format!(
            "exception: e{n}\nsoftware: [{title}]\nwhere: device.site == \"site-{site}\" && person.department == \"Sales\"\ndue: 2027-01-10T00:00:00Z\nuntil: 2027-01-10\nwhy: The fair in January.\n"
        ),
        13 => format!(
            "block: b{n}\ntitle: {title}\nreleases: \"=1.{n}\"\nwhere: device.site == \"site-{site}\" && device.os_version < \"15\"\nwhy: It does not start there.\n"
        ),
        _ => format!(
            "policy: p{n}\nowner: endpoint@acme.example\nwhy: Site {site} has agreed to this.\nwhere: device.site == \"site-{site}\" && device.platform in [\"macos\", \"windows\"]\nsoftware: [{title}, deb/app-{n}]\nmin_age: 1d\nrollout: standard\nwindow: overnight\ndeadline:\n  - {{ if: exposure.kev, within: 2d, min_age: 0h, rollout: fast, at_due: proceed }}\n  - {{ if: exposure.cvss >= 9.0 || exposure.epss >= 0.5, within: 7d }}\n  - {{ within: 14d }}\nexperience:\n  notify: 24h\n  defer: {{ times: 3, for: 8h }}\n"
        ),
    }
}

const ORGANIZATION: &str = r#"organization: acme
defaults: { mode: enforce }
rollouts:
  standard:
    gate: default
    rings:
      - { name: canary, where: 'person.department == "IT" || "canary" in device.tags', soak: 1d }
      - { name: early, share: 10%, soak: 1d }
      - { name: rest }
  fast:
    gate: default
    rings:
      - { name: canary, where: 'person.department == "IT" || "canary" in device.tags', soak: 2h }
      - { name: rest }
gates: { default: { failure_rate: 2%, confidence: 95%, enough: 90% } }
windows: { overnight: { rrule: "FREQ=DAILY;BYHOUR=19", lasts: 10h } }
"#;
