//! What clients ask before they begin (RFC 7644, section 4; RFC 7643, sections 5 to 7).

use super::{
    Asking, answer,
    asked::PAGE,
    error::Refused,
    schema::{CORE, ENTERPRISE, EXTENSION, GROUP, OF_GROUPS, USER, described},
};
use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

/// What of the protocol is there.
pub(super) async fn config(asking: Asking) -> Response {
    let there = |supported: bool| json!({ "supported": supported });
    let config = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": there(true),
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": PAGE.1 },
        "changePassword": there(false),
        "sort": there(false),
        "etag": there(true),
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "Token",
            "description": "A token of Refit, as `Authorization: Bearer SECRET`", "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("/scim/{}/v2/ServiceProviderConfig", asking.source),
        },
    });
    answer(StatusCode::OK, &config)
}

fn user_type(asking: &Asking) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": "User", "name": "User", "endpoint": "/Users", "description": "A person of the organisation",
        "schema": USER, "schemaExtensions": [{ "schema": ENTERPRISE, "required": false }],
        "meta": { "resourceType": "ResourceType", "location": asking.location("ResourceTypes", "User") },
    })
}

fn group_type(asking: &Asking) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": "Group", "name": "Group", "endpoint": "/Groups", "description": "A group of people", "schema": GROUP,
        "meta": { "resourceType": "ResourceType", "location": asking.location("ResourceTypes", "Group") },
    })
}

fn all_schemas(asking: &Asking) -> [Value; 3] {
    let of = |id: &str, name: &str, what: &str, attributes: &[super::schema::Attribute]| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": id, "name": name, "description": what,
            "attributes": attributes.iter().map(described).collect::<Vec<_>>(),
            "meta": { "resourceType": "Schema", "location": asking.location("Schemas", id) },
        })
    };
    [
        of(USER, "User", "A person, as far as Refit keeps what is said of it", CORE),
        of(GROUP, "Group", "A group of people", OF_GROUPS),
        of(ENTERPRISE, "Enterprise User", "What enterprises say of a person besides", EXTENSION),
    ]
}

fn listed(resources: &[Value]) -> Response {
    let list = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": resources.len(), "startIndex": 1, "itemsPerPage": resources.len(), "Resources": resources,
    });
    answer(StatusCode::OK, &list)
}

/// The types of resources.
pub(super) async fn types(asking: Asking) -> Response {
    listed(&[user_type(&asking), group_type(&asking)])
}

/// One of them.
pub(super) async fn one_type(asking: Asking) -> Result<Response, Refused> {
    match asking.id.as_deref() {
        Some("User") => Ok(answer(StatusCode::OK, &user_type(&asking))),
        Some("Group") => Ok(answer(StatusCode::OK, &group_type(&asking))),
        _ => Err(Refused::not_found("there are two types of resources: `User` and `Group`")),
    }
}

/// The schemas.
pub(super) async fn schemas(asking: Asking) -> Response {
    listed(&all_schemas(&asking))
}

/// One of them.
pub(super) async fn one_schema(asking: Asking) -> Result<Response, Refused> {
    let id = asking.id.as_deref().unwrap_or_default();
    let named = |schema: &Value| schema["id"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(id));
    match all_schemas(&asking).iter().find(|schema| named(schema)) {
        Some(schema) => Ok(answer(StatusCode::OK, schema)),
        None => Err(Refused::not_found(format!("there are three schemas: `{USER}`, `{GROUP}` and `{ENTERPRISE}`"))),
    }
}
