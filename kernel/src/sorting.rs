//! Sorts what the process that runs cells writes to its standard output.
//!
//! | a line that begins with | is                                                     |
//! |-------------------------|--------------------------------------------------------|
//! | `EVCXR_BEGIN_CONTENT `  | the start of a block of rich output, to `EVCXR_END_CONTENT` |
//! | `EVCXR_`                | for evcxr                                              |
//! | anything else           | text, passed on before its end has come                |

const PREFIX: &[u8] = b"EVCXR_";
const BEGIN: &str = "EVCXR_BEGIN_CONTENT ";
const END: &str = "EVCXR_END_CONTENT";

/// What a piece of output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sorted {
    /// Text for whoever looks.
    Text(Vec<u8>),
    /// A line for evcxr, without its end.
    Control(String),
    /// A block of rich output.
    Block { mime: String, body: String },
}

/// Sorts a stream piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Sorter {
    /// The beginning of a line of which it is not known yet what it is.
    line: Vec<u8>,
    /// Whether the present line is text, of which the beginning was passed on.
    is_text: bool,
    /// The block that is being read: its MIME type and lines.
    block: Option<(String, Vec<String>)>,
}

impl Sorter {
    /// Sorts the next piece.
    pub(crate) fn sort(&mut self, bytes: &[u8]) -> Vec<Sorted> {
        let mut sorted = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = piece.ends_with(b"\n");
            if self.is_text {
                text(&mut sorted, piece);
                self.is_text = !ends;
                continue;
            }
            self.line.extend_from_slice(piece);
            if self.block.is_none() && !may_be_control(&self.line) {
                text(&mut sorted, &std::mem::take(&mut self.line));
                self.is_text = !ends;
            } else if ends {
                let line = std::mem::take(&mut self.line);
                self.whole(&mut sorted, &line);
            }
        }
        sorted
    }

    /// What is held back, given up waiting for the rest of its line.
    pub(crate) fn flush(&mut self) -> Vec<Sorted> {
        if self.line.is_empty() || self.block.is_some() {
            return Vec::new();
        }
        self.is_text = true;
        vec![Sorted::Text(std::mem::take(&mut self.line))]
    }

    /// Takes a whole line that is not text, or not for sure.
    fn whole(&mut self, sorted: &mut Vec<Sorted>, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\n', '\r']);
        match self.block.take() {
            Some((mime, lines)) if text == END => sorted.push(Sorted::Block {
                mime,
                body: lines.join("\n"),
            }),
            // A panic ends a block that was begun.
            Some(_) if text.as_bytes().starts_with(b"EVCXR_PANIC") => {
                sorted.push(Sorted::Control(text.to_owned()));
            }
            Some((mime, mut lines)) => {
                lines.push(text.to_owned());
                self.block = Some((mime, lines));
            }
            None => match text.strip_prefix(BEGIN) {
                Some(mime) => self.block = Some((mime.trim().to_owned(), Vec::new())),
                None => sorted.push(Sorted::Control(text.to_owned())),
            },
        }
    }
}

/// Whether the beginning of a line can be that of a line for evcxr.
fn may_be_control(line: &[u8]) -> bool {
    let known = line.len().min(PREFIX.len());
    line[..known] == PREFIX[..known]
}

/// Adds text to the text before it.
fn text(sorted: &mut Vec<Sorted>, bytes: &[u8]) {
    match sorted.last_mut() {
        Some(Sorted::Text(before)) => before.extend_from_slice(bytes),
        _ => sorted.push(Sorted::Text(bytes.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(text: &str) -> Sorted {
        Sorted::Control(text.to_owned())
    }

    fn written(text: &str) -> Sorted {
        Sorted::Text(text.as_bytes().to_vec())
    }

    /// All that comes of a text given in pieces of a length, neighbouring text joined.
    fn all(input: &str, length: usize) -> Vec<Sorted> {
        let (mut sorter, mut all) = (Sorter::default(), Vec::new());
        for piece in input.as_bytes().chunks(length) {
            for sorted in sorter.sort(piece) {
                match sorted {
                    Sorted::Text(bytes) => super::text(&mut all, &bytes),
                    other => all.push(other),
                }
            }
        }
        for sorted in sorter.flush() {
            match sorted {
                Sorted::Text(bytes) => super::text(&mut all, &bytes),
                other => all.push(other),
            }
        }
        all
    }

    #[test]
    fn it_does_not_matter_where_the_stream_is_cut() {
        let input = "one\nEVCXR_BEGIN_CONTENT text/html\n<b>\nEVCXR_\n</b>\nEVCXR_END_CONTENT\n\
                     two\nEVCXR_EXECUTION_COMPLETE\nEVCX";
        let block = Sorted::Block {
            mime: "text/html".to_owned(),
            body: "<b>\nEVCXR_\n</b>".to_owned(),
        };
        let expected = [
            written("one\n"),
            block,
            written("two\n"),
            control("EVCXR_EXECUTION_COMPLETE"),
            written("EVCX"),
        ];
        for length in 1..=input.len() {
            assert_eq!(all(input, length), expected, "pieces of {length}");
        }
    }

    #[test]
    fn text_is_passed_on_before_its_line_ends() {
        let mut sorter = Sorter::default();
        assert_eq!(sorter.sort(b"50 %"), [written("50 %")]);
        assert_eq!(
            sorter.sort(b"EVCXR_ no line of evcxr's\n"),
            [written("EVCXR_ no line of evcxr's\n")]
        );
        assert_eq!(sorter.sort(b"EV"), []);
        assert_eq!(sorter.flush(), [written("EV")]);
    }

    #[test]
    fn a_panic_ends_a_block() {
        let input = "EVCXR_BEGIN_CONTENT a\nb\nEVCXR_PANIC_NOTIFICATION\nc\n";
        assert_eq!(
            all(input, 5),
            [control("EVCXR_PANIC_NOTIFICATION"), written("c\n")]
        );
    }
}
