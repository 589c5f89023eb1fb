//! The systems of the company: whole lists page by page, and only what has changed where the vendor's can say that.

use super::{
    made::{Account, Company, Entry},
    payloads,
    server::{Answer, Asked, Server, json as whole},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::{Arc, RwLock},
};

/// One in so many changes.
const ONE_IN: usize = 100;
/// Records of a page of Microsoft Graph.
const OF_GRAPH: usize = 999;
/// Records of a page of Okta.
const OF_OKTA: usize = 200;

/// What the systems have.
pub struct Systems {
    company: Company,
    accounts: BTreeMap<&'static str, Vec<usize>>,
    entries: BTreeMap<&'static str, Vec<usize>>,
}

impl Systems {
    pub fn new(company: Company) -> Systems {
        let mut systems = Systems { accounts: BTreeMap::new(), entries: BTreeMap::new(), company };
        for (at, account) in systems.company.accounts.iter().enumerate().filter(|(_, it)| !it.removed) {
            systems.accounts.entry(account.system).or_default().push(at);
        }
        for (at, entry) in systems.company.entries.iter().enumerate().filter(|(_, it)| !it.removed) {
            systems.entries.entry(entry.system).or_default().push(at);
        }
        systems
    }

    /// One in a hundred people has another name, and one in a hundred devices another hostname.
    pub fn change(&mut self) {
        for account in self.company.accounts.iter_mut().filter(|it| it.truth.is_multiple_of(ONE_IN)) {
            account.name.push_str(" Jr");
        }
        for entry in self.company.entries.iter_mut().filter(|it| it.truth.is_multiple_of(ONE_IN)) {
            entry.hostname.push_str("-2");
            entry.seen += 1;
        }
    }

    /// How many records they have together.
    pub fn records(&self) -> usize {
        self.accounts.values().chain(self.entries.values()).map(Vec::len).sum()
    }

    /// A serial number of a device that nothing is wrong with.
    pub fn serial(&self) -> &str {
        let sound = |it: &&Entry| self.company.devices[it.truth].is_none();
        self.company.entries.iter().filter(sound).find_map(|it| it.serial.as_deref()).unwrap()
    }

    /// The two lists that people keep by hand.
    pub fn write_lists(&self, folder: &Path) -> io::Result<()> {
        let assets = payloads::entries(&self.company, "csv", &self.entries("csv", false));
        fs::write(folder.join("assets.csv"), assets)?;
        fs::write(folder.join("cards.csv"), payloads::accounts("csv", &self.accounts("csv", false)))
    }

    fn accounts(&self, system: &str, changed: bool) -> Vec<&Account> {
        let all = self.accounts[system].iter().map(|at| &self.company.accounts[*at]);
        all.filter(|it| !changed || it.truth.is_multiple_of(ONE_IN)).collect()
    }

    fn entries(&self, system: &str, changed: bool) -> Vec<&Entry> {
        let all = self.entries[system].iter().map(|at| &self.company.entries[*at]);
        all.filter(|it| !changed || it.truth.is_multiple_of(ONE_IN)).collect()
    }
}

/// Starts a double of each system, by the name of its source.
pub fn start(systems: &Arc<RwLock<Systems>>) -> BTreeMap<&'static str, Server> {
    type System = fn(&Systems, &Asked) -> Answer;
    let all: [(&'static str, System); 5] =
        [("workday", workday), ("okta", okta), ("entra-id", graph), ("jamf-pro", jamf), ("intune", graph)];
    let started = all.into_iter().map(|(name, answer)| {
        let systems = Arc::clone(systems);
        (name, Server::start(move |asked| answer(&systems.read().unwrap(), asked)))
    });
    started.collect()
}

fn number(asked: &Asked, name: &str) -> usize {
    asked.query.get(name).map_or(0, |value| value.parse().unwrap())
}

/// So many from there on.
fn cut<T>(all: &[T], from: usize, size: usize) -> &[T] {
    &all[from.min(all.len())..(from + size).min(all.len())]
}

fn token() -> Answer {
    whole(json!({ "token_type": "Bearer", "access_token": "t", "expires_in": 3600 }))
}

fn workday(systems: &Systems, _: &Asked) -> Answer {
    whole(payloads::accounts("workday", &systems.accounts("workday", false)))
}

fn okta(systems: &Systems, asked: &Asked) -> Answer {
    if asked.path == "/oauth2/v1/token" {
        return token();
    }
    let changed = asked.query.get("search").is_some_and(|search| search.starts_with("lastUpdated"));
    let from = number(asked, "after");
    let (body, count) = match asked.path.as_str() {
        "/api/v1/users" => {
            let all = systems.accounts("okta", changed);
            (payloads::accounts("okta", cut(&all, from, OF_OKTA)), all.len())
        }
        "/api/v1/devices" => {
            let all = systems.entries("okta", changed);
            (payloads::entries(&systems.company, "okta", cut(&all, from, OF_OKTA)), all.len())
        }
        other => panic!("nobody asks Okta for {other}"),
    };
    let mut headers = vec![("content-type", "application/json".to_owned())];
    if from + OF_OKTA < count {
        let search = if changed { "&search=lastUpdated" } else { "" };
        let next = format!("http://{}{}?after={}{search}", asked.headers["host"], asked.path, from + OF_OKTA);
        headers.push(("link", format!("<{next}>; rel=\"next\"")));
    }
    Answer::Whole(200, headers, body)
}

fn jamf(systems: &Systems, asked: &Asked) -> Answer {
    match asked.path.as_str() {
        "/api/oauth/token" => token(),
        "/api/v1/computers-inventory" => {
            let all = systems.entries("jamf-pro", asked.query.contains_key("filter"));
            let size = number(asked, "page-size");
            let page = cut(&all, number(asked, "page") * size, size);
            let body = payloads::entries(&systems.company, "jamf-pro", page);
            let (of_page, of_all) = (format!("\"totalCount\":{}", page.len()), format!("\"totalCount\":{}", all.len()));
            assert!(body.contains(&of_page));
            whole(body.replacen(&of_page, &of_all, 1))
        }
        "/api/v2/mobile-devices/detail" => whole(json!({ "totalCount": 0, "results": [] })),
        other => panic!("nobody asks Jamf Pro for {other}"),
    }
}

/// Microsoft Graph, as Entra ID and Intune are read through it.
fn graph(systems: &Systems, asked: &Asked) -> Answer {
    let path = asked.path.trim_start_matches("/v1.0");
    let delta = asked.query.get("$deltatoken").map(String::as_str);
    let (from, changed) = (number(asked, "$skiptoken"), delta == Some("d1") || asked.query.contains_key("$filter"));
    let devices = |system: &str| {
        let all = systems.entries(system, changed);
        (payloads::entries(&systems.company, system, cut(&all, from, OF_GRAPH)), all.len())
    };
    let nothing = || (json!({ "value": [] }).to_string(), 0);
    let (mut body, count) = match path {
        "/acme.example/oauth2/v2.0/token" => return token(),
        "/users/delta" | "/devices/delta" if delta == Some("latest") => nothing(),
        "/users" | "/users/delta" => {
            let all = systems.accounts("entra-id", changed);
            (payloads::accounts("entra-id", cut(&all, from, OF_GRAPH)), all.len())
        }
        "/devices" | "/devices/delta" => devices("entra-id"),
        "/deviceManagement/managedDevices" => devices("intune"),
        "/deviceManagement/detectedApps" => nothing(),
        other => panic!("nobody asks Graph for {other}"),
    };
    let mut link = |name: &str, query: String| {
        let end = body.pop();
        assert_eq!(end, Some('}'));
        body += &format!(",\"{name}\":\"http://{}/v1.0{path}?{query}\"}}", asked.headers["host"]);
    };
    if from + OF_GRAPH < count {
        let of_changes = if changed { "&$deltatoken=d1" } else { "" };
        link("@odata.nextLink", format!("$skiptoken={}{of_changes}", from + OF_GRAPH));
    } else if path.ends_with("/delta") {
        link("@odata.deltaLink", "$deltatoken=d1".to_owned());
    }
    whole(body)
}
