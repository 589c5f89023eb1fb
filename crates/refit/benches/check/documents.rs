//! Policy repositories of any size, in the mixture that a large organisation has: of ten documents five are policies, two
//! titles, and one each an exception, a block and a test.

use std::{error::Error, fmt::Write, fs, path::Path};

const ORGANIZATION: &str = r#"organization: acme
authority: { person.department: [workday, okta] }
rollouts:
  standard:
    gate: default
    rings:
      - { name: canary, where: 'person.department == "IT" || "canary" in device.tags', soak: 1d }
      - { name: early, share: 10%, soak: 2d }
      - { name: rest }
gates:
  default: { failure_rate: 2%, confidence: 95%, enough: 90%, patience: 7d }
windows:
  overnight: { rrule: "FREQ=DAILY;BYHOUR=19", lasts: 10h }
exceptions: { longest: 90d }
"#;

/// How many documents share a file.
const PER_FILE: usize = 20;

/// Writes a repository of `count` documents, and returns its size in bytes.
pub fn write(folder: &Path, count: usize) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("refit.yaml"), ORGANIZATION)?;
    let mut bytes = ORGANIZATION.len();
    for first in (1..count).step_by(PER_FILE) {
        let documents: Vec<String> = (first..(first + PER_FILE).min(count)).map(document).collect::<Result<_, _>>()?;
        let text = documents.join("---\n");
        fs::write(folder.join(format!("part-{first:05}.yaml")), &text)?;
        bytes += text.len();
    }
    Ok(bytes)
}

fn document(number: usize) -> Result<String, std::fmt::Error> {
    match number % 10 {
        // Every ten documents bring two titles of their own, of which their policies speak.
        0 | 5 => title(number),
        7 => exception(number),
        8 => block(number),
        9 => test(number),
        _ => policy(number),
    }
}

/// A title near a document, written by `number / 5 * 5`.
fn near(number: usize) -> String {
    format!("made-up-{}", (number / 5 * 5).max(5))
}

fn title(number: usize) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "title: made-up-{number}\nname: Made up {number}\nvendor: Example\nscheme: generic")?;
    writeln!(text, "identifiers:\n  brew: [made-up-{number}]\n  winget: [Example.MadeUp{number}]")?;
    Ok(text)
}

fn policy(number: usize) -> Result<String, std::fmt::Error> {
    let department = ["IT", "Engineering", "Finance", "Sales"][number / 10 % 4];
    let mut text = String::new();
    writeln!(text, "policy: policy {number}\nowner: team-{}@acme.example", number % 37)?;
    writeln!(text, "why: >\n  Reason {number}, explained at the length at which people explain such things.")?;
    writeln!(text, "mode: enforce\npriority: {number}")?;
    let platform = ["macos", "windows", "linux"][number % 3];
    match number % 4 {
        0 => writeln!(text, "where: device.platform == \"{platform}\" && person.department == \"{department}\"")?,
        1 => {
            writeln!(text, "where: device.platform in [\"macos\", \"{platform}\"] && \"tag-{number}\" in device.tags")?
        }
        2 => writeln!(text, "where: '!(device.hostname.startsWith(\"h{number}\")) && device.kind == \"laptop\"'")?,
        _ => writeln!(text, "where: device.site == \"site-{number}\"")?,
    }
    writeln!(text, "software: [{}]\nmin_age: 1d", near(number))?;
    writeln!(text, "deadline:\n  - {{ if: exposure.kev, within: 2d, at_due: proceed }}")?;
    writeln!(text, "  - {{ if: exposure.cvss >= {}.5 || exposure.epss >= 0.5, within: 7d }}", number % 9)?;
    writeln!(text, "  - {{ within: 30d }}\nrollout: standard\nwindow: overnight")?;
    Ok(text)
}

fn exception(number: usize) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "exception: exception {number}\nsoftware: [{}]", near(number))?;
    writeln!(text, "where: device.hostname == \"host-{number}\"\ndue: 2027-01-10T18:00:00Z\nuntil: 2027-01-15")?;
    writeln!(text, "why: A plug-in is not ready.")?;
    Ok(text)
}

fn block(number: usize) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "block: block {number}\ntitle: {}\nreleases: \">=1.{number}, <1.{}\"", near(number), number + 1)?;
    writeln!(text, "where: device.kind == \"laptop\"\nwhy: Printing hangs.\nuntil: 2026-12-24")?;
    Ok(text)
}

fn test(number: usize) -> Result<String, std::fmt::Error> {
    let title = near(number);
    let mut text = String::new();
    writeln!(text, "test: test {number}\nworld:\n  now: 2026-11-23T09:00:00Z")?;
    writeln!(text, "  device: {{ id: d{number}, platform: linux, kind: laptop, hostname: host-1 }}")?;
    writeln!(text, "  person: {{ department: IT }}\n  installed:\n    - {{ title: {title}, version: 1.0.1 }}")?;
    writeln!(text, "  releases:\n    - {{ title: {title}, version: 1.0.1, published: 2026-10-01T00:00:00Z }}")?;
    writeln!(text, "expect:\n  {title}: {{ compliance: compliant }}")?;
    Ok(text)
}
