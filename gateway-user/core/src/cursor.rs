//! Reading fields out of a frame, with every step checked.
//!
//! Network byte order throughout, as all protocols here have it. A field that is not there whole is
//! `None`; what that means is for the codec to say.

/// A position in a frame.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes the next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(head)
    }

    /// Takes one byte.
    pub fn u8(&mut self) -> Option<u8> {
        let (&head, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(head)
    }

    /// Takes a 16-bit number.
    pub fn u16(&mut self) -> Option<u16> {
        let (head, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u16::from_be_bytes(*head))
    }

    /// Takes a 32-bit number.
    pub fn u32(&mut self) -> Option<u32> {
        let (head, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u32::from_be_bytes(*head))
    }

    /// Takes a text up to its NUL, which is taken too and not returned.
    pub fn cstr(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.rest)?;
        let text = self.bytes(end)?;
        self.u8()?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_field_that_is_cut_is_none() {
        let mut cursor = Cursor::new(b"ab\0\x00\x01\x00");
        assert_eq!(cursor.cstr(), Some(b"ab".as_slice()));
        assert_eq!(cursor.u16(), Some(1));
        assert_eq!(cursor.u16(), None);
        assert_eq!(cursor.u8(), Some(0));
        assert_eq!(cursor.u8(), None);
        assert_eq!(Cursor::new(b"no end").cstr(), None);
    }
}
