//! Time zones: of places, as an organisation says it, and what of them is written right.

use jiff::tz::TimeZone;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The time zones of places: `time_zones:` of refit.yaml.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zones {
    places: BTreeMap<(Place, String), SmolStr>,
}

/// A kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An office or data centre: `device.site`, `person.site`.
    Site,
    /// A country, as two letters: `device.country`, `person.country`.
    Country,
}

impl Zones {
    /// Adds what time it is somewhere. The letters of a place's name may be small or capital.
    pub fn add(&mut self, kind: Place, place: &str, zone: SmolStr) {
        self.places.insert((kind, plain(place)), zone);
    }

    /// The time zone of a place; `None` where nobody says it.
    pub fn of(&self, kind: Place, place: &str) -> Option<&SmolStr> {
        self.places.get(&(kind, plain(place)))
    }
}

fn plain(place: &str) -> String {
    place.trim().to_lowercase()
}

/// The name of a time zone as the IANA database writes it (`europe/berlin` is `Europe/Berlin`); `None` where it has none of that name.
pub fn zone_name(text: &str) -> Option<SmolStr> {
    let zone = TimeZone::get(text.trim()).ok()?;
    zone.iana_name().filter(|_| !zone.is_unknown()).map(SmolStr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_whatever_its_letters_and_a_zone_is_one_of_the_database() {
        let mut zones = Zones::default();
        zones.add(Place::Site, "Berlin HQ", "Europe/Berlin".into());
        assert_eq!(zones.of(Place::Site, " berlin hq").map(SmolStr::as_str), Some("Europe/Berlin"));
        assert_eq!(zones.of(Place::Country, "Berlin HQ"), None);
        assert_eq!(zone_name(" europe/berlin").as_deref(), Some("Europe/Berlin"));
        for none in ["", "Berlin", "W. Europe Standard Time", "Etc/Unknown", "+02:00", "Europe/Berlin\0"] {
            assert_eq!(zone_name(none), None, "{none}");
        }
    }
}
