//! Named formats of texts: durations, shares, dates, expressions.

/// What texts of one `format` of a JSON Schema look like.
///
/// The types of documents emit `"format": "duration"` in their schema; the table that a [`super::Shape`] is made with says
/// what that means, so that a bad duration is reported together with all other mistakes of its document.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name in the schema: `duration`.
    pub name: &'static str,
    /// What people call one, with its article: `a duration`.
    pub noun: &'static str,
    /// How to write one: `write it like 90m, 8h or 2d`.
    pub help: &'static str,
    /// Says in few words what is wrong with a text: "`2 days` has an unknown unit".
    pub check: fn(&str) -> Result<(), String>,
}
