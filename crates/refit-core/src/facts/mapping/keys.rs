//! What identifies a device or a person, how it is written in one way, and which values identify nothing.

use super::convert::unwritten;
use super::document::Subject;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A key of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Of what kind.
    pub kind: KeyKind,
    /// Its value, written in one way.
    pub value: SmolStr,
    /// How far it identifies.
    pub strength: Strength,
}

/// How far a key identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// By itself it joins nothing.
    Weak,
    /// It identifies.
    Strong,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// The id that the source itself knows it by; it counts within the source only.
    Id,
    /// The serial number that the manufacturer gave it.
    Serial,
    /// The hardware UUID of its firmware; Apple's UDID of a Mac.
    HardwareUuid,
    /// The id under which a management system knows it.
    ManagementId,
    /// The id of the device in Microsoft Entra ID.
    EntraDeviceId,
    /// The IMEI of a phone.
    Imei,
    /// The address of a network adapter.
    Mac,
    /// Its name on the network.
    Hostname,
    /// The number of an employee.
    EmployeeId,
    /// An address at work.
    Email,
    /// The name that somebody signs in with, with a domain.
    Login,
    /// A name of a local account, or of a directory, without a domain.
    Username,
    /// What somebody is called.
    Name,
}

impl KeyKind {
    /// All of them.
    pub const ALL: [KeyKind; 13] = [
        KeyKind::Id,
        KeyKind::Serial,
        KeyKind::HardwareUuid,
        KeyKind::ManagementId,
        KeyKind::EntraDeviceId,
        KeyKind::Imei,
        KeyKind::Mac,
        KeyKind::Hostname,
        KeyKind::EmployeeId,
        KeyKind::Email,
        KeyKind::Login,
        KeyKind::Username,
        KeyKind::Name,
    ];

    /// As documents write it.
    pub fn name(self) -> &'static str {
        match self {
            KeyKind::Id => "id",
            KeyKind::Serial => "serial",
            KeyKind::HardwareUuid => "hardware_uuid",
            KeyKind::ManagementId => "management_id",
            KeyKind::EntraDeviceId => "entra_device_id",
            KeyKind::Imei => "imei",
            KeyKind::Mac => "mac",
            KeyKind::Hostname => "hostname",
            KeyKind::EmployeeId => "employee_id",
            KeyKind::Email => "email",
            KeyKind::Login => "login",
            KeyKind::Username => "username",
            KeyKind::Name => "name",
        }
    }

    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            KeyKind::Id => "id",
            KeyKind::Serial => "serial number",
            KeyKind::HardwareUuid => "hardware UUID",
            KeyKind::ManagementId => "management id",
            KeyKind::EntraDeviceId => "Entra device id",
            KeyKind::Imei => "IMEI",
            KeyKind::Mac => "network address",
            KeyKind::Hostname => "hostname",
            KeyKind::EmployeeId => "employee number",
            KeyKind::Email => "address",
            KeyKind::Login => "login",
            KeyKind::Username => "username",
            KeyKind::Name => "name",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<KeyKind> {
        KeyKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether records about `subject` can have it.
    pub fn is_of(self, subject: Subject) -> bool {
        match self {
            KeyKind::Id | KeyKind::Name => true,
            KeyKind::EmployeeId | KeyKind::Email | KeyKind::Login | KeyKind::Username => subject == Subject::Person,
            _ => subject == Subject::Device,
        }
    }

    /// How far it identifies at most.
    pub fn strength(self) -> Strength {
        match self {
            KeyKind::Mac | KeyKind::Hostname | KeyKind::Username | KeyKind::Name | KeyKind::Login => Strength::Weak,
            _ => Strength::Strong,
        }
    }

    /// The value, written in one way. The error says why it identifies nothing.
    pub fn written(self, text: &str) -> Result<SmolStr, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("it is empty");
        }
        if text.chars().count() > LONGEST {
            return Err("it is too long for a key");
        }
        if unwritten(text) {
            return Err("it has signs in it that nobody writes");
        }
        let value: String = match self {
            KeyKind::Id | KeyKind::EmployeeId | KeyKind::ManagementId | KeyKind::Name => text.to_owned(),
            KeyKind::Serial => text.to_uppercase(),
            KeyKind::HardwareUuid | KeyKind::EntraDeviceId => text.trim_matches(['{', '}']).to_lowercase(),
            KeyKind::Imei => text.chars().filter(char::is_ascii_digit).collect(),
            KeyKind::Mac => text.chars().filter(char::is_ascii_hexdigit).map(|c| c.to_ascii_lowercase()).collect(),
            KeyKind::Hostname | KeyKind::Email | KeyKind::Login | KeyKind::Username => text.to_lowercase(),
        };
        if matches!(self, KeyKind::Email | KeyKind::Login) && !looks_like_an_address(&value) {
            return Err("it is no address");
        }
        let is_uuid = || {
            let digits = value.bytes().filter(|byte| *byte != b'-');
            digits.clone().count() == 32 && digits.into_iter().all(|byte| byte.is_ascii_hexdigit())
        };
        if matches!(self, KeyKind::HardwareUuid | KeyKind::EntraDeviceId) && !is_uuid() {
            return Err("it is no UUID");
        }
        let hardware = matches!(
            self,
            KeyKind::Serial | KeyKind::HardwareUuid | KeyKind::Imei | KeyKind::Mac | KeyKind::EntraDeviceId
        );
        if hardware && stands_for_none(&value) {
            return Err("many devices have this value");
        }
        if matches!(self, KeyKind::EmployeeId | KeyKind::ManagementId) && says_that_there_is_none(&value) {
            return Err("it says that there is none");
        }
        if self == KeyKind::Mac && !is_network_address(text) {
            return Err("it is no network address");
        }
        Ok(value.into())
    }
}

/// Characters of the longest key.
const LONGEST: usize = 256;

fn looks_like_an_address(text: &str) -> bool {
    let mut parts = text.split('@');
    let (name, domain, more) = (parts.next(), parts.next(), parts.next());
    let word = |text: Option<&str>| text.is_some_and(|text| !text.is_empty() && !text.contains(char::is_whitespace));
    word(name) && word(domain) && more.is_none()
}

/// What manufacturers, virtual machines and clones write where there is no number.
fn stands_for_none(value: &str) -> bool {
    const NONE: [&str; 11] = [
        "to be filled by o.e.m.",
        "to be filled by oem",
        "default string",
        "system serial number",
        "chassis serial number",
        "oem",
        "o.e.m.",
        "123456789",
        "1234567890",
        "03000200-0400-0500-0006-000700080009",
        "serialnumber",
    ];
    let lower = value.to_lowercase();
    let mut letters = lower.chars().filter(char::is_ascii_alphanumeric);
    let first = letters.next();
    let all_the_same = letters.all(|letter| Some(letter) == first);
    NONE.contains(&lower.as_str()) || all_the_same || says_that_there_is_none(value)
}

/// What people write where somebody or something has no number. An employee may well have the number 7 or 11.
fn says_that_there_is_none(value: &str) -> bool {
    const NONE: [&str; 14] = [
        "not specified",
        "not applicable",
        "not available",
        "not assigned",
        "none",
        "null",
        "nil",
        "n/a",
        "na",
        "unknown",
        "invalid",
        "empty",
        "pending",
        "tbd",
    ];
    let only_zeros = || value.chars().filter(|letter| letter.is_alphanumeric()).all(|letter| letter == '0');
    NONE.contains(&value.to_lowercase().as_str()) || only_zeros()
}

/// Whether it is a MAC address of 48 or 64 bits (EUI-48, EUI-64), with whatever stands between the digits.
fn is_network_address(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    (digits == 12 || digits == 16)
        && text.chars().all(|letter| letter.is_ascii_hexdigit() || matches!(letter, ':' | '-' | '.' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_in_one_way() {
        for (kind, text, written) in [
            (KeyKind::Serial, " c02xk1 ", "C02XK1"),
            (KeyKind::HardwareUuid, "{954F4D56-C574-E7D3-FC3A-579CC2F85DCE}", "954f4d56-c574-e7d3-fc3a-579cc2f85dce"),
            (KeyKind::Mac, "00:15:5D:00:00:01", "00155d000001"),
            (KeyKind::Imei, "35-209900-176148-1", "352099001761481"),
            (KeyKind::Email, "Ada@Acme.Example", "ada@acme.example"),
            (KeyKind::EmployeeId, "00123", "00123"),
        ] {
            assert_eq!(kind.written(text).as_deref(), Ok(written), "{text}");
        }
    }

    #[test]
    fn what_many_have_identifies_nothing() {
        let none = [
            "To Be Filled By O.E.M.",
            "0",
            "00000000",
            "Default string",
            "",
            "  ",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        ];
        for text in none {
            assert!(KeyKind::Serial.written(text).is_err(), "{text}");
        }
        assert!(KeyKind::Mac.written("00:00:00:00:00:00").is_err());
        assert!(KeyKind::Mac.written("E0:AC:CB:97:36:G4").is_err(), "it has a letter that is no digit");
        assert!(KeyKind::Mac.written("aa:bb").is_err());
        assert!(KeyKind::Imei.written("none").is_err());
        for text in ["N/A", "none", "0", "00000", "-", "TBD", " pending "] {
            assert!(KeyKind::EmployeeId.written(text).is_err(), "{text}");
            assert!(KeyKind::ManagementId.written(text).is_err(), "{text}");
        }
        for text in ["1", "11", "7", "x", "123456789"] {
            assert!(KeyKind::EmployeeId.written(text).is_ok(), "{text}");
        }
        assert!(KeyKind::Email.written("ada").is_err());
        assert!(KeyKind::Email.written("Email Address value").is_err());
    }
}
