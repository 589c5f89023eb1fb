//! Numbers, texts and times as bytes: numbers with their lowest byte first, texts and lists after their length.

use jiff::{SignedDuration, Timestamp};
use smol_str::SmolStr;

/// Bytes that grow.
#[derive(Default)]
pub(in super::super) struct Out {
    pub bytes: Vec<u8>,
}

impl Out {
    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub fn number(&mut self, number: u32) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub fn long(&mut self, number: i64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u32);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub fn numbers(&mut self, numbers: &[u32]) {
        self.number(numbers.len() as u32);
        self.bytes.reserve(4 * numbers.len());
        numbers.iter().for_each(|number| self.bytes.extend_from_slice(&number.to_le_bytes()));
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u32);
        self.bytes.extend_from_slice(bytes);
    }

    pub fn time(&mut self, time: Timestamp) {
        self.long(time.as_second());
        self.bytes.extend_from_slice(&time.subsec_nanosecond().to_le_bytes());
    }

    pub fn duration(&mut self, duration: SignedDuration) {
        self.long(duration.as_secs());
        self.bytes.extend_from_slice(&duration.subsec_nanos().to_le_bytes());
    }

    /// Something that may not be there.
    pub fn maybe<T>(&mut self, thing: Option<T>, write: impl FnOnce(&mut Out, T)) {
        self.byte(u8::from(thing.is_some()));
        if let Some(thing) = thing {
            write(self, thing);
        }
    }

    /// Things in a row.
    pub fn list<T>(&mut self, things: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Out, T)) {
        self.number(things.len() as u32);
        things.for_each(|thing| write(self, thing));
    }
}

/// Bytes that are read; `None` where they are not what is asked for.
pub(in super::super) struct In<'b> {
    pub bytes: &'b [u8],
}

impl<'b> In<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn truth(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub fn short(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn long(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub fn raw(&mut self) -> Option<&'b [u8]> {
        let length = self.number()?;
        self.take(length as usize)
    }

    pub fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.raw()?).ok()
    }

    pub fn small_text(&mut self) -> Option<SmolStr> {
        self.text().map(SmolStr::new)
    }

    /// Numbers, as an iterator that knows how many there are.
    pub fn numbers(&mut self) -> Option<impl ExactSizeIterator<Item = u32> + use<'b>> {
        let length = self.number()? as usize;
        let bytes = self.take(length.checked_mul(4)?)?;
        Some(bytes.chunks_exact(4).map(|four| four.try_into().map_or(0, u32::from_le_bytes)))
    }

    pub fn time(&mut self) -> Option<Timestamp> {
        let (seconds, nanos) = (self.long()?, self.array().map(i32::from_le_bytes)?);
        Timestamp::new(seconds, nanos).ok()
    }

    pub fn duration(&mut self) -> Option<SignedDuration> {
        let (seconds, nanos) = (self.long()?, self.array().map(i32::from_le_bytes)?);
        (nanos.abs() < 1_000_000_000).then(|| SignedDuration::new(seconds, nanos))
    }

    pub fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.truth()? { read(self).map(Some) } else { Some(None) }
    }

    /// Numbers of eight bytes, likewise.
    pub fn longs(&mut self) -> Option<impl ExactSizeIterator<Item = i64> + use<'b>> {
        let length = self.number()? as usize;
        let bytes = self.take(length.checked_mul(8)?)?;
        Some(bytes.chunks_exact(8).map(|eight| eight.try_into().map_or(0, i64::from_le_bytes)))
    }

    /// Pairs of numbers, likewise.
    pub fn pairs(&mut self) -> Option<impl ExactSizeIterator<Item = (u32, u32)> + use<'b>> {
        // The first has the lower four bytes.
        let longs = self.longs()?.map(i64::cast_unsigned);
        Some(longs.map(|both| (both as u32, (both >> 32) as u32)))
    }

    pub fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        // A length is not believed before what it promises has been read: nothing takes less than a byte.
        let length = self.number()?;
        let mut things = Vec::with_capacity(self.bytes.len().min(length as usize));
        for _ in 0..length {
            things.push(read(self)?);
        }
        Some(things)
    }
}
