//! Property lists of Apple's, as XML or binary: <https://developer.apple.com/library/archive/documentation/Cocoa/Conceptual/PropertyLists/>.
//!
//! Dates become texts (RFC 3339), data becomes text in base 64.

use super::super::json::Json;
use super::Unreadable;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use plist::stream::{BinaryReader, Event, OwnedEvent, XmlReader};
use std::{borrow::Cow, io::Cursor};

/// As deep as JSON may be.
const DEPTH_MOST: usize = 128;
/// So many values. In a binary list one object may stand in many places: a few bytes can unfold to more than there is memory.
const VALUES_MOST: usize = 2_000_000;
/// So many bytes of texts and data, beyond as many as the list itself has: a long text may stand in many places, too.
const UNFOLDED_MOST: usize = 128 << 20;

/// Reads a property list.
pub fn parse(bytes: &[u8]) -> Result<Json<'static>, Unreadable> {
    let wrong = |why: String| Unreadable::new("the payload is no property list", why);
    // Of the third form, that of NeXT, nearly any text is one: it is not read.
    let events: Box<dyn Iterator<Item = Result<OwnedEvent, plist::Error>>> = match bytes.starts_with(b"bplist") {
        true => Box::new(BinaryReader::new(Cursor::new(bytes))),
        false => Box::new(XmlReader::new(Cursor::new(bytes))),
    };
    let mut open: Vec<Open> = Vec::new();
    let mut room = bytes.len().saturating_add(UNFOLDED_MOST);
    for (count, event) in events.enumerate() {
        let event = event.map_err(|error| wrong(in_words(&error.to_string())))?;
        if count > VALUES_MOST {
            return Err(wrong(format!("it has more than {VALUES_MOST} values")));
        }
        let length = match &event {
            Event::String(text) => text.len(),
            Event::Data(data) => data.len(),
            _ => 0,
        };
        let left = room.checked_sub(length);
        room = left.ok_or_else(|| wrong(format!("its texts unfold to more than {} MiB", UNFOLDED_MOST >> 20)))?;
        let done = match event {
            Event::StartArray(_) => {
                open.push(Open::List(Vec::new()));
                None
            }
            Event::StartDictionary(_) => {
                open.push(Open::Object(Vec::new(), None));
                None
            }
            Event::EndCollection => match open.pop() {
                Some(Open::List(items)) => Some(Json::List(items)),
                Some(Open::Object(entries, _)) => Some(Json::Object(entries)),
                None => return Err(wrong("something ends that never began".to_owned())),
            },
            value => Some(scalar(value)),
        };
        if open.len() > DEPTH_MOST {
            return Err(wrong(format!("it is nested deeper than {DEPTH_MOST}")));
        }
        let Some(value) = done else { continue };
        match open.last_mut() {
            Some(Open::List(items)) => items.push(value),
            Some(Open::Object(entries, key)) => match (key.take(), value) {
                (Some(key), value) => entries.push((key, value)),
                (None, Json::Text(text)) => *key = Some(text),
                (None, other) => return Err(wrong(format!("a key is a text, and this is {}", other.kind()))),
            },
            None => return Ok(value),
        }
    }
    Err(wrong("it ends too early".to_owned()))
}

/// What is wrong, for people: the reader's own words are the names of its errors.
fn in_words(said: &str) -> String {
    const WORDS: [(&str, &str); 6] = [
        ("UnknownXmlElement", "there is an element that property lists do not have"),
        ("UnexpectedXmlOpeningTag", "an element stands where none may"),
        ("UnclosedXmlElement", "an element is not closed"),
        ("UnexpectedEof", "it ends too early"),
        ("Xml", "it is no XML"),
        ("Io(", "it ends too early, or leads to where there is nothing"),
    ];
    let Some((_, words)) = WORDS.into_iter().find(|(name, _)| said.starts_with(name)) else { return said.to_owned() };
    let offset = said.rsplit_once("(offset ").and_then(|(_, offset)| offset.strip_suffix(')'));
    offset.map_or_else(|| words.to_owned(), |offset| format!("{words} (at byte {offset})"))
}

enum Open {
    List(Vec<Json<'static>>),
    /// With the key whose value comes next.
    Object(Vec<(Cow<'static, str>, Json<'static>)>, Option<Cow<'static, str>>),
}

fn scalar(event: OwnedEvent) -> Json<'static> {
    match event {
        Event::Boolean(truth) => Json::Bool(truth),
        Event::Integer(number) => match (number.as_signed(), number.as_unsigned()) {
            (Some(number), _) => Json::Int(number),
            (None, Some(number)) => Json::Big(number),
            (None, None) => Json::Null,
        },
        Event::Real(number) => Json::Float(number),
        Event::String(text) => Json::Text(Cow::Owned(text.into_owned())),
        Event::Date(date) => Json::Text(Cow::Owned(date.to_xml_format())),
        Event::Data(data) => Json::Text(Cow::Owned(STANDARD.encode(data))),
        Event::Uid(uid) => Json::Big(uid.get()),
        // What comes with later versions of the format says nothing yet.
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><array><dict>
  <key>Name</key><string>Firefox &amp; friends</string>
  <key>BundleSize</key><integer>421888000</integer>
  <key>Beta</key><false/>
  <key>Seen</key><date>2026-11-20T08:00:00Z</date>
  <key>Hash</key><data>AAEC</data>
  <key>Share</key><real>0.5</real>
</dict></array></plist>"#;

    fn parsed(bytes: &[u8]) -> Json<'static> {
        parse(bytes).unwrap_or_else(|why| panic!("{why:?}"))
    }

    fn expected() -> Json<'static> {
        let text = r#"[{"Name":"Firefox & friends","BundleSize":421888000,"Beta":false,"Seen":"2026-11-20T08:00:00Z",
            "Hash":"AAEC","Share":0.5}]"#;
        Json::parse(text).unwrap()
    }

    #[test]
    fn xml_and_binary_lists_say_the_same() {
        assert_eq!(parsed(XML.as_bytes()), expected());
        let mut binary = Vec::new();
        plist::Value::from_reader_xml(XML.as_bytes()).unwrap().to_writer_binary(&mut binary).unwrap();
        assert!(binary.starts_with(b"bplist00"));
        assert_eq!(parsed(&binary), expected());
    }

    #[test]
    fn what_is_cut_or_none_is_refused_with_the_reason() {
        for bytes in
            [&XML.as_bytes()[..XML.len() / 2], b"<html><body>sign in</body></html>", b"bplist00", b"{\"a\": 1}"]
        {
            let why = parse(bytes).unwrap_err();
            assert!(!why.label.is_empty(), "{why:?}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("<plist>{}{}</plist>", "<array>".repeat(100_000), "</array>".repeat(100_000));
        assert!(parse(deep.as_bytes()).unwrap_err().label.contains("nested deeper"));
    }

    /// Forty lists, each with twice the next: 2^40 values in 200 bytes.
    #[test]
    fn a_small_file_that_unfolds_to_much_is_refused() {
        let levels = 40_u8;
        let mut bytes = b"bplist00".to_vec();
        let mut offsets = Vec::new();
        for level in 0..levels {
            offsets.push(bytes.len() as u8);
            bytes.extend([0xa2, level + 1, level + 1]);
        }
        offsets.push(bytes.len() as u8);
        bytes.push(0x09);
        let table = bytes.len() as u64;
        bytes.extend(&offsets);
        bytes.extend([0; 6]);
        bytes.extend([1, 1]);
        bytes.extend((offsets.len() as u64).to_be_bytes());
        bytes.extend(0_u64.to_be_bytes());
        bytes.extend(table.to_be_bytes());
        assert!(parse(&bytes).unwrap_err().label.contains("more than"), "{:?}", parse(&bytes).map(|_| ()));
    }

    /// A text of a mebibyte, which stands in two hundred places.
    #[test]
    fn a_long_text_in_many_places_is_refused() {
        let (length, places) = (1_u32 << 20, 200_u16);
        let mut bytes = b"bplist00".to_vec();
        let list = bytes.len() as u32;
        bytes.extend([0xaf, 0x11]);
        bytes.extend(places.to_be_bytes());
        bytes.extend(vec![1; usize::from(places)]);
        let text = bytes.len() as u32;
        bytes.extend([0x5f, 0x12]);
        bytes.extend(length.to_be_bytes());
        bytes.resize(bytes.len() + length as usize, b'x');
        let table = bytes.len() as u64;
        bytes.extend(list.to_be_bytes());
        bytes.extend(text.to_be_bytes());
        bytes.extend([0; 6]);
        bytes.extend([4, 1]);
        bytes.extend(2_u64.to_be_bytes());
        bytes.extend(0_u64.to_be_bytes());
        bytes.extend(table.to_be_bytes());
        assert!(parse(&bytes).unwrap_err().label.contains("unfold"), "{:?}", parse(&bytes).map(|_| ()));
    }
}
