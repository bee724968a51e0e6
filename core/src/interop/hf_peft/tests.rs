//! What is refused, and names and settings in both directions.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};

use super::super::{self as interop, Adapter, Export, Library};
use super::names;
use crate::config::{Method, MethodConfig, MethodKind, Placement, Pooling};
use crate::model::{self, Answer, Model};
use crate::peft::{self, Trainables};

mod refused;
mod written;

/// A folder of this repository's fixtures.
fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures")
        .join(path)
}

/// A tiny model, an encoder with three classes.
fn model(name: &str, pooling: Pooling) -> Model {
    let answer = if name.starts_with("t5") {
        Answer::Text { longest: 4 }
    } else {
        Answer::Class {
            count: 3,
            verbalizers: Vec::new(),
        }
    };
    let placement = model::Placement {
        device: Device::Cpu,
        dtype: DType::F32,
        pooling,
        frozen_dtype: None,
    };
    Model::load(&fixture("parity").join(name), answer, placement).unwrap()
}

fn method(table: &str) -> Method {
    let config: MethodConfig = toml::from_str(table).unwrap();
    config.resolve().unwrap()
}

/// A model with a method in it.
struct Tuned {
    method: Method,
    model: Model,
    trainables: Trainables,
}

fn tuned(name: &str, pooling: Pooling, table: &str) -> Tuned {
    let (mut model, method) = (model(name, pooling), method(table));
    let trainables = peft::install(&method, &mut model, 1).unwrap();
    Tuned {
        method,
        model,
        trainables,
    }
}

impl Tuned {
    fn export(&self, head: bool) -> Export<'_> {
        Export {
            method: &self.method,
            model: &self.model,
            trainables: &self.trainables,
            labels: &[],
            base: "base",
            name: "task",
            head,
            layer_norms: false,
        }
    }
}

/// A folder with an adapter of PEFT in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(config: &Value, tensors: &[(&str, &[usize])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::write(path.join("adapter_config.json"), config.to_string()).unwrap();
        let tensors = tensors.iter().map(|(name, shape)| {
            let tensor = Tensor::ones(*shape, DType::F32, &Device::Cpu).unwrap();
            (*name, tensor)
        });
        let tensors: std::collections::HashMap<&str, Tensor> = tensors.collect();
        candle_core::safetensors::save(&tensors, path.join("adapter_model.safetensors")).unwrap();
        Self(folder)
    }

    fn read(&self) -> crate::Result<Adapter> {
        interop::read(self.0.path())
    }
}

#[test]
fn a_name_has_no_wrapper_base_or_adapter_left() {
    for (theirs, plain) in [
        (
            "base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight",
            "encoder.layer.0.attention.self.query.lora_A.weight",
        ),
        (
            "base_model.model.decoder.block.1.layer.1.EncDecAttention.q.lora_B.default.weight",
            "decoder.block.1.layer.1.EncDecAttention.q.lora_B.weight",
        ),
        (
            "base_model.model.roberta.encoder.layer.3.output.dense.ia3_l.default",
            "encoder.layer.3.output.dense.ia3_l",
        ),
        (
            "encoder.layer.0.attention.self.value.lora_magnitude_vector.default.weight",
            "encoder.layer.0.attention.self.value.lora_magnitude_vector",
        ),
        ("base_model.model.classifier.weight", "classifier.weight"),
        ("base_model.classifier.weight", "classifier.weight"),
        (
            "base_model.model.classifier.modules_to_save.default.out_proj.bias",
            "classifier.out_proj.bias",
        ),
        ("prompt_embeddings", "prompt_embeddings"),
    ] {
        assert_eq!(names::plain(theirs), plain);
    }
}

#[test]
fn targets_are_read_off_the_tensors_whatever_the_list_says() {
    let config = json!({
        "peft_type": "LORA",
        "r": 2,
        "lora_alpha": 6,
        "use_rslora": true,
        "lora_dropout": 0.1,
        "target_modules": "all-linear",
    });
    let shape: &[usize] = &[2, 8];
    let folder = Folder::new(
        &config,
        &[
            (
                "base_model.model.encoder.block.0.layer.0.SelfAttention.o.lora_A.weight",
                shape,
            ),
            (
                "base_model.model.encoder.block.0.layer.0.SelfAttention.k.lora_A.weight",
                shape,
            ),
            (
                "base_model.model.decoder.block.0.layer.1.EncDecAttention.q.lora_A.weight",
                shape,
            ),
        ],
    );
    let read = folder.read().unwrap().method;
    assert_eq!(read.kind, MethodKind::Lora);
    assert_eq!(read.targets.unwrap(), ["q", "k", "o"]);
    assert_eq!((read.rank, read.dropout), (Some(2), Some(0.1)));
    // α/√r = alpha/r
    let alpha = read.alpha.unwrap();
    assert!((alpha / 2.0 - 6.0 / 2f64.sqrt()).abs() < 1e-12, "{alpha}");
}

#[test]
fn rank_and_alpha_default_as_in_peft() {
    let config = json!({"peft_type": "LORA"});
    let name = "base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight";
    let read = Folder::new(&config, &[(name, &[8, 4])]).read().unwrap();
    let Method::Lora(update) = read.method.resolve().unwrap() else {
        panic!("{:?}", read.method);
    };
    assert_eq!((update.rank, update.alpha.to_bits()), (8, 8f64.to_bits()));
}

#[test]
fn a_file_that_sets_the_decoders_rows_aside_or_not_is_read() {
    for rows in [3, 6] {
        let config = json!({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 3});
        let folder = Folder::new(&config, &[("prompt_embeddings", &[rows, 32])]);
        let read = folder.read().unwrap();
        assert_eq!(read.method.placement, Some(Placement::Peft));
        let t5 = tuned("t5_v1_0", Pooling::Mean, "kind = 'prompt'\nlength = 3");
        read.restore(&t5.method, &t5.model, &t5.trainables).unwrap();
        let values = t5.trainables.values().flatten_all().unwrap();
        assert_eq!(values.to_vec1::<f32>().unwrap(), vec![1.0; 96]);
    }
}

#[test]
fn an_adapter_without_its_head_leaves_the_models_alone() {
    let adapter = interop::read(&fixture("peft/lora_bert")).unwrap();
    assert_eq!(adapter.head.outputs(), Some(3));
    let bert = |pooling| {
        tuned(
            "bert",
            pooling,
            "kind = 'lora'\nrank = 4\ntargets = ['q', 'k', 'o']",
        )
    };
    let bert = bert(Pooling::Mean);
    let head = || {
        let named = bert.trainables.named(bert.trainables.values()).unwrap();
        let head = named.into_iter().find(|(name, _)| name == "head.weight");
        head.unwrap()
            .1
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    };
    let before = head();
    let adapter = adapter.without_head();
    adapter
        .restore(&bert.method, &bert.model, &bert.trainables)
        .unwrap();
    assert_eq!(adapter.head.outputs(), None);
    assert_eq!(head(), before);
}
