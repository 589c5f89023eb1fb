//! A PostgreSQL server for a test: a cluster of its own in a folder that goes with it.

use refit_testbed::skip;
use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A running server.
pub struct Postgres {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    programs: PathBuf,
    user: Option<(u32, u32)>,
}

impl Postgres {
    /// The password of its owner.
    pub const PASSWORD: &str = "of-the-test";

    /// Starts one; `None` where there is no PostgreSQL, after saying so.
    pub fn start() -> Option<Postgres> {
        let Some(programs) = programs() else {
            skip("PostgreSQL is missing here; run: apt-get install postgresql");
            return None;
        };
        // It does not run as root.
        let user = rustix::process::geteuid().is_root().then(|| (number("-u"), number("-g")));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("password"), Postgres::PASSWORD).unwrap();
        if let Some((uid, gid)) = user {
            for path in [folder.path().to_owned(), folder.path().join("password")] {
                chown(path, Some(uid), Some(gid)).unwrap();
            }
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Postgres { child: Command::new("true").spawn().unwrap(), port, folder, programs, user };
        let data = server.folder.path().join("data");
        let password = server.folder.path().join("password");
        let output = server
            .program("initdb")
            .args(["-A", "scram-sha-256", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C", "--pwfile"])
            .arg(password)
            .arg("-D")
            .arg(&data)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let settings = ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=10"];
        let mut command = server.program("postgres");
        command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k"]).arg(server.folder.path());
        command.args(settings.iter().flat_map(|setting| ["-c", *setting])).stderr(Stdio::null()).stdout(Stdio::null());
        server.child = command.spawn().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "PostgreSQL does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    /// The address of one of its databases.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://127.0.0.1:{}/{database}", self.port)
    }

    /// Makes a database with what statements put into it.
    pub fn create(&self, database: &str, statements: &str) {
        self.psql("postgres", &format!("create database {database}"));
        self.psql(database, statements);
    }

    fn psql(&self, database: &str, statements: &str) {
        let mut command = self.program("psql");
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.args(["-U", "postgres", "-d", database, "-c", statements]).env("PGPASSWORD", Postgres::PASSWORD);
        // It may still be starting.
        let begun = Instant::now();
        loop {
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() {
                return;
            }
            assert!(said.contains("starting up") && begun.elapsed() < Duration::from_secs(60), "{said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.folder.path());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, with its own processes; the folder goes afterwards.
        let _ =
            rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::QUIT);
        let _ = self.child.wait();
    }
}

/// The folder of the newest PostgreSQL, as Debian has it.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path().join("bin"));
    let mut found: Vec<PathBuf> = versions.filter(|path| path.join("postgres").is_file()).collect();
    found.sort();
    found.pop().filter(|path| Path::new("/etc/passwd").is_file() && path.join("initdb").is_file())
}

/// The number of the user that Debian makes for it.
fn number(which: &str) -> u32 {
    let output = Command::new("id").args([which, "postgres"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().expect("the package makes a user `postgres`")
}
