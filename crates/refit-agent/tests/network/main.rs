//! The program as it is, against a server that is TLS and HTTP and nothing else.
//!
//! The machine that the tests run on is read, and never changed: no state here permits anything.
#![cfg(feature = "program")]
// Only the machine is pure.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

mod server;

use refit_wire::{
    Digest, EnrolmentToken,
    protocol::{CheckIn, Report},
};
use serde_json::json;
use server::{Manner, Server};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{
        Arc, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Held to write a program, and shared to start one: a child that is just being made holds everything open that is open, and what
/// is open for writing can't be run.
static PROGRAMS: RwLock<()> = RwLock::new(());

fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = {
        let _shared = PROGRAMS.read().unwrap();
        command.spawn().unwrap()
    };
    child.wait_with_output().unwrap()
}

/// The program in folders of its own. As root the network process is `nobody`: it has to reach them.
fn agent(folder: &Path, arguments: &[&str]) -> Output {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    // Where cargo puts the program, another user may not get.
    let program = folder.join("refit-agent");
    {
        let _held = PROGRAMS.write().unwrap();
        if !program.exists() {
            fs::copy(env!("CARGO_BIN_EXE_refit-agent"), &program).unwrap();
        }
    }
    let mut command = Command::new(program);
    command.arg("--config-folder").arg(folder.join("etc")).arg("--state-folder").arg(folder.join("var"));
    command.arg("--run-folder").arg(folder.join("run")).args(arguments);
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    output(command.env("REFIT_AGENT_USER", "nobody"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn enrolled(server: &Server, folder: &Path) {
    let output = agent(folder, &["enroll", &server.token().to_string()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // The machine of the tests keeps its package lists as they are.
    let path = folder.join("etc/agent.json");
    let config = fs::read_to_string(&path).unwrap().replace(r#""fetch_lists": true"#, r#""fetch_lists": false"#);
    fs::write(&path, config).unwrap();
}

/// Whether this is a machine that the agent can read.
fn can_run() -> bool {
    let known = Path::new("/var/lib/dpkg/status").exists() && Path::new("/etc/machine-id").exists();
    if !known {
        refit_testbed::skip("this machine has no dpkg, or no id");
    }
    known
}

#[test]
fn a_device_enrols_checks_in_renews_its_certificate_and_refuses_what_nobody_signed() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    enrolled(&server, folder.path());
    assert_eq!(
        server.paths(),
        [("/agent/v1/authority".into(), false), ("/agent/v1/roots/1".into(), false), ("/agent/v1/enrol".into(), false)]
    );
    let first = fs::read(folder.path().join("var/network/certificate.pem")).unwrap();

    let output = agent(folder.path(), &["once", "--json"]);
    assert_eq!(output.status.code(), Some(1), "it has a problem to tell: {}", text(&output.stderr));
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&status["mandate"], &status["state"]), (&json!(1), &json!([1, 1])));
    assert_eq!(status["waits_for"], json!(null));
    assert_eq!(status["problems"][0]["code"], "mandate");
    assert!(text(&output.stderr).contains("mandate: "), "the log has it too: {}", text(&output.stderr));
    let calls: Vec<String> =
        server.paths().into_iter().skip(3).map(|(path, known)| format!("{path} {known}")).collect();
    let digest = server.documents.mandate.digest();
    assert_eq!(
        calls,
        [
            "/agent/v1/check-in true".to_owned(),
            format!("/agent/v1/mandates/{digest} true"),
            "/agent/v1/state true".to_owned(),
            "/agent/v1/certificate true".to_owned()
        ]
    );
    assert_ne!(fs::read(folder.path().join("var/network/certificate.pem")).unwrap(), first, "it was renewed");
    let check_in: CheckIn = serde_json::from_slice(&server.body("/agent/v1/check-in")).unwrap();
    let Report::All { inventory } = check_in.report else { panic!("a first report is whole") };
    assert!(inventory.installs.len() > 50, "{}", inventory.installs.len());

    // The second time nothing is fetched that is held, and nothing told that is known; what was refused is told.
    let output = agent(folder.path(), &["once", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(server.paths().len(), 8);
    let check_in: CheckIn = serde_json::from_slice(&server.body("/agent/v1/check-in")).unwrap();
    assert!(matches!(check_in.report, Report::Same { .. }));
    assert_eq!((check_in.counter, check_in.holds.state), (2, Some(server.documents.state.digest())));
    assert_eq!(check_in.problems[0].code, "mandate");
}

#[test]
fn nothing_is_sent_to_a_server_with_another_authority() {
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    let token = EnrolmentToken { authority: Some(Digest::of(b"another")), ..server.token() };
    let output = agent(folder.path(), &["enroll", &token.to_string()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("another authority"), "{}", text(&output.stderr));
    assert_eq!(server.paths(), [("/agent/v1/authority".to_owned(), false)]);
    assert!(!folder.path().join("var/journal.json").exists());
}

#[test]
fn another_organizations_root_is_no_root() {
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    let token = EnrolmentToken { root: Some(Digest::of(b"another")), ..server.token() };
    let output = agent(folder.path(), &["enroll", &token.to_string()]);
    assert!(text(&output.stderr).contains("no root with the fingerprint"), "{}", text(&output.stderr));
    assert!(server.paths().iter().all(|(path, _)| path != "/agent/v1/enrol"), "the secret was not sent");
}

#[test]
fn an_answer_without_an_end_is_cut_off() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::EndlessState), tempfile::tempdir().unwrap());
    enrolled(&server, folder.path());
    let output = agent(folder.path(), &["once", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["problems"][0]["code"], "limit", "{status}");
    assert_eq!(status["state"], json!(null));
}

#[test]
fn a_damaged_journal_says_what_to_do_and_is_not_begun_anew() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    enrolled(&server, folder.path());
    let journal = folder.path().join("var/journal.json");
    let text_before = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, &text_before[..text_before.len() / 2]).unwrap();
    let output = agent(folder.path(), &["once"]);
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output.stderr);
    assert!(said.contains("is damaged, and nothing is changed without it") && said.contains("--again"), "{said}");
    let output = agent(folder.path(), &["enroll", &server.token().to_string()]);
    assert!(text(&output.stderr).contains("enrolled already"), "{}", text(&output.stderr));

    // To enrol again is the way out where nothing is left to go on from.
    let output = agent(folder.path(), &["enroll", "--again", &server.token().to_string()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(agent(folder.path(), &["once"]).status.code(), Some(1));
}

#[test]
fn enrolling_again_keeps_how_often_the_machine_was_restarted_and_what_was_set_by_hand() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    enrolled(&server, folder.path());
    let path = folder.path().join("var/journal.json");
    let read = || -> serde_json::Value { serde_json::from_slice(&fs::read(&path).unwrap()).unwrap() };
    let mut journal = read();
    journal["restarts"] = json!(["2026-11-26T04:00:00Z"]);
    journal["counter"] = json!(7);
    fs::write(&path, journal.to_string()).unwrap();
    let settings = folder.path().join("etc/agent.json");
    let set = || -> serde_json::Value { serde_json::from_slice(&fs::read(&settings).unwrap()).unwrap() };
    let mut by_hand = set();
    by_hand["least_interval_seconds"] = json!(77);
    by_hand["fetch_lists"] = json!(false);
    by_hand["calendars"] = json!(["/srv/calendars"]);
    fs::write(&settings, by_hand.to_string()).unwrap();
    let output = agent(folder.path(), &["enroll", "--again", &server.token().to_string()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let after = set();
    for name in ["least_interval_seconds", "fetch_lists", "calendars", "address"] {
        assert_eq!(after[name], by_hand[name], "{name}");
    }
    let after = read();
    assert_eq!((&after["restarts"], &after["counter"]), (&json!(["2026-11-26T04:00:00Z"]), &json!(0)));
}

/// The agent, for as long as it runs.
fn running(folder: &Path, arguments: &'static [&str]) -> thread::JoinHandle<Output> {
    let folder = folder.to_owned();
    thread::spawn(move || agent(&folder, arguments))
}

fn check_ins(server: &Server) -> usize {
    server.paths().iter().filter(|(path, _)| path == "/agent/v1/check-in").count()
}

/// Whether something comes to be so within so many seconds.
fn within(seconds: u32, is_so: impl Fn() -> bool) -> bool {
    (0..seconds * 10).any(|_| {
        thread::sleep(Duration::from_millis(100));
        is_so()
    })
}

#[test]
fn a_running_agent_answers_people() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    let output = agent(folder.path(), &["status"]);
    assert!(text(&output.stderr).contains("this device is not enrolled"), "{}", text(&output.stderr));
    enrolled(&server, folder.path());
    let output = agent(folder.path(), &["status"]);
    assert!(text(&output.stderr).contains("the agent does not run"), "{}", text(&output.stderr));
    let path = folder.path().to_owned();
    let running = running(&path, &["run"]);
    assert!(within(10, || agent(&path, &["status"]).status.success()));
    let output = agent(&path, &["once"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("change        install evil: the mandate does not permit it"));
    assert!(agent(&path, &["report", "the printer is gone", "--title", "deb/cups"]).status.success());
    agent(&path, &["once"]);
    let told = server.seen.lock().unwrap().iter().any(|(_, _, body)| text(body).contains("the printer is gone"));
    assert!(told);
    // Nobody else works on the device meanwhile.
    fs::remove_file(path.join("run/control.sock")).unwrap();
    let output = agent(&path, &["once"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("another refit-agent is at work"), "{}", text(&output.stderr));
    // It ends when it is asked to.
    assert!(end(&path, "run", "-TERM"));
    assert!(running.join().unwrap().status.success());
}

/// The same as somebody without rights, where the tests have any to lose.
fn as_nobody(folder: &Path, arguments: &[&str]) -> Output {
    let program = folder.join("refit-agent");
    let mut command = match rustix::process::geteuid().is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
            command
        }
        false => Command::new(program),
    };
    command.arg("--config-folder").arg(folder.join("etc")).arg("--run-folder").arg(folder.join("run")).args(arguments);
    output(&mut command)
}

#[test]
fn who_asks_again_and_again_is_told_when_to_come_back() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    enrolled(&server, folder.path());
    let path = folder.path().to_owned();
    let running = running(&path, &["run"]);
    assert!(within(60, || check_ins(&server) > 0 && agent(&path, &["status"]).status.success()));
    let begun = std::time::Instant::now();
    let refused = loop {
        let output = as_nobody(&path, &["once", "--json"]);
        let said = text(&output.stderr);
        if said.contains("refused: ") {
            break output;
        }
        assert!(output.status.code() == Some(1) && begun.elapsed() < Duration::from_secs(50), "{said}");
    };
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    let seconds = said.split("Ask again in ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!((1..=60).contains(&seconds.parse::<u64>().unwrap()), "{said}");
    assert!(said.contains("the device checks in by itself at "), "{said}");
    // It is how the agent is all the same.
    assert!(serde_json::from_slice::<serde_json::Value>(&refused.stdout).unwrap()["device"].is_string());
    let before = check_ins(&server);
    let output = as_nobody(&path, &["report", "the printer is gone"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    assert!(text(&output.stderr).contains("Ask again in "), "{}", text(&output.stderr));
    assert!(as_nobody(&path, &["status"]).status.success());
    assert_eq!(check_ins(&server), before);
    // Root is not counted.
    if rustix::process::geteuid().is_root() {
        agent(&path, &["once"]);
        assert!(check_ins(&server) > before);
    }
    assert!(end(&path, "run", "-TERM"));
    assert!(running.join().unwrap().status.success());
}

/// Where somebody's links lead to what only root may read, it is not read for them; nor does a pipe keep anybody waiting.
#[test]
fn calendars_are_read_with_the_rights_of_whose_they_are() {
    let folder = tempfile::tempdir().unwrap();
    // It puts the program where another user gets at it.
    assert!(agent(folder.path(), &["calendar"]).status.success());
    let event = |uid: &str| {
        format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:{uid}\nSUMMARY:secret\nDTSTART:20200101T000000Z\nDURATION:PT24H\n\
             RRULE:FREQ=DAILY\nEND:VEVENT\nEND:VCALENDAR\n"
        )
    };
    let (calendars, roots) = (folder.path().join("home/.calendars"), folder.path().join("root.ics"));
    fs::create_dir_all(&calendars).unwrap();
    fs::write(&roots, event("root")).unwrap();
    fs::set_permissions(&roots, fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink(&roots, calendars.join("root.ics")).unwrap();
    assert!(Command::new("mkfifo").arg(calendars.join("pipe.ics")).status().unwrap().success());
    let look = |arguments: &[&str]| {
        let mut command = Command::new("env");
        let home = format!("HOME={}", folder.path().join("home").display());
        command.args(["-i", &home, "PATH=/usr/bin:/bin"]);
        if rustix::process::geteuid().is_root() {
            command.args(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        }
        let output = output(command.arg(folder.path().join("refit-agent")).arg("calendar").args(arguments));
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    if rustix::process::geteuid().is_root() {
        let answer: serde_json::Value = serde_json::from_str(&look(&["--json"])).unwrap();
        assert_eq!(answer, json!({ "busy": [], "calendars": 0, "unread": 2 }));
        let shown = look(&[]);
        assert!(shown.contains("root.ics: it may not be read") && shown.contains("pipe.ics: it is no file"), "{shown}");
    }
    // What they may read makes them busy, and nobody hears with what.
    fs::write(folder.path().join("shared.ics"), event("shared")).unwrap();
    let shared = folder.path().join("shared.ics");
    let answer = look(&["--json", "--also", shared.to_str().unwrap()]);
    let times: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(times["busy"].as_array().unwrap().len(), 1, "one day follows the other: {answer}");
    let shown = look(&["--also", shared.to_str().unwrap()]);
    assert!(shown.contains("shared.ics: 1 event") && shown.contains("busy          "), "{shown}");
    assert!(!answer.contains("secret") && !shown.contains("secret"));
}

/// A proxy that passes connections on, and counts them.
fn proxy() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, passed) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = passed.clone();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let counted = counted.clone();
            thread::spawn(move || {
                let mut asked = BufReader::new(client.try_clone().unwrap());
                let mut line = String::new();
                asked.read_line(&mut line).unwrap();
                let target = line.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
                while line.trim() != "" {
                    line.clear();
                    asked.read_line(&mut line).unwrap();
                }
                let (mut client, server) = (client, TcpStream::connect(target).unwrap());
                counted.fetch_add(1, Ordering::SeqCst);
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
                let (mut to_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let back = thread::spawn(move || std::io::copy(&mut &server, &mut to_client));
                let _ = std::io::copy(&mut asked, &mut to_server);
                let _ = to_server.shutdown(std::net::Shutdown::Both);
                let _ = back.join();
            });
        }
    });
    (address, passed)
}

#[test]
fn a_proxy_that_was_named_at_enrolment_is_used_from_then_on() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    let (address, passed) = proxy();
    let token = server.token().to_string();
    let output = agent(folder.path(), &["enroll", "--proxy", &format!("http://{address}"), &token]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let enrolling = passed.load(Ordering::SeqCst);
    assert!(enrolling > 0);
    let path = folder.path().join("etc/agent.json");
    let config = fs::read_to_string(&path).unwrap();
    assert!(config.contains(&address.to_string()), "{config}");
    fs::write(&path, config.replace(r#""fetch_lists": true"#, r#""fetch_lists": false"#)).unwrap();
    agent(folder.path(), &["once"]);
    assert!(passed.load(Ordering::SeqCst) > enrolling);
    assert!(server.paths().iter().any(|(path, _)| path == "/agent/v1/check-in"));

    // One that is not there is told, with its name, and nothing goes past it.
    let calls = server.paths().len();
    let gone = fs::read_to_string(&path).unwrap().replace(&address.to_string(), "127.0.0.1:9");
    fs::write(&path, gone).unwrap();
    let output = agent(folder.path(), &["once"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("server        not reached"), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("(through the proxy 127.0.0.1:9)"), "{}", text(&output.stdout));
    assert_eq!(server.paths().len(), calls);
}

/// Ends the agent's processes that do this; whether there was one.
fn end(folder: &Path, verb: &str, signal: &str) -> bool {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = text(&line);
        let ours = line.contains(folder.to_str().unwrap()) && line.ends_with(&format!("\0{verb}\0"));
        ours.then(|| entry.file_name().to_string_lossy().into_owned())
    });
    let ended = pids.map(|pid| output(Command::new("kill").args([signal, &pid])).status.success());
    ended.collect::<Vec<_>>().contains(&true)
}

/// A network process that is not what it was to be says what nobody asked it, and comes again and again: one answer to each call counts,
/// and one connection lasts.
#[test]
fn a_network_process_can_not_flood_the_executor() {
    use std::{io::Read as _, os::unix::net::UnixStream};
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Good), tempfile::tempdir().unwrap());
    enrolled(&server, folder.path());
    let path = folder.path().to_owned();
    let running = running(&path, &["run", "--network-apart"]);
    let connect = || {
        (0..300).find_map(|_| {
            thread::sleep(Duration::from_millis(50));
            UnixStream::connect(path.join("run/executor.sock")).ok()
        })
    };
    let connections: Vec<UnixStream> = (0..40).map(|_| connect().unwrap()).collect();
    let ended = |mut stream: &UnixStream| {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).is_ok()
    };
    let (last, others) = connections.split_last().unwrap();
    assert!(others.iter().all(ended));
    // The last one is heard: it is asked to check in, or would be in a while, and what it says of itself goes nowhere.
    let mut last = last.try_clone().unwrap();
    for call in 0..2_000 {
        let head = format!("{{\"head\":{{\"call\":{},\"failure\":null}},\"body_bytes\":2}}\n{{}}", call + 1_000);
        last.write_all(head.as_bytes()).unwrap();
    }
    assert!(agent(&path, &["status"]).status.success());
    assert!(end(&path, "run", "-TERM") || end(&path, "--network-apart", "-TERM"));
    assert!(running.join().unwrap().status.success());
}

#[test]
fn a_network_process_that_dies_in_a_call_is_started_again_and_nobody_waits_for_its_answer() {
    if !can_run() {
        return;
    }
    let (server, folder) = (Server::start(Manner::Mute), tempfile::tempdir().unwrap());
    enrolled(&server, folder.path());
    let path = folder.path().to_owned();
    let running = running(&path, &["run"]);
    // Reading the machine takes its time where others are at work.
    assert!(within(60, || check_ins(&server) == 1));
    assert!(end(&path, "network", "-KILL"));
    // The call has failed, and the next one goes through the next process.
    let output = agent(&path, &["once"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("change        install evil: the mandate does not permit it"));
    assert_eq!(check_ins(&server), 2);
    assert!(end(&path, "run", "-TERM"));
    assert!(running.join().unwrap().status.success());
}
