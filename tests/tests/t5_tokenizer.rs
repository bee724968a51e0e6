//! The genuine T5 tokenizer against `T5Tokenizer` of transformers, on real sentences.
//!
//! `COMPACTER_SHARED` names the folder with `tokenizers/t5-spiece.model` and `data/*/train.tsv`;
//! `COMPACTER_PYTHON` is an interpreter with transformers and sentencepiece.
#![cfg(feature = "live")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use compacter_core::data::{Input, Table, Tokenizer};

const REAL: usize = 10_000;
const MADE_UP: usize = 5_000;

type Failure = Box<dyn std::error::Error>;

fn variable(name: &str) -> Result<PathBuf, Failure> {
    let value = std::env::var_os(name);
    Ok(value.ok_or_else(|| format!("{name} is not set"))?.into())
}

/// Cells of all columns but the last, which is the label, from every data set in turn.
fn real_sentences(shared: &Path) -> Result<Vec<String>, Failure> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(shared.join("data"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, Failure>>()?;
    folders.sort();
    let mut cells = Vec::new();
    for folder in folders {
        let table = Table::read(&folder.join("train.tsv"))?;
        let texts = table.columns().len() - 1;
        let all = (0..table.rows()).flat_map(|row| (0..texts).map(move |column| (row, column)));
        cells.extend(all.map(|(row, column)| table.cell(row, column).to_owned()));
    }
    let stride = cells.len() / REAL;
    assert!(stride > 0, "only {} sentences", cells.len());
    Ok(cells.into_iter().step_by(stride).take(REAL).collect())
}

/// Sentences with what ordinary text lacks: marks, wide forms, controls, special tokens.
fn made_up_sentences(real: &[String]) -> Vec<String> {
    let odd = [
        "\u{301}",
        "e\u{301}",
        "\u{308}",
        "\t",
        "  ",
        "\u{3000}",
        "Ａ",
        "🙂",
        "</s>",
        "<pad>",
        "<unk>",
        "<extra_id_3>",
        "<extra_id_42>",
        " <extra_id_99> ",
        "中",
        "\u{a0}",
        "ﬁ",
        "\u{2581}",
        "\u{ad}",
        "\u{200d}",
        "\u{1c}",
        "\u{85}",
        "½",
        "™",
        "ก\u{e33}",
        "각",
        "\u{1100}\u{1161}",
        "\u{fdfa}",
        "x",
    ];
    let mut state: u64 = 1;
    let mut draw = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    let mut sentences = Vec::new();
    for _ in 0..MADE_UP {
        let mut sentence = String::new();
        for _ in 0..=draw(8) {
            match draw(3) {
                0 => sentence += odd[draw(odd.len())],
                1 => sentence.extend(u32::try_from(draw(0x1_fa00)).ok().and_then(char::from_u32)),
                _ => sentence.extend(real[draw(real.len())].split(' ').take(1 + draw(2))),
            }
        }
        sentences.push(sentence);
    }
    sentences
}

fn ids_of_transformers(model: &Path, sentences: &[String]) -> Result<Vec<Vec<u32>>, Failure> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/t5_ids.py");
    let mut python = Command::new(variable("COMPACTER_PYTHON")?)
        .arg(script)
        .arg(model)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = python.stdin.take().ok_or("no pipe to Python")?;
    let lines: Result<Vec<String>, _> = sentences.iter().map(serde_json::to_string).collect();
    let text = lines?.join("\n") + "\n";
    // Python answers while it reads, so both ends must move at once.
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = python.wait_with_output()?;
    writer.join().map_err(|_| "the writer panicked")??;
    assert!(output.status.success(), "Python failed: {}", output.status);
    let lines = std::str::from_utf8(&output.stdout)?.lines();
    lines.map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn ids_equal_those_of_the_slow_t5_tokenizer() -> Result<(), Failure> {
    let shared = variable("COMPACTER_SHARED")?;
    let model = shared.join("tokenizers/t5-spiece.model");
    let folder = tempfile::tempdir()?;
    std::fs::copy(&model, folder.path().join("spiece.model"))?;
    let tokenizer = Tokenizer::load(folder.path())?;
    assert_eq!(tokenizer.vocab_size(), 32_100);

    let mut sentences = real_sentences(&shared)?;
    assert_eq!(sentences.len(), REAL);
    let made_up = made_up_sentences(&sentences);
    sentences.extend(made_up);
    let expected = ids_of_transformers(&model, &sentences)?;
    assert_eq!(expected.len(), sentences.len());

    let inputs: Vec<Input> = sentences
        .iter()
        .map(|text| Input {
            text: text.clone(),
            pair: None,
        })
        .collect();
    let ours = tokenizer.encode_all(&inputs, usize::MAX, &|| false)?;
    for ((sentence, ours), expected) in sentences.iter().zip(&ours).zip(&expected) {
        assert_eq!(ours.ids, *expected, "{sentence:?}");
    }
    Ok(())
}
