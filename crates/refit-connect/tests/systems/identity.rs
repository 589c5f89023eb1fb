//! Who we are: every kind of authentication, and tokens that end.

use super::pages::read;
use super::server::{Answer, Server, json, pairs, status};
use refit_connect::systems::{
    AskError, Authentication, Body, Client, ClientPlace, Grant, Paging, Question, Secret, Signature, System,
};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

fn question(server: &Server) -> Question {
    Question { address: format!("{}/list", server.url), query: Vec::new(), body: Body::Nothing, paging: Paging::One }
}

fn client(authentication: Authentication) -> Client {
    Client::new(System { authentication, ..System::default() })
}

fn credentials(server: &Server, place: ClientPlace) -> Authentication {
    Authentication::ClientCredentials {
        token_address: format!("{}/token", server.url),
        client_id: "me".into(),
        client_secret: Secret::new("p:w"),
        scopes: vec!["read".into(), "list".into()],
        place,
    }
}

#[test]
fn what_needs_no_token_is_in_each_request() {
    let server = Server::start(|_| json("[]"));
    for (authentication, header) in [
        (Authentication::Bearer { scheme: "SSWS".into(), token: Secret::new("t") }, "SSWS t"),
        (Authentication::Basic { user: Secret::new("ada"), password: Secret::new("x") }, "Basic YWRhOng="),
        (
            Authentication::HeaderKey {
                header: "Authorization".into(),
                prefix: "Token token=".into(),
                key: Secret::new("k"),
            },
            "Token token=k",
        ),
    ] {
        read(&mut client(authentication), &question(&server)).unwrap();
        assert_eq!(server.asked().last().unwrap().headers["authorization"], header);
    }
    let key = Authentication::ParameterKey { parameter: "api_key".into(), key: Secret::new("k&1") };
    read(&mut client(key), &question(&server)).unwrap();
    assert_eq!(server.asked().last().unwrap().query["api_key"], "k&1");
}

#[test]
fn a_key_in_a_parameter_is_in_no_message() {
    let server = Server::start(|_| status(404, &[]));
    let key = Authentication::ParameterKey { parameter: "api_key".into(), key: Secret::new("hush") };
    let error = read(&mut client(key), &question(&server)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}/list: the system answers with status 404: as the test wants it", server.url)
    );
}

#[test]
fn a_client_gets_a_token_once_and_uses_it() {
    for place in [ClientPlace::Body, ClientPlace::Header] {
        let server = Server::start(move |asked| {
            if asked.path == "/list" {
                assert_eq!(asked.headers["authorization"], "Bearer t1");
                return json("[]");
            }
            let form = pairs(&asked.body);
            assert_eq!((form["grant_type"].as_str(), form["scope"].as_str()), ("client_credentials", "read list"));
            match place {
                ClientPlace::Body => {
                    assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), ("me", "p:w"))
                }
                ClientPlace::Header => assert_eq!(asked.headers["authorization"], "Basic bWU6cDp3"),
            }
            json(json!({ "access_token": "t1", "expires_in": 3600 }))
        });
        let mut client = client(credentials(&server, place));
        (0..3).for_each(|_| assert!(read(&mut client, &question(&server)).unwrap().is_empty()));
        assert_eq!(server.paths(), ["/token", "/list", "/list", "/list"]);
    }
}

/// A double whose tokens count for so many requests.
fn forgetful(uses: usize, expires_in: u64) -> Server {
    let (given, left) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    Server::start(move |asked| {
        if asked.path == "/token" {
            left.store(uses, Ordering::SeqCst);
            let token = format!("t{}", given.fetch_add(1, Ordering::SeqCst));
            return json(json!({ "access_token": token, "expires_in": expires_in }));
        }
        let current = format!("Bearer t{}", given.load(Ordering::SeqCst) - 1);
        if asked.headers["authorization"] != current || left.load(Ordering::SeqCst) == 0 {
            return status(401, &[]);
        }
        left.fetch_sub(1, Ordering::SeqCst);
        json("[]")
    })
}

#[test]
fn a_token_that_ends_before_its_time_is_renewed() {
    let server = forgetful(1, 3600);
    let mut client = client(credentials(&server, ClientPlace::Body));
    (0..3).for_each(|_| assert!(read(&mut client, &question(&server)).is_ok()));
    assert_eq!(server.paths().iter().filter(|path| *path == "/token").count(), 3);
}

#[test]
fn a_token_that_ends_soon_is_renewed_before_it_is_refused() {
    let server = forgetful(100, 30);
    let mut client = client(credentials(&server, ClientPlace::Body));
    (0..2).for_each(|_| assert!(read(&mut client, &question(&server)).is_ok()));
    assert_eq!(server.paths(), ["/token", "/list", "/token", "/list"]);
}

#[test]
fn a_new_token_that_is_refused_too_is_an_answer() {
    let server = forgetful(0, 3600);
    let error = read(&mut client(credentials(&server, ClientPlace::Body)), &question(&server)).unwrap_err();
    assert!(matches!(error, AskError::NotAllowed { status: 401, .. }), "{error}");
    assert_eq!(server.paths(), ["/token", "/list", "/token", "/list"]);
}

#[test]
fn who_is_not_known_is_told_what_the_system_says() {
    let server = Server::start(|_| {
        let body = json!({ "error": "invalid_client", "error_description": "The client secret is wrong." });
        Answer::Whole(401, Vec::new(), body.to_string())
    });
    let error = read(&mut client(credentials(&server, ClientPlace::Body)), &question(&server)).unwrap_err();
    let said = format!(
        "{}/token: no token is given (status 401: The client secret is wrong.): look at the client's id and its secret",
        server.url
    );
    assert_eq!(error.to_string(), said);
    assert_eq!(server.paths().len(), 1, "who is not known is not known a second time");
}

#[test]
fn a_signed_assertion_is_a_client_or_a_grant() {
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &ring::rand::SystemRandom::new()).unwrap();
    let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pkcs8.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    for grant in [Grant::ClientAssertion, Grant::JwtBearer] {
        let server = Server::start(move |asked| {
            if asked.path == "/list" {
                return json("[]");
            }
            let form = pairs(&asked.body);
            let assertion = match grant {
                Grant::ClientAssertion => {
                    assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
                    assert_eq!(
                        (form["grant_type"].as_str(), form["scope"].as_str()),
                        ("client_credentials", "okta.users.read")
                    );
                    &form["client_assertion"]
                }
                Grant::JwtBearer => {
                    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
                    &form["assertion"]
                }
            };
            assert_eq!(assertion.split('.').count(), 3);
            json(json!({ "access_token": "t1", "expires_in": 3600 }))
        });
        let authentication = Authentication::PrivateKeyJwt {
            token_address: format!("{}/token", server.url),
            issuer: "me".into(),
            subject: "me".into(),
            key: Secret::new(pem.clone()),
            signature: Signature::ES256,
            scopes: vec!["okta.users.read".into()],
            grant,
        };
        assert!(read(&mut client(authentication), &question(&server)).is_ok());
    }
}

#[test]
fn a_token_endpoint_says_where_the_token_is() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/list" => {
            assert_eq!(asked.headers["authorization"], "Bearer t9");
            json("[]")
        }
        _ => {
            assert_eq!((asked.method.as_str(), asked.headers["authorization"].as_str()), ("POST", "Basic YWRhOng="));
            json(json!({ "token": "t9", "expires": "2099-01-01T00:00:00Z" }))
        }
    });
    let authentication = Authentication::TokenEndpoint {
        token_address: format!("{}/api/v1/auth/token", server.url),
        user: Secret::new("ada"),
        password: Secret::new("x"),
        token: "/token".into(),
        expires: Some("/expires".into()),
    };
    let mut client = client(authentication);
    (0..2).for_each(|_| assert!(read(&mut client, &question(&server)).is_ok()));
    assert_eq!(server.paths().len(), 3);
}

#[test]
fn a_secret_goes_to_no_host_that_was_not_named() {
    let server = Server::start(|_| json(json!({ "access_token": "t1" })));
    let system = System {
        authentication: credentials(&server, ClientPlace::Body),
        hosts: vec!["https://acme.example".into()],
        ..System::default()
    };
    let error = read(&mut Client::new(system), &question(&server)).unwrap_err();
    assert!(matches!(error, AskError::Elsewhere { .. }), "{error}");
    assert!(server.paths().is_empty());
}
