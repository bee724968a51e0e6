//! Checkpoints as they are found, whole and broken.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use super::*;

const CPU: Device = Device::Cpu;

/// A tensor of the shape given that counts 0, 1, 2 ….
fn counting(shape: &[usize]) -> Tensor {
    let elements: usize = shape.iter().product();
    let values: Vec<f32> = (0..elements).map(|v| v as f32).collect();
    Tensor::from_vec(values, shape, &CPU).unwrap()
}

fn tensors(list: &[(&str, &[usize])]) -> HashMap<String, Tensor> {
    list.iter()
        .map(|(name, shape)| ((*name).to_owned(), counting(shape)))
        .collect()
}

fn save(folder: &Path, file: &str, list: &[(&str, &[usize])]) {
    candle_core::safetensors::save(&tensors(list), folder.join(file)).unwrap();
}

fn opening(folder: &Path) -> String {
    Weights::open(folder).unwrap_err().to_string()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.flatten_all().unwrap();
    flat.to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

#[test]
fn a_tensor_is_found_under_every_spelling_and_converted() {
    let folder = tempfile::tempdir().unwrap();
    save(
        folder.path(),
        "model.safetensors",
        &[
            ("bert.embeddings.LayerNorm.gamma", &[3]),
            ("bert.embeddings.LayerNorm.beta", &[3]),
            ("bert.encoder.layer.0.output.dense.weight", &[2, 3]),
        ],
    );
    let mut weights = Weights::open(folder.path()).unwrap();
    assert!(weights.contains("embeddings.LayerNorm.weight"));
    let dense = "encoder.layer.0.output.dense.weight";
    let tensor = weights.take(dense, &[2, 3], DType::BF16, &CPU).unwrap();
    assert_eq!((tensor.dtype(), tensor.dims()), (DType::BF16, &[2, 3][..]));
    assert_eq!(values(&tensor), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    for name in [
        "embeddings.LayerNorm.weight",
        "bert.embeddings.LayerNorm.bias",
    ] {
        let tensor = weights.take(name, &[3], DType::F64, &CPU).unwrap();
        assert_eq!(values(&tensor), [0.0, 1.0, 2.0]);
    }
    weights.finish(&[]).unwrap();
}

#[test]
fn half_precision_files_are_read_and_integers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let half = counting(&[4]).to_dtype(DType::F16).unwrap();
    let whole = counting(&[4]).to_dtype(DType::I64).unwrap();
    let map = HashMap::from([("half".to_owned(), half), ("whole".to_owned(), whole)]);
    candle_core::safetensors::save(&map, folder.path().join("model.safetensors")).unwrap();
    for mut weights in [
        Weights::open(folder.path()).unwrap(),
        Weights::from_map(map).unwrap(),
    ] {
        let half = weights.take("half", &[4], DType::F32, &CPU).unwrap();
        assert_eq!(values(&half), [0.0, 1.0, 2.0, 3.0]);
        let error = weights.take("whole", &[4], DType::F32, &CPU).unwrap_err();
        let text = error.to_string().to_lowercase();
        assert!(
            text.contains("`whole`: expected floating-point numbers, found i64"),
            "{text}"
        );
    }
}

#[test]
fn a_missing_tensor_is_answered_with_the_nearest_names() {
    let mut weights = Weights::from_map(tensors(&[
        ("bert.encoder.layer.0.attention.self.query.weight", &[1]),
        ("bert.encoder.layer.0.attention.self.query.bias", &[1]),
        ("bert.pooler.dense.bias", &[1]),
    ]))
    .unwrap();
    let wrong = "encoder.layer.0.attention.self.querry.weight";
    let text = weights
        .take(wrong, &[1], DType::F32, &CPU)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains(
            "no tensor `encoder.layer.0.attention.self.querry.weight`; the nearest are \
             `bert.encoder.layer.0.attention.self.query.weight`"
        ),
        "{text}"
    );
    let text = weights
        .take("zzz", &[1], DType::F32, &CPU)
        .unwrap_err()
        .to_string();
    assert!(text.contains("nor one like it among 3"), "{text}");
    let none = weights.take_optional("zzz", &[1], DType::F32, &CPU);
    assert!(none.unwrap().is_none());
}

#[test]
fn a_wrong_shape_names_file_tensor_and_both_shapes() {
    let folder = tempfile::tempdir().unwrap();
    save(
        folder.path(),
        "model.safetensors",
        &[("shared.weight", &[2, 3])],
    );
    let mut weights = Weights::open(folder.path()).unwrap();
    let text = weights
        .take("shared.weight", &[3, 2], DType::F32, &CPU)
        .unwrap_err()
        .to_string();
    for part in [
        "model.safetensors: ",
        "`shared.weight`",
        "expected shape [3, 2], found [2, 3]",
    ] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
}

#[test]
fn what_no_backbone_needs_is_ignored_and_the_rest_is_an_error() {
    let held: &[(&str, &[usize])] = &[
        ("shared.weight", &[1]),
        ("encoder.embed_tokens.weight", &[1]),
        ("embeddings.position_ids", &[1]),
        ("cls.predictions.bias", &[1]),
        ("lm_head.weight", &[1]),
        ("encoder.block.0.layer.1.DenseReluDense.wi_0.weight", &[1]),
    ];
    let load = || {
        let mut weights = Weights::from_map(tensors(held)).unwrap();
        for name in [
            "shared.weight",
            "encoder.block.0.layer.1.DenseReluDense.wi.weight",
        ] {
            weights.take_optional(name, &[1], DType::F32, &CPU).unwrap();
        }
        weights
    };
    let text = load().finish(&["lm_head."]).unwrap_err().to_string();
    assert!(
        text.contains(
            "holds tensors that have no place in the model that config.json describes: \
             `encoder.block.0.layer.1.DenseReluDense.wi_0.weight` \
             (nearest: `encoder.block.0.layer.1.DenseReluDense.wi.weight`)"
        ),
        "{text}"
    );
    load().finish(&["lm_head.", "encoder.block."]).unwrap();
    // Without its dot a pattern is a whole name.
    let text = load().finish(&["lm_head", "encoder.block."]).unwrap_err();
    assert!(text.to_string().contains("`lm_head.weight`"), "{text}");
}

#[test]
fn many_left_over_tensors_are_counted() {
    let names: Vec<String> = (0..8).map(|i| format!("block.{i}")).collect();
    let list: Vec<(&str, &[usize])> = names.iter().map(|n| (&**n, &[1][..])).collect();
    let weights = Weights::from_map(tensors(&list)).unwrap();
    let text = weights.finish(&[]).unwrap_err().to_string();
    assert!(text.ends_with("`block.4` and 3 more"), "{text}");
}

#[test]
fn two_spellings_of_one_tensor_are_refused() {
    let both = tensors(&[("bert.x.gamma", &[1]), ("x.weight", &[1])]);
    let text = Weights::from_map(both).unwrap_err().to_string();
    assert!(text.contains("two versions of one"), "{text}");
}

#[test]
fn a_folder_without_weights_says_what_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let text = opening(folder.path());
    assert!(
        text.contains("holds no weights; looked for `model.safetensors`"),
        "{text}"
    );
    fs::write(folder.path().join("tf_model.h5"), "x").unwrap();
    let text = opening(folder.path());
    assert!(
        text.contains("`tf_model.h5` is of another library"),
        "{text}"
    );
    assert!(opening(&folder.path().join("none")).contains("no such folder"));
    assert!(opening(&folder.path().join("tf_model.h5")).contains("is a file"));
}

#[test]
fn every_kind_of_broken_file_has_its_own_message() {
    let folder = tempfile::tempdir().unwrap();
    let whole_path = folder.path().join("whole");
    save(folder.path(), "whole", &[("x", &[64])]);
    let whole = fs::read(&whole_path).unwrap();
    let mut huge_header = whole.clone();
    huge_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut bad_json = whole.clone();
    bad_json[8] = b'x';
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec();
    for (content, said) in [
        (vec![], "is empty"),
        (whole[..4].to_vec(), "cut off or damaged"),
        (whole[..20].to_vec(), "cut off or damaged"),
        (whole[..whole.len() - 1].to_vec(), "cut off or damaged"),
        ([&whole[..], b"x"].concat(), "cut off or damaged"),
        (huge_header, "cut off or damaged"),
        (bad_json, "cut off or damaged"),
        (pointer, "Git LFS pointer"),
    ] {
        fs::write(folder.path().join("model.safetensors"), &content).unwrap();
        let text = opening(folder.path());
        assert!(text.contains("model.safetensors: "), "{text}");
        assert!(text.contains(said), "{text} lacks {said}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    fs::create_dir(folder.path().join("model.safetensors")).unwrap();
    assert!(opening(folder.path()).contains("is a folder, not a file"));
}

mod pickle;
mod shards;
