//! Munki's `ManagedInstallReport.plist`, one of each Mac.
//!
//! `InstallResults` and `RemovalResults` say what the last run did, `ItemsToInstall` and `ItemsToRemove` what waits, `ManagedInstalls` what
//! is there. `force_install_after_date` is what the clock on the wall shows, as in items.

use super::{Besides, Report, Row, State, Unread};
use crate::targets::plist::{self, DATE};
use jiff::civil::DateTime;
use refit_core::policy::document::scalars::When;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn read(path: &str, text: &str, besides: Besides<'_>) -> Result<Report, String> {
    let fields = plist::read(text).map_err(|error| format!("it is no property list in XML: {error}"))?;
    if !fields["ManagedInstallVersion"].is_string()
        && !fields["ManagedInstalls"].is_array()
        && !fields["InstallResults"].is_array()
    {
        return Err("it is a property list, and no ManagedInstallReport.plist".to_owned());
    }
    let machine = &fields["MachineInfo"];
    let named =
        ["serial_number", "hostname"].into_iter().find_map(|key| machine[key].as_str().filter(|name| !name.is_empty()));
    let Some(device) = besides.device.or(named) else {
        return Err("it does not say of which Mac it is (`MachineInfo`): name it with `--device`".to_owned());
    };
    let mut report = Report::default();
    let mut told = BTreeSet::new();
    let entries = |list: &str| fields[list].as_array().cloned().unwrap_or_default();
    let lists = ["InstallResults", "RemovalResults", "ItemsToInstall", "ItemsToRemove", "ManagedInstalls"];
    for (list, entry) in lists.into_iter().flat_map(|list| entries(list).into_iter().map(move |entry| (list, entry))) {
        let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let Some(title) = text("name") else { continue };
        let place = format!("{path}: {list}: {title}");
        let version = text("version_to_install").or_else(|| text("version")).or_else(|| text("installed_version"));
        let state = match list {
            "InstallResults" | "RemovalResults" => match (entry["status"].as_i64(), moment(&entry["time"])) {
                // What failed is tried again.
                (Some(0), Some(at)) => State::Installed { at },
                (Some(0), None) => {
                    report.unread.push(Unread { place, why: "when it was done is not said".to_owned() });
                    continue;
                }
                _ => continue,
            },
            "ItemsToInstall" | "ItemsToRemove" => State::Pending { due: wall(&entry["force_install_after_date"]) },
            _ if entry["installed"] == true => State::Current,
            _ => continue,
        };
        let goes = list.starts_with("Rem") || list == "ItemsToRemove";
        if !goes && version.is_none() {
            report.unread.push(Unread { place, why: "its version is not said".to_owned() });
            continue;
        }
        // What was done, or waits, is said before that it is there.
        if !told.insert(title.clone()) {
            continue;
        }
        report.rows.push(Row {
            device: device.to_owned(),
            title,
            version: version.filter(|_| !goes),
            from: None,
            state,
            place,
        });
    }
    Ok(report)
}

fn moment(value: &Value) -> Option<When> {
    value[DATE].as_str()?.parse().ok().map(When::Instant)
}

fn wall(value: &Value) -> Option<When> {
    let at: DateTime = value[DATE].as_str()?.trim_end_matches('Z').parse().ok()?;
    Some(When::Local(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mac_did_and_what_waits_there() {
        let text = "<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>\
            <key>MachineInfo</key><dict><key>serial_number</key><string>C02A</string></dict>\
            <key>InstallResults</key><array><dict><key>name</key><string>GoogleChrome</string><key>version</key><string>131.0</string>\
            <key>status</key><integer>0</integer><key>time</key><date>2026-11-20T08:00:00Z</date></dict></array>\
            <key>ItemsToInstall</key><array><dict><key>name</key><string>VPN</string><key>version_to_install</key><string>4.2</string>\
            <key>force_install_after_date</key><date>2026-11-30T12:00:00Z</date></dict></array>\
            <key>ManagedInstalls</key><array><dict><key>name</key><string>GoogleChrome</string><key>installed</key><true/>\
            <key>installed_version</key><string>131.0</string></dict></array></dict></plist>";
        let report = read("r.plist", text, Besides::default()).unwrap();
        let rows: Vec<String> =
            report.rows.iter().map(|row| format!("{} {} {:?}", row.device, row.title, row.state)).collect();
        assert_eq!(rows.len(), 2);
        assert!(rows[0].starts_with("C02A GoogleChrome Installed"), "{rows:?}");
        assert!(rows[1].starts_with("C02A VPN Pending { due: Some(Local(2026-11-30T12:00:00)"), "{rows:?}");
        assert!(read("r.plist", "<plist><dict/></plist>", Besides::default()).is_err());
    }
}
