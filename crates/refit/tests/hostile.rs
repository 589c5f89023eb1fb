//! Files that somebody made to do harm, through the program itself: each ends in a message that says what is wrong with
//! which file, within seconds and within memory, and never in a panic or an overflow of the stack.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a command may take; a build that is not optimised, beside other tests, has twice the time.
const LONGEST: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 5 });
/// How much address space a command may have, in KiB: 512 MiB. More memory than that it can't use either.
const MEMORY_KIB: u32 = 512 << 10;
/// A policy that is in order, to show that what is wrong beside it does not hide it.
const POLICY: &str = "policy: browsers\nsoftware: [firefox]\n";

/// A folder with one more file beside a good policy.
fn folder(name: &str, content: impl AsRef<[u8]>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.yaml"), POLICY).unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    folder
}

/// Runs a command within its limits; whatever it answers, it must have ended by itself.
fn refit(folder: &Path, arguments: &[&str]) -> Output {
    let started = Instant::now();
    let output = Command::new("bash")
        .args(["-c", &format!("ulimit -v {MEMORY_KIB}; exec timeout 60 \"$@\""), "bash", env!("CARGO_BIN_EXE_refit")])
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("REFIT_DATA", folder.join(".data"))
        .output()
        .unwrap();
    let shown = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(matches!(output.status.code(), Some(0..=4)), "{arguments:?}: {}\n{}", output.status, shown());
    assert!(!shown().contains("panicked"), "{}", shown());
    assert!(started.elapsed() < LONGEST, "{arguments:?} took {:?}", started.elapsed());
    output
}

/// What `refit check` prints of a folder with mistakes; it is short enough to be read.
fn refused(folder: &TempDir) -> String {
    let output = refit(folder.path(), &["check", "."]);
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert_ne!(output.status.code(), Some(0), "{text}");
    assert!(text.len() < 64 << 10, "{} bytes of messages:\n{:.2000}", text.len(), text);
    text
}

#[test]
fn a_billion_laughs() {
    let mut text = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for (name, before) in ('b'..='z').zip('a'..='y') {
        let _ = writeln!(text, "{name}: &{name} [{}]", vec![format!("*{before}"); 9].join(", "));
    }
    assert!(refused(&folder("bomb.yaml", text)).contains("bomb.yaml:1:"));
}

#[test]
fn nesting_of_a_million_brackets() {
    for text in [
        format!("policy: deep\nwhere: {}", "[".repeat(1_000_000)),
        format!("policy: deep\nwhere: {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("policy: deep\nwhere: {}1{}", "{a: ".repeat(100_000), "}".repeat(100_000)),
        (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        format!("policy: deep\nwhere: {}x", "- ".repeat(100_000)),
        format!("{{\"policy\": {}", "[".repeat(1_000_000)),
    ] {
        let name = if text.starts_with('{') { "deep.json" } else { "deep.yaml" };
        assert!(refused(&folder(name, text)).contains("deep."));
    }
}

#[test]
fn a_file_of_a_hundred_megabytes() {
    let folder = folder("huge.yaml", "policy: huge\n");
    // Sparse: it takes no room on the disk.
    fs::File::options().write(true).open(folder.path().join("huge.yaml")).unwrap().set_len(100 << 20).unwrap();
    let text = refused(&folder);
    assert!(text.contains("huge.yaml") && text.contains("100.0 MiB are more than the 4.0 MiB allowed"), "{text}");
}

#[test]
fn files_that_are_large_together() {
    let folder = folder("more.yaml", POLICY);
    let comment = format!("# {}\n", "x".repeat(4_000_000));
    for number in 0..10 {
        fs::write(folder.path().join(format!("{number}.yaml")), &comment).unwrap();
    }
    assert!(refused(&folder).contains("more than 32 MiB of documents"));
}

#[test]
fn many_values_and_long_lines() {
    assert!(
        refused(&folder("many.yaml", format!("policy: many\nsoftware: [{}]", "a,".repeat(1_900_000))))
            .contains("many.yaml")
    );
    assert!(
        refused(&folder("line.yaml", format!("policy: {}\nsoftwar: []", "x".repeat(3_000_000)))).contains("line.yaml")
    );
    assert!(
        refused(&folder("keys.yaml", (0..150_000).map(|key| format!("k{key}: 1\n")).collect::<String>()))
            .contains("keys.yaml")
    );
    let documents = "---\npolicy: same\nsoftware: [firefox]\n".repeat(20_000);
    let output = refit(folder("documents.yaml", documents).path(), &["check", "."]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn bytes_that_are_no_text() {
    let text = refused(&folder("latin.yaml", b"policy: caf\xe9\nsoftware: [firefox]\n"));
    assert!(text.contains("latin.yaml:1:12") && text.contains("byte 0xe9"), "{text}");
    let text = refused(&folder("nul.yaml", b"policy: a\0b\n"));
    assert!(text.contains("nul.yaml:1:10") && text.contains("NUL"), "{text}");
    let utf16: Vec<u8> = "\u{feff}policy: a\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(refused(&folder("utf16.yaml", utf16)).contains("UTF-16"));
    let noise: Vec<u8> = (0..1_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert!(refused(&folder("noise.json", noise)).contains("noise.json"));
}

#[test]
fn ten_thousand_files() {
    let folder = folder("refit.yaml", "organization: acme\n");
    for number in 0..10_000 {
        let title = format!("title: t{number}\nkind: tool\nscheme: generic\n");
        fs::write(folder.path().join(format!("{number}.yaml")), title).unwrap();
    }
    let output = refit(folder.path(), &["check", "."]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn folders_within_folders() {
    let folder = folder("refit.yaml", "organization: acme\n");
    // As deep as a path may be long.
    let deep = folder.path().join("d/".repeat(1_500));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("policy.yaml"), "polcy: a\n").unwrap();
    assert!(refused(&folder).contains("policy.yaml:1:1"));
}

#[test]
fn links_in_a_circle_and_out_of_the_folder() {
    let folder = folder("refit.yaml", "organization: acme\n");
    let at = |name: &str| folder.path().join(name);
    symlink(".", at("circle")).unwrap();
    symlink("loop.yaml", at("loop.yaml")).unwrap();
    symlink("nowhere.yaml", at("gone.yaml")).unwrap();
    symlink("/etc/passwd", at("passwd.yaml")).unwrap();
    symlink("/dev/zero", at("zero.yaml")).unwrap();
    symlink("good.yaml", at("same.yaml")).unwrap();
    let text = refused(&folder);
    for name in ["loop.yaml", "gone.yaml", "passwd.yaml", "zero.yaml"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(!text.contains("root:"), "{text}");
    assert!(text.contains("a link to a file outside of the policy repository"), "{text}");
    // A link within is read: the policy is there twice.
    assert!(text.contains("there is already a policy of this name"), "{text}");
}

#[test]
fn what_is_no_regular_file() {
    let folder = folder("refit.yaml", "organization: acme\n");
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe.yaml")).status().unwrap().success());
    fs::create_dir(folder.path().join("folder.yaml")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket.yaml")).unwrap();
    let text = refused(&folder);
    assert!(text.contains("pipe.yaml") && text.contains("socket.yaml"), "{text}");
    drop(socket);
    for given in ["pipe.yaml", "/dev/null", "/dev/zero", "/dev/stdin"] {
        assert_ne!(refit(folder.path(), &["check", given]).status.code(), Some(0), "{given}");
    }
}

#[test]
fn files_and_folders_that_may_not_be_read() {
    let folder = folder("secret.yaml", POLICY);
    fs::create_dir(folder.path().join("closed")).unwrap();
    let run = |arguments: &str| {
        // Root may read everything: as somebody else, on a copy of the program that they may run.
        let script = format!(
            "set -e; chmod 755 . ; cp {program} /tmp/refit-$$; trap 'rm /tmp/refit-$$' EXIT; chmod 000 secret.yaml; {arguments}",
            program = env!("CARGO_BIN_EXE_refit")
        );
        let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let somebody =
        if rustix::process::geteuid().is_root() { "setpriv --reuid=65534 --regid=65534 --clear-groups" } else { "" };
    let text = run(&format!("{somebody} /tmp/refit-$$ check . || true"));
    assert!(text.contains("secret.yaml") && text.contains("Permission denied"), "{text}");
    let text = run(&format!("chmod 000 closed; {somebody} /tmp/refit-$$ check . || true; chmod 700 closed"));
    assert!(text.contains("closed can't be read: Permission denied"), "{text}");
}

#[test]
fn expressions_that_cost() {
    let expressions = [
        format!("{}true{}", "(".repeat(4_000), ")".repeat(4_000)),
        "!".repeat(8_000) + "true",
        vec!["device.platform == \"macos\""; 300].join(" && "),
        (0..300)
            .map(|n| format!("(device.hostname == \"a{n}\" || device.os == \"b{n}\")"))
            .collect::<Vec<_>>()
            .join(" && "),
        format!("device.tags.exists(a, {} true {})", "device.tags.exists(b, ".repeat(300), ")".repeat(300)),
        format!("device.hostname.matches(\"{}\")", "(a*)*".repeat(1_000)),
        "device.hostname.matches(\"(((((a{1,1000}){1,1000}){1,1000}){1,1000}){1,1000})\")".to_owned(),
        "device.hostname.matches(\"(a|aa)+$\")".to_owned(),
        format!("device.hostname == \"{}\"", "x".repeat(60_000)),
        format!("device.os in [{}]", (0..1_500).map(|n| format!("\"o{n}\"")).collect::<Vec<_>>().join(", ")),
        format!("since(device.enrolled) > duration(\"{}d\")", "9".repeat(400)),
        format!("1{} == 1", " + 1".repeat(2_000)),
        format!("true ? {} true {}", "true ? ".repeat(1_000), ": false ".repeat(1_001)),
        "\u{202e}device.os".to_owned(),
    ];
    for expression in &expressions {
        let quoted = expression.replace('\'', "''");
        let folder = folder("costly.yaml", format!("policy: costly\nsoftware: [vlc]\nwhere: '{quoted}'\n"));
        refit(folder.path(), &["check", "."]);
    }
    // All of them together, in policies that could meet each other.
    let together: String = (0..40)
        .map(|n| {
            format!(
                "---\npolicy: p{n}\nsoftware: [vlc]\nwhere: '{}'\n",
                expressions[3].replace("\"a", &format!("\"{n}a"))
            )
        })
        .collect();
    refit(folder("together.yaml", together).path(), &["check", "."]);
}

#[test]
fn versions_that_are_huge() {
    let folder = tempfile::tempdir().unwrap();
    let huge = "9".repeat(100_000);
    let dotted = "1.".repeat(50_000) + "1";
    for scheme in ["dpkg", "rpm", "semver", "apple", "windows", "chrome", "generic"] {
        for version in [&huge, &dotted] {
            let output = refit(folder.path(), &["versions", "compare", scheme, version, "1"]);
            assert!(output.stderr.len() < 2_000, "{scheme}: {} bytes", output.stderr.len());
        }
    }
    let range = format!("policy: a\nsoftware: [vlc]\ntarget: \">={dotted}\"\n");
    refit(self::folder("range.yaml", range).path(), &["check", "."]);
}

#[test]
fn plans_that_are_none() {
    let folder = folder("refit.yaml", "organization: acme\n");
    let plans = [
        String::new(),
        "null".to_owned(),
        "[".repeat(1_000_000),
        "{\"format\": ".repeat(100_000),
        "{\"format\": 1, \"made_at\": \"2026-11-23T00:00:00Z\"}".to_owned(),
        "{\"format\": -1}".to_owned(),
        "{\"format\": 1e999}".to_owned(),
        "\0\0\0".to_owned(),
    ];
    for plan in plans {
        fs::write(folder.path().join("plan.json"), plan).unwrap();
        let output = refit(folder.path(), &["apply", "plan.json"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(
            text.contains("plan.json") && text.contains("make the plan again") || text.contains("refit plan"),
            "{text}"
        );
    }
    for given in ["/dev/zero", "/dev/null", "."] {
        let output = refit(folder.path(), &["apply", given]);
        assert_eq!(output.status.code(), Some(3), "{given}");
    }
}
