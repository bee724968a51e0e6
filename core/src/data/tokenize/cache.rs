//! Inputs that were tokenised before, in files named by all that they were made from.
//!
//! ```text
//! <cache>/compacter/tokens/<SHA-256 of tokenizer, longest input and texts>.safetensors
//!   ids     u32 [tokens]       of all inputs, one after another
//!   types   u32 [tokens]       their segments
//!   lengths u32 [inputs]       how many are each one's
//! ```
//!
//! What is in a file is a function of its name, so nothing ever has to be compared or brought
//! up to date. Files that were not used for longest go when there is too much of them. A cache
//! that cannot be read or written costs time and nothing else: that is logged.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

use super::Input;
use crate::data::Tokens;
use crate::{Error, Result, atomic};

/// Fewer inputs than these are tokenised sooner than a file is written.
const FEWEST: usize = 2048;
/// Most bytes that all files may take up together.
const ROOM: u64 = 1 << 30;
/// Part of every name: another one when tokenizers here come to give other tokens.
const EDITION: &str = "tokens 1";

/// A folder of tokenised inputs.
#[derive(Debug, Clone)]
pub struct TokenCache {
    folder: PathBuf,
    fewest: usize,
    room: u64,
}

impl TokenCache {
    /// The user's own: `compacter/tokens` in `$XDG_CACHE_HOME` or `~/.cache`. None where
    /// neither is known.
    #[must_use]
    pub fn of_user(variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let path = |name| {
            variable(name)
                .map(PathBuf::from)
                .filter(|p| p.is_absolute())
        };
        let cache = path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache")));
        cache.map(|cache| Self::in_folder(cache.join("compacter").join("tokens")))
    }

    /// The files of a folder, which is made when the first one is written.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder,
            fewest: FEWEST,
            room: ROOM,
        }
    }

    /// The tokens of inputs cut to `max_length`: those kept from before, or what `encode`
    /// makes of them, which is kept. `tokenizer` stands for all that it decides.
    ///
    /// # Errors
    /// Those of `encode`.
    pub(super) fn get_or_encode(
        &self,
        tokenizer: &Fingerprint,
        (inputs, max_length): (&[Input], usize),
        encode: impl FnOnce() -> Result<Vec<Tokens>>,
    ) -> Result<Vec<Tokens>> {
        if inputs.len() < self.fewest {
            return encode();
        }
        let name = format!("{}.safetensors", key(tokenizer, inputs, max_length));
        let path = self.folder.join(name);
        match read(&path, inputs.len()) {
            Ok(Some(tokens)) => return Ok(tokens),
            Ok(None) => (),
            Err(error) => tracing::warn!("tokenised anew: {error}"),
        }
        let tokens = encode()?;
        match self.write(&path, &tokens) {
            Err(error) => tracing::warn!("tokens are not kept for the next time: {error}"),
            Ok(()) => {
                if let Err(error) = self.make_room(&path) {
                    tracing::warn!("tokens kept from before could not be tidied: {error}");
                }
            }
        }
        Ok(tokens)
    }

    fn write(&self, path: &Path, tokens: &[Tokens]) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(Error::io(&self.folder, "create"))?;
        atomic::write(path, &to_bytes(path, tokens)?)
    }

    /// Removes what was used longest ago until the rest fits; never what was just written, nor
    /// what is no file of this cache.
    fn make_room(&self, written: &Path) -> Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(Error::io(&self.folder, "list"))? {
            let entry = entry.map_err(Error::io(&self.folder, "list"))?;
            // Another process may have removed it since.
            let Ok(about) = entry.metadata() else {
                continue;
            };
            if about.is_file() && is_ours(&entry.path()) {
                let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push((used, about.len(), entry.path()));
            }
        }
        files.sort_unstable();
        let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in files {
            if total <= self.room {
                break;
            }
            if path == written {
                continue;
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(&path, "remove")(error));
                }
                _ => total -= length,
            }
        }
        Ok(())
    }
}

/// Whether a file's name is one that is given here.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.strip_suffix(".safetensors"))
        .is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What stands for a tokenizer: a hash of the files that it was made from.
#[derive(Debug, Clone)]
pub(super) struct Fingerprint(Sha256);

impl Fingerprint {
    /// Of a kind of tokenizer and the bytes that describe it.
    pub(super) fn new(kind: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        text(&mut hash, EDITION.as_bytes());
        text(&mut hash, kind.as_bytes());
        for part in parts {
            text(&mut hash, part);
        }
        Self(hash)
    }
}

/// Adds a text so that where it ends is part of the hash.
fn text(hash: &mut Sha256, text: &[u8]) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

fn key(tokenizer: &Fingerprint, inputs: &[Input], max_length: usize) -> String {
    let mut hash = tokenizer.0.clone();
    hash.update((max_length as u64).to_le_bytes());
    for input in inputs {
        text(&mut hash, input.text.as_bytes());
        hash.update([u8::from(input.pair.is_some())]);
        text(
            &mut hash,
            input.pair.as_deref().unwrap_or_default().as_bytes(),
        );
    }
    let digit = |value: u8| char::from_digit(value.into(), 16);
    let bytes = hash.finalize();
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(digit).collect()
}

/// The tokens in a file, which is marked as used; `None` where there is none.
fn read(path: &Path, inputs: usize) -> Result<Option<Vec<Tokens>>> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(path, "read")(error)),
    };
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes).map_err(Error::io(path, "read"))?;
    let tokens = of_bytes(&bytes, inputs)
        .ok_or_else(|| Error::data(path, None, "holds no tokens of these inputs"))?;
    // Best effort: a file of somebody else's is read all the same.
    let _unmarked = file.set_modified(SystemTime::now());
    Ok(Some(tokens))
}

fn to_bytes(path: &Path, tokens: &[Tokens]) -> Result<Vec<u8>> {
    let flat = |of: fn(&Tokens) -> &[u32]| -> Vec<u8> {
        let all = tokens.iter().flat_map(&of);
        all.flat_map(|id| id.to_le_bytes()).collect()
    };
    let (ids, types) = (flat(|t| &t.ids), flat(|t| &t.types));
    let lengths: Result<Vec<u32>, _> = tokens.iter().map(|t| t.ids.len().try_into()).collect();
    let lengths = lengths.map_err(|_| Error::data(path, None, "an input is too long to keep"))?;
    let lengths: Vec<u8> = lengths.into_iter().flat_map(u32::to_le_bytes).collect();
    let failed = |error: safetensors::SafeTensorError| Error::data(path, None, error.to_string());
    let tensor = |bytes| TensorView::new(Dtype::U32, vec![<[u8]>::len(bytes) / 4], bytes);
    let tensors = [
        ("ids", tensor(&ids).map_err(failed)?),
        ("types", tensor(&types).map_err(failed)?),
        ("lengths", tensor(&lengths).map_err(failed)?),
    ];
    safetensors::serialize(tensors, None).map_err(failed)
}

/// The tokens in the bytes of a file; `None` where they are not those of so many inputs.
fn of_bytes(bytes: &[u8], inputs: usize) -> Option<Vec<Tokens>> {
    let file = SafeTensors::deserialize(bytes).ok()?;
    let numbers = |name| -> Option<Vec<u32>> {
        let tensor = file.tensor(name).ok()?;
        let (words, rest) = tensor.data().as_chunks();
        let fits = tensor.dtype() == Dtype::U32 && rest.is_empty();
        fits.then(|| words.iter().map(|&word| u32::from_le_bytes(word)).collect())
    };
    let (ids, types, lengths) = (numbers("ids")?, numbers("types")?, numbers("lengths")?);
    if lengths.len() != inputs || types.len() != ids.len() {
        return None;
    }
    let mut start = 0;
    let tokens: Option<Vec<Tokens>> = lengths
        .iter()
        .map(|&length| {
            let range = start..start + length as usize;
            start = range.end;
            Some(Tokens {
                ids: ids.get(range.clone())?.to_vec(),
                types: types.get(range)?.to_vec(),
            })
        })
        .collect();
    tokens.filter(|_| start == ids.len())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::cell::Cell;

    use super::*;

    fn inputs(count: usize) -> Vec<Input> {
        let input = |at: usize| Input {
            text: format!("text {at}"),
            pair: (at % 2 == 1).then(|| "pair".to_owned()),
        };
        (0..count).map(input).collect()
    }

    /// A tokenizer of a kind, which counts how often it was asked.
    struct Counting {
        cache: TokenCache,
        asked: Cell<usize>,
    }

    impl Counting {
        fn new(folder: &Path) -> Self {
            let cache = TokenCache {
                fewest: 1,
                ..TokenCache::in_folder(folder.join("tokens"))
            };
            let asked = Cell::new(0);
            Self { cache, asked }
        }

        fn encode(&self, tokenizer: &str, inputs: &[Input], max_length: usize) -> Vec<Tokens> {
            let fingerprint = Fingerprint::new("test", &[tokenizer.as_bytes()]);
            let one = |input: &Input| Tokens {
                ids: input.text.bytes().map(u32::from).collect(),
                types: vec![u32::from(input.pair.is_some()); input.text.len()],
            };
            let encode = || {
                self.asked.set(self.asked.get() + 1);
                Ok(inputs.iter().map(one).collect())
            };
            let work = (inputs, max_length);
            self.cache
                .get_or_encode(&fingerprint, work, encode)
                .unwrap()
        }

        fn files(&self) -> Vec<PathBuf> {
            let entries = fs::read_dir(&self.cache.folder).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        }
    }

    #[test]
    fn what_was_tokenised_is_found_again_and_nothing_else_is_taken_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = Counting::new(folder.path());
        let texts = inputs(5);
        let first = tokenizer.encode("a", &texts, 8);
        assert_eq!(tokenizer.encode("a", &texts, 8), first);
        assert_eq!(tokenizer.asked.get(), 1);

        tokenizer.encode("b", &texts, 8);
        tokenizer.encode("a", &texts, 9);
        tokenizer.encode("a", &texts[..4], 8);
        let mut moved = texts.clone();
        moved[0].text = "text 0text 1".to_owned();
        moved[1].text = String::new();
        tokenizer.encode("a", &moved, 8);
        let mut unpaired = texts;
        unpaired[1].pair = None;
        tokenizer.encode("a", &unpaired, 8);
        assert_eq!(tokenizer.asked.get(), 6);
        assert_eq!(tokenizer.files().len(), 6);
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = Counting::new(folder.path());
        let texts = inputs(3);
        let whole = tokenizer.encode("a", &texts, 8);
        let [path] = &tokenizer.files()[..] else {
            panic!("one file")
        };
        let bytes = fs::read(path).unwrap();
        for damaged in [&bytes[..bytes.len() - 4], &[], b"{}"] {
            fs::write(path, damaged).unwrap();
            assert_eq!(tokenizer.encode("a", &texts, 8), whole);
            assert_eq!(fs::read(path).unwrap(), bytes);
        }
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut tokenizer = Counting::new(folder.path());
        for (age, name) in [(300, "a"), (200, "b"), (100, "c")] {
            let known = tokenizer.files_or_none();
            tokenizer.encode(name, &inputs(3), 8);
            let new = tokenizer.files().into_iter().find(|f| !known.contains(f));
            let then = SystemTime::now() - std::time::Duration::from_secs(age);
            let file = fs::File::options().write(true).open(new.unwrap()).unwrap();
            file.set_modified(then).unwrap();
        }
        tokenizer.encode("a", &inputs(3), 8); // used again: `b` is the oldest now
        let size = fs::metadata(&tokenizer.files()[0]).unwrap().len();
        let foreign = tokenizer.cache.folder.join("notes.safetensors");
        fs::write(&foreign, vec![0; 4096]).unwrap();
        tokenizer.cache.room = 3 * size;
        tokenizer.encode("d", &inputs(3), 8);
        assert_eq!(tokenizer.files().len(), 4);
        assert!(foreign.exists(), "what is somebody else's stays");
        tokenizer.encode("a", &inputs(3), 8);
        assert_eq!(tokenizer.asked.get(), 4, "`a` is still there");
        tokenizer.encode("b", &inputs(3), 8);
        assert_eq!(tokenizer.asked.get(), 5, "`b` is not");
    }

    impl Counting {
        fn files_or_none(&self) -> Vec<PathBuf> {
            if self.cache.folder.exists() {
                self.files()
            } else {
                Vec::new()
            }
        }
    }

    #[test]
    fn few_inputs_leave_no_file_and_a_folder_that_cannot_be_made_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut tokenizer = Counting::new(folder.path());
        tokenizer.cache.fewest = 4;
        tokenizer.encode("a", &inputs(3), 8);
        assert!(!tokenizer.cache.folder.exists());
        fs::write(folder.path().join("tokens"), "a file in its place").unwrap();
        assert_eq!(tokenizer.encode("a", &inputs(4), 8).len(), 4);
    }

    #[test]
    fn the_folder_is_where_the_user_keeps_caches() {
        let of = |cache: Option<&str>, home: Option<&str>| {
            let found = TokenCache::of_user(|name| match name {
                "XDG_CACHE_HOME" => cache.map(OsString::from),
                _ => home.map(OsString::from),
            });
            found.map(|cache| cache.folder)
        };
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(of(Some("/c"), Some("/h")), path("/c/compacter/tokens"));
        assert_eq!(of(Some(""), Some("/h")), path("/h/.cache/compacter/tokens"));
        assert_eq!(of(None, None), None);
    }
}
