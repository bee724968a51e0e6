//! What is written, and that it is read back the same.

use super::*;
use crate::peft::init::Distribution;
use crate::random::Key;

const METHODS: [&str; 11] = [
    "kind = 'lora'",
    "kind = 'lora'\nrank = 3\nalpha = 7.5\ntargets = ['q', 'k', 'v', 'o']\ndropout = 0.1",
    "kind = 'dora'\nrank = 2",
    "kind = 'dora'\nrank = 2\ntargets = ['o']",
    "kind = 'ia3'",
    "kind = 'ia3'\nplacement = 'adapterhub'",
    "kind = 'prompt'\nlength = 3\nplacement = 'peft'",
    "kind = 'prompt-vocab'\nlength = 3\nplacement = 'peft'",
    "kind = 'prefix'\nlength = 3\nbottleneck = 0\nplacement = 'peft'",
    "kind = 'prefix'\nlength = 3\nbottleneck = 5\nplacement = 'peft'",
    "kind = 'prompt'\nlength = 1\nplacement = 'peft'",
];

/// Random values in place of those that a method starts from.
fn shake(trainables: &Trainables) {
    let (total, key) = (trainables.total(), Key::new(5).named("values"));
    let values = Distribution::Normal(0.5).tensor(key, &[total], DType::F32, &Device::Cpu);
    trainables.values().set(&values.unwrap()).unwrap();
    trainables.refresh().unwrap();
}

fn values(trainables: &Trainables) -> Vec<f32> {
    trainables
        .values()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

/// Writes a method's values and reads them into another model.
fn round_trip(base: &str, pooling: Pooling, table: &str) {
    let what = format!("{base} {table}");
    let head = pooling == Pooling::Pooler;
    let first = tuned(base, pooling, table);
    shake(&first.trainables);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter");
    interop::write(Library::Peft, &first.export(head), &path).unwrap();

    let adapter = interop::read(&path).unwrap();
    assert_eq!(
        adapter.head.outputs(),
        (head && !base.starts_with("t5")).then_some(3),
        "{what}"
    );
    let mut model = model(base, pooling);
    let method = adapter.method.resolve().unwrap();
    let second = peft::install(&method, &mut model, 2).unwrap();
    adapter.restore(&method, &model, &second).unwrap();
    if table.contains("bottleneck = 5") {
        // Rows are written, not what makes them.
        let made = super::super::rows::tensors(&first.export(head)).unwrap();
        for (name, tensor) in second.named(second.values()).unwrap() {
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            if name.contains(".prefix.") {
                assert_eq!(flat(&tensor), flat(&made[&name]), "{what} {name}");
            }
        }
        return;
    }
    let kept_head = !head && !base.starts_with("t5");
    let compared = if kept_head {
        second.total() - 3 * 33
    } else {
        second.total()
    };
    assert_eq!(
        values(&second)[..compared],
        values(&first.trainables)[..compared],
        "{what}"
    );
    if !table.contains("prompt-vocab") {
        let again = match (first.method, method) {
            // PEFT does not say how a prompt or an update of directions was trained.
            (Method::Dora(ours), Method::Dora(theirs)) => (ours.update == theirs.update, "dora"),
            (ours, theirs) => (ours == theirs, "other"),
        };
        // T5's gate is scaled at one place, whichever is asked for.
        let gated = base == "t5_v1_1" && table.contains("adapterhub");
        assert!(again.0 || gated, "{what}: {}", again.1);
    }
}

#[test]
fn what_is_written_is_read_back_the_same() {
    for table in METHODS {
        for base in ["t5_v1_0", "t5_v1_1"] {
            round_trip(base, Pooling::Mean, table);
        }
        for base in ["bert", "roberta"] {
            round_trip(base, Pooling::Cls, table);
            // RoBERTa's head with a prefix is refused.
            if base == "bert" || !table.contains("prefix") {
                round_trip(base, Pooling::Pooler, table);
            }
        }
    }
}

#[test]
fn names_and_settings_are_those_that_peft_saves() {
    let said = |base: &str, table: &str, head: bool| {
        let pooling = if head { Pooling::Pooler } else { Pooling::Mean };
        let tuned = tuned(base, pooling, table);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("adapter");
        interop::write(Library::Peft, &tuned.export(head), &path).unwrap();
        let text = std::fs::read_to_string(path.join("adapter_config.json")).unwrap();
        let tensors = path.join("adapter_model.safetensors");
        let tensors = candle_core::safetensors::load(tensors, &Device::Cpu).unwrap();
        let mut names: Vec<String> = tensors.into_keys().collect();
        names.sort();
        (serde_json::from_str::<Value>(&text).unwrap(), names)
    };
    for (case, base, table, head) in [
        (
            "lora_t5",
            "t5_v1_0",
            "kind = 'lora'\nrank = 4\nalpha = 12.0",
            false,
        ),
        (
            "dora_bert",
            "bert",
            "kind = 'dora'\nrank = 3\nalpha = 8.0",
            true,
        ),
        (
            "lora_roberta",
            "roberta",
            "kind = 'lora'\nrank = 3\nalpha = 8.0",
            true,
        ),
        (
            "lora_bert_plain",
            "bert",
            "kind = 'lora'\nrank = 2\nalpha = 8.0\ntargets = ['v']",
            false,
        ),
        ("ia3_t5", "t5_v1_0", "kind = 'ia3'", false),
        ("prompt_t5", "t5_v1_0", "kind = 'prompt'\nlength = 3", false),
        (
            "prefix_bert",
            "bert",
            "kind = 'prefix'\nlength = 3\nplacement = 'peft'",
            true,
        ),
    ] {
        let (config, names) = said(base, table, head);
        let folder = fixture("peft").join(case);
        let theirs = std::fs::read_to_string(folder.join("adapter_config.json")).unwrap();
        let theirs: Value = serde_json::from_str(&theirs).unwrap();
        for (key, value) in config.as_object().unwrap() {
            let expected = match key.as_str() {
                "base_model_name_or_path" => &json!("base"),
                // Lists are sets there, and the head is named twice.
                "target_modules" | "modules_to_save" => continue,
                key => &theirs[key],
            };
            assert_eq!(value, expected, "{case} {key}");
        }
        let tensors = folder.join("adapter_model.safetensors");
        let tensors = candle_core::safetensors::load(tensors, &Device::Cpu).unwrap();
        let mut expected: Vec<String> = tensors.into_keys().collect();
        expected.sort();
        assert_eq!(names, expected, "{case}");
    }
}
