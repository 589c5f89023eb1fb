//! JSON that its writer thought to be some, and no reader takes: values that are nested too deep or are no numbers, signs in texts that have to be
//! escaped, halves of characters. What can't be read is null, so that the rest is.

use std::ops::Range;

/// A value that is left out: where it is, as a JSON pointer, and why.
pub(super) type LeftOut = (String, &'static str);

/// Deeper values are left out; readers of JSON refuse them.
const DEEPEST: usize = 100;
/// A number with fewer digits than that, and no exponent, is never too large.
const FEW_DIGITS: usize = 300;
/// So many values are said to be left out; there may be more.
const SAID_MOST: usize = 100;
/// So far a place is told.
const STEPS_TOLD: usize = 6;

/// The text as JSON that can be read, with what was left out of it; `None` where nothing of that kind is wrong with it.
pub(super) fn tamed(text: &str) -> Option<(String, Vec<LeftOut>)> {
    let mut scan = Scan { text, at: 0, copied: 0, tamed: String::new(), left_out: Vec::new(), open: Vec::new() };
    scan.run();
    (scan.copied > 0).then(|| {
        scan.tamed.push_str(text.get(scan.copied..).unwrap_or_default());
        (scan.tamed, scan.left_out)
    })
}

/// A list or an object that is not closed yet.
enum Open {
    List(usize),
    /// With the key whose value is next, without quotes.
    Object(Option<Range<usize>>),
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// So much of the text is in `tamed`.
    copied: usize,
    tamed: String,
    left_out: Vec<LeftOut>,
    open: Vec<Open>,
}

impl Scan<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Writes something in place of what stands from `from` up to here.
    fn instead(&mut self, from: usize, with: &str) {
        self.tamed.push_str(self.text.get(self.copied..from).unwrap_or_default());
        self.tamed.push_str(with);
        self.copied = self.at;
    }

    fn leave_out(&mut self, from: usize, why: &'static str) {
        if self.left_out.len() < SAID_MOST {
            self.left_out.push((self.place(), why));
        }
        self.instead(from, "null");
    }

    fn run(&mut self) {
        while let Some(byte) = self.byte(self.at) {
            let from = self.at;
            self.at += 1;
            match byte {
                b'{' | b'[' if self.open.len() >= DEEPEST => {
                    self.skip();
                    self.leave_out(from, "it is nested too deep");
                }
                b'{' => self.open.push(Open::Object(None)),
                b'[' => self.open.push(Open::List(0)),
                b'}' | b']' => {
                    self.open.pop();
                }
                b',' => match self.open.last_mut() {
                    Some(Open::List(index)) => *index += 1,
                    Some(Open::Object(key)) => *key = None,
                    None => {}
                },
                b'"' => {
                    self.string();
                    let inside = from + 1..self.at.saturating_sub(1).max(from + 1);
                    if let Some(Open::Object(key @ None)) = self.open.last_mut() {
                        *key = Some(inside);
                    }
                }
                // Files are filled up with it.
                0 => self.instead(from, ""),
                b'-' | b'0'..=b'9' | b'N' | b'I' => self.number(from),
                _ => {}
            }
        }
    }

    /// Passes over what is in a list or an object that has just begun.
    fn skip(&mut self) {
        let mut depth = 1_usize;
        while let Some(byte) = self.byte(self.at) {
            self.at += 1;
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    while let Some(byte) = self.byte(self.at) {
                        self.at += if byte == b'\\' { 2 } else { 1 };
                        if byte == b'"' {
                            break;
                        }
                    }
                    self.at = self.at.min(self.text.len());
                }
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Passes over a text that has just begun, and writes what has to be escaped.
    fn string(&mut self) {
        while let Some(byte) = self.byte(self.at) {
            let from = self.at;
            self.at += 1;
            match byte {
                b'"' => return,
                b'\\' if self.byte(self.at) == Some(b'u') => {
                    let unit = |at: usize| u16::from_str_radix(self.text.get(at + 2..at + 6)?, 16).ok();
                    let next = |at: usize| (self.text.get(at..at + 2) == Some("\\u")).then(|| unit(at)).flatten();
                    match (unit(from), next(from + 6)) {
                        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => self.at = from + 12,
                        (Some(0xd800..=0xdfff), _) => {
                            self.at = from + 6;
                            self.instead(from, "\u{fffd}");
                        }
                        _ => self.at = from + 2,
                    }
                }
                b'\\' => self.at = (self.at + 1).min(self.text.len()),
                0..=0x1f => self.instead(from, &format!("\\u{byte:04x}")),
                _ => {}
            }
        }
    }

    /// Passes over a number, or what some programs write in place of one.
    fn number(&mut self, from: usize) {
        let rest = self.text.get(from..).unwrap_or_default();
        for word in ["NaN", "Infinity", "-Infinity"] {
            if rest.starts_with(word) {
                self.at = from + word.len();
                return self.leave_out(from, "it is no number");
            }
        }
        let end = rest.bytes().position(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E'));
        let number = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.at = from + number.len().max(1);
        let long = number.len() > FEW_DIGITS || number.contains(['e', 'E']);
        if long && number.parse::<f64>().is_ok_and(f64::is_infinite) {
            self.leave_out(from, "the number is too large");
        }
    }

    /// Where the scan is, as a JSON pointer.
    fn place(&self) -> String {
        let mut place = String::new();
        for open in self.open.iter().take(STEPS_TOLD) {
            let step = match open {
                Open::List(index) => index.to_string(),
                Open::Object(Some(key)) => {
                    super::super::json::shortened(self.text.get(key.clone()).unwrap_or_default())
                }
                Open::Object(None) => continue,
            };
            place += &format!("/{}", super::super::json::step(&step));
        }
        if self.open.len() > STEPS_TOLD { place + "/…" } else { place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn read(text: &str) -> (Value, Vec<String>) {
        let (tamed, left_out) = tamed(text).unwrap_or_else(|| panic!("nothing is wrong with {text}"));
        let json = serde_json::from_str(&tamed).unwrap_or_else(|error| panic!("{error}: {tamed}"));
        (json, left_out.into_iter().map(|(at, why)| format!("{at} {why}")).collect())
    }

    #[test]
    fn what_no_reader_takes_is_null_and_the_rest_is_read() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let (json, left_out) = read(&format!(r#"{{"a": [1, {{"b~c": {}}}, "]\"["], "d": 2}}"#, deep(300)));
        assert_eq!((&json["a"][0], &json["a"][2], &json["d"]), (&1.into(), &"]\"[".into(), &2.into()));
        assert_eq!(left_out, ["/a/1/b~0c/0/0/0/… it is nested too deep"]);
        let (json, left_out) = read(r#"[{"a": 1e999, "b": -1E+400, "c": NaN, "d": -Infinity, "e": 1e3, "N": "NaN"}]"#);
        assert_eq!(json, serde_json::json!([{ "a": null, "b": null, "c": null, "d": null, "e": 1000.0, "N": "NaN" }]));
        assert_eq!(left_out[0], "/0/a the number is too large");
        assert_eq!(left_out[3], "/0/d it is no number");
        assert_eq!(read(&format!("[{}]", "9".repeat(400))).0.to_string(), "[null]");
        let (json, left_out) =
            read("{\"a\": \"x\u{0}y\nz\", \"b\": \"\\ud83d\\ude00 \\ud83d \\udc00\\\\u\"}\u{0}\u{0}");
        assert_eq!((json["a"].as_str(), json["b"].as_str()), (Some("x\0y\nz"), Some("😀 \u{fffd} \u{fffd}\\u")));
        assert!(left_out.is_empty(), "{left_out:?}");
    }

    #[test]
    fn what_is_right_stays_as_it_is() {
        for text in ["{}", r#"{"a": ["\u00e9\\", -1.5e3, true, null, "é\"{["]}"#, "", "no JSON"] {
            assert_eq!(tamed(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"[\[\]{},:"\\u\x00d8cNaI0-9eé\n -]{0,80}"#) {
            if let Some((tamed, _)) = tamed(&text) && serde_json::from_str::<Value>(&text).is_ok() {
                prop_assert!(false, "{text} was in order, and is {tamed}");
            }
        }
    }
}
