//! What is too large for one entry of the log is several that add up to the same.
//!
//! That concerns what is noted of decisions ([`ObligationsNoted`]): a device may have any number of slots, and a slot any number of exposures.
//! All that may be said in any order is not: parts come in the order in which the whole would have been applied, so that replaying them gives
//! the same state, and what they mean ([`crate::business`]) is the same in the same order.

use super::{
    codec::encode,
    device_set::DeviceSet,
    event::{Event, ObligationsNoted, SlotStanding, StandingChange},
};
use refit_model::AdvisoryId;
use std::collections::BTreeSet;

/// An event, and the kind, version and JSON that the log keeps of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// The event.
    pub event: Event,
    /// Its kind.
    pub kind: &'static str,
    /// The version of its payload.
    pub version: u16,
    /// Its JSON.
    pub body: Vec<u8>,
}

/// As [`encode`], of at most `most` bytes each: what is larger and can be said in parts is several events, in this order. What can't is returned
/// as it is.
pub fn encode_within(event: Event, origin: &str, most: usize) -> serde_json::Result<Vec<Encoded>> {
    let mut encoded = Vec::new();
    let mut left = vec![event];
    while let Some(mut event) = left.pop() {
        let (kind, version, body) = encode(&event, origin)?;
        let rest = match &mut event {
            Event::ObligationsNoted(noted) if body.len() > most => noted.split(),
            _ => None,
        };
        match rest {
            Some(rest) => left.extend([rest.into(), event]),
            None => encoded.push(Encoded { event, kind, version, body }),
        }
    }
    Ok(encoded)
}

impl ObligationsNoted {
    /// Keeps the first half and returns the other; `None` where it is as small as it gets. Who is seen again stays first and who is not stays last:
    /// they are as few as the devices that were decided.
    fn split(&mut self) -> Option<ObligationsNoted> {
        let many = self.latches.len() + self.began.len() + self.ended.len() + self.offered.len() + self.stands.len();
        if many == 1 {
            let rest = self.stands.first_mut()?.split()?;
            self.stands.push(rest);
        }
        let mut left = (many / 2).max(1);
        (many > 0).then(|| ObligationsNoted {
            latches: cut(&mut self.latches, &mut left),
            began: cut(&mut self.began, &mut left),
            ended: cut(&mut self.ended, &mut left),
            offered: cut(&mut self.offered, &mut left),
            stands: cut(&mut self.stands, &mut left),
            unseen: std::mem::take(&mut self.unseen),
            seen: DeviceSet::default(),
        })
    }
}

/// Leaves so many of a list in place, and returns those after them.
fn cut<T>(list: &mut Vec<T>, left: &mut usize) -> Vec<T> {
    let after = list.split_off((*left).min(list.len()));
    *left -= list.len();
    after
}

impl StandingChange {
    /// Keeps some of the exposures with all else that there is to say, and returns the others, which go on with it; `None` where there is only
    /// one.
    fn split(&mut self) -> Option<StandingChange> {
        let exposures = |standing: &Option<SlotStanding>| -> BTreeSet<AdvisoryId> {
            standing.iter().flat_map(|standing| &standing.exposures).map(|(advisory, _)| advisory.clone()).collect()
        };
        // What is known of an advisory before and after comes in the same part.
        let all = &exposures(&self.was) | &exposures(&self.is);
        let middle = all.iter().nth(all.len() / 2).filter(|_| all.len() > 1)?;
        let half = |standing: &Option<SlotStanding>, upper: bool| {
            standing.as_ref().map(|standing| SlotStanding {
                exposures: standing.exposures.iter().filter(|(id, _)| (id >= middle) == upper).cloned().collect(),
                obligations: standing.obligations.clone(),
                ..*standing
            })
        };
        let part = |upper: bool| StandingChange {
            slot: self.slot.clone(),
            was: half(&self.was, upper),
            is: half(&self.is, upper),
            devices: self.devices.clone(),
            goes_on: true,
        };
        let exploited = |part: &StandingChange| {
            part.is.iter().flat_map(|standing| &standing.exposures).any(|(_, exploited)| *exploited)
        };
        let (lower, upper) = (part(false), part(true));
        // The first says of the whole how it stands, and whether anything of it is known to be exploited.
        let (first, rest) = if exploited(&upper) && !exploited(&lower) { (upper, lower) } else { (lower, upper) };
        *self = StandingChange { goes_on: self.goes_on, ..first };
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        control::{FirstOffered, SlotName},
        decide::Compliance,
    };
    use jiff::Timestamp;

    fn slot(number: usize) -> SlotName {
        SlotName { title: format!("title-{number}").as_str().into(), branch: None, profile: None }
    }

    fn standing(compliance: Compliance, exposures: impl Iterator<Item = usize>) -> SlotStanding {
        SlotStanding {
            compliance,
            due: Some(Timestamp::UNIX_EPOCH),
            obligations: vec!["stale".into()],
            exposures: exposures.map(|number| (AdvisoryId::new(format!("CVE-{number:04}")), number == 390)).collect(),
        }
    }

    fn whole() -> ObligationsNoted {
        let at = Timestamp::UNIX_EPOCH;
        let devices = |number: usize| [number as u32].into_iter().collect::<DeviceSet>();
        let first = FirstOffered {
            obligation: "stale".into(),
            policy: "editors".into(),
            target: "latest".into(),
            installed: None,
            version: "1.0.0".into(),
            at,
            arose: None,
        };
        let change = |number: usize| StandingChange {
            slot: slot(number),
            was: Some(standing(Compliance::Due, 0..number)),
            is: (number != 300).then(|| standing(Compliance::Overdue, number / 2..number + 100)),
            devices: devices(number),
            goes_on: false,
        };
        ObligationsNoted {
            latches: (0..30).map(|number| (AdvisoryId::new(format!("CVE-{number}")), "kev".into(), at)).collect(),
            began: (0..30).map(|number| (slot(number), at, devices(number))).collect(),
            ended: (30..60).map(|number| (slot(number), devices(number))).collect(),
            offered: (0..30).map(|number| (slot(number), first.clone(), devices(number))).collect(),
            stands: vec![change(1), change(300), change(2), change(301)],
            unseen: devices(7),
            seen: devices(8),
        }
    }

    fn parts(whole: ObligationsNoted, most: usize) -> Vec<(ObligationsNoted, usize)> {
        let encoded = encode_within(whole.into(), "local", most).unwrap();
        let part = |part: Encoded| match part.event {
            Event::ObligationsNoted(noted) => (noted, part.body.len()),
            other => panic!("{other:?}"),
        };
        encoded.into_iter().map(part).collect()
    }

    #[test]
    fn what_fits_is_one() {
        let (_, _, body) = encode(&whole().into(), "local").unwrap();
        assert_eq!(parts(whole(), body.len()), [(whole(), body.len())]);
        assert_eq!(parts(whole(), body.len() - 1).len(), 2);
    }

    #[test]
    fn parts_are_small_and_say_all_of_it_once_and_in_order() {
        const MOST: usize = 1_000;
        let parts = parts(whole(), MOST);
        let whole = whole();
        let mut together = ObligationsNoted {
            latches: Vec::new(),
            began: Vec::new(),
            ended: Vec::new(),
            offered: Vec::new(),
            stands: Vec::new(),
            unseen: DeviceSet::default(),
            seen: DeviceSet::default(),
        };
        let last = parts.len() - 1;
        for (place, (part, bytes)) in parts.into_iter().enumerate() {
            assert!(bytes <= MOST, "{bytes}");
            assert_eq!((place == 0, place == last), (!part.seen.is_empty(), !part.unseen.is_empty()));
            together.latches.extend(part.latches);
            together.began.extend(part.began);
            together.ended.extend(part.ended);
            together.offered.extend(part.offered);
            for change in part.stands {
                if !change.goes_on {
                    // What is exploited is known of the first already, where anything is.
                    let exploited = |of: &StandingChange| of.is.iter().flat_map(|is| &is.exposures).any(|(_, it)| *it);
                    let all = whole.stands.iter().find(|all| all.slot == change.slot).unwrap();
                    assert_eq!(exploited(&change), exploited(all));
                    together.stands.push(change);
                    continue;
                }
                let before = together.stands.last_mut().unwrap();
                assert_eq!((&before.slot, &before.devices), (&change.slot, &change.devices));
                for (before, more) in [(&mut before.was, change.was), (&mut before.is, change.is)] {
                    assert_eq!(before.is_some(), more.is_some());
                    if let (Some(before), Some(more)) = (before, more) {
                        assert_eq!((before.compliance, before.due), (more.compliance, more.due));
                        before.exposures.extend(more.exposures);
                        before.exposures.sort();
                    }
                }
            }
            together.seen.0 |= part.seen.0;
            together.unseen.0 |= part.unseen.0;
        }
        assert_eq!(together, whole);
    }

    #[test]
    fn what_cannot_be_said_in_parts_is_left_as_it_is() {
        let event = || Event::from(ObligationsNoted { stands: Vec::new(), ..whole() });
        let largest = |most: usize| {
            let encoded = encode_within(event(), "local", most).unwrap();
            encoded.iter().map(|part| part.body.len()).max().unwrap()
        };
        // No bound is too small: it comes to an end.
        assert!(largest(0) > 100 && largest(0) <= largest(1_000));
    }
}
