//! A server's life: open the log, take the lease, listen, work; and a clean end.
//!
//! Files in the data folder besides the log's: `tls/`, `keys/` (the key that signs what devices are told), `admin.token` (the first token, which may do everything),
//! `server.json` (where a running server listens, for the command line on the same machine), `server.alive` (until when it was
//! known to listen), `server.feeds` (the feeds that were last matched), `erase-again` (people whose erasure a restored log lacks),
//! `audit/` (who has read what is personal), `deliveries/` (how far sending events to subscriptions is), `shared-signals/` (how far streams are);
//! and `history.json` where the log is a made-up history.

use crate::{
    agents::{self, Agents, Authority},
    api::{self, Api},
    audit::{self, Audit},
    connections::Connections,
    deliveries::Deliveries,
    erasures,
    jobs::{self, LEASE, Pace, Troubles},
    made_up::{self, MadeUp, StandingClock},
    matching::Packages,
    shared_signals::{RsaKey, SharedSignals},
    shell::{Clock, Shell, SystemClock, TellError},
    sign_in::{self, SignIn},
    tls::{Certificates, Clients, TlsError, write_private},
    tokens::{self, TokenError},
    webhooks,
};
use axum_server::{Handle, accept::NoDelayAcceptor, tls_rustls::RustlsConfig};
use jiff::{Timestamp, Zoned};
use refit_connect::outbound::Outbound;
use refit_core::{
    control::{Actor, Input},
    policy::resolve::Titles,
};
use refit_store::{Fence, LeaseError, SqliteStore, Store, StoreError, open_sqlite};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// How long requests that are being answered may take when the server shuts down.
const GRACE: Duration = Duration::from_secs(3);
/// How long a connection may stay without a request.
const FIRST_REQUEST: Duration = Duration::from_secs(30);

/// The file of the first token, in the data folder.
const TOKEN: &str = "admin.token";

/// How a server is started.
pub struct Options {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The address at which devices reach the server, where it is not the one where it listens.
    pub public: Option<String>,
    /// How many people have to approve a plan; `None` leaves it as it was.
    pub approvals: Option<u32>,
    /// Certificate and key, as PEM files; the server's own authority where they are not given.
    pub certificates: Option<(PathBuf, PathBuf)>,
    /// The systems that it may talk to.
    pub connections: Connections,
    /// Hosts (`host:port`) that events may be sent to though they are private, and without TLS.
    pub webhook_private: Vec<String>,
    /// The file that says what Apple offers.
    pub apple_versions: Option<PathBuf>,
    /// The provider through which people sign in, where they do.
    pub sign_in: Option<sign_in::Options>,
    /// With what Slack signs what people press, by process.
    pub signing_secrets: api::SigningSecrets,
    /// The catalog's titles.
    pub catalog: Titles,
    /// The machine's name, for its certificate and its lease.
    pub hostname: String,
    /// The program's version.
    pub version: SmolStr,
}

/// Where a running server listens; `DATA/server.json`. Paths are relative to the data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The address to ask: `https://127.0.0.1:7443`.
    pub address: String,
    /// The file of the authority to trust; absent where certificates were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The file that holds the first token.
    pub token_file: PathBuf,
    /// The process.
    pub pid: u32,
}

/// A server that listens.
pub struct Server {
    shell: Shell,
    agents: Agents,
    deliveries: Deliveries,
    shared_signals: SharedSignals,
    packages: Packages,
    store: Arc<SqliteStore>,
    fence: Fence,
    data: PathBuf,
    address: Address,
    handle: Handle<SocketAddr>,
    listening: tokio::task::JoinHandle<io::Result<()>>,
    jobs: JoinSet<()>,
}

/// Why a server can't start, or has ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The log can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lease is somebody else's.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The log can't be read, or not be written.
    #[error(transparent)]
    Tell(#[from] TellError),
    /// No certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No first token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The address can't be had.
    #[error("can't listen on {address}: {source}{}", hint(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A file can't be written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The log is a made-up history, and others could reach it.
    #[error(
        "{address}: the log of this data folder is a made-up history, and its server is for this machine alone: `--listen 127.0.0.1:7443`"
    )]
    MadeUp {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// It had to end.
    #[error("the server has ended: {0}")]
    Ended(String),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " (another program listens there; choose another address with `--listen`)",
        io::ErrorKind::PermissionDenied => " (ports below 1024 take root)",
        _ => "",
    }
}

impl Address {
    /// Where the server of a data folder listens; `None` where none does.
    pub fn read(data: &Path) -> Option<Address> {
        serde_json::from_slice(&std::fs::read(file(data)).ok()?).ok()
    }
}

/// `DATA/server.json`
fn file(data: &Path) -> PathBuf {
    data.join("server.json")
}

/// `DATA/admin.token`
pub fn token_file(data: &Path) -> PathBuf {
    data.join(TOKEN)
}

impl Server {
    /// Opens the log and listens.
    pub async fn start(options: Options) -> Result<Server, ServerError> {
        let Options {
            data,
            listen,
            public,
            approvals,
            certificates,
            connections,
            webhook_private,
            apple_versions,
            sign_in,
            signing_secrets,
            catalog,
            hostname,
            version,
        } = options;
        let mark = || made_up::file(&data);
        let made_up = MadeUp::read(&data).map_err(|source| ServerError::File { path: mark(), source })?;
        if made_up.is_some() && !listen.ip().is_loopback() {
            return Err(ServerError::MadeUp { address: listen });
        }
        let (store, opened) = open_sqlite(&data).await?;
        match &opened.lost {
            Some(_) => tracing::error!(folder = %data.display(), "{opened}"),
            None => tracing::info!(folder = %data.display(), "{opened}"),
        }
        // The address first: a server that can't listen changes nothing.
        let socket = std::net::TcpListener::bind(listen).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?, socket))
        });
        let (listen, socket) = socket.map_err(|source| ServerError::Listen { address: listen, source })?;
        let certificates = match certificates {
            Some((cert, key)) => Certificates::Given { cert, key },
            None => {
                let host = public.as_deref().and_then(host).map(str::to_owned);
                let names = std::iter::once(hostname.clone()).chain(host).collect();
                Certificates::Own { folder: data.join("tls"), names }
            }
        };
        let authority = Authority::open(&data.join("tls"), Timestamp::now())?;
        let clients = Clients::of(authority.certificate())?;
        let tls = RustlsConfig::from_config(certificates.config(&clients, &Zoned::now())?);
        let keys = data.join("keys");
        let key = agents::open_key(&keys).map_err(|source| ServerError::File { path: keys.clone(), source })?;
        let rsa = RsaKey::open(&keys).map_err(|source| ServerError::File { path: keys, source })?;

        let store = Arc::new(store);
        // Who writes is settled by the machine's own time, whatever time the log is of.
        let fence = lease(&store, &format!("refit on {hostname}"), &SystemClock).await?;
        let clock: Arc<dyn Clock> = match &made_up {
            None => Arc::new(SystemClock),
            Some(made_up) => {
                tracing::warn!(ends = %made_up.ends, about = %made_up.about, "a made-up history: its clock stands still");
                Arc::new(StandingClock(made_up.ends))
            }
        };
        let shell = Shell::open(store.clone(), fence, catalog, clock).await?;
        // Before anything is written: a log that was brought back from a backup may end before what was delivered.
        let head = *shell.head().borrow();
        let server = Actor::server();
        let start = Input::Start { program: version, alive_until: jobs::alive_until(&data, shell.now()) };
        shell.tell(&server, start, None).await?;
        agents::raise(&shell, &data, opened.lost.is_some()).await?;
        if let Some(approvals) = approvals {
            shell.tell(&server, Input::SetApprovals(approvals), None).await?;
        }
        // Before anybody can ask for the values.
        erasures::erase_again(&shell, &data).await?;
        tokens::first(&shell, &token_file(&data)).await?;
        shell.evaluate()?;

        let ca = certificates.authority();
        let ca = ca.map(|path| path.strip_prefix(&data).map(Path::to_owned).unwrap_or(path));
        let address = Address {
            address: format!("https://{}", reachable(listen)),
            ca,
            token_file: TOKEN.into(),
            pid: std::process::id(),
        };
        let text = serde_json::to_vec_pretty(&address).map_err(io::Error::other);
        text.and_then(|text| write_private(&file(&data), &text))
            .map_err(|source| ServerError::File { path: file(&data), source })?;

        let audit = data.join("audit");
        let audit = Audit::open(audit.clone(), audit::Bounds::default())
            .map_err(|source| ServerError::File { path: audit, source })?;
        let sign_in = sign_in.map(SignIn::new).transpose().map_err(TokenError::Random)?;
        let packages = Packages::default();
        let door = agents::Options {
            interval: agents::INTERVAL,
            address: public.unwrap_or_else(|| address.address.clone()),
            own_certificate: matches!(certificates, Certificates::Own { .. }),
        };
        let agents = Agents::new(shell.clone(), authority, key, door);
        let mut jobs = JoinSet::new();
        jobs.spawn(jobs::flush(agents.clone(), Pace::default()));
        jobs.spawn(jobs::tick(shell.clone(), data.clone(), Pace::default()));
        jobs.spawn(jobs::snapshots(shell.clone()));
        jobs.spawn(jobs::seldom(shell.clone(), Some((certificates, clients, tls.clone()))));
        let troubles = Troubles::default();
        // A made-up history asks nobody, and nobody is sent what never happened; its advisories are those that it came with.
        if made_up.is_none() {
            jobs.spawn(webhooks::run(shell.clone(), agents.clone()));
            jobs.spawn(jobs::matching(shell.clone(), packages.clone(), data.clone(), Pace::default()));
            jobs.spawn(jobs::monitoring(shell.clone(), connections, troubles.clone(), Pace::default()));
        }
        let outbound = Outbound::new(webhook_private);
        let folder = data.join("deliveries");
        let deliveries = Deliveries::going_on(shell.clone(), agents.clone(), outbound.clone(), folder, head);
        if made_up.is_none() {
            jobs.spawn(deliveries.clone().run());
        }
        let place = (data.join("shared-signals"), head);
        let shared_signals = SharedSignals::new(shell.clone(), agents.clone(), outbound, place, rsa);
        if made_up.is_none() {
            jobs.spawn(shared_signals.clone().run());
        }
        let limits = api::Options {
            troubles,
            deliveries: Some(deliveries.clone()),
            apple_versions,
            signing_secrets,
            shared_signals: Some(shared_signals.clone()),
            sign_in,
            audit: Some(audit),
            ..api::Options::default()
        };
        let api = Api::new(shell.clone(), agents.clone(), limits);
        api.metrics().include(|registry| shell.metrics().register(registry));
        let router = api::router(api).merge(agents::router(agents.clone()));
        let handle = Handle::new();
        let listening = axum_server::from_tcp_rustls(socket, tls)
            .map_err(|source| ServerError::Listen { address: listen, source })?
            .map(|acceptor| acceptor.acceptor(NoDelayAcceptor::new()))
            .first_request_timeout(Some(FIRST_REQUEST))
            .handle(handle.clone())
            .serve(router.into_make_service_with_connect_info::<SocketAddr>());
        let listening = tokio::spawn(listening);
        tracing::info!(address = %address.address, "listening");
        Ok(Server {
            shell,
            agents,
            deliveries,
            shared_signals,
            packages,
            store,
            fence,
            data,
            address,
            handle,
            listening,
            jobs,
        })
    }

    /// The shell.
    pub fn shell(&self) -> &Shell {
        &self.shell
    }

    /// The agents' door.
    pub fn agents(&self) -> &Agents {
        &self.agents
    }

    /// What is known of packages besides what the log says.
    pub fn packages(&self) -> &Packages {
        &self.packages
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Does something beside, until the server ends.
    pub fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.jobs.spawn(work);
    }

    /// Works until it is asked to end (or has to), then ends: accepts nothing more, finishes what is queued, makes a snapshot,
    /// gives the lease back.
    pub async fn run(mut self, asked: impl Future<Output = ()>) -> Result<(), ServerError> {
        let mut ended = self.shell.ended();
        tokio::select! {
            () = asked => tracing::info!("shutting down"),
            _ = ended.wait_for(Option::is_some) => {}
            _ = &mut self.listening => {}
        }
        let why = ended.borrow().clone();
        self.handle.graceful_shutdown(Some(GRACE));
        self.jobs.abort_all();
        while self.jobs.join_next().await.is_some() {}
        self.agents.flush().await;
        self.deliveries.keep().await;
        self.shared_signals.keep().await;
        self.shell.close("it shuts down").await;
        if !self.listening.is_finished() {
            let _ = tokio::time::timeout(GRACE + Duration::from_secs(1), &mut self.listening).await;
        }
        let _ = std::fs::remove_file(file(&self.data));
        if let Some(why) = why {
            return Err(ServerError::Ended(why.to_string()));
        }
        if let Err(error) = self.shell.snapshot().await {
            tracing::warn!(%error, "no snapshot was made; the log has everything");
        }
        let now = self.shell.now();
        let _ = write_private(&jobs::alive_file(&self.data), format!("{now}\n").as_bytes());
        self.store.release_lease(self.fence).await?;
        let Server { shell, agents, deliveries, shared_signals, mut store, .. } = self;
        drop((shell, agents, deliveries, shared_signals));
        // Work that was broken off half-way lets go of the log a moment later.
        let until = Instant::now() + GRACE;
        loop {
            store = match Arc::try_unwrap(store) {
                Ok(store) => break store.close().await?,
                Err(shared) if Instant::now() < until => shared,
                Err(_) => {
                    tracing::warn!("the log is still read by somebody, and is closed when the program ends");
                    break;
                }
            };
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tracing::info!("ended");
        Ok(())
    }
}

/// Takes the lease; waits for one that will run out.
async fn lease(store: &SqliteStore, holder: &str, clock: &SystemClock) -> Result<Fence, LeaseError> {
    for _ in 0..2 {
        match store.acquire_lease(holder, clock.now(), LEASE).await {
            Err(LeaseError::HeldBy { holder, until }) => {
                let wait = until.duration_since(clock.now());
                // A clock that was far ahead must not keep a server from starting: the folder's lock keeps others out.
                let wait = Duration::try_from(wait).unwrap_or_default().min(LEASE);
                tracing::warn!(%holder, %until, "waiting for the lease of another server to run out");
                tokio::time::sleep(wait + Duration::from_millis(10)).await;
            }
            other => return other,
        }
    }
    store.acquire_lease(holder, Timestamp::now(), LEASE).await
}

/// The host of `https://HOST:PORT`.
fn host(address: &str) -> Option<&str> {
    let authority = address.strip_prefix("https://")?.split('/').next()?;
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    }
    .filter(|host| !host.is_empty())
}

/// An address that reaches the server from this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Ends when the process is asked to: by Ctrl-C, or by whoever started it.
///
/// It listens from this call on, so that it is called before the server starts: who is asked to end in between ends in order.
pub fn asked_to_end() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::interrupt()).ok().zip(signal(SignalKind::terminate()).ok())
    };
    async move {
        #[cfg(unix)]
        if let Some((mut interrupt, mut terminate)) = signals {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
