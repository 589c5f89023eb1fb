//! The bytes that order a version: comparing two keys byte by byte is comparing the versions.
//!
//! A scheme writes its parts from the most to the least significant, and ends every part of varying length with something
//! that orders against what could stand there instead; then a key that ends early still orders rightly.

/// A key while a scheme writes it.
#[derive(Debug, Default)]
pub(super) struct Key(Vec<u8>);

impl Key {
    /// An empty key with room for what a version of `length` bytes usually needs.
    pub(super) fn for_text(length: usize) -> Key {
        Key(Vec::with_capacity(2 * length + 8))
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A number of at most 32 bits, always four bytes.
    pub(super) fn u32(&mut self, number: u32) {
        self.bytes(&number.to_be_bytes());
    }

    /// A number of any length, as ASCII digits: its length without leading zeros, then its digits. Absent digits are zero.
    pub(super) fn digits(&mut self, digits: &[u8]) {
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        let digits = digits.get(zeros..).unwrap_or_default();
        match u8::try_from(digits.len()) {
            Ok(length) if length < u8::MAX => self.byte(length),
            _ => {
                self.byte(u8::MAX);
                self.bytes(&(digits.len() as u64).to_be_bytes());
            }
        }
        self.bytes(digits);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Splits `bytes` after its leading bytes that `accepts` takes.
pub(super) fn split_run(bytes: &[u8], accepts: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !accepts(*byte)).unwrap_or(bytes.len());
    bytes.split_at_checked(end).unwrap_or((bytes, &[]))
}
