//! Times in eight bytes, of which a fleet has hundreds of millions.

use super::super::intern::Pool;
use jiff::Timestamp;

/// A time, or that there is none, as nanoseconds since 1970; the few that are further away are numbers in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment(i64);

/// Times that are so far away that eight bytes can't say them.
pub(crate) type FarAway = Pool<Timestamp>;

/// As many numbers above the least stand for times in the pool; as nanoseconds they would be four seconds of the year 1677.
const FAR_AWAY: i64 = 1 << 32;

impl Moment {
    /// There is none.
    pub const NONE: Moment = Moment(i64::MIN);

    /// Holds a time.
    pub fn hold(time: Option<Timestamp>, far: &mut FarAway) -> Moment {
        let Some(time) = time else { return Moment::NONE };
        match i64::try_from(time.as_nanosecond()) {
            Ok(nanos) if nanos > i64::MIN + FAR_AWAY => Moment(nanos),
            _ => Moment(i64::MIN + 1 + i64::from(far.hold(time).0)),
        }
    }

    /// Lets go of it.
    pub fn release(self, far: &mut FarAway) {
        if let Some(number) = self.far_away() {
            far.release(number);
        }
    }

    /// Holds it once more.
    pub fn hold_again(self, far: &mut FarAway) {
        if let Some(number) = self.far_away() {
            far.hold_again(number);
        }
    }

    /// The time.
    pub fn get(self, far: &FarAway) -> Option<Timestamp> {
        if self == Moment::NONE {
            return None;
        }
        match self.far_away() {
            Some(number) => far.get(number).copied(),
            None => Timestamp::from_nanosecond(i128::from(self.0)).ok(),
        }
    }

    /// As snapshots have it.
    pub fn to_bits(self) -> i64 {
        self.0
    }

    /// What a snapshot has, in a fleet with the same times that are far away.
    pub fn from_bits(bits: i64) -> Moment {
        Moment(bits)
    }

    /// Nanoseconds since 1970; `None` where there is no time, or one that is far away.
    pub fn nanos(self) -> Option<i64> {
        (self.0 > i64::MIN + FAR_AWAY).then_some(self.0)
    }

    fn far_away(self) -> Option<u32> {
        (self != Moment::NONE && self.0 <= i64::MIN + FAR_AWAY).then(|| (self.0 - i64::MIN - 1) as u32)
    }
}

/// Times of things in a row, of which many are the same: each once, and for each thing the place of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    distinct: Box<[Moment]>,
    /// For each thing as many bytes as the number of distinct times needs, the lowest first.
    places: Box<[u8]>,
}

/// How many bytes tell so many apart.
fn width(distinct: usize) -> usize {
    match distinct {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

impl Times {
    /// Packs times, each of which is held.
    pub fn new(times: &[Moment], far: &mut FarAway) -> Times {
        let mut distinct = times.to_vec();
        distinct.sort_unstable();
        // Each is kept once, and held once.
        distinct.dedup_by(|one, other| {
            let same = one == other;
            if same {
                one.release(far);
            }
            same
        });
        // Things that are there since the same time often stand together.
        let mut last: Option<(Moment, usize)> = None;
        let place = |time: &Moment| match last {
            Some((known, place)) if known == *time => place,
            _ => {
                let place = distinct.binary_search(time).unwrap_or_default();
                last = Some((*time, place));
                place
            }
        };
        let places: Vec<usize> = times.iter().map(place).collect();
        Times::packed(distinct, &places)
    }

    /// Times of things of which most had theirs in `old`: its thing of that number, or a time that is held. What comes of it holds its times
    /// besides `old`.
    pub fn renewed(old: &Times, things: &[Result<usize, Moment>], far: &mut FarAway) -> Times {
        let mut used = vec![false; old.distinct.len()];
        let mut added: Vec<Moment> = Vec::new();
        for thing in things {
            match thing {
                Ok(thing) => used.get_mut(old.place(*thing)).into_iter().for_each(|used| *used = true),
                Err(time) => added.push(*time),
            }
        }
        added.sort_unstable();
        added.dedup_by(|one, other| {
            let same = one == other;
            if same {
                one.release(far);
            }
            same
        });
        let mut distinct: Vec<Moment> = Vec::with_capacity(old.distinct.len() + added.len());
        let mut new_places = vec![0; old.distinct.len()];
        let mut coming = added.into_iter().peekable();
        for ((time, used), place) in old.distinct.iter().zip(&used).zip(&mut new_places) {
            if !used {
                continue;
            }
            while let Some(earlier) = coming.next_if(|coming| coming < time) {
                distinct.push(earlier);
            }
            if coming.next_if_eq(time).is_none() {
                time.hold_again(far);
            }
            *place = distinct.len();
            distinct.push(*time);
        }
        distinct.extend(coming);
        let place = |thing: &Result<usize, Moment>| match thing {
            Ok(thing) => new_places.get(old.place(*thing)).copied().unwrap_or_default(),
            Err(time) => distinct.binary_search(time).unwrap_or_default(),
        };
        let places: Vec<usize> = things.iter().map(place).collect();
        Times::packed(distinct, &places)
    }

    fn packed(distinct: Vec<Moment>, things: &[usize]) -> Times {
        let width = width(distinct.len());
        let mut places = Vec::with_capacity(width * things.len());
        match width {
            1 => places.extend(things.iter().map(|place| *place as u8)),
            _ => things
                .iter()
                .for_each(|place| places.extend_from_slice(place.to_le_bytes().get(..width).unwrap_or_default())),
        }
        Times { distinct: distinct.into(), places: places.into() }
    }

    /// The time of a thing.
    pub fn get(&self, thing: usize) -> Moment {
        self.distinct.get(self.place(thing)).copied().unwrap_or(Moment::NONE)
    }

    /// The place of its time among the distinct ones.
    pub fn place(&self, thing: usize) -> usize {
        match width(self.distinct.len()) {
            1 => self.places.get(thing).copied().map_or(0, usize::from),
            width => {
                let bytes = self.places.get(width * thing..width * (thing + 1)).unwrap_or_default();
                bytes.iter().rev().fold(0, |place, byte| place << 8 | usize::from(*byte))
            }
        }
    }

    /// Goes through things in a row, each with the place of its time among the distinct ones.
    pub fn with<T: Copy>(&self, things: &[T], mut see: impl FnMut(T, usize)) {
        match width(self.distinct.len()) {
            1 => things.iter().zip(&self.places).for_each(|(thing, place)| see(*thing, usize::from(*place))),
            _ => things.iter().enumerate().for_each(|(number, thing)| see(*thing, self.place(number))),
        }
    }

    /// Each time once, and for each thing the bytes of its place.
    pub fn parts(&self) -> (&[Moment], &[u8]) {
        (&self.distinct, &self.places)
    }

    /// The reverse.
    pub fn from_parts(distinct: Box<[Moment]>, places: Box<[u8]>) -> Times {
        Times { distinct, places }
    }

    /// How much memory they take besides their place.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.distinct) + self.places.len()
    }

    /// Each time once.
    pub fn distinct(&self) -> &[Moment] {
        &self.distinct
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_comes_back() {
        let mut far = FarAway::default();
        let near: Timestamp = "2026-11-23T09:00:00.123456789Z".parse().unwrap();
        for time in [None, Some(near), Some(Timestamp::UNIX_EPOCH), Some(Timestamp::MIN), Some(Timestamp::MAX)] {
            let moment = Moment::hold(time, &mut far);
            assert_eq!(moment.get(&far), time);
            assert_eq!(moment.nanos().is_some(), time == Some(near) || time == Some(Timestamp::UNIX_EPOCH));
            moment.release(&mut far);
        }
        assert_eq!(far.len(), 0);
    }

    #[test]
    fn times_of_which_few_change_come_to_the_same_as_all_of_them_anew() {
        let far_away = Timestamp::MAX;
        let at = |second: i64| if second == 0 { far_away } else { Timestamp::from_second(second).unwrap() };
        for distinct in [2, 9, 300] {
            let mut far = FarAway::default();
            let times: Vec<i64> = (0..400).map(|number| number * 7 % distinct).collect();
            let hold = |seconds: &[i64], far: &mut FarAway| -> Vec<Moment> {
                seconds.iter().map(|second| Moment::hold(Some(at(*second)), far)).collect()
            };
            let moments = hold(&times, &mut far);
            let old = Times::new(&moments, &mut far);
            // Every fifth thing goes; some come, with times of others, with new ones, and twice with the same.
            let kept: Vec<usize> = (0..400).filter(|thing| thing % 5 != 0 && times[*thing] != 1).collect();
            let come = [3, 0, 1_000, 1_000, 2];
            let mut things: Vec<Result<usize, Moment>> = kept.iter().map(|thing| Ok(*thing)).collect();
            things.extend(hold(&come, &mut far).into_iter().map(Err));
            let renewed = Times::renewed(&old, &things, &mut far);
            let expected: Vec<i64> = kept.iter().map(|thing| times[*thing]).chain(come).collect();
            let moments = hold(&expected, &mut far);
            let anew = Times::new(&moments, &mut far);
            assert_eq!(renewed.parts(), anew.parts());
            for times in [old, renewed, anew] {
                times.distinct().iter().for_each(|moment| moment.release(&mut far));
            }
            assert_eq!(far.len(), 0, "each holds its own");
        }
    }

    #[test]
    fn times_in_a_row_come_back_in_their_order() {
        let mut far = FarAway::default();
        for distinct in [1, 3, 256, 257, 900] {
            let times: Vec<Option<Timestamp>> = (0..2_000)
                .map(|number| match number * 7 % distinct {
                    0 => None,
                    1 => Some(Timestamp::MAX),
                    other => Timestamp::from_second(other * 1_000).ok(),
                })
                .collect();
            let moments: Vec<Moment> = times.iter().map(|time| Moment::hold(*time, &mut far)).collect();
            let packed = Times::new(&moments, &mut far);
            for (place, time) in times.iter().enumerate() {
                assert_eq!(packed.get(place).get(&far), *time);
            }
            let mut seen = Vec::new();
            packed.with(&times, |time, place| seen.push((time, packed.distinct()[place].get(&far))));
            assert_eq!(seen, times.iter().map(|time| (*time, *time)).collect::<Vec<_>>());
            packed.distinct().iter().for_each(|moment| moment.release(&mut far));
            assert_eq!(far.len(), 0);
        }
    }
}
