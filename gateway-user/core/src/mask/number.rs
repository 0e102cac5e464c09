//! `Decimal`: a decimal number of any length, and what masks make of it.

use std::fmt::{self, Write as _};

use super::MaskKey;
use super::keyed::{self, Stream};

/// No number that is read is longer than this, in digits on each side of the point: PostgreSQL's `numeric`
/// is not either.
const MAX_DIGITS: usize = 140_000;

/// A number as its digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// Before the point, without leading zeros; none for 0. Each is 0 to 9.
    whole: Vec<u8>,
    /// Behind it, with trailing zeros as they were written.
    fraction: Vec<u8>,
}

impl Decimal {
    /// The number with these digits, each 0 to 9; nothing if there are too many.
    pub fn new(negative: bool, whole: &[u8], fraction: &[u8]) -> Option<Self> {
        if whole.len() > MAX_DIGITS || fraction.len() > MAX_DIGITS {
            return None;
        }
        let leading = whole.iter().take_while(|digit| **digit == 0).count();
        Some(Self {
            negative,
            whole: whole.get(leading..).unwrap_or_default().to_vec(),
            fraction: fraction.to_vec(),
        })
    }

    /// Reads `-12.50` or `1.25e3`.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut whole = digits(whole)?;
        let mut fraction = digits(fraction)?;
        // A short text must not become a long number.
        if exponent.unsigned_abs() > 1000 {
            return None;
        }
        let shift = usize::try_from(exponent.unsigned_abs()).ok()?;
        if exponent >= 0 {
            fraction.resize(fraction.len().max(shift), 0);
            let rest = fraction.split_off(shift);
            whole.append(&mut fraction);
            fraction = rest;
        } else {
            let missing = shift.saturating_sub(whole.len());
            whole.splice(..0, std::iter::repeat_n(0, missing));
            let mut moved = whole.split_off(whole.len() - shift);
            moved.append(&mut fraction);
            fraction = moved;
        }
        Self::new(negative, &whole, &fraction)
    }

    /// Whether it is below 0, or -0.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Its digits before the point, each 0 to 9, without leading zeros.
    pub fn whole(&self) -> &[u8] {
        &self.whole
    }

    /// Its digits behind the point, each 0 to 9.
    pub fn fraction(&self) -> &[u8] {
        &self.fraction
    }

    /// The one text of its value: `12.5` for `12.50`.
    pub fn canonical(&self) -> String {
        let fraction = self.significant();
        let negative = self.negative && !(self.whole.is_empty() && fraction.is_empty());
        let canonical = Self {
            negative,
            whole: self.whole.clone(),
            fraction: fraction.to_vec(),
        };
        canonical.to_string()
    }

    /// An integer of 63 bits that is always the same for it.
    pub fn hash(&self, key: &MaskKey, bits: u32) -> u64 {
        keyed::hash_number(key, &self.canonical(), bits)
    }

    /// The next lower multiple of a width, which is not 0.
    pub fn floor(&self, width: u64) -> Self {
        // Below 0 what is behind the point takes it to the next integer.
        let mut whole = self.whole.clone();
        if self.negative && !self.significant().is_empty() {
            add(&mut whole, 1);
        }
        let rest = whole
            .iter()
            .try_fold(0_u128, |rest, digit| {
                (rest * 10 + u128::from(*digit)).checked_rem(u128::from(width))
            })
            .unwrap_or(0);
        if rest != 0 && self.negative {
            add(&mut whole, u128::from(width) - rest);
        } else {
            subtract(&mut whole, rest);
        }
        let leading = whole.iter().take_while(|digit| **digit == 0).count();
        whole.drain(..leading);
        Self {
            negative: self.negative && !whole.is_empty(),
            whole,
            fraction: Vec::new(),
        }
    }

    /// A number of the same sign with as many digits. Trailing zeros behind the point stay, so that it
    /// depends on the value only.
    pub fn pseudonym(&self, key: &MaskKey) -> Self {
        let canonical = self.canonical();
        if let Ok(integer) = canonical.parse::<i64>() {
            let whole = pseudonym_integer(key, integer, i64::MAX).unsigned_abs();
            let mut made = self.clone();
            made.whole = digits(&whole.to_string()).unwrap_or_default();
            if whole == 0 {
                made.whole.clear();
            }
            return made;
        }
        let mut stream = Stream::new(key, b"decimal\0", canonical.as_bytes());
        let mut made = self.clone();
        let mut other = |digit: &mut u8, least: u8| {
            let number = stream.other_than(
                u64::from(*digit - (*digit).min(least)),
                u64::from(10 - least),
            );
            *digit = u8::try_from(number).unwrap_or_default() + least;
        };
        for (at, digit) in made.whole.iter_mut().enumerate() {
            other(digit, u8::from(at == 0));
        }
        let count = self.significant().len();
        for digit in made.fraction.iter_mut().take(count) {
            other(digit, 0);
        }
        made
    }

    /// Digits behind the point without trailing zeros.
    fn significant(&self) -> &[u8] {
        let zeros = self
            .fraction
            .iter()
            .rev()
            .take_while(|digit| **digit == 0)
            .count();
        self.fraction
            .get(..self.fraction.len() - zeros)
            .unwrap_or_default()
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_char('-')?;
        }
        if self.whole.is_empty() {
            f.write_char('0')?;
        }
        write_digits(f, &self.whole)?;
        if self.fraction.is_empty() {
            return Ok(());
        }
        f.write_char('.')?;
        write_digits(f, &self.fraction)
    }
}

fn write_digits(f: &mut fmt::Formatter<'_>, digits: &[u8]) -> fmt::Result {
    digits
        .iter()
        .try_for_each(|digit| f.write_char(char::from(b'0'.saturating_add(*digit))))
}

/// An integer of the same sign and as many digits, another one, and not beyond `most`.
pub fn pseudonym_integer(key: &MaskKey, value: i64, most: i64) -> i64 {
    let size = value.unsigned_abs();
    let most = most.unsigned_abs();
    let power = size.checked_ilog10().unwrap_or(0);
    let least = if power == 0 { 0 } else { 10_u64.pow(power) };
    let next = 10_u64.checked_pow(power + 1);
    let last = next.map_or(most, |next| most.min(next - 1));
    let mut stream = Stream::new(key, b"integer\0", value.to_string().as_bytes());
    let count = last.saturating_sub(least).saturating_add(1);
    let made = least + stream.other_than(size.saturating_sub(least), count);
    let made = i64::try_from(made).unwrap_or(i64::MAX);
    if value < 0 { -made } else { made }
}

fn digits(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    text.bytes().map(digit).collect()
}

/// Adds to a number of digits.
fn add(digits: &mut Vec<u8>, mut rest: u128) {
    for digit in digits.iter_mut().rev() {
        let sum = u128::from(*digit) + rest;
        *digit = u8::try_from(sum % 10).unwrap_or_default();
        rest = sum / 10;
        if rest == 0 {
            return;
        }
    }
    while rest > 0 {
        digits.insert(0, u8::try_from(rest % 10).unwrap_or_default());
        rest /= 10;
    }
}

/// Subtracts what is not more.
fn subtract(digits: &mut [u8], mut rest: u128) {
    for digit in digits.iter_mut().rev() {
        if rest == 0 {
            return;
        }
        let less = u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        if *digit < less {
            *digit += 10;
            rest += 1;
        }
        *digit -= less;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MaskKey {
        MaskKey::new([5; 32])
    }

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn one_text_for_one_value() {
        let check = |text: &str, expected: &str| {
            assert_eq!(decimal(text).canonical(), expected, "{text}");
        };
        check("12.50", "12.5");
        check("0012", "12");
        check("-0.00", "0");
        check("-0.10", "-0.1");
        check("1e3", "1000");
        check("1.25E1", "12.5");
        check("125e-4", "0.0125");
        check(".5", "0.5");
        check("5.", "5");
        for bad in ["", "-", ".", "1e", "1x", "--1", "1e1001", "NaN", "1.2.3"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn goes_down_to_a_multiple() {
        let check = |text: &str, width, expected: &str| {
            assert_eq!(decimal(text).floor(width).to_string(), expected, "{text}");
        };
        check("1234.56", 100, "1200");
        check("99.99", 100, "0");
        check("-0.01", 100, "-100");
        check("-100.00", 100, "-100");
        check("-99.5", 100, "-100");
        check("-100.5", 100, "-200");
        check(
            "123456789012345678901234567890",
            1000,
            "123456789012345678901234567000",
        );
        check(
            "100000000000000000000000000000",
            7,
            "99999999999999999999999999995",
        );
        check("5", u64::MAX, "0");
        check("-5", u64::MAX, "-18446744073709551615");
        check("5", 0, "5");
    }

    #[test]
    fn pseudonyms_keep_the_shape() {
        for text in [
            "7",
            "0",
            "-31",
            "12.50",
            "-0.05",
            "123456789012345678901234567890.12",
            "9223372036854775807",
            "-9223372036854775808",
        ] {
            let made = decimal(text).pseudonym(&key()).to_string();
            assert_eq!(made.len(), text.len(), "{text} {made}");
            assert_ne!(made, text);
            assert_eq!(made.starts_with('-'), text.starts_with('-'));
        }
        let half = |text| decimal(text).pseudonym(&key()).canonical();
        assert_eq!(half("12.5"), half("12.5000"));
        assert_eq!(half("12"), half("12.000"));
    }

    proptest::proptest! {
        #[test]
        fn integers_stay_in_range(value: i16) {
            let made = pseudonym_integer(&key(), i64::from(value), i64::from(i16::MAX));
            assert!(i16::try_from(made).is_ok());
            assert_ne!(made, i64::from(value));
            assert_eq!(made.to_string().len(), value.to_string().len() - usize::from(value < 0 && made == 0));
        }

        #[test]
        fn never_panics(text in "-?[0-9]{0,30}(\\.[0-9]{0,30})?(e-?[0-9]{1,4})?", width: u64) {
            if let Some(decimal) = Decimal::parse(&text) {
                decimal.floor(width);
                decimal.pseudonym(&key());
                decimal.canonical();
            }
        }

        #[test]
        fn floors_like_integers(value: i64, width in 1..u64::MAX) {
            let floor = i128::from(value) - i128::from(value).rem_euclid(i128::from(width));
            assert_eq!(decimal(&value.to_string()).floor(width).to_string(), floor.to_string());
        }
    }
}
