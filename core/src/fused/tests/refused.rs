//! Methods that the hand-written step does not know, or not everywhere.

use super::*;

/// Methods that the hand-written step does not know, with what it says of them.
const REFUSED: [(&str, &str); 8] = [
    ("kind = 'parallel'", "holds a module"),
    ("kind = 'dora'", "holds a module"),
    ("kind = 'ia3'", "holds a module on its"),
    ("kind = 'ia3'\nconvention = 'adapterhub'", "holds a module"),
    (
        "kind = 'prefix'\nlength = 2\nbottleneck = 4",
        "holds prefix rows",
    ),
    ("kind = 'prompt'\nlength = 2", "holds a prompt"),
    ("kind = 'prompt-vocab'\nlength = 2", "holds a prompt"),
    (
        "kind = 'said'\ndimension = 200",
        "is computed from other weights",
    ),
];

#[test]
fn what_the_step_does_not_know_is_refused_and_where_it_stands_is_said() {
    for name in MODELS {
        for (table, said) in REFUSED {
            let mut model = model(name, Pooling::Mean, DType::F64, false);
            let trainables = installed(table, &mut model);
            let refused = Fused::new(&model, &trainables).unwrap_err().to_string();
            assert!(refused.contains(said), "{name} {table}: {refused}");
        }
    }
}

#[test]
fn added_biases_are_refused_and_a_backbones_own_are_trained() {
    for name in MODELS {
        let mut model = model(name, Pooling::Mean, DType::F64, false);
        let trainables = installed("kind = 'bitfit'", &mut model);
        if name.starts_with("t5") {
            let refused = Fused::new(&model, &trainables).unwrap_err().to_string();
            assert!(refused.contains("lm_head holds a module"), "{refused}");
            continue;
        }
        let batch = batch(&[5, 1, 9, 3], &[2, 4, 1, 3], false, Key::new(3));
        let pass = Pass::training(0.3, Key::new(8));
        agree(name, &model, &trainables, (&batch, &pass, 1e-11));
    }
}
