//! What the lab tells: on the terminal while it runs, and as Markdown at the end.

use super::size::{RINGS, Size};
use jiff::Timestamp;
use refit_api::MomentSaid;
use std::{fmt::Write as _, time::Instant};

/// The report, as far as it is.
pub struct Report {
    size: Size,
    began: Instant,
    text: String,
    /// The scenario that runs: since when, and the table as far as it is.
    current: Option<Current>,
    outcomes: Vec<(String, f64)>,
}

struct Current {
    title: String,
    since: Timestamp,
    rows: Vec<(Timestamp, String, String)>,
    found: Vec<String>,
}

impl Report {
    pub fn new(size: Size) -> Report {
        Report { size, began: Instant::now(), text: String::new(), current: None, outcomes: Vec::new() }
    }

    /// Something about the lab itself.
    pub fn note(&self, what: &str) {
        println!("{:>6.1} s {what}", self.began.elapsed().as_secs_f64());
    }

    /// A scenario begins.
    pub fn begin(&mut self, title: &str, about: &str) {
        println!("{:>6.1} s == {title}", self.began.elapsed().as_secs_f64());
        let _ = write!(self.text, "\n## {title}\n\n{about}\n");
        self.current =
            Some(Current { title: title.to_owned(), since: Timestamp::now(), rows: Vec::new(), found: Vec::new() });
    }

    fn current(&mut self) -> &mut Current {
        self.current.as_mut().expect("a scenario runs")
    }

    /// Something that the lab did, or saw, now.
    pub fn did(&mut self, who: &str, what: &str) {
        self.saw(Timestamp::now(), who, what);
    }

    /// Something that was at another time.
    pub fn saw(&mut self, at: Timestamp, who: &str, what: &str) {
        println!("{:>6.1} s    {who}: {what}", self.began.elapsed().as_secs_f64());
        self.current().rows.push((at, who.to_owned(), what.to_owned()));
    }

    /// What the server says of a title's releases.
    pub fn timeline(&mut self, title: &str, moments: &[MomentSaid]) {
        for moment in moments {
            self.saw(moment.at, title, &format!("{}: {}", moment.version, moment.says));
        }
    }

    /// When the hosts of each ring changed, as their packages' own scripts wrote it down.
    pub fn changes(&mut self, title: &str, version: &str, rings: &[Vec<Timestamp>]) {
        for (ring, times) in RINGS.iter().zip(rings) {
            if let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) {
                let hosts = if times.len() == 1 { "host".to_owned() } else { "hosts".to_owned() };
                let what = format!("{version} is on {} {hosts} of {ring}, as the hosts say", times.len());
                let span = last.duration_since(*first).as_secs_f64();
                let what = if times.len() == 1 { what } else { format!("{what}; the first {span:.1} s before") };
                self.saw(*last, title, &what);
            }
        }
    }

    /// Something that was asserted, in words.
    pub fn found(&mut self, what: &str) {
        println!("{:>6.1} s    found: {what}", self.began.elapsed().as_secs_f64());
        self.current().found.push(what.to_owned());
    }

    /// The scenario has ended well.
    pub fn end(&mut self) {
        self.close("");
    }

    /// The scenario has failed.
    pub fn failed(&mut self) {
        if self.current.is_some() {
            self.close(" (failed)");
        }
    }

    fn close(&mut self, how: &str) {
        let mut current = self.current.take().expect("a scenario runs");
        let took = Timestamp::now().duration_since(current.since).as_secs_f64();
        current.rows.sort_by_key(|(at, ..)| *at);
        let _ = write!(self.text, "\n| s | who | what |\n| --- | --- | --- |\n");
        for (at, who, what) in &current.rows {
            let at = at.duration_since(current.since).as_secs_f64();
            let _ = writeln!(self.text, "| {at:.1} | {who} | {} |", what.replace('|', "/"));
        }
        let _ = write!(self.text, "\nFound to be so:\n\n");
        for what in &current.found {
            let _ = writeln!(self.text, "- {what}");
        }
        self.outcomes.push((format!("{}{how}", current.title), took));
    }

    /// The whole, as Markdown; written to the file that `REFIT_LAB_REPORT` names.
    pub fn write(&self) {
        let Size { apt, dnf } = self.size;
        let now = Timestamp::now().strftime("%F");
        let mut text = format!(
            "# Report of the lab\n\nWritten by `cargo xtask lab` on {now}, with {} hosts: {apt} with apt, one of them booted with \
             systemd, and {dnf} with dnf. [The lab](lab.md) says what is real in it. Seconds count from the beginning of a \
             scenario.\n\n| scenario | took |\n| --- | --- |\n",
            apt + dnf
        );
        for (title, took) in &self.outcomes {
            let _ = writeln!(text, "| {title} | {took:.0} s |");
        }
        let _ = writeln!(text, "| all, with making the hosts | {:.0} s |", self.began.elapsed().as_secs_f64());
        text.push_str(&self.text);
        if let Some(path) = std::env::var_os("REFIT_LAB_REPORT") {
            std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}
