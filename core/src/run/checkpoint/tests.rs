//! Tests of one checkpoint, and checkpoints for the tests of its neighbours.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::run::{Anchor, Best};

/// A checkpoint of a step, with values that differ from step to step.
pub(crate) fn example(step: u64, best: Option<u64>) -> Checkpoint {
    let mut state = State::new("name = \"demo\"\n");
    state.step = step;
    state.epoch = 3;
    state.anchor = Some(Anchor {
        step: 7,
        rate: 1e-3 / 3.0,
        warming_up: false,
    });
    state.best = best.map(|step| Best {
        metric: "accuracy".to_owned(),
        value: 0.794,
        metrics: BTreeMap::from([
            ("loss".to_owned(), 0.1 + 0.2),
            ("f1".to_owned(), f64::INFINITY),
        ]),
        step,
    });
    let value = step as f64;
    let tensor = |dtype, shape: &[usize]| {
        let filled = Tensor::full(value / 3.0, shape, &Device::Cpu).unwrap();
        filled.to_dtype(dtype).unwrap()
    };
    Checkpoint {
        state,
        // Not in the order of their names, on purpose.
        trained: vec![
            ("z.slow".to_owned(), tensor(DType::F32, &[2, 2, 2])),
            ("a.bias".to_owned(), tensor(DType::F64, &[3])),
            ("empty".to_owned(), tensor(DType::F32, &[0])),
        ],
        optimizer: vec![("first_moment".to_owned(), tensor(DType::F32, &[11]))],
    }
}

fn assert_same(left: &Named, right: &Named) {
    assert_eq!(left.len(), right.len());
    for ((name, x), (other, y)) in left.iter().zip(right) {
        assert_eq!((name, x.dims(), x.dtype()), (other, y.dims(), y.dtype()));
        let bits = |t: &Tensor| -> Vec<u64> {
            let flat = t.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
            flat.to_vec1::<f64>()
                .unwrap()
                .into_iter()
                .map(f64::to_bits)
                .collect()
        };
        assert_eq!(bits(x), bits(y), "{name}");
    }
}

fn saved(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("step-000200");
    example(200, Some(100)).write(&path).unwrap();
    path
}

#[test]
fn a_checkpoint_comes_back_to_the_bit_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let read = Checkpoint::load(&saved(&folder)).unwrap();
    let written = example(200, Some(100));
    assert_eq!(read.state, written.state);
    assert_same(&read.trained, &written.trained);
    assert_same(&read.optimizer, &written.optimizer);
}

#[test]
fn the_trained_tensors_read_without_the_optimizer() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder);
    fs::remove_file(path.join(OPTIMIZER)).unwrap();
    let (state, trained) = Checkpoint::load_trained(&path).unwrap();
    assert_eq!(state.step, 200);
    assert_same(&trained, &example(200, None).trained);
}

#[test]
#[cfg(unix)]
fn every_file_has_the_permissions_of_its_neighbours() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder);
    let mode = |name| fs::metadata(path.join(name)).unwrap().permissions().mode();
    assert_eq!(mode(TRAINED), mode(STATE));
    assert_eq!(mode(OPTIMIZER), mode(STATE));
}

type Damage<'a> = &'a dyn Fn(&Path);

#[test]
fn damage_is_named_with_its_file_and_a_way_out() {
    let cut = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    };
    let empty = |path: &Path| fs::write(path, "").unwrap();
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let huge_header = |path: &Path| fs::write(path, u64::MAX.to_le_bytes()).unwrap();
    let binary = |path: &Path| fs::write(path, [0xff, 0xfe, 0, 0, 0, 0, 0, 0, 9]).unwrap();
    let damages: [(&str, Damage<'_>); 5] = [
        ("cut", &cut),
        ("empty", &empty),
        ("remove", &remove),
        ("huge header", &huge_header),
        ("binary", &binary),
    ];
    for file in [STATE, TRAINED, OPTIMIZER] {
        for (name, damage) in damages {
            let folder = tempfile::tempdir().unwrap();
            let path = saved(&folder);
            damage(&path.join(file));
            let message = Checkpoint::load(&path).unwrap_err().to_string();
            let place = format!("{}: ", path.join(file).display());
            assert!(message.starts_with(&place), "{file}, {name}: {message}");
            assert!(message.contains("--fresh"), "{file}, {name}: {message}");
        }
    }
}

#[test]
fn tensors_of_another_checkpoint_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder);
    let with = |change: &dyn Fn(&mut Named)| {
        let mut tensors = example(200, None).trained;
        change(&mut tensors);
        write_tensors(&path.join(TRAINED), &tensors).unwrap();
        Checkpoint::load(&path).unwrap_err().to_string()
    };
    let missing = with(&|tensors| drop(tensors.pop()));
    assert!(
        missing.contains("holds 2 tensors, state.json lists 3"),
        "{missing}"
    );
    let renamed = with(&|tensors| "other".clone_into(&mut tensors[0].0));
    assert!(renamed.contains("z.slow"), "{renamed}");
    let reshaped = with(&|tensors| tensors[0].1 = tensors[0].1.reshape((4, 2)).unwrap());
    assert!(
        reshaped.contains("z.slow is f32 [4, 2], state.json lists f32 [2, 2, 2]"),
        "{reshaped}"
    );
    let retyped = with(&|tensors| tensors[0].1 = tensors[0].1.to_dtype(DType::F64).unwrap());
    assert!(
        retyped.contains("is f64 [2, 2, 2], state.json lists f32"),
        "{retyped}"
    );
}

#[test]
fn a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder);
    fs::write(path.join(STATE), r#"{"format": 2, "all": "else changed"}"#).unwrap();
    let message = Checkpoint::load(&path).unwrap_err().to_string();
    assert!(
        message.contains("checkpoint format 2, this program reads 1"),
        "{message}"
    );
}
