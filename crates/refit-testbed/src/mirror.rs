//! Where this machine gets Debian from: base roots are made from the same place, so that no mirror is named in code.

use std::process::Command;

/// The archives that apt is configured with on this machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// The main archive, as a base address without the trailing slash.
    pub(crate) archive: String,
    /// The security archive; it is always there beside the main one.
    pub(crate) security: String,
    /// The proxy that apt is told to use, if any.
    pub(crate) proxy: Option<String>,
}

impl Mirror {
    /// Asks apt, which knows all forms of source lists; the error says what is not configured.
    pub(crate) fn configured() -> Result<Mirror, String> {
        let uris = output("apt-get", &["--print-uris", "update"])?;
        let (archive, security) = archives(&uris).ok_or(
            "apt on this machine has no Debian archive with its security archive configured to make a root from",
        )?;
        let proxy = output("apt-config", &["shell", "PROXY", "Acquire::http::Proxy"])?;
        let proxy = proxy.trim().strip_prefix("PROXY='").and_then(|rest| rest.strip_suffix('\'')).map(str::to_owned);
        Ok(Mirror { archive, security, proxy: proxy.filter(|proxy| !proxy.is_empty()) })
    }
}

/// The base addresses of a suite and of its `-security` companion, out of `apt-get --print-uris update`.
fn archives(uris: &str) -> Option<(String, String)> {
    let releases: Vec<(&str, &str)> = uris
        .lines()
        .filter_map(|line| line.strip_prefix('\'')?.split('\'').next())
        .filter_map(|uri| uri.strip_suffix("/InRelease")?.split_once("/dists/"))
        .collect();
    releases.iter().find_map(|(security, suite)| {
        let main = suite.strip_suffix("-security").or_else(|| suite.strip_suffix("/updates"))?;
        let (archive, _) = releases.iter().find(|(_, suite)| *suite == main)?;
        Some(((*archive).to_owned(), (*security).to_owned()))
    })
}

fn output(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("can't run {program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} {} failed: {}", args.join(" "), String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_the_one_that_has_a_security_companion() {
        let uris = "'http://tools.example/apt/dists/stable/InRelease' x 0 \n\
                    'http://mirror.example/debian/dists/trixie/InRelease' x 0 \n\
                    'http://mirror.example/debian/dists/trixie-updates/InRelease' x 0 \n\
                    'http://mirror.example/security/dists/trixie-security/InRelease' x 0 \n";
        let expected = ("http://mirror.example/debian".to_owned(), "http://mirror.example/security".to_owned());
        assert_eq!(archives(uris), Some(expected));
    }

    #[test]
    fn a_machine_without_a_security_archive_has_no_mirror() {
        assert_eq!(archives("'http://tools.example/apt/dists/stable/InRelease' x 0 \n"), None);
    }
}
