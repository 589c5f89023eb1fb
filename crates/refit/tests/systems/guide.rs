//! `docs/guides/connect-a-system.md`, done as it stands there: files are written that the page has, commands are typed, and they
//! have to print what the page says they print. Only the address of the system is another one: that of a double.
//!
//! `UPDATE_TRANSCRIPTS=1` writes what the commands print now into the page; read it afterwards as somebody would who has to do it.

use super::server::{self, Answer, Asked, Server, status};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The address of the page's system.
const ADDRESS: &str = "https://shelf.acme.example";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/connect-a-system.md")
}

/// A block of the page.
struct Block<'p> {
    /// The line before it.
    title: &'p str,
    language: &'p str,
    text: &'p str,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let (mut blocks, mut rest) = (Vec::new(), page);
    while let Some((before, after)) = rest.split_once("\n```") {
        let (language, after) = after.split_once('\n').unwrap();
        let end = if after.starts_with("```") { 0 } else { after.find("\n```").expect("a block ends") + 1 };
        let title = before.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        blocks.push(Block { title, language, text: &after[..end] });
        rest = &after[end + 3..];
    }
    blocks
}

/// The file that a block is, where the line before it is its name: `` `acme/refit.yaml`: ``.
fn file_of<'p>(block: &Block<'p>) -> Option<&'p str> {
    block.title.strip_prefix('`')?.strip_suffix("`:")
}

/// The system of the page: two pages of assets for whoever has the key.
fn shelf(asked: &Asked, payload: &Value) -> Answer {
    if asked.headers.get("x-api-key").map(String::as_str) != Some("shelf-2026-read") {
        let body = json!({ "error": "this key is not known" }).to_string();
        return Answer::Whole(401, vec![("content-type", "application/json".into())], body);
    }
    if asked.path != "/v2/assets" || asked.query.get("fields").map(String::as_str) != Some("all") {
        return status(404, &[]);
    }
    if let Some(since) = asked.query.get("changed_since") {
        assert!(since.parse::<jiff::Timestamp>().is_ok(), "{since}");
        return server::json(json!({ "assets": [], "next_page": null }));
    }
    assert_eq!(asked.query["size"], "100");
    match asked.query.get("page").map(String::as_str) {
        None => server::json(payload),
        Some("Mg") => {
            let asset = json!({ "asset": 4714, "state": "in use", "checked": 1795161600, "bought": "01/09/2026",
                "device": { "serial_no": "C02XK1BEN", "name": "ben-mac", "form": "Notebook", "os": { "family": "macOS", "release": "15.1" } },
                "holder": { "mail": "ben@acme.example", "staff_no": 1043 }, "software": [] });
            server::json(json!({ "assets": [asset], "next_page": null }))
        }
        Some(_) => status(400, &[]),
    }
}

/// What a terminal shows of a command.
fn typed(command: &str, home: &Path, address: &str) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_refit")).parent().unwrap();
    let script = format!("exec 2>&1\n{}", command.replace(ADDRESS, address));
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-c", &script])
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("LANG", "C.UTF-8")
        .env("REFIT_DATA", home.join(".local/share/refit"))
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap().replace(address, ADDRESS);
    text.replace(home.to_str().unwrap(), "/home/you").lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn the_guide_to_a_system_that_no_connector_covers_works_as_it_is_written() {
    let written = fs::read_to_string(page()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let home_path = home.path().canonicalize().unwrap();
    let payload: Value = blocks(&written)
        .iter()
        .find(|block| file_of(block) == Some("shelf-assets.json"))
        .map(|block| serde_json::from_str(block.text).unwrap())
        .expect("the page has a payload");
    let double = Server::start(move |asked| shelf(asked, &payload));
    let (mut now, mut commands) = (written.clone(), 0);
    for block in blocks(&written) {
        if let Some(file) = file_of(&block) {
            if file.ends_with("connector.yaml") {
                let lines = block.text.lines().count();
                assert!(lines <= 80, "the page promises a connector of at most 80 lines, and this one has {lines}");
            }
            let path = home_path.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, block.text).unwrap();
        }
        if block.language != "console" {
            continue;
        }
        let mut text = String::new();
        for command in block.text.lines().filter_map(|line| line.strip_prefix("$ ")) {
            commands += 1;
            text += &format!("$ {command}\n{}", typed(command, &home_path, &double.url));
        }
        now = now.replacen(&format!("```console\n{}```", block.text), &format!("```console\n{text}```"), 1);
    }
    assert!(commands > 5);
    let asked = double.asked();
    assert!(asked.iter().any(|asked| asked.query.get("page").is_some_and(|page| page == "Mg")), "pages were followed");
    assert!(asked.iter().any(|asked| asked.query.contains_key("changed_since")), "changes were asked for");
    if now == written {
        return;
    }
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        fs::write(page(), now).unwrap();
        return;
    }
    let line = now.lines().zip(written.lines()).position(|(now, then)| now != then).unwrap_or_default();
    panic!(
        "docs/guides/connect-a-system.md:{}: the commands print something else now (UPDATE_TRANSCRIPTS=1 rewrites it):\n{}",
        line + 1,
        now.lines().skip(line.saturating_sub(3)).take(30).collect::<Vec<_>>().join("\n")
    );
}
