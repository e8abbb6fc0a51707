//! Plain text on the serial port, without the weight of `core::fmt`.

use crate::Board;

/// Writes text to a board's serial port.
pub struct Text<'b, B>(pub &'b mut B);

impl<B: Board> Text<'_, B> {
    pub fn str(&mut self, text: &str) -> &mut Self {
        text.bytes().for_each(|byte| self.0.write(byte));
        self
    }

    pub fn line(&mut self) {
        self.str("\r\n");
    }

    pub fn number(&mut self, number: impl Into<i64>) -> &mut Self {
        let number = number.into();
        if number < 0 {
            self.0.write(b'-');
        }
        let mut rest = number.unsigned_abs() as u32;
        // Digits come out from the right; u32::MAX has ten.
        let mut digits = [0; 10];
        let mut len = 0;
        for digit in &mut digits {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            len += 1;
            if rest == 0 {
                break;
            }
        }
        digits.iter().take(len).rev().for_each(|&digit| self.0.write(digit));
        self
    }

    pub fn hex(&mut self, bytes: &[u8]) -> &mut Self {
        for byte in bytes {
            for nibble in [byte >> 4, byte & 15] {
                self.0.write(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
            }
        }
        self
    }
}
