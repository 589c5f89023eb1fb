//! Tables (CSV): Refit's own, Jamf's patch report, and Windows Update for Business reports.
//!
//! - Refit's own has the columns `device`, `title` and `version`, and may have `from`, `installed_at`, `due` and `state` (`current`,
//!   `installed`, `pending`). Times without a zone are the device's.
//! - Jamf's patch report of a title (`/api/v2/patch-software-title-configurations/ID/export-report`): `computerName`, `version`; the
//!   title is named besides.
//! - `UCClientUpdateStatus` of Windows Update for Business reports, exported from Log Analytics: `DeviceName`, `TargetVersion`,
//!   `TargetBuild`, `ClientState`, `UpdateInstalledTime`, `UpdateCategory`. Times are in UTC.

use super::{Besides, Report, Row, State, Unread, utc, when};
use std::collections::BTreeMap;

pub(super) fn read(path: &str, text: &str, besides: Besides<'_>) -> Result<Report, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| error.to_string())?.clone();
    let columns: BTreeMap<String, usize> = headers
        .iter()
        .enumerate()
        .map(|(number, name)| (name.to_ascii_lowercase().replace([' ', '_'], ""), number))
        .collect();
    let has = |names: &[&str]| names.iter().all(|name| columns.contains_key(*name));
    let kind = if has(&["devicename", "targetbuild", "clientstate"]) {
        Kind::Windows
    } else if has(&["computername", "version"]) && !has(&["title"]) {
        Kind::Jamf
    } else if has(&["title", "version"]) && (has(&["device"]) || besides.device.is_some()) {
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
    let mut report = Report::default();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                report.unread.push(Unread { place: path.to_owned(), why: error.to_string() });
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
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
    Ok(report)
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
        title: needed("title")?,
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
