//! Integers and bytes: LEB128, seven bits a byte, the lowest first.
//!
//! The reader trusts nothing: every length is compared with the bytes that are left, before
//! anything is made of it.

/// Bytes that no version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {what}")]
pub(crate) struct Malformed {
    /// The place in the body, from 0.
    pub(crate) at: usize,
    /// What is wrong there.
    pub(crate) what: &'static str,
}

/// Appends an unsigned integer.
pub(crate) fn put(body: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        body.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    body.push(number.to_le_bytes()[0]);
}

/// Appends a signed integer.
pub(crate) fn put_signed(body: &mut Vec<u8>, number: i64) {
    put(body, folded(number));
}

/// Folds a signed integer: 0, -1, 1, -2 … become 0, 1, 2, 3 …, so that small ones stay short.
pub(crate) fn folded(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

/// Returns the integer that [`folded`] has folded.
pub(crate) fn unfolded(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Reads a body from its first byte to its last.
#[derive(Debug, Clone)]
pub(crate) struct ByteReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ByteReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Returns the number of bytes that are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Returns the error that names this place.
    pub(crate) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at, what }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let Some(&byte) = self.bytes.get(self.at) else {
            return Err(self.malformed("it ends here"));
        };
        self.at += 1;
        Ok(byte)
    }

    /// Reads an unsigned integer.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        // Most numbers are differences, and take one byte.
        if let Some(&byte) = self.bytes.get(self.at)
            && byte < 0x80
        {
            self.at += 1;
            return Ok(u64::from(byte));
        }
        self.long_number()
    }

    fn long_number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.malformed("a number is too large"))
    }

    /// Reads an unsigned integer of a smaller type.
    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        let number = self.number()?;
        T::try_from(number).map_err(|_| self.malformed("a number is too large"))
    }

    /// Reads a signed integer.
    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        Ok(unfolded(self.number()?))
    }

    /// Takes the next bytes.
    pub(crate) fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).ok().filter(|&length| length <= self.left());
        let Some(length) = length else { return Err(self.malformed("it ends too early")) };
        let taken = &self.bytes[self.at..self.at + length];
        self.at += length;
        Ok(taken)
    }
}
