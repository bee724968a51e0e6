#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;

use super::*;

/// What transformers gave for an input.
#[derive(Deserialize)]
struct Case {
    text: String,
    pair: Option<String>,
    max_length: Option<usize>,
    ids: Vec<u32>,
    types: Option<Vec<u32>>,
    decoded: String,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/tokenizers")
        .join(name)
}

fn cases(name: &str) -> Vec<Case> {
    let text = std::fs::read(folder(name).join("cases.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn assert_equals_transformers(name: &str, at_least: usize) {
    let tokenizer = Tokenizer::load(&folder(name)).unwrap();
    let cases = cases(name);
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    for case in cases {
        let max_length = case.max_length.unwrap_or(usize::MAX);
        let tokens = tokenizer.encode(&case.text, case.pair.as_deref(), max_length);
        let tokens = tokens.unwrap();
        let what = format!("{name}: {:?} {:?} {max_length}", case.text, case.pair);
        assert_eq!(tokens.ids, case.ids, "{what}");
        let types = case.types.unwrap_or(vec![0; case.ids.len()]);
        assert_eq!(tokens.types, types, "{what}");
        assert_eq!(tokenizer.decode(&case.ids).unwrap(), case.decoded, "{what}");
    }
}

#[test]
fn sentencepiece_ids_equal_those_of_the_slow_t5_tokenizer() {
    assert_equals_transformers("t5-tiny", 240);
}

#[test]
fn sentencepiece_with_bytes_and_kept_spaces_equals_the_slow_t5_tokenizer() {
    assert_equals_transformers("t5-bytes", 110);
}

#[test]
fn a_t5_tokenizer_json_gives_the_ids_of_the_fast_tokenizer() {
    assert_equals_transformers("t5-json", 15);
}

#[test]
fn a_vocabulary_gives_the_ids_of_the_fast_bert_tokenizer() {
    assert_equals_transformers("bert-uncased", 70);
    assert_equals_transformers("bert-cased", 70);
}

#[test]
fn padding_and_truncation_stored_in_a_tokenizer_json_are_off() {
    assert_equals_transformers("bert-json", 8);
    let tokenizer = Tokenizer::load(&folder("bert-json")).unwrap();
    assert!(tokenizer.encode("The baker", None, 512).unwrap().ids.len() < 128);
    let long = "The baker. ".repeat(100);
    assert!(tokenizer.encode(&long, None, 512).unwrap().ids.len() > 128);
}

#[test]
fn special_ids_and_sizes_are_those_of_the_model() {
    let of = |name| {
        let tokenizer = Tokenizer::load(&folder(name)).unwrap();
        (
            tokenizer.pad_id(),
            tokenizer.eos_id(),
            tokenizer.vocab_size(),
        )
    };
    let t5 = Tokenizer::load(&folder("t5-tiny")).unwrap();
    let last = t5.encode("<extra_id_0>", None, 9).unwrap().ids[0];
    assert_eq!(of("t5-tiny"), (Some(0), Some(1), last as usize + 1));
    let vocabulary = std::fs::read_to_string(folder("bert-cased").join("vocab.txt")).unwrap();
    let id = |token| vocabulary.lines().position(|line| line == token);
    let id = |token| id(token).and_then(|id| u32::try_from(id).ok());
    let size = vocabulary.lines().count();
    assert_eq!(of("bert-cased"), (id("[PAD]"), id("[SEP]"), size));
    assert_eq!(of("bert-json"), (id("[PAD]"), id("[SEP]"), size));
    assert_eq!(of("t5-json").1, Some(1));
}

#[test]
fn targets_end_with_the_end_marker_also_when_cut() {
    for name in ["t5-tiny", "t5-json"] {
        let tokenizer = Tokenizer::load(&folder(name)).unwrap();
        let whole = tokenizer
            .encode_target("The baker sells bread", 100)
            .unwrap();
        let cut = tokenizer.encode_target("The baker sells bread", 4).unwrap();
        assert_eq!(cut.len(), 4, "{name}");
        assert_eq!(cut[..3], whole[..3], "{name}");
        assert_eq!((cut[3], whole.last()), (1, Some(&1)), "{name}");
    }
}

#[test]
fn ids_beyond_the_vocabulary_decode_to_nothing() {
    for name in ["t5-tiny", "t5-json", "bert-cased"] {
        let tokenizer = Tokenizer::load(&folder(name)).unwrap();
        let mut ids = tokenizer.encode("bread", None, 20).unwrap().ids;
        ids.push(u32::MAX);
        assert_eq!(tokenizer.decode(&ids).unwrap(), "bread", "{name}");
    }
}

#[test]
fn a_length_without_room_for_text_is_refused() {
    for name in ["t5-tiny", "bert-cased"] {
        let tokenizer = Tokenizer::load(&folder(name)).unwrap();
        let message = tokenizer.encode("a", Some("b"), 2).unwrap_err().to_string();
        assert!(
            message.contains("maximal length of 2 leaves no room"),
            "{message}"
        );
    }
}

fn inputs(count: usize) -> Vec<Input> {
    let input = |at| Input {
        text: format!("the baker {at}"),
        pair: (at % 3 == 0).then(|| "bread".to_owned()),
    };
    (0..count).map(input).collect()
}

#[test]
fn many_inputs_come_back_in_order_for_any_number_of_threads() {
    let tokenizer = Tokenizer::load(&folder("t5-tiny")).unwrap();
    let inputs = inputs(500);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let encode = || tokenizer.encode_all(&inputs, 32, &|| false);
        let all = pool.build().unwrap().install(encode).unwrap();
        for (input, tokens) in inputs.iter().zip(&all) {
            let one = tokenizer
                .encode(&input.text, input.pair.as_deref(), 32)
                .unwrap();
            assert_eq!(one, *tokens);
        }
        assert_eq!(all.len(), inputs.len());
    }
}

#[test]
fn cancelling_stops_the_work_soon() {
    let tokenizer = Tokenizer::load(&folder("t5-tiny")).unwrap();
    let asked = AtomicUsize::new(0);
    let cancelled = || asked.fetch_add(1, Ordering::Relaxed) >= 10;
    let result = tokenizer.encode_all(&inputs(500), 32, &cancelled);
    assert!(matches!(result, Err(Error::Cancelled)));
    assert!(asked.load(Ordering::Relaxed) >= 10);
}

/// Names and contents.
type Files<'a> = &'a [(&'a str, &'a [u8])];

/// Writes files into a folder and loads the tokenizer there.
fn load(files: Files<'_>) -> Result<Tokenizer> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    Tokenizer::load(folder.path())
}

#[test]
fn broken_tokenizers_are_refused_with_file_and_reason() {
    let model = std::fs::read(folder("t5-tiny").join("spiece.model")).unwrap();
    let spiece = ("spiece.model", &model[..]);
    let config = "tokenizer_config.json";
    let not_legacy = br#"{"legacy": false}"#;
    let added = br#"{"added_tokens_decoder": {"999": {"content": "<new>"}}}"#;
    let strange = br#"{"eos_token": "<end>"}"#;
    let no_sentinels = br#"{"extra_ids": "many"}"#;
    let cases: [(Files<'_>, &str); 12] = [
        (
            &[],
            "holds no tokenizer: looked for tokenizer.json, vocab.txt and spiece.model",
        ),
        (
            &[("tokenizer.json", b"{}")],
            "tokenizer.json: not a tokenizer",
        ),
        (
            &[("vocab.txt", b"a\nb\n")],
            "vocab.txt: lacks the special token `[SEP]`",
        ),
        (&[("vocab.txt", b"")], "lacks the special token"),
        (&[("vocab.txt", b"\xff\xfe")], "vocab.txt: "),
        (&[("spiece.model", b"")], "holds no pieces"),
        (
            &[("spiece.model", b"hello world")],
            "spiece.model: is cut short",
        ),
        (
            &[("spiece.model", &model[..model.len() / 2])],
            "is cut short",
        ),
        (&[spiece, (config, not_legacy)], "`legacy: false`"),
        (&[spiece, (config, added)], "adds the token `<new>` (999)"),
        (
            &[spiece, (config, strange)],
            "lacks the special token `<end>`",
        ),
        (
            &[spiece, (config, no_sentinels)],
            "tokenizer_config.json: invalid type",
        ),
    ];
    for (files, expected) in cases {
        let message = load(files).unwrap_err().to_string();
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn a_model_damaged_anywhere_never_panics() {
    let model = std::fs::read(folder("t5-tiny").join("spiece.model")).unwrap();
    let mut loaded = 0;
    for at in (0..model.len()).step_by(37) {
        let mut damaged = model.clone();
        damaged[at] ^= 0x55;
        if let Ok(tokenizer) = load(&[("spiece.model", &damaged)]) {
            let tokens = tokenizer
                .encode("The bäcker ｓｅｌｌｓ bread [SEP] 🙂", None, 99)
                .unwrap();
            tokenizer.decode(&tokens.ids).unwrap();
            loaded += 1;
        }
    }
    assert!(loaded > 10, "{loaded}");
}
