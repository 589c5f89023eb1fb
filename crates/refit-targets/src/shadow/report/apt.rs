//! apt's `/var/log/apt/history.log`, as far as unattended-upgrades wrote it.
//!
//! Entries are separated by empty lines; each has `Start-Date:` in the machine's own time, `Commandline:`, and lists such as
//! `Upgrade: openssl:amd64 (3.0.14-1, 3.0.15-1), …`.

use super::{Besides, Report, Row, State, Unread, when};

pub(super) fn read(path: &str, text: &str, besides: Besides<'_>) -> Result<Report, String> {
    let Some(device) = besides.device else {
        return Err("a log of apt's does not say of which machine it is: name it with `--device`".to_owned());
    };
    let mut report = Report::default();
    let (mut start, mut unattended) = (None, false);
    for (number, line) in text.lines().enumerate() {
        let place = format!("{path}:{}", number + 1);
        let Some((key, value)) = line.split_once(':') else { continue };
        match key {
            "Start-Date" => {
                start = when(value);
                unattended = false;
                if start.is_none() {
                    report.unread.push(Unread { place, why: format!("`{}` is no time", value.trim()) });
                }
            }
            "Commandline" => unattended = value.contains("unattended-upgrade"),
            "Upgrade" | "Install" | "Remove" | "Downgrade" if unattended => {
                let Some(at) = start else { continue };
                for part in value.split("),") {
                    let part = part.trim().trim_end_matches(')');
                    let Some((name, versions)) = part.split_once(" (") else {
                        report.unread.push(Unread {
                            place: place.clone(),
                            why: format!("`{part}` is no package with versions"),
                        });
                        continue;
                    };
                    let name = name.split(':').next().unwrap_or(name).trim();
                    let mut versions = versions.split(", ").map(str::trim);
                    let (first, second) = (versions.next(), versions.next());
                    // What was brought along because something needs it is marked, and no policy's business.
                    if second == Some("automatic") {
                        continue;
                    }
                    let (from, version) = match (key, first, second) {
                        ("Upgrade" | "Downgrade", Some(from), Some(to)) => (Some(from), Some(to)),
                        ("Install", Some(to), _) => (None, Some(to)),
                        ("Remove", Some(from), _) => (Some(from), None),
                        _ => {
                            report
                                .unread
                                .push(Unread { place: place.clone(), why: format!("`{part}` has no versions") });
                            continue;
                        }
                    };
                    report.rows.push(Row {
                        device: device.to_owned(),
                        title: format!("deb/{name}"),
                        version: version.map(str::to_owned),
                        from: from.map(str::to_owned),
                        state: State::Installed { at },
                        place: place.clone(),
                    });
                }
            }
            _ => {}
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_unattended_upgrades_did_is_read() {
        let log = "Start-Date: 2026-11-20  06:12:33\nCommandline: /usr/bin/unattended-upgrade\n\
                   Upgrade: openssl:amd64 (3.0.14-1, 3.0.15-1), libssl3:amd64 (3.0.14-1, 3.0.15-1)\n\
                   Install: linux-image-6.1.0-28-amd64:amd64 (6.1.119-1, automatic)\nEnd-Date: 2026-11-20  06:12:40\n\n\
                   Start-Date: 2026-11-20  09:00:00\nCommandline: apt install htop\nInstall: htop:amd64 (3.2.2-2)\nEnd-Date: 2026-11-20  09:00:03\n";
        let report = read("history.log", log, Besides { device: Some("web-1"), title: None }).unwrap();
        let rows: Vec<String> =
            report.rows.iter().map(|row| format!("{} {:?} {:?}", row.title, row.from, row.version)).collect();
        assert_eq!(
            rows,
            ["deb/openssl Some(\"3.0.14-1\") Some(\"3.0.15-1\")", "deb/libssl3 Some(\"3.0.14-1\") Some(\"3.0.15-1\")"]
        );
        assert!(report.unread.is_empty());
        assert!(read("history.log", log, Besides::default()).is_err());
    }
}
