//! The part of the protocol-buffer wire format that a `SentencePiece` file uses.
//!
//! A message is a sequence of fields, each a key `number << 3 | wire type` and a value:
//! a variable-length integer (0), eight bytes (1), counted bytes (2) or four bytes (5).

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Integer(u64),
    Bytes(&'a [u8]),
    Four([u8; 4]),
    Eight,
}

/// Reads the fields of a message one after the other.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

const TORN: &str = "is cut short or not a SentencePiece model";

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The number and the value of the next field; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.integer()?;
        let value = match key & 7 {
            0 => Value::Integer(self.integer()?),
            1 => {
                self.take(8)?;
                Value::Eight
            }
            2 => {
                let length = self.integer()?;
                Value::Bytes(self.take(usize::try_from(length).map_err(|_| TORN)?)?)
            }
            5 => Value::Four(self.take(4)?.try_into().map_err(|_| TORN)?),
            _ => return Err(TORN.to_owned()),
        };
        Ok(Some((key >> 3, value)))
    }

    fn integer(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = u64::from(self.take(1)?[0]);
            value |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(TORN.to_owned())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(TORN)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_wire_type_are_read() {
        let message = [
            0x08, 0xac, 0x02, // 1: 300
            0x12, 0x02, b'h', b'i', // 2: "hi"
            0x1d, 0, 0, 0x80, 0x3f, // 3: 1.0 in four bytes
            0x21, 1, 2, 3, 4, 5, 6, 7, 8, // 4: eight bytes
        ];
        let mut fields = Fields::new(&message);
        assert_eq!(fields.next(), Ok(Some((1, Value::Integer(300)))));
        assert_eq!(fields.next(), Ok(Some((2, Value::Bytes(b"hi")))));
        assert_eq!(
            fields.next(),
            Ok(Some((3, Value::Four([0, 0, 0x80, 0x3f]))))
        );
        assert_eq!(fields.next(), Ok(Some((4, Value::Eight))));
        assert_eq!(fields.next(), Ok(None));
    }

    #[test]
    fn a_message_cut_anywhere_inside_a_field_is_refused() {
        let message = [0x12, 0x02, b'h', b'i'];
        for length in 1..message.len() {
            assert!(Fields::new(&message[..length]).next().is_err(), "{length}");
        }
        // longer than 64 bits; wire type 3, which was withdrawn
        assert!(Fields::new(&[0xff; 12]).next().is_err());
        assert!(Fields::new(&[0x0b, 0]).next().is_err());
    }
}
