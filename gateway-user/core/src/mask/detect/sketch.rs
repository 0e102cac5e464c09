//! What a text can have in it, told by a glance at its bytes.

use memchr::memmem;

use super::What;

/// No card number has fewer digits.
const CARD_DIGITS: usize = 13;
/// No IBAN is shorter.
const IBAN_LENGTH: usize = 15;
/// No phone number has fewer digits.
const PHONE_DIGITS: usize = 8;
/// No social security number has fewer.
const SSN_DIGITS: usize = 9;
/// No key of a vendor is shorter.
const KEY_LENGTH: usize = 20;

/// How often there is what the detectors need.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    len: usize,
    digits: usize,
    ats: usize,
    dots: usize,
    colons: usize,
    dashes: usize,
    opens: usize,
    is_token: bool,
}

impl Sketch {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut sketch = Self {
            len: bytes.len(),
            ..Self::default()
        };
        for byte in bytes {
            match byte {
                b'0'..=b'9' => sketch.digits += 1,
                b'@' => sketch.ats += 1,
                b'.' => sketch.dots += 1,
                b':' => sketch.colons += 1,
                b'-' => sketch.dashes += 1,
                b'+' | b'(' => sketch.opens += 1,
                _ => {}
            }
        }
        sketch.is_token = sketch.dots >= 2 && memmem::find(bytes, b"eyJ").is_some();
        sketch
    }

    pub(super) fn may_have(&self, what: What) -> bool {
        match what {
            What::Email => self.ats > 0 && self.dots > 0,
            What::Card => self.digits >= CARD_DIGITS,
            What::Iban => self.len >= IBAN_LENGTH && self.digits >= 2,
            What::Jwt => self.is_token,
            What::PrivateKey => self.dashes >= 5,
            What::ApiKey => self.len >= KEY_LENGTH,
            What::Ip => self.dots >= 3 || self.colons >= 2,
            What::Phone => {
                self.digits >= PHONE_DIGITS && self.opens + self.dashes.max(self.dots) / 2 > 0
            }
            What::Ssn => self.digits >= SSN_DIGITS && self.dashes >= 2,
        }
    }
}
