//! `pytorch_model.bin`, as `PyTorch` wrote it (`tests/python/make_pickle_fixture.py`).

use super::*;

const FIXTURE: &[u8] = include_bytes!("../../../../../tests/fixtures/pickle/pytorch_model.bin");

fn opened(bytes: &[u8]) -> (tempfile::TempDir, Result<Weights>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
    let weights = Weights::open(folder.path());
    (folder, weights)
}

#[test]
fn every_layout_and_number_format_of_pytorch_is_read() {
    let (_folder, weights) = opened(FIXTURE);
    let mut weights = weights.unwrap();
    for (name, shape) in [
        ("embeddings.LayerNorm.weight", &[3][..]),
        ("embeddings.LayerNorm.bias", &[4]),
        ("embeddings.word_embeddings.weight", &[2, 2]),
        ("encoder.layer.0.output.dense.weight", &[2, 3]),
        ("half.weight", &[2, 3]),
        ("brain.weight", &[2, 3]),
        ("double.weight", &[2, 3]),
    ] {
        let tensor = weights.take(name, shape, DType::F32, &CPU).unwrap();
        let counted: Vec<f64> = (0..tensor.elem_count()).map(|v| v as f64).collect();
        assert_eq!(values(&tensor), counted, "{name}");
        assert_eq!(tensor.dtype(), DType::F32);
    }
    weights.finish(&[]).unwrap();
}

#[test]
fn a_tensor_of_another_kind_or_shape_is_refused() {
    let (_folder, weights) = opened(FIXTURE);
    let mut weights = weights.unwrap();
    for (name, shape, said) in [
        (
            "embeddings.position_ids",
            &[1, 4][..],
            "expected floating-point numbers, found i64",
        ),
        (
            "half.weight",
            &[3, 2],
            "expected shape [3, 2], found [2, 3]",
        ),
    ] {
        let error = weights.take(name, shape, DType::F32, &CPU).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("pytorch_model.bin: ") && text.contains(said),
            "{text}"
        );
    }
}

#[test]
fn a_broken_pickle_is_refused() {
    // An empty zip archive: its end record alone, after the start of an entry.
    let no_tensors = [&b"PK\x03\x04"[..], b"PK\x05\x06", &[0; 18]].concat();
    for (bytes, said) in [
        (&FIXTURE[..FIXTURE.len() / 2], "cut off or damaged"),
        (&FIXTURE[..3], "not a zipped PyTorch file"),
        // What `torch.save` wrote before version 1.6.
        (
            b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
            "before 1.6",
        ),
        (&no_tensors, "pytorch_model.bin: "),
    ] {
        let (_folder, weights) = opened(bytes);
        let text = weights.unwrap_err().to_string();
        assert!(text.contains(said), "{text} lacks {said}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn pickled_shards_are_one_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let shard = "pytorch_model-00001-of-00001.bin";
    fs::write(folder.path().join(shard), FIXTURE).unwrap();
    let index = serde_json::json!({ "weight_map": { "bert.half.weight": shard } });
    let path = folder.path().join("pytorch_model.bin.index.json");
    fs::write(path, index.to_string()).unwrap();
    let mut weights = Weights::open(folder.path()).unwrap();
    assert!(
        weights
            .take("half.weight", &[2, 3], DType::F32, &CPU)
            .is_ok()
    );
}
