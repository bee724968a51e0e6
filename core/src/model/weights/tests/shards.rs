//! Checkpoints in several files.

use super::*;

const INDEX: &str = "model.safetensors.index.json";

fn write_index(folder: &Path, map: &[(&str, &str)]) {
    let map: BTreeMap<_, _> = map.iter().copied().collect();
    let index = serde_json::json!({ "metadata": { "total_size": 24 }, "weight_map": map });
    fs::write(folder.join(INDEX), index.to_string()).unwrap();
}

#[test]
fn shards_are_one_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    save(
        folder.path(),
        "model-00001-of-00002.safetensors",
        &[("a", &[2])],
    );
    save(
        folder.path(),
        "model-00002-of-00002.safetensors",
        &[("b", &[3])],
    );
    write_index(
        folder.path(),
        &[
            ("a", "model-00001-of-00002.safetensors"),
            ("b", "model-00002-of-00002.safetensors"),
        ],
    );
    let mut weights = Weights::open(folder.path()).unwrap();
    let a = weights.take("a", &[2], DType::F32, &CPU).unwrap();
    let b = weights.take("b", &[3], DType::F32, &CPU).unwrap();
    assert_eq!(values(&a), [0.0, 1.0]);
    assert_eq!(values(&b), [0.0, 1.0, 2.0]);
    // A message about a tensor names the shard that holds it.
    let error = weights.take("b", &[4], DType::F32, &CPU).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("model-00002-of-00002.safetensors: ")
    );
    weights.finish(&[]).unwrap();
}

#[test]
fn a_broken_index_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "one.safetensors", &[("a", &[2])]);
    save(folder.path(), "two.safetensors", &[("a", &[2])]);
    for (map, said) in [
        (&[][..], "names no shard"),
        (
            &[("a", "gone.safetensors")],
            "`gone.safetensors`, which is missing",
        ),
        (
            &[("b", "one.safetensors")],
            "`one.safetensors` holds `b`, but it does not",
        ),
        (&[("a", "../one.safetensors")], "not a file of this folder"),
        (&[("a", "/etc/passwd")], "not a file of this folder"),
    ] {
        write_index(folder.path(), map);
        let text = opening(folder.path());
        assert!(text.contains(INDEX) && text.contains(said), "{text}");
    }
    fs::write(folder.path().join(INDEX), "{\"weight_map\": 3}").unwrap();
    assert!(opening(folder.path()).contains("not an index of weights"));
}

#[test]
fn a_tensor_in_two_shards_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    save(
        folder.path(),
        "one.safetensors",
        &[("a", &[2]), ("b", &[2])],
    );
    save(folder.path(), "two.safetensors", &[("a", &[2])]);
    let map = [("a", "two.safetensors"), ("b", "one.safetensors")];
    write_index(folder.path(), &map);
    assert!(opening(folder.path()).contains("two versions of one"));
}
