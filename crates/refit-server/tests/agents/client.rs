//! A device as the protocol describes one: its key, its certificate, and HTTP/1.1 over TLS by hand, so that what goes over the
//! wire can be seen and broken.

use rcgen::{CertificateParams, KeyPair};
use refit_wire::{
    Digest,
    protocol::{CheckIn, CheckInAnswer, EnrolRequest, Enrolled, Holds, Inventory, Report},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, HandshakeKind, RootCertStore,
        client::Resumption,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    },
};

/// What is needed to speak to a server.
#[derive(Clone)]
pub struct Wire {
    pub address: SocketAddr,
    pub config: Arc<ClientConfig>,
    /// Bytes in either direction so far, as TCP carries them.
    pub bytes: Arc<AtomicU64>,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// Whether the session was resumed.
    pub resumed: bool,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn ok<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json()["code"].as_str()), (status, Some(code)), "{}", self.json());
    }
}

/// A TLS configuration; with a certificate where one is given.
pub fn config(ca: &str, identity: Option<(&str, &str)>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    };
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

impl Wire {
    pub fn new(address: SocketAddr, config: Arc<ClientConfig>) -> Wire {
        Wire { address, config, bytes: Arc::default() }
    }

    pub async fn connect(&self) -> std::io::Result<TlsStream<Counted>> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let counted = Counted { tcp, bytes: self.bytes.clone() };
        TlsConnector::from(self.config.clone()).connect(name, counted).await
    }

    /// One request on a connection of its own.
    pub async fn try_call(&self, method: &str, path: &str, body: &[u8]) -> std::io::Result<Answer> {
        let mut stream = self.connect().await?;
        let answer = exchange(&mut stream, method, path, body, "close").await?;
        // What comes after the answer (a ticket) is read too.
        let _ = stream.read_to_end(&mut Vec::new()).await;
        Ok(answer)
    }

    pub async fn call(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.try_call(method, path, body).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        self.call("POST", path, &serde_json::to_vec(body).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, b"").await
    }
}

/// One request and its answer.
pub async fn exchange(
    stream: &mut TlsStream<Counted>,
    method: &str,
    path: &str,
    body: &[u8],
    connection: &str,
) -> std::io::Result<Answer> {
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: refit\r\nconnection: {connection}\r\n{kind}content-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    stream.write_all(&request).await?;
    stream.flush().await?;
    let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    let (status, body) = answer(stream).await?;
    Ok(Answer { status, body, resumed })
}

/// Reads an answer with a known length.
pub async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u16, Vec<u8>)> {
    let mut read = Vec::with_capacity(2_048);
    let head = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::Error::other("the connection ended before the answer"));
        }
    };
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    let length = length.unwrap_or(0);
    while read.len() < head + length {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::Error::other("the connection ended in the answer"));
        }
    }
    Ok((status, read[head..head + length].to_vec()))
}

/// Counts what goes over TCP.
pub struct Counted {
    tcp: TcpStream,
    bytes: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.tcp).poll_read(cx, buf);
        self.bytes.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.tcp).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &polled {
            self.bytes.fetch_add(*written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// A key and a signing request for it.
pub fn key() -> (KeyPair, String) {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    (key, request)
}

/// An enrolled device.
pub struct Device {
    pub id: String,
    pub wire: Wire,
    pub counter: u64,
    pub run: String,
    /// What both sides agreed upon last.
    pub said: Inventory,
    pub holds: Holds,
}

impl Device {
    /// Enrols a machine.
    pub async fn enrol(address: SocketAddr, ca: &str, secret: &str, machine: &str) -> Device {
        let (key, request) = key();
        let body = enrol_request(secret, machine, request);
        let enrolled: Enrolled = Wire::new(address, config(ca, None)).post("/agent/v1/enrol", &body).await.ok();
        let (key, certificate) = (key.serialize_pem(), enrolled.certificate);
        let wire = Wire::new(address, config(ca, Some((&certificate, &key))));
        Device {
            id: enrolled.device.to_string(),
            wire,
            counter: 0,
            run: format!("run of {machine}"),
            said: Inventory::default(),
            holds: Holds::default(),
        }
    }

    /// The next check-in, with a report.
    pub fn next(&mut self, report: Report) -> CheckIn {
        self.counter += 1;
        CheckIn {
            agent: "0.1.0".into(),
            counter: self.counter,
            run: self.run.as_str().into(),
            history: None,
            at: jiff::Timestamp::now(),
            report,
            holds: self.holds.clone(),
            receipts: Vec::new(),
            standing: Vec::new(),
            problems: Vec::new(),
            complaints: Vec::new(),
            answered: Vec::new(),
            used_seconds: 0,
        }
    }

    /// A check-in that says that nothing has changed.
    pub fn same(&mut self) -> CheckIn {
        let digest = self.said.digest();
        self.next(Report::Same { digest })
    }

    pub async fn send(&self, check_in: &CheckIn) -> Answer {
        self.wire.post("/agent/v1/check-in", check_in).await
    }

    /// Says all of it, and expects agreement.
    pub async fn say_all(&mut self, inventory: Inventory) -> CheckInAnswer {
        self.said = inventory.clone();
        let check_in = self.next(Report::All { inventory });
        self.send(&check_in).await.ok()
    }

    /// Says what has changed.
    pub async fn say(&mut self, inventory: Inventory) -> CheckInAnswer {
        let report = inventory.since(&self.said);
        self.said = inventory;
        let check_in = self.next(report);
        self.send(&check_in).await.ok()
    }
}

pub fn enrol_request(secret: &str, machine: &str, request: String) -> EnrolRequest {
    EnrolRequest {
        secret: secret.to_owned(),
        request,
        machine: Digest::of(machine.as_bytes()),
        name: machine.into(),
        agent: "0.1.0".into(),
    }
}
