//! How many hosts there are, and in which ring each is.

use refit_testbed::{Host, Making, family::Family};

/// The host that is booted with systemd. It is in the last ring.
pub const BOOTED: &str = "apt-1";

/// The rings of the rollouts, from the first to the last.
pub const RINGS: [&str; 4] = ["canary", "early", "broad", "rest"];

/// How many hosts of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub apt: usize,
    pub dnf: usize,
}

impl Size {
    /// As `REFIT_LAB_HOSTS` says: `16+8` are 16 with apt and 8 with dnf.
    pub fn wanted() -> Size {
        let text = std::env::var("REFIT_LAB_HOSTS").unwrap_or_else(|_| "8+4".into());
        let parse = || {
            let (apt, dnf) = text.split_once('+')?;
            Some(Size { apt: apt.parse().ok()?, dnf: dnf.parse().ok()? })
        };
        let size = parse().unwrap_or_else(|| panic!("REFIT_LAB_HOSTS={text}: APT+DNF is wanted, such as 16+8"));
        assert!(size.apt >= 8 && size.dnf >= 4, "each ring needs a host of each kind, and one more is booted");

        size
    }

    /// The hosts, the booted one first.
    pub fn hosts(self) -> Vec<Making> {
        let apt = std::iter::once(Making::AptToBoot).chain(std::iter::repeat_n(Making::Apt, self.apt - 1));
        apt.chain(std::iter::repeat_n(Making::Dnf, self.dnf)).collect()
    }

    fn of(self, family: Family) -> usize {
        match family {
            Family::Apt => self.apt,
            Family::Dnf => self.dnf,
        }
    }

    /// The place of a host among those of its kind, from 0; the booted one is the last.
    fn place(self, host: &Host) -> usize {
        let number: usize = host.name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap();
        match host.device.family() {
            Family::Apt => (number + self.apt - 2) % self.apt,
            Family::Dnf => number - 1,
        }
    }

    /// How many hosts of a kind are in each ring: an eighth, a quarter, three eighths, and the rest.
    fn rings(self, family: Family) -> [usize; 4] {
        let all = self.of(family);
        let [canary, early, broad] = [1, 2, 3].map(|eighths| (all * eighths / 8).max(1));
        [canary, early, broad, all - canary - early - broad]
    }

    /// How many hosts of a kind try what is watched: enough to be told from the others, and fewer than these.
    fn pilots(self, family: Family) -> usize {
        let all = self.of(family);
        if self.is_small() { all / 2 } else { all / 3 }
    }

    fn is_small(self) -> bool {
        self.apt < 16
    }

    /// How sure a gate is that holds pilots against the others: with so few hosts there is no more to be had. 5 of 5 against 0 of 11
    /// is a difference with 90 %, 4 of 4 against 0 of 4 with 50 %.
    pub fn confidence(self) -> &'static str {
        if self.is_small() { "50%" } else { "90%" }
    }

    /// Whether a host is one of the pilots.
    pub fn is_pilot(self, host: &Host) -> bool {
        self.place(host) < self.pilots(host.device.family())
    }

    /// The tags of a host: what rings go by.
    pub fn tags(self, host: &Host) -> Vec<&'static str> {
        let pilot = self.is_pilot(host).then_some("pilot");
        pilot.into_iter().chain([RINGS[self.ring(host)]]).collect()
    }

    /// The ring of a host, by its place in [`RINGS`].
    pub fn ring(self, host: &Host) -> usize {
        let mut place = self.place(host);
        for (ring, hosts) in self.rings(host.device.family()).into_iter().enumerate() {
            if place < hosts {
                return ring;
            }
            place -= hosts;
        }
        unreachable!("the rings hold all hosts")
    }
}
