//! SCIM inbound with the examples of RFC 7643 and RFC 7644: what a person is said to be, request by request, and that none of the examples, sent
//! wherever it does not belong, ends in an error of the server.

use crate::{scim::facts, server::Server};
use refit_server::api::Options;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

const USERS: &str = "/scim/rfc/v2/Users";
const GROUPS: &str = "/scim/rfc/v2/Groups";

/// The ids that the examples have, also where they leave out the middle, by whose they are: the first user's, and the second one's.
const IDS: [(&str, usize); 6] = [
    ("2819c223-7f76-453a-919d-413861904646", 0),
    ("2819c223...919d-413861904646", 0),
    ("2819c223-7f76-...413861904646", 0),
    ("902c246b-6245-4190-8e05-00816be7344a", 1),
    ("08e1d05d-121c-4561-8b96-473d93df9210", 1),
    ("08e1d05d...473d93df9210", 1),
];

fn text(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/scim_samples");
    fs::read_to_string(folder.join(format!("{name}.json"))).unwrap()
}

/// An example, with the ids that the server gave in the place of those that it has.
fn sample(name: &str, ids: &[&str]) -> Value {
    let named = IDS.iter().filter_map(|(theirs, of)| Some((theirs, ids.get(*of)?)));
    let text = named.fold(text(name), |text, (theirs, ours)| text.replace(theirs, ours));
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn the_examples_of_the_standard_say_who_somebody_is_step_by_step() {
    let server = Server::new().await;
    let made = server.post(USERS, sample("rfc7643-8.3-enterprise_user", &[])).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.body);
    let id = made.body["id"].as_str().unwrap().to_owned();
    assert!(!made.body.to_string().contains("t1meMa$heen"), "a password is not kept");
    let path = format!("{USERS}/{id}");
    let email = |address: &str| format!("rfc: email = \"{address}\"");
    let (department, division) = ("rfc: department = \"Tour Operations\"", "rfc: division = \"Theme Park\"");
    let (centre, title) = ("rfc: cost_centre = \"4130\"", "rfc: title = \"Tour Guide\"");
    let (active, country) = ("rfc: employment = \"active\"", "rfc: country = \"US\"");
    let zone = "rfc: timezone = \"America/Los_Angeles\"";
    let (work, home) = (email("bjensen@example.com"), email("babs@jensen.org"));
    let (work, home) = (work.as_str(), home.as_str());
    // `USA` is no country of two letters, and nobody knows the manager.
    assert_eq!(facts(&server, &id).await, [centre, department, division, work, active, zone, title]);

    for (change, address) in [
        ("rfc7644-3.5.2.3-patch_op-replace_user_work_address", work),
        ("rfc7644-3.5.2.3-patch_op-replace_street_address", work),
        ("rfc7644-3.5.2.1-patch_op-add_emails", work),
        ("rfc7644-3.5.2.2-patch_op-remove_multi_complex_value", home),
        ("rfc7644-3.5.2.3-patch_op-replace_all_email_values", work),
    ] {
        server.call(&server.admin, "PATCH", &path, &[], Some(sample(change, &[]))).await.ok();
        let expected = [centre, country, department, division, address, active, zone, title];
        assert_eq!(facts(&server, &id).await, expected, "{change}");
    }

    // All of it anew: what is left out is no longer said.
    server.put(&path, sample("rfc7644-3.5.1-user-put_request", &[&id])).await.ok();
    assert_eq!(facts(&server, &id).await, [work]);
    let again = server.post(USERS, sample("rfc7644-3.3-user-post_request", &[])).await;
    assert_eq!((again.status.as_u16(), &again.body["scimType"]), (409, &json!("uniqueness")), "{}", again.body);

    let mandy = text("rfc7643-8.1-user-minimal").replace("bjensen", "mandy");
    let mandy = server.post(USERS, serde_json::from_str(&mandy).unwrap()).await.ok();
    let mandy = mandy["id"].as_str().unwrap().to_owned();
    assert_eq!(facts(&server, &mandy).await, [email("mandy@example.com")]);
    let ids = [id.as_str(), mandy.as_str()];
    let group = server.post(GROUPS, sample("rfc7643-8.4-group", &ids)).await.ok();
    let group = format!("{GROUPS}/{}", group["id"].as_str().unwrap());
    let guide = |is: bool| format!("rfc: groups = [{}]", if is { "\"Tour Guides\"" } else { "" });
    assert_eq!(facts(&server, &mandy).await, [email("mandy@example.com"), guide(true)]);
    for (change, first, second) in [
        ("rfc7644-3.5.2.2-patch_op-remove_one_member", false, true),
        ("rfc7644-3.5.2.1-patch_op-add_members", true, true),
        ("rfc7644-3.5.2.2-patch_op-remove_all_members", false, false),
        ("rfc7644-3.5.2.3-patch_op-replace_all_members", true, true),
    ] {
        server.call(&server.admin, "PATCH", &group, &[], Some(sample(change, &ids))).await.ok();
        assert_eq!(facts(&server, &id).await, [work.to_owned(), guide(first)], "{change}");
        assert_eq!(facts(&server, &mandy).await, [email("mandy@example.com"), guide(second)], "{change}");
    }
    // This one has `value eq"…"`, without the blank that the standard's own grammar wants: nothing of it is done, and the place is said.
    let swap = sample("rfc7644-3.5.2.2-patch_op-remove_and_add_one_member", &ids);
    let refused = server.call(&server.admin, "PATCH", &group, &[], Some(swap)).await;
    assert_eq!((refused.status.as_u16(), &refused.body["scimType"]), (400, &json!("invalidPath")), "{}", refused.body);
    assert!(refused.body["detail"].as_str().unwrap().starts_with("Operations[0]: the path `members[value eq"));
    assert_eq!(facts(&server, &id).await, [work.to_owned(), guide(true)]);
    let found = server.post(&format!("{USERS}/.search"), sample("rfc7644-3.4.3-search_request", &[])).await.ok();
    assert_eq!(found["totalResults"], 0, "nobody is called Smith: {found}");
}

/// The examples that are at hand: those of the repository, and the rest of the public ones where they are.
fn samples() -> BTreeMap<String, Value> {
    let data = env::var_os("REFIT_SHARED_DATA").map(PathBuf::from);
    let public = data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/scim_samples");
    let folders = [ours, public.join("payloads/scim")].into_iter().filter(|folder| folder.is_dir());
    let paths = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let json = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    json.map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap())
    })
    .collect()
}

#[tokio::test]
async fn no_example_of_the_standard_is_an_error_of_the_server_wherever_it_is_sent() {
    let longest_wait = std::time::Duration::from_millis(100);
    let options = Options { requests_per_second: 1e6, burst: 1e6, longest_wait, ..Options::default() };
    let server = Server::with(options).await;
    let user = server.post(USERS, json!({ "userName": "ada@acme.example" })).await.ok();
    let user = format!("{USERS}/{}", user["id"].as_str().unwrap());
    let group = server.post(GROUPS, json!({ "displayName": "Guides" })).await.ok();
    let group = format!("{GROUPS}/{}", group["id"].as_str().unwrap());
    let samples = samples();
    assert!(samples.len() >= 15, "{:?}", samples.keys());
    let search = format!("{USERS}/.search");
    for (name, sample) in &samples {
        for (method, path) in [
            ("POST", USERS),
            ("POST", GROUPS),
            ("PUT", user.as_str()),
            ("PATCH", user.as_str()),
            ("PUT", group.as_str()),
            ("PATCH", group.as_str()),
            ("POST", search.as_str()),
        ] {
            let answer = server.call(&server.admin, method, path, &[], Some(sample.clone())).await;
            assert!(answer.status.as_u16() < 500, "{method} {path} with {name}: {} {}", answer.status, answer.body);
            let is_problem = answer.status.is_client_error();
            assert!(!is_problem || answer.body["detail"].is_string(), "{method} {path} with {name}: {}", answer.body);
        }
    }
    println!("{} examples, each sent to seven places", samples.len());
}
