//! Who has read what is personal.

use crate::server::Server;
use jiff::SignedDuration;
use refit_core::control::{Bearer, Scope};
use refit_server::{
    api::Options,
    audit::{Audit, Bounds},
};
use serde_json::{Value, json};

async fn server() -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::open(folder.path().join("audit"), Bounds::default()).unwrap();
    let server = Server::with(Options { audit: Some(audit), ..Options::default() }).await;
    for (id, department) in [("p1", "IT"), ("p2", "Sales")] {
        let values = json!({ "department": department, "on_leave": id == "p2" });
        server.put(&format!("/api/v1/people/{id}"), json!({ "source": "hr", "values": values })).await.ok();
    }
    (server, folder)
}

async fn entries(server: &Server, query: &str) -> Vec<Value> {
    let page = server.get(&format!("/api/v1/audit?{query}")).await.ok();
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn who_reads_personal_values_is_written_down_with_whose_and_which() {
    let (server, _folder) = server().await;
    let security = server.token("sec", "sina", Bearer::Person, &[Scope::Read, Scope::ReadPeople]).await;
    let plain = server.token("plain", "otto", Bearer::Program, &[Scope::Read]).await;
    let call =
        async |secret: &str, path: &str| server.call(secret, "GET", path, &[("x-request-id", "r-7")], None).await;
    let person = call(&security, "/api/v1/people/p1").await;
    let tag = person.header("etag").to_owned();
    person.ok();
    // Nothing personal was in these.
    call(&plain, "/api/v1/people").await.ok();
    call(&security, "/api/v1/devices").await.ok();
    call(&security, "/api/v1/people/p9").await.problem(404, "not-found");
    // Whoever has it already looks at it again.
    let again = [("if-none-match", tag.as_str())];
    assert_eq!(server.call(&security, "GET", "/api/v1/people/p1", &again, None).await.status, 304);
    server.get("/api/v1/people").await.ok();
    let all = entries(&server, "").await;
    assert_eq!(all.len(), 3, "{all:?}");
    let first = &all[0];
    assert_eq!(first["seq"], 1);
    assert_eq!((&first["owner"], &first["token"], &first["request"]), (&json!("sina"), &json!("sec"), &json!("r-7")));
    assert_eq!((&first["people"], &first["fields"]), (&json!(["p1"]), &json!(["department"])));
    assert_eq!((&first["operation"], &first["sensitive"]), (&json!("GET /api/v1/people/{id}"), &json!(false)));
    assert_eq!(all[2]["people"], json!(["p1", "p2"]));
    assert_eq!(all[2]["sensitive"], true);
    // The values are not in it.
    assert!(!json!(all).to_string().contains("Sales"));
    // It is asked by person, by reader, by time, and in pages.
    let seqs = async |query: &str| -> Vec<u64> {
        entries(&server, query).await.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!(seqs("person=p2").await, [3]);
    assert_eq!(seqs("owner=sina").await, [1, 2]);
    assert_eq!(seqs("after=1&limit=1").await, [2]);
    assert_eq!(seqs("since=2026-11-26T00:00:00Z").await, [0_u64; 0]);
    let page = server.get("/api/v1/audit?limit=2").await.ok();
    assert_eq!((&page["next"], &page["head"]), (&json!(2), &json!(3)));
}

#[tokio::test]
async fn the_record_is_for_compliance_and_administrators() {
    let (server, _folder) = server().await;
    for (scope, status) in [(Scope::Audit, 200), (Scope::Admin, 200), (Scope::ReadPersonal, 403), (Scope::Read, 403)] {
        let secret = server.token(&format!("only-{}", scope.name()), "olga", Bearer::Person, &[scope]).await;
        let answer = server.call(&secret, "GET", "/api/v1/audit", &[], None).await;
        assert_eq!(answer.status.as_u16(), status, "{scope:?}: {}", answer.body);
    }
}

#[tokio::test]
async fn explanations_and_scim_are_reads_too() {
    let (server, _folder) = server().await;
    server.fleet().await;
    let policy = crate::server::POLICY.to_owned() + "where: person.department == \"IT\"\n";
    let plan = server.post("/api/v1/plans", json!({ "files": { "refit.yaml": policy } })).await.ok();
    server.post(&format!("/api/v1/plans/{}/apply", plan["id"].as_str().unwrap()), Value::Null).await.ok();
    server.put("/api/v1/devices/d1/assignment", json!({ "person": "p1" })).await.ok();
    let before = entries(&server, "").await.len();
    server.get("/api/v1/devices/d1/explanation?title=firefox").await.ok();
    let all = entries(&server, "").await;
    assert_eq!(all.len(), before + 1);
    let said = all.last().unwrap();
    assert_eq!((&said["people"], &said["fields"]), (&json!(["p1"]), &json!(["department"])));
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "anna@acme.example",
        "name": { "givenName": "Anna", "familyName": "A" },
    });
    let made = server.post("/scim/okta/v2/Users", user).await.ok();
    let id = made["id"].as_str().unwrap();
    for path in [format!("/scim/okta/v2/Users/{id}"), "/scim/okta/v2/Users".to_owned()] {
        let before = entries(&server, "").await.len();
        server.get(&path).await.ok();
        let all = entries(&server, "").await;
        assert_eq!(all.len(), before + 1, "{path}");
        assert_eq!(all.last().unwrap()["people"], json!([id]), "{path}");
        assert!(all.last().unwrap()["fields"].as_array().unwrap().contains(&json!("userName")), "{path}: {all:?}");
    }
}

#[tokio::test]
async fn what_can_not_be_written_down_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("audit");
    // Each entry begins a file, so that the folder is needed.
    let audit = Audit::open(place.clone(), Bounds { file_bytes: 1, ..Bounds::default() }).unwrap();
    let server = Server::with(Options { audit: Some(audit), ..Options::default() }).await;
    server.put("/api/v1/people/p1", json!({ "source": "hr", "values": { "department": "IT" } })).await.ok();
    server.get("/api/v1/people/p1").await.ok();
    std::fs::rename(&place, folder.path().join("elsewhere")).unwrap();
    std::fs::write(&place, "in the way").unwrap();
    let refused = server.get("/api/v1/people/p1").await.problem(503, "unavailable");
    assert!(refused["detail"].as_str().unwrap().contains("can't be written down"), "{refused}");
    assert!(!refused.to_string().contains("IT"), "{refused}");
    // What is not personal is still answered.
    let plain = server.token("plain", "otto", Bearer::Program, &[Scope::Read]).await;
    server.call(&plain, "GET", "/api/v1/people/p1", &[], None).await.ok();
    std::fs::remove_file(&place).unwrap();
    std::fs::rename(folder.path().join("elsewhere"), &place).unwrap();
    server.wait(SignedDuration::from_secs(1));
    server.get("/api/v1/people/p1").await.ok();
}
