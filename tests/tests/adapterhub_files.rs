//! AdapterHub's files: what `adapters` wrote is read and computes the same, and what is written
//! here is loaded by `adapters` and computes the same.
//!
//! The first runs on committed files (`tests/fixtures/adapterhub`). With the feature
//! `live` both run on every kind of adapter and backbone through the library itself;
//! `COMPACTER_PYTHON` names the interpreter that `tests/python/setup.sh` made.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use compacter_core::config::{Method, MethodConfig, Pooling};
use compacter_core::interop::{self, Export, Head, Library};
use compacter_core::model::{Answer, Model, Network, Pass, Placement};
use compacter_core::peft::{self, Trainables};
use compacter_tests::parity::{Case, Kind, assert_close};

/// How far logits may be from AdapterHub's in f64, relative to the largest.
const TOLERANCES: [(DType, f64); 2] = [(DType::F64, 1e-9), (DType::F32, 1e-5)];

/// A tiny model with a method; an encoder's head reads the first token's state.
fn installed(backbone: &str, method: &MethodConfig, dtype: DType) -> (Model, Method, Trainables) {
    let case = Case::read(backbone);
    let answer = if case.generates() {
        Answer::Text { longest: 12 }
    } else {
        Answer::Class {
            count: 3,
            verbalizers: Vec::new(),
        }
    };
    let placement = Placement {
        device: Device::Cpu,
        dtype,
        pooling: Pooling::Cls,
        frozen_dtype: None,
    };
    let mut model = Model::load(case.folder(), answer, placement).unwrap();
    let method = method.resolve().unwrap();
    let trainables = peft::install(&method, &mut model, 1).unwrap();
    (model, method, trainables)
}

/// Logits of each example of the batch by itself, one after another.
fn logits(model: &Model, backbone: &str) -> Tensor {
    let batch = Case::read(backbone).batch(Kind::Classes);
    let logits = match &model.network {
        Network::T5(t5) => {
            let encoded = t5.encode(&batch.source, &Pass::EVALUATION).unwrap();
            t5.decode(&encoded, &batch.target, &Pass::EVALUATION)
        }
        Network::Bert(_) => model.head_logits(&batch, &Pass::EVALUATION),
    };
    logits.unwrap()
}

/// Compares what an adapter in a folder computes here with `logits.safetensors` beside it.
fn check_read(folder: &Path) {
    let backbone = folder.file_name().unwrap().to_str().unwrap();
    let adapter = interop::read(folder).unwrap();
    let path = folder.join("logits.safetensors");
    let expected = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let has_head = matches!(
        adapter.head,
        Head::Linear {
            outputs: 3,
            pooling: Pooling::Cls,
            ..
        }
    );
    assert_eq!(
        has_head,
        !backbone.starts_with("t5"),
        "{}",
        folder.display()
    );
    for (dtype, tolerance) in TOLERANCES {
        let (model, method, trainables) = installed(backbone, &adapter.method, dtype);
        adapter.restore(&method, &model, &trainables).unwrap();
        let what = format!("{} {dtype:?}", folder.display());
        let found = logits(&model, backbone);
        assert_close(&what, &found, &expected["logits"], tolerance);
    }
}

/// The folders `<what>/<backbone>` that hold adapters.
fn folders(root: &Path) -> Vec<PathBuf> {
    let below = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let found = below(root).into_iter().filter(|path| path.is_dir());
    let mut found: Vec<PathBuf> = found.flat_map(|what| below(&what)).collect();
    found.sort();
    found
}

#[test]
fn what_adapterhub_saved_computes_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/adapterhub");
    let found = folders(&root);
    assert!(found.len() > 10, "{found:?}");
    for folder in found {
        check_read(&folder);
    }
}

/// Trained values that differ from those that an adapter starts with.
fn draw(trainables: &Trainables) {
    let key = compacter_core::random::Key::new(5);
    let start = trainables.values().to_dtype(DType::F64).unwrap();
    let noise: Vec<f64> = (0..trainables.total())
        .map(|at| 0.2 * key.normal(at as u64))
        .collect();
    let noise = Tensor::from_vec(noise, trainables.total(), &Device::Cpu).unwrap();
    // Rounded, so that single precision holds the same values.
    let drawn = (start + noise).unwrap().to_dtype(DType::F32).unwrap();
    let drawn = drawn.to_dtype(trainables.values().dtype()).unwrap();
    trainables.values().set(&drawn).unwrap();
    trainables.refresh().unwrap();
}

fn write(folder: &Path, backbone: &str, table: &str, layer_norms: bool) -> interop::Adapter {
    let config: MethodConfig = toml::from_str(table).unwrap();
    let (model, method, trainables) = installed(backbone, &config, DType::F64);
    draw(&trainables);
    let export = Export {
        method: &method,
        model: &model,
        trainables: &trainables,
        labels: &["no", "maybe", "yes"].map(str::to_owned),
        base: "tiny",
        name: "task",
        head: true,
        layer_norms,
    };
    interop::write(Library::AdapterHub, &export, folder).unwrap();
    let logits = logits(&model, backbone);
    let path = folder.join("logits.safetensors");
    safetensors::serialize_to_file([("logits", &logits)], None, &path).unwrap();
    interop::read(folder).unwrap()
}

const SMALL: &str = "reduction_factor = 4";

/// What is written: a name, the `[method]` table, and whether it trains layer norms.
fn written() -> Vec<(&'static str, String, bool)> {
    let hub = "convention = 'adapterhub'";
    vec![
        (
            "compacter",
            format!("kind = 'compacter'\n{hub}\n{SMALL}"),
            false,
        ),
        (
            "compacter_paper",
            format!("kind = 'compacter'\n{SMALL}"),
            true,
        ),
        (
            "compacter_paper_plus_plus",
            format!("kind = 'compacter++'\n{SMALL}"),
            true,
        ),
        (
            "compacter_constant",
            format!("kind = 'compacter'\n{hub}\n{SMALL}\nlearn_slow = false\nrank = 2"),
            false,
        ),
        (
            "compacter_own",
            format!("kind = 'compacter'\n{hub}\n{SMALL}\nslow = 'own'\nlearn_slow = false"),
            false,
        ),
        (
            "compacter_plus_plus",
            format!("kind = 'compacter++'\n{hub}\n{SMALL}"),
            false,
        ),
        (
            "phm",
            format!("kind = 'phm'\n{hub}\n{SMALL}\nleave_out = [0]"),
            false,
        ),
        (
            "adapter",
            format!("kind = 'adapter'\n{hub}\n{SMALL}"),
            false,
        ),
        (
            "adapterdrop",
            format!("kind = 'adapterdrop'\n{SMALL}\ndrop_first = 1"),
            true,
        ),
        (
            "pfeiffer",
            format!("kind = 'pfeiffer'\n{hub}\n{SMALL}"),
            false,
        ),
        (
            "pfeiffer_paper",
            format!("kind = 'pfeiffer'\n{SMALL}\ntrain_layer_norms = false"),
            false,
        ),
        (
            "parallel",
            format!("kind = 'parallel'\n{hub}\n{SMALL}\nscale = 2.5"),
            false,
        ),
        (
            "lora",
            "kind = 'lora'\nrank = 4\nalpha = 6.0".to_owned(),
            false,
        ),
        (
            "lora_k",
            "kind = 'lora'\nrank = 2\nalpha = 6.0\ntargets = ['k']".to_owned(),
            false,
        ),
        (
            "dora",
            "kind = 'dora'\nrank = 4\nalpha = 4.0".to_owned(),
            false,
        ),
        ("ia3", format!("kind = 'ia3'\n{hub}"), false),
        (
            "prefix",
            format!("kind = 'prefix'\n{hub}\nlength = 3\nbottleneck = 5"),
            false,
        ),
        (
            "prefix_flat",
            format!("kind = 'prefix'\n{hub}\nlength = 3\nbottleneck = 0"),
            false,
        ),
        (
            "prompt",
            format!("kind = 'prompt'\n{hub}\nlength = 3"),
            false,
        ),
    ]
}

const BACKBONES: [&str; 4] = ["t5_v1_0", "t5_v1_1", "bert", "roberta"];

/// Whether AdapterHub has the method for the backbone.
fn applies(name: &str, backbone: &str) -> bool {
    match name {
        "prompt" => !backbone.starts_with("t5"),
        "dora" => backbone.starts_with("t5"),
        _ => true,
    }
}

#[test]
fn what_is_written_is_read_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    for (name, table, norms) in written() {
        for backbone in BACKBONES
            .into_iter()
            .filter(|backbone| applies(name, backbone))
        {
            let folder = directory.path().join(name).join(backbone);
            fs::create_dir_all(folder.parent().unwrap()).unwrap();
            write(&folder, backbone, &table, norms);
            check_read(&folder);
            assert_eq!(
                folder.join("layer_norms.safetensors").exists(),
                norms,
                "{name}"
            );
        }
    }
}

/// An adapter's folder with one field of its configuration changed.
fn changed(directory: &Path, table: &str, field: &str, value: serde_json::Value) -> PathBuf {
    let folder = directory.join("changed");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    write(&folder, "bert", table, false);
    let path = folder.join("adapter_config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["config"][field] = value;
    fs::write(&path, config.to_string()).unwrap();
    folder
}

#[test]
fn what_no_method_here_computes_is_refused_by_name() {
    use serde_json::json;
    let directory = tempfile::tempdir().unwrap();
    let compacter = "kind = 'compacter'\nconvention = 'adapterhub'\nreduction_factor = 4";
    let pfeiffer = "kind = 'pfeiffer'\nconvention = 'adapterhub'\nreduction_factor = 4";
    let ia3 = "kind = 'ia3'\nconvention = 'adapterhub'";
    for (table, field, value, fragment) in [
        (compacter, "cross_adapter", json!(true), "cross_adapter"),
        (compacter, "ln_before", json!(true), "ln_before"),
        (compacter, "use_gating", json!(true), "use_gating"),
        (compacter, "inv_adapter", json!("nice"), "inv_adapter"),
        (compacter, "phm_bias", json!(false), "phm_bias"),
        (
            compacter,
            "factorized_phm_rule",
            json!(true),
            "factorized_phm_rule",
        ),
        (compacter, "shared_W_phm", json!(true), "shared_W_phm"),
        (
            compacter,
            "original_ln_before",
            json!(true),
            "original_ln_before",
        ),
        (
            compacter,
            "reduction_factor",
            json!({"0": 2, "default": 4}),
            "no whole number",
        ),
        (compacter, "reduction_factor", json!(2.5), "no whole number"),
        (
            compacter,
            "non_linearity",
            json!("leakyrelu"),
            "`leakyrelu` is none of",
        ),
        (compacter, "scaling", json!("learned"), "only numbers"),
        (compacter, "scaling", json!(2.0), "scaling"),
        (compacter, "architecture", json!("reft"), "`reft`"),
        (compacter, "mh_adapter", json!("yes"), "invalid type"),
        (
            pfeiffer,
            "residual_before_ln",
            json!("post_add"),
            "residual_before_ln",
        ),
        (
            pfeiffer,
            "original_ln_after",
            json!(false),
            "original_ln_after",
        ),
        (
            compacter,
            "invertible_adapter",
            json!({"block_type": "nice"}),
            "invertible_adapter",
        ),
        (compacter, "shortcuts", json!(2), "config.shortcuts is 2"),
        (
            compacter,
            "non_linearity",
            json!(null),
            "invalid type: null",
        ),
        ("kind = 'lora'", "vera_d", json!(0.1), "VeRA"),
        ("kind = 'lora'", "use_dora", json!(true), "use_dora"),
        ("kind = 'lora'", "output_lora", json!(true), "output_lora"),
        ("kind = 'lora'", "leave_out", json!([0]), "leave_out"),
        (ia3, "attn_matrices", json!(["q", "v"]), "attn_matrices"),
        (
            "kind = 'prefix'",
            "cross_prefix",
            json!(false),
            "cross_prefix",
        ),
        ("kind = 'prefix'", "non_linearity", json!("relu"), "tanh"),
        (
            "kind = 'prompt'",
            "combine",
            json!("prefix_after_bos"),
            "combine",
        ),
    ] {
        let folder = changed(directory.path(), table, field, value);
        let message = interop::read(&folder).unwrap_err().to_string();
        assert!(message.contains(fragment), "{field}: {message}");
        assert!(
            message.contains("adapter_config.json"),
            "{field}: {message}"
        );
    }
}

#[test]
fn old_files_and_those_of_other_models_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let pfeiffer = "kind = 'pfeiffer'\nconvention = 'adapterhub'\nreduction_factor = 4";
    let folder = directory.path().join("t5");
    write(&folder, "t5_v1_0", pfeiffer, false);
    let path = folder.join("adapter_config.json");
    let text = fs::read_to_string(&path).unwrap();
    let of_version = |version: &str| {
        fs::write(&path, text.replace("adapters.1.3.0", version)).unwrap();
        interop::read(&folder)
    };
    for version in ["3.2.1", "adapters.0.1.0", "adapters.1.3.0"] {
        assert!(of_version(version).is_ok(), "{version}");
    }
    let message = of_version("3.1.0").unwrap_err().to_string();
    assert!(message.contains("before 3.2"), "{message}");

    let folder = directory.path().join("roberta");
    let adapter = write(&folder, "roberta", "kind = 'lora'", false);
    let (model, method, trainables) = installed("bert", &adapter.method, DType::F32);
    let refused = adapter.restore(&method, &model, &trainables).unwrap_err();
    let message = refused.to_string();
    assert!(
        message.contains("model_type is `roberta`, but the model is a `bert`"),
        "{message}"
    );
}

#[test]
fn files_that_do_not_fit_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let compacter = "kind = 'compacter'\nconvention = 'adapterhub'\nreduction_factor = 4";
    let folder = directory.path().join("t5");
    write(&folder, "t5_v1_0", compacter, false);
    let path = folder.join("adapter.safetensors");
    let whole = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let without = |name: &str| {
        let mut tensors = whole.clone();
        tensors.remove(name).unwrap();
        safetensors::serialize_to_file(tensors, None, &path).unwrap();
    };

    // What `adapters` makes of a T5ForConditionalGeneration.
    without("transformer.shared_parameters.task.phm_rule");
    let message = interop::read(&folder).unwrap_err().to_string();
    assert!(message.contains("phm_rule"), "{message}");
    assert!(message.contains("T5ForConditionalGeneration"), "{message}");

    let name = "encoder.block.0.layer.0.adapters.task.adapter_up.W_left";
    without(&format!("transformer.{name}"));
    let adapter = interop::read(&folder).unwrap();
    let restore = |backbone: &str, table: &str| {
        let (model, method, trainables) =
            installed(backbone, &toml::from_str(table).unwrap(), DType::F32);
        adapter
            .restore(&method, &model, &trainables)
            .unwrap_err()
            .to_string()
    };
    assert!(restore("t5_v1_0", compacter).contains(name));
    // Another model has no such tensors, and others.
    assert!(restore("bert", compacter).contains("model_type is `t5`"));

    fs::write(&path, b"short").unwrap();
    let message = interop::read(&folder).unwrap_err().to_string();
    assert!(
        message.contains("adapter.safetensors: cut off or damaged"),
        "{message}"
    );
    fs::remove_file(&path).unwrap();
    let message = interop::read(&folder).unwrap_err().to_string();
    assert!(message.contains("holds neither"), "{message}");
    let message = interop::read(directory.path()).unwrap_err().to_string();
    assert!(message.contains("adapter_config.json"), "{message}");
}

/// Rewrites the head beside an adapter.
fn change_head(folder: &Path, class: &str, config: &serde_json::Value, names: [&str; 2]) {
    let path = folder.join("head_config.json");
    let mut full: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    full["config"] = config.clone();
    full["model_class"] = class.into();
    full["label2id"] = serde_json::json!({"b": 1, "a": 0, "c": 2});
    fs::write(&path, full.to_string()).unwrap();
    let path = folder.join("model_head.safetensors");
    let weight = Tensor::zeros((3, 32), DType::F32, &Device::Cpu).unwrap();
    let bias = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    let tensors = names.into_iter().zip([&weight, &bias]);
    safetensors::serialize_to_file(tensors, None, &path).unwrap();
}

#[test]
fn heads_are_taken_over_where_they_have_their_like_and_left_out_where_not() {
    use serde_json::{Value, json};
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("bert");
    let adapter = write(&folder, "bert", "kind = 'lora'", false);
    let labels = |labels: [&str; 3]| labels.map(str::to_owned).to_vec();
    let expected = Head::Linear {
        outputs: 3,
        pooling: Pooling::Cls,
        labels: labels(["no", "maybe", "yes"]),
    };
    assert_eq!(adapter.head, expected);

    let path = folder.join("head_config.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"maybe\": 1", "\"maybe\": 7")).unwrap();
    let message = interop::read(&folder).unwrap_err().to_string();
    assert!(message.contains("does not number 3 classes"), "{message}");

    let plain = ["classifier.weight", "classifier.bias"];
    change_head(
        &folder,
        "BertForSequenceClassification",
        &Value::Null,
        plain,
    );
    let expected = Head::Linear {
        outputs: 3,
        pooling: Pooling::Pooler,
        labels: labels(["a", "b", "c"]),
    };
    assert_eq!(interop::read(&folder).unwrap().head, expected);

    let two = json!({"head_type": "classification", "layers": 2, "use_pooler": false});
    change_head(
        &folder,
        "BertAdapterModel",
        &two,
        ["heads.task.1.weight", "heads.task.1.bias"],
    );
    let Head::LeftOut(why) = interop::read(&folder).unwrap().head else {
        panic!("two layers have no like here");
    };
    assert!(why.contains("`classification` head of 2 layers"), "{why}");

    let one = json!({"head_type": "classification", "layers": 1});
    change_head(&folder, "BertAdapterModel", &one, plain);
    let message = interop::read(&folder).unwrap_err().to_string();
    assert!(
        message.contains("holds no `heads.task.1.weight`"),
        "{message}"
    );
}

#[test]
fn what_adapterhub_has_no_word_for_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    for (backbone, table, fragment) in [
        (
            "bert",
            "kind = 'compacter'\nreduction_factor = 4",
            "train_layer_norms = false",
        ),
        (
            "bert",
            "kind = 'lora'\ntargets = ['o']",
            "write it for PEFT",
        ),
        ("bert", "kind = 'ia3'", "before the non-linearity"),
        ("bert", "kind = 'dora'\nalpha = 8.0", "write it for PEFT"),
        (
            "t5_v1_0",
            "kind = 'dora'\nalpha = 16.0",
            "write it for PEFT",
        ),
        ("bert", "kind = 'bitfit'", "it has adapters"),
        ("bert", "kind = 'full'", "it has adapters"),
        ("t5_v1_0", "kind = 'prompt'", "no prompts for T5"),
        ("t5_v1_0", "kind = 'prefix'", "other positions"),
        (
            "bert",
            "kind = 'prefix'\nplacement = 'peft'",
            "other positions",
        ),
        (
            "t5_v1_0",
            "kind = 'parallel'\nreduction_factor = 4",
            "residual",
        ),
    ] {
        let config: MethodConfig = toml::from_str(table).unwrap();
        let (model, method, trainables) = installed(backbone, &config, DType::F32);
        let export = Export {
            method: &method,
            model: &model,
            trainables: &trainables,
            labels: &[],
            base: "tiny",
            name: "task",
            head: false,
            layer_norms: false,
        };
        let folder = directory.path().join("refused");
        let refused = interop::write(Library::AdapterHub, &export, &folder);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(fragment), "{table}: {message}");
        assert!(!folder.exists());
    }
}

#[cfg(feature = "live")]
fn python(what: &str, folder: &Path) {
    let python = std::env::var_os("COMPACTER_PYTHON").expect("COMPACTER_PYTHON is set");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/adapterhub_files.py");
    let status = std::process::Command::new(python)
        .arg(script)
        .arg(what)
        .arg(folder)
        .status()
        .unwrap();
    assert!(status.success(), "{what}: {status}");
}

#[cfg(feature = "live")]
#[test]
fn adapterhub_and_this_program_read_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let theirs = directory.path().join("theirs");
    python("save", &theirs);
    let found = folders(&theirs);
    assert_eq!(found.len(), 15 * 4 - 2 - 2);
    for folder in found {
        check_read(&folder);
    }

    let ours = directory.path().join("ours");
    for (name, table, norms) in written() {
        for backbone in BACKBONES
            .into_iter()
            .filter(|backbone| applies(name, backbone))
        {
            let folder = ours.join(name).join(backbone);
            fs::create_dir_all(folder.parent().unwrap()).unwrap();
            write(&folder, backbone, &table, norms);
        }
    }
    python("load", &ours);
    let found = folders(&ours);
    assert_eq!(found.len(), 19 * 4 - 2 - 2);
    for folder in found {
        let tensors = |name: &str| {
            let path = folder.join(name);
            candle_core::safetensors::load(path, &Device::Cpu).unwrap()["logits"].clone()
        };
        let what = folder.display().to_string();
        assert_close(
            &what,
            &tensors("loaded.safetensors"),
            &tensors("logits.safetensors"),
            1e-9,
        );
    }
}
