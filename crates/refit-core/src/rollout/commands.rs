//! What people are told to type about releases on their way, as a shell takes it: snapshots are named by policies, whose names have blanks.

use std::borrow::Cow;

/// A word as a shell takes it: as it is, or in quotes.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%~".contains(c);
    // A tilde is somebody's folder at the start, and a tilde elsewhere.
    match !text.is_empty() && !text.starts_with('~') && text.chars().all(plain) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("'{}'", text.replace('\'', r"'\''"))),
    }
}

/// What somebody types about a release: `refit resume deb/curl 8.1 --why TEXT`. Without a platform it speaks of every platform.
pub fn about_release(command: &str, title: &str, version: &str, platform: Option<&str>) -> String {
    let platform = platform.map_or_else(String::new, |platform| format!(" --platform {}", shell_word(platform)));
    format!("refit {command} {} {}{platform} --why TEXT", shell_word(title), shell_word(version))
}

/// A gate that people answer for.
#[derive(Clone, Copy, Debug)]
pub struct NamedGate<'s> {
    /// The title, or the snapshots of a policy.
    pub title: &'s str,
    /// The release, or the day of the snapshot.
    pub version: &'s str,
    /// The ring before it.
    pub after: &'s str,
    /// The rollout in which it stands; `None` is every rollout with such a ring.
    pub rollout: Option<&'s str>,
    /// The platform; `None` is every platform.
    pub platform: Option<&'s str>,
}

impl NamedGate<'_> {
    /// What lets it pass: `refit gate editor 1.1 canary pass --rollout standard --platform linux --why TEXT`.
    pub fn pass(&self) -> String {
        format!("{} --why TEXT", self.answered("pass"))
    }

    /// What takes back that somebody answered for it. What is taken back needs no reason.
    pub fn back(&self) -> String {
        self.answered("back")
    }

    fn answered(&self, answer: &str) -> String {
        let option = |name: &str, value: Option<&str>| {
            value.map_or_else(String::new, |value| format!(" --{name} {}", shell_word(value)))
        };
        format!(
            "refit gate {} {} {} {answer}{}{}",
            shell_word(self.title),
            shell_word(self.version),
            shell_word(self.after),
            option("rollout", self.rollout),
            option("platform", self.platform)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_take_it_for_something_else() {
        for plain in ["deb/curl", "7.88.1-10+deb12u8", "1:2.3~rc1-1", "snapshot/linux", "2026-11-23", "größe"] {
            assert_eq!(shell_word(plain), plain);
        }
        assert_eq!(shell_word("snapshot/linux security updates"), "'snapshot/linux security updates'");
        assert_eq!(shell_word("the boss's"), r"'the boss'\''s'");
        for odd in ["", "~root", "a;b", "$(id)", "a*", "a\nb", "#1", "`id`"] {
            assert_eq!(shell_word(odd), format!("'{odd}'"));
        }
    }

    #[test]
    fn commands_name_what_they_speak_of() {
        let snapshot = "snapshot/linux security updates";
        let resume = about_release("resume", snapshot, "2026-11-23", Some("linux"));
        assert_eq!(resume, "refit resume 'snapshot/linux security updates' 2026-11-23 --platform linux --why TEXT");
        assert_eq!(about_release("halt", "editor", "1.1", None), "refit halt editor 1.1 --why TEXT");
        let gate = NamedGate {
            title: snapshot,
            version: "2026-11-23",
            after: "first ones",
            rollout: Some("standard"),
            platform: Some("linux"),
        };
        let expected = "refit gate 'snapshot/linux security updates' 2026-11-23 'first ones' pass --rollout standard --platform linux --why TEXT";
        assert_eq!(gate.pass(), expected);
        let everywhere = NamedGate { title: "editor", version: "1.1", after: "canary", rollout: None, platform: None };
        assert_eq!(everywhere.back(), "refit gate editor 1.1 canary back");
    }
}
