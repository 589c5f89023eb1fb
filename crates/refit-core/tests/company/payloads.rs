//! What the six systems answer, as they write it.

use super::made::{Account, Company, Entry};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The instant of a day.
pub fn time(day: i64) -> Timestamp {
    let first: Timestamp = "2026-10-01T06:00:00Z".parse().unwrap();
    first + SignedDuration::from_hours(24 * day)
}

/// A page of accounts of one system.
pub fn accounts(system: &str, page: &[&Account]) -> String {
    match system {
        "workday" => json!({ "Report_Entry": page.iter().map(|it| worker(it)).collect::<Vec<_>>() }).to_string(),
        "okta" => Value::from(page.iter().map(|it| okta_user(it)).collect::<Vec<_>>()).to_string(),
        "entra-id" => json!({ "value": page.iter().map(|it| entra_user(it)).collect::<Vec<_>>() }).to_string(),
        "csv" => {
            let mut text = String::from("Id,Email,Name\n");
            for it in page {
                text.push_str(&format!("{},{},{}\n", it.id, it.email.as_deref().unwrap_or_default(), it.name));
            }
            text
        }
        other => panic!("{other} has no people"),
    }
}

/// A page of devices of one system.
pub fn entries(company: &Company, system: &str, page: &[&Entry]) -> String {
    match system {
        "jamf-pro" => {
            json!({ "totalCount": page.len(), "results": page.iter().map(|it| jamf(company, it)).collect::<Vec<_>>() })
                .to_string()
        }
        "intune" => json!({ "value": page.iter().map(|it| intune(company, it)).collect::<Vec<_>>() }).to_string(),
        "okta" => Value::from(page.iter().map(|it| okta_device(company, it)).collect::<Vec<_>>()).to_string(),
        "entra-id" => json!({ "value": page.iter().map(|it| entra_device(it)).collect::<Vec<_>>() }).to_string(),
        "csv" => {
            let mut text = String::from("Asset Tag;Serial Number;Platform;Hostname\n");
            for it in page {
                let platform = if it.mac_os { "macos" } else { "windows" };
                text.push_str(&format!(
                    "{};{};{platform};{}\n",
                    it.id,
                    it.serial.as_deref().unwrap_or_default(),
                    it.hostname
                ));
            }
            text
        }
        other => panic!("{other} has no devices"),
    }
}

fn worker(it: &Account) -> Value {
    json!({
        "Employee_ID": it.id,
        "Name": it.name,
        "Email_-_Work": it.email,
        "Worker_Status": if it.active { "Active" } else { "Terminated" },
        "Department": "Engineering",
        "Hire_Date": "2020-02-03",
    })
}

fn okta_user(it: &Account) -> Value {
    json!({
        "id": it.id,
        "status": if it.active { "ACTIVE" } else { "DEPROVISIONED" },
        "lastUpdated": "2026-09-01T00:00:00.000Z",
        "profile": { "login": it.login, "email": it.email, "employeeNumber": it.number, "displayName": it.name },
    })
}

fn entra_user(it: &Account) -> Value {
    json!({
        "id": it.id,
        "userPrincipalName": it.login,
        "mail": it.email,
        "employeeId": it.number,
        "displayName": it.name,
        "accountEnabled": it.active,
        "userType": "Member",
    })
}

fn user<'c>(company: &'c Company, it: &Entry) -> Option<&'c Account> {
    let person = it.users.last()?;
    company.of_person.get(*person)?.first().map(|at| &company.accounts[*at])
}

fn jamf(company: &Company, it: &Entry) -> Value {
    let user = user(company, it);
    json!({
        "id": it.id,
        "udid": it.uuid.as_ref().map(|uuid| uuid.to_uppercase()),
        "general": {
            "name": it.hostname,
            "managementId": it.management,
            "reportDate": time(it.seen).to_string(),
            "lastContactTime": time(it.seen).to_string(),
            "lastEnrolledDate": time(it.enrolled).to_string(),
        },
        "hardware": {
            "serialNumber": it.serial,
            "macAddress": it.adapters[0].to_uppercase(),
            "altMacAddress": it.adapters[1].to_uppercase(),
            "model": "MacBook Pro",
        },
        "operatingSystem": { "version": "15.1" },
        "userAndLocation": { "email": user.and_then(|user| user.email.clone()), "username": "local" },
    })
}

fn intune(company: &Company, it: &Entry) -> Value {
    let user = user(company, it);
    json!({
        "id": it.id,
        "deviceName": it.hostname,
        "operatingSystem": "Windows",
        "osVersion": "10.0.22631.4460",
        "serialNumber": it.serial,
        "azureADDeviceId": it.entra,
        "wiFiMacAddress": it.adapters[0].replace(':', "").to_uppercase(),
        "ethernetMacAddress": it.adapters[1].replace(':', "").to_uppercase(),
        "enrolledDateTime": time(it.enrolled).to_string(),
        "lastSyncDateTime": time(it.seen).to_string(),
        "userPrincipalName": user.map(|user| user.login.clone()),
        "emailAddress": user.and_then(|user| user.email.clone()),
    })
}

fn okta_device(company: &Company, it: &Entry) -> Value {
    let users = it.users.iter().filter_map(|person| company.of_person.get(*person));
    let users =
        users.filter_map(|of| of.iter().map(|at| &company.accounts[*at]).find(|account| account.system == "okta"));
    json!({
        "id": it.id,
        "status": "ACTIVE",
        "resourceType": "UDDevice",
        "lastUpdated": time(it.seen).to_string(),
        "profile": {
            "displayName": it.hostname,
            "platform": if it.mac_os { "MACOS" } else { "WINDOWS" },
            "serialNumber": it.serial,
            "udid": it.uuid,
            "registered": true,
        },
        "_embedded": { "users": users.map(|user| json!({
            "user": { "id": user.id, "status": "ACTIVE", "profile": { "email": user.email, "login": user.login } }
        })).collect::<Vec<_>>() },
    })
}

fn entra_device(it: &Entry) -> Value {
    json!({
        "id": it.id,
        "deviceId": it.entra,
        "displayName": it.hostname,
        "operatingSystem": "Windows",
        "trustType": "AzureAd",
        "registrationDateTime": time(it.enrolled).to_string(),
        "approximateLastSignInDateTime": time(it.seen).to_string(),
    })
}
