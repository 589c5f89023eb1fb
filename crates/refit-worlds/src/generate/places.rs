//! Where people and machines are: thirty sites, each in a time zone of its own.

/// A site.
pub(super) struct Place {
    pub site: &'static str,
    pub country: &'static str,
    pub zone: &'static str,
    /// How many of 71 devices are there.
    pub share: u8,
}

const fn place(site: &'static str, country: &'static str, zone: &'static str, share: u8) -> Place {
    Place { site, country, zone, share }
}

/// The sites, the largest first.
pub(super) const PLACES: [Place; 30] = [
    place("New York", "US", "America/New_York", 9),
    place("Berlin", "DE", "Europe/Berlin", 7),
    place("London", "GB", "Europe/London", 6),
    place("San Francisco", "US", "America/Los_Angeles", 5),
    place("Bangalore", "IN", "Asia/Kolkata", 4),
    place("Tokyo", "JP", "Asia/Tokyo", 4),
    place("Paris", "FR", "Europe/Paris", 3),
    place("Chicago", "US", "America/Chicago", 3),
    place("Singapore", "SG", "Asia/Singapore", 3),
    place("Sydney", "AU", "Australia/Sydney", 2),
    place("Sao Paulo", "BR", "America/Sao_Paulo", 2),
    place("Warsaw", "PL", "Europe/Warsaw", 2),
    place("Madrid", "ES", "Europe/Madrid", 2),
    place("Toronto", "CA", "America/Toronto", 2),
    place("Dublin", "IE", "Europe/Dublin", 2),
    place("Amsterdam", "NL", "Europe/Amsterdam", 1),
    place("Stockholm", "SE", "Europe/Stockholm", 1),
    place("Zurich", "CH", "Europe/Zurich", 1),
    place("Denver", "US", "America/Denver", 1),
    place("Mexico City", "MX", "America/Mexico_City", 1),
    place("Seoul", "KR", "Asia/Seoul", 1),
    place("Shanghai", "CN", "Asia/Shanghai", 1),
    place("Dubai", "AE", "Asia/Dubai", 1),
    place("Tel Aviv", "IL", "Asia/Jerusalem", 1),
    place("Johannesburg", "ZA", "Africa/Johannesburg", 1),
    place("Lagos", "NG", "Africa/Lagos", 1),
    place("Helsinki", "FI", "Europe/Helsinki", 1),
    place("Buenos Aires", "AR", "America/Argentina/Buenos_Aires", 1),
    place("Auckland", "NZ", "Pacific/Auckland", 1),
    place("Honolulu", "US", "Pacific/Honolulu", 1),
];
