//! `cargo xtask package`: the agent's package, for dpkg or for rpm.
//!
//! It is put together by hand and built by dpkg-deb or rpmbuild: a program, two units and four small files need no packaging
//! framework, and what is in `packaging/` is exactly what is in the package.

use super::process::{self, cargo, output, program, target, workspace};
use anyhow::{Context, Result, bail};
use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// What is in the package besides the program: in `packaging/refit-agent`, in the package.
const FILES: &[(&str, &str)] = &[
    ("refit-agent.service", "usr/lib/systemd/system/refit-agent.service"),
    ("refit-agent-network.service", "usr/lib/systemd/system/refit-agent-network.service"),
    ("refit-agent.default", "etc/default/refit-agent"),
];

/// Configuration: kept as people have edited it.
const CONFFILES: &str = "/etc/default/refit-agent\n";

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// How the program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// To be handed out.
    Release,
    /// To be tried.
    Dev,
}

/// Builds the package and prints where it is.
pub fn run(arguments: &[String]) -> Result<()> {
    let (mut profile, mut out, mut for_rpm) = (Profile::Release, target().join("package"), false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--dev" => profile = Profile::Dev,
            "--rpm" => for_rpm = true,
            "--out" => out = arguments.next().context("--out wants a folder")?.into(),
            other => bail!("there is no option `{other}`"),
        }
    }
    let package = if for_rpm { rpm(profile, &out)? } else { debian(profile, &out)? };
    println!("{}", package.display());
    Ok(())
}

/// Builds the program, and puts it with all files that both packages have into an empty folder.
fn stage(profile: Profile, stage: &Path, license: &str) -> Result<()> {
    let folder = target();
    let mut build = cargo();
    build.args(["build", "--quiet", "--locked", "--package", "refit-agent", "--bin", "refit-agent", "--target-dir"]);
    build.arg(&folder);
    if profile == Profile::Release {
        build.arg("--release");
    }
    process::run(&mut build)?;
    let built = folder.join(if profile == Profile::Release { "release" } else { "debug" }).join("refit-agent");
    if stage.exists() {
        fs::remove_dir_all(stage)?;
    }
    let packaging = packaging();
    place(&built, &stage.join("usr/bin/refit-agent"), 0o755)?;
    for (from, to) in FILES {
        place(&packaging.join(from), &stage.join(to), 0o644)?;
    }
    place(&workspace().join("LICENSE"), &stage.join(license), 0o644)?;
    strip(&stage.join("usr/bin/refit-agent"))
}

fn packaging() -> PathBuf {
    workspace().join("packaging/refit-agent")
}

/// When the sources were written, for files and packages that are the same each time they are built.
fn committed() -> String {
    output(program("git").args(["log", "-1", "--format=%ct"])).unwrap_or_else(|_| "0".into()).trim().to_owned()
}

/// Builds the package for rpm into a folder.
fn rpm(profile: Profile, out: &Path) -> Result<PathBuf> {
    fs::create_dir_all(out).with_context(|| format!("{} can't be made", out.display()))?;
    let out = out.canonicalize()?;
    let (work, version) = (out.join("rpm"), env!("CARGO_PKG_VERSION"));
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    stage(profile, &work.join("stage"), "usr/share/licenses/refit-agent/LICENSE")?;
    let payload = if profile == Profile::Release { "w7.xzdio" } else { "w1.gzdio" };
    let mut build = program("rpmbuild");
    build.args(["-bb", "--quiet"]);
    for (name, value) in [
        ("version", version),
        ("stage", &work.join("stage").display().to_string()),
        ("_topdir", &work.join("build").display().to_string()),
        ("_rpmdir", &out.display().to_string()),
        ("_rpmfilename", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"),
        ("_dbpath", &work.join("database").display().to_string()),
        ("_build_id_links", "none"),
        ("debug_package", "%{nil}"),
        // It is stripped already; the rest of what distributions do after an installation is for libraries and manuals.
        ("__os_install_post", "%{nil}"),
        ("_binary_payload", payload),
        ("_buildhost", "refit"),
        ("use_source_date_epoch_as_buildtime", "1"),
        ("clamp_mtime_to_source_date_epoch", "1"),
    ] {
        build.arg("--define").arg(format!("{name} {value}"));
    }
    build.arg(packaging().join("rpm/refit-agent.spec")).env("SOURCE_DATE_EPOCH", committed());
    output(&mut build)?;
    fs::remove_dir_all(&work)?;
    let package = out.join(format!("refit-agent-{version}-1.{}.rpm", std::env::consts::ARCH));
    if !package.exists() {
        bail!("rpmbuild has not made {}", package.display());
    }
    Ok(package)
}

/// Builds the Debian package into a folder.
fn debian(profile: Profile, out: &Path) -> Result<PathBuf> {
    let architecture = output(program("dpkg").arg("--print-architecture"))?.trim().to_owned();
    let libc = output(program("dpkg-query").args(["-W", "-f", "${Version}", "libc6"]))?;
    let libc = libc.split('-').next().unwrap_or_default().to_owned();
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("refit-agent_{version}_{architecture}");
    fs::create_dir_all(out).with_context(|| format!("{} can't be made", out.display()))?;
    let stage = out.join(&name);
    self::stage(profile, &stage, "usr/share/doc/refit-agent/copyright")?;

    let control = stage.join("DEBIAN");
    for script in SCRIPTS {
        place(&packaging().join("debian").join(script), &control.join(script), 0o755)?;
    }
    let size = size_of(&stage)?.div_ceil(1_024);
    let text = format!(
        "Package: refit-agent\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: The Refit project <refit@example.org>\n\
         Installed-Size: {size}\nDepends: libc6 (>= {libc}), libgcc-s1, init-system-helpers, passwd\nRecommends: ca-certificates, libnotify-bin\n\
         Section: admin\nPriority: optional\nDescription: patches this machine as the organisation has signed\n \
         The agent of Refit asks the package manager for what the policies of the organisation\n want, holds each change against a \
         mandate that the server can't sign, and says\n what came of it.\n"
    );
    fs::write(control.join("control"), text)?;
    fs::write(control.join("conffiles"), CONFFILES)?;
    fs::write(control.join("md5sums"), sums(&stage)?)?;
    let package = out.join(format!("{name}.deb"));
    let mut build = program("dpkg-deb");
    let compression = if profile == Profile::Release { "-Zxz" } else { "-Znone" };
    build.args([compression, "--root-owner-group", "--uniform-compression", "--build"]).arg(&stage).arg(&package);
    build.env("SOURCE_DATE_EPOCH", committed());
    output(&mut build)?;
    fs::remove_dir_all(&stage)?;
    Ok(package)
}

fn place(from: &Path, to: &Path, mode: u32) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("{} can't be copied", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// Without names for debuggers, where there is a program that can leave them out.
fn strip(path: &Path) -> Result<()> {
    match program("strip").arg("--strip-unneeded").arg(path).status() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Ok(status) if status.success() => Ok(()),
        other => bail!("strip has failed: {other:?}"),
    }
}

/// All files of the package, sorted; not those that steer the installation.
fn files(stage: &Path) -> Result<Vec<PathBuf>> {
    let (mut folders, mut files) = (vec![stage.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            match path.is_dir() {
                true if path.ends_with("DEBIAN") => {}
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files.sort();
    Ok(files)
}

fn size_of(stage: &Path) -> Result<u64> {
    let mut size = 0;
    for path in files(stage)? {
        size += fs::metadata(path)?.len();
    }
    Ok(size)
}

/// `md5sums` as dpkg wants it.
fn sums(stage: &Path) -> Result<String> {
    let mut text = String::new();
    for path in files(stage)? {
        let sum = output(program("md5sum").arg(&path))?;
        let sum = sum.split_whitespace().next().unwrap_or_default();
        let _ = writeln!(text, "{sum}  {}", path.strip_prefix(stage)?.display());
    }
    Ok(text)
}
