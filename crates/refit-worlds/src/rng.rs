//! Random numbers from a seed: SplitMix64 (Steele, Lea and Flood, 2014), one stream for each purpose and thing, so that one more
//! of anything does not shuffle everything else.

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream of a purpose, for one thing of many.
    pub fn stream(seed: u64, purpose: &str, thing: u64) -> Rng {
        // FNV-1a of the purpose keeps the streams apart.
        let name = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let start = mixed(mixed(seed ^ name).wrapping_add(thing.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        Rng(start)
    }

    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "an iterator of random numbers would never end")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// A number below `limit`; 0 where that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.next() % limit as u64) as usize }
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// True in so many of a thousand cases.
    pub fn permille(&mut self, chance: usize) -> bool {
        self.below(1000) < chance
    }

    /// A number from 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number whose logarithm is normally distributed: half of them are below `median`, and 84 % below `median` times e to the
    /// power of `spread`.
    pub fn around(&mut self, median: f64, spread: f64) -> f64 {
        // Box and Muller (1958); the logarithm of 0 is never asked for.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        median * (spread * normal).exp()
    }

    /// One of a list that is not empty.
    pub fn of<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        list.get(self.below(list.len())).copied()
    }
}

fn mixed(number: u64) -> u64 {
    let mut mixed = number;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Draws places of a list, each as often as its weight says: the alias method (Walker, 1977; Vose, 1991), in two looks whatever the
/// length.
#[derive(Clone, Debug)]
pub(crate) struct Alias {
    own: Vec<f64>,
    other: Vec<usize>,
}

impl Alias {
    /// Weights are not negative, and one of them is positive.
    pub fn new(weights: &[f64]) -> Alias {
        let total: f64 = weights.iter().sum();
        let scale = weights.len() as f64 / total;
        let mut own: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        let mut other: Vec<usize> = (0..weights.len()).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|place| own.get(*place).is_some_and(|own| *own < 1.0));
        while let (Some(less), Some(&more)) = (small.pop(), large.last()) {
            let missing = 1.0 - own.get(less).copied().unwrap_or(1.0);
            if let Some(alias) = other.get_mut(less) {
                *alias = more;
            }
            if let Some(left) = own.get_mut(more) {
                *left -= missing;
                if *left < 1.0 {
                    large.pop();
                    small.push(more);
                }
            }
        }
        Alias { own, other }
    }

    /// A place.
    pub fn draw(&self, rng: &mut Rng) -> usize {
        let place = rng.below(self.own.len());
        let stays = self.own.get(place).is_some_and(|own| rng.unit() < *own);
        if stays { place } else { self.other.get(place).copied().unwrap_or(place) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_drawn_as_often_as_its_weight_says() {
        let weights = [1.0, 0.0, 5.0, 2.0, 0.5, 1.5];
        let alias = Alias::new(&weights);
        let mut rng = Rng::stream(1, "test", 0);
        let mut drawn = [0u32; 6];
        for _ in 0..100_000 {
            drawn[alias.draw(&mut rng)] += 1;
        }
        for (weight, drawn) in weights.iter().zip(drawn) {
            assert!((f64::from(drawn) - weight * 10_000.0).abs() < 500.0, "{weight}: {drawn}");
        }
    }

    #[test]
    fn streams_do_not_depend_on_each_other_and_come_again() {
        let first = |purpose, thing| Rng::stream(7, purpose, thing).next();
        assert_eq!(first("a", 1), first("a", 1));
        assert!(first("a", 1) != first("a", 2) && first("a", 1) != first("b", 1));
    }

    #[test]
    fn half_of_what_is_around_a_median_is_below_it() {
        let mut rng = Rng::stream(3, "test", 0);
        let below = (0..10_000).filter(|_| rng.around(20.0, 1.1) < 20.0).count();
        assert!((4_800..5_200).contains(&below), "{below}");
    }
}
