//! Dots in terminal cells: two by four of them in braille, one in ASCII.

use super::style::Glyphs;

/// The bits of braille's dots, by row and column (Unicode, block "Braille Patterns").
const BRAILLE: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// A field of dots over `width` by `height` cells.
#[derive(Debug, Clone)]
pub(super) struct Dots {
    glyphs: Glyphs,
    width: usize,
    height: usize,
    cells: Vec<u8>,
}

impl Dots {
    pub(super) fn new(glyphs: Glyphs, width: usize, height: usize) -> Self {
        Self {
            glyphs,
            width,
            height,
            cells: vec![0; width * height],
        }
    }

    /// Dots from top to bottom.
    fn rows(&self) -> usize {
        self.height * self.glyphs.dots().1
    }

    /// The row of a place between the bottom (0) and the top (1), kept inside.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 up to the number of rows"
    )]
    pub(super) fn row(&self, place: f64) -> usize {
        let down = (1.0 - place).clamp(0.0, 1.0) * (self.rows() - 1) as f64;
        // A flat line that is only almost flat stays in one of two rows that are as near.
        ((down - 1e-6).max(0.0) + 0.5) as usize
    }

    fn set(&mut self, column: usize, row: usize) {
        let (across, down) = self.glyphs.dots();
        let (x, y) = (column / across, row / down);
        if x < self.width && y < self.height {
            self.cells[y * self.width + x] |= BRAILLE[row % down][column % across];
        }
    }

    /// All the dots of a column between two rows.
    pub(super) fn span(&mut self, column: usize, a: usize, b: usize) {
        for row in a.min(b)..=a.max(b) {
            self.set(column, row);
        }
    }

    /// A line; a steep one fills its columns from end to end.
    pub(super) fn line(&mut self, from: (usize, usize), to: (usize, usize)) {
        let across = to.0.saturating_sub(from.0);
        let row = |at: usize| {
            // Rows halfway between, rounded; in whole numbers.
            let (a, b) = (from.1 * (across - at), to.1 * at);
            (2 * (a + b) + across) / (2 * across)
        };
        if across == 0 {
            return self.span(to.0, from.1, to.1);
        }
        let mut last = from.1;
        for at in 1..=across {
            let next = row(at);
            // Without the row that the column before has already.
            let start = match next.cmp(&last) {
                std::cmp::Ordering::Greater => last + 1,
                std::cmp::Ordering::Less => last - 1,
                std::cmp::Ordering::Equal => last,
            };
            self.span(from.0 + at, start, next);
            last = next;
        }
    }

    /// The cells that have dots: column, row and character.
    pub(super) fn cells(&self, ascii: char) -> impl Iterator<Item = (usize, usize, char)> + '_ {
        let cells = self.cells.iter().enumerate();
        cells
            .filter(|(_, bits)| **bits != 0)
            .map(move |(at, &bits)| {
                let glyph = match self.glyphs {
                    Glyphs::Unicode => char::from_u32(0x2800 + u32::from(bits)).unwrap_or(ascii),
                    Glyphs::Ascii => ascii,
                };
                (at % self.width, at / self.width, glyph)
            })
    }
}
