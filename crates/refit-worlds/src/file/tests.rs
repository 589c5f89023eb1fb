//! What is written is read again, and what is no world says where.

use crate::{Spec, Synthetic, WorldReader, WorldWriter};
use refit_core::{facts::Fields, world::Install};

fn spec() -> Spec {
    Spec { devices: 60, seed: 11, now: "2026-11-23T09:00:00Z".parse().unwrap() }
}

fn written() -> String {
    let synthetic = Synthetic::new(spec());
    let mut out = Vec::new();
    let mut writer = WorldWriter::new(&mut out, synthetic.world(), spec().now).unwrap();
    synthetic.devices().for_each(|device| writer.device(&device).unwrap());
    assert_eq!(writer.finish().unwrap().devices, 60);
    String::from_utf8(out).unwrap()
}

fn refused(text: &str) -> String {
    match WorldReader::new(text.as_bytes(), Fields::builtin()) {
        Err(error) => error.to_string(),
        Ok(reader) => reader.filter_map(Result::err).next().unwrap().to_string(),
    }
}

#[test]
fn what_is_written_is_read_again() {
    let synthetic = Synthetic::new(spec());
    let text = written();
    let reader = WorldReader::new(text.as_bytes(), Fields::builtin()).unwrap();
    assert_eq!(reader.now(), spec().now);
    for title in synthetic.world().titles() {
        assert_eq!(reader.world().releases(title), synthetic.world().releases(title));
        assert_eq!(reader.world().advisories(title), synthetic.world().advisories(title));
    }
    let devices: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(devices.len(), 60);
    for (mut read, mut made) in devices.into_iter().zip(synthetic.devices()) {
        read.installs.sort_by_key(Install::slot);
        made.installs.sort_by_key(Install::slot);
        assert_eq!(format!("{read:?}"), format!("{made:?}"));
    }
}

#[test]
fn a_damaged_file_is_refused_where_it_is_damaged() {
    assert!(refused("").contains("line 1, column 1: a world begins with"));
    assert!(
        refused("{\"format\":\"refit-world\",\"version\":9,\"now\":\"2026-11-23T09:00:00Z\"}").contains("version 9")
    );
    let head = "{\"format\":\"refit-world\",\"version\":1,\"now\":\"2026-11-23T09:00:00Z\"}\n";
    let after = |line: &str| refused(&format!("{head}\n{line}\n"));
    assert!(after("{\"host\":1}").starts_with("line 3, column 1: a line begins with"));
    assert!(after("{\"title\":\"a\",\"scheme\":\"chrome\",\"releases\":[{\"version\":\"x\",\"published\":\"2026-11-23T09:00:00Z\"}]}").contains("`x` is not"));
    let device = "{\"device\":\"d\",\"seen\":\"2026-11-23T09:00:00Z\",\"seen_by\":\"agent\"";
    let found = after(&format!("{device},\"installs\":[[null,[7]]]}}"));
    assert!(found.contains("there is no release 7: the titles above have 0"), "{found}");
    assert!(after(&format!("{device},\"zone\":\"Mars/Base\"}}")).contains("there is no time zone `Mars/Base`"));
    assert!(after(&format!("{device},\"universe\":1}}")).contains("no line before this one is universe 1"));
    assert!(
        after(&format!("{device},\"facts\":[{{\"values\":{{\"device.platform\":1}}}}]}}"))
            .contains("`device.platform` is not a text")
    );
    assert!(after(&format!("{device},\"colour\":1}}")).contains("unknown field `colour`"));
    assert!(after(&format!("{device}}}\n{{\"title\":\"a\"}}")).starts_with("line 4, column 1: a line begins with"));
}

#[test]
fn a_hole_that_nobody_has_mended_is_in_every_version() {
    let head = "{\"format\":\"refit-world\",\"version\":1,\"now\":\"2026-11-23T09:00:00Z\"}\n";
    let title = "{\"title\":\"editor\",\"scheme\":\"semver\",\"releases\":[{\"version\":\"1.0.0\",\"published\":\"2026-01-01T00:00:00Z\"}]}\n";
    let advisory = "{\"advisory\":{\"id\":\"CVE-2026-1\",\"title\":\"editor\",\"affected\":[\"*\"],\"known_at\":\"2026-11-01T00:00:00Z\"},\"scheme\":\"semver\"}\n";
    let text = format!("{head}{title}{advisory}");
    let reader = WorldReader::new(text.as_bytes(), Fields::builtin()).unwrap();
    let editor = refit_model::TitleId::new("editor");
    let version = &reader.world().releases(&editor)[0].version;
    assert_eq!(reader.world().advisories(&editor)[0].affects(version), Some(true));
}

#[test]
fn a_file_that_ends_too_early_is_refused() {
    let text = written();
    let cut = &text[..text.len() - 40];
    assert!(refused(cut).contains("the line ends too early: was the file cut off?"), "{}", refused(cut));
}
