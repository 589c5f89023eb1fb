//! Operations that are on their way out: the document marks them, and their answers say so, with `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a link
//! to what to use in their place. docs/reference/api.md says how much time there is.

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use serde_json::{Value, json};

/// An operation that is on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Retiring {
    /// The method, in small letters.
    pub method: &'static str,
    /// The path, as the document has it.
    pub path: &'static str,
    /// Since when it should not be used any more.
    pub since: Timestamp,
    /// From when on it is not answered any more; `None` where that is not decided.
    pub sunset: Option<Timestamp>,
    /// What to use in its place, in words.
    pub instead: &'static str,
}

/// All that are.
pub const RETIRING: &[Retiring] = &[];

/// Where it is told what to use in place of what is retired.
const GUIDE: &str = "</api/v1/openapi.json>; rel=\"deprecation\"; type=\"application/json\"";

/// The operation, where it is one of these.
pub fn find<'r>(retiring: &'r [Retiring], method: &str, path: &str) -> Option<&'r Retiring> {
    retiring.iter().find(|one| one.method.eq_ignore_ascii_case(method) && one.path == path)
}

/// Marks it in the document.
pub fn mark(operation: &mut Value, retiring: &Retiring) {
    operation["deprecated"] = json!(true);
    operation["x-deprecated-since"] = json!(retiring.since.to_string());
    if let Some(sunset) = retiring.sunset {
        operation["x-sunset"] = json!(sunset.to_string());
    }
    let said = operation["description"].as_str().unwrap_or_default();
    operation["description"] = json!(format!("{said}\n\nDeprecated: {}", retiring.instead).trim());
}

/// Says in answers that what was asked is on its way out.
pub async fn told(retiring: &'static [Retiring], request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let found = find(retiring, request.method().as_str(), route);
    let mut response = next.run(request).await;
    if let Some(one) = found {
        let headers = response.headers_mut();
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(name, value);
            }
        };
        put(HeaderName::from_static("deprecation"), &format!("@{}", one.since.as_second()));
        if let Some(date) =
            one.sunset.and_then(|sunset| DateTimePrinter::new().timestamp_to_rfc9110_string(&sunset).ok())
        {
            put(HeaderName::from_static("sunset"), &date);
        }
        put(header::LINK, GUIDE);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, middleware::from_fn, routing::get};
    use tower::ServiceExt as _;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn synthetic() -> &'static [Retiring] {
        let one = Retiring {
            method: "get",
            path: "/api/v1/old/{id}",
            since: at("2027-01-01T00:00:00Z"),
            sunset: Some(at("2027-07-01T12:00:00Z")),
            instead: "`GET /api/v1/new/{id}` says the same.",
        };
        let undecided = Retiring { method: "post", sunset: None, ..one };
        Box::leak(Box::new([one, undecided]))
    }

    #[tokio::test]
    async fn an_operation_that_is_on_its_way_out_says_so_in_every_answer() {
        let retiring = synthetic();
        let router: Router = Router::new()
            .route("/api/v1/old/{id}", get(async || "here").post(async || "there").put(async || "stays"))
            .route("/api/v1/new/{id}", get(async || "new"))
            .route_layer(from_fn(move |request: Request, next: Next| told(retiring, request, next)));
        let ask = async |method: &str, path: &str| {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            let of = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            (of("deprecation"), of("sunset"), of("link").is_some())
        };
        let (deprecation, sunset, link) = ask("GET", "/api/v1/old/7").await;
        assert_eq!(deprecation.unwrap(), format!("@{}", at("2027-01-01T00:00:00Z").as_second()));
        assert_eq!(sunset.unwrap(), "Thu, 01 Jul 2027 12:00:00 GMT");
        assert!(link);
        let (deprecation, sunset, _) = ask("POST", "/api/v1/old/7").await;
        assert!(deprecation.is_some() && sunset.is_none());
        for (method, path) in [("PUT", "/api/v1/old/7"), ("GET", "/api/v1/new/7")] {
            assert_eq!(ask(method, path).await, (None, None, false), "{method} {path}");
        }
    }

    #[test]
    fn the_document_marks_it() {
        let retiring = synthetic();
        let mut operation = json!({ "description": "An old thing." });
        mark(&mut operation, find(retiring, "GET", "/api/v1/old/{id}").unwrap());
        assert_eq!(operation["deprecated"], true);
        assert_eq!(operation["x-sunset"], "2027-07-01T12:00:00Z");
        assert_eq!(operation["description"], "An old thing.\n\nDeprecated: `GET /api/v1/new/{id}` says the same.");
        assert!(find(retiring, "GET", "/api/v1/new/{id}").is_none());
    }

    #[test]
    fn what_the_document_marks_has_its_dates_and_half_a_year() {
        let document = super::super::openapi();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let marked = operation["deprecated"] == true;
                assert_eq!(marked, find(RETIRING, method, path).is_some(), "{method} {path}");
            }
        }
        for one in RETIRING.iter().chain(synthetic()) {
            let short = one.sunset.is_some_and(|sunset| sunset.duration_since(one.since).as_hours() < 180 * 24);
            assert!(!short, "{} {}: half a year is the least", one.method, one.path);
        }
    }
}
