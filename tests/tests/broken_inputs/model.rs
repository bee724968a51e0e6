//! Model folders: configuration, weights and tokenizer.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::case::{Case, Damage};
use Damage::{By, Remove, Replace, Write};

const CONFIG: &str = "model/config.json";
const WEIGHTS: &str = "model/model.safetensors";
const TOKENIZER: &str = "model/tokenizer.json";

pub(crate) fn cases() -> Vec<Case> {
    [configurations(), files(), tensors(), shards(), tokenizers()].concat()
}

fn configurations() -> Vec<Case> {
    vec![
        Case::train(
            "no config.json",
            [Remove(CONFIG)],
            &["/model", "no config.json"],
        ),
        Case::train(
            "a broken config.json",
            [Replace(
                CONFIG,
                "\"hidden_size\": 32,",
                "\"hidden_size\": 32",
            )],
            &["config.json", "line 11"],
        ),
        Case::train(
            "a config.json without a width",
            [Replace(CONFIG, "\"hidden_size\": 32,", "")],
            &["config.json", "hidden_size"],
        ),
        Case::train(
            "an unsupported kind of model",
            [Replace(
                CONFIG,
                "\"model_type\": \"bert\"",
                "\"model_type\": \"llama\"",
            )],
            &["config.json", "`llama`", "bert", "t5"],
        ),
        Case::train(
            "heads that do not divide the width",
            [Replace(
                CONFIG,
                "\"num_attention_heads\": 4",
                "\"num_attention_heads\": 5",
            )],
            &["config.json", "num_attention_heads", "5"],
        ),
        Case::train(
            "more layers than there are weights for",
            [Replace(
                CONFIG,
                "\"num_hidden_layers\": 2",
                "\"num_hidden_layers\": 3",
            )],
            &["model.safetensors", "encoder.layer.2."],
        ),
        Case::train(
            "a model that is neither folder nor on the hub",
            [],
            &["/nowhere/at/all", "no such folder"],
        )
        .with(["--set", "model.path=./nowhere/at/all"]),
        Case::train(
            "a hub model while offline",
            [],
            &["nobody/nothing", "HF_HUB_OFFLINE"],
        )
        .with(["--set", "model.path=nobody/nothing"]),
        Case::train(
            "an embedded model that is not there",
            [],
            &["embedded:t5-giga", "t5-giga"],
        )
        .with(["--set", "model.path=embedded:t5-giga"]),
    ]
}

/// Weights that cannot be read at all.
fn files() -> Vec<Case> {
    let weights =
        |name, content: &[u8], says| Case::train(name, [Write(WEIGHTS, content.to_vec())], says);
    vec![
        Case::train(
            "no weights",
            [Remove(WEIGHTS)],
            &["/model", "model.safetensors"],
        ),
        weights("weights of no bytes", b"", &["model.safetensors: is empty"]),
        weights(
            "weights that Git LFS has not fetched",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            &["model.safetensors", "git lfs pull"],
        ),
        weights(
            "weights with a header that is no JSON",
            b"\x08\0\0\0\0\0\0\0not json",
            &["model.safetensors", "damaged"],
        ),
        weights(
            "weights with a header beyond the file",
            b"\xff\xff\0\0\0\0\0\0{}",
            &["model.safetensors", "damaged"],
        ),
        Case::train(
            "weights cut off",
            [By(|folder| {
                let path = folder.join(WEIGHTS);
                let bytes = fs::read(&path).unwrap();
                fs::write(path, &bytes[..bytes.len() - 100]).unwrap();
            })],
            &["model.safetensors", "cut off or damaged"],
        ),
    ]
}

/// Weights of another model.
fn tensors() -> Vec<Case> {
    const DENSE: &str = "encoder.layer.0.output.dense.weight";
    vec![
        Case::train(
            "a tensor of another shape",
            [By(|folder| {
                edit(folder, |header| header[DENSE]["shape"] = json!([64, 32]));
            })],
            &["model.safetensors", DENSE, "[32, 64]", "[64, 32]"],
        ),
        Case::train(
            "a tensor of whole numbers",
            [By(|folder| {
                edit(folder, |header| header[DENSE]["dtype"] = json!("I32"));
            })],
            &["model.safetensors", DENSE, "floating-point", "I32"],
        ),
        Case::train(
            "a tensor under another name",
            [By(|folder| {
                edit(folder, |header| {
                    rename(header, DENSE, "encoder.layer.0.output.danse.weight");
                });
            })],
            &[
                "model.safetensors",
                DENSE,
                "encoder.layer.0.output.danse.weight",
            ],
        ),
        Case::train(
            "a tensor too many",
            [By(|folder| {
                edit(folder, |header| {
                    // A tensor of no bytes at the end needs no data.
                    let end = header
                        .values()
                        .filter_map(|t| t["data_offsets"][1].as_u64())
                        .max();
                    let extra = json!({"dtype": "F32", "shape": [0], "data_offsets": [end, end]});
                    header.insert("encoder.layer.9.extra".to_owned(), extra);
                });
            })],
            &["model.safetensors", "encoder.layer.9.extra"],
        ),
    ]
}

fn shards() -> Vec<Case> {
    vec![
        Case::train(
            "a shard that is missing",
            [
                By(|folder| {
                    let index = json!({"weight_map": {"embeddings.LayerNorm.bias": "model-00001-of-00002.safetensors"}});
                    let path = folder.join("model/model.safetensors.index.json");
                    fs::write(path, index.to_string()).unwrap();
                }),
                Remove(WEIGHTS),
            ],
            &[
                "model.safetensors.index.json",
                "`model-00001-of-00002.safetensors`",
                "missing",
            ],
        ),
        Case::train(
            "an index that is no JSON",
            [
                Write("model/model.safetensors.index.json", b"{".to_vec()),
                Remove(WEIGHTS),
            ],
            &["model.safetensors.index.json"],
        ),
    ]
}

fn tokenizers() -> Vec<Case> {
    vec![
        Case::train(
            "no tokenizer",
            [Remove(TOKENIZER)],
            &["/model", "no tokenizer", "tokenizer.json"],
        ),
        Case::train(
            "a broken tokenizer",
            [Replace(TOKENIZER, "\"WordPiece\",", "\"WordPiece\"")],
            &["tokenizer.json"],
        ),
        Case::train(
            "a tokenizer of another kind",
            [Replace(TOKENIZER, "\"WordPiece\"", "\"WordPieces\"")],
            &["tokenizer.json"],
        ),
        Case::train(
            "a token beyond the embedding",
            [Replace(TOKENIZER, "\"and\": 6", "\"and\": 60")],
            &["/model", "token id 60", "49"],
        ),
    ]
}

/// Changes the header of the weights; the data stay.
fn edit(folder: &Path, change: impl FnOnce(&mut Map<String, Value>)) {
    let path = folder.join(WEIGHTS);
    let bytes = fs::read(&path).unwrap();
    let (length, rest) = bytes.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap());
    let (header, data) = rest.split_at(usize::try_from(length).unwrap());
    let mut header: Map<String, Value> = serde_json::from_slice(header).unwrap();
    change(&mut header);
    let header = Value::from(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length, header.as_bytes(), data].concat()).unwrap();
}

fn rename(header: &mut Map<String, Value>, from: &str, to: &str) {
    let tensor = header.remove(from).unwrap();
    header.insert(to.to_owned(), tensor);
}
