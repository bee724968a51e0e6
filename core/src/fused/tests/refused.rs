//! Methods that the hand-written step does not know.

use super::*;

/// Methods that the hand-written step does not know, with what it says of them.
const REFUSED: [(&str, &str); 10] = [
    ("kind = 'parallel'", "holds a module"),
    ("kind = 'dora'", "holds a module"),
    ("kind = 'ia3'", "holds a module on its"),
    ("kind = 'ia3'\nconvention = 'adapterhub'", "holds a module"),
    (
        "kind = 'prefix'\nlength = 2\nbottleneck = 4",
        "holds prefix rows",
    ),
    (
        "kind = 'prefix'\nlength = 2\nbottleneck = 0\nplacement = 'peft'",
        "holds prefix rows",
    ),
    ("kind = 'prompt'\nlength = 2", "holds a prompt"),
    (
        "kind = 'prompt'\nlength = 2\nplacement = 'peft'",
        "holds a prompt",
    ),
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
            let refused = Fused::new(&model, &trainables, MixedPrecision::No)
                .unwrap_err()
                .to_string();
            assert!(refused.contains(said), "{name} {table}: {refused}");
        }
    }
}
