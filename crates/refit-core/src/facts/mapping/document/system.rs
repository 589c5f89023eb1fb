//! How a system is asked: data that `refit-connect` carries out.

use super::Formula;
use crate::policy::document::scalars::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How Refit shows who it is. Secrets are named, never written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationDocument {
    /// OAuth 2 with a client's id and secret.
    ClientCredentials(ClientCredentialsDocument),
    /// OAuth 2 with an assertion that the client signs with its own key (RFC 7523), as Okta and Google want it.
    PrivateKeyJwt(PrivateKeyJwtDocument),
    /// A token in the header `Authorization: Bearer`.
    Bearer(BearerDocument),
    /// A name and a password.
    Basic(BasicDocument),
    /// A key in a header or a parameter.
    ApiKey(ApiKeyDocument),
    /// A token that is fetched with a name and a password, and renewed before it ends.
    TokenEndpoint(TokenEndpointDocument),
}

/// OAuth 2 with a client's id and secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentialsDocument {
    /// Where tokens are given.
    pub token_address: String,
    /// The client's id, mostly a setting: `{client_id}`.
    pub client_id: String,
    /// The secret that holds the client's own.
    pub client_secret: String,
    /// What is asked for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// How the client shows who it is.
    #[serde(default)]
    pub client_in: ClientPlace,
}

/// Where a client's id and secret stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientPlace {
    /// In the body.
    #[default]
    Body,
    /// In the header, as name and password.
    Header,
}

/// OAuth 2 with an assertion that the client signs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivateKeyJwtDocument {
    /// Where tokens are given.
    pub token_address: String,
    /// Who signs: the client's id, or the address of a service account.
    pub issuer: String,
    /// For whom it is signed; the client itself where nothing is said.
    #[serde(default)]
    pub subject: Option<String>,
    /// The secret that holds the key.
    pub key: String,
    /// How it is signed.
    #[serde(default)]
    pub algorithm: JwtAlgorithm,
    /// What is asked for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// As what the assertion is given.
    #[serde(default)]
    pub grant: JwtGrant,
}

/// How an assertion is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum JwtAlgorithm {
    /// RSA with SHA-256.
    #[default]
    RS256,
    /// ECDSA with P-256 and SHA-256.
    ES256,
}

/// As what an assertion is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JwtGrant {
    /// As who the client is: Okta.
    #[default]
    ClientAssertion,
    /// As the grant itself: Google.
    JwtBearer,
}

/// A token in the header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BearerDocument {
    /// The secret that holds it.
    pub token: String,
    /// What stands before it, where that is not `Bearer`: `SSWS`.
    #[serde(default)]
    pub scheme: Option<String>,
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicDocument {
    /// The name, or the secret that holds it as `secret:NAME`.
    pub user: String,
    /// The secret that holds the password; none where the vendor wants any text.
    #[serde(default)]
    pub password: Option<String>,
}

/// A key in a header or a parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyDocument {
    /// The secret that holds it.
    pub key: String,
    /// The header.
    #[serde(default)]
    pub header: Option<String>,
    /// The parameter of the address.
    #[serde(default)]
    pub parameter: Option<String>,
    /// What stands before it: `Token token=`.
    #[serde(default)]
    pub prefix: Option<String>,
}

/// A token that is fetched with a name and a password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenEndpointDocument {
    /// Where tokens are given.
    pub token_address: String,
    /// The name.
    pub user: String,
    /// The secret that holds the password.
    pub password: String,
    /// Where in the answer the token is.
    pub token: String,
    /// Where in the answer it says when the token ends.
    #[serde(default)]
    pub expires: Option<String>,
}

/// How much may be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsDocument {
    /// Requests at the same time.
    #[serde(default)]
    pub at_once: Option<u32>,
    /// Requests in a minute.
    #[serde(default)]
    pub per_minute: Option<u32>,
    /// The header that says how many requests are left: `X-Rate-Limit-Remaining`.
    #[serde(default)]
    pub remaining_header: Option<String>,
    /// The header that says when there are more again.
    #[serde(default)]
    pub reset_header: Option<String>,
    /// What that header counts.
    #[serde(default)]
    pub reset: ResetKind,
}

/// What the header that says when there are more requests counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResetKind {
    /// Seconds since 1970.
    #[default]
    UnixTime,
    /// Seconds from now.
    Seconds,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListDocument {
    /// The address, after the connector's own; that alone where nothing is said.
    #[serde(default)]
    pub get: String,
    /// Parameters of the address.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// A body, which makes it a POST.
    #[serde(default)]
    pub body: Option<String>,
    /// A GraphQL query, which makes it a POST. Errors in its answer fail the reading, also where there is data besides.
    #[serde(default)]
    pub graphql: Option<GraphqlDocument>,
    /// A query of a database, each row of which is a record. `:since` in it is the time of `changes: since`.
    #[serde(default)]
    pub sql: Option<String>,
    /// How the next page is asked for; there is one page where nothing is said.
    #[serde(default)]
    pub paging: Option<PagingDocument>,
    /// How only what has changed is asked for; everything is asked for where nothing is said.
    #[serde(default)]
    pub changes: Option<ChangesDocument>,
    /// It is asked once for each record of another list: `{id}` is that record's.
    #[serde(default)]
    pub for_each: Option<String>,
    /// How often it is asked at most.
    #[serde(default)]
    pub every: Option<Duration>,
    /// Whether the rest is read where the system refuses it from the beginning: a part of the system that not everybody has. Once it was read, a
    /// refusal is one.
    #[serde(default)]
    pub optional: bool,
    /// The kinds of records that come of it.
    pub gives: Vec<String>,
}

/// A GraphQL query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphqlDocument {
    /// It, in GraphQL.
    pub query: String,
    /// Its variables; settings are filled into texts. The cursor of `paging` and the time of `changes: since` are set besides.
    #[serde(default)]
    pub variables: BTreeMap<String, serde_json::Value>,
}

/// How the next page is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PagingDocument {
    /// By a cursor that each page gives for the next.
    Cursor(CursorPagingDocument),
    /// By the header `Link` with `rel="next"` (RFC 8288).
    LinkHeader(PageSizeDocument),
    /// By the number of the page.
    PageNumber(NumberPagingDocument),
    /// By the number of records before it.
    Offset(NumberPagingDocument),
    /// By an address in the answer: OData's `@odata.nextLink`.
    NextLink(NextLinkPagingDocument),
}

/// Paging by a cursor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CursorPagingDocument {
    /// Where in the answer the next cursor is, as a JSON pointer.
    pub next: String,
    /// The parameter that it is given back in; in GraphQL a variable.
    pub parameter: String,
    /// Where in the answer it says whether there are more, as a JSON pointer; without it there are as long as there is a cursor.
    #[serde(default)]
    pub more: Option<String>,
    /// The parameter that says how many records a page has.
    #[serde(default)]
    pub size_parameter: Option<String>,
    /// How many records a page has.
    #[serde(default)]
    pub size: Option<u32>,
}

/// How many records a page has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageSizeDocument {
    /// The parameter that says how many records a page has.
    #[serde(default)]
    pub size_parameter: Option<String>,
    /// How many records a page has.
    #[serde(default)]
    pub size: Option<u32>,
}

/// Paging by a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberPagingDocument {
    /// The parameter that holds it.
    pub parameter: String,
    /// The number of the first page or record.
    #[serde(default)]
    pub first: u32,
    /// The parameter that says how many records a page has.
    #[serde(default)]
    pub size_parameter: Option<String>,
    /// How many records a page has.
    pub size: u32,
    /// Where in the answer it says how many records there are, as a JSON pointer.
    #[serde(default)]
    pub total: Option<String>,
    /// Where in the answer it says whether there are more, as a JSON pointer.
    #[serde(default)]
    pub more: Option<String>,
}

/// Paging by an address in the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextLinkPagingDocument {
    /// Where in the answer it is, as a JSON pointer.
    pub next: String,
}

/// How only what has changed is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangesDocument {
    /// By a time: what has changed since.
    Since(SinceDocument),
    /// By an address or token that the last page of the reading before gave.
    Delta(DeltaDocument),
    /// By a list of the ids of what has changed; the records themselves are then asked for by these.
    Listed(ListedDocument),
}

/// What has changed since a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SinceDocument {
    /// The parameter; in GraphQL a variable, in SQL what stands in the query as `:since`. It may be a setting, `{changed_since}`: where that is
    /// empty, all of the list is read each time.
    pub parameter: String,
    /// What is put in it; `{since}` is the time, as RFC 3339.
    #[serde(default = "the_time")]
    pub value: String,
    /// The time of a record's last change, by which the next reading begins.
    #[serde(default)]
    pub changed: Option<Formula>,
    /// How far back it goes once more, for records that came late.
    #[serde(default)]
    pub overlap: Option<Duration>,
    /// Whether deleted records are among them; else they are found by reading everything.
    #[serde(default)]
    pub tells_deletions: bool,
}

fn the_time() -> String {
    "{since}".to_owned()
}

/// What has changed since a time, as a list of ids says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedDocument {
    /// The address of that list, after the connector's own.
    pub get: String,
    /// Its parameter for the time.
    pub parameter: String,
    /// What is put in it; `{since}` is the time, as RFC 3339.
    #[serde(default = "the_time")]
    pub value: String,
    /// Where in the answer the ids are, as a JSON pointer: a list of them, or an object with them as its keys.
    pub ids: String,
    /// The parameter of the list itself by which records are asked for, their ids with commas between them.
    pub by: String,
    /// How many are asked for at once.
    pub at_once: u32,
    /// How far back it goes once more, for records that came late.
    #[serde(default)]
    pub overlap: Option<Duration>,
}

/// What has changed since the reading before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeltaDocument {
    /// Where in the last page it is, as a JSON pointer.
    pub next: String,
    /// What is asked before everything is read, after the connector's own address; its last page has the address of what changes from
    /// then on, and its records are not read.
    pub start: String,
    /// Whether deleted records are among them.
    #[serde(default)]
    pub tells_deletions: bool,
}
