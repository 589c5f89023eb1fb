use super::*;
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

/// A receiver that answers once, and what it was sent.
fn receiver(answer: &'static str) -> (u16, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let work = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut said = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&said).contains("{\"a\":1}") {
            let read = stream.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            said.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&said).into_owned()
    });
    (port, work)
}

#[test]
fn a_private_address_is_refused_however_it_is_written() {
    let outbound = Outbound::default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"] {
        let url = format!("https://{host}:{port}/hook");
        match outbound.post(&url, &[], b"{}") {
            Err(OutboundError::Private { .. }) => {}
            other => panic!("{url}: {other:?}"),
        }
    }
    // Nobody even connected.
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
}

#[test]
fn what_is_no_address_to_send_to_is_refused_as_it_is_written() {
    let outbound = Outbound::new(["127.0.0.1:9".to_owned()]);
    for url in ["", "example.com", "ftp://example.com", "http://example.com/", "https://me:secret@example.com/", "/x"] {
        assert!(matches!(outbound.check(url), Err(OutboundError::Address { .. })), "{url}");
    }
    for url in ["https://example.com/hook", "HTTPS://Example.com:8443/", "http://127.0.0.1:9/"] {
        outbound.check(url).unwrap();
    }
}

#[test]
fn a_host_that_is_allowed_gets_the_body_and_the_headers() {
    let (port, work) =
        receiver("HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let outbound = Outbound::new([format!("127.0.0.1:{port}")]);
    let url = format!("http://127.0.0.1:{port}/hook?x=1");
    let answered = outbound.post(&url, &[("webhook-id", "1-0-a")], b"{\"a\":1}").unwrap();
    assert_eq!(answered, Answered { status: 429, wait: Some(Duration::from_secs(7)) });
    let said = work.join().unwrap();
    assert!(said.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{said}");
    assert!(said.to_ascii_lowercase().contains("webhook-id: 1-0-a\r\n"), "{said}");
}

#[test]
fn a_redirect_is_not_followed() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = target.local_addr().unwrap().port();
    let answer = format!(
        "HTTP/1.1 307 There\r\nlocation: http://127.0.0.1:{to}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let (port, work) = receiver(answer.leak());
    let outbound = Outbound::new([format!("127.0.0.1:{port}"), format!("127.0.0.1:{to}")]);
    let answered = outbound.post(&format!("http://127.0.0.1:{port}/"), &[], b"{\"a\":1}").unwrap();
    assert_eq!(answered.status, 307);
    work.join().unwrap();
    target.set_nonblocking(true).unwrap();
    assert!(target.accept().is_err());
}
