//! From the bytes of a payload to its text: UTF-8, what programs under Windows write beside it, and what can be told of neither.

use super::PayloadKind;
use std::borrow::Cow;

/// The text of a payload, without the mark that says how it is written. It is UTF-8, or UTF-16 where the mark or the first character says so. A
/// table that is neither is read as Windows-1252, in which spreadsheets write; of anything else what is no UTF-8 is read as far as it can be.
pub fn decoded(kind: PayloadKind, bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(kind, rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // Text begins with a character of ASCII, so that the half of it that is none says which half comes first.
        [1..=255, 0, ..] => utf16(bytes, u16::from_le_bytes),
        [0, 1..=255, ..] => utf16(bytes, u16::from_be_bytes),
        _ => utf8(kind, bytes),
    }
}

fn utf8(kind: PayloadKind, bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) if kind == PayloadKind::Csv => bytes.iter().map(|byte| windows_1252(*byte)).collect(),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'_, str> {
    let pairs = bytes.chunks_exact(2).filter_map(|pair| <[u8; 2]>::try_from(pair).ok());
    let text = char::decode_utf16(pairs.map(unit)).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER));
    text.collect()
}

/// Windows-1252 is Latin 1 but for these (<https://encoding.spec.whatwg.org/index-windows-1252.txt>).
fn windows_1252(byte: u8) -> char {
    const FROM_80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    byte.checked_sub(0x80).and_then(|index| FROM_80.get(usize::from(index)).copied()).unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spreadsheets_and_shells_write_is_text() {
        let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        for kind in [PayloadKind::Csv, PayloadKind::HttpJson] {
            for text in ["{\"a\": \"Zürich – 💻\"}", "serial;site\r\n"] {
                assert_eq!(decoded(kind, text.as_bytes()), text);
                for bytes in [[&b"\xef\xbb\xbf"[..], text.as_bytes()].concat(), little(text), big(text)] {
                    assert_eq!(decoded(kind, &bytes), text);
                }
                for bytes in [little(&format!("\u{feff}{text}")), big(&format!("\u{feff}{text}"))] {
                    assert_eq!(decoded(kind, &bytes), text);
                }
            }
            assert_eq!(decoded(kind, b""), "");
            assert_eq!(decoded(kind, b"\xff\xfe"), "");
            assert_eq!(decoded(kind, b"\xff\xfea"), "", "half a character is none");
        }
        assert_eq!(decoded(PayloadKind::Csv, b"B\xfcro \x80 \x96 \x81"), "Büro € – \u{81}");
        assert_eq!(decoded(PayloadKind::Json, b"B\xfcro"), "B\u{fffd}ro");
    }
}
