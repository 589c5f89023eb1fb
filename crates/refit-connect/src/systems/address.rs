//! Addresses: which host they are of, and where a relative one leads.

use ureq::http::Uri;
use url::Url;

/// Scheme, host and port of an address: who is told what a request says.
pub(super) fn host(address: &str) -> Option<String> {
    let uri: Uri = address.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    // A name before the host would be sent as a password.
    if authority.as_str().contains('@') {
        return None;
    }
    let port = authority.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some(format!("{scheme}://{}:{port}", authority.host().to_lowercase()))
}

/// Where `to` leads that stands in an answer from `from`.
pub(super) fn joined(from: &str, to: &str) -> Option<String> {
    // An address that says its host is asked for letter by letter: what it is made of is the system's.
    if host(to).is_some() {
        return Some(to.to_owned());
    }
    Url::parse(from).ok()?.join(to).ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_scheme_name_and_port() {
        assert_eq!(host("https://A.example/x?y").as_deref(), Some("https://a.example:443"));
        assert_eq!(host("http://127.0.0.1:8080/").as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(host("https://me:secret@a.example/"), None);
        assert_eq!(host("/next"), None);
    }

    #[test]
    fn a_relative_address_stays_with_its_host() {
        let from = "https://a.example/api/users?limit=2";
        assert_eq!(joined(from, "/api/users?after=2").as_deref(), Some("https://a.example/api/users?after=2"));
        assert_eq!(joined(from, "?after=2").as_deref(), Some("https://a.example/api/users?after=2"));
        assert_eq!(joined(from, "users?after=2").as_deref(), Some("https://a.example/api/users?after=2"));
        assert_eq!(joined(from, "../v2/users?after=2").as_deref(), Some("https://a.example/v2/users?after=2"));
        assert_eq!(joined(from, "https://b.example/a|b").as_deref(), Some("https://b.example/a|b"));
        // Whoever asks looks whether that is a host that may know us.
        assert_eq!(joined(from, "//b.example/").as_deref(), Some("https://b.example/"));
        assert_eq!(joined(from, "https://me:secret@a.example/").and_then(|address| host(&address)), None);
    }
}
