//! What is made with the key of the masks: hashes and pseudonyms, the same for the same value.
//!
//! Both are HMAC-SHA-256 (RFC 2104) of a value's canonical text, which the caller knows, behind a word for
//! what it is used for. Without the key nobody can try values until one fits.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::MaskKey;

/// 32 hexadecimal digits for a text.
pub fn hash_text(key: &MaskKey, value: &[u8]) -> String {
    let digest = hmac(key, &[b"text\0", value]);
    hex(digest.get(..16).unwrap_or_default())
}

/// A number of so many bits, 64 at most, for the canonical text of a number.
pub fn hash_number(key: &MaskKey, value: &str, bits: u32) -> u64 {
    let mut stream = Stream::new(key, b"number\0", value.as_bytes());
    let whole = u64::from_be_bytes(stream.bytes());
    match bits {
        0 => 0,
        1..=63 => whole >> (64 - bits),
        64.. => whole,
    }
}

/// 32 bytes for bytes.
pub fn hash_bytes(key: &MaskKey, value: &[u8]) -> [u8; 32] {
    hmac(key, &[b"bytes\0", value])
}

/// Another letter of the same case for each letter, another digit for each digit; all else stays. What is
/// no ASCII becomes ASCII.
pub fn pseudonym(key: &MaskKey, value: &str) -> String {
    let mut stream = Stream::new(key, b"pseudonym\0", value.as_bytes());
    value
        .chars()
        .map(|c| match c {
            'a'..='z' => stream.other(c, b'a', 26),
            'A'..='Z' => stream.other(c, b'A', 26),
            '0'..='9' => stream.other(c, b'0', 10),
            _ if c.is_ascii() => c,
            _ if c.is_uppercase() => stream.any(b'A', 26),
            _ if c.is_alphabetic() => stream.any(b'a', 26),
            _ if c.is_numeric() => stream.any(b'0', 10),
            _ => c,
        })
        .collect()
}

/// The bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)])
        .collect()
}

/// Endless bytes that depend on the key and a value.
#[derive(Debug)]
pub(crate) struct Stream<'a> {
    key: &'a MaskKey,
    seed: [u8; 32],
    counter: u64,
    block: std::array::IntoIter<u8, 32>,
}

impl<'a> Stream<'a> {
    /// For a use, named by a word, of a value.
    pub(crate) fn new(key: &'a MaskKey, word: &[u8], value: &[u8]) -> Self {
        // The value goes into the seed once, so that a long one does not cost its square.
        let seed = hmac(key, &[word, value]);
        let block = hmac(key, &[b"stream\0", &seed, &0_u64.to_be_bytes()]);
        Self {
            key,
            seed,
            counter: 0,
            block: block.into_iter(),
        }
    }

    fn byte(&mut self) -> u8 {
        if let Some(byte) = self.block.next() {
            return byte;
        }
        self.counter = self.counter.wrapping_add(1);
        let counter = self.counter.to_be_bytes();
        self.block = hmac(self.key, &[b"stream\0", &self.seed, &counter]).into_iter();
        self.block.next().unwrap_or_default()
    }

    /// The next bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// A number below `count`, or 0.
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        // 64 bits more than `count` has, so that no number is noticeably likelier than another.
        let wide = u128::from_be_bytes(self.bytes());
        let number = wide.checked_rem(u128::from(count)).unwrap_or_default();
        u64::try_from(number).unwrap_or_default()
    }

    /// A number below `count` that is not `value`, if there is one.
    pub(crate) fn other_than(&mut self, value: u64, count: u64) -> u64 {
        if value >= count || count < 2 {
            return self.below(count);
        }
        let number = self.below(count - 1);
        if number < value { number } else { number + 1 }
    }

    fn any(&mut self, first: u8, count: u8) -> char {
        let step = self.below(u64::from(count));
        letter(first, step)
    }

    fn other(&mut self, c: char, first: u8, count: u8) -> char {
        let value = u64::from(u32::from(c)).saturating_sub(u64::from(first));
        let step = self.other_than(value, u64::from(count));
        letter(first, step)
    }
}

fn letter(first: u8, step: u64) -> char {
    char::from(first.saturating_add(u8::try_from(step).unwrap_or_default()))
}

fn hmac(key: &MaskKey, parts: &[&[u8]]) -> [u8; 32] {
    let mut hmac =
        Hmac::<Sha256>::new_from_slice(key.reveal()).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| hmac.update(part));
    hmac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MaskKey {
        MaskKey::new([byte; 32])
    }

    #[test]
    fn same_value_same_result_and_another_key_another() {
        assert_eq!(hash_text(&key(1), b"ann"), hash_text(&key(1), b"ann"));
        assert_ne!(hash_text(&key(1), b"ann"), hash_text(&key(2), b"ann"));
        assert_ne!(hash_text(&key(1), b"ann"), hash_text(&key(1), b"anna"));
        assert_eq!(hash_text(&key(1), b"ann").len(), 32);
        assert_eq!(pseudonym(&key(1), "Ann"), pseudonym(&key(1), "Ann"));
        assert_ne!(pseudonym(&key(1), "Ann Lee"), pseudonym(&key(2), "Ann Lee"));
    }

    #[test]
    fn numbers_have_so_many_bits() {
        for bits in 0..=64 {
            let number = hash_number(&key(3), "42", bits);
            assert!(u128::from(number) < 1_u128 << bits, "{bits}: {number}");
        }
    }

    proptest::proptest! {
        #[test]
        fn pseudonyms_keep_the_shape_and_no_letter(text in "\\PC{0,80}") {
            let made = pseudonym(&key(4), &text);
            assert_eq!(made.chars().count(), text.chars().count());
            for (old, new) in text.chars().zip(made.chars()) {
                let shape = |c: char| (c.is_alphabetic(), c.is_uppercase(), c.is_numeric());
                if old.is_ascii() {
                    assert_eq!(shape(old), shape(new));
                }
                if old.is_alphanumeric() {
                    assert_ne!(old, new);
                    assert!(new.is_ascii_alphanumeric());
                } else {
                    assert_eq!(old, new);
                }
            }
        }
    }
}
