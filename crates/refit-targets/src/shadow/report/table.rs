//! Tables (CSV): Refit's own, Jamf's patch report, and Windows Update for Business reports.
//!
//! - Refit's own has the columns `device`, `title` and `version`, and may have `from`, `installed_at`, `due` and `state` (`current`,
//!   `installed`, `pending`). Times without a zone are the device's.
//! - Jamf's patch report of a title (`/api/v2/patch-software-title-configurations/ID/export-report`): `computerName`, `version`; the
//!   title is named besides.
//! - `UCClientUpdateStatus` of Windows Update for Business reports, exported from Log Analytics: `DeviceName`, `TargetVersion`,
//!   `TargetBuild`, `ClientState`, `UpdateInstalledTime`, `UpdateCategory`. Times are in UTC.

use super::{Besides, Report, Row, State, Unread, utc, when};
use refit_core::policy::diagnostic::did_you_mean;
use std::collections::BTreeMap;

/// The columns of Refit's own table.
const OWN: [&str; 7] = ["device", "title", "version", "from", "installed_at", "due", "state"];

pub(super) fn read(path: &str, text: &str, besides: Besides<'_>) -> Result<Report, String> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator(text))
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut columns: BTreeMap<String, usize> = BTreeMap::new();
    for (number, name) in headers.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if columns.insert(plain(name), number).is_some() {
            return Err(format!("it has the column `{name}` twice"));
        }
    }
    let has = |names: &[&str]| names.iter().all(|name| columns.contains_key(*name));
    let kind = if has(&["devicename", "targetbuild", "clientstate"]) {
        Kind::Windows
    } else if has(&["computername", "version"]) && !has(&["title"]) {
        Kind::Jamf
    } else if has(&["version"])
        && (has(&["title"]) || besides.title.is_some())
        && (has(&["device"]) || besides.device.is_some())
    {
        Kind::Own
    } else {
        let found: Vec<&str> = headers.iter().take(12).collect();
        return Err(format!(
            "it is no report that is known: a table needs the columns `device`, `title` and `version` (found: {})",
            found.join(", ")
        ));
    };
    if kind == Kind::Jamf && besides.title.is_none() {
        return Err("Jamf's patch report does not say of which title it is: name it with `--title`".to_owned());
    }
    if kind == Kind::Own {
        let known = |name: &str| OWN.iter().any(|own| plain(own) == plain(name));
        if let Some(name) = headers.iter().find(|name| !name.is_empty() && !known(name)) {
            let near = did_you_mean(name, OWN).map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            return Err(format!("it has a column `{name}`{near} (known are {})", OWN.join(", ")));
        }
    }
    if besides.device.is_some() && (kind != Kind::Own || has(&["device"])) {
        return Err("it says itself of which devices it is: leave `--device` out".to_owned());
    }
    let mut report = Report::default();
    let (mut counted, mut line, mut rows) = (0, 1, 0_usize);
    for record in reader.records() {
        rows += 1;
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                report.unread.push(Unread { place: path.to_owned(), why: error.to_string() });
                continue;
            }
        };
        // A record's position is behind the record before it: line ends and empty lines may be between.
        let start = record.position().and_then(|at| usize::try_from(at.byte()).ok()).unwrap_or(counted);
        let ends = text.get(start..).map_or(0, |rest| rest.len() - rest.trim_start_matches(['\r', '\n']).len());
        line += text.get(counted..start + ends).map_or(0, |passed| passed.matches('\n').count());
        counted = counted.max(start + ends);
        let place = format!("{path}:{line}");
        let cell =
            |name: &str| columns.get(name).and_then(|number| record.get(*number)).filter(|cell| !cell.is_empty());
        let row = match kind {
            Kind::Own => own(&cell, besides),
            Kind::Jamf => jamf(&cell, besides),
            Kind::Windows => windows(&cell),
        };
        match row {
            Ok(Some(row)) => report.rows.push(Row { place, ..row }),
            Ok(None) => {}
            Err(why) => report.unread.push(Unread { place, why }),
        }
    }
    if rows == 0 {
        return Err("it has no rows below its header".to_owned());
    }
    Ok(report)
}

/// What stands between the cells: commas, or what the header has more of, as spreadsheets write it in some languages.
fn separator(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |separator: char| header.matches(separator).count();
    let (commas, semicolons, tabs) = (count(','), count(';'), count('\t'));
    if semicolons > commas && semicolons >= tabs {
        b';'
    } else if tabs > commas {
        b'\t'
    } else {
        b','
    }
}

/// A column's name, as it is compared.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace([' ', '_'], "")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Own,
    Jamf,
    Windows,
}

fn own<'c>(cell: &impl Fn(&str) -> Option<&'c str>, besides: Besides<'_>) -> Result<Option<Row>, String> {
    let needed = |name: &str| cell(name).map(str::to_owned).ok_or_else(|| format!("it has no `{name}`"));
    let time = |name: &str| match cell(name) {
        Some(text) => when(text).map(Some).ok_or_else(|| format!("`{text}` in `{name}` is no time")),
        None => Ok(None),
    };
    let (installed, due) = (time("installedat")?, time("due")?);
    let said = cell("state").map(str::to_ascii_lowercase);
    let state = match (said.as_deref(), installed) {
        (Some("pending"), _) => State::Pending { due },
        (Some("current"), _) => State::Current,
        (None | Some("installed"), Some(at)) => State::Installed { at },
        (Some("installed"), None) => State::Current,
        (None, None) if due.is_some() => State::Pending { due },
        (None, None) => State::Current,
        (Some(other), _) => return Err(format!("`{other}` in `state` is none of `current`, `installed`, `pending`")),
    };
    Ok(Some(Row {
        device: besides.device.map(str::to_owned).map_or_else(|| needed("device"), Ok)?,
        title: match besides.title {
            Some(title) => cell("title").unwrap_or(title).to_owned(),
            None => needed("title")?,
        },
        version: Some(needed("version")?),
        from: cell("from").map(str::to_owned),
        state,
        place: String::new(),
    }))
}

fn jamf<'c>(cell: &impl Fn(&str) -> Option<&'c str>, besides: Besides<'_>) -> Result<Option<Row>, String> {
    let device = cell("computername").ok_or("it has no `computerName`")?;
    // A Mac whose version Jamf does not know says nothing.
    let Some(version) = cell("version").filter(|version| !version.eq_ignore_ascii_case("unknown")) else {
        return Ok(None);
    };
    Ok(Some(Row {
        device: device.to_owned(),
        title: besides.title.unwrap_or_default().to_owned(),
        version: Some(version.to_owned()),
        from: None,
        state: State::Current,
        place: String::new(),
    }))
}

fn windows<'c>(cell: &impl Fn(&str) -> Option<&'c str>) -> Result<Option<Row>, String> {
    if cell("updatecategory")
        .is_some_and(|category| category != "WindowsQualityUpdate" && category != "WindowsFeatureUpdate")
    {
        return Ok(None);
    }
    let device = cell("devicename").ok_or("it has no `DeviceName`")?;
    let build = cell("targetbuild").ok_or("it has no `TargetBuild`")?;
    let number: u32 =
        build.split('.').nth(2).and_then(|part| part.parse().ok()).ok_or_else(|| format!("`{build}` is no build"))?;
    // Builds of Windows 11 begin with 22000.
    let title = if number >= 22_000 { "windows-11" } else { "windows-10" };
    let installed = cell("updateinstalledtime").and_then(utc);
    let state = match cell("clientstate").unwrap_or_default().to_ascii_lowercase().as_str() {
        "installed" => State::Installed { at: installed.ok_or("it is installed, and when is not said")? },
        "offered" | "installing" | "onhold" | "downloading" => {
            State::Pending { due: cell("deadlinetime").and_then(utc) }
        }
        "canceled" | "uninstalled" | "uninstalling" | "unknown" | "" => return Ok(None),
        other => return Err(format!("what `{other}` means is not known")),
    };
    Ok(Some(Row {
        device: device.to_owned(),
        title: title.to_owned(),
        version: Some(build.to_owned()),
        from: None,
        state,
        place: String::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, besides: Besides<'_>) -> Vec<String> {
        let report = read("r.csv", text, besides).unwrap();
        let of = |row: &Row| {
            format!("{} {} {:?} {:?}", row.device, row.title, row.version.as_deref().unwrap_or("-"), row.state)
        };
        report
            .rows
            .iter()
            .map(of)
            .chain(report.unread.iter().map(|unread| format!("{}: {}", unread.place, unread.why)))
            .collect()
    }

    #[test]
    fn the_table_of_refits_own() {
        let text = "Device,Title,Version,Installed At,Due,State\na,firefox,130,2026-11-20T08:00:00Z,,\nb,firefox,130,,2026-11-30 12:00,\n\
                    c,firefox,129,,,\nd,firefox,130,,,pending\ne,firefox,,,,\nf,firefox,130,soon,,\n";
        let rows = rows(text, Besides::default());
        assert_eq!(rows.len(), 6);
        for (row, start) in rows.iter().zip([
            "a firefox \"130\" Installed",
            "b firefox \"130\" Pending { due: Some(Local",
            "c firefox \"129\" Current",
            "d firefox \"130\" Pending { due: None }",
            "r.csv:6: it has no `version`",
            "r.csv:7: `soon` in `installedat` is no time",
        ]) {
            assert!(row.starts_with(start), "{row}");
        }
    }

    #[test]
    fn separators_and_line_ends_are_as_spreadsheets_write_them() {
        for separator in [",", ";", "\t"] {
            let text = "device,title,version\r\na,firefox,130\r\n\r\nb,firefox,\r\n".replace(',', separator);
            let rows = rows(&text, Besides::default());
            assert_eq!(rows, ["a firefox \"130\" Current", "r.csv:4: it has no `version`"]);
        }
    }

    #[test]
    fn columns_are_known_and_said_once() {
        let firefox = Besides { device: None, title: Some("firefox") };
        assert_eq!(rows("device,version\na,130\n", firefox), ["a firefox \"130\" Current"]);
        let web = Besides { device: Some("web"), title: None };
        assert_eq!(rows("title,version\nfirefox,130\n", web), ["web firefox \"130\" Current"]);
        for (text, besides, start) in [
            (
                "device,title,version,instaled_at\na,b,1,\n",
                Besides::default(),
                "it has a column `instaled_at`, did you mean `installed_at`?",
            ),
            ("device,title,version,Version\na,b,1,2\n", Besides::default(), "it has the column `Version` twice"),
            ("device,title,version\n", Besides::default(), "it has no rows"),
            ("device,title,version\na,b,1\n", web, "it says itself of which devices it is"),
        ] {
            let why = read("r.csv", text, besides).unwrap_err();
            assert!(why.starts_with(start), "{why}");
        }
    }

    #[test]
    fn the_tables_of_others() {
        let jamf = "computerName,deviceId,username,operatingSystemVersion,lastContactTime,buildingName,departmentName,siteName,version\n\
                    mac-1,1,a,15.1,2026-11-24T10:00:00Z,,,,130.0\nmac-2,2,b,15.1,2026-11-24T10:00:00Z,,,,Unknown\n";
        assert_eq!(
            rows(jamf, Besides { device: None, title: Some("Google Chrome") }),
            ["mac-1 Google Chrome \"130.0\" Current"]
        );
        assert!(read("r.csv", jamf, Besides::default()).is_err());
        let windows = "DeviceName,TargetVersion,TargetBuild,ClientState,UpdateInstalledTime,UpdateCategory\n\
                       W1,24H2,10.0.26100.7200,Installed,2026-11-14 08:00:00,WindowsQualityUpdate\n\
                       W2,24H2,10.0.26100.7200,Offered,,WindowsQualityUpdate\nW3,24H2,10.0.26100.7200,Offered,,DriverUpdate\n";
        let rows = rows(windows, Besides::default());
        assert_eq!(rows.len(), 2);
        assert!(
            rows[0].starts_with("W1 windows-11 \"10.0.26100.7200\" Installed { at: Instant(2026-11-14T08:00:00Z)"),
            "{rows:?}"
        );
        assert!(read("r.csv", "a,b\n1,2\n", Besides::default()).is_err());
    }
}
