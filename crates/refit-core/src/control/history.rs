//! Whether a report continues what a device has said before. Two devices with one identity (a copied disk, a stolen certificate)
//! have two histories, and the first report that shows it stops both.
//!
//! An agent draws a number for each check-in, its *link*, and sends the links of its last check-ins along. Those that the server
//! has written down are compared: a report continues a history only where they agree. Check-ins without news are not written
//! down, so an agent also says which was the last that was. Where it does not know of the last one (an answer was lost), its
//! check-in is written down again.

use crate::control::{input::Refusal, state::DeviceRecord};
use refit_wire::protocol;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// One check-in of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number, from 1.
    pub sequence: u64,
    /// What the agent drew for it.
    pub link: u32,
}

/// What a report says of the history that it continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckIn {
    /// How many check-ins there have been, this one among them. One that is not answered is done again under the same number.
    pub sequence: u64,
    /// What the agent drew for this check-in and the ones before, newest first; as many as there are, up to
    /// [`CheckIn::LINKS_MOST`].
    pub links: Vec<u32>,
    /// The last check-in that the server said it has written down.
    pub recorded: Option<Head>,
}

/// The check-ins that were written down last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The source that checks in.
    pub source: SmolStr,
    /// They themselves, oldest first.
    pub heads: Vec<Head>,
}

/// What a report is to a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuation {
    /// It goes on.
    Next,
    /// It is an earlier part of it, which arrives late.
    Earlier,
    /// It is another one.
    Diverges(&'static str),
}

/// How many check-ins are remembered.
const HEADS_MOST: usize = 16;

impl From<&protocol::History> for CheckIn {
    fn from(said: &protocol::History) -> CheckIn {
        let recorded = said.recorded.map(|head| Head { sequence: head.sequence, link: head.link });
        CheckIn { sequence: said.sequence, links: said.links.clone(), recorded }
    }
}

/// What a check-in without news is to what is known of the device: whether it continues its history, and whether it has to be
/// written down all the same, because the history begins with it, or because the agent does not know what was written down last.
pub fn without_news(record: &DeviceRecord, source: &str, said: Option<&CheckIn>) -> (Continuation, bool) {
    let counted = record.history.as_ref().filter(|history| history.source == source || said.is_some());
    match (counted, said) {
        (None, None) => (Continuation::Next, false),
        (None, Some(_)) => (Continuation::Next, true),
        (Some(_), None) => (Continuation::Diverges(UNCOUNTED), true),
        (Some(history), Some(check_in)) => match history.judge(check_in) {
            Continuation::Next => (Continuation::Next, history.has_to_grow(check_in)),
            Continuation::Earlier => (Continuation::Earlier, false),
            diverges => (diverges, true),
        },
    }
}

/// Why a source that counts can't stop to.
pub(super) const UNCOUNTED: &str = "it counts its check-ins, and this one has no number";

impl CheckIn {
    /// The most links that a report carries. One that arrives after so many others is taken for another history's.
    pub const LINKS_MOST: usize = protocol::History::LINKS_MOST;

    /// This check-in itself.
    pub fn head(&self) -> Option<Head> {
        self.links.first().map(|link| Head { sequence: self.sequence, link: *link })
    }

    /// What was drawn for a check-in, where this says so.
    fn link(&self, sequence: u64) -> Option<u32> {
        let back = usize::try_from(self.sequence.checked_sub(sequence)?).ok()?;
        self.links.get(back).copied()
    }

    pub(super) fn check(&self) -> Result<(), Refusal> {
        let most = usize::try_from(self.sequence).unwrap_or(usize::MAX).min(CheckIn::LINKS_MOST);
        if self.links.is_empty() || self.links.len() > most {
            let most = CheckIn::LINKS_MOST;
            return Err(Refusal::Invalid(format!("a check-in has one link for each check-in so far, up to {most}")));
        }
        if self.recorded.is_some_and(|recorded| recorded.sequence >= self.sequence) {
            return Err(Refusal::Invalid("what was recorded before a check-in has a lower number".into()));
        }
        Ok(())
    }
}

impl History {
    /// What a report is to this history.
    pub fn judge(&self, check_in: &CheckIn) -> Continuation {
        let differs = |head: &&Head| check_in.link(head.sequence).is_some_and(|link| link != head.link);
        if self.heads.iter().any(|head| differs(&head)) {
            return Continuation::Diverges("another device has checked in as this one since");
        }
        let Some(newest) = self.heads.last() else { return Continuation::Next };
        if check_in.sequence < newest.sequence {
            let far = newest.sequence - check_in.sequence >= CheckIn::LINKS_MOST as u64;
            return if far {
                Continuation::Diverges("it is far behind what this device has said: an older copy of it")
            } else {
                Continuation::Earlier
            };
        }
        let known = check_in.link(newest.sequence).is_some() || check_in.recorded == Some(*newest);
        // What was written down and is not known here any more was lost with the log: a backup is in force.
        let lost_here = check_in.recorded.is_some_and(|recorded| recorded.sequence > newest.sequence);
        if known || lost_here {
            Continuation::Next
        } else {
            Continuation::Diverges("it does not know what this device has said last")
        }
    }

    /// Whether a check-in that continues this has to be written down even without news: it does not know of the last one that was.
    pub fn has_to_grow(&self, check_in: &CheckIn) -> bool {
        let newest = self.heads.last();
        newest.is_none() || (check_in.recorded.as_ref() != newest && check_in.head().as_ref() != newest)
    }

    /// Goes on by a check-in.
    pub(super) fn push(&mut self, source: &SmolStr, head: Head) {
        self.source = source.clone();
        if self.heads.last() != Some(&head) {
            self.heads.push(head);
        }
        let surplus = self.heads.len().saturating_sub(HEADS_MOST);
        self.heads.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An agent's memory: what it drew, and what it knows to be written down.
    #[derive(Clone, Default)]
    struct Agent {
        drawn: Vec<u32>,
        recorded: Option<Head>,
        salt: u32,
    }

    impl Agent {
        fn check_in(&mut self) -> CheckIn {
            let drawn = (self.drawn.len() as u32 + 1) * 1_000 + self.salt;
            self.drawn.push(drawn);
            let links = self.drawn.iter().rev().take(CheckIn::LINKS_MOST).copied().collect();
            CheckIn { sequence: self.drawn.len() as u64, links, recorded: self.recorded }
        }

        fn recorded(&mut self, history: &mut History, check_in: &CheckIn) {
            assert_eq!(history.judge(check_in), Continuation::Next);
            let head = check_in.head().unwrap();
            history.push(&"agent".into(), head);
            self.recorded = Some(head);
        }
    }

    fn history() -> History {
        History { source: "agent".into(), heads: Vec::new() }
    }

    #[test]
    fn one_device_is_one_history_whatever_is_lost_late_or_unanswered() {
        let (mut agent, mut history) = (Agent::default(), history());
        let first = agent.check_in();
        agent.recorded(&mut history, &first);
        // Check-ins without news are not written down, and many of them go by.
        let late = agent.check_in();
        (0..100).for_each(|_| drop(agent.check_in()));
        let after = agent.check_in();
        assert_eq!(history.judge(&after), Continuation::Next);
        // Written down, and the answer never arrives.
        history.push(&"agent".into(), after.head().unwrap());
        let next = agent.check_in();
        assert_eq!(history.judge(&next), Continuation::Next);
        history.push(&"agent".into(), next.head().unwrap());
        assert_eq!(history.judge(&next), Continuation::Next, "it was not answered, and is done again");
        assert_eq!(history.judge(&after), Continuation::Earlier);
        assert!(matches!(history.judge(&late), Continuation::Diverges(_)), "a hundred check-ins late");
    }

    #[test]
    fn a_copy_is_found_by_whoever_reports_next() {
        for apart in [0, 1, 5, 40, 200] {
            let (mut agent, mut history) = (Agent::default(), history());
            for _ in 0..3 {
                let check_in = agent.check_in();
                agent.recorded(&mut history, &check_in);
            }
            let mut copy = Agent { salt: 7, ..agent.clone() };
            (0..apart).for_each(|_| drop(agent.check_in()));
            let check_in = agent.check_in();
            agent.recorded(&mut history, &check_in);
            let verdicts: Vec<_> = (0..=apart).map(|_| history.judge(&copy.check_in())).collect();
            assert!(!verdicts.contains(&Continuation::Next), "{apart}: {verdicts:?}");
            assert!(matches!(verdicts.last(), Some(Continuation::Diverges(_))), "{apart}: {verdicts:?}");
        }
    }

    #[test]
    fn whoever_begins_anew_under_a_known_id_is_another() {
        let (mut agent, mut history) = (Agent::default(), history());
        for _ in 0..3 {
            let check_in = agent.check_in();
            agent.recorded(&mut history, &check_in);
        }
        let mut other = Agent { salt: 7, ..Agent::default() };
        assert!(matches!(history.judge(&other.check_in()), Continuation::Diverges(_)));
    }

    #[test]
    fn a_log_that_was_put_back_has_lost_what_the_agent_knows() {
        let (mut agent, mut history) = (Agent::default(), history());
        let check_in = agent.check_in();
        agent.recorded(&mut history, &check_in);
        let backup = history.clone();
        (0..60).for_each(|_| drop(agent.check_in()));
        let check_in = agent.check_in();
        agent.recorded(&mut history, &check_in);
        (0..60).for_each(|_| drop(agent.check_in()));
        assert_eq!(backup.judge(&agent.check_in()), Continuation::Next);
    }
}
