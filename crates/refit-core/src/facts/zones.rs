//! Time zones: of places, as an organisation says it, and what of them is written right.

use jiff::{Timestamp, civil::Time, tz::TimeZone};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The time zones of places: `time_zones:` of refit.yaml.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zones {
    places: BTreeMap<(Place, String), SmolStr>,
    otherwise: Option<SmolStr>,
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

    /// Says what time it is for the organisation itself: where nothing else is known.
    pub fn set_otherwise(&mut self, zone: SmolStr) {
        self.otherwise = Some(zone);
    }

    /// The time zone of the organisation itself; `None` where nobody says it.
    pub fn otherwise(&self) -> Option<&SmolStr> {
        self.otherwise.as_ref()
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

/// When a day begins in a zone. Sources write days, which are kept as their beginning in UTC; any other time is what it is. Where clocks are put
/// forward at midnight, the day begins when they have been.
pub fn begins(day: Timestamp, zone: &TimeZone) -> Timestamp {
    let written = TimeZone::UTC.to_datetime(day);
    if written.time() != Time::midnight() {
        return day;
    }
    written.date().to_zoned(zone.clone()).map_or(day, |local| local.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_where_somebody_is_also_where_there_is_none() {
        let begins = |day: &str, zone: &str| begins(day.parse().unwrap(), &TimeZone::get(zone).unwrap()).to_string();
        assert_eq!(begins("2026-11-27T00:00:00Z", "Pacific/Auckland"), "2026-11-26T11:00:00Z");
        assert_eq!(begins("2026-11-27T00:00:00Z", "America/Los_Angeles"), "2026-11-27T08:00:00Z");
        assert_eq!(
            begins("2026-11-27T07:30:00Z", "Pacific/Auckland"),
            "2026-11-27T07:30:00Z",
            "no day, but an instant"
        );
        // Clocks are put forward at midnight: 00:00 becomes 01:00.
        assert_eq!(begins("2026-04-24T00:00:00Z", "Africa/Cairo"), "2026-04-23T22:00:00Z");
        assert_eq!(begins("2018-11-04T00:00:00Z", "America/Sao_Paulo"), "2018-11-04T03:00:00Z");
        // The day has 25 hours, and begins as the day before did.
        assert_eq!(begins("2026-10-25T00:00:00Z", "Europe/Berlin"), "2026-10-24T22:00:00Z");
        assert_eq!(begins("2026-10-26T00:00:00Z", "Europe/Berlin"), "2026-10-25T23:00:00Z");
    }

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
