//! What names suggest.

use super::super::document::Subject;
use super::super::json::Json;
use super::shape::{Found, Leaf, objects, parts};
use crate::facts::{FieldRef, Fields, Kind, parse_time};

/// What the names in records suggest.
pub struct Guess {
    pub of: Subject,
    pub id: Option<String>,
    pub observed: Option<Timed>,
    /// Kinds of keys, with expressions.
    pub keys: Vec<(&'static str, String)>,
    /// Fields, with expressions.
    pub fields: Vec<(&'static str, Timed)>,
    /// Keys of the other in a relation, and which relation it is.
    pub relations: Vec<(&'static str, Vec<(&'static str, String)>)>,
    pub installs: Option<Installed>,
    /// What is not used, as an expression, with what it is.
    pub unused: Vec<(String, String)>,
}

/// An expression, with how times are written where it is a time.
pub struct Timed {
    pub from: String,
    pub time: Option<&'static str>,
}

/// What is installed.
pub struct Installed {
    pub each: String,
    /// What a title is called by, with expressions.
    pub title: Vec<(&'static str, String)>,
    pub version: Option<String>,
}

/// Names of fields as vendors have them: in small letters, without what stands between words. The first that is there is taken.
type Names = &'static [&'static str];

const DEVICE_KEYS: &[(&str, Names)] = &[
    ("serial", &["serial", "serialnumber", "serialno", "serialnum", "sn", "servicetag", "hardwareserial"]),
    ("hardware_uuid", &["hardwareuuid", "udid", "smbiosuuid", "uuid"]),
    ("imei", &["imei"]),
    ("mac", &["macaddress", "mac", "primarymac", "ethernetmacaddress", "wifimac", "wifimacaddress"]),
    ("hostname", &["hostname", "computername", "devicename", "fqdn", "host"]),
];

const DEVICE_FIELDS: &[(&str, Names)] = &[
    ("device.serial", &["serial", "serialnumber", "serialno", "serialnum", "sn", "servicetag", "hardwareserial"]),
    ("device.hostname", &["hostname", "computername", "devicename", "fqdn", "host", "name", "displayname", "label"]),
    ("device.platform", &["platform", "osplatform", "osfamily", "family", "operatingsystemfamily"]),
    ("device.os", &["os", "osname", "operatingsystem", "operatingsystemname"]),
    ("device.os_version", &["osversion", "operatingsystemversion", "osrelease", "release", "version"]),
    ("device.arch", &["arch", "architecture", "cpuarchitecture", "processorarchitecture"]),
    ("device.manufacturer", &["manufacturer", "vendor", "make", "brand", "hardwarevendor"]),
    ("device.model", &["model", "modelname", "modelidentifier", "hardwaremodel"]),
    ("device.kind", &["kind", "devicetype", "formfactor", "chassistype", "assettype", "category"]),
    ("device.tags", &["tags", "labels", "groups"]),
    ("device.site", &["site", "location", "office", "building"]),
    ("device.country", &["country", "countrycode"]),
    ("device.timezone", &["timezone", "tz"]),
    ("device.enrolled", &["enrolled", "enrolledat", "enrolleddatetime", "enrollmentdate", "enrolmentdate"]),
    ("device.seen", &["seen", "lastseen", "lastseenat", "lastcheckin", "lastcontact", "lastcontacttime", "lastsync"]),
];

const PERSON_KEYS: &[(&str, Names)] = &[
    ("email", &["email", "mail", "workemail", "emailaddress", "emailwork", "primaryemail"]),
    ("employee_id", &["employeeid", "employeenumber", "employeeno", "staffno", "staffnumber", "personnelnumber"]),
    ("login", &["login", "userprincipalname", "upn"]),
    ("username", &["username", "samaccountname", "uid", "user"]),
    ("name", &["name", "displayname", "fullname"]),
];

const PERSON_FIELDS: &[(&str, Names)] = &[
    ("person.email", &["email", "mail", "workemail", "emailaddress", "emailwork", "primaryemail"]),
    ("person.department", &["department", "dept", "team", "orgunit", "organization"]),
    ("person.division", &["division", "businessunit", "parentdepartment"]),
    ("person.title", &["title", "jobtitle", "position"]),
    ("person.site", &["site", "location", "office", "worksite", "officelocation"]),
    ("person.country", &["country", "countrycode"]),
    ("person.cost_centre", &["costcentre", "costcenter"]),
    ("person.employment", &["employment", "employmentstatus", "status", "workerstatus"]),
    ("person.first_day", &["firstday", "startdate", "hiredate", "start"]),
    ("person.last_day", &["lastday", "enddate", "terminationdate", "end"]),
];

/// Keys of objects that are about the person who has a device.
const OF_OWNERS: Names =
    &["owner", "user", "assignedto", "assignee", "holder", "person", "employee", "primaryuser", "userandlocation"];
const OF_MANAGERS: Names = &["manager", "reportsto", "supervisor", "lead"];
const OBSERVED: Names =
    &["updated", "updatedat", "modified", "modifiedat", "lastupdated", "lastmodified", "changed", "reportdate"];
const IDS: Names = &["id", "uuid", "guid", "key", "assettag", "asset", "tag", "employeeid", "number"];
const TITLES: &[(&str, Names)] = &[
    ("bundle_id", &["bundleid", "bundleidentifier"]),
    ("product_code", &["productcode"]),
    ("name", &["name", "title", "displayname", "application", "software", "product"]),
    ("publisher", &["publisher", "vendor"]),
];
const VERSIONS: Names = &["version", "v", "displayversion", "bundleversion", "shortversion"];

/// A name in small letters, without what stands between words.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

struct Part<'j> {
    leaf: &'j Leaf<'j>,
    expression: String,
    last: String,
    /// Names of what it is in.
    around: Vec<String>,
}

impl Part<'_> {
    fn is_in(&self, names: Names) -> bool {
        self.around.iter().any(|name| names.contains(&name.as_str()))
    }

    /// Whether it is one of these names of somebody else: `owner: { email }`, or `owner_email`.
    fn of(&self, others: Names, names: Names) -> bool {
        if self.is_in(others) {
            return names.contains(&self.last.as_str());
        }
        let flat = |other: &str| self.last.strip_prefix(other).is_some_and(|rest| names.contains(&rest));
        others.iter().any(|other| flat(other))
    }

    /// Whether it is about the record's own subject, as far as names tell.
    fn own(&self) -> bool {
        !self.is_in(OF_OWNERS) && !self.is_in(OF_MANAGERS)
    }
}

/// The first part with the first of the names that any has.
fn named<'p, 'j>(parts: &'p [Part<'j>], names: Names, fits: impl Fn(&Part<'j>) -> bool) -> Option<&'p Part<'j>> {
    names.iter().find_map(|name| parts.iter().find(|part| part.last == *name && fits(part)))
}

fn seen<'j>(leaves: &'j [Leaf<'j>], name: &str) -> Vec<Part<'j>> {
    let part = |leaf: &'j Leaf<'j>| {
        let (last, around) = leaf.path.split_last()?;
        let around = around.iter().map(|key| plain(key)).collect();
        Some(Part { leaf, expression: leaf.expression(name)?, last: plain(last), around })
    };
    leaves.iter().filter_map(part).collect()
}

/// What the names in the records suggest.
pub fn guess(found: &Found<'_>) -> Guess {
    let parts = seen(&found.leaves, "record");
    let hits = |keys: &[(&str, Names)]| {
        keys.iter().filter(|(_, names)| named(&parts, names, |part| part.own() && scalar(part)).is_some()).count()
    };
    let people = hits(PERSON_KEYS) + hits(PERSON_FIELDS);
    // A serial number says it: people have none.
    let machine = named(&parts, DEVICE_KEYS[0].1, |part| part.own() && scalar(part)).is_some();
    let of =
        if machine || hits(DEVICE_KEYS) + hits(DEVICE_FIELDS) >= people { Subject::Device } else { Subject::Person };
    let (keys, fields) = match of {
        Subject::Device => (DEVICE_KEYS, DEVICE_FIELDS),
        Subject::Person => (PERSON_KEYS, PERSON_FIELDS),
    };
    let mut used: Vec<String> = Vec::new();
    let mut take = |part: &Part<'_>| {
        used.push(part.expression.clone());
        part.expression.clone()
    };
    let id = named(&parts, IDS, |part| part.around.is_empty() && scalar(part))
        .or_else(|| parts.iter().find(|part| part.around.is_empty() && part.last.ends_with("id") && scalar(part)))
        .or_else(|| keys.iter().find_map(|(_, names)| named(&parts, names, |part| part.own() && scalar(part))))
        .or_else(|| parts.iter().find(|part| scalar(part)));
    let id = id.map(&mut take);
    let keys: Vec<_> = keys
        .iter()
        .filter_map(|(key, names)| Some((*key, take(named(&parts, names, |part| part.own() && scalar(part))?))))
        .collect();
    let known = Fields::builtin();
    let mut guessed = Vec::new();
    for (field, names) in fields {
        let kind = field.parse::<FieldRef>().ok().and_then(|field| known.get(&field)).map(|field| field.kind);
        let fits = |part: &Part<'_>| part.own() && of_kind(part.leaf.value, kind);
        let Some(part) = named(&parts, names, fits) else { continue };
        let time = if kind == Some(Kind::Time) { time(part.leaf.value).flatten() } else { None };
        guessed.push((*field, Timed { from: take(part), time }));
    }
    let observed = named(&parts, OBSERVED, |part| part.own() && time(part.leaf.value).is_some());
    let observed = observed.map(|part| Timed { from: take(part), time: time(part.leaf.value).flatten() });
    let (relation, around) = match of {
        Subject::Device => ("assigned", OF_OWNERS),
        Subject::Person => ("manager", OF_MANAGERS),
    };
    let others = PERSON_KEYS.iter().filter_map(|(key, names)| {
        Some((*key, take(parts.iter().find(|part| part.of(around, names) && scalar(part))?)))
    });
    let others: Vec<_> = others.collect();
    let relations = if others.is_empty() { Vec::new() } else { vec![(relation, others)] };
    let installs = if of == Subject::Device { found.lists.iter().find_map(installed) } else { None };
    let listed = found.lists.iter().filter(|list| {
        installs.as_ref().is_none_or(|installs| list.expression("record").as_ref() != Some(&installs.each))
    });
    let unused = parts
        .iter()
        .filter(|part| !used.contains(&part.expression))
        .map(|part| (part.expression.clone(), part.leaf.value.kind().to_owned()))
        .chain(listed.filter_map(|list| Some((list.expression("record")?, "a list of objects".to_owned()))))
        .collect();
    Guess { of, id, observed, keys, fields: guessed, relations, installs, unused }
}

fn scalar(part: &Part<'_>) -> bool {
    matches!(part.leaf.value, Json::Text(_) | Json::Int(_) | Json::Big(_))
}

fn of_kind(value: &Json<'_>, kind: Option<Kind>) -> bool {
    match kind {
        Some(Kind::Time) => time(value).is_some(),
        Some(Kind::List) => {
            matches!(value, Json::List(items) if items.iter().all(|item| matches!(item, Json::Text(_))))
        }
        Some(Kind::Version) => matches!(value, Json::Text(_)),
        _ => matches!(value, Json::Text(_)),
    }
}

/// Whether a value can be read as a time, and how it is then written; `Some(None)` needs no word.
fn time(value: &Json<'_>) -> Option<Option<&'static str>> {
    match value {
        Json::Int(1_000_000_000..10_000_000_000) => Some(Some("unix")),
        Json::Int(1_000_000_000_000..10_000_000_000_000) => Some(Some("unix_ms")),
        Json::Text(text) => parse_time(text.trim()).is_some().then_some(None),
        _ => None,
    }
}

fn installed(list: &Leaf<'_>) -> Option<Installed> {
    let items = objects(list.value)?;
    let (leaves, _) = parts(&items);
    let parts = seen(&leaves, "item");
    let title: Vec<_> = TITLES
        .iter()
        .filter_map(|(key, names)| Some((*key, named(&parts, names, scalar)?.expression.clone())))
        .collect();
    let version = named(&parts, VERSIONS, scalar)?.expression.clone();
    let says = title.iter().any(|(key, _)| *key != "publisher");
    says.then(|| list.expression("record")).flatten().map(|each| Installed { each, title, version: Some(version) })
}
