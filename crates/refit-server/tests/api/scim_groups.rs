//! Groups of an identity provider, with requests as Okta and Entra ID send them.

use crate::server::{Answer, Server};
use refit_core::control::{Bearer, Scope};
use serde_json::{Value, json};

const GROUPS: &str = "/scim/okta/v2/Groups";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Users of a source: their ids.
async fn users<const N: usize>(server: &Server, source: &str, names: [&str; N]) -> [String; N] {
    let mut ids = Vec::new();
    for name in names {
        let user = json!({ "userName": format!("{name}@acme.example"), "active": true });
        let made = server.post(&format!("/scim/{source}/v2/Users"), user).await.ok();
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    ids.try_into().unwrap()
}

async fn patch(server: &Server, path: &str, operations: Value) -> Answer {
    let body = json!({ "schemas": [PATCH], "Operations": operations });
    server.call(&server.admin, "PATCH", path, &[], Some(body)).await
}

/// What `person.groups` is, as each source says; `None` where none says anything.
async fn groups(server: &Server, person: &str) -> Option<Value> {
    let person = server.get(&format!("/api/v1/people/{person}")).await.ok();
    let mut said = person["facts"].as_array().unwrap().iter().filter(|fact| fact["field"] == "groups");
    let one = said.next().map(|fact| fact["value"].clone());
    assert!(said.next().is_none() && !person.to_string().contains("scim_groups"), "{person}");
    one
}

fn members(group: &Value) -> Vec<String> {
    let list = group["members"].as_array().cloned().unwrap_or_default();
    list.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

fn refused(answer: &Answer, status: u16, scim_type: Option<&str>) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(answer.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]), "{}", answer.body);
    assert_eq!(answer.body["scimType"].as_str(), scim_type, "{}", answer.body);
}

#[tokio::test]
async fn okta_pushes_a_group_changes_who_is_in_it_renames_and_deletes_it() {
    let server = Server::new().await;
    let [ada, bob, eve] = users(&server, "okta", ["ada", "bob", "eve"]).await;
    assert_eq!(groups(&server, &ada).await, None, "nobody has spoken of groups");
    let look = format!("{GROUPS}?filter=displayName%20eq%20%22Patch%20first%22&startIndex=1&count=100");
    assert_eq!(server.get(&look).await.ok()["totalResults"], 0);
    let sent = json!({ "schemas": [GROUP], "displayName": "Patch first",
        "members": [{ "value": ada, "display": "ada@acme.example" }] });
    let made = server.post(GROUPS, sent.clone()).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.body);
    let id = made.body["id"].as_str().unwrap().to_owned();
    let path = format!("{GROUPS}/{id}");
    assert_eq!(
        (made.header("location"), made.header("etag")),
        (path.as_str(), made.body["meta"]["version"].as_str().unwrap())
    );
    let reference = format!("/scim/okta/v2/Users/{ada}");
    assert_eq!(made.body["members"], json!([{ "value": ada, "$ref": reference, "type": "User" }]));
    assert_eq!(made.body["meta"]["resourceType"], "Group");
    assert_eq!(server.get(&look).await.ok()["Resources"][0], made.body);
    assert_eq!(groups(&server, &ada).await, Some(json!(["Patch first"])));
    assert_eq!(groups(&server, &bob).await, Some(json!([])), "the provider speaks of groups, and bob is in none");
    refused(&server.post(GROUPS, sent).await, 409, Some("uniqueness"));
    // One goes and two come, in one request.
    let change = json!([
        { "op": "remove", "path": format!("members[value eq \"{ada}\"]") },
        { "op": "add", "path": "members", "value": [{ "value": bob, "display": "bob" }, { "value": eve }] },
    ]);
    let changed = patch(&server, &path, change.clone()).await;
    assert_eq!((changed.status.as_u16(), &changed.body), (204, &json!("")), "who is in it is not told again");
    let now = server.get(&path).await;
    let mut expected = vec![bob.clone(), eve.clone()];
    expected.sort();
    assert_eq!((members(&now.body), now.header("etag")), (expected, changed.header("etag")));
    assert_ne!(now.header("etag"), made.header("etag"));
    assert_eq!(groups(&server, &ada).await, Some(json!([])));
    assert_eq!(groups(&server, &bob).await, Some(json!(["Patch first"])));
    // Said again, it is no change, and no event.
    let head = *server.shell.head().borrow();
    assert_eq!(patch(&server, &path, change).await.header("etag"), now.header("etag"));
    assert_eq!(*server.shell.head().borrow(), head);
    let user = server.get(&format!("/scim/okta/v2/Users/{bob}")).await.ok();
    assert_eq!(user["groups"], json!([{ "value": id, "display": "Patch first", "type": "direct" }]));
    let renamed =
        patch(&server, &path, json!([{ "op": "replace", "value": { "id": id, "displayName": "First ring" } }])).await;
    assert_eq!(renamed.status.as_u16(), 204, "{}", renamed.body);
    assert_eq!(groups(&server, &bob).await, Some(json!(["First ring"])));
    // All of it anew.
    let whole = json!({ "schemas": [GROUP], "id": id, "displayName": "First ring", "members": [{ "value": ada }] });
    assert_eq!(members(&server.put(&path, whole).await.ok()), [ada.as_str()]);
    assert_eq!(groups(&server, &bob).await, Some(json!([])));
    assert_eq!(server.delete(&path).await.status.as_u16(), 204);
    refused(&server.get(&path).await, 404, None);
    assert_eq!(groups(&server, &ada).await, None, "it speaks of no group any more");
}

#[tokio::test]
async fn entra_looks_without_members_and_names_who_goes_in_the_value() {
    let server = Server::new().await;
    let list = "/scim/entra/v2/Groups";
    let [ada, bob] = users(&server, "entra", ["ada", "bob"]).await;
    let sent = json!({ "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", "displayName": "Engineers", "meta": { "resourceType": "Group" } });
    let made = server.post(list, sent).await.ok();
    assert!(made.get("members").is_none(), "{made}");
    let path = format!("{list}/{}", made["id"].as_str().unwrap());
    for (op, member, left) in [("Add", &ada, vec![&ada]), ("Add", &bob, vec![&ada, &bob]), ("Remove", &ada, vec![&bob])]
    {
        let value = json!([{ "$ref": null, "value": member }]);
        let changed = patch(&server, &path, json!([{ "op": op, "path": "members", "value": value }])).await;
        assert_eq!(changed.status.as_u16(), 204, "{}", changed.body);
        assert_eq!(members(&server.get(&path).await.ok()), left.into_iter().cloned().collect::<Vec<_>>());
    }
    let look = format!("{list}?excludedAttributes=members&filter=displayName+eq+%22ENGINEERS%22");
    let found = server.get(&look).await.ok();
    assert_eq!((&found["totalResults"], found["Resources"][0].get("members")), (&json!(1), None));
    let whole = server.get(&path).await;
    let without = server.get(&format!("{path}?excludedAttributes=members")).await;
    assert_eq!((without.body.get("members"), without.header("etag")), (None, whole.header("etag")));
    // Is this user in that group?
    let external = "externalId%20eq%20%228aa1a0c0-c4c3-4bc0-b4a5-2ef676900159%22";
    for (member, is) in [(&bob, 1), (&ada, 0)] {
        let asked =
            format!("{list}?excludedAttributes=members&filter={external}%20and%20members%20eq%20%22{member}%22");
        assert_eq!(server.get(&asked).await.ok()["totalResults"], is);
    }
    let renamed = json!([{ "op": "Replace", "path": "displayName", "value": "Builders" }]);
    let asked = format!("{path}?attributes=displayName,members");
    let answered = patch(&server, &asked, renamed).await;
    assert_eq!((answered.status.as_u16(), &answered.body["displayName"]), (200, &json!("Builders")));
    assert_eq!((members(&answered.body), answered.body.get("meta")), (vec![bob.clone()], None));
    assert_eq!(groups(&server, &bob).await, Some(json!(["Builders"])));
    // Without members named, all go.
    patch(&server, &path, json!([{ "op": "Remove", "path": "members" }])).await;
    assert_eq!(groups(&server, &bob).await, Some(json!([])));
}

#[tokio::test]
async fn policies_ask_who_is_in_a_group() {
    let server = Server::new().await;
    server.fleet().await;
    let [ada, bob] = users(&server, "okta", ["ada", "bob"]).await;
    server.put("/api/v1/devices/d1/assignment", json!({ "person": ada })).await.ok();
    let policy = "\
organization: acme
---
title: firefox
name: Firefox
---
policy: browsers
where: '\"Patch first\" in person.groups'
software: [firefox]
deadline: [{ within: 7d }]
";
    let plan = server.post("/api/v1/plans", json!({ "files": { "refit.yaml": policy } })).await.ok();
    let apply = format!("/api/v1/plans/{}/apply", plan["id"].as_str().unwrap());
    server.call(&server.admin, "POST", &apply, &[], None).await.ok();
    server.shell.evaluate().unwrap();
    let stands = async || {
        server.shell.settled().await;
        let decisions = server.get("/api/v1/devices/d1/decisions").await.ok();
        decisions["slots"][0]["compliance"].as_str().unwrap().to_owned()
    };
    assert_eq!(stands().await, "undetermined", "nobody speaks of groups");
    let group = json!({ "displayName": "Others", "members": [{ "value": bob }] });
    let id = server.post(GROUPS, group).await.ok()["id"].as_str().unwrap().to_owned();
    assert_eq!(stands().await, "unmanaged", "the provider speaks of groups, and ada is in none");
    patch(&server, &format!("{GROUPS}/{id}"), json!([{ "op": "add", "path": "members", "value": [{ "value": ada }] }]))
        .await;
    assert_eq!(stands().await, "unmanaged");
    patch(
        &server,
        &format!("{GROUPS}/{id}"),
        json!([{ "op": "replace", "path": "displayName", "value": "Patch first" }]),
    )
    .await;
    assert_eq!(stands().await, "due", "what a group is called counts");
    // Who may not read what is personal is not told of groups either.
    let reader = server.token("reader", "rita", Bearer::Program, &[Scope::Read]).await;
    for asked in [format!("/api/v1/people/{ada}"), "/api/v1/devices/d1/explanation?title=firefox".to_owned()] {
        let shown = server.call(&reader, "GET", &asked, &[], None).await.ok();
        let facts = json!([shown["facts"], shown["decisions"][0]["derivation"]["facts"]]).to_string();
        assert!(facts.contains("groups") && !facts.contains("Patch first"), "{shown}");
    }
    // Erased, ada is in nothing, and the log never said that she was.
    server.delete(&format!("/api/v1/people/{ada}")).await.ok();
    assert_eq!(members(&server.get(&format!("{GROUPS}/{id}")).await.ok()), [bob.as_str()]);
    let log = server.get("/api/v1/events?kind=group.observed").await.ok();
    assert_eq!(log["items"].as_array().unwrap().len(), 3);
    assert!(!log.to_string().contains(&ada), "{log}");
    assert_eq!(stands().await, "undetermined");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_nothing_of_it_is_done() {
    let server = Server::new().await;
    let [ada] = users(&server, "okta", ["ada"]).await;
    let [eve] = users(&server, "entra", ["eve"]).await;
    let made = server.post(GROUPS, json!({ "displayName": "One", "members": [{ "value": ada }] })).await;
    let path = format!("{GROUPS}/{}", made.body["id"].as_str().unwrap());
    server.post(GROUPS, json!({ "displayName": "Two" })).await.ok();
    refused(&server.post(GROUPS, json!({ "members": [] })).await, 400, Some("invalidValue"));
    let stranger = json!({ "displayName": "Three", "members": [{ "value": ada }, { "value": eve }] });
    let answer = server.post(GROUPS, stranger).await;
    refused(&answer, 400, Some("invalidValue"));
    assert!(
        answer.body["detail"].as_str().unwrap().contains(&format!("`okta` knows no user `{eve}`")),
        "{}",
        answer.body
    );
    refused(
        &patch(&server, &path, json!([{ "op": "replace", "path": "displayName", "value": "TWO" }])).await,
        409,
        Some("uniqueness"),
    );
    let half = json!([{ "op": "remove", "path": "members" }, { "op": "add", "path": "members", "value": "nobody" }]);
    refused(&patch(&server, &path, half).await, 400, Some("invalidValue"));
    refused(&server.get(&format!("{GROUPS}/none")).await, 404, None);
    refused(&server.get(&format!("{GROUPS}?filter=displayName%20is%20%22x%22")).await, 400, Some("invalidFilter"));
    // Somebody else has changed it since it was read.
    let tag = made.header("etag").to_owned();
    patch(&server, &path, json!([{ "op": "replace", "path": "externalId", "value": "g-1" }])).await;
    let whole = json!({ "displayName": "One" });
    refused(&server.call(&server.admin, "PUT", &path, &[("if-match", &tag)], Some(whole)).await, 412, None);
    refused(&server.call(&server.admin, "DELETE", &path, &[("if-match", &tag)], None).await, 412, None);
    let now = server.get(&path).await;
    assert_eq!((members(&now.body), &now.body["externalId"]), (vec![ada.clone()], &json!("g-1")));
    let known = server.call(&server.admin, "GET", &path, &[("if-none-match", now.header("etag"))], None).await;
    assert_eq!(known.status.as_u16(), 304);
    let looker = server.token("looker", "lars", Bearer::Program, &[Scope::ReadPersonal]).await;
    refused(&server.call(&looker, "POST", GROUPS, &[], Some(json!({ "displayName": "Four" }))).await, 403, None);
    // A user who is deleted is in no group.
    server.delete(&format!("/scim/okta/v2/Users/{ada}")).await;
    assert_eq!(members(&server.get(&path).await.ok()), [""; 0]);
}

#[tokio::test]
async fn groups_have_pages_and_are_found_beside_users() {
    let server = Server::new().await;
    let [ada] = users(&server, "okta", ["ada"]).await;
    for number in 0..5 {
        let group = json!({ "displayName": format!("Group {number}"), "members": [{ "value": ada }] });
        server.post(GROUPS, group).await.ok();
    }
    server.post("/scim/entra/v2/Groups", json!({ "displayName": "Group 0" })).await.ok();
    let mut seen = Vec::new();
    for start in [1, 3, 5] {
        let page = server.get(&format!("{GROUPS}?startIndex={start}&count=2")).await.ok();
        assert_eq!((&page["totalResults"], &page["startIndex"]), (&json!(5), &json!(start)));
        let here = page["Resources"].as_array().unwrap();
        assert_eq!(page["itemsPerPage"], here.len());
        seen.extend(here.iter().map(|group| group["displayName"].as_str().unwrap().to_owned()));
    }
    seen.sort();
    assert_eq!(seen, (0..5).map(|number| format!("Group {number}")).collect::<Vec<_>>());
    let search = json!({ "filter": "meta.resourceType eq \"Group\" or userName pr", "attributes": ["displayName"] });
    let found = server.post("/scim/okta/v2/.search", search).await.ok();
    assert_eq!(found["totalResults"], 6, "{found}");
    let search = json!({ "filter": "displayName sw \"group\"", "excludedAttributes": ["members"], "count": 1 });
    let found = server.post(&format!("{GROUPS}/.search"), search).await.ok();
    assert_eq!((&found["totalResults"], found["Resources"][0].get("members")), (&json!(5), None));
}
