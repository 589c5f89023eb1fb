//! SCIM inbound, with requests as Okta and Entra ID send them.

use crate::server::{Answer, Server};
use refit_core::control::{Actor, Bearer, IdentityInput, Input, PersonId, Scope};
use serde_json::{Value, json};

const USERS: &str = "/scim/okta/v2/Users";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// The user as Okta makes one.
fn isaac() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "isaac.brock@acme.example",
        "name": { "givenName": "Isaac", "middleName": "", "familyName": "Brock" },
        "emails": [{ "primary": true, "value": "isaac.brock@acme.example", "type": "work", "display": "isaac.brock@acme.example" }],
        "password": "1mz050nq", "displayName": "Isaac Brock", "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [], "active": true,
    })
}

fn refused(answer: &Answer, status: u16, scim_type: Option<&str>) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/scim+json");
    assert_eq!(answer.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(answer.body["status"], status.to_string());
    assert_eq!(answer.body["scimType"].as_str(), scim_type, "{}", answer.body);
    assert!(!answer.body["detail"].as_str().unwrap().is_empty());
}

/// The facts of a person, as `source: field = value`.
pub async fn facts(server: &Server, id: &str) -> Vec<String> {
    let person = server.get(&format!("/api/v1/people/{id}")).await.ok();
    let facts = person["facts"].as_array().unwrap().iter().filter(|fact| fact["field"] != "scim");
    let mut said: Vec<String> = facts
        .map(|fact| {
            format!("{}: {} = {}", fact["source"].as_str().unwrap(), fact["field"].as_str().unwrap(), fact["value"])
        })
        .collect();
    said.sort();
    said
}

#[tokio::test]
async fn okta_looks_makes_changes_and_deactivates() {
    let server = Server::new().await;
    let look = format!("{USERS}?filter=userName%20eq%20%22isaac.brock%40acme.example%22&startIndex=1&count=100");
    let nobody = server.get(&look).await.ok();
    assert_eq!(nobody["totalResults"], 0);
    assert_eq!(nobody["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"]));
    let made = server.post(USERS, isaac()).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.body);
    let id = made.body["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("{USERS}/{id}"));
    assert!(!made.body.to_string().contains("1mz050nq"), "a password is not kept");
    assert_eq!(made.body["name"], json!({ "familyName": "Brock", "givenName": "Isaac" }));
    let said = ["okta: email = \"isaac.brock@acme.example\"", "okta: employment = \"active\""];
    assert_eq!(facts(&server, &id).await, said);
    assert_eq!(server.get(&look).await.ok()["Resources"][0]["id"], id.as_str());
    refused(&server.post(USERS, isaac()).await, 409, Some("uniqueness"));
    // Okta reads a profile and writes all of it anew.
    let mut profile = server.get(&format!("{USERS}/{id}")).await.ok();
    profile[ENTERPRISE] = json!({ "department": "Engineering", "manager": { "value": "eve@acme.example" } });
    let put = server.put(&format!("{USERS}/{id}"), profile).await.ok();
    assert_eq!(put["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE]));
    let said = facts(&server, &id).await;
    assert!(said.contains(&"okta: department = \"Engineering\"".to_owned()), "{said:?}");
    assert!(said.contains(&"okta: manager = \"eve@acme.example\"".to_owned()), "{said:?}");
    let off = json!({ "schemas": [PATCH], "Operations": [{ "op": "replace", "value": { "active": false } }] });
    let off = server.call(&server.admin, "PATCH", &format!("{USERS}/{id}"), &[], Some(off)).await;
    assert_eq!((off.status.as_u16(), &off.body["active"]), (200, &json!(false)));
    let said = facts(&server, &id).await;
    assert!(!said.iter().any(|fact| fact.contains("employment")), "that an account is off says nothing: {said:?}");
    let gone = server.delete(&format!("{USERS}/{id}")).await;
    assert_eq!(gone.status.as_u16(), 204);
    refused(&server.get(&format!("{USERS}/{id}")).await, 404, None);
    assert_eq!(facts(&server, &id).await, [""; 0]);
    // The same person may come back.
    assert_eq!(server.post(USERS, isaac()).await.status.as_u16(), 201);
}

#[tokio::test]
async fn entra_tests_the_connection_makes_and_changes_with_its_own_words() {
    let server = Server::new().await;
    let users = "/scim/entra/v2/Users";
    let test = format!("{users}?filter=userName+eq+%222f3a3a2c-7d1a-4a3d-9ac1-0c3e5b6a7f10%22");
    assert_eq!(server.get(&test).await.ok()["totalResults"], 0);
    let sent = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "externalId": "ada", "userName": "ada@acme.example", "active": true, "displayName": "Ada",
        "meta": { "resourceType": "User" },
        "emails": [{ "primary": true, "type": "work", "value": "ada@acme.example" }],
        "roles": [], ENTERPRISE: { "employeeNumber": 4711 },
    });
    let id = server.post(users, sent).await.ok()["id"].as_str().unwrap().to_owned();
    let boss = json!({ "userName": "eve@acme.example", "schemas": [], "active": "True" });
    let boss = server.post(users, boss).await.ok()["id"].as_str().unwrap().to_owned();
    let change = json!({ "schemas": [PATCH], "Operations": [
        { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "ada.l@acme.example" },
        { "op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": boss },
        { "op": "Add", "path": format!("{ENTERPRISE}:department"), "value": "Research" },
        { "op": "Replace", "path": "active", "value": "False" },
    ] });
    let path = format!("{users}/{id}");
    let changed = server.call(&server.admin, "PATCH", &path, &[], Some(change)).await.ok();
    assert_eq!(
        changed[ENTERPRISE],
        json!({ "employeeNumber": "4711", "department": "Research", "manager": { "value": boss } })
    );
    let said = [
        "entra: department = \"Research\"",
        "entra: email = \"ada.l@acme.example\"",
        "entra: manager = \"eve@acme.example\"",
    ];
    assert_eq!(facts(&server, &id).await, said);
}

#[tokio::test]
async fn a_person_whom_another_system_knows_by_the_address_is_the_same_person() {
    let server = Server::new().await;
    let hr = json!({ "source": "hr", "values": { "email": "Isaac.Brock@acme.example", "department": "Finance" } });
    server.put("/api/v1/people/p7", hr).await.ok();
    assert_eq!(server.post(USERS, isaac()).await.ok()["id"], "p7");
    let said = facts(&server, "p7").await;
    assert!(said.contains(&"hr: department = \"Finance\"".to_owned()), "{said:?}");
    // Each provider has a record of its own of that person.
    assert_eq!(server.post("/scim/entra/v2/Users", isaac()).await.ok()["id"], "p7");
    assert_eq!(server.delete(&format!("{USERS}/p7")).await.status.as_u16(), 204);
    assert_eq!(server.get("/scim/entra/v2/Users/p7").await.status.as_u16(), 200);
    // Of two people with one address it is neither.
    for id in ["p8", "p9"] {
        server
            .put(&format!("/api/v1/people/{id}"), json!({ "source": "hr", "values": { "email": "two@acme.example" } }))
            .await
            .ok();
    }
    let two = json!({ "userName": "two@acme.example" });
    let id = server.post(USERS, two).await.ok()["id"].as_str().unwrap().to_owned();
    assert!(!["p8", "p9"].contains(&id.as_str()));
    // Erasing a person erases what the provider said as well.
    server.delete("/api/v1/people/p7").await.ok();
    refused(&server.get("/scim/entra/v2/Users/p7").await, 404, None);
}

#[tokio::test]
async fn who_has_read_something_else_changes_nothing() {
    let server = Server::new().await;
    let made = server.post(USERS, isaac()).await;
    let path = format!("{USERS}/{}", made.body["id"].as_str().unwrap());
    let tag = made.header("etag").to_owned();
    assert_eq!((tag.starts_with("W/\""), &made.body["meta"]["version"]), (true, &json!(tag)));
    let known = server.call(&server.admin, "GET", &path, &[("if-none-match", &tag)], None).await;
    assert_eq!(known.status.as_u16(), 304);
    let title = |title: &str| {
        Some(json!({ "schemas": [PATCH], "Operations": [{ "op": "add", "path": "title", "value": title }] }))
    };
    let first = server.call(&server.admin, "PATCH", &path, &[("if-match", &tag)], title("Singer")).await;
    assert_eq!(first.status.as_u16(), 200);
    let late = server.call(&server.admin, "PATCH", &path, &[("if-match", &tag)], title("Drummer")).await;
    refused(&late, 412, None);
    refused(&server.call(&server.admin, "DELETE", &path, &[("if-match", &tag)], None).await, 412, None);
    assert_eq!(server.get(&path).await.ok()["title"], "Singer");
    // What is said again is no change.
    let again = server.call(&server.admin, "PATCH", &path, &[], title("Singer")).await;
    assert_eq!(again.header("etag"), first.header("etag"));
}

#[tokio::test]
async fn lists_have_pages_filters_and_only_what_is_wanted() {
    let server = Server::new().await;
    for number in 0..7 {
        let user = json!({ "userName": format!("user{number}"), "title": if number < 3 { "Cook" } else { "Waiter" },
            "name": { "familyName": format!("F{number}"), "givenName": "G" }, ENTERPRISE: { "department": "Kitchen", "division": "North" } });
        server.post(USERS, user).await.ok();
    }
    server.post("/scim/entra/v2/Users", json!({ "userName": "user1" })).await.ok();
    let mut seen = Vec::new();
    for start in [1, 4, 7] {
        let page = server.get(&format!("{USERS}?startIndex={start}&count=3")).await.ok();
        assert_eq!((&page["totalResults"], &page["startIndex"]), (&json!(7), &json!(start)));
        let here = page["Resources"].as_array().unwrap();
        assert_eq!(page["itemsPerPage"], here.len());
        seen.extend(here.iter().map(|user| user["userName"].as_str().unwrap().to_owned()));
    }
    seen.sort();
    assert_eq!(seen, (0..7).map(|number| format!("user{number}")).collect::<Vec<_>>());
    let counted = server.get(&format!("{USERS}?count=0")).await.ok();
    assert_eq!((&counted["totalResults"], &counted["Resources"]), (&json!(7), &json!([])));
    let cooks = server.get(&format!("{USERS}?filter=title%20eq%20%22cook%22&count=2&startIndex=2")).await.ok();
    assert_eq!((&cooks["totalResults"], &cooks["itemsPerPage"]), (&json!(3), &json!(2)));
    let search = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "userName eq \"USER5\"",
        "attributes": ["name.familyName", format!("{ENTERPRISE}:department")],
    });
    let everywhere = server.post("/scim/okta/v2/.search", search.clone()).await.ok();
    let found = server.post(&format!("{USERS}/.search"), search).await.ok();
    assert_eq!(found, everywhere);
    let mut user = found["Resources"][0].clone();
    user.as_object_mut().unwrap().remove("id");
    user.as_object_mut().unwrap().remove("schemas");
    assert_eq!(user, json!({ "name": { "familyName": "F5" }, ENTERPRISE: { "department": "Kitchen" } }));
    let without =
        server.get(&format!("{USERS}?filter=userName%20eq%20%22user5%22&excludedAttributes=name,meta,id")).await.ok();
    let user = without["Resources"][0].as_object().unwrap();
    assert!(
        user.contains_key("id")
            && user.contains_key("title")
            && !user.contains_key("name")
            && !user.contains_key("meta")
    );
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_the_words_of_the_standard() {
    let server = Server::new().await;
    refused(&server.get(&format!("{USERS}?filter=userName%20is%20%22x%22")).await, 400, Some("invalidFilter"));
    refused(&server.post(USERS, json!({ "displayName": "nobody" })).await, 400, Some("invalidValue"));
    refused(&server.post(USERS, json!({ "userName": "x", "active": "perhaps" })).await, 400, Some("invalidValue"));
    refused(&server.post(USERS, json!(["x"])).await, 400, Some("invalidSyntax"));
    refused(&server.get(&format!("{USERS}/nobody")).await, 404, None);
    refused(&server.get("/scim/okta/v2/Devices").await, 404, None);
    refused(&server.get("/scim/Okta/v2/Users").await, 404, None);
    refused(&server.get("/scim/okta/v2/Me").await, 501, None);
    refused(&server.call(&server.admin, "PATCH", USERS, &[], Some(json!({}))).await, 405, None);
    refused(&server.call("wrong", "GET", USERS, &[], None).await, 401, None);
    let reader = server.token("reader", "rita", Bearer::Program, &[Scope::Read]).await;
    refused(&server.call(&reader, "GET", USERS, &[], None).await, 403, None);
    let looker = server.token("looker", "lars", Bearer::Program, &[Scope::ReadPersonal]).await;
    refused(&server.call(&looker, "POST", USERS, &[], Some(isaac())).await, 403, None);
    assert_eq!(server.get(USERS).await.ok()["totalResults"], 0, "nothing of that was done");
}

#[tokio::test]
async fn a_client_can_ask_what_there_is() {
    let server = Server::new().await;
    let config = server.get("/scim/okta/v2/ServiceProviderConfig").await.ok();
    let there = |name: &str| config[name]["supported"].as_bool().unwrap();
    assert!(there("patch") && there("filter") && there("etag") && !there("bulk") && !there("sort"));
    let types = server.get("/scim/okta/v2/ResourceTypes").await.ok();
    for (number, kind) in ["User", "Group"].into_iter().enumerate() {
        assert_eq!(types["Resources"][number]["endpoint"], format!("/{kind}s"));
        assert_eq!(server.get(&format!("/scim/okta/v2/ResourceTypes/{kind}")).await.ok(), types["Resources"][number]);
    }
    refused(&server.get("/scim/okta/v2/ResourceTypes/Device").await, 404, None);
    let schemas = server.get("/scim/okta/v2/Schemas").await.ok();
    assert_eq!(schemas["totalResults"], 3);
    let group = server.get("/scim/okta/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group").await.ok();
    assert_eq!(group, schemas["Resources"][1]);
    let named =
        |name: &str| group["attributes"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone();
    let name = named("displayName");
    assert_eq!((&name["required"], &name["uniqueness"]), (&json!(true), &json!("server")));
    assert_eq!(named("members")["subAttributes"][1]["referenceTypes"], json!(["User"]));
    assert_eq!(named("members")["subAttributes"][2]["canonicalValues"], json!(["User"]));
    let enterprise = server.get(&format!("/scim/okta/v2/Schemas/{ENTERPRISE}")).await.ok();
    assert_eq!(enterprise, schemas["Resources"][2]);
}

#[tokio::test]
async fn a_provider_goes_on_under_the_id_that_it_was_given_of_somebody_who_was_merged() {
    let server = Server::new().await;
    let ada = json!({ "userName": "ada@acme.example", "active": true });
    let kept = server.post(USERS, ada).await.ok()["id"].as_str().unwrap().to_owned();
    let users = "/scim/entra/v2/Users";
    let other = json!({ "userName": "a.lovelace@acme.example", ENTERPRISE: { "department": "Research" } });
    let own = server.post(users, other).await.ok()["id"].as_str().unwrap().to_owned();
    let group = json!({ "displayName": "Builders", "members": [{ "value": own }] });
    let group = server.post("/scim/entra/v2/Groups", group).await.ok()["id"].as_str().unwrap().to_owned();
    let (from, into) = (PersonId::new(&own), PersonId::new(&kept));
    let merge = Input::Identity(IdentityInput::MergePeople { from: from.clone(), into });
    server.shell.tell(&Actor::server(), merge, None).await.unwrap();
    // It is one person, and each provider has its own resource of that person, where it was.
    let said = ["entra: department = \"Research\"", "entra: email = \"a.lovelace@acme.example\""];
    let okta = ["okta: email = \"ada@acme.example\"", "okta: employment = \"active\""];
    let groups = "entra: groups = [\"Builders\"]";
    assert_eq!(facts(&server, &kept).await, [&said[..], &[groups], &okta].concat());
    let path = format!("{users}/{own}");
    let user = server.get(&path).await.ok();
    assert_eq!((user["id"].as_str(), user["meta"]["location"].as_str()), (Some(own.as_str()), Some(path.as_str())));
    assert_eq!(server.get(&format!("{USERS}/{kept}")).await.ok()["id"], kept.as_str());
    assert_eq!(server.get(users).await.ok()["Resources"][0]["id"], own.as_str());
    let title = json!({ "schemas": [PATCH], "Operations": [{ "op": "add", "path": "title", "value": "Analyst" }] });
    let changed = server.call(&server.admin, "PATCH", &path, &[], Some(title)).await.ok();
    assert_eq!((&changed["id"], &changed["title"]), (&json!(own), &json!("Analyst")));
    // Groups have it as a member by that id, also where they are told anew.
    let group = format!("/scim/entra/v2/Groups/{group}");
    assert_eq!(server.get(&group).await.ok()["members"][0]["value"], own.as_str());
    let anew = json!({ "displayName": "Builders", "members": [{ "value": own }] });
    assert_eq!(server.put(&group, anew).await.ok()["members"][0]["value"], own.as_str());
    let goes = json!([{ "op": "remove", "path": format!("members[value eq \"{own}\"]") }]);
    let goes = json!({ "schemas": [PATCH], "Operations": goes });
    assert_eq!(server.call(&server.admin, "PATCH", &group, &[], Some(goes)).await.status.as_u16(), 204);
    assert_eq!(server.get(&group).await.ok().get("members"), None);
    // Undone, each has what was told under its id.
    let split = Input::Identity(IdentityInput::SplitPerson { person: from });
    server.shell.tell(&Actor::server(), split, None).await.unwrap();
    assert_eq!(facts(&server, &kept).await, okta);
    let said = [&said[..], &["entra: groups = []", "entra: title = \"Analyst\""]].concat();
    assert_eq!(facts(&server, &own).await, said);
}

#[tokio::test]
async fn whoever_is_given_the_address_of_an_account_that_is_off_is_somebody_new() {
    let server = Server::new().await;
    let user = |number: Option<&str>, on: bool| {
        let extension = number.map_or_else(|| json!({}), |number| json!({ "employeeNumber": number }));
        json!({ "userName": "j.smith@acme.example", "active": on, ENTERPRISE: extension })
    };
    let at = |source: &str| format!("/scim/{source}/v2/Users");
    let id = |body: serde_json::Value| body["id"].as_str().unwrap().to_owned();
    let jane = id(server.post(USERS, user(Some("E1"), true)).await.ok());
    // As long as the account is on, the address is that of one person.
    let also = id(server.post(&at("ping"), user(None, true)).await.ok());
    assert_eq!(also, jane);
    assert_eq!(server.call(&server.admin, "DELETE", &format!("{}/{jane}", at("ping")), &[], None).await.status, 204);
    let off = json!({ "schemas": [PATCH], "Operations": [{ "op": "replace", "value": { "active": false } }] });
    server.call(&server.admin, "PATCH", &format!("{USERS}/{jane}"), &[], Some(off)).await.ok();
    let john = id(server.post(&at("entra"), user(None, true)).await.ok());
    assert_ne!(john, jane);
    // A third system finds the one who has it now, by the number the one who had it, and for a third number neither.
    assert_eq!(id(server.post(&at("google"), user(None, true)).await.ok()), john);
    assert_eq!(id(server.post(&at("duo"), user(Some("E1"), true)).await.ok()), jane);
    let other = id(server.post(&at("jump"), user(Some("E3"), true)).await.ok());
    assert_ne!(other, jane);
}
