//! What people read when an expression is wrong.

use super::*;
use crate::policy::diagnostic::Severity;
use std::fmt::Write;

/// Each expression with its findings, marked.
fn findings(texts: &[&str], scope: &Scope<'_>) -> String {
    let mut out = String::new();
    for text in texts {
        let findings = match compile(text, scope) {
            Ok(expr) => expr.warnings().to_vec(),
            Err(findings) => findings,
        };
        writeln!(out, "{text}").unwrap();
        if findings.is_empty() {
            writeln!(out, "  fine").unwrap();
        }
        for finding in findings {
            let before = text[..finding.range.start].chars().count();
            let marked = text[finding.range.clone()].chars().count().max(1);
            let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
            writeln!(out, "{}{} {}", " ".repeat(before), "^".repeat(marked), finding.label).unwrap();
            writeln!(out, "  {severity}[{}]: {}", finding.code, finding.message).unwrap();
            if let Some(help) = finding.help {
                writeln!(out, "  help: {help}").unwrap();
            }
        }
        out.push('\n');
    }
    out
}

fn snapshot(name: &str, texts: &[&str]) {
    let fields = fields();
    insta::assert_snapshot!(name, findings(texts, &Scope::exposure(&fields)));
}

#[test]
fn names_that_do_not_exist() {
    snapshot(
        "names",
        &[
            r#"device.platfrom in ["macos"]"#,
            r#"devcie.platform == "macos""#,
            r#"platform == "macos""#,
            r#"device.platform == macos"#,
            r#"device.department == "IT""#,
            r#"device.warranty == "over""#,
            r#"device.os.version >= "14""#,
            r#"device.os_version.major >= 14"#,
            r#"host.name == "x""#,
            r#"device"#,
            r#"device == "x""#,
            r#"exposure.cvs > 9.0"#,
            r#"device.tags.exists(t, t.name == "x")"#,
            r#"device.tags.exists(t, u == "x")"#,
            r#"person.deparment == "IT" || device.tag == "x" || exposure.kew"#,
        ],
    );
}

#[test]
fn functions_that_do_not_exist() {
    snapshot(
        "functions",
        &[
            r#"device.hostname.startswith("web")"#,
            r#"device.hostname.starts_with("web")"#,
            r#"device.tags.includes("a")"#,
            r#"device.tags.map(t, t) == []"#,
            r#"device.tags.filter(t, t == "a").size() > 0"#,
            r#"now() - device.seen > duration("1d")"#,
            r#"int(device.rack) > 3"#,
            r#"days(3) > duration("1d")"#,
            r#"device.tags.exists(t == "a")"#,
            r#"has(person)"#,
            r#"has("x")"#,
            r#"size()"#,
            r#"startsWith(device.hostname, "web")"#,
            r#"device.tags.exists(device, device == "a")"#,
            r#"device.tags.exists("t", true)"#,
            r#"device.tags.exists(a, device.tags.exists(b, device.tags.exists(c, a == b && b == c)))"#,
        ],
    );
}

#[test]
fn types_that_do_not_fit() {
    snapshot(
        "types",
        &[
            r#"device.platform"#,
            r#"device.tags"#,
            r#"1"#,
            r#"device.platform == 3"#,
            r#"device.platform == ["macos"]"#,
            r#"device.tags == "kiosk""#,
            r#"device.tags == []"#,
            r#"device.tags.contains("kiosk")"#,
            r#""mac" in device.platform"#,
            r#"device.os_version >= 14"#,
            r#"device.os_version >= "fourteen""#,
            r#"device.os_version == device.codename"#,
            r#"device.os_version.startsWith("14.")"#,
            r#"exposure.kev == "true""#,
            r#"exposure.kev > false"#,
            r#"exposure.kev && exposure.cvss"#,
            r#"!device.platform"#,
            r#"-device.platform == "x""#,
            r#"since(person.first_day) < 14"#,
            r#"since(person.first_day) < "14d""#,
            r#"since(person.department) < duration("14d")"#,
            r#"device.seen > "yesterday""#,
            r#"device.seen > duration("1d")"#,
            r#"exposure.cvss + 1 > 9.0"#,
            r#"device.seen + 14 > device.enrolled"#,
            r#"device.platform in ["macos", 3]"#,
            r#"device.platform in [3]"#,
            r#"device.platform in [["macos"]]"#,
            r#"person.vip ? "a" : 1"#,
            r#"(person.vip ? duration("1d") : since(device.seen)) > duration("1h")"#,
            r#"device.site.exists(s, s == "x")"#,
        ],
    );
}

#[test]
fn constants_that_can_not_be_read() {
    snapshot(
        "constants",
        &[
            r#"since(device.seen) > duration("2w")"#,
            r#"since(device.seen) > duration("soon")"#,
            r#"since(device.seen) > duration(device.site)"#,
            r#"device.seen > timestamp("23.11.2026")"#,
            r#"device.hostname.matches("web[")"#,
            r#"device.hostname.matches("(a{1000}){1000}")"#,
            r#"device.hostname.matches(device.site)"#,
            r#"device.cores > 99999999999999999999"#,
            r#"exposure.cvss > 1e999"#,
            r#"1/0 == 1"#,
            r#"device.cores % 0 == 1 || exposure.cvss / 0.0 > 1.0"#,
        ],
    );
}

#[test]
fn values_that_are_not_known() {
    snapshot(
        "values",
        &[
            r#"device.platform == "macOS""#,
            r#"device.platform in ["linux", "Mac", "win"]"#,
            r#"device.platform != "solaris""#,
            r#"device.os == "unbuntu""#,
            r#"device.os == "slackware""#,
            r#""laptop" == device.kind"#,
            r#"device.rack < "10""#,
        ],
    );
}

#[test]
fn texts_that_are_no_expressions() {
    snapshot(
        "syntax",
        &[
            "",
            "   ",
            "// nothing",
            r#"device.platform = "macos""#,
            r#"device.platform === "macos""#,
            r#"device.platform <> "macos""#,
            r#"person.vip and person.on_call or not person.on_leave"#,
            r#"person.vip & person.on_call"#,
            r#"person.vip | person.on_call"#,
            r#"device.platform =="#,
            r#"device.platform "macos""#,
            r#"device.platform == "macos"#,
            r#"device.platform == “macos”"#,
            r#"(person.vip || person.on_call"#,
            r#"person.vip)"#,
            r#"device.platform in ["macos")"#,
            r#"person.vip && || person.on_call"#,
            r#"exposure.cvss ≥ 9"#,
            r#"since(device.seen) > 14d"#,
            r#"device.hostname == "\d""#,
            r#"device."#,
            r#"person.vip ? true"#,
            r#"device.größe == 1"#,
            r#"return true"#,
            r#"device.tags[0] == "a""#,
            r#"{"a": 1} == {"a": 1}"#,
            r#"Device{site: "a"} == 1"#,
            r#"person.department == null"#,
            r#"device.cores == 4u"#,
            r#"device.site == b"rome""#,
            "device.`site` == \"rome\"",
            r#"device.?site == "rome""#,
        ],
    );
}

#[test]
fn exposures_are_not_asked_where_devices_are_selected() {
    let fields = fields();
    insta::assert_snapshot!(
        "scope",
        findings(&["exposure.kev", "person.vip && exposure.cvss > 9.0"], &Scope::device(&fields))
    );
}
